//! Convolutions, pooling, resizing and padding of images.

use elbo_tensor::{Convolution, Window};

use super::{Row, row};
use crate::nd::Nd;

pub fn rows() -> Vec<Row> {
    [convolutions(), images()].into_iter().flatten().collect()
}

/// Every tap of every output of a convolution: calls `f(index of y, index of x, index of w)`.
fn taps(
    x: &[usize],
    w: &[usize],
    y: &[usize],
    how: &Convolution,
    mut f: impl FnMut([usize; 4], [usize; 4], [usize; 4]),
) {
    let (ci, co) = (w[1], w[0] / how.groups);
    for (b, o, r, c) in each([y[0], y[1], y[2], y[3]]) {
        for (k, i, j, _) in each([ci, w[2], w[3], 1]) {
            let at = |out: usize, tap: usize, d: usize| {
                (out * how.stride[d] + tap * how.dilation[d]).checked_sub(how.padding[d]).filter(|p| *p < x[2 + d])
            };
            if let (Some(p), Some(q)) = (at(r, i, 0), at(c, j, 1)) {
                f([b, o, r, c], [b, o / co * ci + k, p, q], [o, k, i, j]);
            }
        }
    }
}

fn each(n: [usize; 4]) -> impl Iterator<Item = (usize, usize, usize, usize)> {
    let [a, b, c, d] = n;
    (0..a * b * c * d).map(move |i| (i / (b * c * d), i / (c * d) % b, i / d % c, i % d))
}

fn place(shape: &[usize], at: [usize; 4]) -> usize {
    shape.iter().zip(at).fold(0, |p, (s, i)| p * s + i)
}

fn conv_nd(x: &Nd, w: &Nd, bias: Option<&Nd>, how: &Convolution) -> Nd {
    let [h, v] = how.output([x.shape[2], x.shape[3]], [w.shape[2], w.shape[3]]).unwrap();
    let shape = [x.shape[0], w.shape[0], h, v];
    let mut y = Nd::build(&shape, |i| bias.map_or(0.0, |b| b.data[i[1]]));
    taps(&x.shape, &w.shape, &shape, how, |o, i, k| y.data[place(&shape, o)] += x.at(&i) * w.at(&k));
    y
}

fn transposed_nd(y: &Nd, w: &Nd, how: &Convolution) -> Nd {
    let [h, v] = how.transposed_output([y.shape[2], y.shape[3]], [w.shape[2], w.shape[3]]).unwrap();
    let shape = [y.shape[0], w.shape[1] * how.groups, h, v];
    let mut x = Nd::build(&shape, |_| 0.0);
    taps(&shape, &w.shape, &y.shape, how, |o, i, k| x.data[place(&shape, i)] += y.at(&o) * w.at(&k));
    x
}

fn convolutions() -> Vec<Row> {
    let conv = |name: &str, how: Convolution| {
        row(name, move |x| x[0].conv2d(&x[1], None, &how), move |x| conv_nd(&x[0], &x[1], None, &how))
    };
    let transposed = |name: &str, how: Convolution| {
        row(name, move |x| x[0].conv_transpose2d(&x[1], None, &how), move |x| transposed_nd(&x[0], &x[1], &how))
    };
    let plain = Convolution::default();
    let odd = Convolution { stride: [2, 1], padding: [1, 2], dilation: [1, 2], ..plain };
    vec![
        row(
            "conv2d_bias",
            move |x| x[0].conv2d(&x[1], Some(&x[2]), &plain.padded(1)),
            move |x| conv_nd(&x[0], &x[1], Some(&x[2]), &plain.padded(1)),
        )
        .on(&[&[&[2, 2, 3, 4], &[3, 2, 3, 3], &[3]], &[&[0, 2, 3, 4], &[3, 2, 3, 3], &[3]]]),
        conv("conv2d", plain).on(&[
            &[&[1, 2, 4, 3], &[2, 2, 2, 3]],
            &[&[5, 1, 3, 3], &[1, 1, 2, 2]],
            &[&[1, 2, 3, 3], &[0, 2, 2, 2]],
        ]),
        conv("conv2d_pointwise", plain).on(&[&[&[2, 3, 2, 3], &[2, 3, 1, 1]]]),
        conv("conv2d_strided", plain.strided(2).padded(1))
            .on(&[&[&[2, 2, 5, 4], &[3, 2, 3, 3]], &[&[1, 1, 1, 1], &[1, 1, 3, 3]]]),
        conv("conv2d_odd", odd).on(&[&[&[1, 2, 5, 4], &[2, 2, 3, 2]], &[&[1, 1, 2, 1], &[1, 1, 2, 3]]]),
        // Strides beyond the filter, which leave pixels and even a part of the padding out.
        conv("conv2d_sparse", Convolution { stride: [3, 5], padding: [1, 2], ..plain }).on(&[
            &[&[2, 4, 3, 4], &[2, 4, 1, 1]],
            &[&[1, 4, 3, 1], &[2, 4, 1, 1]],
            &[&[1, 2, 3, 4], &[2, 2, 1, 1]],
            &[&[1, 1, 3, 4], &[1, 1, 1, 1]],
        ]),
        conv("conv2d_grouped", plain.padded(1).grouped(2)).on(&[&[&[1, 4, 3, 3], &[4, 2, 3, 3]]]),
        conv("conv2d_depthwise", plain.padded(1).grouped(3))
            .on(&[&[&[2, 3, 3, 4], &[3, 1, 3, 3]], &[&[1, 3, 3, 3], &[6, 1, 2, 2]]]),
        row(
            "conv_transpose2d_bias",
            move |x| x[0].conv_transpose2d(&x[1], Some(&x[2]), &plain.strided(2).padded(1)),
            move |x| {
                let y = transposed_nd(&x[0], &x[1], &plain.strided(2).padded(1));
                Nd::build(&y.shape, |i| y.at(i) + x[2].data[i[1]])
            },
        )
        .on(&[&[&[2, 2, 2, 3], &[2, 3, 4, 4], &[3]]]),
        transposed("conv_transpose2d", plain).on(&[&[&[1, 2, 2, 3], &[2, 2, 3, 2]]]),
        transposed("conv_transpose2d_extra", Convolution { output_padding: [1, 0], ..plain.strided(2).padded(1) })
            .on(&[&[&[1, 2, 2, 2], &[2, 1, 3, 3]]]),
        transposed("conv_transpose2d_grouped", plain.strided(2).grouped(2)).on(&[&[&[1, 4, 2, 2], &[4, 2, 2, 2]]]),
    ]
}

/// A pixel or zero, or the value given outside.
fn pixel(x: &Nd, lead: &[usize], row: Option<usize>, column: Option<usize>, outside: f64) -> f64 {
    let [h, w] = [x.shape[x.shape.len() - 2], x.shape[x.shape.len() - 1]];
    match (row.filter(|r| *r < h), column.filter(|c| *c < w)) {
        (Some(r), Some(c)) => x.at(&[lead, &[r, c]].concat()),
        _ => outside,
    }
}

fn pooled(x: &Nd, window: Window, outside: f64, join: impl Fn(&[f64]) -> f64) -> Nd {
    let rank = x.shape.len();
    let mut shape = x.shape.clone();
    for d in 0..2 {
        let size = &mut shape[rank - 2 + d];
        *size = (*size + 2 * window.padding[d] - window.kernel[d]) / window.stride[d] + 1;
    }
    Nd::build(&shape, |i| {
        let (lead, at) = i.split_at(rank - 2);
        let mut values = vec![];
        for (a, b, _, _) in each([window.kernel[0], window.kernel[1], 1, 1]) {
            let row = (at[0] * window.stride[0] + a).checked_sub(window.padding[0]);
            let column = (at[1] * window.stride[1] + b).checked_sub(window.padding[1]);
            values.push(pixel(x, lead, row, column, outside));
        }
        join(&values)
    })
}

/// Linear interpolation between pixel centres.
fn bilinear(x: &Nd, size: [usize; 2]) -> Nd {
    let rank = x.shape.len();
    let shape = [&x.shape[..rank - 2], &size].concat();
    Nd::build(&shape, |i| {
        let (lead, at) = i.split_at(rank - 2);
        let along = |d: usize| {
            let from = x.shape[rank - 2 + d];
            let p = ((at[d] as f64 + 0.5) * from as f64 / size[d] as f64 - 0.5).clamp(0.0, from as f64 - 1.0);
            (p.floor() as usize, (p.floor() as usize + 1).min(from - 1), p.fract())
        };
        let ((r0, r1, u), (c0, c1, v)) = (along(0), along(1));
        let value = |r: usize, c: usize| x.at(&[lead, &[r, c]].concat());
        let line = |r: usize| (1.0 - v) * value(r, c0) + v * value(r, c1);
        (1.0 - u) * line(r0) + u * line(r1)
    })
}

fn images() -> Vec<Row> {
    let overlapping = Window { kernel: [3, 2], stride: [2, 1], padding: [1, 1] };
    let windows: [(&str, Window); 2] = [("side_by_side", Window::square(2)), ("overlapping", overlapping)];
    let shapes: &[&[&[usize]]] = &[&[&[2, 2, 4, 5]], &[&[3, 4]], &[&[0, 4, 4]]];
    let largest = |v: &[f64]| v.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut rows = vec![];
    for (name, window) in windows {
        let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
        rows.push(
            row(
                &format!("max_pool2d_{name}"),
                move |x| x[0].max_pool2d(&window),
                move |x| pooled(&x[0], window, f64::NEG_INFINITY, largest),
            )
            .on(shapes),
        );
        rows.push(
            row(
                &format!("avg_pool2d_{name}"),
                move |x| x[0].avg_pool2d(&window),
                move |x| pooled(&x[0], window, 0.0, mean),
            )
            .on(shapes),
        );
    }
    for size in [[5, 7], [2, 2]] {
        rows.push(
            row(
                &format!("resize_nearest_{size:?}"),
                move |x| x[0].resize_nearest(size),
                move |x| {
                    let (h, w) = (x[0].shape[1], x[0].shape[2]);
                    Nd::build(&[x[0].shape[0], size[0], size[1]], |i| {
                        x[0].at(&[i[0], i[1] * h / size[0], i[2] * w / size[1]])
                    })
                },
            )
            .on(&[&[&[2, 3, 4]], &[&[1, 1, 1]], &[&[0, 2, 2]]]),
        );
        rows.push(
            row(
                &format!("resize_bilinear_{size:?}"),
                move |x| x[0].resize_bilinear(size),
                move |x| bilinear(&x[0], size),
            )
            .on(&[&[&[2, 3, 4]], &[&[1, 1]], &[&[0, 2, 2]]]),
        );
    }
    rows.push(
        row(
            "pad_with",
            |x| x[0].pad_with(&[(1, 0), (0, 2)], -0.5),
            |x| {
                let s = &x[0].shape;
                Nd::build(&[s[0] + 1, s[1] + 2], |i| {
                    if i[0] > 0 && i[1] < s[1] { x[0].at(&[i[0] - 1, i[1]]) } else { -0.5 }
                })
            },
        )
        .on(&[&[&[2, 3]], &[&[0, 3]]]),
    );
    rows.push(
        row(
            "pad_reflect",
            |x| x[0].pad_reflect(&[(0, 0), (2, 1), (1, 3)]),
            |x| {
                let s = &x[0].shape;
                let mirror = |k: usize, before: usize, n: usize| {
                    let at = k.abs_diff(before);
                    if at < n { at } else { 2 * n - 2 - at }
                };
                Nd::build(&[s[0], s[1] + 3, s[2] + 4], |i| {
                    x[0].at(&[i[0], mirror(i[1], 2, s[1]), mirror(i[2], 1, s[2])])
                })
            },
        )
        .on(&[&[&[2, 3, 4]], &[&[0, 3, 4]]]),
    );
    rows
}
