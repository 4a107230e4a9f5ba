//! Compressed photographs.

use elbo::codec::container::{Coder, Container};
use elbo::codec::picture::{Coding, Context, Entropy, Photo, PictureCodec, PictureSettings};
use elbo::core::Rng;
use elbo::tensor::Parameters;
use std::sync::OnceLock;

/// A codec without training for each way of coding latents: all at once, one after the other, and with mixtures.
fn codecs() -> &'static [PictureCodec] {
    static CODECS: OnceLock<Vec<PictureCodec>> = OnceLock::new();
    let ways = [
        (Entropy::Gaussian, Context::None),
        (Entropy::Gaussian, Context::Serial),
        (Entropy::Mixture, Context::None),
        (Entropy::Mixture, Context::Channels),
    ];
    CODECS.get_or_init(|| ways.into_iter().map(untrained).collect())
}

fn untrained((entropy, context): (Entropy, Context)) -> PictureCodec {
    let settings = PictureSettings { latents: 8, second: 3, width: 4, hyper: 4, context, ..PictureSettings::default() };
    let mut trainee = settings.start(entropy, &mut Rng::new(1));
    let mut rng = Rng::new(2);
    trainee.visit_mut(&mut |_, p| {
        let values: Vec<f64> = (0..p.len()).map(|_| rng.range(-0.1, 0.1)).collect();
        p.set_free(&values);
    });
    PictureCodec::new(&trainee, 1).expect("small weights can be frozen")
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let bytes = (0..30 * 40 * 3).map(|i| (i * 7 % 251) as u8).collect();
    let photo = Photo { shape: [30, 40, 3], bytes };
    let usual = Coding::default();
    let other = Coding { coder: Coder::Range, skip_zeros: true };
    let file =
        |codec: &PictureCodec, (quality, coding)| codec.encode_with(&photo, quality, coding).map(|(file, _)| file);
    let files = codecs().iter().flat_map(|codec| [(0, usual), (7, usual), (0, other)].map(|how| file(codec, how)));
    files.map(|file| file.expect("a small picture can be coded")).collect()
}

/// Decodes the input as it is, what can be saved of it, and once more with checksums that fit.
pub(crate) fn run(bytes: &[u8]) -> bool {
    let sealed = Container::salvage(bytes).map(|(container, ..)| container.to_bytes());
    let mut is_accepted = false;
    for codec in codecs() {
        is_accepted |= codec.decode(bytes).is_ok();
        let _ = codec.salvage(bytes);
        if let Ok(sealed) = &sealed {
            let _ = codec.decode(sealed);
        }
    }
    is_accepted
}
