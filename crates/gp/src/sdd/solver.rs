//! The solver: random coordinates of the dual, momentum, a geometric average of the iterates.

use crate::kernel::Kernel;
use elbo_core::step::Batches;
use elbo_core::{Error, ModelFile, Progress, Result, Rng, Run, Snapshot, Step};
use elbo_linalg::vector;
use elbo_tensor::{Tensor, no_grad};
use rayon::prelude::*;

/// Rows and columns of the kernel that are formed at once, whatever the number of rows in all. Such a block of 256 kB stays in a core's
/// cache between its making and its product.
const BAND: usize = 64;
const COLUMNS: usize = 512;

/// Numbers updated by one task; a constant of the method, not of the machine.
const CHUNK: usize = 16_384;

/// Rows on which the largest eigenvalue is estimated.
const EIGEN_ROWS: usize = 2000;

/// Random batches on which the residual is estimated.
const PROBES: usize = 4;

/// Steps over which a growing solution counts as divergence.
const GUARD: usize = 1000;

/// Checks, at least, over which the mean residual must fall by a twentieth, or it counts as stalled; a fifth of the planned steps where
/// that is more.
const STALL: usize = 20;

/// Whose stochastic gradient is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gradient {
    /// The dual's, `(K + σ² I) a - b`: the method.
    Dual,
    /// The primal's, `K ((K + σ² I) a - b)`, of the squared error plus the norm of the function: for comparison.
    Primal,
}

/// Stochastic dual descent for `(K + σ² I) A = B` with `P` right-hand sides at once.
///
/// A step draws rows `I`, looks ahead to `p = a + ρ v`, and moves
///
/// $$ v \leftarrow \rho v - \beta \tfrac{n}{|I|} \sum_{i \in I} e_i \left( k_i^\top p + \sigma^2 p_i - b_i \right), \qquad
///    a \leftarrow a + v, \qquad \bar a \leftarrow \bar a + r (a - \bar a) . $$
///
/// Every row block of the kernel serves all right-hand sides; memory is `O(n P (1 + B / 512))`, time a step `O(n B (D + P))`.
///
/// The length of a step is `β = c / (λ_max(K) + σ² + (n/B)(k_max + σ²))`: the smoothness of the objective plus what drawing `B`
/// of `n` coordinates adds. When the solution grows tenfold in 1,000 steps, `β` is halved and the work goes on from the average.
///
/// # Source
/// Lin, Padhy, Antorán, Tripp, Terenin, Szepesvári, Hernández-Lobato and Janz (2024). Deviations: the step-size rule above in place of a
/// tuned constant, and batches that visit every row once an epoch.
#[derive(Clone)]
pub struct Sdd<'a> {
    /// The kernel; white noise in it is ignored, `noise` says what there is.
    pub kernel: &'a dyn Kernel,
    /// Inputs, `[n, D]`.
    pub x: &'a Tensor,
    /// Noise variance, `σ²`.
    pub noise: f64,
    /// Right-hand sides, `[n, P]`.
    pub targets: &'a Tensor,
    /// Rows a step, `B`.
    pub batch: usize,
    /// Steps that are planned, `T`: the average forgets at the rate `r = 100 / T`.
    pub steps: usize,
    /// Momentum, `ρ`.
    pub momentum: f64,
    /// Factor `c` on the length of a step.
    pub scale: f64,
    /// Converged when no right-hand side's relative residual is estimated larger.
    pub tolerance: f64,
    /// The dual's gradient, or the primal's for comparison.
    pub gradient: Gradient,
}

/// The iterate, its velocity and its average; each `[n, P]` row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct Duals {
    /// The last iterate, `a`.
    pub alpha: Vec<f64>,
    velocity: Vec<f64>,
    average: Vec<f64>,
    columns: usize,
    /// Steps since the average began.
    steps: usize,
    rate: f64,
}

impl Duals {
    /// Zero for `n` rows and `columns` right-hand sides.
    pub fn zero(n: usize, columns: usize) -> Self {
        Self::from(&Tensor::zeros(&[n, columns], elbo_tensor::DType::F64))
    }

    /// A warm start at `alpha: [n, P]`, such as the solution before some rows or targets changed.
    pub fn from(alpha: &Tensor) -> Self {
        let values = alpha.to_vec();
        Self {
            velocity: vec![0.0; values.len()],
            average: values.clone(),
            alpha: values,
            columns: alpha.shape()[1],
            steps: 0,
            rate: 0.0,
        }
    }

    /// The solution, `[n, P]`: the average of the iterates, or the last one while the average still remembers its start.
    pub fn solution(&self) -> Tensor {
        let has_forgotten = self.steps as f64 * self.rate >= 5.0;
        let values = if has_forgotten { &self.average } else { &self.alpha };
        Tensor::from_slice(values, &[values.len() / self.columns, self.columns])
    }

    /// The last iterate, `[n, P]`.
    pub fn last(&self) -> Tensor {
        Tensor::from_slice(&self.alpha, &[self.alpha.len() / self.columns, self.columns])
    }
}

impl Snapshot for Duals {
    fn save(&self, file: &mut ModelFile, prefix: &str) {
        for (name, values) in [("alpha", &self.alpha), ("velocity", &self.velocity), ("average", &self.average)] {
            values.save(file, &format!("{prefix}.{name}"));
        }
        file.set(&format!("{prefix}.progress"), &(self.columns, self.steps, self.rate));
    }

    fn restore(&mut self, file: &ModelFile, prefix: &str) -> Result<()> {
        self.alpha.restore(file, &format!("{prefix}.alpha"))?;
        self.velocity.restore(file, &format!("{prefix}.velocity"))?;
        self.average.restore(file, &format!("{prefix}.average"))?;
        (self.columns, self.steps, self.rate) = file.fact(&format!("{prefix}.progress"))?;
        Ok(())
    }
}

/// The solver's memory: the order of the rows, the length of a step, and what has been checked.
pub struct SddState {
    batches: Batches,
    beta: f64,
    /// Times the step was halved.
    halvings: usize,
    done: usize,
    norm: f64,
    residuals: Vec<f64>,
}

impl SddState {
    /// The present length of a step, `β`.
    pub fn beta(&self) -> f64 {
        self.beta
    }
}

impl Snapshot for SddState {
    fn save(&self, file: &mut ModelFile, prefix: &str) {
        self.batches.save(file, &format!("{prefix}.batches"));
        vec![self.beta, self.norm].save(file, &format!("{prefix}.numbers"));
        file.set(&format!("{prefix}.counts"), &(self.halvings, self.done));
        self.residuals.save(file, &format!("{prefix}.residuals"));
    }

    fn restore(&mut self, file: &ModelFile, prefix: &str) -> Result<()> {
        self.batches.restore(file, &format!("{prefix}.batches"))?;
        let mut numbers = vec![];
        numbers.restore(file, &format!("{prefix}.numbers"))?;
        let [beta, norm] = numbers[..] else {
            return Err(Error::model_file("the solver's memory is incomplete", "start again without --resume"));
        };
        (self.beta, self.norm) = (beta, norm);
        (self.halvings, self.done) = file.fact(&format!("{prefix}.counts"))?;
        self.residuals.restore(file, &format!("{prefix}.residuals"))
    }
}

/// The largest eigenvalue of the kernel's matrix on `x: [n, D]`, by 20 power iterations on at most 2,000 random rows, scaled up.
pub fn largest_eigenvalue(kernel: &dyn Kernel, x: &Tensor, rng: &mut Rng) -> f64 {
    let n = x.shape()[0];
    let rows = if n > EIGEN_ROWS { rng.choose(n, EIGEN_ROWS) } else { (0..n).collect() };
    let m = rows.len();
    no_grad(|| {
        let some = x.index_select(0, &Tensor::indices(&rows));
        let gram = kernel.gram(&some, &some);
        let mut vector = Tensor::from_vec(rng.normals(m), &[m]);
        let mut value = 0.0;
        for _ in 0..20 {
            let image = gram.matmul(&(&vector / vector.norm()));
            value = image.norm().item();
            vector = image;
        }
        value * n as f64 / m as f64
    })
}

impl Sdd<'_> {
    fn rows(&self) -> usize {
        self.x.shape()[0]
    }

    fn batch(&self) -> usize {
        self.batch.min(self.rows())
    }

    /// Steps between two estimates of the residual.
    fn period(&self) -> usize {
        (self.steps / 50).clamp(10, 100)
    }

    /// The length of a step by the rule, `β`.
    pub fn step_size(&self, rng: &mut Rng) -> f64 {
        let largest = largest_eigenvalue(self.kernel, self.x, rng);
        let most = no_grad(|| self.kernel.diag(self.x).max().item());
        let share = self.rows() as f64 / self.batch() as f64;
        let dual = self.scale / (largest + self.noise + share * (most + self.noise));
        match self.gradient {
            Gradient::Dual => dual,
            // The primal's matrix has another factor of K.
            Gradient::Primal => dual / largest,
        }
    }

    /// The first rows of blocks of `COLUMNS` rows, and how many rows each has.
    fn blocks(&self) -> Vec<(usize, usize)> {
        let n = self.rows();
        (0..n).step_by(COLUMNS).map(|start| (start, COLUMNS.min(n - start))).collect()
    }

    /// `K[rows, :] v`, `[B, P]`. Blocks of columns are shared out among threads; their order in the sum is fixed.
    fn product(&self, rows: &Tensor, v: &Tensor) -> Tensor {
        let b = rows.shape()[0];
        let part = |(start, count): (usize, usize)| {
            // Recording is a matter of the thread.
            no_grad(|| {
                let (x, v) = (self.x.narrow(0, start, count), v.narrow(0, start, count));
                let band = |first: usize| {
                    let some = rows.narrow(0, first, BAND.min(b - first));
                    self.kernel.gram(&some, &x).matmul(&v)
                };
                Tensor::cat(&(0..b).step_by(BAND).map(band).collect::<Vec<_>>(), 0)
            })
        };
        let parts: Vec<Tensor> = self.blocks().into_par_iter().map(part).collect();
        parts.into_iter().reduce(|sum, part| sum + part).expect("there is at least one row")
    }

    /// `K[:, rows] g`, `[n, P]`.
    fn product_transposed(&self, rows: &Tensor, g: &Tensor) -> Vec<f64> {
        let part = |(start, count): (usize, usize)| {
            no_grad(|| self.kernel.gram(&self.x.narrow(0, start, count), rows).matmul(g).to_vec())
        };
        let parts: Vec<Vec<f64>> = self.blocks().into_par_iter().map(part).collect();
        parts.concat()
    }

    /// `(K + σ² I) v - b` in these rows, `[B, P]`.
    fn residual(&self, rows: &[usize], v: &Tensor) -> Tensor {
        let index = Tensor::indices(rows);
        let inputs = self.x.index_select(0, &index);
        self.product(&inputs, v) + v.index_select(0, &index) * self.noise - self.targets.index_select(0, &index)
    }

    /// Norm of the residual over that of the right-hand side, for each, estimated on four random batches. `alpha: [n, P]`.
    pub fn relative_residuals(&self, alpha: &Tensor, rng: &mut Rng) -> Vec<f64> {
        no_grad(|| {
            let (n, count) = (self.rows(), (PROBES * self.batch()).min(self.rows()));
            let chosen = rng.choose(n, count);
            let p = self.targets.shape()[1];
            let mut squares = vec![0.0; p];
            for rows in chosen.chunks(self.batch()) {
                let part = self.residual(rows, alpha).square().sum_axis(0, false).to_vec();
                squares.iter_mut().zip(part).for_each(|(s, p)| *s += p);
            }
            let size = self.targets.square().sum_axis(0, false).to_vec();
            let ratio = |(s, b): (&f64, &f64)| if *b > 0.0 { (s * n as f64 / count as f64 / b).sqrt() } else { 0.0 };
            squares.iter().zip(&size).map(ratio).collect()
        })
    }

    /// Whether the mean of the last residuals is hardly below that of as many before. Single ones, of few rows, are too noisy to compare.
    fn is_stalled(&self, residuals: &[f64]) -> bool {
        let window = STALL.max(self.steps / (5 * self.period()));
        let Some(start) = residuals.len().checked_sub(2 * window) else { return false };
        let (before, last) = residuals[start..].split_at(window);
        vector::sum(last) > 0.95 * vector::sum(before)
    }

    /// Halves the step when the solution grows without end. `norm` is of the last iterate.
    fn guard(&self, duals: &mut Duals, state: &mut SddState, run: &mut Run) {
        let norm = vector::norm(&duals.alpha);
        // No solution is longer than this, so the first window has a bound too.
        let most = self.targets.norm().item() / self.noise;
        let bound = 10.0 * if state.norm > 0.0 { state.norm } else { most };
        if norm <= bound {
            if state.done / GUARD > (state.done - self.period()) / GUARD {
                state.norm = norm;
            }
            return;
        }
        state.beta *= 0.5;
        state.halvings += 1;
        state.norm = 0.0;
        let average = vector::norm(&duals.average);
        if average <= 10.0 * most {
            duals.alpha.clone_from(&duals.average);
        } else {
            duals.alpha.fill(0.0);
        }
        *duals = Duals { rate: duals.rate, ..Duals::from(&duals.last()) };
        run.warn(format!("the solution grew without end, so the step was halved to {:.1e}", state.beta));
    }
}

impl Step<Duals> for Sdd<'_> {
    type State = SddState;

    fn init(&self, duals: &mut Duals, run: &mut Run) -> Result<SddState> {
        assert_eq!(duals.alpha.len(), self.targets.len(), "a solution has the shape of the right-hand sides");
        duals.rate = (100.0 / self.steps as f64).min(1.0);
        let beta = self.step_size(&mut run.rng.fork());
        if !(beta.is_finite() && beta > 0.0) {
            return Err(Error::numerical("the kernel is not finite on these rows", "look for extreme inputs"));
        }
        let batches = Batches::new(self.rows(), self.batch());
        Ok(SddState { batches, beta, halvings: 0, done: 0, norm: 0.0, residuals: vec![] })
    }

    fn step(&self, duals: &mut Duals, state: &mut SddState, run: &mut Run) -> Result<Progress> {
        let (n, p) = (self.rows(), duals.columns);
        let rows = state.batches.next(&mut run.rng).to_vec();
        let rho = self.momentum;
        let ahead: Vec<f64> = duals.alpha.par_iter().zip(&duals.velocity).map(|(a, v)| a + rho * v).collect();
        let residual = no_grad(|| self.residual(&rows, &Tensor::from_vec(ahead, &[n, p])));
        let length = state.beta * n as f64 / rows.len() as f64;
        match self.gradient {
            Gradient::Dual => {
                duals.velocity.par_chunks_mut(CHUNK).for_each(|v| v.iter_mut().for_each(|v| *v *= rho));
                for (row, g) in rows.iter().zip(residual.as_f64().chunks_exact(p)) {
                    vector::axpy(-length, g, &mut duals.velocity[row * p..(row + 1) * p]);
                }
            }
            Gradient::Primal => {
                let inputs = self.x.index_select(0, &Tensor::indices(&rows));
                let gradient = no_grad(|| self.product_transposed(&inputs, &residual));
                duals.velocity.par_iter_mut().zip(&gradient).for_each(|(v, g)| *v = rho * *v - length * g);
            }
        }
        let rate = duals.rate;
        duals
            .alpha
            .par_chunks_mut(CHUNK)
            .zip(duals.average.par_chunks_mut(CHUNK))
            .zip(duals.velocity.par_chunks(CHUNK))
            .for_each(|((alpha, average), velocity)| {
                for ((a, mean), v) in alpha.iter_mut().zip(average).zip(velocity) {
                    *a += v;
                    *mean += rate * (*a - *mean);
                }
            });
        duals.steps += 1;
        state.done += 1;
        if !state.done.is_multiple_of(self.period()) {
            return Ok(Progress { objective: state.residuals.last().copied().unwrap_or(1.0), converged: false });
        }
        self.guard(duals, state, run);
        let residuals = self.relative_residuals(&duals.solution(), &mut run.rng.fork());
        let worst = residuals.into_iter().fold(0.0, f64::max);
        state.residuals.push(worst);
        let converged = worst <= self.tolerance || self.is_stalled(&state.residuals);
        Ok(Progress { objective: worst, converged })
    }
}
