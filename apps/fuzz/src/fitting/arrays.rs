//! Pictures, sequences, photographs, scenes.

use super::Code;
use super::table::column;
use elbo::core::{Array, Data, Values};
use elbo::splat::make::{Recipe, make, to_data};
use std::sync::OnceLock;

/// Most pictures, and most pixels a side.
const PICTURES: usize = 17;
const SIDE: usize = 40;
/// Most sequences, times and numbers at a time.
const SEQUENCE: [usize; 3] = [4, 41, 5];

fn of(arrays: Vec<(String, Array)>) -> Data {
    Data { source: "input".into(), arrays, ..Data::default() }
}

/// So many bytes; or, seldom, numbers that are not bytes.
fn pixels(count: usize, as_bytes: bool, code: &mut Code<'_>) -> Values {
    if as_bytes {
        Values::U8((0..count).map(|_| code.next()).collect())
    } else {
        let way = code.head[4];
        Values::F64(column(way, count, code, None))
    }
}

/// Pictures of one size in one array, `[N, H, W]`: 8 x 8 pixels where the head does not say otherwise.
pub(super) fn pictures(code: &mut Code<'_>) -> Data {
    let [_, count, shape, kind, ..] = code.head;
    let count = usize::from(count) % PICTURES;
    let shape = match shape % 6 {
        0 => vec![count, 8, 8],
        1 => vec![count, 4, 6, 3],
        2 => vec![count, 3, 7, 4],
        3 => vec![count, 1, 1],
        4 => vec![count, 0, 8],
        _ => vec![count, 5, 9, 2],
    };
    let values = pixels(shape.iter().product(), kind % 4 == 0, code);
    of(vec![("image".into(), Array { shape, values })])
}

/// Sequences of numbers, `[S, T, D]`, the numbers of one place in the way of their column.
pub(super) fn sequences(code: &mut Code<'_>) -> Data {
    let head = code.head;
    let (count, size) = (usize::from(head[1]) % SEQUENCE[0], usize::from(head[2]) % SEQUENCE[2]);
    let steps = if head[3].is_multiple_of(4) { 20 } else { code.below(SEQUENCE[1]) };
    let mut columns: Vec<Vec<f64>> = vec![];
    for k in 0..size {
        let values = column(head[4 + k], count * steps, code, columns.last());
        columns.push(values);
    }
    let values = (0..count * steps).flat_map(|row| columns.iter().map(move |column| column[row])).collect();
    of(vec![("x".into(), Array::new(&[count, steps, size], values))])
}

/// Up to three photographs of different sizes, each in an array of its own.
pub(super) fn photographs(code: &mut Code<'_>) -> Data {
    let [_, count, channels, kind, ..] = code.head;
    let mut arrays = vec![];
    for k in 0..usize::from(count) % 4 {
        let (height, width) = (code.below(SIDE), code.below(SIDE));
        let shape = match usize::from(channels) % 6 {
            0 => vec![1, height, width],
            channels => vec![1, height, width, channels],
        };
        let values = pixels(shape.iter().product(), kind % 4 == 0, code);
        arrays.push((format!("{k}.png"), Array { shape, values }));
    }
    of(arrays)
}

/// A scene of four small pictures, with as many edits as the head says.
pub(super) fn scene(code: &mut Code<'_>) -> Data {
    static SCENE: OnceLock<Data> = OnceLock::new();
    let recipe = || Recipe { views: 4, size: 16, bodies: 1, points: 40, rays: 1, ..Recipe::default() };
    let mut data = SCENE.get_or_init(|| to_data(&make(&recipe(), 3).scene)).clone();
    for _ in 0..code.head[1] % 4 {
        edit(&mut data, code);
    }
    data
}

/// Changes a number, a size or the type of an array, or leaves something out.
fn edit(data: &mut Data, code: &mut Code<'_>) {
    if data.arrays.is_empty() {
        return;
    }
    let at = code.below(data.arrays.len());
    match code.next() % 7 {
        0 => drop(data.arrays.remove(at)),
        // The first pictures of all arrays, or of one alone.
        1 => {
            let rows = data.arrays.iter().map(|(_, array)| array.rows()).min().unwrap_or(0);
            *data = data.take_rows(&first(rows, code));
        }
        2 => {
            let array = &mut data.arrays[at].1;
            *array = array.take_rows(&first(array.rows(), code));
        }
        3 => data.arrays[at].1.shape.reverse(),
        4 => {
            let array = &mut data.arrays[at].1;
            *array = Array::new(&array.shape, array.to_f64().expect("a scene has no text"));
        }
        5 => {
            let held = (0..4).map(|_| f64::from(code.next() % 2)).collect();
            data.arrays.push(("held".into(), Array::new(&[4], held)));
        }
        _ => change(&mut data.arrays[at].1.values, code),
    }
}

/// Some of the first of so many rows.
fn first(rows: usize, code: &mut Code<'_>) -> Vec<usize> {
    (0..code.below(rows + 1)).collect()
}

/// Another number in one place, or everywhere.
fn change(values: &mut Values, code: &mut Code<'_>) {
    let (low, high, everywhere) = (code.next(), code.next(), code.next().is_multiple_of(4));
    let place = usize::from(u16::from_le_bytes([low, high]));
    let (byte, number) = (code.next(), code.strange());
    match values {
        Values::U8(bytes) if everywhere => bytes.fill(byte),
        Values::F64(numbers) if everywhere => numbers.fill(number),
        Values::U8(bytes) if !bytes.is_empty() => {
            let at = place % bytes.len();
            bytes[at] = byte;
        }
        Values::F64(numbers) if !numbers.is_empty() => {
            let at = place % numbers.len();
            numbers[at] = number;
        }
        _ => {}
    }
}
