//! Density estimates, mean shift, projections, and the system around them.

use elbo_core::{AnySystem, Array, Data, Model, ModelFile, Rng, Run};
use elbo_dist::kde::{DensityKernel, Kde, random_projection, within_balls};
use elbo_systems_stats::kde_mode::KdeMode;
use serde_json::json;

const KERNELS: [DensityKernel; 7] = [
    DensityKernel::Gaussian,
    DensityKernel::Logistic,
    DensityKernel::Sigmoid,
    DensityKernel::GeneralisedGaussian { a: 1.0 },
    DensityKernel::GeneralisedGaussian { a: 2.0 },
    DensityKernel::GeneralisedGaussian { a: 3.0 },
    DensityKernel::Cauchy,
];

fn close(what: &str, value: f64, expected: f64, tolerance: f64) {
    assert!((value - expected).abs() <= tolerance * expected.abs().max(1e-300), "{what}: {value}, expected {expected}");
}

#[test]
fn profiles_have_the_formulas_values_and_slopes() {
    for u in [0.01f64, 0.5, 1.0, 4.0, 30.0] {
        let t = u.sqrt();
        let values = [
            (-0.5 * u).exp(),
            1.0 / (t.exp() + 2.0 + (-t).exp()),
            1.0 / (t.exp() + (-t).exp()),
            (-t).exp(),
            (-u).exp(),
            (-u.powf(1.5)).exp(),
            1.0 / (1.0 + u),
        ];
        for (kernel, expected) in KERNELS.iter().zip(values) {
            close(&format!("{kernel:?} at {u}"), kernel.log_value(u).exp(), expected, 1e-12);
            let h = 1e-5 * u;
            let slope = (kernel.log_value(u - h).exp() - kernel.log_value(u + h).exp()) / (2.0 * h);
            close(&format!("slope of {kernel:?} at {u}"), kernel.log_slope(u).exp(), slope, 1e-5);
        }
    }
    // Limits at zero: 1/2, 1/16, 1/4.
    for (kernel, expected) in KERNELS.iter().zip([0.5, 1.0 / 16.0, 0.25]) {
        close(&format!("{kernel:?} at zero"), kernel.log_slope(0.0).exp(), expected, 1e-10);
    }
    assert!(KERNELS.iter().all(|k| k.log_value(1e5).is_finite() && k.log_slope(1e5).is_finite()));
}

/// Three clusters in the plane.
fn plane(n: usize, seed: u64) -> Vec<f64> {
    let mut rng = Rng::new(seed);
    let centres = [[0.0, 0.0], [3.0, 0.5], [-1.0, 4.0]];
    (0..n)
        .flat_map(|_| {
            let c = centres[rng.weighted(&[0.5, 0.3, 0.2])];
            [c[0] + 0.6 * rng.normal(), c[1] + 0.6 * rng.normal()]
        })
        .collect()
}

#[test]
fn mean_shift_never_descends_and_ends_where_nothing_near_is_denser() {
    let points = plane(120, 1);
    let mut rng = Rng::new(2);
    for kernel in KERNELS {
        let kde = Kde { points: &points, dims: 2, bandwidth: 0.9, kernel, log_weights: None };
        for start in 0..10 {
            let from = &points[2 * start..2 * start + 2];
            let mut last = kde.log_density(from);
            for shifts in [1, 3, 500] {
                let end = kde.climb(from, shifts);
                assert!(end.log_density >= last, "{kernel:?}: {} after {last}", end.log_density);
                last = end.log_density;
            }
            let end = kde.climb(from, 500);
            close("density", kde.log_density(&end.at), end.log_density, 1e-12);
            for _ in 0..20 {
                let near = [end.at[0] + 1e-3 * rng.normal(), end.at[1] + 1e-3 * rng.normal()];
                assert!(kde.log_density(&near) <= end.log_density + 1e-5, "{kernel:?}");
            }
        }
    }
}

#[test]
fn one_shift_of_a_gaussian_is_the_weighted_mean() {
    let points = [0.0, 1.0, 4.0];
    let kernel = DensityKernel::Gaussian;
    let kde = Kde { points: &points, dims: 1, bandwidth: 2.0, kernel, log_weights: None };
    let weights: Vec<f64> = points.iter().map(|p| (-0.5f64 * (p - 0.5) * (p - 0.5) / 4.0).exp()).collect();
    let expected = weights.iter().zip(&points).map(|(w, p)| w * p).sum::<f64>() / weights.iter().sum::<f64>();
    close("shift", kde.climb(&[0.5], 1).at[0], expected, 1e-12);
    // Far away every weight underflows, yet the nearest point still pulls.
    assert!((kde.climb(&[1e4], 1).at[0] - 4.0).abs() < 1e-9);
}

#[test]
fn a_peak_at_a_point_is_left_for_a_higher_one_only() {
    // exp(-distance) has a peak at each point, where its own pull is infinite; the others' mean is tried from there.
    let points = [0.0, 0.0, 0.0, 0.3, 10.0];
    let kernel = DensityKernel::GeneralisedGaussian { a: 1.0 };
    let kde = Kde { points: &points, dims: 1, bandwidth: 1.0, kernel, log_weights: None };
    let lone = kde.climb(&[10.0], 500);
    assert!(lone.log_density > kde.climb(&[10.0], 0).log_density && lone.at[0].abs() < 1e-3, "at {:?}", lone.at);
    assert!(kde.climb(&[0.3], 500).at[0].abs() < 1e-3);
    assert!(kde.climb(&[0.0], 500).at[0].abs() < 1e-12);
}

#[test]
fn bounds_hold_everywhere_and_the_cover_is_tight() {
    let points = plane(80, 3);
    let mut rng = Rng::new(4);
    for kernel in KERNELS {
        let kde = Kde { points: &points, dims: 2, bandwidth: 0.7, kernel, log_weights: None };
        let climbs = points.chunks(2).map(|p| kde.climb(p, 500).log_density);
        let best = climbs.fold(f64::NEG_INFINITY, f64::max);
        let (certain, cover) = (kde.log_upper_bound(), kde.log_cover_bound(best, 0.02, 20_000));
        assert!(cover >= best && cover <= best + 0.02, "{kernel:?}: {cover} over {best}");
        assert!(certain >= best, "{kernel:?}");
        for _ in 0..500 {
            let x = [rng.range(-3.0, 5.0), rng.range(-3.0, 6.0)];
            assert!(kde.log_density(&x) <= cover + 1e-12);
        }
    }
}

#[test]
fn a_point_of_weight_three_is_three_points() {
    let points = plane(30, 10);
    let counts = |i: usize| 1 + i % 3;
    let repeated: Vec<f64> = points.chunks(2).enumerate().flat_map(|(i, p)| p.repeat(counts(i))).collect();
    let logs: Vec<f64> = (0..30).map(|i| (counts(i) as f64 / 60.0).ln()).collect();
    for kernel in KERNELS {
        let weighted = Kde { points: &points, dims: 2, bandwidth: 0.7, kernel, log_weights: Some(&logs) };
        let many = Kde { points: &repeated, log_weights: None, ..weighted.clone() };
        close("bound", weighted.log_upper_bound(), many.log_upper_bound(), 1e-10);
        for start in points.chunks(2).take(6) {
            let (one, other) = (weighted.climb(start, 3), many.climb(start, 3));
            close(&format!("{kernel:?}"), one.log_density, other.log_density, 1e-10);
            one.at.iter().zip(&other.at).for_each(|(a, b)| assert!((a - b).abs() < 1e-9, "{kernel:?}: {a} and {b}"));
        }
    }
}

#[test]
fn projections_keep_squared_distances_on_average() {
    let mut rng = Rng::new(5);
    let (n, dims, k) = (40, 500, 60);
    let points = rng.normals(n * dims);
    let low = random_projection(&points, dims, k, &mut rng);
    let square =
        |p: &[f64], d: usize, i: usize, j: usize| (0..d).map(|c| (p[i * d + c] - p[j * d + c]).powi(2)).sum::<f64>();
    let mut ratios = vec![];
    for i in 0..n {
        for j in 0..i {
            ratios.push(square(&low, k, i, j) / square(&points, dims, i, j));
        }
    }
    let mean = ratios.iter().sum::<f64>() / ratios.len() as f64;
    // Each ratio has standard deviation √(2/k) = 0.18; those of one projection are correlated.
    assert!((mean - 1.0).abs() < 0.1, "{mean}");
    assert!(ratios.iter().all(|r| (r - 1.0).abs() < 6.0 * (2.0 / k as f64).sqrt()));
}

#[test]
fn a_point_within_all_balls_is_found() {
    let mut rng = Rng::new(6);
    let (n, dims) = (30, 8);
    let points = rng.normals(n * dims);
    let inside = rng.normals(dims);
    let distance = |p: &[f64]| p.iter().zip(&inside).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
    let radii: Vec<f64> = points.chunks(dims).map(|p| 1.01 * distance(p)).collect();
    let (x, ratio) = within_balls(&points, &radii, &vec![5.0; dims], 5000);
    assert!(ratio <= 1.0 + 1e-3, "{ratio}");
    for (p, r) in points.chunks(dims).zip(&radii) {
        let found = p.iter().zip(&x).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
        assert!(found <= r * (ratio + 1e-9));
    }
}

fn table(points: Vec<f64>, dims: usize) -> Data {
    let arrays = vec![("p".into(), Array::new(&[points.len() / dims, dims], points))];
    Data { source: "made".into(), arrays, ..Data::default() }
}

fn fit(settings: serde_json::Value, data: &Data) -> elbo_core::Result<(Box<dyn Model>, Vec<String>)> {
    let mut run = Run::new(7);
    AnySystem::fit(&KdeMode, &settings, data, &mut run).map(|model| (model, run.warnings().to_vec()))
}

fn metric(model: &dyn Model, name: &str) -> f64 {
    model.summary().metrics.iter().find(|(n, _)| n == name).unwrap_or_else(|| panic!("{name}")).1
}

/// Two clusters in many dimensions; the first, around one, is denser.
fn crowd(dims: usize) -> Vec<f64> {
    let mut rng = Rng::new(8);
    (0..150)
        .flat_map(|i| {
            let (centre, spread) = if i < 100 { (1.0, 0.1) } else { (-1.0, 0.2) };
            (0..dims).map(|_| centre + spread * rng.normal()).collect::<Vec<_>>()
        })
        .collect()
}

#[test]
fn the_denser_cluster_is_found_and_a_file_keeps_it() {
    let data = table(crowd(60), 60);
    for (k, guarantee) in [(json!(8), false), (json!("auto"), false), (json!(30), true)] {
        let settings = json!({ "k": k, "guarantee": guarantee, "h": 1.0, "epsilon": 0.9, "constant": 2.0 });
        let (model, warnings) = fit(settings, &data).unwrap();
        let tables = model.tables();
        let names: Vec<&str> = tables.iter().map(|t| t.name.as_str()).collect();
        assert_eq!(names, ["mode", "members", "starts"]);
        let values: Vec<f64> = tables[0].rows.iter().map(|r| r[1].parse().unwrap()).collect();
        assert!(values.len() == 60 && values.iter().all(|v| (v - 1.0).abs() < 0.1), "{values:?}");
        assert!(tables[1].rows.len() > 50 && tables[1].rows.iter().all(|r| r[0].parse::<usize>().unwrap() <= 100));
        let (lower, upper) = (metric(model.as_ref(), "certificate_lower"), metric(model.as_ref(), "certificate_upper"));
        assert!(lower <= upper && metric(model.as_ref(), "ratio_to_best_point") >= 1.0);
        if guarantee {
            assert!(metric(model.as_ref(), "lift_ratio") <= 1.0 + 1e-6, "{warnings:?}");
        }
        let mut file = ModelFile::new("kde-mode");
        model.save(&mut file).unwrap();
        let loaded = AnySystem::load(&KdeMode, &ModelFile::from_bytes(&file.to_bytes()).unwrap()).unwrap();
        assert_eq!((loaded.summary(), loaded.tables()), (model.summary(), tables));
    }
}

#[test]
fn weights_choose_the_cluster_and_are_no_coordinate() {
    let weighed = |weights: Vec<f64>, settings: serde_json::Value| {
        let mut data = table(crowd(40), 40);
        data.arrays.push(("people".into(), Array::column(elbo_core::Values::F64(weights))));
        fit(settings, &data)
    };
    // The second cluster is the smaller and wider one.
    let heavy: Vec<f64> = (0..150).map(|i| if i < 100 { 1e-300 } else { 1e300 }).collect();
    let settings = json!({ "k": 8, "h": 1.0, "weights": "people" });
    let (model, _) = weighed(heavy.clone(), settings.clone()).unwrap();
    let coordinates = &model.tables()[0].rows;
    assert!(coordinates.len() == 40 && coordinates.iter().all(|r| (r[1].parse::<f64>().unwrap() + 1.0).abs() < 0.2));
    let (plain, _) = fit(json!({ "k": 8, "h": 1.0 }), &table(crowd(40), 40)).unwrap();
    let (alike, _) = weighed(vec![0.3; 150], settings.clone()).unwrap();
    for name in ["density", "certificate_upper"] {
        close(name, metric(alike.as_ref(), name), metric(plain.as_ref(), name), 1e-9);
    }
    let mut none = heavy;
    none[7] = 0.0;
    let error = weighed(none.clone(), settings).err().unwrap();
    assert!(error.to_string().contains("`people` is 0 in row 8"), "{error}");
    let error = weighed(none, json!({ "weights": "poeple" })).err().unwrap();
    assert!(error.remedy().contains("did you mean `people`?"), "{}", error.remedy());
    let alone =
        Data { arrays: vec![("w".into(), Array::column(elbo_core::Values::F64(vec![1.0, 2.0])))], ..Data::default() };
    let error = fit(json!({ "weights": "w" }), &alone).err().unwrap();
    assert!(error.to_string().contains("is the only one"), "{error}");
}

#[test]
fn three_dimensions_get_a_certified_cover() {
    let (model, _) = fit(json!({ "k": 2, "h": 1.0 }), &table(crowd(40), 40)).unwrap();
    let starts = &model.tables()[2];
    let best = starts.rows.iter().map(|r| r[2].parse::<f64>().unwrap()).fold(0.0, f64::max);
    let bound = metric(model.as_ref(), "projected_upper");
    assert!(bound >= best * 0.999_999 && bound <= best * 1.02, "{bound} over {best}");
}

#[test]
fn bad_inputs_are_answered() {
    let data = table(crowd(30), 30);
    let boxed = fit(json!({ "kernel": "box", "guarantee": true }), &data).err().unwrap();
    assert!(boxed.to_string().contains("NP-hard") && boxed.remedy().contains("guarantee=false"), "{boxed}");
    let (_, warnings) = fit(json!({ "kernel": "box", "h": 1.5 }), &data).unwrap();
    assert!(warnings.iter().any(|w| w.contains("heuristic")), "{warnings:?}");
    let (_, warnings) = fit(json!({ "h": 1e-3 }), &data).unwrap();
    assert!(
        warnings.iter().any(|w| w.contains("modes of their own") && w.contains("nearest neighbours")),
        "{warnings:?}"
    );
    let (_, warnings) = fit(json!({ "k": 3, "guarantee": true }), &data).unwrap();
    assert!(warnings.iter().any(|w| w.contains("it does not hold")), "{warnings:?}");
    let mut twice = plane(40, 9);
    twice.extend_from_within(..20);
    let (model, warnings) = fit(json!({}), &table(twice, 2)).unwrap();
    assert!(warnings.iter().any(|w| w.contains("10 points repeat others")), "{warnings:?}");
    assert_eq!(metric(model.as_ref(), "k"), 2.0);
    let same = table([1.0, 2.0].repeat(30).into_iter().chain([3.0, 4.0]).collect(), 2);
    let message = fit(json!({}), &same).err().unwrap();
    assert!(message.to_string().contains("no bandwidth follows"), "{message}");
    let bandwidth = fit(json!({ "h": "wide" }), &data).err().unwrap();
    assert_eq!(bandwidth.to_string(), "setting `h` is \"wide\"; expected `auto`, or a number");
    let dimensions = fit(json!({ "k": "atuo" }), &data).err().unwrap();
    assert_eq!(dimensions.to_string(), "setting `k` is \"atuo\"; expected `auto`, or a whole number at least 0");
    assert!(dimensions.remedy().contains("nearest allowed value is auto"), "{}", dimensions.remedy());
    let exponent = fit(json!({ "kernel": "generalised_gaussian", "exponent": 0.0 }), &data).err().unwrap();
    assert!(exponent.to_string().contains("`exponent` is 0"), "{exponent}");
}
