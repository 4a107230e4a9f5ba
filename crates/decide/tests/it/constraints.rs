//! Known linear limits: projections, searches within them, designs, suggestions; and the time limit of a search.

use elbo_core::Rng;
use elbo_decide::acquisition::Acquisition;
use elbo_decide::ask::{AcquisitionKind, AskConfig, Source, Surrogates, ask};
use elbo_decide::batch::Batch;
use elbo_decide::bound::Stop;
use elbo_decide::design::{Design, fill_within};
use elbo_decide::maximise::{MaximiseConfig, Region, maximise, maximise_within};
use elbo_decide::projected::minimise_projected;
use elbo_decide::surrogate::SurrogateConfig;
use elbo_decide::{Constraint, Domain, History, Polytope, Space, Variable};
use serde_json::json;
use std::sync::atomic::{AtomicUsize, Ordering};

fn constraint(weights: &[(&str, f64)], at_least: Option<f64>, at_most: Option<f64>) -> Constraint {
    let weights = weights.iter().map(|(name, w)| ((*name).to_owned(), *w)).collect();
    Constraint { weights, at_least, at_most }
}

/// `[0, 10] x [-1, 1] x [0, 1]`.
fn space() -> Space {
    Space::cube(&[(0.0, 10.0), (-1.0, 1.0), (0.0, 1.0)])
}

/// Three limits that the centre keeps.
fn limits() -> Polytope {
    let all = [
        constraint(&[("x1", 0.1), ("x2", 0.5), ("x3", 1.0)], None, Some(1.2)),
        constraint(&[("x1", 1.0), ("x3", -8.0)], Some(-3.0), None),
        constraint(&[("x2", 1.0), ("x3", 1.0)], Some(0.2), Some(1.1)),
    ];
    Polytope::new(&space(), &all).unwrap()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(p, q)| p * q).sum()
}

fn inside(limits: &Polytope, count: usize, rng: &mut Rng) -> Vec<Vec<f64>> {
    std::iter::repeat_with(|| rng.uniforms(3)).filter(|p| limits.contains(p)).take(count).collect()
}

#[test]
fn limits_are_those_of_natural_values() {
    let (space, limits) = (space(), limits());
    let mut rng = Rng::new(1);
    let mut kept = 0;
    for _ in 0..500 {
        let u = rng.uniforms(3);
        let x = space.decode(&u);
        let sum = x[1] + x[2];
        let holds = 0.1 * x[0] + 0.5 * x[1] + x[2] <= 1.2 && x[0] - 8.0 * x[2] >= -3.0 && (0.2..=1.1).contains(&sum);
        assert_eq!(limits.contains(&u), holds, "{x:?}");
        kept += usize::from(holds);
    }
    assert!((20..450).contains(&kept), "{kept}");
}

#[test]
fn a_projection_is_the_nearest_place() {
    let limits = limits();
    let mut rng = Rng::new(2);
    let others = inside(&limits, 200, &mut rng);
    let (low, high, free) = ([0.0; 3], [1.0; 3], [true; 3]);
    for _ in 0..100 {
        let point: Vec<f64> = rng.uniforms(3).iter().map(|u| 3.0 * u - 1.0).collect();
        let found = limits.project(&point, &low, &high, &free).unwrap();
        assert!(limits.contains(&found) && found.iter().all(|v| (0.0..=1.0).contains(v)));
        // Every other place lies behind the plane through the projection.
        let away: Vec<f64> = (0..3).map(|e| point[e] - found[e]).collect();
        for other in &others {
            let towards: Vec<f64> = (0..3).map(|e| other[e] - found[e]).collect();
            assert!(dot(&away, &towards) <= 1e-7, "{point:?}: {found:?} {other:?}");
        }
    }
    // What is fixed stays, and what keeps the limits too.
    let found = limits.project(&[0.9, 0.9, 0.6], &low, &high, &[true, true, false]).unwrap();
    assert!(found[2] == 0.6 && limits.contains(&found));
    assert_eq!(limits.project(&others[0], &low, &high, &free).unwrap(), others[0]);

    let plane = Space::cube(&[(0.0, 1.0), (0.0, 1.0)]);
    let half = Polytope::new(&plane, &[constraint(&[("x1", 1.0), ("x2", 1.0)], None, Some(1.0))]).unwrap();
    let of = |point: [f64; 2]| half.project(&point, &[0.0; 2], &[1.0; 2], &[true; 2]).unwrap();
    for (point, expected) in [([1.0, 1.0], [0.5, 0.5]), ([1.0, 0.3], [0.85, 0.15]), ([3.0, 0.1], [1.0, 0.0])] {
        assert!(of(point).iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{point:?}: {:?}", of(point));
    }
    let none = Polytope::new(&plane, &[constraint(&[("x1", 1.0), ("x2", 1.0)], Some(2.5), None)]).unwrap();
    assert_eq!(none.project(&[0.5; 2], &[0.0; 2], &[1.0; 2], &[true; 2]), None);
    let crossed = [constraint(&[("x1", 1.0)], Some(0.6), None), constraint(&[("x1", 1.0)], None, Some(0.4))];
    let crossed = Polytope::new(&plane, &crossed).unwrap();
    assert_eq!(crossed.project(&[0.5; 2], &[0.0; 2], &[1.0; 2], &[true; 2]), None);
}

#[test]
fn a_sum_can_be_given() {
    let space = Space::cube(&[(0.0, 1.0); 3]);
    let mixture = constraint(&[("x1", 1.0), ("x2", 1.0), ("x3", 1.0)], Some(1.0), Some(1.0));
    let limits = Polytope::new(&space, &[mixture]).unwrap();
    for design in [Design::Sobol, Design::LatinHypercube, Design::Halton, Design::Uniform] {
        let points = fill_within(&space, &limits, design, 8, &[], &mut Rng::new(3));
        assert_eq!(points.len(), 8, "{design:?}");
        assert!(points.iter().all(|p| (p.iter().sum::<f64>() - 1.0).abs() < 1e-8), "{design:?}: {points:?}");
    }
}

#[test]
fn a_quadratic_within_limits_ends_where_no_way_leads_down() {
    let limits = limits();
    let mut rng = Rng::new(4);
    let others = inside(&limits, 200, &mut rng);
    for _ in 0..20 {
        let centre: Vec<f64> = rng.uniforms(3).iter().map(|u| 3.0 * u - 1.0).collect();
        let curvature = [1.0, 10.0, 60.0];
        let slope = |x: &[f64]| -> Vec<f64> { (0..3).map(|e| curvature[e] * (x[e] - centre[e])).collect() };
        let f = |x: &[f64], gradient: &mut [f64]| {
            gradient.copy_from_slice(&slope(x));
            (0..3).map(|e| 0.5 * curvature[e] * (x[e] - centre[e]).powi(2)).sum::<f64>()
        };
        let project = |p: &[f64]| limits.project(p, &[0.0; 3], &[1.0; 3], &[true; 3]);
        let stop = Stop { steps: 500, gradient: 1e-9, decrease: 0.0 };
        let end = minimise_projected(f, &[0.5; 3], project, stop);
        assert!(limits.contains(&end.x));
        let gradient = slope(&end.x);
        for other in &others {
            let towards: Vec<f64> = (0..3).map(|e| other[e] - end.x[e]).collect();
            assert!(dot(&gradient, &towards) >= -1e-5, "{centre:?}: {:?} {other:?}", end.x);
        }
    }
}

#[test]
fn a_search_ends_at_a_stationary_place_where_the_function_bends_both_ways() {
    let limits = limits();
    let mut rng = Rng::new(7);
    let bumps: Vec<(Vec<f64>, f64)> = (0..12).map(|_| (rng.uniforms(3), rng.normal())).collect();
    let project = |p: &[f64]| limits.project(p, &[0.0; 3], &[1.0; 3], &[true; 3]);
    let f = |x: &[f64], gradient: &mut [f64]| {
        gradient.fill(0.0);
        let mut value = 0.0;
        for (centre, height) in &bumps {
            let from: Vec<f64> = (0..3).map(|e| x[e] - centre[e]).collect();
            let bump = height * (-8.0 * dot(&from, &from)).exp();
            value += bump;
            (0..3).for_each(|e| gradient[e] -= 16.0 * from[e] * bump);
        }
        value
    };
    let stop = Stop { steps: 200, gradient: 1e-6, decrease: 0.0 };
    for start in inside(&limits, 50, &mut rng) {
        let end = minimise_projected(f, &start, project, stop).x;
        let mut gradient = [0.0; 3];
        f(&end, &mut gradient);
        let moved = project(&(0..3).map(|e| end[e] - gradient[e]).collect::<Vec<_>>()).unwrap();
        let most = (0..3).map(|e| (moved[e] - end[e]).abs()).fold(0.0, f64::max);
        assert!(most <= 1e-3, "{start:?}: {end:?} moves by {most}");
    }
}

#[test]
fn trials_beyond_a_limit_are_no_incumbent_of_a_batch() {
    let space = Space::cube(&[(0.0, 1.0)]);
    let half = constraint(&[("x1", 1.0)], None, Some(0.5));
    let limits = Polytope::new(&space, std::slice::from_ref(&half)).unwrap();
    let mut history = History::default();
    for (x, y) in [(0.05, 0.9), (0.2, 0.5), (0.3, 0.4), (0.45, 0.8), (0.7, -8.0), (0.8, -10.0), (0.95, -9.0)] {
        history.tell(vec![x], y);
    }
    assert_eq!(history.mark_broken(&limits), 3);
    let surrogates = Surrogates::fit(&space, &history, &SurrogateConfig::default(), None, &mut Rng::new(1)).unwrap();
    for (acquisition, batch) in [
        (AcquisitionKind::LogEi, Batch::Believer),
        (AcquisitionKind::LogEi, Batch::LiarMax),
        (AcquisitionKind::Ei, Batch::Sampled),
    ] {
        let config = AskConfig { acquisition, batch, constraints: vec![half.clone()], ..quick() };
        let found = ask(&space, &history, &surrogates, &config, 3, &mut Rng::new(2)).unwrap();
        // Beside a value of -10 a hundred of deviations would be missing.
        let least = if acquisition == AcquisitionKind::Ei { 1e-9 } else { -20.0 };
        assert!(found.iter().all(|s| s.score > least), "{acquisition:?}, {batch:?}: {found:?}");
    }
}

fn quick() -> AskConfig {
    let maximise = MaximiseConfig { raw: 64, starts: 4, steps: 40, ..MaximiseConfig::default() };
    AskConfig { samples: 64, maximise, ..AskConfig::default() }
}

#[test]
fn suggestions_keep_the_limits_and_reach_them() {
    let space = Space::cube(&[(0.0, 1.0), (0.0, 1.0)]);
    let sum = constraint(&[("x1", 1.0), ("x2", 1.0)], None, Some(1.0));
    // The function falls towards the corner that is cut off.
    let value = |p: &[f64]| (p[0] - 1.0).powi(2) + (p[1] - 0.9).powi(2);
    for acquisition in [
        AcquisitionKind::LogEi,
        AcquisitionKind::KnowledgeGradient,
        AcquisitionKind::MaxValueEntropy,
        AcquisitionKind::Thompson,
    ] {
        let config = AskConfig { acquisition, constraints: vec![sum.clone()], ..quick() };
        config.check().unwrap();
        let mut history = History::default();
        let mut rng = Rng::new(5);
        while history.len() < 14 {
            let surrogates = if history.len() < 5 {
                Surrogates::default()
            } else {
                let quick = SurrogateConfig { starts: 2, iterations: 50, ..SurrogateConfig::default() };
                Surrogates::fit(&space, &history, &quick, None, &mut rng).unwrap()
            };
            let count = if history.is_empty() { 5 } else { 1 };
            for next in ask(&space, &history, &surrogates, &config, count, &mut rng).unwrap() {
                assert!(next.point[0] + next.point[1] <= 1.0 + 1e-8, "{acquisition:?}: {next:?}");
                history.tell(next.point.clone(), value(&next.point));
            }
        }
        // On the line x1 + x2 = 1 the least value is 2 * 0.45².
        let (_, best) = history.best().unwrap();
        assert!((0.405 - 1e-6..0.5).contains(&best), "{acquisition:?}: {best}");
    }
}

#[test]
fn whole_numbers_take_part_and_a_discrete_space_is_looked_through() {
    let text = |values: &[&str]| values.iter().map(|v| (*v).to_owned()).collect();
    let space = Space::new(vec![
        Variable::real("x", 0.0, 1.0),
        Variable::new("n", Domain::Integer { low: 1, high: 40, log: false }),
        Variable::new("c", Domain::Categorical { values: text(&["a", "b"]) }),
    ]);
    let together = constraint(&[("x", 20.0), ("n", 1.0)], None, Some(30.0));
    let config = AskConfig { constraints: vec![together], ..quick() };
    let mut history = History::default();
    let mut rng = Rng::new(6);
    for _ in 0..12 {
        let surrogates = if history.len() < 5 {
            Surrogates::default()
        } else {
            Surrogates::fit(&space, &history, &SurrogateConfig::default(), None, &mut rng).unwrap()
        };
        let next = ask(&space, &history, &surrogates, &config, 1, &mut rng).unwrap().remove(0);
        let natural = space.decode(&next.point);
        assert!(20.0 * natural[0] + natural[1] <= 30.0 + 1e-6, "{natural:?}");
        // Large values are good, so that the limit is where to go.
        history.tell(next.point, -natural[0] - natural[1] / 40.0);
    }

    let small = Space::new(vec![
        Variable::new("n", Domain::Integer { low: 0, high: 3, log: false }),
        Variable::new("m", Domain::Integer { low: 0, high: 3, log: false }),
    ]);
    let config =
        AskConfig { constraints: vec![constraint(&[("n", 1.0), ("m", 1.0)], Some(3.0), Some(3.0))], ..quick() };
    let surrogates = Surrogates::default();
    let four = ask(&small, &History::default(), &surrogates, &config, 4, &mut rng).unwrap();
    assert!(four.iter().all(|s| s.source == Source::Design && small.decode(&s.point).iter().sum::<f64>() == 3.0));
    let error = ask(&small, &History::default(), &surrogates, &config, 5, &mut rng).unwrap_err();
    assert!(error.to_string().contains("no room for 5 more trials that keep the constraints"), "{error}");
}

#[test]
fn what_is_no_limit_is_refused() {
    let space: Space = serde_json::from_value(json!([
        {"name": "kind", "type": "categorical", "values": ["plain", "tuned"]},
        {"name": "x", "low": 0, "high": 1},
        {"name": "rate", "low": 1e-4, "high": 0.1, "log": true},
        {"name": "y", "low": 0, "high": 1, "when": {"variable": "kind", "is": ["tuned"]}},
    ]))
    .unwrap();
    let refused = |name: &str| {
        let error = Polytope::new(&space, &[constraint(&[("x", 1.0), (name, 1.0)], None, Some(1.0))]).unwrap_err();
        assert!(!error.remedy().is_empty());
        error.to_string()
    };
    assert!(refused("kind").contains("`kind` is no number"));
    assert!(refused("rate").contains("`rate` is logarithmic"));
    assert!(refused("y").contains("`y` is conditional"));
    assert!(refused("z").contains("unknown variable `z`"));
    let bad = [
        constraint(&[("x", 1.0)], None, None),
        constraint(&[("x", 0.0)], None, Some(1.0)),
        constraint(&[], None, Some(1.0)),
        constraint(&[("x", f64::NAN)], None, Some(1.0)),
        constraint(&[("x", 1.0)], Some(1.0), Some(0.0)),
    ];
    for constraint in bad {
        let config = AskConfig { constraints: vec![constraint], ..quick() };
        assert!(config.check().unwrap_err().to_string().contains("constraints"));
    }
    for seconds in [0.0, -1.0, f64::INFINITY, f64::NAN] {
        let maximise = MaximiseConfig { seconds: Some(seconds), ..MaximiseConfig::default() };
        assert!(AskConfig { maximise, ..quick() }.check().unwrap_err().to_string().contains("maximise.seconds"));
    }
    for extreme in [constraint(&[("x", 1e200)], None, Some(5e199)), constraint(&[("x", 1e-200)], None, Some(5e-201))] {
        let error = Polytope::new(&space, &[extreme]).unwrap_err().to_string();
        assert!(error.contains("too large or too small"), "{error}");
    }
    // A region that no real values keep.
    let never = Polytope::new(&Space::cube(&[(0.0, 1.0)]), &[constraint(&[("x1", 1.0)], Some(2.0), None)]).unwrap();
    let region = Region { limits: never, ..Region::whole(1) };
    let score = Counted(AtomicUsize::new(0));
    let found = maximise_within(
        &score,
        &Space::cube(&[(0.0, 1.0)]),
        &region,
        &MaximiseConfig::default(),
        (&[], &[]),
        &mut Rng::new(1),
    );
    assert!(found.unwrap_err().to_string().contains("keeps the constraints"));
}

#[test]
fn a_trial_that_breaks_a_limit_is_not_the_best() {
    let space = Space::cube(&[(0.0, 1.0)]);
    let limits = Polytope::new(&space, &[constraint(&[("x1", 1.0)], None, Some(0.5))]).unwrap();
    let mut history = History::default();
    [(0.2, 3.0), (0.9, 1.0), (0.500_01, 2.0)].into_iter().for_each(|(x, y)| history.tell(vec![x], y));
    assert_eq!(history.mark_broken(&limits), 1);
    // The third is beyond the limit by the rounding of its value only.
    assert_eq!(history.best(), Some((2, 2.0)));
    history.tell(vec![0.1], 0.5);
    assert_eq!(history.best(), Some((3, 0.5)));
    assert_eq!((history.mark_broken(&Polytope::default()), history.best()), (0, Some((3, 0.5))));
}

/// A parabola that counts how often it is asked.
struct Counted(AtomicUsize);

impl Acquisition for Counted {
    fn value_and_gradient(&self, x: &[f64], gradient: &mut [f64]) -> f64 {
        self.0.fetch_add(1, Ordering::Relaxed);
        gradient[0] = -2.0 * (x[0] - 0.3);
        -(x[0] - 0.3).powi(2)
    }
}

#[test]
fn when_the_time_is_over_the_best_place_so_far_is_taken() {
    let space = Space::cube(&[(0.0, 1.0)]);
    let search = |seconds: Option<f64>| {
        let config = MaximiseConfig { raw: 500, seconds, ..MaximiseConfig::default() };
        let score = Counted(AtomicUsize::new(0));
        let found = maximise(&score, &space, &config, &[], &[], &mut Rng::new(7)).unwrap();
        (found, score.0.into_inner())
    };
    // Over before it begins: the first 64 places are scored all the same, and nothing is climbed.
    let (found, evaluations) = search(Some(1e-12));
    assert_eq!(evaluations, 64);
    assert_eq!(found.score, -(found.point[0] - 0.3).powi(2));
    // A Sobol sequence of 64 points has one in every interval of a sixty-fourth.
    assert!((found.point[0] - 0.3).abs() < 2.0 / 64.0, "{found:?}");
    let (within, _) = search(Some(3600.0));
    let (without, _) = search(None);
    // A fall of the score by 1e-8 ends a climb.
    assert!((within.point[0] - 0.3).abs() < 1e-3 && (without.point[0] - 0.3).abs() < 1e-3);
}
