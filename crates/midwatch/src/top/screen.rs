//! A reading of the machine as the lines of a screen. Pure: the same reading, view and size give the same lines. It
//! must never give more lines or wider ones than there is room for.

use super::machine::{Machine, Process};
use crate::cli::SortBy;
use crate::text::{Ink, Look, cells, clock, cut, left, right};
use crate::units::{Unit, digits, show};

/// What the person chose to see.
#[derive(Clone, Debug)]
pub struct View {
    /// The order of processes.
    pub sort: SortBy,
    /// Show the keys instead.
    pub help: bool,
    /// Why the last question had no answer.
    pub problem: Option<String>,
}

/// Cells of a bar.
const BAR: usize = 20;
/// Rows of disks and interfaces.
const DEVICES: usize = 4;

/// A line of parts, each with its colour: cut as a whole.
struct Line<'a> {
    look: &'a Look,
    text: String,
    used: usize,
}

impl<'a> Line<'a> {
    fn new(look: &'a Look) -> Line<'a> {
        Line { look, text: String::new(), used: 0 }
    }

    fn add(mut self, ink: Option<Ink>, text: &str) -> Line<'a> {
        let text = cut(text, self.look.width.saturating_sub(self.used));
        self.used += cells(&text);
        self.text += &ink.map_or_else(|| text.clone(), |ink| self.look.paint(ink, &text));
        self
    }
}

/// The screen, at most `height` lines.
pub fn draw(m: &Machine, view: &View, url: &str, height: usize, look: &Look) -> Vec<String> {
    let mut out = vec![title(m, url, look)];
    if let Some(problem) = &view.problem {
        let text = problem.lines().next().unwrap_or("");
        out.push(Line::new(look).add(Some(Ink::Red), &format!("No answer: {text}")).text);
        out.push(
            Line::new(look)
                .add(None, "Below is what was last known. It goes on when the server answers again.")
                .text,
        );
    }
    if view.help {
        out.extend(HELP.lines().map(|l| Line::new(look).add(None, l).text));
        out.truncate(height);
        return out;
    }
    if m.instance.is_empty() {
        let text = "This server does not record its machine; start it without --no-host.";
        out.push(Line::new(look).add(Some(Ink::Yellow), text).text);
    } else {
        out.extend([cpu(m, look), memory(m, look), pressure(m, look)]);
    }
    out.extend(attention(m, look));
    if !m.instance.is_empty() {
        out.extend(devices(m, look));
        let room = height.saturating_sub(out.len());
        out.extend(processes(m, view.sort, room, look));
    }
    out.truncate(height);
    out
}

const HELP: &str = "
Keys
  q, Esc, Ctrl-C   quit
  s                sort processes by the next measure: CPU, memory, I/O
  c  m  i          sort by CPU, by memory, by I/O
  ?                this help, and back

CPU of a process counts cores: 200 % are two cores. Rates are over the last
6 seconds. PSI is pressure: the part of time in which some/all threads waited.
What is not fine comes from Home; open the address above in a browser for why.";

fn title(m: &Machine, url: &str, look: &Look) -> String {
    let name = if m.instance.is_empty() { "midwatch top".into() } else { m.instance.clone() };
    let up = format!("  up {}", show(m.up_seconds, Unit::Seconds));
    let up = if m.instance.is_empty() { String::new() } else { up };
    let rest = format!("{up}  {} UTC  {url}", clock(m.at_ms));
    let keys = "q quit  s sort  ? help";
    let line = Line::new(look).add(Some(Ink::Bold), &name).add(None, &rest);
    let room = look.width.saturating_sub(line.used);
    if room > keys.len() + 1 { line.add(Some(Ink::Dim), &right(keys, room)).text } else { line.text }
}

fn bar(part: f64, look: &Look) -> (Option<Ink>, String) {
    let part = if part.is_finite() { part.clamp(0.0, 1.0) } else { 0.0 };
    let full = (part * BAR as f64).round() as usize;
    let ink = match part {
        p if p >= 0.95 => Ink::Red,
        p if p >= 0.8 => Ink::Yellow,
        _ => Ink::Green,
    };
    (look.colour.then_some(ink), format!("{}{}", "█".repeat(full), "░".repeat(BAR - full)))
}

fn percent(part: f64) -> String {
    if part.is_finite() { format!("{} %", digits((part * 1000.0).round() / 10.0)) } else { "-".into() }
}

fn cpu(m: &Machine, look: &Look) -> String {
    if m.cores == 0 {
        return Line::new(look)
            .add(None, "CPU ")
            .add(Some(Ink::Dim), "- no samples of the last seconds")
            .text;
    }
    let cores = m.cores.max(1) as f64;
    let of = |modes: &[&str]| {
        modes.iter().map(|mode| m.cpu.get(*mode).copied().unwrap_or(0.0)).sum::<f64>() / cores
    };
    let busy = of(&["user", "nice", "system", "irq", "softirq", "steal"]);
    let (ink, text) = bar(busy, look);
    let modes = format!(
        " {}  user {}  sys {}  wait {}  steal {}",
        right(&percent(busy), 6),
        percent(of(&["user", "nice"])),
        percent(of(&["system", "irq", "softirq"])),
        percent(of(&["iowait"])),
        percent(of(&["steal"])),
    );
    Line::new(look).add(None, "CPU ").add(ink, &text).add(None, &modes).text
}

fn memory(m: &Machine, look: &Look) -> String {
    let [total, available, swap, swap_free] = m.memory;
    let used = (total - available).max(0.0);
    let (ink, text) = bar(used / total.max(1.0), look);
    let bytes = |b: f64| show(b, Unit::Bytes);
    let rest = format!(" {}  {} of {}", right(&percent(used / total.max(1.0)), 6), bytes(used), bytes(total));
    let swap = if swap > 0.0 {
        format!("  swap {} of {}", bytes(swap - swap_free), bytes(swap))
    } else {
        "  no swap".into()
    };
    Line::new(look).add(None, "Mem ").add(ink, &text).add(None, &rest).add(Some(Ink::Dim), &swap).text
}

/// Load, and the part of time in which some / all threads waited.
fn pressure(m: &Machine, look: &Look) -> String {
    let [one, five, fifteen] = m.load.map(digits);
    let load = format!("Load {one} {five} {fifteen} on {} cores  PSI", m.cores);
    let mut line = Line::new(look).add(None, &load);
    if m.cores == 0 {
        return Line::new(look)
            .add(None, "Load ")
            .add(Some(Ink::Dim), "- no samples of the last seconds")
            .text;
    }
    if m.pressure.is_empty() {
        return line.add(Some(Ink::Dim), " is not told by this kernel").text;
    }
    for resource in ["cpu", "memory", "io"] {
        let of = |kind: &str| m.pressure.get(&format!("{resource}_{kind}")).copied();
        let (some, all) = (of("waiting").unwrap_or(0.0), of("stalled"));
        let ink = match some {
            s if s >= 0.4 => Some(Ink::Red),
            s if s >= 0.1 => Some(Ink::Yellow),
            _ => None,
        };
        // All threads of a machine hardly ever wait for its CPUs.
        let all = all.filter(|_| resource != "cpu").map(|a| format!("/{:.0}", a * 100.0)).unwrap_or_default();
        line = line.add(None, &format!(" {resource} ")).add(ink, &format!("{:.0}{all} %", some * 100.0));
    }
    line.text
}

/// What is not fine, and what is down; the shape says it where there is no colour.
fn attention(m: &Machine, look: &Look) -> Vec<String> {
    let mut out = Vec::new();
    let s = &m.seldom;
    let headline = if s.headline.is_empty() { "Home gives no answer." } else { &s.headline };
    let ink = match s.tiles.first().map(|(state, _)| state.as_str()) {
        None => Ink::Green,
        Some("bad") => Ink::Red,
        Some(_) => Ink::Yellow,
    };
    let targets = format!("  targets: {} up, {} down", s.targets_up, s.targets_down.len());
    out.push(Line::new(look).add(Some(ink), headline).add(Some(Ink::Dim), &targets).text);
    for (state, what) in s.tiles.iter().take(3) {
        let (ink, shape) = match state.as_str() {
            "bad" => (Ink::Red, "✖"),
            "look" => (Ink::Yellow, "▲"),
            _ => (Ink::Dim, "○"),
        };
        out.push(Line::new(look).add(Some(ink), &format!("  {shape} ")).add(None, what).text);
    }
    for (target, why) in s.targets_down.iter().take(2) {
        let text = format!("down: {target}: {why}");
        out.push(Line::new(look).add(Some(Ink::Red), "  ✖ ").add(None, &text).text);
    }
    out
}

/// Disks at the left, interfaces at the right, then the fullest file systems.
fn devices(m: &Machine, look: &Look) -> Vec<String> {
    let rate = |v: f64| right(&show(v, Unit::BytesPerSecond), 10);
    let half = look.width.saturating_sub(2) / 2;
    let name = half.saturating_sub(30).clamp(4, 14);
    let heads =
        format!("{} {} {} {}", left("disk", name), right("read", 10), right("written", 10), right("busy", 6));
    let net = format!("{} {} {}", left("interface", name + 4), right("received", 10), right("sent", 10));
    let mut out = vec![look.paint(Ink::Dim, &cut(&format!("{}  {net}", left(&heads, half)), look.width))];
    // Loopback says little about a machine, and would often be first.
    let interfaces: Vec<_> = m.interfaces.iter().filter(|(name, ..)| name != "lo").collect();
    for i in 0..DEVICES.min(m.disks.len().max(interfaces.len())) {
        let disk = m.disks.get(i).map(|d| {
            let busy = right(&percent(d.busy), 6);
            format!("{} {} {} {busy}", left(&d.name, name), rate(d.read), rate(d.written))
        });
        let interface = interfaces
            .get(i)
            .map(|(n, received, sent)| format!("{} {} {}", left(n, name + 4), rate(*received), rate(*sent)));
        let line = format!("{}  {}", left(&disk.unwrap_or_default(), half), interface.unwrap_or_default());
        out.push(Line::new(look).add(None, line.trim_end()).text);
    }
    let full = |(name, used, left): &(String, f64, f64)| {
        format!("{name} {} ({} left)", percent(*used), show(*left, Unit::Bytes))
    };
    let text: Vec<String> = m.filesystems.iter().take(3).map(full).collect();
    if !text.is_empty() {
        out.push(Line::new(look).add(Some(Ink::Dim), "fullest: ").add(None, &text.join(", ")).text);
    }
    out
}

fn processes(m: &Machine, sort: SortBy, room: usize, look: &Look) -> Vec<String> {
    let mut list: Vec<&Process> = m.processes.iter().collect();
    let key = |p: &Process| match sort {
        SortBy::Cpu => p.cpu,
        SortBy::Memory => p.memory,
        SortBy::Io => p.read + p.written,
    };
    list.sort_by(|a, b| {
        key(b).total_cmp(&key(a)).then(b.memory.total_cmp(&a.memory)).then(a.pid.cmp(&b.pid))
    });
    let mark = |sorted: SortBy, head: &str, width| {
        let head = if sorted == sort { format!("{head}▾") } else { head.into() };
        right(&head, width)
    };
    let total = format!("command ({} of {})", list.len(), m.processes_total);
    let head = format!(
        "{} {} {} {} {} {}  {total}",
        right("pid", 8),
        mark(SortBy::Cpu, "cpu", 7),
        mark(SortBy::Memory, "memory", 9),
        mark(SortBy::Io, "read", 10),
        right("written", 10),
        right("threads", 7)
    );
    let mut out = vec![look.paint(Ink::Bold, &cut(&head, look.width))];
    for p in list.into_iter().take(room.saturating_sub(1)) {
        let line = format!(
            "{} {} {} {} {} {}  {}",
            right(&p.pid, 8),
            right(&percent(p.cpu), 7),
            right(&show(p.memory, Unit::Bytes), 9),
            right(&show(p.read, Unit::BytesPerSecond), 10),
            right(&show(p.written, Unit::BytesPerSecond), 10),
            right(&digits(p.threads), 7),
            p.comm
        );
        out.push(Line::new(look).add(None, &line).text);
    }
    out
}

#[cfg(test)]
mod tests;
