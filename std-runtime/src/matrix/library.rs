//! A library out of files.
//!
//! In: nothing, or a matrix file and optionally patterns. Out: a [`Library`] whose parts are validated.

use std::fs;
use std::io::{BufReader, Cursor};
use std::path::Path;

use caligo_core::puncture::MAX_ORDER_LENGTH;
pub use caligo_sim::matrix::library::*;
use serde::Deserialize;

use super::sparse::MatrixError;
use super::{alist, npy, npz, qc_file};

/// Largest matrix or pattern file, in bytes.
const MAX_FILE: u64 = 1 << 30;

/// The built-in library, or the matrix in `matrix` with the order in `patterns`.
///
/// # Errors
/// [`LibraryError`] names the file and what was expected of it.
pub fn load(matrix: Option<&Path>, patterns: Option<&Path>) -> Result<Library, LibraryError> {
    let Some(path) = matrix else {
        return if patterns.is_some() { Err(LibraryError::PatternsAlone) } else { Ok(Library::built_in()) };
    };
    let matrix = read_matrix(path)?;
    let n = matrix.code().map_err(|source| LibraryError::Code { path: shown(path), source })?.n();
    let (puncture, shorten) = match patterns {
        Some(patterns) => read_order(patterns, n)?,
        None => (Vec::new(), None),
    };
    let patterns = patterns.map(shown);
    Library::new(matrix, &shown(path), puncture, shorten, patterns.as_deref())
}

/// As messages have it.
fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn read_matrix(path: &Path) -> Result<Matrix, LibraryError> {
    let fail = |source| LibraryError::File { path: shown(path), source };
    let bytes = read_file(path)?;
    let text = || {
        std::str::from_utf8(&bytes).map_err(|_| {
            fail(MatrixError::Format {
                at: "file".to_owned(),
                expected: "text".to_owned(),
                found: "bytes that are not UTF-8".to_owned(),
            })
        })
    };
    match extension(path) {
        "qc" => Ok(Matrix::Qc(qc_file::read(text()?).map_err(fail)?.tables())),
        "alist" => Ok(Matrix::Sparse(alist::read(text()?).map_err(fail)?)),
        "npz" => Ok(Matrix::Sparse(npz::read(Cursor::new(&bytes)).map_err(fail)?)),
        _ => Err(LibraryError::Kind { path: shown(path), expected: ".qc, .alist or .npz" }),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OrderFile {
    n: usize,
    puncture: Vec<u16>,
    shorten: Vec<u16>,
}

type Orders = (Vec<u16>, Option<Vec<u16>>);

/// An order file, an index list, or a directory in the documents' layout.
fn read_order(path: &Path, n: usize) -> Result<Orders, LibraryError> {
    if path.is_dir() {
        let indices = path.join("modulation_indices.npy");
        if indices.exists() {
            return Ok((read_indices(&indices)?, None));
        }
        return Ok((nested_patterns(path, n)?, None));
    }
    match extension(path) {
        "json" => {
            let fail = |found: String| LibraryError::File {
                path: shown(path),
                source: MatrixError::Format {
                    at: "file".to_owned(),
                    expected: format!("an order file with n = {n}, puncture and shorten"),
                    found,
                },
            };
            let file: OrderFile =
                serde_json::from_slice(&read_file(path)?).map_err(|e| fail(e.to_string()))?;
            if file.n != n {
                return Err(fail(format!("n = {}", file.n)));
            }
            Ok((file.puncture, Some(file.shorten)))
        }
        "npy" => Ok((read_indices(path)?, None)),
        _ => Err(LibraryError::Kind { path: shown(path), expected: ".json or .npy, or a directory" }),
    }
}

fn read_indices(path: &Path) -> Result<Vec<u16>, LibraryError> {
    let fail = |source| LibraryError::File { path: shown(path), source };
    let values = npy::read_indices(BufReader::new(Cursor::new(read_file(path)?))).map_err(fail)?;
    values
        .into_iter()
        .enumerate()
        .map(|(i, value)| {
            u16::try_from(value).map_err(|_| {
                fail(MatrixError::Format {
                    at: format!("item {i}"),
                    expected: format!("a position below {MAX_ORDER_LENGTH}"),
                    found: value.to_string(),
                })
            })
        })
        .collect()
}

/// The order that a set of nested masks `pattern_rateX.XX.npy` implies, ascending within each step.
fn nested_patterns(dir: &Path, n: usize) -> Result<Vec<u16>, LibraryError> {
    let fail = |path: &Path, expected: String, found: String| LibraryError::File {
        path: shown(path),
        source: MatrixError::Format { at: "pattern".to_owned(), expected, found },
    };
    let io = |source: std::io::Error| LibraryError::File { path: shown(dir), source: source.into() };
    let mut masks = Vec::new();
    for entry in fs::read_dir(dir).map_err(io)? {
        let path = entry.map_err(io)?.path();
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        if !name.starts_with("pattern_rate") || extension(&path) != "npy" {
            continue;
        }
        let mask = npy::read_mask(Cursor::new(read_file(&path)?))
            .map_err(|source| LibraryError::File { path: shown(&path), source })?;
        if mask.len() != n {
            return Err(fail(&path, format!("{n} items"), mask.len().to_string()));
        }
        masks.push((mask.iter().filter(|&&b| b).count(), path, mask));
    }
    if masks.is_empty() {
        let expected = "modulation_indices.npy or pattern_rateX.XX.npy files".to_owned();
        return Err(fail(dir, expected, "neither".to_owned()));
    }
    masks.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
    let mut taken = vec![false; n];
    let mut order = Vec::new();
    for (_, path, mask) in &masks {
        for (position, (&now, taken)) in mask.iter().zip(&mut taken).enumerate() {
            if *taken && !now {
                let expected = "to contain every pattern of lower rate".to_owned();
                return Err(fail(path, expected, format!("position {position} missing")));
            }
            if now && !*taken {
                *taken = true;
                order.push(position as u16);
            }
        }
    }
    Ok(order)
}

fn extension(path: &Path) -> &str {
    path.extension().and_then(|e| e.to_str()).unwrap_or_default()
}

fn read_file(path: &Path) -> Result<Vec<u8>, LibraryError> {
    let fail = |source: MatrixError| LibraryError::File { path: shown(path), source };
    let size = fs::metadata(path).map_err(|e| fail(e.into()))?;
    if size.is_dir() || size.len() > MAX_FILE {
        let found = if size.is_dir() { "a directory".to_owned() } else { format!("{} bytes", size.len()) };
        let expected = format!("a file of at most {MAX_FILE} bytes");
        return Err(fail(MatrixError::Format { at: "file".to_owned(), expected, found }));
    }
    fs::read(path).map_err(|e| fail(e.into()))
}
