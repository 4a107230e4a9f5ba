//! Data that travel with the program, for claims and examples that must run anywhere.

use crate::read::pictures::shipped_picture;
use crate::read::{ReadOptions, read_bytes};
use elbo_core::read::MOST_BYTES;
use elbo_core::{Array, Data, FromData, Result, Rng, Samples, Values, ensure_within};

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

/// `count` grey pieces of `side` x `side` pixels from the five photographs of [`photos`], in [0, 1]: natural pictures for denoisers and priors. Every
/// place is as likely as any other.
///
/// # Errors
/// [`elbo_core::Error::Setting`] for a side below two pixels, or beyond the shortest one of the photographs; for no pieces, or so many that they would
/// take more than 8 GiB.
pub fn photo_patches(side: usize, count: usize, rng: &mut Rng) -> Result<Samples> {
    let (training, test) = photos()?;
    let colours = |array: &Array| match (&array.values, array.shape.as_slice()) {
        (Values::U8(bytes), [1, h, w, 3]) => Some((*h, *w, bytes.clone())),
        _ => None,
    };
    let photos: Vec<(usize, usize, Vec<u8>)> =
        training.arrays.iter().chain(&test.arrays).filter_map(|(_, array)| colours(array)).collect();
    let shortest = photos.iter().map(|(h, w, _)| *h.min(w)).min().unwrap_or(0);
    ensure_within("side", side, 2..=shortest)?;
    // A pixel becomes a number of single precision.
    ensure_within("count", count, 1..=MOST_BYTES as usize / (side * side * size_of::<f32>()))?;
    let places: Vec<f64> = photos.iter().map(|(h, w, _)| ((h - side + 1) * (w - side + 1)) as f64).collect();
    let mut pixels = Vec::with_capacity(count * side * side);
    for _ in 0..count {
        let (h, w, bytes) = &photos[rng.weighted(&places)];
        let (top, left) = (rng.below(h - side + 1), rng.below(w - side + 1));
        for i in 0..side * side {
            let at = 3 * ((top + i / side) * w + left + i % side);
            let [red, green, blue] = [0, 1, 2].map(|c| u32::from(bytes[at + c]));
            // The weights of ITU-R BT.601, rounded.
            pixels.push(((299 * red + 587 * green + 114 * blue + 500) / 1000) as u8);
        }
    }
    let image = Array { shape: vec![count, side, side], values: Values::U8(pixels) };
    Samples::from_data(&Data { source: "photos".into(), arrays: vec![("image".into(), image)], ..Data::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patches_are_pieces_of_photographs() {
        let patches = photo_patches(8, 300, &mut Rng::new(1)).unwrap();
        assert_eq!((patches.len(), patches.form.shape.as_slice()), (300, &[1, 8, 8][..]));
        assert!(patches.values.iter().all(|v| (0.0..=1.0).contains(v)));
        // Neighbours in a photograph are alike, which pixels of two pieces are not.
        let (mut near, mut far) = (0.0, 0.0);
        for k in 0..299 {
            let (own, other) = (patches.row(k), patches.row(k + 1));
            for i in (0..64).filter(|i| i % 8 != 7) {
                near += f64::from(own[i] - own[i + 1]).powi(2);
                far += f64::from(own[i] - other[i]).powi(2);
            }
        }
        assert!(near < 0.2 * far && far > 0.0, "{near} {far}");
        assert_eq!(photo_patches(8, 300, &mut Rng::new(1)).unwrap(), patches);
        assert!(photo_patches(8, 300, &mut Rng::new(2)).unwrap() != patches);
    }

    #[test]
    fn patches_that_do_not_fit_are_refused() {
        // The shortest side of the five.
        assert_eq!(photo_patches(213, 1, &mut Rng::new(1)).unwrap().len(), 1);
        for side in [0, 1, 214] {
            let error = photo_patches(side, 1, &mut Rng::new(1)).unwrap_err().to_string();
            assert!(error.contains("side"), "{error}");
        }
        // The first count that is too large for the memory, and one whose pixels cannot be counted.
        for (side, count) in [(8, 0), (8, (1 << 25) + 1), (213, usize::MAX)] {
            let error = photo_patches(side, count, &mut Rng::new(1)).unwrap_err().to_string();
            assert!(error.contains("setting `count`") && error.contains(&count.to_string()), "{error}");
        }
    }
}
