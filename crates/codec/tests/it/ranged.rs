//! The range coder beside rANS: the same integers and pictures, its cost, and damage.

use crate::fixed;
use elbo_codec::coder::{
    ByteDecoder, Lookup, decode_integers, decode_integers_by_range, decode_mixtures_by_range, encode_bytes_by_range,
    encode_integers, encode_integers_by_range, encode_mixtures_by_range,
};
use elbo_codec::container::{Coder, Container, crc32, hex};
use elbo_codec::mixture::{Mixture, MixtureTables};
use elbo_codec::picture::{Coding, Context, Entropy, PictureCodec};
use elbo_codec::table::{Alphabet, Table};
use elbo_core::Rng;

/// Most bits that the range coder loses to the rounding of its range with whatever it puts.
fn loss(bits: u32) -> f64 {
    -(1.0 - 2f64.powi(bits as i32 - 24)).log2()
}

/// Integers of one alphabet or a few that differ much, among them some that have no symbol of their own.
fn integers(lookups: &[Lookup], count: usize, rng: &mut Rng) -> (Vec<i32>, Vec<u16>) {
    let which: Vec<u16> = (0..count).map(|_| rng.below(lookups.len()) as u16).collect();
    let value = |which: &u16| {
        let alphabet = lookups[usize::from(*which)].alphabet();
        let width = 1 << rng.below(16);
        match rng.below(40) {
            0 => alphabet.low() - 1 - rng.below(width) as i32,
            1 => alphabet.value(alphabet.escape()) + rng.below(width) as i32,
            2 => [i32::MIN, i32::MAX][rng.below(2)],
            3..20 => alphabet.low(),
            _ => alphabet.low() + rng.below(alphabet.escape()) as i32,
        }
    };
    let values = which.iter().map(value).collect();
    (values, which)
}

/// From nearly flat to nearly certain.
fn alphabet(bits: u32, rng: &mut Rng) -> Alphabet {
    let power = [1, 6, 60][rng.below(3)];
    let weights: Vec<f64> = (0..1 + rng.below(50)).map(|_| rng.uniform().powi(power)).collect();
    let sum = weights.iter().sum::<f64>() + 1e-4;
    Alphabet::new(rng.below(40) as i32 - 20, &weights.iter().map(|w| w / sum).collect::<Vec<f64>>(), bits)
}

#[test]
fn streams_are_the_golden_ones() {
    // As another program of the same rule wrote them.
    let table = Table::from_frequencies(&[2048, 1024, 512, 512], 12).unwrap();
    let cycle: Vec<u8> = (0..16).map(|i| (i % 4) as u8).collect();
    assert_eq!(hex(&encode_bytes_by_range(&cycle, &table).unwrap()), "5badb42cb8a48000");
    let mixed: Vec<u8> = (0..64u32).map(|i| ((i * i + i / 3) % 4) as u8).collect();
    let bytes = encode_bytes_by_range(&mixed, &table).unwrap();
    assert_eq!(hex(&bytes), "4d6dd423bee208efb8823bee208efb882363680000");
    assert_eq!(crc32(&bytes), 0x4207_33c4);
    // The coder of integers writes the same stream.
    let lookup = Lookup::new(Alphabet::from_frequencies(0, &table.frequencies(), 12).unwrap());
    let values: Vec<i32> = mixed[..60].iter().map(|s| i32::from(*s).min(2)).collect();
    let plain: Vec<u8> = values.iter().map(|v| *v as u8).collect();
    let stream = encode_integers_by_range(&values, &[0; 60], &[lookup]);
    assert_eq!(stream, encode_bytes_by_range(&plain, &table).unwrap());
}

#[test]
fn both_coders_bring_integers_of_random_tables_back_at_the_cost_of_the_tables() {
    let mut rng = Rng::new(21);
    for bits in [12, 16] {
        for round in 0..60 {
            let count = [0, 1, 2, 50, 400][round % 5];
            let mut lookups: Vec<Lookup> = (0..3).map(|_| Lookup::new(alphabet(bits, &mut rng))).collect();
            if round % 3 == 0 {
                // One symbol that is all but certain.
                let frequencies = [(1 << bits) - 1, 1];
                lookups = vec![Lookup::new(Alphabet::from_frequencies(7, &frequencies, bits).unwrap())];
            }
            let (values, which) = integers(&lookups, count, &mut rng);
            let alphabet = |i: usize| lookups[usize::from(which[i])].alphabet();
            let cost: f64 = (0..count).map(|i| alphabet(i).cost(values[i])).sum();
            // A symbol each, and the flat bits of what lies outside.
            let flat = |i: usize| alphabet(i).symbol(values[i]).err().map_or(0, |e| 2 * (e + 1).ilog2() + 1);
            let puts = (0..count).map(|i| 1 + flat(i)).sum::<u32>();
            let range = encode_integers_by_range(&values, &which, &lookups);
            let rans = encode_integers(&values, &which, &lookups, 1);
            assert_eq!(decode_integers_by_range(&range, &which, &lookups).unwrap(), values);
            assert_eq!(decode_integers(&rans, &which, &lookups, 1).unwrap(), values);
            // Four bytes at the end, less what is left of the last byte, and the rounding of the range.
            let over = 8.0 * range.len() as f64 - cost;
            let most = 32.0 + f64::from(puts) * loss(bits);
            assert!(
                (24.0 - 1e-6..=most + 1e-6).contains(&over),
                "{bits} {round}: {over} bits over {cost}, at most {most}"
            );
            let over = 8.0 * rans.len() as f64 - cost;
            assert!((0.0..70.0).contains(&over), "{bits} {round}: {over} bits over {cost}");
        }
    }
}

#[test]
fn a_changed_or_cut_stream_of_the_range_coder_is_refused_with_a_message() {
    let mut rng = Rng::new(22);
    let lookups: Vec<Lookup> = (0..3).map(|_| Lookup::new(alphabet(16, &mut rng))).collect();
    let (values, which) = integers(&lookups, 300, &mut rng);
    let bytes = encode_integers_by_range(&values, &which, &lookups);
    let refused = |bytes: &[u8], which: &[u16], what: &str| {
        let error = decode_integers_by_range(bytes, which, &lookups).expect_err(what);
        assert!(error.to_string().contains("damaged") && error.remedy().len() > 5, "{what}: {error}");
    };
    for length in 0..bytes.len() {
        refused(&bytes[..length], &which, &format!("{length} bytes"));
    }
    refused(&[bytes.as_slice(), &[0]].concat(), &which, "a byte more");
    refused(&bytes, &which[1..], "a symbol is left");
    refused(&[255; 64], &which, "beyond the range");
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1 << rng.below(8);
        refused(&changed, &which, &format!("byte {at}"));
    }
}

#[test]
fn bytes_and_mixtures_come_back_from_the_range_coder() {
    let mut rng = Rng::new(23);
    let p: Vec<f64> = (0..200).map(|i| (1.0 - (-0.05f64).exp()) * (-0.05 * f64::from(i)).exp()).collect();
    for bits in [12, 16] {
        let table = Table::from_probabilities(&p, bits);
        let decoder = ByteDecoder::new(&table);
        for count in [0, 1, 9, 5000] {
            let symbols: Vec<u8> = (0..count).map(|_| rng.weighted(&p) as u8).collect();
            let bytes = encode_bytes_by_range(&symbols, &table).unwrap();
            assert_eq!(decoder.decode_by_range(&bytes, count).unwrap(), symbols);
            assert!(decoder.decode_by_range(&bytes[1..], count).is_err());
        }
        assert!(encode_bytes_by_range(&[200], &table).is_err());
    }
    let tables = MixtureTables::new();
    let mut draw = |by: f64| std::array::from_fn(|_| (by * rng.normal()) as i32);
    let mixtures: Vec<Mixture> = (0..2000).map(|_| tables.mixture(draw(1000.0), draw(4000.0), draw(1500.0))).collect();
    let value = |(i, m): (usize, &Mixture)| match i % 100 {
        0 => i32::MIN,
        1 => m.low() + m.len() as i32,
        _ => m.low() + (i * 7 % m.len()) as i32,
    };
    let values: Vec<i32> = mixtures.iter().enumerate().map(value).collect();
    let bytes = encode_mixtures_by_range(&values, &mixtures, &tables);
    assert_eq!(decode_mixtures_by_range(&bytes, &mixtures, &tables).unwrap(), values);
    let cost: f64 = values.iter().zip(&mixtures).map(|(v, m)| tables.cost(m, *v)).sum();
    let over = 8.0 * bytes.len() as f64 - cost;
    // A flat bit costs a bit, so there are fewer of them than bits.
    assert!((24.0 - 1e-6..32.0 + (2000.0 + cost) * loss(16)).contains(&over), "{over} bits over {cost}");
    assert!(decode_mixtures_by_range(&bytes, &mixtures[1..], &tables).is_err());
    assert!(decode_mixtures_by_range(&bytes[..bytes.len() - 1], &mixtures, &tables).is_err());
}

const RANGE: Coding = Coding { coder: Coder::Range, skip_zeros: false };

/// The file of the fixed picture by the range coder.
fn by_range(codec: &PictureCodec, quality: usize) -> Vec<u8> {
    codec.encode_with(&fixed::photo(), quality, RANGE).unwrap().0
}

#[test]
fn a_picture_is_the_same_by_either_coder_and_its_file_says_which_one_wrote_it() {
    for (entropy, context) in [
        (Entropy::Gaussian, Context::None),
        (Entropy::Gaussian, Context::Serial),
        (Entropy::GeneralisedElement, Context::Checkerboard),
        (Entropy::Mixture, Context::None),
        (Entropy::Mixture, Context::Channels),
    ] {
        let codec = fixed::codec(entropy, context).unwrap();
        for quality in [0, 7] {
            let rans = codec.encode(&fixed::photo(), quality).unwrap();
            assert_eq!(codec.encode_with(&fixed::photo(), quality, Coding::default()).unwrap().0, rans);
            let range = by_range(&codec, quality);
            let coder = |file: &[u8]| Container::from_bytes(file).unwrap().coder;
            assert_eq!((coder(&rans), coder(&range)), (Coder::Rans, Coder::Range));
            assert_eq!(codec.decode(&range).unwrap(), codec.decode(&rans).unwrap(), "{entropy:?} {context:?}");
            let chunks = Container::from_bytes(&range).unwrap().chunks;
            let bits = 8.0 * chunks.iter().map(|chunk| chunk.bytes.len()).sum::<usize>() as f64;
            let count = chunks.iter().map(|chunk| f64::from(chunk.symbols)).sum::<f64>();
            let cost = codec.cross_entropy(&fixed::photo(), quality).unwrap();
            let ends = chunks.len() as f64;
            let allowed = 24.0 * ends - 1e-3..32.0 * ends + (count + cost) * loss(16) + 1e-3;
            assert!(allowed.contains(&(bits - cost)), "{entropy:?} {context:?}: {bits} bits, {cost} by the tables");
        }
    }
}

#[test]
fn files_of_the_range_coder_are_the_same_bytes_for_any_number_of_threads_and_damage_is_named() {
    let codec = fixed::codec(Entropy::Gaussian, Context::None).unwrap();
    // More latents than a chunk holds.
    let photo = crate::picture::photo([744, 752, 3], 3);
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| codec.encode_with(&photo, 5, RANGE).unwrap().0)
    };
    let file = with(1);
    assert_eq!(with(3), file);
    let container = Container::from_bytes(&file).unwrap();
    assert_eq!((container.chunks.len(), container.lanes), (3, 1));
    let message = |bytes: &[u8]| codec.decode(bytes).unwrap_err().to_string();
    assert!(message(&file[..file.len() / 2]).contains("cut short"));
    let mut changed = file.clone();
    let at = file.len() - 32 - container.chunks[2].bytes.len() - 1;
    changed[at] ^= 1;
    assert!(message(&changed).contains("chunk 2 of 3"));
    let (back, lost) = codec.salvage(&changed).unwrap();
    assert_eq!((back.shape, lost), (photo.shape, vec![1]));
    // A chunk that was cut and sealed again: no checksum tells, the coder does.
    let mut sealed = container.clone();
    sealed.chunks[1].bytes.pop();
    assert!(message(&sealed.to_bytes()).contains("a chunk"));
    // The other coder does not read it.
    let other = Container { coder: Coder::Rans, ..container };
    assert!(message(&other.to_bytes()).contains("damaged"));
}
