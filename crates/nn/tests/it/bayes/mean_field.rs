//! Linear layers with one variance a weight.

use super::{assert_mean, distance, shake};
use elbo_core::Rng;
use elbo_nn::bayes::{Covariance, Gaussians, MeanFieldLinear, Noise};
use elbo_nn::layer::{Build, Layer, Pass};
use elbo_tensor::{DType, Parameters, Tensor, no_grad};

fn layer(noise: Noise) -> MeanFieldLinear {
    let mut rng = Rng::new(1);
    let mut build = Build::new(&mut rng);
    build.dtype = DType::F64;
    let mut layer = MeanFieldLinear::new(3, 2, 0.3, noise, &mut build);
    shake(&mut layer, 0.3, &mut Rng::new(2));
    layer
}

#[test]
fn outputs_of_every_noise_have_the_moments_of_drawn_weights() {
    let x = Tensor::from_vec(Rng::new(3).normals(6), &[2, 3]);
    for noise in [Noise::Local, Noise::Flipout, Noise::Weights] {
        let layer = layer(noise);
        let with_one = Tensor::cat(&[x.clone(), Tensor::ones(&[2, 1], DType::F64)], 1);
        let mean = with_one.linear(&layer.mean.get(), None).to_vec();
        let variance = with_one.square().linear(&layer.sd.get().square(), None).to_vec();
        let mut rng = Rng::new(4);
        let draws: Vec<Vec<f64>> =
            (0..6000).map(|_| no_grad(|| layer.forward(&x, &mut Pass::training(&mut rng))).to_vec()).collect();
        for i in 0..4 {
            let of = |f: &dyn Fn(&Vec<f64>) -> f64| draws.iter().map(f).collect::<Vec<f64>>();
            assert_mean(&format!("{noise:?} mean {i}"), &of(&|d| d[i]), mean[i]);
            assert_mean(&format!("{noise:?} variance {i}"), &of(&|d| (d[i] - mean[i]).powi(2)), variance[i]);
        }
        // Two rows share the weights' noise only where one draw serves both.
        let (s, a) = (layer.sd.value(), with_one.to_vec());
        let shared: f64 = (0..4).map(|i| s[i] * s[i] * a[i] * a[4 + i]).sum();
        let products: Vec<f64> = draws.iter().map(|d| (d[0] - mean[0]) * (d[2] - mean[2])).collect();
        assert_mean(
            &format!("{noise:?} covariance of rows"),
            &products,
            if noise == Noise::Weights { shared } else { 0.0 },
        );
        assert!(distance(&layer.forward(&x, &mut Pass::evaluation()), &Tensor::from_vec(mean, &[2, 2])) < 1e-14);
    }
}

#[test]
fn the_divergence_is_that_of_the_diagonal_gaussian() {
    let layer = layer(Noise::Local);
    let mut same = Gaussians::new(&layer.mean.get().detach(), 1.0, Covariance::Diagonal, 1, &mut Rng::new(0)).unwrap();
    same.unpack(&layer.pack());
    let (a, b) = (layer.kl(0.7).item(), same.kl(0.49).unwrap().sum().item());
    assert!((a - b).abs() < 1e-12, "{a} {b}");
}

#[test]
fn the_best_prior_has_the_least_divergence() {
    let layer = layer(Noise::Local);
    let best = layer.best_prior_sd();
    for factor in [0.99, 1.01] {
        assert!(layer.kl(best * factor).item() > layer.kl(best).item(), "{factor}");
    }
}
