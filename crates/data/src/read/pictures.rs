//! Pictures: a folder of PNG and JPEG files, and IDX files.

use super::MOST_BYTES;
use elbo_core::read::read_file;
use elbo_core::{Array, Data, Error, Result, Values};
use image::{ColorType, DynamicImage, ImageDecoder, Limits};
use std::path::{Path, PathBuf};

/// Most pictures a folder may hold: against a wrong folder.
const MOST_PICTURES: usize = 1_000_000;

/// Which way up pictures are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// As they are looked at: turned and mirrored as the file's orientation (Exif) says, which cameras write in place of turning pixels.
    Upright,
    /// As their pixels are stored: for what was found from those, as the cameras of a scene were.
    Stored,
}

/// A folder of pictures of one size: an array `image` of bytes, `[N, H, W]` where all are grey and `[N, H, W, C]` else, in the order of
/// their names, turned as their orientation says. Where they lie in sub-folders, those are the classes, in an array `label`.
///
/// # Errors
/// [`Error::File`] when the folder or a picture cannot be read, [`Error::Data`] when there are none, or sizes differ.
pub(super) fn folder(path: &Path) -> Result<Data> {
    let (files, others) = by_class(path, is_picture)?;
    if files.is_empty() {
        return Err(Error::File {
            message: "the folder holds no PNG or JPEG pictures".into(),
            remedy: "give a folder of pictures or of WAV recordings, or a file: CSV, Parquet, NPY, NPZ, IDX or WAV"
                .into(),
            path: path.into(),
        });
    }
    if files.len() > MOST_PICTURES {
        return Err(Error::data(format!("the folder holds {} pictures", files.len()), "give at most a million"));
    }
    let mut notes = vec![];
    if others > 0 {
        notes.push(format!("{others} files or folders that are no pictures are left out"));
    }
    let pictures = decoded(&files, Turn::Upright)?;
    let (image, note) = stacked(pictures);
    notes.extend(note);
    let mut arrays = vec![("image".to_owned(), image)];
    arrays.extend(classes(&files).map(|label| ("label".to_owned(), label)));
    Ok(Data { source: path.display().to_string(), arrays, notes, ..Data::default() })
}

/// A file, with its class where it has one.
pub(super) type Classed = (Option<String>, PathBuf);

/// The wanted files of a folder in the order of their names or, where it has none, those of its sub-folders, which are then their classes. Beside them
/// the number of files and folders that are left out.
pub(super) fn by_class(path: &Path, is_wanted: fn(&Path) -> bool) -> Result<(Vec<Classed>, usize)> {
    let mut files: Vec<Classed> = vec![];
    let mut others = 0;
    let mut folders = vec![];
    for entry in listed(path)? {
        if entry.is_dir() {
            folders.push(entry);
        } else if is_wanted(&entry) {
            files.push((None, entry));
        } else {
            others += 1;
        }
    }
    if !files.is_empty() && !folders.is_empty() {
        others += folders.len();
        folders.clear();
    }
    for folder in folders {
        let class = folder.file_name().expect("an entry has a name").to_string_lossy().into_owned();
        let (wanted, rest): (Vec<_>, Vec<_>) = listed(&folder)?.into_iter().partition(|f| is_wanted(f));
        others += rest.len();
        files.extend(wanted.into_iter().map(|f| (Some(class.clone()), f)));
    }
    Ok((files, others))
}

/// The classes of files that have them.
pub(super) fn classes(files: &[Classed]) -> Option<Array> {
    files.first()?.0.as_ref()?;
    let mut levels = super::table::Levels::default();
    files.iter().for_each(|(class, _)| levels.push(class.as_deref()));
    Some(levels.finish())
}

/// One picture, PNG or JPEG: an array `image` of bytes, `[1, H, W, C]` with one channel where it is grey and three else.
///
/// It is turned and mirrored as the file's orientation (Exif) says, as programs show it; so the height may be the stored width. The pictures of a scene
/// alone are read as they are stored, since its cameras belong to the stored pixels.
///
/// # Errors
/// [`Error::File`] when it cannot be read.
pub fn read_picture(path: &Path) -> Result<Data> {
    if path.is_dir() {
        return Err(Error::File {
            message: "this is a folder".into(),
            remedy: "give one picture, a PNG or JPEG file".into(),
            path: path.into(),
        });
    }
    read_picture_bytes(path, file_bytes(path)?)
}

/// The picture of these bytes, as [`read_picture`] gives it; `path` is its name.
///
/// # Errors
/// [`Error::File`] when it is damaged or no picture.
pub fn read_picture_bytes(path: &Path, bytes: Vec<u8>) -> Result<Data> {
    let (array, note) = alone(decode(path, bytes, Turn::Upright)?);
    let arrays = vec![("image".into(), array)];
    Ok(Data { source: path.display().to_string(), arrays, notes: note.into_iter().collect(), ..Data::default() })
}

/// A picture that travels with the program, as [`read_picture`] gives it.
pub(crate) fn shipped_picture(name: &str, bytes: &[u8]) -> Result<(String, Array)> {
    let picture = image::load_from_memory(bytes)
        .map_err(|cause| Error::data(format!("the picture {name} is damaged ({cause})"), "build the program again"))?;
    Ok((name.to_owned(), alone(picture).0))
}

/// Pictures of any size: a folder of them, or one file. One array of bytes `[1, H, W, C]` for each, named as its file and turned as in [`read_picture`].
///
/// # Errors
/// [`Error::File`] when the folder or a picture cannot be read, [`Error::Data`] when they take more than 8 GiB.
pub fn read_pictures(path: &Path) -> Result<Data> {
    if !path.is_dir() {
        return read_picture(path);
    }
    let (files, others): (Vec<_>, Vec<_>) = listed(path)?.into_iter().partition(|f| is_picture(f));
    if files.is_empty() {
        return Err(Error::File {
            message: "the folder holds no PNG or JPEG pictures".into(),
            remedy: "give a folder of pictures, or one picture".into(),
            path: path.into(),
        });
    }
    let mut notes = vec![];
    if !others.is_empty() {
        notes.push(format!("{} files or folders that are no pictures are left out", others.len()));
    }
    let (mut arrays, mut bytes) = (vec![], 0);
    for file in files {
        let (array, note) = alone(decode(&file, file_bytes(&file)?, Turn::Upright)?);
        notes.extend(note.filter(|note| !notes.contains(note)));
        bytes += array.values.len();
        if bytes as u64 > MOST_BYTES {
            return Err(Error::data("the pictures take more than 8 GiB", "give fewer or smaller ones"));
        }
        arrays.push((file.file_name().expect("an entry has a name").to_string_lossy().into_owned(), array));
    }
    Ok(Data { source: path.display().to_string(), arrays, notes, ..Data::default() })
}

/// A picture as an array `[1, H, W, C]`, with what it loses.
fn alone(picture: DynamicImage) -> (Array, Option<String>) {
    let (mut array, note) = stacked(vec![picture]);
    if array.shape.len() == 3 {
        array.shape.push(1);
    }
    (array, note)
}

/// The entries of a folder, hidden ones aside, sorted by name.
fn listed(path: &Path) -> Result<Vec<PathBuf>> {
    let failed = |cause: std::io::Error| Error::file("cannot read the folder", path, &cause);
    let mut entries = vec![];
    for entry in std::fs::read_dir(path).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if !entry.file_name().to_string_lossy().starts_with('.') {
            entries.push(entry.path());
        }
    }
    entries.sort();
    Ok(entries)
}

pub(super) fn is_picture(path: &Path) -> bool {
    path.is_file() && is_picture_name(path)
}

/// Whether this is how a PNG or JPEG file is named.
pub fn is_picture_name(path: &Path) -> bool {
    let extension = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase());
    matches!(extension.as_deref(), Some("png" | "jpg" | "jpeg"))
}

fn file_bytes(path: &Path) -> Result<Vec<u8>> {
    read_file("cannot read the picture", path)
}

fn decode(path: &Path, bytes: Vec<u8>, turn: Turn) -> Result<DynamicImage> {
    let broken = |cause: image::ImageError| match cause {
        image::ImageError::IoError(cause) if cause.kind() != std::io::ErrorKind::UnexpectedEof => {
            Error::file("cannot read the picture", path, &cause)
        }
        cause => Error::File {
            message: format!("the picture is damaged or of a kind that is not read ({cause})"),
            remedy: "save it again as PNG, or take it out of the folder".into(),
            path: path.into(),
        },
    };
    let mut reader = image::ImageReader::new(std::io::Cursor::new(bytes));
    if let Ok(format) = image::ImageFormat::from_path(path) {
        reader.set_format(format);
    }
    // What the first bytes say goes before what the name says.
    let failed = |cause: std::io::Error| Error::file("cannot read the picture", path, &cause);
    let mut decoder = reader.with_guessed_format().map_err(failed)?.into_decoder().map_err(broken)?;
    // `ImageReader::decode`, which turns no picture, keeps the same limit.
    let mut limits = Limits::default();
    limits.reserve(decoder.total_bytes()).map_err(broken)?;
    decoder.set_limits(limits).map_err(broken)?;
    let orientation = match turn {
        Turn::Upright => Some(decoder.orientation().map_err(broken)?),
        Turn::Stored => None,
    };
    let mut picture = DynamicImage::from_decoder(decoder).map_err(broken)?;
    if let Some(orientation) = orientation {
        picture.apply_orientation(orientation);
    }
    Ok(picture)
}

/// All pictures, while they have one size and fit into memory.
pub(super) fn decoded(files: &[Classed], turn: Turn) -> Result<Vec<DynamicImage>> {
    let mut pictures: Vec<DynamicImage> = vec![];
    let mut bytes = 0;
    for (_, file) in files {
        let picture = decode(file, file_bytes(file)?, turn)?;
        let size = (picture.width(), picture.height());
        if let Some(first) = pictures.first().map(|p| (p.width(), p.height())).filter(|first| *first != size) {
            return Err(Error::data(
                format!(
                    "the pictures have different sizes: {} x {} in {}, {} x {} in {}",
                    first.0,
                    first.1,
                    files[0].1.display(),
                    size.0,
                    size.1,
                    file.display()
                ),
                "resize or crop them to one size",
            ));
        }
        bytes += picture.as_bytes().len();
        if bytes as u64 > MOST_BYTES {
            return Err(Error::data("the pictures take more than 8 GiB", "give fewer or smaller ones"));
        }
        pictures.push(picture);
    }
    Ok(pictures)
}

/// Pictures of one size as an array, with what they lose.
pub(super) fn stacked(pictures: Vec<DynamicImage>) -> (Array, Option<String>) {
    let (width, height) = (pictures[0].width() as usize, pictures[0].height() as usize);
    let colour = |p: &DynamicImage| p.color();
    let is_deep = pictures
        .iter()
        .any(|p| !matches!(colour(p), ColorType::L8 | ColorType::La8 | ColorType::Rgb8 | ColorType::Rgba8));
    let channels =
        pictures.iter().map(|p| if p.color().has_color() { 3 } else { 1 }).max().expect("there are pictures");
    let has_alpha = pictures.iter().any(|p| colour(p).has_alpha());
    let count = pictures.len();
    let bytes = pictures
        .into_iter()
        .flat_map(|p| if channels == 1 { p.into_luma8().into_raw() } else { p.into_rgb8().into_raw() });
    let values = Values::U8(bytes.collect());
    let shape = if channels == 1 { vec![count, height, width] } else { vec![count, height, width, channels] };
    let what = match (is_deep, has_alpha) {
        (true, true) => Some("transparency and all but 8 bits a channel"),
        (true, false) => Some("all but 8 bits a channel"),
        (false, true) => Some("transparency"),
        (false, false) => None,
    };
    (Array { shape, values }, what.map(|what| format!("pictures lose {what}")))
}

/// An IDX file: `image` where it has more than one dimension, else `label`.
///
/// # Errors
/// [`Error::Data`] when it does not hold as many bytes as its header says, or holds other numbers than bytes.
pub(super) fn parse_idx(bytes: &[u8]) -> Result<Data> {
    if bytes[2] != 8 {
        return Err(Error::data("the IDX file does not hold bytes", "save it as NPY"));
    }
    let array = idx(bytes).ok_or_else(|| {
        Error::data(
            "the IDX file is damaged or incomplete: it has another size than its header says",
            "copy or download it again",
        )
    })?;
    if array.values.is_empty() {
        return Err(Error::data("the IDX file holds nothing", "give at least two data points"));
    }
    let name = if array.shape.len() > 1 { "image" } else { "label" };
    Ok(Data { arrays: vec![(name.into(), array)], ..Data::default() })
}

/// The array of bytes in an IDX file.
pub(crate) fn idx(bytes: &[u8]) -> Option<Array> {
    let [0, 0, 8, dims] = *bytes.first_chunk()? else { return None };
    let start = 4 + 4 * usize::from(dims);
    let shape: Vec<usize> =
        bytes.get(4..start)?.as_chunks().0.iter().map(|b| u32::from_be_bytes(*b) as usize).collect();
    let cells = shape.iter().try_fold(1usize, |n, s| n.checked_mul(*s))?;
    let values = &bytes[start..];
    (values.len() == cells).then(|| Array { shape, values: Values::U8(values.to_vec()) })
}
