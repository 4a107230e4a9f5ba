//! Recurrent units with one variance a weight: moments of a cell that is linear, and what times and rows share.

use super::{assert_moments, distance, passes};
use crate::common::assert_gradient;
use elbo_core::Rng;
use elbo_nn::bayes::{MeanFieldGru, MeanFieldGruConfig, Noise};
use elbo_nn::layer::{Build, GruConfig, Layer, Output, Pass};
use elbo_tensor::{DType, Parameters, Tensor};
use std::collections::BTreeMap;

const INPUT: usize = 3;
const HIDDEN: usize = 2;
/// Numbers at which tanh is the identity, and its error below a millionth.
const SMALL: f64 = 1e-3;

fn config(noise: Noise, layers: usize, output: Output) -> MeanFieldGruConfig {
    MeanFieldGruConfig { gru: GruConfig { hidden: HIDDEN, layers, output }, sd: 0.3, noise }
}

fn built(config: &MeanFieldGruConfig, steps: usize) -> (MeanFieldGru, Vec<usize>) {
    let mut rng = Rng::new(1);
    let mut build = Build::new(&mut rng);
    build.dtype = DType::F64;
    config.build(&[steps, INPUT], &mut build).unwrap()
}

/// A unit with an open reset gate and a shut update gate, at small numbers: `h' = W_i x + b_i + W_h h + b_h`.
fn linear(noise: Noise) -> MeanFieldGru {
    let (mut layer, _) = built(&config(noise, 1, Output::Last), 2);
    let mut rng = Rng::new(2);
    layer.visit_mut(&mut |name, p| {
        let columns = p.shape()[1];
        let (is_sd, is_of_input) = (name.ends_with("sd"), name.contains("ih"));
        let value = |i: usize, rng: &mut Rng| {
            let is_bias = i % columns == columns - 1;
            let size = if is_bias { SMALL } else { 1.0 };
            let shift = if is_bias && is_of_input { 40.0 } else { 0.0 };
            match (is_sd, i / columns / HIDDEN) {
                (true, 2) => 0.3 * size,
                (true, _) => 1e-9,
                (false, 2) => 0.7 * size * rng.normal(),
                (false, 0) => shift,
                (false, _) => -shift,
            }
        };
        let values: Vec<f64> = (0..p.len()).map(|i| value(i, &mut rng)).collect();
        p.set(&values).unwrap();
    });
    layer
}

/// Means and variances of the rows of the new state's weights, on the input and on the state, with their biases last.
struct Cell {
    mean_i: Vec<f64>,
    mean_h: Vec<f64>,
    var_i: Vec<f64>,
    var_h: Vec<f64>,
    /// `[N, 2, INPUT + 1]`, ones last.
    x: Vec<f64>,
}

impl Cell {
    fn new(layer: &MeanFieldGru, x: &Tensor) -> Self {
        let mut values = BTreeMap::new();
        layer.visit(&mut |name, p| {
            let columns = p.shape()[1];
            values.insert(name.to_owned(), p.value()[2 * HIDDEN * columns..].to_vec());
        });
        let squares = |name: &str| values[name].iter().map(|s| s * s).collect::<Vec<f64>>();
        let ones = Tensor::ones(&[x.size(0), 2, 1], DType::F64);
        Self {
            mean_i: values["layers.0.ih.mean"].clone(),
            mean_h: values["layers.0.hh.mean"].clone(),
            var_i: squares("layers.0.ih.sd"),
            var_h: squares("layers.0.hh.sd"),
            x: Tensor::cat(&[x.clone(), ones], 2).to_vec(),
        }
    }

    fn x(&self, row: usize, time: usize) -> &[f64] {
        &self.x[(row * 2 + time) * (INPUT + 1)..][..INPUT + 1]
    }

    fn mean_h(&self, j: usize, k: usize) -> f64 {
        self.mean_h[j * (HIDDEN + 1) + k]
    }

    /// The mean of what enters entry `j` at a time from the input and both biases.
    fn enters(&self, j: usize, row: usize, time: usize) -> f64 {
        let weights = &self.mean_i[j * (INPUT + 1)..][..INPUT + 1];
        weights.iter().zip(self.x(row, time)).map(|(w, x)| w * x).sum::<f64>() + self.mean_h(j, HIDDEN)
    }

    /// Its covariance between two rows and times.
    fn common(&self, j: usize, a: (usize, usize), b: (usize, usize)) -> f64 {
        let weights = &self.var_i[j * (INPUT + 1)..][..INPUT + 1];
        let products = weights.iter().zip(self.x(a.0, a.1)).zip(self.x(b.0, b.1)).map(|((v, x), y)| v * x * y);
        products.sum::<f64>() + self.var_h[j * (HIDDEN + 1) + HIDDEN]
    }

    /// The mean of entry `j` after two times. The state after one is `h = e + ε`, with its noise independent of that of `W_h`.
    fn mean(&self, row: usize, j: usize) -> f64 {
        self.enters(j, row, 1) + (0..HIDDEN).map(|k| self.mean_h(j, k) * self.enters(k, row, 0)).sum::<f64>()
    }

    /// The covariance of that entry between two rows that meet the same weights; the variance for one row. Weights are the same at both times, so
    /// that what enters then varies together with ε.
    fn covariance(&self, n: usize, m: usize, j: usize) -> f64 {
        let first = |k: usize| self.common(k, (n, 0), (m, 0));
        let crossed = self.common(j, (n, 1), (m, 0)) + self.common(j, (n, 0), (m, 1));
        let through = |k: usize| {
            let squares = self.enters(k, n, 0) * self.enters(k, m, 0) + first(k);
            self.mean_h(j, k).powi(2) * first(k) + self.var_h[j * (HIDDEN + 1) + k] * squares
        };
        self.common(j, (n, 1), (m, 1)) + self.mean_h(j, j) * crossed + (0..HIDDEN).map(through).sum::<f64>()
    }
}

#[test]
fn states_of_a_linear_cell_have_the_moments_of_weights_drawn_once_for_all_times() {
    let x = Tensor::from_vec(Rng::new(3).normals(2 * 2 * INPUT), &[2, 2, INPUT]) * SMALL;
    for (noise, is_function) in [(Noise::Flipout, false), (Noise::Weights, false), (Noise::Flipout, true)] {
        let layer = linear(noise);
        let cell = Cell::new(&layer, &x);
        let draws = passes(&layer, &x, is_function, 2500);
        let is_shared = is_function || noise == Noise::Weights;
        let (mean, covariance) = (|n, j| cell.mean(n, j), |n, m, j| cell.covariance(n, m, j));
        assert_moments(&format!("{noise:?} {is_function}"), &draws, is_shared, mean, covariance);
        let at_means = layer.forward(&x, &mut Pass::evaluation()).to_vec();
        for (i, found) in at_means.iter().enumerate() {
            let expected = cell.mean(i / HIDDEN, i % HIDDEN);
            assert!((found - expected).abs() < 1e-4 * SMALL, "{noise:?} {is_function} {i}");
        }
    }
}

#[test]
fn without_variance_it_is_the_plain_unit() {
    for output in [Output::All, Output::Last, Output::Mean] {
        let config = MeanFieldGruConfig { sd: 1e-13, ..config(Noise::Flipout, 2, output) };
        let (layer, shape) = built(&config, 4);
        let mut rng = Rng::new(1);
        let mut build = Build::new(&mut rng);
        build.dtype = DType::F64;
        let plain = config.gru.build(&[4, INPUT], &mut build).unwrap();
        assert_eq!(shape, plain.shape);
        let x = Tensor::from_vec(Rng::new(5).normals(3 * 4 * INPUT), &[3, 4, INPUT]);
        let expected = plain.layer.forward(&x, &mut Pass::evaluation());
        assert!(distance(&layer.forward(&x, &mut Pass::evaluation()), &expected) < 1e-12, "{output:?}");
        assert!(distance(&layer.forward(&x, &mut Pass::training(&mut rng)), &expected) < 1e-10, "{output:?}");
    }
}

#[test]
fn rows_differ_by_their_signs_alone_and_not_at_all_as_a_function() {
    let (layer, _) = built(&config(Noise::Flipout, 2, Output::Last), 3);
    let one = Tensor::from_vec(Rng::new(6).normals(3 * INPUT), &[1, 3, INPUT]);
    let twice = Tensor::cat(&[one.clone(), one], 0);
    let mut rng = Rng::new(7);
    let apart = |y: Tensor| distance(&y.row(0), &y.row(1));
    assert!(apart(layer.forward(&twice, &mut Pass::training(&mut rng))) > 1e-3);
    assert!(apart(layer.forward(&twice, &mut Pass::drawing_function(&mut rng))) < 1e-15);
}

#[test]
fn gradients_are_those_of_the_drawn_states_and_of_the_divergence() {
    let x = Tensor::from_vec(Rng::new(8).normals(2 * 3 * INPUT), &[2, 3, INPUT]);
    for noise in [Noise::Flipout, Noise::Weights] {
        let (mut layer, _) = built(&config(noise, 2, Output::All), 3);
        let loss = |layer: &MeanFieldGru| {
            let states = layer.forward(&x, &mut Pass::training(&mut Rng::new(9)));
            (&states * (&states + 1.0)).sum() + layer.kl(0.7) * 0.01
        };
        assert_gradient(&format!("{noise:?}"), &mut layer, loss, 1e-6);
        let (mut expected, mut parts) = (0.0, vec![]);
        layer.visit(&mut |_, p| parts.push(p.value()));
        for pair in parts.chunks(2) {
            for (m, d) in pair[0].iter().zip(&pair[1]) {
                expected += (0.7 / d).ln() + (d * d + m * m) / (2.0 * 0.49) - 0.5;
            }
        }
        assert!((layer.kl(0.7).item() - expected).abs() < 1e-10);
    }
}

#[test]
fn settings_out_of_range_are_refused() {
    let mut rng = Rng::new(10);
    let mut build = Build::new(&mut rng);
    let mut refused = |config: MeanFieldGruConfig, shape: &[usize], part: &str| {
        let error = config.build(shape, &mut build).err().unwrap();
        assert!(error.to_string().contains(part), "{error}");
    };
    let good = || config(Noise::Flipout, 1, Output::Last);
    refused(MeanFieldGruConfig { sd: 0.0, ..good() }, &[2, 3], "`sd`");
    refused(MeanFieldGruConfig { noise: Noise::Local, ..good() }, &[2, 3], "flipout or weights");
    refused(MeanFieldGruConfig { gru: GruConfig { layers: 0, ..GruConfig::default() }, ..good() }, &[2, 3], "`layers`");
    refused(good(), &[6], "[T, D]");
    refused(good(), &[0, 3], "one time at least");
}
