//! Bijections made of bijections.

use super::Bijector;
use crate::batched::sum_last;
use elbo_tensor::{Parameter, Parameters, Tensor};

/// The sum of log-determinants so far and one more.
fn added(total: Option<Tensor>, term: Tensor) -> Option<Tensor> {
    Some(match total {
        Some(sum) => sum + term,
        None => term,
    })
}

/// The vector with the coordinates of `a` at the places `at_a`, and those of `b` at the others, `at_b`.
pub(crate) fn merged(a: Tensor, at_a: &[usize], b: Tensor, at_b: &[usize]) -> Tensor {
    let mut place = vec![0; at_a.len() + at_b.len()];
    at_a.iter().chain(at_b).enumerate().for_each(|(at, i)| place[*i] = at);
    Tensor::cat(&[a, b], -1).index_select(-1, &Tensor::indices(&place))
}

/// One bijection after the other, the first applied first.
#[derive(Debug)]
pub struct Chain {
    steps: Vec<Box<dyn Bijector>>,
}

impl Chain {
    /// In the order of application; an empty chain is the identity.
    pub fn new(steps: Vec<Box<dyn Bijector>>) -> Self {
        Self { steps }
    }

    /// The steps.
    pub fn steps(&self) -> &[Box<dyn Bijector>] {
        &self.steps
    }
}

impl Parameters for Chain {
    fn visit(&self, f: &mut dyn FnMut(&str, &Parameter)) {
        self.steps.visit(f);
    }
    fn visit_mut(&mut self, f: &mut dyn FnMut(&str, &mut Parameter)) {
        self.steps.visit_mut(f);
    }
}

impl Bijector for Chain {
    fn ranks(&self) -> (usize, usize) {
        // A point must have as many axes as every step needs where it stands.
        let mut before = 0;
        for step in self.steps.iter().rev() {
            let (from, to) = step.ranks();
            before = (before.max(to)) - to + from;
        }
        let after = self.steps.iter().fold(before, |rank, step| rank - step.ranks().0 + step.ranks().1);
        (before, after)
    }
    fn forward(&self, x: &Tensor) -> (Tensor, Tensor) {
        let batch = x.rank() - self.ranks().0;
        let mut total: Option<Tensor> = None;
        let mut point = x.clone();
        for step in &self.steps {
            let (image, log_det) = step.forward(&point);
            total = added(total, sum_last(&log_det, log_det.rank() - batch));
            point = image;
        }
        (point, total.unwrap_or_else(|| Tensor::zeros(x.shape(), x.dtype())))
    }
    fn inverse(&self, y: &Tensor) -> Option<(Tensor, Tensor)> {
        let batch = y.rank() - self.ranks().1;
        let mut total: Option<Tensor> = None;
        let mut point = y.clone();
        for step in self.steps.iter().rev() {
            let (image, log_det) = step.inverse(&point)?;
            total = added(total, sum_last(&log_det, log_det.rank() - batch));
            point = image;
        }
        Some((point, total.unwrap_or_else(|| Tensor::zeros(y.shape(), y.dtype()))))
    }
}

/// A bijection the other way round. It must have a closed inverse.
#[derive(Debug)]
pub struct Invert<B>(pub B);

impl<B: Bijector> Parameters for Invert<B> {
    fn visit(&self, f: &mut dyn FnMut(&str, &Parameter)) {
        self.0.visit(f);
    }
    fn visit_mut(&mut self, f: &mut dyn FnMut(&str, &mut Parameter)) {
        self.0.visit_mut(f);
    }
}

impl<B: Bijector> Bijector for Invert<B> {
    fn ranks(&self) -> (usize, usize) {
        let (from, to) = self.0.ranks();
        (to, from)
    }
    fn forward(&self, x: &Tensor) -> (Tensor, Tensor) {
        self.0.inverse(x).unwrap_or_else(|| panic!("`Invert` of a map without closed inverse: {:?}", self.0))
    }
    fn inverse(&self, y: &Tensor) -> Option<(Tensor, Tensor)> {
        Some(self.0.forward(y))
    }
}

/// Consecutive pieces of a vector, each with its own bijection, elementwise or of vectors.
#[derive(Debug)]
pub struct Blocks {
    blocks: Vec<Box<dyn Bijector>>,
    sizes: Vec<usize>,
}

impl Blocks {
    /// Pairs of a length and what happens to that many coordinates.
    pub fn new(parts: Vec<(usize, Box<dyn Bijector>)>) -> Self {
        for (_, block) in &parts {
            assert!(block.ranks().0 <= 1 && block.ranks().1 == block.ranks().0, "a block maps vectors: {block:?}");
        }
        let (sizes, blocks) = parts.into_iter().unzip();
        Self { blocks, sizes }
    }

    fn apply<'a>(
        pieces: Vec<Tensor>,
        maps: impl Iterator<Item = (&'a Box<dyn Bijector>, Option<(Tensor, Tensor)>)>,
    ) -> Option<(Tensor, Tensor)> {
        let mut images = vec![];
        let mut total: Option<Tensor> = None;
        for (piece, (block, mapped)) in pieces.iter().zip(maps) {
            let (image, log_det) = mapped?;
            let batch = piece.rank() - 1;
            debug_assert!(log_det.rank() == batch + 1 - block.ranks().0);
            images.push(image);
            total = added(total, sum_last(&log_det, log_det.rank() - batch));
        }
        Some((Tensor::cat(&images, -1), total.expect("there is at least one block")))
    }
}

impl Parameters for Blocks {
    fn visit(&self, f: &mut dyn FnMut(&str, &Parameter)) {
        self.blocks.visit(f);
    }
    fn visit_mut(&mut self, f: &mut dyn FnMut(&str, &mut Parameter)) {
        self.blocks.visit_mut(f);
    }
}

impl Bijector for Blocks {
    fn ranks(&self) -> (usize, usize) {
        (1, 1)
    }
    fn forward(&self, x: &Tensor) -> (Tensor, Tensor) {
        let pieces = x.split(-1, &self.sizes);
        let maps: Vec<_> = self.blocks.iter().zip(&pieces).map(|(b, p)| (b, Some(b.forward(p)))).collect();
        Self::apply(pieces, maps.into_iter()).expect("every piece has an image")
    }
    fn inverse(&self, y: &Tensor) -> Option<(Tensor, Tensor)> {
        let sizes: Vec<usize> = self.blocks.iter().zip(&self.sizes).map(|(b, n)| b.image_shape(&[*n])[0]).collect();
        let pieces = y.split(-1, &sizes);
        let maps: Vec<_> = self.blocks.iter().zip(&pieces).map(|(b, p)| (b, b.inverse(p))).collect();
        Self::apply(pieces, maps.into_iter())
    }
}

/// An elementwise bijection of some coordinates of a vector; the others stay.
#[derive(Debug)]
pub struct Masked<B> {
    inner: B,
    mask: Vec<bool>,
}

impl<B: Bijector> Masked<B> {
    /// `inner` where `mask: [D]` is true.
    pub fn new(inner: B, mask: Vec<bool>) -> Self {
        assert_eq!(inner.ranks(), (0, 0), "`Masked` needs an elementwise map, found {inner:?}");
        Self { inner, mask }
    }

    fn mix(&self, x: &Tensor, map: impl Fn(&Tensor) -> Option<(Tensor, Tensor)>) -> Option<(Tensor, Tensor)> {
        // Only the chosen coordinates go through the map, so that the others need not lie in its domain.
        let chosen: Vec<usize> = (0..self.mask.len()).filter(|i| self.mask[*i]).collect();
        let kept: Vec<usize> = (0..self.mask.len()).filter(|i| !self.mask[*i]).collect();
        let (image, log_det) = map(&x.index_select(-1, &Tensor::indices(&chosen)))?;
        let rest = x.index_select(-1, &Tensor::indices(&kept));
        Some((merged(image, &chosen, rest, &kept), log_det.sum_axis(-1, false)))
    }
}

impl<B: Bijector> Parameters for Masked<B> {
    fn visit(&self, f: &mut dyn FnMut(&str, &Parameter)) {
        self.inner.visit(f);
    }
    fn visit_mut(&mut self, f: &mut dyn FnMut(&str, &mut Parameter)) {
        self.inner.visit_mut(f);
    }
}

impl<B: Bijector> Bijector for Masked<B> {
    fn ranks(&self) -> (usize, usize) {
        (1, 1)
    }
    fn forward(&self, x: &Tensor) -> (Tensor, Tensor) {
        self.mix(x, |x| Some(self.inner.forward(x))).expect("every coordinate has an image")
    }
    fn inverse(&self, y: &Tensor) -> Option<(Tensor, Tensor)> {
        self.mix(y, |y| self.inner.inverse(y))
    }
}
