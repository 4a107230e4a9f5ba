//! The fitted approximation that draws came from, where it has a closed form.

use crate::family::{FlowFamily, Variational};
use crate::gaussian::Gaussian;
use elbo_core::{Error, ModelFile, Result, Rng, Table};
use elbo_dist::MultivariateNormal;
use elbo_dist::flow::FlowSpec;
use elbo_tensor::{Parameters, Tensor, no_grad};
use std::fmt;
use std::sync::Arc;

/// The factor of a Gaussian of more unknowns is in the file alone, not in a table.
const MOST_SHOWN: usize = 20;

/// An approximation in a model file.
#[derive(Clone)]
pub(super) enum Kept {
    /// A Gaussian by mean and lower Cholesky factor.
    Gaussian(MultivariateNormal),
    /// A flow, with the text that it was built from.
    Flow(FlowSpec, Arc<dyn Variational>),
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gaussian(_) => f.write_str("Gaussian"),
            Self::Flow(spec, _) => write!(f, "Flow({spec})"),
        }
    }
}

impl Kept {
    pub fn gaussian(law: &Gaussian) -> Result<Self> {
        Ok(Self::Gaussian(law.distribution()?))
    }

    /// Number of unknowns.
    pub fn dim(&self) -> usize {
        match self {
            Self::Gaussian(law) => law.mean().len(),
            Self::Flow(_, family) => family.dim(),
        }
    }

    pub fn save(&self, file: &mut ModelFile) {
        match self {
            Self::Gaussian(law) => {
                let d = law.mean().len();
                file.set("approximation", &"gaussian");
                file.put("approximation.mean", &[d], law.mean());
                file.put("approximation.chol", &[d, d], law.chol());
            }
            Self::Flow(spec, family) => {
                file.set("approximation", &spec.to_string());
                family.write_to(file, "approximation");
            }
        }
    }

    /// Takes back what [`Kept::save`] wrote; nothing from a file without an approximation.
    pub fn load(file: &ModelFile, unknowns: usize) -> Result<Option<Self>> {
        if !file.has("approximation") {
            return Ok(None);
        }
        let name: String = file.fact("approximation")?;
        if name == "gaussian" {
            let mean = file.get_as("approximation.mean", &[unknowns])?;
            let chol = file.get_as("approximation.chol", &[unknowns, unknowns])?;
            if (0..unknowns).any(|i| chol[i * unknowns + i] <= 0.0) {
                return Err(Error::misfit("the factor of the approximation has a diagonal that is not positive"));
            }
            return Ok(Some(Self::Gaussian(MultivariateNormal::new(mean, chol))));
        }
        let spec = name.parse::<FlowSpec>().map_err(Error::misfit)?;
        // What the flow is built from is overwritten by what was learned.
        let (mean, sd) = (vec![0.0; unknowns], vec![1.0; unknowns]);
        let mut family = FlowFamily::new(spec, &mean, &sd, &mut Rng::new(0)).map_err(Error::misfit)?;
        family.read_from(file, "approximation")?;
        Ok(Some(Self::Flow(spec, Arc::new(family))))
    }

    /// Log densities at points `[S, D]`.
    pub fn log_density(&self, points: &[f64]) -> Result<Vec<f64>> {
        let d = self.dim();
        if points.is_empty() || !points.len().is_multiple_of(d) {
            return Err(Error::data(
                format!("{} numbers are no points of {d} unknowns", points.len()),
                "give the values of all unknowns, point by point",
            ));
        }
        match self {
            Self::Gaussian(law) => Ok(points.chunks_exact(d).map(|z| law.log_prob(z)).collect()),
            Self::Flow(spec, family) => {
                let z = Tensor::from_slice(points, &[points.len() / d, d]);
                let found = no_grad(|| family.log_prob(&z)).ok_or_else(|| {
                    Error::data(
                        format!("the layers of `{spec}` have no closed inverse, so that only draws of the flow's own have a density"),
                        "draw from it, or fit again with a flow such as spline:4x8, realnvp:4x32 or radial:8",
                    )
                })?;
                Ok(found.to_vec())
            }
        }
    }

    /// New draws `[S, D]` and their log densities, of a flow; nothing of a Gaussian, whose draws are kept.
    pub fn anew(&self, count: usize, rng: &mut Rng) -> Option<(Vec<f64>, Vec<f64>)> {
        let Self::Flow(_, family) = self else { return None };
        let (z, log_density) = family.sample(count, rng);
        Some((z.to_vec(), log_density.to_vec()))
    }

    /// Mean and factor, of a Gaussian over unknowns of these names.
    pub fn tables(&self, names: &[String]) -> Vec<Table> {
        let Self::Gaussian(law) = self else { return vec![] };
        let (d, chol) = (names.len(), law.chol());
        let caption = "The Gaussian that was fitted, for standardised inputs and target.";
        let mut moments = Table::new("posterior", caption, &["unknown", "mean", "sd"]);
        for (i, (name, mean)) in names.iter().zip(law.mean()).enumerate() {
            let sd = chol[i * d..=i * d + i].iter().map(|l| l * l).sum::<f64>().sqrt();
            moments.push(vec![name.clone(), format!("{mean:.6}"), format!("{sd:.6}")]);
        }
        if d > MOST_SHOWN {
            return vec![moments];
        }
        let columns: Vec<&str> = std::iter::once("unknown").chain(names.iter().map(String::as_str)).collect();
        let caption = "Lower Cholesky factor of its covariance.";
        let mut factor = Table::new("posterior-factor", caption, &columns);
        for (i, name) in names.iter().enumerate() {
            let cells = chol[i * d..(i + 1) * d].iter().map(|l| format!("{l:.6}"));
            factor.push(std::iter::once(name.clone()).chain(cells).collect());
        }
        vec![moments, factor]
    }
}
