use super::fisher::{diagonal, of_logits};
use super::noise::{batch_axes, draw_each, joined};
use super::{Batched, Kl, Support};
use elbo_core::Rng;
use elbo_tensor::special::sigmoid;
use elbo_tensor::{DType, Tensor};

/// Events with log odds `logits`; a point is 0 or 1 in the parameters' type.
#[derive(Debug, Clone)]
pub struct Bernoulli {
    logits: Tensor,
}

impl Bernoulli {
    /// From log odds.
    pub fn new(logits: Tensor) -> Self {
        Self { logits }
    }

    /// Log odds, `[batch...]`.
    pub fn logits(&self) -> &Tensor {
        &self.logits
    }
}

impl Batched for Bernoulli {
    fn batch_shape(&self) -> Vec<usize> {
        self.logits.shape().to_vec()
    }
    fn dtype(&self) -> DType {
        self.logits.dtype()
    }
    /// Linear in `x`, so that grey values between 0 and 1 are scored by the cross entropy.
    fn log_prob(&self, x: &Tensor) -> Tensor {
        x * &self.logits - self.logits.softplus()
    }
    fn sample(&self, lead: &[usize], rng: &mut Rng) -> Tensor {
        let shape = joined(&[lead, self.logits.shape()]);
        let logits = self.logits.detach().broadcast_to(&shape).to_vec();
        let draws = draw_each(&logits, rng, |l, rng| {
            if l.is_nan() { f64::NAN } else { f64::from(u8::from(rng.uniform() < sigmoid(l))) }
        });
        Tensor::from_vec(draws, &shape).cast(self.dtype())
    }
    fn sample_positive(&self, lead: &[usize], _rng: &mut Rng) -> Option<Tensor> {
        let one = self.logits.ones_like().masked_fill(&self.logits.ne(&self.logits), f64::NAN);
        Some(one.broadcast_to(&joined(&[lead, self.logits.shape()])))
    }
    fn entropy(&self) -> Option<Tensor> {
        Some(self.logits.softplus() - &self.logits * self.logits.sigmoid())
    }
    fn mean(&self) -> Option<Tensor> {
        Some(self.logits.sigmoid())
    }
    fn variance(&self) -> Option<Tensor> {
        Some(self.logits.sigmoid() * (-&self.logits).sigmoid())
    }
    fn enumerate(&self) -> Option<Tensor> {
        Some(Tensor::stack(&[self.logits.zeros_like(), self.logits.ones_like()], 0))
    }
    fn support(&self) -> Option<Support> {
        Some(Support::CountsUpTo(Tensor::ones(&[], self.dtype())))
    }
    fn fisher_information(&self) -> Option<Tensor> {
        self.variance().map(|v| diagonal([v]))
    }
    fn detached(&self) -> Box<dyn Batched> {
        Box::new(Self { logits: self.logits.detach() })
    }
}

impl Kl for Bernoulli {
    fn kl(&self, p: &Self) -> Tensor {
        self.logits.sigmoid() * (&self.logits - &p.logits) - self.logits.softplus() + p.logits.softplus()
    }
}

/// One of `K` classes, with unnormalised log probabilities `logits: [batch..., K]`; a point is the class's index.
#[derive(Debug, Clone)]
pub struct Categorical {
    log_probs: Tensor,
}

impl Categorical {
    /// From unnormalised log probabilities `[batch..., K]`.
    pub fn new(logits: &Tensor) -> Self {
        Self { log_probs: logits.log_softmax(-1) }
    }

    /// Ordered classes by the cumulative logit: `P(class <= k)` is the logistic function of `edges[k] - location`.
    ///
    /// # Shapes
    /// `location: [batch...]`; `edges: [K - 1]` or `[batch..., K - 1]`, increasing, at least one.
    pub fn ordered(location: &Tensor, edges: &Tensor) -> Self {
        let gap = edges - location.unsqueeze(-1);
        let count = gap.size(-1);
        let (below, above) = (gap.log_sigmoid(), (-&gap).log_sigmoid());
        let mut parts = vec![below.narrow(-1, 0, 1)];
        if count > 1 {
            let (low, high) = (gap.narrow(-1, 0, count - 1), gap.narrow(-1, 1, count - 1));
            // The difference of two logistic functions is their product with the complement, times 1 - e^(low - high).
            let both = below.narrow(-1, 1, count - 1) + above.narrow(-1, 0, count - 1);
            parts.push(both + (-(low - high).exp()).log1p());
        }
        parts.push(above.narrow(-1, count - 1, 1));
        Self { log_probs: Tensor::cat(&parts, -1) }
    }

    /// Normalised log probabilities, `[batch..., K]`.
    pub fn log_probs(&self) -> &Tensor {
        &self.log_probs
    }

    /// Probabilities, `[batch..., K]`.
    pub fn probs(&self) -> Tensor {
        self.log_probs.exp()
    }

    /// Number of classes, `K`.
    pub fn classes(&self) -> usize {
        self.log_probs.size(-1)
    }
}

impl Batched for Categorical {
    fn batch_shape(&self) -> Vec<usize> {
        batch_axes(&self.log_probs, 1)
    }
    fn dtype(&self) -> DType {
        self.log_probs.dtype()
    }
    /// `x` holds indices of any type.
    fn log_prob(&self, x: &Tensor) -> Tensor {
        let index = x.detach().cast(DType::I64);
        let all = self.log_probs.broadcast_to(&joined(&[index.shape(), &[self.classes()]]));
        all.gather(-1, &index.unsqueeze(-1)).squeeze(-1)
    }
    fn sample(&self, lead: &[usize], rng: &mut Rng) -> Tensor {
        let shape = joined(&[lead, &self.batch_shape()]);
        let k = self.classes();
        let probs = self.log_probs.detach().exp().to_vec();
        let rows = probs.len() / k.max(1);
        let row: Vec<f64> = (0..shape.iter().product()).map(|i: usize| (i % rows.max(1)) as f64).collect();
        let draws = draw_each(&row, rng, |row, rng| rng.weighted(&probs[row as usize * k..][..k]) as f64);
        Tensor::from_vec(draws, &shape).cast(DType::I64)
    }
    fn entropy(&self) -> Option<Tensor> {
        // 0 log 0 = 0: a log probability of minus infinity is made harmless before the product.
        let finite = self.log_probs.masked_fill(&self.log_probs.eq_scalar(f64::NEG_INFINITY), 0.0);
        Some(-(self.probs() * finite).sum_axis(-1, false))
    }
    fn enumerate(&self) -> Option<Tensor> {
        let batch = self.batch_shape();
        let k = self.classes();
        let column = joined(&[&[k], &vec![1; batch.len()]]);
        Some(Tensor::arange(k, DType::I64).reshape(&column).broadcast_to(&joined(&[&[k], &batch])))
    }
    fn support(&self) -> Option<Support> {
        Some(Support::Classes(self.classes()))
    }
    fn fisher_information(&self) -> Option<Tensor> {
        Some(of_logits(&self.probs()))
    }
    fn detached(&self) -> Box<dyn Batched> {
        Box::new(Self { log_probs: self.log_probs.detach() })
    }
}

impl Kl for Categorical {
    fn kl(&self, p: &Self) -> Tensor {
        kl_of_classes(&self.log_probs, &p.log_probs)
    }
}

/// The divergence of classes with these normalised log probabilities, `[batch..., K]` each; infinite where the first allows what the second excludes.
pub(super) fn kl_of_classes(q: &Tensor, p: &Tensor) -> Tensor {
    // 0 log 0 = 0.
    let impossible = q.eq_scalar(f64::NEG_INFINITY);
    let ratio = (q - p).masked_fill(&impossible, 0.0);
    (q.exp() * ratio).sum_axis(-1, false)
}
