//! Seven posteriors over the weights of one small network, on a cubic with a gap: what each says of unseen rows, and how sure it is where
//! there are data, in the gap, and beyond.
//!
//! ```sh
//! cargo run --release -p elbo --example weights
//! ```

use elbo::core::{Stop, drive};
use elbo::data::{MakeOptions, make};
use elbo::dist::{GaussianMixtures, Normals};
use elbo::infer::fit::{MethodSettings, ViSettings, infer};
use elbo::infer::target::ParametersDensity;
use elbo::nn::bayes::{
    Averaged, Curvature, EnsembleConfig, Laplace, LaplaceConfig, Newton, NewtonConfig, NewtonStep, ObservationConfig,
    Scope, Stack, Swag, SwagStep,
};
use elbo::nn::{Activation, Build};
use elbo::prelude::*;
use elbo::tensor::optim::{Adam, Rule, Schedule, Sgd};
use elbo::tensor::{DType, Parameters, Tensor, no_grad};

/// Standard deviation of the noise, which is known; each weight is standard normal beforehand.
const NOISE: f64 = 0.1;
/// Where each posterior is asked: among the data, in the gap, beyond.
const PLACES: [f64; 3] = [-0.625, 0.0, 1.5];

/// What a posterior says.
pub struct Answer {
    /// Which.
    pub name: &'static str,
    /// Mean log density of unseen rows, in nats.
    pub log_density: f64,
    /// Standard deviations of a new row at [`PLACES`].
    pub sd: [f64; 3],
}

/// Rows of the cubic, `x: [N, 1]` and `y: [N, 1]`, both of order one.
fn rows(count: usize, seed: u64) -> Result<(Tensor, Tensor)> {
    let data = make("cubic-gap", seed, &MakeOptions { rows: Some(count), ..MakeOptions::default() })?;
    let column = |name: &str, scale: f64| -> Result<Tensor> {
        let values = data.get(name)?.to_f64().expect("the recipe makes numbers");
        Ok(Tensor::from_vec(values, &[count, 1]) * (1.0 / scale))
    };
    Ok((column("x0", 4.0)?, column(data.target()?, 30.0)?))
}

/// A network with ten hidden units, before training.
fn network(seed: u64) -> Stack {
    let mut rng = Rng::new(seed);
    let mut build = Build::new(&mut rng);
    build.dtype = DType::F64;
    Stack::new(&[1, 10, 1], Activation::Tanh, &mut build)
}

/// Minus the mean log likelihood of rows, less its constant.
fn misfit(network: &Stack, x: &Tensor, y: &Tensor) -> Tensor {
    (network.forward(x) - y).square().mean() * (0.5 / (NOISE * NOISE))
}

/// Minus the log prior of all weights, less its constant.
fn penalty(network: &Stack) -> Tensor {
    network.leaves().iter().map(|weight| weight.square().sum()).sum::<Tensor>() * 0.5
}

/// Trains with `steps` of each kind, and asks all posteriors.
pub fn answers(steps: usize, settings: &MethodSettings, run: &mut Run) -> Result<Vec<Answer>> {
    let ((x, y), (unseen, truth)) = (rows(100, 1)?, rows(300, 2)?);
    let (n, truth) = (100.0, truth.to_vec());
    let at = Tensor::cat(&[unseen, Tensor::from_vec(PLACES.to_vec(), &[3, 1])], 0);
    let stop = Stop::after(steps, "training", "loss (nats a row)");
    let said = |name: &'static str, found: &dyn Marginals| {
        let total: f64 = truth.iter().enumerate().map(|(i, y)| found.log_prob(i, *y)).sum();
        Answer { name, log_density: total / truth.len() as f64, sd: [0, 1, 2].map(|k| found.sd(truth.len() + k)) }
    };
    // Draws of the weights are networks, whose outputs with noise are a mixture.
    let of_draws = |name: &'static str, draws: &[Vec<f64>]| {
        let mut one = network(0);
        let outputs: Vec<Vec<f64>> = draws
            .iter()
            .map(|weights| {
                one.unpack(weights);
                no_grad(|| one.forward(&at)).to_vec()
            })
            .collect();
        let means: Vec<f64> = (0..at.size(0)).flat_map(|i| outputs.iter().map(move |f| f[i])).collect();
        let (k, sds) = (draws.len(), vec![NOISE; means.len()]);
        said(name, &GaussianMixtures::new(k, vec![1.0 / k as f64; k], means, sds))
    };
    let trained = |seed: u64, run: &mut Run| -> Result<Stack> {
        let mut network = network(seed);
        let loss = |w: &Stack, _: &mut Run| -> Result<Tensor> { Ok(misfit(w, &x, &y) + penalty(w) * (1.0 / n)) };
        drive(&Adam::with_rate(0.02).on(loss), &mut network, &stop, run)?;
        Ok(network)
    };
    let mut found = vec![];

    let ensemble = EnsembleConfig::default().train(100, run, |member, run| trained(member.seed, run))?;
    found.push(said("ensemble", &ensemble.draws(|member| member.forward(&at)).mixtures(0, NOISE)));
    let mode = &ensemble.members[0];
    let observation = ObservationConfig::Fixed { sd: NOISE }.build(1, DType::F64)?;
    for (name, scope) in [("laplace", Scope::All), ("laplace, last layer", Scope::LastLayer)] {
        let laplace = Laplace::new(mode, &x, &y, &observation, &LaplaceConfig::new(Curvature::Full, scope, 1.0))?;
        let (mean, variance) = laplace.predict(&at);
        found.push(said(name, &Normals { mean: mean.to_vec(), sd: variance.sqrt().to_vec() }));
    }

    // Both go on from the mode: gradient descent at a constant rate, and an optimiser that keeps variances.
    let copy = || {
        let mut copy = network(0);
        copy.unpack(&mode.pack());
        copy
    };
    let noisy = |w: &Stack, run: &mut Run| -> Result<Tensor> {
        let batch = Tensor::indices(&run.rng.choose(100, 10));
        Ok(misfit(w, &x.index_select(0, &batch), &y.index_select(0, &batch)) + penalty(w) * (1.0 / n))
    };
    let step = Sgd { rate: 2e-3.into(), ..Sgd::default() }.on(noisy);
    let mut averaged = Averaged { model: copy(), swag: Swag::new(20) };
    drive(&SwagStep { step, burn_in: steps / 4, every: 10 }, &mut averaged, &stop, run)?;
    found.push(of_draws("swag", &(0..200).map(|_| averaged.swag.sample(&mut run.rng)).collect::<Vec<_>>()));

    let rate = Schedule::Cosine { start: 0.02, end: 2e-4, steps };
    let config =
        NewtonConfig { decay: 1.0 / n, beta2: 0.999, curvature: 50.0, draws: 2, ..NewtonConfig::new(100, rate) };
    let mut newton = Newton::new(copy(), &config)?;
    let objective = |w: &Stack, _: &mut Run| -> Result<Tensor> { Ok(misfit(w, &x, &y)) };
    let step: NewtonStep<'_, Stack, _> = NewtonStep { config, objective, exact: None };
    drive(&step, &mut newton, &stop, run)?;
    found.push(of_draws("ivon", &(0..200).map(|_| newton.sample(&mut run.rng)).collect::<Vec<_>>()));

    // A network with priors is a log density like any other.
    let density = ParametersDensity::new(
        || network(0),
        |w: &Stack| -> Result<Tensor> { Ok(misfit(w, &x, &y) * -n - penalty(w)) },
    );
    let settings = MethodSettings { start: Some(mode.pack()), ..settings.clone() };
    for name in ["mean-field", "low-rank:4"] {
        let fit = infer(&density, name.parse()?, &settings, run)?;
        found.push(of_draws(
            name,
            &fit.draws.chunks(mode.pack().len()).take(200).map(<[f64]>::to_vec).collect::<Vec<_>>(),
        ));
    }
    Ok(found)
}

fn main() -> Result<()> {
    let vi = ViSettings { steps: 4000, ..ViSettings::default() };
    let found = answers(3000, &MethodSettings { vi, ..MethodSettings::default() }, &mut Run::new(1))?;
    println!("{:20} {:>11} {:>7} {:>7} {:>7}", "posterior", "log density", "data", "gap", "beyond");
    for Answer { name, log_density, sd: [data, gap, beyond] } in found {
        println!("{name:20} {log_density:>11.3} {data:>7.3} {gap:>7.3} {beyond:>7.3}");
    }
    Ok(())
}
