//! The archive of arrays that `scipy.sparse.save_npz` writes, in its CSR, CSC and COO forms.

use std::io::{self, Read, Seek, Write};

use zip::result::ZipError;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, System, ZipArchive, ZipWriter};

use super::npy::{Array, Item, at, write_array};
use super::sparse::{MAX_ENTRIES, MatrixError, SparseMatrix, check_shape, quote};

/// Reads a sparse matrix, its values taken modulo 2.
///
/// # Errors
/// [`MatrixError::Format`] names the member that does not fit, or a value that is no whole number;
/// [`MatrixError::OutOfRange`] and [`MatrixError::Duplicate`] name a bad entry. An entry whose value
/// is even is no entry and so no duplicate.
pub fn read(reader: impl Read + Seek) -> Result<SparseMatrix, MatrixError> {
    let mut archive = ZipArchive::new(reader).map_err(|error| zip_error("archive", error))?;
    let format = member(&mut archive, "format.npy", |reader| Array::open(reader)?.text())?;
    let shape: Vec<u64> = integers(&mut archive, "shape.npy", 2)?;
    let (m, n) = check_shape("shape.npy", shape[0], shape[1])?;
    let mut entries = Entries { n, rows: vec![Vec::new(); m] };
    let odd = member(&mut archive, "data.npy", parities)?;
    match format.as_str() {
        "csr" => compressed(&mut archive, &odd, m, |row, column| entries.put("", row, column))?,
        "csc" => compressed(&mut archive, &odd, n, |column, row| entries.put("indices.npy", row, column))?,
        "coo" => {
            let rows: Vec<u32> = integers(&mut archive, "row.npy", odd.len())?;
            let columns: Vec<u32> = integers(&mut archive, "col.npy", odd.len())?;
            for ((row, column), _) in rows.into_iter().zip(columns).zip(odd).filter(|&(_, odd)| odd) {
                entries.put("row.npy", row, column)?;
            }
        }
        other => return Err(MatrixError::format("format.npy", "csr, csc or coo", quote(other))),
    }
    SparseMatrix::from_rows(n, entries.rows)
}

/// Writes a matrix as CSR: int32 indices, uint8 ones. The same matrix gives the same bytes.
///
/// # Errors
/// [`MatrixError::Io`]; [`MatrixError::Format`] if a field does not fit int32.
pub fn write(matrix: &SparseMatrix, writer: impl Write + Seek) -> Result<(), MatrixError> {
    let mut zip = ZipWriter::new(writer);
    let indices = int32("columns", &matrix.columns)?;
    let row_start = int32("row_start", &matrix.row_start)?;
    start(&mut zip, "indices.npy")?;
    write_array(&mut zip, "<i4", &[matrix.entries()], indices)?;
    start(&mut zip, "indptr.npy")?;
    write_array(&mut zip, "<i4", &[matrix.row_start.len()], row_start)?;
    start(&mut zip, "format.npy")?;
    write_array(&mut zip, "|S3", &[], std::iter::once(*b"csr"))?;
    start(&mut zip, "shape.npy")?;
    let shape = [matrix.m(), matrix.n].map(|side| (side as u64).to_le_bytes());
    write_array(&mut zip, "<i8", &[2], shape.into_iter())?;
    start(&mut zip, "data.npy")?;
    write_array(&mut zip, "|u1", &[matrix.entries()], std::iter::repeat_n([1], matrix.entries()))?;
    zip.finish().map_err(|error| zip_error("archive", error))?.flush()?;
    Ok(())
}

/// Entries as they come in, by row.
struct Entries {
    n: usize,
    rows: Vec<Vec<u32>>,
}

impl Entries {
    /// Adds an entry; `source` is the member that row numbers come from.
    fn put(&mut self, source: &str, row: u32, column: u32) -> Result<(), MatrixError> {
        let (m, n) = (self.rows.len(), self.n);
        let Some(list) = self.rows.get_mut(row as usize) else {
            return Err(MatrixError::format(source, format!("row numbers below {m}"), row.to_string()));
        };
        if column as usize >= n {
            return Err(MatrixError::OutOfRange { row: row as usize, column: column.into(), n });
        }
        list.push(column);
        Ok(())
    }
}

/// Visits the odd entries of a matrix stored as `lists` compressed lists of indices.
fn compressed<R: Read + Seek>(
    archive: &mut ZipArchive<R>,
    odd: &[bool],
    lists: usize,
    mut put: impl FnMut(u32, u32) -> Result<(), MatrixError>,
) -> Result<(), MatrixError> {
    let indices: Vec<u32> = integers(archive, "indices.npy", odd.len())?;
    let starts: Vec<u32> = integers(archive, "indptr.npy", lists + 1)?;
    if starts[0] != 0 {
        return Err(MatrixError::format("indptr.npy", "0 at the beginning", starts[0].to_string()));
    }
    for (list, ends) in starts.windows(2).enumerate() {
        let range = ends[0] as usize..ends[1] as usize;
        let (Some(indices), Some(odd)) = (indices.get(range.clone()), odd.get(range)) else {
            let expected = format!("numbers that ascend to at most {}", indices.len());
            return Err(MatrixError::format("indptr.npy", expected, format!("{} to {}", ends[0], ends[1])));
        };
        for (&index, _) in indices.iter().zip(odd).filter(|&(_, &odd)| odd) {
            put(list as u32, index)?;
        }
    }
    Ok(())
}

/// Whether each number of a 1-d array is odd.
fn parities(reader: &mut dyn Read) -> Result<Vec<bool>, MatrixError> {
    let (array, len) = Array::open_1d(reader)?;
    if len > MAX_ENTRIES as u64 {
        return Err(MatrixError::format("shape", format!("at most {MAX_ENTRIES} items"), len.to_string()));
    }
    array.require("biuf", "a bool, integer, float32 or float64 dtype")?;
    let mut odd = Vec::new();
    array.each(len, |position, item| {
        odd.push(match item {
            Item::Integer(value) => value & 1 == 1,
            Item::Float(value) if value.fract() == 0.0 => value % 2.0 != 0.0,
            Item::Float(_) => return Err(at(position, "a whole number", item)),
        });
        Ok(())
    })?;
    Ok(odd)
}

/// The `len` integers of a member.
fn integers<T: TryFrom<i128>>(
    archive: &mut ZipArchive<impl Read + Seek>,
    name: &str,
    len: usize,
) -> Result<Vec<T>, MatrixError> {
    member(archive, name, |reader| {
        let (array, found) = Array::open_1d(reader)?;
        if found != len as u64 {
            return Err(MatrixError::format("shape", format!("{len} items"), found.to_string()));
        }
        array.integers(found)
    })
}

/// What `read` makes of a member; errors name the member.
fn member<T>(
    archive: &mut ZipArchive<impl Read + Seek>,
    name: &str,
    read: impl FnOnce(&mut dyn Read) -> Result<T, MatrixError>,
) -> Result<T, MatrixError> {
    let mut file = archive.by_name(name).map_err(|error| zip_error(name, error))?;
    read(&mut file).map_err(|error| match error {
        MatrixError::Io(error) => io::Error::new(error.kind(), format!("{name}: {error}")).into(),
        MatrixError::Format { at, expected, found } => {
            MatrixError::Format { at: format!("{name}: {at}"), expected, found }
        }
        other => other,
    })
}

fn int32<'a>(what: &str, values: &'a [u32]) -> Result<impl Iterator<Item = [u8; 4]> + use<'a>, MatrixError> {
    match values.iter().find(|&&value| i32::try_from(value).is_err()) {
        Some(value) => Err(MatrixError::format(what, "numbers that fit int32", value.to_string())),
        None => Ok(values.iter().map(|value| value.to_le_bytes())),
    }
}

fn start(zip: &mut ZipWriter<impl Write + Seek>, name: &str) -> Result<(), MatrixError> {
    // Clock and platform must not show in the bytes.
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .compression_level(Some(6))
        .last_modified_time(DateTime::DEFAULT)
        .system(System::Unix)
        .unix_permissions(0o644);
    zip.start_file(name, options).map_err(|error| zip_error(name, error))
}

fn zip_error(at: &str, error: ZipError) -> MatrixError {
    match error {
        ZipError::Io(error) => MatrixError::Io(error),
        ZipError::FileNotFound => MatrixError::format(at, "a member of this name", "none"),
        other => MatrixError::format(at, "a readable zip archive", other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    type Members<'a> = Vec<(&'a str, Vec<u8>)>;

    fn npy<const SIZE: usize>(descr: &str, shape: &[usize], items: &[[u8; SIZE]]) -> Vec<u8> {
        let mut out = Vec::new();
        write_array(&mut out, descr, shape, items.iter().copied()).unwrap();
        out
    }

    fn i32s(values: &[i32]) -> Vec<u8> {
        let items: Vec<_> = values.iter().map(|value| value.to_le_bytes()).collect();
        npy("<i4", &[values.len()], &items)
    }

    fn archive(members: &Members<'_>, method: CompressionMethod) -> Vec<u8> {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, bytes) in members {
            zip.start_file(*name, SimpleFileOptions::default().compression_method(method)).unwrap();
            zip.write_all(bytes).unwrap();
        }
        zip.finish().unwrap().into_inner()
    }

    fn load(members: &Members<'_>) -> Result<SparseMatrix, MatrixError> {
        read(Cursor::new(archive(members, CompressionMethod::Stored)))
    }

    fn small() -> SparseMatrix {
        SparseMatrix::from_rows(4, vec![vec![0, 2, 3], vec![], vec![1, 2]]).unwrap()
    }

    /// [`small`] as CSR with an even value (row 1, column 0).
    fn csr() -> Members<'static> {
        vec![
            ("indices.npy", i32s(&[3, 0, 2, 0, 1, 2])),
            ("indptr.npy", i32s(&[0, 3, 4, 6])),
            ("format.npy", npy("|S3", &[], &[*b"csr"])),
            ("shape.npy", i32s(&[3, 4])),
            ("data.npy", npy("|i1", &[6], &[[1], [3], [255], [2], [1], [1]])),
        ]
    }

    fn coo() -> Members<'static> {
        let data: Vec<_> =
            [1.0f64, 0.0, -3.0, 1.0, 1.0, 1.0].iter().map(|value| value.to_le_bytes()).collect();
        vec![
            ("row.npy", i32s(&[0, 0, 2, 0, 2, 0])),
            ("col.npy", i32s(&[2, 2, 1, 0, 2, 3])),
            ("format.npy", npy("<U3", &[], &[*b"c\0\0\0o\0\0\0o\0\0\0"])),
            ("shape.npy", i32s(&[3, 4])),
            ("data.npy", npy("<f8", &[6], &data)),
        ]
    }

    fn with(mut members: Members<'static>, name: &str, bytes: &[u8]) -> String {
        members.iter_mut().filter(|member| member.0 == name).for_each(|member| member.1 = bytes.to_vec());
        load(&members).unwrap_err().to_string()
    }

    #[test]
    fn written_and_read_again_the_same_each_time() {
        let written = || {
            let mut out = Cursor::new(Vec::new());
            write(&small(), &mut out).unwrap();
            out.into_inner()
        };
        assert_eq!(read(Cursor::new(written())).unwrap(), small());
        assert_eq!(written(), written());
    }

    #[test]
    fn every_form_is_read() {
        for method in [CompressionMethod::Stored, CompressionMethod::Deflated] {
            assert_eq!(read(Cursor::new(archive(&csr(), method))).unwrap(), small());
            assert_eq!(read(Cursor::new(archive(&coo(), method))).unwrap(), small());
        }
        let mut csc = csr();
        csc[0].1 = i32s(&[0, 2, 2, 0, 1, 0]);
        csc[1].1 = i32s(&[0, 1, 2, 5, 6]);
        csc[2].1 = npy("|S3", &[], &[*b"csc"]);
        csc[4].1 = npy("|b1", &[6], &[[1], [1], [1], [1], [0], [1]]);
        assert_eq!(load(&csc).unwrap(), small());
    }

    #[test]
    fn a_cut_or_damaged_archive_is_refused() {
        for whole in
            [archive(&csr(), CompressionMethod::Stored), archive(&csr(), CompressionMethod::Deflated)]
        {
            for end in 0..whole.len() {
                assert!(read(Cursor::new(&whole[..end])).is_err(), "{end}");
            }
            // No flipped bit may panic, nor change the matrix unseen.
            for position in 0..whole.len() {
                let mut damaged = whole.clone();
                damaged[position] ^= 0x11;
                if let Ok(matrix) = read(Cursor::new(damaged)) {
                    assert_eq!(matrix, small(), "{position}");
                }
            }
        }
    }

    #[test]
    fn errors_name_the_member() {
        let cases = [
            (
                csr(),
                "format.npy",
                npy("|S3", &[], &[*b"bsr"]),
                "format.npy: expected csr, csc or coo, found \"bsr\"",
            ),
            (csr(), "shape.npy", i32s(&[3, 4, 5]), "shape.npy: shape: expected 2 items, found 3"),
            (
                csr(),
                "shape.npy",
                i32s(&[3, -4]),
                "shape.npy: item 1: expected 0 or more, below 2^64, found -4",
            ),
            (csr(), "shape.npy", i32s(&[3, 3]), "row 0: column 3 is outside a matrix of 3 columns"),
            (csr(), "shape.npy", i32s(&[2, 4]), "indptr.npy: shape: expected 3 items, found 4"),
            (csr(), "indptr.npy", i32s(&[1, 3, 4, 6]), "indptr.npy: expected 0 at the beginning, found 1"),
            (
                csr(),
                "indptr.npy",
                i32s(&[0, 4, 3, 6]),
                "indptr.npy: expected numbers that ascend to at most 6, found 4 to 3",
            ),
            (
                csr(),
                "indptr.npy",
                i32s(&[0, 3, 4, 7]),
                "indptr.npy: expected numbers that ascend to at most 6, found 4 to 7",
            ),
            (csr(), "indices.npy", i32s(&[3, 0, 3, 0, 1, 2]), "row 0: column 3 occurs twice"),
            (csr(), "indices.npy", i32s(&[3, 0]), "indices.npy: shape: expected 6 items, found 2"),
            (
                csr(),
                "data.npy",
                npy("<c8", &[1], &[[0; 8]]),
                "data.npy: dtype: expected a bool, integer, float32 or float64 dtype, found \"<c8\"",
            ),
            (
                csr(),
                "data.npy",
                npy("|u1", &[1 << 40], &[[1]]),
                "data.npy: shape: expected at most 67108864 items, found 1099511627776",
            ),
            (
                csr(),
                "data.npy",
                npy("|u1", &[2, 3], &[[1]; 6]),
                "data.npy: shape: expected one dimension, found (2, 3)",
            ),
            (
                csr(),
                "data.npy",
                npy("<f4", &[1], &[0.5f32.to_le_bytes()]),
                "data.npy: item 0: expected a whole number, found 0.5",
            ),
            (coo(), "row.npy", i32s(&[0, 0, 3, 0, 2, 0]), "row.npy: expected row numbers below 3, found 3"),
            (coo(), "col.npy", i32s(&[2, 2, 9, 0, 2, 3]), "row 2: column 9 is outside a matrix of 4 columns"),
        ];
        for (members, name, bytes, expected) in cases {
            assert_eq!(with(members, name, &bytes), expected);
        }
        assert_eq!(
            load(&csr()[1..].to_vec()).unwrap_err().to_string(),
            "indices.npy: expected a member of this name, found none"
        );
    }
}
