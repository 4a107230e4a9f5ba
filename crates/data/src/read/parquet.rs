//! Parquet tables of plain columns. This file is the only one that names the `parquet` crate.

use super::{ReadOptions, check_cells, instant, select, table};
use elbo_core::{Array, Data, Error, Result, Values};
use parquet::basic::{ConvertedType, LogicalType, TimeUnit, Type as Physical};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{ByteArray, DataType, FixedLenByteArray, Int96};
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
    if rows == 0 && !options.may_be_empty {
        return Err(Error::data("the table has columns and no rows", "give at least two rows"));
    }
    check_cells(rows.unsigned_abs(), wanted.iter().filter(|w| **w).count())?;
    let mut columns: Vec<Option<Builder>> = vec![];
    for (d, name) in names.iter().enumerate() {
        columns.push(if wanted[d] { Some(Builder::new(name, &schema.column(d), options)?) } else { None });
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
    /// Days since 1970-01-01.
    Date,
    /// A date with a time of day, in units since the beginning of 1970, each of so many nanoseconds.
    Instant(i64),
    /// A time of day, in units of so many nanoseconds.
    Clock(i64),
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
        if let Some(time) = Self::of_time(logical, converted) {
            return match (time, column.physical_type()) {
                (Self::Date | Self::Clock(_), Physical::INT32)
                | (Self::Instant(_) | Self::Clock(_), Physical::INT64) => Ok(time),
                _ => unknown(),
            };
        }
        let is_decimal = matches!(logical, Some(LogicalType::Decimal(_))) || converted == ConvertedType::DECIMAL;
        let is_unsigned = matches!(
            converted,
            ConvertedType::UINT_8 | ConvertedType::UINT_16 | ConvertedType::UINT_32 | ConvertedType::UINT_64
        );
        Ok(match column.physical_type() {
            Physical::BOOLEAN => Self::Truth,
            // Only instants are written so: a day and the nanoseconds since its midnight.
            Physical::INT96 => Self::Instant(1),
            Physical::FLOAT | Physical::DOUBLE => Self::Number,
            _ if is_decimal => Self::Decimal(-column.type_scale()),
            Physical::INT32 | Physical::INT64 if is_unsigned => Self::Unsigned,
            Physical::INT32 | Physical::INT64 => Self::Number,
            Physical::BYTE_ARRAY => Self::Text,
            Physical::FIXED_LEN_BYTE_ARRAY if matches!(logical, Some(LogicalType::Float16)) => Self::Half,
            Physical::FIXED_LEN_BYTE_ARRAY => return unknown(),
        })
    }

    /// Dates and times. Files of old writers have the converted type alone.
    fn of_time(logical: Option<&LogicalType>, converted: ConvertedType) -> Option<Self> {
        let nanoseconds = |unit: TimeUnit| match unit {
            TimeUnit::MILLIS => 1_000_000,
            TimeUnit::MICROS => 1000,
            TimeUnit::NANOS => 1,
        };
        match (logical, converted) {
            (Some(LogicalType::Date), _) | (_, ConvertedType::DATE) => Some(Self::Date),
            (Some(LogicalType::Timestamp(time)), _) => Some(Self::Instant(nanoseconds(time.unit))),
            (Some(LogicalType::Time(time)), _) => Some(Self::Clock(nanoseconds(time.unit))),
            (_, ConvertedType::TIMESTAMP_MILLIS) => Some(Self::Instant(1_000_000)),
            (_, ConvertedType::TIMESTAMP_MICROS) => Some(Self::Instant(1000)),
            (_, ConvertedType::TIME_MILLIS) => Some(Self::Clock(1_000_000)),
            (_, ConvertedType::TIME_MICROS) => Some(Self::Clock(1000)),
            _ => None,
        }
    }

    fn is_time(self) -> bool {
        matches!(self, Self::Date | Self::Instant(_) | Self::Clock(_))
    }

    /// A number that is a date or a time, as text.
    fn written(self, value: i64) -> String {
        match self {
            Self::Instant(unit) => instant::instant(value, unit),
            Self::Clock(unit) => instant::clock(value, unit),
            _ => instant::date(value),
        }
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
    /// Dates stay as text; they are refused otherwise.
    keeps_dates: bool,
    /// Whether an integer was beyond the exact range of a double.
    rounded: bool,
}

impl Builder {
    fn new(name: &str, column: &ColumnDescriptor, options: &ReadOptions) -> Result<Self> {
        let is_among = |names: &[String]| names.iter().any(|n| n == name);
        let as_text = is_among(&options.categorical);
        Ok(Self {
            name: name.into(),
            meaning: Meaning::of(name, column)?,
            is_nullable: column.max_def_level() > 0,
            numbers: vec![],
            levels: table::Levels::default(),
            as_text,
            keeps_dates: as_text || is_among(&options.times),
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
            ColumnReader::Int32ColumnReader(r) if self.meaning.is_time() => {
                let meaning = self.meaning;
                self.date_cells(r, rows, |v| meaning.written(i64::from(*v)))?;
            }
            ColumnReader::Int64ColumnReader(r) if self.meaning.is_time() => {
                let meaning = self.meaning;
                self.date_cells(r, rows, |v| meaning.written(*v))?;
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
            ColumnReader::Int96ColumnReader(r) => self.date_cells(r, rows, of_int96)?,
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

    fn date_cells<T: DataType>(
        &mut self,
        reader: ColumnReaderImpl<T>,
        rows: usize,
        convert: impl Fn(&T::T) -> String,
    ) -> Result<()> {
        let levels = &mut self.levels;
        each_cell(reader, rows, self.is_nullable, |cell| {
            levels.push(cell.map(&convert).as_deref());
            Some(())
        })
        .map(|_| ())
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
        if self.meaning.is_time() {
            return dates(&self.name, self.levels.finish(), self.keeps_dates);
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

/// A column of dates, which are refused unless they are to be kept. A column of nulls holds none.
fn dates(name: &str, array: Array, keeps: bool) -> Result<Array> {
    if let (false, Values::Text { levels, codes }) = (keeps, &array.values)
        && let Some((row, code)) = codes.iter().enumerate().find_map(|(row, code)| Some((row, (*code)?)))
    {
        return Err(table::refuse_dates(name, &levels[code as usize], &format!("row {}", row + 1)));
    }
    Ok(array)
}

/// Two words of nanoseconds since midnight, and the Julian day.
fn of_int96(value: &Int96) -> String {
    const JULIAN_DAY_OF_1970: i64 = 2_440_588;
    let [low, high, day] = [0, 1, 2].map(|i| value.data()[i]);
    let nanoseconds = ((u64::from(high) << 32) | u64::from(low)) as i64;
    let days = i64::from(day as i32) - JULIAN_DAY_OF_1970 + nanoseconds.div_euclid(instant::DAY);
    format!("{}T{}", instant::date(days), instant::clock(nanoseconds.rem_euclid(instant::DAY), 1))
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
