//! Codes of which the largest numbers are kept.

use elbo_core::{Result, ensure_within};
use elbo_tensor::Tensor;
use rayon::prelude::*;

/// Refuses to keep no number of a code, or more than it has.
pub(crate) fn check_topk(topk: Option<usize>, latent: usize) -> Result<()> {
    topk.map_or(Ok(()), |k| ensure_within("topk", k, 1..=latent))
}

/// The `k` numbers of largest size of each code `z: [..., L]`, of equal ones the first, with zeros for the others. The choice is held in the backward
/// pass: gradients reach what is kept as they are.
///
/// # Source
/// Makhzani and Frey (2014). Deviation: numbers of either sign, by their size.
pub(super) fn keep_largest(z: &Tensor, k: usize) -> Tensor {
    let dims = z.size(-1);
    if k >= dims {
        return z.clone();
    }
    let values = z.to_vec();
    let mut is_dropped = vec![true; values.len()];
    is_dropped.par_chunks_mut(dims).zip(values.par_chunks(dims)).for_each(|(is_dropped, code)| {
        let mut order: Vec<usize> = (0..dims).collect();
        order.select_nth_unstable_by(k - 1, |a, b| code[*b].abs().total_cmp(&code[*a].abs()).then(a.cmp(b)));
        order[..k].iter().for_each(|i| is_dropped[*i] = false);
    });
    z.masked_fill(&Tensor::from_bool(is_dropped, z.shape()), 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use elbo_tensor::grad;

    #[test]
    fn the_largest_in_size_are_kept_with_their_sign_and_of_equal_ones_the_first() {
        let z = Tensor::from_vec(vec![1.0, -3.0, 2.0, 0.5, 1.0, -1.0, 1.0, 0.0], &[2, 4]).variable();
        let kept = keep_largest(&z, 2);
        assert_eq!(kept.to_vec(), [0.0, -3.0, 2.0, 0.0, 1.0, -1.0, 0.0, 0.0]);
        assert_eq!(keep_largest(&kept, 2).to_vec(), kept.to_vec(), "once more changes nothing");
        assert_eq!(keep_largest(&z, 4).to_vec(), z.to_vec(), "all are the code itself");
        let slopes = grad(&(kept * 2.0).sum(), &[&z]).remove(0);
        assert_eq!(slopes.to_vec(), [0.0, 2.0, 2.0, 0.0, 2.0, 2.0, 0.0, 0.0]);
    }

    #[test]
    fn no_number_and_more_than_there_are_cannot_be_kept() {
        check_topk(None, 3).unwrap();
        check_topk(Some(3), 3).unwrap();
        assert!(check_topk(Some(0), 3).unwrap_err().to_string().contains("`topk` is 0"));
        assert!(check_topk(Some(4), 3).unwrap_err().to_string().contains("`topk` is 4"));
    }
}
