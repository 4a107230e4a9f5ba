//! Ask and tell.

use elbo_core::{Error, Rng, Run};
use elbo_decide::ask::{AcquisitionKind, AskConfig, Source, Surrogates, ask};
use elbo_decide::functions::{function, gramacy};
use elbo_decide::maximise::MaximiseConfig;
use elbo_decide::surrogate::SurrogateConfig;
use elbo_decide::trial_loop::Loop;
use elbo_decide::{Domain, History, Outcome, Space, Variable};

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
fn branin_is_minimised_in_a_few_trials_by_every_score() {
    let branin = function("branin", 2).unwrap();
    let kinds = [
        (AcquisitionKind::LogEi, 0.05),
        (AcquisitionKind::LogNei, 0.1),
        (AcquisitionKind::Ei, 0.1),
        (AcquisitionKind::Pi, 1.0),
        (AcquisitionKind::Lcb, 0.5),
        (AcquisitionKind::Thompson, 1.0),
        (AcquisitionKind::KnowledgeGradient, 1.0),
    ];
    for (acquisition, within) in kinds {
        let looped = Loop { surrogate: quick_surrogate(), ask: AskConfig { acquisition, ..quick() }, trials: 24 };
        let done = looped.run(&branin, None, &mut Run::new(3)).unwrap();
        assert!(done.best() - branin.optimum < within, "{acquisition:?}: {}", done.best());
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
        Variable { name: "n".into(), domain: Domain::Integer { low: 1, high: 30, log: false } },
        Variable { name: "c".into(), domain: Domain::Categorical { values: text(&["a", "b", "c"]) } },
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
        Variable { name: "n".into(), domain: Domain::Integer { low: 0, high: 3, log: false } },
        Variable { name: "o".into(), domain: Domain::Ordinal { values: vec!["s".into(), "m".into(), "l".into()] } },
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
