//! Where the columns of a product lie in memory.

/// Where the columns of C lie; rows are `row` apart.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Columns<'a> {
    /// Side by side.
    Plain,
    /// In runs of this many, `step` apart.
    Runs { length: usize, step: usize },
    /// Column `j` at `places[j]`, ascending: in planes that begin at multiples of `step` and are shorter than rows are apart.
    Places { places: &'a [usize], step: usize },
}

impl Columns<'_> {
    /// Place of column `j` in a row.
    #[inline(always)]
    pub fn at(self, j: usize) -> usize {
        match self {
            Self::Plain => j,
            Self::Runs { length, step } => j / length * step + j % length,
            Self::Places { places, .. } => places[j],
        }
    }

    /// Panics unless the elements of C, `[m, n]` and neither of them zero, have places of their own inside a slice of this length.
    ///
    /// Columns lie in planes of some width, `step` apart. Elements are apart when a row is as long as a plane is wide, and all rows of
    /// one plane end before the next plane begins.
    pub fn check(self, [m, n]: [usize; 2], row: usize, length: usize) {
        let (width, planes, step) = match self {
            Self::Plain => (n, 1, 0),
            Self::Runs { length, step } => (n.min(length), n.div_ceil(length), step),
            Self::Places { places, step } => {
                assert_eq!(places.len(), n, "one place a column");
                assert!(step > 0 && lie_in_planes(places, row, step), "places of columns overlap");
                (row, places[n - 1] / step + 1, step)
            }
        };
        let wide = |a: usize, b: usize| a as u128 * b as u128;
        let rows = wide(m - 1, row);
        let apart = (m == 1 || row >= width) && (planes == 1 || step as u128 >= rows + width as u128);
        assert!(apart, "elements of C share places: [{m}, {n}] with rows {row} apart, {self:?}");
        assert!(rows + (self.at(n - 1) as u128) < length as u128, "C is too small for [{m}, {n}]");
    }
}

/// Whether the places ascend and each lies less than `width` after a multiple of `step`.
fn lie_in_planes(places: &[usize], width: usize, step: usize) -> bool {
    let mut plane = 0;
    let mut next = 0;
    places.iter().all(|&place| {
        if place >= plane + step {
            plane = place / step * step;
        }
        let holds = place >= next && place - plane < width;
        next = place + 1;
        holds
    })
}
