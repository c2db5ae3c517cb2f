//! Sparse parity-check matrix without structure, owned: what the file formats read and write.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
#[cfg(not(target_arch = "wasm32"))]
use std::io;

use caligo_core::code::{Code, CodeError, MAX_LENGTH, SparseCode};

/// Largest number of ones a matrix file may hold.
pub const MAX_ENTRIES: usize = 1 << 26;

/// Why a matrix, mask or index file was refused. Rows and columns count from 0.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MatrixError {
    /// Reading or writing failed.
    #[cfg(not(target_arch = "wasm32"))]
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The contents do not follow the format.
    #[error("{at}: expected {expected}, found {found}")]
    Format {
        /// Line, archive member, field or position.
        at: String,
        /// What belongs there.
        expected: String,
        /// What stands there.
        found: String,
    },
    /// An entry lies outside the matrix.
    #[error("row {row}: column {column} is outside a matrix of {n} columns")]
    OutOfRange {
        /// Row of the entry.
        row: usize,
        /// Column of the entry.
        column: u64,
        /// Columns of the matrix.
        n: usize,
    },
    /// An entry occurs twice.
    #[error("row {row}: column {column} occurs twice")]
    Duplicate {
        /// Row of the entry.
        row: usize,
        /// Column of the entry.
        column: u32,
    },
    /// The matrix is well formed but no code the decoders take.
    #[error(transparent)]
    Code(#[from] CodeError),
}

impl MatrixError {
    /// [`MatrixError::Format`].
    pub fn format(at: impl Into<String>, expected: impl Into<String>, found: impl Into<String>) -> Self {
        Self::Format { at: at.into(), expected: expected.into(), found: found.into() }
    }
}

/// Text from a file, made fit for a one-line message.
pub fn quote(text: &str) -> String {
    const SHOWN: usize = 40;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{:?}...", &text[..end]),
        None => format!("{text:?}"),
    }
}

/// Checks that a matrix has at least one row and column and at most [`MAX_LENGTH`] of each.
///
/// # Errors
/// [`MatrixError::Format`] at `at` if it has not.
pub fn check_shape(at: &str, m: u64, n: u64) -> Result<(usize, usize), MatrixError> {
    let side = |x: u64| usize::try_from(x).ok().filter(|x| (1..=MAX_LENGTH).contains(x));
    side(m).zip(side(n)).ok_or_else(|| {
        MatrixError::format(
            at,
            format!("1 to {MAX_LENGTH} rows and columns"),
            format!("{m} rows, {n} columns"),
        )
    })
}

/// Sparse binary matrix in compressed rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SparseMatrix {
    /// Columns.
    pub n: usize,
    /// First entry of each row, and the number of entries at the end.
    pub row_start: Vec<u32>,
    /// Column of each entry, row by row, strictly ascending in each row.
    pub columns: Vec<u32>,
}

impl SparseMatrix {
    /// The matrix of `n` columns with ones in the columns listed for each row, in any order.
    ///
    /// # Errors
    /// [`MatrixError::OutOfRange`] or [`MatrixError::Duplicate`] names the first bad entry;
    /// [`MatrixError::Format`] if there are more than [`MAX_ENTRIES`] entries.
    pub fn from_rows(n: usize, rows: Vec<Vec<u32>>) -> Result<Self, MatrixError> {
        let entries: usize = rows.iter().map(Vec::len).sum();
        if entries > MAX_ENTRIES {
            return Err(MatrixError::format(
                "matrix",
                format!("at most {MAX_ENTRIES} entries"),
                entries.to_string(),
            ));
        }
        let mut row_start = Vec::with_capacity(rows.len() + 1);
        let mut columns = Vec::with_capacity(entries);
        row_start.push(0);
        for (row, mut list) in rows.into_iter().enumerate() {
            list.sort_unstable();
            if let Some(&column) = list.iter().find(|&&column| column as usize >= n) {
                return Err(MatrixError::OutOfRange { row, column: column.into(), n });
            }
            if let Some(pair) = list.windows(2).find(|pair| pair[0] == pair[1]) {
                return Err(MatrixError::Duplicate { row, column: pair[0] });
            }
            columns.append(&mut list);
            // At most MAX_ENTRIES.
            row_start.push(columns.len() as u32);
        }
        Ok(Self { n, row_start, columns })
    }

    /// The matrix of a code view.
    pub fn from_code(code: &Code<'_>) -> Self {
        let mut row_start = Vec::with_capacity(code.m() + 1);
        let mut columns = Vec::with_capacity(code.edges());
        row_start.push(0);
        for check in 0..code.m() {
            code.neighbours(check, |variable| columns.push(variable as u32));
            row_start.push(columns.len() as u32);
        }
        Self { n: code.n(), row_start, columns }
    }

    /// A validated view.
    ///
    /// # Errors
    /// [`CodeError`] if the decoders do not take the matrix.
    pub fn code(&self) -> Result<SparseCode<'_>, CodeError> {
        SparseCode::new(self.n, &self.row_start, &self.columns)
    }

    /// Rows.
    pub fn m(&self) -> usize {
        self.row_start.len().saturating_sub(1)
    }

    /// Number of ones.
    pub fn entries(&self) -> usize {
        self.columns.len()
    }

    /// Columns of row `i`, ascending; nothing if there is no such row.
    pub fn row(&self, i: usize) -> &[u32] {
        match self.row_start.get(i..).unwrap_or_default() {
            &[start, end, ..] => self.columns.get(start as usize..end as usize).unwrap_or_default(),
            _ => &[],
        }
    }

    /// Number of ones in each column.
    pub fn column_degrees(&self) -> Vec<u32> {
        let mut degrees = vec![0; self.n];
        for &column in &self.columns {
            if let Some(degree) = degrees.get_mut(column as usize) {
                *degree += 1;
            }
        }
        degrees
    }

    /// The matrix with rows and columns exchanged.
    #[must_use]
    pub fn transpose(&self) -> Self {
        let mut row_start = Vec::with_capacity(self.n + 1);
        let mut next = Vec::with_capacity(self.n);
        let mut total = 0;
        row_start.push(0);
        for degree in self.column_degrees() {
            next.push(total);
            total += degree;
            row_start.push(total);
        }
        let mut columns = vec![0; total as usize];
        for row in 0..self.m() {
            for &column in self.row(row) {
                if let Some(slot) = next.get_mut(column as usize) {
                    columns[*slot as usize] = row as u32;
                    *slot += 1;
                }
            }
        }
        Self { n: self.m(), row_start, columns }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small() -> SparseMatrix {
        SparseMatrix::from_rows(5, vec![vec![4, 0, 2], vec![], vec![1, 0]]).unwrap()
    }

    #[test]
    fn rows_are_sorted_and_found_again() {
        let matrix = small();
        assert_eq!((matrix.m(), matrix.entries()), (3, 5));
        assert_eq!(matrix.row(0), [0, 2, 4]);
        assert!(matrix.row(1).is_empty());
        assert_eq!(matrix.row(2), [0, 1]);
        assert!(matrix.row(3).is_empty());
        assert_eq!(matrix.column_degrees(), [2, 1, 1, 0, 1]);
    }

    #[test]
    fn transposing_twice_changes_nothing() {
        let matrix = small();
        let transposed = matrix.transpose();
        assert_eq!((transposed.m(), transposed.n), (5, 3));
        assert_eq!(transposed.row(0), [0, 2]);
        assert_eq!(transposed.transpose(), matrix);
    }

    #[test]
    fn a_code_and_back() {
        let matrix = small();
        assert_eq!(SparseMatrix::from_code(&matrix.code().unwrap().into()), matrix);
    }

    #[test]
    fn a_square_matrix_is_no_code() {
        let matrix = SparseMatrix::from_rows(1, vec![vec![0]]).unwrap();
        assert_eq!(matrix.code(), Err(CodeError::Shape));
    }

    #[test]
    fn bad_entries_are_named() {
        let outside = SparseMatrix::from_rows(3, vec![vec![0], vec![1, 3]]).unwrap_err();
        assert_eq!(outside.to_string(), "row 1: column 3 is outside a matrix of 3 columns");
        let twice = SparseMatrix::from_rows(3, vec![vec![2, 0, 2]]).unwrap_err();
        assert_eq!(twice.to_string(), "row 0: column 2 occurs twice");
    }

    #[test]
    fn quoted_text_stays_short_and_on_one_line() {
        assert_eq!(quote("a\nb"), r#""a\nb""#);
        assert!(quote(&"é".repeat(1000)).chars().count() < 50);
    }
}
