//! Sites by their distributions: the default rule, each estimator against exact sums, and the cheapest of several.

use crate::common::assert_close;
use elbo_core::Rng;
use elbo_dist::batched::{Batched, Bernoulli, Beta, Categorical, DiscretisedLogistic, Gamma, Normal, Poisson};
use elbo_infer::estimator::{Choice, GradientReport, SiteEstimator, choose, report};
use elbo_infer::family::MeanField;
use elbo_infer::{Explicit, Objective};
use elbo_tensor::{Tensor, grad};

fn numbers(values: &[f64]) -> Tensor {
    Tensor::from_slice(values, &[values.len()])
}

#[test]
fn the_rule_takes_paths_then_enumeration_of_few_states_then_the_score() {
    let levels = |count| DiscretisedLogistic::new(numbers(&[0.1]), numbers(&[-1.0]), count);
    let sites: Vec<(&str, Box<dyn Batched>, SiteEstimator)> = vec![
        ("normal", Box::new(Normal::new(numbers(&[0.0]), numbers(&[1.0]))), SiteEstimator::Paths),
        ("gamma", Box::new(Gamma::new(numbers(&[0.3]), numbers(&[1.0]))), SiteEstimator::Paths),
        ("beta", Box::new(Beta::new(numbers(&[0.3]), numbers(&[1.0]))), SiteEstimator::Paths),
        ("bernoulli", Box::new(Bernoulli::new(numbers(&[0.2, 0.1]))), SiteEstimator::Enumeration),
        ("64 classes", Box::new(Categorical::new(&numbers(&[0.0; 64]))), SiteEstimator::Enumeration),
        ("65 classes", Box::new(Categorical::new(&numbers(&[0.0; 65]))), SiteEstimator::Score),
        ("64 levels", Box::new(levels(64)), SiteEstimator::Enumeration),
        ("256 levels", Box::new(levels(256)), SiteEstimator::Score),
        ("poisson", Box::new(Poisson::new(numbers(&[2.0]))), SiteEstimator::Score),
        // Joint states are not listed by the site.
        ("events", Box::new(Bernoulli::new(numbers(&[0.2, 0.1])).to_event(1)), SiteEstimator::Score),
    ];
    for (name, site, expected) in sites {
        let found = SiteEstimator::default_for(&*site);
        assert_eq!(found, expected, "{name}");
        // What the rule chooses works.
        let value = found.surrogate(&*site, found.least_draws(), &mut Rng::new(1), |z| site.log_prob(z) * 0.0 + 2.0);
        let batch: usize = site.batch_shape().iter().product();
        assert!((value.unwrap().item() - 2.0 * batch as f64).abs() < 1e-10, "{name}");
    }
}

#[test]
fn enumeration_is_exact_and_the_score_has_its_mean() {
    // f depends on the class, and on the logits through -log q, as in a bound.
    let f = numbers(&[0.4, -1.0, 2.5]);
    let start = [0.3, -0.2, 0.9];
    let gradient = |estimator: SiteEstimator, rng: &mut Rng| {
        let logits = numbers(&start).variable();
        let site = Categorical::new(&logits);
        let surrogate = estimator.surrogate(&site, 4, rng, |z| f.index_select(0, z) - site.log_prob(z)).unwrap();
        (surrogate.item(), grad(&surrogate, &[&logits])[0].to_vec())
    };
    let p = numbers(&start).softmax(-1).to_vec();
    let each: Vec<f64> = p.iter().zip(f.to_vec()).map(|(p, f)| f - p.ln()).collect();
    let mean: f64 = p.iter().zip(&each).map(|(p, e)| p * e).sum();
    let exact: Vec<f64> = p.iter().zip(&each).map(|(p, e)| p * (e - mean)).collect();
    let (value, found) = gradient(SiteEstimator::Enumeration, &mut Rng::new(0));
    assert!((value - mean).abs() < 1e-14);
    assert_close(&found, &exact, 1e-14, "enumeration");
    for seed in [1, 2, 3] {
        let groups = [("logits".to_owned(), 3)];
        let found =
            report(&groups, 5000, &mut Rng::new(seed), |rng| Ok(gradient(SiteEstimator::Score, rng).1)).unwrap();
        for i in 0..3 {
            let z = (found.mean[i] - exact[i]) / found.errors()[i];
            assert!(z.abs() < 4.0, "seed {seed}, entry {i}: {} and {}, z = {z}", found.mean[i], exact[i]);
        }
    }
}

#[test]
fn paths_have_the_gradient_of_a_known_mean() {
    // E z^2 = m^2 + s^2.
    let (mean, sd) = (numbers(&[0.7]).variable(), numbers(&[0.5]).variable());
    let groups = [("mean".to_owned(), 1), ("sd".to_owned(), 1)];
    let found = report(&groups, 4000, &mut Rng::new(2), |rng| {
        let site = Normal::new(mean.clone(), sd.clone());
        let surrogate = SiteEstimator::Paths.surrogate(&site, 2, rng, Tensor::square)?;
        Ok(grad(&surrogate, &[&mean, &sd]).iter().map(Tensor::item).collect())
    })
    .unwrap();
    for (i, exact) in [1.4, 1.0].into_iter().enumerate() {
        let z = (found.mean[i] - exact) / found.errors()[i];
        assert!(z.abs() < 4.0, "entry {i}: {} and {exact}, z = {z}", found.mean[i]);
    }
}

#[test]
fn sites_without_such_an_estimator_are_refused() {
    let refuse = |estimator: SiteEstimator, site: &dyn Batched, draws: usize, part: &str| {
        let error = estimator.surrogate(site, draws, &mut Rng::new(0), |z| site.log_prob(z)).unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
    };
    let count = Poisson::new(numbers(&[2.0]));
    refuse(SiteEstimator::Score, &count, 3, "`draws` is 3");
    refuse(SiteEstimator::Paths, &count, 1, "without reparameterised draws");
    refuse(SiteEstimator::Enumeration, &count, 1, "without a finite support");
    let event = Bernoulli::new(numbers(&[0.2]));
    let error = SiteEstimator::Enumeration.surrogate(&event, 1, &mut Rng::new(0), |z| z.log()).unwrap_err();
    assert!(error.is_recoverable() && error.to_string().contains("not finite"), "{error}");
    assert!(SiteEstimator::Paths.needs_gradient() && !SiteEstimator::Score.needs_gradient());
}

/// A report of two groups with these variances.
fn noise(first: f64, second: f64) -> GradientReport {
    GradientReport {
        names: vec!["mean".into(), "sd".into()],
        sizes: vec![1, 2],
        mean: vec![1.0; 3],
        variance: vec![first, 0.5 * second, 0.5 * second],
        count: 10,
    }
}

#[test]
fn the_cheapest_estimator_has_the_least_variance_times_cost() {
    // Prices of the whole 6, 4.5 and 10, of the first group 2, 3 and 5, of the second 4, 1.5 and 5.
    let choice = Choice::new().with("a", 1.0, noise(2.0, 4.0)).unwrap();
    let choice = choice.with("b", 3.0, noise(1.0, 0.5)).unwrap().with("c", 10.0, noise(0.5, 0.5)).unwrap();
    assert_eq!(choice.cheapest().unwrap().name, "b");
    assert_eq!(choice.cheapest_by_group(), [("mean", "a"), ("sd", "b")]);
    assert!(choice.verdict().contains("cheapest estimator is b; a costs 1.333 times"), "{}", choice.verdict());
    let table = choice.table();
    let winners: Vec<String> =
        table.rows.iter().filter(|r| r[5] == "yes").map(|r| format!("{} {}", r[0], r[1])).collect();
    assert_eq!((table.rows.len(), winners), (6, vec!["mean a".to_owned(), "sd b".to_owned()]));
    // What has no number does not win, and nothing is no choice.
    for nan in [f64::NAN, -f64::NAN] {
        let unknown = Choice::new().with("nan", 1.0, noise(nan, 1.0)).unwrap();
        let unknown = unknown.with("d", 1.0, noise(9.0, 9.0)).unwrap();
        assert_eq!(unknown.cheapest().unwrap().name, "d");
    }
    assert!(Choice::new().cheapest().is_none() && Choice::new().cheapest_by_group().is_empty());
    let other = GradientReport { sizes: vec![2, 1], ..noise(1.0, 1.0) };
    let error = choice.clone().with("e", 1.0, other).unwrap_err().to_string();
    assert!(error.contains("`report` is of the groups"), "{error}");
    assert!(choice.with("f", 0.0, noise(1.0, 1.0)).unwrap_err().to_string().contains("`cost` is 0"));
}

#[test]
fn the_cheapest_estimator_is_named_where_it_is_known() {
    let names = |choice: &Choice| choice.candidates().iter().map(|c| c.name.clone()).collect::<Vec<_>>();
    let normal = Explicit::new(1, |z: &[f64], g: &mut [f64]| {
        g[0] = -(z[0] - 1.0) / 0.25;
        -0.5 * (z[0] - 1.0).powi(2) / 0.25
    });
    // A wave of height 3 and frequency 50: paths have the variance (3 * 50)^2 / 2 a draw in the mean, the score 3^2 / 2, at a third of the cost.
    let wave = Explicit::new(1, |z: &[f64], g: &mut [f64]| {
        g[0] = 150.0 * (50.0 * z[0]).cos() - z[0];
        3.0 * (50.0 * z[0]).sin() - 0.5 * z[0] * z[0]
    });
    for seed in [1, 2, 3] {
        let mut rng = Rng::new(seed);
        // The log weight is a line of slope -0.2. A draw's variance in mean and log deviation: 0 and 0.01 with held parameters, 0.08 and 0.1 by
        // the score, 4 and more otherwise.
        let near = MeanField::new(&[1.05], &[0.5]);
        let smooth = choose(&Objective::ELBO, &normal, &near, 4, 400, &mut rng).unwrap();
        assert_eq!(names(&smooth), ["reparameterised", "closed-entropy", "sticking-the-landing", "score"]);
        assert_eq!(smooth.cheapest().unwrap().name, "sticking-the-landing");
        let costs: Vec<f64> = smooth.candidates().iter().map(|c| c.cost).collect();
        assert_eq!(costs, [12.0, 12.0, 12.0, 4.0]);
        let standard = MeanField::new(&[0.0], &[1.0]);
        let rough = choose(&Objective::ELBO, &wave, &standard, 4, 200, &mut rng).unwrap();
        assert_eq!(rough.cheapest_by_group(), [("mean", "score"), ("sd", "score")]);
        let weighted = choose(&Objective::IWAE, &normal, &near, 4, 100, &mut rng).unwrap();
        assert_eq!(names(&weighted), ["reparameterised", "doubly-reparameterised", "score"]);
        assert_eq!(weighted.cheapest().unwrap().name, "doubly-reparameterised");
    }
    let family = MeanField::new(&[0.0], &[1.0]);
    let error = choose(&Objective::VarGrad, &wave, &family, 4, 10, &mut Rng::new(0)).unwrap_err().to_string();
    assert!(error.contains("of the power family"), "{error}");
    let error = choose(&Objective::ELBO, &wave, &family, 1, 10, &mut Rng::new(0)).unwrap_err().to_string();
    assert!(error.contains("`draws` is 1"), "{error}");
}
