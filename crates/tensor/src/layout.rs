//! Shapes, strides and broadcasting.

use smallvec::SmallVec;

/// Sizes or strides, one an axis; up to four lie on the stack.
pub(crate) type Dims = SmallVec<[usize; 4]>;

/// How a tensor's elements lie in its storage, counted in elements.
#[derive(Debug)]
pub(crate) struct Layout {
    pub shape: Dims,
    pub strides: Dims,
    pub offset: usize,
}

// Copies as slices, which `SmallVec`'s own clone does one by one.
impl Clone for Layout {
    #[inline]
    fn clone(&self) -> Self {
        Self { shape: Dims::from_slice(&self.shape), strides: Dims::from_slice(&self.strides), offset: self.offset }
    }
}

/// Number of elements of a shape.
pub(crate) fn count(shape: &[usize]) -> usize {
    shape.iter().product()
}

/// Row-major strides.
pub(crate) fn row_major(shape: &[usize]) -> Dims {
    let mut strides = Dims::from_elem(1, shape.len());
    for i in (1..shape.len()).rev() {
        strides[i - 1] = strides[i] * shape[i].max(1);
    }
    strides
}

impl Layout {
    pub fn contiguous(shape: &[usize]) -> Self {
        Self { shape: Dims::from_slice(shape), strides: row_major(shape), offset: 0 }
    }

    pub fn len(&self) -> usize {
        count(&self.shape)
    }

    /// Row-major without gaps; the strides of axes of size one do not matter.
    #[inline]
    pub fn is_contiguous(&self) -> bool {
        let mut expected = 1;
        for (&size, &stride) in self.shape.iter().zip(&self.strides).rev() {
            if size != 1 && stride != expected {
                return size == 0 || self.shape.contains(&0);
            }
            expected *= size;
        }
        true
    }

    /// The strides that show this layout in a larger shape, zero where it repeats.
    pub fn broadcast_strides(&self, to: &[usize]) -> Dims {
        let mut strides = Dims::from_elem(0, to.len());
        let lead = to.len() - self.shape.len();
        for (i, (&size, &stride)) in self.shape.iter().zip(&self.strides).enumerate() {
            if size != 1 {
                strides[lead + i] = stride;
            }
        }
        strides
    }
}

/// Whether a tensor of shape `from` can be shown in the shape `to`.
pub(crate) fn broadcasts(from: &[usize], to: &[usize]) -> bool {
    from.len() <= to.len() && from.iter().rev().zip(to.iter().rev()).all(|(f, t)| *f == *t || *f == 1)
}

/// The common shape of two operands.
pub(crate) fn broadcast_shape(name: &str, a: &[usize], b: &[usize]) -> Dims {
    if a == b {
        return Dims::from_slice(a);
    }
    let rank = a.len().max(b.len());
    let at = |shape: &[usize], i: usize| if i + shape.len() >= rank { shape[i + shape.len() - rank] } else { 1 };
    (0..rank)
        .map(|i| match (at(a, i), at(b, i)) {
            (x, y) if x == y => x,
            (1, y) => y,
            (x, 1) => x,
            _ => panic!("`{name}`: shapes {a:?} and {b:?} do not broadcast"),
        })
        .collect()
}

/// An axis counted from the front, or from the back when negative.
pub(crate) fn axis(name: &str, axis: isize, rank: usize) -> usize {
    let found = if axis < 0 { axis + rank as isize } else { axis };
    assert!((0..rank as isize).contains(&found), "`{name}`: axis {axis} of a tensor with {rank} axes");
    found as usize
}

/// A walk over the rows of `N` operands of one shape. Axes that lie one after the other in every operand are merged, so rows
/// are as long as possible.
pub(crate) struct Rows<const N: usize> {
    outer: Dims,
    strides: [Dims; N],
    offsets: [usize; N],
    /// Length of a row.
    pub inner: usize,
    /// Distance of neighbours in a row, one an operand.
    pub steps: [usize; N],
}

impl<const N: usize> Rows<N> {
    pub fn new(shape: &[usize], strides: [Dims; N], offsets: [usize; N]) -> Self {
        let mut outer = Dims::new();
        let mut merged: [Dims; N] = std::array::from_fn(|_| Dims::new());
        for (i, &size) in shape.iter().enumerate() {
            if size == 1 {
                continue;
            }
            let joins = !outer.is_empty()
                && (0..N).all(|k| *merged[k].last().expect("one stride for each merged axis") == strides[k][i] * size);
            if joins {
                *outer.last_mut().expect("checked to be there") *= size;
                (0..N).for_each(|k| *merged[k].last_mut().expect("checked to be there") = strides[k][i]);
            } else {
                outer.push(size);
                (0..N).for_each(|k| merged[k].push(strides[k][i]));
            }
        }
        let inner = outer.pop().unwrap_or(1);
        let steps = std::array::from_fn(|k| merged[k].pop().unwrap_or(0));
        Self { outer, strides: merged, offsets, inner, steps }
    }

    /// Where the first row starts in each operand.
    pub fn start(&self) -> [usize; N] {
        self.offsets
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        count(&self.outer)
    }

    /// Calls `visit(row, starts)` for each row in the range, in order.
    #[inline(always)]
    pub fn visit(&self, range: std::ops::Range<usize>, mut visit: impl FnMut(usize, [usize; N])) {
        if range.is_empty() {
            return;
        }
        let rank = self.outer.len();
        let mut index = Dims::from_elem(0, rank);
        let mut at = self.offsets;
        let mut rest = range.start;
        for d in (0..rank).rev() {
            index[d] = rest % self.outer[d];
            rest /= self.outer[d];
            (0..N).for_each(|k| at[k] += index[d] * self.strides[k][d]);
        }
        for row in range {
            visit(row, at);
            for d in (0..rank).rev() {
                index[d] += 1;
                (0..N).for_each(|k| at[k] += self.strides[k][d]);
                if index[d] < self.outer[d] {
                    break;
                }
                (0..N).for_each(|k| at[k] -= self.strides[k][d] * self.outer[d]);
                index[d] = 0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_contiguous_shape_is_one_row_and_a_transposed_one_is_not() {
        let plain = Rows::new(&[2, 3, 4], [row_major(&[2, 3, 4])], [0]);
        assert_eq!((plain.len(), plain.inner, plain.steps), (1, 24, [1]));
        let transposed = Rows::new(&[3, 2], [Dims::from_slice(&[1, 3])], [5]);
        let mut starts = vec![];
        transposed.visit(1..3, |row, [at]| starts.push((row, at)));
        assert_eq!((transposed.inner, transposed.steps), (2, [3]));
        assert_eq!(starts, [(1, 6), (2, 7)]);
    }

    #[test]
    fn broadcasting_follows_trailing_axes() {
        assert_eq!(broadcast_shape("add", &[3, 1], &[2]).as_slice(), [3, 2]);
        assert!(broadcasts(&[1, 4], &[5, 3, 4]));
        assert!(!broadcasts(&[2, 4], &[5, 3, 4]));
    }
}
