//! A system's page: the text beside its code, with what the registry, the Python package and the measured claims say about it.

use crate::error::{Result, read};
use crate::generate::{page_of, settings};
use crate::results::RESULTS;
use crate::results::picture::FOLDER;
use elbo::core::{AnySystem, DataKind, Kind, Verb};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

/// The classes of the Python package, a file for each system.
const CLASSES: &str = "apps/python/python/elbo/_systems";
/// A program in Python for each system, by its id.
const PROGRAMS: &str = "examples/python/systems";

/// What is found in the repository about all systems.
#[derive(Debug, Default)]
pub struct Found {
    /// The document of measured claims.
    results: String,
    /// Names of the Python classes by id.
    classes: BTreeMap<String, Vec<String>>,
    /// Programs in Python by id.
    programs: BTreeMap<String, String>,
}

impl Found {
    /// Reads it.
    ///
    /// # Errors
    /// [`DevError::File`](crate::DevError::File).
    pub fn read(root: &Path) -> Result<Self> {
        let mut found = Self { results: read(&root.join(RESULTS))?, ..Self::default() };
        for id in elbo::systems().iter().map(|system| system.card().id) {
            let python = read(&root.join(CLASSES).join(format!("{}.py", id.replace('-', "_"))))?;
            found.classes.insert(id.into(), classes(&python));
            found.programs.insert(id.into(), read(&root.join(PROGRAMS).join(format!("{id}.py")))?);
        }
        Ok(found)
    }
}

/// The public classes of a system's file, in order.
fn classes(python: &str) -> Vec<String> {
    let names = python.lines().filter_map(|line| line.strip_prefix("class ")?.split('(').next());
    names.filter(|name| !name.starts_with('_')).map(str::to_owned).collect()
}

/// The page: `text` with identity, picture, use from Rust and Python, the measured claim and the settings put in.
///
/// # Errors
/// The section that is missing.
pub fn page(system: &dyn AnySystem, text: &str, found: &Found) -> Result<String, String> {
    let card = system.card();
    let verbs: Vec<&str> = card.verbs.iter().map(|verb| verb.name()).collect();
    let kind = if card.kind == Kind::Paper { "published method" } else { "baseline" };
    let mut about = format!(
        "`{}`, a {kind} of the family {}. Needs: {}. Verbs: {}.\n\n",
        card.id,
        card.family,
        system.needs(),
        verbs.join(", ")
    );
    let picture = format!("docs/pictures/{}.svg", card.id);
    if !text.contains(&picture) {
        let up = "../".repeat(page_of(card).matches('/').count());
        write!(about, "![What `{}` shows]({up}{picture})\n\n", card.id).expect("string");
    }
    let how = format!("{}\n{}\n", in_rust(system), in_python(card.id, found)?);
    let end = format!(
        "## Measured\n\n{}\n\n## Settings\n\n{}\n",
        measured(&found.results, card.id, &"../".repeat(page_of(card).matches('/').count())),
        settings(&system.schema(), &system.defaults())
    );
    let mut page = text.to_owned();
    for (heading, addition) in [("What it is", about), ("What to expect", how), ("Source", end)] {
        let at = page.find(&format!("\n## {heading}\n")).ok_or_else(|| format!("there is no section `{heading}`"))?;
        page.insert_str(at + 1, &addition);
    }
    Ok(page)
}

/// How the system is used from a program. Every line that a page may show stands here, where it is compiled.
///
/// A table, whose target classifies or regresses:
///
/// ```no_run
/// use elbo::data::{ReadOptions, read};
/// use elbo::prelude::*;
///
/// let options = ReadOptions { target: Some("y".into()), ..ReadOptions::default() };
/// let data = read("table.csv".as_ref(), &options)?;
/// let settings = serde_json::json!({});
/// let model = elbo::find("ID")?.fit(&settings, &data, &mut Run::new(0))?;
/// let predict = model.as_predict().expect("it is among the verbs");
/// let prediction = predict.predict(&data, &mut Run::new(0))?;
/// # Ok::<(), Error>(())
/// ```
///
/// A series, arrays, a scene:
///
/// ```no_run
/// # use elbo::data::{ReadOptions, read};
/// # use elbo::prelude::*;
/// let options = ReadOptions::default();
/// let data = read("data.npz".as_ref(), &options)?;
/// let data = read("SCENE".as_ref(), &options)?;
/// let settings = serde_json::json!({"time": "t"});
/// # elbo::find("ID")?.fit(&settings, &data, &mut Run::new(0))?;
/// # Ok::<(), Error>(())
/// ```
///
/// Trials:
///
/// ```no_run
/// use elbo::data::{MissingPolicy, ReadOptions, read};
/// # use elbo::prelude::*;
/// let options = ReadOptions { target: Some("y".into()), missing: MissingPolicy::Keep, ..ReadOptions::default() };
/// let data = read("history.csv".as_ref(), &options)?;
/// # Ok::<(), Error>(())
/// ```
///
/// Photographs:
///
/// ```no_run
/// use elbo::data::read_pictures;
/// # use elbo::prelude::*;
/// let data = read_pictures("photos".as_ref())?;
/// # Ok::<(), Error>(())
/// ```
fn in_rust(system: &dyn AnySystem) -> String {
    let card = system.card();
    let with_target = "ReadOptions { target: Some(\"y\".into()), ..ReadOptions::default() }";
    let with_empty_cells =
        "ReadOptions { target: Some(\"y\".into()), missing: MissingPolicy::Keep, ..ReadOptions::default() }";
    let read = |path: &str, options: &str| {
        format!("let options = {options};\nlet data = read(\"{path}\".as_ref(), &options)?;")
    };
    let (import, reading) = match system.data_kind() {
        DataKind::Target | DataKind::Series => ("{ReadOptions, read}", read("table.csv", with_target)),
        DataKind::Trials => ("{MissingPolicy, ReadOptions, read}", read("history.csv", with_empty_cells)),
        DataKind::Scene => ("{ReadOptions, read}", read("SCENE", "ReadOptions::default()")),
        DataKind::Rows => ("{ReadOptions, read}", read("data.npz", "ReadOptions::default()")),
        DataKind::Photographs => ("read_pictures", "let data = read_pictures(\"photos\".as_ref())?;".into()),
    };
    let settings = if system.data_kind() == DataKind::Series { "{\"time\": \"t\"}" } else { "{}" };
    let mut out = format!(
        "## In Rust\n\n```rust\nuse elbo::data::{import};\nuse elbo::prelude::*;\n\n{reading}\n\
         let settings = serde_json::json!({settings});\n\
         let model = elbo::find(\"{}\")?.fit(&settings, &data, &mut Run::new(0))?;\n",
        card.id
    );
    if card.verbs.contains(&Verb::Predict) {
        out.push_str(
            "let predict = model.as_predict().expect(\"it is among the verbs\");\n\
             let prediction = predict.predict(&data, &mut Run::new(0))?;\n",
        );
    }
    out.push_str("```\n");
    out
}

/// How the system is used from Python: its program, which the tests of the package run.
fn in_python(id: &str, found: &Found) -> Result<String, String> {
    let classes = found.classes.get(id).map_or(&[][..], Vec::as_slice);
    if classes.is_empty() {
        return Err(format!("{CLASSES} has no class of `{id}`; run `apps/python/generate.py`"));
    }
    let Some(program) = found.programs.get(id) else {
        return Err(format!("{PROGRAMS} has no program of `{id}`; write one that uses its verbs on shipped data"));
    };
    let listed: Vec<String> = classes.iter().map(|name| format!("`elbo.{name}`")).collect();
    Ok(format!(
        "## In Python\n\n```python\n{}\n```\n\nThe program runs from the root of the repository, within seconds: its data ship with it, and its budget is small \
         ([{id}.py](../../../{PROGRAMS}/{id}.py)). Settings of {} are its arguments, verbs its methods: `help(model)`, \
         [Python](../../../docs/python.md). `model.save(\"model.elbo\")` writes the file that `elbo.load` and the command line read.\n",
        program.trim_end(),
        listed.join(" and ")
    ))
}

/// What the document of measured claims says about a system, with the picture of its checks; `up` leads to the root of the repository.
fn measured(results: &str, id: &str, up: &str) -> String {
    let opening = format!("\n## {id}: ");
    let Some(start) = results.find(&opening) else {
        return format!("The claim has not been measured in the full budget for this page: `elbo reproduce {id}`.");
    };
    let section = &results[start + opening.len()..];
    let section = section.find("\n## ").map_or(section, |end| &section[..end]);
    let (verdict, rest) = section.split_once('\n').unwrap_or((section, ""));
    let verdict = verdict.trim();
    // A claim that could not be measured has no checks to draw.
    let has_checks = rest.contains("\n| check |");
    let picture = format!("![The checks of the claim of `{id}`]({up}{FOLDER}/{id}.svg)\n\n");
    let picture = if has_checks { picture } else { String::new() };
    format!("The claim, by `elbo reproduce {id}` in the full budget: **{verdict}**.\n\n{picture}{}", rest.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_classes_of_a_system_are_those_of_its_file_that_are_public() {
        let python = "from .._tabular import Tabular\n\n\nclass _SVGP(Tabular):\n    _system = 'svgp'\n\n\n\
                      class SVGPRegressor(_SVGP, Regressor):\n    pass\n\n\n\
                      class SVGPClassifier(_SVGP, Classifier):\n    pass\n";
        assert_eq!(classes(python), ["SVGPRegressor", "SVGPClassifier"]);
        let found = Found::read(Path::new("../..")).unwrap();
        assert_eq!(found.classes["scale-mixture-nngp"], ["ScaleMixtureNNGPRegressor", "ScaleMixtureNNGPClassifier"]);
    }

    #[test]
    fn the_lines_of_rust_are_among_those_that_are_compiled_here() {
        let source = read(Path::new("src/site/system.rs")).unwrap();
        for system in elbo::systems() {
            let id = system.card().id;
            let shown = in_rust(system).replace(&format!("find(\"{id}\")"), "find(\"ID\")");
            let is_code = |line: &&str| !line.is_empty() && !line.starts_with(['#', '`']);
            let lines: Vec<&str> = shown.lines().filter(is_code).collect();
            assert!(lines.len() > 4, "{id}: {shown}");
            for line in lines {
                assert!(source.contains(&format!("\n/// {line}\n")), "{id}: `{line}` is not compiled");
            }
        }
    }

    #[test]
    fn a_program_in_python_makes_the_system_s_class_and_calls_every_verb() {
        let found = Found::read(Path::new("../..")).unwrap();
        for system in elbo::systems() {
            let (card, kind) = (system.card(), system.data_kind());
            let program = &found.programs[card.id];
            let is_made = found.classes[card.id].iter().any(|class| program.contains(&format!("elbo.{class}(")));
            assert!(is_made && program.contains(".fit("), "{}: {program}", card.id);
            for verb in card.verbs {
                let call = match verb {
                    Verb::Fit | Verb::Reproduce => continue,
                    Verb::Restore if card.verbs.contains(&Verb::Compress) => "decompress",
                    Verb::Predict if program.contains("Classifier(") => "predict_proba",
                    verb => verb.name(),
                };
                assert!(program.contains(&format!("model.{call}(")), "{} {kind:?}: no `{call}` in {program}", card.id);
            }
        }
        let files = crate::files::below(&Path::new("../..").join(PROGRAMS)).unwrap();
        assert_eq!(files.len(), found.programs.len(), "a program of no system: {files:?}");
    }

    #[test]
    fn the_measured_claim_is_the_system_s_own() {
        let results = "# Results\n\n## bo-mean: fails\n\nmean\n\n## bo: holds\n\n3 seeds.\n\n| check |\n\n## vbll: holds\n\nlast\n";
        let text = measured(results, "bo", "../");
        let shown =
            "**holds**.\n\n![The checks of the claim of `bo`](../docs/pictures/claims/bo.svg)\n\n3 seeds.\n\n| check |";
        assert!(text.contains(shown) && !text.contains("last") && !text.contains("mean"), "{text}");
        let without = measured(results, "vbll", "");
        assert!(without.ends_with("last") && !without.contains("!["), "{without}");
        assert!(measured(results, "gpr", "").contains("has not been measured"));
    }

    #[test]
    fn a_page_without_a_section_is_refused() {
        let mut found = Found::default();
        found.classes.insert("gpr".into(), vec!["GPR".into()]);
        let system = elbo::find("gpr").unwrap();
        let error = page(system, "# GPR\n", &found).unwrap_err();
        assert!(error.contains("no program of `gpr`"), "{error}");
        found.programs.insert("gpr".into(), "import elbo\n".into());
        let error = page(system, "# GPR\n\n## What it is\n\nx\n\n## Source\n", &found).unwrap_err();
        assert!(error.contains("What to expect"), "{error}");
        assert!(page(system, "# GPR\n", &Found::default()).unwrap_err().contains("no class of `gpr`"));
    }
}
