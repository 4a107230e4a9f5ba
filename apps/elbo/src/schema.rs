//! A system's settings in words, from the JSON schema of its configuration.

use elbo_core::AnySystem;
use elbo_core::schema::resolve;
use serde::Serialize;
use serde_json::Value;

/// One setting.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Setting {
    /// The key of `--set`.
    pub name: String,
    /// Its values, in words.
    pub values: String,
    /// The default.
    pub default: Value,
    /// What it does.
    pub help: String,
}

/// All settings of a system, in the order of its configuration.
pub fn settings(system: &dyn AnySystem) -> Vec<Setting> {
    let (schema, defaults) = (system.schema(), system.defaults());
    let empty = serde_json::Map::new();
    let properties = schema["properties"].as_object().unwrap_or(&empty);
    let of = |(name, default): (&String, &Value)| {
        let property = properties.get(name).unwrap_or(&Value::Null);
        let own = property["description"].as_str();
        let help = own.or_else(|| resolve(property, &schema)["description"].as_str()).unwrap_or_default();
        Setting { name: name.clone(), values: values(property, &schema), default: default.clone(), help: flow(help) }
    };
    defaults.as_object().unwrap_or(&empty).iter().map(of).collect()
}

/// A comment's lines joined to one.
fn flow(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The values that a property takes: a type with its range, or a choice.
fn values(property: &Value, schema: &Value) -> String {
    let property = resolve(property, schema);
    if let Some(choices) = choices(property, schema) {
        return choices;
    }
    let (types, optional) = match &property["type"] {
        Value::String(name) => (vec![name.as_str()], false),
        Value::Array(names) => {
            let names: Vec<&str> = names.iter().filter_map(Value::as_str).collect();
            (names.iter().copied().filter(|n| *n != "null").collect(), names.contains(&"null"))
        }
        _ => (vec![], false),
    };
    let words: Vec<String> = types.iter().map(|name| words(name, property, schema)).collect();
    let words = if words.is_empty() { "any value".to_owned() } else { words.join(" or ") };
    if optional { format!("{words}, or none") } else { words }
}

fn words(name: &str, property: &Value, schema: &Value) -> String {
    match name {
        "integer" => format!("whole number{}", range(property)),
        "number" => format!("number{}", range(property)),
        "boolean" => "true or false".into(),
        "string" => "text".into(),
        "array" => format!("list of {}", values(&property["items"], schema)),
        "object" => "table".into(),
        other => other.into(),
    }
}

fn range(property: &Value) -> String {
    let bound = |inclusive: &str, exclusive: &str, signs: [&str; 2]| {
        let shown = |key: &str, sign: &str| property[key].as_f64().map(|v| format!("{sign} {v}"));
        shown(exclusive, signs[1]).or_else(|| shown(inclusive, signs[0]))
    };
    // That a count is not negative goes without saying.
    let is_count = property["format"].as_str().is_some_and(|format| format.starts_with("uint"));
    let low = bound("minimum", "exclusiveMinimum", ["at least", "above"]);
    let low = low.filter(|text| !is_count || text != "at least 0");
    let high = bound("maximum", "exclusiveMaximum", ["at most", "below"]);
    let bounds: Vec<String> = low.into_iter().chain(high).collect();
    if bounds.is_empty() { String::new() } else { format!(" {}", bounds.join(" and ")) }
}

/// `one of a, b, c` for enumerations, also tagged ones, whose alternatives are tables with a fixed `type`.
fn choices(property: &Value, schema: &Value) -> Option<String> {
    let quoted = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    if let Some(list) = property["enum"].as_array() {
        return Some(format!("one of {}", list.iter().map(quoted).collect::<Vec<_>>().join(", ")));
    }
    if let Some(constant) = property.get("const") {
        return Some(quoted(constant));
    }
    let parts = property["oneOf"].as_array().or_else(|| property["anyOf"].as_array())?;
    let mut names: Vec<String> = vec![];
    let mut optional = false;
    for part in parts {
        let part = resolve(part, schema);
        let tag = part["properties"].as_object().and_then(|fields| fields.values().find_map(|f| f.get("const")));
        if part["type"] == "null" {
            optional = true;
        } else if let Some(tag) = tag {
            names.push(quoted(tag));
        } else {
            let text = values(part, schema);
            names.push(text.strip_prefix("one of ").unwrap_or(&text).to_owned());
        }
    }
    let text = if names.len() == 1 && !names[0].contains(", ") {
        names[0].clone()
    } else {
        format!("one of {}", names.join(", "))
    };
    Some(if optional { format!("{text}, or none") } else { text })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn schemas_are_told_in_words() {
        let schema = json!({"$defs": {
            "Kernel": {"oneOf": [{"const": "rbf", "description": "smooth"}, {"const": "matern52"}]},
            "Tagged": {"oneOf": [{"properties": {"type": {"const": "a"}}}, {"properties": {"type": {"const": "b"}}}]},
        }});
        let cases = [
            (json!({"type": "integer", "format": "uint", "minimum": 0}), "whole number"),
            (json!({"type": "number", "exclusiveMinimum": 0.0, "maximum": 1.0}), "number above 0 and at most 1"),
            (json!({"type": "number", "minimum": 0.0, "maximum": 1.0}), "number at least 0 and at most 1"),
            (json!({"type": ["integer", "null"], "minimum": 1}), "whole number at least 1, or none"),
            (json!({"$ref": "#/$defs/Kernel"}), "one of rbf, matern52"),
            (json!({"anyOf": [{"$ref": "#/$defs/Kernel"}, {"type": "null"}]}), "one of rbf, matern52, or none"),
            (json!({"$ref": "#/$defs/Tagged"}), "one of a, b"),
            (json!({"type": "array", "items": {"type": "number"}}), "list of number"),
            (json!({"type": "boolean"}), "true or false"),
        ];
        for (property, expected) in cases {
            assert_eq!(values(&property, &schema), expected);
        }
    }
}
