//! Points one after the other in a vector, as the results of several methods hold them.

use elbo_linalg::vector::axpy;

/// Mean of rows `[N, D]`, `[D]`; NaN without rows.
pub(crate) fn mean_of(rows: &[f64], dim: usize) -> Vec<f64> {
    let mut mean = vec![0.0; dim];
    rows.chunks_exact(dim.max(1)).for_each(|row| axpy(1.0, row, &mut mean));
    let count = (rows.len() / dim.max(1)) as f64;
    mean.iter_mut().for_each(|m| *m /= count);
    mean
}

/// What all results share that hold particles row-major in a field, and the number of unknowns in `dim`.
macro_rules! rows_of {
    ($name:ident, $field:ident) => {
        impl $name {
            /// Number of particles, `N`.
            pub fn len(&self) -> usize {
                self.$field.len() / self.dim.max(1)
            }

            /// Whether there are none.
            pub fn is_empty(&self) -> bool {
                self.$field.is_empty()
            }

            /// The particles, each `[D]`.
            pub fn rows(&self) -> impl ExactSizeIterator<Item = &[f64]> {
                self.$field.chunks_exact(self.dim.max(1))
            }

            /// Mean of the particles, `[D]`; NaN without particles.
            pub fn mean(&self) -> Vec<f64> {
                $crate::rows::mean_of(&self.$field, self.dim)
            }
        }
    };
}
pub(crate) use rows_of;

#[cfg(test)]
mod tests {
    struct Points {
        values: Vec<f64>,
        dim: usize,
    }

    rows_of!(Points, values);

    #[test]
    fn rows_are_counted_listed_and_averaged() {
        let points = Points { values: vec![1.0, 2.0, 3.0, 6.0], dim: 2 };
        assert_eq!((points.len(), points.is_empty(), points.mean()), (2, false, vec![2.0, 4.0]));
        assert_eq!(points.rows().collect::<Vec<_>>(), [&[1.0, 2.0], &[3.0, 6.0]]);
        let none = Points { values: vec![], dim: 1 };
        assert_eq!((none.len(), none.is_empty(), none.rows().len()), (0, true, 0));
        assert!(none.mean()[0].is_nan());
        assert_eq!((Points { values: vec![], dim: 0 }).mean(), [0.0; 0]);
    }
}
