//! Several objectives: volumes against closed forms and sampling, the expected growth against both.

use crate::{assert_gradient, wavy};
use elbo_core::Rng;
use elbo_decide::Space;
use elbo_decide::acquisition::{Acquisition, Feasibility};
use elbo_decide::design::Design;
use elbo_decide::maximise::MaximiseConfig;
use elbo_decide::objectives::problems::{problem, problems};
use elbo_decide::objectives::{
    Choose, Ehvi, Strategy, cells, distance_to, dominates, epsilon, front, hypervolume, reference_point, scalarise,
    simplex_weights, tchebycheff,
};
use elbo_decide::surrogate::SurrogateConfig;
use elbo_tensor::special::ndtr;

fn random_points(count: usize, dims: usize, rng: &mut Rng) -> Vec<Vec<f64>> {
    (0..count).map(|_| rng.uniforms(dims)).collect()
}

#[test]
fn a_front_is_what_nothing_dominates() {
    assert!(dominates(&[1.0, 2.0], &[1.0, 3.0]) && !dominates(&[1.0, 2.0], &[1.0, 2.0]));
    let points = [[1.0, 3.0], [2.0, 2.0], [2.0, 2.0], [3.0, 3.0], [3.0, 1.0]].map(|p| p.to_vec());
    assert_eq!(front(&points), [0, 1, 4]);
    assert_eq!(reference_point(&points), [3.2, 3.2]);
    // Worse by 1 in one objective everywhere.
    let worse: Vec<Vec<f64>> = points.iter().map(|p| vec![p[0], p[1] + 1.0]).collect();
    assert_eq!(epsilon(&points[..1], &worse[..1]), 1.0);
    assert_eq!(distance_to(&points[..1], &worse[..1]), 1.0);
    assert_eq!((epsilon(&points, &points), distance_to(&points, &points)), (0.0, 0.0));
}

#[test]
fn volumes_agree_with_inclusion_and_exclusion_in_two_to_five_objectives() {
    let mut rng = Rng::new(3);
    for dims in 1..=5 {
        for _ in 0..20 {
            let mut points = random_points(7, dims, &mut rng);
            // Equal coordinates and points beyond the reference.
            points[1][0] = points[0][0];
            points[2][dims - 1] = points[0][dims - 1];
            points[3][0] = 1.3;
            let reference = vec![1.0; dims];
            let mut expected = 0.0;
            for subset in 1u32..1 << points.len() {
                let corner = |k: usize| {
                    (0..points.len()).filter(|i| subset >> i & 1 == 1).map(|i| points[i][k]).fold(0.0, f64::max)
                };
                let volume: f64 = (0..dims).map(|k| (1.0 - corner(k)).max(0.0)).product();
                expected += if subset.count_ones() % 2 == 1 { volume } else { -volume };
            }
            let found = hypervolume(&points, &reference);
            assert!((found - expected).abs() < 1e-12, "{dims}: {found}, {expected}");
        }
    }
    assert_eq!(hypervolume(&[], &[1.0, 1.0]), 0.0);
}

#[test]
fn known_fronts_have_their_volumes() {
    // A fine grid along each front's curve; the volume errs by about the spacing, from below.
    let n = 20_000;
    for problem in problems(4).into_iter().filter(|p| p.volume.is_some()) {
        let points: Vec<Vec<f64>> = (0..=n)
            .map(|i| {
                let t = f64::from(i) / f64::from(n);
                let x = if problem.name == "vlmop2" { vec![0.5 * (2.0 * t - 1.0); 4] } else { vec![t, 0.0, 0.0, 0.0] };
                problem.value(&x)
            })
            .collect();
        let volume = hypervolume(&points, &[1.1, 1.1]);
        assert!((volume - problem.volume.unwrap()).abs() < 1.5e-4, "{}: {volume}", problem.name);
    }
    // Three objectives on a sphere; below (1, 1, 1) the front leaves out an eighth of the unit ball. A grid's stairs lie below by about its spacing, 0.013.
    let sphere = problem("dtlz2", 4).unwrap();
    let side = 120;
    let points: Vec<Vec<f64>> = (0..=side * side)
        .map(|i| {
            sphere.value(&[f64::from(i / side) / f64::from(side), f64::from(i % side) / f64::from(side), 0.5, 0.5])
        })
        .collect();
    assert!(points.iter().all(|p| (p.iter().map(|v| v * v).sum::<f64>() - 1.0).abs() < 1e-12));
    let volume = hypervolume(&points, &[1.0; 3]);
    assert!((volume - (1.0 - std::f64::consts::PI / 6.0)).abs() < 0.03, "{volume}");
    let truss = problem("four-bar-truss", 3).unwrap().value(&[1.0, 2f64.sqrt(), 2f64.sqrt(), 1.0]);
    assert!((truss[0] - 200.0 * (5.0 + 2f64.powf(0.25))).abs() < 1e-9 && (truss[1] - 0.04).abs() < 1e-12, "{truss:?}");
    let discontinuous = problem("zdt3", 3).unwrap().value(&[0.25, 0.0, 0.0]);
    assert!((discontinuous[1] - 0.25).abs() < 1e-12, "{discontinuous:?}");
}

#[test]
fn cells_are_disjoint_and_cover_what_is_new() {
    let mut rng = Rng::new(5);
    for dims in 1..=4 {
        let points = random_points(6, dims, &mut rng);
        let reference = vec![0.9; dims];
        let cells = cells(&points, &reference);
        for y in random_points(500, dims, &mut rng) {
            let inside = |c: &&elbo_decide::objectives::Cell| (0..dims).all(|k| c.low[k] <= y[k] && y[k] < c.high[k]);
            let is_new = y.iter().all(|v| *v < 0.9) && points.iter().all(|p| p.iter().zip(&y).any(|(p, y)| y < p));
            assert_eq!(cells.iter().filter(inside).count(), usize::from(is_new), "{dims}: {y:?}");
        }
    }
}

/// The formula for two objectives over a sorted front.
fn plane_formula(front: &[[f64; 2]], reference: [f64; 2], mean: [f64; 2], sd: [f64; 2]) -> f64 {
    let density = |z: f64| (-0.5 * z * z).exp() / std::f64::consts::TAU.sqrt();
    let psi = |k: usize, c: f64| {
        let z = (c - mean[k]) / sd[k];
        if c == f64::NEG_INFINITY { 0.0 } else { (c - mean[k]) * ndtr(z) + sd[k] * density(z) }
    };
    let n = front.len();
    (0..=n)
        .map(|i| {
            let low = if i == 0 { f64::NEG_INFINITY } else { front[i - 1][0] };
            let high = if i == n { reference[0] } else { front[i][0] };
            let height = if i == 0 { reference[1] } else { front[i - 1][1] };
            (psi(0, high) - psi(0, low)) * psi(1, height)
        })
        .sum()
}

#[test]
fn expected_growth_agrees_with_the_plane_formula_and_with_sampling() {
    let front = [[0.1, 0.8], [0.4, 0.5], [0.7, 0.2]];
    let points: Vec<Vec<f64>> = front.iter().map(|p| p.to_vec()).collect();
    for (mean, sd) in [([0.3, 0.3], [0.2, 0.1]), ([1.5, 0.9], [0.3, 0.4]), ([-0.5, 0.6], [0.1, 1.0])] {
        let variance = [sd[0] * sd[0], sd[1] * sd[1]];
        let (log, ..) = Ehvi::of(&cells(&points, &[1.0, 1.0]), &mean, &variance);
        let expected = plane_formula(&front, [1.0, 1.0], mean, sd);
        assert!((log.exp() - expected).abs() < 1e-10 * expected, "{} and {expected}", log.exp());
    }
    // Three objectives, by sampling: 4000 draws, within four standard errors.
    let mut rng = Rng::new(7);
    let points = random_points(5, 3, &mut rng);
    let (reference, mean, variance) = ([1.1; 3], [0.4, 0.5, 0.3], [0.05, 0.1, 0.02]);
    let before = hypervolume(&points, &reference);
    let draws: Vec<f64> = (0..4000)
        .map(|_| {
            let y = (0..3).map(|k: usize| mean[k] + f64::sqrt(variance[k]) * rng.normal()).collect();
            hypervolume(&[points.clone(), vec![y]].concat(), &reference) - before
        })
        .collect();
    let average = draws.iter().sum::<f64>() / 4000.0;
    let error = (draws.iter().map(|d| (d - average).powi(2)).sum::<f64>()).sqrt() / 4000.0;
    let value = Ehvi::of(&cells(&points, &reference), &mean, &variance).0.exp();
    assert!((value - average).abs() < 4.0 * error, "{value} and {average} +- {error}");
}

#[test]
fn expected_growth_has_the_slopes_of_differences_even_where_it_vanishes() {
    let mut rng = Rng::new(11);
    let points = random_points(4, 3, &mut rng);
    let cells = cells(&points, &[1.0; 3]);
    for at in [[0.4, 0.5, 0.3, 0.05, 0.1, 0.2], [9.0, 0.5, 8.0, 0.05, 0.1, 0.2]] {
        let (value, by_mean, by_variance) = Ehvi::of(&cells, &at[..3], &at[3..]);
        assert!(value.is_finite());
        let f = |p: &[f64]| Ehvi::of(&cells, &p[..3], &p[3..]).0;
        assert_gradient("expected growth", f, &[by_mean, by_variance].concat(), &at, 1e-5);
    }
    let (one, two) = (wavy(1e-3), wavy(0.05));
    let score = Ehvi::new(vec![&one, &two], &[vec![-0.8, 0.1], vec![0.0, -0.7]], &[0.5, 0.5], Feasibility::default());
    let at = [0.3, 0.6, 0.2];
    let mut gradient = vec![0.0; 3];
    let value = score.value_and_gradient(&at, &mut gradient);
    assert_gradient("of a place", |x| score.value_and_gradient(x, &mut [0.0; 3]), &gradient, &at, 1e-5);
    assert!((score.values(&at, 3)[0] - value).abs() < 1e-10);
}

#[test]
fn scalars_follow_their_definitions() {
    assert!((tchebycheff(&[2.0, 1.0], &[0.25, 0.75], &[0.0, 0.5]) - (0.5 + 0.05 * 1.25)).abs() < 1e-12);
    let values = scalarise(&[vec![0.0, 10.0], vec![2.0, 0.0], vec![1.0, 5.0]], &[0.5, 0.5]);
    assert!(values[2] < values[0] && (values[0] - 0.525).abs() < 1e-12, "{values:?}");
    let weights = simplex_weights(4, &mut Rng::new(2));
    assert!((weights.iter().sum::<f64>() - 1.0).abs() < 1e-12 && weights.iter().all(|w| *w > 0.0));
}

fn quick(strategy: Strategy, reference: Option<Vec<f64>>) -> Choose {
    Choose {
        strategy,
        reference,
        surrogate: SurrogateConfig { starts: 2, iterations: 40, ..SurrogateConfig::default() },
        maximise: MaximiseConfig { raw: 64, starts: 3, steps: 30, ..MaximiseConfig::default() },
    }
}

#[test]
fn a_few_trials_cover_more_of_a_front_than_a_sobol_sequence() {
    let problem = problem("vlmop2", 3).unwrap();
    let space = Space::cube(&[(0.0, 1.0); 3]);
    let reference = [1.1, 1.1];
    let choose = quick(Strategy::Ehvi, Some(reference.to_vec()));
    for seed in [1, 2, 3] {
        let mut rng = Rng::new(seed);
        let mut points = Design::Sobol.points(8, 3, &mut rng);
        let mut values: Vec<Vec<f64>> = points.iter().map(|u| problem.at(u)).collect();
        for _ in 0..12 {
            let next = choose.next(&space, &points, &values, &[], &mut rng).unwrap().point;
            values.push(problem.at(&next));
            points.push(next);
        }
        let spread: Vec<Vec<f64>> = Design::Sobol.points(20, 3, &mut rng).iter().map(|u| problem.at(u)).collect();
        let (found, plain) = (hypervolume(&values, &reference), hypervolume(&spread, &reference));
        assert!(found > plain + 0.1, "seed {seed}: {found} against {plain}");
    }
}

#[test]
fn both_strategies_look_between_the_two_minima() {
    let space = Space::cube(&[(0.0, 1.0)]);
    let points: Vec<Vec<f64>> = (0..7).map(|i| vec![f64::from(i) / 6.0]).collect();
    let values: Vec<Vec<f64>> = points.iter().map(|p| vec![(p[0] - 0.3).powi(2), (p[0] - 0.6).powi(2)]).collect();
    for strategy in [Strategy::Ehvi, Strategy::ParEgo] {
        for seed in [1, 2, 3] {
            let next = quick(strategy, None).next(&space, &points, &values, &[], &mut Rng::new(seed)).unwrap();
            assert!((0.2..0.7).contains(&next.point[0]), "{strategy:?}, seed {seed}: {next:?}");
            // A pending trial is not asked for again.
            let pending = [next.point.clone()];
            let after = quick(strategy, None).next(&space, &points, &values, &pending, &mut Rng::new(seed)).unwrap();
            assert!((after.point[0] - next.point[0]).abs() > 1e-6, "{strategy:?}, seed {seed}");
        }
    }
}
