//! Points divided by the lengthscales, in both storage orders, and their squared distances.

use super::Hyper;

/// `N` scaled points of `D` dimensions.
pub(in crate::fused) struct Points {
    pub count: usize,
    pub dims: usize,
    /// `[N, D]`.
    pub rows: Vec<f64>,
    /// `[D, N]`.
    pub columns: Vec<f64>,
}

impl Points {
    /// Scales `values: [count, D]`.
    pub fn new(values: &[f64], count: usize, hyper: &Hyper) -> Self {
        let dims = hyper.lengthscales.len();
        let inverse: Vec<f64> = hyper.lengthscales.iter().map(|l| 1.0 / l).collect();
        let mut rows = values.to_vec();
        let mut columns = vec![0.0; values.len()];
        for (i, row) in rows.chunks_exact_mut(dims.max(1)).enumerate() {
            for (d, value) in row.iter_mut().enumerate() {
                *value *= inverse[d];
                columns[d * count + i] = *value;
            }
        }
        Self { count, dims, rows, columns }
    }

    /// Point `i`.
    #[inline(always)]
    pub fn row(&self, i: usize) -> &[f64] {
        &self.rows[i * self.dims..(i + 1) * self.dims]
    }

    /// Coordinate `d` of the points from `start` on.
    #[inline(always)]
    pub fn column(&self, d: usize, start: usize, length: usize) -> &[f64] {
        &self.columns[d * self.count + start..][..length]
    }

    /// Squared distances from `point` to the points from `start` on.
    #[inline(always)]
    pub fn squared_distances(&self, point: &[f64], start: usize, out: &mut [f64]) {
        let (mut d, length) = (0, out.len());
        if self.dims == 0 {
            out.fill(0.0);
        }
        while d < self.dims {
            let left = self.dims - d;
            if left >= 8 {
                self.add::<8>(point, d, start, length, out);
                d += 8;
            } else if left >= 4 {
                self.add::<4>(point, d, start, length, out);
                d += 4;
            } else if left >= 2 {
                self.add::<2>(point, d, start, length, out);
                d += 2;
            } else {
                self.add::<1>(point, d, start, length, out);
                d += 1;
            }
        }
    }

    /// Adds the squared differences of `W` dimensions; the first ones overwrite.
    #[inline(always)]
    fn add<const W: usize>(&self, point: &[f64], d: usize, start: usize, length: usize, out: &mut [f64]) {
        let at: [f64; W] = std::array::from_fn(|w| point[d + w]);
        let columns: [&[f64]; W] = std::array::from_fn(|w| self.column(d + w, start, length));
        for (j, o) in out[..length].iter_mut().enumerate() {
            let mut sum = if d == 0 { 0.0 } else { *o };
            for w in 0..W {
                let t = columns[w][j] - at[w];
                sum += t * t;
            }
            *o = sum;
        }
    }
}
