//! A network of atoms: energies that nothing turns, and forces that turn with the atoms.

use super::graph::Graph;
use super::interaction::{Features, Interaction, Pairs};
use super::irrep::Irrep;
use super::radial::RadialConfig;
use crate::init::normal;
use crate::layer::{Build, Layer, Linear, Pass, check_widths};
use elbo_core::{Error, ModelFile, Result, Snapshot, ensure, ensure_within};
use elbo_tensor::{Parameter, Parameters, Tensor, grad, grad_graph, with_grad};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Settings of [`EquivariantNetwork`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EquivariantConfig {
    /// Number of species of atoms.
    pub species: usize,
    /// Channels of each representation.
    pub channels: usize,
    /// Largest degree of features and harmonics: 0, 1 or 2.
    pub degree: usize,
    /// Whether features of both parities are kept, or those of the harmonics alone.
    pub has_both_parities: bool,
    /// Rounds of messages.
    pub layers: usize,
    /// What messages take from distances.
    pub radial: RadialConfig,
    /// Usual number of neighbours of an atom, by whose root sums over them are divided.
    pub neighbours: f64,
    /// Width of the layer between an atom's scalars and what is read off them.
    pub readout: usize,
    /// Numbers read off each atom; the first is its energy.
    pub scalars: usize,
    /// Symmetric matrices without trace read off each atom.
    pub matrices: usize,
}

impl Default for EquivariantConfig {
    fn default() -> Self {
        Self {
            species: 2,
            channels: 8,
            degree: 2,
            has_both_parities: false,
            layers: 2,
            radial: RadialConfig::default(),
            neighbours: 10.0,
            readout: 32,
            scalars: 1,
            matrices: 0,
        }
    }
}

/// Messages between atoms up to degree two, and what is read off each atom.
///
/// # Source
/// Batzner et al. (2022), with the cutoff of Gasteiger, Groß and Günnemann (2020). Deviations: the radial networks have no constants, so that
/// energies are smooth to second order where a neighbour comes into sight; a round's messages and kept features have equal weight.
pub struct EquivariantNetwork {
    degree: usize,
    radial: RadialConfig,
    /// Scalars of each species, `[species, C]`.
    species: Parameter,
    layers: Vec<Interaction>,
    hidden: Linear,
    scalars: Linear,
    /// `[matrices, C]`, without any there is none.
    matrices: Option<Parameter>,
}

elbo_tensor::parameters!(EquivariantNetwork {
    "species": species,
    "layers": layers,
    "hidden": hidden,
    "scalars": scalars,
    "matrices": matrices,
});

/// What was read off each atom.
#[derive(Debug, Clone)]
pub struct Atoms {
    /// `[N, scalars]`; the first is the energy.
    pub scalars: Tensor,
    /// Coefficients of symmetric matrices without trace, `[N, matrices, 5]`; see [`super::SYMMETRIC`].
    pub matrices: Option<Tensor>,
}

/// Energies and forces of structures.
#[derive(Debug, Clone)]
pub struct Potential {
    /// Energies, `[B]`.
    pub energies: Tensor,
    /// Forces, less the energies' slopes in the positions, `[N, 3]`.
    pub forces: Tensor,
    /// What was read off each atom.
    pub atoms: Atoms,
}

impl EquivariantConfig {
    /// Checks ranges.
    ///
    /// # Errors
    /// [`Error::Setting`].
    pub fn check(&self) -> Result<()> {
        self.radial.check()?;
        check_widths("species", &[self.species])?;
        check_widths("channels", &[self.channels])?;
        check_widths("readout", &[self.readout])?;
        check_widths("scalars", &[self.scalars])?;
        ensure_within("degree", self.degree, 0..=2)?;
        ensure_within("layers", self.layers, 1..=100)?;
        ensure("neighbours", self.neighbours, self.neighbours > 0.0 && self.neighbours.is_finite(), "above 0")?;
        let fits = self.matrices == 0 || (self.matrices <= 1000 && self.degree == 2);
        ensure("matrices", self.matrices, fits, "0, or up to 1000 with features of degree 2")
    }

    /// The network.
    ///
    /// # Errors
    /// As [`EquivariantConfig::check`].
    pub fn build(&self, build: &mut Build<'_>) -> Result<EquivariantNetwork> {
        self.check()?;
        let parities = |l: usize| {
            let natural = Irrep::natural(l);
            let other = Irrep { is_odd: !natural.is_odd, ..natural };
            if self.has_both_parities { vec![natural, other] } else { vec![natural] }
        };
        let wanted: BTreeMap<Irrep, usize> =
            (0..=self.degree).flat_map(parities).map(|irrep| (irrep, self.channels)).collect();
        let species = normal(&[self.species, self.channels], 1.0, build.rng, build.dtype);
        let mut given = BTreeMap::from([(Irrep::SCALAR, self.channels)]);
        let mut layers: Vec<Interaction> = vec![];
        for _ in 0..self.layers {
            let layer = Interaction::new(&given, &wanted, self.degree, self.neighbours, &self.radial, build);
            given.clone_from(layer.channels());
            layers.push(layer);
        }
        let matrices = (self.matrices > 0).then(|| {
            let sd = 1.0 / (self.channels as f64).sqrt();
            Parameter::real(&normal(&[self.matrices, self.channels], sd, build.rng, build.dtype))
        });
        Ok(EquivariantNetwork {
            degree: self.degree,
            radial: self.radial.clone(),
            species: Parameter::real(&species),
            layers,
            hidden: Linear::new(self.channels, self.readout, true, build),
            scalars: Linear::new(self.readout, self.scalars, true, build),
            matrices,
        })
    }
}

impl EquivariantNetwork {
    /// Distance up to which atoms see each other.
    pub fn cutoff(&self) -> f64 {
        self.radial.cutoff
    }

    /// Refuses species that the network does not know.
    ///
    /// # Errors
    /// [`Error::Data`] with the first.
    pub fn check(&self, graph: &Graph) -> Result<()> {
        let known = self.species.shape()[0];
        match graph.species.to_vec().iter().find(|s| **s >= known as f64) {
            None => Ok(()),
            Some(species) => Err(Error::data(
                format!("an atom is of species {species}, and the network knows {known}, counted from 0"),
                "raise `species`, or leave such structures out",
            )),
        }
    }

    /// What is known of each atom after all rounds, at these positions `[N, 3]`.
    pub fn features(&self, positions: &Tensor, graph: &Graph) -> Features {
        let pairs = Pairs::new(&graph.vectors(positions), self.degree, &self.radial);
        let start = self.species.get().index_select(0, &graph.species).unsqueeze(2);
        let start = Features::from([(Irrep::SCALAR, start)]);
        self.layers.iter().fold(start, |features, layer| layer.forward(&features, &pairs, graph))
    }

    /// What is read off each atom, at these positions `[N, 3]`.
    pub fn atoms(&self, positions: &Tensor, graph: &Graph) -> Atoms {
        let features = self.features(positions, graph);
        let pass = &mut Pass::evaluation();
        let own = features[&Irrep::SCALAR].squeeze(2);
        let scalars = self.scalars.forward(&self.hidden.forward(&own, pass).silu(), pass);
        let matrices = self.matrices.as_ref().map(|mix| mix.get().matmul(&features[&Irrep::natural(2)]));
        Atoms { scalars, matrices }
    }

    /// Energies of the structures of a graph, `[B]`: sums over their atoms.
    pub fn energies(&self, positions: &Tensor, graph: &Graph) -> Tensor {
        graph.totals(&self.atoms(positions, graph).scalars.select(1, 0))
    }

    /// Energies and forces. For training on forces, `has_graph` keeps them in the graph, so that a loss of them can be differentiated.
    ///
    /// # Errors
    /// As [`EquivariantNetwork::check`].
    pub fn potential(&self, graph: &Graph, has_graph: bool) -> Result<Potential> {
        self.check(graph)?;
        Ok(with_grad(|| {
            let positions = graph.positions.detach().variable();
            let atoms = self.atoms(&positions, graph);
            let energies = graph.totals(&atoms.scalars.select(1, 0));
            let total = energies.sum();
            let slope = if has_graph { grad_graph(&total, &[&positions]) } else { grad(&total, &[&positions]) };
            Potential { energies, forces: -&slope[0], atoms }
        }))
    }
}

impl Snapshot for EquivariantNetwork {
    fn save(&self, file: &mut ModelFile, prefix: &str) {
        self.write_to(file, prefix);
    }

    fn restore(&mut self, file: &ModelFile, prefix: &str) -> Result<()> {
        self.read_from(file, prefix)
    }
}
