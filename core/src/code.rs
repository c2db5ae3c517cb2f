//! Parity-check matrices: a quasi-cyclic view for the fast path, a compressed-row view for any other.
//!
//! Both are borrowed, validated once where they are made, and seen through [`Code`], so that the
//! encoder and the decoders have one interface and a table may live in flash or on the heap.
//!
//! Check `r * z + i` of a [`QcCode`] and a circulant `(column, shift)` of base row `r` meet variable
//! `column * z + (i + shift) % z`.

use core::fmt;

mod layers;
#[cfg(feature = "large-codes")]
pub mod mother_16384;
pub mod mother_4096;
#[cfg(feature = "large-codes")]
pub mod mother_65536;
#[cfg(feature = "large-codes")]
pub mod mother_8192;

pub(crate) use layers::Layers;

/// Largest degree of a check in a [`QcCode`].
pub const MAX_QC_DEGREE: usize = 32;
/// Largest degree of a check in a [`SparseCode`]; bounds the decoders' scratch and keeps products of
/// `1 + exp(-x)` inside the range of `f32`.
pub const MAX_SPARSE_DEGREE: usize = 96;
/// Largest number of base columns of a [`QcCode`].
pub const MAX_BASE_COLUMNS: usize = 1024;
/// Largest circulant size.
pub const MAX_Z: usize = 1024;
/// Largest code length in bits.
pub const MAX_LENGTH: usize = 1 << 20;

/// Why a matrix was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CodeError {
    /// The circulant size is not a multiple of 64 between 64 and [`MAX_Z`].
    CirculantSize,
    /// No rows, no columns, more columns than supported, or not more columns than rows.
    Shape,
    /// `row_start` does not begin at 0, descends, or does not end at the number of entries.
    RowStart,
    /// A row has more entries than the decoders' scratch holds.
    Degree {
        /// Row (base row of a quasi-cyclic code).
        row: usize,
    },
    /// A column index or shift lies outside the matrix.
    OutOfRange {
        /// Row (base row of a quasi-cyclic code).
        row: usize,
    },
    /// The columns of a row are not strictly ascending.
    Unsorted {
        /// Row (base row of a quasi-cyclic code).
        row: usize,
    },
    /// `turn` or `rest` do not follow from the shifts.
    Frames {
        /// Base row.
        row: usize,
    },
}

impl fmt::Display for CodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::CirculantSize => {
                write!(f, "circulant size: expected a multiple of 64 from 64 to {MAX_Z}")
            }
            Self::Shape => write!(
                f,
                "shape: expected at least one row and more columns than rows, at most {MAX_LENGTH} bits \
                 ({MAX_BASE_COLUMNS} base columns)"
            ),
            Self::RowStart => f.write_str("row pointers: expected to ascend from 0 to the number of entries"),
            Self::Degree { row } => write!(
                f,
                "row {row}: expected at most {MAX_SPARSE_DEGREE} entries ({MAX_QC_DEGREE} circulants)"
            ),
            Self::OutOfRange { row } => {
                write!(f, "row {row}: a column index or shift lies outside the matrix")
            }
            Self::Unsorted { row } => {
                write!(f, "row {row}: expected strictly ascending column indices")
            }
            Self::Frames { row } => {
                write!(f, "base row {row}: turn and rest tables do not follow from the shifts")
            }
        }
    }
}

impl core::error::Error for CodeError {}

/// A buffer whose length does not fit the code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LengthError {
    /// Which buffer.
    pub what: &'static str,
    /// Length expected, in the buffer's elements.
    pub expected: usize,
    /// Length found.
    pub found: usize,
}

impl fmt::Display for LengthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: expected length {}, found {}", self.what, self.expected, self.found)
    }
}

impl core::error::Error for LengthError {}

/// `Ok` if `found == expected`.
///
/// # Errors
/// [`LengthError`] naming `what` otherwise.
pub const fn check_length(what: &'static str, expected: usize, found: usize) -> Result<(), LengthError> {
    if found == expected { Ok(()) } else { Err(LengthError { what, expected, found }) }
}

/// One non-zero block of the base matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Circulant {
    /// Base column.
    pub column: u16,
    /// Shift, below z.
    pub shift: u16,
    /// Shift less the shift of the circulant above it in its column (cyclically), modulo z: how far
    /// a layered decoder turns the column's block when it comes here.
    pub turn: u16,
}

/// Quasi-cyclic parity-check matrix: circulants of size z in a base matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QcCode<'a> {
    z: usize,
    row_start: &'a [u16],
    circulants: &'a [Circulant],
    rest: &'a [u16],
    max_degree: usize,
}

impl<'a> QcCode<'a> {
    /// Validates a base matrix.
    ///
    /// `row_start` has one entry per base row and the total at its end; `rest` has one entry per
    /// base column: the shift of the column's last circulant.
    ///
    /// # Errors
    /// [`CodeError`] names the first row that does not fit.
    pub const fn new(
        z: usize,
        row_start: &'a [u16],
        circulants: &'a [Circulant],
        rest: &'a [u16],
    ) -> Result<Self, CodeError> {
        if z == 0 || !z.is_multiple_of(64) || z > MAX_Z {
            return Err(CodeError::CirculantSize);
        }
        let columns = rest.len();
        if row_start.len() < 2
            || columns > MAX_BASE_COLUMNS
            || columns * z > MAX_LENGTH
            || columns < row_start.len()
        {
            return Err(CodeError::Shape);
        }
        let rows = row_start.len() - 1;
        if row_start[0] != 0 || row_start[rows] as usize != circulants.len() {
            return Err(CodeError::RowStart);
        }
        let mut frame = [0u16; MAX_BASE_COLUMNS];
        let mut c = 0;
        while c < columns {
            if rest[c] as usize >= z {
                return Err(CodeError::Frames { row: 0 });
            }
            frame[c] = rest[c];
            c += 1;
        }
        let mut max_degree = 0;
        let mut row = 0;
        while row < rows {
            let (start, end) = (row_start[row] as usize, row_start[row + 1] as usize);
            if end < start || end > circulants.len() {
                return Err(CodeError::RowStart);
            }
            if end - start > MAX_QC_DEGREE {
                return Err(CodeError::Degree { row });
            }
            if end - start > max_degree {
                max_degree = end - start;
            }
            let mut e = start;
            while e < end {
                let circulant = circulants[e];
                let column = circulant.column as usize;
                if column >= columns || circulant.shift as usize >= z {
                    return Err(CodeError::OutOfRange { row });
                }
                if e > start && circulants[e - 1].column >= circulant.column {
                    return Err(CodeError::Unsorted { row });
                }
                let turn = (circulant.shift as usize + z - frame[column] as usize) % z;
                if circulant.turn as usize != turn {
                    return Err(CodeError::Frames { row });
                }
                frame[column] = circulant.shift;
                e += 1;
            }
            row += 1;
        }
        let mut c = 0;
        while c < columns {
            if frame[c] != rest[c] {
                return Err(CodeError::Frames { row: rows - 1 });
            }
            c += 1;
        }
        Ok(Self { z, row_start, circulants, rest, max_degree })
    }

    /// Circulant size.
    pub const fn z(&self) -> usize {
        self.z
    }

    /// Base rows.
    pub const fn base_rows(&self) -> usize {
        self.row_start.len() - 1
    }

    /// Base columns.
    pub const fn base_columns(&self) -> usize {
        self.rest.len()
    }

    /// Largest degree of a check.
    pub const fn max_degree(&self) -> usize {
        self.max_degree
    }

    /// All circulants, row by row.
    pub const fn circulants(&self) -> &'a [Circulant] {
        self.circulants
    }

    /// Circulants of base row `row`; none if it is not one.
    #[inline]
    pub fn row(&self, row: usize) -> &'a [Circulant] {
        row_of(self.row_start, self.circulants, row)
    }

    /// Circulants row by row.
    #[inline]
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &'a [Circulant]> + use<'a> {
        let circulants = self.circulants;
        self.row_start.windows(2).map(move |ends| match *ends {
            [start, end] => circulants.get(usize::from(start)..usize::from(end)).unwrap_or_default(),
            _ => &[],
        })
    }

    /// The shift of each base column's last circulant: the frame in which its block stands between iterations.
    pub const fn rests(&self) -> &'a [u16] {
        self.rest
    }
}

/// Parity-check matrix in compressed-row form, for matrices without structure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SparseCode<'a> {
    n: usize,
    row_start: &'a [u32],
    columns: &'a [u32],
    max_degree: usize,
}

impl<'a> SparseCode<'a> {
    /// Validates a matrix of `n` columns.
    ///
    /// `row_start` has one entry per check and the number of entries at its end.
    ///
    /// # Errors
    /// [`CodeError`] names the first row that does not fit.
    pub fn new(n: usize, row_start: &'a [u32], columns: &'a [u32]) -> Result<Self, CodeError> {
        if row_start.len() < 2 || n < row_start.len() || n > MAX_LENGTH {
            return Err(CodeError::Shape);
        }
        if row_start[0] != 0 || row_start[row_start.len() - 1] as usize != columns.len() {
            return Err(CodeError::RowStart);
        }
        let mut max_degree = 0;
        for (row, ends) in row_start.windows(2).enumerate() {
            let entries = columns.get(ends[0] as usize..ends[1] as usize).ok_or(CodeError::RowStart)?;
            if entries.len() > MAX_SPARSE_DEGREE {
                return Err(CodeError::Degree { row });
            }
            max_degree = max_degree.max(entries.len());
            if entries.iter().any(|&c| c as usize >= n) {
                return Err(CodeError::OutOfRange { row });
            }
            if entries.windows(2).any(|pair| pair[0] >= pair[1]) {
                return Err(CodeError::Unsorted { row });
            }
        }
        Ok(Self { n, row_start, columns, max_degree })
    }

    /// Variables of check `row`, ascending; none if it is not one.
    #[inline]
    pub fn row(&self, row: usize) -> &'a [u32] {
        row_of(self.row_start, self.columns, row)
    }
}

/// Entries of `row`, from its start to the next one's.
#[inline(always)]
fn row_of<'a, T>(row_start: &[impl Copy + Into<u32>], entries: &'a [T], row: usize) -> &'a [T] {
    let ends = row_start.get(row).zip(row_start.get(row.wrapping_add(1)));
    let range = ends.map(|(&start, &end)| start.into() as usize..end.into() as usize);
    range.and_then(|range| entries.get(range)).unwrap_or_default()
}

/// A validated parity-check matrix of either kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code<'a> {
    /// Quasi-cyclic.
    Qc(QcCode<'a>),
    /// Compressed rows.
    Sparse(SparseCode<'a>),
}

impl<'a> From<QcCode<'a>> for Code<'a> {
    fn from(code: QcCode<'a>) -> Self {
        Self::Qc(code)
    }
}

impl<'a> From<SparseCode<'a>> for Code<'a> {
    fn from(code: SparseCode<'a>) -> Self {
        Self::Sparse(code)
    }
}

impl Code<'_> {
    /// Length in bits (columns).
    pub const fn n(&self) -> usize {
        match self {
            Self::Qc(code) => code.base_columns() * code.z,
            Self::Sparse(code) => code.n,
        }
    }

    /// Number of checks (rows), the syndrome's length in bits.
    pub const fn m(&self) -> usize {
        match self {
            Self::Qc(code) => code.base_rows() * code.z,
            Self::Sparse(code) => code.row_start.len() - 1,
        }
    }

    /// Number of ones in the matrix.
    pub const fn edges(&self) -> usize {
        match self {
            Self::Qc(code) => code.circulants.len() * code.z,
            Self::Sparse(code) => code.columns.len(),
        }
    }

    /// Circulant size; 1 for a matrix without structure.
    pub const fn z(&self) -> usize {
        match self {
            Self::Qc(code) => code.z,
            Self::Sparse(_) => 1,
        }
    }

    /// Largest degree of a check.
    pub const fn max_degree(&self) -> usize {
        match self {
            Self::Qc(code) => code.max_degree,
            Self::Sparse(code) => code.max_degree,
        }
    }

    /// Calls `visit` with the variables of check `check`, ascending. Nothing if there is no such
    /// check.
    pub fn neighbours(&self, check: usize, mut visit: impl FnMut(usize)) {
        if check >= self.m() {
            return;
        }
        match self {
            Self::Qc(code) => {
                let (Some(row), Some(lane)) = (check.checked_div(code.z), check.checked_rem(code.z)) else {
                    return;
                };
                for c in code.row(row) {
                    visit(c.column as usize * code.z + (lane + c.shift as usize) % code.z);
                }
            }
            Self::Sparse(code) => code.row(check).iter().for_each(|&v| visit(v as usize)),
        }
    }
}
