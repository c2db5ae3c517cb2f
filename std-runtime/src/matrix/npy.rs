//! `NumPy`'s array file, as far as masks, index lists, key bits, sparse matrices and recorded pairs need it.
//!
//! The header is read here, strictly and within a fixed bound: it names the size of everything that
//! follows and may come from anyone.

pub(crate) mod table;

use std::io::{self, ErrorKind, Read, Write};
use std::path::Path;

use super::sparse::{MatrixError, quote};

const MAGIC: &[u8; 6] = b"\x93NUMPY";
/// Longest header text in bytes, the limit `NumPy` itself keeps.
const MAX_HEADER: u32 = 10_000;
/// Longest text item in characters; the texts that occur are names of three letters.
const MAX_TEXT: usize = 16;

/// Whether a file of this name and first bytes is an array: one of the two says so.
pub fn is_npy(path: &Path, start: &[u8]) -> bool {
    start.starts_with(MAGIC) || path.extension().is_some_and(|e| e == "npy")
}

/// Reads a 1-d array of 0 and 1 (bool or any integer dtype), true for 1.
///
/// # Errors
/// [`MatrixError::Format`] for anything else: names the position and value of the first other number,
/// or the shape of an array that is not 1-d.
pub fn read_mask(reader: impl Read) -> Result<Vec<bool>, MatrixError> {
    let (array, len) = Array::open_1d(reader)?;
    array.require("biu", "a bool or integer dtype")?;
    let mut bits = Vec::new();
    array.each(len, |position, item| match item {
        Item::Integer(value @ (0 | 1)) => {
            bits.push(value == 1);
            Ok(())
        }
        other => Err(at(position, "0 or 1", other)),
    })?;
    Ok(bits)
}

/// Reads key bits, one item each: the same arrays as [`read_mask`].
///
/// # Errors
/// As [`read_mask`].
pub fn read_bits(reader: impl Read) -> Result<Vec<bool>, MatrixError> {
    read_mask(reader)
}

/// Reads a 1-d array of numbers from 0 to 255 (bool or any integer dtype).
///
/// # Errors
/// [`MatrixError::Format`] names the position and value of the first other number, or the shape of an array
/// that is not 1-d.
pub fn read_bytes(reader: impl Read) -> Result<Vec<u8>, MatrixError> {
    let (array, len) = Array::open_1d(reader)?;
    array.require("biu", "a bool or integer dtype")?;
    let mut bytes = Vec::new();
    array.each(len, |position, item| {
        let byte = match item {
            Item::Integer(value) => u8::try_from(value).ok(),
            Item::Float(_) => None,
        };
        bytes.push(byte.ok_or_else(|| at(position, "0 to 255", item))?);
        Ok(())
    })?;
    Ok(bytes)
}

/// Reads a 1-d array of indices of any integer dtype.
///
/// # Errors
/// [`MatrixError::Format`] names the position of the first negative number, or the shape of an array
/// that is not 1-d.
pub fn read_indices(reader: impl Read) -> Result<Vec<u64>, MatrixError> {
    let (array, len) = Array::open_1d(reader)?;
    array.integers(len)
}

/// Writes a mask as a 1-d array of uint8, 1 for true.
///
/// # Errors
/// Those of `out`.
pub fn write_mask(mask: &[bool], mut out: impl Write) -> io::Result<()> {
    write_array(&mut out, "|u1", &[mask.len()], mask.iter().map(|&bit| [u8::from(bit)]))?;
    out.flush()
}

/// Writes bytes as a 1-d array of uint8.
///
/// # Errors
/// Those of `out`.
pub fn write_bytes(bytes: &[u8], mut out: impl Write) -> io::Result<()> {
    write_array(&mut out, "|u1", &[bytes.len()], bytes.iter().map(|&byte| [byte]))?;
    out.flush()
}

/// Writes indices as a 1-d array of int64.
///
/// # Errors
/// [`ErrorKind::InvalidInput`] if an index is above `i64::MAX`; those of `out`.
pub fn write_indices(indices: &[u64], mut out: impl Write) -> io::Result<()> {
    if let Some(index) = indices.iter().find(|&&index| i64::try_from(index).is_err()) {
        let message = format!("index {index} does not fit int64");
        return Err(io::Error::new(ErrorKind::InvalidInput, message));
    }
    write_array(&mut out, "<i8", &[indices.len()], indices.iter().map(|index| index.to_le_bytes()))?;
    out.flush()
}

/// Writes a C-ordered array whose items are already bytes of the dtype `descr`.
pub(super) fn write_array<const SIZE: usize>(
    out: &mut impl Write,
    descr: &str,
    shape: &[usize],
    items: impl Iterator<Item = [u8; SIZE]>,
) -> io::Result<()> {
    let mut buffer = start(descr, shape);
    for item in items {
        if buffer.len() >= 1 << 16 {
            out.write_all(&buffer)?;
            buffer.clear();
        }
        buffer.extend(item);
    }
    out.write_all(&buffer)
}

/// The bytes before the data of a C-ordered array.
fn start(descr: &str, shape: &[usize]) -> Vec<u8> {
    let mut header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': (");
    for side in shape {
        header += &side.to_string();
        header.push(',');
    }
    header.push_str("), }");
    // The data begins at a multiple of 64 bytes, after magic, version and length.
    let padding = 63 - (MAGIC.len() + 4 + header.len()) % 64;
    header.extend(std::iter::repeat_n(' ', padding));
    header.push('\n');
    let mut buffer = MAGIC.to_vec();
    buffer.extend([1, 0]);
    // Three sides of at most 20 digits and a short descr stay far below u16.
    buffer.extend((header.len() as u16).to_le_bytes());
    buffer.extend(header.bytes());
    buffer
}

/// One number of an array.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Item {
    /// Of a bool or integer dtype.
    Integer(i128),
    /// Of a float dtype.
    Float(f64),
}

impl std::fmt::Display for Item {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Integer(value) => value.fmt(f),
            Self::Float(value) => value.fmt(f),
        }
    }
}

pub(super) fn at(position: u64, expected: impl Into<String>, found: Item) -> MatrixError {
    MatrixError::format(format!("item {position}"), expected, found.to_string())
}

/// An array whose header is read and whose data is not.
#[derive(Debug)]
pub(super) struct Array<R> {
    header: Header,
    reader: R,
}

impl<R: Read> Array<R> {
    /// Reads the header.
    pub(super) fn open(mut reader: R) -> Result<Self, MatrixError> {
        Ok(Self { header: Header::read(&mut reader)?, reader })
    }

    /// Reads the header of a 1-d array; also returns the array's length.
    pub(super) fn open_1d(reader: R) -> Result<(Self, u64), MatrixError> {
        let array = Self::open(reader)?;
        match array.header.shape[..] {
            [len] => Ok((array, len)),
            _ => Err(MatrixError::format("shape", "one dimension", array.header.shape_text())),
        }
    }

    /// Checks that the dtype's letter is one of `kinds`.
    pub(super) fn require(&self, kinds: &str, expected: &str) -> Result<(), MatrixError> {
        let Header { descr, kind, size, .. } = &self.header;
        let sizes: &[usize] = match kind {
            'b' => &[1],
            'i' | 'u' => &[1, 2, 4, 8],
            'f' => &[4, 8],
            _ => &[],
        };
        if kinds.contains(*kind) && sizes.contains(size) {
            Ok(())
        } else {
            Err(MatrixError::format("dtype", expected, quote(descr)))
        }
    }

    /// All `len` integers, converted to `T`.
    pub(super) fn integers<T: TryFrom<i128>>(self, len: u64) -> Result<Vec<T>, MatrixError> {
        self.require("iu", "an integer dtype")?;
        let mut values = Vec::new();
        self.each(len, |position, item| {
            let value = match item {
                Item::Integer(value) => T::try_from(value).ok(),
                Item::Float(_) => None,
            };
            let bits = 8 * size_of::<T>();
            values.push(value.ok_or_else(|| at(position, format!("0 or more, below 2^{bits}"), item))?);
            Ok(())
        })?;
        Ok(values)
    }

    /// Visits all `len` numbers with their positions. The dtype must have passed [`Self::require`].
    pub(super) fn each(
        mut self,
        len: u64,
        mut visit: impl FnMut(u64, Item) -> Result<(), MatrixError>,
    ) -> Result<(), MatrixError> {
        // A whole number of items of any size.
        let mut buffer = [0; 1 << 13];
        let per_chunk = (buffer.len() / self.header.size) as u64;
        let mut position = 0;
        while position < len {
            let items = per_chunk.min(len - position);
            let chunk = &mut buffer[..items as usize * self.header.size];
            let complete = fill(&mut self.reader, chunk)? / self.header.size;
            for bytes in chunk.chunks_exact(self.header.size).take(complete) {
                visit(position, self.header.item(bytes))?;
                position += 1;
            }
            if (complete as u64) < items {
                return Err(MatrixError::format("data", format!("{len} items"), format!("{position}")));
            }
        }
        self.finish()
    }

    /// The text of a 0-d array of bytes or str.
    pub(super) fn text(mut self) -> Result<String, MatrixError> {
        let Header { descr, kind, size, shape, .. } = &self.header;
        let width = match kind {
            'S' => 1,
            'U' => 4,
            _ => return Err(MatrixError::format("dtype", "bytes or str", quote(descr))),
        };
        if !shape.is_empty() {
            return Err(MatrixError::format("shape", "no dimension", self.header.shape_text()));
        }
        if *size > MAX_TEXT {
            return Err(MatrixError::format("dtype", format!("at most {MAX_TEXT} characters"), quote(descr)));
        }
        let mut bytes = vec![0; size * width];
        if fill(&mut self.reader, &mut bytes)? < bytes.len() {
            return Err(MatrixError::format("data", format!("{} bytes", bytes.len()), "fewer"));
        }
        let text: String = bytes
            .chunks_exact(width)
            .map(|unit| {
                char::from_u32(self.header.unsigned(unit) as u32).unwrap_or(char::REPLACEMENT_CHARACTER)
            })
            .collect();
        self.finish()?;
        Ok(text.trim_end_matches('\0').to_owned())
    }

    /// Checks that the data ends here; in an archive this also makes the checksum be looked at.
    fn finish(&mut self) -> Result<(), MatrixError> {
        match fill(&mut self.reader, &mut [0])? {
            0 => Ok(()),
            _ => Err(MatrixError::format("data", "the end after the last item", "more bytes")),
        }
    }
}

/// Reads until `buffer` is full or the input ends; returns the bytes read.
fn fill(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// What an array's header says.
#[derive(Debug)]
struct Header {
    descr: String,
    kind: char,
    /// The number in `descr`, never 0: bytes of an item, or characters of a str.
    size: usize,
    big_endian: bool,
    /// Whether columns come first; without meaning for arrays of one dimension or none.
    fortran_order: bool,
    shape: Vec<u64>,
}

impl Header {
    fn read(reader: &mut impl Read) -> Result<Self, MatrixError> {
        let mut start = [0; 8];
        if fill(reader, &mut start)? < start.len() || !start.starts_with(MAGIC) {
            return Err(MatrixError::format("start", "a NumPy array (.npy)", "other bytes"));
        }
        let length_size = match start[6] {
            1 => 2,
            2 | 3 => 4,
            version => {
                return Err(MatrixError::format("format version", "1, 2 or 3", version.to_string()));
            }
        };
        let cut = || MatrixError::format("header", "its whole length", "the end of the data");
        let mut length = [0; 4];
        if fill(reader, &mut length[..length_size])? < length_size {
            return Err(cut());
        }
        let length = u32::from_le_bytes(length);
        if length > MAX_HEADER {
            let expected = format!("at most {MAX_HEADER} bytes");
            return Err(MatrixError::format("header", expected, length.to_string()));
        }
        let mut text = vec![0; length as usize];
        if fill(reader, &mut text)? < text.len() {
            return Err(cut());
        }
        let text = String::from_utf8_lossy(&text);
        Self::parse(&text).ok_or_else(|| {
            let expected = "descr (a plain dtype), fortran_order and shape";
            MatrixError::format("header", expected, quote(text.trim_end()))
        })
    }

    /// Takes the dictionary literal apart that `NumPy` writes, whatever the order of its keys.
    fn parse(text: &str) -> Option<Self> {
        let (mut descr, mut shape, mut fortran_order) = (None, None, false);
        let mut scan = Scan(text);
        scan.expect("{")?;
        while scan.expect("}").is_none() {
            let key = scan.string()?;
            scan.expect(":")?;
            match key {
                "descr" => descr = Some(scan.string()?),
                "shape" => shape = Some(scan.tuple()?),
                "fortran_order" => {
                    fortran_order = scan.expect("True").is_some();
                    if !fortran_order {
                        scan.expect("False")?;
                    }
                }
                _ => return None,
            }
            if scan.expect(",").is_none() {
                scan.expect("}")?;
                break;
            }
        }
        if !scan.0.trim_ascii().is_empty() {
            return None;
        }
        let descr = descr?;
        let mut letters = descr.chars();
        let big_endian = match letters.next()? {
            '>' => true,
            '<' | '|' => false,
            _ => return None,
        };
        let kind = letters.next()?;
        // Units, as of a datetime64, are not taken: nothing here reads them.
        let size = letters.as_str().parse().ok().filter(|&size| size > 0)?;
        Some(Self { descr: descr.to_owned(), kind, size, big_endian, fortran_order, shape: shape? })
    }

    fn shape_text(&self) -> String {
        let sides: Vec<String> = self.shape.iter().map(u64::to_string).collect();
        quote(&format!("({})", sides.join(", "))).replace('"', "")
    }

    /// At most eight bytes as an unsigned number.
    fn unsigned(&self, bytes: &[u8]) -> u64 {
        let push = |value: u64, &byte: &u8| value << 8 | u64::from(byte);
        if self.big_endian { bytes.iter().fold(0, push) } else { bytes.iter().rev().fold(0, push) }
    }

    fn item(&self, bytes: &[u8]) -> Item {
        let raw = self.unsigned(bytes);
        match (self.kind, bytes.len()) {
            ('i', 1) => Item::Integer((raw as i8).into()),
            ('i', 2) => Item::Integer((raw as i16).into()),
            ('i', 4) => Item::Integer((raw as i32).into()),
            ('i', _) => Item::Integer((raw as i64).into()),
            ('f', 4) => Item::Float(f32::from_bits(raw as u32).into()),
            ('f', _) => Item::Float(f64::from_bits(raw)),
            _ => Item::Integer(raw.into()),
        }
    }
}

/// What is left of a header's text.
struct Scan<'a>(&'a str);

impl<'a> Scan<'a> {
    fn expect(&mut self, token: &str) -> Option<()> {
        self.0 = self.0.trim_ascii_start().strip_prefix(token)?;
        Some(())
    }

    /// A string without escapes.
    fn string(&mut self) -> Option<&'a str> {
        let text = self.0.trim_ascii_start();
        let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
        let (string, rest) = text[1..].split_once(quote)?;
        self.0 = rest;
        (!string.contains('\\')).then_some(string)
    }

    /// A tuple of numbers.
    fn tuple(&mut self) -> Option<Vec<u64>> {
        self.expect("(")?;
        let mut numbers = Vec::new();
        while self.expect(")").is_none() {
            let text = self.0.trim_ascii_start();
            let end = text.find(|c: char| !c.is_ascii_digit())?;
            numbers.push(text[..end].parse().ok()?);
            self.0 = &text[end..];
            // Python 2 marked long integers.
            let _: Option<()> = self.expect("L");
            if self.expect(",").is_none() {
                self.expect(")")?;
                break;
            }
        }
        Some(numbers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(descr: &str, shape: &[usize], data: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        write_array(&mut out, descr, shape, data.iter().map(|&byte| [byte])).unwrap();
        out
    }

    fn message<T: std::fmt::Debug>(result: Result<T, MatrixError>) -> String {
        result.unwrap_err().to_string()
    }

    #[test]
    fn masks_round_trip() {
        for len in [0, 1, 7, 8191, 8192, 8193, 100_000] {
            let mask: Vec<bool> = (0..len).map(|i| i % 3 == 0).collect();
            let mut out = Vec::new();
            write_mask(&mask, &mut out).unwrap();
            assert_eq!(out.len() % 64, len % 64);
            assert_eq!(read_mask(&out[..]).unwrap(), mask);
            assert_eq!(read_bits(&out[..]).unwrap(), mask);
        }
    }

    #[test]
    fn bytes_round_trip() {
        let bytes: Vec<u8> = (0..20_000).map(|i| i as u8).collect();
        let mut out = Vec::new();
        write_bytes(&bytes, &mut out).unwrap();
        assert_eq!(read_bytes(&out[..]).unwrap(), bytes);
        assert_eq!(read_bytes(&file("|b1", &[2], &[1, 0])[..]).unwrap(), [1, 0]);
        for (bytes, expected) in [
            (file("|i1", &[2], &[1, 255]), "item 1: expected 0 to 255, found -1"),
            (file("<u2", &[1], &[44, 1]), "item 0: expected 0 to 255, found 300"),
            (file("<f4", &[1], &[0; 4]), "dtype: expected a bool or integer dtype, found \"<f4\""),
            (file("|u1", &[2, 1], &[0; 2]), "shape: expected one dimension, found (2, 1)"),
        ] {
            assert_eq!(message(read_bytes(&bytes[..])), expected);
        }
    }

    #[test]
    fn indices_round_trip() {
        let indices: Vec<u64> = (0..5000).map(|i| i * i * i).chain([i64::MAX as u64]).collect();
        let mut out = Vec::new();
        write_indices(&indices, &mut out).unwrap();
        assert_eq!(read_indices(&out[..]).unwrap(), indices);
        assert!(write_indices(&[u64::MAX], io::sink()).is_err());
    }

    #[test]
    fn any_integer_dtype_is_read() {
        assert_eq!(read_indices(&file("<u2", &[2], &[1, 2, 255, 255])[..]).unwrap(), [0x201, 0xffff]);
        assert_eq!(read_indices(&file(">i4", &[1], &[0, 0, 1, 2])[..]).unwrap(), [0x102]);
        assert_eq!(read_indices(&file("<u8", &[1], &[255; 8])[..]).unwrap(), [u64::MAX]);
        assert_eq!(read_mask(&file("|b1", &[2], &[1, 0])[..]).unwrap(), [true, false]);
        assert_eq!(read_mask(&file(">i2", &[2], &[0, 1, 0, 0])[..]).unwrap(), [true, false]);
    }

    #[test]
    fn a_cut_file_is_refused() {
        let whole = file("<i4", &[3], &[1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0]);
        assert_eq!(read_indices(&whole[..]).unwrap(), [1, 2, 3]);
        for end in 0..whole.len() {
            assert!(read_indices(&whole[..end]).is_err(), "{end}");
        }
        assert_eq!(message(read_indices(&whole[..whole.len() - 1])), "data: expected 3 items, found 2");
        let longer = [&whole[..], &[0]].concat();
        assert_eq!(
            message(read_indices(&longer[..])),
            "data: expected the end after the last item, found more bytes"
        );
    }

    #[test]
    fn wrong_arrays_are_named() {
        let cases = [
            (file("<f8", &[1], &[0; 8]), "dtype: expected an integer dtype, found \"<f8\""),
            (file("|O", &[1], &[]), "header: expected descr (a plain dtype), fortran_order and shape, found"),
            (file("<i8", &[2, 3], &[0; 48]), "shape: expected one dimension, found (2, 3)"),
            (file("<i8", &[], &[0; 8]), "shape: expected one dimension, found ()"),
            (file("|i1", &[2], &[3, 255]), "item 1: expected 0 or more, below 2^64, found -1"),
            (file("<i3", &[1], &[0; 3]), "dtype: expected an integer dtype, found \"<i3\""),
        ];
        for (bytes, expected) in cases {
            let found = message(read_indices(&bytes[..]));
            assert!(found.starts_with(expected), "{found}");
        }
        let two = file("|u1", &[3], &[1, 0, 2]);
        assert_eq!(message(read_bits(&two[..])), "item 2: expected 0 or 1, found 2");
        assert_eq!(
            message(read_bits(&b"01101"[..])),
            "start: expected a NumPy array (.npy), found other bytes"
        );
    }

    #[test]
    fn hostile_headers_are_refused() {
        // Claims that would exhaust memory if they were believed.
        let huge = file("|u1", &[usize::MAX], &[1]);
        assert!(message(read_bits(&huge[..])).ends_with("found 1"));
        assert!(read_bits(&file("|u1", &[usize::MAX, usize::MAX], &[])[..]).is_err());
        let mut header = b"\x93NUMPY\x02\x00".to_vec();
        header.extend(u32::MAX.to_le_bytes());
        assert_eq!(message(read_bits(&header[..])), "header: expected at most 10000 bytes, found 4294967295");
        for text in [
            "((((((((",
            "{",
            "{'descr': '<i4'",
            "{'shape': (",
            "{'shape': (99999999999999999999,)}",
            "{'descr': 'é1'}",
            "{'descr': '<', 'shape': (1,)}",
            "{'descr': '<i0', 'shape': (1,)}",
            "{'x': 1}",
            "{}",
            "{'descr': \"'}",
            "{'descr': '<i4', 'fortran_order': False, 'shape': (1,), } x",
        ] {
            assert!(Header::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn keys_come_in_any_order() {
        let header = Header::parse("{\"shape\":(3L,4),'fortran_order':True,'descr':'>u2'}\n").unwrap();
        assert_eq!((header.kind, header.size, header.big_endian), ('u', 2, true));
        assert_eq!((header.shape, header.fortran_order), (vec![3, 4], true));
    }

    #[test]
    fn texts_of_bytes_and_str() {
        let text = |bytes: Vec<u8>| Array::open(&bytes[..]).and_then(Array::text);
        assert_eq!(text(file("|S3", &[], b"csr")).unwrap(), "csr");
        assert_eq!(text(file("|S5", &[], b"coo\0\0")).unwrap(), "coo");
        assert_eq!(text(file("<U2", &[], b"a\0\0\0b\0\0\0")).unwrap(), "ab");
        assert_eq!(text(file(">U2", &[], b"\0\0\0a\0\0\0b")).unwrap(), "ab");
        assert!(text(file("|S3", &[], b"cs")).is_err());
        assert!(text(file("|S1000000", &[], b"cs")).is_err());
        assert!(text(file("<U3", &[1], &[0; 12])).is_err());
        assert!(text(file("<i4", &[], &[0; 4])).is_err());
    }
}
