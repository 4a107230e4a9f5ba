//! Basis functions of a trend.

use elbo_tensor::{DType, Tensor};

/// All monomials up to a degree of the numeric columns, one among them, and an indicator for every level but the first of each
/// categorical column (when the degree is at least one). An unseen level has no indicator.
#[derive(Debug, Clone, PartialEq)]
pub struct Basis {
    degree: usize,
    /// Columns multiplied, in non-decreasing order; empty for the constant.
    monomials: Vec<Vec<usize>>,
    /// Categorical columns with their numbers of levels.
    categories: Vec<(usize, usize)>,
}

impl Basis {
    /// For columns with these numbers of levels, zero for a numeric one.
    pub fn polynomial(levels: &[usize], degree: usize) -> Self {
        let numeric: Vec<usize> = (0..levels.len()).filter(|c| levels[*c] == 0).collect();
        let mut monomials: Vec<Vec<usize>> = vec![vec![]];
        let mut last = 0;
        for _ in 0..degree {
            // Each monomial of the previous degree times every column that does not come before its last one.
            let grown: Vec<Vec<usize>> = monomials[last..]
                .iter()
                .flat_map(|m| {
                    let from = m.last().copied().unwrap_or(0);
                    numeric.iter().filter(move |c| **c >= from).map(move |c| [&m[..], &[*c]].concat())
                })
                .collect();
            last = monomials.len();
            monomials.extend(grown);
        }
        let is_categorical = |c: &usize| degree > 0 && levels[*c] > 1;
        let categories = (0..levels.len()).filter(is_categorical).map(|c| (c, levels[c])).collect();
        Self { degree, monomials, categories }
    }

    /// Number of functions, `p`.
    pub fn len(&self) -> usize {
        self.monomials.len() + self.categories.iter().map(|(_, levels)| levels - 1).sum::<usize>()
    }

    /// Never: the constant is always among them.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// What function `j` is of columns with these names: `constant`, `a`, `a * b`, `a level of c`.
    pub fn term(&self, j: usize, names: &[String]) -> String {
        if let Some(monomial) = self.monomials.get(j) {
            let factors: Vec<&str> = monomial.iter().map(|c| names[*c].as_str()).collect();
            return if factors.is_empty() { "constant".into() } else { factors.join(" * ") };
        }
        let mut rest = j - self.monomials.len();
        for (column, levels) in &self.categories {
            if rest < levels - 1 {
                return format!("a level of {}", names[*column]);
            }
            rest -= levels - 1;
        }
        panic!("function {j} of {}", self.len())
    }

    /// `H`, `[N, p]`, differentiable in the numeric columns.
    pub fn matrix(&self, x: &Tensor) -> Tensor {
        let n = x.size(0);
        let mut columns: Vec<Tensor> = self
            .monomials
            .iter()
            .map(|m| m.iter().fold(Tensor::ones(&[n, 1], x.dtype()), |product, c| product * x.narrow(1, *c, 1)))
            .collect();
        for (column, levels) in &self.categories {
            let codes = x.detach().narrow(1, *column, 1);
            columns.extend((1..*levels).map(|level| codes.eq_scalar(level as f64).cast(DType::F64)));
        }
        Tensor::cat(&columns, 1)
    }

    /// Its name.
    pub fn summary(&self) -> &'static str {
        ["constant", "linear", "quadratic", "cubic"].get(self.degree).copied().unwrap_or("polynomial")
    }
}
