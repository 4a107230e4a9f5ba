//! Divergences in closed form: Kullback-Leibler `KL[q || p]` in nats for each family, and other distances between Gaussians.
//!
//! | between | divergences |
//! |---|---|
//! | dense Gaussians | [`dense`], [`whitened`], [`renyi`], [`chi_squared`], [`bhattacharyya`], [`hellinger`], [`wasserstein`], [`optimal_map`] |
//! | distributions of one number | [`normal`], [`total_variation`], [`gamma`], [`inverse_gamma`], [`beta`], [`laplace`], [`generalised_normal`], [`gumbel`], [`uniform`], [`von_mises`], [`poisson`], [`bernoulli`] |
//! | shares, classes and their counts | [`dirichlet`], [`categorical`], [`multinomial`] |

use crate::multivariate_normal::{log_diagonal, solve_lower};
use crate::univariate::EULER;
use crate::{
    Bernoulli, Beta, Gamma, GeneralisedNormal, Gumbel, InverseGamma, Laplace, MultivariateNormal, Normal, Poisson,
    Uniform, VonMises,
};
use elbo_linalg::LinalgError;
use elbo_tensor::Tensor;
use elbo_tensor::special::{bessel_i_ratio, digamma, lgamma, log_bessel_ie, log_beta, ndtr};

/// Between two normal distributions of one number.
pub fn normal(q: &Normal, p: &Normal) -> f64 {
    let ratio = (q.sd / p.sd).powi(2);
    let distance = (q.mean - p.mean) / p.sd;
    // ratio - 1 - log ratio loses digits near 1 unless taken through the excess.
    let excess = ratio - 1.0;
    0.5 * (distance * distance + excess - excess.ln_1p())
}

/// The total variation distance of two normal distributions of one number, `max |q(A) - p(A)|` over events, half the integral of `|q - p|`, in [0, 1].
///
/// The densities are equal at the roots of a quadratic, between which one of them is larger: the distance is the difference of the probabilities there.
pub fn total_variation(q: &Normal, p: &Normal) -> f64 {
    // In units of q, which then is standard.
    let (distance, ratio) = ((p.mean - q.mean) / q.sd, p.sd / q.sd);
    let excess = (ratio - 1.0) * (ratio + 1.0);
    if excess == 0.0 {
        return (2.0 * ndtr(0.5 * distance.abs()) - 1.0).max(0.0);
    }
    // (r² - 1) t² + 2 d t - d² - 2 r² ln r = 0, by the root in which nothing cancels and the product of both.
    let root = ratio * (distance * distance + 2.0 * excess * ratio.ln()).sqrt();
    let sum = -(distance + root.copysign(distance));
    let product = -(distance * distance + 2.0 * ratio * ratio * ratio.ln());
    let (one, two) = (sum / excess, product / sum);
    let (low, high) = (one.min(two), one.max(two));
    let own = ndtr(high) - ndtr(low);
    let other = ndtr((high - distance) / ratio) - ndtr((low - distance) / ratio);
    (own - other).abs().min(1.0)
}

/// Between two normal distributions with diagonal covariance; `[D]` each, variances positive.
pub fn diagonal(q_mean: &[f64], q_variance: &[f64], p_mean: &[f64], p_variance: &[f64]) -> f64 {
    let d = q_mean.len();
    assert!(q_variance.len() == d && p_mean.len() == d && p_variance.len() == d, "four vectors of one length");
    let term = |i: usize| {
        let (q, p) = (
            Normal { mean: q_mean[i], sd: q_variance[i].sqrt() },
            Normal { mean: p_mean[i], sd: p_variance[i].sqrt() },
        );
        normal(&q, &p)
    };
    (0..d).map(term).sum()
}

/// Between two dense normal distributions of one dimension `D`.
///
/// $$ \tfrac12 \left[ \|L_p^{-1} L_q\|_F^2 + \|L_p^{-1}(m_q - m_p)\|^2 - D \right] + \sum \log L_p - \sum \log L_q $$
pub fn dense(q: &MultivariateNormal, p: &MultivariateNormal) -> f64 {
    let d = q.dimension();
    assert_eq!(p.dimension(), d, "both distributions have one dimension");
    let residual: Vec<f64> = q.mean().iter().zip(p.mean()).map(|(q, p)| q - p).collect();
    let norm = |v: Vec<f64>| v.iter().map(|x| x * x).sum::<f64>();
    let column = |j: usize| (0..d).map(|i| if i < j { 0.0 } else { q.chol()[i * d + j] }).collect::<Vec<_>>();
    let trace: f64 = (0..d).map(|j| norm(solve_lower(p.chol(), &column(j)))).sum();
    let quadratic = norm(solve_lower(p.chol(), &residual));
    0.5 * (trace + quadratic - d as f64) + log_diagonal(p.chol(), d) - log_diagonal(q.chol(), d)
}

/// From a dense normal to the standard normal: the whitened divergence of sparse Gaussian processes.
pub fn whitened(q: &MultivariateNormal) -> f64 {
    let d = q.dimension();
    let square =
        |i: usize| -> f64 { (0..=i).map(|j| q.chol()[i * d + j].powi(2)).sum::<f64>() + q.mean()[i].powi(2) - 1.0 };
    0.5 * (0..d).map(square).sum::<f64>() - log_diagonal(q.chol(), d)
}

/// Between two gamma distributions.
pub fn gamma(q: &Gamma, p: &Gamma) -> f64 {
    (q.shape - p.shape) * digamma(q.shape) - lgamma(q.shape)
        + lgamma(p.shape)
        + p.shape * (q.rate.ln() - p.rate.ln())
        + (p.rate - q.rate) * q.shape / q.rate
}

/// Between two inverse gamma distributions: that of the gamma distributions of the reciprocals.
pub fn inverse_gamma(q: &InverseGamma, p: &InverseGamma) -> f64 {
    gamma(&Gamma { shape: q.shape, rate: q.scale }, &Gamma { shape: p.shape, rate: p.scale })
}

/// Between two beta distributions.
pub fn beta(q: &Beta, p: &Beta) -> f64 {
    log_beta(p.a, p.b) - log_beta(q.a, q.b)
        + (q.a - p.a) * digamma(q.a)
        + (q.b - p.b) * digamma(q.b)
        + (p.a - q.a + p.b - q.b) * digamma(q.a + q.b)
}

/// Between two Dirichlet distributions with these concentrations, of one length.
pub fn dirichlet(q: &[f64], p: &[f64]) -> f64 {
    assert_eq!(q.len(), p.len(), "both distributions have one number of shares");
    let (q_sum, p_sum) = (q.iter().sum::<f64>(), p.iter().sum::<f64>());
    let term = |(q, p): (&f64, &f64)| lgamma(*p) - lgamma(*q) + (q - p) * (digamma(*q) - digamma(q_sum));
    lgamma(q_sum) - lgamma(p_sum) + q.iter().zip(p).map(term).sum::<f64>()
}

/// Between two Laplace distributions.
pub fn laplace(q: &Laplace, p: &Laplace) -> f64 {
    let distance = (q.location - p.location).abs();
    (p.scale / q.scale).ln() + distance / p.scale + q.scale / p.scale * (-distance / q.scale).exp() - 1.0
}

/// Between two generalised normal distributions of one mean; NaN for different means, where no closed form exists.
pub fn generalised_normal(q: &GeneralisedNormal, p: &GeneralisedNormal) -> f64 {
    if q.mean != p.mean {
        return f64::NAN;
    }
    let (inverse_q, inverse_p) = (1.0 / q.exponent, 1.0 / p.exponent);
    (q.exponent * p.scale / (p.exponent * q.scale)).ln() + lgamma(inverse_p) - lgamma(inverse_q)
        + (p.exponent * (q.scale / p.scale).ln() + lgamma((p.exponent + 1.0) * inverse_q) - lgamma(inverse_q)).exp()
        - inverse_q
}

/// Between two Gumbel distributions, with $r = s_q / s_p$ and $d = (m_q - m_p) / s_p$.
///
/// $$ \gamma (r - 1) - \log r + d + \Gamma(1 + r)\, e^{-d} - 1 $$
pub fn gumbel(q: &Gumbel, p: &Gumbel) -> f64 {
    let ratio = q.scale / p.scale;
    let distance = (q.location - p.location) / p.scale;
    EULER * (ratio - 1.0) - ratio.ln() + distance + (lgamma(1.0 + ratio) - distance).exp() - 1.0
}

/// Between two uniform distributions: the logarithm of the ratio of lengths, infinite where `q` reaches out of the interval of `p`.
pub fn uniform(q: &Uniform, p: &Uniform) -> f64 {
    if q.low < p.low || q.high > p.high {
        return f64::INFINITY;
    }
    ((p.high - p.low) / (q.high - q.low)).ln()
}

/// Between two von Mises distributions.
pub fn von_mises(q: &VonMises, p: &VonMises) -> f64 {
    let (k, other) = (q.concentration, p.concentration);
    // The exponentials of the scaled Bessel functions are taken out.
    log_bessel_ie(0.0, other) + other - log_bessel_ie(0.0, k) - k
        + bessel_i_ratio(0.0, k) * (k - other * (q.direction - p.direction).cos())
}

/// Between two Poisson distributions.
pub fn poisson(q: &Poisson, p: &Poisson) -> f64 {
    let ratio = if q.mean == 0.0 { 0.0 } else { q.mean * (q.mean / p.mean).ln() };
    ratio - q.mean + p.mean
}

/// Between two events.
pub fn bernoulli(q: &Bernoulli, p: &Bernoulli) -> f64 {
    categorical(&[q.probability, 1.0 - q.probability], &[p.probability, 1.0 - p.probability])
}

/// Between two lists of probabilities of one length; infinite where `q` allows what `p` excludes.
pub fn categorical(q: &[f64], p: &[f64]) -> f64 {
    assert_eq!(q.len(), p.len(), "both distributions have one number of classes");
    q.iter().zip(p).map(|(q, p)| if *q == 0.0 { 0.0 } else { q * (q / p).ln() }).sum()
}

/// Between the counts of classes in so many draws by two lists of probabilities: that of one draw, as often; infinite where `q` allows what `p`
/// excludes, and zero without draws.
pub fn multinomial(trials: usize, q: &[f64], p: &[f64]) -> f64 {
    if trials == 0 { 0.0 } else { trials as f64 * categorical(q, p) }
}

/// Renyi's divergence of an order other than one between dense normal distributions, in nats.
///
/// $$ D_a = \frac a2 \Delta^\top S_a^{-1} \Delta - \frac1{2(a-1)} \log\frac{|S_a|}{|S_q|^{1-a} |S_p|^a}, \qquad S_a = (1-a) S_q + a S_p $$
///
/// Infinite where $S_a$ is not positive definite.
pub fn renyi(q: &MultivariateNormal, p: &MultivariateNormal, order: f64) -> f64 {
    let d = q.dimension();
    assert!(p.dimension() == d && order != 1.0, "two normals of one dimension, and an order other than one");
    let mixed: Vec<f64> =
        q.covariance().iter().zip(p.covariance()).map(|(q, p)| (1.0 - order) * q + order * p).collect();
    // No jitter: whether the mixture is positive definite is the question.
    let Some(chol) = exact_cholesky(&mixed, d) else { return f64::INFINITY };
    let residual: Vec<f64> = q.mean().iter().zip(p.mean()).map(|(q, p)| q - p).collect();
    let quadratic: f64 = solve_lower(&chol, &residual).iter().map(|v| v * v).sum();
    let log_det =
        log_diagonal(&chol, d) - (1.0 - order) * log_diagonal(q.chol(), d) - order * log_diagonal(p.chol(), d);
    0.5 * order * quadratic - log_det / (order - 1.0)
}

/// The chi-squared divergence $\mathbb{E}_p (q/p)^2 - 1$.
pub fn chi_squared(q: &MultivariateNormal, p: &MultivariateNormal) -> f64 {
    renyi(q, p, 2.0).exp_m1()
}

/// Bhattacharyya's distance $-\log \int \sqrt{q p}$, symmetric.
pub fn bhattacharyya(q: &MultivariateNormal, p: &MultivariateNormal) -> f64 {
    0.5 * renyi(q, p, 0.5)
}

/// Hellinger's distance $\sqrt{1 - \int \sqrt{q p}}$, in [0, 1].
pub fn hellinger(q: &MultivariateNormal, p: &MultivariateNormal) -> f64 {
    (-(-bhattacharyya(q, p)).exp_m1()).max(0.0).sqrt()
}

/// The squared Wasserstein-2 distance, with the Bures distance of the covariances.
///
/// $$ \|m_q - m_p\|^2 + \mathrm{tr}(S_q + S_p - 2 (S_q^{1/2} S_p S_q^{1/2})^{1/2}) $$
///
/// # Errors
/// [`LinalgError`] when an eigendecomposition fails, as for numbers that are not finite.
pub fn wasserstein(q: &MultivariateNormal, p: &MultivariateNormal) -> Result<f64, LinalgError> {
    let d = q.dimension();
    let means: f64 = q.mean().iter().zip(p.mean()).map(|(q, p)| (q - p) * (q - p)).sum();
    // (S_q^1/2 S_p S_q^1/2) has the eigenvalues of L_q' S_p L_q, whose root's trace is the sum of singular values of L_p' L_q.
    let factor = |n: &MultivariateNormal| Tensor::from_slice(n.chol(), &[d, d]).tril(0);
    let singular = factor(p).t().matmul(&factor(q)).svd()?.1;
    let trace = |n: &MultivariateNormal| factor(n).square().sum().item();
    Ok((means + trace(q) + trace(p) - 2.0 * singular.sum().item()).max(0.0))
}

/// The symmetric matrix `T`, `[D, D]` row-major, for which `m_p + T (x - m_q)` carries `q` to `p` at least cost.
///
/// $$ T = S_q^{-1/2} (S_q^{1/2} S_p S_q^{1/2})^{1/2} S_q^{-1/2} $$
///
/// # Errors
/// [`LinalgError`] when an eigendecomposition fails.
pub fn optimal_map(q: &MultivariateNormal, p: &MultivariateNormal) -> Result<Vec<f64>, LinalgError> {
    let d = q.dimension();
    let covariance = |n: &MultivariateNormal| Tensor::from_vec(n.covariance(), &[d, d]);
    let composed = |vectors: &Tensor, values: &Tensor| (vectors * values.unsqueeze(0)).matmul(&vectors.t());
    let (values, vectors) = covariance(q).eigh()?;
    let root = composed(&vectors, &values.sqrt());
    let inverse_root = composed(&vectors, &values.sqrt().recip());
    let (values, vectors) = root.matmul(&covariance(p)).matmul(&root).eigh()?;
    let inner = composed(&vectors, &values.relu().sqrt());
    Ok(inverse_root.matmul(&inner).matmul(&inverse_root).to_vec())
}

/// The lower factor without jitter; `None` when a pivot is not positive.
fn exact_cholesky(a: &[f64], d: usize) -> Option<Vec<f64>> {
    let mut l = vec![0.0; d * d];
    for j in 0..d {
        let pivot = a[j * d + j] - (0..j).map(|k| l[j * d + k] * l[j * d + k]).sum::<f64>();
        if pivot.is_nan() || pivot <= 0.0 {
            return None;
        }
        l[j * d + j] = pivot.sqrt();
        for i in j + 1..d {
            let known: f64 = (0..j).map(|k| l[i * d + k] * l[j * d + k]).sum();
            l[i * d + j] = (a[i * d + j] - known) / l[j * d + j];
        }
    }
    Some(l)
}
