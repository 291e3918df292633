//! The functions of templates. It must never have one that reads a clock, a file or the network; `query` asks through
//! the facts.

use super::eval::Run;
use super::format;
use super::value::Value;
use document::did_you_mean;
use model::Labels;
use model::time::format_rfc3339_ms;
use regex::RegexBuilder;
use std::cmp::Ordering;

type Call = fn(&mut Run<'_>, Vec<Value>) -> Result<Value, String>;

/// The largest regular expression, compiled, in bytes.
const REGEX_BYTES_MAX: usize = 1 << 20;
/// The widest field of `printf`.
const WIDTH_MAX: usize = 1_000;

/// A function of templates.
pub struct Function {
    /// Its name.
    pub name: &'static str,
    least: usize,
    most: usize,
    /// What it does.
    pub call: Call,
}

impl std::fmt::Debug for Function {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl PartialEq for Function {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Function {
    /// Whether it takes so many arguments.
    pub fn takes(&self, given: usize) -> bool {
        (self.least..=self.most).contains(&given)
    }

    /// How many arguments it takes, in words.
    pub fn arguments(&self) -> String {
        match (self.least, self.most) {
            (least, usize::MAX) => format!("{least} arguments or more"),
            (1, 1) => "one argument".into(),
            (least, most) if least == most => format!("{least} arguments"),
            (least, most) => format!("{least} to {most} arguments"),
        }
    }
}

/// The function of that name.
///
/// # Errors
/// That there is none, with the name that was probably meant.
pub fn find(name: &str) -> Result<&'static Function, String> {
    FUNCTIONS.iter().find(|f| f.name == name).ok_or_else(|| {
        let hint = did_you_mean(name, supported());
        format!("the function {name:?} is not supported in templates{hint}")
    })
}

/// Names of all functions.
pub fn supported() -> impl Iterator<Item = &'static str> {
    FUNCTIONS.iter().map(|f| f.name)
}

const fn function(name: &'static str, least: usize, most: usize, call: Call) -> Function {
    Function { name, least, most, call }
}

const MANY: usize = usize::MAX;

static FUNCTIONS: &[Function] = &[
    function("humanize", 1, 1, |_, a| number(&a, format::humanize)),
    function("humanize1024", 1, 1, |_, a| number(&a, format::humanize_1024)),
    function("humanizeDuration", 1, 1, |_, a| number(&a, format::humanize_duration)),
    function("humanizePercentage", 1, 1, |_, a| number(&a, format::humanize_percentage)),
    function("humanizeTimestamp", 1, 1, |_, a| number(&a, timestamp)),
    function("printf", 1, MANY, |_, a| Ok(Value::Text(printf(&a[0].text(), &a[1..])))),
    function("print", 0, MANY, |_, a| Ok(Value::Text(a.iter().map(Value::text).collect()))),
    function("println", 0, MANY, |_, a| {
        Ok(Value::Text(a.iter().map(Value::text).collect::<Vec<_>>().join(" ") + "\n"))
    }),
    function("query", 1, 1, |run, a| run.ask(&a[0].text())),
    function("first", 1, 1, |_, a| match &a[0] {
        Value::List(list) => list.first().cloned().ok_or_else(|| "the list is empty".to_string()),
        other => Err(format!("expected rows of a query, found {}", other.kind())),
    }),
    function("value", 1, 1, |_, a| row(&a[0]).map(|(_, value)| Value::Float(value))),
    function("label", 2, 2, |_, a| {
        row(&a[1]).map(|(labels, _)| Value::Text(labels.get(&a[0].text()).to_string()))
    }),
    function("strvalue", 1, 1, |_, a| {
        row(&a[0]).map(|(labels, _)| Value::Text(labels.get("__value__").to_string()))
    }),
    function("sortByLabel", 2, 2, |_, a| {
        let name = a[0].text();
        let Value::List(mut list) = a[1].clone() else { return Err("expected rows of a query".into()) };
        let key = |v: &Value| row(v).map_or(String::new(), |(labels, _)| labels.get(&name).to_string());
        list.sort_by_key(key);
        Ok(Value::List(list))
    }),
    function("title", 1, 1, |_, a| text(&a, title)),
    function("toUpper", 1, 1, |_, a| text(&a, |t| t.to_uppercase())),
    function("toLower", 1, 1, |_, a| text(&a, |t| t.to_lowercase())),
    function("trimSpace", 1, 1, |_, a| text(&a, |t| t.trim().to_string())),
    function("stripPort", 1, 1, |_, a| text(&a, strip_port)),
    function("stripDomain", 1, 1, |_, a| text(&a, strip_domain)),
    function("safeHtml", 1, 1, |_, a| Ok(a[0].clone())),
    function("reReplaceAll", 3, 3, |_, a| {
        let with = a[1].text();
        Ok(Value::Text(regex(&a[0])?.replace_all(&a[2].text(), with.as_str()).into_owned()))
    }),
    function("match", 2, 2, |_, a| Ok(Value::Bool(regex(&a[0])?.is_match(&a[1].text())))),
    function("parseDuration", 1, 1, |_, a| {
        Ok(Value::Float(model::time::parse_duration_ms(&a[0].text())? as f64 / 1000.0))
    }),
    function("externalURL", 0, 0, |run, _| Ok(Value::Text(run.facts.external_url.to_string()))),
    function("pathPrefix", 0, 0, |_, _| Ok(Value::Text(String::new()))),
    function("graphLink", 1, 1, |_, a| text(&a, |t| format!("/look?expr={}", encode(t)))),
    function("tableLink", 1, 1, |_, a| text(&a, |t| format!("/look?expr={}", encode(t)))),
    function("eq", 2, MANY, |_, a| {
        for other in &a[1..] {
            if a[0].compare(other)? == Some(Ordering::Equal) {
                return Ok(Value::Bool(true));
            }
        }
        Ok(Value::Bool(false))
    }),
    function("ne", 2, 2, |_, a| compared(&a, |o| o != Some(Ordering::Equal))),
    function("lt", 2, 2, |_, a| compared(&a, |o| o == Some(Ordering::Less))),
    function("le", 2, 2, |_, a| compared(&a, |o| matches!(o, Some(Ordering::Less | Ordering::Equal)))),
    function("gt", 2, 2, |_, a| compared(&a, |o| o == Some(Ordering::Greater))),
    function("ge", 2, 2, |_, a| compared(&a, |o| matches!(o, Some(Ordering::Greater | Ordering::Equal)))),
    function("and", 1, MANY, |_, a| Ok(pick(a, |v| !v.is_true()))),
    function("or", 1, MANY, |_, a| Ok(pick(a, Value::is_true))),
    function("not", 1, 1, |_, a| Ok(Value::Bool(!a[0].is_true()))),
    function("len", 1, 1, |_, a| match &a[0] {
        Value::Text(text) => Ok(Value::Int(text.len() as i64)),
        Value::List(list) => Ok(Value::Int(list.len() as i64)),
        Value::Map(labels) => Ok(Value::Int(labels.len() as i64)),
        other => Err(format!("{} has no length", other.kind())),
    }),
    function("index", 2, 2, |_, a| match (&a[0], &a[1]) {
        (Value::Map(labels), name) => Ok(Value::Text(labels.get(&name.text()).to_string())),
        (Value::List(list), Value::Int(i)) => {
            let item = usize::try_from(*i).ok().and_then(|i| list.get(i));
            item.cloned().ok_or_else(|| format!("the list has no item {i}"))
        }
        (other, _) => Err(format!("{} has no items", other.kind())),
    }),
];

fn number(a: &[Value], show: fn(f64) -> String) -> Result<Value, String> {
    Ok(Value::Text(show(a[0].number()?)))
}

fn text(a: &[Value], change: impl Fn(&str) -> String) -> Result<Value, String> {
    Ok(Value::Text(change(&a[0].text())))
}

fn row(value: &Value) -> Result<(&Labels, f64), String> {
    match value {
        Value::Row(labels, value) => Ok((labels, *value)),
        other => Err(format!("expected a row of a query, found {}", other.kind())),
    }
}

fn compared(a: &[Value], is: fn(Option<Ordering>) -> bool) -> Result<Value, String> {
    Ok(Value::Bool(is(a[0].compare(&a[1])?)))
}

/// The first value that decides, else the last.
fn pick(a: Vec<Value>, decides: impl Fn(&Value) -> bool) -> Value {
    let at = a.iter().position(decides).unwrap_or(a.len() - 1);
    a.into_iter().nth(at).unwrap_or(Value::Nil)
}

fn regex(pattern: &Value) -> Result<regex::Regex, String> {
    let built = RegexBuilder::new(&pattern.text()).size_limit(REGEX_BYTES_MAX).build();
    built.map_err(|e| e.to_string().lines().last().unwrap_or("not a regular expression").to_string())
}

fn timestamp(seconds: f64) -> String {
    if seconds.is_finite() && seconds.abs() < 8.64e12 {
        let text = format_rfc3339_ms((seconds * 1000.0) as i64);
        let text = text.trim_end_matches('Z').trim_end_matches(".000");
        return format!("{} +0000 UTC", text.replace('T', " "));
    }
    format::general(seconds, Some(4))
}

fn title(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut is_start = true;
    for c in text.chars() {
        if is_start {
            out.extend(c.to_uppercase())
        } else {
            out.push(c)
        }
        is_start = !(c.is_alphanumeric() || c == '_' || c == '\'');
    }
    out
}

fn strip_port(text: &str) -> String {
    match text.strip_prefix('[').and_then(|t| t.split_once(']')) {
        Some((address, _)) => address.to_string(),
        None if text.matches(':').count() == 1 => text.split(':').next().unwrap_or_default().to_string(),
        None => text.to_string(),
    }
}

fn strip_domain(text: &str) -> String {
    let host = strip_port(text);
    if host.parse::<std::net::IpAddr>().is_ok() {
        return text.to_string();
    }
    let port = &text[host.len().min(text.len())..];
    host.split('.').next().unwrap_or_default().to_string() + port
}

fn encode(text: &str) -> String {
    let keep = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~');
    text.bytes().map(|b| if keep(b) { (b as char).to_string() } else { format!("%{b:02X}") }).collect()
}

/// Go's `printf`, as far as templates of alerts use it.
fn printf(format: &str, arguments: &[Value]) -> String {
    let (mut out, mut chars, mut given) = (String::new(), format.chars().peekable(), arguments.iter());
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let (mut left, mut zero, mut plus) = (false, false, false);
        while let Some(flag) = chars.next_if(|c| matches!(c, '-' | '0' | '+' | ' ' | '#')) {
            left |= flag == '-';
            zero |= flag == '0';
            plus |= flag == '+';
        }
        let mut digits = || -> Option<usize> {
            let mut n = None;
            while let Some(c) = chars.next_if(char::is_ascii_digit) {
                let digit = c.to_digit(10).unwrap_or(0) as usize;
                n = Some((n.unwrap_or(0) * 10 + digit).min(WIDTH_MAX));
            }
            n
        };
        let width = digits().unwrap_or(0);
        let precision = if chars.next_if_eq(&'.').is_some() { Some(count(&mut chars)) } else { None };
        let Some(verb) = chars.next() else {
            out += "%!(NOVERB)";
            break;
        };
        if verb == '%' {
            out.push('%');
            continue;
        }
        let Some(value) = given.next() else {
            out += &format!("%!{verb}(MISSING)");
            continue;
        };
        let mut text = one(verb, value, precision);
        if plus && matches!(value, Value::Int(_) | Value::Float(_)) && !text.starts_with(['-', '+']) {
            text.insert(0, '+');
        }
        let missing = width.saturating_sub(text.chars().count());
        match (left, zero && matches!(value, Value::Int(_) | Value::Float(_))) {
            (true, _) => out += &(text + &" ".repeat(missing)),
            (false, true) => {
                let sign = usize::from(text.starts_with(['-', '+']));
                text.insert_str(sign, &"0".repeat(missing));
                out += &text;
            }
            (false, false) => out += &(" ".repeat(missing) + &text),
        }
    }
    out
}

fn count(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> usize {
    let mut n = 0;
    while let Some(c) = chars.next_if(char::is_ascii_digit) {
        n = (n * 10 + c.to_digit(10).unwrap_or(0) as usize).min(WIDTH_MAX);
    }
    n
}

fn one(verb: char, value: &Value, precision: Option<usize>) -> String {
    let bad = || format!("%!{verb}({})", value.text());
    match (verb, value) {
        ('v', Value::Float(n)) => {
            precision.map_or_else(|| format::shortest(*n), |p| format::general(*n, Some(p)))
        }
        ('v' | 's', value) => {
            let text = value.text();
            match precision {
                Some(p) => text.chars().take(p).collect(),
                None => text,
            }
        }
        ('d', Value::Int(n)) => n.to_string(),
        ('q', Value::Text(text)) => format!("{text:?}"),
        ('t', Value::Bool(b)) => b.to_string(),
        ('f' | 'F', Value::Float(n)) => format::fixed(*n, precision.unwrap_or(6)),
        ('g' | 'G', Value::Float(n)) => format::general(*n, precision.or(None)),
        ('e', Value::Float(n)) => format::scientific(*n, precision.unwrap_or(6)),
        ('x', Value::Int(n)) => format!("{n:x}"),
        _ => bad(),
    }
}
