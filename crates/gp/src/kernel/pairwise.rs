//! Gram matrices of covariances that are computed pair by pair: value and pullback in one pass over the pairs each, with one `[N, M]`
//! matrix and no temporary of another.

use elbo_linalg::{MatMut, mirror_lower};
use elbo_tensor::Tensor;
use rayon::prelude::*;

/// Groups of rows whose sums are made side by side and then added in order. Their number does not depend on threads, so neither do the
/// bits.
const PARTS: usize = 16;

/// A covariance of two rows as a number, symmetric in them, which moves with the rows through their difference alone, if at all.
pub(super) trait Pairwise: Send + Sync + 'static {
    /// The covariance of the rows `a` and `b`, each `[D]`.
    fn value(&self, a: &[f64], b: &[f64]) -> f64;

    /// Adds `weight` times the derivatives of the value to `to`.
    fn pull(&self, a: &[f64], b: &[f64], weight: f64, to: &mut Pull);

    /// How many numbers of room [`Pairwise::pull`] needs.
    fn room(&self) -> usize {
        0
    }
}

/// Where the derivatives of a pair go.
pub(super) struct Pull {
    /// With respect to `a - b`, `[D]`; zero before each pair.
    pub by_difference: Vec<f64>,
    /// With respect to the parameters, one after the other in the order of the operation's inputs; sums over pairs.
    pub by_parameter: Vec<f64>,
    /// [`Pairwise::room`] numbers with arbitrary contents.
    pub room: Vec<f64>,
}

/// Writes for each factor the product of the others, without a division, and returns the product of all.
pub(super) fn products_of_others(factors: &[f64], out: &mut [f64]) -> f64 {
    let mut before = 1.0;
    for (out, factor) in out.iter_mut().zip(factors) {
        *out = before;
        before *= factor;
    }
    let mut after = 1.0;
    for (out, factor) in out.iter_mut().zip(factors).rev() {
        *out *= after;
        after *= factor;
    }
    before
}

/// Points as numbers.
struct Rows {
    values: Vec<f64>,
    count: usize,
    dims: usize,
}

impl Rows {
    fn of(x: &Tensor) -> Self {
        Self { values: x.to_vec(), count: x.size(0), dims: x.size(1) }
    }

    #[inline]
    fn row(&self, i: usize) -> &[f64] {
        &self.values[i * self.dims..(i + 1) * self.dims]
    }
}

/// The operation `name` on `x: [N, D]`, `z: [M, D]` and these parameters, of which `f` holds the numbers; returns `[N, M]`. `twin` is the
/// same function of those inputs composed of tensor operations.
pub(super) fn gram<F: Pairwise>(
    name: &'static str,
    f: F,
    x: &Tensor,
    z: &Tensor,
    parameters: &[Tensor],
    twin: impl Fn(&[Tensor]) -> Tensor + Send + Sync + 'static,
) -> Tensor {
    assert_eq!(x.size(1), z.size(1), "points of {} and {} dimensions", x.size(1), z.size(1));
    let (a, b) = (Rows::of(x), Rows::of(z));
    let (n, m) = (a.count, b.count);
    let mut value = vec![0.0; n * m];
    value.par_chunks_mut(m.max(1)).enumerate().for_each(|(i, row)| {
        row.iter_mut().enumerate().for_each(|(j, out)| *out = f.value(a.row(i), b.row(j)));
    });
    let inputs: Vec<Tensor> = [x, z].into_iter().chain(parameters).cloned().collect();
    let shapes: Vec<Vec<usize>> = inputs.iter().map(|t| t.shape().to_vec()).collect();
    let backward = move |grad: &Tensor, wanted: &[bool]| {
        let weights = grad.as_f64();
        let sums = pull(&f, &a, Some(&b), |i, j| weights[i * m + j], [wanted[0], wanted[1]], &shapes[2..]);
        gradients([sums.x, sums.z, sums.parameters].concat(), &shapes, wanted)
    };
    Tensor::custom(name, inputs, Tensor::from_vec(value, &[n, m]), backward).with_twin(twin)
}

/// As [`gram`], of `x: [N, D]` with itself at half the work; the inputs of the operation and of its twin are `x` and the parameters.
pub(super) fn gram_symmetric<F: Pairwise>(
    name: &'static str,
    f: F,
    x: &Tensor,
    parameters: &[Tensor],
    twin: impl Fn(&[Tensor]) -> Tensor + Send + Sync + 'static,
) -> Tensor {
    let rows = Rows::of(x);
    let n = rows.count;
    let mut value = vec![0.0; n * n];
    value.par_chunks_mut(n.max(1)).enumerate().for_each(|(i, row)| {
        row[..=i].iter_mut().enumerate().for_each(|(j, out)| *out = f.value(rows.row(i), rows.row(j)));
    });
    mirror_lower(MatMut::row_major(&mut value, n, n));
    let inputs: Vec<Tensor> = [x].into_iter().chain(parameters).cloned().collect();
    let shapes: Vec<Vec<usize>> = inputs.iter().map(|t| t.shape().to_vec()).collect();
    let backward = move |grad: &Tensor, wanted: &[bool]| {
        let weights = grad.as_f64();
        // A pair stands in the matrix twice, a row with itself once.
        let weight = |i: usize, j: usize| {
            if i == j { weights[i * n + i] } else { weights[i * n + j] + weights[j * n + i] }
        };
        let sums = pull(&f, &rows, None, weight, [wanted[0]; 2], &shapes[1..]);
        let by_x: Vec<f64> = sums.x.iter().zip(&sums.z).map(|(own, other)| own + other).collect();
        gradients([by_x, sums.parameters].concat(), &shapes, wanted)
    };
    Tensor::custom(name, inputs, Tensor::from_vec(value, &[n, n]), backward).with_twin(twin)
}

/// What flows back from all pairs, or from those of one part.
struct Sums {
    x: Vec<f64>,
    z: Vec<f64>,
    parameters: Vec<f64>,
}

/// Derivatives from the weights of all pairs `i`, `j`; without `z` of `x` with itself, where each pair is taken once, with `j` up to `i`, and
/// `Sums::z` is the part of the points `j`. `wanted` says which points to sum for; the sums of others are zero.
fn pull<F: Pairwise>(
    f: &F,
    x: &Rows,
    z: Option<&Rows>,
    weight: impl Fn(usize, usize) -> f64 + Sync,
    wanted: [bool; 2],
    parameters: &[Vec<usize>],
) -> Sums {
    let (others, dims) = (z.unwrap_or(x), x.dims);
    let length = parameters.iter().map(|shape| shape.iter().product::<usize>()).sum::<usize>();
    // Every `PARTS`-th row, so that of a triangle too all parts have their share.
    let part = |part: usize| {
        let mut to =
            Pull { by_difference: vec![0.0; dims], by_parameter: vec![0.0; length], room: vec![0.0; f.room()] };
        let mut own = vec![0.0; if wanted[0] { x.count.div_ceil(PARTS) * dims } else { 0 }];
        let mut other = vec![0.0; if wanted[1] { others.count * dims } else { 0 }];
        for (k, i) in (part..x.count).step_by(PARTS).enumerate() {
            let end = if z.is_some() { others.count } else { i + 1 };
            for j in 0..end {
                to.by_difference.fill(0.0);
                f.pull(x.row(i), others.row(j), weight(i, j), &mut to);
                if wanted[0] {
                    own[k * dims..(k + 1) * dims].iter_mut().zip(&to.by_difference).for_each(|(o, g)| *o += g);
                }
                if wanted[1] {
                    other[j * dims..(j + 1) * dims].iter_mut().zip(&to.by_difference).for_each(|(o, g)| *o -= g);
                }
            }
        }
        Sums { x: own, z: other, parameters: to.by_parameter }
    };
    let parts: Vec<Sums> = (0..PARTS).into_par_iter().map(part).collect();
    let mut sums =
        Sums { x: vec![0.0; x.count * dims], z: vec![0.0; others.count * dims], parameters: vec![0.0; length] };
    for (p, part) in parts.iter().enumerate() {
        for (i, own) in (p..x.count).step_by(PARTS).zip(part.x.chunks_exact(dims.max(1))) {
            sums.x[i * dims..(i + 1) * dims].copy_from_slice(own);
        }
        sums.z.iter_mut().zip(&part.z).for_each(|(sum, g)| *sum += g);
        sums.parameters.iter_mut().zip(&part.parameters).for_each(|(sum, g)| *sum += g);
    }
    sums
}

/// The numbers of all inputs, one after the other, as the gradients that are wanted.
fn gradients(values: Vec<f64>, shapes: &[Vec<usize>], wanted: &[bool]) -> Vec<Option<Tensor>> {
    let mut rest = &values[..];
    let one = |(shape, wanted): (&Vec<usize>, &bool)| {
        let (own, after) = rest.split_at(shape.iter().product());
        rest = after;
        wanted.then(|| Tensor::from_slice(own, shape))
    };
    shapes.iter().zip(wanted).map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::products_of_others;

    #[test]
    fn products_of_the_others_need_no_division() {
        let mut others = [f64::NAN; 3];
        assert_eq!(products_of_others(&[2.0, 3.0, 5.0], &mut others), 30.0);
        assert_eq!(others, [15.0, 10.0, 6.0]);
        assert_eq!(products_of_others(&[2.0, 0.0, 5.0], &mut others), 0.0);
        assert_eq!(others, [0.0, 10.0, 0.0]);
        assert_eq!(products_of_others(&[], &mut []), 1.0);
    }
}
