//! `elbo update`.

use crate::args::Update;
use crate::failure::Failure;
use crate::output::{print, print_json, say};
use crate::progress::{Watcher, cancel_flag};
use crate::table::{for_model, for_update};
use elbo::core::Run;
use elbo::{DataRecord, record_of, refused, write_model};
use serde_json::json;
use std::process::ExitCode;

/// Runs the verb.
pub fn run(args: &Update, json: bool) -> Result<ExitCode, Failure> {
    let (card, model, file) = elbo::load_model(&args.model)?;
    let mut record = record_of(&file)?;
    let updater = model.as_update().ok_or_else(|| refused(card, "update"))?;
    super::fit::check_writable(&args.out, &[args.data.as_ref()])?;
    let data = if updater.judges_columns() {
        for_update(&args.data, &args.reading, &file, &record)?
    } else {
        for_model(&args.data, &args.reading, &file, &record, true)?
    };
    data.notes.iter().for_each(|note| say(json, note));
    let absorbed = DataRecord { source: args.data.clone(), rows: data.rows(), digest: data.digest() };
    // Each update draws its own numbers, decided by the seed and by how many came before.
    let mut watcher = Watcher::new(json);
    let seed = record.seed + 1 + record.updates.len() as u64;
    let mut run = Run::new(seed).with_cancel(cancel_flag(json)).with_watcher(move |event| watcher.show(&event));
    let updated = updater.update(&data, &mut run)?;
    record.absorb(absorbed, updated.summary(), run.warnings());
    write_model(&args.out, card.id, updated.as_ref(), &record)?;
    let seconds = run.elapsed().as_secs_f64();
    if json {
        print_json(&json!({
            "system": card.id,
            "model": args.out.display().to_string(),
            "rows": data.rows(),
            "updates": record.updates.len(),
            "seconds": seconds,
            "warnings": run.warnings(),
        }))?;
    } else {
        print(&format!("{} absorbed {} rows of {}\nmodel: {}\n", card.id, data.rows(), args.data, args.out.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}
