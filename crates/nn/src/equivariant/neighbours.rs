//! Which atoms are near each other.

use super::irrep::{Matrix3, cross, determinant};
use elbo_core::{Error, Result, ensure};
use std::collections::HashMap;

/// Images of atoms that are looked at, at most.
const MOST_IMAGES: f64 = 5e7;
/// Cutoffs from the origin to an atom, at most: cubes are counted in whole numbers, and places are known to a small part of one.
const FARTHEST: f64 = 1e12;
/// Atoms nearer than this are one.
const LEAST_DISTANCE: f64 = 1e-6;

/// A box that space is filled with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cell {
    /// Its three edges, one a row.
    pub edges: Matrix3,
    /// Along which of them it repeats.
    pub is_periodic: [bool; 3],
}

/// An atom near another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Edge {
    /// The atom in the middle.
    pub receiver: usize,
    /// The one near it.
    pub sender: usize,
    /// What moves the sender to the image that is meant.
    pub shift: [f64; 3],
}

impl Cell {
    /// The distance between opposite faces along each edge.
    fn heights(&self) -> [f64; 3] {
        let volume = determinant(&self.edges).abs();
        std::array::from_fn(|k| {
            let face = cross(&self.edges[(k + 1) % 3], &self.edges[(k + 2) % 3]);
            volume / face.iter().map(|v| v * v).sum::<f64>().sqrt()
        })
    }

    /// Multiples of the edges, added up.
    fn along(&self, times: [f64; 3]) -> [f64; 3] {
        std::array::from_fn(|d| (0..3).map(|k| times[k] * self.edges[k][d]).sum())
    }

    /// Whole edges, along which the cell repeats, that lie between the cell at the origin and the one of this point.
    fn whole(&self, point: &[f64; 3]) -> [f64; 3] {
        let volume = determinant(&self.edges);
        std::array::from_fn(|k| {
            let face = cross(&self.edges[(k + 1) % 3], &self.edges[(k + 2) % 3]);
            let part: f64 = (0..3).map(|d| point[d] * face[d]).sum::<f64>() / volume;
            if self.is_periodic[k] { part.floor() } else { 0.0 }
        })
    }

    fn check(&self) -> Result<()> {
        let heights = self.heights();
        if heights.iter().any(|h| !h.is_finite() || *h <= 0.0) {
            return Err(Error::data("the edges of the cell lie in a plane", "give three edges that span a volume"));
        }
        Ok(())
    }
}

fn plus(a: &[f64; 3], b: &[f64; 3]) -> [f64; 3] {
    std::array::from_fn(|d| a[d] + b[d])
}

fn minus(a: &[f64; 3], b: &[f64; 3]) -> [f64; 3] {
    std::array::from_fn(|d| a[d] - b[d])
}

/// An atom in the list of cells: which, where, and by what it was moved.
type Image = (usize, [f64; 3], [f64; 3]);

/// All pairs of atoms nearer than `cutoff`, each in both directions; in a periodic cell also images of an atom, itself included, however
/// small the cell is. Atoms are sorted into cubes of the cutoff's size, so the time is in proportion to their number.
///
/// # Errors
/// [`Error::Setting`] for a cutoff that is not positive; [`Error::Data`] for positions that are not finite or more than 1e12 cutoffs from the
/// origin, two atoms at one place, a cell without volume, or one so small that the neighbours would fill the memory.
pub fn neighbours(positions: &[[f64; 3]], cell: Option<&Cell>, cutoff: f64) -> Result<Vec<Edge>> {
    ensure("cutoff", cutoff, cutoff > 0.0 && cutoff.is_finite(), "above 0")?;
    if positions.iter().flatten().any(|v| !v.is_finite()) {
        return Err(Error::data("a position of an atom is not finite", "leave such structures out"));
    }
    // Atoms inside the cell at the origin, with what moves them there.
    let home: Vec<Image> = match cell {
        None => positions.iter().enumerate().map(|(i, p)| (i, *p, [0.0; 3])).collect(),
        Some(cell) => {
            cell.check()?;
            let moved = |p: &[f64; 3]| cell.along(cell.whole(p).map(|n| -n));
            positions.iter().enumerate().map(|(i, p)| (i, plus(p, &moved(p)), moved(p))).collect()
        }
    };
    // Inside a cell too: of a position so far away nothing is known there.
    let places = home.iter().map(|(_, place, _)| place).chain(positions);
    if places.flatten().any(|v| v.is_nan() || v.abs() > FARTHEST * cutoff) {
        return Err(Error::data(
            format!("an atom is more than {FARTHEST:e} cutoffs from the origin"),
            "move the structure to the origin, or correct the cell or the cutoff",
        ));
    }
    let cubes = sorted(&home, cell, cutoff)?;
    let mut edges = vec![];
    for (receiver, centre, moved) in &home {
        let cube = cube(centre, cutoff);
        for k in 0..27 {
            let beside = [cube[0] + k / 9 - 1, cube[1] + k / 3 % 3 - 1, cube[2] + k % 3 - 1];
            for (sender, place, sender_moved) in cubes.get(&beside).into_iter().flatten() {
                let shift = minus(sender_moved, moved);
                if sender == receiver && shift == [0.0; 3] {
                    continue;
                }
                let distance = minus(place, centre).iter().map(|v| v * v).sum::<f64>().sqrt();
                if distance < LEAST_DISTANCE {
                    return Err(Error::data(
                        format!("atoms {} and {} are at one place", receiver + 1, sender + 1),
                        "leave one of them out, or correct the cell",
                    ));
                }
                if distance < cutoff {
                    edges.push(Edge { receiver: *receiver, sender: *sender, shift });
                }
            }
        }
    }
    Ok(edges)
}

fn cube(place: &[f64; 3], size: f64) -> [i64; 3] {
    place.map(|v| (v / size).floor() as i64)
}

/// Every image that may be near an atom of `home`, by the cube it lies in.
fn sorted(home: &[Image], cell: Option<&Cell>, cutoff: f64) -> Result<HashMap<[i64; 3], Vec<Image>>> {
    // Places of two atoms in the cell differ by less than an edge, so one more than the cutoff's share can be reached.
    let reach = |k: usize, cell: &Cell| {
        if cell.is_periodic[k] { (cutoff / cell.heights()[k]).floor() + 1.0 } else { 0.0 }
    };
    let most: [f64; 3] = cell.map_or([0.0; 3], |cell| std::array::from_fn(|k| reach(k, cell)));
    let count = most.iter().map(|m| 2.0 * m + 1.0).product::<f64>() * home.len() as f64;
    if count > MOST_IMAGES {
        return Err(Error::data(
            format!("{count:.1e} images of atoms are within the cutoff's reach of so small a cell"),
            "lower the cutoff, or correct the cell",
        ));
    }
    let bound = |pick: fn(f64, f64) -> f64, start: f64| -> [f64; 3] {
        std::array::from_fn(|d| home.iter().map(|(_, p, _)| p[d]).fold(start, pick))
    };
    let (low, high) = (bound(f64::min, f64::INFINITY), bound(f64::max, f64::NEG_INFINITY));
    let mut cubes: HashMap<[i64; 3], Vec<Image>> = HashMap::new();
    let [a, b, c] = most.map(|m| m as i64);
    for (i, j, k) in (-a..=a).flat_map(|i| (-b..=b).flat_map(move |j| (-c..=c).map(move |k| (i, j, k)))) {
        let shift = cell.map_or([0.0; 3], |cell| cell.along([i as f64, j as f64, k as f64]));
        for (atom, place, moved) in home {
            let place = plus(place, &shift);
            if (0..3).all(|d| place[d] > low[d] - cutoff && place[d] < high[d] + cutoff) {
                cubes.entry(cube(&place, cutoff)).or_default().push((*atom, place, plus(moved, &shift)));
            }
        }
    }
    Ok(cubes)
}
