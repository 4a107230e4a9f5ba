//! From the files of a package to our tables. No number is reformatted where the source is plain text.

use super::sheet::first_sheet;
use super::{Entry, Member};
use crate::read::{ReadOptions, read_bytes};
use crate::write::gzip;
use elbo_core::{Array, Error, Result, Values};
use std::io::{Cursor, Read};

/// How the files of an entry are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Convert {
    /// Fields separated by this character; `'\0'` stands for white space.
    Fields {
        separator: char,
        /// Lines before the first row.
        skip: usize,
    },
    /// As `Fields` with commas, unpacked from gzip first.
    GzipFields,
    /// Commas, floating-point text rewritten in its shortest form.
    Shortest,
    /// Commas; lines that start with `@` describe the columns.
    Keel,
    /// Target first, commas, header.
    TargetFirst,
    /// First sheet of a workbook.
    Sheet,
    /// Daily bike rentals: index, date and partial counts left out.
    Bike,
    /// scikit-learn's layout: a first line with sizes and class names; rows end in a class index.
    Labelled,
    /// Inputs and targets in two gzip files, separated by white space.
    TwoFiles,
    /// Flights: a zipped CSV of which some columns are used.
    Flights,
    /// Four IDX files: training images and labels, test images and labels.
    Pictures,
    /// Ten JSON files, one a digit: a flat list of pixels from 0 to 1, 784 a picture.
    Digits,
    /// One NPY file of grey pictures, shares of white; those of its first half are of the class 1, the others of 0.
    Faces,
    /// Grey pictures in PGM, one file each.
    Photographs,
    /// A line for each pair of variables: `pair7,` and two fields of numbers separated by spaces; pairs after the last of `sources` are left out.
    CausePairs {
        /// Runs of pairs: the number of the last one, and how many pairs of the whole collection come from its source.
        sources: &'static [(usize, usize)],
    },
}

type Rows = Vec<Vec<String>>;

/// The output files of an entry, with their contents. `sources` are its members in order.
///
/// # Errors
/// [`Error::Data`] when a file is not as the catalogue describes it.
pub(super) fn convert(entry: &Entry, sources: &[Vec<u8>]) -> Result<Vec<(String, Vec<u8>)>> {
    let broken = || {
        Error::data(
            format!("the files of `{}` are not as this program expects them", entry.key),
            "report it: the package may have changed under the same version",
        )
    };
    if entry.convert == Convert::Pictures {
        return pictures(entry, sources).ok_or_else(broken);
    }
    if entry.convert == Convert::Digits {
        return digits(entry, sources).ok_or_else(broken);
    }
    if entry.convert == Convert::Faces {
        return faces(entry, sources).ok_or_else(broken);
    }
    if entry.convert == Convert::Photographs {
        let pngs = sources.iter().map(|source| png(source)).collect::<Option<Vec<_>>>().ok_or_else(broken)?;
        return Ok(entry.files().into_iter().zip(pngs).collect());
    }
    let rows = rows(entry.convert, sources).ok_or_else(broken)?;
    let columns = entry.columns();
    if rows.len() != entry.rows || rows.iter().any(|row| row.len() != columns.len()) {
        return Err(broken());
    }
    let mut text = columns.join(",") + "\n";
    for row in &rows {
        text += &row.join(",");
        text.push('\n');
    }
    Ok(vec![(entry.files().swap_remove(0), gzip(text.as_bytes()))])
}

fn rows(convert: Convert, sources: &[Vec<u8>]) -> Option<Rows> {
    let first = sources.first()?;
    Some(match convert {
        Convert::Fields { separator, skip } => fields(utf8(first)?, separator).into_iter().skip(skip).collect(),
        Convert::GzipFields => fields(&gunzip(first)?, ','),
        Convert::Shortest => shortest(fields(utf8(first)?, ','))?,
        Convert::Keel => fields(utf8(first)?, ',').into_iter().filter(|row| !row[0].starts_with('@')).collect(),
        Convert::TargetFirst => {
            let mut rows = fields(utf8(first)?, ',').split_off(1);
            rows.iter_mut().for_each(|row| row.rotate_left(1));
            rows
        }
        Convert::Sheet => first_sheet(first)?,
        Convert::Bike => {
            let pick = |row: Vec<String>| Some([row.get(2..13)?, row.get(15..16)?].concat());
            fields(utf8(first)?, ',').into_iter().skip(1).map(pick).collect::<Option<_>>()?
        }
        Convert::Labelled => labelled(utf8(first)?)?,
        Convert::TwoFiles => {
            let inputs = fields(&gunzip(first)?, '\0');
            let targets = shortest(fields(&gunzip(sources.get(1)?)?, '\0'))?;
            inputs.into_iter().zip(targets).map(|(x, y)| [x, y].concat()).collect()
        }
        Convert::Flights => flights(first)?,
        Convert::CausePairs { sources } => cause_pairs(utf8(first)?, sources)?,
        Convert::Pictures | Convert::Digits | Convert::Faces | Convert::Photographs => return None,
    })
}

fn utf8(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

fn gunzip(bytes: &[u8]) -> Option<String> {
    let mut text = String::new();
    flate2::read::GzDecoder::new(bytes).read_to_string(&mut text).ok()?;
    Some(text)
}

/// Trimmed fields of the lines that are not blank.
fn fields(text: &str, separator: char) -> Rows {
    let split = |line: &str| -> Vec<String> {
        if separator == '\0' {
            line.split_whitespace().map(str::to_owned).collect()
        } else {
            line.split(separator).map(|f| f.trim().to_owned()).collect()
        }
    };
    text.lines().filter(|l| !l.trim().is_empty()).map(split).collect()
}

fn shortest(rows: Rows) -> Option<Rows> {
    let number = |text: String| text.parse::<f64>().ok().map(|v| v.to_string());
    rows.into_iter().map(|row| row.into_iter().map(number).collect()).collect()
}

fn labelled(text: &str) -> Option<Rows> {
    let mut rows = fields(text, ',');
    let names = rows.first()?.get(2..)?.to_vec();
    rows.remove(0);
    for row in &mut rows {
        let class = row.last_mut()?;
        *class = names.get(class.parse::<usize>().ok()?)?.clone();
    }
    Some(rows)
}

/// Month, day, weekday, departure and arrival in minutes after midnight, time in the air, distance, and the delay at arrival.
fn flights(bytes: &[u8]) -> Option<Rows> {
    let mut text = String::new();
    zip::ZipArchive::new(Cursor::new(bytes)).ok()?.by_name("flights.csv").ok()?.read_to_string(&mut text).ok()?;
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next()?.split(',').collect();
    let find = |name: &str| header.iter().position(|h| *h == name);
    let names = ["year", "month", "day", "dep_time", "arr_time", "air_time", "distance", "arr_delay"];
    let places: Vec<usize> = names.iter().map(|n| find(n)).collect::<Option<_>>()?;
    let mut rows = vec![];
    for line in lines {
        let cells: Vec<&str> = line.split(',').collect();
        let picked: Vec<&str> = places.iter().map(|p| cells.get(*p).copied()).collect::<Option<_>>()?;
        if picked.iter().any(|cell| cell.is_empty() || *cell == "NA") {
            continue;
        }
        let number = |i: usize| picked[i].parse::<i64>().ok();
        let minutes = |clock: i64| clock / 100 * 60 + clock % 100;
        let (year, month, day) = (number(0)?, number(1)?, number(2)?);
        rows.push(vec![
            picked[1].into(),
            picked[2].into(),
            weekday(year, month, day).to_string(),
            minutes(number(3)?).to_string(),
            minutes(number(4)?).to_string(),
            picked[5].into(),
            picked[6].into(),
            picked[7].into(),
        ]);
    }
    Some(rows)
}

/// Number of the pair, its weight, the two variables. The pairs of a source share a weight of one.
fn cause_pairs(text: &str, sources: &[(usize, usize)]) -> Option<Rows> {
    let mut rows = vec![];
    for line in fields(text, ',').into_iter().skip(1) {
        let [name, a, b] = <[String; 3]>::try_from(line).ok()?;
        let number: usize = name.strip_prefix("pair")?.parse().ok()?;
        let Some((_, size)) = sources.iter().find(|(last, _)| number <= *last) else { continue };
        let head = [number.to_string(), (1.0 / *size as f64).to_string()];
        let list = |cell: &str| -> Option<Vec<String>> {
            cell.split_whitespace().map(|v| Some(v.parse::<f64>().ok()?.to_string())).collect()
        };
        let (a, b) = (list(&a)?, list(&b)?);
        if a.len() != b.len() {
            return None;
        }
        rows.extend(a.into_iter().zip(b).map(|(a, b)| head.iter().cloned().chain([a, b]).collect::<Vec<_>>()));
    }
    Some(rows)
}

/// Monday is 1, Sunday 7 (Sakamoto's method).
fn weekday(year: i64, month: i64, day: i64) -> i64 {
    const SHIFT: [i64; 12] = [0, 3, 2, 5, 0, 3, 5, 1, 4, 6, 2, 4];
    let year = if month < 3 { year - 1 } else { year };
    let from_sunday = (year + year / 4 - year / 100 + year / 400 + SHIFT[(month as usize + 11) % 12] + day) % 7;
    (from_sunday + 6) % 7 + 1
}

fn pictures(entry: &Entry, sources: &[Vec<u8>]) -> Option<Vec<(String, Vec<u8>)>> {
    let mut out = vec![];
    for (name, pair) in entry.files().into_iter().zip(sources.chunks(2)) {
        let [images, labels] = pair else { return None };
        let arrays = [("image".to_owned(), idx(images)?), ("label".to_owned(), idx(labels)?)];
        if arrays[0].1.rows() != arrays[1].1.rows() {
            return None;
        }
        out.push((name, crate::write::npz_bytes(&arrays).ok()?));
    }
    Some(out)
}

fn digits(entry: &Entry, sources: &[Vec<u8>]) -> Option<Vec<(String, Vec<u8>)>> {
    let (mut pixels, mut labels) = (vec![], vec![]);
    for (digit, source) in sources.iter().enumerate() {
        let file: serde_json::Value = serde_json::from_slice(source).ok()?;
        let before = pixels.len();
        for value in file["data"].as_array()? {
            // Three decimals tell all 256 bytes apart.
            pixels.push((value.as_f64()? * 255.0).round() as u8);
        }
        let count = (pixels.len() - before) / entry.dims;
        labels.resize(labels.len() + count, digit as u8);
    }
    if pixels.len() != entry.rows * entry.dims || labels.len() != entry.rows {
        return None;
    }
    labelled_pictures(entry, pixels, labels)
}

fn faces(entry: &Entry, sources: &[Vec<u8>]) -> Option<Vec<(String, Vec<u8>)>> {
    let data = read_bytes("faces.npy", sources.first()?.clone(), &ReadOptions::default()).ok()?;
    let [(_, array)] = data.arrays.as_slice() else { return None };
    let side = entry.dims.isqrt();
    let shares = array.to_f64().filter(|_| array.shape == [entry.rows, side, side])?;
    // A weighted sum of three colours may round to a little more than white.
    if !shares.iter().all(|share| (-1e-6..=1.0 + 1e-6).contains(share)) {
        return None;
    }
    let pixels = shares.iter().map(|share| (255.0 * share).round() as u8).collect();
    let labels = (0..entry.rows).map(|i| u8::from(2 * i < entry.rows)).collect();
    labelled_pictures(entry, pixels, labels)
}

/// One file of pictures `[rows, side, side]` with a label each.
fn labelled_pictures(entry: &Entry, pixels: Vec<u8>, labels: Vec<u8>) -> Option<Vec<(String, Vec<u8>)>> {
    let side = entry.dims.isqrt();
    let image = Array { shape: vec![entry.rows, side, side], values: Values::U8(pixels) };
    let label = Array { shape: vec![entry.rows], values: Values::U8(labels) };
    let arrays = [("image".to_owned(), image), ("label".to_owned(), label)];
    Some(vec![(entry.files().swap_remove(0), crate::write::npz_bytes(&arrays).ok()?)])
}

/// The name of a photograph's file: that of its source, as PNG.
pub(super) fn photograph_name(member: &Member) -> String {
    let name = member.path.rsplit('/').next().unwrap_or(member.path);
    format!("{}.png", name.trim_end_matches(".pgm"))
}

/// A binary PGM file of bytes as PNG.
fn png(pgm: &[u8]) -> Option<Vec<u8>> {
    let mut fields = pgm.splitn(4, |b| b.is_ascii_whitespace());
    let mut next = || fields.next();
    let (sign, width, height) = (next()?, utf8(next()?)?.parse().ok()?, utf8(next()?)?.parse().ok()?);
    let pixels = next()?.strip_prefix(b"255\n")?;
    let picture = image::GrayImage::from_raw(width, height, pixels.to_vec())
        .filter(|p| p.width() as usize * p.height() as usize == pixels.len());
    let mut out = Cursor::new(vec![]);
    picture.filter(|_| sign == b"P5")?.write_to(&mut out, image::ImageFormat::Png).ok()?;
    Some(out.into_inner())
}

/// An IDX file of bytes, compressed.
fn idx(bytes: &[u8]) -> Option<Array> {
    let mut content = vec![];
    flate2::read::GzDecoder::new(bytes).read_to_end(&mut content).ok()?;
    crate::read::pictures::idx(&content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weekdays_of_known_dates_are_right() {
        for (date, expected) in [((2013, 1, 1), 2), ((2000, 2, 29), 2), ((2024, 12, 25), 3), ((1969, 7, 20), 7)] {
            assert_eq!(weekday(date.0, date.1, date.2), expected, "{date:?}");
        }
    }

    #[test]
    fn class_indices_become_names_and_the_target_moves_last() {
        let rows = rows(Convert::Labelled, &[b"2,1,no,yes\n0.5,1\n0.7,0\n".to_vec()]).unwrap();
        assert_eq!(rows, [["0.5", "yes"], ["0.7", "no"]]);
        let moved = super::rows(Convert::TargetFirst, &[b"\"y\",\"a\",\"b\"\n1,2,3\n".to_vec()]).unwrap();
        assert_eq!(moved, [["2", "3", "1"]]);
    }

    #[test]
    fn pairs_become_rows_with_the_share_of_their_source_and_later_ones_are_left_out() {
        let convert = Convert::CausePairs { sources: &[(1, 1), (3, 4)] };
        let text = b"SampleID,A,B\npair1,1 2.50,-3 4\npair2,5,6\npair3,7,8\npair4,1,2\n".to_vec();
        let rows = rows(convert, &[text]).unwrap();
        assert_eq!(
            rows,
            [["1", "1", "1", "-3"], ["1", "1", "2.5", "4"], ["2", "0.25", "5", "6"], ["3", "0.25", "7", "8"]]
        );
        assert_eq!(super::rows(convert, &[b"SampleID,A,B\npair1,1 2,3\n".to_vec()]), None);
        assert_eq!(super::rows(convert, &[b"SampleID,A,B\npairs,1,3\n".to_vec()]), None);
    }

    #[test]
    fn an_idx_file_is_an_array_and_a_wrong_size_is_refused() {
        let content = [vec![0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3], (1..=6).collect()].concat();
        let array = idx(&gzip(&content)).unwrap();
        assert_eq!((array.shape, array.values), (vec![2, 3], Values::U8(vec![1, 2, 3, 4, 5, 6])));
        assert_eq!(idx(&gzip(&content[..17])), None);
    }

    #[test]
    fn faces_become_bytes_with_a_label_and_other_arrays_are_refused() {
        let entry = &crate::catalogue::pictures::LFW25;
        let npy = |shape: [usize; 3], share: f64| {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("x.npy");
            let array = Array::new(&shape, vec![share; shape.iter().product()]);
            crate::write::write_npy(&path, &array).unwrap();
            std::fs::read(path).unwrap()
        };
        let made = convert(entry, &[npy([200, 25, 25], 0.4)]).unwrap();
        assert_eq!(made[0].0, "lfw25.npz");
        let back = read_bytes("lfw25.npz", made[0].1.clone(), &ReadOptions::default()).unwrap();
        let bytes = |name: &str| match &back.get(name).unwrap().values {
            Values::U8(bytes) => bytes.clone(),
            other => panic!("{other:?}"),
        };
        assert_eq!(back.get("image").unwrap().shape, [200, 25, 25]);
        assert!(bytes("image").iter().all(|pixel| *pixel == 102));
        assert_eq!(bytes("label"), [vec![1; 100], vec![0; 100]].concat());
        for (shape, share) in [([200, 25, 24], 0.4), ([100, 25, 25], 0.4), ([200, 25, 25], 1.5)] {
            assert!(convert(entry, &[npy(shape, share)]).is_err(), "{shape:?} of {share}");
        }
        assert!(convert(entry, &[b"no array".to_vec()]).is_err());
    }

    #[test]
    fn a_photograph_keeps_its_pixels_and_a_broken_one_is_refused() {
        let made = png(b"P5\n3 2\n255\n\x00\x01\x02\x09\x0a\xff").unwrap();
        let back = image::load_from_memory(&made).unwrap().into_luma8();
        assert_eq!((back.dimensions(), back.as_raw().as_slice()), ((3, 2), &[0, 1, 2, 9, 10, 255][..]));
        for bad in [
            &b"P6\n1 1\n255\n\x00"[..],
            b"P5\n2 2\n255\n\x00",
            b"P5\n1 1\n255\n\x00\x01",
            b"P5\n1 1\n15\n\x00",
            b"P5\n",
        ] {
            assert!(png(bad).is_none(), "{bad:?}");
        }
    }
}
