//! Matrix views: a slice with a shape and two strides.

/// A matrix that is read. Entry `(i, j)` is `data[i * row_stride + j * column_stride]`.
#[derive(Debug, Clone, Copy)]
pub struct MatRef<'a, T> {
    data: &'a [T],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

/// A matrix that is written. No two entries share a place.
#[derive(Debug)]
pub struct MatMut<'a, T> {
    data: &'a mut [T],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

/// Panics unless the last entry lies inside the slice. Everything that reads through a pointer relies on it, so a place that
/// no `usize` can hold must not wrap around to one that lies inside.
fn check(length: usize, rows: usize, columns: usize, row_stride: usize, column_stride: usize) {
    if rows > 0 && columns > 0 {
        let last = (rows - 1) as u128 * row_stride as u128 + (columns - 1) as u128 * column_stride as u128;
        assert!(
            last < length as u128,
            "a {rows}x{columns} view with strides ({row_stride}, {column_stride}) needs {} values, found {length}",
            last + 1
        );
    }
}

/// Where the block of the given shape at `(row, column)` starts. Panics unless it lies inside of the matrix; an empty block may start
/// behind the last value.
fn start_of_block(
    (row, column): (usize, usize),
    (rows, columns): (usize, usize),
    (all_rows, all_columns): (usize, usize),
    (row_stride, column_stride): (usize, usize),
    length: usize,
) -> usize {
    let fits = |first: usize, count: usize, all: usize| first <= all && count <= all - first;
    assert!(fits(row, rows, all_rows) && fits(column, columns, all_columns), "block outside of the matrix");
    if rows == 0 || columns == 0 {
        return length;
    }
    row * row_stride + column * column_stride
}

impl<'a, T> MatRef<'a, T> {
    /// A view of `rows * columns` values, row after row.
    pub fn row_major(data: &'a [T], rows: usize, columns: usize) -> Self {
        Self::strided(data, rows, columns, columns, 1)
    }

    /// A view of `rows * columns` values, column after column.
    pub fn column_major(data: &'a [T], rows: usize, columns: usize) -> Self {
        Self::strided(data, rows, columns, 1, rows)
    }

    /// A column vector `[n, 1]`.
    pub fn column(data: &'a [T]) -> Self {
        Self::row_major(data, data.len(), 1)
    }

    /// A view with any strides; a stride of 0 repeats a row or a column.
    pub fn strided(data: &'a [T], rows: usize, columns: usize, row_stride: usize, column_stride: usize) -> Self {
        check(data.len(), rows, columns, row_stride, column_stride);
        Self { data, rows, columns, row_stride, column_stride }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Distance between rows, in values.
    pub fn row_stride(&self) -> usize {
        self.row_stride
    }

    /// Distance between columns, in values.
    pub fn column_stride(&self) -> usize {
        self.column_stride
    }

    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.rows == 0 || self.columns == 0
    }

    /// The same values with rows and columns exchanged.
    pub fn transpose(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }

    /// The block that starts at `(row, column)`.
    pub fn block(self, row: usize, column: usize, rows: usize, columns: usize) -> Self {
        let (shape, strides) = ((self.rows, self.columns), (self.row_stride, self.column_stride));
        let start = start_of_block((row, column), (rows, columns), shape, strides, self.data.len());
        Self { data: &self.data[start..], rows, columns, ..self }
    }

    /// The slice from entry `(0, 0)` on.
    pub fn data(&self) -> &'a [T] {
        self.data
    }
}

impl<T: Copy> MatRef<'_, T> {
    /// Entry `(i, j)`.
    #[inline]
    pub fn get(&self, i: usize, j: usize) -> T {
        debug_assert!(i < self.rows && j < self.columns, "({i}, {j}) outside of {}x{}", self.rows, self.columns);
        self.data[i * self.row_stride + j * self.column_stride]
    }

    /// The entries, row after row.
    pub fn to_row_major(&self) -> Vec<T> {
        if self.column_stride == 1 && self.row_stride == self.columns && !self.is_empty() {
            return self.data[..self.rows * self.columns].to_vec();
        }
        let mut out = Vec::with_capacity(self.rows * self.columns);
        for i in 0..self.rows {
            out.extend((0..self.columns).map(|j| self.get(i, j)));
        }
        out
    }
}

impl<'a, T> MatMut<'a, T> {
    /// A view of `rows * columns` values, row after row.
    pub fn row_major(data: &'a mut [T], rows: usize, columns: usize) -> Self {
        Self::strided(data, rows, columns, columns, 1)
    }

    /// A view of `rows * columns` values, column after column.
    pub fn column_major(data: &'a mut [T], rows: usize, columns: usize) -> Self {
        Self::strided(data, rows, columns, 1, rows)
    }

    /// A column vector `[n, 1]`.
    pub fn column(data: &'a mut [T]) -> Self {
        let n = data.len();
        Self::row_major(data, n, 1)
    }

    /// A view with any strides under which no two entries share a place.
    pub fn strided(data: &'a mut [T], rows: usize, columns: usize, row_stride: usize, column_stride: usize) -> Self {
        check(data.len(), rows, columns, row_stride, column_stride);
        let reach = |count: usize, stride: usize| count.saturating_sub(1).saturating_mul(stride);
        let rows_apart = row_stride > reach(columns, column_stride) && (column_stride > 0 || columns <= 1);
        let columns_apart = column_stride > reach(rows, row_stride) && (row_stride > 0 || rows <= 1);
        assert!(
            rows_apart || columns_apart || (rows <= 1 && columns <= 1) || rows == 0 || columns == 0,
            "entries of a {rows}x{columns} view with strides ({row_stride}, {column_stride}) overlap"
        );
        Self { data, rows, columns, row_stride, column_stride }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Distance between rows, in values.
    pub fn row_stride(&self) -> usize {
        self.row_stride
    }

    /// Distance between columns, in values.
    pub fn column_stride(&self) -> usize {
        self.column_stride
    }

    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.rows == 0 || self.columns == 0
    }

    /// The same values with rows and columns exchanged.
    pub fn transpose(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            data: self.data,
        }
    }

    /// The block that starts at `(row, column)`.
    pub fn block(self, row: usize, column: usize, rows: usize, columns: usize) -> Self {
        let (shape, strides) = ((self.rows, self.columns), (self.row_stride, self.column_stride));
        let start = start_of_block((row, column), (rows, columns), shape, strides, self.data.len());
        Self { data: &mut self.data[start..], rows, columns, ..self }
    }

    /// The same view, for a shorter time.
    pub fn reborrow(&mut self) -> MatMut<'_, T> {
        MatMut { data: self.data, ..*self }
    }

    /// The view, only for reading.
    pub fn as_ref(&self) -> MatRef<'_, T> {
        MatRef {
            data: self.data,
            rows: self.rows,
            columns: self.columns,
            row_stride: self.row_stride,
            column_stride: self.column_stride,
        }
    }

    /// The slice from entry `(0, 0)` on.
    pub fn data_mut(&mut self) -> &mut [T] {
        self.data
    }
}

impl<T: Copy> MatMut<'_, T> {
    /// Entry `(i, j)`.
    #[inline]
    pub fn get(&self, i: usize, j: usize) -> T {
        debug_assert!(i < self.rows && j < self.columns, "({i}, {j}) outside of {}x{}", self.rows, self.columns);
        self.data[i * self.row_stride + j * self.column_stride]
    }

    /// Writes entry `(i, j)`.
    #[inline]
    pub fn set(&mut self, i: usize, j: usize, value: T) {
        debug_assert!(i < self.rows && j < self.columns, "({i}, {j}) outside of {}x{}", self.rows, self.columns);
        self.data[i * self.row_stride + j * self.column_stride] = value;
    }

    /// Rewrites every entry from its value, walking memory in order.
    pub fn map(&mut self, mut f: impl FnMut(T) -> T) {
        let mut view = self.reborrow();
        if view.row_stride < view.column_stride {
            view = view.transpose();
        }
        for i in 0..view.rows {
            for j in 0..view.columns {
                let value = view.get(i, j);
                view.set(i, j, f(value));
            }
        }
    }

    /// Copies the entries of a matrix of the same shape.
    pub fn copy_from(&mut self, source: MatRef<'_, T>) {
        assert_eq!((self.rows, self.columns), (source.rows, source.columns), "shapes differ in `copy_from`");
        for i in 0..self.rows {
            for j in 0..self.columns {
                self.set(i, j, source.get(i, j));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_ends_inside_its_slice() {
        let data = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        assert_eq!(MatRef::strided(&data, 2, 2, 3, 2).to_row_major(), [1.0, 3.0, 4.0, 6.0]);
        assert!(std::panic::catch_unwind(|| MatRef::strided(&data, 2, 2, 4, 2)).is_err());
    }

    #[test]
    fn a_size_that_overflows_is_refused() {
        let data = [1.0, 2.0];
        let half = usize::MAX / 2 + 1;
        // In `usize` the last entry of each would be 0.
        assert!(std::panic::catch_unwind(|| MatRef::strided(&data, half + 1, 1, 2, 1)).is_err());
        assert!(std::panic::catch_unwind(|| MatRef::strided(&data, 2, half + 1, 0, 2)).is_err());
        assert!(std::panic::catch_unwind(|| MatRef::row_major(&data, 1, 2).block(usize::MAX, 0, 1, 2)).is_err());
        assert!(std::panic::catch_unwind(|| MatRef::row_major(&data, 1, 2).block(0, usize::MAX, 1, 1)).is_err());
    }

    #[test]
    fn entries_that_share_a_place_are_refused() {
        let refused = |rows, columns, row_stride, column_stride| {
            let call = || MatMut::strided(&mut [0.0; 9], rows, columns, row_stride, column_stride).rows();
            std::panic::catch_unwind(call).is_err()
        };
        assert!(refused(2, 2, 1, 1) && refused(2, 1, 0, 1) && refused(1, 2, 1, 0) && refused(3, 3, 2, 1));
        assert!(!refused(3, 3, 3, 1) && !refused(3, 3, 1, 3) && !refused(1, 9, 0, 1) && !refused(0, 9, 0, 0));
    }
}
