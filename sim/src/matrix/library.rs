//! A code with its orders.
//!
//! In: nothing, or a matrix and optionally orders. Out: a [`Library`] whose parts are validated, and the leak of any of
//! its patterns.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use caligo_core::bits::{self, words_for};
use caligo_core::code::{Code, CodeError};
use caligo_core::limits;
use caligo_core::puncture::{self, MAX_ORDER_LENGTH, Order, PatternError, order_4096};
use caligo_core::rank;
use caligo_core::rate::{self, RateError, Selection};
use caligo_engine::Tier;

use super::base::QcTables;
use super::mother::Mother;
use super::sparse::{MatrixError, SparseMatrix};
use crate::channel;

/// Seed of the shortening order of a foreign code that brings none.
const SHORTEN_SEED: u64 = 1;
/// Efficiency of a foreign code relative to the mother code's, until measured.
const FOREIGN_MARGIN: f64 = 1.1;
/// Ranks are computed exactly up to so many checks, bounded by peeling beyond.
pub const EXACT_RANK_CHECKS: usize = 8192;

/// Why a library could not be loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LibraryError {
    /// A file could not be read or does not hold what it should.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: String,
        /// What is wrong with it.
        source: MatrixError,
    },
    /// The file's kind is not known.
    #[error("{path}: expected a file ending in {expected}")]
    Kind {
        /// The file.
        path: String,
        /// Known endings.
        expected: &'static str,
    },
    /// The matrix is no code.
    #[error("{path}: {source}")]
    Code {
        /// The file.
        path: String,
        /// What is wrong with it.
        source: CodeError,
    },
    /// The orders do not fit the code.
    #[error("{path}: {source}")]
    Order {
        /// The file.
        path: String,
        /// What is wrong with it.
        source: PatternError,
    },
    /// Patterns without a matrix.
    #[error("--patterns: expected together with --matrix")]
    PatternsAlone,
}

/// A parity-check matrix.
#[derive(Debug)]
pub enum Matrix {
    /// One of the mother codes.
    BuiltIn(Mother),
    /// Quasi-cyclic.
    Qc(QcTables),
    /// Any other.
    Sparse(SparseMatrix),
}

/// A code, its orders, and what selects its rate.
#[derive(Debug)]
pub struct Library {
    matrix: Matrix,
    /// Where the matrix came from, for messages.
    path: String,
    puncture: Vec<u16>,
    shorten: Vec<u16>,
    rank: usize,
    /// Rank of each prefix of the puncturing order, or a lower bound that does not fall.
    padding_ranks: Vec<usize>,
}

impl Library {
    /// The mother code of 4096 bits and its orders.
    pub fn built_in() -> Self {
        Self::mother(Mother::N4096)
    }

    /// A mother code and its orders.
    pub fn mother(mother: Mother) -> Self {
        let (puncture, shorten) = match mother {
            Mother::N4096 => (order_4096::ORDER.puncture().to_vec(), order_4096::ORDER.shorten().to_vec()),
            // Too long for a table, and soon made.
            #[cfg(feature = "large-codes")]
            _ => {
                let base = super::base::BaseMatrix::from_code(&mother.quasi_cyclic());
                let path = super::patterns::path(&base);
                super::patterns::orders(&path, mother.n(), super::patterns::ORDER_SEED)
            }
        };
        Self {
            matrix: Matrix::BuiltIn(mother),
            path: mother.name(),
            rank: mother.code().m(),
            // Tests hold the orders to their independence.
            padding_ranks: (0..=puncture.len()).collect(),
            puncture,
            shorten,
        }
    }

    /// The code in `matrix`, read from `path`, with its orders; every position is shortened in a fixed random order if
    /// `shorten` is none.
    ///
    /// # Errors
    /// [`LibraryError`] names the file, or that of the orders, and what is wrong with it.
    pub fn new(
        matrix: Matrix,
        path: &str,
        puncture: Vec<u16>,
        shorten: Option<Vec<u16>>,
        order_path: Option<&str>,
    ) -> Result<Self, LibraryError> {
        let code_error = |source| LibraryError::Code { path: path.to_owned(), source };
        let n = matrix.code().map_err(code_error)?.n();
        let order_error =
            |source| LibraryError::Order { path: order_path.unwrap_or(path).to_owned(), source };
        // A longer code can be looked at, but takes no pattern.
        let has_order = n <= MAX_ORDER_LENGTH;
        let shorten = shorten.unwrap_or_else(|| {
            let mut all: Vec<u16> = if has_order { (0..n).map(|i| i as u16).collect() } else { Vec::new() };
            channel::shuffle(&mut all, &mut channel::stream(SHORTEN_SEED, 0));
            all
        });
        if has_order || order_path.is_some() {
            Order::new(n, &puncture, &shorten, &mut vec![0; words_for(n)]).map_err(order_error)?;
        }
        let mut library =
            Self { matrix, path: path.to_owned(), puncture, shorten, rank: 0, padding_ranks: vec![0] };
        let (rank, padding_ranks) = {
            let code = library.code()?;
            let rank = if code.m() <= EXACT_RANK_CHECKS { rank::rank(&code) } else { code.m() };
            (rank, prefix_ranks(&code, &library.puncture))
        };
        library.rank = rank;
        library.padding_ranks = padding_ranks;
        Ok(library)
    }

    /// Which of the built-in codes this is, if any.
    pub fn built_in_code(&self) -> Option<Mother> {
        if let Matrix::BuiltIn(mother) = self.matrix { Some(mother) } else { None }
    }

    /// The code.
    ///
    /// # Errors
    /// [`LibraryError::Code`] never occurs once loaded.
    pub fn code(&self) -> Result<Code<'_>, LibraryError> {
        self.matrix.code().map_err(|source| LibraryError::Code { path: self.path.clone(), source })
    }

    /// The orders.
    ///
    /// # Errors
    /// [`LibraryError::Order`] never occurs once loaded.
    pub fn order(&self) -> Result<Order<'_>, LibraryError> {
        let n = self.code()?.n();
        Order::new(n, &self.puncture, &self.shorten, &mut vec![0; words_for(n)])
            .map_err(|source| LibraryError::Order { path: self.path.clone(), source })
    }

    /// Rank of the matrix; m for a matrix too large to reduce, which can only overstate a leak.
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// Rank of the first `p` punctured columns: how many bits of the syndrome the padding masks. Above
    /// 8192 checks a lower bound by peeling, which can only overstate a leak.
    pub fn padding_rank(&self, p: usize) -> usize {
        self.padding_ranks.get(p).or(self.padding_ranks.last()).copied().unwrap_or(0)
    }

    /// Mask (n bits) of the positions of the puncturing order whose columns are independent of those before them;
    /// `None` if all are.
    ///
    /// # Errors
    /// [`LibraryError`] never occurs once the library is loaded.
    pub fn independent(&self) -> Result<Option<Vec<u64>>, LibraryError> {
        if self.padding_ranks.last() == Some(&self.puncture.len()) {
            return Ok(None);
        }
        let mut mask = vec![0; words_for(self.code()?.n())];
        for (ranks, &position) in self.padding_ranks.windows(2).zip(&self.puncture) {
            bits::set(&mut mask, position.into(), ranks[1] > ranks[0]);
        }
        Ok(Some(mask))
    }

    /// Length of the puncturing order.
    pub fn punctured_positions(&self) -> usize {
        self.puncture.len()
    }

    /// Pattern size for `qber` at target frame error rate `fer`. A foreign code's rate follows from
    /// `efficiency`, or from the mother code's with a margin of 10 %.
    ///
    /// # Errors
    /// [`RateError`] if no rate can be chosen.
    pub fn select(
        &self,
        tier: Tier,
        qber: f64,
        fer: f64,
        efficiency: Option<f64>,
    ) -> Result<Selection, RateError> {
        let fraction = if let Some(f) = efficiency {
            if !(0.0..0.5).contains(&qber) {
                return Err(RateError::OutOfRange { what: "QBER: expected a number in [0, 0.5)" });
            }
            f * limits::entropy(qber.max(2e-3))
        } else {
            let table = self.built_in_code().unwrap_or_default().rates(tier);
            let known = table.select(qber, fer)?;
            if self.built_in_code().is_some() {
                return Ok(known);
            }
            let payload = table.n - known.p - known.s;
            FOREIGN_MARGIN * (table.m - known.p) as f64 / payload as f64
        };
        let code = self.code().map_err(|_| RateError::OutOfRange { what: "code" })?;
        let (n, m) = (code.n(), code.m());
        let rate = 1.0 - fraction;
        if rate < 1e-3 {
            return Err(RateError::OutOfRange {
                what: "efficiency: expected f h(Q) below 1, so that some of the payload stays secret",
            });
        }
        Ok(Selection {
            p: puncture::punctured_for(n, m, rate).min(self.puncture.len()),
            s: puncture::shortened_only_for(n, m, rate),
        })
    }

    /// Pattern size for a block of only `payload` bits where a full block takes `full`.
    ///
    /// # Errors
    /// [`RateError`] if `payload` does not fit the code.
    pub fn select_short(
        &self,
        full: Selection,
        qber: f64,
        fer: f64,
        payload: usize,
    ) -> Result<Selection, RateError> {
        let code = self.code().map_err(|_| RateError::OutOfRange { what: "code" })?;
        rate::short(code.n(), code.m(), full, qber, fer, payload, self.puncture.len())
    }
}

/// Rank of every prefix of `order`. Where all of it peels, all of it is independent; else by elimination,
/// or, in a code too large for that, the longest prefix that peels bounds those after it. (What peels
/// still peels with positions taken away, so the search may halve.)
fn prefix_ranks(code: &Code<'_>, order: &[u16]) -> Vec<usize> {
    let prefix = |p: usize| order[..p].iter().map(|&v| usize::from(v));
    let peels = |p: usize| rank::peel(code, prefix(p)) == p;
    let (mut good, mut bad) = (0, order.len() + 1);
    while bad - good > 1 {
        // The whole order first: it is what usually peels.
        let middle = if bad > order.len() { order.len() } else { usize::midpoint(good, bad) };
        if peels(middle) { good = middle } else { bad = middle }
    }
    if good == order.len() || code.m() > EXACT_RANK_CHECKS {
        return (0..=order.len()).map(|p| p.min(good)).collect();
    }
    rank::prefix_ranks(code, prefix(order.len()))
}

impl Matrix {
    /// A validated view.
    ///
    /// # Errors
    /// [`CodeError`] if the matrix does not describe a code.
    pub fn code(&self) -> Result<Code<'_>, CodeError> {
        Ok(match self {
            Self::BuiltIn(mother) => mother.code(),
            Self::Qc(tables) => tables.code()?.into(),
            Self::Sparse(matrix) => matrix.code()?.into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_masks_its_rank_and_no_more() {
        // Columns 0 and 1 are equal, column 4 is the sum of columns 2 and 3.
        let rows = vec![vec![0, 1, 5], vec![2, 4, 6], vec![3, 4, 7], vec![5, 6, 7]];
        let matrix = SparseMatrix::from_rows(8, rows).unwrap();
        let code = Code::from(matrix.code().unwrap());
        assert_eq!(prefix_ranks(&code, &[0, 1, 2, 3]), [0, 1, 1, 2, 3]);
        assert_eq!(prefix_ranks(&code, &[2, 3, 4, 0]), [0, 1, 2, 2, 3]);
        assert_eq!(prefix_ranks(&code, &[0, 2, 3]), [0, 1, 2, 3]);
        assert_eq!(prefix_ranks(&code, &[]), [0]);
    }

    #[test]
    fn a_large_code_is_bounded_by_peeling() {
        // Column v stands in check v alone, but for the last one, which no check tells from column 10.
        let m = EXACT_RANK_CHECKS as u32 + 8;
        let mut rows: Vec<Vec<u32>> = (0..m).map(|v| vec![v]).collect();
        rows[10].push(m);
        let matrix = SparseMatrix::from_rows(m as usize + 2, rows).unwrap();
        let code = Code::from(matrix.code().unwrap());
        assert_eq!(prefix_ranks(&code, &[1, 2, 10, m as u16, 3]), [0, 1, 2, 3, 3, 3]);
    }
}
