//! What a codec's files cost: bytes beside the cross-entropy of their symbols, seconds by stage, memory and energy:
//! `cargo run --release -p elbo-systems-codec --example stages -- photos.elbo photo.png`.
//!
//! Seconds are the least of three runs. Energy is what the processor's own counter says of all runs (Linux, powercap); where there is none,
//! nothing is estimated.

use elbo_codec::picture::{Photo, PictureModel, Stages};
use elbo_core::{Error, Meter, ModelFile, Result, System};
use elbo_data::read_picture;
use elbo_systems_codec::ggm_codec::GgmCodec;
use elbo_systems_codec::hyperprior::Hyperprior;
use std::path::Path;

const RUNS: usize = 3;

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [model, picture] = words.as_slice() else {
        return Err(Error::data("two words are needed", "give MODEL.elbo PICTURE.png"));
    };
    let model = load(Path::new(model))?;
    let codec = model.codec();
    let photo = Photo::only(&read_picture(Path::new(picture))?)?;
    let meter = Meter::start();
    println!(
        "quality  bytes  by shares  PSNR     encode: transform prediction coder   decode: transform prediction coder"
    );
    for point in codec.rates(std::slice::from_ref(&photo))? {
        let quality = point.quality - 1;
        let (file, mut there) = codec.encode_timed(&photo, quality)?;
        let (_, mut back) = codec.decode_timed(&file)?;
        for _ in 1..RUNS {
            there = least(there, codec.encode_timed(&photo, quality)?.1);
            back = least(back, codec.decode_timed(&file)?.1);
        }
        println!(
            "{:7}  {:5}  {:9.0}  {:.2} dB         {:9.4} {:10.4} {:5.4}           {:9.4} {:10.4} {:5.4}",
            point.quality,
            file.len(),
            codec.cross_entropy(&photo, quality)? / 8.0,
            point.psnr,
            there.transform,
            there.prediction,
            there.coder,
            back.transform,
            back.prediction,
            back.coder
        );
    }
    let cost = meter.stop();
    match cost.joules {
        Some(joules) => println!("energy: {joules:.1} J in all"),
        None => println!("energy: unknown, the processors' counters cannot be read"),
    }
    match cost.peak_bytes {
        Some(bytes) => println!("most memory: {:.1} MB", 1e-6 * bytes as f64),
        None => println!("most memory: unknown"),
    }
    Ok(())
}

fn load(path: &Path) -> Result<PictureModel> {
    let file = ModelFile::read(path)?;
    match file.system() {
        "hyperprior" => Hyperprior.load(&file),
        "ggm-codec" => GgmCodec.load(&file),
        other => Err(Error::data(format!("a model of `{other}` is no codec"), "fit hyperprior or ggm-codec")),
    }
}

fn least(a: Stages, b: Stages) -> Stages {
    Stages {
        transform: a.transform.min(b.transform),
        prediction: a.prediction.min(b.prediction),
        coder: a.coder.min(b.coder),
    }
}
