//! Laws of the graph: what is differentiated, how often, and with which bits.

use elbo_core::Rng;
use elbo_tensor::{
    DType, Tensor, checkpoint, grad, grad_graph, hvp, is_recording, jacobian, jvp, no_grad, vjp, vjp_many,
};

fn random(shape: &[usize], seed: u64) -> Tensor {
    Tensor::from_vec(Rng::new(seed).normals(shape.iter().product()), shape)
}

#[test]
fn inputs_without_influence_get_zeros_and_repeated_ones_the_same() {
    let (x, y) = (random(&[3], 1).variable(), random(&[2, 2], 2).variable());
    let gradients = grad(&x.square().sum(), &[&y, &x, &x]);
    assert_eq!(gradients[0].to_vec(), [0.0; 4]);
    assert_eq!(gradients[1].to_vec(), gradients[2].to_vec());
    assert_eq!(grad(&Tensor::scalar(1.0), &[&x])[0].to_vec(), [0.0; 3]);
}

#[test]
fn gradients_with_respect_to_intermediate_tensors_stop_there() {
    let x = random(&[3], 1).variable();
    let middle = x.exp();
    let output = middle.square().sum();
    let gradients = grad(&output, &[&middle, &x]);
    for (i, m) in middle.to_vec().iter().enumerate() {
        assert!((gradients[0].to_vec()[i] - 2.0 * m).abs() < 1e-14);
        assert!((gradients[1].to_vec()[i] - 2.0 * m * m).abs() < 1e-13);
    }
}

#[test]
fn detached_values_and_paused_recording_carry_no_gradient() {
    let x = random(&[3], 1).variable();
    let y = (x.detach() * &x).sum();
    assert_eq!(grad(&y, &[&x])[0].to_vec(), x.to_vec());
    assert!(!no_grad(|| x.exp()).is_tracked() && is_recording());
    assert!(!grad(&x.square().sum(), &[&x])[0].is_tracked());
}

#[test]
fn derivatives_of_any_order_of_a_power_are_exact() {
    let x = Tensor::scalar(1.5).variable();
    let mut y = x.powi(5);
    for expected in [5.0 * 1.5f64.powi(4), 20.0 * 1.5f64.powi(3), 60.0 * 1.5 * 1.5, 120.0 * 1.5, 120.0, 0.0] {
        y = grad_graph(&y, &[&x]).remove(0);
        assert!((y.item() - expected).abs() < 1e-12, "{} and {expected}", y.item());
    }
}

#[test]
fn jacobian_products_agree_with_the_jacobian() {
    let (w, x) = (random(&[4, 3], 1), random(&[3], 2).variable());
    let y = w.matmul(&x.tanh()).square();
    let j = jacobian(&y, &x);
    assert_eq!(j.shape(), [4, 3]);
    let (u, v) = (random(&[4], 3), random(&[3], 4));
    let close = |a: &Tensor, b: &Tensor| assert!((a - b).abs().max().item() < 1e-13, "{a:?} and {b:?}");
    close(&vjp(&y, &[&x], &u, false)[0], &j.t().matmul(&u));
    close(&jvp(&y, &[&x], &[&v]), &j.matmul(&v));
    let hessian = jacobian(&grad_graph(&y.sum(), &[&x])[0], &x);
    close(&hessian, &hessian.t());
    close(&hvp(&y.sum(), &[&x], &[&v])[0], &hessian.matmul(&v));
    let both = vjp_many(&[(&y, &u), (&x, &v)], &[&x], false).remove(0);
    close(&both, &(j.t().matmul(&u) + v));
}

#[test]
fn a_checkpointed_function_has_the_same_derivatives() {
    let f = |x: &[Tensor]| (x[0].matmul(&x[1]).tanh().matmul(&x[1]).sigmoid()).square();
    let (a, b) = (random(&[3, 3], 1).variable(), random(&[3, 3], 2).variable());
    let plain = f(&[a.clone(), b.clone()]).sum();
    let saved = checkpoint(&[&a, &b], f).sum();
    assert_eq!(plain.item().to_bits(), saved.item().to_bits());
    let (v, w) = (random(&[3, 3], 3), random(&[3, 3], 4));
    for (p, s) in grad(&plain, &[&a, &b]).iter().zip(grad(&saved, &[&a, &b])) {
        assert!((p - s).abs().max().item() < 1e-14);
    }
    for (p, s) in hvp(&plain, &[&a, &b], &[&v, &w]).iter().zip(hvp(&saved, &[&a, &b], &[&v, &w])) {
        assert!((p - s).abs().max().item() < 1e-13);
    }
}

#[test]
fn deep_graphs_are_differentiated_and_dropped_without_overflow() {
    let thread = std::thread::Builder::new().stack_size(256 * 1024).spawn(|| {
        let x = Tensor::scalar(0.5).variable();
        let mut y = x.clone();
        for _ in 0..100_000 {
            y = (&y * &x).affine(1.0, 0.25);
        }
        let first = grad_graph(&y, &[&x]).remove(0);
        drop(y);
        first.item()
    });
    // y = 0.5 and dy/dx = y + x dy/dx, so both stay finite.
    let slope = thread.unwrap().join().unwrap();
    assert!((slope - 1.0).abs() < 1e-12, "{slope}");
}

#[test]
fn casts_return_gradients_in_the_source_type() {
    let x = Tensor::from_f32(vec![1.0, 2.0], &[2]).variable();
    let y = x.to_f64().square().sum();
    assert_eq!((y.dtype(), grad(&y, &[&x])[0].dtype()), (DType::F64, DType::F32));
}

#[test]
#[should_panic(expected = "`add`: types f32 and f64 differ")]
fn types_do_not_mix_in_silence() {
    let _ = Tensor::from_f32(vec![1.0], &[1]) + Tensor::scalar(1.0);
}

#[test]
#[should_panic(expected = "`mul`: shapes [2, 3] and [2] do not broadcast")]
fn shapes_that_do_not_fit_are_both_named() {
    let _ = random(&[2, 3], 1) * random(&[2], 2);
}

#[test]
fn every_bit_is_the_same_for_1_2_and_8_threads() {
    let work = || {
        let (x, w) = (random(&[40_000, 9], 1).variable(), random(&[9, 40], 2).variable());
        let h = x.matmul(&w).tanh();
        let column = h.sum_axis(0, false);
        let total = (h.square().sum_axis(1, false).log1p().sum() + column.square().mean()) * h.mean();
        let wide = w.matmul(&w.t()).softmax(1).sum();
        let total = total + wide;
        let gradients = grad(&total, &[&x, &w]);
        let mut bits = vec![total.item().to_bits()];
        bits.extend(gradients.iter().flat_map(|g| g.to_vec()).map(f64::to_bits));
        bits
    };
    let on = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(work);
    let one = on(1);
    assert!(one == on(2) && one == on(8));
}

#[test]
fn sums_of_large_tensors_are_right_in_every_direction() {
    // Integers up to 2^53 add exactly, in any order.
    let x = Tensor::arange(300_000, DType::F64).reshape(&[3, 1000, 100]);
    let expected = |n: f64| n * (n - 1.0) / 2.0;
    assert_eq!(x.sum().item(), expected(300_000.0));
    for axes in [&[0][..], &[1], &[2], &[0, 1], &[1, 2], &[0, 2]] {
        assert_eq!(x.sum_axes(axes, false).sum().item(), expected(300_000.0), "{axes:?}");
    }
    assert_eq!(x.sum_axes(&[1], false).to_vec()[..2], [expected(1000.0) * 100.0, expected(1000.0) * 100.0 + 1000.0]);
    assert_eq!(x.max_axis(1, false).to_vec()[..2], [99_900.0, 99_901.0]);
    assert_eq!((x.t().contiguous().to_vec()[1], x.flatten().argmax(0, false).item()), (100.0, 299_999.0));
}

#[test]
fn softmax_family_survives_infinities() {
    let inf = f64::INFINITY;
    let x = Tensor::from_vec(vec![-inf, -inf, 0.0, -inf, 1000.0, 1000.0], &[3, 2]).variable();
    let y = x.log_sum_exp(1, false);
    let values = y.to_vec();
    assert_eq!(values[..2], [-inf, 0.0]);
    assert!((values[2] - 1000.0 - 2f64.ln()).abs() < 1e-12);
    let g = grad(&y.narrow(0, 1, 2).sum(), &[&x])[0].to_vec();
    assert_eq!(g[2..], [1.0, 0.0, 0.5, 0.5]);
    let a = Tensor::from_vec(vec![-inf, 0.0, -800.0], &[3]);
    let b = Tensor::from_vec(vec![-inf, -inf, 800.0], &[3]);
    assert_eq!(a.logaddexp(&b).to_vec(), [-inf, 0.0, 800.0]);
}

/// Checks first derivatives, and the Hessian's product with a vector, against numbers.
#[track_caller]
fn assert_both_derivatives(
    what: &str,
    value: &Tensor,
    inputs: &[&Tensor],
    along: &[&Tensor],
    expected: [&[&[f64]]; 2],
) {
    let found = [grad(value, inputs), hvp(value, inputs, along)];
    for (order, (found, expected)) in found.iter().zip(expected).enumerate() {
        for (found, expected) in found.iter().zip(expected) {
            // Rounding of the precision at hand.
            let tolerance = if found.dtype() == DType::F32 { 2e-6 } else { 1e-14 };
            let found = found.to_vec();
            let is_close = found.iter().zip(*expected).all(|(f, e)| (f - e).abs() <= tolerance);
            assert!(is_close, "{what}: derivatives of order {}: {found:?}, expected {expected:?}", order + 1);
        }
    }
}

#[test]
fn sums_of_exponentials_of_nothing_have_slopes_of_zero() {
    let inf = f64::INFINITY;
    let p = 1.0 / (1.0 + (-0.7f64).exp());
    for dtype in [DType::F64, DType::F32] {
        let tensor = |values: &[f64], shape: &[usize]| Tensor::from_slice(values, shape).cast(dtype);
        // Nothing at all, a usual slice, and one with a part of nothing.
        let x = tensor(&[-inf, -inf, 0.3, -0.4, -inf, 1.0], &[3, 2]).variable();
        let weights = tensor(&[1.0, 2.0, 3.0], &[3]);
        let along = tensor(&[1.0, 2.0, 1.0, -2.0, 1.0, 2.0], &[3, 2]);
        // The curvature diag(p) - p p' along (1, -2), which is p (1 - p) (3, -3).
        let curved = 2.0 * p * (1.0 - p) * 3.0;
        let expected: [&[&[f64]]; 2] =
            [&[&[0.0, 0.0, 2.0 * p, 2.0 * (1.0 - p), 0.0, 3.0]], &[&[0.0, 0.0, curved, -curved, 0.0, 0.0]]];
        for keep in [false, true] {
            let value = x.log_sum_exp(1, keep);
            assert_eq!(value.to_vec()[0], -inf);
            let total = (value.reshape(&[3]) * &weights).sum();
            assert_both_derivatives("log_sum_exp", &total, &[&x], &[&along], expected);
        }
        // A slice of nothing has no softmax, and does not touch the others.
        let logs = x.log_softmax(1);
        assert!(logs.to_vec()[..2].iter().all(|v| v.is_nan()) && logs.to_vec()[4] == -inf);
        let rest = logs.select(0, 1).select(0, 0) * 2.0;
        let slopes: &[f64] = &[0.0, 0.0, 2.0 * (1.0 - p), -2.0 * (1.0 - p), 0.0, 0.0];
        let bent: &[f64] = &[0.0, 0.0, -curved, curved, 0.0, 0.0];
        assert_both_derivatives("log_softmax", &rest, &[&x], &[&along], [&[slopes], &[bent]]);
        let last = logs.select(0, 2).select(0, 1);
        assert_both_derivatives("beside nothing", &last, &[&x], &[&along], [&[&[0.0; 6]], &[&[0.0; 6]]]);
    }
}

#[test]
fn two_numbers_of_nothing_add_up_to_nothing_with_slopes_of_zero() {
    let inf = f64::INFINITY;
    let p = 1.0 / (1.0 + (-0.7f64).exp());
    for dtype in [DType::F64, DType::F32] {
        let tensor = |values: &[f64]| Tensor::from_slice(values, &[4]).cast(dtype);
        let a = tensor(&[-inf, 0.3, -inf, 2.0]).variable();
        let b = tensor(&[-inf, -0.4, 1.0, -inf]).variable();
        let value = a.logaddexp(&b);
        assert_eq!(value.to_vec()[0], -inf);
        let curved = p * (1.0 - p) * 3.0;
        let along = [tensor(&[1.0; 4]), tensor(&[-2.0; 4])];
        assert_both_derivatives(
            "logaddexp",
            &value.sum(),
            &[&a, &b],
            &[&along[0], &along[1]],
            [&[&[0.0, p, 0.0, 1.0], &[0.0, 1.0 - p, 1.0, 0.0]], &[&[0.0, curved, 0.0, 0.0], &[0.0, -curved, 0.0, 0.0]]],
        );
        // One number against a vector of them.
        let one = Tensor::full(&[], -inf, dtype).variable();
        let slopes = grad(&one.logaddexp(&a).narrow(0, 0, 2).sum(), &[&one, &a]);
        assert_eq!((slopes[0].to_vec(), slopes[1].to_vec()), (vec![0.0], vec![0.0, 1.0, 0.0, 0.0]));
    }
}
