//! Golden streams, and that what goes in comes out.

use elbo_codec::coder::{
    ByteDecoder, Lookup, RangeDecoder, RangeEncoder, decode_integers, decode_mixtures, encode_bytes, encode_integers,
    encode_mixtures,
};
use elbo_codec::container::crc32;
use elbo_codec::density::{Density, LADDER, Ladder};
use elbo_codec::mixture::{Mixture, MixtureTables};
use elbo_codec::table::{Alphabet, Table};
use elbo_core::Rng;

/// Words as the specification prints them.
fn words(bytes: &[u8]) -> Vec<u32> {
    bytes.chunks_exact(4).map(|w| u32::from_le_bytes(w.try_into().unwrap())).collect()
}

fn quarter_table() -> Table {
    Table::from_frequencies(&[2048, 1024, 512, 512], 12).unwrap()
}

#[test]
fn streams_are_the_golden_ones() {
    let table = quarter_table();
    let cycle: Vec<u8> = (0..16).map(|i| (i % 4) as u8).collect();
    assert_eq!(words(&encode_bytes(&cycle, &table, 1).unwrap()), [0x0000_0008, 0x0000_707e, 0x3f1f_8e00]);
    let mixed: Vec<u8> = (0..64u32).map(|i| ((i * i + i / 3) % 4) as u8).collect();
    let bytes = encode_bytes(&mixed, &table, 1).unwrap();
    let golden = [0x0000_0100, 0x001c_b1f7, 0x2c2f_7cb7, 0xdcb0_bc2f, 0x7dcb_0e58, 0x5efb_9400];
    assert_eq!(words(&bytes), golden);
    assert_eq!((bytes.len(), crc32(&bytes)), (24, 0xf8ca_2c2a));
    // The coder of integers writes the same stream.
    let lookup = Lookup::new(Alphabet::from_frequencies(0, &table.frequencies(), 12).unwrap());
    let values: Vec<i32> = mixed[..60].iter().map(|s| i32::from(*s).min(2)).collect();
    let plain: Vec<u8> = values.iter().map(|v| *v as u8).collect();
    let stream = encode_integers(&values, &[0; 60], &[lookup], 1);
    assert_eq!(stream, encode_bytes(&plain, &table, 1).unwrap());
}

#[test]
fn bytes_come_back_for_every_number_of_lanes_and_symbols() {
    let mut rng = Rng::new(3);
    let weights: Vec<f64> = (0..200).map(|i| (-0.05 * f64::from(i)).exp()).collect();
    let sum: f64 = weights.iter().sum();
    let p: Vec<f64> = weights.iter().map(|w| w / sum).collect();
    for bits in [12, 16] {
        let table = Table::from_probabilities(&p, bits);
        let decoder = ByteDecoder::new(&table);
        for count in [0, 1, 2, 7, 8, 9, 1000, 20_011] {
            let symbols: Vec<u8> = (0..count).map(|_| rng.weighted(&p) as u8).collect();
            for lanes in [1, 2, 4, 8] {
                let bytes = encode_bytes(&symbols, &table, lanes).unwrap();
                assert_eq!(decoder.decode(&bytes, count, lanes).unwrap(), symbols, "{count} {lanes}");
                if count > 0 {
                    assert!(decoder.decode(&bytes, count - 1, lanes).is_err(), "a symbol is left");
                    assert!(decoder.decode(&bytes[4..], count, lanes).is_err(), "a word is missing");
                }
            }
        }
    }
    assert!(encode_bytes(&[200], &Table::from_probabilities(&p, 12), 4).is_err());
    let one = Table::from_frequencies(&[4096], 12).unwrap();
    let bytes = encode_bytes(&[0; 50], &one, 2).unwrap();
    assert_eq!((bytes.len(), ByteDecoder::new(&one).decode(&bytes, 50, 2).unwrap()), (16, vec![0; 50]));
}

#[test]
fn integers_and_escapes_come_back_and_cost_what_the_tables_say() {
    let mut rng = Rng::new(4);
    let lookups: Vec<Lookup> = Ladder::alphabets(Density::Gaussian, LADDER, 16).into_iter().map(Lookup::new).collect();
    let count = 100_000;
    let which: Vec<u16> = (0..count).map(|_| rng.below(40) as u16).collect();
    let scale = |w: u16| 0.11 * (256f64 / 0.11).powf(f64::from(w) / 63.0);
    let values: Vec<i32> = which.iter().map(|w| (rng.normal() * scale(*w)).round() as i32).collect();
    let cost: f64 = values.iter().zip(&which).map(|(v, w)| lookups[usize::from(*w)].alphabet().cost(*v)).sum();
    for lanes in [1, 4, 8] {
        let bytes = encode_integers(&values, &which, &lookups, lanes);
        assert_eq!(decode_integers(&bytes, &which, &lookups, lanes).unwrap(), values);
        let over = 8.0 * bytes.len() as f64 - cost;
        assert!(over > 0.0 && over < 70.0 * lanes as f64, "{over} bits over the tables' {cost}");
    }
    let wild = [0, 5, -5, i32::MAX, i32::MIN, 70_000, -1, 123_456_789];
    let zeros = vec![0; wild.len()];
    let bytes = encode_integers(&wild, &zeros, &lookups, 2);
    assert_eq!(decode_integers(&bytes, &zeros, &lookups, 2).unwrap(), wild);
}

#[test]
fn the_range_coder_comes_back_byte_by_byte() {
    let mut rng = Rng::new(6);
    for (bits, p) in [(12, vec![0.5, 0.25, 0.125, 0.125]), (16, vec![0.999, 0.0005, 0.0005]), (24, vec![1e-7, 1.0])] {
        let table = Table::from_probabilities(&p, bits);
        let symbols: Vec<usize> = (0..5000).map(|_| rng.weighted(&p)).chain([0, 0, 0]).collect();
        let mut encoder = RangeEncoder::default();
        let mut bytes = vec![];
        for (i, symbol) in symbols.iter().enumerate() {
            encoder.put(&table, *symbol);
            if i % 100 == 0 {
                bytes.extend(encoder.drain());
            }
        }
        bytes.extend(encoder.finish());
        let mut decoder = RangeDecoder::new(&bytes).unwrap();
        let back: Vec<usize> = symbols.iter().map(|_| decoder.take(&table).unwrap()).collect();
        assert_eq!(back, symbols);
        decoder.finish().unwrap();
        let cost: f64 = symbols.iter().map(|s| table.cost(*s)).sum();
        // A range of 32 bits has few to spare for tables of 24: rounding its unit down wastes up to a bit a symbol.
        let waste = if bits <= 16 { 0.01 * cost } else { symbols.len() as f64 };
        assert!(8.0 * bytes.len() as f64 <= cost + waste + 48.0, "{} bits for {cost}", 8 * bytes.len());
        let mut cut = RangeDecoder::new(&bytes[..bytes.len() / 2]).unwrap();
        assert!(symbols.iter().any(|_| cut.take(&table).is_err()));
    }
}

#[test]
fn integers_of_mixtures_come_back_and_cost_what_their_shares_say() {
    let tables = MixtureTables::new();
    let mut rng = Rng::new(8);
    let mut draw = |by: f64| std::array::from_fn(|_| (by * rng.normal()) as i32);
    let mixtures: Vec<Mixture> =
        (0..20_000).map(|_| tables.mixture(draw(1000.0), draw(4000.0), draw(1500.0))).collect();
    let mut rng = Rng::new(9);
    // Most near the first integer of the alphabet, some far outside.
    let value = |(i, m): (usize, &Mixture)| match i % 500 {
        0 => i32::MIN,
        1 => i32::MAX,
        2 => m.low() - 1 - rng.below(1000) as i32,
        _ => m.low() + rng.below(m.len()) as i32,
    };
    let values: Vec<i32> = mixtures.iter().enumerate().map(value).collect();
    let cost: f64 = values.iter().zip(&mixtures).map(|(v, m)| tables.cost(m, *v)).sum();
    for lanes in [1, 4, 8] {
        let bytes = encode_mixtures(&values, &mixtures, &tables, lanes);
        assert_eq!(decode_mixtures(&bytes, &mixtures, &tables, lanes).unwrap(), values, "{lanes}");
        // Two words a lane at the end, and what the rounding of the state costs.
        let over = 8.0 * bytes.len() as f64 - cost;
        assert!((0.0..70.0 * lanes as f64 + 1e-4 * cost).contains(&over), "{lanes}: {over} over {cost}");
        assert!(decode_mixtures(&bytes[..bytes.len() - 4], &mixtures, &tables, lanes).is_err());
        assert!(decode_mixtures(&bytes, &mixtures[1..], &tables, lanes).is_err());
    }
}

#[test]
fn the_coder_of_mixtures_never_panics_on_changed_bytes() {
    let tables = MixtureTables::new();
    let mixtures = vec![tables.mixture([0, 200, -300], [0, 4000, -9000], [0, 900, 2000]); 200];
    let values: Vec<i32> = (0..200).map(|i| (i % 17) - 8).collect();
    let bytes = encode_mixtures(&values, &mixtures, &tables, 2);
    let mut rng = Rng::new(10);
    for _ in 0..2000 {
        let mut changed = bytes.clone();
        let at = rng.below(changed.len());
        changed[at] ^= 1 << rng.below(8);
        // The states at the end tell.
        assert!(decode_mixtures(&changed, &mixtures, &tables, 2).is_err_and(|e| e.remedy().len() > 5));
    }
}
