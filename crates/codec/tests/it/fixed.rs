//! Codecs whose parameters are multiples of 1/1024, and what they write: the same bytes in every build, with any number of threads.

use elbo_codec::container::hex;
use elbo_codec::picture::{Context, Entropy, Photo, PictureCodec, PictureSettings};
use elbo_core::{Result, Rng};
use elbo_tensor::Parameters;
use sha2::{Digest, Sha256};

/// The first bytes of the SHA-256 of tables, and of files of the lowest and the highest quality. They must never change.
pub const EXPECTED: [(Entropy, Context, [&str; 3]); 3] = [
    (Entropy::Gaussian, Context::None, ["d2447e4767e978f8", "774a810932e58d43", "9ade0555553a9fa4"]),
    (Entropy::GeneralisedChannel, Context::Channels, ["ac9796a4a4f28c4c", "0a642e9b14395b83", "a0766b028d45cc57"]),
    (Entropy::GeneralisedElement, Context::Checkerboard, ["89089f5261209ff7", "75f4790a2d0e972a", "744f643a26d297dc"]),
];

/// A codec without training.
pub fn codec(entropy: Entropy, context: Context) -> Result<PictureCodec> {
    let settings = PictureSettings { latents: 8, second: 3, width: 4, hyper: 4, context, ..PictureSettings::default() };
    let mut trainee = settings.start(entropy, &mut Rng::new(1));
    let mut rng = Rng::new(2);
    trainee.visit_mut(&mut |_, p| {
        let values: Vec<f64> = (0..p.len()).map(|_| (rng.below(257) as f64 - 128.0) / 1024.0).collect();
        p.set_free(&values);
    });
    PictureCodec::new(&trainee, 1)
}

/// A picture made by whole numbers.
pub fn photo() -> Photo {
    let mut rng = Rng::new(3);
    let [h, w, c] = [70, 90, 3];
    let wave = |i: usize| (i / (w * c) * 7 + i / c % w * 3 + i % c * 40) % 256;
    let bytes = (0..h * w * c).map(|i| (wave(i).abs_diff(128) + rng.below(40)) as u8).collect();
    Photo { shape: [h, w, c], bytes }
}

/// What [`EXPECTED`] says.
pub fn digests(codec: &PictureCodec) -> Result<[String; 3]> {
    let hash = |bytes: &[u8]| hex(&Sha256::digest(bytes)[..8]);
    let photo = photo();
    Ok([hex(&codec.frozen().digest()[..8]), hash(&codec.encode(&photo, 0)?), hash(&codec.encode(&photo, 7)?)])
}
