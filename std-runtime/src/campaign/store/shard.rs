//! A shard: some rows in one immutable file, which is whole or is not.
//!
//! A line of JSON that says what follows; the rows; SHA-256 of all that. `docs/formats.md` has the layout.

use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::StoreError;
use crate::campaign::rows::{COLUMNS, Cell, Field, MAX_NAME, MAX_TEXT, Row, SCHEMA};
use crate::campaign::state::hexadecimal;

/// Name ending of shards.
pub(super) const ENDING: &str = "shard";

/// Largest shard in bytes that is read.
const MAX_BYTES: u64 = 1 << 30;

const FORMAT: &str = "caligo shard";

#[derive(Serialize, Deserialize)]
struct Head {
    format: String,
    schema: u64,
    /// Of the campaign's configuration.
    config: String,
    columns: Vec<String>,
    rows: u64,
}

/// The file of `rows`, which are put in order, of the campaign whose configuration has the hash `config`.
pub(super) fn encode(config: &str, rows: &mut [Row]) -> Result<Vec<u8>, serde_json::Error> {
    rows.sort_by_key(|row| row.index);
    let head = Head {
        format: FORMAT.into(),
        schema: SCHEMA,
        config: config.into(),
        columns: COLUMNS.iter().map(|column| column.name.into()).collect(),
        rows: rows.len() as u64,
    };
    let mut out = serde_json::to_vec(&head)?;
    out.push(b'\n');
    rows.iter().for_each(|row| out.extend(bytes_of(row)));
    let digest = Sha256::digest(&out);
    out.extend(digest);
    Ok(out)
}

/// A row as it stands in a shard.
pub(super) fn bytes_of(row: &Row) -> Vec<u8> {
    let mut out = Vec::new();
    row.inputs.iter().for_each(|input| out.extend(input.to_le_bytes()));
    for column in COLUMNS {
        match column.cell(row) {
            Cell::Whole(value) => out.extend(value.to_le_bytes()),
            Cell::Single(value) => out.extend(value.to_le_bytes()),
            Cell::Text(text) => {
                let text =
                    if matches!(column.field, Field::Name(..)) { name(text) } else { cut(text, MAX_TEXT) };
                out.extend((text.len() as u16).to_le_bytes());
                out.extend(text.as_bytes());
            }
        }
    }
    out
}

/// The first bytes of `text` that are a name.
fn name(text: &str) -> &str {
    let end = text.bytes().position(|byte| !byte.is_ascii_graphic()).unwrap_or(text.len());
    cut(text, end.min(MAX_NAME))
}

/// At most `most` bytes of `text`.
fn cut(text: &str, most: usize) -> &str {
    let mut end = text.len().min(most);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

/// The part of a shard's name that its content gives.
pub(super) fn digest_name(file: &[u8]) -> String {
    hexadecimal(file.last_chunk::<6>().map_or(&[], |end| end))
}

/// The bytes of the shard at `path`.
pub(super) fn bytes(path: &Path) -> Result<Vec<u8>, StoreError> {
    let io = |source| StoreError::Io { path: path.to_owned(), source };
    let len = std::fs::metadata(path).map_err(io)?.len();
    if len > MAX_BYTES {
        return Err(StoreError::damaged(path, format!("at most {MAX_BYTES} bytes"), format!("{len}")));
    }
    std::fs::read(path).map_err(io)
}

/// The rows of `file`, the content of `path`, in order.
pub(super) fn decode(path: &Path, file: &[u8], config: &str) -> Result<Vec<Row>, StoreError> {
    let damaged = |expected: &str, found: String| StoreError::damaged(path, expected.to_owned(), found);
    let end = file.iter().position(|&byte| byte == b'\n');
    let head = end.and_then(|end| file.split_at_checked(end + 1));
    let Some((head, _)) = head else {
        return Err(damaged("a shard", format!("{} bytes without its first line", file.len())));
    };
    let Ok(head) = serde_json::from_slice::<serde_json::Value>(head) else {
        return Err(damaged("a shard", "a first line that is not JSON".into()));
    };
    // Of another version, the head may have other fields.
    let schema = head.get("schema").and_then(serde_json::Value::as_u64);
    if head.get("format").and_then(serde_json::Value::as_str) != Some(FORMAT) {
        return Err(damaged("a shard", "another kind of file".into()));
    }
    if schema != Some(SCHEMA) {
        let found = schema.map_or_else(|| "none".to_owned(), |schema| schema.to_string());
        return Err(StoreError::Schema { path: path.to_owned(), found });
    }
    let head: Head =
        serde_json::from_value(head).map_err(|e| damaged("a shard's first line", e.to_string()))?;
    let digest = file.len().checked_sub(32).and_then(|at| file.split_at_checked(at));
    let Some((content, _)) = digest.filter(|(content, digest)| Sha256::digest(content)[..] == **digest)
    else {
        let found = format!("{} bytes with another one (cut off or changed)", file.len());
        return Err(damaged("a shard that ends with its SHA-256", found));
    };
    if head.config != config {
        return Err(StoreError::OtherCampaign {
            path: path.to_owned(),
            expected: config.into(),
            found: head.config,
        });
    }
    if !head.columns.iter().map(String::as_str).eq(COLUMNS.iter().map(|column| column.name)) {
        return Err(damaged("the columns of this version", head.columns.join(", ")));
    }
    let mut reader = Reader { rest: content.get(end.unwrap_or(0) + 1..).unwrap_or_default() };
    let mut rows: Vec<Row> = Vec::new();
    for number in 0..head.rows {
        let before = rows.last().map(|row| row.index);
        let row = reader.row().filter(|row| before.is_none_or(|before| before < row.index));
        rows.push(row.ok_or_else(|| damaged("rows in order", format!("row {number} that is not one")))?);
    }
    if reader.rest.is_empty() {
        Ok(rows)
    } else {
        Err(damaged(&format!("{} rows", head.rows), format!("{} bytes more", reader.rest.len())))
    }
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(*array)
    }

    fn text(&mut self) -> Option<&'a str> {
        let len = u16::from_le_bytes(self.array()?);
        let (text, rest) = self.rest.split_at_checked(len.into())?;
        self.rest = rest;
        std::str::from_utf8(text).ok()
    }

    fn row(&mut self) -> Option<Row> {
        let mut row = Row::new(0, 0, Default::default());
        for input in &mut row.inputs {
            *input = f32::from_le_bytes(self.array()?);
        }
        for column in COLUMNS {
            let cell = match column.field {
                Field::Whole(..) => Cell::Whole(u64::from_le_bytes(self.array()?)),
                Field::Single(..) => Cell::Single(f32::from_le_bytes(self.array()?)),
                Field::Name(..) | Field::Text(..) | Field::Outcome => Cell::Text(self.text()?),
            };
            column.set(&mut row, cell)?;
        }
        Some(row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<Row> {
        let row = |index: u64| Row {
            error_code: "qber_threshold".into(),
            detail: "ä".repeat(600),
            margin: -0.25,
            key_length: u64::MAX,
            ..Row::new(index, index % 3, [index as f32; 9])
        };
        [5, 1, 9].map(row).to_vec()
    }

    fn refused(file: &[u8], config: &str) -> String {
        decode(Path::new("f.shard"), file, config).unwrap_err().to_string()
    }

    #[test]
    fn rows_come_back_in_order() {
        let mut written = rows();
        let file = encode("abc", &mut written).unwrap();
        let read = decode(Path::new("f"), &file, "abc").unwrap();
        assert_eq!(read.iter().map(|row| row.index).collect::<Vec<_>>(), [1, 5, 9]);
        assert!(read.iter().zip(&written).all(|(a, b)| a.key_length == b.key_length && a.inputs == b.inputs));
        assert_eq!(read[0].detail.len(), MAX_TEXT);
        assert_eq!(encode("abc", &mut rows()).unwrap(), file);
        assert!(decode(Path::new("f"), &encode("abc", &mut []).unwrap(), "abc").unwrap().is_empty());
    }

    #[test]
    fn every_cut_and_every_change_is_refused() {
        let file = encode("abc", &mut rows()).unwrap();
        for len in 0..file.len() {
            assert!(decode(Path::new("f"), &file[..len], "abc").is_err(), "{len} bytes");
        }
        for at in 0..file.len() {
            let mut changed = file.clone();
            changed[at] ^= 1;
            assert!(decode(Path::new("f"), &changed, "abc").is_err(), "byte {at}");
        }
        let cut = refused(&file[..file.len() - 1], "abc");
        assert!(cut.starts_with("f.shard: expected a shard that ends with its SHA-256, found"), "{cut}");
    }

    #[test]
    fn refusals_name_what_was_expected() {
        let file = encode("abc", &mut rows()).unwrap();
        assert!(refused(&file, "abd").contains("another campaign"));
        assert!(refused(b"PK\x03\x04 ...\n", "abc").contains("expected a shard"));
        let text = String::from_utf8_lossy(&file).replacen("\"schema\":2", "\"schema\":3", 1);
        assert!(refused(text.as_bytes(), "abc").contains("schema version 2, found 3"));
    }
}
