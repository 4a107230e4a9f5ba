//! A Gaussian process whose posterior is that of a few weighted pseudo-observations.

use crate::exact::{NOISE_FLOOR, checked_variances, in_blocks, residual, with_mean};
use crate::kernel::Kernel;
use crate::mean::Mean;
use crate::path::joint_paths;
use crate::table::{self, Process};
use elbo_core::{Columns, ModelFile, Prediction, Result, Rng, Snapshot, Table};
use elbo_tensor::{Constraint, Parameter, Parameters, Tensor, nested, nested_mut, no_grad};

/// Regression with the tempered posterior `q(u) ∝ p(u) Π N(y_c | u, noise)^weight` over `M` pseudo-observations `(x_c, y_c, weight)`.
///
/// It has `(D + 2) M` variational parameters instead of the `M + M (M + 1) / 2` of a free Gaussian, and goes through
/// `B = I + D^½ K D^½`, `D = diag(weight / noise)`, whose eigenvalues are at least one: no jitter, even with repeated points.
///
/// $$ \mathrm{KL}[q\|p] = \tfrac12 \big[ \mathrm{tr} B^{-1} - M + a^\top K a + \log|B| \big], \qquad a = D^{1/2} B^{-1} D^{1/2} y_c $$
///
/// # Source
/// Ketenci, Perotte, Elhadad and Urteaga (2023).
pub struct CoresetGp {
    kernel: Box<dyn Kernel>,
    mean: Box<dyn Mean>,
    noise: Parameter,
    inputs: Parameter,
    outputs: Parameter,
    weights: Parameter,
    x: Tensor,
    y: Tensor,
}

/// Factors of the posterior at the present parameters, differentiable.
struct Factors {
    gram: Tensor,
    root: Tensor,
    chol: Tensor,
    centre: Tensor,
}

impl CoresetGp {
    /// A model of `x: [N, D]`, `y: [N]` with pseudo-inputs `[M, D]`, pseudo-outputs `[M]` and positive weights `[M]`.
    pub fn new(
        kernel: Box<dyn Kernel>,
        mean: Box<dyn Mean>,
        noise: f64,
        (inputs, outputs, weights): (&Tensor, &Tensor, &Tensor),
        x: Tensor,
        y: Tensor,
    ) -> Self {
        Self {
            kernel,
            mean,
            noise: Parameter::scalar(noise, Constraint::Above(NOISE_FLOOR)),
            inputs: Parameter::real(inputs),
            outputs: Parameter::real(outputs),
            weights: Parameter::from_tensor(weights, Constraint::Positive),
            x,
            y,
        }
    }

    /// The kernel.
    pub fn kernel(&self) -> &dyn Kernel {
        self.kernel.as_ref()
    }

    /// The noise variance.
    pub fn noise(&self) -> f64 {
        self.noise.get().item()
    }

    /// Pseudo-inputs `[M, D]`, pseudo-outputs `[M]` and weights `[M]`.
    pub fn coreset(&self) -> (Tensor, Vec<f64>, Vec<f64>) {
        (self.inputs.get().detach(), self.outputs.value(), self.weights.value())
    }

    /// Number of data rows, `N`.
    pub fn rows(&self) -> usize {
        self.y.len()
    }

    /// Holds kernel, noise and pseudo-inputs, so that only the posterior at fixed points is learned.
    pub fn with_fixed_points(mut self) -> Self {
        self.kernel.visit_mut(&mut |_, p| p.set_frozen(true));
        self.noise.set_frozen(true);
        self.inputs.set_frozen(true);
        self
    }

    fn factors(&self) -> Result<Factors> {
        let gram = self.kernel.gram_symmetric(&self.inputs.get());
        let root = (self.weights.get() / self.noise.get()).sqrt();
        let m = root.len();
        let chol = (root.unsqueeze(1) * &gram * root.unsqueeze(0) + Tensor::eye(m, gram.dtype())).cholesky()?;
        let centre = chol.solve_lower(&(&root * self.outputs.get()).unsqueeze(1));
        Ok(Factors { gram, root, chol, centre })
    }

    /// Mean `[B]` at `x: [B, D]`, and `H: [M, B]` with which the prior's covariance falls by `Hᵀ H`.
    fn projections(&self, factors: &Factors, x: &Tensor) -> (Tensor, Tensor) {
        let cross = self.kernel.gram(&self.inputs.get(), x);
        let half = factors.chol.solve_lower(&(factors.root.unsqueeze(1) * cross));
        let mean = half.t().matmul(&factors.centre).squeeze(1);
        (with_mean(self.mean.as_ref(), x, mean), half)
    }

    fn marginals_with(&self, factors: &Factors, x: &Tensor) -> (Tensor, Tensor) {
        let (mean, half) = self.projections(factors, x);
        (mean, self.kernel.diag(x) - half.square().sum_axis(0, false))
    }

    fn kl(&self, factors: &Factors) -> Tensor {
        let m = factors.root.len();
        let inverse = factors.chol.solve_lower(&Tensor::eye(m, factors.gram.dtype()));
        let a = factors.root.unsqueeze(1) * factors.chol.solve_lower_t(&factors.centre);
        let explained = (&a * factors.gram.matmul(&a)).sum();
        (inverse.square().sum() - m as f64 + explained) * 0.5 + factors.chol.diagonal().log().sum()
    }

    /// The bound estimated from these rows, in nats of the whole data, a scalar.
    ///
    /// # Errors
    /// When the kernel is not finite.
    pub fn bound(&self, rows: &[usize]) -> Result<Tensor> {
        let index = Tensor::indices(rows);
        let factors = self.factors()?;
        let fit = self.fit_of(&factors, &self.x.index_select(0, &index), &self.y.index_select(0, &index));
        Ok(fit * (self.y.len() as f64 / rows.len() as f64) - self.kl(&factors))
    }

    /// Sum of expected log densities of these rows.
    fn fit_of(&self, factors: &Factors, x: &Tensor, y: &Tensor) -> Tensor {
        let (mean, variance) = self.marginals_with(factors, x);
        let noise = self.noise.get();
        let squares = ((y - mean).square() + variance).sum();
        (squares / &noise + (noise.log() + std::f64::consts::TAU.ln()) * y.len() as f64) * -0.5
    }

    /// The bound on all rows, in blocks, in nats.
    ///
    /// # Errors
    /// As [`CoresetGp::bound`].
    pub fn full_bound(&self) -> Result<f64> {
        no_grad(|| {
            let factors = self.factors()?;
            let mut total = -self.kl(&factors).item();
            for start in (0..self.y.len()).step_by(2048) {
                let length = 2048.min(self.y.len() - start);
                total +=
                    self.fit_of(&factors, &self.x.narrow(0, start, length), &self.y.narrow(0, start, length)).item();
            }
            Ok(total)
        })
    }

    /// Sets the pseudo-outputs to their optimum for the present points, weights and hyperparameters, in one pass over the data:
    /// `y_c = A (K + K_cf K_fc / noise)⁻¹ K_cf y / noise`, `A = K + noise / weight`.
    ///
    /// # Errors
    /// When `K + K_cf K_fc / noise` is not positive definite within the jitter policy.
    pub fn set_best_outputs(&mut self) -> Result<()> {
        let outputs = no_grad(|| -> Result<Tensor> {
            let points = self.inputs.get();
            let noise = self.noise();
            let gram = self.kernel.gram_symmetric(&points);
            let m = points.shape()[0];
            let (mut inner, mut target) = (gram.clone(), Tensor::zeros(&[m], gram.dtype()));
            for start in (0..self.y.len()).step_by(2048) {
                let length = 2048.min(self.y.len() - start);
                let (x, y) = (self.x.narrow(0, start, length), self.y.narrow(0, start, length));
                let residual = residual(self.mean.as_ref(), &x, &y);
                let cross = self.kernel.gram(&points, &x);
                inner = inner + cross.matmul(&cross.t()) * (1.0 / noise);
                target = target + cross.matmul(&residual) * (1.0 / noise);
            }
            let solved = inner.cholesky()?.cholesky_solve(&target.unsqueeze(1)).squeeze(1);
            Ok(gram.matmul(&solved) + solved * (self.weights.get().recip() * noise))
        })?;
        self.outputs.set_free(&outputs.to_vec());
        Ok(())
    }

    /// Means and variances of `f` (noise not included) at `x: [N*, D]`, both `[N*]`.
    ///
    /// # Errors
    /// When a variance is negative beyond rounding.
    pub fn predict(&self, x: &Tensor) -> Result<(Vec<f64>, Vec<f64>)> {
        let factors = no_grad(|| self.factors())?;
        in_blocks(x, |x| {
            let (mean, variance) = self.marginals_with(&factors, x);
            Ok((mean.to_vec(), checked_variances(variance.to_vec(), &self.kernel.diag(x).to_vec())?))
        })
    }

    /// Mean `[N*]` and covariance `[N*, N*]` of `f` at `x: [N*, D]`.
    ///
    /// # Errors
    /// As [`CoresetGp::bound`].
    pub fn joint(&self, x: &Tensor) -> Result<(Tensor, Tensor)> {
        no_grad(|| {
            let (mean, half) = self.projections(&self.factors()?, x);
            Ok((mean, self.kernel.gram_symmetric(x) - half.t().matmul(&half)))
        })
    }
}

impl Parameters for CoresetGp {
    fn visit(&self, f: &mut dyn FnMut(&str, &Parameter)) {
        nested("kernel", &self.kernel, f);
        nested("mean", &self.mean, f);
        f("noise", &self.noise);
        f("coreset.inputs", &self.inputs);
        f("coreset.outputs", &self.outputs);
        f("coreset.weights", &self.weights);
    }

    fn visit_mut(&mut self, f: &mut dyn FnMut(&str, &mut Parameter)) {
        nested_mut("kernel", &mut self.kernel, f);
        nested_mut("mean", &mut self.mean, f);
        f("noise", &mut self.noise);
        f("coreset.inputs", &mut self.inputs);
        f("coreset.outputs", &mut self.outputs);
        f("coreset.weights", &mut self.weights);
    }
}

impl Snapshot for CoresetGp {
    fn save(&self, file: &mut ModelFile, prefix: &str) {
        self.write_to(file, prefix);
    }

    fn restore(&mut self, file: &ModelFile, prefix: &str) -> Result<()> {
        self.read_from(file, prefix)
    }
}

impl Process for CoresetGp {
    fn save(&self, file: &mut ModelFile) {
        self.write_to(file, "gp");
    }

    fn predict(&self, x: &Tensor, columns: &Columns) -> Result<Prediction> {
        Ok(table::normal_prediction(CoresetGp::predict(self, x)?, self.noise(), columns))
    }

    fn sample_paths(&self, x: &Tensor, count: usize, rng: &mut Rng) -> Result<Option<Vec<f64>>> {
        joint_paths(x, count, rng, |x| self.joint(x)).map(Some)
    }

    fn tables(&self, columns: &Columns) -> Vec<Table> {
        let names: Vec<&str> = columns.inputs.iter().map(|c| c.name.as_str()).collect();
        let mut table = Table::new(
            "coreset",
            "The pseudo-observations that carry the posterior, heaviest first; `noise_sd` is the noise of one, in the target's unit.",
            &[names, vec!["pseudo_output", "noise_sd", "weight", "share"]].concat(),
        );
        let (inputs, outputs, weights) = self.coreset();
        let (shift, scale) = columns.target_scaling();
        let (inputs, d, total) = (inputs.to_vec(), inputs.shape()[1], weights.iter().sum::<f64>());
        let mut order: Vec<usize> = (0..weights.len()).collect();
        order.sort_by(|a, b| weights[*b].total_cmp(&weights[*a]));
        for i in order {
            let mut row: Vec<String> = (0..d).map(|k| columns.inputs[k].show(inputs[i * d + k])).collect();
            row.push(format!("{:.6}", shift + scale * outputs[i]));
            row.push(format!("{:.6}", scale * (self.noise() / weights[i]).sqrt()));
            row.push(format!("{:.4}", weights[i]));
            row.push(format!("{:.5}", weights[i] / total));
            table.push(row);
        }
        vec![table]
    }
}
