//! Generalised linear models: derivatives, the conjugate case, tables.

use crate::common::{assert_close, assert_derivatives};
use elbo_core::FromData;
use elbo_core::{Array, Data, Model, ModelFile, Prediction, Rng, Run, Summary, Supervised, Values};
use elbo_infer::LogDensity;
use elbo_infer::glm::{Glm, GlmKind, GlmLikelihood, GlmPosterior, GlmSettings, GlmTable};
use elbo_infer::target::Parted;
use elbo_tensor::Tensor;

fn every_glm() -> Vec<(&'static str, Glm)> {
    let (n, d) = (7, 3);
    let mut rng = Rng::new(3);
    let x: Vec<f64> = (0..n * d).map(|i| if i % d == 0 { 1.0 } else { rng.normal() }).collect();
    let with = |likelihood, y: [f64; 7]| Glm::new(likelihood, x.clone(), y.to_vec(), vec![2.0, 1.0, 0.5]);
    let numbers = [0.3, -1.2, 0.5, 2.0, 0.1, -0.4, 0.9];
    vec![
        ("gaussian", with(GlmLikelihood::Gaussian { noise: None }, numbers)),
        ("gaussian, known noise", with(GlmLikelihood::Gaussian { noise: Some(0.7) }, numbers)),
        ("bernoulli", with(GlmLikelihood::Bernoulli, [0.0, 1.0, 1.0, 0.0, 1.0, 0.0, 1.0])),
        ("poisson", with(GlmLikelihood::Poisson, [0.0, 3.0, 1.0, 0.0, 7.0, 2.0, 1.0])),
        ("categorical", with(GlmLikelihood::Categorical { classes: 3 }, [0.0, 2.0, 1.0, 1.0, 0.0, 2.0, 2.0])),
    ]
}

#[test]
fn derivatives_agree_with_differences_and_with_the_tensor_form() {
    for (name, glm) in every_glm() {
        let at: Vec<f64> = (0..glm.dim()).map(|i| 0.5 * (2.1 * i as f64 + 0.3).cos()).collect();
        assert_derivatives(&glm, &at, name);
        let points: Vec<f64> = (0..4).flat_map(|k| at.iter().map(move |z| z * f64::from(k) * 0.5)).collect();
        let points = Tensor::from_vec(points, &[4, glm.dim()]);
        assert_close(&glm.log_prob(&points).to_vec(), &glm.reference(&points).to_vec(), 1e-12, name);
        assert_eq!(glm.labels().len(), glm.dim(), "{name}");
    }
}

#[test]
fn parts_of_the_rows_average_to_the_whole() {
    for (name, glm) in every_glm() {
        let at: Vec<f64> = (0..glm.dim()).map(|i| 0.4 * (1.7 * i as f64 + 0.2).sin()).collect();
        let of = |density: &dyn LogDensity| {
            let (value, gradient) = density.values_and_gradients(&at);
            [value, gradient, density.hessian(&at).unwrap()].concat()
        };
        let whole = of(&glm);
        let n = glm.rows();
        let mean = |parts: &[Vec<usize>]| {
            let mut sum = vec![0.0; whole.len()];
            for rows in parts {
                let part = of(glm.part(rows).as_ref());
                sum.iter_mut().zip(part).for_each(|(s, p)| *s += p / parts.len() as f64);
            }
            sum
        };
        let ones: Vec<Vec<usize>> = (0..n).map(|i| vec![i]).collect();
        let pairs: Vec<Vec<usize>> = (0..n).flat_map(|i| (0..i).map(move |j| vec![i, j])).collect();
        assert_close(&mean(&ones), &whole, 1e-10, name);
        assert_close(&mean(&pairs), &whole, 1e-10, name);
        assert_close(&mean(&[(0..n).rev().collect()]), &whole, 1e-10, name);
        // A part is no part of the whole: one row is far from all.
        let gap = of(glm.part(&[0]).as_ref()).iter().zip(&whole).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(gap > 0.1, "{name}: {gap}");
    }
}

#[test]
fn derivatives_of_a_part_agree_with_differences() {
    for (name, glm) in every_glm() {
        let at: Vec<f64> = (0..glm.dim()).map(|i| 0.5 * (2.1 * i as f64 + 0.3).cos()).collect();
        assert_derivatives(glm.part(&[4, 1]).as_ref(), &at, name);
    }
}

#[test]
fn the_conjugate_case_integrates_to_its_evidence() {
    // One weight, known noise: log evidence by the closed form and by summing the density over a grid.
    let (x, y) = (vec![1.0, 2.0, -0.5], vec![0.8, 1.9, 0.2]);
    let glm = Glm::new(GlmLikelihood::Gaussian { noise: Some(0.5) }, x.clone(), y.clone(), vec![1.5]);
    let (precision, h) = (4.0, 1e-3);
    let grid: Vec<f64> = (-8000..8000).map(|i| f64::from(i) * h).collect();
    let total: f64 = glm.values_and_gradients(&grid).0.iter().map(|v| v.exp() * h).sum();
    let xx: f64 = x.iter().map(|x| x * x).sum();
    let xy: f64 = x.iter().zip(&y).map(|(x, y)| x * y).sum();
    let yy: f64 = y.iter().map(|y| y * y).sum();
    let posterior = xx * precision + 1.0 / 2.25;
    let exact = -1.5 * (2.0 * std::f64::consts::PI).ln() + 1.5 * precision.ln()
        - 0.5 * (yy * precision - (xy * precision).powi(2) / posterior)
        - 0.5 * (posterior * 2.25).ln();
    assert!((total.ln() - exact).abs() < 1e-10, "{} and {exact}", total.ln());
}

fn table(target: Values) -> Data {
    let n = 6;
    let colours = Values::Text {
        levels: ["red", "blue", "green"].map(String::from).to_vec(),
        codes: (0..n).map(|i| Some(i as u32 % 3)).collect(),
    };
    Data {
        source: "test".into(),
        arrays: vec![
            ("a".into(), Array::column(Values::F64((0..n).map(|i| f64::from(i * i)).collect()))),
            ("colour".into(), Array::column(colours)),
            ("y".into(), Array::column(target)),
        ],
        target: Some("y".into()),
        ..Data::default()
    }
}

#[test]
fn a_table_becomes_a_design_and_predictions_survive_a_file() {
    let counts = Values::F64(vec![0.0, 2.0, 5.0, 1.0, 3.0, 9.0]);
    let classes = Values::Text {
        levels: ["low", "mid", "high"].map(String::from).to_vec(),
        codes: [0, 1, 2, 0, 2, 1].map(Some).to_vec(),
    };
    let kinds = [
        (None, counts.clone()),
        (Some(GlmKind::Poisson), counts),
        (None, classes),
        (None, Values::F64(vec![1.0, 2.0, 1.0, 1.0, 2.0, 2.0])),
    ];
    for (likelihood, target) in kinds {
        let data = table(target);
        let settings = GlmSettings { likelihood, ..GlmSettings::default() };
        let (table, glm, _) = GlmTable::read(Supervised::from_data(&data).unwrap(), &settings).unwrap();
        assert_eq!(table.names(), ["intercept", "a", "colour=green", "colour=red"]);
        assert_eq!(table.labels(), glm.labels());
        let mut rng = Rng::new(1);
        let draws: Vec<f64> = rng.normals(40 * glm.dim()).iter().map(|v| 0.3 * v).collect();
        let labels = table.labels();
        let model = GlmPosterior::new(&0, table, draws, Summary::default());
        assert_every_draw_comes_once(&model, &labels);
        let mut file = ModelFile::new("test");
        model.save(&mut file).unwrap();
        let back = GlmPosterior::load(&file).unwrap();
        let predict = |m: &GlmPosterior| m.as_predict().unwrap().predict(&data, &mut Run::new(0)).unwrap();
        match (predict(&model), predict(&back)) {
            (Prediction::Numbers(a), Prediction::Numbers(b)) => {
                for i in 0..6 {
                    assert_eq!((a.mean(i), a.quantile(i, 0.9)), (b.mean(i), b.quantile(i, 0.9)));
                    // The distribution function crosses each level at its quantile.
                    for p in [0.1, 0.5, 0.95] {
                        let q = a.quantile(i, p);
                        assert!(a.cdf(i, q) >= p - 1e-9 && a.cdf(i, q - 1.0) < p, "{p}: {q}");
                    }
                    assert!(a.sd(i) > 0.0 && a.log_prob(i, a.mean(i).round()).is_finite());
                }
            }
            (Prediction::Classes { probabilities: a, classes }, Prediction::Classes { probabilities: b, .. }) => {
                assert_eq!(a, b);
                a.chunks_exact(classes.len()).for_each(|row| assert!((row.iter().sum::<f64>() - 1.0).abs() < 1e-12));
            }
            _ => panic!("the kinds of prediction differ"),
        }
    }
}

/// The verb `sample`: 40 draws are those of the posterior in another order, and the next 10 begin again.
fn assert_every_draw_comes_once(model: &GlmPosterior, labels: &[String]) {
    let drawn = model.as_sample().unwrap().sample(50, &mut Run::new(3)).unwrap();
    let names: Vec<&String> = drawn.arrays.iter().map(|(name, _)| name).collect();
    assert_eq!(names, labels.iter().collect::<Vec<_>>());
    let p = labels.len();
    let sorted = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values
    };
    for (d, (name, column)) in drawn.arrays.iter().enumerate() {
        let is_noise = name == "noise";
        let kept: Vec<f64> =
            model.draws().iter().skip(d).step_by(p).map(|v| if is_noise { v.exp() } else { *v }).collect();
        let values = column.to_f64().unwrap();
        assert_ne!(values[..40], kept[..], "{name}: in the order of the file");
        assert_eq!(sorted(values[..40].to_vec()), sorted(kept), "{name}");
        assert_eq!(values.len(), 50);
    }
}

#[test]
fn likelihoods_that_do_not_fit_the_target_are_refused() {
    let message = |likelihood, values: Vec<f64>| {
        let input = Supervised::from_data(&table(Values::F64(values))).unwrap();
        let error = GlmTable::read(input, &GlmSettings { likelihood: Some(likelihood), ..GlmSettings::default() });
        let error = error.expect_err("refused");
        format!("{error}; {}", error.remedy())
    };
    assert!(message(GlmKind::Poisson, vec![0.0, 1.0, 2.5, 3.0, 4.0, 5.0]).contains("row 3 has target 2.5"));
    assert!(message(GlmKind::Bernoulli, vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0]).contains("--categorical"));
    assert!(message(GlmKind::Poisson, vec![0.0, 1.0, 0.0, 1.0, 0.0, 1.0]).contains("two classes"));
}
