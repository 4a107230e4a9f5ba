//! The collapsed bound for many rows: covariances are made block by block and thrown away.

use std::ops::Range;

use elbo_core::Result;
use elbo_linalg::{Diagonal, Jitter, Ladder, MatMut, MatRef, Side, Triangle, trsm};

use super::sgpr::{BLOCK, Data, RowGradients, Sums, factor, whiten};
use crate::gradient::vjp;
use crate::tape::{no_grad, with_grad};
use crate::tensor::Tensor;

/// [`super::sgpr_bound`] with memory `M² + M BLOCK` instead of `M N`: for hundreds of thousands of rows.
///
/// `kuf(rows)` makes the covariances `[M, B]` of the inducing variables with a range of rows; it is called once a block for the value and
/// again for the gradient, which flows to `leaves`: the variables that the covariances depend on (kernel parameters, inducing inputs).
/// First derivatives only; for a second one there is [`super::sgpr_bound`].
///
/// # Shapes
/// `kuu: [M, M]`; `kdiag`, `y: [N]`; `noise: []`, `[1]` or `[N]`.
///
/// # Errors
/// As [`super::sgpr_bound`].
pub fn sgpr_bound_in_blocks(
    kuu: &Tensor,
    kuf: impl Fn(Range<usize>) -> Tensor + Send + Sync + 'static,
    leaves: &[Tensor],
    kdiag: &Tensor,
    noise: &Tensor,
    y: &Tensor,
    ladder: Ladder,
) -> Result<(Tensor, Jitter)> {
    let (m, n) = (kuu.size(0), y.size(0));
    assert!(kdiag.shape() == [n], "kdiag {:?} for {n} rows", kdiag.shape());
    let blocks = move || (0..n).step_by(BLOCK).map(move |start| start..n.min(start + BLOCK));
    let data = Data { kdiag: kdiag.to_vec(), noise: noise.to_vec(), y: y.to_vec() };
    let (l, jitter) = factor(kuu, ladder)?;
    let mut sums = Sums::new(m);
    for rows in blocks() {
        let width = rows.len();
        let mut a = no_grad(|| kuf(rows.clone())).to_vec();
        assert_eq!(a.len(), m * width, "a block of covariances must be [{m}, {width}]");
        whiten(&l, m, &mut a, width);
        sums.add(MatRef::row_major(&a, m, width), &data, rows.start);
    }
    let bound = sums.finish()?;
    let value = bound.value;
    let mut inputs = [kuu, kdiag, noise, y].map(Tensor::clone).to_vec();
    inputs.extend(leaves.iter().cloned());
    let shapes: Vec<Vec<usize>> = inputs.iter().map(|t| t.shape().to_vec()).collect();
    let leaves = leaves.to_vec();
    let backward = move |grad: &Tensor, wanted: &[bool]| {
        let g = grad.item();
        let mut rows_gradient = RowGradients::new(n);
        let mut found: Vec<Option<Tensor>> = vec![None; leaves.len()];
        let asked: Vec<usize> = (0..leaves.len()).filter(|i| wanted[4 + i]).collect();
        let targets: Vec<&Tensor> = asked.iter().map(|i| &leaves[*i]).collect();
        for rows in blocks() {
            let width = rows.len();
            let block = with_grad(|| kuf(rows.clone()));
            let mut a = block.to_vec();
            whiten(&l, m, &mut a, width);
            let mut da = vec![0.0; m * width];
            let out = MatMut::row_major(&mut da, m, width);
            bound.block_gradient(MatRef::row_major(&a, m, width), &data, rows.start, g, out, &mut rows_gradient);
            if targets.is_empty() {
                continue;
            }
            let upper = MatRef::row_major(&l, m, m).transpose();
            trsm(Side::Left, Triangle::Upper, Diagonal::Stored, upper, MatMut::row_major(&mut da, m, width));
            let gradients = vjp(&block, &targets, &Tensor::from_vec(da, &[m, width]), false);
            for (i, gradient) in asked.iter().zip(gradients) {
                found[*i] = Some(match found[*i].take() {
                    Some(sum) => sum + gradient,
                    None => gradient,
                });
            }
        }
        let dkuu = wanted[0].then(|| Tensor::from_vec(bound.kuu_gradient(&l, g), &shapes[0]));
        let [dkdiag, dnoise, dy] = rows_gradient.tensors([&shapes[1], &shapes[2], &shapes[3]]);
        let mut out = vec![dkuu, dkdiag, dnoise, dy];
        out.extend(found);
        out.into_iter().zip(wanted).map(|(g, w)| g.filter(|_| *w)).collect()
    };
    let out = Tensor::custom("sgpr_bound_in_blocks", inputs, Tensor::scalar(value), backward);
    Ok((out, jitter))
}
