//! Damaged and random files: an error or a table, never a panic, and no memory beyond what the file can hold.

use crate::golden;
use elbo_core::Rng;
use elbo_data::{ReadOptions, read_bytes};

const TEXT: &str = "a,\"b\",c;d\r\n1,\"x \"\"y\",2\n-1.5e3,?,\"3\n4\"\rNA,2020-01-05,inf\n";

fn files() -> Vec<(&'static str, Vec<u8>)> {
    let text = TEXT.as_bytes().to_vec();
    let names = [
        "f8_fortran.npy",
        "f4_cube_fortran.npy",
        "text.npy",
        "version2.npy",
        "table.npz",
        "table_compressed.npz",
        "csr.npz",
        "csr_target.npz",
        "none.parquet",
        "snappy.parquet",
        "gzip.parquet",
        "zstd.parquet",
        "plain_v2.parquet",
        "encodings.parquet",
    ];
    let mut files: Vec<_> = names.iter().map(|n| (*n, golden(n))).collect();
    let mut gz = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
    std::io::Write::write_all(&mut gz, &text).unwrap();
    files.push(("text.csv.gz", gz.finish().unwrap()));
    files.push(("stereo.wav", crate::audio::stereo()));
    files.push(("text.csv", text));
    files
}

/// Reads it and checks that what comes out is consistent.
fn survive(bytes: Vec<u8>) {
    if let Ok(data) = read_bytes("t", bytes, &ReadOptions::default()) {
        for (name, array) in &data.arrays {
            assert_eq!(array.shape.iter().product::<usize>(), array.values.len(), "array {name:?}");
        }
        assert_eq!(data.digest().len(), 64);
    }
}

#[test]
fn every_truncation_is_survived() {
    for (_, bytes) in files() {
        // A prime step keeps large files quick and still ends in every kind of place.
        let step = if bytes.len() > 1000 { 7 } else { 1 };
        for length in (0..bytes.len()).step_by(step) {
            survive(bytes[..length].to_vec());
        }
    }
}

#[test]
fn changed_bytes_are_survived() {
    let mut rng = Rng::new(1);
    for (_, bytes) in files() {
        for _ in 0..600 {
            let mut damaged = bytes.clone();
            for _ in 0..1 + rng.below(3) {
                let at = rng.below(damaged.len());
                damaged[at] = match rng.below(4) {
                    0 => 0,
                    1 => 0xff,
                    2 => damaged[at] ^ 1 << rng.below(8),
                    _ => rng.below(256) as u8,
                };
            }
            survive(damaged);
        }
    }
}

#[test]
fn random_bytes_are_survived() {
    let mut rng = Rng::new(2);
    let alphabet = b"0123456789.,;\t\"\r\n -+eENaif|?ab";
    for prefix in ["", "\u{feff}", "a,b\n", "PAR1", "PK\u{3}\u{4}"] {
        for _ in 0..300 {
            let length = rng.below(200);
            let noise = (0..length).map(|_| rng.below(256) as u8);
            survive([prefix.as_bytes().to_vec(), noise.collect()].concat());
            let letters = (0..length).map(|_| alphabet[rng.below(alphabet.len())]);
            survive([prefix.as_bytes().to_vec(), letters.collect()].concat());
        }
    }
}

#[test]
fn an_array_that_claims_to_be_huge_is_refused_before_memory_is_asked_for() {
    for shape in
        ["(1000000000000,)", "(18446744073709551615, 2)", "(0, 9223372036854775807)", "(4294967296, 4294967296, 8)"]
    {
        let header = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}\n");
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.bytes());
        bytes.extend([0; 64]);
        assert!(read_bytes("t", bytes, &ReadOptions::default()).is_err(), "{shape}");
    }
}
