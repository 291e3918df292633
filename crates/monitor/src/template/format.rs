//! Numbers as Go and Prometheus print them. It must never panic on any number.

/// `%v` of a float: the shortest digits that give the number back, with an exponent from 1e6 and below 1e-4 on.
pub fn shortest(n: f64) -> String {
    general(n, None)
}

/// `%.Ng`: so many significant digits, trailing zeros left out. `None`: the shortest.
pub fn general(n: f64, digits: Option<usize>) -> String {
    if let Some(text) = not_finite(n) {
        return text.into();
    }
    if n == 0.0 {
        return if n.is_sign_negative() { "-0".into() } else { "0".into() };
    }
    let wanted = digits.map(|d| d.clamp(1, 50));
    let scientific = match wanted {
        Some(d) => format!("{n:.*e}", d - 1),
        None => format!("{n:e}"),
    };
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    // Where the digits are as many as are needed, Go decides by six.
    let limit = wanted.map_or(6, |d| d as i32);
    if exponent < -4 || exponent >= limit {
        return format!("{}e{}", trim_zeros(mantissa), signed(exponent));
    }
    match wanted {
        Some(d) => trim_zeros(&format!("{n:.*}", (d as i32 - 1 - exponent).max(0) as usize)).to_string(),
        None => format!("{n}"),
    }
}

fn not_finite(n: f64) -> Option<&'static str> {
    match n {
        n if n.is_nan() => Some("NaN"),
        f64::INFINITY => Some("+Inf"),
        f64::NEG_INFINITY => Some("-Inf"),
        _ => None,
    }
}

fn trim_zeros(text: &str) -> &str {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text }
}

fn signed(exponent: i32) -> String {
    format!("{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.unsigned_abs())
}

/// `%.Ne`.
pub fn scientific(n: f64, decimals: usize) -> String {
    if let Some(text) = not_finite(n) {
        return text.into();
    }
    let text = format!("{n:.*e}", decimals.min(50));
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    format!("{mantissa}e{}", signed(exponent.parse().unwrap_or(0)))
}

/// `%.Nf`.
pub fn fixed(n: f64, decimals: usize) -> String {
    not_finite(n).map_or_else(|| format!("{n:.*}", decimals.min(50)), str::to_string)
}

/// A number as Prometheus writes it in texts.
pub fn parse(text: &str) -> Option<f64> {
    match text {
        "+Inf" | "Inf" => Some(f64::INFINITY),
        "-Inf" => Some(f64::NEG_INFINITY),
        "NaN" => Some(f64::NAN),
        text => text.parse().ok(),
    }
}

/// Divides by `base` until the number is below it.
fn scaled(mut n: f64, base: f64, prefixes: &[&'static str]) -> (f64, &'static str) {
    let mut prefix = "";
    for p in prefixes {
        if n.abs() < base {
            break;
        }
        (prefix, n) = (p, n / base);
    }
    (n, prefix)
}

fn small(mut n: f64) -> (f64, &'static str) {
    let mut prefix = "";
    for p in ["m", "u", "n", "p", "f", "a", "z", "y"] {
        if n.abs() >= 1.0 {
            break;
        }
        (prefix, n) = (p, n * 1000.0);
    }
    (n, prefix)
}

/// `1234567` as `1.235M`.
pub fn humanize(n: f64) -> String {
    if n == 0.0 || !n.is_finite() {
        return general(n, Some(4));
    }
    let (n, prefix) =
        if n.abs() >= 1.0 { scaled(n, 1000.0, &["k", "M", "G", "T", "P", "E", "Z", "Y"]) } else { small(n) };
    general(n, Some(4)) + prefix
}

/// `1048576` as `1Mi`.
pub fn humanize_1024(n: f64) -> String {
    if n.abs() <= 1.0 || !n.is_finite() {
        return general(n, Some(4));
    }
    let (n, prefix) = scaled(n, 1024.0, &["ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"]);
    general(n, Some(4)) + prefix
}

/// Seconds as `1d 2h 3m 4s`.
pub fn humanize_duration(seconds: f64) -> String {
    if !seconds.is_finite() || seconds == 0.0 {
        return general(seconds, Some(4)) + if seconds == 0.0 { "s" } else { "" };
    }
    if seconds.abs() < 1.0 {
        let (n, prefix) = small(seconds);
        return format!("{}{prefix}s", general(n, Some(4)));
    }
    let sign = if seconds < 0.0 { "-" } else { "" };
    let whole = seconds.abs() as u64;
    let (s, m, h, d) = (whole % 60, whole / 60 % 60, whole / 3600 % 24, whole / 86_400);
    if d > 0 {
        format!("{sign}{d}d {h}h {m}m {s}s")
    } else if h > 0 {
        format!("{sign}{h}h {m}m {s}s")
    } else if m > 0 {
        format!("{sign}{m}m {s}s")
    } else {
        general(seconds, Some(4)) + "s"
    }
}

/// `0.123` as `12.3%`.
pub fn humanize_percentage(n: f64) -> String {
    general(n * 100.0, Some(4)) + "%"
}
