//! Scores: values against sampling and closed forms, gradients against differences, tails.

use crate::{assert_gradient, check_gradient, wavy};
use elbo_core::Rng;
use elbo_decide::acquisition::{
    About, Acquisition, Adjusted, Analytic, EntropySearch, Feasibility, KnowledgeGradient, LocalPenalty, Minimum,
    MonteCarlo, MonteCarloOptions, OneShot, OnlyFeasible, PathScore, PerCost, Schedule, Score, entropy_fall,
    knowledge_gradient, log_h, minimum_probabilities, smallest_mean,
};
use elbo_decide::surrogate::{Gp, Hyper, Path};
use elbo_decide::{FailureModel, Space};

#[test]
fn the_logarithm_of_h_is_accurate_far_into_the_tail() {
    // h(z) = phi(z)/z² (1 - 3/z² + 15/z⁴ - ...) for very negative z.
    let reference = |z: f64| {
        let s = 1.0 / (z * z);
        -0.5 * z * z - 0.5 * std::f64::consts::TAU.ln()
            + s.ln()
            + (1.0 - 3.0 * s + 15.0 * s * s - 105.0 * s.powi(3) + 945.0 * s.powi(4)).ln()
    };
    for z in [-50.0, -300.0, -1e4, -1e5, -1e7, -1e9] {
        let value = log_h(z);
        assert!((value - reference(z)).abs() <= 1e-12 * value.abs(), "{z}: {value} and {}", reference(z));
    }
    // Both sides of the switches agree.
    for z in [-1.0f64, -1.0 / f64::EPSILON.sqrt()] {
        let (a, b) = (log_h(z * (1.0 + 1e-13)), log_h(z * (1.0 - 1e-13)));
        assert!((a - b).abs() < 1e-11 * a.abs(), "{z}: {a} and {b}");
    }
    assert!((log_h(0.0) + 0.5 * std::f64::consts::TAU.ln()).abs() < 1e-15);
    assert!((log_h(10.0) - 10f64.ln()).abs() < 1e-12);
}

#[test]
fn scores_of_mean_and_variance_have_the_slopes_of_differences() {
    let scores =
        [Score::Ei, Score::LogEi, Score::Pi { margin: 0.1 }, Score::LogPi { margin: 0.1 }, Score::Lcb { beta: 2.0 }];
    for score in scores {
        for (mean, variance) in [(0.3, 0.5), (2.0, 0.04), (-1.0, 1.5)] {
            let (_, by_mean, by_variance) = score.of(mean, variance, 0.2);
            assert_gradient(
                &format!("{score:?}"),
                |p| score.of(p[0], p[1], 0.2).0,
                &[by_mean, by_variance],
                &[mean, variance],
                1e-5,
            );
        }
    }
    let (plain, log) = (Score::Ei.of(0.3, 0.5, 0.2).0, Score::LogEi.of(0.3, 0.5, 0.2).0);
    assert!((plain.ln() - log).abs() < 1e-13);
    // Where expected improvement has vanished, its logarithm still points somewhere.
    let far = Score::LogEi.of(80.0, 1.0, 0.0);
    assert!(Score::Ei.of(80.0, 1.0, 0.0).0 == 0.0 && far.0.is_finite() && far.1 < -50.0);
    assert!((Schedule::Study.beta(5, 10) - 2.0 * (500.0 * std::f64::consts::PI.powi(2) / 0.06f64).ln()).abs() < 1e-12);
}

#[test]
fn every_score_has_the_gradient_of_differences() {
    let gp = wavy(0.01);
    let mut rng = Rng::new(21);
    let incumbent = smallest_mean(&gp);
    let at = [0.35, 0.62, 0.4];
    let failures = {
        let ok: Vec<bool> = gp.inputs().chunks(3).map(|x| x[1] < 0.6).collect();
        FailureModel::learn(gp.inputs(), &ok, &[0, 1, 2]).unwrap()
    };
    let limit = wavy(0.1);
    let feasibility = || Feasibility { limits: vec![&limit], failures: Some(&failures) };
    for score in [Score::Ei, Score::LogEi, Score::LogPi { margin: 0.01 }, Score::Lcb { beta: 3.0 }] {
        check_gradient(&format!("{score:?}"), &Analytic::new(&gp, score, incumbent), &at);
        let constrained = Analytic { gp: &gp, score, incumbent, feasibility: feasibility() };
        check_gradient(&format!("constrained {score:?}"), &constrained, &at);
    }
    check_gradient("feasibility", &OnlyFeasible(feasibility()), &at);
    check_gradient("path", &PathScore(Path::draw(&gp, 64, &mut rng)), &at);
    check_gradient("knowledge gradient", &KnowledgeGradient::new(&gp, &rng.uniforms(3 * 20)), &at);
    let pending = rng.uniforms(3 * 2);
    for is_log in [true, false] {
        for count in [1, 3] {
            let options = MonteCarloOptions { count, samples: 64, is_log };
            let x = rng.uniforms(3 * count);
            let mut make = |incumbent, fixed: &[f64], feasibility| {
                MonteCarlo::new(&gp, options, incumbent, fixed, feasibility, &mut rng).unwrap()
            };
            check_gradient("qEI", &make(incumbent, &[], Feasibility::default()), &x);
            check_gradient("qEI, pending", &make(incumbent, &pending, Feasibility::default()), &x);
            check_gradient("qNEI", &make(f64::INFINITY, &gp.inputs()[..12], Feasibility::default()), &x);
            if is_log {
                check_gradient("constrained qLogEI", &make(incumbent, &pending, feasibility()), &x);
            }
        }
    }
}

#[test]
fn penalties_and_costs_have_their_closed_forms_and_the_gradients_of_differences() {
    let (gp, log_cost) = (wavy(0.01), wavy(0.1));
    let mut rng = Rng::new(22);
    let incumbent = smallest_mean(&gp);
    let pending = [[0.3, 0.6, 0.5], [0.8, 0.1, 0.4]];
    let places: Vec<&[f64]> = pending.iter().map(|p| &p[..]).collect();
    let penalty = LocalPenalty::new(&gp, &Space::cube(&[(0.0, 1.0); 3]), &places, incumbent, &mut rng);
    let score = Analytic::new(&gp, Score::LogEi, incumbent);
    let cost = PerCost { gp: &log_cost, power: 0.7 };
    let at = [0.35, 0.62, 0.4];
    check_gradient("penalised", &Adjusted { score: &score, penalty: Some(&penalty), cost: None }, &at);
    check_gradient("per cost", &Adjusted { score: &score, penalty: None, cost: Some(cost) }, &at);
    check_gradient("both", &Adjusted { score: &score, penalty: Some(&penalty), cost: Some(cost) }, &at);
    let term = |x: &[f64]| penalty.add(x, &mut [0.0; 3]);
    assert!(term(&at) < 0.0 && term(&[50.0; 3]) > -1e-12, "{} {}", term(&at), term(&[50.0; 3]));

    // At the only pending point the distance does not count: log Φ((f* - μ) / σ).
    let alone = LocalPenalty::new(&gp, &Space::cube(&[(0.0, 1.0); 3]), &places[..1], incumbent, &mut rng);
    let joint = gp.joint(places[0]);
    let z = (incumbent - joint.mean[0]) / joint.covariance[0].sqrt();
    let expected = elbo_tensor::special::log_ndtr(z);
    assert!((alone.add(places[0], &mut [0.0; 3]) - expected).abs() < 1e-12);

    // Far from all data log costs are N(0, 1 + 0.04): the mean of such a cost is exp(0.52).
    let hyper = Hyper { lengthscale: vec![0.1], variance: 1.0, noise: 0.04 };
    let far = Gp::with_hyper(&[0.0], &[2.0], &[0], hyper).unwrap();
    let cost = PerCost { gp: &far, power: 0.5 };
    assert!((cost.expected(&[1e3]) - 0.52f64.exp()).abs() < 1e-9, "{}", cost.expected(&[1e3]));
    assert!((cost.add(&[1e3], &mut [0.0]) + 0.26).abs() < 1e-9);
}

#[test]
fn monte_carlo_agrees_with_the_closed_form_at_one_point() {
    let gp = wavy(0.01);
    let incumbent = smallest_mean(&gp) + 0.3;
    let at = [0.9, 0.2, 0.7];
    let exact = Analytic::new(&gp, Score::LogEi, incumbent).values(&at, 3)[0];
    let options = MonteCarloOptions { count: 1, samples: 4096, is_log: true };
    let sampled = MonteCarlo::new(&gp, options, incumbent, &[], Feasibility::default(), &mut Rng::new(2)).unwrap();
    assert!((sampled.values(&at, 3)[0] - exact).abs() < 0.01);
    // Two points are worth at least as much as either, and a pending copy of a point leaves nothing.
    let both = MonteCarlo::new(
        &gp,
        MonteCarloOptions { count: 2, ..options },
        incumbent,
        &[],
        Feasibility::default(),
        &mut Rng::new(2),
    )
    .unwrap();
    let pair = both.values(&[0.9, 0.2, 0.7, 0.1, 0.9, 0.3], 6)[0];
    assert!(pair > exact - 0.02);
    let taken = MonteCarlo::new(&gp, options, incumbent, &at, Feasibility::default(), &mut Rng::new(2)).unwrap();
    assert!(taken.values(&at, 3)[0] < exact - 5.0);
}

#[test]
fn the_knowledge_gradient_is_the_mean_of_the_largest_line() {
    let mut rng = Rng::new(4);
    for trial in 0..5 {
        let (a, mut b) = (rng.normals(8), rng.normals(8));
        if trial == 0 {
            b[3] = b[5];
        }
        let (value, gradient) = knowledge_gradient(&a, &b);
        let draws = 200_000;
        let best = |z: f64| a.iter().zip(&b).map(|(a, b)| a + b * z).fold(f64::NEG_INFINITY, f64::max);
        let mean = (0..draws).map(|_| best(rng.normal())).sum::<f64>() / f64::from(draws);
        let expected = mean - a.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        assert!((value - expected).abs() < 0.02, "{value} and {expected}");
        if trial > 0 {
            assert_gradient("slopes", |b| knowledge_gradient(&a, b).0, &gradient, &b, 1e-5);
        }
    }
    assert_eq!(knowledge_gradient(&[1.0], &[3.0]).0, 0.0);
}

#[test]
fn failures_make_their_neighbourhood_unlikely() {
    let x: Vec<f64> = (0..20).map(|i| f64::from(i) / 19.0).collect();
    let ok: Vec<bool> = x.iter().map(|x| *x < 0.7).collect();
    let model = FailureModel::learn(&x, &ok, &[0]).unwrap();
    let chance = |x: f64| model.log_success(&[x], &mut [0.0]).exp();
    assert!(
        chance(0.2) > 0.9 && chance(0.95) < 0.2 && (0.3..0.7).contains(&chance(0.68)),
        "{} {} {}",
        chance(0.2),
        chance(0.95),
        chance(0.68)
    );
}

/// Minima of the wavy function that are neither its data nor each other.
fn drawn() -> Vec<Minimum> {
    let at = |point: [f64; 3], value| Minimum { point: point.to_vec(), value };
    vec![at([0.8, 0.1, 0.9], -1.9), at([0.7, 0.3, 0.95], -1.6), at([0.1, 0.15, 0.8], -1.7)]
}

#[test]
fn entropy_searches_and_the_one_shot_gradient_have_the_gradient_of_differences() {
    let gp = wavy(0.01);
    let limit = wavy(0.1);
    for about in [About::Value, About::Place, About::Both] {
        for feasibility in [Feasibility::default(), Feasibility { limits: vec![&limit], failures: None }] {
            let score = EntropySearch::new(&gp, about, drawn(), feasibility).unwrap();
            for at in [[0.35, 0.62, 0.4], [0.75, 0.2, 0.85]] {
                check_gradient(&format!("{about:?}"), &score, &at);
            }
        }
    }
    let score = OneShot::new(&gp, 4);
    check_gradient("one shot", &score, &Rng::new(3).uniforms(3 * 5));
}

#[test]
fn information_about_the_minimum_is_that_of_the_laws_it_compares() {
    let gp = wavy(0.01);
    let at = [0.75, 0.2, 0.85];
    let joint = gp.joint(&at);
    let (mean, sd, noise) = (joint.mean[0], joint.covariance[0].sqrt(), gp.hyper().noise);
    // A minimum far below and far away tells next to nothing.
    for about in [About::Value, About::Both] {
        let far = Minimum { point: vec![0.05, 0.95, 0.1], value: mean - 60.0 * sd };
        let score = EntropySearch::new(&gp, about, vec![far], Feasibility::default()).unwrap();
        let value = score.values(&at, 3)[0];
        assert!(value > -1e-9 && value < 0.05, "{about:?}: {value}");
    }
    // Without noise, the value's is the entropy that a normal loses when cut at the minimum: log of the kept share and the moments of a truncated
    // normal, here by a sum over a fine grid.
    let minimum = mean - 0.4 * sd;
    let score = EntropySearch::new(
        &gp,
        About::Value,
        vec![Minimum { point: vec![0.0; 3], value: minimum }],
        Feasibility::default(),
    )
    .unwrap();
    let (mut mass, mut entropy) = (0.0, 0.0);
    let step = 1e-4;
    let density = |z: f64| (-0.5 * z * z).exp() / std::f64::consts::TAU.sqrt();
    for i in 0..120_000 {
        mass += step * density(-0.4 + step * (f64::from(i) + 0.5));
    }
    for i in 0..120_000 {
        let p = density(-0.4 + step * (f64::from(i) + 0.5)) / mass;
        entropy -= if p > 0.0 { step * p * p.ln() } else { 0.0 };
    }
    let whole = 0.5 * (std::f64::consts::TAU * std::f64::consts::E).ln();
    let value = score.values(&at, 3)[0];
    assert!((value - (whole - entropy)).abs() < 1e-4, "{value} and {}", whole - entropy);
    // The variance that is left of a place is that of sampling f(x) and f(x*) with the first above the second.
    let place = [0.8, 0.1, 0.9];
    let both = gp.joint(&[at, place].concat());
    let (l11, l21) = (both.covariance[0].sqrt(), both.covariance[2] / both.covariance[0].sqrt());
    let l22 = (both.covariance[3] - l21 * l21).sqrt();
    let mut rng = Rng::new(8);
    let kept: Vec<f64> = (0..400_000)
        .filter_map(|_| {
            let (a, b) = (rng.normal(), rng.normal());
            let (x, y) = (both.mean[0] + l11 * a, both.mean[1] + l21 * a + l22 * b);
            (x > y).then_some(x)
        })
        .collect();
    let n = kept.len() as f64;
    let average = kept.iter().sum::<f64>() / n;
    let left = kept.iter().map(|x| (x - average).powi(2)).sum::<f64>() / n;
    let expected = 0.5 * ((sd * sd + noise) / (left + noise)).ln();
    let minimum = Minimum { point: place.to_vec(), value: 0.0 };
    let score = EntropySearch::new(&gp, About::Place, vec![minimum], Feasibility::default()).unwrap();
    let value = score.values(&at, 3)[0];
    // A variance of so many draws errs by about three in a thousand.
    assert!((value - expected).abs() < 0.01, "{value} and {expected}");
}

#[test]
fn the_entropy_of_the_minimum_falls_to_zero_when_everything_is_measured() {
    // Two places with independent standard normal values: each is the smaller one half of the time.
    let mut rng = Rng::new(5);
    let draws: Vec<Vec<f64>> = (0..4000).map(|_| rng.normals(2)).collect();
    let p = minimum_probabilities(&draws);
    assert!((p[0] - 0.5).abs() < 0.04 && (p[0] + p[1] - 1.0).abs() < 1e-12);
    // Measuring their difference without noise settles it; measuring something else changes nothing.
    let difference: Vec<f64> = draws.iter().map(|d| d[0] - d[1]).collect();
    let root = 0.5f64.sqrt();
    let fantasies = [-1.5, -0.5, 0.5, 1.5];
    let fall = entropy_fall(&draws, &difference, &[root, -root], (0.0, 2f64.sqrt()), &fantasies);
    assert!((fall - 2f64.ln()).abs() < 0.01, "{fall}");
    let other = rng.normals(4000);
    assert!(entropy_fall(&draws, &other, &[0.0, 0.0], (0.0, 1.0), &fantasies).abs() < 1e-12);
}

#[test]
fn one_shot_agrees_with_the_finite_set_once_its_places_are_the_best_of_it() {
    let gp = wavy(0.05);
    let set = Rng::new(2).uniforms(3 * 40);
    let at = [0.9, 0.2, 0.7];
    let finite = KnowledgeGradient::new(&gp, &set).values(&at, 3)[0].exp();
    let fantasies = 512;
    let score = OneShot::new(&gp, fantasies);
    // For each fantasy the best place of the set.
    let (joint, places) = (gp.joint(&at), gp.joint(&set));
    let cross = gp.between(&places, &joint);
    let spread = (joint.covariance[0] + gp.hyper().noise).sqrt();
    let mut x = at.to_vec();
    for k in 0..fantasies {
        let z = elbo_tensor::special::ndtri((k as f64 + 0.5) / fantasies as f64);
        let value = |i: usize| places.mean[i] + z * cross[i] / spread;
        let best = (0..40).fold(0, |b, i| if value(i) < value(b) { i } else { b });
        x.extend_from_slice(&set[3 * best..3 * best + 3]);
    }
    let smallest = places.mean.iter().copied().fold(f64::INFINITY, f64::min);
    let value = score.values(&x, x.len())[0] + smallest;
    // Midpoints of quantiles leave out the ends of both tails, from which the gradient lives.
    assert!(value < finite && value > 0.95 * finite, "{value} and {finite}");
}
