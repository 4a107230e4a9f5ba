//! `elbo sample`, `elbo reconstruct` and `elbo encode`.

use super::fit::{check_folder, check_writable};
use crate::args::{Encode, Reconstruct, Sample};
use crate::failure::Failure;
use crate::output::{named_file, print, print_json, say, say_warnings};
use crate::table::for_model;
use elbo::core::file::write_atomically;
use elbo::core::{Card, Decode, Error, IMPORTANCE_DRAWS, Mark, Model, Run, picture_grid};
use elbo::findings::{pairs, pictures};
use elbo::{bound_columns, record_of, refused};
use elbo_data::{Cells, MissingPolicy, ReadOptions, table_columns, write_data, write_npy, write_table};
use elbo_report::picture::png;
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Most pictures in a grid, and in a row of it.
const GRID: usize = 64;
const COLUMNS: usize = 8;

/// Runs `sample`.
pub fn sample(args: &Sample, json: bool) -> Result<ExitCode, Failure> {
    let (card, model, file) = elbo::load_model(&args.model)?;
    let record = record_of(&file)?;
    let sampler = model.as_sample().ok_or_else(|| refused(card, "sample"))?;
    let folder = &args.out;
    if folder.is_file() {
        return Err(Failure::usage(format!("{} is a file", folder.display()), "give the name of a folder"));
    }
    check_folder(folder)?;
    let seed = args.seed.unwrap_or(record.seed);
    let mut run = Run::new(seed);
    // Most pictures in the grid, and in a row of it.
    let (mut most, mut columns) = (GRID, COLUMNS);
    let mut moved = None;
    let drawn = match (&args.codes, args.traverse) {
        (Some(path), _) => {
            let decoder = decoder(card, model.as_ref())?;
            // The decoder says where a number is missing; rows of codes cannot be left out here.
            let (keep, missing) = (Some(decoder.code_columns()), MissingPolicy::Keep);
            let codes = elbo_data::read(path, &ReadOptions { keep, missing, ..ReadOptions::default() })?;
            codes.notes.iter().for_each(|note| say(json, note));
            decoder.decode(&codes, &mut run)?
        }
        (None, Some(steps)) => {
            let decoder = decoder(card, model.as_ref())?;
            let codes = decoder.traverse(steps as usize, &mut run)?;
            (most, columns) = (codes.rows(), steps as usize);
            decoder.decode(moved.insert(codes), &mut run)?
        }
        (None, None) => sampler.sample(args.count as usize, &mut run)?,
    };
    let is_drawn = args.codes.is_none() && args.traverse.is_none();
    let count = if is_drawn { args.count as usize } else { drawn.rows() };
    say_warnings(json, &run);
    std::fs::create_dir_all(folder).map_err(|cause| Error::file("cannot make the folder", folder, &cause))?;
    let table = folder.join("samples.csv");
    // Pictures whose pixels are columns stay a table.
    let is_table = drawn.arrays.iter().all(|(_, array)| array.shape.len() <= 2);
    if let (Some(codes), true) = (&args.codes, is_table) {
        check_writable(&table, &[codes])?;
    }
    let mut files: Vec<PathBuf> = vec![];
    if let Some((pictures, shape)) = pictures(&drawn) {
        let singles = folder.join("pictures");
        if std::fs::read_dir(&singles).is_ok_and(|mut entries| entries.next().is_some()) {
            return Err(Failure::usage(
                format!("{} holds files already, which would mix with the new ones", singles.display()),
                "give the name of a new folder",
            ));
        }
        std::fs::create_dir_all(&singles).map_err(|cause| Error::file("cannot make the folder", &singles, &cause))?;
        let size: usize = shape.iter().product();
        for (i, picture) in pictures.chunks_exact(size).enumerate() {
            let file = singles.join(format!("{:05}.png", i + 1));
            write_picture(&file, &picture_alone(picture, shape))?;
            files.push(file);
        }
        files.push(folder.join("grid.png"));
        let shown = &pictures[..pictures.len().min(most * size)];
        write_picture(&folder.join("grid.png"), &picture_grid(shown, shape, columns))?;
    }
    if is_table {
        write_data(&table, &drawn)?;
        files.push(table);
    } else {
        for (name, array) in &drawn.arrays {
            let file = folder.join(format!("{name}.npy"));
            write_npy(&file, array)?;
            files.push(file);
        }
    }
    if let Some(codes) = &moved {
        let file = folder.join("codes.csv");
        write_data(&file, codes)?;
        files.push(file);
    }
    if json {
        let files: Vec<String> = files.iter().map(|f| f.display().to_string()).collect();
        print_json(&json!({
            "system": card.id,
            "count": count,
            "seed": seed,
            "out": folder.display().to_string(),
            "files": files,
            "warnings": run.warnings(),
        }))?;
    } else {
        print(&format!("{count} samples of {} written to {}\n", card.id, folder.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What decodes codes that are given, or a message that this model has none.
fn decoder<'a>(card: &Card, model: &'a dyn Model) -> Result<&'a dyn Decode, Failure> {
    model.as_decode().ok_or_else(|| {
        Failure::usage(
            format!("models of `{}` draw from no codes that could be given", card.id),
            "leave out --codes and --traverse, which are for models that `elbo encode` gives the columns z1, z2, ... of",
        )
    })
}

/// Runs `reconstruct`.
pub fn reconstruct(args: &Reconstruct, json: bool) -> Result<ExitCode, Failure> {
    let (card, model, file) = elbo::load_model(&args.model)?;
    let record = record_of(&file)?;
    let reconstructor = model.as_reconstruct().ok_or_else(|| refused(card, "reconstruct"))?;
    check_writable(&args.out, &[args.data.as_ref(), &args.model])?;
    let ends_in = |name: &str| args.out.extension().is_some_and(|e| e.eq_ignore_ascii_case(name));
    let is_grid = ends_in("png");
    if !is_grid && !["csv", "gz", "npz"].into_iter().any(ends_in) {
        return Err(Error::File {
            message: "cannot tell the format from the file's name".into(),
            remedy: "end it in .png for a grid of pictures, or in .csv, .csv.gz or .npz".into(),
            path: args.out.clone(),
        }
        .into());
    }
    let data = for_model(&args.data, &args.reading, &file, &record, false)?;
    data.notes.iter().for_each(|note| say(json, note));
    let mut run = Run::new(record.seed);
    let made = reconstructor.reconstruct(&data, &mut run)?;
    say_warnings(json, &run);
    let mut shown = made.rows();
    if is_grid {
        let (Some((before, shape)), Some((after, _))) = (pictures(&data), pictures(&made)) else {
            return Err(Error::data(
                "only pictures can be written as PNG; the model's data are rows of numbers",
                "give --out a name that ends in .csv, .csv.gz or .npz",
            )
            .into());
        };
        let size: usize = shape.iter().product();
        shown = shown.min(GRID / 2);
        write_picture(&args.out, &pairs(&before[..shown * size], &after[..shown * size], shape))?;
    } else {
        write_data(&args.out, &made)?;
    }
    if json {
        let out = args.out.display().to_string();
        let warnings = run.warnings();
        print_json(&json!({"system": card.id, "rows": made.rows(), "shown": shown, "out": out, "warnings": warnings}))?;
    } else if is_grid {
        print(&format!("{shown} data points above their reconstructions: {}\n", args.out.display()))?;
    } else {
        print(&format!("{shown} reconstructions written to {}\n", args.out.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs `encode`.
pub fn encode(args: &Encode, json: bool) -> Result<ExitCode, Failure> {
    let (card, model, file) = elbo::load_model(&args.model)?;
    let record = record_of(&file)?;
    let encoder = model.as_encode().ok_or_else(|| refused(card, "encode"))?;
    let evaluator = args.bounds.then(|| model.as_evaluate().ok_or_else(|| refused(card, "evaluate"))).transpose()?;
    let out = named_file(args.out.as_deref());
    if let Some(out) = out {
        check_writable(out, &[args.data.as_ref(), &args.model])?;
    }
    let data = for_model(&args.data, &args.reading, &file, &record, false)?;
    data.notes.iter().for_each(|note| say(json, note));
    let mut run = Run::new(record.seed);
    let mut codes = encoder.encode(&data, &mut run)?;
    if let Some(evaluator) = evaluator {
        let draws = args.iwae.map_or(IMPORTANCE_DRAWS, |k| k as usize);
        codes.arrays.extend(bound_columns(evaluator, &data, draws, record.seed)?);
    }
    say_warnings(json, &run);
    let rows = codes.rows();
    match out {
        Some(out) => write_data(out, &codes)?,
        None if !json => write_table(None, &table_columns(&codes)?)?,
        None => {}
    }
    match (out, json) {
        (None, false) => {}
        (Some(out), false) => say(json, format!("{rows} rows written to {}", out.display())),
        (out, true) => {
            let mut object = json!({"system": card.id, "rows": rows, "warnings": run.warnings()});
            match out {
                Some(out) => {
                    object["columns"] = codes.arrays.iter().map(|(name, _)| name.as_str()).collect();
                    object["out"] = out.display().to_string().into();
                }
                None => {
                    let columns = table_columns(&codes)?;
                    object["columns"] = columns.iter().map(|(name, _)| name.as_str()).collect();
                    let cells = columns.into_iter().map(|(name, cells)| match cells {
                        Cells::Numbers(values) => (name, json!(values)),
                        Cells::Text(values) => (name, json!(values)),
                    });
                    object["codes"] = Value::Object(cells.collect::<Map<_, _>>());
                }
            }
            print_json(&object)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A picture `[C, H, W]` to be written.
pub fn picture_alone(picture: &[u8], [c, h, w]: [usize; 3]) -> Mark {
    let channels = if c >= 3 { 3 } else { 1 };
    let pixels = (0..h * w).flat_map(|i| (0..channels).map(move |k| picture[k * h * w + i])).collect();
    Mark::Picture { width: w, height: h, channels, pixels }
}

pub fn write_picture(path: &Path, picture: &Mark) -> Result<(), Error> {
    let Mark::Picture { width, height, channels, pixels } = picture else { unreachable!("made as a picture") };
    write_atomically(path, &png(*width, *height, *channels, pixels))
}
