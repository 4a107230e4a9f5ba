//! Priors from arrays: what is kept, and what is refused.

use elbo_core::{Array, Result, Values};
use elbo_splat::prior::{Depth, Flow, Pointmap};

/// Three columns and two rows.
const SIZE: [usize; 2] = [3, 2];

fn single(shape: &[usize], values: &[f32]) -> Array {
    Array { shape: shape.into(), values: Values::F32(values.into()) }
}

fn refused<T: std::fmt::Debug>(found: Result<T>, words: &str) {
    let error = found.expect_err(words);
    assert!(error.to_string().contains(words) && !error.remedy().is_empty(), "{words}: {error}");
}

#[test]
fn depths_are_scaled_and_survive_their_arrays() {
    let stored = Array { shape: vec![2, 3], values: Values::I64(vec![1500, 0, 2250, 3, 65_535, 1]) };
    let depth = Depth::new(&stored, 0.001, SIZE).unwrap();
    assert_eq!(depth.values, [1.5, 0.0, 2.25, 0.003, 65.535, 0.001]);
    assert_eq!(depth.is_known(), [true, false, true, true, true, true]);
    assert_eq!(Depth::new(&depth.to_array(), 1.0, SIZE).unwrap(), depth);
}

#[test]
fn sixteen_bits_keep_depths_to_half_a_step_and_what_is_known() {
    let depth = Depth::new(&single(&[2, 3], &[0.0, 1e-9, 0.7, 3.3, 2.1, 5.0]), 1.0, SIZE).unwrap();
    let (whole, scale) = depth.to_grey16();
    assert!(whole.to_f64().unwrap().iter().all(|v| v.fract() == 0.0 && (0.0..=65_535.0).contains(v)));
    let back = Depth::new(&whole, scale, SIZE).unwrap();
    assert_eq!(back.is_known(), depth.is_known());
    // The smallest depth becomes one step; others are rounded, which single precision adds a little to.
    for (a, b) in depth.values.iter().zip(&back.values).filter(|(a, _)| **a > 1e-3) {
        assert!(f64::from((a - b).abs()) <= 0.5 * scale + 1e-6, "{a} and {b}");
    }
    assert!((f64::from(back.values[1]) / scale - 1.0).abs() < 1e-6);
}

#[test]
fn depths_that_mean_nothing_are_refused() {
    let with = |value: f32| Depth::new(&single(&[2, 3], &[1.0, 1.0, 1.0, 1.0, value, 1.0]), 1.0, SIZE);
    refused(with(f32::NAN), "the depth is no finite number in column 2, row 2");
    refused(with(f32::INFINITY), "no finite number");
    refused(with(-0.5), "the depth is below zero in column 2, row 2");
    refused(Depth::new(&single(&[2, 3], &[0.0; 6]), 1.0, SIZE), "known for no pixel");
    refused(Depth::new(&single(&[2, 3], &[1e38; 6]), 1e10, SIZE), "no finite number");
    for scale in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        refused(Depth::new(&single(&[2, 3], &[1.0; 6]), scale, SIZE), "`scale`");
    }
    for shape in [&[3, 2][..], &[6], &[2, 3, 1], &[1, 2, 3]] {
        let words = format!("has shape {shape:?}; a picture of 3 x 2 pixels needs [2, 3]");
        refused(Depth::new(&single(shape, &[1.0; 6]), 1.0, SIZE), &words);
    }
    let text = Values::Text { levels: vec!["a".into()], codes: vec![Some(0); 6] };
    refused(Depth::new(&Array { shape: vec![2, 3], values: text }, 1.0, SIZE), "holds text");
}

/// Shifts `(k, -k)` for pixel `k`, with one pixel changed.
fn shifts(pixel: usize, to: [f32; 2]) -> Array {
    let mut values: Vec<f32> = (0..6).flat_map(|k| [k as f32, -(k as f32)]).collect();
    values[2 * pixel..2 * pixel + 2].copy_from_slice(&to);
    single(&[2, 3, 2], &values)
}

#[test]
fn flows_survive_their_arrays_with_their_masks() {
    let mask = Array { shape: vec![2, 3], values: Values::U8(vec![0, 255, 1, 1, 0, 1]) };
    let flow = Flow::new(&shifts(3, [7.5, -8.5]), Some(&mask), SIZE).unwrap();
    assert_eq!(flow.is_seen, [false, true, true, true, false, true]);
    assert_eq!(flow.shift, [0.0, 1.0, 2.0, 7.5, 4.0, 5.0, 0.0, -1.0, -2.0, -8.5, -4.0, -5.0]);
    let [pairs, seen] = flow.to_arrays();
    assert_eq!(pairs, shifts(3, [7.5, -8.5]));
    assert_eq!(Flow::new(&pairs, Some(&seen), SIZE).unwrap(), flow);
}

#[test]
fn shifts_beyond_all_pictures_are_unknown_and_others_that_are_none_are_refused() {
    for unknown in [[1e10, 1e10], [0.0, -2e9], [f32::INFINITY, 0.0], [f32::NAN, 1e10]] {
        let flow = Flow::new(&shifts(4, unknown), None, SIZE).unwrap();
        assert_eq!(flow.is_seen, [true, true, true, true, false, true], "{unknown:?}");
        assert_eq!((flow.shift[4], flow.shift[10]), (0.0, 0.0));
    }
    refused(Flow::new(&shifts(4, [0.0, f32::NAN]), None, SIZE), "the flow is no number in column 2, row 2");
    // Where the mask leaves the pixel out, it may be anything.
    let mask = single(&[2, 3], &[1.0, 1.0, 1.0, 1.0, 0.0, 1.0]);
    let flow = Flow::new(&shifts(4, [0.0, f32::NAN]), Some(&mask), SIZE).unwrap();
    assert!(!flow.is_seen[4] && flow.shift.iter().all(|v| v.is_finite()));
}

#[test]
fn flows_that_fit_no_picture_are_refused() {
    let flow = shifts(0, [0.0; 2]);
    refused(Flow::new(&flow, None, [2, 3]), "the flow has shape [2, 3, 2]; a picture of 2 x 3 pixels needs [3, 2, 2]");
    refused(Flow::new(&single(&[2, 3], &[0.0; 6]), None, SIZE), "needs [2, 3, 2]");
    refused(Flow::new(&flow, Some(&single(&[3, 2], &[1.0; 6])), SIZE), "the flow's mask has shape [3, 2]");
    refused(Flow::new(&flow, Some(&single(&[2, 3], &[f32::NAN; 6])), SIZE), "mask is no number in column 1, row 1");
    refused(Flow::new(&flow, Some(&single(&[2, 3], &[0.0; 6])), SIZE), "known for no pixel");
    refused(Flow::new(&single(&[2, 3, 2], &[1e10; 12]), None, SIZE), "known for no pixel");
}

#[test]
fn pointmaps_survive_their_arrays_and_points_without_confidence_may_be_anything() {
    let mut values: Vec<f32> = (0..18).map(|k| k as f32).collect();
    values[7] = f32::NAN;
    let points = single(&[2, 3, 3], &values);
    let confidence = single(&[2, 3], &[1.0, 0.5, 0.0, 3.0, 1.0, 1.0]);
    let map = Pointmap::new(&points, &confidence, SIZE).unwrap();
    assert_eq!(map.points[6..9], [0.0; 3]);
    assert_eq!(map.points[9..], values[9..]);
    let [points, confidence] = map.to_arrays();
    assert_eq!(Pointmap::new(&points, &confidence, SIZE).unwrap(), map);
}

#[test]
fn pointmaps_that_mean_nothing_are_refused() {
    let points = |value: f32| {
        let mut values = [1.0; 18];
        values[16] = value;
        single(&[2, 3, 3], &values)
    };
    let sure = single(&[2, 3], &[1.0; 6]);
    for value in [f32::NAN, f32::NEG_INFINITY] {
        refused(Pointmap::new(&points(value), &sure, SIZE), "the point is no finite number in column 3, row 2");
    }
    for value in [f32::NAN, -1.0, f32::INFINITY] {
        let confidence = single(&[2, 3], &[1.0, value, 1.0, 1.0, 1.0, 1.0]);
        refused(Pointmap::new(&points(1.0), &confidence, SIZE), "below zero or not finite in column 2, row 1");
    }
    refused(Pointmap::new(&points(1.0), &single(&[2, 3], &[0.0; 6]), SIZE), "known for no pixel");
    refused(Pointmap::new(&points(1.0), &sure, [4, 2]), "needs [2, 4, 3]");
    refused(Pointmap::new(&points(1.0), &single(&[6], &[1.0; 6]), SIZE), "the pointmap's confidence has shape [6]");
    refused(Pointmap::new(&single(&[3, 2, 3], &[1.0; 18]), &sure, SIZE), "the pointmap has shape [3, 2, 3]");
}
