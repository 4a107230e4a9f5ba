//! `elbo data`.

use crate::args::{Data, DataVerb};
use crate::failure::Failure;
use crate::output::{columns, print, print_json, say};
use elbo_data::catalogue::Entry;
use elbo_data::{
    LicenceClass, MakeOptions, Stored, catalogue, default_dir, generators, get, locate, make, verify, write_data,
};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Runs the verb.
pub fn run(args: &Data, json: bool) -> Result<ExitCode, Failure> {
    match &args.verb {
        DataVerb::List => list(json)?,
        DataVerb::Get { key, to } => {
            let dir = folder(to.as_deref())?;
            let stored = get(key, &dir, &mut |text| say(json, text))?;
            found(&stored, json)?;
        }
        DataVerb::Where { key, to } => found(&locate(key, &folder(to.as_deref())?)?, json)?,
        DataVerb::Verify { key, to } => {
            let stored = verify(key, &folder(to.as_deref())?)?;
            say(json, format!("{key} is as it was made"));
            found(&stored, json)?;
        }
        DataVerb::Make { name, seed, rows, dims, noise, out } => {
            let options = MakeOptions { rows: *rows, dims: *dims, noise: *noise };
            let out = out.clone().unwrap_or_else(|| PathBuf::from(format!("{name}.csv")));
            made(name, *seed, &options, &out, json)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn folder(to: Option<&Path>) -> Result<PathBuf, Failure> {
    Ok(to.map_or_else(default_dir, |dir| Ok(dir.to_owned()))?)
}

fn found(stored: &Stored, json: bool) -> Result<(), Failure> {
    let paths: Vec<String> = stored.files.iter().map(|p| p.display().to_string()).collect();
    if json {
        return print_json(
            &json!({"key": stored.key, "files": paths, "target": stored.target, "fetched": stored.is_new}),
        );
    }
    print(&format!("{}\n", paths.join("\n")))
}

fn made(name: &str, seed: u64, options: &MakeOptions, out: &Path, json: bool) -> Result<(), Failure> {
    let data = make(name, seed, options)?;
    write_data(out, &data)?;
    let path = out.display().to_string();
    if json {
        return print_json(
            &json!({"name": name, "seed": seed, "rows": data.rows(), "target": data.target, "path": path}),
        );
    }
    print(&format!("{path}\n"))
}

fn list(json: bool) -> Result<(), Failure> {
    if json {
        let sets: Vec<Value> = catalogue().iter().map(described).collect();
        let recipes: Vec<Value> = generators()
            .iter()
            .map(|g| json!({"name": g.name, "about": g.about, "rows": g.rows, "dims": g.dims, "noise": g.noise}))
            .collect();
        return print_json(&json!({"sets": sets, "recipes": recipes}));
    }
    let mut rows = vec![["KEY", "ROWS", "INPUTS", "TARGET", "WHAT"].map(str::to_owned).to_vec()];
    rows.extend(
        catalogue()
            .iter()
            .map(|e| vec![e.key.into(), e.rows.to_string(), e.dims.to_string(), e.target.into(), e.about.into()]),
    );
    let mut text = format!("To fetch: elbo data get KEY\n{}", columns(&rows));
    let mut rows = vec![["NAME", "ROWS", "INPUTS", "WHAT"].map(str::to_owned).to_vec()];
    rows.extend(
        generators().iter().map(|g| vec![g.name.into(), g.rows.to_string(), g.dims.to_string(), g.about.into()]),
    );
    text.push_str(&format!("\nTo make: elbo data make NAME --seed S\n{}", columns(&rows)));
    print(&text)
}

fn described(e: &Entry) -> Value {
    json!({
        "key": e.key,
        "about": e.about,
        "origin": e.origin,
        "package": e.package.to_string(),
        "licence": e.licence,
        "may_be_shared": e.class == LicenceClass::A,
        "rows": e.rows,
        "dims": e.dims,
        "target": e.target,
    })
}
