//! Rate and quality of the codecs on photographs that they have not seen, beside formats of every day:
//!
//! ```text
//! python benches/peers/codec_formats.py examples/data/photos/*.png > formats.json
//! cargo run --release -p elbo-systems-codec --example rates -- 600 formats.json rates.svg
//! ```
//! Each shipped photograph is held out once. All networks are trained with Gaussians for so many steps on the others,
//! then the entropy model alone for a third of them, with each of the densities on the same transform; real files are
//! written at every quality. A fourth word may name a page: its part between the markers `rates:begin` and `rates:end`
//! becomes what is printed.

use elbo_codec::measure::{Point, average, bd_rate};
use elbo_codec::picture::{Entropy, Part, Photo, Photographs, PictureCodec, PictureSettings};
use elbo_core::{Error, Figure, FromData, Mark, Result, Rng, Run};
use elbo_report::svg::{Size, to_svg};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Instant;

/// Of the networks and of the training.
const SEED: u64 = 0;

/// The number of the system in the files, which are only measured.
const NUMBER: u16 = 2;

/// Names and densities of the latents.
const OURS: [(&str, Entropy); 3] = [
    ("hyperprior", Entropy::Gaussian),
    ("ggm-codec m", Entropy::GeneralisedModel),
    ("ggm-codec c", Entropy::GeneralisedChannel),
];

/// Keys and names of the formats, in the order of the tables.
const FORMATS: [(&str, &str); 4] = [("jpeg", "JPEG"), ("webp", "WebP"), ("avif", "AVIF"), ("jpeg-xl", "JPEG XL")];

const BEGIN: &str = "<!-- rates:begin -->";
const END: &str = "<!-- rates:end -->";

/// What `codec_formats.py` prints.
#[derive(serde::Deserialize)]
struct Formats {
    pictures: Vec<Picture>,
}

#[derive(serde::Deserialize)]
struct Picture {
    name: String,
    /// Bits per pixel and decibels, by format.
    curves: BTreeMap<String, Vec<[f64; 2]>>,
}

/// The curves of a codec.
struct Codec {
    name: String,
    /// On each photograph.
    each: Vec<Vec<Point>>,
    /// On all together.
    all: Vec<Point>,
}

/// By how many per cent more rate a codec needs than another; nothing where their curves share too little.
struct Compared {
    anchor: String,
    each: Vec<Option<f64>>,
    all: Option<f64>,
}

fn main() -> Result<()> {
    let started = Instant::now();
    let words: Vec<String> = std::env::args().skip(1).collect();
    let (steps, formats, figure, page) = match words.as_slice() {
        [steps, formats, figure] => (steps, formats, figure, None),
        [steps, formats, figure, page] => (steps, formats, figure, Some(page)),
        _ => return Err(Error::data("three or four words are needed", "give STEPS formats.json OUT.svg [PAGE.md]")),
    };
    let steps = steps.parse().map_err(|_| Error::data("STEPS is no number", "give a whole number"))?;
    let settings = PictureSettings { steps, ..PictureSettings::default() };
    let (names, photos) = photographs()?;
    let pixels: Vec<usize> = photos.iter().map(Photo::pixels).collect();
    // What is wrong with the curves of others is said before the training.
    let others = others(formats, &names, &pixels)?;
    let mut codecs = ours(&settings, &names, &photos, &pixels)?;
    codecs.extend(others);
    draw(&codecs, figure)?;
    let body = told(&codecs, &names, &settings);
    println!("{body}");
    if let Some(page) = page {
        replace(page, &body)?;
    }
    eprintln!("{:.0} s", started.elapsed().as_secs_f64());
    Ok(())
}

/// The shipped photographs and their names.
fn photographs() -> Result<(Vec<String>, Vec<Photo>)> {
    let (training, test) = elbo_data::photos()?;
    let (mut names, mut photos) = (vec![], vec![]);
    for data in [test, training] {
        names.extend(data.arrays.iter().map(|(name, _)| stem(name).to_owned()));
        photos.extend(Photographs::from_data(&data)?.photos);
    }
    Ok((names, photos))
}

fn stem(name: &str) -> &str {
    name.trim_end_matches(".png")
}

impl Codec {
    fn new(name: &str, each: Vec<Vec<Point>>, pixels: &[usize]) -> Result<Self> {
        let pictures: Vec<(usize, &[Point])> = pixels.iter().copied().zip(each.iter().map(Vec::as_slice)).collect();
        let all = average(&pictures)?;
        Ok(Self { name: name.into(), each, all })
    }

    /// The rate of this codec over that of another.
    fn against(&self, anchor: &Self, names: &[String]) -> Compared {
        let percent = |what: &str, anchor_curve: &[Point], curve: &[Point]| match bd_rate(anchor_curve, curve) {
            Ok(found) => Some(100.0 * found.pchip),
            Err(error) => {
                eprintln!("{} against {}, {what}: {error}", self.name, anchor.name);
                None
            }
        };
        let curves = names.iter().zip(anchor.each.iter().zip(&self.each));
        Compared {
            anchor: anchor.name.clone(),
            each: curves.map(|(name, (theirs, own))| percent(name, theirs, own)).collect(),
            all: percent("all", &anchor.all, &self.all),
        }
    }
}

/// The curves of the formats that were found for every photograph.
fn others(path: &str, names: &[String], pixels: &[usize]) -> Result<Vec<Codec>> {
    const REMEDY: &str = "run codec_formats.py on examples/data/photos/*.png";
    let text = std::fs::read_to_string(path).map_err(|e| Error::file("cannot read the curves", path, &e))?;
    let found: Formats = serde_json::from_str(&text)
        .map_err(|e| Error::data(format!("`{path}` does not hold curves of pictures: {e}"), REMEDY))?;
    let of = |name: &String| {
        let picture = found.pictures.iter().find(|p| stem(&p.name) == name);
        picture.ok_or_else(|| Error::data(format!("`{path}` has no curves of {name}"), REMEDY))
    };
    let pictures = names.iter().map(of).collect::<Result<Vec<&Picture>>>()?;
    let mut codecs = vec![];
    for (key, title) in FORMATS {
        let curves: Vec<&Vec<[f64; 2]>> = pictures.iter().filter_map(|p| p.curves.get(key)).collect();
        if curves.len() < names.len() {
            eprintln!("{title} is left out: `{path}` has its curves of {} photographs", curves.len());
            continue;
        }
        codecs.push(Codec::new(title, curves.into_iter().map(|curve| points(curve)).collect(), pixels)?);
    }
    if codecs.is_empty() {
        return Err(Error::data(format!("`{path}` has none of the formats for every photograph"), REMEDY));
    }
    Ok(codecs)
}

fn points(curve: &[[f64; 2]]) -> Vec<Point> {
    curve.iter().map(|[rate, quality]| Point { rate: *rate, quality: *quality }).collect()
}

/// Each photograph once held out, all systems trained on the others.
fn ours(settings: &PictureSettings, names: &[String], photos: &[Photo], pixels: &[usize]) -> Result<Vec<Codec>> {
    let mut each = OURS.map(|_| vec![]);
    for (held, name) in names.iter().enumerate() {
        eprintln!("without {name}");
        let kept = photos.iter().enumerate().filter(|(i, _)| *i != held);
        let training: Vec<Photo> = kept.map(|(_, photo)| photo.clone()).collect();
        let mut trainee = settings.start(Entropy::Gaussian, &mut Rng::new(SEED));
        settings.train(&mut trainee, &training, (Part::Whole, settings.steps, false), &mut Run::new(SEED))?;
        for (curves, (_, entropy)) in each.iter_mut().zip(OURS) {
            let mut own = trainee.clone();
            own.hyper.set_entropy(entropy);
            // The same parts of photographs for each.
            let how = (Part::Entropy, entropy_steps(settings), true);
            settings.train(&mut own, &training, how, &mut Run::new(SEED + 1))?;
            let rates = PictureCodec::new(&own, NUMBER)?.rates(&photos[held..=held])?;
            curves.push(rates.iter().map(|p| Point { rate: p.rate, quality: p.psnr }).collect::<Vec<Point>>());
        }
    }
    OURS.iter().zip(each).map(|((name, _), each)| Codec::new(name, each, pixels)).collect()
}

fn entropy_steps(settings: &PictureSettings) -> usize {
    (settings.steps / 3).max(1)
}

fn draw(codecs: &[Codec], out: &str) -> Result<()> {
    let mark = |(i, codec): (usize, &Codec)| {
        // What everybody can have ends at three bits.
        let shown: Vec<&Point> = codec.all.iter().filter(|p| p.rate <= 3.0).collect();
        let (x, y) = (shown.iter().map(|p| p.rate).collect(), shown.iter().map(|p| p.quality).collect());
        Mark::Line { label: codec.name.clone(), x, y, dashed: i >= OURS.len() }
    };
    let figure = Figure {
        name: "rates".into(),
        caption: "Quality against rate, averages over photographs that no codec has seen; whole files.".into(),
        x_label: "bits per pixel".into(),
        y_label: "PSNR (dB)".into(),
        x_log: false,
        y_log: false,
        marks: codecs.iter().enumerate().map(mark).collect(),
    };
    std::fs::write(out, to_svg(&figure, Size { width: 620.0, height: 400.0 }))
        .map_err(|e| Error::file("cannot write the figure", out, &e))
}

/// The comparison in words and tables, as Markdown.
fn told(codecs: &[Codec], names: &[String], settings: &PictureSettings) -> String {
    let formats = &codecs[OURS.len()..];
    let anchors: Vec<&Codec> = formats.iter().chain(&codecs[..1]).collect();
    let found: Vec<(&Codec, Vec<Compared>)> = codecs[..OURS.len()]
        .iter()
        .map(|own| {
            let apart = anchors.iter().filter(|anchor| anchor.name != own.name);
            (own, apart.map(|anchor| own.against(anchor, names)).collect())
        })
        .collect();
    let mut text = format!(
        "Each of the {} photographs was held out once: {} steps of all networks on the others, with Gaussians, then {} of the entropy model alone, with each \
         density on the same transform; seed {SEED}. Whole files, headers included. The average over qualities (Bjøntegaard's, negative is smaller) between \
         the curves of all photographs, bits over pixels and mean PSNR:\n\n",
        names.len(),
        settings.steps,
        entropy_steps(settings)
    );
    let columns = anchors.iter().map(|anchor| anchor.name.as_str()).collect::<Vec<_>>().join(" | ");
    let rule = "---:|".repeat(anchors.len());
    // Writing into a string cannot fail.
    let _ = write!(text, "| codec | against {columns} |\n|---|{rule}\n");
    for (own, compared) in &found {
        let _ = writeln!(text, "| {} | {} |", own.name, cells(&anchors, compared, |c| c.all));
    }
    text.push_str("\nIn words:\n\n");
    for (own, compared) in &found {
        let parts = compared.iter().map(sentence).collect::<Vec<_>>().join("; ");
        let _ = writeln!(text, "- `{}` {parts}.", own.name);
    }
    text.push_str("\nThe same for each photograph:\n\n");
    let _ = write!(text, "| photograph | codec | against {columns} |\n|---|---|{rule}\n");
    for (k, name) in names.iter().enumerate() {
        for (own, compared) in &found {
            let _ = writeln!(text, "| {name} | {} | {} |", own.name, cells(&anchors, compared, |c| c.each[k]));
        }
    }
    for (own, compared) in &found {
        let _ = writeln!(text, "| mean | {} | {} |", own.name, cells(&anchors, compared, mean));
    }
    text
}

/// A cell for each anchor; empty for the codec itself.
fn cells(anchors: &[&Codec], compared: &[Compared], of: impl Fn(&Compared) -> Option<f64>) -> String {
    let cell = |anchor: &&Codec| match compared.iter().find(|c| c.anchor == anchor.name).map(&of) {
        None => String::new(),
        Some(None) => "none".into(),
        Some(Some(percent)) => format!("{percent:+.1} %"),
    };
    anchors.iter().map(cell).collect::<Vec<_>>().join(" | ")
}

/// The mean over photographs whose curves overlap.
fn mean(compared: &Compared) -> Option<f64> {
    let known: Vec<f64> = compared.each.iter().copied().flatten().collect();
    (!known.is_empty()).then(|| known.iter().sum::<f64>() / known.len() as f64)
}

/// By how much a codec wins or loses, and how often it wins.
fn sentence(compared: &Compared) -> String {
    let known: Vec<f64> = compared.each.iter().copied().flatten().collect();
    let wins = known.iter().filter(|percent| **percent < 0.0).count();
    let often = format!("smaller on {wins} of {} photographs", known.len());
    match compared.all {
        None => format!("cannot be compared with {}: their curves share too little", compared.anchor),
        Some(percent) if percent < 0.0 => format!("wins against {} by {:.1} % ({often})", compared.anchor, -percent),
        Some(percent) => format!("loses against {} by {percent:.1} % ({often})", compared.anchor),
    }
}

/// Puts the text between the markers of a page.
fn replace(page: &str, body: &str) -> Result<()> {
    let text = std::fs::read_to_string(page).map_err(|e| Error::file("cannot read the page", page, &e))?;
    let parts = text.split_once(BEGIN).and_then(|(head, rest)| Some((head, rest.split_once(END)?.1)));
    let Some((head, tail)) = parts else {
        return Err(Error::data(format!("`{page}` has no `{BEGIN}` with `{END}` after it"), "add both markers"));
    };
    let text = format!("{head}{BEGIN}\n{}\n{END}{tail}", body.trim_end());
    std::fs::write(page, text).map_err(|e| Error::file("cannot write the page", page, &e))
}
