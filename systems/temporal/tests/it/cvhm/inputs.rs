//! Likelihoods, times, trials of different lengths, offsets, and channels held out.

use super::{fit, waves};
use elbo_core::{AnySystem, Array, Data, Event, FromData, Model, ModelFile, Rng, Run, Values};
use elbo_systems_temporal::cvhm::{Cvhm, CvhmConfig, Emission, Trials};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

fn with(data: &Data, name: &str, array: Array) -> Data {
    let mut data = data.clone();
    data.arrays.push((name.into(), array));
    data
}

fn codes(model: &dyn Model, data: &Data, name: &str) -> Vec<f64> {
    model.as_encode().unwrap().encode(data, &mut Run::new(0)).unwrap().get(name).unwrap().to_f64().unwrap()
}

fn rates(model: &dyn Model, data: &Data) -> Vec<f64> {
    model
        .as_reconstruct()
        .unwrap()
        .reconstruct(data, &mut Run::new(0))
        .unwrap()
        .get("counts")
        .unwrap()
        .to_f64()
        .unwrap()
}

fn refused(data: &Data, settings: &Value) -> String {
    fit(data, settings).err().unwrap().to_string()
}

/// Numbers of a likelihood behind one slow wave, `[1, bins, channels]`, and their means.
fn behind_a_wave(likelihood: &str, bins: usize, channels: usize) -> (Data, Vec<f64>) {
    let mut rng = Rng::new(6);
    let (mut values, mut means) = (vec![], vec![]);
    for t in 0..bins {
        for c in 0..channels {
            let eta = if c % 2 == 0 { 1.2 } else { -1.2 } * (0.1 * t as f64).sin();
            let (value, mean) = match likelihood {
                "bernoulli" => {
                    let share = 1.0 / (1.0 + (-eta).exp());
                    (f64::from(u8::from(rng.uniform() < share)), share)
                }
                // Gamma rates of shape 2 make counts of dispersion 2.
                "negative_binomial" => {
                    let shape: f64 = -(1.0 - rng.uniform()).ln() - (1.0 - rng.uniform()).ln();
                    (rng.poisson(0.5 * shape * eta.exp()) as f64, eta.exp())
                }
                _ => (70.0 + 3.0 * (eta + 0.5 * rng.normal()), 70.0 + 3.0 * eta),
            };
            values.push(value);
            means.push(mean);
        }
    }
    let arrays = vec![("counts".to_owned(), Array::new(&[1, bins, channels], values))];
    (Data { source: "wave".into(), arrays, ..Data::default() }, means)
}

#[test]
fn every_likelihood_follows_the_wave_and_survives_saving() {
    for likelihood in ["bernoulli", "negative_binomial", "gaussian"] {
        let (data, truth) = behind_a_wave(likelihood, 200, 10);
        let settings = json!({"trajectories": 1, "rounds": 10, "likelihood": likelihood});
        let model = fit(&data, &settings).unwrap();
        let found = rates(model.as_ref(), &data);
        let average = truth.iter().sum::<f64>() / truth.len() as f64;
        let error: f64 = found.iter().zip(&truth).map(|(a, b)| (a - b).powi(2)).sum();
        let total: f64 = truth.iter().map(|b| (average - b).powi(2)).sum();
        assert!(error < 0.3 * total, "{likelihood}: {error} of {total}");
        let mut file = ModelFile::new("cvhm");
        model.save(&mut file).unwrap();
        let back = Cvhm.load(&ModelFile::from_bytes(&file.to_bytes()).unwrap()).unwrap();
        assert_eq!(rates(back.as_ref(), &data), found, "{likelihood}");
        let columns = model.tables()[0].columns.len();
        assert_eq!(columns, if likelihood == "bernoulli" { 3 } else { 4 }, "{likelihood}");
    }
    let settings = |likelihood: &str| json!({"trajectories": 1, "likelihood": likelihood});
    let (numbers, _) = behind_a_wave("gaussian", 20, 3);
    assert!(refused(&numbers, &settings("negative_binomial")).contains("not a count"));
    let error = refused(&waves(1, 30, 3), &settings("bernoulli"));
    assert!(error.contains("not 0 or 1"), "{error}");
}

#[test]
fn noise_is_learned_channel_by_channel() {
    let (data, _) = behind_a_wave("gaussian", 300, 6);
    let model = fit(&data, &json!({"trajectories": 1, "rounds": 15, "likelihood": "gaussian"})).unwrap();
    // Of a channel's variance 9 (1.2² / 2 + 0.25) the noise is 0.26.
    for row in &model.tables()[0].rows {
        let noise: f64 = row[3].parse().unwrap();
        assert!((noise - 0.26).abs() < 0.1, "{row:?}");
    }
}

#[test]
fn times_that_are_regular_are_those_of_the_width() {
    let data = waves(2, 80, 5);
    let settings = json!({"trajectories": 1, "rounds": 3});
    let model = fit(&data, &settings).unwrap();
    let times: Vec<f64> = (0..80).map(f64::from).collect();
    for shape in [vec![80], vec![2, 80]] {
        let timed = with(&data, "time", Array::new(&shape, times.repeat(shape.len())));
        let other = fit(&timed, &settings).unwrap();
        assert_eq!(codes(model.as_ref(), &data, "latent_1"), codes(other.as_ref(), &timed, "latent_1"));
        let error = other.as_encode().unwrap().encode(&data, &mut Run::new(0)).unwrap_err().to_string();
        assert!(error.contains("`time`"), "{error}");
    }
    let bad = with(&data, "time", Array::new(&[40], times[..40].to_vec()));
    assert!(refused(&bad, &settings).contains("`time` has the shape"));
    let mut turned = times.clone();
    turned.swap(3, 4);
    assert!(refused(&with(&data, "time", Array::new(&[80], turned)), &settings).contains("does not follow"));
}

#[test]
fn irregular_times_follow_the_evidence_and_explain_what_equal_distances_do_not() {
    // One wave of which every second bin comes early.
    let (bins, channels) = (160, 16);
    let mut rng = Rng::new(3);
    let times: Vec<f64> = (0..bins).map(|t| 2.0 * (t as f64 - if t % 2 == 0 { 0.0 } else { 0.8 })).collect();
    let counts: Vec<f64> = times
        .iter()
        .flat_map(|t| {
            let f = 1.5 * (0.15 * t).sin();
            (0..channels).map(|c| if c % 2 == 0 { f } else { -f }).collect::<Vec<f64>>()
        })
        .map(|eta| rng.poisson(eta.exp()) as f64)
        .collect();
    let arrays = vec![("counts".to_owned(), Array::new(&[1, bins, channels], counts))];
    let data = Data { source: "irregular".into(), arrays, ..Data::default() };
    let timed = with(&data, "time", Array::new(&[bins], times));
    let notes = Arc::new(Mutex::new(vec![]));
    let kept = notes.clone();
    let mut run = Run::new(1).with_watcher(move |event| {
        if let Event::Note(text) = event {
            kept.lock().unwrap().push(text.to_owned());
        }
    });
    let settings = json!({"trajectories": 1, "rounds": 10});
    let model = Cvhm.fit(&settings, &timed, &mut run).unwrap();
    assert!(notes.lock().unwrap().iter().any(|n| n.contains("equal distances")));
    let bound = |m: &dyn Model| m.summary().objective.unwrap().1;
    // The same counts at equal distances fit worse: the wave is then not smooth.
    let settings = json!({"trajectories": 1, "rounds": 10, "learn": "bound", "width": 2.0});
    let equal = fit(&data, &settings).unwrap();
    assert!(bound(model.as_ref()) > bound(equal.as_ref()), "{} {}", bound(model.as_ref()), bound(equal.as_ref()));
}

/// A table of the trials of an array, one bin a row.
fn table(data: &Data, lengths: &[usize], labels: &[f64]) -> Data {
    let array = data.get("counts").unwrap();
    let (rows, channels) = (lengths.iter().sum::<usize>(), array.shape[2]);
    let counts = array.to_f64().unwrap();
    let trial: Vec<f64> =
        lengths.iter().zip(labels).flat_map(|(steps, label)| std::iter::repeat_n(*label, *steps)).collect();
    let column = |c: usize| -> Vec<f64> { counts.iter().skip(c).step_by(channels).take(rows).copied().collect() };
    let mut arrays: Vec<(String, Array)> =
        (0..channels).map(|c| (format!("n{c}"), Array::column(Values::F64(column(c))))).collect();
    arrays.push(("trial".into(), Array::column(Values::F64(trial))));
    Data { source: "table".into(), arrays, ..Data::default() }
}

#[test]
fn a_column_tells_trials_of_different_lengths_apart() {
    let cube = waves(2, 70, 4);
    let settings = json!({"trajectories": 1, "rounds": 3, "learn": "off"});
    // Trials of one length are those of the array.
    let whole = table(&cube, &[70, 70], &[4.0, 7.0]);
    let (a, b) = (fit(&cube, &settings).unwrap(), fit(&whole, &settings).unwrap());
    assert_eq!(codes(a.as_ref(), &cube, "latent_1"), codes(b.as_ref(), &whole, "latent_1"));
    let ragged = table(&cube, &[70, 40], &[1.0, 2.0]);
    let model = fit(&ragged, &json!({"trajectories": 1, "rounds": 3})).unwrap();
    assert_eq!(codes(model.as_ref(), &ragged, "latent_1").len(), 110);
    assert_eq!(model.summary().metrics[0], ("trials".to_owned(), 2.0));
    let mixed = table(&cube, &[70, 40, 20], &[1.0, 2.0, 1.0]);
    assert!(refused(&mixed, &settings).contains("row 111 goes back to trial `1`"));
    assert!(refused(&table(&cube, &[70, 2], &[1.0, 2.0]), &settings).contains("trials have 2 bins"));
}

#[test]
fn times_and_trials_are_known_in_any_case_and_offsets_are_no_column() {
    let mut data = table(&waves(2, 70, 4), &[70, 40], &[1.0, 2.0]);
    data.arrays[4].0 = "Trial".into();
    let times: Vec<f64> = (0..70).chain(0..40).map(f64::from).collect();
    let timed = with(&data, "Time", Array::column(Values::F64(times)));
    let settings = json!({"trajectories": 1, "rounds": 2, "learn": "off"});
    for data in [&data, &timed] {
        let summary = fit(data, &settings).unwrap().summary();
        assert_eq!(summary.metrics[..2], [("trials".to_owned(), 2.0), ("channels".to_owned(), 4.0)]);
    }
    let offset = with(&data, "Offset", Array::column(Values::F64(vec![0.0; 110])));
    let error = refused(&offset, &settings);
    assert!(error.contains("column `Offset` would be a channel"), "{error}");
}

#[test]
fn known_offsets_are_not_learned_again() {
    // Rates that rise in the second half for a reason that is known, and no latent at all.
    let (bins, channels) = (200, 6);
    let mut rng = Rng::new(2);
    let offset: Vec<f64> = (0..bins * channels).map(|i| if i / channels < bins / 2 { 0.0 } else { 1.5 }).collect();
    let counts: Vec<f64> = offset.iter().map(|o| rng.poisson((o - 0.3f64).exp()) as f64).collect();
    let shape = [1, bins, channels];
    let arrays = vec![("counts".to_owned(), Array::new(&shape, counts))];
    let data = Data { source: "offsets".into(), arrays, ..Data::default() };
    let known = with(&data, "offset", Array::new(&shape, offset.clone()));
    let settings = json!({"trajectories": 1, "rounds": 10});
    let model = fit(&known, &settings).unwrap();
    let moved = |model: &dyn Model, data: &Data| {
        let f = codes(model, data, "latent_1");
        let half = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
        (half(&f[bins / 2..]) - half(&f[..bins / 2])).abs()
    };
    let without = fit(&data, &settings).unwrap();
    let (own, other) = (moved(model.as_ref(), &known), moved(without.as_ref(), &data));
    assert!(own < 0.2 * other, "{own} {other}");
    for (rate, offset) in rates(model.as_ref(), &known).iter().zip(&offset) {
        assert!((rate.ln() - (offset - 0.3)).abs() < 0.6, "{rate} {offset}");
    }
    let error = model.as_encode().unwrap().encode(&data, &mut Run::new(0)).unwrap_err().to_string();
    assert!(error.contains("`offset`"), "{error}");
    let bad = with(&data, "offset", Array::new(&[bins, channels], offset));
    assert!(refused(&bad, &settings).contains("`offset` has the shape"));
    let holes = with(&data, "offset", Array::new(&shape, vec![f64::NAN; bins * channels]));
    assert!(refused(&holes, &settings).contains("entry 1 of `offset`"));
}

#[test]
fn channels_tell_each_other_where_there_is_a_latent_and_do_not_where_there_is_none() {
    let bits = |data: &Data| {
        let model = fit(data, &json!({"trajectories": 1, "rounds": 8, "held_out": 0.25})).unwrap();
        let summary = model.summary();
        assert_eq!(summary.metrics[0], ("trials".to_owned(), 6.0));
        summary.metrics.iter().find(|m| m.0 == "held_out_bits").unwrap().1
    };
    let shared = bits(&waves(8, 100, 10));
    let mut rng = Rng::new(12);
    let noise: Vec<f64> = (0..8 * 100 * 10).map(|_| rng.poisson(1.6) as f64).collect();
    let arrays = vec![("counts".to_owned(), Array::new(&[8, 100, 10], noise))];
    let alone = bits(&Data { source: "noise".into(), arrays, ..Data::default() });
    // Log rates of amplitude 0.8 are worth about 0.8² / 4 nats a spike, 0.23 bits, if the latent were known.
    assert!(shared > 0.05 && alone < 0.01, "{shared} {alone}");
    // Of a single trial the last bins are kept; without the setting there is no such metric.
    let single = fit(&waves(1, 100, 6), &json!({"trajectories": 1, "rounds": 2, "held_out": 0.2})).unwrap();
    assert!(single.summary().metrics.iter().any(|m| m.0 == "held_out_bits"));
    let none = fit(&waves(1, 100, 6), &json!({"trajectories": 1, "rounds": 2})).unwrap();
    assert!(none.summary().metrics.iter().all(|m| m.0 != "held_out_bits"));
    let error = refused(&waves(1, 10, 6), &json!({"trajectories": 1, "held_out": 0.1}));
    assert!(error.contains("too short"), "{error}");
}

#[test]
fn a_number_that_cannot_be_is_refused_at_its_place_also_where_the_fit_does_not_see_it() {
    let mut data = waves(8, 20, 3);
    let mut counts = data.get("counts").unwrap().to_f64().unwrap();
    counts[(7 * 20 + 4) * 3 + 1] = 0.5;
    data.arrays[0].1 = Array::new(&[8, 20, 3], counts);
    let settings = json!({"trajectories": 1, "held_out": 0.25});
    let error = refused(&data, &settings);
    assert!(error.contains("trial 8, bin 5"), "{error}");
    let error = refused(&table(&data, &[160], &[1.0]), &settings);
    assert!(error.contains("column `n1`, row 145"), "{error}");
}

#[test]
fn known_offsets_are_nothing_that_channels_tell_each_other() {
    // Independent numbers whose means change at known times, and no latent.
    let (shape, mut rng) = ([8, 100, 10], Rng::new(13));
    let offset: Vec<f64> = (0..8 * 100 * 10).map(|i| if i / 100 % 2 == 0 { 0.0 } else { 1.5 }).collect();
    let bits = |data: &Data, likelihood: &str| {
        let settings = json!({"trajectories": 1, "rounds": 8, "held_out": 0.25, "likelihood": likelihood});
        let summary = fit(data, &settings).unwrap().summary();
        summary.metrics.iter().find(|m| m.0 == "held_out_bits").unwrap().1
    };
    for likelihood in ["poisson", "negative_binomial", "gaussian"] {
        let values: Vec<f64> = if likelihood == "gaussian" {
            offset.iter().map(|o| o + 0.5 * rng.normal()).collect()
        } else {
            offset.iter().map(|o| rng.poisson((o - 0.3f64).exp()) as f64).collect()
        };
        let arrays = vec![("counts".to_owned(), Array::new(&shape, values))];
        let data = Data { source: "offsets".into(), arrays, ..Data::default() };
        let known = bits(&with(&data, "offset", Array::new(&shape, offset.clone())), likelihood);
        // Neither what the offsets say, nor what a prediction without them would lose.
        assert!(known < 0.01 && known > -0.05, "{likelihood}: {known}");
        if likelihood == "poisson" {
            // Unknown, they are what the channels share.
            let unknown = bits(&data, likelihood);
            assert!(unknown > 0.05, "{unknown}");
        }
    }
}

#[test]
fn a_file_keeps_what_channels_are_without_latents() {
    for likelihood in [Emission::NegativeBinomial, Emission::Gaussian] {
        let name = if likelihood == Emission::Gaussian { "gaussian" } else { "negative_binomial" };
        let (data, _) = behind_a_wave(name, 120, 6);
        let config = CvhmConfig { trajectories: 1, rounds: 3, likelihood, ..CvhmConfig::default() };
        let model =
            elbo_core::System::fit(&Cvhm, &config, Trials::from_data(&data).unwrap(), &mut Run::new(0)).unwrap();
        let mut file = ModelFile::new("cvhm");
        model.save(&mut file).unwrap();
        let loaded = elbo_core::System::load(&Cvhm, &ModelFile::from_bytes(&file.to_bytes()).unwrap()).unwrap();
        let bits = [&model, &loaded].map(|model| model.held_out_bits(&data).unwrap().unwrap());
        assert!(bits[0] == bits[1] && bits[0] != 0.0, "{likelihood:?}: {bits:?}");
    }
}

#[test]
fn codes_have_the_covariance_of_two_latents() {
    let data = waves(1, 80, 6);
    let model = fit(&data, &json!({"trajectories": 2, "rounds": 3, "learn": "off"})).unwrap();
    let [first, second, both] =
        ["latent_1_sd", "latent_2_sd", "latent_1_2_cov"].map(|name| codes(model.as_ref(), &data, name));
    assert!(both.iter().any(|c| *c != 0.0));
    for ((a, b), c) in first.iter().zip(&second).zip(&both) {
        assert!(c.abs() <= a * b * (1.0 + 1e-9), "{a} {b} {c}");
    }
}
