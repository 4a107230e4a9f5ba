//! Documents made from the registry: the index of systems with their settings, and the site.

use crate::error::{DevError, Result, read, write};
use crate::site;
use elbo::core::{AnySystem, Card, Kind};
use serde_json::Value;
use std::fmt::Write;
use std::path::Path;

/// Where the index is written.
pub const SYSTEMS: &str = "docs/systems.md";

/// Writes the documents, or with `check` only compares them with what is there; follows the links of all Markdown documents;
/// builds the site in the folder `out` and follows its links.
///
/// # Errors
/// [`DevError::Faults`] when `check` finds a document out of date, for links to nothing, and those of [`site::build`];
/// [`DevError::File`].
pub fn generate(root: &Path, out: &Path, check: bool) -> Result<String> {
    let path = root.join(SYSTEMS);
    let page = index(&elbo::systems());
    let mut faults = vec![];
    if !check {
        write(&path, &page)?;
    } else if !read(&path).is_ok_and(|present| present == page) {
        faults.push(format!("{SYSTEMS} is out of date; run `cargo run -p elbo-dev -- generate` and commit it"));
    }
    let (broken, links) = site::links::faults(root)?;
    faults.extend(broken);
    match site::build(root, out) {
        Ok(built) if faults.is_empty() => {
            let written = if check { "is up to date" } else { "is written" };
            Ok(format!("{SYSTEMS} {written}\ndocuments: {links} links\n{built}"))
        }
        Ok(_) => Err(DevError::Faults(faults)),
        Err(DevError::Faults(more)) => Err(DevError::Faults(faults.into_iter().chain(more).collect())),
        Err(error) => Err(error),
    }
}

/// The file of a system's page in the repository.
pub fn page_of(card: &Card) -> String {
    format!("systems/{}/src/{}.md", card.family, card.id)
}

/// The index: a table of all systems by family, then each system's needs and settings.
pub fn index(systems: &[&dyn AnySystem]) -> String {
    let mut page = String::from(
        "# Systems\n\nWritten by `cargo run -p elbo-dev -- generate` from the registry; do not edit.\n\
         Settings are given as `--set name=value`.\n",
    );
    for family in families(systems) {
        write!(page, "\n## {family}\n").expect("string");
        page.push_str(&table(systems, family, |card| format!("#{}", card.id)));
        for system in systems.iter().filter(|system| system.card().family == family) {
            let card = system.card();
            writeln!(page, "\n### {}\n\n{}. Needs: {}.\n", card.id, card.title, system.needs()).expect("string");
            writeln!(page, "![{0}](pictures/{0}.svg)\n", card.id).expect("string");
            writeln!(page, "[What it is, when and how to use it](../{})\n", page_of(card)).expect("string");
            page.push_str(&settings(&system.schema(), &system.defaults()));
        }
    }
    page
}

/// The site's index: all systems by family, each by its picture and in a table, with links to their pages as seen from [`SYSTEMS`].
pub fn catalogue(systems: &[&dyn AnySystem]) -> String {
    let mut page = String::from(
        "# Systems\n\nEvery system by its picture, then with what it offers. Settings are given as `--set name=value`.\n",
    );
    for family in families(systems) {
        write!(page, "\n## {}\n\n", words(family)).expect("string");
        for card in systems.iter().map(|system| system.card()).filter(|card| card.family == family) {
            let (id, link) = (card.id, format!("../{}", page_of(card)));
            writeln!(page, "- [![{id}](pictures/{id}.svg)]({link}) [`{id}`]({link}) {}", card.title).expect("string");
        }
        page.push_str(&table(systems, family, |card| format!("../{}", page_of(card))));
    }
    page
}

/// What families are called on the site, and the system whose picture stands for them.
const FAMILIES: [[&str; 3]; 10] = [
    ["gp", "Gaussian processes", "gpr"],
    ["inference", "Posterior inference", "flow-vi"],
    ["vae", "Autoencoders", "infovae"],
    ["bayesnn", "Bayesian neural networks", "vbll"],
    ["temporal", "Series and processes in time", "markov-gp"],
    ["inverse", "Diffusion and restoration", "ddpm"],
    ["codec", "Codecs", "hyperprior"],
    ["splat", "Scenes of Gaussians", "gs-mcmc"],
    ["decision", "Experiments and decisions", "bo"],
    ["stats", "Causes and densities", "lsnm"],
];

/// A picture of each family, with a link to its systems in the [`catalogue`], as seen from a document in `docs`.
pub fn gallery() -> String {
    let mut list = String::from("## By picture\n\n");
    for [_, name, id] in FAMILIES {
        let link = format!("systems.md#{}", name.to_lowercase().replace(' ', "-"));
        writeln!(list, "- [![{name}](pictures/{id}.svg)]({link}) [{name}]({link})").expect("string");
    }
    list.push('\n');
    list
}

/// A family's name for readers; one without stands under its id.
pub fn words(family: &'static str) -> &'static str {
    FAMILIES.iter().find(|row| row[0] == family).map_or(family, |row| row[1])
}

/// The families in order.
fn families(systems: &[&dyn AnySystem]) -> Vec<&'static str> {
    let mut families: Vec<&str> = systems.iter().map(|system| system.card().family).collect();
    families.dedup();
    families
}

/// The systems of a family as a table.
fn table(systems: &[&dyn AnySystem], family: &str, link: impl Fn(&Card) -> String) -> String {
    let mut table = String::from("\n| id | what | kind | verbs | source |\n|---|---|---|---|---|\n");
    for card in systems.iter().map(|system| system.card()).filter(|card| card.family == family) {
        let verbs: Vec<&str> = card.verbs.iter().map(|verb| verb.name()).collect();
        let kind = if card.kind == Kind::Paper { "paper" } else { "baseline" };
        let cells = [card.title, kind, &verbs.join(", "), card.source].map(cell);
        writeln!(table, "| [`{}`]({}) | {} |", card.id, link(card), cells.join(" | ")).expect("string");
    }
    table
}

/// The settings of a schema as a table; a sentence when there are none.
pub fn settings(schema: &Value, defaults: &Value) -> String {
    let Some(properties) = schema["properties"].as_object().filter(|properties| !properties.is_empty()) else {
        return "No settings.\n".into();
    };
    let mut table = String::from("| setting | default | range | what |\n|---|---|---|---|\n");
    for (name, property) in properties {
        let default = match &defaults[name] {
            Value::Null => "none".into(),
            value => format!("`{value}`"),
        };
        let what = property["description"].as_str().unwrap_or_default();
        writeln!(table, "| `{name}` | {} | {} | {} |", cell(&default), cell(range(property)), cell(what))
            .expect("string");
    }
    table
}

/// What a schema says about a value's range, in words.
fn range(property: &Value) -> String {
    let bound = |key: &str, sign: &str| property.get(key).map(|value| format!("{sign} {value}"));
    let bounds: Vec<String> =
        [bound("minimum", "≥"), bound("exclusiveMinimum", ">"), bound("maximum", "≤"), bound("exclusiveMaximum", "<")]
            .into_iter()
            .flatten()
            .collect();
    let words =
        property["enum"].as_array().map(|words| words.iter().map(Value::to_string).collect::<Vec<_>>().join(", "));
    words.unwrap_or_else(|| bounds.join(", "))
}

/// Text for a table's cell: one line, bars escaped.
fn cell(text: impl AsRef<str>) -> String {
    text.as_ref().split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn settings_show_default_range_and_help() {
        let schema = json!({"properties": {
            "inducing": {"description": "Number of\ninducing points, `M`.", "minimum": 1},
            "rule": {"enum": ["cvi", "ep"], "description": "a | b"},
        }});
        let table = settings(&schema, &json!({"inducing": 64, "rule": "cvi"}));
        assert!(table.contains("| `inducing` | `64` | ≥ 1 | Number of inducing points, `M`. |"), "{table}");
        assert!(table.contains("| `rule` | `\"cvi\"` | \"cvi\", \"ep\" | a \\| b |"), "{table}");
        assert_eq!(settings(&json!({}), &json!({})), "No settings.\n");
    }

    #[test]
    fn every_family_has_a_name_a_picture_and_a_heading_that_the_gallery_leads_to() {
        assert_eq!(elbo::families(), FAMILIES.map(|row| row[0]));
        let systems = elbo::systems();
        let index = catalogue(&systems);
        for [family, name, id] in FAMILIES {
            assert_eq!(elbo::find(id).unwrap().card().family, family);
            assert!(index.contains(&format!("\n## {name}\n")), "{name}");
            assert!(name.chars().all(|c| c.is_ascii_alphabetic() || c == ' '), "{name} has another anchor");
        }
        assert_eq!(index.matches("\n- [![").count(), systems.len());
    }

    #[test]
    fn every_registered_system_is_in_the_index() {
        let page = index(&elbo::systems());
        for system in elbo::systems() {
            assert!(page.contains(&format!("\n### {}\n", system.card().id)), "{}", system.card().id);
        }
    }
}
