//! `elbo restore`: a picture of a compressed file, or a clean picture of a degraded one.
//!
//! The input decides. A file that begins as the codecs' files do goes back through the codec; a picture goes to the model's
//! restoration. A compressed file needs no model where the one that ships with the program wrote it.

use super::fit::check_writable;
use super::generate::{picture_alone, write_picture};
use crate::args::Restore;
use crate::failure::Failure;
use crate::output::{print, print_json, say, say_warnings};
use crate::settings::merge;
use crate::shipped;
use elbo::codec::container::MAGIC;
use elbo::core::read::read_file;
use elbo::core::{Array, Card, Compress, Data, Error, Mark, Model, Run, Values};
use elbo::findings::pictures;
use elbo::{record_of, refused};
use elbo_data::{ReadOptions, read_bytes, read_picture, read_picture_bytes, write_npz};
use serde_json::{Value, json};
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

/// Runs the verb.
pub fn run(args: &Restore, json: bool) -> Result<ExitCode, Failure> {
    let (given, input) = words(args)?;
    let opened = given.map(elbo::load_model).transpose()?;
    let read: Vec<&Path> = std::iter::once(input).chain(given).collect();
    check_writable(&args.out, &read)?;
    if let Some(npz) = &args.npz {
        check_writable(npz, &read)?;
        if !npz.extension().is_some_and(|e| e.eq_ignore_ascii_case("npz")) {
            return Err(Failure::usage(
                format!("--npz {} does not end in .npz", npz.display()),
                "arrays are written as NPZ; give a name that ends in .npz",
            ));
        }
    }
    if !args.out.extension().is_some_and(|e| e.eq_ignore_ascii_case("png")) {
        return Err(Failure::usage(
            format!("{} does not end in .png", args.out.display()),
            "pictures are written as PNG; give --out a name that ends in .png",
        ));
    }
    // Once, for both kinds: a pipe cannot be read again.
    let bytes = read_file("cannot read the file", input)?;
    let (card, model, file) = match opened {
        Some(opened) => opened,
        None => shipped::photos_for(input, &bytes)?,
    };
    let compressed = bytes.starts_with(MAGIC);
    // A codec's model answers for other files too: it knows what is wrong with them.
    match (model.as_compress(), model.as_restore()) {
        (Some(codec), None) => decompress(args, card, codec, &bytes, json),
        (Some(codec), Some(_)) if compressed => decompress(args, card, codec, &bytes, json),
        (None, _) if compressed => Err(Error::Verb {
            system: card.id.into(),
            verb: "restore a compressed file".into(),
            offered: card.verbs.iter().map(|v| v.name()).collect::<Vec<_>>().join(", "),
        }
        .into()),
        (_, Some(_)) => restore((args, input), card, model.as_ref(), bytes, record_of(&file)?.seed, json),
        (None, None) => Err(refused(card, "restore").into()),
    }
}

/// The model, where one is given, and the input.
fn words(args: &Restore) -> Result<(Option<&Path>, &Path), Failure> {
    match args.words.as_slice() {
        [input] => Ok((None, input)),
        [model, input] => Ok((Some(model.as_path()), input)),
        // The parser takes one or two.
        _ => Err(Failure::usage("no file to restore was given", "write elbo restore MODEL INPUT")),
    }
}

fn decompress(
    args: &Restore,
    card: &Card,
    codec: &dyn Compress,
    bytes: &[u8],
    json: bool,
) -> Result<ExitCode, Failure> {
    if args.mask.is_some() {
        return Err(Failure::usage("`--mask`: a compressed file has no missing pixels", "leave it out"));
    }
    if let Some(setting) = args.set.first() {
        return Err(Failure::usage(
            format!("`--set {setting}`: a compressed file is restored without settings"),
            "leave it out",
        ));
    }
    let started = Instant::now();
    let mut run = Run::new(0);
    let data = if args.salvage { codec.salvage(bytes, &mut run)? } else { codec.decompress(bytes)? };
    let seconds = started.elapsed().as_secs_f64();
    say_warnings(json, &run);
    finish(args, card, &data, seconds, run.warnings(), json)
}

fn restore(
    (args, input): (&Restore, &Path),
    card: &Card,
    model: &dyn Model,
    bytes: Vec<u8>,
    seed: u64,
    json: bool,
) -> Result<ExitCode, Failure> {
    let restorer = model.as_restore().ok_or_else(|| refused(card, "restore"))?;
    if args.salvage {
        return Err(Failure::usage("`--salvage`: only a compressed file can be damaged in parts", "leave it out"));
    }
    let settings = merge(&toml::Table::new(), &args.set)?;
    let is_arrays = bytes.starts_with(b"PK") || bytes.starts_with(b"\x93NUMPY");
    let mut data = if is_arrays {
        read_bytes(&input.display().to_string(), bytes, &ReadOptions::default())?
    } else {
        read_picture_bytes(input, bytes)?
    };
    data.notes.iter().for_each(|note| say(json, note));
    // What may stand beside pictures has as many sizes.
    let is_picture = |name: &str, array: &Array| array.shape.len() > 2 && !["mask", "transmission"].contains(&name);
    let count = data.arrays.iter().find(|(name, array)| is_picture(name, array)).map_or(1, |(_, array)| array.rows());
    if count > 1 && args.npz.is_none() {
        return Err(Error::data(
            format!("{} holds {count} pictures", input.display()),
            "give --npz FILE for all of them, or one picture",
        )
        .into());
    }
    if let Some(mask) = &args.mask {
        let mut mask = read_picture(mask)?;
        mask.notes.iter().for_each(|note| say(json, note));
        data.arrays.push(("mask".into(), mask.arrays.remove(0).1));
    }
    let started = Instant::now();
    let mut run = Run::new(args.seed.unwrap_or(seed));
    let made = restorer.restore(&data, &settings, &mut run)?;
    say_warnings(json, &run);
    made.notes.iter().for_each(|note| say(json, note));
    finish(args, card, &made, started.elapsed().as_secs_f64(), run.warnings(), json)
}

/// Writes the first picture, and all arrays where they are wanted, and says so.
fn finish(
    args: &Restore,
    card: &Card,
    data: &Data,
    seconds: f64,
    warnings: &[String],
    json: bool,
) -> Result<ExitCode, Failure> {
    if let Some(npz) = &args.npz {
        write_npz(npz, &data.arrays)?;
    }
    let picture = mark(data)?;
    let Mark::Picture { width, height, .. } = &picture else { unreachable!("made as a picture") };
    write_picture(&args.out, &picture)?;
    let out = args.out.display().to_string();
    if json {
        let mut found = json!({
            "system": card.id,
            "width": width,
            "height": height,
            "seconds": seconds,
            "out": out,
            "npz": args.npz.as_ref().map(|npz| npz.display().to_string()),
            "warnings": warnings,
        });
        told(data, &mut found);
        print_json(&found)?;
    } else {
        print(&format!("{width} x {height} pixels written to {out}\n"))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Adds how a restoration went: evaluations of the denoiser, the misfit after each step, notes.
fn told(data: &Data, found: &mut Value) {
    if let Some(evaluations) = numbers(data, "evaluations") {
        found["evaluations"] = json!(evaluations.iter().sum::<f64>() as u64);
    }
    if let Some(misfit) = numbers(data, "misfit") {
        found["misfit"] = json!(misfit);
        found["notes"] = json!(data.notes);
    }
}

/// The numbers of the array of this name.
fn numbers(data: &Data, name: &str) -> Option<Vec<f64>> {
    data.arrays.iter().find(|(n, _)| n == name).and_then(|(_, array)| array.to_f64())
}

/// The first picture of the first array: bytes `[N, H, W, C]`, or numbers in any layout, of which the array `range` says what is black and what white.
fn mark(data: &Data) -> Result<Mark, Error> {
    let mut array = data.arrays.first().expect("a restored picture").1.take_rows(&[0]);
    if let (Values::U8(bytes), &[1, height, width, channels @ (1 | 3)]) = (&array.values, array.shape.as_slice()) {
        return Ok(Mark::Picture { width, height, channels, pixels: bytes.clone() });
    }
    if let (Some(&[low, high]), Some(values)) = (numbers(data, "range").as_deref(), array.to_f64()) {
        let byte = |v: &f64| (255.0 * (v - low) / (high - low)).round().clamp(0.0, 255.0) as u8;
        array.values = Values::U8(values.iter().map(byte).collect());
    }
    let alone = Data { arrays: vec![("image".into(), array.clone())], ..Data::default() };
    match pictures(&alone) {
        Some((planes, shape)) if planes.len() == shape.iter().product::<usize>() => Ok(picture_alone(&planes, shape)),
        _ => Err(Error::data(
            format!("the restored array has the shape {:?} and is not one picture", array.shape),
            "restore one grey or colour picture",
        )),
    }
}
