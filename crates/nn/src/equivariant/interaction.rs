//! One round of messages between atoms.

use super::coupling::{coupling, harmonics};
use super::graph::Graph;
use super::irrep::Irrep;
use super::radial::{Radial, RadialConfig};
use crate::init::normal;
use crate::layer::Build;
use elbo_tensor::{Parameter, Parameters, Tensor, nested, nested_mut};
use std::collections::BTreeMap;

/// What is known of each atom: for every representation, channels of it, `[N, C, 2 l + 1]`.
pub type Features = BTreeMap<Irrep, Tensor>;

/// What all rounds need of the pairs of atoms.
pub struct Pairs {
    /// Spherical harmonics of the directions, `[E, 2 l + 1]` for each degree from zero.
    harmonics: Vec<Tensor>,
    /// Waves of the distances, `[E, waves]`.
    waves: Tensor,
}

impl Pairs {
    /// Of these vectors from atoms to their neighbours, `[E, 3]`.
    pub fn new(vectors: &Tensor, degree: usize, radial: &RadialConfig) -> Self {
        let distances = vectors.square().sum_axis(1, false).sqrt();
        let unit = vectors / distances.unsqueeze(1);
        Self { harmonics: (0..=degree).map(|l| harmonics(l, &unit)).collect(), waves: radial.waves(&distances) }
    }
}

/// A way from a feature of a neighbour, by a harmonic of its direction, to a message.
struct Path {
    input: Irrep,
    channels: usize,
    degree: usize,
    output: Irrep,
}

/// One round: messages of neighbours, mixed over channels, and gated.
///
/// $$ A_i = \frac{1}{\sqrt{\bar N}} \sum_{j} \sum_{\text{paths}} R(r_{ij})\, C(h_j, Y(\hat r_{ij})), \qquad
///    h_i' = \mathrm{gate}(W A_i + U h_i) $$
///
/// Scalars `0e` go through x / (1 + e^-x); every channel of another representation is multiplied by the sigmoid of a scalar of its own.
pub struct Interaction {
    paths: Vec<Path>,
    radial: Radial,
    /// For each representation of the result, `[C', C]` from the channels of all messages to it.
    mix: BTreeMap<Irrep, Parameter>,
    /// The same from the atom's own features, where it has that representation.
    skip: BTreeMap<Irrep, Parameter>,
    /// Constants of the scalars.
    bias: Parameter,
    /// Channels of each representation of the result.
    channels: BTreeMap<Irrep, usize>,
    /// Root of the usual number of neighbours.
    root: f64,
}

impl Parameters for Interaction {
    fn visit(&self, f: &mut dyn FnMut(&str, &Parameter)) {
        nested("radial", &self.radial, f);
        self.mix.iter().for_each(|(irrep, p)| f(&format!("mix.{irrep}"), p));
        self.skip.iter().for_each(|(irrep, p)| f(&format!("skip.{irrep}"), p));
        f("bias", &self.bias);
    }
    fn visit_mut(&mut self, f: &mut dyn FnMut(&str, &mut Parameter)) {
        nested_mut("radial", &mut self.radial, f);
        self.mix.iter_mut().for_each(|(irrep, p)| f(&format!("mix.{irrep}"), p));
        self.skip.iter_mut().for_each(|(irrep, p)| f(&format!("skip.{irrep}"), p));
        f("bias", &mut self.bias);
    }
}

/// Normal weights `[out, in]` that keep the size of sums.
fn mixing(out: usize, input: usize, build: &mut Build<'_>) -> Parameter {
    Parameter::real(&normal(&[out, input], 1.0 / (input as f64).sqrt(), build.rng, build.dtype))
}

impl Interaction {
    /// A round from features of these channels to `wanted` ones, as far as messages or the features themselves reach them.
    pub fn new(
        given: &BTreeMap<Irrep, usize>,
        wanted: &BTreeMap<Irrep, usize>,
        degree: usize,
        neighbours: f64,
        radial: &RadialConfig,
        build: &mut Build<'_>,
    ) -> Self {
        let mut paths = vec![];
        for (input, channels) in given {
            for l in 0..=degree {
                let is_odd = input.is_odd != Irrep::natural(l).is_odd;
                let reached = wanted.keys().filter(|out| out.is_odd == is_odd);
                let reached = reached.filter(|out| coupling(input.degree, l, out.degree).is_some());
                paths.extend(reached.map(|out| Path { input: *input, channels: *channels, degree: l, output: *out }));
            }
        }
        let is_reached = |out: &Irrep| given.contains_key(out) || paths.iter().any(|path| path.output == *out);
        let channels: BTreeMap<Irrep, usize> =
            wanted.iter().filter(|(out, _)| is_reached(out)).map(|(out, c)| (*out, *c)).collect();
        let gates: usize = channels.iter().filter(|(out, _)| **out != Irrep::SCALAR).map(|(_, c)| c).sum();
        let rows = |out: &Irrep| channels[out] + if *out == Irrep::SCALAR { gates } else { 0 };
        let (mut mix, mut skip) = (BTreeMap::new(), BTreeMap::new());
        for out in channels.keys() {
            let sent: usize = paths.iter().filter(|path| path.output == *out).map(|path| path.channels).sum();
            if sent > 0 {
                mix.insert(*out, mixing(rows(out), sent, build));
            }
            if let Some(own) = given.get(out) {
                skip.insert(*out, mixing(rows(out), *own, build));
            }
        }
        let bias = Parameter::real(&Tensor::zeros(&[rows(&Irrep::SCALAR)], build.dtype));
        let radial = radial.build(paths.iter().map(|path| path.channels).sum(), build);
        Self { paths, radial, mix, skip, bias, channels, root: neighbours.sqrt() }
    }

    /// Channels of each representation of the result.
    pub fn channels(&self) -> &BTreeMap<Irrep, usize> {
        &self.channels
    }

    /// The features after the round.
    pub fn forward(&self, features: &Features, pairs: &Pairs, graph: &Graph) -> Features {
        let messages = self.messages(features, pairs, graph);
        let mut sums = Features::new();
        for out in self.channels.keys() {
            let mixed = messages.get(out).map(|message| self.mix[out].get().matmul(message));
            let kept = self.skip.get(out).map(|skip| skip.get().matmul(&features[out]));
            let sum = match (mixed, kept) {
                (Some(a), Some(b)) => (a + b) * std::f64::consts::FRAC_1_SQRT_2,
                (a, b) => a.or(b).expect("a representation of the result is reached"),
            };
            sums.insert(*out, sum);
        }
        self.gated(&sums)
    }

    /// Messages of all neighbours of each atom, `[N, ΣC, 2 l + 1]`, the channels of all paths side by side.
    fn messages(&self, features: &Features, pairs: &Pairs, graph: &Graph) -> Features {
        let mut parts: BTreeMap<Irrep, Vec<Tensor>> = BTreeMap::new();
        let weights = (graph.edges() > 0).then(|| self.radial.weights(&pairs.waves));
        let mut at = 0;
        for Path { input, channels, degree, output } in &self.paths {
            let own = &features[input];
            let part = match &weights {
                None => Tensor::zeros(&[graph.atoms(), *channels, output.size()], own.dtype()),
                Some(weights) => {
                    let turned = directions(&pairs.harmonics[*degree], *input, *degree, *output);
                    let sent = own.index_select(0, &graph.senders).matmul(&turned);
                    graph.gathered(&(sent * weights.narrow(1, at, *channels).unsqueeze(2))) * (1.0 / self.root)
                }
            };
            at += channels;
            parts.entry(*output).or_default().push(part);
        }
        parts.into_iter().map(|(out, parts)| (out, Tensor::cat(&parts, 1))).collect()
    }

    fn gated(&self, sums: &Features) -> Features {
        let own = self.channels[&Irrep::SCALAR];
        let scalars = &sums[&Irrep::SCALAR] + self.bias.get().unsqueeze(1);
        let gates = scalars.narrow(1, own, scalars.size(1) - own).sigmoid();
        let mut at = 0;
        let mut found = Features::new();
        for (out, channels) in &self.channels {
            let value = if *out == Irrep::SCALAR {
                scalars.narrow(1, 0, own).silu()
            } else {
                let gate = gates.narrow(1, at, *channels);
                at += channels;
                &sums[out] * gate
            };
            found.insert(*out, value);
        }
        found
    }
}

/// What a neighbour's feature is multiplied by to become a message, from the harmonics of its direction: `[E, 2 l1 + 1, 2 l3 + 1]`.
fn directions(harmonics: &Tensor, input: Irrep, degree: usize, output: Irrep) -> Tensor {
    let [m, n, k] = [input.size(), 2 * degree + 1, output.size()];
    let values = coupling(input.degree, degree, output.degree).expect("paths have couplings");
    // Unit variance for each component of the message.
    let scale = (k as f64).sqrt();
    let by_harmonic = Tensor::from_vec(values, &[m, n, k]).permute(&[1, 0, 2]).reshape(&[n, m * k]) * scale;
    harmonics.matmul(&by_harmonic.cast(harmonics.dtype())).reshape(&[harmonics.size(0), m, k])
}
