//! Folders of pictures, and IDX files.

use crate::golden;
use elbo_core::{Data, FromData, Samples, Values};
use elbo_data::{ReadOptions, read, read_bytes, read_picture, read_pictures};
use image::{DynamicImage, GrayImage, ImageFormat, Luma, Rgb, RgbImage};
use std::path::Path;

fn grey(width: u32, height: u32, shade: u8) -> DynamicImage {
    GrayImage::from_fn(width, height, |x, y| Luma([shade + (x + 2 * y) as u8])).into()
}

fn colour(width: u32, height: u32) -> DynamicImage {
    RgbImage::from_fn(width, height, |x, y| Rgb([x as u8, y as u8, 200])).into()
}

fn bytes<'a>(data: &'a Data, name: &str) -> (&'a [usize], &'a [u8]) {
    let array = data.get(name).unwrap();
    let Values::U8(values) = &array.values else { panic!("`{name}` holds no bytes") };
    (&array.shape, values)
}

fn read_folder(path: &Path) -> elbo_core::Result<Data> {
    read(path, &ReadOptions::default())
}

#[test]
fn grey_pictures_come_in_the_order_of_their_names() {
    let folder = tempfile::tempdir().unwrap();
    grey(3, 2, 100).save(folder.path().join("b.png")).unwrap();
    grey(3, 2, 10).save(folder.path().join("a.png")).unwrap();
    std::fs::write(folder.path().join("notes.txt"), "not a picture").unwrap();
    let data = read_folder(folder.path()).unwrap();
    let (shape, values) = bytes(&data, "image");
    assert_eq!(shape, [2, 2, 3]);
    assert_eq!(values, [10, 11, 12, 12, 13, 14, 100, 101, 102, 102, 103, 104]);
    assert!(data.notes[0].contains("1 files"), "{:?}", data.notes);
    assert_eq!(Samples::from_data(&data).unwrap().form.picture(), Some([1, 2, 3]));
}

/// A grey JPEG of 24 x 16 pixels, bright in the upper left quarter alone, whose tag says how it is to be turned.
fn tagged(orientation: u16) -> Vec<u8> {
    let quarter = GrayImage::from_fn(24, 16, |x, y| Luma([if x < 12 && y < 8 { 230 } else { 20 }]));
    let mut bytes = std::io::Cursor::new(vec![]);
    DynamicImage::from(quarter).write_to(&mut bytes, ImageFormat::Jpeg).unwrap();
    // A segment APP1 behind the start of the image: a directory of one entry, a short under the tag 0x0112.
    let mut exif = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01".to_vec();
    exif.extend(orientation.to_be_bytes());
    exif.extend([0; 6]);
    let length = (exif.len() as u16 + 2).to_be_bytes();
    let mut bytes = bytes.into_inner();
    bytes.splice(2..2, [vec![0xff, 0xe1], length.to_vec(), exif].concat());
    bytes
}

/// Height, width, and which quarter is bright: the upper left and right, then the lower ones.
fn bright(shape: &[usize], pixels: &[u8]) -> (usize, usize, usize) {
    let (height, width) = (shape[1], shape[2]);
    let quarter = |q: usize| pixels[(height / 4 + q / 2 * (height / 2)) * width + width / 4 + q % 2 * (width / 2)];
    (height, width, (0..4).max_by_key(|q| quarter(*q)).unwrap())
}

#[test]
fn pictures_are_turned_as_their_orientation_says() {
    let turned =
        [(16, 24, 0), (16, 24, 1), (16, 24, 3), (16, 24, 2), (24, 16, 0), (24, 16, 1), (24, 16, 3), (24, 16, 2)];
    for (orientation, expected) in (1..).zip(turned) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jpg");
        std::fs::write(&path, tagged(orientation)).unwrap();
        let found = [read_picture(&path), read_pictures(folder.path()), read_folder(folder.path())];
        for (data, name) in found.into_iter().zip(["image", "a.jpg", "image"]) {
            let data = data.unwrap();
            let (shape, pixels) = bytes(&data, name);
            assert_eq!(bright(shape, pixels), expected, "orientation {orientation}");
        }
    }
    // What is no orientation turns nothing.
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.jpg"), tagged(9)).unwrap();
    let data = read_folder(folder.path()).unwrap();
    let (shape, pixels) = bytes(&data, "image");
    assert_eq!(bright(shape, pixels), (16, 24, 0));
}

#[test]
fn pictures_of_a_scene_stay_as_they_are_stored() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.jpg"), tagged(6)).unwrap();
    let json = r#"{"camera_angle_x": 1.0, "frames": [{"file_path": "a.jpg",
        "transform_matrix": [[1,0,0,0],[0,1,0,0],[0,0,1,0],[0,0,0,1]]}]}"#;
    std::fs::write(folder.path().join("transforms.json"), json).unwrap();
    let data = read_folder(folder.path()).unwrap();
    let (shape, pixels) = bytes(&data, "image");
    assert_eq!(bright(shape, pixels), (16, 24, 0));
    assert_eq!(data.get("intrinsics").unwrap().to_f64().unwrap()[2..], [12.0, 8.0]);
}

#[test]
fn one_colour_picture_makes_all_of_them_colour() {
    let folder = tempfile::tempdir().unwrap();
    grey(2, 2, 7).save(folder.path().join("a.png")).unwrap();
    colour(2, 2).save(folder.path().join("b.png")).unwrap();
    let data = read_folder(folder.path()).unwrap();
    let (shape, values) = bytes(&data, "image");
    assert_eq!(shape, [2, 2, 2, 3]);
    assert_eq!(values[..6], [7, 7, 7, 8, 8, 8]);
    assert_eq!(values[12..], [0, 0, 200, 1, 0, 200, 0, 1, 200, 1, 1, 200]);
}

#[test]
fn sub_folders_are_classes() {
    let folder = tempfile::tempdir().unwrap();
    for (class, count) in [("cats", 2), ("dogs", 1)] {
        std::fs::create_dir(folder.path().join(class)).unwrap();
        for i in 0..count {
            grey(4, 4, i).save(folder.path().join(class).join(format!("{i}.png"))).unwrap();
        }
    }
    let data = read(folder.path(), &ReadOptions::with_target("label")).unwrap();
    let samples = Samples::from_data(&data).unwrap();
    let labels = samples.labels.unwrap();
    assert_eq!((labels.classes, labels.codes), (vec!["cats".to_owned(), "dogs".to_owned()], vec![0, 0, 1]));
    assert_eq!(samples.values.len(), 3 * 16);
}

#[test]
fn folders_that_cannot_be_used_are_refused_with_a_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |what: &str, expected: &str| {
        let error = read_folder(folder.path()).unwrap_err();
        assert!(error.to_string().contains(expected), "{what}: {error}");
        assert!(!error.remedy().is_empty());
    };
    refused("empty", "no PNG or JPEG");
    grey(3, 2, 1).save(folder.path().join("a.png")).unwrap();
    grey(2, 2, 1).save(folder.path().join("b.png")).unwrap();
    refused("sizes", "different sizes: 3 x 2");
    let whole = std::fs::read(folder.path().join("a.png")).unwrap();
    std::fs::write(folder.path().join("b.png"), &whole[..whole.len() / 2]).unwrap();
    refused("truncated", "damaged");
    std::fs::write(folder.path().join("b.png"), "<html>").unwrap();
    refused("foreign", "damaged");
}

#[test]
fn an_idx_file_is_an_array_of_bytes() {
    let content = [vec![0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3], (1..=6).collect()].concat();
    let parse = |content: &[u8]| read_bytes("pictures-idx3-ubyte", content.to_vec(), &ReadOptions::default());
    let data = parse(&content).unwrap();
    assert_eq!(bytes(&data, "image"), (&[1, 2, 3][..], &[1, 2, 3, 4, 5, 6][..]));
    let labels = [0, 0, 8, 1, 0, 0, 0, 2, 7, 9];
    assert_eq!(bytes(&parse(&labels).unwrap(), "label"), (&[2][..], &[7, 9][..]));
    let mut numbers = content.clone();
    numbers[2] = 13;
    for bad in [&content[..20], &numbers[..]] {
        assert!(!parse(bad).unwrap_err().remedy().is_empty());
    }
}

#[test]
fn pictures_under_another_name_than_a_model_knows_are_read_where_its_own_are_not_there() {
    let keeping = |name: &str| ReadOptions { keep: Some(vec![name.into()]), ..ReadOptions::default() };
    let names = |data: &Data| data.arrays.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    let folder = tempfile::tempdir().unwrap();
    grey(3, 2, 100).save(folder.path().join("a.png")).unwrap();
    assert_eq!(names(&read(folder.path(), &keeping("x")).unwrap()), ["image"]);
    let array = |keep: &ReadOptions| read_bytes("a.npy", golden("f4_cube_fortran.npy"), keep).unwrap();
    assert_eq!(names(&array(&keeping("image"))), ["x"]);
    let dropped = ReadOptions { drop: vec!["x".into()], ..keeping("image") };
    assert!(names(&array(&dropped)).is_empty());
    // Rows of numbers are no pictures.
    assert!(names(&read_bytes("a.npy", golden("f8.npy"), &keeping("image")).unwrap()).is_empty());
}
