//! A chart of characters: lines of braille dots, an axis with scaled units, times in UTC. It must never be wider than
//! the terminal, and never draw a line over a gap.

use crate::answer::Series;
use crate::text::{Ink, Look, clock, left, right};
use crate::units::{Unit, show};

/// Rows of the drawing itself.
pub const ROWS: usize = 14;
/// Cells of the labels at the left.
const AXIS: usize = 10;

/// What a chart shows.
pub struct Chart<'a> {
    /// Drawn in this order, each in a colour of its own.
    pub series: &'a [Series],
    /// Of all of them.
    pub unit: Unit,
    /// First and last time, in seconds since 1970.
    pub range: (f64, f64),
    /// Two points further apart than this, in seconds, are not joined.
    pub gap: f64,
}

/// Braille dots: two columns and four rows in each cell, and the series that drew there last.
struct Canvas {
    width: usize,
    height: usize,
    cells: Vec<(u8, usize)>,
}

impl Canvas {
    fn new(width: usize, height: usize) -> Canvas {
        Canvas { width, height, cells: vec![(0, 0); width * height] }
    }

    fn dot(&mut self, x: usize, y: usize, series: usize) {
        const BITS: [[u8; 2]; 4] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]];
        let (column, row) = (x / 2, y / 4);
        if column < self.width && row < self.height {
            let cell = &mut self.cells[row * self.width + column];
            *cell = (cell.0 | BITS[y % 4][x % 2], series);
        }
    }

    /// Every dot between two.
    fn line(&mut self, from: (usize, usize), to: (usize, usize), series: usize) {
        let (dx, dy) = (to.0 as f64 - from.0 as f64, to.1 as f64 - from.1 as f64);
        let steps = dx.abs().max(dy.abs()).max(1.0) as usize;
        for i in 0..=steps {
            let part = i as f64 / steps as f64;
            let at = |from: usize, d: f64| (from as f64 + d * part).round().max(0.0) as usize;
            self.dot(at(from.0, dx), at(from.1, dy), series);
        }
    }

    fn row(&self, row: usize, look: &Look) -> String {
        let mut out = String::new();
        let cells = &self.cells[row * self.width..(row + 1) * self.width];
        for run in cells.chunk_by(|a, b| a.1 == b.1 && (a.0 == 0) == (b.0 == 0)) {
            let text: String = run
                .iter()
                .map(|(dots, _)| char::from_u32(0x2800 + u32::from(*dots)).unwrap_or(' '))
                .collect();
            match run[0].0 {
                0 => out.push_str(&" ".repeat(run.len())),
                _ => out.push_str(&look.paint(Ink::Series(run[0].1), &text)),
            }
        }
        out
    }
}

/// The chart as lines; `rows` high without the axis of time.
pub fn draw(chart: &Chart<'_>, rows: usize, look: &Look) -> Vec<String> {
    let width = look.width.saturating_sub(AXIS + 2).clamp(8, 400);
    let values = chart.series.iter().flat_map(|s| &s.points).map(|(_, v)| *v).filter(|v| v.is_finite());
    let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
    if low > high {
        return vec!["No value that can be drawn in this range.".into()];
    }
    let (low, high) = bounds(low, high);
    let mut canvas = Canvas::new(width, rows);
    let (start, end) = chart.range;
    let span = (end - start).max(1e-3);
    let x_of = |t: f64| (((t - start) / span).clamp(0.0, 1.0) * (width * 2 - 1) as f64).round() as usize;
    let y_of =
        |v: f64| ((1.0 - (v - low) / (high - low)).clamp(0.0, 1.0) * (rows * 4 - 1) as f64).round() as usize;
    for (number, series) in chart.series.iter().enumerate() {
        let mut before: Option<(f64, (usize, usize))> = None;
        for (t, v) in &series.points {
            if !v.is_finite() {
                before = None;
                continue;
            }
            let here = (x_of(*t), y_of(*v));
            match before {
                Some((t0, from)) if t - t0 <= chart.gap => canvas.line(from, here, number),
                _ => canvas.dot(here.0, here.1, number),
            }
            before = Some((*t, here));
        }
    }
    let labelled = |row: usize| row == 0 || row + 1 == rows || (rows >= 9 && row == rows / 2);
    let mut out = Vec::new();
    for row in 0..rows {
        let value = high - (high - low) * row as f64 / (rows - 1).max(1) as f64;
        let label = if labelled(row) { show(value, chart.unit) } else { String::new() };
        let tick = if labelled(row) { '┤' } else { '│' };
        out.push(
            format!("{} {tick}{}", look.paint(Ink::Dim, &right(&label, AXIS)), canvas.row(row, look))
                .trim_end()
                .to_string(),
        );
    }
    out.push(format!("{} └{}", " ".repeat(AXIS), "─".repeat(width)));
    out.push(times(start, end, width));
    out
}

/// The beginning, the middle and the end under the axis.
fn times(start: f64, end: f64, width: usize) -> String {
    let text = |t: f64| clock((t * 1000.0) as i64);
    let last = format!("{} UTC", text(end));
    let (first, middle) = (text(start), text((start + end) / 2.0));
    if width < first.len() + last.len() + 1 {
        return format!(
            "{} {}",
            " ".repeat(AXIS + 1),
            right(if width < last.len() { "" } else { &last }, width)
        );
    }
    let room = width - first.len() - last.len();
    let middle = if room > middle.len() + 4 { middle } else { String::new() };
    let before = (room.saturating_sub(middle.len())) / 2;
    let between = left(&format!("{}{middle}", " ".repeat(before)), room);
    format!("{} {first}{between}{last}", " ".repeat(AXIS + 1))
}

/// Where the axis begins and ends: zero is shown where it is near, and a flat line lies in the middle.
fn bounds(low: f64, high: f64) -> (f64, f64) {
    if low == high {
        let around = if low == 0.0 { 1.0 } else { low.abs() * 0.5 };
        return if low == 0.0 { (0.0, 1.0) } else { (low - around, high + around) };
    }
    match (low >= 0.0 && low < high * 0.5, high <= 0.0 && high > low * 0.5) {
        (true, _) => (0.0, high),
        (_, true) => (low, 0.0),
        _ => (low, high),
    }
}

/// The course of a series in one line of blocks: the mean of each slot, a space where there is none.
pub fn spark(points: &[(f64, f64)], range: (f64, f64), width: usize) -> String {
    const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let mut slots = vec![(0.0, 0u32); width];
    for (t, v) in points.iter().filter(|(_, v)| v.is_finite()) {
        let part = ((t - range.0) / (range.1 - range.0).max(1e-3)).clamp(0.0, 1.0);
        let slot = &mut slots[((part * width as f64) as usize).min(width - 1)];
        *slot = (slot.0 + v, slot.1 + 1);
    }
    let means: Vec<Option<f64>> =
        slots.iter().map(|(sum, n)| (*n > 0).then(|| sum / f64::from(*n))).collect();
    let found = means.iter().flatten();
    let (low, high) = found.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(*v), h.max(*v)));
    let block = |mean: &Option<f64>| match mean {
        None => ' ',
        Some(_) if high <= low => BLOCKS[3],
        Some(v) => BLOCKS[(((v - low) / (high - low)) * 7.0).round() as usize % 8],
    };
    means.iter().map(block).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(values: &[f64]) -> Series {
        Series {
            points: values.iter().enumerate().map(|(i, v)| (i as f64 * 10.0, *v)).collect(),
            ..Default::default()
        }
    }

    fn check(values: &[&[f64]], unit: Unit, look: Look, want: &str) {
        let all: Vec<Series> = values.iter().map(|v| series(v)).collect();
        let end = all.iter().flat_map(|s| &s.points).map(|p| p.0).fold(0.0, f64::max);
        let chart = Chart { series: &all, unit, range: (0.0, end), gap: 15.0 };
        assert_eq!(draw(&chart, 4, &look).join("\n"), want.trim_matches('\n'));
    }

    const PLAIN: Look = Look { width: 36, colour: false };

    #[test]
    fn charts() {
        check(
            &[&[0.0, 1.0, 2.0, 3.0, 4.0]],
            Unit::Bytes,
            PLAIN,
            "
       4 B ┤                  ⢀⣀⠤⠔⠒⠉
           │             ⣀⡠⠔⠒⠉⠁
           │     ⢀⣀⡠⠤⠔⠒⠊⠉
       0 B ┤⣀⠤⠔⠒⠉⠁
           └────────────────────────
            00:00:00    00:00:40 UTC",
        );
        // A gap is a gap, one point is a dot, and what is not a number is not drawn.
        check(
            &[&[5.0, f64::NAN, f64::INFINITY, 5.0]],
            Unit::Seconds,
            PLAIN,
            "
     7.5 s ┤
           │
           │⠁                      ⠈
     2.5 s ┤
           └────────────────────────
            00:00:00    00:00:30 UTC",
        );
        check(&[&[f64::NAN]], Unit::Plain, PLAIN, "No value that can be drawn in this range.");
        check(&[&[]], Unit::Plain, PLAIN, "No value that can be drawn in this range.");
    }

    #[test]
    fn colours_only_where_wanted() {
        let both = [series(&[0.0, 1.0]), series(&[1.0, 0.0])];
        let chart = Chart { series: &both, unit: Unit::Plain, range: (0.0, 10.0), gap: 15.0 };
        let coloured = draw(&chart, 6, &Look { width: 40, colour: true }).join("\n");
        assert!(coloured.contains("\x1b[34m") && coloured.contains("\x1b[33m"));
        assert!(!draw(&chart, 6, &PLAIN).join("\n").contains('\x1b'));
        for width in [0, 1, 20, 80, 10_000] {
            let lines = draw(&chart, 3, &Look { width, colour: false });
            assert!(lines.iter().all(|l| crate::text::cells(l) <= width.clamp(20, 412)), "{width}");
        }
    }

    #[test]
    fn sparks() {
        let s = series(&[0.0, 1.0, 2.0, 3.0, f64::NAN, 5.0, 6.0, 7.0]);
        assert_eq!(spark(&s.points, (0.0, 80.0), 8), "▁▂▃▄ ▆▇█");
        assert_eq!(spark(&series(&[4.0, 4.0]).points, (0.0, 20.0), 2), "▄▄");
        assert_eq!(spark(&[], (0.0, 1.0), 3), "   ");
    }
}
