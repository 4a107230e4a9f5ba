//! Rate and quality of both codecs on photographs they have not seen:
//! `cargo run --release -p elbo-systems-codec --example rates -- TRAINING TEST STEPS OUT.json`.
//!
//! TRAINING and TEST are folders of photographs of any size. `benches/peers/codec_formats.py` measures JPEG, WebP and AVIF on the same
//! pictures and puts the curves side by side.

use elbo_codec::picture::{Photographs, PictureSettings};
use elbo_core::{Error, FromData, Model, Result, Run, System};
use elbo_data::read_pictures;
use elbo_systems_codec::ggm_codec::{GgmCodec, GgmCodecConfig};
use elbo_systems_codec::hyperprior::{Hyperprior, HyperpriorConfig};
use serde_json::json;
use std::path::Path;
use std::time::Instant;

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [training, test, steps, out] = words.as_slice() else {
        return Err(Error::data("four words are needed", "give TRAINING TEST STEPS OUT.json"));
    };
    let read = |folder: &str| Photographs::from_data(&read_pictures(Path::new(folder))?);
    let (training, test) = (read(training)?, read(test)?);
    let steps = steps.parse().map_err(|_| Error::data("STEPS is no number", "give a whole number"))?;
    let picture = PictureSettings { steps, ..PictureSettings::default() };
    let mut curves = vec![];
    let mut measure = |name: &str, fit: &dyn Fn(&mut Run) -> Result<elbo_codec::picture::PictureModel>| -> Result<()> {
        let started = Instant::now();
        let mut run = Run::new(0).with_watcher(|event| {
            if let elbo_core::Event::Step { step, objective } = event
                && step % 100 == 0
            {
                eprintln!("step {step}: {objective:.4}");
            }
        });
        let model = fit(&mut run)?;
        let seconds = started.elapsed().as_secs_f64();
        let started = Instant::now();
        let rates = model.codec().rates(&test.photos)?;
        let coding = started.elapsed().as_secs_f64();
        for p in &rates {
            println!("{name} quality {}: {:.4} bits a pixel, {:.3} dB", p.quality, p.rate, p.psnr);
        }
        println!("{name}: fitted in {seconds:.1} s; all qualities of all pictures coded and decoded in {coding:.1} s");
        println!("{:?}", model.summary().metrics);
        let points: Vec<[f64; 2]> = rates.iter().map(|p| [p.rate, p.psnr]).collect();
        curves.push(json!({"name": name, "points": points, "fit_seconds": seconds}));
        Ok(())
    };
    let config = HyperpriorConfig { picture: picture.clone(), ..HyperpriorConfig::default() };
    measure("hyperprior", &|run| Hyperprior.fit(&config, training.clone(), run))?;
    let config = GgmCodecConfig { picture, ..GgmCodecConfig::default() };
    measure("ggm-codec", &|run| GgmCodec.fit(&config, training.clone(), run))?;
    std::fs::write(out, serde_json::to_string_pretty(&curves).expect("plain data"))
        .map_err(|cause| Error::file("cannot write the curves", out, &cause))
}
