//! Score gradients over a dependency graph: each factor's score is multiplied by the terms that its draw can change, and by no others.

use super::{Baseline, leave_one_out};
use elbo_core::{Error, Result, ensure, ensure_within};
use elbo_tensor::Tensor;

/// Which terms of an objective depend on which factors of $q(z) = \prod_i q_i(z_i \mid z_{\mathrm{pa}(i)})$.
///
/// The score estimator of $\nabla \mathbb E_q \left[\sum_j f_j - \sum_k \log q_k\right]$ multiplies every score by the whole objective. A
/// term that reads neither $z_i$ nor a draw made from it has no part in the mean of factor `i`'s gradient, only in its noise; here it is left
/// out (Rao-Blackwellisation). The mean stays, and the variance no longer grows with the number of unrelated terms.
///
/// ```
/// use elbo_infer::estimator::Dependencies;
/// // z1 is drawn given z0, z2 by itself; f0 reads z1, f1 reads z2.
/// let graph = Dependencies::new(&[vec![], vec![0], vec![]], &[vec![1], vec![2]])?;
/// assert!(graph.depends(0, 0) && graph.depends(1, 0) && !graph.depends(2, 0));
/// assert!(!graph.depends(0, 1) && graph.depends(2, 1));
/// # Ok::<(), elbo_core::Error>(())
/// ```
///
/// # Source
/// Ranganath, Gerrish and Blei (2014); Schulman, Heess, Weber and Abbeel (2015) for factors given others.
#[derive(Debug, Clone, PartialEq)]
pub struct Dependencies {
    factors: usize,
    terms: usize,
    /// One where the term (row) depends on the factor (column), else zero, `[T, F]`.
    of_terms: Vec<f64>,
    /// One where the log density of the row's factor depends on the column's factor, `[F, F]`.
    of_factors: Vec<f64>,
}

impl Dependencies {
    /// From the factors that each factor is drawn given, all of which come before it, and from the factors whose draws each term reads.
    ///
    /// # Errors
    /// [`Error::Setting`] without factors or terms, for a parent that does not come first, and for a term that reads a factor that there is not.
    pub fn new(parents: &[Vec<usize>], reads: &[Vec<usize>]) -> Result<Self> {
        let (factors, terms) = (parents.len(), reads.len());
        ensure_within("parents", factors, 1..)?;
        ensure_within("reads", terms, 1..)?;
        // Row k marks factor k and all before it that its draw follows from.
        let mut of_factors = vec![0.0; factors * factors];
        for (k, parents) in parents.iter().enumerate() {
            of_factors[k * factors + k] = 1.0;
            for p in parents {
                ensure("parents", format!("{p} for factor {k}"), *p < k, "a factor that comes before")?;
                mark(&mut of_factors, factors, k, *p);
            }
        }
        let mut of_terms = vec![0.0; terms * factors];
        for (j, reads) in reads.iter().enumerate() {
            for k in reads {
                let expected = format!("below {factors}, as there are factors");
                ensure("reads", format!("{k} for term {j}"), *k < factors, expected)?;
                let row = of_factors[k * factors..(k + 1) * factors].iter();
                of_terms[j * factors..(j + 1) * factors].iter_mut().zip(row).for_each(|(to, from)| *to = from.max(*to));
            }
        }
        Ok(Self { factors, terms, of_terms, of_factors })
    }

    /// Nothing is known, and everything may depend on everything: the plain score estimator.
    ///
    /// # Errors
    /// [`Error::Setting`] without factors or terms.
    pub fn complete(factors: usize, terms: usize) -> Result<Self> {
        ensure_within("factors", factors, 1..)?;
        ensure_within("terms", terms, 1..)?;
        Ok(Self { factors, terms, of_terms: vec![1.0; terms * factors], of_factors: vec![1.0; factors * factors] })
    }

    /// Whether the term depends on the factor.
    ///
    /// # Panics
    /// When there is no such term or factor.
    pub fn depends(&self, factor: usize, term: usize) -> bool {
        assert!(factor < self.factors && term < self.terms, "factor {factor} and term {term} of the graph");
        self.of_terms[term * self.factors + factor] > 0.0
    }

    /// A tensor whose value is the mean of $\sum_j f_j - \sum_k \log q_k$ over the draws, and whose gradient estimates the gradient of its
    /// expectation, in the parameters behind `log_q` and in those behind `terms`.
    ///
    /// # Shapes
    /// `log_q: [K, F]`, log densities of each factor at draws held fixed, differentiable; `terms: [K, T]`, of the same type.
    ///
    /// # Errors
    /// [`Error::Setting`] for other shapes, for a leave-one-out baseline of one draw, and for a running baseline without its past (see
    /// [`Estimator::given`](super::Estimator::given)); a recoverable [`Error::Numerical`] where a term or a density is not finite.
    pub fn surrogate(&self, log_q: &Tensor, terms: &Tensor, baseline: Baseline) -> Result<Tensor> {
        let (factors, count) = (self.factors, self.terms);
        let shape = |name: &str, tensor: &Tensor, width: usize| {
            let fits = matches!(tensor.shape(), [rows, columns] if *rows > 0 && *columns == width);
            ensure(name, format!("of shape {:?}", tensor.shape()), fits, format!("[K, {width}], a row for each draw"))
        };
        shape("log_q", log_q, factors)?;
        shape("terms", terms, count)?;
        let draws = log_q.size(0);
        ensure("terms", format!("of {} draws", terms.size(0)), terms.size(0) == draws, format!("{draws}, as `log_q`"))?;
        let (density, value) = (log_q.detach(), terms.detach());
        if !density.is_finite() || !value.is_finite() {
            return Err(Error::recoverable(
                "a term of the objective or a log density is not finite at a draw of the approximation",
                "start nearer to where it exists, or lower the rate",
            ));
        }
        let of_terms = Tensor::from_slice(&self.of_terms, &[count, factors]).cast(value.dtype());
        let of_factors = Tensor::from_slice(&self.of_factors, &[factors, factors]).cast(density.dtype());
        // Column i: what depends on factor i.
        let signal = value.matmul(&of_terms) - density.matmul(&of_factors);
        let centred = match baseline {
            Baseline::Constant { value } => signal - value,
            Baseline::LeaveOneOut => {
                ensure("log_q", "of one draw", draws > 1, "at least two for a leave-one-out baseline")?;
                leave_one_out(&signal)
            }
            Baseline::Running { .. } => {
                return Err(Error::Setting {
                    setting: "baseline".into(),
                    found: "a running baseline without its past".into(),
                    expected: "a constant, the running mean of the objective at earlier steps".into(),
                });
            }
        };
        let score = (centred * (log_q - &density)).sum();
        Ok((terms.sum() - density.sum() + score) * (1.0 / draws as f64))
    }
}

/// Factor `k` follows from `p` and from all that `p` follows from.
fn mark(of_factors: &mut [f64], factors: usize, k: usize, p: usize) {
    let before = of_factors[p * factors..(p + 1) * factors].to_vec();
    let row = &mut of_factors[k * factors..(k + 1) * factors];
    row.iter_mut().zip(before).for_each(|(to, from)| *to = from.max(*to));
}
