//! Who beats whom, and how far a set is from another.

/// Whether `a` is nowhere worse than `b`, and better somewhere.
pub fn dominates(a: &[f64], b: &[f64]) -> bool {
    a.iter().zip(b).all(|(a, b)| a <= b) && a.iter().zip(b).any(|(a, b)| a < b)
}

/// Indices of the points that none dominates, in order; of equal points the first. `points: [N][M]`.
pub fn front(points: &[Vec<f64>]) -> Vec<usize> {
    let beaten = |i: usize| {
        let by = |(j, other): (usize, &Vec<f64>)| dominates(other, &points[i]) || (j < i && *other == points[i]);
        points.iter().enumerate().any(by)
    };
    (0..points.len()).filter(|i| !beaten(*i)).collect()
}

/// A reference point for [`hypervolume`](super::hypervolume): the worst values on the front and a tenth of its range more.
pub fn reference_point(points: &[Vec<f64>]) -> Vec<f64> {
    let best: Vec<&Vec<f64>> = front(points).into_iter().map(|i| &points[i]).collect();
    let dims = points.first().map_or(0, Vec::len);
    (0..dims)
        .map(|k| {
            let low = best.iter().map(|p| p[k]).fold(f64::INFINITY, f64::min);
            let high = best.iter().map(|p| p[k]).fold(f64::NEG_INFINITY, f64::max);
            // A front of one point has no range.
            high + 0.1 * if high > low { high - low } else { high.abs().max(1.0) }
        })
        .collect()
}

/// Mean over the reference front of the distance to the nearest point, counting only where the point is worse (IGD+).
///
/// # Source
/// Ishibuchi, Masuda, Tanigaki and Nojima (2015).
pub fn distance_to(reference: &[Vec<f64>], points: &[Vec<f64>]) -> f64 {
    let far = |z: &Vec<f64>, a: &Vec<f64>| a.iter().zip(z).map(|(a, z)| (a - z).max(0.0).powi(2)).sum::<f64>().sqrt();
    let nearest = |z: &Vec<f64>| points.iter().map(|a| far(z, a)).fold(f64::INFINITY, f64::min);
    reference.iter().map(nearest).sum::<f64>() / reference.len() as f64
}

/// The least number by which all points must be lowered to be nowhere worse than the reference front (additive epsilon).
///
/// # Source
/// Zitzler, Thiele, Laumanns, Fonseca and da Fonseca (2003).
pub fn epsilon(reference: &[Vec<f64>], points: &[Vec<f64>]) -> f64 {
    let shift = |z: &Vec<f64>, a: &Vec<f64>| a.iter().zip(z).map(|(a, z)| a - z).fold(f64::NEG_INFINITY, f64::max);
    let nearest = |z: &Vec<f64>| points.iter().map(|a| shift(z, a)).fold(f64::INFINITY, f64::min);
    reference.iter().map(nearest).fold(f64::NEG_INFINITY, f64::max)
}
