//! The closed list of operations, a file a group.
//!
//! | group | file | members |
//! |---|---|---|
//! | arithmetic | `arithmetic` | `+ - * /`, powers, `maximum`, `minimum`, `where_`, broadcasting |
//! | functions of one element | `elementwise` | `exp`, `log`, `tanh`, `sigmoid`, `softplus`, ... |
//! | special functions | `special` | `erf`, `erfc`, `lgamma`, `digamma`, `log_ndtr`, ... |
//! | comparisons | `compare` | `lt`, `ge`, ..., masks |
//! | reductions | `reduce` | `sum`, `mean`, `max`, `variance`, `cumsum`, ... |
//! | sums of exponentials | `softmax` | `log_sum_exp`, `log_softmax`, `softmax`, `logaddexp` |
//! | shapes | `shape` | `reshape`, `permute`, `narrow`, `cat`, `tril`, `diagonal`, ... |
//! | indices | `index` | `index_select`, `gather`, `scatter_add`, `one_hot`, `masked_fill` |
//! | products | `product` | `matmul`, `dot`, `outer` |
//! | activations | `activation` | `silu`, `gelu`, `elu`, `leaky_relu`, ... |
//! | convolutions | `conv` | `conv2d`, `conv_transpose2d` |
//! | images | `resample`, `pool` | `resize_bilinear`, `resize_nearest`, `pad_reflect`, `avg_pool2d`, `max_pool2d` |
//! | normalisation | `norm` | `layer_norm`, `group_norm`, `batch_norm` |
//! | layers | `layer` | `linear`, `embedding`, `attention` |
//! | log probabilities from logits | `loss` | `bernoulli_log_prob`, `categorical_log_prob` |
//! | linear algebra | `linalg` | `cholesky`, `solve_triangular`, `eigh`, `svd`, `qr`, ... |
//!
//! To add one: compute the value outside the graph with a loop from `kernels`, then `value.record(name, inputs, backward)`, where
//! `backward` is written in tensor operations, so that it can be differentiated again. Add a row to the table in
//! `tests/it/table`; it checks values, first and second derivatives, strides and empty tensors.

mod activation;
mod arithmetic;
mod compare;
mod conv;
mod elementwise;
mod index;
mod layer;
mod linalg;
mod loss;
mod norm;
mod pool;
mod product;
mod reduce;
mod resample;
mod shape;
mod softmax;
mod special;

pub use conv::Convolution;
pub(crate) use conv::filters;
pub use layer::Attention;
pub use resample::Window;

/// An elementwise function of one element, as a type that loops can be compiled for.
macro_rules! unary_fn {
    ($name:ident: $bound:ident, |$x:ident| $body:expr) => {
        pub(crate) struct $name;
        impl<T: $crate::dtype::$bound> $crate::kernels::Unary<T, T> for $name {
            #[inline(always)]
            fn at(&self, $x: T) -> T {
                $body
            }
        }
    };
}

/// An elementwise function of two elements.
macro_rules! binary_fn {
    ($name:ident: $bound:ident, |$x:ident, $y:ident| $body:expr) => {
        pub(crate) struct $name;
        impl<T: $crate::dtype::$bound> $crate::kernels::Binary<T, T> for $name {
            #[inline(always)]
            fn at(&self, $x: T, $y: T) -> T {
                $body
            }
        }
    };
}
pub(crate) use {binary_fn, unary_fn};
