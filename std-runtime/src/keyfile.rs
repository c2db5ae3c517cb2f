//! Key files: packed bytes, ASCII digits, or `.npy` arrays.
//!
//! Packed bytes hold eight bits each, the first one in the most significant place (as NumPy's
//! `packbits` writes them). ASCII files hold `0` and `1`; white space between them is ignored.

use std::fs;
use std::io::{self, Cursor, Read, Write};
use std::path::{Path, PathBuf};

use caligo_core::bits::{self, words_for};
pub use caligo_sim::{Key, MAX_BITS};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::matrix::npy;
use crate::matrix::sparse::MatrixError;

/// A file format for keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Packed bytes, most significant bit first.
    Bytes,
    /// ASCII `0` and `1`.
    Ascii,
    /// `NumPy` array of uint8 or bool.
    Npy,
}

/// Why a key file, or one that belongs to it, could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// Reading or writing failed.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What happened.
        source: io::Error,
    },
    /// The content is not of its format.
    #[error("{}: {source}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: MatrixError,
    },
    /// Something is not as it has to be.
    #[error("{}: expected {expected}, found {found}", path.display())]
    Expected {
        /// The file.
        path: PathBuf,
        /// What was expected.
        expected: String,
        /// What was found.
        found: String,
    },
}

fn to_bytes(key: &Key) -> Zeroizing<Vec<u8>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(key.words.len() * 8));
    bytes.extend(key.words.iter().flat_map(|w| w.to_le_bytes()).map(u8::reverse_bits));
    bytes.truncate(key.bits.div_ceil(8));
    bytes
}

fn from_bytes(bytes: &[u8]) -> Key {
    let mut words = vec![0; words_for(bytes.len() * 8)];
    for (i, byte) in bytes.iter().enumerate() {
        words[i / 8] |= u64::from(byte.reverse_bits()) << (i % 8 * 8);
    }
    Key { words, bits: bytes.len() * 8 }
}

/// Reads a key. Without a format, `.npy` files are arrays, files of digits and white space only are
/// ASCII, all others packed bytes.
///
/// # Errors
/// [`KeyError`] names the file and what was expected of it: not a directory, not empty, at most 2^32 - 1
/// bits.
pub fn read(path: &Path, format: Option<Format>) -> Result<(Key, Format), KeyError> {
    let io = |source| KeyError::Io { path: path.to_owned(), source };
    let expected = |expected: &str, found: String| KeyError::Expected {
        path: path.to_owned(),
        expected: expected.to_owned(),
        found,
    };
    let meta = fs::metadata(path).map_err(io)?;
    if meta.is_dir() {
        return Err(expected("a key file", "a directory".to_owned()));
    }
    if meta.len() > MAX_BITS as u64 {
        return Err(expected("at most 2^32 - 1 bits", format!("{} bytes", meta.len())));
    }
    // A pipe or a device has no length beforehand.
    let mut bytes = Zeroizing::new(Vec::with_capacity(meta.len() as usize + 1));
    fs::File::open(path).and_then(|f| f.take(MAX_BITS as u64 + 1).read_to_end(&mut bytes)).map_err(io)?;
    let format = format.unwrap_or_else(|| detect(path, &bytes));
    let key = match format {
        Format::Bytes => from_bytes(&bytes),
        Format::Ascii => {
            let mut key = Key { words: Vec::with_capacity(words_for(bytes.len())), bits: 0 };
            for (at, &byte) in bytes.iter().enumerate() {
                match byte {
                    b'0' | b'1' => {
                        if key.bits.is_multiple_of(64) {
                            key.words.push(0);
                        }
                        bits::set(&mut key.words, key.bits, byte == b'1');
                        key.bits += 1;
                    }
                    _ if byte.is_ascii_whitespace() => {}
                    _ => return Err(expected("digits 0 and 1", format!("byte {byte:#04x} at offset {at}"))),
                }
            }
            key
        }
        Format::Npy => {
            let values = npy::read_bits(Cursor::new(&*bytes))
                .map_err(|source| KeyError::Content { path: path.to_owned(), source })?;
            Key::from_bits(Zeroizing::new(values).iter().copied())
        }
    };
    if key.bits == 0 {
        let found = if bytes.is_empty() { "an empty file" } else { "none" };
        return Err(expected("at least one bit", found.to_owned()));
    }
    if key.bits > MAX_BITS {
        return Err(expected("at most 2^32 - 1 bits", format!("{} bits", key.bits)));
    }
    Ok((key, format))
}

fn detect(path: &Path, bytes: &[u8]) -> Format {
    if npy::is_npy(path, bytes) {
        Format::Npy
    } else if bytes.iter().all(|b| matches!(b, b'0' | b'1') || b.is_ascii_whitespace()) {
        Format::Ascii
    } else {
        Format::Bytes
    }
}

/// Writes keys, each whole or not at all: all to temporary files beside their paths first, which are renamed
/// when every one is complete. Only their owner may read them. Packed bytes end with zero bits where the
/// length is not a multiple of 8.
///
/// # Errors
/// [`KeyError::Io`] names the file.
pub fn write_all(keys: &[(&Path, &Key, Format)]) -> Result<(), KeyError> {
    let fail = |path: &Path, source| KeyError::Io { path: path.to_owned(), source };
    let staged: Vec<(&Path, Staged)> = keys
        .iter()
        .map(|&(path, key, format)| {
            let staged = stage(path, Access::Private, |out| fill(out, key, format));
            staged.map(|s| (path, s)).map_err(|source| fail(path, source))
        })
        .collect::<Result<_, _>>()?;
    staged.into_iter().try_for_each(|(path, s)| s.finish().map_err(|source| fail(path, source)))
}

/// Writes one key, as [`write_all`] does.
///
/// # Errors
/// [`KeyError::Io`] names the file.
pub fn write(path: &Path, key: &Key, format: Format) -> Result<(), KeyError> {
    write_all(&[(path, key, format)])
}

fn fill(out: &mut dyn Write, key: &Key, format: Format) -> io::Result<()> {
    match format {
        Format::Bytes => out.write_all(&to_bytes(key)),
        Format::Ascii => {
            let mut text = Zeroizing::new(Vec::with_capacity(key.bits + 1));
            text.extend(key.iter().map(|b| b'0' + u8::from(b)));
            text.push(b'\n');
            out.write_all(&text)
        }
        Format::Npy => {
            let mut values = Zeroizing::new(Vec::with_capacity(key.bits));
            values.extend(key.iter());
            npy::write_mask(&values, out)
        }
    }
}

/// How the names of files begin that are not in their place yet. A killed process leaves them.
pub(crate) const UNFINISHED: &str = ".caligo-";

/// Who may read a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Its owner.
    Private,
    /// Whoever the process's umask admits.
    Shared,
}

/// A file written beside its path and not yet in its place.
#[derive(Debug)]
enum Staged {
    Beside(tempfile::NamedTempFile, PathBuf),
    /// A device or a pipe, which is written to and never replaced.
    Through,
}

impl Staged {
    fn finish(self) -> io::Result<()> {
        match self {
            Self::Beside(file, path) => file.persist(path).map(drop).map_err(|e| e.error),
            Self::Through => Ok(()),
        }
    }
}

/// Replaces `path` by what `fill` writes, atomically. A link is followed; a device or pipe is written to.
///
/// # Errors
/// Those of the file system and of `fill`; `path` is then as it was.
pub fn replace(
    path: &Path,
    access: Access,
    fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    stage(path, access, fill)?.finish()
}

/// Checks that a file could be written at `path`, before work whose result is to go there. Nothing is left behind.
///
/// # Errors
/// [`KeyError::Io`] names the file.
pub fn check(path: &Path) -> Result<(), KeyError> {
    if fs::metadata(path).is_ok_and(|meta| !meta.is_file() && !meta.is_dir()) {
        return Ok(());
    }
    stage(path, Access::Private, |_| Ok(()))
        .map(drop)
        .map_err(|source| KeyError::Io { path: path.to_owned(), source })
}

fn stage(
    path: &Path,
    access: Access,
    fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<Staged> {
    if let Ok(meta) = fs::metadata(path) {
        if meta.is_dir() {
            return Err(io::Error::new(io::ErrorKind::IsADirectory, "expected a file, found a directory"));
        }
        if !meta.is_file() {
            let mut out = io::BufWriter::new(fs::OpenOptions::new().write(true).open(path)?);
            fill(&mut out)?;
            out.flush()?;
            return Ok(Staged::Through);
        }
    }
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let dir = match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    };
    if !dir.is_dir() {
        let text = format!("expected a directory {}, found none", dir.display());
        return Err(io::Error::new(io::ErrorKind::NotFound, text));
    }
    let mut builder = tempfile::Builder::new();
    builder.prefix(UNFINISHED);
    #[cfg(unix)]
    if access == Access::Shared {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    let mut file = builder.tempfile_in(dir)?;
    {
        let mut out = io::BufWriter::new(&mut file);
        fill(&mut out)?;
        out.flush()?;
    }
    file.as_file().sync_all()?;
    Ok(Staged::Beside(file, path))
}

/// [`replace`], and the file's name survives a power failure too.
pub(crate) fn replace_durably(
    path: &Path,
    access: Access,
    fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    replace(path, access, fill)?;
    sync_name(path)
}

/// Makes the name of the file or folder at `path`, which was made or renamed, survive a power failure.
pub(crate) fn sync_name(path: &Path) -> io::Result<()> {
    // The name may be a link to a file elsewhere.
    let path = fs::canonicalize(path)?;
    #[cfg(unix)]
    let named = fs::File::open(path.parent().unwrap_or(Path::new("/")))?;
    // A directory cannot be flushed there; flushing the file writes the journal that has its name.
    #[cfg(not(unix))]
    let named = fs::OpenOptions::new().write(true).open(path)?;
    named.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_round_trips() {
        let dir = tempfile::tempdir().unwrap();
        for bits in [8, 64, 72, 1000] {
            let key = Key::from_bits((0..bits).map(|i| i % 3 == 0 || i % 7 == 2));
            for (name, format) in [("k.bin", Format::Bytes), ("k.txt", Format::Ascii), ("k.npy", Format::Npy)]
            {
                let path = dir.path().join(name);
                write(&path, &key, format).unwrap();
                assert_eq!(read(&path, Some(format)).unwrap().0, key, "{name} {bits}");
                assert_eq!(read(&path, None).unwrap(), (key.clone(), format), "{name} {bits} detected");
            }
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 3, "no temporary file is left");
    }

    #[test]
    fn packed_bytes_begin_at_the_most_significant_bit() {
        assert_eq!(
            *to_bytes(&Key::from_bits([true, false, false, false, false, false, false, true, true])),
            [0x81, 0x80]
        );
    }

    #[test]
    fn refusals_name_what_was_expected() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        fs::write(&path, b"").unwrap();
        assert!(read(&path, None).unwrap_err().to_string().contains("expected at least one bit"));
        fs::write(&path, b"0102").unwrap();
        let text = read(&path, Some(Format::Ascii)).unwrap_err().to_string();
        assert!(text.contains("digits 0 and 1") && text.contains("offset 3"), "{text}");
        assert!(read(dir.path(), None).unwrap_err().to_string().contains("a directory"));
    }
}
