//! What the paper claims: tails at fixed and at learned hyperparameters, and strangers among digits.

use super::{Fitted, ScaleMixtureNngp, ScaleMixtureNngpConfig, ScaleMixtureNngpModel, Tails, entropies};
use elbo_core::{Array, Budget, Claim, Data, Predict, Prediction, Result, Rng, Run, System, Table, Values};
use elbo_dist::calibration::auroc;
use elbo_dist::scores;
use elbo_gp::kernel::{Activation, KernelConfig, Nngp, NngpConfig};
use elbo_gp::scale_mixture::{ScaleMixtureGp, ScalePrior};
use elbo_gp::table;
use elbo_tensor::Tensor;

/// The claim.
pub(super) fn claim(run: &mut Run) -> Result<Claim> {
    let seeds = run.seeds(20);
    let mut claim = Claim::new(seeds.clone());
    tails_claim(&mut claim, &replicates(&seeds, 20), run)?;
    learned_claim(&mut claim, &replicates(&seeds[..seeds.len().min(10)], run.pick(3, 10)), run)?;
    if run.budget == Budget::Full {
        digits_claim(&mut claim, &seeds[..seeds.len().min(3)], run)?;
    }
    Ok(claim)
}

/// At least `count` generators: one a seed, or as many from each seed as it takes.
fn replicates(seeds: &[u64], count: usize) -> Vec<Rng> {
    let each = count.div_ceil(seeds.len()) as u64;
    seeds.iter().flat_map(|seed| (0..each).map(|k| Rng::new(*seed).split(k))).collect()
}

/// Rows of `sin 3 x1 + x2 x3` with noise 0.1, at inputs uniform on a cube of this half-width in five dimensions.
fn rows(count: usize, width: f64, rng: &mut Rng) -> (Tensor, Vec<f64>) {
    let x: Vec<f64> = (0..count * 5).map(|_| rng.range(-width, width)).collect();
    let y = x.chunks_exact(5).map(|x| (3.0 * x[0]).sin() + x[1] * x[2] + 0.1 * rng.normal()).collect();
    (Tensor::from_vec(x, &[count, 5]), y)
}

/// Test log densities of both processes at fixed hyperparameters: near the data, away from them, and with targets five times as large.
fn tails_claim(claim: &mut Claim, sources: &[Rng], run: &mut Run) -> Result<()> {
    let mut totals = [[0.0; 4]; 2];
    for source in sources {
        let mut rng = source.clone();
        let train = rows(30, 1.0, &mut rng);
        let tests = [rows(200, 1.0, &mut rng), rows(200, 3.0, &mut rng)];
        for (process, prior) in
            [ScalePrior::Point, ScalePrior::InverseGamma { alpha: 2.0, beta: 2.0 }].into_iter().enumerate()
        {
            for (enlarged, factor) in [1.0, 5.0].into_iter().enumerate() {
                let kernel = Nngp::new(Activation::Relu, 3, 2.0, 0.01);
                let y = Tensor::from_slice(&train.1, &[30]) * factor;
                let posterior = ScaleMixtureGp::new(Box::new(kernel), 0.01, prior, train.0.clone(), y).condition()?;
                for (away, (x, y)) in tests.iter().enumerate() {
                    let y: Vec<f64> = y.iter().map(|y| factor * y).collect();
                    let score = scores::regression(posterior.predict(x, (0.0, 1.0))?.as_ref(), &y)?;
                    totals[process][2 * enlarged + away] += score.nlpd / sources.len() as f64;
                }
            }
        }
    }
    let mut table = Table::new(
        "tails",
        "Mean negative log predictive density (nats a row) at fixed hyperparameters, averaged over data sets.",
        &["process", "near", "away", "near, targets x5", "away, targets x5"],
    );
    for (name, row) in ["Gaussian", "Student-t"].into_iter().zip(&totals) {
        table.push([vec![name.into()], row.iter().map(|v| format!("{v:.3}")).collect()].concat());
    }
    run.table(table);
    let [gauss, t] = totals;
    claim.at_most("NLPD of the t process less the Gaussian's, near the data (nats)", t[0] - gauss[0], Some(0.0), -0.3);
    claim.at_most(
        "NLPD of the t process over the Gaussian's, inputs three times as far",
        t[1] / gauss[1],
        Some(1.0),
        0.6,
    );
    claim.at_most("NLPD ratio, targets five times as large", t[2] / gauss[2], Some(1.0), 0.3);
    claim.at_most("NLPD ratio, targets five times as large and inputs as far", t[3] / gauss[3], Some(1.0), 0.3);
    Ok(())
}

/// After learning, the two agree near the data and the t process is no worse away from them.
fn learned_claim(claim: &mut Claim, sources: &[Rng], run: &mut Run) -> Result<()> {
    let (mut near, mut away) = (0.0, 0.0);
    for source in sources {
        let mut rng = source.clone();
        let train = rows(30, 1.0, &mut rng);
        let tests = [rows(200, 1.0, &mut rng), rows(200, 3.0, &mut rng)];
        let mut fits = vec![];
        for tails in [Tails::InverseGamma, Tails::Gauss] {
            let kernel = KernelConfig::Nngp(NngpConfig { depth: 3, ..NngpConfig::default() });
            let config = ScaleMixtureNngpConfig { kernel, tails, ..ScaleMixtureNngpConfig::default() };
            let mut child = run.child(run.seed);
            let input = elbo_core::FromData::from_data(&numbers(&train.0, &train.1))?;
            let model = ScaleMixtureNngp.fit(&config, input, &mut child)?;
            let mut nlpd = vec![];
            for (x, y) in &tests {
                let Prediction::Numbers(marginals) = model.predict(&numbers(x, y), &mut child)? else {
                    unreachable!("numbers are predicted as numbers")
                };
                nlpd.push(scores::regression(marginals.as_ref(), y)?.nlpd);
            }
            fits.push(nlpd);
        }
        near += (fits[0][0] - fits[1][0]) / sources.len() as f64;
        away += (fits[0][1] - fits[1][1]) / sources.len() as f64;
    }
    claim.at_most("after learning: |NLPD difference| near the data (nats)", near.abs(), None, 0.05);
    claim.at_most("after learning: NLPD of t less Gaussian, inputs three times as far", away, Some(0.0), 0.02);
    Ok(())
}

/// Shares of pixels that are replaced by the darkest or the lightest that they are.
const IMPULSES: [f64; 2] = [0.1, 0.3];

/// Digits 0 to 7 learned, 8 and 9 never seen: how well the entropy of a prediction tells them from held-out digits. A scale common to all rows neither
/// spoils that nor helps it, with none of 25 distributions; both are checked, since a gain of 0.01 was once expected here. In the table also, and nothing claimed,
/// how likely the classes of held-out digits are when pixels are replaced, the paper's way of leaving the distribution.
fn digits_claim(claim: &mut Claim, seeds: &[u64], run: &mut Run) -> Result<()> {
    let data = elbo_data::digits8_classes()?;
    let classes: Vec<bool> =
        data.get("digit")?.class_names("digit")?.iter().map(|c| matches!(c.as_deref(), Some("8" | "9"))).collect();
    let rows = |strange: bool| (0..data.rows()).filter(|i| classes[*i] == strange).collect::<Vec<_>>();
    let (known, strangers) = (data.take_rows(&rows(false)), data.take_rows(&rows(true)));
    let mut table = Table::new(
        "digits",
        "Digits 0 to 7, a fifth held out, as they are and with a tenth or three tenths of their pixels as dark or as light as each ever is; 8 and 9 as strangers. The last column is \
         the largest area that any of 25 inverse gamma distributions of the scale gives with the same latent means and variances.",
        &["seed", "process", "log loss", "accuracy", "tenth", "three tenths", "AUROC", "over all scales"],
    );
    let (mut areas, mut reachable) = ([0.0; 2], [0.0; 2]);
    for seed in seeds {
        let (train, test) = elbo_data::holdout(known.rows(), 0.2, &mut Rng::new(*seed))?.apply(&known);
        let corrupted: Vec<Data> =
            (0..).zip(IMPULSES).map(|(k, p)| struck(&test, p, &mut Rng::new(*seed).split(k))).collect();
        for (k, tails) in [Tails::Gauss, Tails::InverseGamma].into_iter().enumerate() {
            let config = ScaleMixtureNngpConfig { tails, ..ScaleMixtureNngpConfig::default() };
            let mut child = run.child(*seed);
            let model = ScaleMixtureNngp.fit(&config, elbo_core::FromData::from_data(&train)?, &mut child)?;
            let mut predicted = |data: &Data| -> Result<Vec<f64>> {
                match model.predict(data, &mut child)? {
                    Prediction::Classes { probabilities, .. } => Ok(probabilities),
                    Prediction::Numbers(_) => unreachable!("classes are predicted as classes"),
                }
            };
            let truth = model.columns.encode_class_target(&test)?;
            let (familiar, strange) = (predicted(&test)?, predicted(&strangers)?);
            let score = scores::classification(8, &familiar, &truth)?;
            let mut losses = [0.0; 2];
            for (loss, data) in losses.iter_mut().zip(&corrupted) {
                *loss = scores::classification(8, &predicted(data)?, &truth)?.log_loss;
            }
            let area = auroc(&entropies(&familiar, 8), &entropies(&strange, 8));
            areas[k] += area / seeds.len() as f64;
            let process = if k == 0 { "Gaussian" } else { "scale mixture" };
            let most = largest_area(&model, &test, &strangers, &mut child)?;
            reachable[k] += most / seeds.len() as f64;
            let numbers = [score.log_loss, score.accuracy, losses[0], losses[1], area, most];
            table.push([vec![seed.to_string(), process.into()], numbers.map(|v| format!("{v:.4}")).to_vec()].concat());
        }
    }
    run.table(table);
    let [gauss, mixture] = areas;
    let difference = (mixture - gauss).abs();
    claim.at_most("digits 8 and 9 told from 0 to 7 by entropy: |AUROC less the Gaussian's|", difference, None, 0.01);
    let gain = reachable.into_iter().fold(f64::NEG_INFINITY, f64::max) - gauss;
    claim.at_most("largest gain in that area by one of 25 distributions of the scale", gain, None, 0.01);
    Ok(())
}

/// The data with a share of the numbers of each row replaced by the least or the greatest of their column. A pixel that is hardly ever lit would, fully white, lie
/// hundreds of standard deviations away and hide all others.
fn struck(data: &Data, share: f64, rng: &mut Rng) -> Data {
    let mut data = data.clone();
    for (_, array) in &mut data.arrays {
        if let Some(mut values) = array.to_f64() {
            let (low, high) =
                values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(*v), h.max(*v)));
            for value in &mut values {
                if rng.uniform() < share {
                    *value = if rng.uniform() < 0.5 { low } else { high };
                }
            }
            *array = Array::column(Values::F64(values));
        }
    }
    data
}

/// The largest area under the curve over a grid of inverse gamma distributions of the scale, their medians a hundredfold apart, with
/// everything else of the model held: what knowledge of the scale alone can change.
fn largest_area(model: &ScaleMixtureNngpModel, known: &Data, strangers: &Data, run: &mut Run) -> Result<f64> {
    let Fitted::Classes(classifier) = &model.fitted else { unreachable!("classes are fitted as classes") };
    let known = table::encode(&model.columns, known, run)?;
    let strangers = table::encode(&model.columns, strangers, run)?;
    let mut most = 0.0f64;
    for alpha in [0.5, 1.0, 2.0, 5.0, 50.0] {
        for size in [0.1, 0.3, 1.0, 3.0, 10.0] {
            let scale = ScalePrior::InverseGamma { alpha, beta: alpha * size };
            let scales: Vec<f64> = (0..16).map(|j| scale.quantile((f64::from(j) + 0.5) / 16.0)).collect();
            let spread = |x: &Tensor| -> Result<Vec<f64>> { Ok(entropies(&classifier.predict_at(x, &scales)?, 8)) };
            most = most.max(auroc(&spread(&known)?, &spread(&strangers)?));
        }
    }
    Ok(most)
}

fn numbers(x: &Tensor, y: &[f64]) -> Data {
    let arrays =
        vec![("x".into(), Array::new(x.shape(), x.to_vec())), ("y".into(), Array::column(Values::F64(y.to_vec())))];
    Data { source: "sines".into(), arrays, target: Some("y".into()), ..Data::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn struck_numbers_are_the_extremes_of_their_own_column() {
        let faint: Vec<f64> = (0..200).map(|i| f64::from(u8::from(i == 7))).collect();
        let wide: Vec<f64> = (0..200).map(f64::from).collect();
        let labels = Values::Text { levels: vec!["a".into()], codes: vec![Some(0); 200] };
        let arrays = [("faint", Values::F64(faint)), ("wide", Values::F64(wide.clone())), ("label", labels)]
            .map(|(name, values)| (name.to_owned(), Array::column(values)));
        let data = Data { source: "made".into(), arrays: arrays.to_vec(), ..Data::default() };
        let found = struck(&data, 0.3, &mut Rng::new(1));
        let numbers = |name: &str| found.get(name).unwrap().to_f64().unwrap();
        assert!(numbers("faint").iter().all(|v| *v == 0.0 || *v == 1.0));
        let moved: Vec<f64> = numbers("wide").into_iter().zip(wide).filter(|(a, b)| a != b).map(|(a, _)| a).collect();
        assert!(moved.iter().all(|v| *v == 0.0 || *v == 199.0), "{moved:?}");
        // Five standard errors of the share.
        assert!((moved.len() as f64 / 200.0 - 0.3).abs() < 0.17, "{}", moved.len());
        assert_eq!(found.get("label").unwrap(), data.get("label").unwrap());
    }
}
