//! Tests of readers, writers, splits and recipes through the public interface.

mod arrays;
mod audio;
mod bad_input;
mod catalogue;
mod csv_tables;
mod hostile;
mod json_lines;
mod maps;
mod pairs;
mod parquet;
mod pictures;
mod recipes;
mod scene;
mod sparse;
mod split;
mod studies;
mod write;

use elbo_core::{Data, Result, Values};
use elbo_data::{ReadOptions, read_bytes};

/// Reads a text as if it were the file `t.csv`.
fn read_text(text: &str, options: &ReadOptions) -> Result<Data> {
    read_bytes("t.csv", text.as_bytes().to_vec(), options)
}

/// The numbers of a column.
fn numbers(data: &Data, name: &str) -> Vec<f64> {
    data.get(name).unwrap().to_f64().unwrap_or_else(|| panic!("column `{name}` holds text"))
}

/// The texts of a column; `""` where missing.
fn texts(data: &Data, name: &str) -> Vec<String> {
    match &data.get(name).unwrap().values {
        Values::Text { levels, codes } => {
            codes.iter().map(|c| c.map_or(String::new(), |c| levels[c as usize].clone())).collect()
        }
        _ => panic!("column `{name}` holds numbers"),
    }
}

/// The bytes of a file made by a script under `tests/golden`.
fn golden(name: &str) -> Vec<u8> {
    let path = std::path::Path::new("tests/golden").join(name);
    std::fs::read(&path).unwrap_or_else(|cause| panic!("{}: {cause}", path.display()))
}
