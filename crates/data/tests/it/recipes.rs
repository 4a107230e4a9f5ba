//! Recipes: what each promises, as statistics.

use crate::{numbers, texts};
use elbo_data::{MakeOptions, generators, make};

fn rows(n: usize) -> MakeOptions {
    MakeOptions { rows: Some(n), ..Default::default() }
}

#[test]
fn every_recipe_is_repeatable_finite_and_of_the_asked_size() {
    for recipe in generators() {
        let data = make(recipe.name, 7, &rows(40)).unwrap();
        assert_eq!(data, make(recipe.name, 7, &rows(40)).unwrap(), "{}", recipe.name);
        assert_ne!(data.digest(), make(recipe.name, 8, &rows(40)).unwrap().digest(), "{}", recipe.name);
        assert_eq!(data.rows(), 40);
        let inputs = data.arrays.len() - usize::from(data.target.is_some());
        assert_eq!(inputs, recipe.dims, "{}", recipe.name);
        for (name, array) in &data.arrays {
            assert!(array.to_f64().is_none_or(|v| v.iter().all(|x| x.is_finite())), "{} {name}", recipe.name);
        }
    }
}

#[test]
fn the_noise_is_the_difference_from_the_same_draw_without_noise() {
    for (name, noise) in [("snelson", 0.3), ("sine-gap", 0.1), ("friedman1", 1.0), ("gp-draw", 0.1)] {
        let noisy = make(name, 5, &rows(4000)).unwrap();
        let clean = make(name, 5, &MakeOptions { noise: Some(0.0), ..rows(4000) }).unwrap();
        let pairs: Vec<f64> = numbers(&noisy, "y").iter().zip(numbers(&clean, "y")).map(|(a, b)| a - b).collect();
        let spread = (pairs.iter().map(|d| d * d).sum::<f64>() / pairs.len() as f64).sqrt();
        // Five standard errors of a standard deviation from 4000 draws.
        assert!((spread / noise - 1.0).abs() < 5.0 / 8000f64.sqrt(), "{name}: {spread}");
    }
}

#[test]
fn friedman_follows_its_formula_and_ignores_the_further_inputs() {
    let data = make("friedman1", 3, &MakeOptions { noise: Some(0.0), dims: Some(7), ..rows(10) }).unwrap();
    let x: Vec<Vec<f64>> = (0..5).map(|d| numbers(&data, &format!("x{d}"))).collect();
    for (i, y) in numbers(&data, "y").iter().enumerate() {
        let f = 10.0 * (std::f64::consts::PI * x[0][i] * x[1][i]).sin()
            + 20.0 * (x[2][i] - 0.5).powi(2)
            + 10.0 * x[3][i]
            + 5.0 * x[4][i];
        assert!((y - f).abs() < 1e-12);
    }
}

#[test]
fn two_sines_lie_on_a_grid_with_a_gap_and_follow_their_formula() {
    let data = make("two-sines", 1, &MakeOptions { noise: Some(0.0), ..Default::default() }).unwrap();
    let (x, y) = (numbers(&data, "x0"), numbers(&data, "y"));
    assert_eq!((x.len(), x.iter().filter(|x| **x < 0.0).count()), (70, 38));
    for (x, y) in x.iter().zip(&y) {
        let (x, tau) = (x * 1.28, std::f64::consts::TAU);
        assert!(x.abs() > 0.61 - 1e-12 && x.abs() < 1.28 + 1e-12);
        assert!((y - (x + 0.8 * (tau * x).sin() + 0.8 * (2.0 * tau * x).sin())).abs() < 1e-12);
    }
    assert!((x[0] + 1.0).abs() < 1e-12 && (x[69] - 1.0).abs() < 1e-12);
    let steps: Vec<f64> = x[..38].windows(2).map(|w| w[1] - w[0]).collect();
    assert!(steps.iter().all(|s| (s - steps[0]).abs() < 1e-12));
}

#[test]
fn every_task_of_sines_is_one_sine() {
    let data = make("sines", 4, &rows(2000)).unwrap();
    let (task, x, y) = (numbers(&data, "task"), numbers(&data, "x0"), numbers(&data, "y"));
    let mut amplitudes = vec![];
    for t in 0..100 {
        let at: Vec<usize> = (0..2000).filter(|i| task[*i] == f64::from(t)).collect();
        assert_eq!(at.len(), 20);
        // y = p sin x + q cos x: two rows determine p and q, which the others must share.
        let [i, j] = [at[0], at[1]];
        let d = x[i].sin() * x[j].cos() - x[j].sin() * x[i].cos();
        let p = (y[i] * x[j].cos() - y[j] * x[i].cos()) / d;
        let q = (y[j] * x[i].sin() - y[i] * x[j].sin()) / d;
        let tolerance = 1e-9 / d.abs().min(1.0);
        assert!(at.iter().all(|k| (y[*k] - p * x[*k].sin() - q * x[*k].cos()).abs() < tolerance), "task {t}");
        amplitudes.push(p.hypot(q));
    }
    // Uniform on [0.1, 5]: a mean of 2.55 and a deviation of 1.41.
    let mean = amplitudes.iter().sum::<f64>() / 100.0;
    assert!((mean - 2.55).abs() < 5.0 * 0.141, "{mean}");
    assert!(amplitudes.iter().all(|a| *a > 0.1 - 1e-6 && *a < 5.0 + 1e-6));
}

#[test]
fn signals_are_standardised_and_their_classes_can_be_told_apart() {
    let data = make("signals", 5, &rows(3000)).unwrap();
    let columns: Vec<Vec<f64>> = (0..40).map(|d| numbers(&data, &format!("x{d}"))).collect();
    let all: Vec<f64> = columns.iter().flatten().copied().collect();
    let mean = all.iter().sum::<f64>() / all.len() as f64;
    let variance = all.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / all.len() as f64;
    assert!(mean.abs() < 1e-12 && (variance - 1.0).abs() < 1e-12);
    let class = texts(&data, "class");
    let mut names: Vec<&String> = class.iter().collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 10);
    // Classes 0 and 1 are each other's mirror images: what a signal has above its own mean line says which it is.
    let skew = |i: usize| {
        let row: Vec<f64> = (0..40).map(|d| columns[d][i]).collect();
        let slope = (row[39] - row[0]) / 39.0;
        let flat: Vec<f64> = row.iter().enumerate().map(|(d, v)| v - slope * d as f64).collect();
        let mean = flat.iter().sum::<f64>() / 40.0;
        flat.iter().map(|v| (v - mean).powi(3)).sum::<f64>()
    };
    let share = |name: &str| {
        let rows: Vec<usize> = (0..3000).filter(|i| class[*i] == name).collect();
        rows.iter().filter(|i| skew(**i) > 0.0).count() as f64 / rows.len() as f64
    };
    assert!(share("s0") > 0.8 && share("s1") < 0.2, "{} {}", share("s0"), share("s1"));
}

#[test]
fn a_gaussian_process_draw_has_unit_variance_and_the_matern_correlation() {
    // Nearest neighbours of one long draw in one dimension, many seeds: the product of y at distance r averages to the kernel.
    let (r, lengthscale) = (0.1, 0.3);
    let scaled = 3f64.sqrt() * r / lengthscale;
    let expected = (1.0 + scaled) * (-scaled).exp();
    let (mut products, mut squares, mut count) = (0.0, 0.0, 0.0);
    for seed in 0..150 {
        let options = MakeOptions { noise: Some(0.0), dims: Some(1), ..rows(60) };
        let data = make("gp-draw", seed, &options).unwrap();
        let mut points: Vec<(f64, f64)> = numbers(&data, "x0").into_iter().zip(numbers(&data, "y")).collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        for (i, (x, y)) in points.iter().enumerate() {
            if let Some((_, z)) = points[i..].iter().find(|(other, _)| (other - x - r).abs() < 0.01) {
                products += y * z;
                squares += 0.5 * (y * y + z * z);
                count += 1.0;
            }
        }
    }
    assert!(count > 1000.0);
    // About 150 independent draws of a chi-squared with a few degrees of freedom each: a standard error of 8 % or less.
    assert!((squares / count - 1.0).abs() < 0.4, "variance {}", squares / count);
    assert!((products / squares - expected).abs() < 0.05, "correlation {} against {expected}", products / squares);
}

#[test]
fn the_moons_interlock_and_are_equally_frequent() {
    let data = make("two-moons", 1, &MakeOptions { noise: Some(0.0), ..rows(600) }).unwrap();
    let (x, y, class) = (numbers(&data, "x0"), numbers(&data, "x1"), texts(&data, "class"));
    assert_eq!(class.iter().filter(|c| *c == "a").count(), 300);
    for i in 0..600 {
        let (dx, dy) = if class[i] == "a" { (x[i], y[i]) } else { (1.0 - x[i], 0.5 - y[i]) };
        assert!((dx.hypot(dy) - 1.0).abs() < 1e-12 && dy >= 0.0);
    }
}

#[test]
fn the_probit_classes_follow_the_normal_distribution_function() {
    let data = make("probit-2d", 2, &rows(20_000)).unwrap();
    let (a, b, class) = (numbers(&data, "x0"), numbers(&data, "x1"), texts(&data, "class"));
    // Where f is near zero half of the rows are of either class; where it is above 3 nearly all are `b`.
    let share = |low: f64, high: f64| {
        let chosen: Vec<bool> = (0..a.len())
            .filter(|i| (low..high).contains(&(2.0 * a[*i].sin() + b[*i])))
            .map(|i| class[i] == "b")
            .collect();
        (chosen.iter().filter(|c| **c).count() as f64 / chosen.len() as f64, chosen.len() as f64)
    };
    let (half, n) = share(-0.1, 0.1);
    assert!((half - 0.5).abs() < 5.0 * (0.25 / n).sqrt(), "{half}");
    // Phi(1) = 0.8413.
    let (one, n) = share(0.9, 1.1);
    assert!((one - 0.8413).abs() < 5.0 * (0.1335 / n).sqrt(), "{one}");
    assert!(share(3.0, 9.0).0 > 0.99);
}

#[test]
fn the_densities_have_their_moments() {
    let n = 20_000;
    let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
    let eight = make("eight-gaussians", 3, &rows(n)).unwrap();
    let radius: Vec<f64> =
        numbers(&eight, "x0").iter().zip(numbers(&eight, "x1")).map(|(a, b)| a * a + b * b).collect();
    // E r^2 = 4 + 2 noise^2; its standard deviation is about 0.8.
    assert!((mean(&radius) - 4.08).abs() < 5.0 * 0.82 / (n as f64).sqrt(), "{}", mean(&radius));
    let crescent = make("crescent", 3, &rows(n)).unwrap();
    let bent: Vec<f64> =
        numbers(&crescent, "x0").iter().zip(numbers(&crescent, "x1")).map(|(a, b)| b - (a * a - 4.0) / 4.0).collect();
    assert!(mean(&bent).abs() < 5.0 / (n as f64).sqrt());
    let funnel = make("funnel", 3, &rows(n)).unwrap();
    let scaled: Vec<f64> =
        numbers(&funnel, "x0").iter().zip(numbers(&funnel, "x4")).map(|(v, x)| x * x * (-v).exp()).collect();
    // A chi-squared with one degree of freedom: mean one, variance two.
    assert!((mean(&scaled) - 1.0).abs() < 5.0 * (2.0 / n as f64).sqrt());
}

#[test]
fn wrong_names_and_numbers_are_answered() {
    assert_eq!(make("two-mons", 1, &rows(10)).unwrap_err().remedy(), "did you mean `two-moons`?");
    let dims = make("kin8", 1, &MakeOptions { dims: Some(9), ..Default::default() }).unwrap_err();
    assert_eq!(dims.to_string(), "setting `dims` is 9; expected from 8 to 8 for `kin8`");
    let noise = make("funnel", 1, &MakeOptions { noise: Some(0.1), ..Default::default() }).unwrap_err();
    assert!(noise.to_string().contains("`funnel` has no noise to set"), "{noise}");
    assert!(make("snelson", 1, &rows(0)).is_err());
    assert!(make("snelson", 1, &MakeOptions { noise: Some(f64::NAN), ..Default::default() }).is_err());
}
