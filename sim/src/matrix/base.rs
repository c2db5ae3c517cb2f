//! Base matrix of a quasi-cyclic code, owned: what the construction works on and what files hold.

use alloc::vec;
use alloc::vec::Vec;

use caligo_core::code::{Circulant, CodeError, QcCode};

/// Circulant positions and shifts, column by column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseMatrix {
    /// Circulant size.
    pub z: usize,
    /// Base rows.
    pub rows: usize,
    /// Per base column: `(row, shift)`, ascending in row.
    pub columns: Vec<Vec<(u16, u16)>>,
}

/// The tables of a [`QcCode`], owned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QcTables {
    z: usize,
    /// First circulant of each base row, and their number.
    pub row_start: Vec<u16>,
    /// Circulants, row by row.
    pub circulants: Vec<Circulant>,
    /// Shift of each column's last circulant.
    pub rest: Vec<u16>,
}

impl BaseMatrix {
    /// Number of circulants.
    pub fn circulants(&self) -> usize {
        self.columns.iter().map(Vec::len).sum()
    }

    /// Circulants in each base row.
    pub fn row_degrees(&self) -> Vec<usize> {
        let mut degrees = vec![0; self.rows];
        for &(row, _) in self.columns.iter().flatten() {
            degrees[row as usize] += 1;
        }
        degrees
    }

    /// The decoder's tables. They validate if every row index is below `rows`.
    pub fn tables(&self) -> QcTables {
        let mut rows: Vec<Vec<Circulant>> = vec![Vec::new(); self.rows];
        let mut rest = Vec::with_capacity(self.columns.len());
        for (column, entries) in self.columns.iter().enumerate() {
            let mut entries = entries.clone();
            entries.sort_unstable();
            let last = entries.last().map_or(0, |&(_, shift)| shift);
            let mut above = last;
            for (row, shift) in entries {
                let turn = (usize::from(shift) + self.z - usize::from(above)) % self.z;
                rows[row as usize].push(Circulant { column: column as u16, shift, turn: turn as u16 });
                above = shift;
            }
            rest.push(last);
        }
        let mut row_start = vec![0];
        let mut circulants = Vec::new();
        for row in rows {
            circulants.extend(row);
            row_start.push(circulants.len() as u16);
        }
        QcTables { z: self.z, row_start, circulants, rest }
    }

    /// The matrix of a code view.
    pub fn from_code(code: &QcCode<'_>) -> Self {
        let mut columns = vec![Vec::new(); code.base_columns()];
        for row in 0..code.base_rows() {
            for c in code.row(row) {
                columns[c.column as usize].push((row as u16, c.shift));
            }
        }
        Self { z: code.z(), rows: code.base_rows(), columns }
    }
}

impl QcTables {
    /// A validated view.
    ///
    /// # Errors
    /// [`CodeError`] if the tables do not describe a code.
    pub fn code(&self) -> Result<QcCode<'_>, CodeError> {
        QcCode::new(self.z, &self.row_start, &self.circulants, &self.rest)
    }
}
