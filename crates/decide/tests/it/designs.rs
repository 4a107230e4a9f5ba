//! Designs fill the cube.

use elbo_core::Rng;
use elbo_decide::design::{Design, default_size, default_size_with_noise, factorial, fill};
use elbo_decide::{Domain, Space, Variable};

#[test]
fn every_design_stays_in_the_cube_and_the_even_ones_fill_their_strata() {
    for design in [Design::Sobol, Design::LatinHypercube, Design::Halton, Design::Uniform] {
        let points = design.points(16, 3, &mut Rng::new(3));
        assert_eq!(points.len(), 16);
        assert!(points.iter().flatten().all(|u| (0.0..1.0).contains(u)), "{design:?}");
        if matches!(design, Design::Sobol | Design::LatinHypercube) {
            for d in 0..3 {
                let mut strata: Vec<usize> = points.iter().map(|p| (16.0 * p[d]) as usize).collect();
                strata.sort_unstable();
                assert_eq!(strata, (0..16).collect::<Vec<_>>(), "{design:?}, dimension {d}");
            }
        }
        assert_eq!(points, design.points(16, 3, &mut Rng::new(3)), "the seed decides");
    }
}

#[test]
fn a_factorial_has_all_combinations() {
    let points = factorial(&[2, 3, 1]);
    assert_eq!(points.len(), 6);
    assert_eq!(points[0], [0.0, 0.0, 0.5]);
    assert_eq!(points[5], [1.0, 1.0, 0.5]);
    assert_eq!((default_size(2), default_size(7)), (5, 14));
    assert_eq!((default_size_with_noise(1), default_size_with_noise(7)), (5, 28));
}

#[test]
fn filling_keeps_away_from_what_is_taken_and_ends_with_the_space() {
    let space = Space::cube(&[(0.0, 1.0), (0.0, 1.0)]);
    let taken = [0.5, 0.5];
    let points = fill(&space, Design::Sobol, 4, &[&taken], &mut Rng::new(2));
    for (i, p) in points.iter().enumerate() {
        for q in points[..i].iter().map(Vec::as_slice).chain([&taken[..]]) {
            let gap = ((p[0] - q[0]).powi(2) + (p[1] - q[1]).powi(2)).sqrt();
            assert!(gap > 0.4, "{p:?} and {q:?}");
        }
    }
    let values = ["a", "b", "c"].map(str::to_owned).to_vec();
    let small = Space::new(vec![Variable::new("c", Domain::Categorical { values })]);
    let one = small.encode(&[1.0]);
    assert_eq!(fill(&small, Design::Sobol, 5, &[&one], &mut Rng::new(2)).len(), 2);
}
