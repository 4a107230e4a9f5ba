//! Supports say where draws lie and densities are not zero.

use super::families::{families, s, t};
use elbo_core::Rng;
use elbo_dist::batched::{Batched, Lkj, Support};
use elbo_tensor::{DType, Tensor};

#[test]
fn draws_lie_in_the_support_of_their_family() {
    for case in families() {
        for dtype in [DType::F64, DType::F32] {
            let parameters: Vec<Tensor> = case.parameters.iter().map(|p| p.cast(dtype)).collect();
            let d = (case.build)(&parameters);
            let support = d.support().expect("every family of the list has one");
            assert_eq!(support.is_discrete(), case.support == super::Domain::Discrete, "{}", case.name);
            let x = d.sample(&[200], &mut Rng::new(11));
            assert!(support.contains(&x).all(), "{}: a draw outside of {support:?}", case.name);
        }
    }
    let lkj = Lkj::new(4, 0.8, DType::F64);
    let (support, factors) = (lkj.support().unwrap(), lkj.sample(&[200], &mut Rng::new(11)));
    assert!(support.contains(&factors).all() && !support.contains(&(&factors * -1.0)).any());
    assert!(!support.contains(&(&factors * 1.01)).any() && !support.contains(&(factors + 0.1)).any());
}

#[test]
fn where_there_is_no_density_there_is_no_support() {
    // The ends themselves belong to supports, whatever the density there.
    let points = [-1.2, -0.3, 0.25, 0.9, 1.5, 2.0, 7.0, 8.0, 40.0];
    for case in families() {
        let d = (case.build)(&case.parameters);
        let support = d.support().unwrap();
        // Bernoulli densities take grey values; classes and levels are scored by where they fall.
        let is_loose = case.name == "bernoulli" || matches!(support, Support::Classes(_) | Support::Levels(_));
        if !d.event_shape().is_empty() || is_loose {
            continue;
        }
        for x in points {
            let has_density = d.log_prob(&s(x)).to_vec().iter().all(|v| *v > f64::NEG_INFINITY);
            assert_eq!(support.contains(&s(x)).all(), has_density, "{} at {x}", case.name);
        }
    }
}

#[test]
fn points_off_a_support_are_told_from_points_in_it() {
    let low = || s(0.5);
    let numbers = [
        (Support::Real, vec![-3.0, 0.0], vec![]),
        (Support::Circle, vec![-3.0, 7.0], vec![]),
        (Support::Positive, vec![0.0, 3.0], vec![-1e-9]),
        (Support::Above(low()), vec![0.5, 9.0], vec![0.4]),
        (Support::Unit, vec![0.0, 0.3, 1.0], vec![-0.1, 1.1]),
        (Support::Between(low(), s(2.0)), vec![0.5, 2.0], vec![0.4, 2.1]),
        (Support::Counts, vec![0.0, 7.0], vec![-1.0, 0.5]),
        (Support::CountsUpTo(s(3.0)), vec![0.0, 3.0], vec![-1.0, 0.5, 4.0]),
        (Support::Classes(3), vec![0.0, 2.0], vec![-1.0, 0.5, 3.0]),
        (Support::Levels(5), vec![-1.0, -0.5, 0.0, 1.0], vec![-1.5, 0.3, 1.5]),
    ];
    for (support, inside, outside) in numbers {
        assert!(inside.iter().all(|x| support.contains(&s(*x)).all()), "{support:?}");
        let never = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY];
        assert!(!outside.iter().chain(&never).any(|x| support.contains(&s(*x)).any()), "{support:?}");
    }
    let vectors = [
        (Support::Simplex, [0.2, 0.5, 0.3], [[0.2, 0.2, 0.2], [0.6, 0.5, -0.1], [f64::NAN, 0.5, 0.5]]),
        (Support::Sphere, [0.6, 0.0, -0.8], [[1.0, 1.0, 0.0], [0.0, 0.0, 0.0], [f64::NAN, 1.0, 0.0]]),
        (Support::CountsOfTotal(5), [2.0, 0.0, 3.0], [[1.0, 2.0, 1.0], [2.5, 2.5, 0.0], [-1.0, 3.0, 3.0]]),
    ];
    for (support, inside, outside) in vectors {
        // One answer a vector, whatever its neighbours.
        let all = t(&[&inside[..], &outside.concat()].concat(), &[4, 3]);
        let found: Vec<bool> = (0..4).map(|i| support.contains(&all).narrow(0, i, 1).all()).collect();
        assert_eq!(found, [true, false, false, false], "{support:?}");
    }
    let matrices = Tensor::stack(&[Tensor::eye(2, DType::F64), Tensor::eye(2, DType::F64) * -1.0], 0);
    let found = Support::PositiveDefinite.contains(&matrices);
    assert!(found.narrow(0, 0, 1).all() && !found.narrow(0, 1, 1).any());
}
