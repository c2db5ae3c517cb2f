//! Tables of 0 and 1, read some rows at a time.

use std::fmt::Display;
use std::io::Read;

use super::{Array, Item, MatrixError, fill};

/// A 2-d array of 0 and 1 with columns that have names, as far as it was read.
#[derive(Debug)]
pub(crate) struct Table<R, const COLUMNS: usize> {
    array: Array<R>,
    names: [&'static str; COLUMNS],
    rows: u64,
    /// Rows that were read.
    done: u64,
    buffer: Vec<u8>,
}

impl<R: Read, const COLUMNS: usize> Table<R, COLUMNS> {
    /// Reads the header.
    ///
    /// # Errors
    /// [`MatrixError::Format`] unless the array has one column for each name, rows that lie together, and a dtype of
    /// bool or integers.
    pub(crate) fn open(reader: R, names: [&'static str; COLUMNS]) -> Result<Self, MatrixError> {
        let array = Array::open(reader)?;
        array.require("biu", "a bool or integer dtype")?;
        let rows = match array.header.shape[..] {
            [rows, columns] if columns == COLUMNS as u64 => rows,
            _ => {
                let expected = format!("(rows, {COLUMNS})");
                return Err(MatrixError::format("shape", expected, array.header.shape_text()));
            }
        };
        if array.header.fortran_order {
            let expected = "False, one row after the other (numpy.ascontiguousarray)";
            return Err(MatrixError::format("fortran_order", expected, "True"));
        }
        Ok(Self { array, names, rows, done: 0, buffer: Vec::new() })
    }

    /// Rows of the whole table.
    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    /// Visits the next rows, at most `most`, and says how many there were: none at the end. `visit` is given a row's
    /// number among them and its values; it may refuse one by its column and what it expected.
    ///
    /// # Errors
    /// [`MatrixError::Format`] for another number than 0 and 1, one that was refused, and a table that ends early or
    /// goes on behind its last row. Nothing more is read then.
    pub(crate) fn read(
        &mut self,
        most: usize,
        visit: impl FnMut(usize, &[u8; COLUMNS]) -> Result<(), (usize, &'static str)>,
    ) -> Result<usize, MatrixError> {
        let result = self.rows_of(most, visit);
        if result.is_err() {
            self.done = self.rows;
        }
        result
    }

    fn rows_of(
        &mut self,
        most: usize,
        mut visit: impl FnMut(usize, &[u8; COLUMNS]) -> Result<(), (usize, &'static str)>,
    ) -> Result<usize, MatrixError> {
        let (names, before) = (self.names, self.done);
        let refuse = |row: usize, column: usize, expected: &str, found: &dyn Display| {
            let name = names.get(column).copied().unwrap_or_default();
            MatrixError::format(format!("row {}, {name}", before + row as u64), expected, found.to_string())
        };
        let rows = (self.rows - self.done).min(most as u64) as usize;
        let size = self.array.header.size;
        let width = COLUMNS * size;
        self.buffer.resize(rows * width, 0);
        let complete = fill(&mut self.array.reader, &mut self.buffer)? / width;
        for (row, bytes) in self.buffer.chunks_exact(width).take(complete).enumerate() {
            let mut values = [0; COLUMNS];
            for (column, (value, bytes)) in values.iter_mut().zip(bytes.chunks_exact(size)).enumerate() {
                *value = match (self.array.header.kind, bytes) {
                    ('b' | 'u', &[byte @ (0 | 1)]) => byte,
                    _ => match self.array.header.item(bytes) {
                        Item::Integer(bit @ (0 | 1)) => bit as u8,
                        other => return Err(refuse(row, column, "0 or 1", &other)),
                    },
                };
            }
            visit(row, &values).map_err(|(column, expected)| {
                refuse(row, column, expected, &values.get(column).copied().unwrap_or_default())
            })?;
        }
        self.done += complete as u64;
        if complete < rows {
            let (expected, found) = (format!("{} rows", self.rows), self.done.to_string());
            return Err(MatrixError::format("data", expected, found));
        }
        if rows > 0 && self.done == self.rows {
            self.array.finish()?;
        }
        Ok(rows)
    }
}

/// The bytes before the rows of a table of uint8, which follow as they are.
pub(crate) fn start(rows: usize, columns: usize) -> Vec<u8> {
    super::start("|u1", &[rows, columns])
}
