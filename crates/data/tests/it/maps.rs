//! Maps of numbers over pictures: `.flo`, NPY and grey PNG.

use elbo_core::{Array, Values};
use elbo_data::{flow_bytes, grey16_bytes, read_map, read_map_bytes, write_flow, write_grey16, write_npy};
use image::{DynamicImage, GrayImage, ImageFormat, RgbImage};
use std::io::Cursor;

/// A flow over three columns and two rows, with numbers that only their bits tell apart.
fn flow() -> Array {
    let values = [0.0, -0.0, 1.5, -2.25, 1e10, f32::MIN_POSITIVE, 3.1, 1e-30, -7e5, 0.1, 0.2, f32::MAX];
    Array { shape: vec![2, 3, 2], values: Values::F32(values.into()) }
}

fn bits(array: &Array) -> Vec<u32> {
    match &array.values {
        Values::F32(v) => v.iter().map(|v| v.to_bits()).collect(),
        other => panic!("{other:?}"),
    }
}

fn png(picture: impl Into<DynamicImage>) -> Vec<u8> {
    let mut out = Cursor::new(vec![]);
    picture.into().write_to(&mut out, ImageFormat::Png).unwrap();
    out.into_inner()
}

/// It is refused by these words, which name the file.
fn refused(bytes: &[u8], words: &str) {
    let error = read_map_bytes("m.flo", bytes).err().unwrap_or_else(|| panic!("{words}: accepted"));
    let text = error.to_string();
    assert!(text.contains(words) && text.ends_with(": m.flo") && !error.remedy().is_empty(), "{words}: {text}");
}

#[test]
fn a_flow_survives_its_file_to_the_bit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.flo");
    write_flow(&path, &flow()).unwrap();
    let back = read_map(&path).unwrap();
    assert_eq!((&back.shape, bits(&back)), (&flow().shape, bits(&flow())));
    // Double precision goes in as the nearest single one.
    let double = Array::new(&[1, 1, 2], vec![0.1, -0.2]);
    assert_eq!(bits(&read_map_bytes("d", &flow_bytes(&double).unwrap()).unwrap()), [0.1f32, -0.2].map(f32::to_bits));
}

#[test]
fn the_bytes_of_a_flow_are_those_of_the_format() {
    // The magic number, three columns, two rows; then right and down of the first pixel, of the second, ...
    let bytes = flow_bytes(&flow()).unwrap();
    assert_eq!(bytes[..4], 202_021.25f32.to_le_bytes());
    assert_eq!(bytes[4..12], [3, 0, 0, 0, 2, 0, 0, 0]);
    assert_eq!(bytes[20..28], [1.5f32.to_le_bytes(), (-2.25f32).to_le_bytes()].concat()[..]);
    assert_eq!(bytes.len(), 12 + 2 * 3 * 2 * 4);
}

#[test]
fn a_damaged_or_forged_flow_is_refused() {
    let whole = flow_bytes(&flow()).unwrap();
    for length in 4..whole.len() {
        refused(&whole[..length], "damaged or incomplete");
    }
    refused(&[&whole[..], &[0]].concat(), "49 bytes for 3 x 2 pixels");
    for length in 0..4 {
        refused(&whole[..length], "begins like none of");
    }
    // The magic number with its bytes the other way round.
    refused(&[&202_021.25f32.to_be_bytes()[..], &whole[4..]].concat(), "begins like none of");
    let sized = |width: i32, height: i32| {
        let mut bytes = whole.clone();
        bytes[4..8].copy_from_slice(&width.to_le_bytes());
        bytes[8..12].copy_from_slice(&height.to_le_bytes());
        bytes
    };
    for (width, height) in [(2, 2), (i32::MAX, i32::MAX), (1 << 30, 4), (0, 2), (3, 0), (-3, -2), (i32::MIN, 1)] {
        refused(&sized(width, height), &format!("48 bytes for {width} x {height} pixels"));
    }
    // The right number of pixels in another arrangement is a flow, of that picture.
    assert_eq!(read_map_bytes("t", &sized(6, 1)).unwrap().shape, [1, 6, 2]);
    // No pixels, and no bytes for them.
    refused(&sized(0, 0)[..12], "0 bytes for 0 x 0 pixels");
}

#[test]
fn only_a_map_can_be_written_as_flow_or_picture() {
    let shapes: [&[usize]; 4] = [&[2, 3], &[2, 3, 1], &[0, 3, 2], &[12]];
    for shape in shapes {
        let array = Array { shape: shape.into(), values: Values::F32(vec![0.0; shape.iter().product()]) };
        assert!(flow_bytes(&array).unwrap_err().to_string().contains(&format!("{shape:?}")));
    }
    for value in [-1.0, 65_536.0, 0.5, f64::NAN, f64::INFINITY] {
        let error = grey16_bytes(&Array::new(&[1, 2], vec![3.0, value])).unwrap_err();
        assert!(error.remedy().contains("from 0 to 65535"), "{value}");
    }
    assert!(grey16_bytes(&Array::new(&[0, 2], vec![])).is_err());
    assert!(grey16_bytes(&Array::new(&[1, 1, 1], vec![1.0])).is_err());
}

#[test]
fn sixteen_bits_of_grey_keep_all_of_them() {
    let values: Vec<f64> = vec![0.0, 1.0, 255.0, 256.0, 257.0, 32_768.0, 65_534.0, 65_535.0];
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("depth.png");
    write_grey16(&path, &Array::new(&[2, 4], values.clone())).unwrap();
    let back = read_map(&path).unwrap();
    assert_eq!((back.shape.as_slice(), back.to_f64().unwrap()), (&[2, 4][..], values));
    // A mask of eight bits stays bytes.
    let mask = png(GrayImage::from_fn(3, 2, |x, _| image::Luma([255 * (x % 2) as u8])));
    let mask = read_map_bytes("mask.png", &mask).unwrap();
    assert_eq!((mask.shape.as_slice(), &mask.values), (&[2, 3][..], &Values::U8(vec![0, 255, 0, 0, 255, 0])));
}

#[test]
fn pictures_that_are_no_maps_are_refused() {
    refused(&png(RgbImage::new(3, 2)), "colours or transparency");
    let whole = grey16_bytes(&Array::new(&[8, 8], (0..64).map(|k| f64::from(k * 1021 % 65_536)).collect())).unwrap();
    refused(&whole[..whole.len() / 2], "damaged or incomplete");
    refused(&whole[..20], "damaged or incomplete");
}

#[test]
fn a_picture_of_more_pixels_than_its_bytes_can_hold_is_refused_before_it_is_unpacked() {
    let mut bytes = grey16_bytes(&Array::new(&[1, 1], vec![7.0])).unwrap();
    // Width and height stand at 16 and 20, in the chunk whose checksum stands at 29.
    bytes[16..20].copy_from_slice(&30_000u32.to_be_bytes());
    bytes[20..24].copy_from_slice(&30_000u32.to_be_bytes());
    let sum = crc32(&bytes[12..29]);
    bytes[29..33].copy_from_slice(&sum.to_be_bytes());
    refused(&bytes, "cannot hold 30000 x 30000 pixels");
}

/// The checksum of PNG's chunks.
fn crc32(bytes: &[u8]) -> u32 {
    let mut sum = flate2::Crc::new();
    sum.update(bytes);
    sum.sum()
}

#[test]
fn arrays_are_maps_where_their_shape_is_a_pictures() {
    let folder = tempfile::tempdir().unwrap();
    let read = |shape: &[usize]| {
        let path = folder.path().join("a.npy");
        let values = (0..shape.iter().product::<usize>()).map(|k| k as f64).collect();
        write_npy(&path, &Array::new(shape, values)).unwrap();
        read_map(&path)
    };
    for shape in [&[2, 3][..], &[2, 3, 1], &[2, 3, 2], &[2, 3, 3], &[2, 3, 4]] {
        assert_eq!(read(shape).unwrap().shape, shape);
    }
    for shape in [&[6][..], &[0, 3], &[2, 3, 0], &[2, 3, 5], &[1, 2, 3, 1]] {
        let error = read(shape).unwrap_err();
        assert!(error.to_string().contains(&format!("{shape:?} is no map")), "{shape:?}: {error}");
    }
    let text = crate::golden("text.npy");
    refused(&text, "an array of text");
    let whole = crate::golden("f4_cube_fortran.npy");
    refused(&whole[..whole.len() - 1], "array `map` is damaged or incomplete");
    // A shape that no memory holds, in a header of the same length.
    let header = std::str::from_utf8(&whole[10..128]).unwrap().replace("2, 3, 4", "4294967296, 4294967296, 2");
    let forged = [&whole[..10], format!("{:<117}\n", header.trim_end()).as_bytes(), &whole[128..]].concat();
    refused(&forged, "damaged or incomplete");
}
