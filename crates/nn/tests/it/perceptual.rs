//! LPIPS and percep against their definitions; `golden/make_perceptual.py` printed the numbers.

use elbo_core::Rng;
use elbo_nn::perceptual::{Lpips, Percep};
use elbo_nn::weights::to_safetensors;
use elbo_tensor::{Parameters, Tensor, grad};
use safetensors::tensor::{Dtype, TensorView};

/// Index, filter size, and whether answers are compared.
const ALEX: [(usize, usize, bool); 5] = [(0, 11, true), (3, 5, true), (6, 3, true), (8, 3, true), (10, 3, true)];
const VGG: [(usize, usize, bool); 13] = [
    (0, 3, false),
    (2, 3, true),
    (5, 3, false),
    (7, 3, true),
    (10, 3, false),
    (12, 3, false),
    (14, 3, true),
    (17, 3, false),
    (19, 3, false),
    (21, 3, true),
    (24, 3, false),
    (26, 3, false),
    (28, 3, true),
];

type Arrays = Vec<(String, Vec<usize>, Vec<u8>)>;

fn array(name: String, shape: &[usize], formula: impl Fn(f64) -> f64) -> (String, Vec<usize>, Vec<u8>) {
    let count = shape.iter().product::<usize>();
    let bytes = (0..count).flat_map(|k| (formula(k as f64) as f32).to_le_bytes()).collect();
    (name, shape.to_vec(), bytes)
}

/// A convolution with the script's weights.
fn convolution(found: &mut Arrays, index: usize, [channels, before, size]: [usize; 3]) {
    let (scale, shift) = ((3.0 / (before * size * size) as f64).sqrt(), index as f64);
    let filters = [channels, before, size, size];
    found.push(array(format!("features.{index}.weight"), &filters, |k| scale * (0.7 * k + shift).sin()));
    found.push(array(format!("features.{index}.bias"), &[channels], |k| 0.1 * (k + shift).cos()));
}

/// Two to four channels a layer.
fn arrays(plan: &[(usize, usize, bool)]) -> Arrays {
    let (mut found, mut before, mut heads) = (vec![], 3, 0);
    for (place, (index, size, is_compared)) in plan.iter().enumerate() {
        let channels = 2 + place % 3;
        convolution(&mut found, *index, [channels, before, *size]);
        if *is_compared {
            let turn = 2.0 * f64::from(heads);
            let name = format!("lin{heads}.model.1.weight");
            found.push(array(name, &[1, channels, 1, 1], |k| 0.5 + 0.4 * (k + turn).sin()));
            heads += 1;
        }
        before = channels;
    }
    found
}

fn percep_arrays() -> Arrays {
    let mut found = vec![];
    for (index, [channels, before]) in [[16, 3], [32, 16], [64, 32]].into_iter().enumerate() {
        convolution(&mut found, index, [channels, before, 3]);
    }
    found
}

fn file(arrays: &Arrays) -> Vec<u8> {
    let views = arrays
        .iter()
        .map(|(name, shape, bytes)| (name.clone(), TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap()));
    safetensors::serialize(views, None).unwrap()
}

fn pictures(h: usize, w: usize) -> [Tensor; 2] {
    let picture =
        |formula: fn(f64) -> f64| Tensor::from_vec((0..3 * h * w).map(|k| formula(k as f64)).collect(), &[1, 3, h, w]);
    [picture(|k| 0.5 + 0.5 * (0.37 * k).sin()), picture(|k| 0.5 + 0.5 * (0.37 * k + 0.4 * (0.11 * k).cos()).sin())]
}

#[test]
fn distances_are_those_of_the_definition() {
    for (name, plan, [h, w], expected) in
        [("alex", &ALEX[..], [35, 33], 0.313986907), ("vgg", &VGG[..], [17, 18], 0.108953392)]
    {
        let lpips = Lpips::from_safetensors(&file(&arrays(plan))).unwrap();
        assert_eq!(lpips.name(), name);
        let [x, y] = pictures(h, w);
        let found = lpips.distance(&x, &y).unwrap();
        assert_eq!(found.shape(), [1]);
        // Single precision, up to thirteen layers deep.
        assert!((found.to_vec()[0] - expected).abs() < 1e-5, "{name}: {:?}", found.to_vec());
        // Both ways round, and of several pictures at once; a picture is nowhere away from itself.
        let both = lpips.distance(&Tensor::cat(&[y.clone(), x.clone()], 0), &Tensor::cat(&[x.clone(), x], 0)).unwrap();
        let both = both.to_vec();
        assert!((both[0] - expected).abs() < 1e-5 && both[1].abs() < 1e-9, "{name}: {both:?}");
    }
}

#[test]
fn slopes_agree_with_differences() {
    let lpips = Lpips::from_safetensors(&file(&arrays(&VGG))).unwrap();
    let percep = Percep::from_weights(&file(&percep_arrays())).unwrap();
    let y = &pictures(16, 16)[1];
    check_slope(|x| lpips.distance(x, y).unwrap().sum());
    check_slope(|x| percep.distance(x, y).unwrap().sum());
}

fn check_slope(value: impl Fn(&Tensor) -> Tensor) {
    let [x, _] = pictures(16, 16);
    let direction = Tensor::from_vec((0..768).map(|k| (0.9 * f64::from(k)).sin()).collect(), &[1, 3, 16, 16]);
    let x = x.variable();
    let exact = (&grad(&value(&x), &[&x])[0] * &direction).sum().item();
    let moved = |h: f64| value(&(x.detach() + &direction * h)).item();
    // Rectified units bend, and single precision leaves noise of 1e-7.
    let numeric = (moved(1e-3) - moved(-1e-3)) / 2e-3;
    assert!((numeric - exact).abs() < 0.05 * exact.abs() + 1e-3, "{numeric} {exact}");
}

#[test]
fn weights_and_pictures_that_do_not_fit_are_refused() {
    let refused = |change: &dyn Fn(&mut Arrays), word: &str| {
        let mut arrays = arrays(&ALEX);
        change(&mut arrays);
        let error = Lpips::from_safetensors(&file(&arrays)).err().unwrap_or_else(|| panic!("{word}: accepted"));
        assert!(error.to_string().contains(word), "{word}: {error}");
    };
    refused(&|arrays| arrays.retain(|(name, ..)| name != "lin3.model.1.weight"), "no array `lin3.weight`");
    refused(&|arrays| arrays.retain(|(name, ..)| name != "features.6.bias"), "no array `features.6.bias`");
    let place = |arrays: &Arrays, name: &str| arrays.iter().position(|(n, ..)| n == name).unwrap();
    refused(
        &|arrays| {
            let at = place(arrays, "features.3.weight");
            arrays[at] = array("features.3.weight".into(), &[3, 2, 3, 3], |_| 0.1);
        },
        "`features.3` has shapes",
    );
    refused(
        &|arrays| {
            let at = place(arrays, "lin0.model.1.weight");
            arrays[at] = array("lin0.model.1.weight".into(), &[1, 7, 1, 1], |_| 0.1);
        },
        "head 0 has 7 weights for 2 channels",
    );
    refused(
        &|arrays| {
            let at = place(arrays, "features.0.bias");
            arrays[at] = array("features.0.bias".into(), &[2], |_| f64::NAN);
        },
        "finite",
    );
    assert!(Lpips::from_safetensors(b"no file").err().unwrap().to_string().contains("cannot be read"));
    let lpips = Lpips::from_safetensors(&file(&arrays(&ALEX))).unwrap();
    let [x, y] = pictures(30, 40);
    assert!(lpips.distance(&x, &y).err().unwrap().to_string().contains("LPIPS (alex)"));
    let [x, y] = pictures(31, 31);
    assert!(lpips.distance(&x, &y).is_ok());
    assert!(lpips.distance(&x, &pictures(31, 32)[1]).is_err());
}

#[test]
fn percep_is_what_its_definition_says() {
    let percep = Percep::from_weights(&file(&percep_arrays())).unwrap();
    let [x, y] = pictures(9, 14);
    let found = percep.distance(&x, &y).unwrap();
    assert_eq!(found.shape(), [1]);
    // Single precision.
    assert!((found.item() - 0.027_001_913).abs() < 1e-6, "{}", found.item());
    assert_eq!(percep.distance(&y, &x).unwrap().item(), found.item(), "symmetric to the bit");
    let both = percep.distance(&Tensor::cat(&[x.clone(), y.clone()], 0), &Tensor::cat(&[y, x.clone()], 0)).unwrap();
    assert!(both.to_vec().iter().all(|d| (d - found.item()).abs() < 1e-6), "{:?}", both.to_vec());
    let own = percep.distance(&x, &x).unwrap().item();
    assert_eq!(own, 0.0, "a picture is nowhere away from itself");
    let shapes: Vec<Vec<usize>> = percep.answers(&x).iter().map(|a| a.shape().to_vec()).collect();
    assert_eq!(shapes, [[1, 16, 9, 14], [1, 32, 4, 7], [1, 64, 2, 3]]);
}

#[test]
fn percep_lies_between_zero_and_one_also_without_answers() {
    let [x, y] = pictures(8, 8);
    for seed in 0..5 {
        let mut percep = Percep::new(&mut Rng::new(seed));
        let found = percep.distance(&x, &y).unwrap().item();
        assert!((0.0..=1.0).contains(&found) && found > 0.0, "{found}");
        // Nothing answers: both pictures look like nothing.
        percep.visit_mut(&mut |name, p| {
            let value = if name.ends_with("bias") { -1.0 } else { 0.0 };
            p.set(&vec![value; p.len()]).unwrap();
        });
        assert_eq!(percep.distance(&x, &y).unwrap().item(), 0.0);
    }
}

#[test]
fn weights_and_pictures_that_do_not_fit_percep_are_refused() {
    let refused = |change: &dyn Fn(&mut Arrays), word: &str| {
        let mut arrays = percep_arrays();
        change(&mut arrays);
        let error = Percep::from_weights(&file(&arrays)).err().unwrap_or_else(|| panic!("{word}: accepted"));
        assert!(error.to_string().contains(word) && !error.remedy().is_empty(), "{word}: {error}");
    };
    refused(&|arrays| arrays.retain(|(name, ..)| name != "features.1.bias"), "no array `features.1.bias`");
    refused(&|arrays| arrays[2] = array("features.1.weight".into(), &[32, 16, 5, 5], |_| 0.1), "[32, 16, 5, 5]");
    refused(&|arrays| arrays[5] = array("features.2.bias".into(), &[64], |_| f64::NAN), "2.bias` holds numbers");
    refused(&|arrays| arrays.push(array("lin0.weight".into(), &[1, 16, 1, 1], |_| 0.1)), "`lin0.weight`");
    assert!(Percep::from_weights(b"no file").err().unwrap().to_string().contains("cannot be read"));
    // Neither takes the other's weights.
    assert!(Percep::from_weights(&file(&arrays(&ALEX))).is_err());
    assert!(Lpips::from_safetensors(&file(&percep_arrays())).err().unwrap().to_string().contains("`features.0`"));

    let percep = Percep::from_weights(&file(&percep_arrays())).unwrap();
    let [x, y] = pictures(3, 8);
    assert!(percep.distance(&x, &y).err().unwrap().to_string().contains("by percep"));
    let [x, y] = pictures(4, 8);
    assert!(percep.distance(&x, &y).is_ok() && percep.distance(&x, &pictures(4, 9)[1]).is_err());
}

#[test]
fn the_weights_of_percep_come_back_to_the_bit() {
    let percep = Percep::new(&mut Rng::new(3));
    let bytes = to_safetensors(&percep);
    assert_eq!(Percep::from_weights(&bytes).unwrap().pack(), percep.pack());
    let names = percep.names();
    assert_eq!((names.len(), names[0].as_str(), names[5].as_str()), (6, "features.0.weight", "features.2.bias"));
}

/// Tiles of 6 x 6 pixels in two colours with a fine wave over them, within `[0.15, 0.65]`; `[1, 3, 48, 48]`.
fn tiles() -> Vec<f64> {
    let value = |k: usize| {
        let (plane, i, j) = (k / (48 * 48), k / 48 % 48, k % 48);
        let sign = if (i / 6 + j / 6) % 2 == 0 { 1.0 } else { -1.0 };
        0.4 + sign * (0.2 - 0.04 * plane as f64) + 0.05 * (0.9 * i as f64 + 0.5 * j as f64).sin()
    };
    (0..3 * 48 * 48).map(value).collect()
}

/// Means over three pixels along each axis, `times` times; the edges are repeated.
fn blurred(picture: &[f64], times: usize) -> Vec<f64> {
    let mut x = picture.to_vec();
    for step in [1, 48].repeat(times) {
        let mean = |k: usize| {
            let at = k / step % 48;
            let (before, after) = (if at == 0 { k } else { k - step }, if at == 47 { k } else { k + step });
            (x[before] + x[k] + x[after]) / 3.0
        };
        x = (0..x.len()).map(mean).collect();
    }
    x
}

fn percep_of(x: &[f64], y: &[f64]) -> f64 {
    let [x, y] = [x, y].map(|v| Tensor::from_slice(v, &[1, 3, 48, 48]));
    Percep::shipped().distance(&x, &y).unwrap().item()
}

#[test]
fn the_shipped_distance_is_a_distance_and_grows_with_noise_and_blur() {
    let x = tiles();
    assert_eq!(percep_of(&x, &x), 0.0);
    let noise = Rng::new(8).normals(x.len());
    let noisy = |sd: f64| -> Vec<f64> { x.iter().zip(&noise).map(|(v, n)| (v + sd * n).clamp(0.0, 1.0)).collect() };
    let of_noise: Vec<f64> = [0.01, 0.03, 0.09].map(|sd| percep_of(&x, &noisy(sd))).to_vec();
    let of_blur: Vec<f64> = [1, 3, 9].map(|times| percep_of(&x, &blurred(&x, times))).to_vec();
    for distances in [&of_noise, &of_blur] {
        assert!(distances[0] > 0.0 && distances.is_sorted_by(|a, b| a < b) && distances[2] < 1.0, "{distances:?}");
    }
    let worst = noisy(0.09);
    assert_eq!(percep_of(&x, &worst), percep_of(&worst, &x));
}

#[test]
fn a_blurred_picture_is_farther_away_than_a_brighter_one_of_the_same_squared_error() {
    let x = tiles();
    for times in [2, 6] {
        let soft = blurred(&x, times);
        let error = (x.iter().zip(&soft).map(|(a, b)| (a - b).powi(2)).sum::<f64>() / x.len() as f64).sqrt();
        let bright: Vec<f64> = x.iter().map(|v| v + error).collect();
        assert!(error > 0.02 && bright.iter().all(|v| *v < 1.0), "{error}");
        let (blur, shift) = (percep_of(&x, &soft), percep_of(&x, &bright));
        assert!(blur > shift, "{times}: {blur} by blur, {shift} by brightness, both {error}");
    }
}

#[test]
fn the_shipped_weights_are_small_and_trained() {
    let shipped = Percep::shipped();
    assert!(to_safetensors(shipped).len() < 200_000);
    // As they start all lie within one over the root of 27, the smallest number of inputs; training moves some beyond.
    let bound = 1.0 / 27f64.sqrt();
    let largest = |percep: &Percep| percep.pack().into_iter().map(f64::abs).fold(0.0, f64::max);
    assert!(largest(&Percep::new(&mut Rng::new(1))) <= bound && largest(shipped) > bound);
}
