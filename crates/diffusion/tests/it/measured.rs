//! Restorations of what was measured through rays, haze and kernels, and in counts.

use crate::model::{bars, bytes, fitted};
use elbo_core::{Array, Data, Restore, Run, Values};
use elbo_diffusion::model::{DiffusionModel, PriorKind};
use serde_json::{Value, json};

/// The arrays of a restoration, by name, and what was warned of.
fn restored(model: &DiffusionModel, data: &Data, how: &Value) -> (Data, Vec<String>) {
    let mut run = Run::new(4);
    let made = model.restore(data, how, &mut run).unwrap();
    (made, run.warnings().to_vec())
}

fn array<'a>(data: &'a Data, name: &str) -> &'a Array {
    &data.arrays.iter().find(|(n, _)| n == name).unwrap().1
}

#[test]
fn rays_haze_kernels_and_counts_are_settings() {
    let model = fitted(PriorKind::Empirical);
    let clean = bars(4);
    let quality = |how: &Value| {
        let notes = restored(&model, &clean, how).0.notes;
        let note = notes.iter().find(|n| n.contains("signal-to-noise")).unwrap();
        note.split(' ').nth(3).unwrap().parse::<f64>().unwrap()
    };
    // A bar in another row gives about 7 dB.
    for mut how in [
        json!({"operator": "radon", "views": 12}),
        json!({"operator": "radon", "views": 24, "fan": [12.0, 6.0], "method": "pi_gdm"}),
        json!({"operator": "haze", "transmission": 0.6, "light": [0.9]}),
        json!({"operator": "denoise", "counts": 200}),
        json!({"operator": "radon", "views": 12, "counts": 5000, "method": "pi_gdm"}),
    ] {
        how["simulate"] = json!(true);
        how["steps"] = json!(100);
        assert!(quality(&how) > 12.0, "{how}: {}", quality(&how));
    }
    let first = |how: Value| array(&restored(&model, &clean, &how).0, "image").clone();
    let denoised = first(json!({"operator": "denoise", "steps": 20}));
    assert_eq!(first(json!({"operator": "haze", "transmission": 1.0, "steps": 20})), denoised);
    // A kernel of one pixel blurs nothing, whatever its sum; one of the data is that of the settings.
    assert_eq!(first(json!({"operator": "blur", "kernel": [[7.0]], "steps": 20})), denoised);
    let kernel = json!({"operator": "blur", "kernel": [[0, 1, 0], [1, 2, 1], [0, 1, 0]], "steps": 20});
    let mut beside = clean.clone();
    beside.arrays.push(("kernel".into(), Array::new(&[3, 3], vec![0.0, 1.0, 0.0, 1.0, 2.0, 1.0, 0.0, 1.0, 0.0])));
    let (found, _) = restored(&model, &beside, &json!({"operator": "blur", "steps": 20}));
    assert!(*array(&found, "image") == first(kernel) && first(json!({"operator": "blur", "steps": 20})) != denoised);
    // Both must say the same.
    let both = |kernel: Value| {
        model.restore(&beside, &json!({"operator": "blur", "kernel": kernel, "steps": 2}), &mut Run::new(4))
    };
    assert!(both(json!([[0, 1, 0], [1, 2, 1], [0, 1, 0]])).is_ok());
    for other in [json!([[0, 1, 0], [1, 3, 1], [0, 1, 0]]), json!([[1]])] {
        let error = both(other).unwrap_err();
        assert!(error.to_string().contains("`kernel` beside the measurement"), "{error}");
        assert!(error.remedy().contains("leave the setting out"), "{}", error.remedy());
    }
}

#[test]
fn a_sinogram_keeps_its_geometry() {
    let model = fitted(PriorKind::Empirical);
    let how =
        json!({"operator": "radon", "angles": [0, 20, 50, 90, 140], "spacing": 0.8, "simulate": true, "steps": 20});
    let (made, _) = restored(&model, &bars(2), &how);
    assert_eq!(array(&made, "measured").shape, [2, 5, 11]);
    assert_eq!(array(&made, "angles").to_f64().unwrap(), [0.0, 20.0, 50.0, 90.0, 140.0]);
    assert_eq!(array(&made, "detectors").to_f64().unwrap(), [11.0]);
    // The sinogram with its arrays needs no settings of the rays.
    let mut sinogram = Data { source: "sinogram".into(), ..Data::default() };
    for name in ["measured", "angles", "detectors", "spacing"] {
        sinogram.arrays.push((name.into(), array(&made, name).clone()));
    }
    let (back, warnings) = restored(&model, &sinogram, &json!({"operator": "radon", "steps": 20}));
    assert!(warnings.is_empty(), "{warnings:?}");
    assert_eq!(back.arrays[0].1.shape, [2, 6, 6]);
    let message = model.restore(&sinogram, &json!({"operator": "radon", "spacing": 0.5}), &mut Run::new(1));
    assert!(message.unwrap_err().to_string().contains("`spacing`"));
}

#[test]
fn the_course_of_a_restoration_is_told_and_so_are_wrong_units() {
    let model = fitted(PriorKind::Empirical);
    let how = json!({"simulate": true, "operator": "denoise", "steps": 30, "dispersion": 0.1});
    let (made, warnings) = restored(&model, &bars(2), &how);
    assert!(warnings.is_empty(), "{warnings:?}");
    let (misfit, calls) = (array(&made, "misfit").to_f64().unwrap(), array(&made, "evaluations").to_f64().unwrap());
    assert!(misfit.len() >= 29 && calls == [misfit.len() as f64] && misfit.iter().all(|v| v.is_finite()), "{misfit:?}");
    assert_eq!(array(&made, "sd").shape, [2, 1, 6, 6]);
    // From -1 to 1, where the model's pictures go from 0 to 1.
    let values = bytes(&bars(2).arrays[0].1).iter().map(|v| f64::from(*v) / 127.5 - 1.0).collect();
    let wrong = Data { arrays: vec![("image".into(), Array::new(&[2, 6, 6], values))], ..bars(2) };
    let (_, warnings) = restored(&model, &wrong, &json!({"operator": "denoise", "steps": 10}));
    assert!(warnings.iter().any(|w| w.contains("from black (0) to white (1)")), "{warnings:?}");
    // A kernel that sharpens gives more than white and less than black.
    let mut sharp = json!({"operator": "blur", "kernel": [[0, -1, 0], [-1, 5, -1], [0, -1, 0]], "simulate": true});
    sharp["method"] = json!("pseudo_inverse");
    let (made, warnings) = restored(&model, &bars(2), &sharp);
    assert!(warnings.is_empty() && bytes(array(&made, "measured")).contains(&255), "{warnings:?}");
    let values = bytes(&bars(2).arrays[0].1).iter().map(|v| f64::from(*v) / 20.0).collect();
    let wrong = Data { arrays: vec![("image".into(), Array::new(&[2, 6, 6], values))], ..bars(2) };
    sharp["simulate"] = json!(false);
    let (_, warnings) = restored(&model, &wrong, &sharp);
    assert!(warnings.iter().any(|w| w.contains("from black (0) to white (1)")), "{warnings:?}");
    let radians =
        json!({"operator": "radon", "angles": [0, 0.3, 0.6, 0.9, 1.2, 1.5, 1.8, 2.1], "simulate": true, "steps": 5});
    assert!(restored(&model, &bars(1), &radians).1.iter().any(|w| w.contains("degrees")));
}

#[test]
fn a_kernel_is_convolved_with_the_picture() {
    let model = fitted(PriorKind::Empirical);
    let values: Vec<u8> = (0..36).map(|i| 7 * i).collect();
    let image = Array { shape: vec![1, 6, 6], values: Values::U8(values.clone()) };
    let given = Data { arrays: vec![("image".into(), image)], ..bars(1) };
    let kernel = [[0, 0, 0], [0, 0, 1], [0, 0, 0]];
    let how = json!({"operator": "blur", "kernel": kernel, "simulate": true, "noise": 0, "method": "pseudo_inverse"});
    // One column to the right; outside is the middle between black and white.
    let moved: Vec<u8> = (0..36).map(|i| if i % 6 == 0 { 128 } else { values[i - 1] }).collect();
    assert_eq!(bytes(array(&restored(&model, &given, &how).0, "measured")), moved);
}
