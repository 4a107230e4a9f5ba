//! Layer, group and batch normalisation, in one pass each way.
//!
//! | statistics over | operation |
//! |---|---|
//! | the last axes of each example | `layer_norm` |
//! | groups of channels of each image | `group_norm`; one group an image, or one a channel (instance normalisation) |
//! | each channel of the whole batch | `batch_norm`; the layer keeps running averages |

use crate::dtype::{Element, with_real};
use crate::kernels::norm::Groups;
use crate::kernels::same_type;
use crate::layout::count;
use crate::tensor::Tensor;

/// The composed form: `x: [B, C, S]`, `w`, `b`: `[C]`.
fn composed(x: &Tensor, w: &Tensor, b: &Tensor, how: Groups, epsilon: f64) -> Tensor {
    let (grouped, axes): (Tensor, &[isize]) = match how.groups {
        Some(groups) => (x.reshape(&[how.batch, groups, how.members()]), &[2]),
        None => (x.clone(), &[0, 2]),
    };
    let centred = &grouped - grouped.mean_axes(axes, true);
    let deviation = (centred.square().mean_axes(axes, true) + epsilon).sqrt();
    (centred / deviation).reshape(x.shape()) * w.unsqueeze(1) + b.unsqueeze(1)
}

/// The fused form. Returns also mean and variance of the sets, outside the graph.
fn normalised(
    name: &'static str,
    x: &Tensor,
    scale: Option<&Tensor>,
    shift: Option<&Tensor>,
    how: Groups,
    epsilon: f64,
) -> (Tensor, Tensor, Tensor) {
    let dtype = x.dtype();
    let filled = |given: Option<&Tensor>, value: f64| {
        let given = given.cloned().unwrap_or_else(|| Tensor::full(&[how.channels], value, dtype));
        same_type(name, x, &given);
        assert_eq!(given.len(), how.channels, "`{name}`: {:?} for {} channels", given.shape(), how.channels);
        given.reshape(&[how.channels])
    };
    let (w, b) = (filled(scale, 1.0), filled(shift, 0.0));
    let flat = x.reshape(&[how.batch, how.channels, how.inner]);
    let (xs, ws, bs) = (flat.contiguous_value(), w.contiguous_value(), b.contiguous_value());
    with_real!(name, dtype, T => {
        let moments = how.moments::<T>(xs.row_major(), T::from_f64(epsilon));
        let value = how.forward::<T>(xs.row_major(), &moments, ws.row_major(), bs.row_major());
        let value = Tensor::new(value, flat.shape());
        let sets = [how.sets()];
        let mean = Tensor::new(moments.mean.clone(), &sets);
        let variance = Tensor::new(moments.variance.clone(), &sets);
        let y = Tensor::custom(name, vec![flat, w, b], value, move |g, _| {
            let g = g.contiguous_value();
            let [dx, dw, db] = how.backward::<T>(xs.row_major(), &moments, ws.row_major(), g.row_major());
            let channels = [how.channels];
            vec![Some(Tensor::new(dx, xs.shape())), Some(Tensor::new(dw, &channels)), Some(Tensor::new(db, &channels))]
        })
        .with_twin(move |t| composed(&t[0], &t[1], &t[2], how, epsilon));
        (y.reshape(x.shape()), mean, variance)
    })
}

impl Tensor {
    /// Each example's last axes brought to mean zero and variance one, then scaled and shifted.
    ///
    /// # Shapes
    /// `scale` and `shift` have the shape of the last axes, and so say how many there are; ones scale nothing.
    pub fn layer_norm(&self, scale: &Tensor, shift: Option<&Tensor>, epsilon: f64) -> Tensor {
        let last = scale.shape();
        let fits = self.rank() >= last.len() && self.shape()[self.rank() - last.len()..] == *last;
        assert!(fits, "`layer_norm`: scales {last:?} for {:?}", self.shape());
        let batch = count(&self.shape()[..self.rank() - last.len()]);
        let how = Groups { batch, channels: scale.len(), inner: 1, groups: Some(1) };
        normalised("layer_norm", self, Some(scale), shift, how, epsilon).0
    }

    /// Groups of each image's channels brought to mean zero and variance one, then scaled and shifted by channel.
    ///
    /// # Shapes
    /// `self: [B, C, ...]`, `scale: [C]`, `shift: [C]`; `groups` divides C.
    pub fn group_norm(&self, groups: usize, scale: Option<&Tensor>, shift: Option<&Tensor>, epsilon: f64) -> Tensor {
        assert!(self.rank() >= 2, "`group_norm` needs images and channels, found shape {:?}", self.shape());
        let (batch, channels) = (self.shape()[0], self.shape()[1]);
        assert!(groups > 0 && channels % groups == 0, "`group_norm`: {groups} groups of {channels} channels");
        let how = Groups { batch, channels, inner: count(&self.shape()[2..]), groups: Some(groups) };
        normalised("group_norm", self, scale, shift, how, epsilon).0
    }

    /// Each channel brought to mean zero and variance one over the batch, then scaled and shifted.
    ///
    /// # Shapes
    /// `self: [B, C, ...]`, `scale: [C]`, `shift: [C]`. Returns the result, and the batch's mean and (biased) variance, `[C]`, outside the
    /// graph, for running averages.
    pub fn batch_norm(&self, scale: Option<&Tensor>, shift: Option<&Tensor>, epsilon: f64) -> (Tensor, Tensor, Tensor) {
        assert!(self.rank() >= 2, "`batch_norm` needs a batch and channels, found shape {:?}", self.shape());
        let (batch, channels) = (self.shape()[0], self.shape()[1]);
        let how = Groups { batch, channels, inner: count(&self.shape()[2..]), groups: None };
        normalised("batch_norm", self, scale, shift, how, epsilon)
    }
}
