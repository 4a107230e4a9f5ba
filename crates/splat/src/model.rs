//! The model of a fitted scene: what it saves, shows and renders.

use crate::camera::Camera;
use crate::file::Stored;
use crate::fit::{Fitted, Settings, Strategy, to_bytes};
use crate::gaussians::{Gaussians, sigmoid};
use crate::optimise::{get, put};
use crate::project::Options;
use crate::refinement::{self, Refinement};
use crate::render::render;
use crate::scene::{Orbit, Scene, interleaved};
use elbo_core::{
    Array, Data, Error, Figure, FromData, Model, ModelFile, Render, Result, Run, Summary, Table, Values, Views, ensure,
    ensure_within,
};
use serde::Serialize;

/// Gaussians, and how to look at them.
#[derive(Debug, Clone)]
pub struct SplatModel {
    gaussians: Gaussians<f32>,
    config: serde_json::Value,
    look: Look,
    summary: Summary,
    refinements: Vec<Refinement>,
}

/// How pictures of a model are made.
#[derive(Debug, Clone, PartialEq, Serialize, serde::Deserialize)]
struct Look {
    background: [f32; 3],
    antialias: bool,
    near: f32,
    orbit: Orbit,
}

impl Look {
    /// Whether pictures of a fair size can be drawn so.
    fn is_usable(&self) -> bool {
        let o = &self.orbit;
        let mut numbers = o.target.iter().chain(&o.up).chain([&o.distance, &o.angle]);
        o.size.iter().all(|side| (1..=16_384).contains(side))
            && o.rise.abs() <= 1.0
            && self.near >= 0.0
            && self.near.is_finite()
            && numbers.all(|v| v.is_finite())
    }
}

/// Prefix of the Gaussians' arrays in a model file.
const GAUSSIANS: &str = "gaussians";
/// Name of the array of refinements in a model file.
const REFINEMENTS: &str = "refinements";

/// Most bytes that the pictures of one call may take.
const MOST_BYTES: usize = 16 << 30;

impl SplatModel {
    /// Fits a scene.
    ///
    /// # Errors
    /// As [`crate::fit::fit`].
    pub fn fit(
        settings: &Settings,
        strategy: &Strategy,
        config: &impl Serialize,
        scene: Scene,
        run: &mut Run,
    ) -> Result<Self> {
        let fitted = crate::fit::fit(settings, strategy, scene, run)?;
        let look = Look {
            background: settings.background.colour(),
            antialias: settings.antialias,
            near: (settings.near * fitted.extent) as f32,
            orbit: fitted.orbit,
        };
        Ok(Self {
            summary: summarise(&fitted),
            gaussians: fitted.gaussians,
            refinements: fitted.refinements,
            config: serde_json::to_value(config).expect("settings are plain data"),
            look,
        })
    }

    /// Gaussians from elsewhere, such as a PLY file, seen from a circle around them.
    pub fn of(stored: Stored) -> Self {
        let Stored { gaussians, antialias } = stored;
        let orbit = around(&gaussians);
        let summary = Summary { text: format!("{} Gaussians from a file.", gaussians.len()), ..Summary::default() };
        let look = Look { background: [0.0; 3], antialias, near: (0.01 * orbit.distance) as f32, orbit };
        Self { gaussians, config: serde_json::Value::Null, look, summary, refinements: vec![] }
    }

    /// Rebuilds a model from its file.
    ///
    /// # Errors
    /// [`Error::ModelFile`] when something is missing or cannot be used.
    pub fn load(file: &ModelFile) -> Result<Self> {
        let look: Look = file.fact("look")?;
        if !look.is_usable() {
            return Err(Error::model_file(
                "the file's cameras cannot be used",
                "fit the model again with this version",
            ));
        }
        // Models of earlier versions do not know how their number came about.
        let has_refinements = file.names().any(|name| name == REFINEMENTS);
        Ok(Self {
            refinements: if has_refinements { refinement::get(file, REFINEMENTS)? } else { vec![] },
            gaussians: get(file, GAUSSIANS)?,
            config: file.fact("config")?,
            look,
            summary: file.fact("summary")?,
        })
    }

    /// What goes into a file for other programs: the Gaussians, in the scene's own coordinates.
    pub fn stored(&self) -> Stored {
        Stored { gaussians: self.gaussians.clone(), antialias: self.look.antialias }
    }

    /// How pictures of this model are made.
    pub fn options(&self) -> Options<f32> {
        Options {
            background: self.look.background,
            degree: self.gaussians.degree,
            near: self.look.near,
            antialias: self.look.antialias,
            ..Options::default()
        }
    }
}

fn summarise(fitted: &Fitted) -> Summary {
    let g = &fitted.gaussians;
    let mut metrics = vec![("gaussians".to_owned(), g.len() as f64), ("extent".to_owned(), fitted.extent)];
    if let Some(held) = &fitted.held {
        metrics.extend([
            ("psnr".to_owned(), held.psnr),
            ("psnr_8bit".to_owned(), held.psnr_8bit),
            ("ssim".to_owned(), held.ssim),
            ("percep".to_owned(), held.percep),
            ("pictures_kept_back".to_owned(), held.pictures as f64),
        ]);
        // Distances by different networks are not comparable, so the name says which.
        metrics.extend(held.lpips.map(|(network, distance)| (format!("lpips_{network}"), distance)));
    }
    metrics.push(("psnr_fitted".into(), fitted.training.psnr));
    metrics.push(("ssim_fitted".into(), fitted.training.ssim));
    metrics.push(("percep_fitted".into(), fitted.training.percep));
    let opaque = g.opacity.iter().filter(|a| sigmoid(f64::from(**a)) > 0.5).count();
    metrics.push(("opaque_share".into(), opaque as f64 / g.len().max(1) as f64));
    metrics.push(("refinements".into(), fitted.refinements.len() as f64));
    metrics.extend(fitted.counts.named().map(|(name, count)| (name.to_owned(), count as f64)));
    let quality = match &fitted.held {
        Some(held) => format!(
            "{:.2} dB and a similarity of {:.3} on {} pictures that were kept back",
            held.psnr, held.ssim, held.pictures
        ),
        None => format!("{:.2} dB on the pictures it was fitted to", fitted.training.psnr),
    };
    Summary {
        objective: Some(("loss".into(), fitted.loss)),
        metrics,
        text: format!("A scene of {} Gaussians: {quality}.", g.len()),
        ..Summary::default()
    }
}

/// A circle around Gaussians whose cameras are unknown: three standard deviations away, with z upwards.
fn around(g: &Gaussians<f32>) -> Orbit {
    let n = g.len().max(1) as f64;
    let (mut target, mut square) = ([0.0; 3], 0.0);
    for x in g.mean.chunks_exact(3) {
        (0..3).for_each(|k| target[k] += f64::from(x[k]) / n);
    }
    for x in g.mean.chunks_exact(3) {
        square += (0..3).map(|k| (f64::from(x[k]) - target[k]).powi(2)).sum::<f64>() / n;
    }
    let distance = if square > 0.0 { 3.0 * square.sqrt() } else { 1.0 };
    Orbit { target, up: [0.0, 0.0, 1.0], distance, rise: 0.4, angle: 0.8, size: [512, 512] }
}

impl Model for SplatModel {
    fn save(&self, file: &mut ModelFile) -> Result<()> {
        put(file, GAUSSIANS, &self.gaussians);
        file.set("config", &self.config);
        file.set("look", &self.look);
        file.set("summary", &self.summary);
        refinement::put(file, REFINEMENTS, &self.refinements);
        Ok(())
    }

    fn summary(&self) -> Summary {
        self.summary.clone()
    }

    fn figures(&self) -> Vec<Figure> {
        refinement::figures(&self.refinements)
    }

    fn tables(&self) -> Vec<Table> {
        if self.refinements.is_empty() { vec![] } else { vec![refinement::table(&self.refinements)] }
    }

    fn as_render(&self) -> Option<&dyn Render> {
        Some(self)
    }
}

impl Render for SplatModel {
    /// `image` of bytes `[N, H, W, 3]`, and `depth` `[N, H, W]` in the scene's unit, zero where nothing is.
    fn render(&self, views: &Views, run: &mut Run) -> Result<Data> {
        let cameras: Vec<Camera<f64>> = match views {
            Views::Orbit { count, size } => {
                ensure_within("orbit", *count, 1..=100_000)?;
                if let Some([w, h]) = size {
                    let is_fair = (8..=16_384).contains(w) && (8..=16_384).contains(h);
                    ensure("size", format!("{w}x{h}"), is_fair, "8 to 16384 pixels a side")?;
                }
                self.look.orbit.cameras(*count, *size)
            }
            Views::Data(data) => Scene::from_data(data)?.cameras,
        };
        let [w, h] = [cameras[0].width, cameras[0].height];
        // Three bytes and a depth a pixel, all kept until they are written.
        if cameras.len().saturating_mul(7 * w * h) > MOST_BYTES {
            return Err(Error::data(
                format!("{} pictures of {w} x {h} pixels take more than 16 GiB", cameras.len()),
                "ask for fewer or smaller ones",
            ));
        }
        let options = self.options();
        let (mut image, mut depth) = (vec![], vec![]);
        for camera in &cameras {
            if run.must_stop() {
                return Err(Error::Stopped);
            }
            let made = render(&self.gaussians, &camera.cast(), &options)?;
            image.extend(interleaved(&to_bytes(&made.colour)));
            depth.extend(made.depth.iter().zip(&made.alpha).map(|(d, a)| if *a > 0.5 { d / a } else { 0.0 }));
        }
        let n = cameras.len();
        let arrays = vec![
            ("image".to_owned(), Array { shape: vec![n, h, w, 3], values: Values::U8(image) }),
            ("depth".to_owned(), Array { shape: vec![n, h, w], values: Values::F32(depth) }),
        ];
        Ok(Data { source: "rendered".into(), arrays, ..Data::default() })
    }
}
