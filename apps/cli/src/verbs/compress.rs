//! `elbo compress`: a picture as a small file.

use super::fit::check_writable;
use crate::args::Compress;
use crate::failure::Failure;
use crate::output::{number, print, print_json, say, say_warnings};
use crate::settings::merge;
use crate::shipped;
use elbo::core::file::write_atomically;
use elbo::core::{Array, Run};
use elbo::{record_of, refused};
use elbo_data::read_picture;
use serde_json::json;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

/// Runs the verb.
pub fn run(args: &Compress, json: bool) -> Result<ExitCode, Failure> {
    let (model, picture) = words(args)?;
    let (card, fitted, file) = match model {
        Some(model) => elbo::load_model(model)?,
        None => shipped::photos()?,
    };
    let record = record_of(&file)?;
    let codec = fitted.as_compress().ok_or_else(|| refused(card, "compress"))?;
    let out = args.out.clone().unwrap_or_else(|| picture.with_extension("elbc"));
    let read: Vec<&Path> = std::iter::once(picture).chain(model).collect();
    check_writable(&out, &read)?;
    let settings = merge(&toml::Table::new(), &args.set)?;
    let data = read_picture(picture)?;
    data.notes.iter().for_each(|note| say(json, note));
    let started = Instant::now();
    let mut run = Run::new(record.seed);
    let bytes = codec.compress(&data, &settings, &mut run)?;
    let seconds = started.elapsed().as_secs_f64();
    say_warnings(json, &run);
    write_atomically(&out, &bytes)?;
    let [height, width] = size(&data.arrays[0].1);
    let rate = 8.0 * bytes.len() as f64 / (height * width) as f64;
    if json {
        print_json(&json!({
            "system": card.id,
            "width": width,
            "height": height,
            "bytes": bytes.len(),
            "bits_per_pixel": rate,
            "seconds": seconds,
            "out": out.display().to_string(),
            "warnings": run.warnings(),
        }))?;
    } else {
        print(&format!(
            "{width} x {height} pixels in {} bytes, {} bits a pixel, written to {}\n",
            bytes.len(),
            number(rate),
            out.display()
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The model, where one is given, and the picture.
fn words(args: &Compress) -> Result<(Option<&Path>, &Path), Failure> {
    match (&args.model, args.words.as_slice()) {
        (Some(model), [picture]) | (None, [model, picture]) => Ok((Some(model.as_path()), picture)),
        (None, [picture]) => Ok((None, picture)),
        _ => Err(Failure::usage(
            "the model was given twice, by --model and by the first word",
            "leave one of them out: elbo compress MODEL PICTURE",
        )),
    }
}

/// Height and width of an array of pictures `[N, H, W, C]`.
fn size(array: &Array) -> [usize; 2] {
    [array.shape.get(1).copied().unwrap_or(1), array.shape.get(2).copied().unwrap_or(1)]
}
