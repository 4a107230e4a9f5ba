//! What the paper promises: doubt where there are no data, better densities than without a posterior, unusual rows found.

use super::predict::classify;
use super::{Classifier, Target, VbllConfig};
use elbo_core::{Claim, FromData, Marginals, Regression, Result, Rng, Run, Stop, Table, drive};
use elbo_data::{MakeOptions, holdout, make};
use elbo_dist::calibration::auroc;
use elbo_nn::bayes::head::{HeadConfig, NoiseConfig, RegressionHead};
use elbo_nn::bayes::{AnyHead, Covariance, LastLayer, Targets};
use elbo_nn::{Activation, table};
use elbo_tensor::optim::Lbfgs;
use elbo_tensor::{Tensor, no_grad};

/// Rows of the digits that are trained on; the other 500 are the test part.
const DIGITS: usize = 1297;

pub(super) fn claim(run: &mut Run) -> Result<Claim> {
    let mut claim = Claim::new(run.seeds(5));
    linear_limit(&mut claim, run)?;
    gap(&mut claim, run)?;
    tables(&mut claim, run)?;
    unusual_pictures(&mut claim, run)?;
    Ok(claim)
}

/// With linear features and fixed noise the best bound is exact Bayesian linear regression.
fn linear_limit(claim: &mut Claim, run: &mut Run) -> Result<()> {
    let (rows, dims, noise) = (40, 3, 0.3);
    let mut worst = 0.0f64;
    for seed in claim.seeds.clone() {
        let mut rng = Rng::new(seed);
        let x = Tensor::from_vec(rng.normals(rows * dims), &[rows, dims]);
        let y = x.matmul(&Tensor::from_vec(rng.normals(dims), &[dims, 1])) + 0.5;
        let y = y + Tensor::from_vec(rng.normals(rows), &[rows, 1]) * noise;
        let build = |h: usize, rng: &mut Rng| {
            let mut head = RegressionHead::new(HeadConfig::new(1, h), NoiseConfig::Gaussian, rng)?;
            head.fix_noise(&[noise])?;
            Ok(AnyHead::Regression(head))
        };
        let mut network = LastLayer::new(dims, &[], Activation::Relu, false, build, &mut rng)?;
        let (inputs, targets) = (x.clone(), y.clone());
        let loss = move |network: &LastLayer, _: &mut Run| {
            let (fit, cost) = network.terms(&inputs, &targets)?;
            Ok(cost - fit * rows as f64)
        };
        let lbfgs = Lbfgs { gradient_tolerance: 1e-9, value_tolerance: 1e-16, ..Lbfgs::default() };
        drive(&lbfgs.on(loss), &mut network, &Stop::after(500, "optimum", "loss"), &mut run.child(seed))?;
        let features = network.encode(&x);
        let AnyHead::Regression(head) = &network.head else { unreachable!("it was built so") };
        let precision = features.t().matmul(&features) * (1.0 / (noise * noise))
            + Tensor::eye(dims + 1, features.dtype()) * (1.0 / head.prior_variance());
        let exact = precision.inverse_spd()?;
        let mean = exact.matmul(&features.t().matmul(&y)) * (1.0 / (noise * noise));
        let found = no_grad(|| (head.weights.mean.get().t(), head.weights.covariances().row(0)));
        let distance = |a: &Tensor, b: &Tensor| (a - b).abs().max().item();
        worst = worst.max(distance(&found.0, &mean)).max(distance(&found.1, &exact));
    }
    claim.at_most("linear features: distance from exact Bayesian linear regression", worst, None, 1e-6);
    Ok(())
}

/// Settings with or without a posterior, for the same number of steps.
fn with(covariance: Covariance, steps: usize) -> VbllConfig {
    VbllConfig { covariance, steps, ..VbllConfig::default() }
}

/// Settings for the curve, which is smooth and known nearly everywhere: less decay, faster, and a prior that lets functions leave the
/// range of the data.
fn with_wide_prior(covariance: Covariance, steps: usize) -> VbllConfig {
    VbllConfig { prior_scale: 100.0, rate: 3e-3, weight_decay: 0.01, ..with(covariance, steps) }
}

/// Predictions of a network that was trained on standardised numbers, in their own unit.
fn predict(network: &LastLayer, x: &Tensor, scaling: (f64, f64)) -> Box<dyn Marginals> {
    let AnyHead::Regression(head) = &network.head else { unreachable!("a numeric target has a head of numbers") };
    head.predict(&network.encode(x), 0, scaling)
}

fn nlpd(marginals: &dyn Marginals, y: &[f64]) -> f64 {
    -y.iter().enumerate().map(|(i, y)| marginals.log_prob(i, *y)).sum::<f64>() / y.len() as f64
}

/// A network trained on a table.
struct Trial {
    network: LastLayer,
    columns: elbo_core::Columns,
}

impl Trial {
    fn new(config: &VbllConfig, train: &elbo_core::Data, run: &mut Run) -> Result<Self> {
        let input = Regression::from_data(train)?;
        let y = Targets::Numbers(Tensor::from_vec(input.y, &[input.x.rows, 1]));
        let (network, _) = config.train(table::one_hot(&input.x), y, Target::Number, run)?;
        Ok(Self { network, columns: input.columns })
    }

    fn predict(&self, data: &elbo_core::Data) -> Result<Box<dyn Marginals>> {
        let x = table::one_hot(&self.columns.encode(data)?);
        Ok(predict(&self.network, &x, self.columns.target_scaling()))
    }

    fn nlpd(&self, test: &elbo_core::Data) -> Result<f64> {
        let y = test.get(test.target()?)?.to_f64().expect("the target is numeric");
        Ok(nlpd(self.predict(test)?.as_ref(), &y))
    }
}

/// A cubic with a gap: the spread outside the data, and the density of unseen rows among them.
fn gap(claim: &mut Claim, run: &mut Run) -> Result<()> {
    let steps = run.pick(300, 3000);
    let columns = ["seed", "spread at 6 over spread at the data", "nlpd", "nlpd without a posterior"];
    let mut table = Table::new("gap", "A cubic with a gap: spread outside, density inside.", &columns);
    let (mut least, mut without_spread, mut nlpds) = (f64::INFINITY, 0.0f64, (0.0, 0.0));
    for seed in claim.seeds.clone() {
        let train = make("cubic-gap", seed, &MakeOptions::default())?;
        let test = make("cubic-gap", seed + 500_000, &MakeOptions { rows: Some(1000), ..MakeOptions::default() })?;
        let ours = Trial::new(&with_wide_prior(Covariance::Dense, steps), &train, &mut run.child(seed))?;
        let point = Trial::new(&with_wide_prior(Covariance::Point, steps), &train, &mut run.child(seed))?;
        let ends = elbo_core::Data {
            arrays: vec![("x0".into(), elbo_core::Array::new(&[2], vec![-6.0, 6.0]))],
            target: None,
            ..train.clone()
        };
        let ratio = |trial: &Trial| -> Result<f64> {
            let (inside, outside) = (trial.predict(&train)?, trial.predict(&ends)?);
            let mean = (0..inside.len()).map(|i| inside.sd(i)).sum::<f64>() / inside.len() as f64;
            Ok(outside.sd(0).min(outside.sd(1)) / mean)
        };
        let (spread, nlpd, bare) = (ratio(&ours)?, ours.nlpd(&test)?, point.nlpd(&test)?);
        table.push(vec![seed.to_string(), format!("{spread:.3}"), format!("{nlpd:.4}"), format!("{bare:.4}")]);
        least = least.min(spread);
        without_spread = without_spread.max(ratio(&point)?);
        let share = 1.0 / claim.seeds.len() as f64;
        nlpds = (nlpds.0 + share * nlpd, nlpds.1 + share * bare);
    }
    run.table(table);
    claim.at_least("cubic: least spread at -6 or 6 over the mean spread at the data", least, Some(without_spread), 3.0);
    claim.at_most("cubic: mean nlpd of unseen rows (nats)", nlpds.0, Some(nlpds.1), nlpds.1);
    Ok(())
}

/// Diabetes, ten splits a seed: how often the density is at least that of the same network without a posterior.
fn tables(claim: &mut Claim, run: &mut Run) -> Result<()> {
    let (splits, steps) = run.pick((2, 300), (10, 3000));
    let data = elbo_data::diabetes()?;
    let columns = ["seed", "split", "nlpd", "nlpd without a posterior"];
    let mut table = Table::new("diabetes", "Diabetes, a tenth of the rows held out.", &columns);
    let (mut wins, mut count, mut gain) = (0, 0, 0.0);
    for seed in claim.seeds.clone() {
        let mut rng = Rng::new(seed);
        for split in 0..splits {
            let (train, test) = holdout(data.rows(), 0.1, &mut rng)?.apply(&data);
            let ours = Trial::new(&with(Covariance::Dense, steps), &train, &mut run.child(seed))?.nlpd(&test)?;
            let bare = Trial::new(&with(Covariance::Point, steps), &train, &mut run.child(seed))?.nlpd(&test)?;
            table.push(vec![seed.to_string(), split.to_string(), format!("{ours:.4}"), format!("{bare:.4}")]);
            wins += u32::from(ours <= bare);
            gain += bare - ours;
            count += 1;
        }
    }
    run.table(table);
    let share = f64::from(wins) / f64::from(count);
    claim.at_least("diabetes: share of splits with at most the nlpd without a posterior", share, None, 0.8);
    claim.at_least("diabetes: mean gain of the nlpd (nats)", gain / f64::from(count), Some(0.0), 0.0);
    Ok(())
}

/// Trained on digits, asked about made-up letters: how well each network's own score tells them.
fn unusual_pictures(claim: &mut Claim, run: &mut Run) -> Result<()> {
    let (rows, steps) = run.pick((300, 300), (DIGITS, 3000));
    let (train, test) = elbo_data::digits8_split(DIGITS)?;
    let tensor =
        |values: &[f32]| Tensor::from_vec(values.iter().map(|v| f64::from(*v)).collect(), &[values.len() / 64, 64]);
    let (x, x_test) = (tensor(&train.values[..rows * 64]), tensor(&test.values));
    let labels = |samples: &elbo_core::Samples| samples.labels.as_ref().expect("digits have labels").codes.clone();
    let (y, y_test) = (labels(&train)[..rows].to_vec(), labels(&test));
    let columns = ["seed", "head", "accuracy", "auroc"];
    let mut table = Table::new("letters", "Digits against made-up letters.", &columns);
    let (mut least, mut accuracies) = (f64::INFINITY, (f64::INFINITY, 0.0f64));
    for seed in claim.seeds.clone() {
        let letters = make("glyphs8", seed, &MakeOptions { rows: Some(500), ..MakeOptions::default() })?;
        let pixels: Vec<Vec<f64>> =
            (0..64).map(|d| letters.arrays[d].1.to_f64().expect("pixels are numbers")).collect();
        let letters = Tensor::from_vec((0..500).flat_map(|i| pixels.iter().map(move |p| p[i])).collect(), &[500, 64]);
        let mut found = vec![];
        for (name, classifier, covariance) in [
            ("generative", Classifier::Generative, Covariance::Diagonal),
            ("softmax", Classifier::Discriminative, Covariance::Point),
        ] {
            let config = VbllConfig { classifier, ..with(covariance, steps) };
            let targets = Targets::Classes(y.clone());
            let (network, _) = config.train(x.clone(), targets, Target::Classes(10), &mut run.child(seed))?;
            // Without a posterior the logits do not vary, so one draw is all.
            let novelty =
                |x: &Tensor| classify(&network, &network.encode(x), || Tensor::from_vec(vec![0.0; 10], &[1, 10]));
            let ((p, inside), (_, outside)) = (novelty(&x_test)?, novelty(&letters)?);
            let hits = p.argmax(-1, false).to_vec().iter().zip(&y_test).filter(|(a, b)| **a as usize == **b).count();
            let accuracy = hits as f64 / y_test.len() as f64;
            let area = auroc(&inside.to_vec(), &outside.to_vec());
            table.push(vec![seed.to_string(), name.into(), format!("{accuracy:.4}"), format!("{area:.4}")]);
            found.push((area, accuracy));
        }
        least = least.min(found[0].0 - found[1].0);
        accuracies = (accuracies.0.min(found[0].1), accuracies.1.max(found[1].1));
    }
    run.table(table);
    claim.at_least("letters: least gain of the auroc over the largest softmax probability", least, Some(0.0), 0.03);
    claim.at_least(
        "digits: least accuracy of the generative head",
        accuracies.0,
        Some(accuracies.1),
        accuracies.1 - 0.03,
    );
    Ok(())
}
