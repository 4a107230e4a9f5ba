//! The report on a model of data points: samples beside data, reconstructions, a map of the codes, and what it thinks of points it has not
//! seen.

use super::Work;
use crate::words::number;
use elbo_core::{Data, Figure, FromData, Incomplete, Mark, Result, Run, picture_grid};
use elbo_report::{Card, Context, Report, Section};

/// Pictures in a grid, and in a row of it.
const GRID: usize = 64;
const COLUMNS: usize = 8;
/// Data points in the map of codes.
const MAPPED: usize = 2000;
/// Draws beside data in the histograms of a table, and most columns that get one.
const DRAWS: usize = 1000;
const HISTOGRAMS: usize = 6;
const BINS: usize = 24;

/// The report on a model without a target: its own figures and tables, and those its verbs give.
pub fn make(context: Context, work: &Work<'_>, training: &Data, held: Option<&Data>) -> Result<Report> {
    let fresh = held.unwrap_or(training);
    let mut sections = vec![];
    sections.extend(samples(work, training)?);
    sections.extend(reconstructions(work, fresh, held.is_some())?);
    sections.extend(codes(work, fresh, held.is_some())?);
    let mut found = Section { heading: "What the model found".into(), ..Section::default() };
    if !context.learning.is_empty() {
        let name = if let [(name, _)] = context.learning.as_slice() { name.as_str() } else { "value" };
        found.figures.push(elbo_report::figures::learning_curve(&context.learning, name));
    }
    found.figures.extend(context.figures);
    found.tables = context.tables;
    found.facts = context
        .parameters
        .into_iter()
        .map(|(name, value, meaning)| (name, format!("{value} {meaning}").trim().to_owned()))
        .collect();
    sections.push(found);
    sections.push(Section { heading: "Data".into(), facts: context.data, ..Section::default() });
    sections.push(Section { heading: "Settings".into(), facts: context.settings, ..Section::default() });
    let (cards, sentence) = judged(work);
    Ok(Report {
        title: context.title,
        subtitle: context.subtitle,
        headline: sentence.unwrap_or_else(|| work.card.title.into()),
        verdict: vec![context.about],
        warnings: context.warnings,
        cards,
        sections: sections.into_iter().filter(|s| !s.is_empty()).collect(),
        facts: context.environment,
        command: context.command,
        ..Report::default()
    })
}

/// Bounds on unseen points as key figures, and as a sentence.
fn judged(work: &Work<'_>) -> (Vec<Card>, Option<String>) {
    let metric = |name: &str| work.record.summary.metrics.iter().find(|(n, _)| n == name).map(|(_, v)| *v);
    let mut cards = vec![];
    let mut sentence = None;
    if let Some(scored) = &work.record.validation {
        let score = |path: &str| scored.scores.pointer(path).and_then(serde_json::Value::as_f64);
        if let Some(elbo) = score("/elbo") {
            cards.push(Card::new("ELBO", number(elbo), "nats a data point it has not seen"));
            let points = elbo_report::format::count(scored.rows);
            sentence = Some(format!("{} nats a point on {points} points it has not seen", number(elbo)));
        }
        if let (Some(value), Some(k), Some(se)) = (score("/iwae/value"), score("/iwae/k"), score("/iwae/se")) {
            let note = format!("log likelihood by {} importance draws, standard error {}", number(k), number(se));
            cards.push(Card::new("IWAE bound", number(value), note));
        }
        if let Some(bits) = score("/bits_per_dim") {
            cards.push(Card::new("bits per dimension", number(bits), "less is better"));
        }
    }
    if let Some((psnr, ssim)) = metric("psnr").zip(metric("ssim")) {
        cards.push(Card::new("PSNR", format!("{psnr:.2} dB"), "on pictures kept back; more is better"));
        cards.push(Card::new("SSIM", format!("{ssim:.3}"), "on pictures kept back; one is perfect"));
        sentence = Some(format!("{psnr:.2} dB on pictures it has not seen"));
    }
    if let Some(percep) = metric("percep") {
        let note = "on pictures kept back, by a small network trained on made-up scenes; not LPIPS; zero is perfect";
        cards.push(Card::new("percep", number(percep), note));
    }
    for (name, distance) in &work.record.summary.metrics {
        if let Some(network) = name.strip_prefix("lpips_") {
            let note = "on pictures kept back; zero is perfect";
            cards.push(Card::new(format!("LPIPS ({network})"), number(*distance), note));
        }
    }
    if let Some((found, apart)) = metric("frechet").zip(metric("frechet_independent")) {
        let note = format!("of samples from the data; {} for independent numbers; less is better", number(apart));
        cards.push(Card::new("Fréchet distance", number(found), note));
    }
    if let Some(active) = metric("active_units") {
        cards.push(Card::new("active units", number(active), "latent dimensions in use"));
    }
    (cards, sentence)
}

fn samples(work: &Work<'_>, training: &Data) -> Result<Option<Section>> {
    let Some(sampler) = work.model.as_sample() else { return Ok(None) };
    let mut run = Run::new(work.record.seed);
    let mut section = Section { heading: "Samples".into(), ..Section::default() };
    let of_points = pictures(training);
    let drawn = sampler.sample(if of_points.is_some() { GRID } else { DRAWS }, &mut run)?;
    match pictures(&drawn).zip(of_points) {
        Some(((drawn, shape_drawn), (data, shape))) => {
            let size: usize = shape.iter().product();
            let count = (data.len() / size).min(GRID);
            // Spread over the data, which may be sorted.
            let step = data.len() / size / count;
            let shown: Vec<u8> =
                (0..count).flat_map(|i| &data[i * step * size..(i * step + 1) * size]).copied().collect();
            section.figures.push(Figure {
                name: "samples".into(),
                caption: "Drawn from the model.".into(),
                marks: vec![picture_grid(&drawn, shape_drawn, COLUMNS)],
                ..Figure::default()
            });
            section.figures.push(Figure {
                name: "data".into(),
                caption: "Some of the data, for comparison.".into(),
                marks: vec![picture_grid(&shown, shape, COLUMNS)],
                ..Figure::default()
            });
        }
        None => {
            let columns = drawn.arrays.iter().filter(|(_, a)| a.shape.len() == 1);
            let numbers = columns.filter_map(|(name, a)| a.to_f64().map(|values| (name, values)));
            for (name, values) in numbers.take(HISTOGRAMS) {
                let data = training.get(name).ok().and_then(|a| a.to_f64());
                section.figures.push(histogram(name, &values, data.as_deref()));
            }
        }
    }
    Ok(Some(section))
}

fn histogram(name: &str, drawn: &[f64], data: Option<&[f64]>) -> Figure {
    let all = drawn.iter().chain(data.unwrap_or_default()).filter(|v| v.is_finite());
    let (low, high) = all.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| (a.min(*v), b.max(*v)));
    let width = if high > low { (high - low) / BINS as f64 } else { 1.0 };
    let bins = |label: &str, values: &[f64]| {
        let mut counts = vec![0.0; BINS];
        let present = values.iter().filter(|v| v.is_finite());
        let area = present.clone().count() as f64 * width;
        for v in present {
            counts[(((v - low) / width) as usize).min(BINS - 1)] += 1.0 / area;
        }
        Mark::Histogram { label: label.into(), edges: (0..=BINS).map(|i| low + width * i as f64).collect(), counts }
    };
    let mut marks = vec![];
    marks.extend(data.map(|values| bins("data", values)));
    marks.push(bins("drawn", drawn));
    Figure {
        name: format!("samples-{name}"),
        caption: if data.is_some() {
            format!("`{name}`: draws from the model beside the data.")
        } else {
            format!("`{name}`: draws from the posterior.")
        },
        x_label: name.into(),
        y_label: "density".into(),
        marks,
        ..Figure::default()
    }
}

/// At most this many data points, spread over the data, which may be sorted.
fn spread(data: &Data, most: usize) -> Data {
    let count = data.rows().min(most);
    let rows: Vec<usize> = (0..count).map(|i| i * data.rows() / count).collect();
    data.take_rows(&rows)
}

fn reconstructions(work: &Work<'_>, data: &Data, is_held: bool) -> Result<Option<Section>> {
    let Some(reconstructor) = work.model.as_reconstruct() else { return Ok(None) };
    let chosen = spread(data, GRID / 2);
    let made = reconstructor.reconstruct(&chosen, &mut Run::new(work.record.seed))?;
    let (Some((before, shape)), Some((after, _))) = (pictures(&chosen), pictures(&made)) else { return Ok(None) };
    let whose = if is_held { "Pictures the model has not seen" } else { "Pictures from the training data" };
    let figure = Figure {
        name: "reconstructions".into(),
        caption: format!("{whose}, each row above the row of its reconstructions."),
        marks: vec![pairs(&before, &after, shape)],
        ..Figure::default()
    };
    Ok(Some(Section { heading: "Reconstructions".into(), figures: vec![figure], ..Section::default() }))
}

/// A map of the two most spread coordinates of the codes, coloured by label where there is one.
fn codes(work: &Work<'_>, data: &Data, is_held: bool) -> Result<Option<Section>> {
    let Some(encoder) = work.model.as_encode() else { return Ok(None) };
    let chosen = spread(data, MAPPED);
    let codes = encoder.encode(&chosen, &mut Run::new(work.record.seed))?;
    // Standard deviations stand beside means.
    let mut columns: Vec<(&String, Vec<f64>, f64)> = codes
        .arrays
        .iter()
        .filter(|(name, _)| !name.ends_with("_sd"))
        .filter_map(|(name, array)| array.to_f64().map(|v| (name, v)))
        .map(|(name, values)| {
            let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
            let spread = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>();
            (name, values, spread)
        })
        .collect();
    columns.sort_by(|a, b| b.2.total_cmp(&a.2));
    let [(x_name, x, _), (y_name, y, _), ..] = columns.as_slice() else { return Ok(None) };
    let labels = Incomplete::from_data(&chosen)?.0.labels;
    let marks = match labels {
        None => vec![Mark::Points { label: String::new(), x: x.clone(), y: y.clone(), lower: vec![], upper: vec![] }],
        Some(labels) => {
            let class = |c: usize, v: &[f64]| {
                v.iter().zip(&labels.codes).filter(|(_, code)| **code == c).map(|(v, _)| *v).collect::<Vec<f64>>()
            };
            let points = |(c, name): (usize, &String)| Mark::Points {
                label: name.clone(),
                x: class(c, x),
                y: class(c, y),
                lower: vec![],
                upper: vec![],
            };
            labels.classes.iter().enumerate().map(points).collect()
        }
    };
    let whose = if is_held { "data points the model has not seen" } else { "the training data" };
    let figure = Figure {
        name: "codes".into(),
        caption: format!("Codes of {whose}: the two latent dimensions that spread most."),
        x_label: x_name.to_string(),
        y_label: y_name.to_string(),
        marks,
        ..Figure::default()
    };
    Ok(Some(Section { heading: "Codes".into(), figures: vec![figure], ..Section::default() }))
}

/// Data points as bytes `[N, C, H, W]` to look at, where they are pictures; missing pixels are black.
pub fn pictures(data: &Data) -> Option<(Vec<u8>, [usize; 3])> {
    let samples = Incomplete::from_data(data).ok()?.0;
    let shape = samples.form.picture()?;
    Some((samples.form.to_bytes(&samples.values), shape))
}

/// Rows of pictures, each row above the row of its reconstructions.
pub fn pairs(before: &[u8], after: &[u8], shape: [usize; 3]) -> Mark {
    let size: usize = shape.iter().product();
    let blank = vec![128; size];
    let count = before.len() / size;
    let mut rows = vec![];
    for start in (0..count).step_by(COLUMNS) {
        for side in [before, after] {
            for i in start..start + COLUMNS {
                rows.extend_from_slice(if i < count { &side[i * size..(i + 1) * size] } else { &blank });
            }
        }
    }
    picture_grid(&rows, shape, COLUMNS)
}
