//! Convolution and transposed convolution of images.
//!
//! The number ⟨g, w * x⟩ is linear in each of image, filters and gradient. So the two derivatives of a convolution, and the derivatives
//! of those, are again one of three products: the convolution itself, its transpose, and the product for the filters.

use crate::dtype::with_real;
use crate::kernels::conv::{self, Geometry};
use crate::kernels::same_type;
use crate::tensor::Tensor;

/// How a filter moves over an image: `[vertical, horizontal]`.
///
/// ```
/// use elbo_tensor::{Convolution, DType, Tensor};
/// let x = Tensor::ones(&[2, 3, 28, 28], DType::F32);
/// let w = Tensor::ones(&[8, 3, 3, 3], DType::F32);
/// let halved = Convolution::default().strided(2).padded(1);
/// assert_eq!(x.conv2d(&w, None, &halved).shape(), [2, 8, 14, 14]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Convolution {
    /// Pixels between neighbouring outputs.
    pub stride: [usize; 2],
    /// Zeros on each side.
    pub padding: [usize; 2],
    /// Pixels between neighbouring taps of the filter.
    pub dilation: [usize; 2],
    /// Groups of channels that do not see each other; as many as channels make it depthwise.
    pub groups: usize,
    /// Rows and columns added at the end by a *transposed* convolution, below `stride`; a convolution ignores it.
    pub output_padding: [usize; 2],
}

impl Default for Convolution {
    fn default() -> Self {
        Self { stride: [1, 1], padding: [0, 0], dilation: [1, 1], groups: 1, output_padding: [0, 0] }
    }
}

impl Convolution {
    /// The same with this stride both ways.
    pub fn strided(self, stride: usize) -> Self {
        Self { stride: [stride; 2], ..self }
    }

    /// The same with so many zeros on every side.
    pub fn padded(self, padding: usize) -> Self {
        Self { padding: [padding; 2], ..self }
    }

    /// The same with so many groups.
    pub fn grouped(self, groups: usize) -> Self {
        Self { groups, ..self }
    }

    /// Height and width of the convolution of an image; `None` when the filter does not fit.
    pub fn output(&self, image: [usize; 2], kernel: [usize; 2]) -> Option<[usize; 2]> {
        let one = |d: usize| {
            let reach = self.dilation[d] * kernel[d].checked_sub(1)? + 1;
            Some((image[d] + 2 * self.padding[d]).checked_sub(reach)? / self.stride[d] + 1)
        };
        Some([one(0)?, one(1)?])
    }

    /// Height and width of the transposed convolution of an image; `None` when the padding takes everything away.
    pub fn transposed_output(&self, image: [usize; 2], kernel: [usize; 2]) -> Option<[usize; 2]> {
        let one = |d: usize| {
            let reach = self.dilation[d] * kernel[d].checked_sub(1)? + 1;
            (image[d].checked_sub(1)? * self.stride[d] + reach + self.output_padding[d])
                .checked_sub(2 * self.padding[d])
        };
        Some([one(0)?, one(1)?])
    }

    fn check(&self, name: &str) {
        let positive = self.stride.iter().chain(&self.dilation).all(|v| *v > 0) && self.groups > 0;
        assert!(positive, "`{name}` needs positive strides, dilations and groups, found {self:?}");
    }
}

/// The last two sizes.
pub(super) fn plane(shape: &[usize]) -> [usize; 2] {
    [shape[shape.len() - 2], shape[shape.len() - 1]]
}

fn geometry(x: &[usize], w: &[usize], y: &[usize], how: &Convolution) -> Geometry {
    Geometry {
        batch: x[0],
        groups: how.groups,
        channels: [w[1], w[0] / how.groups],
        input: plane(x),
        output: plane(y),
        kernel: plane(w),
        stride: how.stride,
        padding: how.padding,
        dilation: how.dilation,
    }
}

/// w * x + bias, into planes of the size `out`.
fn convolve(x: &Tensor, w: &Tensor, bias: Option<&Tensor>, how: Convolution, out: [usize; 2]) -> Tensor {
    let shape = [x.shape()[0], w.shape()[0], out[0], out[1]];
    let g = geometry(x.shape(), w.shape(), &shape, &how);
    let (xs, ws, bs) = (x.contiguous_value(), w.contiguous_value(), bias.map(Tensor::contiguous_value));
    let value = with_real!("conv2d", x.dtype(), T => {
        let bias = bs.as_ref().map(|b| b.row_major::<T>());
        Tensor::new(conv::forward::<T>(&g, xs.row_major(), ws.row_major(), bias), &shape)
    });
    let (saved_x, saved_w) = (x.clone(), w.clone());
    let inputs: Vec<&Tensor> = [Some(x), Some(w), bias].into_iter().flatten().collect();
    value.record_many("conv2d", &inputs, move |b| {
        let mut grads = smallvec::smallvec![
            b.when(0, || transpose(b.grad, &saved_w, None, how, plane(saved_x.shape()))),
            b.when(1, || filters(&saved_x, b.grad, how, saved_w.shape())),
        ];
        if b.wanted.len() == 3 {
            grads.push(b.when(2, || b.grad.sum_axes(&[0, 2, 3], false)));
        }
        grads
    })
}

/// The transpose of [`convolve`] in its image, y with filters w, and a bias, into planes of the size `out`.
fn transpose(y: &Tensor, w: &Tensor, bias: Option<&Tensor>, how: Convolution, out: [usize; 2]) -> Tensor {
    let shape = [y.shape()[0], w.shape()[1] * how.groups, out[0], out[1]];
    let g = geometry(&shape, w.shape(), y.shape(), &how);
    let (ys, ws, bs) = (y.contiguous_value(), w.contiguous_value(), bias.map(Tensor::contiguous_value));
    let value = with_real!("conv_transpose2d", y.dtype(), T => {
        let bias = bs.as_ref().map(|b| b.row_major::<T>());
        Tensor::new(conv::backward_input::<T>(&g, ys.row_major(), ws.row_major(), bias), &shape)
    });
    let inputs: Vec<&Tensor> = [Some(y), Some(w), bias].into_iter().flatten().collect();
    let (y, w) = (y.clone(), w.clone());
    value.record_many("conv_transpose2d", &inputs, move |b| {
        let mut grads = smallvec::smallvec![
            b.when(0, || convolve(b.grad, &w, None, how, plane(y.shape()))),
            b.when(1, || filters(b.grad, &y, how, w.shape())),
        ];
        if b.wanted.len() == 3 {
            grads.push(b.when(2, || b.grad.sum_axes(&[0, 2, 3], false)));
        }
        grads
    })
}

/// The transpose of [`convolve`] in its filters, which have the shape `w`.
pub(crate) fn filters(x: &Tensor, y: &Tensor, how: Convolution, w: &[usize]) -> Tensor {
    let g = geometry(x.shape(), w, y.shape(), &how);
    let (xs, ys) = (x.contiguous_value(), y.contiguous_value());
    let value = with_real!("conv2d_filters", x.dtype(), T => {
        Tensor::new(conv::backward_weight::<T>(&g, xs.row_major(), ys.row_major()), w)
    });
    let (x, y) = (x.clone(), y.clone());
    value.record("conv2d_filters", [&x.clone(), &y.clone()], move |b| {
        [
            b.when(0, || transpose(&y, b.grad, None, how, plane(x.shape()))),
            b.when(1, || convolve(&x, b.grad, None, how, plane(y.shape()))),
        ]
    })
}

impl Tensor {
    /// Convolution of images (cross-correlation, as everywhere in networks).
    ///
    /// # Shapes
    /// `self: [B, C, H, W]`, `filters: [O, C / groups, kh, kw]`, `bias: [O]`; returns `[B, O, H', W']` with
    /// `H' = (H + 2 padding - dilation (kh - 1) - 1) / stride + 1`.
    pub fn conv2d(&self, filters: &Tensor, bias: Option<&Tensor>, how: &Convolution) -> Tensor {
        how.check("conv2d");
        same_type("conv2d", self, filters);
        let (x, w) = (self.shape(), filters.shape());
        let fits = x.len() == 4 && w.len() == 4 && x[1] == w[1] * how.groups && w[0] % how.groups == 0;
        assert!(fits, "`conv2d`: images {x:?}, filters {w:?}, {} groups", how.groups);
        if let Some(bias) = bias {
            same_type("conv2d", self, bias);
            assert_eq!(bias.shape(), [w[0]], "`conv2d` needs one bias a filter");
        }
        let out = how.output(plane(x), plane(w));
        let out = out.unwrap_or_else(|| panic!("`conv2d`: filters {w:?} do not fit into images {x:?} by {how:?}"));
        convolve(self, filters, bias, *how, out)
    }

    /// Transposed convolution: the adjoint of [`Tensor::conv2d`] with the same filters, which enlarges images by `stride`.
    ///
    /// # Shapes
    /// `self: [B, C, H, W]`, `filters: [C, O / groups, kh, kw]`, `bias: [O]`; returns `[B, O, H', W']` with
    /// `H' = (H - 1) stride - 2 padding + dilation (kh - 1) + 1 + output_padding`.
    pub fn conv_transpose2d(&self, filters: &Tensor, bias: Option<&Tensor>, how: &Convolution) -> Tensor {
        how.check("conv_transpose2d");
        same_type("conv_transpose2d", self, filters);
        let (x, w) = (self.shape(), filters.shape());
        let fits = x.len() == 4 && w.len() == 4 && x[1] == w[0] && w[0] % how.groups == 0;
        assert!(fits, "`conv_transpose2d`: images {x:?}, filters {w:?}, {} groups", how.groups);
        let extra = (0..2).all(|d| how.output_padding[d] < how.stride[d].max(how.dilation[d]));
        assert!(extra, "`conv_transpose2d` needs an output padding below the stride, found {how:?}");
        let out = how.transposed_output(plane(x), plane(w));
        let out =
            out.unwrap_or_else(|| panic!("`conv_transpose2d`: nothing is left of {x:?}, filters {w:?}, by {how:?}"));
        if let Some(bias) = bias {
            same_type("conv_transpose2d", self, bias);
            assert_eq!(bias.shape(), [w[1] * how.groups], "`conv_transpose2d` needs one bias an output channel");
        }
        transpose(self, filters, bias, *how, out)
    }
}
