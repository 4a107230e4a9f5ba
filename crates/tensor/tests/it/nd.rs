//! Plain arrays and loops: the naive reference that operations are compared with.

/// A row-major array.
#[derive(Debug, Clone)]
pub struct Nd {
    pub shape: Vec<usize>,
    pub data: Vec<f64>,
}

impl Nd {
    /// Each element from its index.
    pub fn build(shape: &[usize], mut f: impl FnMut(&[usize]) -> f64) -> Self {
        let n = shape.iter().product();
        let data = (0..n).map(|i| f(&unravel(i, shape))).collect();
        Self { shape: shape.to_vec(), data }
    }

    pub fn scalar(value: f64) -> Self {
        Self { shape: vec![], data: vec![value] }
    }

    /// The element at an index, which may be longer than the shape and larger where the array repeats (broadcasting).
    pub fn at(&self, index: &[usize]) -> f64 {
        let lead = index.len() - self.shape.len();
        let place = self.shape.iter().zip(&index[lead..]).fold(0, |p, (s, i)| p * s + if *s == 1 { 0 } else { *i });
        self.data[place]
    }

    pub fn map(&self, f: impl Fn(f64) -> f64) -> Self {
        Self { shape: self.shape.clone(), data: self.data.iter().map(|v| f(*v)).collect() }
    }

    pub fn zip(&self, other: &Nd, f: impl Fn(f64, f64) -> f64) -> Self {
        let rank = self.shape.len().max(other.shape.len());
        let size = |s: &[usize], i: usize| if i + s.len() >= rank { s[i + s.len() - rank] } else { 1 };
        let shape: Vec<usize> = (0..rank)
            .map(|i| match (size(&self.shape, i), size(&other.shape, i)) {
                (1, b) => b,
                (a, _) => a,
            })
            .collect();
        Self::build(&shape, |i| f(self.at(i), other.at(i)))
    }

    /// One axis reduced to size one by a function of its elements.
    pub fn fold(&self, axis: usize, f: impl Fn(&[f64]) -> f64) -> Self {
        let mut shape = self.shape.clone();
        let length = std::mem::replace(&mut shape[axis], 1);
        Self::build(&shape, |i| {
            let mut at = i.to_vec();
            let values: Vec<f64> = (0..length)
                .map(|k| {
                    at[axis] = k;
                    self.at(&at)
                })
                .collect();
            f(&values)
        })
    }

    pub fn reshaped(self, shape: &[usize]) -> Self {
        assert_eq!(self.data.len(), shape.iter().product::<usize>());
        Self { shape: shape.to_vec(), data: self.data }
    }

    /// Product of the last two axes, leading axes broadcast.
    pub fn matmul(&self, other: &Nd) -> Self {
        let (ra, rb) = (self.shape.len(), other.shape.len());
        let (m, k, n) = (self.shape[ra - 2], self.shape[ra - 1], other.shape[rb - 1]);
        let lead_a =
            Nd { shape: self.shape[..ra - 2].to_vec(), data: vec![0.0; self.shape[..ra - 2].iter().product()] };
        let lead_b =
            Nd { shape: other.shape[..rb - 2].to_vec(), data: vec![0.0; other.shape[..rb - 2].iter().product()] };
        let mut shape = lead_a.zip(&lead_b, |_, _| 0.0).shape;
        shape.extend([m, n]);
        Self::build(&shape, |i| {
            let (lead, place) = i.split_at(i.len() - 2);
            (0..k).map(|p| self.at(&[lead, &[place[0], p]].concat()) * other.at(&[lead, &[p, place[1]]].concat())).sum()
        })
    }

    /// Last two axes exchanged.
    pub fn t(&self) -> Self {
        let mut shape = self.shape.clone();
        let r = shape.len();
        shape.swap(r - 1, r - 2);
        Self::build(&shape, |i| {
            let mut at = i.to_vec();
            at.swap(r - 1, r - 2);
            self.at(&at)
        })
    }

    /// Each matrix of the last two axes replaced.
    pub fn each_matrix(&self, f: impl Fn(&Nd) -> Nd) -> Self {
        let r = self.shape.len();
        let (m, n) = (self.shape[r - 2], self.shape[r - 1]);
        let mut shape = self.shape.clone();
        let mut data = vec![];
        for chunk in self.data.chunks((m * n).max(1)) {
            let result = f(&Nd { shape: vec![m, n], data: chunk.to_vec() });
            shape.truncate(r - 2);
            shape.extend(&result.shape);
            data.extend(result.data);
        }
        Self { shape, data }
    }

    /// Inverse of one square matrix by Gauss and Jordan.
    pub fn inverse(&self) -> Self {
        let n = self.shape[0];
        let mut a = self.data.clone();
        let mut b = Nd::build(&[n, n], |i| f64::from(u8::from(i[0] == i[1]))).data;
        for c in 0..n {
            let best = (c..n).max_by(|i, j| a[i * n + c].abs().total_cmp(&a[j * n + c].abs())).unwrap();
            for k in 0..n {
                a.swap(c * n + k, best * n + k);
                b.swap(c * n + k, best * n + k);
            }
            let pivot = a[c * n + c];
            for k in 0..n {
                a[c * n + k] /= pivot;
                b[c * n + k] /= pivot;
            }
            for i in (0..n).filter(|i| *i != c) {
                let factor = a[i * n + c];
                for k in 0..n {
                    a[i * n + k] -= factor * a[c * n + k];
                    b[i * n + k] -= factor * b[c * n + k];
                }
            }
        }
        Nd { shape: vec![n, n], data: b }
    }

    /// Cholesky factor of one matrix, row by row.
    pub fn cholesky(&self) -> Self {
        let n = self.shape[0];
        let mut l = vec![0.0; n * n];
        for i in 0..n {
            for j in 0..=i {
                let inner: f64 = (0..j).map(|k| l[i * n + k] * l[j * n + k]).sum();
                let rest = self.data[i * n + j] - inner;
                l[i * n + j] = if i == j { rest.sqrt() } else { rest / l[j * n + j] };
            }
        }
        Nd { shape: vec![n, n], data: l }
    }
}

pub fn unravel(mut place: usize, shape: &[usize]) -> Vec<usize> {
    let mut index = vec![0; shape.len()];
    for (i, s) in index.iter_mut().zip(shape).rev() {
        *i = place % s;
        place /= s;
    }
    index
}
