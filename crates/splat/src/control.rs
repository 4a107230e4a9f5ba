//! Adaptive density control: clone, split, delete, reset.
//!
//! # Source
//! Kerbl, Kopanas, Leimkühler and Drettakis (2023). Deviation: pruning by the size in the picture is left out; in the reference it never
//! happens, since the sizes are cleared before they are read.

use crate::gaussians::{Gaussians, logit};
use crate::optimise::Cloud;
use elbo_core::Rng;

/// What adaptive density control goes by. Lengths are shares of the scene's extent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Control {
    /// Mean derivative in the centre from which on more Gaussians are wanted.
    pub threshold: f64,
    /// Scale up to which a Gaussian is cloned, and beyond which it is split.
    pub dense: f64,
    /// Opacity below which a Gaussian is deleted.
    pub faint: f64,
    /// Scale beyond which a Gaussian is deleted, once opacities have been reset.
    pub large: f64,
    /// The scene's extent.
    pub extent: f64,
    /// Most Gaussians there may be.
    pub cap: usize,
}

/// Scales of the two halves of a split Gaussian are its own over this.
const SPLIT: f64 = 1.6;
/// Opacity that a reset leaves at most.
const RESET: f64 = 0.01;

/// Clones and splits where the derivative in the centre is large, deletes the faint, and where `prunes_large` the large.
pub fn densify(cloud: &mut Cloud, control: &Control, prunes_large: bool, rng: &mut Rng) {
    let n = cloud.gaussians.len();
    let pull = |i: usize| if cloud.seen[i] > 0.0 { f64::from(cloud.pull[i] / cloud.seen[i]) } else { 0.0 };
    let mut wanted: Vec<usize> = (0..n).filter(|i| pull(*i) >= control.threshold).collect();
    let room = control.cap.saturating_sub(n);
    if wanted.len() > room {
        // Those with the strongest pull first.
        wanted.sort_by(|a, b| pull(*b).total_cmp(&pull(*a)).then(a.cmp(b)));
        wanted.truncate(room);
        wanted.sort_unstable();
    }
    let is_small = |i: &usize| cloud.gaussians.largest_scale(*i) <= control.dense * control.extent;
    let (small, big): (Vec<usize>, Vec<usize>) = wanted.into_iter().partition(is_small);
    let clones = cloud.gaussians.take(&small);
    let halves = halves(&cloud.gaussians, &big, rng);
    let mut is_split = vec![false; n];
    big.iter().for_each(|i| is_split[*i] = true);
    let rows: Vec<usize> = (0..n).filter(|i| !is_split[*i]).collect();
    cloud.keep(&rows);
    cloud.add(&clones);
    cloud.add(&halves);
    cloud.counts.cloned += small.len();
    cloud.counts.split += big.len();

    let is_kept = |i: &usize| {
        let o = cloud.gaussians.opacity_of(*i);
        let is_large = prunes_large && cloud.gaussians.largest_scale(*i) > control.large * control.extent;
        o >= control.faint && !is_large
    };
    let kept: Vec<usize> = (0..cloud.gaussians.len()).filter(is_kept).collect();
    // A scene without Gaussians could not come back.
    if !kept.is_empty() {
        cloud.counts.pruned += cloud.gaussians.len() - kept.len();
        cloud.keep(&kept);
    }
    cloud.pull.fill(0.0);
    cloud.seen.fill(0.0);
}

/// Two draws of each of these Gaussians, smaller.
fn halves(g: &Gaussians<f32>, rows: &[usize], rng: &mut Rng) -> Gaussians<f32> {
    let twice: Vec<usize> = rows.iter().flat_map(|r| [*r, *r]).collect();
    let mut out = g.take(&twice);
    for (k, row) in twice.iter().enumerate() {
        let root = g.root(*row);
        let eta = [rng.normal(), rng.normal(), rng.normal()];
        for a in 0..3 {
            let shift: f64 = (0..3).map(|b| root[3 * a + b] * eta[b]).sum();
            out.mean[3 * k + a] += shift as f32;
            out.log_scale[3 * k + a] -= SPLIT.ln() as f32;
        }
    }
    out
}

/// Lowers every opacity to at most 0.01, and forgets their moments.
pub fn reset_opacities(cloud: &mut Cloud) {
    let most = logit(RESET) as f32;
    cloud.gaussians.opacity.iter_mut().for_each(|a| *a = a.min(most));
    cloud.first.opacity.fill(0.0);
    cloud.second.opacity.fill(0.0);
}
