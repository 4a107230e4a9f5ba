//! Made-up data that fit no table: clusters of atoms, and pictures of shapes.

use elbo_core::Rng;
use elbo_data::make::atoms::{ClusterConfig, ClusterFrame, ClusterPotential};
use elbo_data::make::shapes::{CLASSES, SIDE, Style, scene};

fn frames(config: &ClusterConfig, seed: u64) -> Vec<ClusterFrame> {
    config.make(seed).unwrap()
}

#[test]
fn forces_are_the_energys_slopes_and_turn_with_the_atoms() {
    let potential = ClusterPotential::default();
    let config = ClusterConfig { atoms: 7, frames: 4, run: 2, temperature: 0.3, ..ClusterConfig::default() };
    for frame in frames(&config, 1) {
        let energy = |positions: &[[f64; 3]]| potential.energy_and_forces(&frame.species, positions).0;
        assert!((energy(&frame.positions) - frame.energy).abs() < 1e-12);
        for atom in 0..7 {
            for d in 0..3 {
                let moved = |by: f64| {
                    let mut other = frame.positions.clone();
                    other[atom][d] += by;
                    energy(&other)
                };
                let numeric = (moved(-1e-5) - moved(1e-5)) / 2e-5;
                let found = frame.forces[atom][d];
                assert!((numeric - found).abs() < 1e-6 * found.abs().max(1.0), "{atom} {d}: {numeric} {found}");
            }
        }
        for d in 0..3 {
            assert!(frame.forces.iter().map(|f| f[d]).sum::<f64>().abs() < 1e-10);
        }
        // A quarter turn about z, a mirror and a shift.
        let turn = |p: &[f64; 3]| [p[1] + 3.0, p[0] - 1.0, p[2] + 0.5];
        let turned: Vec<[f64; 3]> = frame.positions.iter().map(turn).collect();
        let (same, forces) = potential.energy_and_forces(&frame.species, &turned);
        assert!((same - frame.energy).abs() < 1e-10);
        for (a, b) in forces.iter().zip(&frame.forces) {
            assert!((a[0] - b[1]).abs() < 1e-9 && (a[1] - b[0]).abs() < 1e-9 && (a[2] - b[2]).abs() < 1e-9);
        }
    }
}

#[test]
fn a_pair_has_its_well_where_it_was_put_and_nothing_beyond_the_cutoff() {
    let potential = ClusterPotential { cutoff: 50.0, ..ClusterPotential::default() };
    let pair = |potential: &ClusterPotential, r: f64| potential.energy_and_forces(&[0, 1], &[[0.0; 3], [r, 0.0, 0.0]]);
    // The cutoff function is nearly one at a twentieth of the cutoff.
    let (energy, forces) = pair(&potential, 2.2);
    assert!((energy + 1.3 * (1.0 - (2.2f64 / 50.0).powi(2)).powi(3)).abs() < 1e-12);
    assert!(forces[0][0].abs() < 0.02);
    let potential = ClusterPotential::default();
    assert_eq!(pair(&potential, 5.0), (0.0, vec![[0.0; 3]; 2]));
    // Value, slope and curvature vanish at the cutoff: the energy falls by eight as the depth is halved.
    let (near, far) = (pair(&potential, 5.0 - 1e-3).0, pair(&potential, 5.0 - 2e-3).0);
    assert!(near != 0.0 && (far / near - 8.0).abs() < 0.1, "{near} {far}");
}

#[test]
fn three_atoms_prefer_their_angle() {
    let potential = ClusterPotential { depth: [[0.0; 2]; 2], ..ClusterPotential::default() };
    let energy = |cosine: f64| {
        let far = [2.0 * cosine, 2.0 * (1.0 - cosine * cosine).sqrt(), 0.0];
        potential.energy_and_forces(&[0, 0, 0], &[[0.0; 3], [2.0, 0.0, 0.0], far]).0
    };
    // All three angles count; with equal sides of the middle one the others follow from it.
    let c = |r: f64| (1.0 - (r / 5.0).powi(2)).powi(3);
    for cosine in [-0.9_f64, -0.2, 0.5] {
        let base = 2.0 * (2.0 * (1.0 - cosine)).sqrt();
        let side = 0.5 * base / 2.0;
        let off = |x: f64| 0.3 * (x + 1.0 / 3.0).powi(2);
        let expected = off(cosine) * c(2.0) * c(2.0) + 2.0 * off(side) * c(2.0) * c(base);
        assert!((energy(cosine) - expected).abs() < 1e-12, "{cosine}");
    }
}

#[test]
fn hotter_clusters_feel_larger_forces_and_sets_are_repeatable() {
    let cold = ClusterConfig { frames: 60, ..ClusterConfig::default() };
    let hot = ClusterConfig { temperature: 0.25, ..cold };
    // The mean squared force is the temperature times the mean curvature, which is less far from a minimum. Without a difference all ten seeds would agree
    // once in a thousand times.
    let squares = |config: &ClusterConfig, seed: u64| {
        let all = frames(config, seed);
        all.iter().flat_map(|f| f.forces.iter().flatten()).map(|f| f * f).sum::<f64>() / 60.0
    };
    for seed in 2..12 {
        let (low, high) = (squares(&cold, seed), squares(&hot, seed));
        assert!(high > low, "seed {seed}: {low} {high}");
    }
    assert_eq!(frames(&cold, 2), frames(&cold, 2));
    assert_ne!(frames(&cold, 2)[0], frames(&cold, 3)[0]);
    // At no temperature atoms come to lie still at a minimum.
    let frozen = ClusterConfig { temperature: 0.0, frames: 1, every: 20_000, ..cold };
    let force = frames(&frozen, 2)[0].forces.iter().flatten().map(|f| f.abs()).fold(0.0, f64::max);
    assert!(force < 1e-3, "{force}");
}

#[test]
fn clusters_out_of_range_are_refused() {
    let of = |potential: ClusterPotential| ClusterConfig { potential, ..ClusterConfig::default() };
    for (name, config) in [
        ("atoms", ClusterConfig { atoms: 4, ..ClusterConfig::default() }),
        ("frames", ClusterConfig { frames: 0, ..ClusterConfig::default() }),
        ("temperature", ClusterConfig { temperature: f64::NAN, ..ClusterConfig::default() }),
        ("every", ClusterConfig { every: 0, ..ClusterConfig::default() }),
        ("cutoff", of(ClusterPotential { cutoff: 0.0, ..ClusterPotential::default() })),
        ("depth", of(ClusterPotential { depth: [[1.0, f64::NAN], [1.0; 2]], ..ClusterPotential::default() })),
        ("length", of(ClusterPotential { length: [[f64::INFINITY; 2]; 2], ..ClusterPotential::default() })),
        ("length", of(ClusterPotential { length: [[2.0, 2.1], [2.2, 2.4]], ..ClusterPotential::default() })),
        ("cosine", of(ClusterPotential { cosine: 1.5, ..ClusterPotential::default() })),
    ] {
        let error = config.make(0).unwrap_err();
        assert!(error.to_string().contains(&format!("`{name}`")), "{error}");
    }
}

#[test]
fn a_style_changes_the_picture_and_not_what_is_in_it() {
    let mut rng = Rng::new(1);
    for seed in 0..20 {
        let (source, target) = (Style::source(&mut rng), Style::target(&mut rng));
        let (a, b) = (scene(&source, &mut Rng::new(seed)), scene(&target, &mut Rng::new(seed)));
        assert_eq!(a.labels, b.labels);
        assert_ne!(a.pixels, b.pixels);
        assert_eq!((a.pixels.len(), a.labels.len()), (3 * SIDE * SIDE, SIDE * SIDE));
        assert!(a.pixels.iter().chain(&b.pixels).all(|v| (0.0..=1.0).contains(v)));
        assert!(a.labels.iter().any(|l| *l > 0) && a.labels.iter().all(|l| *l < CLASSES));
        assert_eq!(a, scene(&source, &mut Rng::new(seed)));
    }
}

#[test]
fn plain_pictures_show_at_most_three_colours_on_shapes_and_every_class_occurs() {
    let plain = Style { gains: [1.0; 3], gamma: 1.0, noise: 0.0, blur: 0.0, frequency: 3.0 };
    let mut classes = [false; CLASSES];
    for seed in 0..60 {
        let found = scene(&plain, &mut Rng::new(seed));
        let area = SIDE * SIDE;
        let mut colours: Vec<[u64; 3]> = (0..area)
            .filter(|i| found.labels[*i] > 0)
            .map(|i| [0, 1, 2].map(|c| found.pixels[c * area + i].to_bits()))
            .collect();
        colours.sort_unstable();
        colours.dedup();
        assert!((1..=3).contains(&colours.len()), "seed {seed}: {}", colours.len());
        found.labels.iter().for_each(|l| classes[*l] = true);
    }
    assert_eq!(classes, [true; CLASSES]);
}

#[test]
fn styles_of_training_and_of_use_do_not_meet() {
    let mut rng = Rng::new(2);
    for _ in 0..200 {
        let (a, b) = (Style::source(&mut rng), Style::target(&mut rng));
        assert!(a.gains.iter().all(|g| (0.8..1.2).contains(g)) && (0.8..1.2).contains(&a.gamma));
        assert!(b.gains.iter().chain([&b.gamma]).all(|g| !(0.75..1.25).contains(g)));
        assert!(a.noise < 0.04 && b.noise > 0.07 && a.blur < 0.7 && b.blur > 0.8);
        assert!(a.frequency < 5.0 && b.frequency > 5.0);
    }
}
