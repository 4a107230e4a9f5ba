//! Bytes of a glTF file: its two containers, what lies beside it or inside it as text, and the numbers that accessors find in them.

use super::document::{Accessor, Document};
use super::{Surroundings, wrong};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::{Engine, alphabet};
use elbo_core::Result;
use std::borrow::Cow;

/// Most bytes of all buffers together: any number of them may be the same file.
const MOST_BYTES: usize = 1 << 31;

/// Most numbers that one accessor may give.
const MOST_NUMBERS: usize = 1 << 28;

/// Text of data URIs, with `=` at its end or without.
static BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The JSON of a file, and the binary chunk of a `.glb`.
pub(super) fn container(bytes: &[u8]) -> Result<(&[u8], Option<&[u8]>)> {
    if !bytes.starts_with(b"glTF") {
        return Ok((bytes, None));
    }
    let word = |at: usize| bytes.get(at..at + 4).map(|b| u32::from_le_bytes(b.try_into().expect("four bytes")));
    if word(4) != Some(2) {
        return Err(wrong("the .glb file is not of version 2"));
    }
    let (mut at, mut chunks) = (12, vec![]);
    while let (Some(length), Some(kind)) = (word(at), word(at + 4)) {
        let chunk = bytes.get(at + 8..).and_then(|rest| rest.get(..length as usize));
        chunks.push((kind, chunk.ok_or_else(|| wrong("the .glb file ends within a chunk"))?));
        at += 8 + length as usize;
    }
    let find = |name: &[u8; 4]| chunks.iter().find(|(kind, _)| kind.to_le_bytes() == *name).map(|(_, chunk)| *chunk);
    let json = find(b"JSON").ok_or_else(|| wrong("the .glb file has no JSON chunk"))?;
    Ok((json, find(b"BIN\0")))
}

/// What the file itself, files beside it and data URIs hold.
pub(super) struct Buffers<'a> {
    document: &'a Document,
    bytes: Vec<Cow<'a, [u8]>>,
}

impl<'a> Buffers<'a> {
    pub fn load(document: &'a Document, binary: Option<&'a [u8]>, around: &dyn Surroundings) -> Result<Self> {
        let (mut bytes, mut total) = (vec![], 0usize);
        for (k, buffer) in document.buffers.iter().enumerate() {
            let found: Cow<'a, [u8]> = match (&buffer.uri, binary) {
                (Some(uri), _) => Cow::Owned(resource(uri, around)?),
                (None, Some(chunk)) if k == 0 => Cow::Borrowed(chunk),
                (None, _) => return Err(wrong(format!("buffer {k} is neither in the file nor beside it"))),
            };
            if found.len() < buffer.byte_length {
                let (has, needs) = (found.len(), buffer.byte_length);
                return Err(wrong(format!("buffer {k} has {has} bytes, and should have {needs}")));
            }
            total = total.saturating_add(found.len());
            if total > MOST_BYTES {
                return Err(wrong(format!("the buffers have more than {MOST_BYTES} bytes; reduce the mesh")));
            }
            bytes.push(found);
        }
        Ok(Self { document, bytes })
    }

    /// A view's bytes.
    pub fn view(&self, index: usize) -> Result<&[u8]> {
        let beyond = || wrong(format!("buffer view {index} lies outside of its buffer, or there is none"));
        let view = self.document.buffer_views.get(index).ok_or_else(beyond)?;
        let buffer = self.bytes.get(view.buffer).ok_or_else(beyond)?;
        buffer.get(view.byte_offset..).and_then(|rest| rest.get(..view.byte_length)).ok_or_else(beyond)
    }

    /// The numbers of an accessor with so many to a row, row by row; whole ones that are normalised lie on `[0, 1]`.
    pub fn numbers(&self, index: usize, width: usize) -> Result<Vec<f64>> {
        let accessor =
            self.document.accessors.get(index).ok_or_else(|| wrong(format!("there is no accessor {index}")))?;
        let fault = |what: &str| wrong(format!("accessor {index} {what}"));
        let (size, full, read) = format(accessor).ok_or_else(|| fault("has numbers of a type that is not read"))?;
        if accessor.sparse.is_some() {
            return Err(fault("is sparse, which is not read"));
        }
        let kind = ["SCALAR", "VEC2", "VEC3"].iter().position(|kind| *kind == accessor.kind);
        if kind != Some(width - 1) {
            return Err(fault(&format!("has the type {}, not {width} numbers a row", accessor.kind)));
        }
        let index = accessor.buffer_view.ok_or_else(|| fault("has no buffer view"))?;
        let bytes = self.view(index)?;
        let row = width * size;
        let stride = self.document.buffer_views[index].byte_stride.unwrap_or(row);
        let start = accessor.byte_offset;
        let last = accessor.count.checked_sub(1).and_then(|count| count.checked_mul(stride));
        let end = last.and_then(|last| last.checked_add(start)).and_then(|last| last.checked_add(row));
        let is_inside = end.is_some_and(|end| end <= bytes.len()) && stride >= row && accessor.count <= MOST_NUMBERS;
        if !is_inside {
            return Err(fault("is empty or lies outside of its buffer view"));
        }
        let mut out = Vec::with_capacity(accessor.count * width);
        for k in 0..accessor.count {
            let row = &bytes[start + k * stride..][..row];
            out.extend(row.chunks_exact(size).map(|number| read(number) / full));
        }
        Ok(out)
    }
}

/// Bytes a number, the largest one where they are normalised, and how one is read.
type Format = (usize, f64, fn(&[u8]) -> f64);

fn format(accessor: &Accessor) -> Option<Format> {
    let (size, largest, read): Format = match accessor.component_type {
        5121 => (1, 255.0, |b| f64::from(b[0])),
        5123 => (2, 65_535.0, |b| f64::from(u16::from_le_bytes([b[0], b[1]]))),
        5125 => (4, f64::from(u32::MAX), |b| f64::from(u32::from_le_bytes([b[0], b[1], b[2], b[3]]))),
        5126 => (4, 1.0, |b| f64::from(f32::from_le_bytes([b[0], b[1], b[2], b[3]]))),
        _ => return None,
    };
    Some((size, if accessor.normalized { largest } else { 1.0 }, read))
}

/// What a URI names: text within it, or a file below the folder of this one.
pub(super) fn resource(uri: &str, around: &dyn Surroundings) -> Result<Vec<u8>> {
    if let Some(data) = uri.strip_prefix("data:") {
        let text = data.split_once(";base64,").map(|(_, text)| text);
        return text.and_then(|text| BASE64.decode(text).ok()).ok_or_else(|| wrong("a data URI is not in base64"));
    }
    let name = unescaped(uri).ok_or_else(|| wrong(format!("the name `{uri}` cannot be understood")))?;
    let is_elsewhere =
        name.starts_with(['/', '\\']) || name.contains(':') || name.split(['/', '\\']).any(|part| part == "..");
    if is_elsewhere {
        return Err(wrong(format!("`{name}` lies outside of the file's folder")));
    }
    around.file(&name)
}

/// `%20` and the like as the bytes that they stand for.
fn unescaped(uri: &str) -> Option<String> {
    let (bytes, mut out, mut at) = (uri.as_bytes(), vec![], 0);
    while at < bytes.len() {
        if bytes[at] == b'%' {
            let digits = std::str::from_utf8(bytes.get(at + 1..at + 3)?).ok()?;
            out.push(u8::from_str_radix(digits, 16).ok()?);
            at += 3;
        } else {
            out.push(bytes[at]);
            at += 1;
        }
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaped_names_are_read() {
        assert_eq!(unescaped("a%20b/c%C3%A4.bin").as_deref(), Some("a b/cä.bin"));
        assert_eq!([unescaped("a%2"), unescaped("%zz"), unescaped("%ff")], [None, None, None]);
    }
}
