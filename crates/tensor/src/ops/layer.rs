//! Linear layers, embeddings and attention.

use crate::dtype::{DType, with_real};
use crate::kernels::attention::{self, Sizes};
use crate::kernels::{self, same_type};
use crate::layout::count;
use crate::tensor::Tensor;

/// Which keys a query may attend to.
#[derive(Debug, Clone, Default)]
pub struct Attention {
    /// What multiplies the scores; `None` for 1/√d.
    pub scale: Option<f64>,
    /// Query `i` sees keys up to `i` only.
    pub causal: bool,
    /// True where a query may attend, broadcasting to `[..., T, T']`. A query must see one key at least.
    pub mask: Option<Tensor>,
}

impl Attention {
    /// Only the past and the present.
    pub fn causal() -> Self {
        Self { causal: true, ..Self::default() }
    }

    /// Where attention is allowed, `[..., T, T']`, if it is limited at all.
    fn allowed(&self, lead: &[usize], queries: usize, keys: usize) -> Option<Tensor> {
        let shape = [lead, &[queries, keys]].concat();
        let causal = self.causal.then(|| {
            let (rows, columns) = (Tensor::arange(queries, DType::I64), Tensor::arange(keys, DType::I64));
            columns.unsqueeze(0).le(&rows.unsqueeze(1))
        });
        let both = match (causal, &self.mask) {
            (Some(causal), Some(mask)) => causal.and(mask),
            (Some(one), None) => one,
            (None, Some(mask)) => mask.clone(),
            (None, None) => return None,
        };
        Some(both.broadcast_to(&shape).contiguous_value())
    }
}

impl Tensor {
    /// `x W' + b`, for weights stored as they are in most files.
    ///
    /// # Shapes
    /// `self: [..., I]`, `weight: [O, I]`, `bias: [O]`; returns `[..., O]`.
    pub fn linear(&self, weight: &Tensor, bias: Option<&Tensor>) -> Tensor {
        same_type("linear", self, weight);
        let fits = weight.rank() == 2 && self.rank() >= 1 && self.size(-1) == weight.size(1);
        assert!(fits, "`linear`: {:?} and {:?}", self.shape(), weight.shape());
        let (lead, width) = (&self.shape()[..self.rank() - 1], weight.size(1));
        let x = self.reshape(&[count(lead), width]);
        let saved_bias = bias.map(|bias| {
            same_type("linear", self, bias);
            assert_eq!(bias.shape(), [weight.size(0)], "`linear` needs one bias a row of {:?}", weight.shape());
            bias.contiguous_value()
        });
        let value = with_real!("linear", self.dtype(), T => {
            kernels::affine::<T>(&x, weight, saved_bias.as_ref().map(|b| b.row_major()))
        });
        let inputs: Vec<&Tensor> = [Some(&x), Some(weight), bias].into_iter().flatten().collect();
        let (saved_x, saved_w) = (x.clone(), weight.clone());
        let y = value.record_many("linear", &inputs, move |b| {
            let mut grads =
                smallvec::smallvec![b.when(0, || b.grad.matmul(&saved_w)), b.when(1, || b.grad.t().matmul(&saved_x)),];
            if b.wanted.len() == 3 {
                grads.push(b.when(2, || b.grad.sum_axis(0, false)));
            }
            grads
        });
        y.reshape(&[lead, &[weight.size(0)]].concat())
    }

    /// Rows of a table: `self: [V, D]`, `ids: [...]` in `I64`; returns `[..., D]`.
    pub fn embedding(&self, ids: &Tensor) -> Tensor {
        assert_eq!(self.rank(), 2, "`embedding` needs a table, found shape {:?}", self.shape());
        let shape = [ids.shape(), &[self.size(1)]].concat();
        self.index_select(0, &ids.reshape(&[ids.len()])).reshape(&shape)
    }

    /// Scaled dot-product attention, softmax(scale q k') v, without ever holding all scores.
    ///
    /// # Shapes
    /// `self` (the queries): `[..., T, d]`, `keys: [..., T', d]`, `values: [..., T', e]`, equal leading axes; returns `[..., T, e]`.
    pub fn attention(&self, keys: &Tensor, values: &Tensor, how: &Attention) -> Tensor {
        same_type("attention", self, keys);
        same_type("attention", self, values);
        let (q, k, v) = (self.shape(), keys.shape(), values.shape());
        let rank = q.len();
        let fits = rank >= 2
            && k.len() == rank
            && v.len() == rank
            && (0..rank - 2).all(|d| q[d] == k[d] && q[d] == v[d])
            && q[rank - 1] == k[rank - 1]
            && k[rank - 2] == v[rank - 2];
        assert!(fits, "`attention`: queries {q:?}, keys {k:?}, values {v:?}");
        let (lead, width) = (&q[..rank - 2], q[rank - 1]);
        let sizes = Sizes {
            batch: count(lead),
            queries: q[rank - 2],
            keys: k[rank - 2],
            width,
            depth: v[rank - 1],
            scale: how.scale.unwrap_or_else(|| 1.0 / (width as f64).sqrt()),
        };
        assert!(sizes.keys > 0, "`attention` over no keys");
        let allowed = how.allowed(lead, sizes.queries, sizes.keys);
        let [qs, ks, vs] = [self, keys, values].map(Tensor::contiguous_value);
        let mask = allowed.clone();
        let shape = [lead, &[sizes.queries, sizes.depth]].concat();
        let inputs = vec![self.clone(), keys.clone(), values.clone()];
        with_real!("attention", self.dtype(), T => {
            let allowed_slice = allowed.as_ref().map(|m| m.row_major::<bool>());
            let value = attention::forward::<T>(&sizes, [qs.row_major(), ks.row_major(), vs.row_major()], allowed_slice);
            Tensor::custom("attention", inputs, Tensor::new(value, &shape), move |g, _| {
                let g = g.contiguous_value();
                let allowed = allowed.as_ref().map(|m| m.row_major::<bool>());
                let inputs = [qs.row_major(), ks.row_major(), vs.row_major()];
                let grads = attention::backward::<T>(&sizes, inputs, allowed, g.row_major());
                grads.into_iter().zip([&qs, &ks, &vs]).map(|(g, x)| Some(Tensor::new(g, x.shape()))).collect()
            })
        })
        .with_twin(move |t| composed(t, sizes.scale, mask.as_ref()))
    }
}

fn composed(inputs: &[Tensor], scale: f64, allowed: Option<&Tensor>) -> Tensor {
    let scores = inputs[0].matmul(&inputs[1].t()) * scale;
    let scores = match allowed {
        Some(allowed) => scores.masked_fill(&allowed.not(), f64::NEG_INFINITY),
        None => scores,
    };
    scores.softmax(-1).matmul(&inputs[2])
}
