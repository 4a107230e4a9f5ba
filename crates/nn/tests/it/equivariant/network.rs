//! Networks of atoms: what turns with them, slopes against differences, smoothness, batches, and structures that cannot be.

use super::{distance, orthogonal, tensor};
use crate::common::assert_gradient;
use elbo_core::Rng;
use elbo_nn::equivariant::{
    Cell, EquivariantConfig, EquivariantNetwork, Graph, Irrep, Matrix3, RadialConfig, Structure,
};
use elbo_nn::layer::Build;
use elbo_tensor::{DType, Parameters, Tensor, no_grad};

fn config(degree: usize, has_both_parities: bool) -> EquivariantConfig {
    let radial = RadialConfig { cutoff: 2.5, waves: 4, hidden: vec![6], ..RadialConfig::default() };
    let matrices = usize::from(degree == 2);
    // Pseudoscalars are reached in the third round.
    let layers = if has_both_parities { 3 } else { 2 };
    EquivariantConfig {
        channels: 3,
        degree,
        has_both_parities,
        layers,
        radial,
        readout: 5,
        scalars: 2,
        matrices,
        ..EquivariantConfig::default()
    }
}

fn network(config: &EquivariantConfig) -> EquivariantNetwork {
    let mut rng = Rng::new(1);
    let mut build = Build::new(&mut rng);
    build.dtype = DType::F64;
    config.build(&mut build).unwrap()
}

/// Atoms of two species on a crooked grid, so that none are too near.
fn cluster(atoms: usize, seed: u64) -> Structure {
    let mut rng = Rng::new(seed);
    let place = |i: usize, rng: &mut Rng| {
        let corner = [i % 2, i / 2 % 2, i / 4];
        corner.map(|c| 1.3 * c as f64 + 0.25 * rng.normal().clamp(-1.5, 1.5))
    };
    let positions = (0..atoms).map(|i| place(i, &mut rng)).collect();
    Structure { species: (0..atoms).map(|i| i % 2).collect(), positions, cell: None }
}

fn graph(structures: &[Structure]) -> Graph {
    Graph::new(structures, 2.5, DType::F64).unwrap()
}

fn energy(network: &EquivariantNetwork, structure: Structure) -> f64 {
    let graph = graph(&[structure]);
    no_grad(|| network.energies(&graph.positions, &graph)).item()
}

/// The structure with its space turned and moved.
fn moved(structure: &Structure, q: &Matrix3, by: [f64; 3]) -> Structure {
    let turn = |p: &[f64; 3], by: [f64; 3]| -> [f64; 3] {
        std::array::from_fn(|d| (0..3).map(|k| q[d][k] * p[k]).sum::<f64>() + by[d])
    };
    let cell = structure.cell.map(|c| Cell { edges: c.edges.map(|edge| turn(&edge, [0.0; 3])), ..c });
    Structure { positions: structure.positions.iter().map(|p| turn(p, by)).collect(), cell, ..structure.clone() }
}

fn crystal() -> Structure {
    let cell = Cell { edges: [[2.8, 0.1, 0.0], [0.0, 2.9, 0.3], [0.2, 0.0, 3.1]], is_periodic: [true; 3] };
    Structure { cell: Some(cell), ..cluster(4, 2) }
}

#[test]
fn energies_stay_and_forces_and_features_turn_with_space() {
    for (degree, both) in [(0, false), (1, false), (1, true), (2, false), (2, true)] {
        let network = network(&config(degree, both));
        for structure in [cluster(7, 3), crystal()] {
            let plain = graph(std::slice::from_ref(&structure));
            let before = network.potential(&plain, false).unwrap();
            let features = no_grad(|| network.features(&plain.positions, &plain));
            assert_eq!(features.len(), if both && degree > 0 { 2 * degree + 2 } else { degree + 1 });
            for is_flipped in [false, true] {
                let q = orthogonal(4, is_flipped);
                let turned = graph(&[moved(&structure, &q, [3.0, -1.0, 0.7])]);
                let after = network.potential(&turned, false).unwrap();
                let what = format!("degree {degree}, both {both}, flipped {is_flipped}");
                assert!(distance(&after.energies, &before.energies) < 1e-10, "{what}");
                let expected = before.forces.matmul(&tensor(&q).t());
                assert!(distance(&after.forces, &expected) < 1e-10, "{what}");
                assert!(distance(&after.atoms.scalars, &before.atoms.scalars) < 1e-10, "{what}");
                let again = no_grad(|| network.features(&turned.positions, &turned));
                for (irrep, values) in &features {
                    let d = Tensor::from_vec(irrep.rotation(&q), &[irrep.size(), irrep.size()]);
                    assert!(distance(&again[irrep], &values.matmul(&d.t())) < 1e-10, "{what}, {irrep}");
                }
                if let (Some(a), Some(b)) = (&after.atoms.matrices, &before.atoms.matrices) {
                    let d = Tensor::from_vec(Irrep::natural(2).rotation(&q), &[5, 5]);
                    assert!(distance(a, &b.matmul(&d.t())) < 1e-10, "{what}, matrices");
                }
            }
        }
        // It is not for want of any dependence.
        let other = network.potential(&graph(&[cluster(7, 5)]), false).unwrap();
        let first = network.potential(&graph(&[cluster(7, 3)]), false).unwrap();
        assert!(distance(&other.energies, &first.energies) > 1e-6 && first.forces.abs().max().item() > 1e-6);
    }
}

#[test]
fn the_order_of_atoms_and_of_structures_does_not_matter() {
    let network = network(&config(2, true));
    let structure = cluster(6, 6);
    let plain = network.potential(&graph(std::slice::from_ref(&structure)), false).unwrap();
    let order = [4, 0, 5, 2, 1, 3];
    let mixed = Structure {
        species: order.map(|i| structure.species[i]).to_vec(),
        positions: order.map(|i| structure.positions[i]).to_vec(),
        cell: None,
    };
    let found = network.potential(&graph(&[mixed]), false).unwrap();
    assert!(distance(&found.energies, &plain.energies) < 1e-10);
    assert!(distance(&found.forces, &plain.forces.index_select(0, &Tensor::indices(&order))) < 1e-10);
    // Side by side they do not see each other; an atom without neighbours is a structure too.
    let alone = Structure { species: vec![1], positions: vec![[0.5; 3]], cell: None };
    let all = [structure.clone(), alone.clone(), crystal()];
    let together = network.potential(&graph(&all), false).unwrap();
    let mut at = 0;
    for (s, one) in all.iter().enumerate() {
        let own = network.potential(&graph(std::slice::from_ref(one)), false).unwrap();
        let atoms = one.species.len();
        assert!((together.energies.select(0, s) - own.energies.select(0, 0)).abs().item() < 1e-10);
        assert!(distance(&together.forces.narrow(0, at, atoms), &own.forces) < 1e-10);
        at += atoms;
    }
    let nothing = network.potential(&graph(&[alone]), false).unwrap();
    assert!(nothing.energies.is_finite() && nothing.forces.to_vec() == [0.0; 3]);
}

#[test]
fn forces_are_the_energys_slopes_and_add_up_to_nothing() {
    for (structure, both) in [(cluster(5, 7), false), (crystal(), true)] {
        let network = network(&config(2, both));
        let at = graph(std::slice::from_ref(&structure));
        let forces = network.potential(&at, false).unwrap().forces;
        assert!(forces.sum_axis(0, false).abs().max().item() < 1e-10);
        let forces = forces.to_vec();
        let displaced = |atom: usize, d: usize, by: f64| {
            let mut other = structure.clone();
            other.positions[atom][d] += by;
            energy(&network, other)
        };
        let h = 1e-5;
        for atom in 0..structure.species.len() {
            for d in 0..3 {
                let numeric = (displaced(atom, d, -h) - displaced(atom, d, h)) / (2.0 * h);
                let found = forces[3 * atom + d];
                assert!((numeric - found).abs() < 1e-6, "{atom} {d}: {numeric} {found}");
            }
        }
    }
}

#[test]
fn an_atom_and_its_images_are_one() {
    let network = network(&config(2, false));
    let before = network.potential(&graph(&[crystal()]), false).unwrap();
    let mut other = crystal();
    let edges = other.cell.unwrap().edges;
    other.positions[2] = std::array::from_fn(|d| other.positions[2][d] + 2.0 * edges[0][d] - edges[2][d]);
    let after = network.potential(&graph(&[other]), false).unwrap();
    assert!(distance(&after.energies, &before.energies) < 1e-10 && distance(&after.forces, &before.forces) < 1e-10);
    // Twice the cell has twice the energy.
    let one = crystal();
    let edges = one.cell.unwrap().edges;
    let beyond = |p: &[f64; 3]| -> [f64; 3] { std::array::from_fn(|d| p[d] + edges[1][d]) };
    let double = Structure {
        species: one.species.repeat(2),
        positions: one.positions.iter().copied().chain(one.positions.iter().map(beyond)).collect(),
        cell: Some(Cell { edges: [edges[0], edges[1].map(|v| 2.0 * v), edges[2]], is_periodic: [true; 3] }),
    };
    let twice = network.potential(&graph(&[double]), false).unwrap();
    assert!(distance(&twice.energies, &(before.energies * 2.0)) < 1e-10);
}

#[test]
fn the_energy_is_smooth_where_a_neighbour_comes_into_sight() {
    let network = network(&config(2, false));
    let at = |r: f64| {
        let positions = vec![[0.0; 3], [r, 0.0, 0.0]];
        energy(&network, Structure { species: vec![0, 1], positions, cell: None })
    };
    let apart = at(3.0);
    assert_eq!(at(2.5).to_bits(), apart.to_bits());
    // Value, slope and curvature vanish: the energy starts with the third power of the depth or a higher one.
    let h = 5e-3;
    let (near, far) = (at(2.5 - h) - apart, at(2.5 - 2.0 * h) - apart);
    assert!(near != 0.0 && far / near > 7.5, "{near} {far}");
}

#[test]
fn a_loss_of_energies_and_forces_has_its_gradient() {
    for both in [false, true] {
        let mut network = network(&EquivariantConfig { layers: 2, channels: 2, ..config(2, both) });
        let at = graph(&[cluster(4, 8), cluster(3, 9)]);
        let targets = Tensor::from_vec(Rng::new(10).normals(21), &[7, 3]);
        let loss = |n: &EquivariantNetwork| {
            let found = n.potential(&at, true).unwrap();
            let matrices = found.atoms.matrices.expect("they were asked for").square().sum();
            (found.forces - &targets).square().sum() + found.energies.square().sum() + matrices
        };
        assert_gradient(&format!("both {both}"), &mut network, loss, 1e-6);
    }
}

#[test]
fn structures_and_settings_that_cannot_be_are_refused() {
    let network = network(&config(1, false));
    let strange = Structure { species: vec![0, 7], ..cluster(2, 11) };
    let error = network.potential(&graph(&[strange]), false).unwrap_err();
    assert!(error.to_string().contains("species 7"), "{error}");
    let refused = |structures: &[Structure], part: &str| {
        let error = Graph::new(structures, 2.5, DType::F64).unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
    };
    refused(&[], "no structures");
    refused(&[cluster(3, 12), Structure { species: vec![0], ..cluster(2, 12) }], "structure 2 has 2 positions");
    refused(&[Structure { species: vec![], positions: vec![], cell: None }], "0 positions");
    let mut rng = Rng::new(13);
    let mut build = Build::new(&mut rng);
    let mut wrong = |config: EquivariantConfig, part: &str| {
        let error = config.build(&mut build).err().unwrap();
        assert!(error.to_string().contains(part), "{error}");
    };
    wrong(EquivariantConfig { degree: 3, ..config(2, false) }, "`degree`");
    wrong(EquivariantConfig { matrices: 1, ..config(1, false) }, "`matrices`");
    wrong(EquivariantConfig { neighbours: 0.0, ..config(1, false) }, "`neighbours`");
    wrong(EquivariantConfig { species: 0, ..config(1, false) }, "`species`");
    let radial = RadialConfig { cutoff: f64::NAN, ..RadialConfig::default() };
    wrong(EquivariantConfig { radial, ..config(1, false) }, "`cutoff`");
    assert_eq!(network.cutoff(), 2.5);
    assert!(network.names().iter().any(|n| n == "layers.0.mix.1o"));
}
