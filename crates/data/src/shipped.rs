//! Data that travel with the program, for claims and examples that must run anywhere.

use crate::read::pictures::shipped_picture;
use crate::read::{ReadOptions, read_bytes};
use elbo_core::{Data, FromData, Result, Samples};

const DIGITS8: &[u8] = include_bytes!("../../../examples/data/small/digits8.csv.gz");

/// Handwritten digits, 1797 pictures of 8 x 8 pixels from 0 to 16, with the digit as label; see `examples/data/small/SOURCE.md`.
///
/// # Errors
/// Never, unless the program was built from a damaged file.
pub fn digits8() -> Result<Data> {
    let options = ReadOptions { target: Some("digit".into()), ..ReadOptions::default() };
    read_bytes("digits8.csv.gz", DIGITS8.to_vec(), &options)
}

/// [`digits8`] with the digit as a class.
///
/// # Errors
/// As [`digits8`].
pub fn digits8_classes() -> Result<Data> {
    let categorical = vec!["digit".into()];
    let options = ReadOptions { target: Some("digit".into()), categorical, ..ReadOptions::default() };
    read_bytes("digits8.csv.gz", DIGITS8.to_vec(), &options)
}

const DIABETES: &[u8] = include_bytes!("../../../examples/data/small/diabetes.csv.gz");

/// Progression of diabetes in 442 patients from ten measurements; see `examples/data/small/SOURCE.md`.
///
/// # Errors
/// As [`digits8`].
pub fn diabetes() -> Result<Data> {
    let options = ReadOptions { target: Some("progression".into()), ..ReadOptions::default() };
    read_bytes("diabetes.csv.gz", DIABETES.to_vec(), &options)
}

/// [`digits8`] as data points in [0, 1], in a fixed order that mixes the digits: the first `train` rows, and the rest.
///
/// # Errors
/// As [`digits8`].
pub fn digits8_split(train: usize) -> Result<(Samples, Samples)> {
    let data = digits8()?;
    let order = elbo_core::Rng::new(0).permutation(data.rows());
    let part = |rows: &[usize]| Samples::from_data(&data.take_rows(rows));
    Ok((part(&order[..train])?, part(&order[train..])?))
}

/// Four colour photographs to train codecs of photographs on, and one to judge them by; see `examples/data/photos/SOURCE.md`. One array of
/// bytes `[1, H, W, 3]` for each.
///
/// # Errors
/// As [`digits8`].
pub fn photos() -> Result<(Data, Data)> {
    macro_rules! photo {
        ($name:literal) => {
            shipped_picture($name, include_bytes!(concat!("../../../examples/data/photos/", $name)))
        };
    }
    let of = |arrays| Data { source: "photos".into(), arrays, ..Data::default() };
    let training = vec![photo!("chelsea.png")?, photo!("coffee.png")?, photo!("retina.png")?, photo!("rocket.png")?];
    Ok((of(training), of(vec![photo!("astronaut.png")?])))
}
