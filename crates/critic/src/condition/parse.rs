//! Text to a condition. It must never accept a word that means nothing: a rule that never speaks because of a spelling
//! mistake is worse than one that is refused.

use super::{Condition, FACTOR, Number, Op};
use crate::plan::{Action, Goal, Hypothesis, Said};
use stdx::{Error, Result};

/// Bytes of a condition.
pub const CONDITION_BYTES_MAX: usize = 2_000;
/// Brackets and `not` inside each other.
pub const DEPTH_MAX: usize = 16;

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    Number(f64),
    Sign(&'static str),
}

/// Reads a condition; an empty text always holds.
///
/// # Errors
/// Says what was expected, at which character.
pub fn parse(text: &str) -> Result<Condition> {
    if text.len() > CONDITION_BYTES_MAX {
        let n = text.len();
        return Err(Error::invalid(format!(
            "a condition has at most {CONDITION_BYTES_MAX} bytes; this has {n}"
        )));
    }
    let mut parser = Parser { tokens: tokens(text)?, at: 0, depth: 0 };
    if parser.tokens.is_empty() {
        return Ok(Condition::All(Vec::new()));
    }
    let condition = parser.any()?;
    match parser.tokens.get(parser.at) {
        None => Ok(condition),
        Some(_) => Err(parser.wrong("the end, and, or")),
    }
}

const SIGNS: &[&str] = &[">=", "<=", "==", "!=", ">", "<", "(", ")", ",", "+", "-", "*", "/"];

fn tokens(text: &str) -> Result<Vec<(usize, Token)>> {
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let rest = &text[at..];
        if c.is_whitespace() {
            at += c.len_utf8();
        } else if let Some(sign) = SIGNS.iter().find(|s| rest.starts_with(**s)) {
            out.push((at, Token::Sign(sign)));
            at += sign.len();
        } else if c.is_ascii_digit() {
            let is_part = |i: usize, b: u8| {
                b.is_ascii_digit()
                    || b == b'.'
                    || matches!(b, b'e' | b'E')
                    || (matches!(b, b'-' | b'+') && i > 0 && matches!(rest.as_bytes()[i - 1], b'e' | b'E'))
            };
            let length = rest.bytes().enumerate().take_while(|(i, b)| is_part(*i, *b)).count();
            let value: f64 = rest[..length].parse().map_err(|_| {
                Error::invalid(format!("at character {}: {:?} is no number", at + 1, &rest[..length]))
            })?;
            out.push((at, Token::Number(value)));
            at += length;
        } else if c.is_ascii_alphabetic() {
            let is_part = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.');
            let length = rest.bytes().take_while(is_part).count();
            out.push((at, Token::Word(rest[..length].to_string())));
            at += length;
        } else {
            return Err(Error::invalid(format!(
                "at character {}: {c:?} means nothing in a condition",
                at + 1
            )));
        }
    }
    Ok(out)
}

struct Parser {
    tokens: Vec<(usize, Token)>,
    at: usize,
    depth: usize,
}

impl Parser {
    fn wrong(&self, wanted: &str) -> Error {
        let text = match self.tokens.get(self.at) {
            None => format!("at the end: {wanted} is missing"),
            Some((at, Token::Word(word))) => format!("at character {}: {word:.40?} is not {wanted}", at + 1),
            Some((at, Token::Number(n))) => format!("at character {}: {n} is not {wanted}", at + 1),
            Some((at, Token::Sign(sign))) => format!("at character {}: {sign:?} is not {wanted}", at + 1),
        };
        Error::invalid(text)
    }

    fn word(&self) -> Option<&str> {
        match self.tokens.get(self.at) {
            Some((_, Token::Word(word))) => Some(word),
            _ => None,
        }
    }

    fn takes(&mut self, sign: &str) -> bool {
        let is = matches!(self.tokens.get(self.at), Some((_, Token::Sign(s))) if *s == sign);
        self.at += usize::from(is);
        is
    }

    fn takes_word(&mut self, word: &str) -> bool {
        let is = self.word() == Some(word);
        self.at += usize::from(is);
        is
    }

    fn any(&mut self) -> Result<Condition> {
        let mut list = vec![self.all()?];
        while self.takes_word("or") {
            list.push(self.all()?);
        }
        Ok(if list.len() == 1 { list.remove(0) } else { Condition::Any(list) })
    }

    fn all(&mut self) -> Result<Condition> {
        let mut list = vec![self.one()?];
        while self.takes_word("and") {
            list.push(self.one()?);
        }
        Ok(if list.len() == 1 { list.remove(0) } else { Condition::All(list) })
    }

    fn one(&mut self) -> Result<Condition> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(Error::invalid(format!("a condition is nested more than {DEPTH_MAX} deep")));
        }
        let condition = if self.takes_word("not") {
            Condition::Not(Box::new(self.one()?))
        } else if self.takes("(") {
            let inner = self.any()?;
            if !self.takes(")") {
                return Err(self.wrong("a closing bracket"));
            }
            inner
        } else if matches!(self.tokens.get(self.at + 1), Some((_, Token::Sign("(")))) && self.word().is_some()
        {
            self.call()?
        } else {
            let a = self.number()?;
            let op = self.op()?;
            Condition::Compare(a, op, self.number()?)
        };
        self.depth -= 1;
        Ok(condition)
    }

    fn op(&mut self) -> Result<Op> {
        let all = [
            (">=", Op::AtLeast),
            ("<=", Op::AtMost),
            ("==", Op::Equal),
            ("!=", Op::Unequal),
            (">", Op::Above),
            ("<", Op::Below),
        ];
        let found = all.iter().find(|(sign, _)| self.takes(sign));
        found.map(|(_, op)| *op).ok_or_else(|| self.wrong("a comparison such as > or <="))
    }

    fn call(&mut self) -> Result<Condition> {
        let name = self.word().unwrap_or_default().to_string();
        let place = self.at;
        self.at += 2;
        let Some(argument) = self.word().map(str::to_string) else { return Err(self.wrong("a name")) };
        self.at += 1;
        let condition = match name.as_str() {
            "exists" => Condition::Exists(argument),
            "rises" => Condition::Rises(argument, self.factor()?),
            "falls" => Condition::Falls(argument, self.factor()?),
            "moves" => Condition::Moves(argument, self.factor()?),
            "said" => Condition::Said(Said::parse(&argument)?),
            "does" => Condition::Does(Action::parse(&argument)?),
            "believes" => Condition::Believes(Hypothesis::parse(&argument)?),
            "goal" => Condition::HasGoal(Goal::parse(&argument)?),
            "about" => Condition::About(crate::rule::thing(&argument)?.to_string()),
            "before" => {
                if !self.takes(",") {
                    return Err(self.wrong("a comma and a second action"));
                }
                let Some(second) = self.word().map(str::to_string) else {
                    return Err(self.wrong("an action"));
                };
                self.at += 1;
                Condition::Before(Action::parse(&argument)?, Action::parse(&second)?)
            }
            _ => {
                self.at = place;
                return Err(
                    self.wrong("exists, rises, falls, moves, said, does, before, believes, goal or about")
                );
            }
        };
        if self.takes(")") { Ok(condition) } else { Err(self.wrong("a closing bracket")) }
    }

    fn factor(&mut self) -> Result<f64> {
        if !self.takes(",") {
            return Ok(FACTOR);
        }
        match self.tokens.get(self.at) {
            Some((_, Token::Number(n))) if *n > 1.0 && n.is_finite() => {
                self.at += 1;
                Ok(*n)
            }
            _ => Err(self.wrong("a factor above 1")),
        }
    }

    fn number(&mut self) -> Result<Number> {
        let mut sum = self.product()?;
        loop {
            let op = match () {
                () if self.takes("+") => '+',
                () if self.takes("-") => '-',
                () => return Ok(sum),
            };
            sum = Number::Of(Box::new(sum), op, Box::new(self.product()?));
        }
    }

    fn product(&mut self) -> Result<Number> {
        let mut product = self.atom()?;
        loop {
            let op = match () {
                () if self.takes("*") => '*',
                () if self.takes("/") => '/',
                () => return Ok(product),
            };
            product = Number::Of(Box::new(product), op, Box::new(self.atom()?));
        }
    }

    fn atom(&mut self) -> Result<Number> {
        if self.takes("(") {
            self.depth += 1;
            if self.depth > DEPTH_MAX {
                return Err(Error::invalid(format!("a condition is nested more than {DEPTH_MAX} deep")));
            }
            let inner = self.number()?;
            self.depth -= 1;
            return if self.takes(")") { Ok(inner) } else { Err(self.wrong("a closing bracket")) };
        }
        let is_negative = self.takes("-");
        let atom = match self.tokens.get(self.at) {
            Some((_, Token::Number(n))) => Number::Is(if is_negative { -n } else { *n }),
            Some((_, Token::Word(word)))
                if !is_negative && !["and", "or", "not"].contains(&word.as_str()) =>
            {
                Number::Named(word.clone())
            }
            _ => return Err(self.wrong("a number or the name of a query")),
        };
        self.at += 1;
        Ok(atom)
    }
}
