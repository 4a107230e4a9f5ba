//! Functions with known minima.
//!
//! To add one, write it as a function of a slice and give it a row in [`functions`]; `tests/it/functions.rs` checks its value at the minimum, and that a
//! local search finds nothing below.

use elbo_tensor::optim::golden_section;
use std::f64::consts::{E, PI, TAU};

/// A function to minimise over a box.
#[derive(Debug, Clone)]
pub struct TestFunction {
    /// Its name: `branin`, `hartmann-6`.
    pub name: &'static str,
    /// The box.
    pub bounds: Vec<(f64, f64)>,
    /// The smallest value.
    pub optimum: f64,
    /// Where it is taken.
    pub minimisers: Vec<Vec<f64>>,
    /// How precisely the optimum is given.
    pub tolerance: f64,
    value: fn(&[f64]) -> f64,
}

impl TestFunction {
    /// The value at a point of the box.
    pub fn value(&self, x: &[f64]) -> f64 {
        (self.value)(x)
    }

    /// The value at a point of the unit cube.
    pub fn at(&self, cube: &[f64]) -> f64 {
        let x: Vec<f64> = self.bounds.iter().zip(cube).map(|((a, b), u)| a + u * (b - a)).collect();
        self.value(&x)
    }

    /// Number of variables.
    pub fn dims(&self) -> usize {
        self.bounds.len()
    }
}

fn cube(dims: usize, low: f64, high: f64) -> Vec<(f64, f64)> {
    vec![(low, high); dims]
}

/// The function of this name, with this many variables where it has any number of them.
///
/// ```
/// let branin = elbo_decide::functions::function("branin", 2).unwrap();
/// assert!((branin.value(&[std::f64::consts::PI, 2.275]) - branin.optimum).abs() < 1e-6);
/// ```
pub fn function(name: &str, dims: usize) -> Option<TestFunction> {
    functions(dims).into_iter().find(|f| f.name == name)
}

/// All functions; those of any number of variables have `dims` of them.
pub fn functions(dims: usize) -> Vec<TestFunction> {
    let all = |name, bounds, optimum, minimisers, value| TestFunction {
        name,
        bounds,
        optimum,
        minimisers,
        tolerance: 1e-6,
        value,
    };
    let dixon: Vec<f64> = (1..=dims).map(|i| 2f64.powf(-(2f64.powi(i as i32) - 2.0) / 2f64.powi(i as i32))).collect();
    let michalewicz: (f64, Vec<f64>) =
        (0..dims).map(michalewicz_term).fold((0.0, vec![]), |(sum, mut at), (x, value)| {
            at.push(x);
            (sum + value, at)
        });
    vec![
        all(
            "branin",
            vec![(-5.0, 10.0), (0.0, 15.0)],
            0.397_887_357_729_738,
            vec![vec![PI, 2.275], vec![-PI, 12.275], vec![3.0 * PI, 2.475]],
            branin,
        ),
        all(
            "six-hump-camel",
            vec![(-3.0, 3.0), (-2.0, 2.0)],
            -1.031_628_453_489_877,
            vec![vec![0.089_842_01, -0.712_656_40], vec![-0.089_842_01, 0.712_656_40]],
            six_hump_camel,
        ),
        all("goldstein-price", cube(2, -2.0, 2.0), 3.0, vec![vec![0.0, -1.0]], goldstein_price),
        all("eggholder", cube(2, -512.0, 512.0), -959.640_662_720_851, vec![vec![512.0, 404.231_805_11]], eggholder),
        all("forrester", vec![(0.0, 1.0)], -6.020_740_055_766_9, vec![vec![0.757_248_8]], forrester),
        all("gramacy-lee", vec![(0.5, 2.5)], -0.869_011_134_989_5, vec![vec![0.548_563_4]], gramacy_lee),
        all(
            "hartmann-3",
            cube(3, 0.0, 1.0),
            -3.862_779_786_949_3,
            vec![vec![0.114_589, 0.555_649, 0.852_547]],
            hartmann_3,
        ),
        all(
            "hartmann-6",
            cube(6, 0.0, 1.0),
            -3.322_368_011_415_5,
            vec![vec![0.201_690, 0.150_011, 0.476_874, 0.275_332, 0.311_652, 0.657_301]],
            hartmann_6,
        ),
        all("shekel-5", cube(4, 0.0, 10.0), -10.153_199_679_058, vec![shekel_minimiser(SHEKEL_5)], shekel::<5>),
        all("shekel-7", cube(4, 0.0, 10.0), -10.402_915_336_778, vec![shekel_minimiser(SHEKEL_7)], shekel::<7>),
        all("shekel-10", cube(4, 0.0, 10.0), -10.536_443_153_484, vec![shekel_minimiser(SHEKEL_10)], shekel::<10>),
        all("ackley", cube(dims, -32.768, 32.768), 0.0, vec![vec![0.0; dims]], ackley),
        all("rosenbrock", cube(dims, -5.0, 10.0), 0.0, vec![vec![1.0; dims]], rosenbrock),
        all("rastrigin", cube(dims, -5.12, 5.12), 0.0, vec![vec![0.0; dims]], rastrigin),
        all("levy", cube(dims, -10.0, 10.0), 0.0, vec![vec![1.0; dims]], levy),
        all("griewank", cube(dims, -600.0, 600.0), 0.0, vec![vec![0.0; dims]], griewank),
        all("schwefel", cube(dims, -500.0, 500.0), 0.0, vec![vec![420.968_746_36; dims]], schwefel),
        all("michalewicz", cube(dims, 0.0, PI), michalewicz.0, vec![michalewicz.1], self::michalewicz),
        all(
            "styblinski-tang",
            cube(dims, -5.0, 5.0),
            -39.166_165_703_771_4 * dims as f64,
            vec![vec![-2.903_534_03; dims]],
            styblinski_tang,
        ),
        all("dixon-price", cube(dims, -10.0, 10.0), 0.0, vec![dixon], dixon_price),
    ]
}

fn branin(x: &[f64]) -> f64 {
    let inner = x[1] - 5.1 * x[0] * x[0] / (4.0 * PI * PI) + 5.0 * x[0] / PI - 6.0;
    inner * inner + 10.0 * (1.0 - 1.0 / (8.0 * PI)) * x[0].cos() + 10.0
}

fn six_hump_camel(x: &[f64]) -> f64 {
    let (a, b) = (x[0] * x[0], x[1] * x[1]);
    (4.0 - 2.1 * a + a * a / 3.0) * a + x[0] * x[1] + (4.0 * b - 4.0) * b
}

fn goldstein_price(x: &[f64]) -> f64 {
    let (a, b) = (x[0], x[1]);
    let first = (a + b + 1.0).powi(2) * (19.0 - 14.0 * a + 3.0 * a * a - 14.0 * b + 6.0 * a * b + 3.0 * b * b);
    let second =
        (2.0 * a - 3.0 * b).powi(2) * (18.0 - 32.0 * a + 12.0 * a * a + 48.0 * b - 36.0 * a * b + 27.0 * b * b);
    (1.0 + first) * (30.0 + second)
}

fn eggholder(x: &[f64]) -> f64 {
    let (a, b) = (x[0], x[1] + 47.0);
    -b * (b + a / 2.0).abs().sqrt().sin() - a * (a - b).abs().sqrt().sin()
}

fn forrester(x: &[f64]) -> f64 {
    (6.0 * x[0] - 2.0).powi(2) * (12.0 * x[0] - 4.0).sin()
}

fn gramacy_lee(x: &[f64]) -> f64 {
    (10.0 * PI * x[0]).sin() / (2.0 * x[0]) + (x[0] - 1.0).powi(4)
}

const HARTMANN_WEIGHTS: [f64; 4] = [1.0, 1.2, 3.0, 3.2];

fn hartmann<const D: usize>(x: &[f64], a: &[[f64; D]; 4], p: &[[f64; D]; 4]) -> f64 {
    let term = |i: usize| {
        let square: f64 = (0..D).map(|j| a[i][j] * (x[j] - 1e-4 * p[i][j]).powi(2)).sum();
        HARTMANN_WEIGHTS[i] * (-square).exp()
    };
    -(0..4).map(term).sum::<f64>()
}

fn hartmann_3(x: &[f64]) -> f64 {
    const A: [[f64; 3]; 4] = [[3.0, 10.0, 30.0], [0.1, 10.0, 35.0], [3.0, 10.0, 30.0], [0.1, 10.0, 35.0]];
    const P: [[f64; 3]; 4] =
        [[3689.0, 1170.0, 2673.0], [4699.0, 4387.0, 7470.0], [1091.0, 8732.0, 5547.0], [381.0, 5743.0, 8828.0]];
    hartmann(x, &A, &P)
}

fn hartmann_6(x: &[f64]) -> f64 {
    const A: [[f64; 6]; 4] = [
        [10.0, 3.0, 17.0, 3.5, 1.7, 8.0],
        [0.05, 10.0, 17.0, 0.1, 8.0, 14.0],
        [3.0, 3.5, 1.7, 10.0, 17.0, 8.0],
        [17.0, 8.0, 0.05, 10.0, 0.1, 14.0],
    ];
    const P: [[f64; 6]; 4] = [
        [1312.0, 1696.0, 5569.0, 124.0, 8283.0, 5886.0],
        [2329.0, 4135.0, 8307.0, 3736.0, 1004.0, 9991.0],
        [2348.0, 1451.0, 3522.0, 2883.0, 3047.0, 6650.0],
        [4047.0, 8828.0, 8732.0, 5743.0, 1091.0, 381.0],
    ];
    hartmann(x, &A, &P)
}

/// The first two coordinates of the minimisers, by Newton's method; the other two repeat them.
const SHEKEL_5: [f64; 2] = [4.000_037_15, 4.000_133_28];
const SHEKEL_7: [f64; 2] = [4.000_572_82, 3.999_606_21];
const SHEKEL_10: [f64; 2] = [4.000_746_87, 3.999_509_48];

fn shekel_minimiser(half: [f64; 2]) -> Vec<f64> {
    half.repeat(2)
}

fn shekel<const M: usize>(x: &[f64]) -> f64 {
    const BETA: [f64; 10] = [0.1, 0.2, 0.2, 0.4, 0.4, 0.6, 0.3, 0.7, 0.5, 0.5];
    const C: [[f64; 4]; 10] = [
        [4.0, 4.0, 4.0, 4.0],
        [1.0, 1.0, 1.0, 1.0],
        [8.0, 8.0, 8.0, 8.0],
        [6.0, 6.0, 6.0, 6.0],
        [3.0, 7.0, 3.0, 7.0],
        [2.0, 9.0, 2.0, 9.0],
        [5.0, 3.0, 5.0, 3.0],
        [8.0, 1.0, 8.0, 1.0],
        [6.0, 2.0, 6.0, 2.0],
        [7.0, 3.6, 7.0, 3.6],
    ];
    let term = |i: usize| 1.0 / (BETA[i] + (0..4).map(|j| (x[j] - C[i][j]).powi(2)).sum::<f64>());
    -(0..M).map(term).sum::<f64>()
}

fn ackley(x: &[f64]) -> f64 {
    let d = x.len() as f64;
    let square = x.iter().map(|v| v * v).sum::<f64>() / d;
    let wave = x.iter().map(|v| (TAU * v).cos()).sum::<f64>() / d;
    -20.0 * (-0.2 * square.sqrt()).exp() - wave.exp() + 20.0 + E
}

fn rosenbrock(x: &[f64]) -> f64 {
    x.windows(2).map(|w| 100.0 * (w[1] - w[0] * w[0]).powi(2) + (w[0] - 1.0).powi(2)).sum()
}

fn rastrigin(x: &[f64]) -> f64 {
    x.iter().map(|v| v * v - 10.0 * (TAU * v).cos() + 10.0).sum()
}

fn levy(x: &[f64]) -> f64 {
    let w: Vec<f64> = x.iter().map(|v| 1.0 + (v - 1.0) / 4.0).collect();
    let last = w[w.len() - 1];
    let middle: f64 =
        w[..w.len() - 1].iter().map(|w| (w - 1.0).powi(2) * (1.0 + 10.0 * (PI * w + 1.0).sin().powi(2))).sum();
    (PI * w[0]).sin().powi(2) + middle + (last - 1.0).powi(2) * (1.0 + (TAU * last).sin().powi(2))
}

fn griewank(x: &[f64]) -> f64 {
    let square: f64 = x.iter().map(|v| v * v).sum::<f64>() / 4000.0;
    let product: f64 = x.iter().enumerate().map(|(i, v)| (v / ((i + 1) as f64).sqrt()).cos()).product();
    square - product + 1.0
}

fn schwefel(x: &[f64]) -> f64 {
    418.982_887_272_433_8 * x.len() as f64 - x.iter().map(|v| v * v.abs().sqrt().sin()).sum::<f64>()
}

fn michalewicz(x: &[f64]) -> f64 {
    x.iter().enumerate().map(|(i, v)| michalewicz_at(i, *v)).sum()
}

fn michalewicz_at(i: usize, x: f64) -> f64 {
    -x.sin() * ((i + 1) as f64 * x * x / PI).sin().powi(20)
}

/// The minimum of one term, by a fine search of the interval and golden sections.
fn michalewicz_term(i: usize) -> (f64, f64) {
    let value = |x: f64| michalewicz_at(i, x);
    let grid = 20_000;
    let at = |k: usize| PI * k as f64 / f64::from(grid);
    let best = (0..=grid as usize).min_by(|a, b| value(at(*a)).total_cmp(&value(at(*b)))).expect("a grid has points");
    let x = golden_section(at(best.saturating_sub(1)), at(best + 1), 80, value);
    (x, value(x))
}

fn styblinski_tang(x: &[f64]) -> f64 {
    0.5 * x.iter().map(|v| v.powi(4) - 16.0 * v * v + 5.0 * v).sum::<f64>()
}

fn dixon_price(x: &[f64]) -> f64 {
    let later = x.windows(2).enumerate().map(|(i, w)| (i + 2) as f64 * (2.0 * w[1] * w[1] - w[0]).powi(2));
    (x[0] - 1.0).powi(2) + later.sum::<f64>()
}

/// A problem with a limit: the objective, and constraints that hold where they are at most zero.
#[derive(Debug, Clone)]
pub struct ConstrainedFunction {
    /// Its name.
    pub name: &'static str,
    /// The box.
    pub bounds: Vec<(f64, f64)>,
    /// The smallest feasible value.
    pub optimum: f64,
    /// The objective.
    pub value: fn(&[f64]) -> f64,
    /// The constraints.
    pub constraints: Vec<fn(&[f64]) -> f64>,
}

/// Gramacy's problem: a line to minimise under a wavy and a round limit.
pub fn gramacy() -> ConstrainedFunction {
    ConstrainedFunction {
        name: "gramacy",
        bounds: cube(2, 0.0, 1.0),
        optimum: 0.599_788,
        value: |x| x[0] + x[1],
        constraints: vec![|x| 1.5 - x[0] - 2.0 * x[1] - 0.5 * (TAU * (x[0] * x[0] - 2.0 * x[1])).sin(), |x| {
            x[0] * x[0] + x[1] * x[1] - 1.5
        }],
    }
}

/// Gardner's problem: a wave to minimise where another is small.
pub fn gardner() -> ConstrainedFunction {
    ConstrainedFunction {
        name: "gardner",
        bounds: cube(2, 0.0, 6.0),
        optimum: -2.0,
        value: |x| (2.0 * x[0]).cos() * x[1].cos() + x[0].sin(),
        constraints: vec![|x| x[0].cos() * x[1].cos() - x[0].sin() * x[1].sin() - 0.5],
    }
}
