//! An objective as a small picture (SVG) to be put anywhere: the name, a shape, and how it is in words, so that it is read without
//! colours too. It must never ask for anything outside of itself, nor let a name become markup.

use super::words::{left, number, percent};
use super::{Slo, State, Verdict};

/// The most characters of the name.
const NAME_CHARS_MAX: usize = 60;
/// Width of a character of the font that is named, roughly, in hundredths of a pixel.
const CHAR_WIDTH: usize = 680;

/// The picture.
pub fn svg(slo: &Slo, verdict: &Verdict) -> String {
    let budget = &verdict.budget;
    let kept = match (budget.sum.total > 0.0, budget.left) {
        (true, Some(l)) => format!(
            ": {} of {} %, {} of budget left",
            percent(budget.sum.good / budget.sum.total),
            number(slo.objective * 100.0),
            if l <= 0.0 { "nothing".to_string() } else { left(l) }
        ),
        _ => String::new(),
    };
    let says = format!("{}{kept}", verdict.state.words());
    // Blue, amber, vermilion and grey of Okabe and Ito's palette, dark enough for white text; each has a shape of its own.
    let (colour, shape) = match verdict.state {
        State::Fine => ("#00568a", Shape::Disc),
        State::BurnsSlowly | State::Spent => ("#8a5a00", Shape::Triangle),
        State::BurnsFast => ("#b03a00", Shape::Square),
        _ => ("#555555", Shape::Ring),
    };
    let name: String = slo.name.chars().take(NAME_CHARS_MAX).collect();
    let name = escaped(&name);
    let left_px = width(&slo.name.chars().take(NAME_CHARS_MAX).collect::<String>()) + 16;
    let right_px = width(&says) + 32;
    let (all, says) = (left_px + right_px, escaped(&says));
    let (x, middle) = (left_px + 13, left_px / 2);
    let shape = match shape {
        Shape::Disc => format!("<circle cx=\"{x}\" cy=\"10\" r=\"4.5\" fill=\"#fff\"/>"),
        Shape::Ring => format!(
            "<circle cx=\"{x}\" cy=\"10\" r=\"4\" fill=\"none\" stroke=\"#fff\" stroke-width=\"1.6\"/>"
        ),
        Shape::Triangle => format!("<path d=\"M{x} 4.5l5.5 10h-11z\" fill=\"#fff\"/>"),
        Shape::Square => format!("<rect x=\"{}\" y=\"5.5\" width=\"9\" height=\"9\" fill=\"#fff\"/>", x - 5),
    };
    let text_x = left_px + 23;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{all}\" height=\"20\" role=\"img\" aria-label=\"{name}: {says}\">\
         <title>{name}: {says}</title>\
         <rect width=\"{all}\" height=\"20\" rx=\"3\" fill=\"{colour}\"/>\
         <path d=\"M3 0h{}v20H3a3 3 0 0 1-3-3V3a3 3 0 0 1 3-3z\" fill=\"#333333\"/>{shape}\
         <g fill=\"#fff\" font-family=\"Verdana,DejaVu Sans,sans-serif\" font-size=\"11\">\
         <text x=\"{middle}\" y=\"14\" text-anchor=\"middle\">{name}</text>\
         <text x=\"{text_x}\" y=\"14\">{says}</text></g></svg>\n",
        left_px - 3
    )
}

enum Shape {
    Disc,
    Ring,
    Triangle,
    Square,
}

fn width(text: &str) -> usize {
    text.chars().map(|c| if c.is_ascii() { CHAR_WIDTH } else { 1_100 }).sum::<usize>() / 100
}

/// A text inside of markup or an attribute. What XML cannot hold is left out.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            '\'' => out += "&#39;",
            c if c.is_control() || ('\u{fffe}'..='\u{ffff}').contains(&c) => {}
            // Marks that turn the direction of text would let a name lie about the words after it.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {}
            c => out.push(c),
        }
    }
    out
}
