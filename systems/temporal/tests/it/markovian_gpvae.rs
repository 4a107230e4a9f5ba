//! The posterior against dense algebra, gradients against differences, and what sequences may look like.

mod counts;
mod kernels;

use elbo_core::{AnySystem, Array, Data, FromData, Model, ModelFile, Rng, Run, Values};
use elbo_markov::kernel::Kernel;
use elbo_markov::model::Grid;
use elbo_systems_temporal::markovian_gpvae::{
    Frame, Gpvae, Layout, MarkovianGpvae, Observed, Posterior, Priors, Sequences, Shape, dense_posterior,
    markov_posterior, prior, smoothed, station_distances, station_marginals, station_mixing, station_posterior,
};
use elbo_tensor::{Parameters, Tensor, grad};
use serde_json::{Value, json};
use std::sync::Arc;

/// Random gaps, of which some repeat.
fn times(steps: usize, rng: &mut Rng) -> Vec<f64> {
    let mut t = 0.0;
    (0..steps)
        .map(|_| {
            t += if rng.uniform() < 0.5 { 1.0 } else { rng.range(0.05, 4.0) };
            t
        })
        .collect()
}

#[test]
fn values_and_slopes_equal_those_of_dense_algebra() {
    // Alike, and of different smoothness.
    for (seed, orders) in [[0, 0], [1, 1], [2, 2], [3, 3], [1, 0], [0, 3]].into_iter().enumerate() {
        let mut rng = Rng::new(seed as u64);
        let (a, b) = (times(17, &mut rng), times(9, &mut rng));
        let (frames, latents) = (26, 2);
        let mean = Tensor::from_vec(rng.normals(frames * latents), &[frames, latents]).variable();
        let variance =
            (Tensor::from_vec(rng.uniforms(frames * latents), &[frames, latents]) + 0.05).detach().variable();
        let length = Tensor::from_vec(vec![1.5, 6.0], &[2]).variable();
        let amount = Tensor::from_vec(vec![0.6, 2.3], &[2]).variable();
        let priors = Priors { variance: amount.clone(), ..Priors::standard(&orders, &length) };
        let grids = [Arc::new(Grid::new(&a).unwrap()), Arc::new(Grid::new(&b).unwrap())];
        let found = markov_posterior(&priors, &grids, &mean, &variance).unwrap();
        let dense = [(&a, 0), (&b, 17)].map(|(t, at)| {
            let part = |x: &Tensor| x.narrow(0, at, t.len());
            dense_posterior(&priors, t, &part(&mean), &part(&variance)).unwrap()
        });
        let [means, variances] = [
            Tensor::cat(&[dense[0].mean.clone(), dense[1].mean.clone()], 0),
            Tensor::cat(&[dense[0].variance.clone(), dense[1].variance.clone()], 0),
        ];
        let log_z = &dense[0].log_z + &dense[1].log_z;
        assert!((found.log_z.item() - log_z.item()).abs() < 1e-9, "orders {orders:?}");
        for (x, y) in [(&found.mean, &means), (&found.variance, &variances)] {
            assert!(x.to_vec().iter().zip(y.to_vec()).all(|(x, y)| (x - y).abs() < 1e-9), "orders {orders:?}");
        }
        let weights = [0, 1].map(|_| Tensor::from_vec(rng.normals(frames * latents), &[frames, latents]));
        let inputs = [&mean, &variance, &length, &amount];
        let value = |m: &Tensor, v: &Tensor, z: &Tensor| (m * &weights[0]).sum() + (v * &weights[1]).sum() + z * 0.7;
        let one = grad(&value(&found.mean, &found.variance, &found.log_z), &inputs);
        let two = grad(&value(&means, &variances, &log_z), &inputs);
        for (x, y) in one.iter().zip(&two) {
            for (x, y) in x.to_vec().iter().zip(y.to_vec()) {
                assert!((x - y).abs() < 1e-8 * y.abs().max(1.0), "orders {orders:?}: {x} {y}");
            }
        }
    }
}

#[test]
fn the_divergence_is_never_negative_and_zero_when_sites_say_nothing() {
    let mut rng = Rng::new(3);
    let grid = [Arc::new(Grid::new(&times(30, &mut rng)).unwrap())];
    let length = Tensor::from_vec(vec![4.0], &[1]);
    let mean = Tensor::from_vec(rng.normals(30), &[30, 1]);
    for (variance, largest) in [(0.2, f64::INFINITY), (1e9, 1e-6)] {
        let variance = Tensor::from_vec(vec![variance; 30], &[30, 1]);
        let found = markov_posterior(&Priors::standard(&[1], &length), &grid, &mean, &variance).unwrap();
        let kl = found.divergence(&mean, &variance).item();
        assert!(kl >= -1e-8 && kl <= largest, "{kl}");
    }
}

#[test]
fn a_time_without_a_site_is_predicted_and_changes_nothing_else() {
    let chain = |t: &[f64]| prior(1, 2.0).unwrap().chain(&Grid::new(t).unwrap());
    let (m, v) = smoothed(&chain(&[0.0, 3.0]), &[2.0, -1.0], &[4.0, 4.0]).unwrap();
    let (with, spread) =
        smoothed(&chain(&[0.0, 1.0, 3.0, 900.0]), &[2.0, 0.0, -1.0, 0.0], &[4.0, 0.0, 4.0, 0.0]).unwrap();
    assert!((m[0] - with[0]).abs() < 1e-12 && (m[1] - with[2]).abs() < 1e-12 && (v[1] - spread[2]).abs() < 1e-12);
    // Far away the prior is left.
    assert!(with[3].abs() < 1e-12 && (spread[3] - 1.0).abs() < 1e-12);
    assert!(spread[1] > spread[0] && spread[1] < 1.0);
}

const PLACES: [[f64; 2]; 3] = [[0.0, 0.0], [1.0, 0.5], [3.0, -1.0]];

/// One sequence with stations by dense algebra of the whole covariance, composed of tensor operations.
fn dense_stations(times: &[f64], (mean, variance): (&Tensor, &Tensor), priors: &Priors, mixing: &Tensor) -> Posterior {
    let (steps, stations) = (times.len(), mixing.size(0));
    let rows = steps * stations;
    let distances: Vec<f64> = times.iter().flat_map(|a| times.iter().map(move |b| (a - b).abs())).collect();
    let distances = Tensor::from_vec(distances, &[steps, steps]);
    let space = mixing.matmul(&mixing.transpose(0, 1)).reshape(&[1, stations, 1, stations]);
    let (mut log_z, mut means, mut variances) = (vec![], vec![], vec![]);
    for l in 0..mean.size(1) {
        let s = &distances * (3f64.sqrt() * priors.lengthscale.select(0, l).recip());
        let time = ((&s + 1.0) * (-&s).exp() * priors.variance.select(0, l)).reshape(&[steps, 1, steps, 1]);
        let gram = (time * &space).reshape(&[rows, rows]);
        let (y, v) = (mean.narrow(1, l, 1), variance.select(1, l));
        let factor = (&gram + v.diag()).cholesky().unwrap();
        let fit = factor.solve_lower(&y).square().sum() + factor.cholesky_log_det();
        log_z.push((fit + rows as f64 * std::f64::consts::TAU.ln()) * -0.5);
        means.push(gram.matmul(&factor.cholesky_solve(&y)));
        let explained = factor.solve_lower(&gram).square().sum_axis(0, false);
        variances.push((gram.diagonal() - explained).unsqueeze(1));
    }
    Posterior { log_z: log_z.into_iter().sum(), mean: Tensor::cat(&means, 1), variance: Tensor::cat(&variances, 1) }
}

#[test]
fn stations_have_the_posterior_and_the_slopes_of_the_whole_covariance() {
    let mut rng = Rng::new(8);
    let (a, b) = (times(9, &mut rng), times(5, &mut rng));
    let (stations, latents) = (PLACES.len(), 2);
    let rows = 14 * stations;
    let mean = Tensor::from_vec(rng.normals(rows * latents), &[rows, latents]).variable();
    let variance = (Tensor::from_vec(rng.uniforms(rows * latents), &[rows, latents]) + 0.05).detach().variable();
    let length = Tensor::from_vec(vec![1.5, 6.0], &[2]).variable();
    let amount = Tensor::from_vec(vec![0.6, 2.3], &[2]).variable();
    let priors = Priors { variance: amount.clone(), ..Priors::standard(&[1; 2], &length) };
    let reach = Tensor::from_vec(vec![1.7], &[]).variable();
    let places = PLACES.map(|place| place.to_vec());
    let mixing = station_mixing(&station_distances(&places), &reach).unwrap();
    let grids = [Arc::new(Grid::new(&a).unwrap()), Arc::new(Grid::new(&b).unwrap())];
    let found = station_posterior(&priors, &grids, &mean, &variance, &mixing).unwrap();
    let dense = [(&a, 0), (&b, 9 * stations)].map(|(t, at)| {
        let part = |x: &Tensor| x.narrow(0, at, t.len() * stations);
        dense_stations(t, (&part(&mean), &part(&variance)), &priors, &mixing)
    });
    let means = Tensor::cat(&[dense[0].mean.clone(), dense[1].mean.clone()], 0);
    let variances = Tensor::cat(&[dense[0].variance.clone(), dense[1].variance.clone()], 0);
    let log_z = &dense[0].log_z + &dense[1].log_z;
    assert!((found.log_z.item() - log_z.item()).abs() < 1e-8, "{} {}", found.log_z.item(), log_z.item());
    for (x, y) in [(&found.mean, &means), (&found.variance, &variances)] {
        assert!(x.to_vec().iter().zip(y.to_vec()).all(|(x, y)| (x - y).abs() < 1e-9));
    }
    let weights = [0, 1].map(|_| Tensor::from_vec(rng.normals(rows * latents), &[rows, latents]));
    let inputs = [&mean, &variance, &length, &amount, &reach];
    let value = |m: &Tensor, v: &Tensor, z: &Tensor| (m * &weights[0]).sum() + (v * &weights[1]).sum() + z * 0.7;
    let one = grad(&value(&found.mean, &found.variance, &found.log_z), &inputs);
    let two = grad(&value(&means, &variances, &log_z), &inputs);
    for (x, y) in one.iter().zip(&two) {
        for (x, y) in x.to_vec().iter().zip(y.to_vec()) {
            assert!((x - y).abs() < 1e-7 * y.abs().max(1.0), "{x} {y}");
        }
    }
}

#[test]
fn marginals_at_stations_are_those_of_the_posterior_and_reach_where_no_frame_is() {
    let mut rng = Rng::new(9);
    let t = times(12, &mut rng);
    let stations = PLACES.len();
    let places = PLACES.map(|place| place.to_vec());
    let mixing = station_mixing(&station_distances(&places), &Tensor::from_vec(vec![2.0], &[])).unwrap();
    let (mean, variance) = (rng.normals(12 * stations), vec![0.3; 12 * stations]);
    let tensor = |values: &[f64]| Tensor::from_vec(values.to_vec(), &[12 * stations, 1]);
    let grid = Grid::new(&t).unwrap();
    let priors = Priors::standard(&[1], &Tensor::from_vec(vec![2.5], &[1]));
    let kernel = Kernel::matern(1, 1.0, 2.5);
    let expected =
        station_posterior(&priors, &[Arc::new(grid.clone())], &tensor(&mean), &tensor(&variance), &mixing).unwrap();
    let shift: Vec<f64> = mean.iter().map(|m| m / 0.3).collect();
    let precision = vec![1.0 / 0.3; 12 * stations];
    let (m, v) = station_marginals(&kernel, &grid, (&shift, &precision), &mixing.to_vec()).unwrap();
    assert!(m.iter().zip(expected.mean.to_vec()).all(|(a, b)| (a - b).abs() < 1e-9));
    assert!(v.iter().zip(expected.variance.to_vec()).all(|(a, b)| (a - b).abs() < 1e-9));
    // Only the first station is seen: its near neighbour learns more than the far one, and neither as much.
    let first = |values: &[f64]| -> Vec<f64> {
        values.iter().enumerate().map(|(i, v)| if i % stations == 0 { *v } else { 0.0 }).collect()
    };
    let (_, v) = station_marginals(&kernel, &grid, (&first(&shift), &first(&precision)), &mixing.to_vec()).unwrap();
    assert!(v.chunks(stations).all(|v| v[0] < v[1] && v[1] < v[2] && v[2] < 1.0 + 1e-5), "{v:?}");
}

/// Small networks for frames of so many numbers.
fn shape(size: usize, orders: &[usize]) -> Shape {
    Shape {
        frame: vec![size],
        stations: vec![],
        orders: orders.to_vec(),
        has_variances: false,
        encoder: vec![5],
        decoder: vec![4],
        channels: vec![],
        activation: elbo_nn::Activation::Tanh,
        likelihood: Frame::Gaussian,
    }
}

/// Slopes of the bound by the last numbers of a model of three channels, in double precision, at twelve times; the weights before them are in single.
fn check_slopes(mut model: Gpvae, grid: Grid, last: usize, rng: &mut Rng) {
    let frames = rng.normals(36).into_iter().map(|v| v as f32).collect();
    let sequence = Observed { grid: Arc::new(grid), frames };
    let bound = |model: &Gpvae| model.elbo(&[&sequence], &mut Rng::new(9)).unwrap().0;
    let (flat, exact) = (model.pack(), model.gradient(&bound(&model)));
    for i in flat.len() - last..flat.len() {
        let mut shifted = |by: f64| {
            let mut to = flat.clone();
            to[i] += by;
            model.unpack(&to);
            bound(&model).item()
        };
        // The decoder's single precision leaves noise of 1e-7 in the bound.
        let slope = (shifted(1e-2) - shifted(-1e-2)) / 2e-2;
        assert!((slope - exact[i]).abs() < 2e-3 * exact[i].abs().max(1.0), "{i}: {slope} {}", exact[i]);
    }
}

#[test]
fn the_bounds_gradient_by_lengthscales_and_noise_agrees_with_differences() {
    let mut rng = Rng::new(4);
    let model = shape(3, &[1; 2]).build(3.0, 0.2, &mut rng).unwrap();
    let t = times(12, &mut rng);
    // Two lengthscales and the noise.
    check_slopes(model, Grid::new(&t).unwrap(), 3, &mut rng);
}

fn series(rows: usize, seed: u64) -> Data {
    let mut rng = Rng::new(seed);
    let t: Vec<f64> = (0..rows).map(|k| 0.5 * k as f64).collect();
    let wave =
        |phase: f64, rng: &mut Rng| t.iter().map(|t| 5.0 + (0.4 * t + phase).sin() + 0.05 * rng.normal()).collect();
    let (a, b): (Vec<f64>, Vec<f64>) = (wave(0.0, &mut rng), wave(1.0, &mut rng));
    let arrays = [("time", t), ("a", a), ("b", b)].map(|(n, v)| (n.to_owned(), Array::new(&[rows], v)));
    Data { source: "made".into(), arrays: arrays.into(), ..Data::default() }
}

fn with(mut data: Data, name: &str, values: Vec<f64>) -> Data {
    data.arrays.retain(|(n, _)| n != name);
    data.arrays.push((name.into(), Array::new(&[values.len()], values)));
    data
}

fn fit(settings: &Value, data: &Data) -> elbo_core::Result<(Box<dyn Model>, Vec<String>)> {
    let mut run = Run::new(5);
    AnySystem::fit(&MarkovianGpvae, settings, data, &mut run).map(|model| (model, run.warnings().to_vec()))
}

fn quick() -> Value {
    json!({ "latents": 2, "steps": 20, "lengthscale": 5.0 })
}

#[test]
fn gaps_are_filled_and_a_file_keeps_the_model() {
    let rows = 80;
    let observed: Vec<f64> = (0..rows).map(|k| f64::from(!(30..34).contains(&k))).collect();
    let mut data = with(series(rows, 1), "observed", observed);
    let truth = data.get("a").unwrap().to_f64().unwrap();
    // What stands in a missing row does not matter.
    let Values::F64(a) = &mut data.arrays[1].1.values else { panic!("numbers") };
    a[30..34].fill(1e6);
    let settings = json!({ "latents": 2, "steps": 400, "lengthscale": 10.0, "rate": 1e-2 });
    let (model, _) = fit(&settings, &data).unwrap();
    let made = model.as_reconstruct().unwrap().reconstruct(&data, &mut Run::new(1)).unwrap();
    let filled = made.get("a").unwrap().to_f64().unwrap();
    let names: Vec<&str> = made.arrays.iter().map(|(n, _)| n.as_str()).collect();
    assert_eq!(names, ["time", "a", "b", "observed"]);
    // The series has standard deviation 0.7.
    for k in 30..34 {
        assert!((filled[k] - truth[k]).abs() < 0.5, "row {k}: {} {}", filled[k], truth[k]);
    }
    let mut file = ModelFile::new("markovian-gpvae");
    model.save(&mut file).unwrap();
    let loaded = AnySystem::load(&MarkovianGpvae, &ModelFile::from_bytes(&file.to_bytes()).unwrap()).unwrap();
    let again = loaded.as_reconstruct().unwrap().reconstruct(&data, &mut Run::new(1)).unwrap();
    assert_eq!(made, again);
    let codes = loaded.as_encode().unwrap().encode(&data, &mut Run::new(1)).unwrap();
    let z_sd = codes.get("z_sd").unwrap();
    assert_eq!(z_sd.shape, [rows, 2]);
    let z_sd = z_sd.to_f64().unwrap();
    assert!(z_sd[2 * 32] > z_sd[2 * 20], "a gap is less certain than its surroundings");
    let far = with(series(3, 1), "time", vec![0.0, 1.0, 1e6]);
    let sd = loaded.as_encode().unwrap().encode(&with(far, "observed", vec![1.0, 1.0, 0.0]), &mut Run::new(1)).unwrap();
    assert!((sd.get("z_sd").unwrap().to_f64().unwrap()[4] - 1.0).abs() < 1e-6, "far away the prior is left");
}

#[test]
fn rows_are_sorted_and_merged_and_find_their_way_back() {
    let data = with(series(4, 2), "time", vec![3.0, 1.0, 3.0, 2.0]);
    let read = Sequences::from_data(&data).unwrap();
    let sequence = &read.sequences[0];
    assert_eq!(sequence.times, [1.0, 2.0, 3.0]);
    assert_eq!(read.places, [(0, 2), (0, 0), (0, 2), (0, 1)]);
    let a = data.get("a").unwrap().to_f64().unwrap();
    assert!((sequence.frames[4] - 0.5 * (a[0] + a[2])).abs() < 1e-12 && sequence.frames[0] == a[1]);
    assert!(read.notes.iter().any(|n| n.contains("sorted")) && read.notes.iter().any(|n| n.contains("merged")));
}

#[test]
fn a_video_of_bytes_goes_through_convolutions_and_back() {
    let mut rng = Rng::new(6);
    let (count, steps, side) = (3, 6, 8);
    let bytes: Vec<u8> = (0..count * steps * side * side).map(|_| 255 * u8::from(rng.uniform() < 0.3)).collect();
    let video = Array { shape: vec![count, steps, side, side], values: Values::U8(bytes) };
    let mut mask = vec![1.0; count * steps];
    mask[2..4].fill(0.0);
    mask[steps..2 * steps].fill(0.0);
    let arrays = vec![("video".to_owned(), video), ("mask".to_owned(), Array::new(&[count, steps], mask))];
    let data = Data { source: "made".into(), arrays, ..Data::default() };
    let settings = json!({
        "latents": 2, "steps": 5, "channels": [4, 8], "encoder": [8], "decoder": [8], "likelihood": "bernoulli"
    });
    let (model, warnings) = fit(&settings, &data).unwrap();
    assert!(warnings.iter().any(|w| w.contains("1 sequences have no frame")), "{warnings:?}");
    let made = model.as_reconstruct().unwrap().reconstruct(&data, &mut Run::new(1)).unwrap();
    let frames = made.get("video").unwrap();
    assert!(frames.shape == [count, steps, side, side] && matches!(frames.values, Values::U8(_)));
    let drawn = model.as_sample().unwrap().sample(2, &mut Run::new(1)).unwrap();
    assert_eq!(drawn.get("video").unwrap().shape, [2, steps, side, side]);
    assert_eq!(model.figures()[0].name, "frames");
}

/// A wave that travels over three stations, two numbers at each.
fn waves(count: usize, steps: usize) -> Data {
    let mut rng = Rng::new(5);
    let mut y = vec![];
    for s in 0..count {
        for k in 0..steps {
            for place in PLACES {
                let phase = 0.4 * k as f64 + place[0] + s as f64;
                y.extend([phase.sin() + 0.05 * rng.normal(), 3.0 + phase.cos() + 0.05 * rng.normal()]);
            }
        }
    }
    let mut mask = vec![1.0; count * steps];
    mask[10..13].fill(0.0);
    let arrays = vec![
        ("y".to_owned(), Array::new(&[count, steps, 3, 2], y)),
        ("stations".to_owned(), Array::new(&[3, 2], PLACES.concat())),
        ("mask".to_owned(), Array::new(&[count, steps], mask)),
    ];
    Data { source: "made".into(), arrays, ..Data::default() }
}

#[test]
fn a_field_at_stations_is_fitted_filled_sampled_and_kept() {
    let data = waves(3, 30);
    let settings = json!({ "latents": 2, "steps": 300, "lengthscale": 5.0, "rate": 1e-2 });
    let (model, _) = fit(&settings, &data).unwrap();
    let made = model.as_reconstruct().unwrap().reconstruct(&data, &mut Run::new(1)).unwrap();
    let (filled, truth) = (made.get("y").unwrap().to_f64().unwrap(), data.get("y").unwrap().to_f64().unwrap());
    assert_eq!(made.get("y").unwrap().shape, [3, 30, 3, 2]);
    // Three frames are missing; each number's standard deviation is 0.7.
    let gap = 10 * 6..13 * 6;
    let error = gap.clone().map(|i| (filled[i] - truth[i]).powi(2)).sum::<f64>() / gap.len() as f64;
    assert!(error.sqrt() < 0.6, "{}", error.sqrt());
    assert!(model.summary().parameters.iter().any(|(name, ..)| name == "lengthscale in space"));
    let mut file = ModelFile::new("markovian-gpvae");
    model.save(&mut file).unwrap();
    let loaded = AnySystem::load(&MarkovianGpvae, &ModelFile::from_bytes(&file.to_bytes()).unwrap()).unwrap();
    assert_eq!(loaded.as_reconstruct().unwrap().reconstruct(&data, &mut Run::new(1)).unwrap(), made);
    let codes = loaded.as_encode().unwrap().encode(&data, &mut Run::new(1)).unwrap();
    assert_eq!(codes.get("z").unwrap().shape, [3, 30, 3, 2]);
    assert_eq!(codes.get("mean").unwrap().shape, [3, 30, 6]);
    let drawn = loaded.as_sample().unwrap().sample(2, &mut Run::new(1)).unwrap();
    assert_eq!(drawn.get("y").unwrap().shape, [2, 30, 3, 2]);
    // The places are known to the model, and others are refused.
    let mut without = data.clone();
    without.arrays.remove(1);
    assert!(loaded.as_encode().unwrap().encode(&without, &mut Run::new(1)).is_ok());
    let mut moved = data.clone();
    moved.arrays[1].1 = Array::new(&[3, 2], vec![0.5; 6]);
    let error = loaded.as_encode().unwrap().encode(&moved, &mut Run::new(1)).err().unwrap();
    assert!(error.to_string().contains("those of the model"), "{error}");
    for (places, word) in [
        (Array::new(&[2, 2], vec![0.0; 4]), "shape [2, 2]"),
        (Array::new(&[3], vec![0.0; 3]), "shape [3]"),
        (Array::new(&[3, 1], vec![0.0, f64::NAN, 1.0]), "station 2"),
    ] {
        let mut wrong = data.clone();
        wrong.arrays[1].1 = places;
        let error = fit(&quick(), &wrong).err().unwrap_or_else(|| panic!("{word}: accepted"));
        assert!(error.to_string().contains(word), "{word}: {error}");
    }
}

#[test]
fn layouts_of_files_are_of_their_size_and_place_every_station() {
    let is_of = |size: usize, shape: &[usize], stations: Vec<Vec<f64>>| {
        Layout::Array { name: "y".into(), shape: shape.to_vec(), is_bytes: false, stations }.is_of(size)
    };
    let places = |count: usize| vec![vec![0.0, 1.0]; count];
    assert!(is_of(6, &[3, 2], places(3)) && is_of(6, &[6], vec![]) && is_of(200, &[200], places(200)));
    assert!(!is_of(6, &[2, 2], vec![]) && !is_of(6, &[usize::MAX, 6], vec![]));
    assert!(!is_of(6, &[3, 2], places(2)) && !is_of(3, &[3], vec![vec![0.0], vec![1.0, 2.0], vec![3.0]]));
    assert!(!is_of(201, &[201], places(201)), "more stations than a fit takes");
}

#[test]
fn sequences_are_told_apart_and_times_may_be_shared() {
    let owners = (0..40).map(|k| f64::from(k % 2)).collect();
    let read = Sequences::from_data(&with(series(40, 3), "sequence", owners)).unwrap();
    assert_eq!(read.sequences.iter().map(|s| s.times.len()).collect::<Vec<_>>(), [20, 20]);
    let array = Array::new(&[2, 5, 3], Rng::new(1).normals(30));
    let time = Array::new(&[5], vec![0.0, 0.5, 2.0, 3.0, 4.0]);
    let arrays = vec![("y".to_owned(), array), ("time".to_owned(), time)];
    let read = Sequences::from_data(&Data { source: "made".into(), arrays, ..Data::default() }).unwrap();
    assert_eq!(read.sequences[1].times, [0.0, 0.5, 2.0, 3.0, 4.0]);
    assert!(matches!(read.layout, Layout::Array { ref shape, .. } if *shape == [3]));
}

#[test]
fn bad_inputs_are_answered() {
    let refused = |data: &Data, word: &str| {
        let error = fit(&quick(), data).err().unwrap_or_else(|| panic!("{word}: accepted"));
        assert!(error.to_string().contains(word) && !error.remedy().is_empty(), "{word}: {error}");
    };
    let mut holes = series(20, 4).get("a").unwrap().to_f64().unwrap();
    holes[3] = f64::NAN;
    let with_hole = with(series(20, 4), "a", holes);
    refused(&with_hole, "`a` is NaN at time 1.5");
    let (_, warnings) = fit(&json!({ "latents": 2, "steps": 5, "nan_is_missing": true }), &with_hole).unwrap();
    assert!(warnings.iter().any(|w| w.contains("1 frames with a NaN")), "{warnings:?}");
    refused(&with(series(20, 4), "observed", vec![0.5; 20]), "`observed` has 0.5");
    refused(&with(series(20, 4), "observed", vec![0.0; 20]), "0 frames to learn from");
    refused(&with(series(20, 4), "time", vec![f64::NAN; 20]), "the time of row 1 is NaN");
    let error = fit(&json!({ "likelihood": "bernoulli" }), &series(20, 4)).err().unwrap();
    assert!(error.to_string().contains("a frame holds"), "{error}");
    let (model, warnings) = fit(&json!({ "latents": 1, "steps": 2, "lengthscale": 1e4 }), &series(20, 4)).unwrap();
    assert!(warnings.iter().any(|w| w.contains("above the span")), "{warnings:?}");
    let mut without = series(20, 4);
    without.arrays.remove(1);
    let error = model.as_encode().unwrap().encode(&without, &mut Run::new(0)).err().unwrap();
    assert!(error.to_string().contains("column `a`"), "{error}");
}
