//! Damages files of the codec a million times and decodes them: `cargo run --release -p elbo-codec --example fuzz -- 1000000`.
//!
//! A panic ends the program with an error. A third of the files get new checksums after the damage, so that what lies behind them is
//! reached too. First compares digests of tables and files with those that every build must have; then prints how many files were refused,
//! and the most memory that the process ever held.

#[path = "../tests/it/fixed.rs"]
mod fixed;

use elbo_codec::container::{Coder, Container};
use elbo_codec::picture::Coding;
use elbo_core::{Error, Result, Rng};

fn main() -> Result<()> {
    let count: usize = std::env::args().nth(1).and_then(|a| a.parse().ok()).unwrap_or(100_000);
    let mut codecs = vec![];
    for (entropy, context, expected) in fixed::EXPECTED {
        let codec = fixed::codec(entropy, context)?;
        let found = fixed::digests(&codec)?;
        println!("{entropy:?}, {context:?}: tables and files {found:?}");
        if found != expected {
            return Err(Error::numerical(format!("{expected:?} were expected"), "this build does not code alike"));
        }
        let mut files = vec![];
        for coding in [Coding::default(), Coding { coder: Coder::Range, skip_zeros: true }] {
            for quality in [0, 7] {
                files.push(codec.encode_with(&fixed::photo(), quality, coding)?.0);
            }
        }
        codecs.push((codec, files));
    }
    let mut rng = Rng::new(1);
    let (mut refused, mut decoded) = (0, 0);
    for i in 0..count {
        let (codec, files) = &codecs[i / 4 % codecs.len()];
        let mut bytes = files[i % files.len()].clone();
        for _ in 0..1 + rng.below(3) {
            let at = rng.below(bytes.len().max(1)).min(bytes.len().saturating_sub(1));
            match rng.below(6) {
                _ if bytes.is_empty() => {}
                0 => bytes[at] ^= 1 << rng.below(8),
                1 => bytes[at] = rng.next_u64() as u8,
                2 => bytes.truncate(at),
                3 => drop(bytes.drain(at..(at + rng.below(9)).min(bytes.len()))),
                4 => drop(bytes.splice(at..at, [rng.next_u64() as u8; 3])),
                _ => bytes[at..].iter_mut().take(4).for_each(|b| *b = 255),
            }
        }
        if i % 3 == 0
            && let Ok((container, ..)) = Container::salvage(&bytes)
        {
            bytes = container.to_bytes();
        }
        match codec.decode(&bytes) {
            Ok(_) => decoded += 1,
            Err(_) => refused += 1,
        }
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find(|l| l.starts_with("VmHWM")).unwrap_or("VmHWM: unknown");
    println!("{count} damaged files: {refused} refused, {decoded} decoded to some picture, no panic; {peak}");
    Ok(())
}
