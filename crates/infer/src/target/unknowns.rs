//! Named, constrained unknowns over a flat vector, and log densities written with them.

use super::{LogDensity, Support};
use elbo_core::Result;
use elbo_tensor::{Constraint, Tensor};
use std::ops::Index;

/// One unknown of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Unknown {
    /// Its name.
    pub name: String,
    /// The sizes of its axes; none for a number.
    pub shape: Vec<usize>,
    /// Where it may lie.
    pub support: Support,
    /// Where its free numbers begin in the flat vector.
    start: usize,
}

impl Unknown {
    fn free_len(&self) -> usize {
        self.support.free_len(&self.shape)
    }

    fn len(&self) -> usize {
        self.shape.iter().product()
    }
}

/// The unknowns of a model, laid out one after the other in a flat vector of free numbers.
///
/// ```
/// use elbo_infer::{LogDensity, Unknowns};
///
/// // y ~ N(mean, sd), with a flat prior on the mean and an exponential one on sd.
/// let y = elbo_tensor::Tensor::from_vec(vec![1.0, 2.0, 4.0], &[3]);
/// let target = Unknowns::new().real("mean", &[]).positive("sd", &[]).density(move |u| {
///     let (mean, sd) = (u["mean"].unsqueeze(-1), u["sd"].unsqueeze(-1)); // [S, 1], against [3]
///     let log_lik = ((&y - mean) / &sd).square() * -0.5 - sd.log();
///     log_lik.sum_axis(-1, false) - &u["sd"]
/// });
/// assert_eq!(target.dim(), 2);
/// let mut gradient = [0.0; 2];
/// target.value_and_gradient(&[2.0, 0.3], &mut gradient);
/// ```
///
/// # Panics
/// The builder panics for a name given twice and for a support that its shape cannot have: the program is wrong then, not its data.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Unknowns {
    list: Vec<Unknown>,
    dim: usize,
}

impl Unknowns {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds any numbers; `shape` is `&[]` for one, `&[K]` for a vector, `&[K, L]` for a matrix.
    pub fn real(self, name: &str, shape: &[usize]) -> Self {
        self.with(name, shape, Support::Each(Constraint::Real))
    }

    /// Adds positive numbers.
    pub fn positive(self, name: &str, shape: &[usize]) -> Self {
        self.with(name, shape, Support::Each(Constraint::Positive))
    }

    /// Adds numbers between two bounds.
    ///
    /// # Panics
    /// For bounds that leave no room, and as [`Unknowns::with`].
    pub fn interval(self, name: &str, shape: &[usize], low: f64, high: f64) -> Self {
        assert!(low < high, "`{name}` has no room between {low} and {high}");
        self.with(name, shape, Support::Each(Constraint::Interval(low, high)))
    }

    /// Adds shares: positive along the last axis, with sum one.
    pub fn simplex(self, name: &str, shape: &[usize]) -> Self {
        self.with(name, shape, Support::Simplex)
    }

    /// Adds numbers that increase along the last axis.
    pub fn ordered(self, name: &str, shape: &[usize]) -> Self {
        self.with(name, shape, Support::Ordered)
    }

    /// Adds directions: vectors of length one along the last axis, with densities with respect to the area of the sphere.
    pub fn direction(self, name: &str, shape: &[usize]) -> Self {
        self.with(name, shape, Support::Direction)
    }

    /// Adds an unknown with this support.
    ///
    /// # Panics
    /// For a name that was taken, a shape without elements, and a support of vectors whose last axis is shorter than two.
    pub fn with(mut self, name: &str, shape: &[usize], support: Support) -> Self {
        assert!(self.list.iter().all(|u| u.name != name), "the unknown `{name}` is named twice");
        let needs_axis = !matches!(support, Support::Each(_));
        assert!(!needs_axis || shape.last().is_some_and(|k| *k >= 2), "`{name}` needs an axis of two or more");
        assert!(!shape.contains(&0), "`{name}` has no elements");
        let unknown = Unknown { name: name.into(), shape: shape.into(), support, start: self.dim };
        self.dim += unknown.free_len();
        self.list.push(unknown);
        self
    }

    /// Length of the flat vector, `D`.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// The unknowns in order.
    pub fn iter(&self) -> impl Iterator<Item = &Unknown> {
        self.list.iter()
    }

    /// Natural values at each row, differentiable. `z: [S, D]`; see [`Named`].
    ///
    /// # Panics
    /// For rows of another length.
    pub fn named(&self, z: &Tensor) -> Named<'_> {
        assert_eq!(z.size(-1), self.dim, "a row has one number an unknown");
        let mut log_jacobian = Tensor::zeros(&[z.size(0)], z.dtype());
        let values = self.list.iter().map(|u| {
            let (value, jacobian) = u.support.natural(&z.narrow(-1, u.start, u.free_len()), &u.shape);
            if u.support != Support::Each(Constraint::Real) {
                log_jacobian += &jacobian;
            }
            value
        });
        let values = values.collect();
        Named { unknowns: self, values, log_jacobian }
    }

    /// The flat vector of natural values: a start. Unknowns that are not mentioned are zero there (one where positive, the middle of an
    /// interval, equal shares, the first axis of directions).
    ///
    /// # Errors
    /// [`elbo_core::Error::Unknown`] for a name that does not exist, [`elbo_core::Error::Data`] for values outside the support.
    pub fn free(&self, natural: &[(&str, &[f64])]) -> Result<Vec<f64>> {
        let mut z: Vec<f64> = self.list.iter().flat_map(|u| u.support.start(&u.shape)).collect();
        for (name, values) in natural {
            let known = || self.list.iter().map(|u| u.name.as_str());
            let unknown = self.list.iter().find(|u| u.name == *name);
            let unknown = unknown.ok_or_else(|| elbo_core::Error::unknown("unknown", name, known()))?;
            let free = unknown.support.free(values, &unknown.shape)?;
            z[unknown.start..unknown.start + free.len()].copy_from_slice(&free);
        }
        Ok(z)
    }

    /// Names of natural values, element by element: `group[3]`, `mix[0,1]`.
    pub fn labels(&self) -> Vec<String> {
        self.list.iter().flat_map(|u| (0..u.len()).map(|i| label(&u.name, &u.shape, i))).collect()
    }

    /// Natural values of draws, in [`Unknowns::labels`]' order: `[S, D]` row-major to `[S, P]`.
    pub fn natural(&self, draws: &[f64]) -> Vec<f64> {
        let rows = draws.len() / self.dim.max(1);
        let named = self.named(&Tensor::from_slice(draws, &[rows, self.dim]));
        let flat: Vec<Tensor> = named.values.iter().map(|v| v.reshape(&[rows, v.len() / rows.max(1)])).collect();
        Tensor::cat(&flat, -1).to_vec()
    }

    /// Draws by name: each unknown's natural values `[S, shape...]`, row-major, from `[S, D]`.
    pub fn unpack(&self, draws: &[f64]) -> Vec<(String, Vec<f64>)> {
        let rows = draws.len() / self.dim.max(1);
        let named = self.named(&Tensor::from_slice(draws, &[rows, self.dim]));
        self.list.iter().zip(&named.values).map(|(u, v)| (u.name.clone(), v.to_vec())).collect()
    }

    /// A log density of these unknowns, written once for all rows: the closure gets every unknown as `[S, shape...]` and returns
    /// `[S]`, in nats. Log-Jacobians are added here, so the closure writes the density of the natural values.
    pub fn density<F: Fn(&Named<'_>) -> Tensor + Sync>(self, density: F) -> NamedDensity<F> {
        NamedDensity { unknowns: self, density }
    }

    /// The same, written for one row: the closure gets every unknown in its own shape and returns a number without axes. Easier to
    /// write, slower to run on many rows.
    pub fn density_by_row<F: Fn(&Named<'_>) -> Tensor + Sync>(self, density: F) -> RowDensity<F> {
        RowDensity { unknowns: self, density }
    }
}

fn label(name: &str, shape: &[usize], mut i: usize) -> String {
    if shape.is_empty() {
        return name.into();
    }
    let mut at: Vec<String> = shape
        .iter()
        .rev()
        .map(|size| {
            let place = i % size;
            i /= size;
            place.to_string()
        })
        .collect();
    at.reverse();
    format!("{name}[{}]", at.join(","))
}

/// Natural values by name: `u["sd"]`.
#[derive(Debug)]
pub struct Named<'a> {
    unknowns: &'a Unknowns,
    values: Vec<Tensor>,
    log_jacobian: Tensor,
}

impl Named<'_> {
    /// The value of this name; `None` when there is none.
    pub fn get(&self, name: &str) -> Option<&Tensor> {
        self.unknowns.list.iter().position(|u| u.name == name).map(|i| &self.values[i])
    }

    /// Log-Jacobian of the map from free to natural values, summed over all unknowns, `[S]`.
    pub fn log_jacobian(&self) -> &Tensor {
        &self.log_jacobian
    }
}

impl Index<&str> for Named<'_> {
    type Output = Tensor;

    /// # Panics
    /// When no unknown has this name.
    fn index(&self, name: &str) -> &Tensor {
        self.get(name).unwrap_or_else(|| {
            let known: Vec<&str> = self.unknowns.list.iter().map(|u| u.name.as_str()).collect();
            panic!("no unknown is named `{name}`; there are: {}", known.join(", "))
        })
    }
}

/// See [`Unknowns::density`].
pub struct NamedDensity<F> {
    unknowns: Unknowns,
    density: F,
}

impl<F> NamedDensity<F> {
    /// The unknowns.
    pub fn unknowns(&self) -> &Unknowns {
        &self.unknowns
    }
}

impl<F: Fn(&Named<'_>) -> Tensor + Sync> LogDensity for NamedDensity<F> {
    fn dim(&self) -> usize {
        self.unknowns.dim
    }

    fn log_prob(&self, z: &Tensor) -> Tensor {
        let named = self.unknowns.named(z);
        let value = (self.density)(&named);
        assert_eq!(value.shape(), [z.size(0)], "a log density returns one number a row");
        value + named.log_jacobian
    }

    fn labels(&self) -> Vec<String> {
        self.unknowns.labels()
    }

    fn natural(&self, draws: &[f64]) -> Vec<f64> {
        self.unknowns.natural(draws)
    }
}

/// See [`Unknowns::density_by_row`].
pub struct RowDensity<F> {
    unknowns: Unknowns,
    density: F,
}

impl<F> RowDensity<F> {
    /// The unknowns.
    pub fn unknowns(&self) -> &Unknowns {
        &self.unknowns
    }
}

impl<F: Fn(&Named<'_>) -> Tensor + Sync> LogDensity for RowDensity<F> {
    fn dim(&self) -> usize {
        self.unknowns.dim
    }

    fn log_prob(&self, z: &Tensor) -> Tensor {
        let row = |s: usize| {
            let mut named = self.unknowns.named(&z.narrow(0, s, 1));
            named.values.iter_mut().for_each(|v| *v = v.squeeze(0));
            let value = (self.density)(&named);
            assert_eq!(value.len(), 1, "a log density of one row returns one number");
            value.reshape(&[1]) + named.log_jacobian
        };
        let rows: Vec<Tensor> = (0..z.size(0)).map(row).collect();
        Tensor::cat(&rows, 0)
    }

    fn labels(&self) -> Vec<String> {
        self.unknowns.labels()
    }

    fn natural(&self, draws: &[f64]) -> Vec<f64> {
        self.unknowns.natural(draws)
    }
}
