//! What pending values are taken for, and costs.

use crate::wavy;
use elbo_core::{Array, Data, Rng, Values};
use elbo_decide::acquisition::{Acquisition, Analytic, Score};
use elbo_decide::ask::{AcquisitionKind, AskConfig, Surrogates, ask};
use elbo_decide::batch::Batch;
use elbo_decide::maximise::MaximiseConfig;
use elbo_decide::surrogate::{Gp, SurrogateConfig};
use elbo_decide::{Goal, History, Outcome, SideColumns, Space, Variable};

const ALL: [Batch; 6] =
    [Batch::Sampled, Batch::Believer, Batch::LiarMin, Batch::LiarMean, Batch::LiarMax, Batch::Penalise];

fn quick(batch: Batch) -> AskConfig {
    let maximise = MaximiseConfig { raw: 64, starts: 4, steps: 40, ..MaximiseConfig::default() };
    AskConfig { batch, samples: 64, maximise, ..AskConfig::default() }
}

/// Values on a grid of the unit interval, the same from both ends.
fn symmetric() -> History {
    let mut history = History::default();
    let values = [1.0, 0.3, 0.8, 0.9, 0.8, 0.3, 1.0];
    values.iter().enumerate().for_each(|(i, y)| history.tell(vec![i as f64 / 6.0], *y));
    history
}

fn surrogates(space: &Space, history: &History) -> Surrogates {
    let config = SurrogateConfig { starts: 2, iterations: 50, ..SurrogateConfig::default() };
    Surrogates::fit(space, history, &config, None, &mut Rng::new(1)).unwrap()
}

#[test]
fn pending_values_are_those_of_the_rule() {
    let gp = wavy(0.01);
    let pending: [&[f64]; 2] = [&[0.2, 0.9, 0.1], &[0.7, 0.4, 0.6]];
    let values = gp.values();
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    for (rule, expected) in [(Batch::LiarMin, least), (Batch::LiarMean, mean), (Batch::LiarMax, most)] {
        let believed = rule.believed(&gp, &pending);
        assert_eq!(believed.len(), gp.len() + 2, "{rule:?}");
        assert!(believed.values()[gp.len()..].iter().all(|v| (v - expected).abs() < 1e-12), "{rule:?}");
    }
    // What is believed changes no mean, and takes variance away.
    let believed = Batch::Believer.believed(&gp, &pending);
    let at = [0.3, 0.8, 0.2];
    let (before, after) = (gp.joint(&at), believed.joint(&at));
    assert!((before.mean[0] - after.mean[0]).abs() < 1e-9 && after.covariance[0] < before.covariance[0]);
}

#[test]
fn every_rule_gives_different_points_and_the_same_ones_for_a_seed() {
    let space = Space::cube(&[(0.0, 1.0)]);
    let mut history = symmetric();
    let surrogates = surrogates(&space, &history);
    history.points.push(vec![0.25]);
    history.outcomes.push(Outcome::Pending);
    for batch in ALL {
        for acquisition in [AcquisitionKind::LogEi, AcquisitionKind::LogNei, AcquisitionKind::Ei, AcquisitionKind::Pi] {
            let config = AskConfig { acquisition, ..quick(batch) };
            config.check().unwrap();
            let give = || ask(&space, &history, &surrogates, &config, 3, &mut Rng::new(3)).unwrap();
            let points: Vec<f64> = give().iter().map(|s| s.point[0]).collect();
            assert!(give().iter().all(|s| s.score.is_finite()), "{batch:?}, {acquisition:?}");
            assert_eq!(points, give().iter().map(|s| s.point[0]).collect::<Vec<_>>());
            let all: Vec<f64> = points.into_iter().chain([0.25]).collect();
            for i in 0..4 {
                let mut gaps = (0..i).map(|j| (all[i] - all[j]).abs());
                assert!(gaps.all(|gap| gap > 1e-6), "{batch:?}, {acquisition:?}: {all:?}");
            }
        }
    }
    let thompson = AskConfig { acquisition: AcquisitionKind::Thompson, ..quick(Batch::Penalise) };
    assert!(thompson.check().unwrap_err().to_string().contains("penalise"));
}

#[test]
fn the_score_is_that_of_the_process_which_believes_the_rule() {
    let space = Space::cube(&[(0.0, 1.0)]);
    let mut history = symmetric();
    let surrogates = surrogates(&space, &history);
    let gp = surrogates.objective.as_ref().unwrap();
    let places = [history.points.concat(), vec![0.25]].concat();
    let least = |gp: &Gp, places: &[f64]| gp.marginals(places).0.into_iter().fold(f64::INFINITY, f64::min);
    let before = least(gp, &places[..7]);
    history.points.push(vec![0.25]);
    history.outcomes.push(Outcome::Pending);
    for batch in [Batch::Believer, Batch::LiarMin, Batch::LiarMean, Batch::LiarMax] {
        let given = ask(&space, &history, &surrogates, &quick(batch), 1, &mut Rng::new(3)).unwrap().remove(0);
        let believed = batch.believed(gp, &[&[0.25]]);
        let incumbent = before.min(least(&believed, &places));
        let score = Analytic::new(&believed, Score::LogEi, incumbent).value_and_gradient(&given.point, &mut [0.0]);
        assert!((given.score - score).abs() < 1e-9, "{batch:?}: {} {score}", given.score);
    }
}

#[test]
fn of_two_equal_places_the_cheaper_is_tried() {
    let space = Space::cube(&[(0.0, 1.0)]);
    let mut history = symmetric();
    let plain = surrogates(&space, &history);
    // A thousand times as much from one end to the other; one cost is not known.
    history.costs = history.points.iter().map(|p| 1000f64.powf(p[0])).collect();
    history.costs[3] = f64::NAN;
    let known = surrogates(&space, &history);
    assert!(plain.cost.is_none() && known.cost.as_ref().unwrap().len() == 6);
    // Costs count through their process alone.
    let plain_history = symmetric();
    let give = |surrogates: &Surrogates, cost_power: f64| {
        let config = AskConfig { cost_power, ..quick(Batch::Sampled) };
        ask(&space, &plain_history, surrogates, &config, 1, &mut Rng::new(4)).unwrap().remove(0)
    };
    let cheap = give(&known, 1.0);
    assert!(cheap.point[0] < 0.5, "{cheap:?}");
    let ratio = cheap.cost / 1000f64.powf(cheap.point[0]);
    // The process takes a part of the logarithms for noise.
    assert!((0.2..5.0).contains(&ratio), "{cheap:?}");
    // With the ends of the costs changed the other one is.
    history.costs = history.points.iter().map(|p| 1000f64.powf(1.0 - p[0])).collect();
    let turned = self::surrogates(&space, &history);
    assert!(give(&turned, 1.0).point[0] > 0.5);
    // Without its power a cost changes nothing.
    let (without, ignored) = (give(&plain, 1.0), give(&known, 0.0));
    assert_eq!((without.point, without.score), (ignored.point, ignored.score));
    assert!(without.cost.is_nan());
}

#[test]
fn costs_are_positive_numbers_or_unknown() {
    let read = |cells: Array| {
        let column = |values: &[f64]| Array::new(&[3], values.to_vec());
        let arrays = vec![
            ("x".to_owned(), column(&[1.0, 2.0, 3.0])),
            ("y".to_owned(), column(&[1.0, 2.0, f64::NAN])),
            ("hours".to_owned(), cells),
        ];
        let data = Data { source: "test".into(), arrays, target: Some("y".into()), ..Data::default() };
        let space = Space::new(vec![Variable::real("x", 0.0, 10.0)]);
        let side = SideColumns { cost: Some("hours".into()), ..SideColumns::default() };
        History::read(&data, &space, Goal::Minimise, &[]).unwrap().with_columns(&data, &side)
    };
    let numbers = |values: [f64; 3]| read(Array::new(&[3], values.to_vec()));
    let mut history = numbers([2.0, f64::NAN, 0.5]).unwrap();
    assert!(history.costs[0] == 2.0 && history.costs[1].is_nan() && history.costs[2] == 0.5);
    history.tell(vec![0.1], 3.0);
    assert!(history.costs.len() == 4 && history.costs[3].is_nan());
    for bad in [0.0, -1.0, f64::INFINITY] {
        let error = numbers([2.0, bad, 1.0]).unwrap_err();
        assert!(error.to_string().contains("`hours` has") && error.to_string().contains("row 2"), "{error}");
    }
    let text = Values::Text { levels: vec!["much".into()], codes: vec![Some(0); 3] };
    assert!(read(Array::column(text)).unwrap_err().to_string().contains("`hours` holds text"));
}
