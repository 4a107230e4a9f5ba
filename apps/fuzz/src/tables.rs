//! Tables, arrays, pictures and recordings.

use elbo::core::{Data, Values};
use elbo::data::{MissingPolicy, ReadOptions, read_bytes, read_picture};
use elbo::report::picture::png;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write;

/// Reads a file's contents in every way in which missing cells can be treated, and once more with columns named.
pub(crate) fn table(bytes: &[u8]) -> bool {
    let read = |options: &ReadOptions| {
        let data = read_bytes("input", bytes.to_vec(), options).ok()?;
        check(&data);
        Some(data)
    };
    let with = |missing: MissingPolicy| ReadOptions { missing, ..ReadOptions::default() };
    let _ = read(&with(MissingPolicy::Error));
    let _ = read(&with(MissingPolicy::Drop));
    let Some(data) = read(&with(MissingPolicy::Keep)) else { return false };
    let names: Vec<String> = data.arrays.iter().map(|(name, _)| name.clone()).collect();
    let named = ReadOptions {
        target: names.last().cloned(),
        categorical: names.first().cloned().into_iter().collect(),
        ..with(MissingPolicy::Drop)
    };
    let _ = read(&named);
    true
}

/// What every reader owes the rest of the program.
fn check(data: &Data) {
    for (name, array) in &data.arrays {
        assert_eq!(
            array.shape.iter().product::<usize>(),
            array.values.len(),
            "`{name}` has another size than its shape"
        );
        if let Values::Text { levels, codes } = &array.values {
            assert!(
                codes.iter().flatten().all(|c| (*c as usize) < levels.len()),
                "`{name}` has a code without a level"
            );
        }
    }
    assert_eq!(data.digest().len(), 64);
}

pub(crate) fn csv_seeds() -> Vec<Vec<u8>> {
    [
        "a,b,y\n1,2,3\n4,5,6\n7.5,-8e2,9\n",
        "a;\"b c\";y\r\n1,5;\"x \"\"y\"\"\";2\r\n2,5;z;3\r\n",
        "name\tcode\tvalue\nred\t00501\t1\nNA\t00502\t2\nblue\t00503\t?\n",
        "1,2,3\n4,5,6\n",
        "\u{feff}x|y\n0.1|1\n\n0.2|2\n",
        "when,y\nsoon 2020-01-05,1\nlater,2\n",
        "{\"a\": 1, \"b\": \"red\", \"y\": 2}\n{\"b\": null, \"y\": -8e2}\n\n{\"y\": 3, \"c\": true}\n",
    ]
    .map(|text| text.as_bytes().to_vec())
    .into()
}

/// Bytes packed by gzip.
pub(crate) fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut packer = GzEncoder::new(vec![], Compression::fast());
    packer.write_all(bytes).expect("memory takes all bytes");
    packer.finish().expect("memory takes all bytes")
}

pub(crate) fn gzip_seeds() -> Vec<Vec<u8>> {
    csv_seeds().iter().map(|text| packed(text)).collect()
}

/// Files that other programs wrote, for the tests of the readers.
macro_rules! golden {
    ($($name:literal),* $(,)?) => {
        vec![$(include_bytes!(concat!("../../../crates/data/tests/golden/", $name)).to_vec()),*]
    };
}

pub(crate) fn parquet_seeds() -> Vec<Vec<u8>> {
    golden!["none.parquet", "snappy.parquet", "gzip.parquet", "zstd.parquet", "plain_v2.parquet", "encodings.parquet"]
}

pub(crate) fn npy_seeds() -> Vec<Vec<u8>> {
    golden!["f8.npy", "f8_big.npy", "f4_cube_fortran.npy", "f2.npy", "i4.npy", "u1.npy", "text.npy", "version2.npy"]
}

pub(crate) fn npz_seeds() -> Vec<Vec<u8>> {
    golden!["table.npz", "table_compressed.npz", "csr.npz", "csr_target.npz"]
}

pub(crate) fn idx_seeds() -> Vec<Vec<u8>> {
    let pictures = [&[0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 2][..], &[5; 12]].concat();
    let labels = vec![0, 0, 8, 1, 0, 0, 0, 4, 0, 1, 2, 1];
    let zipped = packed(&pictures);
    vec![pictures, labels, zipped]
}

pub(crate) fn wav_seeds() -> Vec<Vec<u8>> {
    // The kind of samples, channels, and bytes of a sample.
    [(1u16, 1u16, 2u16), (1, 2, 3), (1, 1, 1), (3, 1, 4), (3, 2, 8)]
        .map(|(kind, channels, width)| {
            let frame = channels * width;
            // Zeros, which are numbers of every kind, and some that are not.
            let samples: Vec<u8> = (0..frame * 6).map(|i| if i < frame { 0 } else { (i % 60) as u8 }).collect();
            let rate = 8000u32;
            let fields = [
                &b"WAVEfmt \x10\0\0\0"[..],
                &kind.to_le_bytes(),
                &channels.to_le_bytes(),
                &rate.to_le_bytes(),
                &(rate * u32::from(frame)).to_le_bytes(),
                &frame.to_le_bytes(),
                &(8 * width).to_le_bytes(),
                b"data",
                &(samples.len() as u32).to_le_bytes(),
                &samples,
            ]
            .concat();
            [&b"RIFF"[..], &(fields.len() as u32).to_le_bytes(), &fields].concat()
        })
        .into()
}

pub(crate) fn picture_seeds() -> Vec<Vec<u8>> {
    let bytes: Vec<u8> = (0..6 * 5 * 3).map(|i| (i * 37 % 256) as u8).collect();
    vec![png(6, 5, 3, &bytes), png(6, 5, 1, &bytes[..30])]
}

/// Reads one picture, whatever its kind.
pub(crate) fn picture(bytes: &[u8]) -> bool {
    let file = tempfile::NamedTempFile::new().expect("temporary files can be made");
    std::fs::write(file.path(), bytes).expect("temporary files can be written");
    let found = read_picture(file.path());
    found.iter().for_each(check);
    found.is_ok()
}
