//! Couplings, harmonics, radial functions, neighbours and covariances, each against its definition.

use super::{distance, orthogonal, tensor};
use crate::common::assert_gradient;
use elbo_core::Rng;
use elbo_dist::MultivariateNormal;
use elbo_nn::equivariant::{
    Cell, Irrep, RadialConfig, SYMMETRIC, coupling, exponential, harmonics, log_density, neighbours,
};
use elbo_tensor::{Parameter, Tensor, grad, grad_graph};

fn rotation(irrep: Irrep, q: &[[f64; 3]; 3]) -> Tensor {
    Tensor::from_vec(irrep.rotation(q), &[irrep.size(), irrep.size()])
}

#[test]
fn couplings_exist_by_the_triangle_rule_have_norm_one_and_turn_with_space() {
    for l1 in 0..=2usize {
        for l2 in 0..=2usize {
            for l3 in 0..=2usize {
                let found = coupling(l1, l2, l3);
                assert_eq!(found.is_some(), l1.abs_diff(l2) <= l3 && l3 <= l1 + l2, "{l1} {l2} {l3}");
                let Some(values) = found else { continue };
                let (a, b) = (Irrep::natural(l1), Irrep::natural(l2));
                let c = Irrep { degree: l3, is_odd: a.is_odd != b.is_odd };
                let [m, n, k] = [a, b, c].map(Irrep::size);
                let norm: f64 = values.iter().map(|v| v * v).sum();
                assert!((norm - 1.0).abs() < 1e-12, "{l1} {l2} {l3}: {norm}");
                let plain = Tensor::from_vec(values, &[m, n, k]);
                for is_flipped in [false, true] {
                    let q = orthogonal(1, is_flipped);
                    // D1 x D2 x D3 leaves the coupling as it is.
                    let turned = rotation(a, &q).matmul(&plain.reshape(&[m, n * k])).reshape(&[m, n, k]);
                    let turned = rotation(b, &q).matmul(&turned).matmul(&rotation(c, &q).t());
                    assert!(distance(&turned, &plain) < 1e-12, "{l1} {l2} {l3}, flipped {is_flipped}");
                }
            }
        }
    }
    assert!(coupling(3, 1, 2).is_none() && coupling(3, 0, 3).is_none());
    let cross = coupling(1, 1, 1).unwrap();
    // e_x × e_y = e_z, over the root of six.
    assert!((cross[5] - 1.0 / 6f64.sqrt()).abs() < 1e-15);
}

#[test]
fn representations_are_those_of_the_group_and_the_matrices_are_orthonormal() {
    for (a, e) in SYMMETRIC.iter().enumerate() {
        for (b, f) in SYMMETRIC.iter().enumerate() {
            let inner = (tensor(e) * tensor(f)).sum().item();
            assert!((inner - f64::from(a == b)).abs() < 1e-14);
        }
        assert!(tensor(e).trace().item().abs() < 1e-14 && distance(&tensor(e), &tensor(e).t()) < 1e-15);
    }
    for degree in 0..=2 {
        for is_odd in [false, true] {
            let irrep = Irrep { degree, is_odd };
            let (p, q) = (orthogonal(2, true), orthogonal(3, false));
            let product = tensor(&p).matmul(&tensor(&q)).to_vec();
            let both = std::array::from_fn(|i| std::array::from_fn(|j| product[3 * i + j]));
            let expected = rotation(irrep, &p).matmul(&rotation(irrep, &q));
            assert!(distance(&rotation(irrep, &both), &expected) < 1e-12, "{irrep}");
            let inversion = [[-1.0, 0.0, 0.0], [0.0, -1.0, 0.0], [0.0, 0.0, -1.0]];
            let sign = if is_odd { -1.0 } else { 1.0 };
            assert!((irrep.rotation(&inversion)[0] - sign).abs() < 1e-12, "{irrep}");
        }
    }
    assert_eq!(format!("{} {}", Irrep::SCALAR, Irrep::natural(1)), "0e 1o");
}

#[test]
fn harmonics_turn_with_the_direction_and_have_the_size_of_their_degree() {
    let x = Tensor::from_vec(Rng::new(4).normals(15), &[5, 3]);
    let unit = &x / x.square().sum_axis(1, true).sqrt();
    for degree in 0..=2 {
        let plain = harmonics(degree, &unit);
        let sizes = plain.square().sum_axis(1, false) - (2 * degree + 1) as f64;
        assert!(sizes.abs().max().item() < 1e-12, "degree {degree}");
        for is_flipped in [false, true] {
            let q = orthogonal(5, is_flipped);
            let turned = harmonics(degree, &unit.matmul(&tensor(&q).t()));
            let expected = plain.matmul(&rotation(Irrep::natural(degree), &q).t());
            assert!(distance(&turned, &expected) < 1e-12, "degree {degree}, flipped {is_flipped}");
        }
    }
    assert!(distance(&harmonics(1, &unit), &(&unit * 3f64.sqrt())) < 1e-15);
}

#[test]
fn waves_vanish_at_the_cutoff_to_second_order_and_are_those_of_bessel_within() {
    for order in [2, 6] {
        let config = RadialConfig { cutoff: 2.5, waves: 3, order, ..RadialConfig::default() };
        config.check().unwrap();
        let r = Tensor::from_vec(vec![2.5 * (1.0 - 1e-9)], &[1]).variable();
        let value = config.envelope(&r);
        let slope = grad_graph(&value.sum(), &[&r]).remove(0);
        let curvature = grad(&slope.sum(), &[&r]).remove(0);
        // Third derivatives times a distance of 2.5e-9 and its powers.
        assert!(value.item().abs() < 1e-13 && slope.item().abs() < 1e-12 && curvature.item().abs() < 1e-5);
        assert!((config.envelope(&Tensor::from_vec(vec![0.0], &[1])).item() - 1.0).abs() < 1e-15);
        assert_eq!(config.waves(&Tensor::from_vec(vec![2.6], &[1])).to_vec(), [0.0; 3]);
        let at = Tensor::from_vec(vec![1.1], &[1]);
        let (found, held) = (config.waves(&at).to_vec(), config.envelope(&at).item());
        for n in 1..=3 {
            let wave = 0.8f64.sqrt() * (f64::from(n) * std::f64::consts::PI * 1.1 / 2.5).sin() / 1.1;
            assert!((found[n as usize - 1] - held * wave).abs() < 1e-12);
        }
    }
}

/// Pairs by looking at every atom and every image up to `reach` cells away: (receiver, sender, vector) in units of 1e-6, sorted.
fn by_force(positions: &[[f64; 3]], cell: Option<&Cell>, cutoff: f64, reach: i64) -> Vec<(usize, usize, [i64; 3])> {
    let mut found = vec![];
    let range = |k: usize| if cell.is_some_and(|c| c.is_periodic[k]) { -reach..=reach } else { 0..=0 };
    for i in range(0) {
        for j in range(1) {
            for k in range(2) {
                let along = |d: usize| {
                    let times = [i as f64, j as f64, k as f64];
                    cell.map_or(0.0, |c| (0..3).map(|e| times[e] * c.edges[e][d]).sum::<f64>())
                };
                for (r, centre) in positions.iter().enumerate() {
                    for (s, place) in positions.iter().enumerate() {
                        let vector: [f64; 3] = std::array::from_fn(|d| place[d] + along(d) - centre[d]);
                        let length = vector.iter().map(|v| v * v).sum::<f64>().sqrt();
                        if length > 1e-9 && length < cutoff {
                            found.push((r, s, vector.map(|v| (v * 1e6).round() as i64)));
                        }
                    }
                }
            }
        }
    }
    found.sort_unstable();
    found
}

#[test]
fn neighbours_are_all_pairs_within_the_cutoff_in_boxes_of_any_size() {
    let mut rng = Rng::new(6);
    let skewed = [[3.0, 0.2, 0.0], [0.5, 2.5, 0.1], [-0.3, 0.4, 4.0]];
    let flat = [[2.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 9.0]];
    for (name, cell) in [
        ("cluster", None),
        ("crystal", Some(Cell { edges: skewed, is_periodic: [true; 3] })),
        ("slab", Some(Cell { edges: flat, is_periodic: [true, true, false] })),
        ("box that does not repeat", Some(Cell { edges: skewed, is_periodic: [false; 3] })),
    ] {
        // Atoms lie outside the cell too.
        let positions: Vec<[f64; 3]> = (0..12).map(|_| std::array::from_fn(|_| rng.range(-5.0, 5.0))).collect();
        for cutoff in [0.9, 2.4, 5.1] {
            let found = neighbours(&positions, cell.as_ref(), cutoff).unwrap();
            let mut pairs: Vec<(usize, usize, [i64; 3])> = found
                .iter()
                .map(|e| {
                    let vector = |d: usize| positions[e.sender][d] + e.shift[d] - positions[e.receiver][d];
                    (e.receiver, e.sender, std::array::from_fn(|d| (vector(d) * 1e6).round() as i64))
                })
                .collect();
            pairs.sort_unstable();
            let expected = by_force(&positions, cell.as_ref(), cutoff, 12);
            assert_eq!(pairs.len(), expected.len(), "{name}, {cutoff}");
            for ((r, s, v), (p, q, w)) in pairs.iter().zip(&expected) {
                let is_near = v.iter().zip(w).all(|(a, b)| (a - b).abs() <= 1);
                assert!((r, s) == (p, q) && is_near, "{name}, {cutoff}");
            }
        }
    }
}

#[test]
fn positions_and_cells_that_cannot_be_are_refused() {
    let refused = |positions: &[[f64; 3]], cell: Option<&Cell>, cutoff: f64, part: &str| {
        let error = neighbours(positions, cell, cutoff).unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
    };
    let two = [[0.0; 3], [1.0, 0.0, 0.0]];
    refused(&two, None, 0.0, "`cutoff`");
    refused(&[[f64::NAN, 0.0, 0.0]], None, 1.0, "not finite");
    refused(&[[1e30, 0.0, 0.0]], None, 1.0, "1e12 cutoffs from the origin");
    refused(&two, None, 1e-300, "cutoffs from the origin");
    refused(&[[0.5; 3], [0.5; 3]], None, 1.0, "atoms 1 and 2 are at one place");
    let flat = Cell { edges: [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [1.0, 1.0, 0.0]], is_periodic: [true; 3] };
    refused(&two, Some(&flat), 1.0, "in a plane");
    let cube = |side: f64| {
        let edges = [[side, 0.0, 0.0], [0.0, side, 0.0], [0.0, 0.0, side]];
        Cell { edges, is_periodic: [true; 3] }
    };
    refused(&two, Some(&cube(1.0)), 0.5, "at one place");
    refused(&[[1e30, 0.0, 0.0]], Some(&cube(1.0)), 1.0, "1e12 cutoffs from the origin");
    refused(&[[0.0; 3]], Some(&cube(1e-3)), 1.0, "images");
}

#[test]
fn covariances_turn_are_positive_and_have_the_determinant_that_was_asked_for() {
    let mut rng = Rng::new(7);
    let (level, shape) = (Tensor::from_vec(rng.normals(4), &[4]), Tensor::from_vec(rng.normals(20), &[4, 5]));
    let covariance = exponential(&level, &shape).unwrap();
    let (sign, log_det) = covariance.sign_and_log_det().unwrap();
    assert!(sign.min().item() > 0.0 && distance(&log_det, &(&level * 3.0)) < 1e-10);
    assert!(covariance.cholesky().is_ok() && distance(&covariance, &covariance.t()) < 1e-12);
    let inverse = exponential(&-&level, &-&shape).unwrap();
    let product = covariance.matmul(&inverse);
    for n in 0..4 {
        assert!(distance(&product.row(n), &Tensor::eye(3, product.dtype())) < 1e-10);
    }
    for is_flipped in [false, true] {
        let q = orthogonal(8, is_flipped);
        let turned = exponential(&level, &shape.matmul(&rotation(Irrep::natural(2), &q).t())).unwrap();
        let expected = tensor(&q).matmul(&covariance).matmul(&tensor(&q).t());
        assert!(distance(&turned, &expected) < 1e-10, "flipped {is_flipped}");
    }
    let vectors = Tensor::from_vec(rng.normals(12), &[4, 3]);
    let found = log_density(&vectors, &level, &shape).unwrap().to_vec();
    for n in 0..4 {
        let (exact, _) = MultivariateNormal::from_covariance(vec![0.0; 3], covariance.row(n).to_vec()).unwrap();
        assert!((found[n] - exact.log_prob(&vectors.row(n).to_vec())).abs() < 1e-9);
    }
}

/// A covariance's numbers as a model.
struct Spread {
    level: Parameter,
    shape: Parameter,
}

elbo_tensor::parameters!(Spread { level, shape });

#[test]
fn the_density_of_vectors_has_its_gradient() {
    let mut rng = Rng::new(9);
    let mut spread = Spread {
        level: Parameter::real(&Tensor::from_vec(rng.normals(2), &[2])),
        shape: Parameter::real(&Tensor::from_vec(rng.normals(10), &[2, 5])),
    };
    let vectors = Tensor::from_vec(rng.normals(6), &[2, 3]);
    let loss = |s: &Spread| log_density(&vectors, &s.level.get(), &s.shape.get()).unwrap().sum();
    assert_gradient("density", &mut spread, loss, 1e-6);
}
