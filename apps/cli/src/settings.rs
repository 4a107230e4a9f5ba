//! Values on the command line and in the configuration file.

use crate::failure::Failure;
use elbo::FitRecord;
use elbo::core::Result;
use elbo::core::read::read_text;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::path::Path;
use std::time::Duration;

/// A configuration file.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ConfigFile {
    /// The system's id, or `auto`.
    pub system: Option<String>,
    /// The target column.
    pub target: Option<String>,
    /// The seed.
    pub seed: Option<u64>,
    /// Settings of the system.
    pub settings: toml::Table,
}

impl ConfigFile {
    /// Reads a file.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let text = read_text("cannot read the configuration", path)?;
        toml::from_str(&text).map_err(|cause| {
            let line = cause.span().map(|s| text[..s.start.min(text.len())].matches('\n').count() + 1);
            let place = line.map(|l| format!(", line {l}")).unwrap_or_default();
            Failure::usage(
                format!("{}{place}: {}", path.display(), cause.message().trim()),
                "a configuration may hold `system`, `target`, `seed` and a table `[settings]`",
            )
        })
    }
}

/// The settings of the file, overridden by those of the command line.
pub fn merge(file: &toml::Table, pairs: &[String]) -> Result<Value, Failure> {
    let mut settings = Map::new();
    for (key, value) in file {
        settings.insert(key.clone(), json(value.clone()));
    }
    for pair in pairs {
        let (key, value) = pair.split_once('=').ok_or_else(|| {
            Failure::usage(format!("`--set {pair}` has no value"), format!("write it as --set {pair}=VALUE"))
        })?;
        insert(&mut settings, key.trim(), parse(value.trim()));
    }
    Ok(Value::Object(settings))
}

/// Puts a value under a dotted key, `kernel.type` inside the table `kernel`.
fn insert(settings: &mut Map<String, Value>, key: &str, value: Value) {
    match key.split_once('.') {
        None => {
            settings.insert(key.into(), value);
        }
        Some((table, rest)) => {
            let slot = settings.entry(table).or_insert_with(|| Value::Object(Map::new()));
            if !slot.is_object() {
                *slot = Value::Object(Map::new());
            }
            insert(slot.as_object_mut().expect("made a table above"), rest, value);
        }
    }
}

/// A TOML value, or else plain text: `0.1`, `true`, `[1, 2]`, `{type = "rbf"}`, `matern52`.
fn parse(text: &str) -> Value {
    let document = format!("value = {text}");
    match document.parse::<toml::Table>() {
        Ok(mut table) if table.len() == 1 => match table.remove("value") {
            // A date is no setting; as text it is refused with the setting's name.
            Some(toml::Value::Datetime(_)) | None => Value::String(text.into()),
            Some(value) => json(value),
        },
        _ => match text {
            "null" | "none" => Value::Null,
            _ => Value::String(text.into()),
        },
    }
}

/// A TOML value as JSON.
pub fn json(value: toml::Value) -> Value {
    match value {
        toml::Value::String(text) => Value::String(text),
        toml::Value::Integer(number) => number.into(),
        // JSON has no infinities; as text they are refused with the setting's name.
        toml::Value::Float(number) => {
            serde_json::Number::from_f64(number).map_or_else(|| Value::String(number.to_string()), Value::Number)
        }
        toml::Value::Boolean(is) => is.into(),
        toml::Value::Datetime(date) => Value::String(date.to_string()),
        toml::Value::Array(items) => items.into_iter().map(json).collect(),
        toml::Value::Table(table) => Value::Object(table.into_iter().map(|(k, v)| (k, json(v))).collect()),
    }
}

/// `30s`, `2m`, `1.5h`; a bare number is seconds.
pub fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "" | "s" => 1.0,
        "ms" => 1e-3,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        other => return Err(format!("`{other}` is not a unit of time; write 30s, 2m or 1h")),
    };
    match digits.parse::<f64>() {
        Ok(count) if count > 0.0 && count * unit < 1e9 => Ok(Duration::from_secs_f64(count * unit)),
        _ => Err("write a positive time such as 30s, 2m or 1h".into()),
    }
}

/// A share of rows.
pub fn share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if (0.0..=0.9).contains(&share) => Ok(share),
        _ => Err("write a share in [0, 0.9], such as 0.2".into()),
    }
}

/// Pixels of a picture: 640x480.
pub fn size(text: &str) -> Result<[usize; 2], String> {
    let sides = text.split_once(['x', 'X', '×']).map(|(w, h)| (w.trim().parse(), h.trim().parse()));
    match sides {
        Some((Ok(width), Ok(height))) if width >= 8 && height >= 8 && width <= 16_384 && height <= 16_384 => {
            Ok([width, height])
        }
        _ => Err("write width and height from 8 to 16384 pixels, such as 640x480".into()),
    }
}

/// A probability strictly between zero and one.
pub fn level(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(level) if level > 0.0 && level < 1.0 => Ok(level),
        Ok(level) if (1.0..100.0).contains(&level) => {
            Err(format!("write a share in (0, 1), such as {}", level / 100.0))
        }
        _ => Err("write a share in (0, 1), such as 0.9".into()),
    }
}

/// The command that repeats a fit, without what does not change its result: where it is written, how many threads.
pub fn command(id: &str, record: &FitRecord, holdout: Option<f64>) -> String {
    let mut words = vec!["elbo".to_owned(), "fit".into(), id.into(), quoted(&record.data.source)];
    let mut option = |name: &str, value: &str| words.extend([name.to_owned(), quoted(value)]);
    if let Some(target) = &record.target {
        option("--target", target);
    }
    if let Some(task) = record.reading.task {
        option("--task", if task == elbo::Task::Regression { "regression" } else { "classification" });
    }
    for (key, value) in record.settings.as_object().into_iter().flatten() {
        option("--set", &format!("{key}={}", shown(value)));
    }
    if record.reading.drop_missing {
        option("--missing", "drop");
    } else if record.reading.refuse_missing {
        option("--missing", "error");
    }
    record.reading.drop.iter().for_each(|column| option("--drop", column));
    record.reading.categorical.iter().for_each(|column| option("--categorical", column));
    if let Some(delimiter) = &record.reading.delimiter {
        option("--delimiter", delimiter);
    }
    if let Some(share) = holdout {
        option("--holdout", &share.to_string());
    }
    option("--seed", &record.seed.to_string());
    words.join(" ")
}

/// A value as `--set` reads it back.
pub fn shown(value: &Value) -> String {
    match value {
        Value::String(text) if parse(text) == *value => text.clone(),
        Value::String(text) => toml::Value::String(text.clone()).to_string(),
        Value::Array(items) => format!("[{}]", items.iter().map(inline).collect::<Vec<_>>().join(", ")),
        Value::Object(_) => inline(value),
        other => other.to_string(),
    }
}

/// A value inside a list or a table.
fn inline(value: &Value) -> String {
    match value {
        Value::String(text) => toml::Value::String(text.clone()).to_string(),
        Value::Array(items) => format!("[{}]", items.iter().map(inline).collect::<Vec<_>>().join(", ")),
        Value::Object(table) => {
            let fields: Vec<String> = table.iter().map(|(k, v)| format!("{k} = {}", inline(v))).collect();
            format!("{{{}}}", fields.join(", "))
        }
        other => other.to_string(),
    }
}

/// A word as a shell reads it.
pub fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "-_./=:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_toml_or_text() {
        let cases = [
            ("0.1", serde_json::json!(0.1)),
            ("12", serde_json::json!(12)),
            ("true", serde_json::json!(true)),
            ("matern52", serde_json::json!("matern52")),
            ("\"12\"", serde_json::json!("12")),
            ("[1, 2]", serde_json::json!([1, 2])),
            ("{type = \"rbf\"}", serde_json::json!({"type": "rbf"})),
            ("1\nother = 2", serde_json::json!("1\nother = 2")),
            ("inf", serde_json::json!("inf")),
            ("2020-01-01", serde_json::json!("2020-01-01")),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text), expected, "{text}");
        }
    }

    #[test]
    fn the_command_line_goes_before_the_file() {
        let file: toml::Table = "noise = 0.1\nkernel = {type = \"rbf\", ard = true}".parse().unwrap();
        let merged = merge(&file, &["noise=0.2".into(), "kernel.ard = false".into()]).unwrap();
        assert_eq!(merged, serde_json::json!({"noise": 0.2, "kernel": {"type": "rbf", "ard": false}}));
        assert!(merge(&file, &["noise".into()]).is_err());
    }

    #[test]
    fn times_have_units() {
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        assert_eq!(duration("0.5"), Ok(Duration::from_millis(500)));
        for wrong in ["", "m", "-1s", "5 days", "nan", "1e300h"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_command_repeats_the_settings() {
        let settings =
            serde_json::json!({"kernel": {"type": "rbf", "ard": true}, "steps": 5, "name": "it's", "code": "12"});
        let record = FitRecord { settings: settings.clone(), target: Some("y z".into()), ..FitRecord::default() };
        let record = FitRecord { data: elbo::DataRecord { source: "t.csv".into(), ..Default::default() }, ..record };
        let text = command("gpr", &record, None);
        assert_eq!(
            text,
            r#"elbo fit gpr t.csv --target 'y z' --set 'kernel={type = "rbf", ard = true}' --set steps=5 --set 'name=it'\''s' --set 'code="12"' --seed 0"#
        );
        for (key, value) in settings.as_object().unwrap() {
            assert_eq!(&parse(&shown(value)), value, "{key}");
        }
    }
}
