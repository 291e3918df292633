//! Questions about expressions themselves: `format_query`, `parse_query`. Nothing is evaluated here.

use crate::http::{ApiError, ApiResult, Params, success};
use ::query::{
    Aggregate, At, Duration, Edges, Expr, ExprKind, Function, Group, Matching, Operand, Selector, Shift,
    ValueType,
};
use axum::extract::Request;
use model::{MatchOp, NAME};
use serde_json::{Map, Value as Json, json};

pub async fn format(request: Request) -> ApiResult {
    let expr = parsed(request).await?;
    Ok(success(&Json::String(::query::pretty(&expr))))
}

/// The tree in the JSON of Prometheus.
pub async fn parse(request: Request) -> ApiResult {
    let expr = parsed(request).await?;
    if depth(&expr) > DEPTH_MAX {
        return Err(ApiError::bad(format!(
            "the tree of this expression has more than {DEPTH_MAX} levels; put parts of it in parentheses"
        )));
    }
    Ok(success(&tree(&expr)))
}

/// Levels of the tree: `a + b + c` is `(a + b) + c`, so each operator of a chain is one. Readers of JSON bound them.
const DEPTH_MAX: usize = 100;

fn depth(expr: &Expr) -> usize {
    match &expr.kind {
        ExprKind::Binary(first, rest) => {
            let of_rest = rest.iter().enumerate().map(|(i, r)| rest.len() - i + depth(&r.expr));
            of_rest.fold(rest.len() + depth(first), usize::max)
        }
        _ => 1 + expr.children().into_iter().map(depth).max().unwrap_or(0),
    }
}

fn object<const N: usize>(entries: [(&str, Json); N]) -> Json {
    Json::Object(entries.into_iter().map(|(name, value)| (name.to_string(), value)).collect())
}

async fn parsed(request: Request) -> ApiResult<Expr> {
    let params = Params::read(request).await?;
    let text = params.required("query", params.get("query"))?;
    ::query::parse(text).map_err(|e| ApiError::parse("query", e))
}

fn tree(expr: &Expr) -> Json {
    match &expr.kind {
        ExprKind::Number(n) => number(*n),
        ExprKind::String(text) => json!({ "type": "stringLiteral", "val": text }),
        ExprKind::Selector(s) => selector("vectorSelector", s).into(),
        ExprKind::Range(s, range) => {
            let mut object = selector("matrixSelector", s);
            object.insert("range".into(), milliseconds(range).into());
            object.into()
        }
        ExprKind::Subquery(s) => {
            let mut object = Map::new();
            object.insert("type".into(), "subquery".into());
            object.insert("expr".into(), tree(&s.expr));
            object.insert("range".into(), milliseconds(&s.range).into());
            object.insert("step".into(), s.step.as_ref().map_or(0, milliseconds).into());
            shift(&mut object, &s.shift);
            object.into()
        }
        ExprKind::Paren(inside) => object([("type", "parenExpr".into()), ("expr", tree(inside))]),
        // A sign before a number belongs to the number.
        ExprKind::Negate(inside) if let ExprKind::Number(n) = inside.kind => number(-n),
        ExprKind::Plus(inside) if let ExprKind::Number(n) = inside.kind => number(n),
        ExprKind::Negate(inside) => sign("-", inside),
        ExprKind::Plus(inside) => sign("+", inside),
        ExprKind::Binary(first, rest) => binary(first, rest),
        ExprKind::Aggregate(a) => aggregate(a),
        ExprKind::Call(function, args) => {
            let args: Vec<Json> = args.iter().map(tree).collect();
            object([("type", "call".into()), ("func", described(function)), ("args", args.into())])
        }
    }
}

fn sign(op: &str, inside: &Expr) -> Json {
    object([("type", "unaryExpr".into()), ("op", op.into()), ("expr", tree(inside))])
}

fn number(value: f64) -> Json {
    let mut text = String::new();
    super::json::push_value(&mut text, value);
    json!({ "type": "numberLiteral", "val": text })
}

fn selector(kind: &str, s: &Selector) -> Map<String, Json> {
    let mut object = Map::new();
    // Prometheus lists the name last, and tells it apart when it stands before the braces.
    let is_name = |m: &&model::Matcher| m.name == NAME && m.op == MatchOp::Equal;
    let name = s.matchers.first().filter(is_name);
    let (named, others) = s.matchers.split_at(usize::from(name.is_some()));
    let matchers: Vec<Json> = others
        .iter()
        .chain(named)
        .map(|m| json!({ "name": m.name, "value": m.value, "type": m.op.as_str() }))
        .collect();
    object.insert("type".into(), kind.into());
    object.insert("name".into(), name.map_or("", |m| m.value.as_str()).into());
    object.insert("matchers".into(), matchers.into());
    object.insert("anchored".into(), (s.edges == Edges::Anchored).into());
    object.insert("smoothed".into(), (s.edges == Edges::Smoothed).into());
    shift(&mut object, &s.shift);
    object
}

fn shift(object: &mut Map<String, Json>, shift: &Shift) {
    let (timestamp, edge) = match shift.at {
        Some(At::Time(ms)) => (Json::from(ms), Json::Null),
        Some(At::Start) => (Json::Null, "start".into()),
        Some(At::End) => (Json::Null, "end".into()),
        None => (Json::Null, Json::Null),
    };
    object.insert("offset".into(), milliseconds(&shift.offset).into());
    object.insert("timestamp".into(), timestamp);
    object.insert("startOrEnd".into(), edge);
}

/// 0 where it depends on the query's step or length.
fn milliseconds(duration: &Duration) -> i64 {
    match duration {
        Duration::Fixed(ms) => *ms,
        Duration::Computed(_) => 0,
    }
}

/// Operators of one precedence stand in one list; Prometheus nests them to the left.
fn binary(first: &Expr, rest: &[Operand]) -> Json {
    let mut left = tree(first);
    for operand in rest {
        left = object([
            ("type", "binaryExpr".into()),
            ("op", operand.op.as_str().into()),
            ("lhs", left),
            ("rhs", tree(&operand.expr)),
            ("bool", operand.returns_bool.into()),
            ("matching", operand.matching.as_ref().map_or(Json::Null, |m| matching(m, operand))),
        ]);
    }
    left
}

fn matching(m: &Matching, operand: &Operand) -> Json {
    let cardinality = match m.group {
        _ if operand.op.is_set() => "many-to-many",
        Group::OneToOne => "one-to-one",
        Group::Left => "many-to-one",
        Group::Right => "one-to-many",
    };
    json!({
        "card": cardinality,
        "labels": m.labels,
        "on": m.on,
        "include": m.include,
        "fillValues": { "lhs": m.fill_left, "rhs": m.fill_right },
    })
}

fn aggregate(a: &Aggregate) -> Json {
    object([
        ("type", "aggregation".into()),
        ("op", a.op.as_str().into()),
        ("expr", tree(&a.expr)),
        ("param", a.param.as_ref().map_or(Json::Null, tree)),
        ("grouping", json!(a.labels)),
        ("without", a.without.into()),
    ])
}

/// `variadic` counts the arguments that may be left out; -1: the last may be repeated.
fn described(function: &Function) -> Json {
    let args: Vec<&str> = function.args.iter().map(|t| type_name(*t)).collect();
    json!({
        "name": function.name,
        "argTypes": args,
        "variadic": if function.repeats { -1 } else { function.optional as i64 },
        "returnType": type_name(function.returns),
    })
}

fn type_name(value_type: ValueType) -> &'static str {
    match value_type {
        ValueType::Scalar => "scalar",
        ValueType::String => "string",
        ValueType::Vector => "vector",
        ValueType::Matrix => "matrix",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Json {
        tree(&::query::parse(text).unwrap())
    }

    #[test]
    fn each_kind_of_node() {
        let up = of("up");
        assert_eq!(
            up,
            json!({"type": "vectorSelector", "name": "up", "offset": 0, "timestamp": null, "startOrEnd": null,
                "anchored": false, "smoothed": false,
                "matchers": [{"name": "__name__", "value": "up", "type": "="}]})
        );
        let range = of("up{job!~\"a.*\"}[5m] offset -1m @ end()");
        assert_eq!(
            (&range["type"], &range["range"], &range["offset"], &range["startOrEnd"]),
            (&json!("matrixSelector"), &json!(300_000), &json!(-60_000), &json!("end"))
        );
        assert_eq!(range["matchers"][0], json!({"name": "job", "value": "a.*", "type": "!~"}));
        assert_eq!(of("{__name__=~\"a.+\"} @ 1.5")["name"], "");
        assert_eq!(of("{__name__=~\"a.+\"} @ 1.5")["timestamp"], 1500);
        let sub = of("up[1h:] offset 1d");
        assert_eq!((&sub["type"], &sub["step"], &sub["expr"]), (&json!("subquery"), &json!(0), &up));
        assert_eq!(of("-1"), json!({"type": "numberLiteral", "val": "-1"}));
        assert_eq!(of("-up")["op"], "-");
        assert_eq!(of("\"x\""), json!({"type": "stringLiteral", "val": "x"}));
        let sum = of("topk without (a, b) (3, (up))");
        assert_eq!(
            sum,
            json!({"type": "aggregation", "op": "topk", "without": true, "grouping": ["a", "b"],
                "param": {"type": "numberLiteral", "val": "3"}, "expr": {"type": "parenExpr", "expr": up}})
        );
        assert_eq!(of("sum(up)")["param"], Json::Null);
        assert_eq!(
            of("label_join(up, \"a\", \"b\")")["func"],
            json!({"name": "label_join", "argTypes": ["vector", "string", "string", "string"], "variadic": -1, "returnType": "vector"})
        );
        assert_eq!(of("time()")["func"]["returnType"], "scalar");
    }

    #[test]
    fn operators_are_nested_to_the_left() {
        let both = of("a * on (x) group_left (y) b / 2 > bool 1");
        assert_eq!((&both["op"], &both["bool"], &both["matching"]), (&json!(">"), &json!(true), &Json::Null));
        let quotient = &both["lhs"];
        assert_eq!(quotient["op"], "/");
        assert_eq!(
            quotient["lhs"]["matching"],
            json!({"card": "many-to-one", "on": true, "labels": ["x"], "include": ["y"], "fillValues": {"lhs": null, "rhs": null}})
        );
        assert_eq!(of("a and b")["matching"]["card"], "many-to-many");
        assert_eq!(of("a + fill_left (0) b")["matching"]["fillValues"]["lhs"], 0.0);
        let power = of("a ^ b ^ c");
        assert_eq!(power["lhs"]["name"], "a");
        for (text, levels) in
            [("a", 1), ("a + b", 2), ("a + b + c", 3), ("a + (b + (c))", 5), ("f + sum(a * b)", 4)]
        {
            assert_eq!(depth(&::query::parse(text).unwrap()), levels, "{text}");
        }
    }
}
