//! Expressions over several lines, as Prometheus's `format_query` lays them out: what is longer than a line is
//! taken apart, each level indented by two spaces. It must never change what an expression means, nor let a long
//! chain of operators grow the text beyond a bound.

use crate::ast::{Aggregate, Expr, ExprKind, Operand};
use crate::display::{head_of_aggregate, operator_text, suffix_of_subquery};

/// Longer expressions are taken apart.
const LINE_BYTES_MAX: usize = 100;
/// Deeper levels are not indented further: a chain of thousands of operators has thousands of levels.
const INDENTED_LEVELS_MAX: usize = 40;

/// The expression as text that parses to the same expression again, over several lines if it is long.
pub fn pretty(expr: &Expr) -> String {
    let mut out = String::new();
    write(&mut out, expr, 0);
    out
}

fn indent(out: &mut String, level: usize) {
    out.extend(std::iter::repeat_n("  ", level.min(INDENTED_LEVELS_MAX)));
}

fn write(out: &mut String, expr: &Expr, level: usize) {
    let text = expr.to_string();
    let leaf = matches!(
        expr.kind,
        ExprKind::Number(_) | ExprKind::String(_) | ExprKind::Selector(_) | ExprKind::Range(..)
    );
    if leaf || text.len() <= LINE_BYTES_MAX {
        indent(out, level);
        out.push_str(&text);
        return;
    }
    match &expr.kind {
        ExprKind::Paren(inside) => {
            indent(out, level);
            out.push_str("(\n");
            write(out, inside, level + 1);
            close(out, level);
        }
        ExprKind::Negate(inside) => sign(out, '-', inside, level),
        ExprKind::Plus(inside) => sign(out, '+', inside, level),
        ExprKind::Subquery(s) => {
            write(out, &s.expr, level);
            out.push_str(&suffix_of_subquery(s));
        }
        ExprKind::Aggregate(a) => aggregate(out, a, level),
        ExprKind::Call(function, args) => {
            indent(out, level);
            out.push_str(function.name);
            out.push_str("(\n");
            for (i, arg) in args.iter().enumerate() {
                out.push_str(if i > 0 { ",\n" } else { "" });
                write(out, arg, level + 1);
            }
            close(out, level);
        }
        ExprKind::Binary(first, rest) => chain(out, first, rest, level),
        ExprKind::Number(_) | ExprKind::String(_) | ExprKind::Selector(_) | ExprKind::Range(..) => {}
    }
}

fn close(out: &mut String, level: usize) {
    out.push('\n');
    indent(out, level);
    out.push(')');
}

fn sign(out: &mut String, mark: char, inside: &Expr, level: usize) {
    let mut text = String::new();
    write(&mut text, inside, level);
    indent(out, level);
    out.push(mark);
    out.push_str(text.trim_start());
}

fn aggregate(out: &mut String, a: &Aggregate, level: usize) {
    indent(out, level);
    out.push_str(&head_of_aggregate(a));
    out.push_str("(\n");
    if let Some(param) = &a.param {
        write(out, param, level + 1);
        out.push_str(",\n");
    }
    write(out, &a.expr, level + 1);
    close(out, level);
}

/// `a + b + c` is `(a + b) + c`: the last operator is the outermost level. As much of the beginning as fits stays on
/// one line.
fn chain(out: &mut String, first: &Expr, rest: &[Operand], level: usize) {
    let mut line = first.to_string();
    let mut fitting = 0;
    for operand in rest {
        let more = format!(" {} {}", operator_text(operand), operand.expr);
        if line.len() + more.len() > LINE_BYTES_MAX {
            break;
        }
        line += &more;
        fitting += 1;
    }
    if fitting == 0 {
        write(out, first, level + rest.len());
    } else {
        indent(out, level + rest.len() - fitting);
        out.push_str(&line);
    }
    for (i, operand) in rest.iter().enumerate().skip(fitting) {
        let level = level + rest.len() - 1 - i;
        out.push('\n');
        indent(out, level);
        out.push_str(&operator_text(operand));
        out.push('\n');
        write(out, &operand.expr, level + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::pretty;
    use crate::parse;

    #[test]
    fn long_expressions_are_taken_apart() {
        let a = "a".repeat(60);
        let b = "b".repeat(60);
        for (text, want) in [
            ("sum by(job)(up)".to_string(), "sum by (job) (up)".to_string()),
            (format!("{a}+{b}"), format!("  {a}\n+\n  {b}")),
            (format!("x*y/{a}/{b}"), format!("    x * y / {a}\n/\n  {b}").replacen("    ", "  ", 1)),
            (format!("-({a}+{b})"), format!("-(\n    {a}\n  +\n    {b}\n)")),
            (
                format!("topk by(job)(3,rate({a}[5m])+{b})"),
                format!("topk by (job) (\n  3,\n    rate({a}[5m])\n  +\n    {b}\n)"),
            ),
            (
                format!("clamp(sum({a})+{b},1,2)"),
                format!("clamp(\n    sum({a})\n  +\n    {b},\n  1,\n  2\n)"),
            ),
            (format!("({a}+{b})[1h:5m] @ end()"), format!("(\n    {a}\n  +\n    {b}\n)[1h:5m] @ end()")),
            (
                format!("{a}/ignoring(x)group_left(y){b}"),
                format!("  {a}\n/ ignoring (x) group_left (y)\n  {b}"),
            ),
            // A selector is never broken.
            (format!("{a}{{{b}=\"1\"}}"), format!("{a}{{{b}=\"1\"}}")),
        ] {
            let expr = parse(&text).unwrap();
            let shown = pretty(&expr);
            assert_eq!(shown, want, "{text}");
            assert_eq!(parse(&shown).unwrap().to_string(), expr.to_string(), "{text}");
        }
    }

    #[test]
    fn a_long_chain_stays_bounded() {
        let text = vec!["a"; 14_000].join("+");
        assert!(pretty(&parse(&text).unwrap()).len() < 14_000 * 200);
    }
}
