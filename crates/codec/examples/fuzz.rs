//! Damages files of the codec a million times and decodes them: `cargo run --release -p elbo-codec --example fuzz -- 1000000`.
//!
//! A panic ends the program with an error. A third of the files get new checksums after the damage, so that what lies behind them is
//! reached too. Prints how many were refused, and the most memory that the process ever held.

use elbo_codec::container::{Container, hex};
use elbo_codec::picture::{Entropy, Part, Photo, PictureCodec, PictureSettings};
use elbo_core::{Result, Rng, Run};
use sha2::{Digest, Sha256};

fn main() -> Result<()> {
    let count: usize = std::env::args().nth(1).and_then(|a| a.parse().ok()).unwrap_or(100_000);
    let settings =
        PictureSettings { latents: 8, second: 3, width: 4, hyper: 4, steps: 3, batch: 2, crop: 32, rate: 1e-3 };
    let mut rng = Rng::new(1);
    let bytes =
        (0..40 * 50 * 3).map(|i| (128.0 + 90.0 * (i as f64 / 17.0).sin() + 20.0 * rng.normal()) as u8).collect();
    let photo = Photo { shape: [40, 50, 3], bytes };
    let mut trainee = settings.start(Entropy::GeneralisedChannel, &mut rng);
    settings.train(&mut trainee, std::slice::from_ref(&photo), (Part::Whole, 3, true), &mut Run::new(1))?;
    let codec = PictureCodec::new(&trainee, 1)?;
    let files = [codec.encode(&photo, 0)?, codec.encode(&photo, 7)?];
    // The same in every build: debug or release, any number of threads.
    let hash = |bytes: &[u8]| hex(&Sha256::digest(bytes)[..8]);
    println!("tables {}, files {} {}", hex(&codec.frozen().digest()[..8]), hash(&files[0]), hash(&files[1]));
    println!("pictures {} {}", hash(&codec.decode(&files[0])?.bytes), hash(&codec.decode(&files[1])?.bytes));
    let (mut refused, mut decoded) = (0, 0);
    for i in 0..count {
        let mut bytes = files[i % 2].clone();
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
