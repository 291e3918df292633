//! Selectors and what may follow them: `{...}`, `[5m]`, `[1h:1m]`, `offset`, `@`, `anchored`, `smoothed`.

use super::lexer::Token;
use super::{Parser, REGEXES_MAX};
use crate::ast::{At, Edges, Expr, ExprKind, Selector, Shift, Subquery, ValueType};
use crate::error::{ParseError, Span};
use model::{MatchOp, Matcher, NAME};

impl Parser<'_> {
    /// `up`, `up{a="b"}`, `{a="b"}`, `{"my.metric", "a.b"="c"}`.
    pub(super) fn selector_matchers(&mut self) -> Result<Vec<Matcher>, ParseError> {
        let start = self.span();
        let mut matchers = Vec::new();
        if let Token::Word(name) = *self.peek() {
            self.next();
            matchers.push(Matcher::equal(NAME, name));
        }
        if self.eat("{") {
            self.matchers(&mut matchers)?;
        } else if matchers.is_empty() {
            return Err(self.unexpected("selector", "a metric name or \"{\""));
        }
        if matchers.iter().all(Matcher::matches_empty) {
            let span = start.to(self.last_span());
            return Err(ParseError::new(span, "vector selector must contain at least one non-empty matcher")
                .hint("this would read every series; for that, write {__name__=~\".+\"}"));
        }
        Ok(matchers)
    }

    /// `{a="b"}` alone, which may also match nothing but absent labels.
    pub(super) fn label_selector(&mut self) -> Result<Expr, ParseError> {
        let start = self.span();
        if !self.eat("{") {
            let message = format!("unexpected {}, expected label matchers in braces", self.peek().describe());
            return Err(ParseError::new(start, message)
                .hint("write them like {__name__=\"build_info\", version=~\".+\"}"));
        }
        let mut matchers = Vec::new();
        self.matchers(&mut matchers)?;
        let span = start.to(self.last_span());
        let selector = Selector { matchers, shift: Shift::default(), edges: Edges::Plain };
        self.node(ExprKind::Selector(selector), span, ValueType::Vector, 1)
    }

    /// From after `{` to after `}`.
    fn matchers(&mut self, matchers: &mut Vec<Matcher>) -> Result<(), ParseError> {
        while !self.eat("}") {
            let (token, span) = self.next();
            let (name, quoted) = match token {
                Token::Word(w) if !w.contains(':') => (w.to_string(), false),
                Token::String(s) => (s, true),
                other => return Err(unexpected_name(&other, span)),
            };
            let op = match self.peek() {
                Token::Mark("=") => MatchOp::Equal,
                Token::Mark("!=") => MatchOp::NotEqual,
                Token::Mark("=~") => MatchOp::Regex,
                Token::Mark("!~") => MatchOp::NotRegex,
                Token::Mark("," | "}") if quoted => {
                    self.name_once(&name, span, matchers)?;
                    matchers.push(Matcher::equal(NAME, name));
                    self.separator()?;
                    continue;
                }
                Token::Mark("==") => {
                    return Err(self
                        .unexpected("label matching", "one of = != =~ !~")
                        .hint("one = is enough"));
                }
                _ => return Err(self.unexpected("label matching", "one of = != =~ !~")),
            };
            self.next();
            let (value, value_span) = match self.next() {
                (Token::String(s), at) => (s, at),
                (other, at) => {
                    let message =
                        format!("unexpected {} in label matching, expected a string", other.describe());
                    let error = ParseError::new(at, message);
                    return Err(match other {
                        Token::Word(w) => {
                            error.hint(format!("values are quoted: {name}{}\"{w}\"", op.as_str()))
                        }
                        _ => error.hint("values are quoted: job=\"api\""),
                    });
                }
            };
            if name == NAME && op == MatchOp::Equal && matchers.first().is_some_and(|m| m.name == NAME) {
                self.name_once(&value, span, matchers)?;
            }
            matchers.push(self.matcher(name, op, value, value_span)?);
            self.separator()?;
        }
        Ok(())
    }

    fn matcher(&mut self, name: String, op: MatchOp, value: String, at: Span) -> Result<Matcher, ParseError> {
        if matches!(op, MatchOp::Regex | MatchOp::NotRegex) {
            self.regexes += 1;
            if self.regexes > REGEXES_MAX {
                let message = format!("the query has more than {REGEXES_MAX} regular expressions");
                return Err(ParseError::new(at, message).hint("join them with |"));
            }
        }
        self.count_node(at)?;
        Matcher::new(name, op, value)
            .map_err(|e| ParseError::new(at, format!("invalid regular expression: {e}")))
    }

    fn name_once(&self, name: &str, span: Span, matchers: &[Matcher]) -> Result<(), ParseError> {
        match matchers.first().filter(|m| m.name == NAME && m.op == MatchOp::Equal) {
            Some(first) => {
                let message = format!("metric name must not be set twice: {:?} or {name:?}", first.value);
                Err(ParseError::new(span, message))
            }
            None => Ok(()),
        }
    }

    /// A comma, or nothing before `}`.
    fn separator(&mut self) -> Result<(), ParseError> {
        if self.eat(",") || self.peek() == &Token::Mark("}") {
            return Ok(());
        }
        Err(self.unexpected("label matching", "\",\" or \"}\""))
    }

    /// What follows an expression: ranges, `offset`, `@`, as often as they come.
    pub(super) fn postfix(&mut self, mut expr: Expr) -> Result<Expr, ParseError> {
        let (mut has_offset, mut has_at) = (false, false);
        loop {
            if self.peek() == &Token::Mark("[") {
                expr = self.range(expr, has_offset || has_at)?;
                (has_offset, has_at) = (false, false);
            } else if matches!(self.peek(), Token::Word(w) if w.eq_ignore_ascii_case("offset")) {
                let at = self.next().1;
                once(&mut has_offset, "offset", at)?;
                let offset = self.offset_duration()?;
                shift_of(&mut expr, "offset", at)?.offset = offset;
            } else if self.peek() == &Token::Mark("@") {
                let at = self.next().1;
                once(&mut has_at, "@", at)?;
                let time = self.at_time()?;
                shift_of(&mut expr, "@", at)?.at = Some(time);
            } else if let Some(edges) = self.peek_edges() {
                let at = self.next().1;
                set_edges(&mut expr, edges, at)?;
            } else {
                return Ok(expr);
            }
            expr.span = expr.span.to(self.last_span());
        }
    }

    fn peek_edges(&self) -> Option<Edges> {
        let Token::Word(word) = self.peek() else { return None };
        [Edges::Anchored, Edges::Smoothed].into_iter().find(|e| word.eq_ignore_ascii_case(e.as_str()))
    }

    /// `[5m]` or `[1h:1m]` or `[1h:]`.
    fn range(&mut self, expr: Expr, shifted: bool) -> Result<Expr, ParseError> {
        let open = self.next().1;
        let range = self.positive_duration("range")?;
        if self.eat(":") {
            let step = match self.peek() {
                Token::Mark("]") => None,
                _ => Some(self.positive_duration("subquery step")?),
            };
            self.expect("]", "subquery")?;
            if expr.value_type != ValueType::Vector && expr.value_type != ValueType::Scalar {
                let message = format!(
                    "subquery is only allowed on instant vector, got {} instead",
                    expr.value_type.as_str()
                );
                return Err(ParseError::new(expr.span, message));
            }
            let (span, depth) = (expr.span.to(self.last_span()), expr.depth + 1);
            let subquery = Subquery { expr, range, step, shift: Shift::default() };
            return self.node(ExprKind::Subquery(Box::new(subquery)), span, ValueType::Matrix, depth);
        }
        self.expect("]", "range")?;
        let place = open.to(self.last_span());
        match expr.kind {
            ExprKind::Selector(_) if shifted => {
                Err(ParseError::new(place, "no offset or @ modifiers allowed before range")
                    .hint("the range comes first: foo[5m] offset 1h"))
            }
            ExprKind::Selector(s) => {
                let span = expr.span.to(place);
                self.node(ExprKind::Range(s, range), span, ValueType::Matrix, 1)
            }
            _ => Err(ParseError::new(place, "ranges only allowed for vector selectors")
                .hint("over an expression, write a subquery with a colon: (...)[5m:1m]")),
        }
    }

    /// After `@`: seconds since 1970, `start()` or `end()`.
    fn at_time(&mut self) -> Result<At, ParseError> {
        for (word, at) in [("start", At::Start), ("end", At::End)] {
            if self.eat_word(word) {
                self.expect("(", "@ modifier")?;
                self.expect(")", "@ modifier")?;
                return Ok(at);
            }
        }
        self.signed_duration("@ modifier").map(At::Time).map_err(|e| ParseError {
            hint: Some("write seconds since 1970, start() or end(): foo @ 1700000000".into()),
            ..e
        })
    }
}

fn unexpected_name(token: &Token<'_>, span: Span) -> ParseError {
    let message =
        format!("unexpected {} in label matching, expected a label name or \"}}\"", token.describe());
    let error = ParseError::new(span, message);
    match token {
        Token::Word(_) => error.hint("a label name with a colon has to be quoted"),
        Token::End => error.hint("close the selector with }"),
        _ => error,
    }
}

fn once(seen: &mut bool, what: &str, at: Span) -> Result<(), ParseError> {
    if std::mem::replace(seen, true) {
        return Err(ParseError::new(at, format!("{what} may not be set multiple times per selector")));
    }
    Ok(())
}

/// `anchored` and `smoothed` belong to a selector; not both at once.
fn set_edges(expr: &mut Expr, edges: Edges, at: Span) -> Result<(), ParseError> {
    let word = edges.as_str();
    let selector = match &mut expr.kind {
        ExprKind::Selector(s) | ExprKind::Range(s, _) => s,
        ExprKind::Subquery(_) => {
            let error = ParseError::new(at, format!("{word} modifier is not supported for subqueries"));
            return Err(error.hint(format!("it belongs to a selector: rate(foo[5m] {word})")));
        }
        _ => {
            let message = format!(
                "{word} modifier must be preceded by an instant vector selector or range vector selector"
            );
            let error = ParseError::new(at, message);
            return Err(error.hint(format!("put it right after the selector: rate(foo[5m] {word})")));
        }
    };
    let message = match selector.edges {
        Edges::Plain => {
            selector.edges = edges;
            return Ok(());
        }
        before if before == edges => format!("{word} may not be set multiple times per selector"),
        _ => "anchored and smoothed modifiers cannot be used together".into(),
    };
    Err(ParseError::new(at, message))
}

/// Where `offset` and `@` of this expression are kept.
fn shift_of<'e>(expr: &'e mut Expr, what: &str, at: Span) -> Result<&'e mut Shift, ParseError> {
    match &mut expr.kind {
        ExprKind::Selector(s) | ExprKind::Range(s, _) => Ok(&mut s.shift),
        ExprKind::Subquery(s) => Ok(&mut s.shift),
        _ => Err(ParseError::new(
            at,
            format!("{what} modifier must be preceded by an instant vector selector or range vector selector or a subquery"),
        )
        .hint(format!("put it right after the selector: sum(foo {what} ...)"))),
    }
}
