//! What other models would estimate for the pictures of a made-up scene: the truth with faults of the kind that such models have. A stand-in for a prior is
//! used where the model itself is not at hand, and the truth beside it tells how a method takes the faults.
//!
//! Each is drawn from a generator that the picture, or the pair, splits off: the same seed gives the same bits, in whatever order they are asked for.

use super::Made;
use super::truth::unprojected;
use crate::prior::{Depth, Flow, Pointmap};
use elbo_core::{Result, Rng, ensure_within};

/// One index for each kind, so that kinds with one generator have different faults.
const DEPTH: u64 = 1;
const FLOW: u64 = 2;
const POINTS: u64 = 3;

/// How the depths of a model of single pictures differ from the true ones: by an affine map that changes a little over the picture, and by noise.
///
/// $$ d(p) = s \, (z(p) + t) \, e^{b \, w(p)} \, e^{\nu \, \varepsilon(p)} $$
///
/// with the true depth $z$; $\log s$ uniform on $[-\log S, \log S]$ and $t$ uniform on $[0, T \bar z]$ once a picture, $\bar z$ the mean depth; $w$ a wave over the
/// picture between -1 and 1, of at most half a period along each side; $\varepsilon$ standard normal. Noise is a share of the value, so that depths stay positive.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DepthFaults {
    /// Largest factor, $S$, from 1 to 1e6.
    pub scale: f64,
    /// Largest shift over the mean depth, $T$, from 0 to 1e6.
    pub shift: f64,
    /// How far the logarithm of the factor changes within the picture, $b$, from 0 to 1.
    pub bend: f64,
    /// Standard deviation of the noise over the value, $\nu$, from 0 to 1.
    pub noise: f64,
}

impl Default for DepthFaults {
    fn default() -> Self {
        Self { scale: 2.0, shift: 0.2, bend: 0.05, noise: 0.02 }
    }
}

/// Estimated depths, and what was done to the true ones.
#[derive(Debug, Clone, PartialEq)]
pub struct DepthStandIn {
    /// The estimate.
    pub depth: Depth,
    /// The factor, $s$.
    pub scale: f64,
    /// What the factor's product with the true depth was shifted by, $s t$.
    pub shift: f64,
}

impl DepthFaults {
    /// Depths of picture `picture` with these faults; unknown where there is nothing.
    ///
    /// # Errors
    /// [`Error::Setting`](elbo_core::Error::Setting) for faults out of their range.
    ///
    /// # Panics
    /// When there is no such picture.
    pub fn of(&self, made: &Made, picture: usize, rng: &Rng) -> Result<DepthStandIn> {
        ensure_within("scale", self.scale, 1.0..=1e6)?;
        ensure_within("shift", self.shift, 0.0..=1e6)?;
        ensure_within("bend", self.bend, 0.0..=1.0)?;
        ensure_within("noise", self.noise, 0.0..=1.0)?;
        let mut rng = rng.split(DEPTH).split(picture as u64);
        let (width, height) = (made.scene.width, made.scene.height);
        let truth = &made.depth[picture * width * height..(picture + 1) * width * height];
        let count = truth.iter().filter(|z| **z > 0.0).count();
        let mean = truth.iter().map(|z| f64::from(*z)).sum::<f64>() / count.max(1) as f64;
        let scale = (self.scale.ln() * rng.range(-1.0, 1.0)).exp();
        let shift = self.shift * mean * rng.uniform();
        let quarter = std::f64::consts::FRAC_PI_2;
        let wave = [rng.range(-quarter, quarter), rng.range(-quarter, quarter), rng.range(0.0, 4.0 * quarter)];
        let values = truth.iter().enumerate().map(|(p, z)| {
            let noise = self.noise * rng.normal();
            // From -1 to 1 over the picture.
            let x = 2.0 * ((p % width) as f64 + 0.5) / width as f64 - 1.0;
            let y = 2.0 * ((p / width) as f64 + 0.5) / height as f64 - 1.0;
            let bend = self.bend * (wave[0] * x + wave[1] * y + wave[2]).sin();
            if *z > 0.0 { (scale * (f64::from(*z) + shift) * (bend + noise).exp()) as f32 } else { 0.0 }
        });
        let depth = Depth { width, height, values: values.collect() };
        Ok(DepthStandIn { depth, scale, shift: scale * shift })
    }
}

/// How an estimated flow differs from the true one: by normal noise, and by shifts to places anywhere in the other picture. What is seen stays exact.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FlowFaults {
    /// Standard deviation of the noise to the right and down, in pixels, from 0 to 1000.
    pub noise: f64,
    /// Share of pixels that are sent anywhere, from 0 to 1.
    pub outliers: f64,
}

impl Default for FlowFaults {
    fn default() -> Self {
        Self { noise: 1.0, outliers: 0.05 }
    }
}

/// An estimated flow, and where it is entirely wrong.
#[derive(Debug, Clone, PartialEq)]
pub struct FlowStandIn {
    /// The estimate.
    pub flow: Flow,
    /// Pixels that were sent anywhere, `[H, W]`.
    pub is_outlier: Vec<bool>,
}

impl FlowFaults {
    /// The flow from picture `from` to picture `to` with these faults; zero where there is nothing.
    ///
    /// # Errors
    /// [`Error::Setting`](elbo_core::Error::Setting) for faults out of their range.
    ///
    /// # Panics
    /// When there is no such picture.
    pub fn of(&self, made: &Made, from: usize, to: usize, rng: &Rng) -> Result<FlowStandIn> {
        ensure_within("noise", self.noise, 0.0..=1000.0)?;
        ensure_within("outliers", self.outliers, 0.0..=1.0)?;
        let mut rng = pair(rng, FLOW, from, to);
        let mut flow = made.flow(from, to);
        let (width, area) = (flow.width, flow.width * flow.height);
        let mut is_outlier = vec![false; area];
        for p in (0..area).filter(|p| made.depth[from * area + p] > 0.0) {
            is_outlier[p] = rng.uniform() < self.outliers;
            let shift = if is_outlier[p] {
                let at = [(p % width) as f64 + 0.5, (p / width) as f64 + 0.5];
                [rng.range(0.0, width as f64) - at[0], rng.range(0.0, flow.height as f64) - at[1]]
            } else {
                let exact = [f64::from(flow.shift[p]), f64::from(flow.shift[area + p])];
                exact.map(|s| s + self.noise * rng.normal())
            };
            (flow.shift[p], flow.shift[area + p]) = (shift[0] as f32, shift[1] as f32);
        }
        Ok(FlowStandIn { flow, is_outlier })
    }
}

/// How the points of a model of pairs of pictures differ from the true ones: by noise along the rays, of which the confidence tells how large it may be, and by one
/// factor for each pair.
///
/// Each depth is multiplied by $e^{\nu m \varepsilon}$ with $\varepsilon$ standard normal and $\log m$ uniform on $[-\log 2, \log 2]$, each on its own for every pixel; the
/// confidence is $1/m$. The factor of the pair is $e^{\sigma \varepsilon}$.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PointFaults {
    /// Standard deviation of the noise over the depth where the confidence is one, $\nu$, from 0 to 1.
    pub noise: f64,
    /// Standard deviation of the logarithm of the pair's factor, $\sigma$, from 0 to 10.
    pub spread: f64,
}

impl Default for PointFaults {
    fn default() -> Self {
        Self { noise: 0.02, spread: 0.5 }
    }
}

/// Estimated points of a pair of pictures, and their factor.
#[derive(Debug, Clone, PartialEq)]
pub struct PointStandIn {
    /// The points that the first picture shows, and those of the second, both in the coordinates of the first camera.
    pub maps: [Pointmap; 2],
    /// What the true points were multiplied by.
    pub scale: f64,
}

impl PointFaults {
    /// The points of pictures `first` and `second` with these faults; a confidence of zero where there is nothing.
    ///
    /// # Errors
    /// [`Error::Setting`](elbo_core::Error::Setting) for faults out of their range.
    ///
    /// # Panics
    /// When there is no such picture.
    pub fn of(&self, made: &Made, first: usize, second: usize, rng: &Rng) -> Result<PointStandIn> {
        ensure_within("noise", self.noise, 0.0..=1.0)?;
        ensure_within("spread", self.spread, 0.0..=10.0)?;
        let mut rng = pair(rng, POINTS, first, second);
        let scale = (self.spread * rng.normal()).exp();
        let maps = [first, second].map(|picture| self.map(made, picture, first, scale, &mut rng));
        Ok(PointStandIn { maps, scale })
    }

    /// The points of one picture in the coordinates of camera `first`.
    fn map(&self, made: &Made, picture: usize, first: usize, scale: f64, rng: &mut Rng) -> Pointmap {
        let (width, height) = (made.scene.width, made.scene.height);
        let area = width * height;
        let (camera, reference) = (&made.scene.cameras[picture], &made.scene.cameras[first]);
        let mut map = Pointmap { width, height, points: vec![0.0; 3 * area], confidence: vec![0.0; area] };
        for p in (0..area).filter(|p| made.depth[picture * area + p] > 0.0) {
            let more = (std::f64::consts::LN_2 * rng.range(-1.0, 1.0)).exp();
            let z = f64::from(made.depth[picture * area + p]) * (self.noise * more * rng.normal()).exp();
            let world = unprojected(camera, (p % width) as f64 + 0.5, (p / width) as f64 + 0.5, z);
            let point = reference.to_camera(world);
            (0..3).for_each(|k| map.points[3 * p + k] = (scale * point[k]) as f32);
            map.confidence[p] = (1.0 / more) as f32;
        }
        map
    }
}

/// The generator of a pair of pictures.
fn pair(rng: &Rng, kind: u64, first: usize, second: usize) -> Rng {
    rng.split(kind).split(first as u64).split(second as u64)
}
