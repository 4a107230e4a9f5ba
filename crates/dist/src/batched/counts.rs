//! Counts. A point is a non-negative integer in the parameters' type; 0 log 0 = 0.

use super::discrete::kl_of_classes;
use super::fisher::{diagonal, of_logits};
use super::noise::{batch_axes, broadcast, draw_each, joined, uniforms};
use super::support::{any_last, excluding, is_no_count};
use super::{Batched, Kl, Support, positive};
use elbo_core::Rng;
use elbo_tensor::special::sigmoid;
use elbo_tensor::{DType, Tensor};

/// `x log y`, zero at `x = 0` whatever `y`.
fn x_log_y(x: &Tensor, y: &Tensor) -> Tensor {
    let zero = x.eq_scalar(0.0);
    let safe = zero.where_(&Tensor::ones(&[], y.dtype()), y);
    x * safe.log()
}

/// `log x!`.
fn log_factorial(x: &Tensor) -> Tensor {
    (x + 1.0).lgamma()
}

/// Draws of two parameters of one shape, `[lead..., batch...]`: `draw_each` hands out one number an element, here the place of both.
fn draw_pairs(
    a: &Tensor,
    b: &Tensor,
    lead: &[usize],
    rng: &mut Rng,
    draw: impl Fn(f64, f64, &mut Rng) -> f64 + Sync,
) -> Tensor {
    let shape = joined(&[lead, a.shape()]);
    let (first, second) = (a.detach().to_vec(), b.detach().to_vec());
    let n = first.len().max(1);
    let index: Vec<f64> = (0..shape.iter().product()).map(|i: usize| (i % n) as f64).collect();
    let draws = draw_each(&index, rng, |i, rng| draw(first[i as usize], second[i as usize], rng));
    Tensor::from_vec(draws, &shape).cast(a.dtype())
}

/// Poisson distributions.
#[derive(Debug, Clone)]
pub struct Poisson {
    rate: Tensor,
}

impl Poisson {
    /// From means, not negative.
    pub fn new(rate: Tensor) -> Self {
        Self { rate }
    }

    /// Means, `[batch...]`.
    pub fn rate(&self) -> &Tensor {
        &self.rate
    }
}

impl Batched for Poisson {
    fn batch_shape(&self) -> Vec<usize> {
        self.rate.shape().to_vec()
    }
    fn dtype(&self) -> DType {
        self.rate.dtype()
    }
    fn log_prob(&self, x: &Tensor) -> Tensor {
        let is_outside = is_no_count(x);
        let x = x.masked_fill(&is_outside, 0.0);
        excluding(&is_outside, &(x_log_y(&x, &self.rate) - &self.rate - log_factorial(&x)))
    }
    fn sample(&self, lead: &[usize], rng: &mut Rng) -> Tensor {
        draw_pairs(&self.rate, &self.rate, lead, rng, |rate, _, rng| poisson_draw(rate, rng))
    }
    fn sample_positive(&self, lead: &[usize], rng: &mut Rng) -> Option<Tensor> {
        Some(draw_pairs(&self.rate, &self.rate, lead, rng, |rate, _, rng| positive::poisson(rate, rng)))
    }
    fn mean(&self) -> Option<Tensor> {
        Some(self.rate.clone())
    }
    fn variance(&self) -> Option<Tensor> {
        Some(self.rate.clone())
    }
    fn support(&self) -> Option<Support> {
        Some(Support::Counts)
    }
    fn fisher_information(&self) -> Option<Tensor> {
        Some(diagonal([self.rate.recip()]))
    }
    fn detached(&self) -> Box<dyn Batched> {
        Box::new(Self { rate: self.rate.detach() })
    }
}

impl Kl for Poisson {
    fn kl(&self, p: &Self) -> Tensor {
        x_log_y(&self.rate, &(&self.rate / &p.rate)) - &self.rate + &p.rate
    }
}

/// Negative binomial distributions with mean `m` and inverse dispersion `r`: the variance is `m + m^2 / r`.
#[derive(Debug, Clone)]
pub struct NegativeBinomial {
    mean: Tensor,
    dispersion: Tensor,
}

impl NegativeBinomial {
    /// From means and inverse dispersions, positive, which broadcast.
    pub fn new(mean: Tensor, dispersion: Tensor) -> Self {
        let [mean, dispersion] = broadcast([mean, dispersion]);
        Self { mean, dispersion }
    }
}

impl Batched for NegativeBinomial {
    fn batch_shape(&self) -> Vec<usize> {
        self.mean.shape().to_vec()
    }
    fn dtype(&self) -> DType {
        self.mean.dtype()
    }
    fn log_prob(&self, x: &Tensor) -> Tensor {
        let (m, r) = (&self.mean, &self.dispersion);
        let is_outside = is_no_count(x);
        let x = x.masked_fill(&is_outside, 0.0);
        let coefficient = (&x + r).lgamma() - r.lgamma() - log_factorial(&x);
        // A zero has no share of the second logarithm, also at a mean that has underflowed to zero.
        let safe = x.eq_scalar(0.0).where_(&Tensor::ones(&[], m.dtype()), m);
        // r log(r / (r + m)) = -r log(1 + m / r), and likewise for m.
        excluding(&is_outside, &(coefficient - r * (m / r).log1p() - x * (r / safe).log1p()))
    }
    fn sample(&self, lead: &[usize], rng: &mut Rng) -> Tensor {
        draw_pairs(&self.mean, &self.dispersion, lead, rng, |m, r, rng| {
            if m > 0.0 && r > 0.0 { poisson_draw(rng.gamma(r) * m / r, rng) } else { f64::NAN }
        })
    }
    fn sample_positive(&self, lead: &[usize], rng: &mut Rng) -> Option<Tensor> {
        Some(draw_pairs(&self.mean, &self.dispersion, lead, rng, positive::negative_binomial))
    }
    fn mean(&self) -> Option<Tensor> {
        Some(self.mean.clone())
    }
    fn variance(&self) -> Option<Tensor> {
        Some(&self.mean + self.mean.square() / &self.dispersion)
    }
    fn support(&self) -> Option<Support> {
        Some(Support::Counts)
    }
    fn detached(&self) -> Box<dyn Batched> {
        Box::new(Self { mean: self.mean.detach(), dispersion: self.dispersion.detach() })
    }
}

fn poisson_draw(rate: f64, rng: &mut Rng) -> f64 {
    if rate >= 0.0 && rate.is_finite() { rng.poisson(rate) as f64 } else { f64::NAN }
}

/// Successes among `trials` with these log odds.
#[derive(Debug, Clone)]
pub struct Binomial {
    trials: Tensor,
    logits: Tensor,
}

impl Binomial {
    /// From numbers of trials (constants) and log odds, which broadcast.
    pub fn new(trials: Tensor, logits: Tensor) -> Self {
        let [trials, logits] = broadcast([trials.detach(), logits]);
        Self { trials, logits }
    }
}

impl Batched for Binomial {
    fn batch_shape(&self) -> Vec<usize> {
        self.logits.shape().to_vec()
    }
    fn dtype(&self) -> DType {
        self.logits.dtype()
    }
    fn log_prob(&self, x: &Tensor) -> Tensor {
        let is_outside = is_no_count(x).or(&x.gt(&self.trials));
        let x = is_outside.where_(&Tensor::zeros(&[], x.dtype()), x);
        let choose = log_factorial(&self.trials) - log_factorial(&x) - log_factorial(&(&self.trials - &x));
        excluding(&is_outside, &(choose + x * &self.logits - &self.trials * self.logits.softplus()))
    }
    fn sample(&self, lead: &[usize], rng: &mut Rng) -> Tensor {
        draw_pairs(&self.trials, &self.logits, lead, rng, |n, l, rng| {
            if n >= 0.0 && n.is_finite() && !l.is_nan() { rng.binomial(n as u64, sigmoid(l)) as f64 } else { f64::NAN }
        })
    }
    fn sample_positive(&self, lead: &[usize], rng: &mut Rng) -> Option<Tensor> {
        Some(draw_pairs(&self.trials, &self.logits, lead, rng, positive::binomial))
    }
    fn mean(&self) -> Option<Tensor> {
        Some(&self.trials * self.logits.sigmoid())
    }
    fn variance(&self) -> Option<Tensor> {
        Some(&self.trials * self.logits.sigmoid() * (-&self.logits).sigmoid())
    }
    fn support(&self) -> Option<Support> {
        Some(Support::CountsUpTo(self.trials.clone()))
    }
    fn fisher_information(&self) -> Option<Tensor> {
        // Of the log odds alone: the trials are constants.
        self.variance().map(|v| diagonal([v]))
    }
    fn detached(&self) -> Box<dyn Batched> {
        Box::new(Self { trials: self.trials.clone(), logits: self.logits.detach() })
    }
}

impl Kl for Binomial {
    /// Both must have the same trials.
    fn kl(&self, p: &Self) -> Tensor {
        debug_assert!(self.trials.to_vec() == p.trials.to_vec(), "both binomials have the same trials");
        let one = self.logits.sigmoid() * (&self.logits - &p.logits) - self.logits.softplus() + p.logits.softplus();
        &self.trials * one
    }
}

/// Counts of `K` classes among `trials` draws, with unnormalised log probabilities `[batch..., K]`; a point is `[K]`.
#[derive(Debug, Clone)]
pub struct Multinomial {
    trials: usize,
    log_probs: Tensor,
}

impl Multinomial {
    /// From the number of draws and unnormalised log probabilities `[batch..., K]`.
    pub fn new(trials: usize, logits: &Tensor) -> Self {
        Self { trials, log_probs: logits.log_softmax(-1) }
    }

    /// $\sum_k x_k \log p_k$ for counts of any total, without the multinomial coefficient; `[lead..., batch...]`.
    pub fn cross_entropy_term(&self, x: &Tensor) -> Tensor {
        (x * &self.log_probs).sum_axis(-1, false)
    }
}

impl Batched for Multinomial {
    fn batch_shape(&self) -> Vec<usize> {
        batch_axes(&self.log_probs, 1)
    }
    fn event_shape(&self) -> Vec<usize> {
        vec![self.log_probs.size(-1)]
    }
    fn dtype(&self) -> DType {
        self.log_probs.dtype()
    }
    /// Minus infinity for counts of another total than the number of trials.
    fn log_prob(&self, x: &Tensor) -> Tensor {
        let (total, trials) = (x.sum_axis(-1, false), self.trials as f64);
        let is_outside = any_last(&is_no_count(x)).or(&total.lt_scalar(trials).or(&total.gt_scalar(trials)));
        let x = x.masked_fill(&is_outside.unsqueeze(-1), 0.0);
        let ways = log_factorial(&x.sum_axis(-1, false)) - log_factorial(&x).sum_axis(-1, false);
        excluding(&is_outside, &(ways + self.cross_entropy_term(&x)))
    }
    fn sample(&self, lead: &[usize], rng: &mut Rng) -> Tensor {
        let shape = joined(&[lead, self.log_probs.shape()]);
        let k = self.log_probs.size(-1);
        let probs = self.log_probs.detach().exp().to_vec();
        let base = rng.fork();
        let mut out = vec![0.0; shape.iter().product()];
        for (i, counts) in out.chunks_exact_mut(k.max(1)).enumerate() {
            let mut rng = base.split(i as u64);
            let row = &probs[(i * k) % probs.len()..][..k];
            if row.iter().any(|p| p.is_nan()) {
                counts.fill(f64::NAN);
                continue;
            }
            (0..self.trials).for_each(|_| counts[rng.weighted(row)] += 1.0);
        }
        Tensor::from_vec(out, &shape).cast(self.dtype())
    }
    fn mean(&self) -> Option<Tensor> {
        Some(self.log_probs.exp() * self.trials as f64)
    }
    fn variance(&self) -> Option<Tensor> {
        let p = self.log_probs.exp();
        Some(&p * (1.0 - &p) * self.trials as f64)
    }
    fn support(&self) -> Option<Support> {
        Some(Support::CountsOfTotal(self.trials))
    }
    fn fisher_information(&self) -> Option<Tensor> {
        Some(of_logits(&self.log_probs.exp()) * self.trials as f64)
    }
    fn detached(&self) -> Box<dyn Batched> {
        Box::new(Self { trials: self.trials, log_probs: self.log_probs.detach() })
    }
}

impl Kl for Multinomial {
    /// That of one draw, times the trials. Infinite for different numbers of trials: counts of one total are impossible under the other.
    fn kl(&self, p: &Self) -> Tensor {
        let one = kl_of_classes(&self.log_probs, &p.log_probs);
        if self.trials != p.trials {
            one.full_like(f64::INFINITY)
        } else if self.trials == 0 {
            // Without trials there is nothing that `p` could exclude.
            one.zeros_like()
        } else {
            one * self.trials as f64
        }
    }
}

/// A distribution of counts with extra zeros: zero with log odds `gate`, else a draw of the base.
#[derive(Debug, Clone)]
pub struct ZeroInflated<D> {
    gate: Tensor,
    base: D,
}

impl<D: Batched> ZeroInflated<D> {
    /// From the log odds of a forced zero, in the batch shape of the base.
    pub fn new(gate: Tensor, base: D) -> Self {
        let gate = gate.broadcast_to(&base.batch_shape());
        Self { gate, base }
    }
}

impl<D: Batched> Batched for ZeroInflated<D> {
    fn batch_shape(&self) -> Vec<usize> {
        self.base.batch_shape()
    }
    fn dtype(&self) -> DType {
        self.base.dtype()
    }
    fn log_prob(&self, x: &Tensor) -> Tensor {
        let of_base = self.base.log_prob(x);
        // Off the support of the base nothing is drawn, whatever the gate.
        let is_outside = of_base.detach().eq_scalar(f64::NEG_INFINITY);
        let drawn = excluding(&is_outside, &((-&self.gate).log_sigmoid() + of_base));
        let forced = self.gate.log_sigmoid().broadcast_to(drawn.shape());
        x.eq_scalar(0.0).where_(&forced.logaddexp(&drawn), &drawn)
    }
    fn sample(&self, lead: &[usize], rng: &mut Rng) -> Tensor {
        let x = self.base.sample(lead, rng);
        let u = uniforms(x.shape(), self.dtype(), rng);
        x.masked_fill(&u.lt(&self.gate.detach().sigmoid()), 0.0)
    }
    fn sample_positive(&self, lead: &[usize], rng: &mut Rng) -> Option<Tensor> {
        self.base.sample_positive(lead, rng)
    }
    fn mean(&self) -> Option<Tensor> {
        Some(self.base.mean()? * (-&self.gate).sigmoid())
    }
    fn variance(&self) -> Option<Tensor> {
        let (kept, forced) = ((-&self.gate).sigmoid(), self.gate.sigmoid());
        Some(kept * (self.base.variance()? + forced * self.base.mean()?.square()))
    }
    fn support(&self) -> Option<Support> {
        self.base.support()
    }
    fn detached(&self) -> Box<dyn Batched> {
        Box::new(ZeroInflated { gate: self.gate.detach(), base: self.base.detached() })
    }
}
