//! What the author of a system writes, and its object-safe twin that the registry lists.

use crate::allowed::Allowed;
use crate::claim::Claim;
use crate::data::Data;
use crate::error::{Error, Result};
use crate::file::ModelFile;
use crate::inputs::{DataKind, FromData};
use crate::model::Model;
use crate::run::Run;
use crate::schema;
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Whether a system is from the catalogue of papers or stands beside them for comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A published system.
    Paper,
    /// A standard method that papers are compared with.
    Baseline,
}

/// What a user can ask of a system or of its models.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names are the verbs of the program, explained there")]
pub enum Verb {
    Fit,
    Predict,
    Evaluate,
    Update,
    Sample,
    Reconstruct,
    Encode,
    Compress,
    Restore,
    Render,
    Suggest,
    Reproduce,
}

impl Verb {
    /// All of them, in the order in which they are listed.
    pub const ALL: [Self; 12] = [
        Self::Fit,
        Self::Predict,
        Self::Evaluate,
        Self::Update,
        Self::Sample,
        Self::Reconstruct,
        Self::Encode,
        Self::Compress,
        Self::Restore,
        Self::Render,
        Self::Suggest,
        Self::Reproduce,
    ];

    /// The word on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fit => "fit",
            Self::Predict => "predict",
            Self::Evaluate => "evaluate",
            Self::Update => "update",
            Self::Sample => "sample",
            Self::Reconstruct => "reconstruct",
            Self::Encode => "encode",
            Self::Compress => "compress",
            Self::Restore => "restore",
            Self::Render => "render",
            Self::Suggest => "suggest",
            Self::Reproduce => "reproduce",
        }
    }
}

/// A system's identity. Everything that lists, documents or generates starts here.
#[derive(Debug, Clone, Copy)]
pub struct Card {
    /// The catalogue's id: file name, command line, Python, gallery.
    pub id: &'static str,
    /// The paper's title, or the method's name.
    pub title: &'static str,
    /// The family's name, as the crate's folder.
    pub family: &'static str,
    /// From a paper, or a baseline.
    pub kind: Kind,
    /// What its models offer, `Fit` and `Reproduce` included.
    pub verbs: &'static [Verb],
    /// Authors, year, venue.
    pub source: &'static str,
    /// The page: `include_str!("<id>.md")`.
    pub about: &'static str,
    /// Whether the model validates itself on its training rows in closed form, so that no rows need to be held out.
    pub validates_itself: bool,
}

/// Settings with the paper's defaults. A field's comment is its help text everywhere.
pub trait Config: Serialize + DeserializeOwned + JsonSchema + Default + Clone + Send + Sync {
    /// Checks ranges, once, before work starts.
    ///
    /// # Errors
    /// [`Error::Setting`] naming the field.
    fn check(&self) -> Result<()>;
}

/// What the author of a system writes. Typed, no boxes.
pub trait System: Sync {
    /// Identity.
    const CARD: Card;
    /// Settings.
    type Config: Config;
    /// What the data must be.
    type Input: FromData;
    /// What `fit` returns.
    type Model: Model + 'static;

    /// Fits a model. Every iterative part is a call to [`crate::drive`], so that budget, Ctrl-C and resume work.
    ///
    /// # Errors
    /// For data the method cannot use, and arithmetic that fails.
    fn fit(&self, config: &Self::Config, input: Self::Input, run: &mut Run) -> Result<Self::Model>;

    /// Rebuilds a model from its file.
    ///
    /// # Errors
    /// [`Error::ModelFile`] when something is missing.
    fn load(&self, file: &ModelFile) -> Result<Self::Model>;

    /// Reproduces the paper's effect: numbers with thresholds that can fail.
    ///
    /// # Errors
    /// When the run itself fails; a missed threshold is a verdict, not an error.
    fn claim(&self, run: &mut Run) -> Result<Claim>;
}

/// The object-safe twin of [`System`], implemented for all of them.
pub trait AnySystem: Sync {
    /// Identity.
    fn card(&self) -> &'static Card;

    /// What the data must be, in words.
    fn needs(&self) -> &'static str;

    /// What kind of data that is.
    fn data_kind(&self) -> DataKind;

    /// Whether cells of the data may be empty.
    fn takes_missing(&self) -> bool;

    /// JSON schema of the settings.
    fn schema(&self) -> Value;

    /// The settings' defaults.
    fn defaults(&self) -> Value;

    /// Fills in defaults, checks names, types and ranges. Takes an object with some of the settings.
    ///
    /// # Errors
    /// [`Error::Unknown`] for a setting that does not exist, [`Error::Setting`] for a wrong value.
    fn check_config(&self, settings: &Value) -> Result<Value>;

    /// Fits a model to raw data.
    ///
    /// # Errors
    /// As [`System::fit`], [`AnySystem::check_config`] and the input's `from_data`.
    fn fit(&self, settings: &Value, data: &Data, run: &mut Run) -> Result<Box<dyn Model>>;

    /// Rebuilds a model from its file.
    ///
    /// # Errors
    /// [`Error::ModelFile`] when something is missing or does not fit together.
    fn load(&self, file: &ModelFile) -> Result<Box<dyn Model>>;

    /// Reproduces the paper's effect.
    ///
    /// # Errors
    /// As [`System::claim`].
    fn claim(&self, run: &mut Run) -> Result<Claim>;
}

impl<S: System> AnySystem for S {
    fn card(&self) -> &'static Card {
        &S::CARD
    }

    fn needs(&self) -> &'static str {
        S::Input::NEEDS
    }

    fn data_kind(&self) -> DataKind {
        S::Input::KIND
    }

    fn takes_missing(&self) -> bool {
        S::Input::TAKES_MISSING
    }

    fn schema(&self) -> Value {
        schemars::schema_for!(S::Config).to_value()
    }

    fn defaults(&self) -> Value {
        serde_json::to_value(S::Config::default()).expect("settings are plain data")
    }

    fn check_config(&self, settings: &Value) -> Result<Value> {
        let config: S::Config = parse_config(&self.defaults(), settings)?;
        Ok(serde_json::to_value(config).expect("settings are plain data"))
    }

    fn fit(&self, settings: &Value, data: &Data, run: &mut Run) -> Result<Box<dyn Model>> {
        let config: S::Config = parse_config(&self.defaults(), settings)?;
        let input = S::Input::from_data(data)?;
        Ok(Box::new(System::fit(self, &config, input, run)?))
    }

    fn load(&self, file: &ModelFile) -> Result<Box<dyn Model>> {
        check_stored::<S::Config>(file)
            .and_then(|()| System::load(self, file))
            .map(|model| Box::new(model) as Box<dyn Model>)
            .map_err(fault_of_file)
    }

    fn claim(&self, run: &mut Run) -> Result<Claim> {
        System::claim(self, run)
    }
}

/// Checks stored settings as before a fit. Some models keep other things under this name; what is theirs, they read themselves.
fn check_stored<C: Config>(file: &ModelFile) -> Result<()> {
    file.fact::<C>("config").map_or(Ok(()), |config| config.check())
}

/// Settings, data and arithmetic of a model that is loaded came from its file: the user's data are not at fault.
fn fault_of_file(error: Error) -> Error {
    match error {
        Error::Setting { .. } | Error::Data { .. } | Error::Unknown { .. } | Error::Numerical { .. } => {
            Error::misfit(error)
        }
        other => other,
    }
}

fn parse_config<C: Config>(defaults: &Value, settings: &Value) -> Result<C> {
    let object = match settings {
        Value::Null => &serde_json::Map::new(),
        Value::Object(object) => object,
        other => {
            return Err(Error::Setting {
                setting: "settings".into(),
                found: other.to_string(),
                expected: "a table of `key = value`".into(),
            });
        }
    };
    let known = defaults.as_object().expect("a config is a struct");
    for key in object.keys() {
        if !known.contains_key(key) {
            return Err(Error::unknown("setting", key, known.keys().map(String::as_str)));
        }
    }
    // One key at a time, so that a wrong type is reported with the key's name.
    for (key, value) in object {
        let single = Value::Object([(key.clone(), value.clone())].into_iter().collect());
        serde_json::from_value::<C>(single).map_err(|cause| {
            let schema = schemars::schema_for!(C).to_value();
            let words = schema::words_or_number(&schema, key);
            let words = words.unwrap_or_else(|| format!("a value like {} ({cause})", known[key]));
            let expected = allowed::<C>(&schema, known, key, value).told(words);
            Error::Setting { setting: key.clone(), found: value.to_string(), expected }
        })?;
    }
    // Over the defaults, since a part that several systems share (`serde(flatten)`) would else take its own.
    let mut whole = known.clone();
    whole.extend(object.iter().map(|(key, value)| (key.clone(), value.clone())));
    let config: C = serde_json::from_value(Value::Object(whole)).map_err(|cause| Error::Setting {
        setting: "settings".into(),
        found: settings.to_string(),
        expected: cause.to_string().into(),
    })?;
    config.check()?;
    Ok(config)
}

/// What a setting of a wrong type may be: by the schema, or by the configuration's own check where that allows less.
fn allowed<C: Config>(schema: &Value, defaults: &serde_json::Map<String, Value>, key: &str, found: &Value) -> Allowed {
    let by_schema = schema::allowed(schema, key).unwrap_or_else(|| "".into());
    let Some(nearest) = by_schema.nearest(&found.to_string()) else { return by_schema };
    let mut whole = defaults.clone();
    whole.insert(key.into(), serde_json::from_str(&nearest).unwrap_or(Value::String(nearest)));
    match serde_json::from_value::<C>(Value::Object(whole)).map(|config| config.check()) {
        Ok(Ok(())) => by_schema,
        Ok(Err(Error::Setting { setting, expected, .. })) if setting == key => expected,
        // No value of the schema's can be named that the configuration takes beside its defaults.
        _ => "".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::allowed::ensure_within;
    use serde::Deserialize;
    use serde_json::json;

    #[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
    #[serde(rename_all = "snake_case")]
    enum Rule {
        Adam,
        Newton,
    }

    #[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
    #[serde(rename_all = "snake_case")]
    enum Found {
        Evidence,
    }

    /// A word or a number.
    #[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
    #[serde(untagged)]
    enum Ridge {
        Found(Found),
        Value(f64),
    }

    #[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
    #[serde(default, deny_unknown_fields)]
    struct Settings {
        steps: usize,
        rule: Rule,
        ridge: Ridge,
    }

    impl Default for Settings {
        fn default() -> Self {
            Self { steps: 10, rule: Rule::Adam, ridge: Ridge::Found(Found::Evidence) }
        }
    }

    impl Config for Settings {
        fn check(&self) -> Result<()> {
            ensure_within("steps", self.steps, 5..=100)
        }
    }

    #[test]
    fn what_schema_or_check_refuse_is_answered_with_the_nearest_value_that_both_allow() {
        let defaults = serde_json::to_value(Settings::default()).unwrap();
        let remedy = |settings: Value| {
            let error = parse_config::<Settings>(&defaults, &settings).unwrap_err();
            assert!(matches!(error, Error::Setting { .. }), "{error:?}");
            error.remedy().into_owned()
        };
        let nearest = |value: &str| format!("the nearest allowed value is {value}; ");
        assert!(remedy(json!({"steps": 500})).starts_with(&nearest("100")));
        assert!(remedy(json!({"steps": -1})).starts_with(&nearest("5")), "{}", remedy(json!({"steps": -1})));
        assert!(remedy(json!({"rule": "adm"})).starts_with(&nearest("adam")), "{}", remedy(json!({"rule": "adm"})));
        assert!(!remedy(json!({"steps": "many"})).contains("nearest"));
        assert!(parse_config::<Settings>(&defaults, &json!({"steps": 5, "rule": "newton"})).is_ok());
    }

    #[test]
    fn what_is_neither_the_word_nor_a_number_is_answered_with_both() {
        let defaults = serde_json::to_value(Settings::default()).unwrap();
        let refused = |value: Value| parse_config::<Settings>(&defaults, &json!({ "ridge": value })).unwrap_err();
        for wrong in [json!("foo"), json!("evidnce"), json!(true), json!([1.0])] {
            let expected = format!("setting `ridge` is {wrong}; expected `evidence`, or a number");
            assert_eq!(refused(wrong).to_string(), expected);
        }
        let remedy = refused(json!("evidnce")).remedy().into_owned();
        assert!(remedy.starts_with("the nearest allowed value is evidence; "), "{remedy}");
        assert!(!refused(json!("foo")).remedy().contains("nearest"));
        for right in [json!("evidence"), json!(1), json!(0.5)] {
            assert!(parse_config::<Settings>(&defaults, &json!({ "ridge": right })).is_ok());
        }
    }
}
