//! The paper's four test energies on the plane.

use elbo_core::{Claim, Result, Run, Table};
use elbo_infer::family::FlowFamily;
use elbo_infer::fit::{AnnealedSettings, annealed};
use elbo_infer::target::LogDensity;
use elbo_tensor::Tensor;
use std::f64::consts::PI;

/// Log densities $-U(z)$ on the plane, not normalised. The last three do not decay along the first axis, and are held to $|z_1| \le 4$ by a smooth
/// penalty.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Energy {
    /// A ring with two arcs.
    Ring,
    /// A wave.
    Wave,
    /// A wave that splits into two.
    Split,
    /// A wave with a step.
    Step,
}

impl Energy {
    const ALL: [Self; 4] = [Self::Ring, Self::Wave, Self::Split, Self::Step];

    fn name(self) -> &'static str {
        ["U1", "U2", "U3", "U4"][self as usize]
    }

    /// $\log \int e^{-U}$, by the midpoint rule on a box that holds all of the mass; exact to six digits.
    fn log_normaliser(self) -> f64 {
        let (n, half) = (800, 8.0);
        let step = 2.0 * half / n as f64;
        let at = |k: usize| -half + (k as f64 + 0.5) * step;
        let rows = (0..n).map(|i| {
            let points: Vec<f64> = (0..n).flat_map(|j| [at(i), at(j)]).collect();
            self.log_prob(&Tensor::from_vec(points, &[n, 2])).exp().sum().item()
        });
        (rows.sum::<f64>() * step * step).ln()
    }
}

/// $-(z - m)^2 / 2 s^2$.
fn bump(z: &Tensor, sd: f64) -> Tensor {
    (z / sd).square() * -0.5
}

impl LogDensity for Energy {
    fn dim(&self) -> usize {
        2
    }

    fn log_prob(&self, z: &Tensor) -> Tensor {
        let (x, y) = (z.select(-1, 0), z.select(-1, 1));
        if *self == Self::Ring {
            let radius = z.square().sum_axis(-1, false).sqrt();
            return bump(&(radius - 2.0), 0.4) + bump(&(&x - 2.0), 0.6).logaddexp(&bump(&(&x + 2.0), 0.6));
        }
        let below = &y - (&x * (0.5 * PI)).sin();
        let wave = match self {
            Self::Ring | Self::Wave => bump(&below, 0.4),
            Self::Split => {
                let gap = bump(&(&x - 1.0), 0.6).exp() * 3.0;
                bump(&below, 0.35).logaddexp(&bump(&(&below + gap), 0.35))
            }
            Self::Step => {
                let gap = ((&x - 1.0) / 0.3).sigmoid() * 3.0;
                bump(&below, 0.4).logaddexp(&bump(&(&below + gap), 0.35))
            }
        };
        wave + bump(&(x.abs() - 4.0).relu(), 0.2)
    }

    fn hessian(&self, _: &[f64]) -> Option<Vec<f64>> {
        // The ring has a cusp at its centre.
        None
    }
}

/// `KL[q || p]` in nats of a flow fitted by the default recipe, and the seconds it took.
fn divergence(energy: Energy, log_z: f64, flow: &str, seed: u64, run: &Run) -> Result<(f64, f64)> {
    let mut child = run.child(seed);
    let family = FlowFamily::new(flow.parse()?, &[0.0; 2], &[1.0; 2], &mut child.rng)?;
    let settings =
        AnnealedSettings { steps: run.pick(600, 4000), evaluated: run.pick(2000, 20_000), ..Default::default() };
    let fit = annealed(&energy, Box::new(family), &settings, &mut child)?;
    Ok((log_z - fit.elbo.value, fit.seconds))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// More layers come closer to the target.
pub fn check(claim: &mut Claim, run: &mut Run) -> Result<()> {
    let seeds = claim.seeds.clone();
    let mut table = Table::new(
        "flow-vi-energies",
        "KL[q || p] in nats by number of planar layers; of U1 the median over seeds, of the others the mean.",
        &["energy", "layers", "KL", "seconds"],
    );
    let log_z = Energy::Ring.log_normaliser();
    claim.at_most("error of log Z of U1 by quadrature (1.8775)", (log_z - 1.8775).abs(), None, 1e-3);
    let layers: &[usize] = run.pick(&[0, 2], &[0, 2, 8, 32]);
    let mut medians = vec![];
    for k in layers {
        let flow = format!("planar:{k}");
        let runs = seeds.iter().map(|s| divergence(Energy::Ring, log_z, &flow, *s, run)).collect::<Result<Vec<_>>>()?;
        let kl = median(runs.iter().map(|r| r.0).collect());
        let seconds = median(runs.iter().map(|r| r.1).collect());
        table.push(vec!["U1".into(), k.to_string(), format!("{kl:.3}"), format!("{seconds:.1}")]);
        medians.push((*k, kl));
    }
    for pair in medians.windows(2) {
        let [(few, before), (many, after)] = pair else { continue };
        claim.at_least(
            &format!("fall of the median KL on U1 from {few} to {many} layers (nats)"),
            before - after,
            None,
            0.0,
        );
    }
    let gaussian = medians[0].1;
    for (k, threshold) in [(8, 0.25), (32, 0.06)] {
        if let Some((_, kl)) = medians.iter().find(|(layers, _)| *layers == k) {
            claim.at_most(&format!("median KL on U1 with {k} planar layers (nats)"), *kl, Some(gaussian), threshold);
        }
    }
    if run.pick(false, true) {
        for energy in &Energy::ALL[1..] {
            let log_z = energy.log_normaliser();
            let mut ends = vec![];
            for k in [0, 32] {
                let flow = format!("planar:{k}");
                let each = |seed: &u64| divergence(*energy, log_z, &flow, *seed, run);
                let runs = seeds.iter().map(each).collect::<Result<Vec<_>>>()?;
                let count = runs.len() as f64;
                let kl = runs.iter().map(|r| r.0).sum::<f64>() / count;
                let seconds = runs.iter().map(|r| r.1).sum::<f64>() / count;
                table.push(vec![energy.name().into(), k.to_string(), format!("{kl:.3}"), format!("{seconds:.1}")]);
                ends.push(kl);
            }
            let name = format!(
                "share of the Gaussian's KL on {} that 32 planar layers leave, means over seeds",
                energy.name()
            );
            claim.at_most(&name, ends[1] / ends[0], Some(1.0), 0.5);
        }
    }
    run.table(table);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use elbo_tensor::grad;

    #[test]
    fn gradients_of_the_energies_agree_with_differences() {
        for energy in Energy::ALL {
            for point in [[0.7, -1.1], [2.2, 0.4], [-4.3, 0.2]] {
                let z = Tensor::from_slice(&point, &[1, 2]).variable();
                let slope = grad(&energy.log_prob(&z).sum(), &[&z]).remove(0).to_vec();
                for i in 0..2 {
                    let at = |delta: f64| {
                        let mut p = point;
                        p[i] += delta;
                        energy.log_prob(&Tensor::from_slice(&p, &[1, 2])).item()
                    };
                    let numeric = (at(1e-5) - at(-1e-5)) / 2e-5;
                    assert!((slope[i] - numeric).abs() < 1e-6 * numeric.abs().max(1.0), "{energy:?} at {point:?}");
                }
            }
        }
    }
}
