//! Weights in files.

use elbo_core::Rng;
use elbo_nn::layer::LinearConfig;
use elbo_nn::{Build, Layer, weights};
use elbo_tensor::Parameters;

fn linear(out: usize, seed: u64) -> Box<dyn Layer> {
    LinearConfig::new(out).build(&[3], &mut Build::new(&mut Rng::new(seed))).unwrap().layer
}

#[test]
fn weights_come_back_from_a_file_to_the_bit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    let (first, mut second) = (linear(2, 1), linear(2, 2));
    assert_ne!(first.pack(), second.pack());
    weights::save(&first, &path).unwrap();
    weights::load(&mut second, &path).unwrap();
    assert_eq!(first.pack(), second.pack());
    assert_eq!(first.names(), ["weight", "bias"]);
}

#[test]
fn weights_of_another_network_are_refused_by_name() {
    let of = |layer: &dyn Parameters| weights::to_safetensors(layer);
    let message =
        |bytes: &[u8], into: &mut Box<dyn Layer>| weights::from_safetensors(into, bytes).unwrap_err().to_string();
    assert!(message(&of(&linear(4, 1)), &mut linear(2, 1)).contains("`weight` has the shape [4, 3]"));
    let without = LinearConfig { out: 2, has_bias: false };
    let mut without = without.build(&[3], &mut Build::new(&mut Rng::new(1))).unwrap().layer;
    assert!(message(&of(&linear(2, 1)), &mut without).contains("`bias` that the network has not"));
    assert!(message(&of(&without), &mut linear(2, 1)).contains("no array `bias`"));
    assert!(message(b"not a file", &mut linear(2, 1)).contains("cannot be read"));
}

#[test]
fn a_message_names_the_first_arrays_of_each_kind() {
    let mut layers: Vec<Box<dyn Layer>> = (0..7).map(|seed| linear(2, seed)).collect();
    let fewer: Vec<Box<dyn Layer>> = vec![linear(2, 0), linear(3, 1)];
    let before = layers[2].pack();
    let message = weights::from_safetensors(&mut layers, &weights::to_safetensors(&fewer)).unwrap_err().to_string();
    for part in [
        "no array `2.weight`, `2.bias`, `3.weight`, `3.bias`, `4.weight` and 5 more",
        "`1.weight` has the shape [3, 3], expected [2, 3], `1.bias` has the shape [3], expected [2]",
    ] {
        assert!(message.contains(part), "{message}");
    }
    assert_eq!(layers[2].pack(), before);
    let whole = weights::to_safetensors(&layers);
    let mut one: Vec<Box<dyn Layer>> = vec![linear(2, 9)];
    let message = weights::from_safetensors(&mut one, &whole).unwrap_err().to_string();
    assert!(message.contains("`1.bias`, `1.weight`, `2.bias`, `2.weight`, `3.bias` and 7 more"), "{message}");
    // What is known to stand beside the parameters is no mistake, and names are told as the file's author knows them.
    let told = |name: &str| format!("net.{name}");
    let reading = weights::Reading { told: &told, is_beside: &|name| !name.starts_with("0.") };
    weights::from_safetensors_as(&mut one, &whole, &reading).unwrap();
    assert_eq!(one[0].pack(), layers[0].pack());
    let mut wide: Vec<Box<dyn Layer>> = vec![linear(4, 9)];
    let message = weights::from_safetensors_as(&mut wide, &whole, &reading).unwrap_err().to_string();
    assert!(message.contains("`net.0.weight` has the shape [2, 3], expected [4, 3]"), "{message}");
}

#[test]
fn a_file_of_more_than_eight_gibibytes_is_refused() {
    let file = tempfile::NamedTempFile::new().unwrap();
    // Without any byte written.
    file.as_file().set_len((8 << 30) + 1).unwrap();
    let message = weights::load(&mut linear(2, 1), file.path()).unwrap_err().to_string();
    assert!(message.contains("larger than 8 GiB"), "{message}");
}
