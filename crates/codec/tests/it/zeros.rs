//! Channels of latents that are zero everywhere, and the files that leave them out.

use crate::picture::photo;
use elbo_codec::container::{Coder, Container};
use elbo_codec::density::{Density, LADDER, Ladder};
use elbo_codec::picture::{Coding, Context, Entropy, PictureCodec, PictureSettings};
use elbo_core::Rng;
use elbo_tensor::Parameters;

const LATENTS: usize = 12;
const KINDS: [(Entropy, Context); 6] = [
    (Entropy::Gaussian, Context::None),
    (Entropy::Gaussian, Context::Checkerboard),
    (Entropy::Gaussian, Context::Channels),
    (Entropy::Gaussian, Context::Serial),
    (Entropy::Mixture, Context::None),
    (Entropy::Mixture, Context::Channels),
];

/// A codec without training, every scale of which is one, and whose latents of these channels are too faint to be anything but zero.
fn faint(channels: &[usize], (entropy, context): (Entropy, Context)) -> PictureCodec {
    let settings =
        PictureSettings { latents: LATENTS, second: 4, width: 6, hyper: 6, context, ..PictureSettings::default() };
    let mut trainee = settings.start(entropy, &mut Rng::new(1));
    trainee.transform.visit_mut(&mut |name, p| {
        if name == "gain" {
            let gain = |(i, v): (usize, f64)| if channels.contains(&(i % LATENTS)) { -40.0 } else { v };
            let values: Vec<f64> = p.value().into_iter().enumerate().map(gain).collect();
            p.set(&values).unwrap();
        }
    });
    PictureCodec::new(&trainee, 1).unwrap()
}

fn coding(coder: Coder, skip_zeros: bool) -> Coding {
    Coding { coder, skip_zeros }
}

#[test]
fn a_picture_with_zero_channels_is_smaller_by_what_their_zeros_cost() {
    let codec = faint(&[0, 5, 11], KINDS[0]);
    let photo = photo([96, 96, 3], 6);
    let of = |skip: bool| codec.encode_with(&photo, 7, coding(Coder::Range, skip)).unwrap().0;
    let (all, some) = (of(false), of(true));
    let zeros = Container::from_bytes(&some).unwrap().zeros;
    assert!(zeros.len() == LATENTS && zeros[0] && zeros[5] && zeros[11] && zeros.contains(&false), "{zeros:?}");
    assert!(Container::from_bytes(&all).unwrap().zeros.is_empty());
    assert_eq!(codec.decode(&some).unwrap(), codec.decode(&all).unwrap());
    let tables = Ladder::alphabets(Density::Gaussian, LADDER, 16);
    let table = &tables[Ladder::new(Density::Gaussian, LADDER).rung(0)];
    let count = zeros.iter().filter(|is_zero| **is_zero).count() * 12 * 12;
    // The list is a count of two bytes and a bit a channel, filled up to two bytes.
    let expected = count as f64 * table.cost(0) - 32.0;
    let saved = 8.0 * (all.len() as f64 - some.len() as f64);
    // The last byte is not full, and the coder rounds its range with every symbol or flat bit.
    let entropy = codec.cross_entropy(&photo, 7).unwrap();
    let slack = 8.0 + 0.0057 * (entropy + (LATENTS * 12 * 12) as f64);
    assert!((saved - expected).abs() <= slack && expected > 2.0 * slack, "{saved} bits saved, {expected} +- {slack}");
}

#[test]
fn pictures_without_their_zero_channels_come_back_to_the_bit_from_both_coders_and_every_context() {
    let photos = [photo([40, 50, 3], 5), photo([1, 1, 3], 7)];
    for kind in KINDS {
        for channels in [&[1, 2, 7][..], &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11][..]] {
            let codec = faint(channels, kind);
            for photo in &photos {
                let whole = codec.decode(&codec.encode(photo, 6).unwrap()).unwrap();
                for coder in [Coder::Rans, Coder::Range] {
                    let of = |skip: bool| codec.encode_with(photo, 6, coding(coder, skip)).unwrap().0;
                    let (all, some) = (of(false), of(true));
                    // At most the word of a coder that is not full.
                    assert!(some.len() <= all.len() + 4, "{kind:?}: {} bytes for {}", some.len(), all.len());
                    assert_eq!(codec.decode(&some).unwrap(), whole, "{kind:?} {coder:?} {channels:?}");
                    let container = Container::from_bytes(&some).unwrap();
                    assert_eq!(container.minor, u8::from(!container.zeros.is_empty()));
                    if channels.len() == LATENTS {
                        assert_eq!((container.zeros, container.chunks.len()), (vec![true; LATENTS], 1), "{kind:?}");
                    }
                }
            }
        }
    }
}

#[test]
fn a_list_of_channels_that_is_damaged_or_foreign_is_refused_and_does_no_harm() {
    for kind in [KINDS[0], KINDS[3], KINDS[4]] {
        let codec = faint(&[1, 2, 7], kind);
        let file = codec.encode_with(&photo([40, 40, 3], 5), 6, coding(Coder::Rans, true)).unwrap().0;
        let container = Container::from_bytes(&file).unwrap();
        let with = |zeros: Vec<bool>| Container { zeros, ..container.clone() }.to_bytes();
        let message = |zeros: Vec<bool>| codec.decode(&with(zeros)).unwrap_err().to_string();
        assert!(message(vec![true; 3]).contains("which of 3 channels are zero, and has 12"));
        assert!(message(vec![]).contains("do not hold the symbols"));
        assert!(message(vec![true; LATENTS]).contains("do not hold the symbols"));
        // As many channels, but others: the tables are those of the wrong ones.
        let mut rng = Rng::new(4);
        for _ in 0..100 {
            let mut other = container.zeros.clone();
            rng.shuffle(&mut other);
            let _ = codec.decode(&with(other));
        }
        // A chunk that is lost keeps its zeros.
        let mut changed = file.clone();
        let at = file.len() - 40;
        changed[at] ^= 1;
        let (back, lost) = codec.salvage(&changed).unwrap();
        assert_eq!((back.shape, lost), ([40, 40, 3], vec![1]));
    }
}
