//! `elbo reproduce`.

use crate::args::{BudgetName, Reproduce};
use crate::failure::Failure;
use crate::output::{columns, number, print, print_json, say};
use crate::progress::{Watcher, cancel_flag, is_cancelled};
use elbo::core::claim::{Check, Verdict};
use elbo::core::file::write_atomically;
use elbo::core::{AnySystem, Budget, Card, Claim, Direction, Error, Figure, Run, Table};
use elbo_report::{Report, Section, Standing, svg, text};
use serde_json::{Value, json};
use std::path::Path;
use std::process::ExitCode;

/// What came of one claim.
struct Done {
    card: &'static Card,
    claim: Result<Claim, Error>,
    seconds: f64,
    figures: Vec<Figure>,
    tables: Vec<Table>,
    warnings: Vec<String>,
}

/// Runs the verb.
pub fn run(args: &Reproduce, json: bool) -> Result<ExitCode, Failure> {
    let systems = select(args)?;
    if let Some(out) = &args.out {
        std::fs::create_dir_all(out).map_err(|cause| Error::file("cannot make the folder", out, &cause))?;
    }
    let cancel = cancel_flag(json);
    let mut entries = vec![];
    let (mut has_failed, mut has_erred) = (false, false);
    for system in systems {
        let id = system.card().id;
        say(json, format!("{id}: {}", system.card().title));
        let done = one(system, args, json, cancel.clone());
        if is_cancelled() {
            // A claim cut short proves nothing either way.
            return Err(Error::Stopped.into());
        }
        if let Some(out) = &args.out {
            write(&out.join(id), &done, args)?;
        }
        has_failed |= matches!(&done.claim, Ok(claim) if claim.verdict() == Verdict::Fails);
        has_erred |= done.claim.is_err();
        if json {
            entries.push(entry(&done, args));
        } else {
            print(&shown(&done))?;
        }
    }
    if json {
        print_json(&entries)?;
    }
    Ok(ExitCode::from(if has_erred {
        1
    } else if has_failed {
        3
    } else {
        0
    }))
}

fn select(args: &Reproduce) -> Result<Vec<&'static dyn AnySystem>, Failure> {
    if let Some(id) = &args.id {
        return Ok(vec![elbo::find(id)?]);
    }
    let mut systems = elbo::systems();
    if let Some(family) = &args.family {
        systems.retain(|s| s.card().family == family);
        if systems.is_empty() {
            return Err(Error::unknown("family", family, elbo::families()).into());
        }
    }
    Ok(systems)
}

fn one(
    system: &'static dyn AnySystem,
    args: &Reproduce,
    json: bool,
    cancel: std::sync::Arc<std::sync::atomic::AtomicBool>,
) -> Done {
    let budget = if args.budget == BudgetName::Smoke { Budget::Smoke } else { Budget::Full };
    let mut watcher = Watcher::new(json);
    let mut run =
        Run::new(args.seed).with_budget(budget).with_cancel(cancel).with_watcher(move |event| watcher.show(&event));
    if let Some(count) = args.seeds {
        run = run.with_seed_count(count);
    }
    let claim = system.claim(&mut run);
    Done {
        card: system.card(),
        claim,
        seconds: run.elapsed().as_secs_f64(),
        figures: run.figures().to_vec(),
        tables: run.tables().to_vec(),
        warnings: run.warnings().to_vec(),
    }
}

fn budget(args: &Reproduce) -> &'static str {
    if args.budget == BudgetName::Smoke { "smoke" } else { "full" }
}

/// The documented object of one claim.
fn entry(done: &Done, args: &Reproduce) -> Value {
    let mut entry = json!({
        "id": done.card.id,
        "budget": budget(args),
        "seeds": [],
        "verdict": Verdict::Fails,
        "seconds": done.seconds,
        "checks": [],
        "skipped": [],
        "warnings": done.warnings,
    });
    match &done.claim {
        Ok(claim) => {
            entry["seeds"] = json!(claim.seeds);
            entry["verdict"] = json!(claim.verdict());
            entry["checks"] = json!(claim.checks);
            entry["skipped"] = json!(claim.skipped);
        }
        Err(error) => {
            entry["error"] = json!({"kind": error.kind(), "message": error.to_string(), "remedy": error.remedy()});
        }
    }
    entry
}

fn side(check: &Check) -> &'static str {
    if check.direction == Direction::AtLeast { "at least" } else { "at most" }
}

fn word(verdict: Verdict) -> &'static str {
    if verdict == Verdict::Holds { "holds" } else { "fails" }
}

/// The checks as a table of text.
fn checks(claim: &Claim) -> Table {
    let columns = ["check", "value", "without the method", "bound", "verdict"];
    let mut table = Table::new("checks", "What was measured, and the bound it had to keep.", &columns);
    for check in &claim.checks {
        table.push(vec![
            check.name.clone(),
            number(check.value),
            check.baseline.map(number).unwrap_or_default(),
            format!("{} {}", side(check), number(check.threshold)),
            word(check.verdict).into(),
        ]);
    }
    table
}

fn shown(done: &Done) -> String {
    let id = done.card.id;
    match &done.claim {
        Err(error) => format!("{id}: failed after {} s: {error}; {}\n", number(done.seconds), error.remedy()),
        Ok(claim) => {
            let seeds = if claim.seeds.len() == 1 { "1 seed".into() } else { format!("{} seeds", claim.seeds.len()) };
            let mut text = format!("{id}: the claim {} ({seeds}, {} s)\n", word(claim.verdict()), number(done.seconds));
            let rows: Vec<Vec<String>> = claim
                .checks
                .iter()
                .map(|c| {
                    let baseline = c.baseline.map(|b| format!("(without: {})", number(b))).unwrap_or_default();
                    vec![
                        format!("  {}", word(c.verdict)),
                        number(c.value),
                        format!("{} {}", side(c), number(c.threshold)),
                        c.name.clone(),
                        baseline,
                    ]
                })
                .collect();
            text.push_str(&columns(&rows));
            for skipped in &claim.skipped {
                text.push_str(&format!("  skipped: {}: {}\n", skipped.name, skipped.reason));
            }
            text
        }
    }
}

/// Checks as JSON, figures as SVG, tables as CSV, and all of it on a page.
fn write(folder: &Path, done: &Done, args: &Reproduce) -> Result<(), Failure> {
    std::fs::create_dir_all(folder).map_err(|cause| Error::file("cannot make the folder", folder, &cause))?;
    let mut checks = serde_json::to_string_pretty(&entry(done, args)).expect("checks are plain data");
    checks.push('\n');
    write_atomically(&folder.join("checks.json"), checks.as_bytes())?;
    for figure in &done.figures {
        let drawing = svg::to_svg(figure, svg::Size::default());
        write_atomically(&folder.join(format!("{}.svg", stem(&figure.name))), drawing.as_bytes())?;
    }
    for table in &done.tables {
        write_atomically(&folder.join(format!("{}.csv", stem(&table.name))), text::csv(table).as_bytes())?;
    }
    Ok(elbo_report::html::write(&page(done, args), &folder.join("index.html"))?)
}

/// A name as a file's stem.
fn stem(name: &str) -> String {
    name.chars().map(|c| if c.is_alphanumeric() || "-_".contains(c) { c } else { '-' }).collect()
}

fn page(done: &Done, args: &Reproduce) -> Report {
    let card = done.card;
    let (headline, standing, verdict, tables, seeds) = match &done.claim {
        Ok(claim) => {
            let held = claim.checks.iter().filter(|c| c.verdict == Verdict::Holds).count();
            let sentence = format!("{held} of {} checks hold, over {} seeds.", claim.checks.len(), claim.seeds.len());
            let holds = claim.verdict() == Verdict::Holds;
            let standing = if holds { Standing::Good } else { Standing::Poor };
            let headline = if holds { "The claim holds" } else { "The claim fails" };
            let seeds = claim.seeds.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
            let skipped = claim.skipped.iter().map(|s| format!("Not checked: {}: {}.", s.name, s.reason));
            let sentences = std::iter::once(sentence).chain(skipped).collect();
            (headline, standing, sentences, vec![checks(claim)], seeds)
        }
        Err(error) => {
            let sentences = vec![error.to_string(), error.remedy().into_owned()];
            ("The run failed", Standing::Poor, sentences, vec![], args.seed.to_string())
        }
    };
    let sections = [
        Section { heading: "Checks".into(), tables, ..Section::default() },
        Section { heading: "Figures".into(), figures: done.figures.clone(), ..Section::default() },
        Section { heading: "Tables".into(), tables: done.tables.clone(), ..Section::default() },
    ];
    let count = args.seeds.map(|n| format!(" --seeds {n}")).unwrap_or_default();
    Report {
        title: card.title.into(),
        subtitle: format!("{} · {}", card.id, card.source),
        headline: headline.into(),
        standing,
        verdict,
        warnings: done.warnings.clone(),
        sections: sections.into_iter().filter(|s| !s.is_empty()).collect(),
        facts: vec![
            ("elbo".into(), env!("CARGO_PKG_VERSION").into()),
            ("budget".into(), budget(args).into()),
            ("seeds".into(), seeds),
            ("seconds".into(), number(done.seconds)),
            ("machine".into(), format!("{} {}", std::env::consts::OS, std::env::consts::ARCH)),
        ],
        command: format!("elbo reproduce {} --budget {}{count} --seed {}", card.id, budget(args), args.seed),
        ..Report::default()
    }
}
