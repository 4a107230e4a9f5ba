//! Frames of counts.

use super::{fit, series, shape};
use elbo_core::{Array, Data, Rng, Run};
use elbo_markov::model::Grid;
use elbo_systems_temporal::markovian_gpvae::{Frame, Observed, Shape, prior};
use elbo_tensor::Tensor;
use serde_json::json;
use std::sync::Arc;

#[test]
fn counts_have_rates_that_follow_the_wave_and_are_drawn_as_counts() {
    let (rows, channels) = (120, 6);
    let mut rng = Rng::new(8);
    let rate = |k: usize, c: usize| {
        let sign = if c.is_multiple_of(2) { 1.0 } else { -1.0 };
        (0.7 + 0.8 * sign * (0.15 * k as f64).sin()).exp()
    };
    let columns = (0..channels).map(|c| {
        let counts: Vec<f64> = (0..rows).map(|k| rng.poisson(rate(k, c)) as f64).collect();
        (format!("n{c}"), Array::new(&[rows], counts))
    });
    let data = Data { source: "counts".into(), arrays: columns.collect(), ..Data::default() };
    let settings = json!({
        "latents": 2, "steps": 400, "lengthscale": 10.0, "rate": 1e-2, "likelihood": "poisson"
    });
    let (model, _) = fit(&settings, &data).unwrap();
    let made = model.as_reconstruct().unwrap().reconstruct(&data, &mut Run::new(1)).unwrap();
    let (mut error, mut total) = (0.0, 0.0);
    for c in 0..channels {
        let found = made.get(&format!("n{c}")).unwrap().to_f64().unwrap();
        for (k, found) in found.iter().enumerate() {
            assert!(*found > 0.0);
            error += (found - rate(k, c)).powi(2);
            total += (2.3 - rate(k, c)).powi(2);
        }
    }
    assert!(error < 0.4 * total, "{error} of {total}");
    let drawn = model.as_sample().unwrap().sample(50, &mut Run::new(2)).unwrap();
    let drawn = drawn.get("n0").unwrap().to_f64().unwrap();
    assert!(drawn.len() == 50 && drawn.iter().all(|y| *y >= 0.0 && y.fract() == 0.0), "{drawn:?}");
    assert!(model.summary().metrics.iter().all(|m| m.0 != "noise_sd"));
    let error = fit(&json!({ "likelihood": "poisson" }), &series(20, 4)).err().unwrap();
    assert!(error.to_string().contains("whole numbers"), "{error}");
    let mut halves = data.clone();
    halves.arrays[0].1 = Array::new(&[rows], vec![0.5; rows]);
    let error = model.as_encode().unwrap().encode(&halves, &mut Run::new(1)).err().unwrap();
    assert!(error.to_string().contains("a frame holds 0.5"), "{error}");
}

#[test]
fn the_bound_of_counts_is_below_their_log_probability() {
    let mut rng = Rng::new(9);
    let shape = Shape { encoder: vec![4], likelihood: Frame::Poisson, ..shape(2, &[1]) };
    let nets = shape.build(3.0, 0.2, &mut rng).unwrap();
    let times = [0.0, 1.0, 2.5];
    let observed = |counts: [f32; 6]| Observed { grid: Arc::new(Grid::new(&times).unwrap()), frames: counts.to_vec() };
    let counts: [f32; 6] = [1.0, 0.0, 3.0, 2.0, 0.0, 5.0];
    // The bound is below the log probability of the counts, whose prior integral many draws of the codes give.
    let chain = prior(1, 3.0).unwrap().chain(&Grid::new(&times).unwrap());
    let draws = 4000;
    let mut mean = 0.0;
    for _ in 0..draws {
        let z = elbo_markov::sample::outputs(&chain, &elbo_markov::sample::prior(&chain, &mut rng));
        let log_rates = nets.decode(&Tensor::from_vec(z, &[3, 1])).to_vec();
        let log: f64 = log_rates
            .iter()
            .zip(counts)
            .map(|(eta, y)| {
                let y = f64::from(y);
                y * eta - eta.exp() - elbo_tensor::special::log_factorial(y)
            })
            .sum();
        mean += log.exp() / f64::from(draws);
    }
    let average: f64 =
        (0..200).map(|seed| nets.elbo(&[&observed(counts)], &mut Rng::new(seed)).unwrap().0.item() / 200.0).sum();
    assert!(average < mean.ln() + 0.1 && average > mean.ln() - 20.0, "{average} {}", mean.ln());
}
