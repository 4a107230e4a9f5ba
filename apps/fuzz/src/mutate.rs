//! Changes that damage or malice could make.

use elbo::core::Rng;

/// Texts that stand where numbers are expected.
const WORDS: [&[u8]; 12] = [
    b"nan",
    b"inf",
    b"-1",
    b"0",
    b"1e999",
    b"-1e-320",
    b"18446744073709551616",
    b"9223372036854775807",
    b"\"",
    b"((((((((",
    b",,,,",
    b"\n",
];

/// An input like `seed` with one to four changes; `other` is one to splice parts from.
pub fn mutate(seed: &[u8], other: &[u8], rng: &mut Rng) -> Vec<u8> {
    let mut out = seed.to_vec();
    for _ in 0..1 + rng.below(4) {
        change(&mut out, other, rng);
    }
    out
}

fn change(out: &mut Vec<u8>, other: &[u8], rng: &mut Rng) {
    if out.is_empty() {
        out.extend_from_slice(other);
        return;
    }
    let at = rng.below(out.len());
    let length = 1 + rng.below((out.len() - at).min(32));
    match rng.below(10) {
        0 | 1 => out[at] ^= 1 << rng.below(8),
        2 => out[at] = rng.below(256) as u8,
        3 => out.truncate(at),
        4 => drop(out.drain(at..at + length)),
        5 => {
            let again = out[at..at + length].to_vec();
            drop(out.splice(at..at, again));
        }
        6 => {
            let noise: Vec<u8> = (0..length).map(|_| rng.below(256) as u8).collect();
            drop(out.splice(at..at, noise));
        }
        7 => extreme(&mut out[at..], rng),
        8 => drop(out.splice(at..at + length.min(8), WORDS[rng.below(WORDS.len())].iter().copied())),
        _ => {
            // The tail of another input.
            out.truncate(at);
            out.extend_from_slice(&other[rng.below(other.len() + 1)..]);
        }
    }
}

/// A number at the edge of its type, where sizes and counts may stand.
fn extreme(place: &mut [u8], rng: &mut Rng) {
    let width = [1, 2, 4, 8][rng.below(4)];
    let value: u64 = match rng.below(6) {
        0 => 0,
        1 => 1,
        2 => u64::MAX,
        3 => u64::MAX >> 1,
        4 => u64::MAX >> (65 - 8 * width),
        _ => 1 << rng.below(64),
    };
    let bytes = if rng.below(2) == 0 {
        value.to_le_bytes()[..width].to_vec()
    } else {
        value.to_be_bytes()[8 - width..].to_vec()
    };
    place.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_generator_makes_the_same_changes_and_nearly_every_input_is_changed() {
        let made = |seed: u64| -> Vec<Vec<u8>> {
            let mut rng = Rng::new(seed);
            (0..500).map(|i| mutate(&vec![7; i % 40], &vec![9; i % 7], &mut rng)).collect()
        };
        assert_eq!(made(3), made(3));
        assert_ne!(made(3), made(4));
        let changed = made(3).iter().enumerate().filter(|(i, out)| **out != vec![7; i % 40]).count();
        assert!(changed > 450, "{changed}");
    }
}
