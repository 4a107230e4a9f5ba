//! How rays went through a picture: settings, and arrays beside a sinogram.

use crate::operator::{Fan, Parallel, Rays};
use elbo_core::{Array, Data, Error, Result, ensure, ensure_within};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Most rays times sides of a picture: a ray meets about as many pixels as the picture has rows and columns.
const MOST_ENTRIES: usize = 1 << 28;

/// Rays through a picture, as settings. Arrays of the same names beside a sinogram go before them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Scan {
    /// radon: how many angles where `angles` names none, evenly over half a turn, or over a whole one of a fan.
    pub views: usize,
    /// radon: the angles in degrees, in the order of the sinogram's rows.
    pub angles: Vec<f64>,
    /// radon: rays an angle; 0 for as many as cover the picture's diagonal.
    pub detectors: usize,
    /// radon: pixels between detectors.
    pub spacing: f64,
    /// radon: pixels from the source of a fan to the picture's centre, and from there to the detectors; empty for parallel rays.
    pub fan: Vec<f64>,
}

impl Default for Scan {
    fn default() -> Self {
        Self { views: 45, angles: vec![], detectors: 0, spacing: 1.0, fan: vec![] }
    }
}

impl Scan {
    /// The names of the arrays.
    pub(super) const NAMES: [&str; 4] = ["angles", "detectors", "spacing", "fan"];

    /// Checks ranges.
    ///
    /// # Errors
    /// [`Error::Setting`].
    pub fn check(&self) -> Result<()> {
        ensure_within("views", self.views, 1..=100_000)?;
        let is_finite = self.angles.iter().all(|a| a.is_finite());
        ensure("angles", format!("{:?}", self.angles), is_finite, "finite numbers, in degrees")?;
        ensure_within("detectors", self.detectors, 0..=100_000)?;
        ensure("spacing", self.spacing, self.spacing > 0.0 && self.spacing.is_finite(), "above 0")?;
        let is_fan = match self.fan.as_slice() {
            [] => true,
            [source, detector] => *source > 0.0 && source.is_finite() && (0.0..f64::INFINITY).contains(detector),
            _ => false,
        };
        ensure(
            "fan",
            format!("{:?}", self.fan),
            is_fan,
            "empty, or two lengths: above 0 from the source to the centre, at least 0 from there to the detectors",
        )
    }

    /// The same with the geometry that stands beside a sinogram.
    ///
    /// # Errors
    /// [`Error::Data`] where an array has another form, or differs from a setting that was given; [`Error::Setting`] as [`Scan::check`].
    pub(super) fn with_arrays(&self, data: &Data) -> Result<Self> {
        let (mut scan, plain) = (self.clone(), Self::default());
        let found = |name: &str| -> Result<Option<Vec<f64>>> {
            let Some((_, array)) = data.arrays.iter().find(|(n, _)| n == name) else { return Ok(None) };
            array.to_f64().map(Some).ok_or_else(|| wrong(name, "it holds text"))
        };
        let agrees = |name: &str, set: &[f64], default: &[f64], found: &[f64]| {
            if set == default || set == found { Ok(()) } else { Err(wrong(name, "the setting says something else")) }
        };
        if let Some(angles) = found("angles")? {
            agrees("angles", &self.angles, &plain.angles, &angles)?;
            scan.angles = angles;
        }
        if let Some(fan) = found("fan")? {
            agrees("fan", &self.fan, &plain.fan, &fan)?;
            scan.fan = fan;
        }
        if let Some(spacing) = found("spacing")? {
            agrees("spacing", &[self.spacing], &[plain.spacing], &spacing)?;
            let &[one] = spacing.as_slice() else { return Err(wrong("spacing", "it is not one number")) };
            scan.spacing = one;
        }
        if let Some(detectors) = found("detectors")? {
            agrees("detectors", &[self.detectors as f64], &[plain.detectors as f64], &detectors)?;
            let count = match detectors.as_slice() {
                [one] if one.fract() == 0.0 && (1.0..=1e5).contains(one) => *one as usize,
                _ => return Err(wrong("detectors", "it is not one whole number from 1 to 100,000")),
            };
            scan.detectors = count;
        }
        scan.check()?;
        Ok(scan)
    }

    /// The geometry as arrays beside the sinogram of a picture of this height and width.
    ///
    /// # Errors
    /// As [`Scan::rays`].
    pub(super) fn to_arrays(&self, size: [usize; 2]) -> Result<Vec<(String, Array)>> {
        let angles = self.all_angles();
        let one = |value: f64| Array::new(&[1], vec![value]);
        let mut arrays = vec![
            ("angles".to_owned(), Array::new(&[angles.len()], angles)),
            ("detectors".to_owned(), one(self.all_detectors(size)? as f64)),
            ("spacing".to_owned(), one(self.spacing)),
        ];
        if !self.fan.is_empty() {
            arrays.push(("fan".to_owned(), Array::new(&[self.fan.len()], self.fan.clone())));
        }
        Ok(arrays)
    }

    /// The angles in degrees.
    fn all_angles(&self) -> Vec<f64> {
        if !self.angles.is_empty() {
            return self.angles.clone();
        }
        let turn = if self.fan.is_empty() { 180.0 } else { 360.0 };
        (0..self.views).map(|i| turn * i as f64 / self.views as f64).collect()
    }

    /// Rays an angle.
    fn all_detectors(&self, [h, w]: [usize; 2]) -> Result<usize> {
        if self.detectors > 0 {
            return Ok(self.detectors);
        }
        let diagonal = (h as f64).hypot(w as f64);
        let shadow = match self.fan.as_slice() {
            &[source, detector] => {
                let radius = 0.5 * diagonal;
                ensure(
                    "fan",
                    format!("a source {source} pixels from the centre"),
                    source > radius,
                    format!("a source outside of the picture, beyond {radius:.1}, or a number of `detectors`"),
                )?;
                2.0 * (source + detector) * (radius / source).asin().tan()
            }
            _ => diagonal,
        };
        let count = (shadow / self.spacing).ceil().max(1.0);
        ensure("spacing", self.spacing, count <= 1e5, "a spacing that needs at most 100,000 detectors")?;
        Ok(count as usize)
    }

    /// Angles and detectors: the sizes of a sinogram.
    ///
    /// # Errors
    /// As [`Scan::rays`].
    pub(super) fn size(&self, size: [usize; 2]) -> Result<[usize; 2]> {
        Ok([self.all_angles().len(), self.all_detectors(size)?])
    }

    /// The rays through pictures of this height and width.
    ///
    /// # Errors
    /// [`Error::Setting`] for the source of a fan inside the picture, a spacing that needs too many detectors, or more rays than memory holds.
    pub(super) fn rays(&self, size: [usize; 2]) -> Result<Rays> {
        let ([h, w], angles, detectors) = (size, self.all_angles(), self.all_detectors(size)?);
        let rays = angles.len() * detectors;
        ensure(
            "views",
            format!("{} angles with {detectors} detectors", angles.len()),
            rays.saturating_mul(h + w) <= MOST_ENTRIES,
            format!("at most {} rays through {h} x {w} pixels", MOST_ENTRIES / (h + w).max(1)),
        )?;
        match self.fan.as_slice() {
            &[source, detector] => Fan { angles, detectors, spacing: self.spacing, source, detector }.rays(h, w),
            _ => Parallel { angles, detectors, spacing: self.spacing }.rays(h, w),
        }
    }

    /// Whether the angles may be in radians: many, and all within one turn of those.
    pub(super) fn looks_like_radians(&self) -> bool {
        self.angles.len() >= 8 && self.angles.iter().all(|a| a.abs() <= std::f64::consts::TAU)
    }
}

/// An array of the geometry that cannot be used.
fn wrong(name: &str, why: &str) -> Error {
    Error::data(
        format!("the array `{name}` beside the measurement cannot be used: {why}"),
        "give the geometry of the measurement, as settings or as arrays",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn beside(arrays: Vec<(&str, Vec<f64>)>) -> Data {
        let named = |(name, values): (&str, Vec<f64>)| (name.to_owned(), Array::new(&[values.len()], values));
        Data { source: "test".into(), arrays: arrays.into_iter().map(named).collect(), ..Data::default() }
    }

    #[test]
    fn a_geometry_read_back_is_the_same() {
        let size = [6, 8];
        for scan in [
            Scan { views: 7, ..Scan::default() },
            Scan { angles: vec![3.0, 40.0, 100.0], detectors: 5, spacing: 1.5, ..Scan::default() },
            Scan { views: 4, fan: vec![20.0, 9.0], ..Scan::default() },
        ] {
            let data = Data { arrays: scan.to_arrays(size).unwrap(), ..beside(vec![]) };
            let back = Scan::default().with_arrays(&data).unwrap();
            assert_eq!(back.rays(size).unwrap(), scan.rays(size).unwrap(), "{scan:?}");
            assert_eq!(back.size(size).unwrap(), scan.size(size).unwrap());
        }
    }

    /// Every pixel lies on a ray of every angle, also at the corners.
    #[test]
    fn the_detectors_cover_the_picture() {
        use crate::operator::Operator;
        for fan in [vec![], vec![6.0, 2.0]] {
            let scan = Scan { views: 8, spacing: 0.2, fan, ..Scan::default() };
            let rays = scan.rays([5, 7]).unwrap();
            let [angles, detectors] = scan.size([5, 7]).unwrap();
            for angle in 0..angles {
                let mut one = vec![0.0; rays.output()];
                one[angle * detectors..(angle + 1) * detectors].fill(1.0);
                assert!(rays.pullback(&[], &one).iter().all(|v| *v > 0.0), "{scan:?}");
            }
        }
    }

    #[test]
    fn geometries_that_cannot_be_are_refused() {
        let settings = [
            (Scan { views: 0, ..Scan::default() }, "views"),
            (Scan { spacing: 0.0, ..Scan::default() }, "spacing"),
            (Scan { angles: vec![f64::NAN], ..Scan::default() }, "angles"),
            (Scan { fan: vec![1.0], ..Scan::default() }, "fan"),
        ];
        for (scan, name) in settings {
            assert!(scan.check().unwrap_err().to_string().contains(name), "{scan:?}");
        }
        let inside = Scan { fan: vec![2.0, 2.0], ..Scan::default() };
        assert!(inside.rays([8, 8]).unwrap_err().to_string().contains("fan"));
        let fine = Scan { spacing: 1e-9, ..Scan::default() };
        assert!(fine.rays([8, 8]).unwrap_err().to_string().contains("spacing"));
        let many = Scan { views: 100_000, detectors: 100_000, ..Scan::default() };
        assert!(many.rays([8, 8]).unwrap_err().to_string().contains("views"));
        let said = Scan { spacing: 2.0, ..Scan::default() };
        assert!(said.with_arrays(&beside(vec![("spacing", vec![3.0])])).is_err());
        assert!(said.with_arrays(&beside(vec![("detectors", vec![2.5])])).is_err());
        assert!(Scan::default().with_arrays(&beside(vec![("spacing", vec![-1.0])])).is_err());
        assert!(said.with_arrays(&beside(vec![("spacing", vec![2.0])])).is_ok());
    }
}
