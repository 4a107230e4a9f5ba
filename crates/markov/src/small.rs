//! Small matrices, row-major in slices: what the recursions need beside their own loops.

use crate::scalar::Real;

/// The identity, `[n, n]`.
pub fn identity<T: Real>(n: usize) -> Vec<T> {
    let mut out = vec![T::default(); n * n];
    (0..n).for_each(|i| out[i * n + i] = T::of(1.0));
    out
}

/// `a: [n, k]` times `b: [k, m]`.
pub fn product<T: Real>(a: &[T], b: &[T], n: usize, k: usize, m: usize) -> Vec<T> {
    let mut out = vec![T::default(); n * m];
    for i in 0..n {
        for l in 0..k {
            let left = a[i * k + l];
            for j in 0..m {
                out[i * m + j] += left * b[l * m + j];
            }
        }
    }
    out
}

/// `a: [n, k]` times the transpose of `b: [m, k]`.
pub fn product_transposed<T: Real>(a: &[T], b: &[T], n: usize, k: usize, m: usize) -> Vec<T> {
    let mut out = vec![T::default(); n * m];
    for i in 0..n {
        for j in 0..m {
            let mut sum = T::default();
            (0..k).for_each(|l| sum += a[i * k + l] * b[j * k + l]);
            out[i * m + j] = sum;
        }
    }
    out
}

/// The transpose of `a: [n, m]`.
pub fn transposed<T: Real>(a: &[T], n: usize, m: usize) -> Vec<T> {
    let mut out = Vec::with_capacity(n * m);
    (0..m).for_each(|j| out.extend((0..n).map(|i| a[i * m + j])));
    out
}

/// The mean of a square matrix and its transpose.
pub fn symmetrised<T: Real>(mut a: Vec<T>, n: usize) -> Vec<T> {
    for i in 0..n {
        for j in 0..i {
            let mean = (a[i * n + j] + a[j * n + i]) * T::of(0.5);
            (a[i * n + j], a[j * n + i]) = (mean, mean);
        }
    }
    a
}

/// Kronecker product of `a: [n, n]` and `b: [m, m]`.
pub fn kronecker<T: Real>(a: &[T], b: &[T], n: usize, m: usize) -> Vec<T> {
    let size = n * m;
    let mut out = vec![T::default(); size * size];
    for i in 0..n {
        for j in 0..n {
            for k in 0..m {
                for l in 0..m {
                    out[(i * m + k) * size + j * m + l] = a[i * n + j] * b[k * m + l];
                }
            }
        }
    }
    out
}

/// Lower Cholesky factor; `None` where the matrix is not positive definite.
pub fn cholesky<T: Real>(a: &[T], n: usize) -> Option<Vec<T>> {
    let mut l = vec![T::default(); n * n];
    for i in 0..n {
        for j in 0..=i {
            let mut sum = a[i * n + j];
            (0..j).for_each(|k| sum -= l[i * n + k] * l[j * n + k]);
            if i != j {
                l[i * n + j] = sum / l[j * n + j];
            } else if sum.value() > 0.0 {
                l[i * n + i] = sum.sqrt();
            } else {
                return None;
            }
        }
    }
    Some(l)
}

/// Lower factor of a positive semi-definite matrix, scaled to a unit diagonal first: directions without variance get zeros.
pub fn cholesky_semidefinite<T: Real>(a: &[T], n: usize) -> Vec<T> {
    let scale: Vec<T> =
        (0..n).map(|i| if a[i * n + i].value() > 0.0 { a[i * n + i].sqrt() } else { T::of(0.0) }).collect();
    let mut l = vec![T::default(); n * n];
    for j in 0..n {
        if scale[j].value() == 0.0 {
            continue;
        }
        let entry = |i: usize| if scale[i].value() == 0.0 { T::of(0.0) } else { a[i * n + j] / scale[i] / scale[j] };
        let mut pivot = entry(j);
        (0..j).for_each(|k| pivot -= l[j * n + k] * l[j * n + k]);
        if pivot.value() <= 1e-14 {
            continue;
        }
        let root = pivot.sqrt();
        l[j * n + j] = root;
        for i in j + 1..n {
            let mut sum = entry(i);
            (0..j).for_each(|k| sum -= l[i * n + k] * l[j * n + k]);
            l[i * n + j] = sum / root;
        }
    }
    for i in 0..n {
        (0..=i).for_each(|j| l[i * n + j] = l[i * n + j] * scale[i]);
    }
    l
}

/// Solves `a x = b` for `b: [n, m]`, in place, by elimination with row pivots; `None` where `a` is singular. Destroys `a`.
/// Returns the logarithm of the absolute determinant.
pub fn solve<T: Real>(a: &mut [T], b: &mut [T], n: usize, m: usize) -> Option<T> {
    let mut log_det = T::of(0.0);
    for j in 0..n {
        let pivot = (j..n).max_by(|p, q| a[p * n + j].value().abs().total_cmp(&a[q * n + j].value().abs()))?;
        if pivot != j {
            (0..n).for_each(|k| a.swap(pivot * n + k, j * n + k));
            (0..m).for_each(|k| b.swap(pivot * m + k, j * m + k));
        }
        let diagonal = a[j * n + j];
        let size = diagonal.value().abs();
        if size.is_nan() || size == 0.0 {
            return None;
        }
        log_det += if diagonal.value() < 0.0 { (-diagonal).ln() } else { diagonal.ln() };
        for i in j + 1..n {
            let factor = a[i * n + j] / diagonal;
            for k in j..n {
                let above = a[j * n + k];
                a[i * n + k] -= factor * above;
            }
            for k in 0..m {
                let above = b[j * m + k];
                b[i * m + k] -= factor * above;
            }
        }
    }
    for j in (0..n).rev() {
        for k in 0..m {
            let mut sum = b[j * m + k];
            (j + 1..n).for_each(|l| sum -= a[j * n + l] * b[l * m + k]);
            b[j * m + k] = sum / a[j * n + j];
        }
    }
    Some(log_det)
}

/// `a⁻¹ b` for a positive definite `a: [n, n]` with Cholesky factor `l`, `b: [n, m]`.
pub fn cholesky_solve<T: Real>(l: &[T], b: &[T], n: usize, m: usize) -> Vec<T> {
    let mut x = b.to_vec();
    for k in 0..m {
        for i in 0..n {
            let mut sum = x[i * m + k];
            (0..i).for_each(|j| sum -= l[i * n + j] * x[j * m + k]);
            x[i * m + k] = sum / l[i * n + i];
        }
        for i in (0..n).rev() {
            let mut sum = x[i * m + k];
            (i + 1..n).for_each(|j| sum -= l[j * n + i] * x[j * m + k]);
            x[i * m + k] = sum / l[i * n + i];
        }
    }
    x
}

/// Logarithm of the determinant from a Cholesky factor.
pub fn log_det<T: Real>(l: &[T], n: usize) -> T {
    let mut sum = T::of(0.0);
    (0..n).for_each(|i| sum += l[i * n + i].ln());
    sum + sum
}

/// Lower triangular `R` with `R R' = M M'` for `m: [n, k]`, by Householder reflections of the rows. Its diagonal is not negative.
pub fn tria<T: Real>(m: &[T], n: usize, k: usize) -> Vec<T> {
    let mut a = m.to_vec();
    for i in 0..n.min(k) {
        // A reflection from the right that clears row `i` beyond its diagonal.
        let mut norm = T::of(0.0);
        (i..k).for_each(|j| norm += a[i * k + j] * a[i * k + j]);
        let norm = norm.sqrt();
        if norm.value() == 0.0 {
            continue;
        }
        let head = a[i * k + i];
        let target = if head.value() > 0.0 { -norm } else { norm };
        let mut v: Vec<T> = (i..k).map(|j| a[i * k + j]).collect();
        v[0] = head - target;
        let mut square = T::of(0.0);
        v.iter().for_each(|x| square += *x * *x);
        if square.value() == 0.0 {
            continue;
        }
        let two = T::of(2.0);
        for row in i..n {
            let mut dot = T::of(0.0);
            (i..k).for_each(|j| dot += a[row * k + j] * v[j - i]);
            let factor = two * dot / square;
            (i..k).for_each(|j| a[row * k + j] -= factor * v[j - i]);
        }
    }
    let mut out = vec![T::default(); n * n];
    for i in 0..n {
        (0..=i.min(k - 1)).for_each(|j| out[i * n + j] = a[i * k + j]);
    }
    for j in 0..n {
        if out[j * n + j].value() < 0.0 {
            (j..n).for_each(|i| out[i * n + j] = -out[i * n + j]);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn solutions_solve_and_triangles_square_back() {
        let a = [4.0, 1.0, 0.5, 1.0, 3.0, -0.2, 0.5, -0.2, 2.0];
        let b = [1.0, 2.0, 3.0];
        let l = cholesky(&a, 3).unwrap();
        let x = cholesky_solve(&l, &b, 3, 1);
        let (mut copy, mut y) = (a.to_vec(), b.to_vec());
        let det = solve(&mut copy, &mut y, 3, 1).unwrap();
        assert!(x.iter().zip(&y).all(|(x, y): (&f64, &f64)| (x - y).abs() < 1e-15));
        assert!((det - log_det(&l, 3)).abs() < 1e-14);
        let back = product(&a, &x, 3, 3, 1);
        assert!(back.iter().zip(&b).all(|(x, y)| (x - y).abs() < 1e-14));
        let wide = [1.0f64, 2.0, 0.3, -1.0, 0.2, 0.5, 0.5, 2.0, 1.0, 1.0, 1.0, 4.0];
        let r = tria(&wide, 3, 4);
        let (left, right) = (product_transposed(&r, &r, 3, 3, 3), product_transposed(&wide, &wide, 3, 4, 3));
        assert!(left.iter().zip(&right).all(|(x, y)| (x - y).abs() < 1e-13));
        assert!(r[1] == 0.0 && r[2] == 0.0 && r[5] == 0.0);
        let rank_one = [1.0f64, 2.0, 2.0, 4.0];
        let half = cholesky_semidefinite(&rank_one, 2);
        let back = product_transposed(&half, &half, 2, 2, 2);
        assert!(back.iter().zip(&rank_one).all(|(x, y)| (x - y).abs() < 1e-14));
    }
}
