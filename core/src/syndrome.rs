//! Syndrome encoder: `s = H x` over GF(2), packed bits in and out.
//!
//! Quasi-cyclic: one rotate and one xor of machine words per circulant. General: one bit per entry.

use core::num::NonZero;

use crate::bits::{WORD_BITS, get, set, words_for};
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
    for (row, out) in code.rows().zip(syndrome) {
        *out = row.iter().fold(0, |sum, c| {
            let word = frame.get(usize::from(c.column)).copied().unwrap_or(0);
            sum ^ word.rotate_right(u32::from(c.shift))
        });
    }
}

fn rotate_blocks(code: &QcCode<'_>, frame: &[u64], syndrome: &mut [u64]) {
    let Some(words) = NonZero::new(code.z() / WORD_BITS) else { return };
    for (row, out) in code.rows().zip(syndrome.chunks_mut(words.get())) {
        out.fill(0);
        for c in row {
            let from = usize::from(c.column) * words.get();
            let block = frame.get(from..from + words.get()).unwrap_or_default();
            let word = |i| block.get(i % words).copied().unwrap_or(0);
            let (skip, shift) = (c.shift as usize / WORD_BITS, u32::from(c.shift) % 64);
            for (i, sum) in out.iter_mut().enumerate() {
                let (low, high) = (word(i + skip) >> shift, word(i + skip + 1));
                *sum ^= if shift == 0 { low } else { low | high << (64 - shift) };
            }
        }
    }
}

fn sum_rows(code: &SparseCode<'_>, frame: &[u64], syndrome: &mut [u64]) {
    syndrome.fill(0);
    let m = Code::Sparse(*code).m();
    for check in 0..m {
        let parity = code.row(check).iter().fold(false, |p, &v| p ^ get(frame, v as usize));
        if parity {
            set(syndrome, check, true);
        }
    }
}
