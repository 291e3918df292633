//! JSON values as attributes: names of nested objects joined by dots, lists and what is nested too deep as JSON text. It must
//! never recurse deeper than its bound.

use super::fields;
use model::Pairs;
use serde_json::Value;

/// Objects in objects; what is deeper stays JSON.
const DEPTH_MAX: usize = 8;
/// Fields of one object.
const FIELDS_MAX: usize = 1_024;

/// Adds the fields of an object.
pub fn flatten(prefix: &str, value: &Value, out: &mut Pairs) {
    let mut name = prefix.to_string();
    one(&mut name, value, 0, out);
}

fn one(name: &mut String, value: &Value, depth: usize, out: &mut Pairs) {
    // What says when and what is never left out for what comes before it by the alphabet.
    if out.len() >= FIELDS_MAX && !fields::is_known(name) {
        // One more, so that the record is marked as having had too many.
        if out.len() == FIELDS_MAX {
            out.push(name, "");
        }
        return;
    }
    match value {
        Value::Object(fields) if depth < DEPTH_MAX && !fields.is_empty() => {
            let end = name.len();
            for (key, value) in fields {
                if end > 0 {
                    name.push('.');
                }
                name.push_str(key);
                one(name, value, depth + 1, out);
                name.truncate(end);
            }
        }
        Value::Null => {}
        Value::String(text) => out.push(name, text),
        other => out.push(name, &other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_objects_become_names_with_dots() {
        let value: Value = serde_json::from_str(
            r#"{"a":{"b":1,"c":{"d":true}},"e":[1,{"f":2}],"g":null,"h":"t","i":{},"n":1.50}"#,
        )
        .unwrap();
        let mut out = Pairs::new();
        flatten("", &value, &mut out);
        let shown: Vec<String> = out.iter().map(|(n, v)| format!("{n}={v}")).collect();
        assert_eq!(shown, ["a.b=1", "a.c.d=true", "e=[1,{\"f\":2}]", "h=t", "i={}", "n=1.5"]);
    }

    #[test]
    fn depth_and_number_are_bounded() {
        let deep: Value = serde_json::from_str(&(r#"{"a":"#.repeat(100) + "1" + &"}".repeat(100))).unwrap();
        let mut out = Pairs::new();
        flatten("", &deep, &mut out);
        let (name, value) = out.iter().next().unwrap();
        assert_eq!((out.len(), name, value.len()), (1, "a.a.a.a.a.a.a.a", 1 + 92 * 6));
        let wide: Value = Value::Object((0..10_000).map(|i| (format!("k{i}"), Value::from(i))).collect());
        let mut out = Pairs::new();
        flatten("p", &wide, &mut out);
        assert_eq!(out.len(), FIELDS_MAX + 1);
        let Value::Object(mut wide) = wide else { unreachable!() };
        wide.insert("message".into(), "told".into());
        let mut out = Pairs::new();
        flatten("", &Value::Object(wide), &mut out);
        assert!(out.iter().any(|(name, value)| (name, value) == ("message", "told")));
    }
}
