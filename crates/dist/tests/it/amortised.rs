//! Laws of layers that an encoder gives each data point.

use super::assert_close;
use elbo_core::Rng;
use elbo_dist::flow::{Amortised, FlowSpec};
use elbo_tensor::{DType, Parameters, Tensor, grad};

const D: usize = 3;
const SPECS: [&str; 6] = ["planar:2", "nice:2x4", "realnvp:2x4", "iaf:1x7", "iaf:3x4", "spline:2x5"];

fn normals(shape: &[usize], rng: &mut Rng) -> Tensor {
    Tensor::from_vec(rng.normals(shape.iter().product()), shape)
}

fn built(text: &str, dimension: usize, rng: &mut Rng) -> Amortised {
    text.parse::<FlowSpec>().unwrap().amortised(dimension, rng).unwrap()
}

/// Away from the start, where most layers are the identity.
fn shaken(text: &str, rng: &mut Rng) -> Amortised {
    let mut flow = built(text, D, rng);
    let packed: Vec<f64> = flow.pack().iter().map(|p| p + 0.15 * rng.normal()).collect();
    flow.unpack(&packed);
    flow
}

#[test]
fn log_determinants_are_those_of_the_jacobian_by_differences() {
    let mut rng = Rng::new(3);
    for text in SPECS {
        let flow = shaken(text, &mut rng);
        for _ in 0..4 {
            let (x, context) = (normals(&[1, D], &mut rng), normals(&[1, flow.context()], &mut rng));
            let start = x.to_vec();
            let h = 1e-5;
            let column = |j: usize| {
                let moved = |delta: f64| {
                    let mut p = start.clone();
                    p[j] += delta;
                    flow.forward(&Tensor::from_vec(p, &[1, D]), &context).0
                };
                (moved(h) - moved(-h)) * (0.5 / h)
            };
            let jacobian = Tensor::cat(&(0..D).map(column).collect::<Vec<_>>(), 0);
            let (_, numeric) = jacobian.sign_and_log_det().unwrap();
            assert_close(text, flow.forward(&x, &context).1.item(), numeric.item(), 1e-7);
        }
    }
}

#[test]
fn the_inverse_of_the_image_is_the_point_and_its_log_determinant_the_negative() {
    let mut rng = Rng::new(4);
    for text in SPECS {
        let flow = shaken(text, &mut rng);
        let (x, context) = (normals(&[20, D], &mut rng), normals(&[20, flow.context()], &mut rng));
        let (y, log_det) = flow.forward(&x, &context);
        let found = flow.inverse(&y, &context);
        assert_eq!(found.is_some(), flow.is_invertible(), "{text}");
        assert_eq!(flow.is_invertible(), !text.starts_with("planar"), "{text}");
        let Some((back, back_log_det)) = found else { continue };
        assert!((back - &x).abs().max().item() < 1e-9, "{text}");
        assert!((back_log_det + log_det).abs().max().item() < 1e-8, "{text}");
    }
}

#[test]
fn gradients_in_points_context_and_parameters_agree_with_differences() {
    let mut rng = Rng::new(5);
    for text in SPECS {
        let mut flow = shaken(text, &mut rng);
        let x = normals(&[2, D], &mut rng).variable();
        let context = normals(&[2, flow.context()], &mut rng).variable();
        let score = |flow: &Amortised, x: &Tensor, context: &Tensor| {
            let (y, log_det) = flow.forward(x, context);
            let weights = Tensor::linspace(0.5, 1.5, y.len()).reshape(y.shape());
            (y * weights).sum() + log_det.square().sum()
        };
        let output = score(&flow, &x, &context);
        let by_input = grad(&output, &[&x, &context]);
        let by_parameter = flow.gradient(&output);
        let h = 1e-6;
        let moved = |t: &Tensor, i: usize, delta: f64| {
            let mut p = t.to_vec();
            p[i] += delta;
            Tensor::from_vec(p, t.shape())
        };
        for i in 0..x.len() {
            let at = |delta| score(&flow, &moved(&x, i, delta), &context).item();
            assert_close(&format!("{text}: x {i}"), by_input[0].to_vec()[i], (at(h) - at(-h)) / (2.0 * h), 2e-6);
        }
        for i in 0..context.len() {
            let at = |delta| score(&flow, &x, &moved(&context, i, delta)).item();
            assert_close(&format!("{text}: context {i}"), by_input[1].to_vec()[i], (at(h) - at(-h)) / (2.0 * h), 2e-6);
        }
        let packed = flow.pack();
        // Every parameter of a small flow, and some of a large one.
        for i in (0..packed.len()).step_by((packed.len() / 60).max(1)) {
            let mut at = |delta: f64| {
                let mut p = packed.clone();
                p[i] += delta;
                flow.unpack(&p);
                score(&flow, &x, &context).item()
            };
            let numeric = (at(h) - at(-h)) / (2.0 * h);
            assert_close(&format!("{text}: parameter {i}"), by_parameter[i], numeric, 2e-6);
        }
    }
}

#[test]
fn layers_start_at_the_identity_and_gates_at_their_scale() {
    let mut rng = Rng::new(6);
    for text in SPECS {
        let flow = built(text, D, &mut rng);
        let x = normals(&[5, D], &mut rng);
        // A planar layer is the identity at a context of zero; the others start there whatever the context.
        let context = if text.starts_with("planar") {
            Tensor::zeros(&[5, flow.context()], DType::F64)
        } else {
            normals(&[5, flow.context()], &mut rng)
        };
        let (y, log_det) = flow.forward(&x, &context);
        let gate = 1.0 / (1.0 + (-1.5f64).exp());
        let (expected, expected_log_det) = match text {
            "iaf:1x7" => (&x * gate, gate.ln() * D as f64),
            // Reversed twice.
            "iaf:3x4" => (&x * gate.powi(3), gate.ln() * 3.0 * D as f64),
            _ => (x.clone(), 0.0),
        };
        assert!((y - expected).abs().max().item() < 1e-12, "{text}");
        assert!((log_det - expected_log_det).abs().max().item() < 1e-12, "{text}");
    }
}

#[test]
fn an_autoregressive_layer_sees_the_coordinates_before_and_all_of_the_context() {
    let mut rng = Rng::new(7);
    let flow = shaken("iaf:1x7", &mut rng);
    let x = normals(&[1, D], &mut rng).variable();
    let context = normals(&[1, flow.context()], &mut rng).variable();
    let (y, _) = flow.forward(&x, &context);
    for i in 0..D {
        let slopes = grad(&y.select(-1, i).sum(), &[&x, &context]);
        for (j, slope) in slopes[0].to_vec().iter().enumerate() {
            assert_eq!(*slope != 0.0, j <= i, "coordinate {i} in {j}: {slope}");
        }
        assert!(slopes[1].to_vec().iter().all(|slope| *slope != 0.0), "coordinate {i}");
    }
}

#[test]
fn one_coordinate_is_conditioned_by_the_context_alone() {
    let mut rng = Rng::new(8);
    for text in ["planar:2", "realnvp:2x4", "iaf:2x4", "spline:2x5"] {
        let flow = built(text, 1, &mut rng);
        let (y, log_det) = flow.forward(&normals(&[4, 1], &mut rng), &normals(&[4, flow.context()], &mut rng));
        assert_eq!((y.shape(), log_det.shape()), (&[4, 1][..], &[4][..]), "{text}");
        assert!(y.is_finite() && log_det.is_finite(), "{text}");
    }
}

#[test]
fn families_without_parameters_from_an_encoder_are_refused() {
    for text in ["radial:2", "householder:2", "sylvester:2x2", "maf:2x4", "continuous:2x4", "iaf:0"] {
        let error = text.parse::<FlowSpec>().unwrap().amortised(D, &mut Rng::new(0)).unwrap_err().to_string();
        assert!(error.contains("for each data point") && error.contains("iaf:2x32"), "{error}");
    }
}
