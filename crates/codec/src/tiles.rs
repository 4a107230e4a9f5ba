//! Large images through a network in pieces, without seams.

use elbo_tensor::Tensor;

/// A map of images that works in pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tiling {
    /// Side of a piece in the network's coarser grid, latents of a picture for instance.
    pub tile: usize,
    /// How far a result sees, in that grid: so much is added on every side where there is image.
    pub reach: usize,
}

/// `f` over `x: [1, C, H, W]` in pieces. One step of the coarser grid is `before` pixels of `x` and `after` pixels of the result; sizes of
/// `x` are multiples of `before`.
///
/// The pieces overlap by the network's reach and the overlap is thrown away, so the result is that of the whole: a piece at the image's
/// edge ends there as the image does.
pub fn tiled(x: &Tensor, [before, after]: [usize; 2], how: &Tiling, f: &dyn Fn(&Tensor) -> Tensor) -> Tensor {
    let (h, w) = (x.size(2) / before, x.size(3) / before);
    if h.max(w) <= how.tile {
        return f(x);
    }
    let rows: Vec<Tensor> = spans(h, how)
        .into_iter()
        .map(|(y0, y1, top, bottom)| {
            let band = x.narrow(2, y0 * before, (y1 - y0) * before);
            let pieces: Vec<Tensor> = spans(w, how)
                .into_iter()
                .map(|(x0, x1, left, right)| {
                    let piece = f(&band.narrow(3, x0 * before, (x1 - x0) * before).contiguous());
                    let piece = piece.narrow(2, (top - y0) * after, (bottom - top) * after);
                    piece.narrow(3, (left - x0) * after, (right - left) * after).contiguous()
                })
                .collect();
            Tensor::cat(&pieces, 3)
        })
        .collect();
    Tensor::cat(&rows, 2)
}

/// Pieces of `0..n`: what is read, and what of it is kept.
fn spans(n: usize, how: &Tiling) -> Vec<(usize, usize, usize, usize)> {
    let piece = |start: usize| {
        let end = (start + how.tile).min(n);
        (start.saturating_sub(how.reach), (end + how.reach).min(n), start, end)
    };
    (0..n).step_by(how.tile).map(piece).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use elbo_core::Rng;
    use elbo_tensor::Convolution;

    #[test]
    fn pieces_make_the_whole() {
        let mut rng = Rng::new(2);
        let mut random = |shape: &[usize]| {
            let n = shape.iter().product();
            Tensor::from_f32(rng.normals(n).into_iter().map(|v| v as f32).collect(), shape)
        };
        let (down, across, up) = (random(&[4, 2, 4, 4]), random(&[4, 4, 3, 3]), random(&[4, 3, 4, 4]));
        let network = |x: &Tensor| {
            let y = x.conv2d(&down, None, &Convolution::default().strided(2).padded(1));
            let y = y.conv2d(&across, None, &Convolution::default().padded(1)).tanh();
            y.conv_transpose2d(&up, None, &Convolution::default().strided(2).padded(1))
        };
        for size in [[22, 36], [2, 40], [12, 10]] {
            let x = random(&[1, 2, size[0], size[1]]);
            let whole = network(&x);
            let pieces = tiled(&x, [2, 2], &Tiling { tile: 5, reach: 3 }, &network);
            assert_eq!(whole.shape(), pieces.shape());
            let most = (whole - pieces).abs().max().item();
            assert!(most < 1e-5, "{most}");
        }
    }
}
