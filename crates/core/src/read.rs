//! The bytes of a file, up to a limit.

use crate::error::{Error, Result};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Most bytes that any reader takes, of a file and of what is in it: 8 GiB, against files made to fill the memory.
pub const MOST_BYTES: u64 = 8 << 30;

/// All that a reader has, or `None` where it is more than `most` bytes. `length` is what it is said to have: zero for pipes and devices, which
/// may have any number.
///
/// # Errors
/// Those of the reader, and where memory for `length` bytes is not to be had.
pub fn read_most(reader: impl Read, length: u64, most: u64) -> std::io::Result<Option<Vec<u8>>> {
    if length > most {
        return Ok(None);
    }
    let mut bytes = vec![];
    bytes.try_reserve_exact(length as usize)?;
    reader.take(most + 1).read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= most).then_some(bytes))
}

/// All bytes of a file, a pipe or a device; `failure` says what could not be done, as "cannot read the cameras".
///
/// # Errors
/// [`Error::File`] when it cannot be read or has more than [`MOST_BYTES`].
pub fn read_file(failure: &str, path: &Path) -> Result<Vec<u8>> {
    let failed = |cause| Error::file(failure, path, &cause);
    let file = File::open(path).map_err(failed)?;
    let length = file.metadata().map_err(failed)?.len();
    read_most(file, length, MOST_BYTES).map_err(failed)?.ok_or_else(|| Error::File {
        message: format!("{failure} (it is larger than 8 GiB)"),
        remedy: "give a smaller file; a device or a pipe must end".into(),
        path: path.into(),
    })
}

/// As [`read_file`], for a text.
///
/// # Errors
/// Those of [`read_file`], and [`Error::File`] for bytes that are not UTF-8.
pub fn read_text(failure: &str, path: &Path) -> Result<String> {
    String::from_utf8(read_file(failure, path)?).map_err(|_| Error::File {
        message: format!("{failure} (it is not UTF-8 text)"),
        remedy: "save it as UTF-8".into(),
        path: path.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_of_unknown_length_is_read_up_to_the_limit() {
        assert_eq!(read_most(std::io::repeat(7), 0, 1000).unwrap(), None);
        assert_eq!(read_most(std::io::repeat(7).take(1000), 0, 1000).unwrap(), Some(vec![7; 1000]));
        assert_eq!(read_most(&b"abc"[..], 3, 1000).unwrap(), Some(b"abc".to_vec()));
        assert_eq!(read_most(&b"abc"[..], 1001, 1000).unwrap(), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_device_without_end_is_read_up_to_the_limit() {
        let device = File::open("/dev/zero").unwrap();
        assert_eq!(device.metadata().unwrap().len(), 0);
        assert_eq!(read_most(device, 0, 1000).unwrap(), None);
        assert_eq!(read_file("cannot read it", Path::new("/dev/null")).unwrap(), b"");
    }

    #[test]
    fn what_cannot_be_read_is_said_with_its_path() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("big");
        let said = |error: Error| format!("{error}; {}", error.remedy());
        assert!(said(read_file("cannot read it", &path).unwrap_err()).contains("check the path"));
        // Without any byte written.
        File::create(&path).unwrap().set_len(MOST_BYTES + 1).unwrap();
        let message = said(read_file("cannot read it", &path).unwrap_err());
        assert!(message.contains("cannot read it (it is larger than 8 GiB): ") && message.contains("big"), "{message}");
        assert!(crate::ModelFile::read(&path).unwrap_err().to_string().contains("larger than 8 GiB"));
        std::fs::write(&path, b"caf\xe9").unwrap();
        assert!(said(read_text("cannot read it", &path).unwrap_err()).contains("not UTF-8 text"));
        std::fs::write(&path, "café").unwrap();
        assert_eq!(read_text("cannot read it", &path).unwrap(), "café");
    }
}
