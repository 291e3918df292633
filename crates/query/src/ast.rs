//! The expression tree. Operators of one precedence that follow each other are one flat node, so that
//! neither evaluating nor dropping `a + a + ...` with thousands of terms goes deep.

use crate::duration::Duration;
use crate::error::Span;
use crate::functions::Function;
use model::Matcher;

/// What an expression evaluates to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueType {
    /// One number per step.
    Scalar,
    /// A text.
    String,
    /// At most one sample per series and step.
    Vector,
    /// Samples of a time range per series and step.
    Matrix,
}

impl ValueType {
    /// As people and Prometheus say it.
    pub fn as_str(self) -> &'static str {
        match self {
            ValueType::Scalar => "scalar",
            ValueType::String => "string",
            ValueType::Vector => "instant vector",
            ValueType::Matrix => "range vector",
        }
    }
}

/// A valid expression. Made by [`crate::parse`] only, so types and bounds hold everywhere.
#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Where it stands in the text.
    pub span: Span,
    /// What it evaluates to.
    pub value_type: ValueType,
    /// Levels of the tree below and including this node.
    pub(crate) depth: usize,
}

/// The kinds of expressions.
#[derive(Clone, Debug, PartialEq)]
pub enum ExprKind {
    /// `1.5`, `5m` (300), `Inf`
    Number(f64),
    /// `"text"`
    String(String),
    /// `up{job="api"} offset 5m @ end()`
    Selector(Selector),
    /// `up[5m]`; the range is over 0.
    Range(Selector, Duration),
    /// `expr[1h:1m]`
    Subquery(Box<Subquery>),
    /// `(expr)`
    Paren(Box<Expr>),
    /// `-expr`
    Negate(Box<Expr>),
    /// `+expr`
    Plus(Box<Expr>),
    /// Operators of one precedence, from left to right.
    Binary(Box<Expr>, Vec<Operand>),
    /// `sum by (job) (expr)`
    Aggregate(Box<Aggregate>),
    /// `rate(expr)`
    Call(&'static Function, Vec<Expr>),
}

/// Which series, and from when.
#[derive(Clone, Debug, PartialEq)]
pub struct Selector {
    /// All must pass. The metric's name is a matcher as any other.
    pub matchers: Vec<Matcher>,
    /// How far back (negative: ahead), and relative to what.
    pub shift: Shift,
    /// What holds between samples.
    pub edges: Edges,
}

/// What a selector takes to be the value at a time at which there is no sample: at the evaluation time,
/// or at the two edges of a range.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Edges {
    /// The newest sample at an evaluation time; nothing at the edges of a range.
    #[default]
    Plain,
    /// `anchored`: the newest sample, also at the edges of a range.
    Anchored,
    /// `smoothed`: on the line from the sample before to the sample after.
    Smoothed,
}

impl Edges {
    /// As it is written; empty for [`Edges::Plain`].
    pub fn as_str(self) -> &'static str {
        match self {
            Edges::Plain => "",
            Edges::Anchored => "anchored",
            Edges::Smoothed => "smoothed",
        }
    }
}

/// `offset` and `@`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Shift {
    /// How far back; negative is ahead.
    pub offset: Duration,
    /// A fixed time instead of the evaluation time.
    pub at: Option<At>,
}

/// The time after `@`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// Milliseconds since 1970.
    Time(i64),
    /// `start()` of the query.
    Start,
    /// `end()` of the query.
    End,
}

/// An expression evaluated at many times.
#[derive(Clone, Debug, PartialEq)]
pub struct Subquery {
    /// What is evaluated.
    pub expr: Expr,
    /// How far it reaches back, over 0.
    pub range: Duration,
    /// Over 0; a default applies if absent.
    pub step: Option<Duration>,
    /// `offset` and `@`.
    pub shift: Shift,
}

/// One operator and what stands to its right.
#[derive(Clone, Debug, PartialEq)]
pub struct Operand {
    /// The operator.
    pub op: BinaryOp,
    /// `bool`: a comparison gives 0 or 1 instead of filtering.
    pub returns_bool: bool,
    /// How series find their partner; `None` unless both sides are vectors.
    pub matching: Option<Matching>,
    /// The right side.
    pub expr: Expr,
}

/// The binary operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum BinaryOp {
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    Pow,
    Atan2,
    TrimUpper,
    TrimLower,
    Equal,
    NotEqual,
    Greater,
    Less,
    GreaterEqual,
    LessEqual,
    And,
    Or,
    Unless,
}

impl BinaryOp {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            BinaryOp::Add => "+",
            BinaryOp::Sub => "-",
            BinaryOp::Mul => "*",
            BinaryOp::Div => "/",
            BinaryOp::Mod => "%",
            BinaryOp::Pow => "^",
            BinaryOp::Atan2 => "atan2",
            BinaryOp::TrimUpper => "</",
            BinaryOp::TrimLower => ">/",
            BinaryOp::Equal => "==",
            BinaryOp::NotEqual => "!=",
            BinaryOp::Greater => ">",
            BinaryOp::Less => "<",
            BinaryOp::GreaterEqual => ">=",
            BinaryOp::LessEqual => "<=",
            BinaryOp::And => "and",
            BinaryOp::Or => "or",
            BinaryOp::Unless => "unless",
        }
    }

    /// How tightly it binds; more is tighter. `^` alone goes from right to left.
    pub fn precedence(self) -> u8 {
        match self {
            BinaryOp::Or => 1,
            BinaryOp::And | BinaryOp::Unless => 2,
            op if op.is_comparison() || op.is_trim() => 3,
            BinaryOp::Add | BinaryOp::Sub => 4,
            BinaryOp::Pow => 6,
            _ => 5,
        }
    }

    /// `==` and the like.
    pub fn is_comparison(self) -> bool {
        use BinaryOp::*;
        matches!(self, Equal | NotEqual | Greater | Less | GreaterEqual | LessEqual)
    }

    /// `</`, `>/`: cut off the observations of histograms above or below a number.
    pub fn is_trim(self) -> bool {
        matches!(self, BinaryOp::TrimUpper | BinaryOp::TrimLower)
    }

    /// `and`, `or`, `unless`.
    pub fn is_set(self) -> bool {
        matches!(self, BinaryOp::And | BinaryOp::Or | BinaryOp::Unless)
    }
}

/// How series of two sides find each other.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Matching {
    /// True: `labels` are those that count (`on`); false: those that do not (`ignoring`).
    pub on: bool,
    /// Label names of `on` or `ignoring`.
    pub labels: Vec<String>,
    /// Which side may have many series for one of the other.
    pub group: Group,
    /// Labels copied from the "one" side.
    pub include: Vec<String>,
    /// `fill_left`: the value of a partner that is missing on the left.
    pub fill_left: Option<f64>,
    /// `fill_right`: the value of a partner that is missing on the right.
    pub fill_right: Option<f64>,
}

/// Which side may have many series for one of the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Group {
    /// Neither.
    #[default]
    OneToOne,
    /// `group_left`: the left one.
    Left,
    /// `group_right`: the right one.
    Right,
}

/// An aggregation over series.
#[derive(Clone, Debug, PartialEq)]
pub struct Aggregate {
    /// The operator.
    pub op: AggregateOp,
    /// `k`, the quantile, the label's name.
    pub param: Option<Expr>,
    /// What is aggregated.
    pub expr: Expr,
    /// True: groups are made by all labels but `labels`.
    pub without: bool,
    /// Label names of `by` or `without`.
    pub labels: Vec<String>,
}

/// The aggregations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum AggregateOp {
    Sum,
    Avg,
    Min,
    Max,
    Count,
    Group,
    Stddev,
    Stdvar,
    Topk,
    Bottomk,
    Quantile,
    CountValues,
    Limitk,
    LimitRatio,
}

impl AggregateOp {
    /// All, for looking up by name.
    pub const ALL: [AggregateOp; 14] = [
        AggregateOp::Sum,
        AggregateOp::Avg,
        AggregateOp::Min,
        AggregateOp::Max,
        AggregateOp::Count,
        AggregateOp::Group,
        AggregateOp::Stddev,
        AggregateOp::Stdvar,
        AggregateOp::Topk,
        AggregateOp::Bottomk,
        AggregateOp::Quantile,
        AggregateOp::CountValues,
        AggregateOp::Limitk,
        AggregateOp::LimitRatio,
    ];

    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            AggregateOp::Sum => "sum",
            AggregateOp::Avg => "avg",
            AggregateOp::Min => "min",
            AggregateOp::Max => "max",
            AggregateOp::Count => "count",
            AggregateOp::Group => "group",
            AggregateOp::Stddev => "stddev",
            AggregateOp::Stdvar => "stdvar",
            AggregateOp::Topk => "topk",
            AggregateOp::Bottomk => "bottomk",
            AggregateOp::Quantile => "quantile",
            AggregateOp::CountValues => "count_values",
            AggregateOp::Limitk => "limitk",
            AggregateOp::LimitRatio => "limit_ratio",
        }
    }

    /// The type of the parameter that comes before the vector, if there is one.
    pub fn param_type(self) -> Option<ValueType> {
        match self {
            AggregateOp::CountValues => Some(ValueType::String),
            AggregateOp::Topk
            | AggregateOp::Bottomk
            | AggregateOp::Quantile
            | AggregateOp::Limitk
            | AggregateOp::LimitRatio => Some(ValueType::Scalar),
            _ => None,
        }
    }
}

impl Expr {
    /// The expression without the parentheses around it.
    pub fn inner(&self) -> &Expr {
        let mut expr = self;
        while let ExprKind::Paren(e) = &expr.kind {
            expr = e;
        }
        expr
    }

    /// The expressions directly below this one, from left to right.
    pub fn children(&self) -> Vec<&Expr> {
        match &self.kind {
            ExprKind::Number(_) | ExprKind::String(_) | ExprKind::Selector(_) | ExprKind::Range(..) => {
                Vec::new()
            }
            ExprKind::Subquery(s) => vec![&s.expr],
            ExprKind::Paren(e) | ExprKind::Negate(e) | ExprKind::Plus(e) => vec![e],
            ExprKind::Binary(first, rest) => {
                std::iter::once(&**first).chain(rest.iter().map(|r| &r.expr)).collect()
            }
            ExprKind::Aggregate(a) => a.param.iter().chain([&a.expr]).collect(),
            ExprKind::Call(_, args) => args.iter().collect(),
        }
    }
}

/// Every selector in the expression, from left to right: what it will read.
pub fn selectors(expr: &Expr) -> Vec<&Selector> {
    let (mut found, mut open) = (Vec::new(), vec![expr]);
    while let Some(e) = open.pop() {
        match &e.kind {
            ExprKind::Selector(s) | ExprKind::Range(s, _) => found.push(s),
            _ => open.extend(e.children().into_iter().rev()),
        }
    }
    found
}
