//! Ask and tell.

use elbo_core::{Error, Rng, Run};
use elbo_decide::ask::{AcquisitionKind, AskConfig, Source, Surrogates, ask};
use elbo_decide::functions::{function, gramacy};
use elbo_decide::maximise::MaximiseConfig;
use elbo_decide::surrogate::SurrogateConfig;
use elbo_decide::trial_loop::Loop;
use elbo_decide::{Domain, History, Outcome, Space, Trust, Variable};

fn quick() -> AskConfig {
    AskConfig {
        samples: 64,
        maximise: MaximiseConfig { raw: 64, starts: 4, steps: 40, ..MaximiseConfig::default() },
        ..AskConfig::default()
    }
}

fn quick_surrogate() -> SurrogateConfig {
    SurrogateConfig { starts: 2, iterations: 50, ..SurrogateConfig::default() }
}

#[test]
fn nothing_known_gives_a_design_and_the_same_seed_the_same_points() {
    let space = Space::cube(&[(0.0, 1.0), (0.0, 1.0)]);
    let give =
        |seed| ask(&space, &History::default(), &Surrogates::default(), &quick(), 4, &mut Rng::new(seed)).unwrap();
    let points = give(1);
    assert_eq!(points.len(), 4);
    assert!(points.iter().all(|p| p.source == Source::Design && p.mean.is_nan() && p.feasible == 1.0));
    assert!(format!("{:?}", give(1)) == format!("{points:?}") && give(2)[0].point != points[0].point);
}

#[test]
fn branin_is_minimised_in_a_few_trials_by_every_score_but_the_entropies() {
    let branin = function("branin", 2).unwrap();
    // Median regret of three seeds; the bounds are about half more than the third quartile of twelve other seeds.
    let kinds = [
        (AcquisitionKind::LogEi, 0.06),
        (AcquisitionKind::LogNei, 0.5),
        (AcquisitionKind::Ei, 0.05),
        (AcquisitionKind::Pi, 0.05),
        (AcquisitionKind::Lcb, 0.05),
        (AcquisitionKind::Thompson, 0.8),
        (AcquisitionKind::KnowledgeGradient, 0.8),
    ];
    for (acquisition, within) in kinds {
        let looped = Loop { surrogate: quick_surrogate(), ask: AskConfig { acquisition, ..quick() }, trials: 24 };
        let regret = |seed| looped.run(&branin, None, &mut Run::new(seed)).unwrap().best() - branin.optimum;
        let regrets = [21, 22, 23].map(regret);
        let median = elbo_decide::regret::quartiles(&regrets)[1];
        assert!(median < within, "{acquisition:?}: {regrets:?}");
    }
}

#[test]
fn information_is_looked_for_around_the_minimum() {
    let space = Space::cube(&[(0.0, 1.0)]);
    let history = line(&[1.0, 0.6, 0.1, 0.0, 0.4, 0.9, 1.3]);
    let surrogates = Surrogates::fit(&space, &history, &quick_surrogate(), None, &mut Rng::new(1)).unwrap();
    for acquisition in
        [AcquisitionKind::MaxValueEntropy, AcquisitionKind::PredictiveEntropy, AcquisitionKind::JointEntropy]
    {
        let config = AskConfig { acquisition, ..quick() };
        for seed in [1, 2, 3] {
            let next = ask(&space, &history, &surrogates, &config, 2, &mut Rng::new(seed)).unwrap();
            let places = [next[0].point[0], next[1].point[0]];
            assert!((0.25..0.65).contains(&places[0]), "{acquisition:?}: {places:?}");
            // The first is pending when the second is chosen.
            assert!((places[0] - places[1]).abs() > 1e-6 && next[0].score.is_finite(), "{acquisition:?}: {places:?}");
        }
    }
}

/// A history of these values on a grid of the unit interval.
fn line(values: &[f64]) -> History {
    let mut history = History::default();
    values.iter().enumerate().for_each(|(i, y)| history.tell(vec![i as f64 / (values.len() - 1) as f64], *y));
    history
}

#[test]
fn a_batch_spreads_and_keeps_away_from_pending_points() {
    let space = Space::cube(&[(0.0, 1.0)]);
    let mut history = line(&[1.0, 0.2, 0.9, 0.1, 1.2, 0.8]);
    let surrogates = Surrogates::fit(&space, &history, &quick_surrogate(), None, &mut Rng::new(1)).unwrap();
    let give = |history: &History, count| ask(&space, history, &surrogates, &quick(), count, &mut Rng::new(5)).unwrap();
    let batch = give(&history, 3);
    assert!(batch.iter().all(|s| s.source == Source::Model && s.mean.is_finite() && s.sd > 0.0));
    for i in 0..3 {
        for j in 0..i {
            assert!((batch[i].point[0] - batch[j].point[0]).abs() > 0.01, "{batch:?}");
        }
    }
    // The first point, once pending, is not suggested again.
    history.points.push(batch[0].point.clone());
    history.outcomes.push(Outcome::Pending);
    let next = give(&history, 1);
    assert!((next[0].point[0] - batch[0].point[0]).abs() > 0.01);
}

#[test]
fn failures_are_avoided_and_do_not_count_as_values() {
    // The slope leads to where trials fail.
    let space = Space::cube(&[(0.0, 1.0)]);
    let mut history = line(&[1.0, 0.9, 0.8, 0.7, 0.6, 0.5]);
    history.points.iter_mut().for_each(|p| p[0] *= 0.5);
    for x in [0.7, 0.8, 0.9, 1.0] {
        history.points.push(vec![x]);
        history.outcomes.push(Outcome::Failed);
    }
    let surrogates = Surrogates::fit(&space, &history, &quick_surrogate(), None, &mut Rng::new(1)).unwrap();
    assert_eq!(surrogates.objective.as_ref().unwrap().len(), 6);
    let next = ask(&space, &history, &surrogates, &quick(), 1, &mut Rng::new(2)).unwrap();
    assert!(next[0].point[0] > 0.45 && next[0].point[0] < 0.7, "{next:?}");
    assert!(next[0].feasible < 1.0);
}

#[test]
fn limits_are_kept_and_first_of_all_looked_for() {
    let problem = gramacy();
    let space = Space::cube(&problem.bounds);
    let mut history = History { slacks: vec![vec![], vec![]], ..History::default() };
    let tell = |history: &mut History, point: Vec<f64>| {
        history.outcomes.push(Outcome::Measured((problem.value)(&point)));
        problem.constraints.iter().enumerate().for_each(|(c, f)| history.slacks[c].push(f(&point)));
        history.points.push(point);
    };
    // All in the infeasible corner.
    for point in [[0.05, 0.05], [0.1, 0.02], [0.02, 0.12], [0.15, 0.1], [0.2, 0.05]] {
        tell(&mut history, point.to_vec());
    }
    assert!(history.best().is_none());
    let mut rng = Rng::new(4);
    for trial in 0..22 {
        let surrogates = Surrogates::fit(&space, &history, &quick_surrogate(), None, &mut rng).unwrap();
        let next = ask(&space, &history, &surrogates, &quick(), 1, &mut rng).unwrap().remove(0);
        assert!(trial > 0 || next.source == Source::Limits);
        tell(&mut history, next.point);
    }
    let (_, best) = history.best().expect("a feasible trial");
    assert!(best < problem.optimum + 0.05, "{best}");
}

#[test]
fn mixed_spaces_find_the_right_category_and_integer() {
    let text = |values: &[&str]| values.iter().map(|v| (*v).to_owned()).collect();
    let space = Space::new(vec![
        Variable::real("x", 0.0, 1.0),
        Variable::new("n", Domain::Integer { low: 1, high: 30, log: false }),
        Variable::new("c", Domain::Categorical { values: text(&["a", "b", "c"]) }),
    ]);
    let value = |encoded: &[f64]| {
        let v = space.decode(encoded);
        (v[0] - 0.3).powi(2) + ((v[1] - 17.0) / 10.0).powi(2) + if v[2] == 1.0 { 0.0 } else { 0.5 }
    };
    let mut history = History::default();
    let mut rng = Rng::new(9);
    for _ in 0..26 {
        let surrogates = if history.len() < 6 {
            Surrogates::default()
        } else {
            Surrogates::fit(&space, &history, &quick_surrogate(), None, &mut rng).unwrap()
        };
        let next = ask(&space, &history, &surrogates, &quick(), 1, &mut rng).unwrap().remove(0);
        let y = value(&next.point);
        history.tell(next.point, y);
    }
    let (row, best) = history.best().unwrap();
    assert!(
        best < 0.03 && space.decode(&history.points[row])[2] == 1.0,
        "{best}: {:?}",
        space.decode(&history.points[row])
    );
}

#[test]
fn a_discrete_space_is_never_asked_twice_and_says_when_it_is_exhausted() {
    let space = Space::new(vec![
        Variable::new("n", Domain::Integer { low: 0, high: 3, log: false }),
        Variable::new("o", Domain::Ordinal { values: vec!["s".into(), "m".into(), "l".into()] }),
    ]);
    let mut history = History::default();
    let mut rng = Rng::new(9);
    for _ in 0..12 {
        let surrogates = Surrogates::fit(&space, &history, &quick_surrogate(), None, &mut rng).unwrap();
        let next = ask(&space, &history, &surrogates, &quick(), 1, &mut rng).unwrap().remove(0);
        assert!(history.points.iter().all(|p| *p != next.point));
        let y = space.decode(&next.point).iter().sum();
        history.tell(next.point, y);
    }
    let surrogates = Surrogates::fit(&space, &history, &quick_surrogate(), None, &mut rng).unwrap();
    let error = ask(&space, &history, &surrogates, &quick(), 1, &mut rng).unwrap_err();
    assert!(matches!(error, Error::Data { .. }) && error.to_string().contains("all 12 points"), "{error}");
    let error = ask(&space, &History::default(), &Surrogates::default(), &quick(), 13, &mut rng).unwrap_err();
    assert!(error.to_string().contains("no room for 13"), "{error}");
}

#[test]
fn a_trust_region_doubles_halves_and_starts_anew() {
    let told = |values: &[f64]| {
        let mut history = History::default();
        values.iter().enumerate().for_each(|(i, y)| history.tell(vec![0.1 * (i % 10) as f64, 0.5], *y));
        Trust::read(&history, 2, 2)
    };
    assert_eq!(told(&[3.0, 2.0]), Trust { side: 0.8, since: 0, centre: Some(1) });
    // Three falls in a row after the design.
    assert_eq!(told(&[3.0, 2.0, 1.5, 1.0, 0.5]), Trust { side: 1.6, since: 0, centre: Some(4) });
    // A fall of less than a thousandth is none; four failures halve.
    assert_eq!(told(&[3.0, 2.0, 1.9999, 5.0, 5.0, 5.0]), Trust { side: 0.4, since: 0, centre: Some(2) });
    // 0.8 halves seven times to below 2^-7.
    let mut values = vec![9.0; 2 + 7 * 4];
    values[0] = 1.0;
    assert_eq!(told(&values), Trust { side: 0.8, since: 30, centre: None });
    values.extend([8.0, 7.0]);
    assert_eq!(told(&values), Trust { side: 0.8, since: 30, centre: Some(31) });
}

#[test]
fn in_many_variables_suggestions_stay_in_the_region() {
    let dims = 16;
    let space = Space::cube(&[(0.0, 1.0); 16]);
    let mut rng = Rng::new(6);
    let mut history = History::default();
    let value = |x: &[f64]| x.iter().map(|v| (v - 0.3).powi(2)).sum::<f64>();
    for point in elbo_decide::design::Design::Sobol.points(32, dims, &mut rng) {
        let y = value(&point);
        history.tell(point, y);
    }
    // Sixteen failures: the side is 0.4.
    let worst = vec![1.0; dims];
    (0..16).for_each(|_| history.tell(worst.iter().map(|v| v - 0.1 * rng.uniform()).collect(), 9.0));
    let surrogates = Surrogates::fit(&space, &history, &quick_surrogate(), None, &mut rng).unwrap();
    let trust = Trust::read(&history, dims, 32);
    assert_eq!(trust.side, 0.4);
    let gp = surrogates.objective.as_ref().unwrap();
    let region = trust.region(&space, &history, gp);
    let next = ask(&space, &history, &surrogates, &quick(), 1, &mut rng).unwrap().remove(0);
    assert_eq!(next.source, Source::Model);
    let inside = |e: usize| (region.low[e]..=region.high[e]).contains(&next.point[e]);
    assert!((0..dims).all(inside), "{:?} in {region:?}", next.point);
    assert!((0..dims).any(|e| region.high[e] - region.low[e] < 0.6), "{region:?}");
    // Not asked for, there is none.
    let free = AskConfig { trust_region: Some(false), ..quick() };
    assert!(ask(&space, &history, &surrogates, &free, 1, &mut rng).unwrap()[0].point != next.point);
}

#[test]
fn conditional_variables_are_suggested_only_where_they_count() {
    let space: Space = serde_json::from_value(serde_json::json!([
        {"name": "kind", "type": "categorical", "values": ["plain", "tuned"]},
        {"name": "x", "low": 0, "high": 1},
        {"name": "y", "low": 0, "high": 1, "when": {"variable": "kind", "is": ["tuned"]}},
    ]))
    .unwrap();
    // The tuned kind is better near y = 0.8 and worse elsewhere.
    let value = |natural: &[f64]| {
        let tuned = if natural[0] == 1.0 { 4.0 * (natural[2] - 0.8).powi(2) - 0.3 } else { 0.0 };
        (natural[1] - 0.4).powi(2) + tuned
    };
    let mut history = History::default();
    let mut rng = Rng::new(4);
    for _ in 0..22 {
        let surrogates = Surrogates::fit(&space, &history, &quick_surrogate(), None, &mut rng).unwrap();
        let next = ask(&space, &history, &surrogates, &quick(), 1, &mut rng).unwrap().remove(0);
        let natural = space.decode(&next.point);
        assert_eq!(natural[2].is_nan(), natural[0] == 0.0);
        // Another value of what does not count is the same point.
        assert_eq!(space.encode(&natural), next.point);
        history.tell(next.point.clone(), value(&natural));
    }
    let (row, best) = history.best().unwrap();
    assert!(best < -0.28, "{best}: {:?}", space.decode(&history.points[row]));
}
