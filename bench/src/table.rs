//! Plain tables, and what a median and its spread are. It must never measure anything.

/// A table whose first column is text and whose other columns are figures, aligned to the right.
pub struct Table {
    title: String,
    rows: Vec<Vec<String>>,
    notes: Vec<String>,
}

impl Table {
    /// An empty table. A header may have a unit after a line break.
    pub fn new(title: impl Into<String>, headers: &[&str]) -> Table {
        let parts: Vec<(&str, &str)> =
            headers.iter().map(|h| h.split_once('\n').unwrap_or((h, ""))).collect();
        let names = parts.iter().map(|p| p.0.to_string()).collect();
        let units = parts.iter().map(|p| p.1.to_string()).collect();
        Table { title: title.into(), rows: vec![names, units], notes: Vec::new() }
    }

    /// One more row; a row may be shorter than the headers.
    pub fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// One more line under the table.
    pub fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }

    /// As text, with an empty line before it.
    pub fn text(&self) -> String {
        let columns = self.rows[0].len();
        let mut widths = vec![0; columns];
        for row in self.rows.iter().filter(|r| r.len() == columns) {
            row.iter().zip(&mut widths).for_each(|(cell, w)| *w = (*w).max(cell.chars().count()));
        }
        let mut out = format!("\n{}\n\n", self.title);
        for (number, row) in self.rows.iter().enumerate() {
            let mut line = String::new();
            for (i, cell) in row.iter().enumerate() {
                let width = widths[i];
                match i {
                    0 => line += &format!("{cell:width$}"),
                    // A remark in place of the figures.
                    _ if row.len() < columns => line += &format!("  {cell}"),
                    _ => line += &format!("  {cell:>width$}"),
                }
            }
            if line.trim().is_empty() {
                continue;
            }
            out += line.trim_end();
            out.push('\n');
            if number == 1 {
                out += &"-".repeat(widths.iter().sum::<usize>() + 2 * (columns - 1));
                out.push('\n');
            }
        }
        if !self.notes.is_empty() {
            out.push('\n');
        }
        for note in &self.notes {
            out += note;
            out.push('\n');
        }
        out
    }
}

/// The value below which the share `p` (0 to 1) of the values lies; NaN of nothing. Values need no order.
pub fn percentile(values: &[f64], p: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    if sorted.is_empty() {
        return f64::NAN;
    }
    // Nearest rank, so that a figure is one that was measured.
    let rank = (p * sorted.len() as f64).ceil() as usize;
    sorted[rank.clamp(1, sorted.len()) - 1]
}

/// `median (least-most)`, or the value alone if there is one.
pub fn spread(values: &[f64], decimals: usize) -> String {
    let number = |p| figure(percentile(values, p), decimals);
    if values.len() < 2 {
        return number(0.5);
    }
    format!("{} ({}-{})", number(0.5), number(0.0), number(1.0))
}

/// A number with so many decimals; `?` if it could not be measured.
pub fn figure(value: f64, decimals: usize) -> String {
    if value.is_finite() { format!("{value:.decimals$}") } else { "?".into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_measured_values() {
        let values = [5.0, 1.0, 3.0, 2.0, 4.0];
        for (p, want) in [(0.0, 1.0), (0.5, 3.0), (0.99, 5.0), (1.0, 5.0)] {
            assert_eq!(percentile(&values, p), want, "at {p}");
        }
        assert!(percentile(&[], 0.5).is_nan());
        assert_eq!(spread(&values, 1), "3.0 (1.0-5.0)");
        assert_eq!(spread(&[f64::NAN], 1), "?");
    }

    #[test]
    fn columns_are_aligned() {
        let mut table = Table::new("Title", &["name", "cost\nms"]);
        table.row(vec!["a".into(), "1.25".into()]);
        table.row(vec!["peer".into(), "30.00".into()]);
        table.row(vec!["none".into()]);
        table.note("A note.");
        let want =
            "\nTitle\n\nname   cost\n         ms\n-----------\na      1.25\npeer  30.00\nnone\n\nA note.\n";
        assert_eq!(table.text(), want);
    }
}
