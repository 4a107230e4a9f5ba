//! Laws of `cvhm`.

mod inputs;

use elbo_core::{AnySystem, Array, Data, Event, ModelFile, Rng, Run};
use elbo_systems_temporal::cvhm::Cvhm;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

/// Counts of `channels` behind one slow wave, `[trials, bins, channels]`.
fn waves(trials: usize, bins: usize, channels: usize) -> Data {
    let mut rng = Rng::new(5);
    let mut counts = vec![];
    for trial in 0..trials {
        for t in 0..bins {
            let f = (0.1 * t as f64 + trial as f64).sin();
            counts.extend((0..channels).map(|c| {
                let sign = if c % 2 == 0 { 1.0 } else { -1.0 };
                rng.poisson((0.8 * sign * f + 0.3).exp()) as f64
            }));
        }
    }
    let arrays = vec![("counts".to_owned(), Array::new(&[trials, bins, channels], counts))];
    Data { source: "waves".into(), arrays, ..Data::default() }
}

fn fit(data: &Data, settings: &Value) -> elbo_core::Result<Box<dyn elbo_core::Model>> {
    Cvhm.fit(settings, data, &mut Run::new(1))
}

#[test]
fn rates_follow_the_wave_and_both_smoothers_agree() {
    let data = waves(2, 120, 6);
    let settings = json!({"trajectories": 1, "rounds": 8, "learn": "whittle"});
    let model = fit(&data, &settings).unwrap();
    let rates = model.as_reconstruct().unwrap().reconstruct(&data, &mut Run::new(0)).unwrap();
    let rates = rates.get("counts").unwrap().to_f64().unwrap();
    let (mut error, mut total, mut count) = (0.0, 0.0, 0.0);
    for trial in 0..2 {
        for t in 0..120 {
            let truth = (0.8 * (0.1 * t as f64 + trial as f64).sin() + 0.3).exp();
            error += (rates[(trial * 120 + t) * 6] - truth).powi(2);
            total += (1.6 - truth).powi(2);
            count += 1.0;
        }
    }
    assert!(error < 0.15 * total, "{error} of {total} in {count}");
    let other = json!({"trajectories": 1, "rounds": 8, "learn": "whittle", "smoother": "bidirectional"});
    let other = fit(&data, &other).unwrap();
    let codes = |m: &dyn elbo_core::Model| {
        let codes = m.as_encode().unwrap().encode(&data, &mut Run::new(0)).unwrap();
        codes.get("latent_1").unwrap().to_f64().unwrap()
    };
    for (a, b) in codes(model.as_ref()).iter().zip(codes(other.as_ref())) {
        assert!((a - b).abs() < 1e-3 * (1.0 + a.abs()), "{a} {b}");
    }
}

#[test]
fn learning_by_the_bound_ends_where_the_bound_is_highest() {
    let data = waves(1, 100, 5);
    let fitted = |learn: &str, kernel: &str| {
        let settings = json!({"trajectories": 1, "rounds": 15, "learn": learn, "kernel": kernel});
        let summary = fit(&data, &settings).unwrap().summary();
        (summary.objective.unwrap().1, summary.parameters[0].1.clone())
    };
    let (bound, found) = fitted("bound", "matern32");
    // The start is far off: learning gains more than a nat.
    let (off, _) = fitted("off", "matern32(lengthscale=2)");
    assert!(bound > off + 1.0, "{bound} {off}");
    let found: elbo_markov::Kernel = found.parse().unwrap();
    for factor in [1.0, 0.5, 2.0] {
        let mut other = found.clone();
        other.parameters_mut()[1].value *= factor;
        let (value, _) = fitted("off", &other.to_string());
        // Rounds end before the last digits settle.
        assert!(if factor == 1.0 { (value - bound).abs() < 0.1 } else { value < bound }, "{factor}: {value} {bound}");
    }
}

#[test]
fn ten_rounds_come_as_far_as_a_hundred() {
    // Short trials with a latent that is mostly the prior's: its centre and its size are told by all trials together.
    let (trials, bins, channels) = (40, 8, 6);
    let mut rng = Rng::new(11);
    let mut counts = vec![];
    for _ in 0..trials {
        let mut f = 6f64.sqrt() * rng.normal();
        for _ in 0..bins {
            counts.extend((0..channels).map(|c| {
                let loading = if c % 2 == 0 { 0.4 } else { -0.4 };
                rng.poisson((loading * f - 0.2).exp()) as f64
            }));
            f = 0.8 * f + 0.6 * 6f64.sqrt() * rng.normal();
        }
    }
    let arrays = vec![("counts".to_owned(), Array::new(&[trials, bins, channels], counts))];
    let data = Data { source: "trials".into(), arrays, ..Data::default() };
    let bound = |rounds: usize| {
        let settings = json!({
            "trajectories": 1, "kernel": "matern32(variance=6, lengthscale=4!)", "learn": "off", "ridge": 0.0, "rounds": rounds, "tolerance": 0.0,
        });
        fit(&data, &settings).unwrap().summary().objective.unwrap().1
    };
    let (few, many) = (bound(10), bound(100));
    // Rounds of readout and posteriors alone are nats away after ten.
    assert!((many - few).abs() < 0.05, "{few} {many}");
}

#[test]
fn silent_channels_are_left_out_and_bad_counts_refused() {
    let mut data = waves(1, 60, 4);
    let values = data.arrays[0].1.to_f64().unwrap();
    let silenced: Vec<f64> = values.iter().enumerate().map(|(i, v)| if i % 4 == 2 { 0.0 } else { *v }).collect();
    data.arrays[0].1 = Array::new(&[1, 60, 4], silenced.clone());
    let mut run = Run::new(0);
    let model = Cvhm.fit(&json!({"trajectories": 1, "rounds": 2}), &data, &mut run).unwrap();
    assert!(run.warnings().iter().any(|w| w.contains("never fire")));
    assert_eq!(model.summary().metrics.iter().find(|m| m.0 == "silent_channels").unwrap().1, 1.0);
    let refused = |shape: &[usize], values: Vec<f64>| {
        let data = Data { arrays: vec![("counts".into(), Array::new(shape, values))], ..data.clone() };
        fit(&data, &json!({"trajectories": 1})).err().unwrap().to_string()
    };
    assert!(refused(&[1, 4, 1], vec![1.0, 0.5, 2.0, 1.0]).contains("not a count"));
    assert!(refused(&[1, 4, 1], vec![1.0, -1.0, 2.0, 1.0]).contains("bin 2"));
    assert!(refused(&[1, 2, 1], vec![1.0, 1.0]).contains("bins"));
    let error = fit(&data, &json!({"trajectories": 4})).err().unwrap().to_string();
    assert!(error.contains("channels"), "{error}");
    assert!(fit(&data, &json!({"kernel": "wiener"})).err().unwrap().to_string().contains("stationary"));
}

#[test]
fn each_latent_may_have_a_kernel_of_its_own() {
    let data = waves(1, 80, 6);
    let settings = json!({
        "trajectories": 2, "rounds": 3, "learn": "off",
        "kernel": "matern32(lengthscale=9!); matern12(lengthscale=4!) * cosine(period=30!)",
    });
    let model = fit(&data, &settings).unwrap();
    let summary = model.summary();
    let kernels: Vec<&str> = summary.parameters.iter().map(|p| p.1.as_str()).collect();
    assert!(kernels[0].starts_with("matern32(") && kernels[0].contains("lengthscale=9!"), "{kernels:?}");
    assert!(kernels[1].starts_with("matern12(") && kernels[1].contains("period=30!"), "{kernels:?}");
    assert!(summary.text.contains("their kernels are"), "{}", summary.text);
    let mut file = ModelFile::new("cvhm");
    model.save(&mut file).unwrap();
    let back = Cvhm.load(&ModelFile::from_bytes(&file.to_bytes()).unwrap()).unwrap();
    let codes = |m: &dyn elbo_core::Model| m.as_encode().unwrap().encode(&data, &mut Run::new(0)).unwrap();
    assert_eq!(codes(back.as_ref()), codes(model.as_ref()));
    let refused = |settings: &Value| fit(&data, settings).err().unwrap().to_string();
    let error = refused(&json!({"trajectories": 3, "kernel": "matern32; matern52"}));
    assert!(error.contains("2 kernels for 3 latents"), "{error}");
    assert!(refused(&json!({"kernel": "matern32; wiener"})).contains("stationary"));
    assert!(refused(&json!({"kernel": "matern32;"})).contains("kernel"));
}

#[test]
fn trials_too_short_for_whittles_likelihood_are_told() {
    let told = |bins: usize| -> Vec<String> {
        let notes = Arc::new(Mutex::new(vec![]));
        let kept = notes.clone();
        let mut run = Run::new(1).with_watcher(move |event| {
            if let Event::Note(text) = event {
                kept.lock().unwrap().push(text.to_owned());
            }
        });
        Cvhm.fit(&json!({"trajectories": 1, "rounds": 1}), &waves(1, bins, 4), &mut run).unwrap();
        notes.lock().unwrap().clone()
    };
    let is_told = |bins: usize| told(bins).iter().any(|note| note.contains("too short for Whittle"));
    assert!(is_told(40) && !is_told(64));
}
