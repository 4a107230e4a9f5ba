//! Products and linear algebra.

use elbo_tensor::Tensor;

use super::{Row, SQUARE, row, triangle};
use crate::nd::Nd;

pub fn rows() -> Vec<Row> {
    [products(), linalg()].into_iter().flatten().collect()
}

/// A well-conditioned positive definite matrix from any square one.
fn spd(x: &Tensor) -> Tensor {
    x.matmul(&x.t()) + Tensor::eye(x.size(-1), x.dtype())
}

fn spd_nd(x: &Nd) -> Nd {
    let n = x.shape[0];
    x.matmul(&x.t()).zip(&Nd::build(&[n, n], |i| f64::from(u8::from(i[0] == i[1]))), |a, b| a + b)
}

/// A matrix that is safely invertible.
fn dominant(x: &Tensor) -> Tensor {
    x + Tensor::eye(x.size(-1), x.dtype()) * 6.0
}

fn dominant_nd(x: &Nd) -> Nd {
    let n = x.shape[0];
    x.zip(&Nd::build(&[n, n], |i| if i[0] == i[1] { 6.0 } else { 0.0 }), |a, b| a + b)
}

/// A tall matrix that safely has full column rank.
fn tall(x: &Tensor) -> Tensor {
    x + Tensor::eye(x.size(-2), x.dtype()).narrow(1, 0, x.size(-1)) * 3.0
}

fn tall_nd(x: &Nd) -> Nd {
    Nd::build(&x.shape, |i| x.at(i) + if i[0] == i[1] { 3.0 } else { 0.0 })
}

fn products() -> Vec<Row> {
    vec![
        row("matmul", |x| x[0].matmul(&x[1]), |x| x[0].matmul(&x[1])).on(&[
            &[&[2, 3], &[3, 4]],
            &[&[1, 1], &[1, 1]],
            &[&[7, 5], &[5, 19]],
            &[&[1, 3], &[3, 4]],
            &[&[4, 3], &[3, 1]],
            &[&[0, 3], &[3, 2]],
            &[&[2, 0], &[0, 2]],
            &[&[2, 3, 2], &[2, 2, 3]],
            &[&[2, 3, 2], &[2, 3]],
            &[&[3, 2], &[2, 2, 3]],
            &[&[2, 1, 3, 2], &[3, 2, 2]],
        ]),
        row("matmul_transposed", |x| x[0].t().matmul(&x[1].t()), |x| x[0].t().matmul(&x[1].t()))
            .on(&[&[&[3, 2], &[4, 3]], &[&[2, 3, 2], &[2, 4, 3]]]),
        row(
            "matrix_vector",
            |x| x[0].matmul(&x[1]),
            |x| x[0].matmul(&x[1].clone().reshaped(&[3, 1])).reshaped(&[x[0].shape[0]]),
        )
        .on(&[&[&[2, 3], &[3]], &[&[0, 3], &[3]]]),
        row(
            "vector_matrix",
            |x| x[0].matmul(&x[1]),
            |x| x[0].clone().reshaped(&[1, 3]).matmul(&x[1]).reshaped(&[x[1].shape[1]]),
        )
        .on(&[&[&[3], &[3, 2]]]),
        row("dot", |x| x[0].dot(&x[1]), |x| Nd::scalar(x[0].data.iter().zip(&x[1].data).map(|(a, b)| a * b).sum()))
            .on(&[&[&[3], &[3]], &[&[0], &[0]], &[&[19], &[19]]]),
        row(
            "outer",
            |x| x[0].outer(&x[1]),
            |x| Nd::build(&[x[0].shape[0], x[1].shape[0]], |i| x[0].data[i[0]] * x[1].data[i[1]]),
        )
        .on(&[&[&[3], &[2]], &[&[0], &[2]]]),
    ]
}

fn linalg() -> Vec<Row> {
    let systems: &[&[&[usize]]] = &[
        &[&[3, 3], &[3, 2]],
        &[&[2, 3, 3], &[3, 2]],
        &[&[3, 3], &[2, 3, 1]],
        &[&[1, 1], &[1, 1]],
        &[&[3, 3], &[3, 0]],
    ];
    let solve = |lower: bool, transposed: bool| {
        let name = format!("solve_triangular_{lower}_{transposed}");
        row(
            &name,
            move |x| dominant(&x[0]).solve_triangular(&x[1], lower, transposed),
            move |x| {
                let inverse = x[0].each_matrix(|a| {
                    let a = triangle(&dominant_nd(a), |i, j| if lower { j <= i } else { j >= i });
                    if transposed { a.t().inverse() } else { a.inverse() }
                });
                inverse.matmul(&x[1])
            },
        )
        .on(systems)
    };
    // Signs and orders of factors are arbitrary, so combinations without that freedom are compared.
    vec![
        solve(true, false),
        solve(true, true),
        solve(false, false),
        solve(false, true),
        row("cholesky", |x| spd(&x[0]).cholesky().unwrap(), |x| x[0].each_matrix(|a| spd_nd(a).cholesky()))
            .on(SQUARE)
            .to(1e-12),
        row(
            "cholesky_solve",
            |x| spd(&x[0]).cholesky().unwrap().cholesky_solve(&x[1]),
            |x| x[0].each_matrix(|a| spd_nd(a).inverse()).matmul(&x[1]),
        )
        .on(systems)
        .to(1e-12),
        row(
            "cholesky_log_det",
            |x| spd(&x[0]).cholesky().unwrap().cholesky_log_det(),
            |x| {
                let lead = &x[0].shape[..x[0].shape.len() - 2];
                let logs = x[0].each_matrix(|a| {
                    let (l, n) = (spd_nd(a).cholesky(), a.shape[0]);
                    Nd::scalar((0..n).map(|i| 2.0 * l.data[i * n + i].ln()).sum()).reshaped(&[1, 1])
                });
                if logs.data.is_empty() { Nd::scalar(0.0) } else { logs.reshaped(lead) }
            },
        )
        .on(SQUARE)
        .to(1e-12),
        row("inverse_spd", |x| spd(&x[0]).inverse_spd().unwrap(), |x| x[0].each_matrix(|a| spd_nd(a).inverse()))
            .on(SQUARE)
            .to(1e-12),
        row(
            "solve",
            |x| dominant(&x[0]).solve(&x[1]).unwrap(),
            |x| x[0].each_matrix(|a| dominant_nd(a).inverse()).matmul(&x[1]),
        )
        .on(systems),
        row("inverse", |x| dominant(&x[0]).inverse().unwrap(), |x| x[0].each_matrix(|a| dominant_nd(a).inverse()))
            .on(&[&[&[3, 3]], &[&[1, 1]], &[&[2, 3, 3]]]),
        row(
            "log_det",
            |x| spd(&x[0]).sign_and_log_det().unwrap().1,
            |x| {
                let (l, n) = (spd_nd(&x[0]).cholesky(), x[0].shape[0]);
                Nd::scalar((0..n).map(|i| 2.0 * l.data[i * n + i].ln()).sum())
            },
        )
        .on(&[&[&[3, 3]], &[&[1, 1]]])
        .to(1e-12),
        // log A = V log(w) V', through both outputs.
        row(
            "eigh",
            |x| {
                let (w, v) = spd(&x[0]).eigh().unwrap();
                (&v * w.square().unsqueeze(-2)).matmul(&v.t()) + w.log().sum_axis(-1, false).unsqueeze(-1).unsqueeze(-1)
            },
            |x| {
                x[0].each_matrix(|a| {
                    let s = spd_nd(a);
                    let (l, n) = (s.cholesky(), a.shape[0]);
                    let log: f64 = (0..n).map(|i| 2.0 * l.data[i * n + i].ln()).sum();
                    s.matmul(&s).map(|v| v + log)
                })
            },
        )
        .on(SQUARE)
        .to(1e-11),
        row(
            "svd",
            |x| {
                let (u, s, v) = x[0].svd().unwrap();
                (&u * s.powi(3).unsqueeze(-2)).matmul(&v.t())
            },
            |x| x[0].each_matrix(|a| a.matmul(&a.t()).matmul(a)),
        )
        .on(&[&[&[4, 3]], &[&[3, 4]], &[&[1, 1]], &[&[2, 3, 2]], &[&[2, 0]]])
        .to(1e-12),
        row(
            "qr",
            |x| {
                let (q, r) = tall(&x[0]).qr();
                let r_inverse = r.solve_triangular(&Tensor::eye(r.size(-1), r.dtype()), false, false);
                // Q Q' is the projection on the columns, R^-1 R^-T the inverse of A'A.
                q.matmul(&q.t()).sum_axis(-1, true).sum_axis(-2, true) + r_inverse.matmul(&r_inverse.t())
            },
            |x| {
                x[0].each_matrix(|a| {
                    let a = &tall_nd(a);
                    let inverse = a.t().matmul(a).inverse();
                    let total: f64 = a.matmul(&inverse).matmul(&a.t()).data.iter().sum();
                    inverse.map(|v| v + total)
                })
            },
        )
        .on(&[&[&[4, 2]], &[&[2, 2]], &[&[2, 3, 2]]])
        .to(1e-10),
    ]
}
