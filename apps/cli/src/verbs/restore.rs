//! `elbo restore`: a picture of a compressed file, or a clean picture of a degraded one.
//!
//! The input decides. A file that begins as the codecs' files do goes back through the codec; a picture goes to the model's
//! restoration. A compressed file needs no model where the one that ships with the program wrote it.

use super::compress::size;
use super::fit::check_writable;
use super::generate::write_picture;
use crate::args::Restore;
use crate::failure::Failure;
use crate::output::{print, print_json, say, say_warnings};
use crate::settings::merge;
use crate::shipped;
use elbo::codec::container::MAGIC;
use elbo::core::read::read_file;
use elbo::core::{Array, Card, Compress, Data, Error, Mark, Model, Run, Values};
use elbo::{record_of, refused};
use elbo_data::{read_picture, read_picture_bytes};
use serde_json::json;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

/// Runs the verb.
pub fn run(args: &Restore, json: bool) -> Result<ExitCode, Failure> {
    let (given, input) = words(args)?;
    let opened = given.map(elbo::load_model).transpose()?;
    let read: Vec<&Path> = std::iter::once(input).chain(given).collect();
    check_writable(&args.out, &read)?;
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
    let mut data = read_picture_bytes(input, bytes)?;
    data.notes.iter().for_each(|note| say(json, note));
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

/// Writes the first picture and says so.
fn finish(
    args: &Restore,
    card: &Card,
    data: &Data,
    seconds: f64,
    warnings: &[String],
    json: bool,
) -> Result<ExitCode, Failure> {
    let array = &data.arrays.first().expect("a restored picture").1;
    write_picture(&args.out, &mark(array)?)?;
    let [height, width] = size(array);
    let out = args.out.display().to_string();
    if json {
        print_json(&json!({
            "system": card.id,
            "width": width,
            "height": height,
            "seconds": seconds,
            "out": out,
            "warnings": warnings,
        }))?;
    } else {
        print(&format!("{width} x {height} pixels written to {out}\n"))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// An array of bytes `[1, H, W, C]` as a picture.
fn mark(array: &Array) -> Result<Mark, Error> {
    match (&array.values, array.shape.as_slice()) {
        (Values::U8(bytes), [1, h, w, c @ (1 | 3)]) => {
            Ok(Mark::Picture { width: *w, height: *h, channels: *c, pixels: bytes.clone() })
        }
        (_, shape) => Err(Error::data(
            format!("the restored array has the shape {shape:?} and is no picture of bytes"),
            "restore one grey or colour picture",
        )),
    }
}
