//! What sampling returns: draws, how they came about, and what is to be thought of them.

use super::chain::{Chain, Record};
use crate::diagnostics::chains::{Summary, e_bfmi, summarise};
use crate::target::LogDensity;
use elbo_core::{Chains, ModelFile, Result, Snapshot, Table};
use serde_json::{Value, json};

/// Draws of several chains of equal length.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Draws {
    names: Vec<String>,
    chains: usize,
    draws: usize,
    values: Vec<f64>,
    log_density: Vec<f64>,
    energy: Vec<f64>,
    accept: Vec<f64>,
    depth: Vec<f64>,
    steps: Vec<f64>,
    divergent: Vec<f64>,
    step_size: Vec<f64>,
    warmup_gradients: u64,
    /// Of chains whose last window gave no metric, why.
    metric_failures: Vec<String>,
}

impl Draws {
    pub(super) fn from_chains(chains: Vec<Chain>, dim: usize) -> Self {
        let step_size = chains.iter().map(|c| c.state.step).collect();
        let warmup_gradients = chains.iter().map(|c| c.state.warmup_gradients).sum();
        let metric_failures = chains.iter().filter_map(|c| c.state.metric_failure.clone()).collect();
        let records = chains.into_iter().map(|c| c.record).collect();
        Self { step_size, warmup_gradients, metric_failures, ..Self::from_records(records, dim) }
    }

    pub(super) fn from_records(records: Vec<Record>, dim: usize) -> Self {
        let chains = records.len();
        let draws = records.iter().map(|r| r.log_density.len()).min().unwrap_or(0);
        let join = |field: fn(&Record) -> &Vec<f64>, width: usize| -> Vec<f64> {
            records.iter().flat_map(|r| field(r)[..draws * width].iter().copied()).collect()
        };
        Self {
            names: (0..dim).map(|i| format!("z[{i}]")).collect(),
            chains,
            draws,
            values: join(|r| &r.values, dim),
            log_density: join(|r| &r.log_density, 1),
            energy: join(|r| &r.energy, 1),
            accept: join(|r| &r.accept, 1),
            depth: join(|r| &r.depth, 1),
            steps: join(|r| &r.steps, 1),
            divergent: join(|r| &r.divergent, 1),
            step_size: vec![f64::NAN; chains],
            warmup_gradients: 0,
            metric_failures: vec![],
        }
    }

    /// Draws made elsewhere. `values: [chains, draws, D]`; `log_density: [chains, draws]`.
    ///
    /// # Panics
    /// When chains have no common length, and for another number of values than draws and names ask for.
    pub fn new(names: &[String], chains: usize, values: Vec<f64>, log_density: Vec<f64>) -> Self {
        assert!(chains > 0 && log_density.len().is_multiple_of(chains), "chains must have the same length");
        assert_eq!(values.len(), log_density.len() * names.len(), "one value a draw and unknown");
        let count = log_density.len();
        Self {
            names: names.into(),
            chains,
            draws: count / chains,
            energy: vec![f64::NAN; count],
            accept: vec![f64::NAN; count],
            depth: vec![0.0; count],
            steps: vec![0.0; count],
            divergent: vec![0.0; count],
            step_size: vec![f64::NAN; chains],
            values,
            log_density,
            warmup_gradients: 0,
            metric_failures: vec![],
        }
    }

    /// The same draws under these names, one an unknown.
    ///
    /// # Panics
    /// For another number of names than unknowns.
    pub fn named<S: AsRef<str>>(mut self, names: &[S]) -> Self {
        assert_eq!(names.len(), self.dim(), "one name an unknown");
        self.names = names.iter().map(|n| n.as_ref().into()).collect();
        self
    }

    /// The same draws seen through `map`, which appends the new values of one draw; `names` are theirs.
    ///
    /// # Panics
    /// When `map` appends another number of values than there are names.
    pub fn map(&self, names: &[String], mut map: impl FnMut(&[f64], &mut Vec<f64>)) -> Self {
        let mut values = Vec::with_capacity(self.len() * names.len());
        self.rows().for_each(|row| map(row, &mut values));
        assert_eq!(values.len(), self.len() * names.len(), "`map` must append one value a name");
        Self { names: names.into(), values, ..self.clone() }
    }

    /// The same draws in the target's own terms: names and values of [`LogDensity::natural`].
    ///
    /// # Panics
    /// When the target returns another number of natural values than labels.
    pub fn natural(&self, target: &dyn LogDensity) -> Self {
        let (names, values) = (target.labels(), target.natural(&self.values));
        assert_eq!(values.len(), self.len() * names.len(), "a target must return one natural value a label");
        Self { names, values, ..self.clone() }
    }

    /// Names of the unknowns.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Number of chains.
    pub fn chains(&self) -> usize {
        self.chains
    }

    /// Draws of each chain.
    pub fn draws(&self) -> usize {
        self.draws
    }

    /// Number of unknowns, `D`.
    pub fn dim(&self) -> usize {
        self.names.len()
    }

    /// Draws of all chains.
    pub fn len(&self) -> usize {
        self.chains * self.draws
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All values, row-major `[chains, draws, D]`.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// The draws as points `[D]`, chain after chain.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[f64]> {
        self.values.chunks_exact(self.dim().max(1))
    }

    /// One unknown: `[chains, draws]`.
    ///
    /// # Panics
    /// When there is no such unknown.
    pub fn column(&self, unknown: usize) -> Vec<f64> {
        self.rows().map(|row| row[unknown]).collect()
    }

    /// About `count` draws, evenly spaced over all chains: those at the middle of `count` equal stretches.
    pub fn thinned(&self, count: usize) -> Vec<Vec<f64>> {
        let (all, count) = (self.len(), count.min(self.len()));
        (0..count).map(|i| (2 * i + 1) * all / (2 * count)).map(|i| self.row(i).to_vec()).collect()
    }

    fn row(&self, i: usize) -> &[f64] {
        &self.values[i * self.dim()..(i + 1) * self.dim()]
    }

    /// Log density of each draw, `[chains, draws]`, in nats.
    pub fn log_density(&self) -> &[f64] {
        &self.log_density
    }

    /// Energy of each draw with its momentum, `[chains, draws]`.
    pub fn energy(&self) -> &[f64] {
        &self.energy
    }

    /// Mean acceptance probability of each transition, `[chains, draws]`.
    pub fn accept(&self) -> &[f64] {
        &self.accept
    }

    /// Doublings of each transition's trajectory, `[chains, draws]`; zero where it had a fixed length.
    pub fn depth(&self) -> &[f64] {
        &self.depth
    }

    /// Divergent transitions after the warm-up.
    pub fn divergences(&self) -> usize {
        self.divergent.iter().filter(|d| **d != 0.0).count()
    }

    /// Step size of each chain after the warm-up.
    pub fn step_size(&self) -> &[f64] {
        &self.step_size
    }

    /// Gradients evaluated for the draws, all chains together.
    pub fn gradients(&self) -> u64 {
        self.steps.iter().sum::<f64>() as u64
    }

    /// Gradients evaluated before the first draw, all chains together; zero for samplers that adapt nothing and do not count them.
    pub fn warmup_gradients(&self) -> u64 {
        self.warmup_gradients
    }

    /// Why a metric could not be learnt, of each chain that sampled with an older one for that reason.
    pub fn metric_failures(&self) -> &[String] {
        &self.metric_failures
    }

    /// Mean of each unknown.
    pub fn mean(&self) -> Vec<f64> {
        let mut mean = vec![0.0; self.dim()];
        self.rows().for_each(|row| mean.iter_mut().zip(row).for_each(|(m, v)| *m += v));
        mean.iter_mut().for_each(|m| *m /= self.len() as f64);
        mean
    }

    /// Moments, quantiles and diagnostics of each unknown.
    pub fn summaries(&self) -> Vec<Summary> {
        (0..self.dim()).map(|i| summarise(&self.column(i), self.chains)).collect()
    }

    /// The summaries as a table, one row an unknown.
    pub fn table(&self) -> Table {
        let mut table = Table::new(
            "posterior",
            "Posterior of each unknown; R-hat above 1.01 or an effective sample size below 100 a chain is not to be trusted.",
            &["unknown", "mean", "sd", "5%", "median", "95%", "R-hat", "ESS bulk", "ESS tail", "MCSE mean"],
        );
        for (name, s) in self.names.iter().zip(self.summaries()) {
            let number = |v: f64| format!("{v:.4}");
            table.push(vec![
                name.clone(),
                number(s.mean),
                number(s.sd),
                number(s.q5),
                number(s.median),
                number(s.q95),
                format!("{:.3}", s.r_hat),
                format!("{:.0}", s.ess_bulk),
                format!("{:.0}", s.ess_tail),
                format!("{:.2e}", s.mcse_mean),
            ]);
        }
        table
    }

    /// What a reader of these draws has to know: divergences, a metric that was not learnt, chains that disagree, too few effective draws, slow
    /// energy.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = vec![];
        let divergences = self.divergences();
        if divergences > 0 {
            warnings.push(format!(
                "{divergences} of {} transitions diverged: the draws avoid a region of high curvature; raise \
                 `target_accept`, or use a non-centred form of the model",
                self.len()
            ));
        }
        if let Some(why) = self.metric_failures.first() {
            let (failed, all) = (self.metric_failures.len(), self.chains);
            warnings.push(format!(
                "{failed} of {all} chains sampled with the metric of an earlier window, as the last gave none: {why}; take \
                 another `metric`, or another form of the model"
            ));
        }
        if self.draws < 4 {
            warnings.push(format!("{} draws a chain are too few to judge them", self.draws));
            return warnings;
        }
        let summaries = self.summaries();
        let worst =
            |key: fn(&Summary) -> f64| summaries.iter().zip(&self.names).max_by(|a, b| key(a.0).total_cmp(&key(b.0)));
        // NaN is the largest in this order: a chain that never moved does not pass for one that converged.
        if let Some((s, name)) = worst(|s| s.r_hat)
            && (s.r_hat.is_nan() || s.r_hat > 1.01)
        {
            warnings.push(format!(
                "the chains disagree: R-hat of `{name}` is {:.3}, above 1.01; take a longer warm-up and more draws",
                s.r_hat
            ));
        }
        let enough = 100.0 * self.chains as f64;
        if let Some((s, name)) = worst(|s| -s.ess_bulk.min(s.ess_tail))
            && s.ess_bulk.min(s.ess_tail) < enough
        {
            warnings.push(format!(
                "few effective draws: {:.0} for `{name}`, below {enough:.0}; take more draws",
                s.ess_bulk.min(s.ess_tail)
            ));
        }
        if self.energy.iter().all(|e| e.is_finite()) {
            let slowest = e_bfmi(&self.energy, self.chains).into_iter().fold(f64::INFINITY, f64::min);
            if slowest < 0.3 {
                warnings.push(format!(
                    "the energy moves slowly (E-BFMI {slowest:.2}, below 0.3): heavy tails or a funnel; use another form of \
                     the model"
                ));
            }
        }
        warnings
    }

    /// What was noted of each draw, `[chains, draws]` under ArviZ's names; `diverging` is one where the transition diverged.
    pub fn stats(&self) -> [(&'static str, &[f64]); 6] {
        [
            ("lp", &self.log_density),
            ("energy", &self.energy),
            ("acceptance_rate", &self.accept),
            ("tree_depth", &self.depth),
            ("n_steps", &self.steps),
            ("diverging", &self.divergent),
        ]
    }

    /// The draws as a fitted model keeps them.
    pub fn to_chains(&self) -> Chains {
        let unknowns = self.names.iter().enumerate().map(|(i, name)| (name.clone(), self.column(i))).collect();
        let stats = self.stats().map(|(name, values)| (name.to_owned(), values.to_vec()));
        Chains::new(self.chains, unknowns, stats.into())
    }

    /// The draws in the groups of ArviZ: `az.from_dict(**json.load(file))` reads them.
    pub fn arviz(&self) -> Value {
        let split =
            |values: &[f64]| -> Vec<Vec<f64>> { values.chunks(self.draws.max(1)).map(<[f64]>::to_vec).collect() };
        let posterior: serde_json::Map<String, Value> =
            self.names.iter().enumerate().map(|(i, name)| (name.clone(), json!(split(&self.column(i))))).collect();
        let stat = |(name, values): (&str, &[f64])| {
            let rows = split(values);
            let flags = || rows.iter().map(|row| row.iter().map(|d| *d != 0.0).collect()).collect::<Vec<Vec<bool>>>();
            (name.to_owned(), if name == "diverging" { json!(flags()) } else { json!(rows) })
        };
        let stats: serde_json::Map<String, Value> = self.stats().into_iter().map(stat).collect();
        json!({
            "posterior": posterior,
            "sample_stats": stats,
        })
    }
}

impl Snapshot for Draws {
    fn save(&self, file: &mut ModelFile, prefix: &str) {
        file.set(prefix, &(&self.names, self.chains, self.draws, self.warmup_gradients));
        let shape = [self.chains, self.draws];
        file.put(&format!("{prefix}.values"), &[self.chains, self.draws, self.dim()], &self.values);
        file.put(&format!("{prefix}.log_density"), &shape, &self.log_density);
        file.put(&format!("{prefix}.energy"), &shape, &self.energy);
        file.put(&format!("{prefix}.accept"), &shape, &self.accept);
        file.put(&format!("{prefix}.depth"), &shape, &self.depth);
        file.put(&format!("{prefix}.steps"), &shape, &self.steps);
        file.put(&format!("{prefix}.divergent"), &shape, &self.divergent);
        file.put(&format!("{prefix}.step_size"), &[self.chains], &self.step_size);
        file.set(&format!("{prefix}.metric_failures"), &self.metric_failures);
    }

    fn restore(&mut self, file: &ModelFile, prefix: &str) -> Result<()> {
        (self.names, self.chains, self.draws, self.warmup_gradients) = file.fact(prefix)?;
        self.values = file.get(&format!("{prefix}.values"))?;
        self.log_density = file.get(&format!("{prefix}.log_density"))?;
        self.energy = file.get(&format!("{prefix}.energy"))?;
        self.accept = file.get(&format!("{prefix}.accept"))?;
        self.depth = file.get(&format!("{prefix}.depth"))?;
        self.steps = file.get(&format!("{prefix}.steps"))?;
        self.divergent = file.get(&format!("{prefix}.divergent"))?;
        self.step_size = file.get(&format!("{prefix}.step_size"))?;
        let failures = format!("{prefix}.metric_failures");
        // Files of earlier versions do not tell.
        self.metric_failures = if file.has(&failures) { file.fact(&failures)? } else { vec![] };
        Ok(())
    }
}
