//! PromQL text to [`Expr`]. Written by hand so that every text gives an expression or an error with an
//! exact place, in linear time and bounded stack. It must never panic and never evaluate.

mod build;
mod duration;
mod lexer;
mod parser;
mod selector;
mod strings;

use crate::ast::Expr;
use crate::error::{ParseError, Span};
use crate::options::Limits;
use lexer::{Token, tokens};
use model::Matcher;

/// Reads an expression within the default [`Limits`].
///
/// # Errors
/// What is wrong, where, and what to write instead.
pub fn parse(text: &str) -> Result<Expr, ParseError> {
    parse_with(text, &Limits::default())
}

/// Reads an expression within the limits on text and depth.
///
/// # Errors
/// As [`parse`].
pub fn parse_with(text: &str, limits: &Limits) -> Result<Expr, ParseError> {
    let mut parser = Parser::new(text, limits)?;
    let expr = parser.expr()?;
    parser.expect_end()?;
    Ok(expr)
}

/// Reads a vector selector alone, such as `up{job="api"}`, for parameters that choose series.
///
/// # Errors
/// As [`parse`]; also for an expression that is more than a selector.
pub fn parse_selector(text: &str) -> Result<Vec<Matcher>, ParseError> {
    let mut parser = Parser::new(text, &Limits::default())?;
    let matchers = parser.selector_matchers()?;
    if parser.peek() != &Token::End {
        let message = format!("unexpected {} after the selector", parser.peek().describe());
        return Err(
            ParseError::new(parser.span(), message).hint("only a selector fits here: up{job=\"api\"}")
        );
    }
    Ok(matchers)
}

/// The most nodes of one expression; more than anybody writes, little enough to evaluate.
const NODES_MAX: usize = 30_000;
/// The most regular expressions in one query: compiling is what costs most.
const REGEXES_MAX: usize = 200;

/// Tokens, the place among them, and what has been spent of the limits.
struct Parser<'a> {
    text: &'a str,
    tokens: Vec<(Token<'a>, Span)>,
    position: usize,
    /// How many calls that may call themselves again are open.
    nesting: usize,
    nodes: usize,
    regexes: usize,
    depth_max: usize,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str, limits: &Limits) -> Result<Self, ParseError> {
        if text.len() > limits.text_bytes_max {
            let span = Span::of(text, 0, 0);
            let message =
                format!("the query is {} bytes long, the limit is {}", text.len(), limits.text_bytes_max);
            return Err(ParseError::new(span, message).hint("shorten it, or split it into several queries"));
        }
        let tokens = tokens(text)?;
        Ok(Parser {
            text,
            tokens,
            position: 0,
            nesting: 0,
            nodes: 0,
            regexes: 0,
            depth_max: limits.depth_max,
        })
    }

    /// One level deeper, as far as that is allowed; [`Parser::leave`] comes back.
    fn enter(&mut self) -> Result<(), ParseError> {
        self.nesting += 1;
        if self.nesting > self.depth_max { Err(self.too_deep(self.span())) } else { Ok(()) }
    }

    fn leave(&mut self) {
        self.nesting -= 1;
    }

    fn peek(&self) -> &Token<'a> {
        &self.tokens[self.position].0
    }

    /// The token after the next one.
    fn peek_second(&self) -> &Token<'a> {
        &self.tokens[(self.position + 1).min(self.tokens.len() - 1)].0
    }

    fn span(&self) -> Span {
        self.tokens[self.position].1
    }

    /// Where the last taken token ended.
    fn last_span(&self) -> Span {
        self.tokens[self.position.saturating_sub(1)].1
    }

    fn next(&mut self) -> (Token<'a>, Span) {
        let token = self.tokens[self.position].clone();
        self.position = (self.position + 1).min(self.tokens.len() - 1);
        token
    }

    /// Takes the mark if it comes next.
    fn eat(&mut self, mark: &str) -> bool {
        let found = matches!(self.peek(), Token::Mark(m) if *m == mark);
        if found {
            self.next();
        }
        found
    }

    /// Takes the keyword, in any case, if it comes next.
    fn eat_word(&mut self, word: &str) -> bool {
        let found = matches!(self.peek(), Token::Word(w) if w.eq_ignore_ascii_case(word));
        if found {
            self.next();
        }
        found
    }

    fn expect(&mut self, mark: &str, context: &str) -> Result<(), ParseError> {
        if self.eat(mark) { Ok(()) } else { Err(self.unexpected(context, &format!("{mark:?}"))) }
    }

    fn unexpected(&self, context: &str, wanted: &str) -> ParseError {
        let message = format!("unexpected {} in {context}, expected {wanted}", self.peek().describe());
        ParseError::new(self.span(), message)
    }
}
