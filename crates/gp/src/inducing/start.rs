//! Where inducing points start.

use elbo_core::{Error, Features, Result, Rng, Run, ensure_within};
use elbo_dist::{KMeansConfig, kmeans};
use elbo_linalg::pivoted_cholesky;
use elbo_tensor::{Tensor, no_grad};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::InducingPoints;
use crate::kernel::Kernel;

/// How inducing points are placed before they are optimised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum InducingStart {
    /// Centres of k-means: spread like the data.
    #[default]
    Kmeans,
    /// Rows chosen by the pivoted Cholesky factor of the kernel: where the variance left over is largest.
    Pivoted,
    /// Rows drawn at random.
    Random,
}

/// Points closer than this share of a lengthscale in every dimension count as one.
const SAME: f64 = 1e-6;

/// Rows that k-means and the pivoted Cholesky factor look at; of more, a random subset is taken.
const MOST_ROWS: usize = 20_000;

impl InducingPoints {
    /// Where a fit's inducing points start, `[M, D]`: [`InducingPoints::kmeans`] with its notes given to the run.
    ///
    /// # Errors
    /// As [`InducingPoints::kmeans`].
    pub fn start(kernel: &dyn Kernel, x: &Features, count: usize, run: &mut Run) -> Result<Tensor> {
        Self::start_as(InducingStart::Kmeans, kernel, x, count, run)
    }

    /// The same, placed as `start` says.
    ///
    /// # Errors
    /// As [`InducingPoints::place`].
    pub fn start_as(
        start: InducingStart,
        kernel: &dyn Kernel,
        x: &Features,
        count: usize,
        run: &mut Run,
    ) -> Result<Tensor> {
        let mut rng = run.rng.fork();
        let (points, notes) = Self::place(start, kernel, x, count, &mut rng)?;
        notes.iter().for_each(|note| run.note(note));
        Ok(points.get().detach())
    }

    /// `count` points, placed as `start` says, with notes for the user about points left out.
    ///
    /// # Errors
    /// [`Error::Setting`] for no points, [`Error::Data`] for no rows.
    pub fn place(
        start: InducingStart,
        kernel: &dyn Kernel,
        x: &Features,
        count: usize,
        rng: &mut Rng,
    ) -> Result<(Self, Vec<String>)> {
        match start {
            InducingStart::Kmeans => Self::kmeans(kernel, x, count, rng),
            InducingStart::Pivoted => Self::pivoted(kernel, x, count, 1e-6, rng),
            InducingStart::Random => {
                check(x, count)?;
                let rows = rng.choose(x.rows, count.min(x.rows));
                Self::without_duplicates(kernel, x.take_rows(&rows).values, x.dims, count)
            }
        }
    }

    /// Centres of k-means (k-means++ on at most 20 000 rows). With categorical columns, the rows nearest to the centres.
    ///
    /// # Errors
    /// [`Error::Setting`] for no points, [`Error::Data`] for no rows.
    pub fn kmeans(kernel: &dyn Kernel, x: &Features, count: usize, rng: &mut Rng) -> Result<(Self, Vec<String>)> {
        check(x, count)?;
        let config = KMeansConfig { max_rows: MOST_ROWS, ..KMeansConfig::default() };
        if x.is_numeric() {
            let centres = kmeans(&x.values, x.dims, count, &config, rng).centres;
            return Self::without_duplicates(kernel, centres, x.dims, count);
        }
        // Levels become corners of a simplex with unit sides, and each centre the row next to it, which has levels that exist.
        let (spread, width) = one_hot(x);
        let centres = kmeans(&spread, width, count, &config, rng).centres;
        let nearest = |centre: &[f64]| {
            let distance = |row: &[f64]| row.iter().zip(centre).map(|(a, b)| (a - b).powi(2)).sum::<f64>();
            let best = |best: (usize, f64), (i, row): (usize, &[f64])| {
                let d = distance(row);
                if d < best.1 { (i, d) } else { best }
            };
            spread.chunks(width).enumerate().fold((0, f64::INFINITY), best).0
        };
        let rows: Vec<usize> = centres.chunks(width).map(nearest).collect();
        Self::without_duplicates(kernel, x.take_rows(&rows).values, x.dims, count)
    }

    /// Rows chosen one by one where the variance that the others leave is largest, until that is `tolerance` of the whole.
    ///
    /// # Errors
    /// [`Error::Setting`] for no points, [`Error::Data`] for no rows, [`Error::Numerical`] when the kernel is not finite.
    ///
    /// # Source
    /// Burt, Rasmussen and van der Wilk (2020).
    pub fn pivoted(
        kernel: &dyn Kernel,
        x: &Features,
        count: usize,
        tolerance: f64,
        rng: &mut Rng,
    ) -> Result<(Self, Vec<String>)> {
        check(x, count)?;
        let rows = if x.rows > MOST_ROWS { rng.choose(x.rows, MOST_ROWS) } else { (0..x.rows).collect() };
        let some = x.take_rows(&rows);
        let points = Tensor::from_vec(some.values.clone(), &[some.rows, some.dims]);
        let factor = no_grad(|| {
            let diagonal = kernel.diag(&points).to_vec();
            let column = |i: usize, out: &mut [f64]| {
                out.copy_from_slice(&kernel.gram(&points, &points.narrow(0, i, 1)).to_vec());
            };
            pivoted_cholesky(&diagonal, column, tolerance, count)
        })?;
        let chosen = some.take_rows(&factor.pivots);
        let (found, mut notes) = Self::without_duplicates(kernel, chosen.values, x.dims, factor.pivots.len())?;
        if factor.pivots.len() < count.min(x.rows) {
            notes.push(format!(
                "{} inducing points explain all but {tolerance:.0e} of the prior variance; {count} were asked for",
                factor.pivots.len()
            ));
        }
        Ok((found, notes))
    }

    /// These points, `[M, D]` row-major, less those within 1e-6 lengthscales of an earlier one, with a note when any was left out or
    /// when there are fewer than `wanted`.
    ///
    /// # Errors
    /// [`Error::Data`] when no point is left.
    pub fn without_duplicates(
        kernel: &dyn Kernel,
        points: Vec<f64>,
        dims: usize,
        wanted: usize,
    ) -> Result<(Self, Vec<String>)> {
        let relevance = kernel.relevance(dims).unwrap_or_else(|| vec![1.0; dims]);
        // A dimension the kernel gives no lengthscale, such as a category, still tells points apart.
        let unit: Vec<f64> = relevance.iter().map(|r| if *r > 0.0 { *r } else { 1.0 }).collect();
        let same = |a: &[f64], b: &[f64]| a.iter().zip(b).zip(&unit).all(|((a, b), u)| (a - b).abs() * u < SAME);
        let mut kept: Vec<f64> = vec![];
        for point in points.chunks(dims) {
            if !kept.chunks(dims).any(|other| same(point, other)) {
                kept.extend_from_slice(point);
            }
        }
        let (found, count) = (points.len() / dims, kept.len() / dims);
        if count == 0 {
            return Err(Error::data("there are no inducing points", "give at least one row of data"));
        }
        let mut notes = vec![];
        if count < found {
            notes.push(format!("{} inducing points coincide with others and are left out", found - count));
        }
        if found < wanted {
            notes.push(format!(
                "{count} inducing points are used of {wanted} asked for: there are no more different rows"
            ));
        }
        Ok((Self::new(&Tensor::from_vec(kept, &[count, dims])), notes))
    }
}

fn check(x: &Features, count: usize) -> Result<()> {
    ensure_within("inducing", count, 1..)?;
    if x.rows == 0 {
        return Err(Error::data("there are no rows to place inducing points among", "give at least one row of data"));
    }
    Ok(())
}

/// Rows with every categorical column spread over its levels at height `1/√2`, and their width. An unseen level is at the origin.
fn one_hot(x: &Features) -> (Vec<f64>, usize) {
    let width = x.levels.iter().map(|l| (*l).max(1)).sum();
    let mut out = Vec::with_capacity(x.rows * width);
    for i in 0..x.rows {
        for (value, levels) in x.row(i).iter().zip(&x.levels) {
            match levels {
                0 => out.push(*value),
                n => out.extend((0..*n).map(|l| if l as f64 == *value { 0.5f64.sqrt() } else { 0.0 })),
            }
        }
    }
    (out, width)
}
