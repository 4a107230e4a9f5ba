//! Extremely randomised trees.

use elbo_core::Rng;
use serde::{Deserialize, Serialize};

/// Trees of a forest, and the fewest rows of a node that is split.
const TREES: usize = 100;
const FEWEST: usize = 2;

/// A node: a leaf's value, or a split `x[column] < at` with its children's places.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Node {
    Leaf(f64),
    Split { column: usize, at: f64, below: usize, above: usize },
}

/// The average of extremely randomised trees, each on a bootstrap sample.
///
/// # Source
/// Geurts, Ernst and Wehenkel (2006); at every node one random cut in each column, the best of them taken.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Forest(Vec<Vec<Node>>);

impl Forest {
    /// Grows on `x: [N, E]`, `y: [N]`.
    pub(super) fn grow(x: &[f64], y: &[f64], width: usize, rng: &mut Rng) -> Self {
        let trees = (0..TREES).map(|_| {
            let rows: Vec<usize> = (0..y.len()).map(|_| rng.below(y.len())).collect();
            let mut nodes = vec![];
            split(x, y, width, rows, &mut nodes, rng);
            nodes
        });
        Self(trees.collect())
    }

    /// Whether its cuts are in `width` columns and every way down ends: children come after their parents.
    pub(super) fn fits(&self, width: usize) -> bool {
        let tree = |nodes: &Vec<Node>| {
            let is_sound = |(place, node): (usize, &Node)| match node {
                Node::Leaf(_) => true,
                Node::Split { column, below, above, .. } => {
                    let children = place + 1..nodes.len();
                    *column < width && children.contains(below) && children.contains(above)
                }
            };
            !nodes.is_empty() && nodes.iter().enumerate().all(is_sound)
        };
        !self.0.is_empty() && self.0.iter().all(tree)
    }

    /// The average of the trees' values.
    pub(super) fn value(&self, x: &[f64]) -> f64 {
        let tree = |nodes: &Vec<Node>| {
            let mut at = 0;
            loop {
                match &nodes[at] {
                    Node::Leaf(value) => return *value,
                    Node::Split { column, at: cut, below, above } => {
                        at = if x[*column] < *cut { *below } else { *above }
                    }
                }
            }
        };
        self.0.iter().map(tree).sum::<f64>() / self.0.len() as f64
    }
}

fn split(x: &[f64], y: &[f64], width: usize, rows: Vec<usize>, nodes: &mut Vec<Node>, rng: &mut Rng) -> usize {
    let place = nodes.len();
    let mean = rows.iter().map(|r| y[*r]).sum::<f64>() / rows.len() as f64;
    nodes.push(Node::Leaf(mean));
    let error = |part: &mut dyn Iterator<Item = usize>| {
        let (mut n, mut sum, mut squares) = (0.0, 0.0, 0.0);
        part.for_each(|r| {
            n += 1.0;
            sum += y[r];
            squares += y[r] * y[r];
        });
        if n > 0.0 { squares - sum * sum / n } else { 0.0 }
    };
    if rows.len() < FEWEST || error(&mut rows.iter().copied()) <= 1e-14 {
        return place;
    }
    let mut best: Option<(f64, usize, f64)> = None;
    for column in 0..width {
        let value = |r: &usize| x[r * width + column];
        let low = rows.iter().map(value).fold(f64::INFINITY, f64::min);
        let high = rows.iter().map(value).fold(f64::NEG_INFINITY, f64::max);
        if low >= high {
            continue;
        }
        // Strictly above the lowest, so that both sides have rows.
        let cut = high - rng.uniform() * (high - low);
        let cut = if cut <= low { high } else { cut };
        let below = error(&mut rows.iter().copied().filter(|r| value(r) < cut));
        let above = error(&mut rows.iter().copied().filter(|r| value(r) >= cut));
        if best.is_none_or(|(e, ..)| below + above < e) {
            best = Some((below + above, column, cut));
        }
    }
    let Some((_, column, at)) = best else { return place };
    let (low, high): (Vec<usize>, Vec<usize>) = rows.into_iter().partition(|r| x[r * width + column] < at);
    let below = split(x, y, width, low, nodes, rng);
    let above = split(x, y, width, high, nodes, rng);
    nodes[place] = Node::Split { column, at, below, above };
    place
}
