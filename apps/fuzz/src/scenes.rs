//! Scenes: COLMAP's models in both forms, and `transforms.json`.

use elbo::core::FromData;
use elbo::data::{ReadOptions, read};
use elbo::report::picture::png;
use elbo::splat::scene::Scene;
use std::path::Path;
use tempfile::TempDir;

/// The files of a model. The first byte of an input says which one the rest of it stands for.
const FILES: [&str; 6] = ["cameras.bin", "images.bin", "points3D.bin", "cameras.txt", "images.txt", "points3D.txt"];

thread_local! {
    /// Two pictures with a model as bytes, as text, and with `transforms.json`.
    static PLACES: [TempDir; 3] = std::array::from_fn(|_| place());
}

fn place() -> TempDir {
    let place = tempfile::tempdir().expect("temporary folders can be made");
    let folder = place.path().join("images");
    std::fs::create_dir_all(&folder).expect("the folder is new");
    std::fs::create_dir_all(place.path().join("sparse/0")).expect("the folder is new");
    for name in ["a.png", "b.png"] {
        std::fs::write(folder.join(name), png(12, 10, 3, &[90; 360])).expect("the folder can be written");
    }
    place
}

/// A model of two pictures, in the order of [`FILES`].
fn model() -> [Vec<u8>; 6] {
    let mut cameras = 1u64.to_le_bytes().to_vec();
    cameras.extend([1i32, 1].iter().flat_map(|v| v.to_le_bytes()));
    cameras.extend([12u64, 10].iter().flat_map(|v| v.to_le_bytes()));
    cameras.extend([30.0f64, 31.0, 6.5, 5.5].iter().flat_map(|v| v.to_le_bytes()));
    let mut images = 2u64.to_le_bytes().to_vec();
    for (id, name) in [(1i32, "a.png"), (2, "b.png")] {
        images.extend(id.to_le_bytes());
        images.extend([0.5f64, -0.5, -0.5, -0.5, -2.0, -3.0, -1.0].iter().flat_map(|v| v.to_le_bytes()));
        images.extend(1i32.to_le_bytes());
        images.extend(name.bytes().chain([0]));
        images.extend(1u64.to_le_bytes());
        images.extend([0; 24]);
    }
    let mut points = 2u64.to_le_bytes().to_vec();
    for id in [1u64, 2] {
        points.extend(id.to_le_bytes());
        points.extend([0.5f64, 1.0, 2.0].iter().flat_map(|v| v.to_le_bytes()));
        points.extend([10, 20, 30]);
        points.extend(0.1f64.to_le_bytes());
        points.extend(1u64.to_le_bytes());
        points.extend([0; 8]);
    }
    [
        cameras,
        images,
        points,
        b"# comment\n1 PINHOLE 12 10 30 31 6.5 5.5\n".to_vec(),
        b"# c\n1 0.5 -0.5 -0.5 -0.5 -2 -3 -1 1 a.png\n\n2 0.5 -0.5 -0.5 -0.5 -2 -3 -1 1 b.png\n1 2 -1\n".to_vec(),
        b"# c\n1 0.5 1 2 10 20 30 0.1 1 2\n2 3 4 5 40 50 60 0.1\n".to_vec(),
    ]
}

pub(crate) fn colmap_seeds() -> Vec<Vec<u8>> {
    model().into_iter().enumerate().map(|(k, bytes)| [vec![k as u8], bytes].concat()).collect()
}

/// Reads a model of which one file is the input.
pub(crate) fn colmap(input: &[u8]) -> bool {
    let Some((first, rest)) = input.split_first() else { return false };
    let chosen = usize::from(*first) % FILES.len();
    let kind = chosen / 3;
    PLACES.with(|places| {
        let place = places[kind].path();
        for (k, bytes) in model().iter().enumerate().filter(|(k, _)| k / 3 == kind) {
            let bytes = if k == chosen { rest } else { bytes.as_slice() };
            std::fs::write(place.join("sparse/0").join(FILES[k]), bytes).expect("the folder can be written");
        }
        scene(place)
    })
}

pub(crate) fn transforms_seeds() -> Vec<Vec<u8>> {
    let frame = |name: &str| {
        format!(r#"{{"file_path": "images/{name}", "transform_matrix": [[0,0,-1,1],[1,0,0,2],[0,-1,0,3],[0,0,0,1]]}}"#)
    };
    let frames = format!("[{}, {}]", frame("a.png"), frame("b"));
    vec![
        format!(r#"{{"fl_x": 40, "fl_y": 42, "cx": 12, "cy": 10, "w": 24, "h": 20, "k1": 0, "frames": {frames}}}"#)
            .into(),
        format!(r#"{{"camera_angle_x": 1.0, "frames": {frames}}}"#).into(),
    ]
}

/// Reads a scene whose `transforms.json` is the input.
pub(crate) fn transforms(input: &[u8]) -> bool {
    PLACES.with(|places| {
        let place = places[2].path();
        std::fs::write(place.join("transforms.json"), input).expect("the folder can be written");
        scene(place)
    })
}

fn scene(place: &Path) -> bool {
    read(place, &ReadOptions::default()).is_ok_and(|data| Scene::from_data(&data).is_ok())
}
