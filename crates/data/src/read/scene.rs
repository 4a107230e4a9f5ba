//! Scenes: pictures with their cameras, as `transforms.json` (nerfstudio, Blender) or a COLMAP model describes them.
//!
//! A scene becomes arrays with one row a picture: `image` of bytes; `pose` `[N, 3, 4]`, world to camera, x to the right, y down, z forward;
//! `intrinsics` `[N, 4]`, fx, fy, cx, cy in pixels, where the centre of the first pixel is (½, ½); with COLMAP's points also `points`
//! `[N, P, 6]`, places and colours from 0 to 255, dealt to the rows in turn and filled up with colours of -1; and with a list of test pictures
//! `held`, one for those.
//!
//! Pixels are taken as they are stored, whatever a file says of its orientation (Exif), since cameras belong to the stored pixels. All other pictures are
//! turned as it says ([`crate::read_picture`]).

use super::pictures::{self, Turn};
use elbo_core::read::read_file;
use elbo_core::{Array, Data, Error, Result, Values};
use image::DynamicImage;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const UNDISTORT: &str = "undistort the pictures first, for example with `colmap image_undistorter`";

/// Parts of the names that nerfstudio gives to lenses which are no pinholes, whatever their coefficients.
const CURVED: [&str; 5] = ["FISHEYE", "EQUIRECTANGULAR", "OMNIDIRECTIONAL", "VR180", "ORTHOPHOTO"];

/// Whether a folder describes a scene.
pub(super) fn is_scene(path: &Path) -> bool {
    ["transforms.json", "transforms_train.json"].iter().any(|f| path.join(f).is_file()) || model_folder(path).is_some()
}

/// Reads a scene.
///
/// # Errors
/// [`Error::File`] and [`Error::Data`] for files that are missing, damaged or of a kind that cannot be used, naming them.
pub(super) fn folder(path: &Path) -> Result<Data> {
    let (frames, points) = if path.join("transforms.json").is_file() {
        (transforms(path, "transforms.json", false)?, vec![])
    } else if path.join("transforms_train.json").is_file() {
        let mut frames = transforms(path, "transforms_train.json", false)?;
        if path.join("transforms_test.json").is_file() {
            frames.extend(transforms(path, "transforms_test.json", true)?);
        }
        (frames, vec![])
    } else {
        colmap(path, &model_folder(path).expect("the caller has looked"))?
    };
    if frames.is_empty() {
        return Err(Error::data(
            format!("{} lists no pictures", path.display()),
            "write the scene again with the program that found the cameras",
        ));
    }
    assemble(path, &frames, &points)
}

/// A picture and its camera.
struct Frame {
    file: PathBuf,
    /// World to camera, `[3, 4]`.
    pose: [f64; 12],
    lens: Lens,
    is_held: bool,
}

#[derive(Clone, Copy)]
enum Lens {
    /// fx, fy, cx, cy of a picture of this width and height, where that is known.
    Pixels([f64; 4], Option<[f64; 2]>),
    /// The angle of view over the width, in radians.
    Angle(f64),
}

impl Lens {
    /// In pixels of the picture at hand.
    fn of(&self, width: f64, height: f64) -> [f64; 4] {
        match *self {
            Self::Angle(angle) => {
                let focal = 0.5 * width / (0.5 * angle).tan();
                [focal, focal, 0.5 * width, 0.5 * height]
            }
            Self::Pixels(k, None) => k,
            // Pictures are often given at a fraction of the size that the cameras were found at.
            Self::Pixels([fx, fy, cx, cy], Some([w, h])) => {
                let (sx, sy) = (width / w, height / h);
                [fx * sx, fy * sy, cx * sx, cy * sy]
            }
        }
    }
}

fn assemble(path: &Path, frames: &[Frame], points: &[[f64; 6]]) -> Result<Data> {
    let files: Vec<(Option<String>, PathBuf)> = frames.iter().map(|f| (None, f.file.clone())).collect();
    let mut notes = vec![];
    let mut pictures = pictures::decoded(&files, Turn::Stored)?;
    if pictures.iter().any(|p| p.color().has_alpha()) {
        notes.push("transparent parts of the pictures are taken as black".to_owned());
        pictures = pictures.into_iter().map(on_black).collect();
    }
    let (image, note) = pictures::stacked(pictures);
    notes.extend(note);
    let n = frames.len();
    let (height, width) = (image.shape[1] as f64, image.shape[2] as f64);
    let poses = frames.iter().flat_map(|f| f.pose).collect();
    let lenses = frames.iter().flat_map(|f| f.lens.of(width, height)).collect();
    let mut arrays = vec![
        ("image".to_owned(), image),
        ("pose".to_owned(), Array::new(&[n, 3, 4], poses)),
        ("intrinsics".to_owned(), Array::new(&[n, 4], lenses)),
    ];
    if !points.is_empty() {
        let each = points.len().div_ceil(n);
        let mut dealt = vec![-1.0; 6 * each * n];
        for (k, point) in points.iter().enumerate() {
            let row = k % n * each + k / n;
            dealt[6 * row..6 * row + 6].copy_from_slice(point);
        }
        arrays.push(("points".to_owned(), Array::new(&[n, each, 6], dealt)));
    }
    if frames.iter().any(|f| f.is_held) {
        let held = frames.iter().map(|f| i64::from(f.is_held)).collect();
        arrays.push(("held".to_owned(), Array { shape: vec![n], values: Values::I64(held) }));
    }
    Ok(Data { source: path.display().to_string(), arrays, notes, ..Data::default() })
}

fn on_black(picture: DynamicImage) -> DynamicImage {
    if !picture.color().has_alpha() {
        return picture;
    }
    let pixels = picture.to_rgba8();
    let mut out = image::RgbImage::new(pixels.width(), pixels.height());
    for (from, to) in pixels.pixels().zip(out.pixels_mut()) {
        let alpha = u32::from(from[3]);
        (0..3).for_each(|c| to[c] = ((u32::from(from[c]) * alpha + 127) / 255) as u8);
    }
    out.into()
}

fn read_bytes(path: &Path) -> Result<Vec<u8>> {
    read_file("cannot read the cameras", path)
}

fn broken(path: &Path, what: impl std::fmt::Display) -> Error {
    Error::File {
        message: format!("the cameras cannot be used: {what}"),
        remedy: "write the scene again with the program that found the cameras".into(),
        path: path.into(),
    }
}

/// `transforms.json`: camera to world in the convention of OpenGL.
fn transforms(folder: &Path, name: &str, is_held: bool) -> Result<Vec<Frame>> {
    let path = folder.join(name);
    let text = read_bytes(&path)?;
    let json: Value =
        serde_json::from_slice(&text).map_err(|cause| broken(&path, format!("it is not JSON ({cause})")))?;
    let frames = json["frames"].as_array().ok_or_else(|| broken(&path, "it has no list `frames`"))?;
    frames
        .iter()
        .enumerate()
        .map(|(i, frame)| {
            let number = |key: &str| frame.get(key).or_else(|| json.get(key)).and_then(Value::as_f64);
            let bends = ["k1", "k2", "k3", "k4", "p1", "p2"].into_iter().find(|k| number(k).is_some_and(|v| v != 0.0));
            let model = frame.get("camera_model").or_else(|| json.get("camera_model")).and_then(Value::as_str);
            let is_curved = model.is_some_and(|m| CURVED.iter().any(|c| m.contains(*c)));
            if bends.is_some() || is_curved {
                let what = bends.map_or_else(|| model.unwrap_or_default().to_owned(), |k| format!("{k} is not zero"));
                return Err(Error::data(format!("{name} describes lenses with distortion: {what}"), UNDISTORT));
            }
            let file = frame["file_path"]
                .as_str()
                .ok_or_else(|| broken(&path, format!("frame {} has no `file_path`", i + 1)))?;
            let lens = match (number("fl_x"), number("camera_angle_x")) {
                (Some(fx), _) => {
                    let size = number("w").zip(number("h")).map(|(w, h)| [w, h]);
                    let middle = |key: &str, k: usize| number(key).or_else(|| size.map(|s| 0.5 * s[k]));
                    let (Some(cx), Some(cy)) = (middle("cx", 0), middle("cy", 1)) else {
                        return Err(broken(&path, "it has `fl_x` and neither `cx` and `cy` nor `w` and `h`"));
                    };
                    Lens::Pixels([fx, number("fl_y").unwrap_or(fx), cx, cy], size)
                }
                (None, Some(angle)) => Lens::Angle(angle),
                (None, None) => return Err(broken(&path, "it has neither `fl_x` nor `camera_angle_x`")),
            };
            let matrix: Vec<f64> = frame["transform_matrix"]
                .as_array()
                .into_iter()
                .flatten()
                .flat_map(|row| row.as_array().into_iter().flatten())
                .filter_map(Value::as_f64)
                .collect();
            if matrix.len() != 16 && matrix.len() != 12 {
                return Err(broken(&path, format!("frame {} has no `transform_matrix` of 4 x 4 numbers", i + 1)));
            }
            Ok(Frame { file: picture_file(folder, file), pose: inverted(&matrix), lens, is_held })
        })
        .collect()
}

/// Blender leaves the extension out.
fn picture_file(folder: &Path, name: &str) -> PathBuf {
    let path = folder.join(name);
    if path.is_file() {
        return path;
    }
    let with = |extension: &str| {
        let mut longer = path.as_os_str().to_owned();
        longer.push(extension);
        PathBuf::from(longer)
    };
    [".png", ".jpg", ".jpeg"].iter().map(|e| with(e)).find(|p| p.is_file()).unwrap_or(path)
}

/// From camera to world, OpenGL, to world to camera, OpenCV: y and z of the camera change their signs, then the inverse.
fn inverted(matrix: &[f64]) -> [f64; 12] {
    const SIGNS: [f64; 3] = [1.0, -1.0, -1.0];
    let mut pose = [0.0; 12];
    for k in 0..3 {
        for j in 0..3 {
            pose[4 * k + j] = SIGNS[k] * matrix[4 * j + k];
            pose[4 * k + 3] -= pose[4 * k + j] * matrix[4 * j + 3];
        }
    }
    pose
}

/// Where a COLMAP model lies below a folder.
fn model_folder(path: &Path) -> Option<PathBuf> {
    let has = |p: &PathBuf| ["cameras.bin", "cameras.txt"].iter().any(|f| p.join(f).is_file());
    ["sparse/0", "sparse", "colmap/sparse/0", "."].iter().map(|p| path.join(p)).find(has)
}

type Model = (Vec<Frame>, Vec<[f64; 6]>);

fn colmap(path: &Path, model: &Path) -> Result<Model> {
    let is_binary = model.join("cameras.bin").is_file();
    let file = |stem: &str| model.join(format!("{stem}.{}", if is_binary { "bin" } else { "txt" }));
    let (cameras, images) = if is_binary {
        (binary_cameras(&file("cameras"))?, binary_images(&file("images"))?)
    } else {
        (text_cameras(&file("cameras"))?, text_images(&file("images"))?)
    };
    let pictures =
        ["images", "input"].iter().map(|f| path.join(f)).find(|p| p.is_dir()).unwrap_or_else(|| path.to_owned());
    let mut frames = vec![];
    for image in images {
        let Some(camera) = cameras.get(&image.camera) else {
            return Err(broken(
                &file("images"),
                format!("{} has camera {}, which is not listed", image.name, image.camera),
            ));
        };
        let lens = Lens::Pixels(pinhole(camera)?, Some([camera.width, camera.height]));
        frames.push(Frame { file: pictures.join(&image.name), pose: image.pose()?, lens, is_held: false });
    }
    frames.sort_by(|a, b| a.file.cmp(&b.file));
    let points = file("points3D");
    let points = match (points.is_file(), is_binary) {
        (false, _) => vec![],
        (true, true) => binary_points(&points)?,
        (true, false) => text_points(&points)?,
    };
    Ok((frames, points))
}

struct ColmapCamera {
    model: String,
    width: f64,
    height: f64,
    parameters: Vec<f64>,
}

/// Names and numbers of parameters, by COLMAP's ids.
const MODELS: [(&str, usize); 11] = [
    ("SIMPLE_PINHOLE", 3),
    ("PINHOLE", 4),
    ("SIMPLE_RADIAL", 4),
    ("RADIAL", 5),
    ("OPENCV", 8),
    ("OPENCV_FISHEYE", 8),
    ("FULL_OPENCV", 12),
    ("FOV", 5),
    ("SIMPLE_RADIAL_FISHEYE", 4),
    ("RADIAL_FISHEYE", 5),
    ("THIN_PRISM_FISHEYE", 12),
];

/// fx, fy, cx, cy, where the lens has no distortion.
fn pinhole(camera: &ColmapCamera) -> Result<[f64; 4]> {
    let p = &camera.parameters;
    let (lens, distortion) = match camera.model.as_str() {
        "SIMPLE_PINHOLE" | "SIMPLE_RADIAL" | "RADIAL" if p.len() >= 3 => ([p[0], p[0], p[1], p[2]], &p[3..]),
        "PINHOLE" | "OPENCV" | "FULL_OPENCV" if p.len() >= 4 => ([p[0], p[1], p[2], p[3]], &p[4..]),
        _ => ([0.0; 4], &[1.0][..]),
    };
    if distortion.iter().any(|v| *v != 0.0) {
        return Err(Error::data(
            format!("the cameras are of COLMAP's model {}, whose distortion cannot be drawn", camera.model),
            UNDISTORT,
        ));
    }
    Ok(lens)
}

struct ColmapImage {
    quaternion: [f64; 4],
    translation: [f64; 3],
    camera: i64,
    name: String,
}

impl ColmapImage {
    fn pose(&self) -> Result<[f64; 12]> {
        let length = self.quaternion.iter().map(|v| v * v).sum::<f64>().sqrt();
        if !length.is_finite() || length < 1e-6 {
            return Err(Error::data(format!("picture {} has no rotation", self.name), "leave it out of the model"));
        }
        let [w, x, y, z] = self.quaternion.map(|v| v / length);
        let t = self.translation;
        Ok([
            1.0 - 2.0 * (y * y + z * z),
            2.0 * (x * y - w * z),
            2.0 * (x * z + w * y),
            t[0],
            2.0 * (x * y + w * z),
            1.0 - 2.0 * (x * x + z * z),
            2.0 * (y * z - w * x),
            t[1],
            2.0 * (x * z - w * y),
            2.0 * (y * z + w * x),
            1.0 - 2.0 * (x * x + y * y),
            t[2],
        ])
    }
}

/// Little-endian numbers one after the other.
struct Bytes<'a> {
    path: &'a Path,
    rest: &'a [u8],
}

impl Bytes<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (first, rest) = self.rest.split_first_chunk().ok_or_else(|| broken(self.path, "the file is cut short"))?;
        self.rest = rest;
        Ok(*first)
    }

    fn u64(&mut self) -> Result<u64> {
        self.take().map(u64::from_le_bytes)
    }

    fn i32(&mut self) -> Result<i64> {
        self.take().map(|b| i64::from(i32::from_le_bytes(b)))
    }

    fn f64(&mut self) -> Result<f64> {
        self.take().map(f64::from_le_bytes)
    }

    fn floats<const N: usize>(&mut self) -> Result<[f64; N]> {
        let mut out = [0.0; N];
        for v in &mut out {
            *v = self.f64()?;
        }
        Ok(out)
    }

    /// Passes over `count` things of `size` bytes.
    fn skip(&mut self, count: u64, size: u64) -> Result<()> {
        let bytes = count.checked_mul(size).and_then(|b| usize::try_from(b).ok()).filter(|b| *b <= self.rest.len());
        let bytes = bytes.ok_or_else(|| broken(self.path, "the file is cut short"))?;
        self.rest = &self.rest[bytes..];
        Ok(())
    }

    fn text(&mut self) -> Result<String> {
        let end = self.rest.iter().position(|b| *b == 0).ok_or_else(|| broken(self.path, "a name does not end"))?;
        let text = String::from_utf8_lossy(&self.rest[..end]).into_owned();
        self.rest = &self.rest[end + 1..];
        Ok(text)
    }
}

fn binary_cameras(path: &Path) -> Result<BTreeMap<i64, ColmapCamera>> {
    let all = read_bytes(path)?;
    let mut bytes = Bytes { path, rest: &all };
    let mut out = BTreeMap::new();
    for _ in 0..bytes.u64()? {
        let (id, model) = (bytes.i32()?, bytes.i32()?);
        let (width, height) = (bytes.u64()? as f64, bytes.u64()? as f64);
        let known = usize::try_from(model).ok().and_then(|m| MODELS.get(m));
        let (name, count) = known.ok_or_else(|| broken(path, format!("camera model {model} is not known")))?;
        let parameters = (0..*count).map(|_| bytes.f64()).collect::<Result<Vec<f64>>>()?;
        out.insert(id, ColmapCamera { model: (*name).into(), width, height, parameters });
    }
    Ok(out)
}

fn binary_images(path: &Path) -> Result<Vec<ColmapImage>> {
    let all = read_bytes(path)?;
    let mut bytes = Bytes { path, rest: &all };
    let mut out = vec![];
    for _ in 0..bytes.u64()? {
        bytes.i32()?;
        let (quaternion, translation) = (bytes.floats()?, bytes.floats()?);
        let camera = bytes.i32()?;
        let name = bytes.text()?;
        let count = bytes.u64()?;
        bytes.skip(count, 24)?;
        out.push(ColmapImage { quaternion, translation, camera, name });
    }
    Ok(out)
}

fn binary_points(path: &Path) -> Result<Vec<[f64; 6]>> {
    let all = read_bytes(path)?;
    let mut bytes = Bytes { path, rest: &all };
    let mut out = vec![];
    for _ in 0..bytes.u64()? {
        bytes.u64()?;
        let [x, y, z] = bytes.floats()?;
        let [r, g, b] = bytes.take()?.map(f64::from);
        bytes.f64()?;
        let count = bytes.u64()?;
        bytes.skip(count, 8)?;
        out.push([x, y, z, r, g, b]);
    }
    Ok(out)
}

fn read_text(path: &Path) -> Result<String> {
    Ok(String::from_utf8_lossy(&read_bytes(path)?).into_owned())
}

/// Words of a line as numbers.
fn numbers<const N: usize>(path: &Path, words: &[&str]) -> Result<[f64; N]> {
    let mut out = [0.0; N];
    for (k, v) in out.iter_mut().enumerate() {
        let word = words.get(k).ok_or_else(|| broken(path, "a line is too short"))?;
        *v = word.parse().map_err(|_| broken(path, format!("`{word}` is not a number")))?;
    }
    Ok(out)
}

fn text_cameras(path: &Path) -> Result<BTreeMap<i64, ColmapCamera>> {
    let mut out = BTreeMap::new();
    for line in read_text(path)?.lines().filter(|l| !l.starts_with('#') && !l.trim().is_empty()) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [id] = numbers(path, &words)?;
        let [width, height] = numbers(path, words.get(2..).unwrap_or_default())?;
        let parameters = words[4..].iter().map(|w| numbers(path, &[w]).map(|[v]| v)).collect::<Result<Vec<f64>>>()?;
        out.insert(id as i64, ColmapCamera { model: words[1].into(), width, height, parameters });
    }
    Ok(out)
}

/// Two lines a picture, of which the second, its points, may be empty.
fn text_images(path: &Path) -> Result<Vec<ColmapImage>> {
    let text = read_text(path)?;
    let mut lines = text.lines().filter(|l| !l.starts_with('#'));
    let mut out = vec![];
    while let Some(line) = lines.next() {
        if line.trim().is_empty() {
            continue;
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        let [_, w, x, y, z, a, b, c, camera] = numbers(path, &words)?;
        // A name may hold spaces.
        let name = words[9..].join(" ");
        if name.is_empty() {
            return Err(broken(path, "a picture has no name"));
        }
        out.push(ColmapImage { quaternion: [w, x, y, z], translation: [a, b, c], camera: camera as i64, name });
        lines.next();
    }
    Ok(out)
}

fn text_points(path: &Path) -> Result<Vec<[f64; 6]>> {
    let text = read_text(path)?;
    let lines = text.lines().filter(|l| !l.starts_with('#') && !l.trim().is_empty());
    let point = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        numbers::<7>(path, &words).map(|[_, x, y, z, r, g, b]| [x, y, z, r, g, b])
    };
    lines.map(point).collect()
}
