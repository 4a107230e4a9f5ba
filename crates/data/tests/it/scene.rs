//! Scenes: pictures with their cameras, in every form in which they come.

use elbo_data::{ReadOptions, read};
use std::path::Path;

/// Two pictures of 12 x 10 pixels.
fn pictures(folder: &Path, names: &[&str]) {
    std::fs::create_dir_all(folder).unwrap();
    for (k, name) in names.iter().enumerate() {
        let pixel = |x: u32, y: u32| image::Rgb([(20 * x) as u8, (20 * y) as u8, 100 * k as u8]);
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        image::RgbImage::from_fn(12, 10, pixel).save(path).unwrap();
    }
}

/// A camera at (1, 2, 3) whose x, y and z axes are the world's y, z and x.
const POSE: [f64; 12] = [0.0, 1.0, 0.0, -2.0, 0.0, 0.0, 1.0, -3.0, 1.0, 0.0, 0.0, -1.0];
/// The same, camera to world, with y up and z backwards.
const MATRIX: &str = "[[0,0,-1,1],[1,0,0,2],[0,-1,0,3],[0,0,0,1]]";

fn array(data: &elbo_core::Data, name: &str) -> Vec<f64> {
    data.get(name).unwrap().to_f64().unwrap()
}

fn assert_pose(found: &[f64]) {
    assert!(found.iter().zip(POSE).all(|(a, b)| (a - b).abs() < 1e-12), "{found:?}");
}

#[test]
fn transforms_are_turned_into_cameras() {
    let folder = tempfile::tempdir().unwrap();
    pictures(folder.path(), &["images/a.png", "images/b.png"]);
    let frame = |name: &str| format!(r#"{{"file_path": "images/{name}", "transform_matrix": {MATRIX}}}"#);
    let json = format!(
        r#"{{"fl_x": 40, "fl_y": 42, "cx": 12, "cy": 10, "w": 24, "h": 20, "k1": 0, "frames": [{}, {}]}}"#,
        frame("a.png"),
        frame("b")
    );
    let path = folder.path().join("transforms.json");
    std::fs::write(&path, &json).unwrap();
    let data = read(folder.path(), &ReadOptions::default()).unwrap();
    assert_eq!(data.get("image").unwrap().shape, [2, 10, 12, 3]);
    assert_pose(&array(&data, "pose")[..12]);
    // The pictures have half the size that the cameras were found at.
    assert_eq!(array(&data, "intrinsics"), [20.0, 21.0, 6.0, 5.0].repeat(2));

    let refused = |text: String, what: &str| {
        std::fs::write(&path, text).unwrap();
        let error = read(folder.path(), &ReadOptions::default()).unwrap_err();
        assert!(error.to_string().contains(what) && !error.remedy().is_empty(), "{error}");
    };
    refused(json.replace(r#""k1": 0"#, r#""k1": 0.1"#), "distortion");
    refused(json.replace(r#""k1": 0"#, r#""camera_model": "EQUIRECTANGULAR""#), "EQUIRECTANGULAR");
    refused(json.replace("fl_x", "focal"), "camera_angle_x");
    refused(json.replace("a.png", "nothing.png"), "nothing.png");
    refused(json.replace("transform_matrix", "pose"), "transform_matrix");
    refused(json[..json.len() - 4].to_owned(), "not JSON");
    refused("{}".into(), "frames");
}

#[test]
fn blenders_test_pictures_are_kept_back() {
    let folder = tempfile::tempdir().unwrap();
    pictures(folder.path(), &["train/r_0.png", "test/r_0.png"]);
    for part in ["train", "test"] {
        let json = format!(
            r#"{{"camera_angle_x": 1.0, "frames": [{{"file_path": "./{part}/r_0", "transform_matrix": {MATRIX}}}]}}"#
        );
        std::fs::write(folder.path().join(format!("transforms_{part}.json")), json).unwrap();
    }
    let data = read(folder.path(), &ReadOptions::default()).unwrap();
    assert_eq!(array(&data, "held"), [0.0, 1.0]);
    let focal = 6.0 / 0.5f64.tan();
    assert_eq!(array(&data, "intrinsics")[..4], [focal, focal, 6.0, 5.0]);
}

/// The rotation of `POSE` as a quaternion.
const QUATERNION: [f64; 4] = [0.5, -0.5, -0.5, -0.5];

#[test]
fn colmap_models_are_read_as_text_and_as_bytes() {
    let folder = tempfile::tempdir().unwrap();
    pictures(&folder.path().join("images"), &["b.png", "a b.png"]);
    let sparse = folder.path().join("sparse/0");
    std::fs::create_dir_all(&sparse).unwrap();
    let put = |name: &str, bytes: &[u8]| std::fs::write(sparse.join(name), bytes).unwrap();
    let q = QUATERNION.map(|v| v.to_string()).join(" ");
    put("cameras.txt", b"# comment\n1 SIMPLE_PINHOLE 12 10 33 6 5\n7 PINHOLE 12 10 30 31 6.5 5.5\n");
    put("images.txt", format!("# c\n1 {q} -2 -3 -1 7 b.png\n\n2 {q} -2 -3 -1 1 a b.png\n1 2 -1\n").as_bytes());
    put("points3D.txt", b"# c\n1 0.5 1 2 10 20 30 0.1 1 2\n2 3 4 5 40 50 60 0.1\n3 6 7 8 70 80 90 0.1\n");
    let text = read(folder.path(), &ReadOptions::default()).unwrap();
    // In the order of their names.
    assert_eq!(array(&text, "intrinsics"), [33.0, 33.0, 6.0, 5.0, 30.0, 31.0, 6.5, 5.5]);
    assert_pose(&array(&text, "pose")[12..]);
    let points = array(&text, "points");
    assert_eq!(text.get("points").unwrap().shape, [2, 2, 6]);
    assert_eq!(points[..12], [0.5, 1.0, 2.0, 10.0, 20.0, 30.0, 6.0, 7.0, 8.0, 70.0, 80.0, 90.0]);
    assert_eq!(points[18..], [-1.0; 6], "filled up");

    let mut cameras = 2u64.to_le_bytes().to_vec();
    for (id, model, parameters) in [(1i32, 0i32, &[33.0, 6.0, 5.0][..]), (7, 1, &[30.0, 31.0, 6.5, 5.5])] {
        cameras.extend(id.to_le_bytes().iter().chain(&model.to_le_bytes()));
        cameras.extend(12u64.to_le_bytes().iter().chain(&10u64.to_le_bytes()));
        parameters.iter().for_each(|p: &f64| cameras.extend(p.to_le_bytes()));
    }
    let mut images = 2u64.to_le_bytes().to_vec();
    for (id, camera, name) in [(1i32, 7i32, "b.png"), (2, 1, "a b.png")] {
        images.extend(id.to_le_bytes());
        QUATERNION.iter().chain(&[-2.0, -3.0, -1.0]).for_each(|v| images.extend(v.to_le_bytes()));
        images.extend(camera.to_le_bytes());
        images.extend(name.bytes().chain([0]));
        images.extend(1u64.to_le_bytes());
        images.extend([0; 24]);
    }
    let mut cloud = 3u64.to_le_bytes().to_vec();
    for (id, place, colour) in [
        (1u64, [0.5, 1.0, 2.0], [10u8, 20, 30]),
        (2, [3.0, 4.0, 5.0], [40, 50, 60]),
        (3, [6.0, 7.0, 8.0], [70, 80, 90]),
    ] {
        cloud.extend(id.to_le_bytes());
        place.iter().for_each(|v: &f64| cloud.extend(v.to_le_bytes()));
        cloud.extend(colour);
        cloud.extend(0.1f64.to_le_bytes());
        cloud.extend(2u64.to_le_bytes());
        cloud.extend([0; 16]);
    }
    put("cameras.bin", &cameras);
    put("images.bin", &images);
    put("points3D.bin", &cloud);
    let bytes = read(folder.path(), &ReadOptions::default()).unwrap();
    assert_eq!(bytes.arrays, text.arrays);

    // Cut short anywhere, the files are refused and nothing panics.
    for (name, whole) in [("cameras.bin", &cameras), ("images.bin", &images), ("points3D.bin", &cloud)] {
        for cut in (0..whole.len()).step_by(5) {
            put(name, &whole[..cut]);
            assert!(read(folder.path(), &ReadOptions::default()).is_err(), "{name} cut at {cut}");
        }
        // More entries than the file could hold.
        put(name, &[&u64::MAX.to_le_bytes()[..], &whole[8..]].concat());
        assert!(read(folder.path(), &ReadOptions::default()).is_err(), "{name}");
        put(name, whole);
    }
    std::fs::remove_file(sparse.join("cameras.bin")).unwrap();
    put("cameras.txt", b"1 SIMPLE_RADIAL 12 10 33 6 5 -0.09\n7 PINHOLE 12 10 30 31 6.5 5.5\n");
    let error = read(folder.path(), &ReadOptions::default()).unwrap_err();
    assert!(error.to_string().contains("SIMPLE_RADIAL") && error.remedy().contains("undistort"), "{error}");
    put("cameras.txt", b"1 PINHOLE 12 10 30 31 6.5 5.5\n");
    put("images.txt", b"1 1e200 1e200 0 0 -2 -3 -1 1 b.png\n\n");
    let error = read(folder.path(), &ReadOptions::default()).unwrap_err();
    assert!(error.to_string().contains("no rotation"), "{error}");
}

#[test]
fn cameras_of_more_than_eight_gibibytes_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = std::fs::File::create(folder.path().join("transforms.json")).unwrap();
    // Without any byte written.
    file.set_len((8 << 30) + 1).unwrap();
    let message = read(folder.path(), &ReadOptions::default()).unwrap_err().to_string();
    assert!(message.contains("cannot read the cameras") && message.contains("larger than 8 GiB"), "{message}");
}
