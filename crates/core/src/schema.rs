//! What a setting may be, as far as the JSON schema of a configuration tells it.

use crate::allowed::Allowed;
use serde_json::Value;
use std::ops::Bound::{Excluded, Included, Unbounded};

/// How deep alternatives are followed: an optional choice of choices. A schema may refer to itself.
const DEPTH: usize = 4;

/// What the property is, where it only refers to a definition.
pub fn resolve<'a>(property: &'a Value, schema: &'a Value) -> &'a Value {
    property["$ref"].as_str().and_then(|r| schema.pointer(r.trim_start_matches('#'))).unwrap_or(property)
}

/// The numbers or the names that a setting takes. `None` where the schema bounds neither, as for text and lists.
pub fn allowed(schema: &Value, setting: &str) -> Option<Allowed> {
    let property = &schema["properties"][setting];
    let mut names = vec![];
    gather(property, schema, DEPTH, &mut names);
    if !names.is_empty() {
        return Some(Allowed::one_of(names));
    }
    let property = resolve(property, schema);
    let own = property["anyOf"].as_array().and_then(|parts| parts.iter().find(|part| part["type"] != "null"));
    let property = own.map_or(property, |part| resolve(part, schema));
    range(property)
}

/// The numbers of a property that bounds them.
fn range(property: &Value) -> Option<Allowed> {
    let bound = |name: &str| property[name].as_f64();
    let low = bound("exclusiveMinimum").map(Excluded).or(bound("minimum").map(Included)).unwrap_or(Unbounded);
    let high = bound("exclusiveMaximum").map(Excluded).or(bound("maximum").map(Included)).unwrap_or(Unbounded);
    (low != Unbounded || high != Unbounded).then(|| Allowed::within((low, high)))
}

/// What a setting takes that is a word or a number, as in "`auto`, or a whole number at least 1". `None` for a setting of any other kind.
///
/// The messages of such a type itself name the type and not its values, since none of its alternatives is the one that was meant.
pub fn words_or_number(schema: &Value, setting: &str) -> Option<String> {
    let (mut words, mut numbers, mut none) = (vec![], vec![], None);
    for part in alternatives(&schema["properties"][setting], schema, DEPTH) {
        let mut names = vec![];
        gather(part, schema, DEPTH, &mut names);
        let kind = match part["type"].as_str() {
            Some("integer") => "a whole number",
            Some("number") => "a number",
            Some("null") => {
                none = Some("none".to_owned());
                continue;
            }
            // Of what has neither a name nor a number the phrase would say nothing.
            _ if names.is_empty() => return None,
            _ => {
                words.extend(names.iter().map(|name| format!("`{name}`")));
                continue;
            }
        };
        numbers.push(range(part).map_or_else(|| kind.to_owned(), |range| format!("{kind} {range}")));
    }
    let is_either = !words.is_empty() && !numbers.is_empty();
    is_either.then(|| {
        let rest = numbers.into_iter().chain(none).collect::<Vec<_>>().join(" or ");
        format!("{}, or {rest}", words.join(", "))
    })
}

/// The alternatives of a property, those of each in its place.
fn alternatives<'a>(property: &'a Value, schema: &'a Value, depth: usize) -> Vec<&'a Value> {
    let property = resolve(property, schema);
    match property["anyOf"].as_array() {
        Some(parts) if depth > 0 => parts.iter().flat_map(|part| alternatives(part, schema, depth - 1)).collect(),
        _ => vec![property],
    }
}

/// The names of an enumeration, and the tags of tables with a fixed `type`.
fn gather(property: &Value, schema: &Value, depth: usize, names: &mut Vec<String>) {
    let property = resolve(property, schema);
    let fields = property["properties"].as_object().into_iter().flat_map(serde_json::Map::values);
    let listed = property["enum"].as_array().into_iter().flatten();
    let constants = std::iter::once(&property["const"]).chain(fields.map(|field| &field["const"]));
    names.extend(listed.chain(constants).filter_map(Value::as_str).map(str::to_owned));
    if depth > 0 {
        for part in ["oneOf", "anyOf"].iter().filter_map(|key| property[key].as_array()).flatten() {
            gather(part, schema, depth - 1, names);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn ranges_and_names_are_read_from_a_schema() {
        let schema = json!({
            "$defs": {
                "Kernel": {"oneOf": [{"const": "rbf"}, {"enum": ["matern32", "matern52"]}]},
                "Tagged": {"oneOf": [{"properties": {"type": {"const": "a"}}}, {"$ref": "#/$defs/Tagged"}]},
            },
            "properties": {
                "count": {"type": ["integer", "null"], "minimum": 1},
                "share": {"type": "number", "exclusiveMinimum": 0.0, "maximum": 1.0},
                "kernel": {"anyOf": [{"$ref": "#/$defs/Kernel"}, {"type": "null"}]},
                "tagged": {"$ref": "#/$defs/Tagged"},
                "text": {"type": "string"},
            },
        });
        let words = |setting| allowed(&schema, setting).map(|a| a.to_string());
        assert_eq!(words("count").as_deref(), Some("at least 1"));
        assert_eq!(words("share").as_deref(), Some("in (0, 1]"));
        assert_eq!(words("kernel").as_deref(), Some("one of rbf, matern32, matern52"));
        assert!(words("tagged").is_some_and(|w| w.starts_with("one of a")));
        assert_eq!((words("text"), words("absent")), (None, None));
    }

    #[test]
    fn a_word_beside_a_number_is_told_with_it() {
        let schema = json!({
            "$defs": {
                "Auto": {"oneOf": [{"type": "string", "const": "auto"}]},
                "OrAuto": {"anyOf": [{"$ref": "#/$defs/Auto"}, {"type": "number", "format": "double"}]},
                "Rule": {"enum": ["scott", "silverman"]},
            },
            "properties": {
                "h": {"$ref": "#/$defs/OrAuto"},
                "k": {"anyOf": [{"$ref": "#/$defs/Rule"}, {"type": "integer", "minimum": 1}]},
                "c": {"anyOf": [{"$ref": "#/$defs/OrAuto"}, {"type": "null"}]},
                "rule": {"anyOf": [{"$ref": "#/$defs/Rule"}, {"type": "null"}]},
                "share": {"type": "number", "minimum": 0.0},
                "text": {"anyOf": [{"type": "string"}, {"type": "number"}]},
            },
        });
        let told = |setting| words_or_number(&schema, setting);
        assert_eq!(told("h").as_deref(), Some("`auto`, or a number"));
        assert_eq!(told("k").as_deref(), Some("`scott`, `silverman`, or a whole number at least 1"));
        assert_eq!(told("c").as_deref(), Some("`auto`, or a number or none"));
        for other in ["rule", "share", "text", "absent"] {
            assert_eq!(told(other), None, "{other}");
        }
    }
}
