//! Rate and quality of the codecs on a photograph they have not seen, beside formats of every day:
//!
//! ```text
//! python benches/peers/codec_formats.py examples/data/photos/astronaut.png > formats.json
//! cargo run --release -p elbo-systems-codec --example rates -- 1200 formats.json rates.svg
//! ```
//! Trains each codec for so many steps on the four other photographs that ship with the program, writes real files at every quality, and
//! prints by how much more rate each needs than a format at equal quality.

use elbo_codec::measure::{Point, bd_rate};
use elbo_codec::picture::{Context, Photographs, PictureModel, PictureSettings};
use elbo_core::{Error, Figure, FromData, Mark, Result, Run, System};
use elbo_report::svg::{Size, to_svg};
use elbo_systems_codec::ggm_codec::{GgmCodec, GgmCodecConfig};
use elbo_systems_codec::hyperprior::{Hyperprior, HyperpriorConfig};
use std::collections::BTreeMap;

#[derive(serde::Deserialize)]
struct Formats {
    /// Bits per pixel and decibels, by format.
    curves: BTreeMap<String, Vec<[f64; 2]>>,
}

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [steps, formats, out] = words.as_slice() else {
        return Err(Error::data("three words are needed", "give STEPS formats.json OUT.svg"));
    };
    let steps = steps.parse().map_err(|_| Error::data("STEPS is no number", "give a whole number"))?;
    let text = std::fs::read_to_string(formats).map_err(|e| Error::file("cannot read the curves", formats, &e))?;
    let formats: Formats = serde_json::from_str(&text)
        .map_err(|e| Error::data(format!("`{formats}` does not hold curves: {e}"), "run codec_formats.py"))?;
    let (training, test) = elbo_data::photos()?;
    let (training, test) = (Photographs::from_data(&training)?, Photographs::from_data(&test)?);
    let picture = PictureSettings { steps, ..PictureSettings::default() };
    let board = PictureSettings { context: Context::Checkerboard, ..picture.clone() };
    let hyperprior = |picture: PictureSettings| -> Result<PictureModel> {
        let config = HyperpriorConfig { picture, ..HyperpriorConfig::default() };
        Hyperprior.fit(&config, training.clone(), &mut Run::new(0))
    };
    let ggm = GgmCodecConfig { picture: picture.clone(), entropy_steps: steps / 3, ..GgmCodecConfig::default() };
    let models = [
        ("hyperprior", hyperprior(picture)?),
        ("hyperprior, checkerboard", hyperprior(board)?),
        ("ggm-codec", GgmCodec.fit(&ggm, training.clone(), &mut Run::new(0))?),
    ];
    let points =
        |curve: &[[f64; 2]]| curve.iter().map(|[rate, quality]| Point { rate: *rate, quality: *quality }).collect();
    let mut curves: Vec<(String, Vec<Point>)> = vec![];
    for (name, model) in &models {
        let rates = model.codec().rates(&test.photos)?;
        curves.push((name.to_string(), rates.iter().map(|p| Point { rate: p.rate, quality: p.psnr }).collect()));
    }
    let ours = curves.len();
    curves.extend(formats.curves.iter().map(|(name, curve)| (name.clone(), points(curve))));
    for (i, (name, curve)) in curves.iter().enumerate().take(ours) {
        curve.iter().for_each(|p| println!("{name}: {:.4} bits a pixel, {:.3} dB", p.rate, p.quality));
        for (anchor, other) in curves.iter().enumerate().filter(|(k, _)| *k != i).map(|(_, c)| c) {
            match bd_rate(other, curve) {
                Ok(found) => println!("{name} needs {:+.1} % rate against {anchor}", 100.0 * found.pchip),
                Err(error) => println!("{name} against {anchor}: {error}"),
            }
        }
    }
    let mark = |(name, curve): &(String, Vec<Point>)| {
        // What everybody can have ends at three bits.
        let shown: Vec<&Point> = curve.iter().filter(|p| p.rate <= 3.0).collect();
        let (x, y) = (shown.iter().map(|p| p.rate).collect(), shown.iter().map(|p| p.quality).collect());
        Mark::Line { label: name.clone(), x, y, dashed: false }
    };
    let figure = Figure {
        name: "rates".into(),
        caption: "Quality against rate on a photograph that no codec has seen; whole files, headers included.".into(),
        x_label: "bits per pixel".into(),
        y_label: "PSNR (dB)".into(),
        x_log: false,
        y_log: false,
        marks: curves.iter().map(mark).collect(),
    };
    std::fs::write(out, to_svg(&figure, Size { width: 620.0, height: 400.0 }))
        .map_err(|e| Error::file("cannot write the figure", out, &e))
}
