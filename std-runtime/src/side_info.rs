//! Side information: the class of each key position, as files of bytes or `.npy` arrays.

use std::fs;
use std::io::{Read, Write};
use std::path::Path;

use crate::keyfile::{Access, KeyError, replace};
use crate::matrix::npy;

/// Most bytes a position takes, in an array of 64-bit integers.
const WIDEST: u64 = 8;
/// Room for an array's header in bytes.
const HEADER: u64 = 1 << 14;

/// The classes of a key of `bits` bits, one a position; none without a file.
///
/// # Errors
/// As [`read`].
pub fn read_optional(path: Option<&Path>, bits: usize) -> Result<Vec<u8>, KeyError> {
    path.map_or(Ok(Vec::new()), |path| read(path, bits))
}

/// Reads the classes of a key of `bits` bits: an array if the file's first bytes or name say `.npy`, otherwise
/// one byte a position.
///
/// # Errors
/// [`KeyError`] names the file, what was expected and what was found.
pub fn read(path: &Path, bits: usize) -> Result<Vec<u8>, KeyError> {
    let io = |source| KeyError::Io { path: path.to_owned(), source };
    let expected = |found| KeyError::Expected {
        path: path.to_owned(),
        expected: format!("a class for each of {bits} key bits"),
        found,
    };
    let limit = WIDEST * bits as u64 + HEADER;
    let mut bytes = Vec::new();
    fs::File::open(path).and_then(|f| f.take(limit + 1).read_to_end(&mut bytes)).map_err(io)?;
    if bytes.len() as u64 > limit {
        return Err(expected(format!("more than {limit} bytes")));
    }
    let classes = if npy::is_npy(path, &bytes) {
        npy::read_bytes(&bytes[..]).map_err(|source| KeyError::Content { path: path.to_owned(), source })?
    } else {
        bytes
    };
    if classes.len() != bits {
        return Err(expected(classes.len().to_string()));
    }
    Ok(classes)
}

/// Writes `classes`, whole or not at all: an array of uint8 if the name ends in `.npy`, otherwise bytes. Only the
/// owner may read the file: a class may tell the bit, as a detector's does.
///
/// # Errors
/// [`KeyError::Io`] names the file.
pub fn write(path: &Path, classes: &[u8]) -> Result<(), KeyError> {
    replace(path, Access::Private, |out: &mut dyn Write| {
        if npy::is_npy(path, &[]) { npy::write_bytes(classes, out) } else { out.write_all(classes) }
    })
    .map_err(|source| KeyError::Io { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(path: &Path, bits: usize) -> String {
        read(path, bits).unwrap_err().to_string()
    }

    #[test]
    fn both_formats_round_trip() {
        let dir = tempfile::tempdir().unwrap();
        for len in [1, 255, 256, 100_003] {
            let classes: Vec<u8> = (0..len).map(|i| (i % 256) as u8).collect();
            for (name, header) in [("classes", 0), ("classes.npy", 128)] {
                let path = dir.path().join(name);
                write(&path, &classes).unwrap();
                assert_eq!(fs::metadata(&path).unwrap().len(), (header + len) as u64);
                assert_eq!(read(&path, len).unwrap(), classes);
            }
            // Found by its first bytes.
            fs::rename(dir.path().join("classes.npy"), dir.path().join("renamed")).unwrap();
            assert_eq!(read(&dir.path().join("renamed"), len).unwrap(), classes);
        }
        assert_eq!(read_optional(None, 100).unwrap(), Vec::<u8>::new());
    }

    #[test]
    fn arrays_of_any_integers_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("wide.npy");
        npy::write_indices(&[0, 255, 3], fs::File::create(&path).unwrap()).unwrap();
        assert_eq!(read(&path, 3).unwrap(), [0, 255, 3]);
        npy::write_indices(&[0, 255, 300], fs::File::create(&path).unwrap()).unwrap();
        let text = refusal(&path, 3);
        assert!(text.ends_with("wide.npy: item 2: expected 0 to 255, found 300"), "{text}");
    }

    #[test]
    fn refusals_name_file_expected_and_found() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("classes");
        write(&path, &[1; 99]).unwrap();
        for bits in [98, 100] {
            let text = refusal(&path, bits);
            let end = format!("classes: expected a class for each of {bits} key bits, found 99");
            assert!(text.ends_with(&end), "{text}");
        }
        write(&path, &vec![1; 1 << 15]).unwrap();
        let text = refusal(&path, 1);
        assert!(text.ends_with("of 1 key bits, found more than 16392 bytes"), "{text}");
        fs::write(&path, b"\x93NUMPY\x01\x00\x76").unwrap();
        assert!(refusal(&path, 9).contains("classes: header: expected its whole length"));
        assert!(refusal(&dir.path().join("missing"), 1).contains("missing: "));
        assert!(refusal(dir.path(), 1).contains(&dir.path().display().to_string()));
        assert!(write(&dir.path().join("no/such"), &[1]).unwrap_err().to_string().contains("no/such: "));
    }
}
