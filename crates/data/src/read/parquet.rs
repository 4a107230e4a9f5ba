//! Parquet tables of plain columns. This file is the only one that names the `parquet` crate.

use super::{ReadOptions, check_cells, select, table};
use elbo_core::{Array, Data, Error, Result, Values};
use parquet::basic::{ConvertedType, LogicalType, Type as Physical};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{ByteArray, DataType, FixedLenByteArray};
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::schema::types::ColumnDescriptor;
use std::cell::Cell;
use std::panic::AssertUnwindSafe;
use std::sync::Once;

/// Reads a table.
///
/// The `parquet` crate answers some damaged files with a failed assertion instead of an error (version 60, in its byte-array decoder);
/// such a panic is caught here, kept quiet, and becomes the error it should have been.
pub(super) fn parse(bytes: Vec<u8>, options: &ReadOptions) -> Result<Data> {
    thread_local!(static IS_DECODING: Cell<bool> = const { Cell::new(false) });
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !IS_DECODING.get() {
                usual(panic);
            }
        }));
    });
    IS_DECODING.set(true);
    // Nothing outlives a panic but the error: the bytes are moved in and the options are only read.
    let outcome = std::panic::catch_unwind(AssertUnwindSafe(|| decode(bytes, options)));
    IS_DECODING.set(false);
    outcome.unwrap_or_else(|_| Err(damaged(ParquetError::General("a page cannot be decoded".into()))))
}

fn decode(bytes: Vec<u8>, options: &ReadOptions) -> Result<Data> {
    let file = SerializedFileReader::new(bytes::Bytes::from(bytes)).map_err(damaged)?;
    let metadata = file.metadata();
    let schema = metadata.file_metadata().schema_descr_ptr();
    let names: Vec<String> = schema.columns().iter().map(|c| c.path().string()).collect();
    let mut wanted = select::wanted(&names, options)?;
    let mut notes = vec![];
    for (name, wanted) in names.iter().zip(&mut wanted) {
        if *wanted && name.starts_with("__index_level_") {
            notes.push(format!("column `{name}`, the row index that pandas wrote, is left out"));
            *wanted = false;
        }
    }
    let rows = metadata.file_metadata().num_rows();
    let group_rows = metadata.row_groups().iter().map(|g| g.num_rows());
    if rows < 0 || group_rows.clone().any(|n| n < 0) || group_rows.fold(0i64, i64::saturating_add) != rows {
        return Err(damaged(ParquetError::General("row counts disagree".into())));
    }
    if rows == 0 {
        return Err(Error::data("the table has columns and no rows", "give at least two rows"));
    }
    check_cells(rows.unsigned_abs(), wanted.iter().filter(|w| **w).count())?;
    let mut columns: Vec<Option<Builder>> = vec![];
    for (d, name) in names.iter().enumerate() {
        let is_text = options.categorical.contains(name);
        columns.push(if wanted[d] { Some(Builder::new(name, &schema.column(d), is_text)?) } else { None });
    }
    for group in 0..metadata.num_row_groups() {
        let reader = file.get_row_group(group).map_err(damaged)?;
        for (d, column) in columns.iter_mut().enumerate() {
            let Some(column) = column else { continue };
            let pages = reader.get_column_reader(d).map_err(damaged)?;
            column.extend(pages, metadata.row_group(group).num_rows() as usize)?;
        }
    }
    let mut arrays = vec![];
    for (name, column) in names.into_iter().zip(columns) {
        if let Some(column) = column {
            let array = column.finish(&mut notes)?;
            arrays.push((name, array));
        }
    }
    table::finish(arrays, options, notes)
}

fn damaged(cause: ParquetError) -> Error {
    let text = cause.to_string();
    let cause = text.lines().next().unwrap_or_default();
    Error::data(
        format!("the Parquet file is damaged, incomplete, or of a kind that is not read ({cause})"),
        "write or copy it again; encrypted files and compressions other than snappy, gzip and zstd are not read",
    )
}

/// What the stored values mean.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Meaning {
    Number,
    Unsigned,
    /// Multiplied by ten to this power.
    Decimal(i32),
    Half,
    Truth,
    Text,
    Date,
}

impl Meaning {
    fn of(name: &str, column: &ColumnDescriptor) -> Result<Self> {
        if column.max_rep_level() > 0 || column.max_def_level() > 1 || column.path().parts().len() > 1 {
            return Err(Error::data(
                format!("column `{name}` is nested (a list, map or struct)"),
                format!("write its parts as plain columns, or leave it out with --drop {name}"),
            ));
        }
        let unknown = || {
            Err(Error::data(
                format!("column `{name}` has a type that is not read ({:?})", column.physical_type()),
                format!("write it as numbers or text, or leave it out with --drop {name}"),
            ))
        };
        let logical = column.logical_type_ref();
        let converted = column.converted_type();
        if matches!(logical, Some(LogicalType::Date | LogicalType::Time(_) | LogicalType::Timestamp(_)))
            || matches!(
                converted,
                ConvertedType::DATE
                    | ConvertedType::TIME_MILLIS
                    | ConvertedType::TIME_MICROS
                    | ConvertedType::TIMESTAMP_MILLIS
                    | ConvertedType::TIMESTAMP_MICROS
            )
        {
            return Ok(Self::Date);
        }
        let is_decimal = matches!(logical, Some(LogicalType::Decimal(_))) || converted == ConvertedType::DECIMAL;
        let is_unsigned = matches!(
            converted,
            ConvertedType::UINT_8 | ConvertedType::UINT_16 | ConvertedType::UINT_32 | ConvertedType::UINT_64
        );
        Ok(match column.physical_type() {
            Physical::BOOLEAN => Self::Truth,
            Physical::INT96 => Self::Date,
            Physical::FLOAT | Physical::DOUBLE => Self::Number,
            _ if is_decimal => Self::Decimal(-column.type_scale()),
            Physical::INT32 | Physical::INT64 if is_unsigned => Self::Unsigned,
            Physical::INT32 | Physical::INT64 => Self::Number,
            Physical::BYTE_ARRAY => Self::Text,
            Physical::FIXED_LEN_BYTE_ARRAY if matches!(logical, Some(LogicalType::Float16)) => Self::Half,
            Physical::FIXED_LEN_BYTE_ARRAY => return unknown(),
        })
    }
}

struct Builder {
    name: String,
    meaning: Meaning,
    is_nullable: bool,
    numbers: Vec<f64>,
    levels: table::Levels,
    /// The numbers become categories.
    as_text: bool,
    /// Whether an integer was beyond the exact range of a double.
    rounded: bool,
}

impl Builder {
    fn new(name: &str, column: &ColumnDescriptor, as_text: bool) -> Result<Self> {
        let meaning = Meaning::of(name, column)?;
        if meaning == Meaning::Date {
            return Err(Error::data(
                format!("column `{name}` holds dates or times"),
                format!(
                    "turn it into a number, such as days since the first row or the year as a fraction, or leave it out with --drop {name}"
                ),
            ));
        }
        Ok(Self {
            name: name.into(),
            meaning,
            is_nullable: column.max_def_level() > 0,
            numbers: vec![],
            levels: table::Levels::default(),
            as_text,
            rounded: false,
        })
    }

    fn extend(&mut self, pages: ColumnReader, rows: usize) -> Result<()> {
        let wide = |v: i64, unsigned: bool| if unsigned { v as u64 as f64 } else { v as f64 };
        let unsigned = self.meaning == Meaning::Unsigned;
        let power = if let Meaning::Decimal(power) = self.meaning { power } else { 0 };
        match pages {
            ColumnReader::BoolColumnReader(r) => {
                self.text_cells(r, rows, |v| Some(if *v { "true" } else { "false" }))?;
            }
            ColumnReader::Int32ColumnReader(r) => self.number_cells(r, rows, |v| {
                Some(scale(if unsigned { f64::from(*v as u32) } else { f64::from(*v) }, power))
            })?,
            ColumnReader::Int64ColumnReader(r) => {
                let mut rounded = false;
                self.number_cells(r, rows, |v| {
                    rounded |= v.unsigned_abs() > 1 << 53;
                    Some(scale(wide(*v, unsigned), power))
                })?;
                self.rounded |= rounded;
            }
            ColumnReader::FloatColumnReader(r) => self.number_cells(r, rows, |v| Some(f64::from(*v)))?,
            ColumnReader::DoubleColumnReader(r) => self.number_cells(r, rows, |v| Some(*v))?,
            ColumnReader::ByteArrayColumnReader(r) if power != 0 || matches!(self.meaning, Meaning::Decimal(_)) => {
                self.number_cells(r, rows, |v: &ByteArray| big_endian(v.data()).map(|n| scale(n, power)))?;
            }
            ColumnReader::ByteArrayColumnReader(r) => {
                self.text_cells(r, rows, |v: &ByteArray| std::str::from_utf8(v.data()).ok())?;
            }
            ColumnReader::FixedLenByteArrayColumnReader(r) if self.meaning == Meaning::Half => {
                self.number_cells(r, rows, |v: &FixedLenByteArray| {
                    let bits = v.data().first_chunk().map(|b| u16::from_le_bytes(*b))?;
                    Some(f64::from(super::npy::half_to_f32(bits)))
                })?;
            }
            ColumnReader::FixedLenByteArrayColumnReader(r) => {
                self.number_cells(r, rows, |v: &FixedLenByteArray| big_endian(v.data()).map(|n| scale(n, power)))?;
            }
            ColumnReader::Int96ColumnReader(_) => unreachable!("times are refused before their values are read"),
        }
        Ok(())
    }

    fn number_cells<T: DataType>(
        &mut self,
        reader: ColumnReaderImpl<T>,
        rows: usize,
        mut convert: impl FnMut(&T::T) -> Option<f64>,
    ) -> Result<()> {
        let mut numbers = std::mem::take(&mut self.numbers);
        let read = each_cell(reader, rows, self.is_nullable, |cell| {
            numbers.push(match cell {
                Some(value) => convert(value)?,
                None => f64::NAN,
            });
            Some(())
        });
        self.numbers = numbers;
        read.and_then(|done| done.ok_or_else(|| self.unreadable()))
    }

    fn text_cells<T: DataType>(
        &mut self,
        reader: ColumnReaderImpl<T>,
        rows: usize,
        convert: impl Fn(&T::T) -> Option<&str>,
    ) -> Result<()> {
        let mut levels = std::mem::take(&mut self.levels);
        let read = each_cell(reader, rows, self.is_nullable, |cell| {
            let text = match cell {
                Some(value) => Some(convert(value)?.trim()).filter(|t| !t.is_empty()),
                None => None,
            };
            levels.push(text);
            Some(())
        });
        self.levels = levels;
        read.and_then(|done| done.ok_or_else(|| self.unreadable()))
    }

    fn unreadable(&self) -> Error {
        Error::data(
            format!("column `{}` has bytes that are not UTF-8 text", self.name),
            format!("write it as text or numbers, or leave it out with --drop {}", self.name),
        )
    }

    fn finish(mut self, notes: &mut Vec<String>) -> Result<Array> {
        if matches!(self.meaning, Meaning::Text | Meaning::Truth) {
            return Ok(self.levels.finish());
        }
        if let Some(row) = self.numbers.iter().position(|v| v.is_infinite()) {
            return Err(Error::data(
                format!("column `{}` has an infinite value in row {}", self.name, row + 1),
                format!(
                    "correct it, or make it null and use --missing drop, or leave the column out with --drop {}",
                    self.name
                ),
            ));
        }
        if self.as_text {
            self.numbers.iter().for_each(|v| self.levels.push((!v.is_nan()).then(|| v.to_string()).as_deref()));
            return Ok(self.levels.finish());
        }
        if self.rounded {
            notes.push(format!("column `{}` has whole numbers beyond 2^53, which are rounded", self.name));
        }
        Ok(Array::column(Values::F64(self.numbers)))
    }
}

/// Calls `take` for every cell in order, `None` for a null; `Ok(None)` when `take` refused one.
fn each_cell<T: DataType>(
    mut reader: ColumnReaderImpl<T>,
    rows: usize,
    is_nullable: bool,
    mut take: impl FnMut(Option<&T::T>) -> Option<()>,
) -> Result<Option<()>> {
    const BATCH: usize = 16_384;
    let (mut present, mut values) = (vec![], vec![]);
    let mut left = rows;
    while left > 0 {
        present.clear();
        values.clear();
        let levels = is_nullable.then_some(&mut present);
        let (records, ..) = reader.read_records(left.min(BATCH), levels, None, &mut values).map_err(damaged)?;
        if records == 0 || records > left || is_nullable && present.len() != records {
            return Err(damaged(ParquetError::General("a column ends early".into())));
        }
        let mut next = values.iter();
        for row in 0..records {
            let cell = if is_nullable && present[row] == 0 {
                None
            } else {
                Some(next.next().ok_or_else(|| damaged(ParquetError::General("a column ends early".into())))?)
            };
            if take(cell).is_none() {
                return Ok(None);
            }
        }
        left -= records;
    }
    Ok(Some(()))
}

fn scale(value: f64, power: i32) -> f64 {
    // Dividing by a power of ten rounds once; multiplying by its inverse would round twice.
    if power < 0 { value / 10f64.powi(-power) } else { value * 10f64.powi(power) }
}

/// A two's-complement number of up to 16 bytes.
fn big_endian(bytes: &[u8]) -> Option<f64> {
    if bytes.len() > 16 {
        return None;
    }
    let fill = if bytes.first().is_some_and(|b| *b >= 128) { 0xff } else { 0 };
    let mut wide = [fill; 16];
    wide[16 - bytes.len()..].copy_from_slice(bytes);
    Some(i128::from_be_bytes(wide) as f64)
}
