//! Structures of atoms as one graph.

use super::neighbours::{Cell, neighbours};
use elbo_core::{Error, Result};
use elbo_tensor::{DType, Tensor};

/// A molecule, a cluster or a cell of a crystal.
#[derive(Debug, Clone, PartialEq)]
pub struct Structure {
    /// Species of each atom, counted from zero.
    pub species: Vec<usize>,
    /// Position of each atom.
    pub positions: Vec<[f64; 3]>,
    /// The box that space is filled with, if it is.
    pub cell: Option<Cell>,
}

/// Several structures side by side, with who is near whom.
#[derive(Debug, Clone)]
pub struct Graph {
    /// Positions of all atoms, `[N, 3]`.
    pub positions: Tensor,
    /// Species, `[N]`.
    pub species: Tensor,
    /// The structure that each atom belongs to, `[N]`.
    pub structure: Tensor,
    /// How many structures there are.
    pub count: usize,
    /// Atoms in the middle of a pair, `[E]`.
    pub receivers: Tensor,
    /// Atoms near them, `[E]`.
    pub senders: Tensor,
    /// What moves the latter to the image that is meant, `[E, 3]`.
    pub shifts: Tensor,
}

impl Graph {
    /// Structures whose atoms see each other up to a distance, in this precision.
    ///
    /// # Errors
    /// [`Error::Data`] for no atoms, or another number of species than of positions; and as [`neighbours`].
    pub fn new(structures: &[Structure], cutoff: f64, dtype: DType) -> Result<Self> {
        let (mut positions, mut species, mut owners) = (vec![], vec![], vec![]);
        let (mut receivers, mut senders, mut shifts) = (vec![], vec![], vec![]);
        for (s, structure) in structures.iter().enumerate() {
            let (atoms, kinds) = (structure.positions.len(), structure.species.len());
            if atoms == 0 || atoms != kinds {
                return Err(Error::data(
                    format!("structure {} has {atoms} positions and {kinds} species", s + 1),
                    "give one species a position, at least one",
                ));
            }
            let offset = owners.len();
            for edge in neighbours(&structure.positions, structure.cell.as_ref(), cutoff)? {
                receivers.push(offset + edge.receiver);
                senders.push(offset + edge.sender);
                shifts.extend(edge.shift);
            }
            positions.extend(structure.positions.iter().flatten().copied());
            species.extend_from_slice(&structure.species);
            owners.extend(std::iter::repeat_n(s, atoms));
        }
        if owners.is_empty() {
            return Err(Error::data("there are no structures", "give at least one"));
        }
        let (atoms, edges) = (owners.len(), senders.len());
        Ok(Self {
            positions: Tensor::from_vec(positions, &[atoms, 3]).cast(dtype),
            species: Tensor::indices(&species),
            structure: Tensor::indices(&owners),
            count: structures.len(),
            receivers: Tensor::indices(&receivers),
            senders: Tensor::indices(&senders),
            shifts: Tensor::from_vec(shifts, &[edges, 3]).cast(dtype),
        })
    }

    /// Number of atoms.
    pub fn atoms(&self) -> usize {
        self.species.len()
    }

    /// Number of pairs, each direction counted.
    pub fn edges(&self) -> usize {
        self.senders.len()
    }

    /// From the atom in the middle to its neighbour, `[E, 3]`, at these positions.
    pub fn vectors(&self, positions: &Tensor) -> Tensor {
        positions.index_select(0, &self.senders) + &self.shifts - positions.index_select(0, &self.receivers)
    }

    /// Sums over the atoms of each structure, `[N, ...]` to `[B, ...]`.
    pub fn totals(&self, values: &Tensor) -> Tensor {
        let shape = [&[self.count], &values.shape()[1..]].concat();
        Tensor::zeros(&shape, values.dtype()).index_add(0, &self.structure, values)
    }

    /// Sums over the neighbours of each atom, `[E, ...]` to `[N, ...]`.
    pub fn gathered(&self, values: &Tensor) -> Tensor {
        let shape = [&[self.atoms()], &values.shape()[1..]].concat();
        Tensor::zeros(&shape, values.dtype()).index_add(0, &self.receivers, values)
    }
}
