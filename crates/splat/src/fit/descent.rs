//! One step of a fit: down the loss of one picture, and what happens to the number of Gaussians before it.

use super::drawer::Drawer;
use super::{Settings, Strategy};
use crate::camera::Camera;
use crate::control::{Control, densify, reset_opacities};
use crate::gaussians::{Gaussians, sigmoid};
use crate::loss::photometric;
use crate::optimise::{Cloud, Rates};
use crate::project::Options;
use crate::relocate;
use crate::render::Pixels;
use crate::scene::Scene;
use elbo_core::step::Batches;
use elbo_core::{Error, Progress, Result, Run, Step};

/// Steps of the reference, to which rates of the means belong, and how much faster than there means may be.
const REFERENCE_STEPS: f64 = 30_000.0;
const MOST_HASTE: f64 = 15.0;

/// One step down the loss of one picture.
pub(super) struct Descent<'a> {
    pub(super) settings: &'a Settings,
    pub(super) strategy: &'a Strategy,
    pub(super) scene: &'a Scene,
    pub(super) cameras: &'a [Camera<f32>],
    pub(super) training: &'a [usize],
    pub(super) drawer: &'a Drawer,
}

impl Descent<'_> {
    fn rates(&self, step: usize) -> Rates {
        let s = self.settings;
        let t = step as f64 / s.steps as f64;
        Rates {
            mean: mean_rate(s, t),
            log_scale: s.rate_scale,
            rotation: s.rate_rotation,
            opacity: s.rate_opacity,
            colour: s.rate_colour,
            harmonics: s.rate_colour / 20.0,
        }
    }
}

/// From the first to the last rate along a line of logarithms; `t` from 0 to 1.
fn mean_rate(settings: &Settings, t: f64) -> f64 {
    // Fewer steps must get as far.
    let haste = (REFERENCE_STEPS / settings.steps as f64).clamp(1.0, MOST_HASTE);
    haste * (settings.rate_mean.ln() * (1.0 - t) + settings.rate_mean_end.ln() * t).exp()
}

impl Step<Cloud> for Descent<'_> {
    /// The order of pictures, and the loss averaged over the last steps.
    type State = (Batches, f64);

    fn init(&self, _: &mut Cloud, _: &mut Run) -> Result<Self::State> {
        Ok((Batches::new(self.training.len(), 1), f64::NAN))
    }

    fn step(&self, cloud: &mut Cloud, (order, mean): &mut Self::State, run: &mut Run) -> Result<Progress> {
        let s = self.settings;
        let view = self.training[order.next(&mut run.rng)[0]];
        // One degree more each thirtieth of the steps.
        let degree = s.degree.min(30 * cloud.step / s.steps);
        let options = Options {
            degree,
            absolute: matches!(self.strategy, Strategy::Adaptive { absolute: true, .. }),
            ..s.options()
        };
        let camera = &self.cameras[view];
        let made = self.drawer.render(&cloud.gaussians, camera, &options)?;
        let size = [camera.width, camera.height];
        let truth = self.scene.picture(view);
        let (mut loss, slope) = photometric(made.colour(), &truth, size, s.similarity);
        let pixels = Pixels { colour: &slope, depth: None, alpha: None };
        let mut gradients = self.drawer.backward(&made, &cloud.gaussians, camera, &options, pixels)?;
        match self.strategy {
            Strategy::Adaptive { absolute, .. } => {
                cloud.observe_where(|i| made.is_visible(i), size, &gradients, *absolute);
            }
            Strategy::Relocation { opacity_weight, scale_weight, .. } => {
                loss += regularise(&cloud.gaussians, &mut gradients.gaussians, *opacity_weight, *scale_weight);
            }
        }
        if !loss.is_finite() {
            return Err(Error::numerical(
                format!("the loss is {loss} at step {}", cloud.step),
                "lower the rates; check the cameras",
            ));
        }
        cloud.descend(&gradients.gaussians, &self.rates(cloud.step));
        *mean = if mean.is_nan() { loss } else { 0.98 * *mean + 0.02 * loss };
        Ok(Progress { objective: *mean, converged: false })
    }
}

/// Adds the weighted mean opacity and mean scale, and their derivatives.
fn regularise(g: &Gaussians<f32>, gradient: &mut Gaussians<f32>, opacity_weight: f64, scale_weight: f64) -> f64 {
    let n = g.len() as f64;
    let mut sums = [0.0; 2];
    for (a, d) in g.opacity.iter().zip(&mut gradient.opacity) {
        let o = sigmoid(f64::from(*a));
        sums[0] += o;
        *d += (opacity_weight / n * o * (1.0 - o)) as f32;
    }
    for (l, d) in g.log_scale.iter().zip(&mut gradient.log_scale) {
        let scale = f64::from(*l).exp();
        sums[1] += scale;
        *d += (scale_weight / (3.0 * n) * scale) as f32;
    }
    opacity_weight * sums[0] / n + scale_weight * sums[1] / (3.0 * n)
}

/// What happens to the number and the places of Gaussians between two steps of descent.
pub(super) struct Density<'a> {
    pub(super) settings: &'a Settings,
    pub(super) strategy: &'a Strategy,
}

impl Step<Cloud> for Density<'_> {
    type State = ();

    fn init(&self, _: &mut Cloud, _: &mut Run) -> Result<()> {
        Ok(())
    }

    fn step(&self, cloud: &mut Cloud, (): &mut (), run: &mut Run) -> Result<Progress> {
        let steps = self.settings.steps;
        let at = cloud.step;
        let changes = at.is_multiple_of(self.settings.refine_every) && self.strategy.period(steps).contains(&at);
        match *self.strategy {
            Strategy::Adaptive { threshold, cap, .. } => {
                // The reference resets opacities ten times in as many steps as it has.
                let reset = (steps / 10).max(1);
                if changes {
                    let control = Control { threshold, dense: 0.01, faint: 0.005, large: 0.1, extent: 1.0, cap };
                    cloud.refine(|cloud| {
                        densify(cloud, &control, at > reset, &mut run.rng);
                        Ok(())
                    })?;
                }
                if at > 0 && at.is_multiple_of(reset) && at < *self.strategy.period(steps).end() {
                    reset_opacities(cloud);
                }
            }
            Strategy::Relocation { cap, noise, .. } => {
                if changes {
                    cloud.refine(|cloud| {
                        relocate::relocate(cloud, &mut run.rng)?;
                        relocate::grow(cloud, cap, &mut run.rng).map(drop)
                    })?;
                }
                if at > 0 {
                    let rate = mean_rate(self.settings, at as f64 / steps as f64);
                    relocate::shake(cloud, noise * rate, &mut run.rng);
                }
            }
        }
        Ok(Progress { objective: f64::NAN, converged: false })
    }
}
