//! Syndrome encoder: `s = H x` over GF(2), packed bits in and out.
//!
//! Quasi-cyclic: one rotate and one xor of machine words per circulant. General: one bit per entry.

use crate::bits::{WORD_BITS, get, words_for};
use crate::code::{Code, LengthError, QcCode, SparseCode, check_length};

impl Code<'_> {
    /// Writes the syndrome of `frame` (n bits) to `syndrome` (m bits).
    ///
    /// # Errors
    /// [`LengthError`] if either buffer does not have exactly the words its bits need.
    ///
    /// ```
    /// use caligo_core::code::{Code, mother_4096};
    /// let code = Code::from(mother_4096::CODE);
    /// let (frame, mut syndrome) = ([0u64; 64], [1u64; 32]);
    /// code.syndrome(&frame, &mut syndrome)?;
    /// assert_eq!(syndrome, [0; 32]);
    /// # Ok::<(), caligo_core::code::LengthError>(())
    /// ```
    #[inline(always)]
    pub fn syndrome(&self, frame: &[u64], syndrome: &mut [u64]) -> Result<(), LengthError> {
        check_length("frame words", words_for(self.n()), frame.len())?;
        check_length("syndrome words", words_for(self.m()), syndrome.len())?;
        match self {
            Self::Qc(code) if code.z() == WORD_BITS => rotate_words(code, frame, syndrome),
            Self::Qc(code) => rotate_blocks(code, frame, syndrome),
            Self::Sparse(code) => sum_rows(code, frame, syndrome),
        }
        Ok(())
    }
}

#[inline(always)]
fn rotate_words(code: &QcCode<'_>, frame: &[u64], syndrome: &mut [u64]) {
    for (row, out) in syndrome.iter_mut().enumerate() {
        *out = code
            .row(row)
            .iter()
            .fold(0, |sum, c| sum ^ frame[c.column as usize].rotate_right(u32::from(c.shift)));
    }
}

fn rotate_blocks(code: &QcCode<'_>, frame: &[u64], syndrome: &mut [u64]) {
    let words = code.z() / WORD_BITS;
    for (row, out) in syndrome.chunks_exact_mut(words).enumerate() {
        out.fill(0);
        for c in code.row(row) {
            let block = &frame[c.column as usize * words..][..words];
            let (skip, shift) = (c.shift as usize / WORD_BITS, u32::from(c.shift) % 64);
            for (i, word) in out.iter_mut().enumerate() {
                let low = block[(i + skip) % words] >> shift;
                let high = block[(i + skip + 1) % words];
                *word ^= if shift == 0 { low } else { low | high << (64 - shift) };
            }
        }
    }
}

fn sum_rows(code: &SparseCode<'_>, frame: &[u64], syndrome: &mut [u64]) {
    syndrome.fill(0);
    let m = Code::Sparse(*code).m();
    for check in 0..m {
        let parity = code.row(check).iter().fold(false, |p, &v| p ^ get(frame, v as usize));
        syndrome[check / WORD_BITS] |= u64::from(parity) << (check % WORD_BITS);
    }
}
