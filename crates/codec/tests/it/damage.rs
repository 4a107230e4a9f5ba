//! Damaged, cut and foreign files: a message, never a panic. `examples/fuzz.rs` also shows the memory.

use crate::picture::{model, photo};
use elbo_codec::container::Container;
use elbo_codec::picture::{Context, Entropy};
use elbo_core::Rng;

/// A change that damage or malice could make.
fn mutate(bytes: &[u8], rng: &mut Rng) -> Vec<u8> {
    let mut out = bytes.to_vec();
    for _ in 0..1 + rng.below(3) {
        if out.is_empty() {
            break;
        }
        let at = rng.below(out.len());
        match rng.below(6) {
            0 => out[at] ^= 1 << rng.below(8),
            1 => out[at] = rng.below(256) as u8,
            2 => out.truncate(at),
            3 => {
                let length = rng.below(out.len() - at + 1).min(16);
                out.drain(at..at + length);
            }
            4 => {
                let extra: Vec<u8> = (0..rng.below(16)).map(|_| rng.below(256) as u8).collect();
                out.splice(at..at, extra);
            }
            // Large numbers where sizes stand.
            _ => out[at..].iter_mut().take(4).for_each(|b| *b = 255),
        }
    }
    out
}

#[test]
fn twenty_thousand_damaged_files_are_refused_without_a_panic() {
    let codec = model();
    let whole = codec.encode(&photo([40, 70, 3], 1), 2).unwrap();
    let mut rng = Rng::new(8);
    for i in 0..20_000 {
        let bytes = mutate(&whole, &mut rng);
        let outcome = codec.decode(&bytes);
        assert!(bytes == whole || outcome.is_err(), "mutation {i} was accepted");
        let _ = codec.salvage(&bytes);
    }
}

#[test]
fn files_sealed_again_after_damage_do_no_harm() {
    // Somebody who can compute checksums: the header and the chunks say anything.
    let codec = model();
    let container = Container::from_bytes(&codec.encode(&photo([33, 20, 3], 2), 5).unwrap()).unwrap();
    let mut rng = Rng::new(9);
    for _ in 0..3000 {
        let mut changed = container.clone();
        match rng.below(5) {
            0 => changed.shape[rng.below(3)] = rng.next_u64() as u32 >> rng.below(32),
            1 => changed.padding[rng.below(3)] = rng.next_u64() as u32 >> rng.below(32),
            2 => changed.quality = rng.below(12) as u16,
            3 => {
                let chunk = rng.below(changed.chunks.len());
                changed.chunks[chunk].bytes = mutate(&changed.chunks[chunk].bytes, &mut rng);
            }
            _ => {
                let chunk = rng.below(changed.chunks.len());
                changed.chunks[chunk].symbols = rng.below(1 << 16) as u32;
            }
        }
        // Another quality, or sizes that pad to as many latents, may well decode; all that matters is that it ends.
        let _ = codec.decode(&changed.to_bytes());
    }
    let mut huge = container.clone();
    huge.shape = vec![u32::MAX, u32::MAX, 3];
    assert!(codec.decode(&huge.to_bytes()).unwrap_err().to_string().contains("4294967295"));
    // Few pixels enough, but 32 times as many when filled up.
    (huge.shape, huge.padding) = (vec![1, 1 << 27, 3], vec![31, 0, 0]);
    assert!(codec.decode(&huge.to_bytes()).unwrap_err().to_string().contains("its header says 134217728 x 1 pixels"));
}

#[test]
fn foreign_files_are_named() {
    let codec = model();
    let message = |bytes: &[u8]| codec.decode(bytes).unwrap_err().to_string();
    assert!(message(b"").contains("empty"));
    assert!(message(b"\x89PNG\r\n\x1a\n").contains("89504e47"));
    assert!(message(b"RIFF....WEBP").contains("RIFF"));
    assert!(message(b"ELBC").contains("cut short"));
    let mut other = Container::from_bytes(&codec.encode(&photo([9, 9, 1], 0), 0).unwrap()).unwrap();
    other.model[0] ^= 1;
    assert!(message(&other.to_bytes()).contains("another model"));
}

#[test]
fn a_damaged_chunk_costs_its_part_of_the_picture_only() {
    let codec = model();
    let photo = photo([64, 64, 3], 3);
    let mut bytes = codec.encode(&photo, 6).unwrap();
    let end = bytes.len() - 40;
    bytes[end] ^= 0x10;
    assert!(codec.decode(&bytes).unwrap_err().to_string().contains("chunk 2 of 2"));
    let (back, lost) = codec.salvage(&bytes).unwrap();
    assert_eq!((lost, back.shape), (vec![1], photo.shape));
    // Without the second latents nobody knows the tables of the first.
    let container = Container::from_bytes(&codec.encode(&photo, 6).unwrap()).unwrap();
    let header = container.to_bytes().len() - 32 - container.chunks.iter().map(|c| c.bytes.len()).sum::<usize>();
    let mut bytes = container.to_bytes();
    bytes[header] ^= 0x10;
    assert_eq!(codec.salvage(&bytes).unwrap().1, [0, 1]);
}

#[test]
fn a_damaged_chunk_of_a_model_with_context_costs_all_that_follows() {
    let codec = crate::fixed::codec(Entropy::Gaussian, Context::Serial).unwrap();
    // More latents than a chunk holds.
    let photo = photo([744, 752, 3], 3);
    let container = Container::from_bytes(&codec.encode(&photo, 0).unwrap()).unwrap();
    assert_eq!(container.chunks.len(), 3);
    let mut bytes = container.to_bytes();
    let at = bytes.len() - 32 - container.chunks[2].bytes.len() - container.chunks[1].bytes.len();
    bytes[at] ^= 1;
    assert!(codec.decode(&bytes).unwrap_err().to_string().contains("chunk 2 of 3"));
    let (back, lost) = codec.salvage(&bytes).unwrap();
    assert_eq!((lost, back.shape), (vec![1, 2], photo.shape));
    assert_eq!(codec.decode(&container.to_bytes()).unwrap().shape, photo.shape);
}
