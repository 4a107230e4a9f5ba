//! How a user's picture was degraded, as settings.

use super::measured::{Measure, Uncertainty};
use super::scan::Scan;
use crate::operator::{Blur, Boundary, Clip, Grey, Haze, Mask, Operator, Shadow, Shrink};
use elbo_core::{Data, Error, Result, Rng, ensure, ensure_within, half_open};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What was done to a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OperatorName {
    /// Pixels are missing.
    #[default]
    Inpaint,
    /// Only noise was added.
    Denoise,
    /// It was blurred by a Gaussian.
    #[serde(alias = "deblur")]
    Blur,
    /// It was made smaller.
    #[serde(alias = "super-resolution")]
    SuperResolution,
    /// Its colours were taken away.
    #[serde(alias = "colourise")]
    Colour,
    /// It was brightened until parts became white.
    #[serde(alias = "hdr")]
    Overexposed,
    /// Rays went through it, and only what each of them met is known: tomography.
    #[serde(alias = "tomography")]
    Radon,
    /// It was seen through haze.
    #[serde(alias = "dehaze")]
    Haze,
}

/// Which pixels are missing.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum MaskConfig {
    /// Those that are black (zero) in the array `mask` of the data, of the same height and width.
    #[default]
    Given,
    /// Those of exactly this value in every channel, as a share from black (0) to white (1).
    Value {
        /// The value.
        value: f64,
    },
    /// Those of a box.
    Box {
        /// First column, from 0.
        left: usize,
        /// First row, from 0.
        top: usize,
        /// Columns.
        width: usize,
        /// Rows.
        height: usize,
    },
    /// A random share, the same for every picture: for trying things out.
    Random {
        /// Share of the pixels.
        #[serde(default = "half")]
        hidden: f64,
    },
}

fn half() -> f64 {
    0.5
}

/// A degradation: the settings that say how a measurement was made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Degradation {
    /// What was done: inpaint, denoise, blur, super_resolution, colour, overexposed, radon or haze.
    pub operator: OperatorName,
    /// Which pixels are missing, for inpaint: given (an array `mask`), or `{type="box", ...}`, `{type="value", ...}`, random.
    #[serde(deserialize_with = "elbo_core::named::deserialize")]
    pub mask: MaskConfig,
    /// Standard deviation of the blur, in pixels.
    pub blur: f64,
    /// The kernel of a blur in place of a Gaussian, rows of an odd square, divided by its sum and convolved with the picture; an array `kernel`
    /// beside the picture does the same.
    pub kernel: Vec<Vec<f64>>,
    /// What a blur takes for the outside: zero or circular.
    pub boundary: Boundary,
    /// How many times smaller the picture was made.
    pub factor: usize,
    /// How many times brighter it was made.
    pub gain: f64,
    /// The rays of radon.
    #[serde(flatten)]
    pub scan: Scan,
    /// haze: the share of a picture's light that comes through, above 0 and up to 1; an array `transmission` of the picture's height and width
    /// goes before it.
    pub transmission: f64,
    /// haze: the light between, as a share of white; one for all channels or one each.
    pub light: Vec<f64>,
    /// Standard deviation of the noise, as a share of the range from black to white; of rows, in standard deviations.
    pub noise: f64,
    /// Counts of white in a measurement of counts, whose noise is Poisson's, in place of `noise`; 0 for none.
    pub counts: f64,
}

impl Default for Degradation {
    fn default() -> Self {
        Self {
            operator: OperatorName::Inpaint,
            mask: MaskConfig::Given,
            blur: 1.0,
            kernel: vec![],
            boundary: Boundary::Zero,
            factor: 2,
            gain: 2.0,
            scan: Scan::default(),
            transmission: 0.5,
            light: vec![1.0],
            noise: 0.01,
            counts: 0.0,
        }
    }
}

impl Degradation {
    /// Checks ranges.
    ///
    /// # Errors
    /// [`Error::Setting`].
    pub fn check(&self) -> Result<()> {
        ensure_within("blur", self.blur, half_open(0.0, 1000.0))?;
        ensure_within("factor", self.factor, 1..)?;
        ensure("gain", self.gain, self.gain > 0.0 && self.gain.is_finite(), "above 0")?;
        if !self.kernel.is_empty() {
            let side = self.kernel.len();
            let is_square = self.kernel.iter().all(|row| row.len() == side);
            ensure("kernel", format!("{side} rows"), is_square, "as many numbers in each row as there are rows")?;
            normalised(&self.kernel.concat())?;
        }
        self.scan.check()?;
        ensure_within("transmission", self.transmission, half_open(0.0, 1.0))?;
        ensure("light", "none", !self.light.is_empty(), "one share of white, or one for each channel")?;
        self.light.iter().try_for_each(|share| ensure_within("light", *share, 0.0..=1.0))?;
        ensure_within("noise", self.noise, 0.0..)?;
        let is_count = self.counts == 0.0 || (0.001..=1e15).contains(&self.counts);
        ensure("counts", self.counts, is_count, "0 for none, or from 0.001 to 1e15")
    }

    /// The same with what stands beside the measurement: the geometry of rays.
    ///
    /// # Errors
    /// [`Error::Data`] where an array cannot be used, [`Error::Setting`] where it is out of range.
    pub(super) fn with_arrays(&self, data: &Data) -> Result<Self> {
        let scan = if self.operator == OperatorName::Radon { self.scan.with_arrays(data)? } else { self.scan.clone() };
        Ok(Self { scan, ..self.clone() })
    }

    /// Whether an array of this name says how the measurement was made, and is none.
    pub(super) fn is_beside(&self, name: &str) -> bool {
        match self.operator {
            _ if name == "mask" => true,
            OperatorName::Radon => Scan::NAMES.contains(&name),
            OperatorName::Haze => name == "transmission",
            OperatorName::Blur => name == "kernel",
            _ => false,
        }
    }

    /// The noise, where the user's unit is so many of the model's.
    pub(super) fn uncertainty(&self, unit: f64) -> Uncertainty {
        if self.counts > 0.0 { Uncertainty::Counts(self.counts) } else { Uncertainty::Even(unit * self.noise) }
    }

    /// The largest number, in size, that is measured of pictures from -1 to 1, where black and white are not what their names say: a blur may have
    /// negative weights, and darkens edges. `None` where a brighter picture gives no smaller number anywhere.
    ///
    /// # Errors
    /// As [`Degradation::measures`].
    pub(super) fn bound(&self, data: &Data) -> Result<Option<f64>> {
        if self.operator != OperatorName::Blur {
            return Ok(None);
        }
        let size = |(kernel, _): (Vec<f64>, usize)| kernel.iter().map(|k| k.abs()).sum::<f64>();
        // A Gaussian's weights are positive.
        Ok(Some(self.given_kernel(data)?.map_or(1.0, size)))
    }

    /// Shape of what is measured of data points of this shape.
    ///
    /// # Errors
    /// [`Error::Setting`] for a factor that does not fit, [`Error::Data`] for an operator of pictures with rows of numbers.
    pub fn measured(&self, shape: &[usize]) -> Result<Vec<usize>> {
        Ok(match self.operator {
            OperatorName::SuperResolution => Shrink::new(picture(shape)?, self.factor)?.small().to_vec(),
            OperatorName::Colour => {
                let [c, h, w] = picture(shape)?;
                Grey::new([c, h, w])?;
                vec![1, h, w]
            }
            OperatorName::Radon => {
                let [c, h, w] = picture(shape)?;
                let [angles, detectors] = self.scan.size([h, w])?;
                vec![c, angles, detectors]
            }
            _ => shape.to_vec(),
        })
    }

    /// The operators of `rows` measurements, one for all or one each, and the numbers of them that are measured. `values: [N, ...]` are
    /// the pictures as given, from -1 to 1.
    ///
    /// # Errors
    /// As [`Degradation::measured`], and [`Error::Data`] when no mask was given, it or the transmissions have another size, it hides everything, or
    /// no pixel has the value of missing ones.
    pub(super) fn measures(&self, shape: &[usize], values: &[f64], data: &Data, rng: &mut Rng) -> Result<Vec<Measure>> {
        let size: usize = shape.iter().product();
        let one = |measure: Measure| Ok(vec![measure]);
        match self.operator {
            OperatorName::Denoise => one(Measure::plain(Mask::new(&vec![true; size])?)),
            OperatorName::Blur => one(Measure::plain(self.blurred(picture(shape)?, data)?)),
            OperatorName::SuperResolution => one(Measure::plain(Shrink::new(picture(shape)?, self.factor)?)),
            OperatorName::Colour => one(Measure::plain(Grey::new(picture(shape)?)?)),
            // Black stays black: the gain is that of shares of white, x -> gain (x + 1) - 1.
            OperatorName::Overexposed => one(Measure::plain(Bright { clip: Clip::new(size, self.gain, (0.0, 2.0))? })),
            OperatorName::Radon => {
                let [c, h, w] = picture(shape)?;
                one(Measure::affine(Shadow::new([c, h, w], self.scan.rays([h, w])?)))
            }
            OperatorName::Haze => self.hazes(picture(shape)?, values.len() / size, data),
            OperatorName::Inpaint => self.masks(shape, values, data, rng),
        }
    }

    /// The kernel of the settings or of the data, with the sum one, and its side.
    fn given_kernel(&self, data: &Data) -> Result<Option<(Vec<f64>, usize)>> {
        let set = match self.kernel.len() {
            0 => None,
            side => Some((normalised(&self.kernel.concat())?, side)),
        };
        let Some((_, array)) = data.arrays.iter().find(|(name, _)| name == "kernel") else { return Ok(set) };
        let (&[side, across], Some(cells)) = (array.shape.as_slice(), array.to_f64()) else {
            return Err(Error::data(
                format!("the array `kernel` has the shape {:?}", array.shape),
                "give a square of numbers with an odd side",
            ));
        };
        ensure("kernel", format!("{side} x {across} numbers"), side == across, "a square")?;
        let beside = Some((normalised(&cells)?, side));
        if set.is_some() && set != beside {
            return Err(Error::data(
                "the array `kernel` beside the measurement cannot be used: the setting says something else",
                "leave the setting out, or give the array's numbers there, up to a common factor",
            ));
        }
        Ok(beside)
    }

    /// The blur: by the kernel that is given, or by a Gaussian.
    fn blurred(&self, shape: [usize; 3], data: &Data) -> Result<Blur> {
        match self.given_kernel(data)? {
            Some((kernel, side)) => Blur::new(shape, &kernel, side, self.boundary),
            None => Blur::gaussian(shape, self.blur, self.boundary),
        }
    }

    /// Haze in front of `rows` pictures, by one map of transmissions or one each.
    fn hazes(&self, shape: [usize; 3], rows: usize, data: &Data) -> Result<Vec<Measure>> {
        let [c, h, w] = shape;
        let fits = self.light.len() == 1 || self.light.len() == c;
        ensure("light", format!("{} shares", self.light.len()), fits, format!("one, or one for each of {c} channels"))?;
        let light: Vec<f64> = (0..c).map(|k| 2.0 * self.light[k % self.light.len()] - 1.0).collect();
        let one = |map: &[f64]| -> Result<Measure> { Ok(Measure::affine(Haze::new(map, &light)?)) };
        let Some((_, array)) = data.arrays.iter().find(|(name, _)| name == "transmission") else {
            return Ok(vec![one(&vec![self.transmission; h * w])?]);
        };
        let cells = array.to_f64().and_then(|cells| mask_cells(&cells, &array.shape, &shape));
        let Some(cells) = cells.filter(|map| map.len() == h * w || map.len() == h * w * rows) else {
            return Err(Error::data(
                format!("the transmissions have the shape {:?}, the model's data points {shape:?}", array.shape),
                "give a map of the same height and width",
            ));
        };
        cells.chunks_exact(h * w).map(one).collect()
    }

    fn masks(&self, shape: &[usize], values: &[f64], data: &Data, rng: &mut Rng) -> Result<Vec<Measure>> {
        let size: usize = shape.iter().product();
        let channels = if shape.len() == 3 { shape[0] } else { 1 };
        let area = size / channels;
        let boxed = |seen: &[bool]| -> Result<Measure> { Ok(Measure::plain(Mask::new(seen)?)) };
        match &self.mask {
            MaskConfig::Given => {
                let Some((_, array)) = data.arrays.iter().find(|(name, _)| name == "mask") else {
                    return Err(Error::data(
                        "nothing says which pixels are missing",
                        "give a picture that is black there with --mask, an array `mask`, or --set 'mask={type=\"box\", left=8, top=8, \
                         width=6, height=6}'; --set mask=random for a try with simulate=true",
                    ));
                };
                let cells = array
                    .to_f64()
                    .ok_or_else(|| Error::data("the mask holds text", "give numbers; zero is missing"))?;
                // One mask for all, or one each; channels of a mask agree with its first.
                let fitting = mask_cells(&cells, &array.shape, shape)
                    .filter(|c| c.len() == area || c.len() == area * (values.len() / size));
                let Some(cells) = fitting else {
                    return Err(Error::data(
                        format!("the mask has the shape {:?}, the model's data points {shape:?}", array.shape),
                        "give a mask of the same height and width",
                    ));
                };
                cells
                    .chunks_exact(area)
                    .map(|m| boxed(&m.iter().map(|v| *v != 0.0).collect::<Vec<_>>().repeat(channels)))
                    .collect()
            }
            MaskConfig::Value { value } => {
                // Half a step of bytes around the value.
                let is_missing = |v: f64| (0.5 * (v + 1.0) - value).abs() < 0.5 / 255.0;
                let each = values.chunks_exact(size).map(|row| {
                    let seen: Vec<bool> =
                        (0..area).map(|i| (0..channels).any(|c| !is_missing(row[c * area + i]))).collect();
                    if seen.iter().all(|s| *s) {
                        return Err(Error::data(
                            format!("no pixel has the value {value}, so nothing is missing"),
                            "give the value of missing pixels as a share from black (0) to white (1)",
                        ));
                    }
                    boxed(&seen.repeat(channels))
                });
                each.collect()
            }
            MaskConfig::Box { left, top, width, height } => {
                let [_, h, w] = picture(shape)?;
                // By differences, which no setting can make too large.
                let fits_in =
                    |start: usize, length: usize, side: usize| (1..=side).contains(&length) && start <= side - length;
                let fits = fits_in(*left, *width, w) && fits_in(*top, *height, h);
                ensure(
                    "mask",
                    format!("a box of {width} x {height} at column {left}, row {top}"),
                    fits,
                    format!("a box within {w} x {h} pixels"),
                )?;
                let is_seen = |i: usize| {
                    let (y, x) = (i / w, i % w);
                    !(y >= *top && y < top + height && x >= *left && x < left + width)
                };
                Ok(vec![boxed(&(0..area).map(is_seen).collect::<Vec<_>>().repeat(channels))?])
            }
            MaskConfig::Random { hidden } => Ok(vec![Measure::plain(Mask::random([channels, 1, area], *hidden, rng)?)]),
        }
    }
}

/// The first channel of each mask `found` for data points of this shape, whichever end the channels are at; `None` for another height
/// or width. Pixels in the columns of a table have theirs in one row.
fn mask_cells(cells: &[f64], found: &[usize], shape: &[usize]) -> Option<Vec<f64>> {
    let &[_, h, w] = shape else { return Some(cells.to_vec()) };
    match *found {
        [_, y, x, c] if [y, x] == [h, w] => Some(cells.iter().step_by(c.max(1)).copied().collect()),
        [_, c, y, x] if [y, x] == [h, w] => {
            Some(cells.chunks_exact(c.max(1) * h * w).flat_map(|mask| &mask[..h * w]).copied().collect())
        }
        [_, y, x] | [y, x] if [y, x] == [h, w] => Some(cells.to_vec()),
        [_, row] | [row] if row == h * w => Some(cells.to_vec()),
        _ => None,
    }
}

/// A kernel with the sum one.
fn normalised(kernel: &[f64]) -> Result<Vec<f64>> {
    let sum: f64 = kernel.iter().sum();
    let side = kernel.len().isqrt();
    let holds = sum > 0.0 && sum.is_finite() && side * side == kernel.len() && side % 2 == 1;
    ensure(
        "kernel",
        format!("{} numbers with the sum {sum}", kernel.len()),
        holds,
        "a square of an odd side with a sum above 0",
    )?;
    Ok(kernel.iter().map(|v| v / sum).collect())
}

fn picture(shape: &[usize]) -> Result<[usize; 3]> {
    shape.try_into().map_err(|_| {
        Error::data(
            "the model's data points are rows of numbers, which only `inpaint` and `denoise` restore",
            "fit a model to pictures",
        )
    })
}

/// Shares of white multiplied and cut off, on values from -1 (black) to 1.
struct Bright {
    clip: Clip,
}

impl Operator for Bright {
    fn input(&self) -> usize {
        self.clip.input()
    }

    fn output(&self) -> usize {
        self.clip.output()
    }

    fn apply(&self, x: &[f64]) -> Vec<f64> {
        let shares: Vec<f64> = x.iter().map(|v| v + 1.0).collect();
        self.clip.apply(&shares).iter().map(|v| v - 1.0).collect()
    }

    fn pullback(&self, x: &[f64], v: &[f64]) -> Vec<f64> {
        let shares: Vec<f64> = x.iter().map(|v| v + 1.0).collect();
        self.clip.pullback(&shares, v)
    }

    fn is_linear(&self) -> bool {
        false
    }
}
