//! Rules of thumb: "when I see ..., I look at ..., because ...". Operators know more than they were ever asked; a form makes
//! a rule of what they say, as a file that they can read and change. It must never make a rule that its own reader refuses.

use crate::rule::Rule;
use stdx::{Error, Result};

/// Bytes of one answer of the form.
pub const ANSWER_BYTES_MAX: usize = 500;

/// What somebody wrote in the form.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Thumb {
    /// When I see: in words.
    pub see: String,
    /// The same as PromQL, which finds something when it is so; empty: it goes by the words of the plan.
    pub see_query: String,
    /// I look at: in words.
    pub look: String,
    /// The same as PromQL; may be empty.
    pub look_query: String,
    /// Because.
    pub because: String,
    /// Only for this service; empty: for any.
    pub service: String,
    /// Who says so.
    pub author: String,
}

/// Words that say nothing of what is meant.
const COMMON: &[&str] = &[
    "when", "with", "that", "this", "there", "from", "have", "than", "more", "very", "many", "some", "much",
    "goes", "gets", "high", "slow", "into", "over", "after", "while", "looks", "seems", "errors", "error",
    "service", "rises", "grows",
];

impl Thumb {
    /// The rule, and its file.
    ///
    /// # Errors
    /// An answer is missing or too long, or the query is none.
    pub fn rule(&self, now_ms: i64) -> Result<(Rule, String)> {
        for (name, text) in [("see", &self.see), ("look", &self.look), ("because", &self.because)] {
            if text.trim().is_empty() {
                return Err(Error::invalid(format!(
                    "{name:?} is missing: when I see ..., I look at ..., because ..."
                )));
            }
        }
        let all = [
            &self.see,
            &self.see_query,
            &self.look,
            &self.look_query,
            &self.because,
            &self.service,
            &self.author,
        ];
        if let Some(long) = all.iter().find(|t| t.len() > ANSWER_BYTES_MAX) {
            let n = long.len();
            return Err(Error::invalid(format!(
                "an answer has at most {ANSWER_BYTES_MAX} bytes; one has {n}"
            )));
        }
        let words = self.words();
        if words.is_empty() && self.see_query.trim().is_empty() {
            let text = "\"see\" has no word that could be recognised in a plan; say it with other words, or give a query";
            return Err(Error::invalid(text));
        }
        let text = self.toml(&words, now_ms);
        let rule = Rule::parse(&text)?;
        Ok((rule, text))
    }

    /// Words of what is seen by which a plan is recognised: two of them in any order, or the only one.
    fn words(&self) -> Vec<String> {
        let is_part = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
        let mut out: Vec<String> = Vec::new();
        for word in self.see.to_lowercase().split(|c: char| !is_part(c)) {
            if word.len() > 3 && !COMMON.contains(&word) && !out.iter().any(|w| w == word) {
                out.push(word.to_string());
            }
        }
        out.truncate(8);
        if out.len() < 2 {
            return out;
        }
        // Two of them are no accident.
        let pairs = (0..out.len()).flat_map(|i| (i + 1..out.len()).map(move |j| (i, j)));
        pairs.map(|(i, j)| format!("{} {}", out[i], out[j])).collect()
    }

    fn toml(&self, words: &[String], now_ms: i64) -> String {
        let id: String =
            words.iter().take(1).flat_map(|w| [w.replace(' ', "-"), "-".to_string()]).collect::<String>();
        let id: String = id.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').take(40).collect();
        let id = format!("thumb-{id}{now_ms}");
        // Braces are places in texts.
        let plain = |text: &str| text.trim().replace(['{', '}'], "");
        let (see, look, because) = (plain(&self.see), plain(&self.look), plain(&self.because));
        let short: String = look.chars().take(80).collect();
        let has_see = !self.see_query.trim().is_empty();
        let has_look = !self.look_query.trim().is_empty();
        let mut out = String::new();
        let mut line = |key: &str, value: String| out.push_str(&format!("{key} = {value}\n"));
        line("id", quoted(&id));
        line("title", quoted(&format!("When {see}: look at {short}")));
        line("checks", quoted(&format!("whether {see}")));
        line("kind", quoted("omission"));
        line("weight", "55".into());
        line("author", quoted(&plain(&self.author)));
        if !self.service.trim().is_empty() {
            line("services", format!("[{}]", quoted(self.service.trim())));
        }
        if has_see {
            line("always", "true".into());
            line("when", quoted("exists(seen)"));
            let now = if has_look { " (now {look})" } else { "" };
            line("finding", quoted(&format!("{see}: somebody here would look at {look}{now}.")));
        } else {
            line("words", format!("[{}]", words.iter().map(|w| quoted(w)).collect::<Vec<_>>().join(", ")));
        }
        let who = if self.author.trim().is_empty() { "Somebody here".into() } else { plain(&self.author) };
        let value = if has_look { " (now {look})" } else { "" };
        line("text", quoted(&format!("When {see}, look at {look}{value}.")));
        line("why", quoted(&because));
        line("sources", format!("[{}]", quoted(&format!("{who}, a rule of thumb"))));
        for (is, name, promql, says) in
            [(has_see, "seen", &self.see_query, &see), (has_look, "look", &self.look_query, &look)]
        {
            if is {
                out.push_str(&format!(
                    "\n[[query]]\nname = {}\npromql = {}\nsays = {}\n",
                    quoted(name),
                    quoted(promql.trim()),
                    quoted(says)
                ));
            }
        }
        out
    }
}

/// A string of TOML.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if c.is_control() => out.push_str(&format!("\\u{:04X}", c as u32)),
            c => out.push(c),
        }
    }
    out + "\""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_becomes_a_rule() {
        let thumb = Thumb {
            see: "checkout times out".into(),
            look: "the lock waits of \"orders\" {first}".into(),
            look_query: "max(pg_locks_count{mode=\"exclusive\"})".into(),
            because: "it was that three times\nlast year".into(),
            author: "Ada".into(),
            ..Thumb::default()
        };
        let (rule, text) = thumb.rule(7).unwrap();
        assert_eq!(rule.id, "thumb-checkout-times-7");
        assert_eq!(rule.applies.words, ["checkout times"]);
        assert_eq!(rule.questions[0].promql, thumb.look_query);
        assert_eq!(
            rule.text,
            "When checkout times out, look at the lock waits of \"orders\" first (now {look})."
        );
        assert!(text.contains("author = \"Ada\""), "{text}");
        let seen = Thumb { see_query: "up == 0".into(), ..thumb.clone() };
        assert!(seen.rule(7).unwrap().0.applies.always);
        for bad in [
            Thumb { because: " ".into(), ..thumb.clone() },
            Thumb { see: "it is so".into(), ..thumb.clone() },
            Thumb { look: "x".repeat(501), ..thumb.clone() },
            Thumb { look_query: "up{$wrong}".into(), ..thumb },
        ] {
            assert!(bad.rule(7).is_err(), "{bad:?}");
        }
    }
}
