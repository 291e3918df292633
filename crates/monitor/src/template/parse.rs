//! From the text of a template to its pieces. It must never accept a function that is not there.

use super::functions::{self, Function};

/// How deep actions may be nested.
const DEPTH_MAX: usize = 50;

/// A part of a template.
#[derive(Clone, Debug, PartialEq)]
pub enum Piece {
    /// As it is.
    Text(String),
    /// `{{ pipeline }}`.
    Print(Pipeline),
    /// `{{ $x := pipeline }}`, or `=`.
    Set(String, bool, Pipeline),
    /// `{{ if }} {{ else if }} {{ else }}`.
    If(Vec<(Pipeline, Vec<Piece>)>, Vec<Piece>),
    /// `{{ with }}`.
    With(Option<String>, Pipeline, Vec<Piece>, Vec<Piece>),
    /// `{{ range $i, $x := pipeline }}`.
    Range(Option<String>, Option<String>, Pipeline, Vec<Piece>, Vec<Piece>),
}

/// Commands, each with the result of the one before as its last argument.
pub type Pipeline = Vec<Command>;

/// One command of a pipeline.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// A function with its arguments.
    Call(&'static Function, Vec<Operand>),
    /// A value.
    Value(Operand),
}

/// A value as it is written.
#[derive(Clone, Debug, PartialEq)]
pub enum Operand {
    /// A whole number.
    Int(i64),
    /// A number.
    Float(f64),
    /// A text.
    Text(String),
    /// A truth value.
    Bool(bool),
    /// `nil`.
    Nil,
    /// `.a.b`
    Dot(Vec<String>),
    /// `$x.a.b`
    Variable(String, Vec<String>),
    /// `(pipeline).a.b`
    Inner(Pipeline, Vec<String>),
    /// A function without arguments, as an argument.
    Call(&'static Function),
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    Variable(String),
    Field(Vec<String>),
    Text(String),
    Int(i64),
    Float(f64),
    Open,
    Close(Vec<String>),
    Pipe,
    Declare,
    Assign,
    Comma,
}

/// Text and actions in turn.
enum Part {
    Text(String),
    Action(Vec<Token>),
}

/// Reads a template.
pub fn parse(text: &str) -> Result<Vec<Piece>, String> {
    let mut parser = Parser { parts: split(text)?.into_iter().peekable(), depth: 0 };
    let (pieces, end) = parser.block()?;
    match end {
        None => Ok(pieces),
        Some(End::End) => Err("{{ end }} without anything that it ends".into()),
        Some(End::Else(_)) => Err("{{ else }} without {{ if }}".into()),
    }
}

/// Cuts the text into literal text and tokens of actions; `{{-` and `-}}` trim.
fn split(text: &str) -> Result<Vec<Part>, String> {
    let (mut parts, mut rest, mut trim) = (Vec::new(), text, false);
    while let Some(at) = rest.find("{{") {
        let mut literal = &rest[..at];
        if trim {
            literal = literal.trim_start();
        }
        rest = &rest[at + 2..];
        if let Some(after) = rest.strip_prefix('-').filter(|a| a.starts_with(char::is_whitespace)) {
            literal = literal.trim_end();
            rest = after;
        }
        if !literal.is_empty() {
            parts.push(Part::Text(literal.to_string()));
        }
        if let Some(comment) = rest.trim_start().strip_prefix("/*") {
            let end = comment.find("*/").ok_or("a comment is not closed with */}}")?;
            rest = comment[end + 2..].trim_start();
            trim = rest.starts_with('-');
            rest = rest.trim_start_matches('-');
            rest = rest.strip_prefix("}}").ok_or("a comment is not closed with */}}")?;
            continue;
        }
        let (tokens, left) = lex(rest)?;
        trim = left.1;
        rest = left.0;
        parts.push(Part::Action(tokens));
    }
    let last = if trim { rest.trim_start() } else { rest };
    if !last.is_empty() {
        parts.push(Part::Text(last.to_string()));
    }
    Ok(parts)
}

fn near(rest: &str) -> String {
    rest.chars().take(20).collect()
}

/// Tokens up to `}}`; what is left after it, and whether it trims.
fn lex(text: &str) -> Result<(Vec<Token>, (&str, bool)), String> {
    let (mut tokens, mut rest) = (Vec::new(), text);
    loop {
        let before = rest.len();
        rest = rest.trim_start();
        let spaced = rest.len() < before;
        if let Some(after) = rest.strip_prefix("}}") {
            return Ok((tokens, (after, false)));
        }
        if let Some(after) = rest.strip_prefix("-}}").filter(|_| spaced) {
            return Ok((tokens, (after, true)));
        }
        let Some(first) = rest.chars().next() else { return Err("{{ is not closed with }}".into()) };
        let word = |s: &str| s.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(s.len());
        let (token, left) = match first {
            '(' => (Token::Open, &rest[1..]),
            ')' => {
                let (fields, left) = fields(&rest[1..]);
                (Token::Close(fields), left)
            }
            '|' => (Token::Pipe, &rest[1..]),
            ',' => (Token::Comma, &rest[1..]),
            ':' if rest.starts_with(":=") => (Token::Declare, &rest[2..]),
            '=' => (Token::Assign, &rest[1..]),
            '"' => quoted(rest)?,
            '`' => {
                let end = rest[1..].find('`').ok_or("a text in ` is not closed")?;
                (Token::Text(rest[1..=end].to_string()), &rest[end + 2..])
            }
            '$' => {
                let end = word(&rest[1..]);
                (Token::Variable(rest[1..=end].to_string()), &rest[end + 1..])
            }
            '.' if !rest[1..].starts_with(|c: char| c.is_ascii_digit()) => {
                let (names, left) = fields(rest);
                (Token::Field(names), if left.len() == rest.len() { &rest[1..] } else { left })
            }
            c if c.is_ascii_digit() || matches!(c, '-' | '+' | '.') => number(rest)?,
            c if c.is_alphabetic() || c == '_' => {
                let end = word(rest);
                (Token::Word(rest[..end].to_string()), &rest[end..])
            }
            _ => return Err(format!("{:?} is not understood", near(rest))),
        };
        // Fields belong to the variable that they follow without a space.
        match (tokens.last_mut(), token) {
            (Some(Token::Variable(name)), Token::Field(names)) if !spaced => {
                let name = std::mem::take(name);
                tokens.pop();
                tokens.push(Token::Variable(format!("{name}.{}", names.join("."))));
            }
            (_, token) => tokens.push(token),
        }
        rest = left;
    }
}

/// `.a.b`, and what follows.
fn fields(text: &str) -> (Vec<String>, &str) {
    let (mut names, mut rest) = (Vec::new(), text);
    while let Some(after) = rest.strip_prefix('.') {
        let end = after.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(after.len());
        if end == 0 {
            break;
        }
        names.push(after[..end].to_string());
        rest = &after[end..];
    }
    (names, rest)
}

fn number(rest: &str) -> Result<(Token, &str), String> {
    let end = rest
        .char_indices()
        .find(|(i, c)| {
            let sign = matches!(c, '-' | '+') && (*i == 0 || rest[..*i].ends_with(['e', 'E']));
            !(c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E') || sign)
        })
        .map_or(rest.len(), |(i, _)| i);
    let text = &rest[..end];
    let token = text.parse().map(Token::Int).or_else(|_| text.parse().map(Token::Float));
    Ok((token.map_err(|_| format!("{:?} is not a number", near(rest)))?, &rest[end..]))
}

fn quoted(rest: &str) -> Result<(Token, &str), String> {
    let (mut out, mut chars) = (String::new(), rest.char_indices().skip(1));
    while let Some((i, c)) = chars.next() {
        match c {
            '"' => return Ok((Token::Text(out), &rest[i + 1..])),
            '\\' => match chars.next().map(|(_, c)| c) {
                Some('n') => out.push('\n'),
                Some('t') => out.push('\t'),
                Some('r') => out.push('\r'),
                Some(c @ ('"' | '\\' | '\'')) => out.push(c),
                Some(c) => return Err(format!("\\{c} in a text is not understood")),
                None => break,
            },
            c => out.push(c),
        }
    }
    Err(format!("the text {:?} is not closed", near(rest)))
}

enum End {
    End,
    Else(Vec<Token>),
}

struct Parser {
    parts: std::iter::Peekable<std::vec::IntoIter<Part>>,
    depth: usize,
}

impl Parser {
    /// Pieces up to `end`, `else` or the end of the text.
    fn block(&mut self) -> Result<(Vec<Piece>, Option<End>), String> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(format!("it is nested deeper than {DEPTH_MAX}"));
        }
        let mut pieces = Vec::new();
        while let Some(part) = self.parts.next() {
            let tokens = match part {
                Part::Text(text) => {
                    pieces.push(Piece::Text(text));
                    continue;
                }
                Part::Action(tokens) => tokens,
            };
            let word = match tokens.first() {
                Some(Token::Word(word)) => word.as_str(),
                None => return Err("{{ }} holds nothing".into()),
                _ => "",
            };
            match word {
                "end" | "else" => {
                    let end = if word == "end" { End::End } else { End::Else(tokens[1..].to_vec()) };
                    self.depth -= 1;
                    return Ok((pieces, Some(end)));
                }
                "if" => pieces.push(self.condition(tokens[1..].to_vec())?),
                "with" => pieces.push(self.with(&tokens[1..])?),
                "range" => pieces.push(self.range(&tokens[1..])?),
                "define" | "template" | "block" | "break" | "continue" => {
                    return Err(format!("{{{{ {word} }}}} is not supported"));
                }
                _ => pieces.push(match &tokens[..] {
                    [Token::Variable(name), Token::Declare, rest @ ..] => {
                        Piece::Set(name.clone(), true, pipeline(rest)?)
                    }
                    [Token::Variable(name), Token::Assign, rest @ ..] => {
                        Piece::Set(name.clone(), false, pipeline(rest)?)
                    }
                    tokens => Piece::Print(pipeline(tokens)?),
                }),
            }
        }
        self.depth -= 1;
        Ok((pieces, None))
    }

    fn condition(&mut self, mut tokens: Vec<Token>) -> Result<Piece, String> {
        let mut branches = Vec::new();
        loop {
            let test = pipeline(&tokens)?;
            let (body, end) = self.block()?;
            branches.push((test, body));
            match end {
                None => return Err("{{ if }} has no {{ end }}".into()),
                Some(End::End) => return Ok(Piece::If(branches, Vec::new())),
                Some(End::Else(more)) if more.is_empty() => {
                    return Ok(Piece::If(branches, self.last("if")?));
                }
                Some(End::Else(more)) if more[0] == Token::Word("if".into()) => tokens = more[1..].to_vec(),
                Some(End::Else(_)) => return Err("after else only if may follow".into()),
            }
        }
    }

    fn last(&mut self, of: &str) -> Result<Vec<Piece>, String> {
        match self.block()? {
            (body, Some(End::End)) => Ok(body),
            _ => Err(format!("{{{{ {of} }}}} has no {{{{ end }}}}")),
        }
    }

    /// Body and what stands after `else`.
    fn bodies(&mut self, of: &str) -> Result<(Vec<Piece>, Vec<Piece>), String> {
        match self.block()? {
            (body, Some(End::End)) => Ok((body, Vec::new())),
            (body, Some(End::Else(more))) if more.is_empty() => Ok((body, self.last(of)?)),
            _ => Err(format!("{{{{ {of} }}}} has no {{{{ end }}}}")),
        }
    }

    fn with(&mut self, tokens: &[Token]) -> Result<Piece, String> {
        let (name, test) = match tokens {
            [Token::Variable(name), Token::Declare, rest @ ..] => (Some(name.clone()), pipeline(rest)?),
            tokens => (None, pipeline(tokens)?),
        };
        let (body, otherwise) = self.bodies("with")?;
        Ok(Piece::With(name, test, body, otherwise))
    }

    fn range(&mut self, tokens: &[Token]) -> Result<Piece, String> {
        let (index, item, over) = match tokens {
            [Token::Variable(i), Token::Comma, Token::Variable(x), Token::Declare, rest @ ..] => {
                (Some(i.clone()), Some(x.clone()), pipeline(rest)?)
            }
            [Token::Variable(x), Token::Declare, rest @ ..] => (None, Some(x.clone()), pipeline(rest)?),
            tokens => (None, None, pipeline(tokens)?),
        };
        let (body, otherwise) = self.bodies("range")?;
        Ok(Piece::Range(index, item, over, body, otherwise))
    }
}

/// Commands divided by `|`.
fn pipeline(tokens: &[Token]) -> Result<Pipeline, String> {
    let mut at = 0;
    let commands = commands(tokens, &mut at, 0)?;
    if at < tokens.len() { Err("there is a ) too many".into()) } else { Ok(commands) }
}

fn commands(tokens: &[Token], at: &mut usize, depth: usize) -> Result<Pipeline, String> {
    if depth > DEPTH_MAX {
        return Err(format!("it is nested deeper than {DEPTH_MAX}"));
    }
    let mut out = Vec::new();
    loop {
        let command = command(tokens, at, depth, !out.is_empty())?;
        out.push(command);
        match tokens.get(*at) {
            Some(Token::Pipe) => *at += 1,
            _ => return Ok(out),
        }
    }
}

fn command(tokens: &[Token], at: &mut usize, depth: usize, is_piped: bool) -> Result<Command, String> {
    let called = match tokens.get(*at) {
        Some(Token::Word(word)) if !matches!(word.as_str(), "true" | "false" | "nil") => {
            *at += 1;
            Some(functions::find(word)?)
        }
        _ => None,
    };
    let mut operands = Vec::new();
    while let Some(operand) = operand(tokens, at, depth)? {
        operands.push(operand);
    }
    match called {
        Some(function) => {
            let given = operands.len() + usize::from(is_piped);
            if !function.takes(given) {
                return Err(format!("{} takes {}, not {given}", function.name, function.arguments()));
            }
            Ok(Command::Call(function, operands))
        }
        None if is_piped => Err("after | a function must follow".into()),
        None => match (operands.pop(), operands.is_empty()) {
            (Some(one), true) => Ok(Command::Value(one)),
            (Some(_), false) => Err("two values stand side by side; a function comes first".into()),
            (None, _) => Err("a value is missing".into()),
        },
    }
}

fn operand(tokens: &[Token], at: &mut usize, depth: usize) -> Result<Option<Operand>, String> {
    let Some(token) = tokens.get(*at) else { return Ok(None) };
    let operand = match token {
        Token::Int(n) => Operand::Int(*n),
        Token::Float(n) => Operand::Float(*n),
        Token::Text(text) => Operand::Text(text.clone()),
        Token::Field(names) => Operand::Dot(names.clone()),
        Token::Variable(name) => {
            let mut names = name.split('.').map(str::to_string);
            Operand::Variable(names.next().unwrap_or_default(), names.collect())
        }
        Token::Word(word) => match word.as_str() {
            "true" | "false" => Operand::Bool(word == "true"),
            "nil" => Operand::Nil,
            word => Operand::Call(functions::find(word)?),
        },
        Token::Open => {
            *at += 1;
            let inner = commands(tokens, at, depth + 1)?;
            let Some(Token::Close(names)) = tokens.get(*at) else { return Err("a ( is not closed".into()) };
            Operand::Inner(inner, names.clone())
        }
        Token::Pipe | Token::Close(_) => return Ok(None),
        Token::Comma | Token::Declare | Token::Assign => {
            return Err("a variable can only be set at the beginning of an action".into());
        }
    };
    *at += 1;
    Ok(Some(operand))
}
