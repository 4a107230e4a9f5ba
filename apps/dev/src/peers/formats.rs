//! The codecs beside JPEG, WebP, AVIF and JPEG XL: files of photographs that no codec has seen.
//!
//! `benches/peers/codec_formats.py` writes the curves of the formats; the example `rates` of the codec systems trains ours, compares them, draws
//! the picture and writes the part of the page between its markers.

use super::beside::{example, folder};
use super::python;
use crate::error::{DevError, Result, write};
use std::path::Path;

/// The page with the comparison, and its picture.
pub const PAGE: &str = "docs/cookbook/compression.md";
const PICTURE: &str = "docs/pictures/cookbook-compression.svg";
/// The photographs of both sides.
const PHOTOS: &str = "examples/data/photos";

/// Training steps of a whole run, and of a trial.
pub const STEPS: u64 = 600;
const FEW: u64 = 3;

/// Settings of `peers formats`.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Training steps of our networks, without each photograph once.
    #[arg(long, default_value_t = STEPS, value_parser = clap::value_parser!(u64).range(1..))]
    pub steps: u64,
    /// Threads either side may use.
    #[arg(long, default_value_t = 2)]
    pub threads: usize,
    /// A few steps, to try the machinery; prints the comparison instead of writing it.
    #[arg(long)]
    pub tiny: bool,
}

/// Runs both sides; the tables and sentences of [`PAGE`] and its picture are written.
///
/// # Errors
/// [`DevError::Command`] when a side fails; [`DevError::File`].
pub fn formats(root: &Path, options: &Options) -> Result<()> {
    let python = python::prepare(root, "formats", options.threads)?;
    let home = folder(&python)?;
    let text = |path: &Path| path.to_str().map(str::to_owned).ok_or_else(|| not_utf8(path));
    let photos = photographs(&root.join(PHOTOS))?;
    let arguments: Vec<&str> = photos.iter().map(String::as_str).collect();
    eprintln!("  formats");
    let curves = home.join("formats.json");
    write(&curves, &python.run("codec_formats.py", &arguments)?)?;
    let curves = text(&curves)?;
    eprintln!("  elbo, several minutes");
    let trial = text(&home.join("rates.svg"))?;
    let (steps, picture, page): (u64, &str, &[&str]) =
        if options.tiny { (FEW, trial.as_str(), &[]) } else { (options.steps, PICTURE, &[PAGE]) };
    let steps = steps.to_string();
    let words = [&[steps.as_str(), curves.as_str(), picture][..], page].concat();
    println!("{}", example(root, options.threads, "rates", &words)?);
    Ok(())
}

/// The photographs of a folder, in the order of their names.
fn photographs(folder: &Path) -> Result<Vec<String>> {
    let failed = |source| DevError::File { verb: "read", path: folder.into(), source };
    let mut found = vec![];
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|ending| ending == "png") {
            found.push(path.to_str().map(str::to_owned).ok_or_else(|| not_utf8(&path))?);
        }
    }
    found.sort();
    if found.is_empty() {
        return Err(DevError::format(folder.display().to_string(), "it holds no photographs, which are PNG files"));
    }
    Ok(found)
}

fn not_utf8(path: &Path) -> DevError {
    DevError::format(path.display().to_string(), "the workspace's path is not UTF-8, which cargo requires")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn photographs_are_the_pictures_of_the_folder_in_order() {
        let found = photographs(&Path::new("../..").join(PHOTOS)).unwrap();
        assert!(found.len() >= 5 && found.is_sorted() && found.iter().all(|name| name.ends_with(".png")), "{found:?}");
        let empty = tempfile::tempdir().unwrap();
        assert!(photographs(empty.path()).unwrap_err().to_string().contains("no photographs"));
    }
}
