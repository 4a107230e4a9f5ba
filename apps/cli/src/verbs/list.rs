//! `elbo list`.

use crate::args::List;
use crate::failure::Failure;
use crate::output::{columns, print, print_json};
use elbo::core::{AnySystem, Error, Verb};
use serde::Serialize;
use std::process::ExitCode;

/// A line of the list; the names are part of the documented output.
#[derive(Serialize)]
struct Entry {
    id: &'static str,
    title: &'static str,
    family: &'static str,
    kind: elbo::core::Kind,
    verbs: &'static [Verb],
    input: &'static str,
}

/// Runs the verb.
pub fn run(args: &List, json: bool) -> Result<ExitCode, Failure> {
    let found = select(args)?;
    let entries: Vec<Entry> = found.iter().map(|s| entry(*s)).collect();
    if json {
        print_json(&entries)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut rows = vec![["ID", "FAMILY", "KIND", "VERBS", "TITLE"].map(str::to_owned).to_vec()];
    for e in &entries {
        let verbs: Vec<&str> = e.verbs.iter().map(|v| v.name()).collect();
        let kind = if e.kind == elbo::core::Kind::Paper { "paper" } else { "baseline" };
        rows.push(vec![e.id.into(), e.family.into(), kind.into(), verbs.join(" "), e.title.into()]);
    }
    print(&columns(&rows))?;
    Ok(ExitCode::SUCCESS)
}

fn select(args: &List) -> Result<Vec<&'static dyn AnySystem>, Failure> {
    let mut found = match &args.id {
        Some(id) => vec![elbo::find(id)?],
        None => elbo::systems(),
    };
    if let Some(family) = &args.family {
        let families = elbo::families();
        if !families.contains(&family.as_str()) {
            return Err(Error::unknown("family", family, families).into());
        }
        found.retain(|s| s.card().family == family);
    }
    if let Some(name) = &args.verb {
        let verb = Verb::ALL.iter().find(|v| v.name() == name);
        let verb = *verb.ok_or_else(|| Error::unknown("verb", name, Verb::ALL.iter().map(|v| v.name())))?;
        found.retain(|s| s.card().verbs.contains(&verb));
    }
    Ok(found)
}

fn entry(system: &'static dyn AnySystem) -> Entry {
    let card = system.card();
    Entry {
        id: card.id,
        title: card.title,
        family: card.family,
        kind: card.kind,
        verbs: card.verbs,
        input: system.needs(),
    }
}
