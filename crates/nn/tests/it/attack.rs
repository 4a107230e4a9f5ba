//! Inputs that are moved so that a loss grows.

use elbo_core::Rng;
use elbo_nn::attack::AttackConfig;
use elbo_tensor::Tensor;

fn points() -> Tensor {
    Tensor::from_vec(Rng::new(1).normals(12), &[4, 3])
}

#[test]
fn a_linear_loss_is_raised_as_far_as_the_box_allows() {
    let (x, w) = (points(), Tensor::from_vec(vec![0.5, -2.0, 0.0], &[3]));
    let loss = |x: &Tensor| (x * &w).sum();
    for steps in [1, 10] {
        let moved = AttackConfig { size: 0.2, steps }.apply(&x, loss).unwrap();
        let shift = (moved - &x).to_vec();
        for row in shift.chunks(3) {
            let expected = [0.2, -0.2, 0.0];
            assert!(row.iter().zip(expected).all(|(s, e)| (s - e).abs() < 1e-12), "{steps} steps: {row:?}");
        }
    }
}

#[test]
fn more_steps_find_what_one_overshoots_and_none_leaves_the_box() {
    // Each number's loss is largest a tenth away, where one step of a fifth jumps over.
    let x = points();
    let top = &x + 0.1;
    let loss = |x: &Tensor| -(x - &top).square().sum();
    let of = |steps: usize| {
        let moved = AttackConfig { size: 0.2, steps }.apply(&x, loss).unwrap();
        assert!((&moved - &x).abs().max().item() <= 0.2 + 1e-12);
        loss(&moved).item()
    };
    assert!((of(1) - loss(&x).item()).abs() < 1e-12);
    // Twelve numbers, each nearer to its top than half a step of 0.5 / 50.
    assert!(of(50) > -12.0 * 0.01f64.powi(2) - 1e-12, "{}", of(50));
}

#[test]
fn settings_out_of_range_are_refused() {
    for (name, config) in [
        ("size", AttackConfig { size: -0.1, steps: 1 }),
        ("size", AttackConfig { size: f64::NAN, steps: 1 }),
        ("steps", AttackConfig { size: 0.1, steps: 0 }),
    ] {
        let error = config.apply(&points(), |x| x.sum()).unwrap_err();
        assert!(error.to_string().contains(&format!("`{name}`")), "{error}");
    }
}
