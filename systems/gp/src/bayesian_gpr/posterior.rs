//! The posterior of the hyperparameters: sampled, approximated, or their likeliest values alone.

use super::process::Hyper;
use super::{BayesianGprConfig, Infer};
use elbo_core::{Chains, Features, ModelFile, Regression, Result, Rng, Run, Snapshot, Summary, Table};
use elbo_gp::fit::{Loss, Search, search};
use elbo_gp::table;
use elbo_infer::LogDensity;
use elbo_infer::diagnostics::chains::{self, summarise, worst};
use elbo_infer::fit::{Method, MethodSettings, ViSettings, infer};
use elbo_infer::mcmc::{Start, sample};
use elbo_infer::target::ParametersDensity;
use elbo_tensor::{Constraint, Parameters, Tensor};

/// The process with the Jacobian of the logarithms in its loss. With the priors, which the search adds of its own, the least is the most
/// probable point of the logarithms.
struct OfLogarithms(Hyper);

impl Parameters for OfLogarithms {
    fn visit(&self, visit: &mut dyn FnMut(&str, &elbo_tensor::Parameter)) {
        self.0.visit(visit);
    }

    fn visit_mut(&mut self, visit: &mut dyn FnMut(&str, &mut elbo_tensor::Parameter)) {
        self.0.visit_mut(visit);
    }
}

impl Snapshot for OfLogarithms {
    fn save(&self, file: &mut ModelFile, prefix: &str) {
        self.0.save(file, prefix);
    }

    fn restore(&mut self, file: &ModelFile, prefix: &str) -> Result<()> {
        self.0.restore(file, prefix)
    }
}

impl Loss for OfLogarithms {
    fn loss(&self) -> Result<Tensor> {
        Ok(-(self.0.log_evidence()? + self.0.log_jacobian()))
    }
}

/// What inference found, in the form that the model keeps.
pub(super) struct Posterior {
    /// Free numbers, one draw a row.
    pub(super) draws: Vec<Vec<f64>>,
    /// All draws on their natural scale.
    pub(super) chains: Chains,
    pub(super) summary: Summary,
    pub(super) tables: Vec<Table>,
}

impl BayesianGprConfig {
    /// The posterior of the hyperparameters, as the settings say; with inducing points `z: [M, D]`, that of the lower bound.
    ///
    /// # Errors
    /// When the process cannot be built, or its evidence not be evaluated.
    pub(super) fn posterior(&self, input: &Regression, z: Option<&Tensor>, run: &mut Run) -> Result<Posterior> {
        let mut gp = self.build(&input.x, &input.y, z)?;
        let (name, approximately) = match z {
            None => ("log marginal likelihood", String::new()),
            Some(z) => {
                let about = format!(" Approximate: {} inducing points carry the process, and a lower bound", z.size(0));
                ("lower bound of the log marginal likelihood", about + " stands for its likelihood.")
            }
        };
        if self.infer == Infer::Ml2 {
            // With priors the search would find the most probable values in place of the likeliest.
            gp.visit_mut(&mut |_, parameter| parameter.set_prior(None));
            let found = search(&mut gp, Search { starts: self.starts, iterations: self.iterations }, run)?;
            let mut summary = table::summarise(gp.kernel(), &gp, &input.x.names);
            summary.objective = Some((name.into(), found.evidence()));
            summary.text = format!(
                "A Gaussian process at its likeliest hyperparameters, on {} rows.{approximately}",
                input.x.rows
            );
            let (draws, chains) = (vec![gp.pack()], Chains::default());
            return Ok(Posterior { draws, chains, summary, tables: vec![found.table()] });
        }
        let base = run.rng.fork();
        let mut of_logarithms = OfLogarithms(gp);
        let found = search(&mut of_logarithms, Search { starts: 1, iterations: self.iterations }, run)?;
        let mode = of_logarithms.pack();
        let (config, x, y, points) = (self.clone(), input.x.clone(), input.y.clone(), z.cloned());
        let make = move || config.build(&x, &y, points.as_ref()).expect("the same settings were built before");
        let density = ParametersDensity::new(make, Hyper::log_evidence);
        let mut summary = Summary::default();
        summary.metrics.push(("log posterior at its mode".into(), -found.loss));
        let (draws, chains, posterior) = if self.infer == Infer::Nuts {
            // The first chain starts at the mode, the others at draws of the prior.
            let start = (0..self.chains).map(|i| {
                let mut rng = base.split(i as u64);
                if i == 0 { mode.clone() } else { self.prior_draw(&density, input.x.dims, &mut rng) }
            });
            let found = sample(&density, &self.sampler(), &Start::At(start.collect()), run)?;
            summary.metrics.extend(of_chains(&found.summaries(), found.divergences()));
            summary.text = format!(
                "A Gaussian process with its hyperparameters integrated over by {} draws of {} chains, on {} \
                 rows.{approximately}",
                found.len(),
                found.chains(),
                input.x.rows
            );
            let natural = found.natural(&density);
            (found.thinned(self.mixed), natural.to_chains(), natural.table())
        } else {
            let method = if self.infer == Infer::ViFull { Method::FullRank } else { Method::MeanField };
            let vi = ViSettings { draws: 8, rate: 0.02, steps: self.steps, ..ViSettings::default() };
            let settings = MethodSettings { vi, start: Some(mode), ..MethodSettings::default() };
            let found = infer(&density, method, &settings, run)?;
            if let Some(elbo) = &found.elbo {
                summary.objective = Some(("evidence lower bound".into(), elbo.value));
            }
            if let Some(psis) = &found.psis {
                if psis.k.is_finite() {
                    summary.metrics.push(("Pareto k".into(), psis.k));
                }
                if !psis.is_reliable() {
                    run.warn(format!("{}; use infer=nuts", psis.verdict()));
                }
            }
            summary.text = format!(
                "A Gaussian process with its hyperparameters integrated over by {method}, on {} rows.{approximately}",
                input.x.rows
            );
            let d = density.dim();
            let count = found.draws.len() / d;
            let mixed = self.mixed.min(count);
            let row = |k: usize| found.draws[k * count / mixed * d..][..d].to_vec();
            let table = without_chains(&found.labels, &found.natural);
            ((0..mixed).map(row).collect(), one_chain(&found.labels, &found.natural), table)
        };
        let relevance = relevance(&draws, &density, &input.x);
        summary.relevance = relevance.inverse_median;
        for row in &posterior.rows {
            summary.parameters.push((row[0].clone(), format!("{} ± {}", row[1], row[2]), "posterior mean ± sd".into()));
        }
        Ok(Posterior { draws, chains, summary, tables: vec![posterior, relevance.table] })
    }

    /// Free numbers drawn from the prior.
    fn prior_draw<N, F>(&self, density: &ParametersDensity<Hyper, N, F>, dims: usize, rng: &mut Rng) -> Vec<f64>
    where
        N: Fn() -> Hyper + Send + Sync,
        F: Fn(&Hyper) -> Result<Tensor> + Send + Sync,
    {
        let mut gp = density.at(&vec![0.0; density.dim()]);
        gp.visit_mut(&mut |name, parameter| {
            let constraint = parameter.constraint();
            let prior = self.prior_of(name, constraint, dims);
            let one = |rng: &mut Rng| match (prior, constraint) {
                // Far draws of the prior make covariances that cannot be factorised, and those of a very wide one are not finite.
                (Some(prior), _) => prior.quantile(rng.range(0.05, 0.95)).clamp(2e-6, 1e9),
                (None, Constraint::Interval(low, high)) => rng.range(low, high),
                (None, _) => 0.0,
            };
            let values: Vec<f64> = (0..parameter.len()).map(|_| one(rng)).collect();
            if !parameter.is_frozen() {
                parameter.set(&values).expect("draws of the prior are inside the constraint");
            }
        });
        gp.pack()
    }
}

/// What the chains are worth, in numbers. A chain that never moved has no R-hat, and then there is no largest one either; the warning says so.
fn of_chains(summaries: &[chains::Summary], divergences: usize) -> Vec<(String, f64)> {
    let numbers = [
        ("largest R-hat", worst(summaries.iter().map(|s| s.r_hat), f64::max)),
        ("least effective draws", worst(summaries.iter().flat_map(|s| [s.ess_bulk, s.ess_tail]), f64::min)),
        ("divergences", divergences as f64),
    ];
    numbers.into_iter().filter(|(_, v)| v.is_finite()).map(|(n, v)| (n.into(), v)).collect()
}

/// Draws of an approximation, which are independent, as one chain.
fn one_chain(labels: &[String], natural: &[f64]) -> Chains {
    let column = |i: usize| natural.iter().skip(i).step_by(labels.len()).copied().collect();
    Chains::new(1, labels.iter().enumerate().map(|(i, label)| (label.clone(), column(i))).collect(), vec![])
}

/// The posterior's table where there are no chains to compare.
fn without_chains(labels: &[String], natural: &[f64]) -> Table {
    let mut table = Table::new(
        "posterior",
        "Approximate posterior of each hyperparameter, for inputs and target of unit variance.",
        &["unknown", "mean", "sd", "5%", "median", "95%"],
    );
    for (i, label) in labels.iter().enumerate() {
        let values: Vec<f64> = natural.iter().skip(i).step_by(labels.len()).copied().collect();
        let s = summarise(&values, 1);
        let numbers = [s.mean, s.sd, s.q5, s.median, s.q95].map(|v| format!("{v:.4}"));
        table.push([vec![label.clone()], numbers.to_vec()].concat());
    }
    table
}

struct Relevance {
    inverse_median: Vec<(String, f64)>,
    table: Table,
}

/// Lengthscales against the range of their inputs. Columns of categories have none.
fn relevance(draws: &[Vec<f64>], density: &dyn LogDensity, x: &Features) -> Relevance {
    let labels = density.labels();
    let natural = density.natural(&draws.concat());
    let scales: Vec<usize> = (0..labels.len()).filter(|i| labels[*i].contains("lengthscale")).collect();
    let numeric: Vec<usize> = (0..x.dims).filter(|d| x.levels[*d] == 0).collect();
    let mut out = Relevance {
        inverse_median: vec![],
        table: Table::new(
            "relevance",
            "Lengthscale of each input in its standard deviations, and the probability that it is above three times the input's \
             range: that the input does not matter.",
            &["input", "5%", "median", "95%", "irrelevant"],
        ),
    };
    for (label, d) in scales.iter().zip(&numeric) {
        let values: Vec<f64> = natural.iter().skip(*label).step_by(labels.len()).copied().collect();
        let column = (0..x.rows).map(|i| x.row(i)[*d]);
        let range = column.clone().fold(f64::NEG_INFINITY, f64::max) - column.fold(f64::INFINITY, f64::min);
        let far = values.iter().filter(|v| **v > 3.0 * range).count() as f64 / values.len() as f64;
        let s = summarise(&values, 1);
        out.inverse_median.push((x.names[*d].clone(), 1.0 / s.median));
        let cells = [s.q5, s.median, s.q95, far].map(|v| format!("{v:.3}"));
        out.table.push([vec![x.names[*d].clone()], cells.to_vec()].concat());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bayesian_gpr::friedman;
    use elbo_core::FromData;

    #[test]
    fn an_unknown_without_diagnostics_leaves_none_for_all_and_not_those_of_the_others() {
        let mut rng = Rng::new(6);
        let moving: Vec<chains::Summary> = (0..3).map(|_| summarise(&rng.normals(80), 2)).collect();
        let names = |summaries: &[chains::Summary]| -> Vec<String> {
            of_chains(summaries, 2).into_iter().map(|(name, _)| name).collect()
        };
        assert_eq!(names(&moving), ["largest R-hat", "least effective draws", "divergences"]);
        let largest = moving.iter().map(|s| s.r_hat).fold(f64::NEG_INFINITY, f64::max);
        assert_eq!(of_chains(&moving, 2)[0].1, largest);
        for at in 0..3 {
            let mut still = moving.clone();
            still[at] = chains::Summary { r_hat: f64::NAN, ..still[at] };
            assert_eq!(names(&still), ["least effective draws", "divergences"]);
            still[at] = chains::Summary { ess_tail: f64::NAN, ..still[at] };
            assert_eq!(names(&still), ["divergences"]);
        }
    }

    #[test]
    fn ml2_maximises_the_likelihood_without_priors_and_the_mode_counts_them_once() {
        let input = Regression::from_data(&friedman(20, &mut Run::new(5)).unwrap()).unwrap();
        let config = BayesianGprConfig { infer: Infer::Ml2, starts: 1, iterations: 20, ..BayesianGprConfig::default() };
        let close = |value: f64, expected: f64| {
            assert!((value - expected).abs() < 1e-9 * expected.abs().max(1.0), "{value}, expected {expected}");
        };
        let found = config.posterior(&input, None, &mut Run::new(1)).unwrap();
        let mut gp = config.build(&input.x, &input.y, None).unwrap();
        gp.unpack(&found.draws[0]);
        close(found.summary.objective.unwrap().1, gp.log_evidence().unwrap().item());

        let mut model = OfLogarithms(config.build(&input.x, &input.y, None).unwrap());
        let found = search(&mut model, Search { starts: 1, iterations: 20 }, &mut Run::new(1)).unwrap();
        let density = model.0.log_evidence().unwrap() + model.0.log_prior() + model.0.log_jacobian();
        close(-found.loss, density.item());
    }

    #[test]
    fn the_sparse_density_is_below_the_exact_one_and_equal_with_all_rows() {
        let input = Regression::from_data(&friedman(20, &mut Run::new(6)).unwrap()).unwrap();
        let config = BayesianGprConfig::default();
        let all = table::tensor(&input.x);
        let few = all.narrow(0, 0, 6);
        let [mut exact, mut full, mut sparse] =
            [None, Some(&all), Some(&few)].map(|z| config.build(&input.x, &input.y, z).unwrap());
        let start = exact.pack();
        assert_eq!(start.len(), 7, "inducing points are no unknowns");
        let mut rng = Rng::new(7);
        for _ in 0..10 {
            let at: Vec<f64> = start.iter().map(|v| v + 0.7 * rng.normal()).collect();
            let value = |gp: &mut Hyper| {
                gp.unpack(&at);
                gp.log_evidence().unwrap().item()
            };
            let [exact, full, sparse] = [&mut exact, &mut full, &mut sparse].map(value);
            // The jitter of the inducing covariance, 1e-6 of its diagonal at most, is felt through the noise.
            assert!((full - exact).abs() < 1e-3 * exact.abs().max(1.0), "{full}, expected {exact}");
            assert!(sparse < exact, "{sparse} is no lower bound of {exact}");
        }
    }

    #[test]
    fn gradients_of_the_sparse_density_agree_with_differences() {
        let input = Regression::from_data(&friedman(20, &mut Run::new(8)).unwrap()).unwrap();
        let config = BayesianGprConfig::default();
        let z = table::tensor(&input.x).narrow(0, 0, 6);
        let make = || config.build(&input.x, &input.y, Some(&z)).unwrap();
        let density = ParametersDensity::new(make, Hyper::log_evidence);
        let mut rng = Rng::new(9);
        let at: Vec<f64> = make().pack().iter().map(|v| v + 0.3 * rng.normal()).collect();
        let mut gradient = vec![0.0; at.len()];
        density.value_and_gradient(&at, &mut gradient);
        for (i, exact) in gradient.iter().enumerate() {
            let shifted = |delta: f64| {
                let mut at = at.clone();
                at[i] += delta;
                density.value_and_gradient(&at, &mut vec![0.0; at.len()])
            };
            let numeric = (shifted(1e-5) - shifted(-1e-5)) / 2e-5;
            assert!((numeric - exact).abs() < 1e-5 * exact.abs().max(1.0), "d{i}: {numeric} (numeric) vs {exact}");
        }
    }
}
