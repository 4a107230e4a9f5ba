//! Inputs as a dense matrix.

/// A dense matrix of inputs, row-major, with the kind of each dimension.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Features {
    /// Number of rows, `N`.
    pub rows: usize,
    /// Number of dimensions, `D`.
    pub dims: usize,
    /// Values, row-major `[N, D]`. A categorical dimension holds level codes 0, 1, ...; -1 is a level unseen in training.
    pub values: Vec<f64>,
    /// Number of levels of each dimension: zero for a numeric one.
    pub levels: Vec<usize>,
    /// Dimension names.
    pub names: Vec<String>,
}

impl Features {
    /// Plain numeric inputs. The number of values must be a multiple of `dims`.
    pub fn numeric(dims: usize, values: Vec<f64>) -> Self {
        assert!(dims > 0 && values.len().is_multiple_of(dims), "{} values do not fill rows of {dims}", values.len());
        Self {
            rows: values.len() / dims,
            dims,
            values,
            levels: vec![0; dims],
            names: (0..dims).map(|d| format!("x{d}")).collect(),
        }
    }

    /// One row, `[D]`.
    pub fn row(&self, i: usize) -> &[f64] {
        &self.values[i * self.dims..(i + 1) * self.dims]
    }

    /// Only these rows.
    pub fn take_rows(&self, rows: &[usize]) -> Self {
        let values = rows.iter().flat_map(|r| self.row(*r).iter().copied()).collect();
        Self { rows: rows.len(), values, ..self.clone() }
    }

    /// Takes a dimension out. Returns its values, `[N]`.
    pub fn remove_column(&mut self, d: usize) -> Vec<f64> {
        let dims = self.dims;
        let removed = self.values.iter().skip(d).step_by(dims).copied().collect();
        let others = self.values.iter().enumerate().filter(|(i, _)| i % dims != d);
        self.values = others.map(|(_, v)| *v).collect();
        self.dims -= 1;
        self.levels.remove(d);
        self.names.remove(d);
        removed
    }

    /// Whether every dimension is numeric.
    pub fn is_numeric(&self) -> bool {
        self.levels.iter().all(|l| *l == 0)
    }
}
