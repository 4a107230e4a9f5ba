//! The volume that a set of points dominates.

use std::cmp::Ordering;
use std::collections::BTreeMap;

/// Volume of what is dominated by the points and lies below the reference; points that are not below it everywhere add nothing.
///
/// One sweep in two objectives, one over a sorted staircase in three (both `N log N`), and a recursion by exclusive volumes beyond.
///
/// # Source
/// Fonseca, Paquete and López-Ibáñez (2006) for three; While, Bradstreet and Barone (2012) for more.
///
/// ```
/// use elbo_decide::objectives::hypervolume;
/// assert_eq!(hypervolume(&[vec![1.0, 2.0], vec![2.0, 1.0]], &[3.0, 3.0]), 3.0);
/// ```
pub fn hypervolume(points: &[Vec<f64>], reference: &[f64]) -> f64 {
    let below = |p: &&Vec<f64>| p.iter().zip(reference).all(|(a, r)| a < r);
    let inside: Vec<&[f64]> = points.iter().filter(below).map(Vec::as_slice).collect();
    volume(inside, reference)
}

/// Of points below the reference; only the first `reference.len()` values of each count.
fn volume(mut points: Vec<&[f64]>, reference: &[f64]) -> f64 {
    let last = match reference.len() {
        0 => return 0.0,
        1 => return points.iter().map(|p| reference[0] - p[0]).fold(0.0, f64::max),
        2 => return plane(points, reference),
        3 => return space(points, reference),
        m => m - 1,
    };
    // The worst in the last objective first: what a point shares with later ones then reaches as far as itself there.
    points.sort_by(|a, b| b[last].total_cmp(&a[last]));
    let mut sum = 0.0;
    for (i, p) in points.iter().enumerate() {
        let shared: Vec<Vec<f64>> =
            points[i + 1..].iter().map(|q| (0..last).map(|k| p[k].max(q[k])).collect()).collect();
        let alone: f64 = (0..last).map(|k| reference[k] - p[k]).product();
        let common = volume(shared.iter().map(Vec::as_slice).collect(), &reference[..last]);
        sum += (reference[last] - p[last]) * (alone - common);
    }
    sum
}

fn plane(mut points: Vec<&[f64]>, reference: &[f64]) -> f64 {
    points.sort_by(|a, b| a[0].total_cmp(&b[0]).then(a[1].total_cmp(&b[1])));
    let (mut area, mut lowest) = (0.0, reference[1]);
    for p in points {
        if p[1] < lowest {
            area += (reference[0] - p[0]) * (lowest - p[1]);
            lowest = p[1];
        }
    }
    area
}

/// A number in its order.
#[derive(Clone, Copy, PartialEq)]
struct Ordered(f64);

impl Eq for Ordered {}

impl PartialOrd for Ordered {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ordered {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

fn space(mut points: Vec<&[f64]>, reference: &[f64]) -> f64 {
    points.sort_by(|a, b| a[2].total_cmp(&b[2]));
    // The staircase of the points so far in the first two objectives, and the area it dominates.
    let mut stairs: BTreeMap<Ordered, f64> = BTreeMap::new();
    let (mut area, mut sum) = (0.0, 0.0);
    for (i, p) in points.iter().enumerate() {
        let (x, y) = (p[0], p[1]);
        if stairs.range(..=Ordered(x)).next_back().is_none_or(|(_, level)| *level > y) {
            let mut level = stairs.range(..Ordered(x)).next_back().map_or(reference[1], |(_, level)| *level);
            let mut from = x;
            let mut beaten = vec![];
            let mut end = reference[0];
            for (to, next) in stairs.range(Ordered(x)..) {
                if *next < y {
                    end = to.0;
                    break;
                }
                area += (to.0 - from) * (level - y);
                (from, level) = (to.0, *next);
                beaten.push(*to);
            }
            area += (end - from) * (level - y);
            beaten.iter().for_each(|key| {
                stairs.remove(key);
            });
            stairs.insert(Ordered(x), y);
        }
        let next = points.get(i + 1).map_or(reference[2], |q| q[2]);
        sum += area * (next - p[2]);
    }
    sum
}
