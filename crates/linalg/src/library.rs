//! [`Dense`] and [`Decompose`] on faer. Nothing else in the project names it.

use crate::backend::{Decompose, Dense, Diagonal, Shape, Side, Triangle};
use crate::small;
use crate::threads::{PARTS, Threads, multiply_adds};
use crate::view::{MatMut, MatRef};
use elbo_core::recycle::{Kept, Shelved};
use faer::diag::Diag;
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::matmul::{self, triangular::BlockStructure};
use faer::linalg::{cholesky::llt, evd, lu::partial_pivoting as lu, qr::no_pivoting as qr, svd};
use faer::linalg::{triangular_inverse as inverse, triangular_solve as solve};
use faer::traits::RealField;
use faer::{Accum, Conj, Mat, Par};

/// Rows up to which a factorisation runs on a copy in column order: its small steps vectorise down columns only.
const COPY_BELOW: usize = 512;

#[allow(unsafe_code)]
fn read<'a, T>(a: MatRef<'a, T>) -> faer::MatRef<'a, T> {
    let (rows, columns, rs, cs) = (a.rows(), a.columns(), a.row_stride() as isize, a.column_stride() as isize);
    // SAFETY: the view's constructor checked that the last entry lies inside the slice, which lives for 'a.
    unsafe { faer::MatRef::from_raw_parts(a.data().as_ptr(), rows, columns, rs, cs) }
}

#[allow(unsafe_code)]
fn write<'a, T>(mut a: MatMut<'a, T>) -> faer::MatMut<'a, T> {
    let (rows, columns, rs, cs) = (a.rows(), a.columns(), a.row_stride() as isize, a.column_stride() as isize);
    // SAFETY: as in `read`; the constructor also checked that no two entries share a place, and the slice is borrowed
    // mutably for 'a because the view is consumed.
    unsafe { faer::MatMut::from_raw_parts_mut(a.data_mut().as_mut_ptr(), rows, columns, rs, cs) }
}

fn parallel(degree: usize) -> Par {
    if degree <= 1 { Par::Seq } else { Par::rayon(degree) }
}

/// For operations that split sums: the same parts on every machine.
fn in_parts(multiply_adds: usize) -> Par {
    if multiply_adds < 128 * 128 * 128 { Par::Seq } else { Par::rayon(PARTS) }
}

fn structure(shape: Shape) -> BlockStructure {
    match shape {
        Shape::Full => BlockStructure::Rectangular,
        Shape::Lower => BlockStructure::TriangularLower,
        Shape::Upper => BlockStructure::TriangularUpper,
    }
}

fn gemm<T: RealField + Copy>(
    c: MatMut<'_, T>,
    alpha: T,
    a: MatRef<'_, T>,
    b: MatRef<'_, T>,
    accumulate: bool,
    shapes: (Shape, Shape, Shape),
    threads: Threads,
) {
    let par = parallel(threads.degree(multiply_adds(c.rows(), c.columns(), a.columns())));
    let accumulate = if accumulate { Accum::Add } else { Accum::Replace };
    if shapes == (Shape::Full, Shape::Full, Shape::Full) {
        return matmul::matmul(write(c), accumulate, read(a), read(b), alpha, par);
    }
    let (c_shape, a_shape, b_shape) = (structure(shapes.0), structure(shapes.1), structure(shapes.2));
    matmul::triangular::matmul(write(c), c_shape, accumulate, read(a), a_shape, read(b), b_shape, alpha, par);
}

fn potrf_columns<T: RealField + Copy>(a: faer::MatMut<'_, T>, threads: Threads) -> Result<(), usize> {
    let n = a.nrows();
    let par = parallel(threads.degree(multiply_adds(n, n, n) / 3));
    let mut memory = MemBuffer::new(llt::factor::cholesky_in_place_scratch::<T>(n, par, Default::default()));
    let stack = MemStack::new(&mut memory);
    match llt::factor::cholesky_in_place(a, Default::default(), par, stack, Default::default()) {
        Ok(_) => Ok(()),
        Err(llt::factor::LltError::NonPositivePivot { index }) => Err(index),
    }
}

pub(crate) fn potrf<T: RealField + Shelved>(mut a: MatMut<'_, T>, threads: Threads) -> Result<(), usize> {
    let n = a.rows();
    // In column order the library would write above the diagonal.
    if n > COPY_BELOW && a.column_stride() == 1 {
        return potrf_columns(write(a), threads);
    }
    // Fresh pages would cost more than the copy.
    let mut columns: Kept<T> = Kept::zeros(n * n);
    for i in 0..n {
        for j in 0..=i {
            columns[j * n + i] = a.get(i, j);
        }
    }
    potrf_columns(write(MatMut::column_major(&mut columns, n, n)), threads)?;
    for i in 0..n {
        for j in 0..=i {
            a.set(i, j, columns[j * n + i]);
        }
    }
    Ok(())
}

fn trsm<T: RealField + Copy>(
    side: Side,
    triangle: Triangle,
    diagonal: Diagonal,
    a: MatRef<'_, T>,
    b: MatMut<'_, T>,
    threads: Threads,
) {
    // X A = B is A^T X^T = B^T.
    let (a, triangle, b) = match side {
        Side::Left => (a, triangle, b),
        Side::Right => (a.transpose(), triangle.transpose(), b.transpose()),
    };
    // With one right-hand side the library would split dot products between threads.
    let degree = if b.columns() < 2 { 1 } else { threads.degree(multiply_adds(a.rows(), a.rows(), b.columns()) / 2) };
    let (a, b, par) = (read(a), write(b), parallel(degree));
    match (triangle, diagonal) {
        (Triangle::Lower, Diagonal::Stored) => solve::solve_lower_triangular_in_place(a, b, par),
        (Triangle::Lower, Diagonal::Unit) => solve::solve_unit_lower_triangular_in_place(a, b, par),
        (Triangle::Upper, Diagonal::Stored) => solve::solve_upper_triangular_in_place(a, b, par),
        (Triangle::Upper, Diagonal::Unit) => solve::solve_unit_upper_triangular_in_place(a, b, par),
    }
}

pub(crate) fn potri<T: RealField + Copy>(out: MatMut<'_, T>, l: MatRef<'_, T>, threads: Threads) {
    let n = l.rows();
    let par = parallel(threads.degree(multiply_adds(n, n, n) / 3));
    let mut memory = MemBuffer::new(llt::inverse::inverse_scratch::<T>(n, par));
    llt::inverse::inverse(write(out), read(l), par, MemStack::new(&mut memory));
}

/// Small matrices by tiles, the others by the library.
fn potrf_f64(a: MatMut<'_, f64>, threads: Threads) -> Result<(), usize> {
    if a.rows() <= small::BY_TILES { small::potrf(a) } else { potrf(a, threads) }
}

/// As [`potrf_f64`].
fn potri_f64(out: MatMut<'_, f64>, l: MatRef<'_, f64>, threads: Threads) {
    if l.rows() <= small::BY_TILES { small::potri(out, l) } else { potri(out, l, threads) }
}

fn syevd<T: RealField + Copy>(a: MatRef<'_, T>, values: &mut [T], vectors: Option<MatMut<'_, T>>) -> bool {
    let n = a.rows();
    let par = in_parts(multiply_adds(n, n, n));
    let compute = if vectors.is_some() { evd::ComputeEigenvectors::Yes } else { evd::ComputeEigenvectors::No };
    let mut memory = MemBuffer::new(evd::self_adjoint_evd_scratch::<T>(n, compute, par, Default::default()));
    let mut found = Diag::<T>::zeros(n);
    // The library wants the vectors in column order.
    let mut columns = vectors.as_ref().map(|_| Mat::<T>::zeros(n, n));
    let stack = MemStack::new(&mut memory);
    let target = columns.as_mut().map(|m| m.as_mut());
    if evd::self_adjoint_evd(read(a), found.as_mut(), target, par, stack, Default::default()).is_err() {
        return false;
    }
    for (value, found) in values.iter_mut().zip(found.column_vector().iter()) {
        *value = *found;
    }
    if let (Some(vectors), Some(columns)) = (vectors, columns) {
        write(vectors).copy_from(&columns);
    }
    true
}

fn thin_svd<T: RealField + Copy>(a: MatRef<'_, T>, u: MatMut<'_, T>, s: &mut [T], v: MatMut<'_, T>) -> bool {
    let (m, n) = (a.rows(), a.columns());
    let k = m.min(n);
    let par = in_parts(multiply_adds(m, n, k));
    let thin = svd::ComputeSvdVectors::Thin;
    let mut memory = MemBuffer::new(svd::svd_scratch::<T>(m, n, thin, thin, par, Default::default()));
    let (mut left, mut right, mut found) = (Mat::<T>::zeros(m, k), Mat::<T>::zeros(n, k), Diag::<T>::zeros(k));
    let stack = MemStack::new(&mut memory);
    let (l, r) = (Some(left.as_mut()), Some(right.as_mut()));
    if svd::svd(read(a), found.as_mut(), l, r, par, stack, Default::default()).is_err() {
        return false;
    }
    for (value, found) in s.iter_mut().zip(found.column_vector().iter()) {
        *value = *found;
    }
    write(u).copy_from(&left);
    write(v).copy_from(&right);
    true
}

fn thin_qr<T: RealField + Copy>(a: MatRef<'_, T>, q: MatMut<'_, T>, r: MatMut<'_, T>) {
    use faer::linalg::householder as hh;
    let (m, n) = (a.rows(), a.columns());
    let k = m.min(n);
    let par = in_parts(multiply_adds(m, n, k));
    let mut factors = Mat::<T>::zeros(m, n);
    factors.copy_from(read(a));
    let block = qr::factor::recommended_block_size::<T>(m, n);
    let mut coefficients = Mat::<T>::zeros(block, k);
    let need = qr::factor::qr_in_place_scratch::<T>(m, n, block, par, Default::default());
    let stack = &mut MemBuffer::new(need);
    qr::factor::qr_in_place(factors.as_mut(), coefficients.as_mut(), par, MemStack::new(stack), Default::default());
    let mut r = write(r);
    for i in 0..k {
        for j in 0..n {
            r[(i, j)] = if j >= i { factors[(i, j)] } else { faer::traits::math_utils::zero() };
        }
    }
    let mut basis = Mat::<T>::identity(m, k);
    let need = hh::apply_block_householder_sequence_on_the_left_in_place_scratch::<T>(m, block, k);
    let stack = &mut MemBuffer::new(need);
    hh::apply_block_householder_sequence_on_the_left_in_place_with_conj(
        factors.get(.., ..k),
        coefficients.as_ref(),
        Conj::No,
        basis.as_mut(),
        par,
        MemStack::new(stack),
    );
    write(q).copy_from(&basis);
}

fn lu_factor<T: RealField + Copy>(a: MatMut<'_, T>, permutation: &mut [usize]) -> usize {
    let n = a.rows();
    let par = parallel(Threads::All.degree(multiply_adds(n, n, n) / 3));
    let mut memory = MemBuffer::new(lu::factor::lu_in_place_scratch::<usize, T>(n, n, par, Default::default()));
    let mut back = vec![0; n];
    let stack = MemStack::new(&mut memory);
    let (info, _) = lu::factor::lu_in_place(write(a), permutation, &mut back, par, stack, Default::default());
    info.transposition_count
}

fn trtri<T: RealField + Copy>(
    out: MatMut<'_, T>,
    triangle: Triangle,
    diagonal: Diagonal,
    a: MatRef<'_, T>,
    threads: Threads,
) {
    let n = a.rows();
    let par = parallel(threads.degree(multiply_adds(n, n, n) / 3));
    let (out, a) = (write(out), read(a));
    match (triangle, diagonal) {
        (Triangle::Lower, Diagonal::Stored) => inverse::invert_lower_triangular(out, a, par),
        (Triangle::Lower, Diagonal::Unit) => inverse::invert_unit_lower_triangular(out, a, par),
        (Triangle::Upper, Diagonal::Stored) => inverse::invert_upper_triangular(out, a, par),
        (Triangle::Upper, Diagonal::Unit) => inverse::invert_unit_upper_triangular(out, a, par),
    }
}

macro_rules! library {
    ($t:ty, $potrf:ident, $potri:ident) => {
        impl Dense for $t {
            fn gemm(
                mut c: MatMut<'_, Self>,
                alpha: Self,
                a: MatRef<'_, Self>,
                b: MatRef<'_, Self>,
                beta: Self,
                shapes: (Shape, Shape, Shape),
                threads: Threads,
            ) {
                let accumulate = crate::gemm::scale_result(&mut c, beta, shapes.0, a.columns() == 0);
                if !c.is_empty() && a.columns() > 0 {
                    gemm(c, alpha, a, b, accumulate, shapes, threads);
                }
            }

            fn potrf(a: MatMut<'_, Self>, threads: Threads) -> Result<(), usize> {
                $potrf(a, threads)
            }

            fn trsm(
                side: Side,
                triangle: Triangle,
                diagonal: Diagonal,
                a: MatRef<'_, Self>,
                b: MatMut<'_, Self>,
                threads: Threads,
            ) {
                trsm(side, triangle, diagonal, a, b, threads);
            }

            fn potri(out: MatMut<'_, Self>, l: MatRef<'_, Self>, threads: Threads) {
                $potri(out, l, threads);
            }

            fn syevd(a: MatRef<'_, Self>, values: &mut [Self], vectors: Option<MatMut<'_, Self>>) -> bool {
                syevd(a, values, vectors)
            }
        }

        impl Decompose for $t {
            fn svd(a: MatRef<'_, Self>, u: MatMut<'_, Self>, s: &mut [Self], v: MatMut<'_, Self>) -> bool {
                thin_svd(a, u, s, v)
            }

            fn qr(a: MatRef<'_, Self>, q: MatMut<'_, Self>, r: MatMut<'_, Self>) {
                thin_qr(a, q, r);
            }

            fn lu(a: MatMut<'_, Self>, permutation: &mut [usize]) -> usize {
                lu_factor(a, permutation)
            }

            fn trtri(
                out: MatMut<'_, Self>,
                triangle: Triangle,
                diagonal: Diagonal,
                a: MatRef<'_, Self>,
                threads: Threads,
            ) {
                trtri(out, triangle, diagonal, a, threads);
            }
        }
    };
}

library!(f64, potrf_f64, potri_f64);
library!(f32, potrf, potri);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_library_sees_the_entries_of_a_view_and_nothing_else() {
        let data: Vec<f64> = (0..20).map(f64::from).collect();
        let views = [
            MatRef::row_major(&data, 4, 5),
            MatRef::column_major(&data, 4, 5),
            MatRef::strided(&data, 3, 4, 0, 5),
            MatRef::row_major(&data, 4, 5).block(1, 2, 3, 3).transpose(),
            MatRef::column(&data[19..]),
        ];
        for view in views {
            let seen = read(view);
            assert_eq!((seen.nrows(), seen.ncols()), (view.rows(), view.columns()));
            for i in 0..view.rows() {
                for j in 0..view.columns() {
                    assert_eq!(seen[(i, j)], view.get(i, j), "({i}, {j})");
                }
            }
        }
        assert_eq!(read(MatRef::row_major(&data[..0], 0, 5)).ncols(), 5);
    }

    #[test]
    fn what_the_library_writes_stays_inside_the_view() {
        let mut data = vec![0.0; 20];
        {
            let view = MatMut::row_major(&mut data, 4, 5).block(1, 1, 2, 3).transpose();
            let mut seen = write(view);
            for i in 0..3 {
                for j in 0..2 {
                    seen[(i, j)] = (10 * i + j + 1) as f64;
                }
            }
        }
        let row = |i: usize| data[5 * i..5 * (i + 1)].to_vec();
        assert_eq!([row(0), row(3)], [vec![0.0; 5], vec![0.0; 5]]);
        assert_eq!(row(1), [0.0, 1.0, 11.0, 21.0, 0.0]);
        assert_eq!(row(2), [0.0, 2.0, 12.0, 22.0, 0.0]);
    }
}
