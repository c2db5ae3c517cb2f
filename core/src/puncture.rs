//! Rate adaptation: patterns out of one nested order of positions.
//!
//! The frame of n bits carries a payload; `p` positions are punctured (filled with the sender's
//! private padding, unknown to the receiver) and `s` shortened (known to all). Punctured positions
//! are a prefix of the puncturing order, shortened ones the first of the shortening order that are not
//! punctured, so that patterns nest and any integers p and s are possible.

use core::fmt;

use crate::bits::{self, WORD_BITS, words_for};
use crate::code::{LengthError, check_length};

pub mod order_4096;

/// Why an order or a pattern was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PatternError {
    /// The frame is longer than an order addresses.
    TooLong {
        /// Its length in bits.
        n: usize,
    },
    /// A position in an order is not below n.
    OutOfRange {
        /// Index in the order.
        index: usize,
        /// The position found there.
        position: usize,
    },
    /// A position stands twice in an order.
    Repeated {
        /// Index in the order of the second.
        index: usize,
        /// The position.
        position: usize,
    },
    /// More positions to be punctured than the order holds.
    Punctured {
        /// Asked for.
        asked: usize,
        /// In the order.
        available: usize,
    },
    /// More positions to be shortened than the order leaves.
    Shortened {
        /// Asked for.
        asked: usize,
        /// Available beside the punctured ones.
        available: usize,
    },
    /// No payload is left.
    NoPayload,
    /// A buffer has the wrong length.
    Length(LengthError),
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::TooLong { n } => {
                write!(f, "frame: expected at most {MAX_ORDER_LENGTH} bits for a pattern, found {n}")
            }
            Self::OutOfRange { index, position } => {
                write!(f, "order entry {index}: position {position} lies outside the frame")
            }
            Self::Repeated { index, position } => {
                write!(f, "order entry {index}: position {position} stands in the order twice")
            }
            Self::Punctured { asked, available } => {
                write!(f, "punctured positions: expected at most {available}, found {asked}")
            }
            Self::Shortened { asked, available } => {
                write!(f, "shortened positions: expected at most {available}, found {asked}")
            }
            Self::NoPayload => f.write_str("pattern: expected at least one payload position"),
            Self::Length(ref error) => error.fmt(f),
        }
    }
}

impl core::error::Error for PatternError {}

impl From<LengthError> for PatternError {
    fn from(error: LengthError) -> Self {
        Self::Length(error)
    }
}

/// One nested order of positions for puncturing and one for shortening.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order<'a> {
    n: usize,
    puncture: &'a [u16],
    shorten: &'a [u16],
}

/// Largest frame an [`Order`] addresses.
pub const MAX_ORDER_LENGTH: usize = 1 << 16;

impl<'a> Order<'a> {
    /// Validates the orders of a frame of `n` bits, at most [`MAX_ORDER_LENGTH`]. `seen` is scratch of
    /// n bits.
    ///
    /// # Errors
    /// [`PatternError`] names the first entry that is out of range or repeated.
    pub fn new(
        n: usize,
        puncture: &'a [u16],
        shorten: &'a [u16],
        seen: &mut [u64],
    ) -> Result<Self, PatternError> {
        if n > MAX_ORDER_LENGTH {
            return Err(PatternError::TooLong { n });
        }
        check_length("order scratch words", words_for(n), seen.len())?;
        for order in [puncture, shorten] {
            seen.fill(0);
            for (index, &position) in order.iter().enumerate() {
                let position = usize::from(position);
                if position >= n {
                    return Err(PatternError::OutOfRange { index, position });
                }
                if bits::get(seen, position) {
                    return Err(PatternError::Repeated { index, position });
                }
                bits::set(seen, position, true);
            }
        }
        Ok(Self { n, puncture, shorten })
    }

    /// For the generated tables, whose validity a test checks.
    pub(crate) const fn trusted(n: usize, puncture: &'a [u16], shorten: &'a [u16]) -> Self {
        Self { n, puncture, shorten }
    }

    /// Frame length in bits.
    pub const fn n(&self) -> usize {
        self.n
    }

    /// Positions in the order of puncturing. Disclosure runs backwards from the end of a prefix.
    pub const fn puncture(&self) -> &'a [u16] {
        self.puncture
    }

    /// Positions in the order of shortening.
    pub const fn shorten(&self) -> &'a [u16] {
        self.shorten
    }

    /// Writes the pattern of `p` punctured and `s` shortened positions into two masks of n bits.
    ///
    /// # Errors
    /// [`PatternError`] if the order does not hold so many, no payload is left, or a mask has the
    /// wrong length.
    pub fn pattern<'m>(
        &self,
        p: usize,
        s: usize,
        punctured: &'m mut [u64],
        shortened: &'m mut [u64],
    ) -> Result<Pattern<'m>, PatternError> {
        check_length("punctured mask words", words_for(self.n), punctured.len())?;
        check_length("shortened mask words", words_for(self.n), shortened.len())?;
        let prefix = self
            .puncture
            .get(..p)
            .ok_or(PatternError::Punctured { asked: p, available: self.puncture.len() })?;
        punctured.fill(0);
        shortened.fill(0);
        for &position in prefix {
            bits::set(punctured, usize::from(position), true);
        }
        let mut left = s;
        for &position in self.shorten {
            if left == 0 {
                break;
            }
            if !bits::get(punctured, usize::from(position)) {
                bits::set(shortened, usize::from(position), true);
                left -= 1;
            }
        }
        if left > 0 {
            return Err(PatternError::Shortened { asked: s, available: s - left });
        }
        if p + s >= self.n {
            return Err(PatternError::NoPayload);
        }
        Ok(Pattern { n: self.n, p, s, punctured, shortened })
    }
}

/// Which positions of a frame are punctured, shortened, or payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pattern<'m> {
    n: usize,
    p: usize,
    s: usize,
    punctured: &'m [u64],
    shortened: &'m [u64],
}

impl<'m> Pattern<'m> {
    /// A pattern from masks of n bits.
    ///
    /// # Errors
    /// [`PatternError`] if a mask has the wrong length, the masks overlap, or no payload is left.
    pub fn from_masks(n: usize, punctured: &'m [u64], shortened: &'m [u64]) -> Result<Self, PatternError> {
        check_length("punctured mask words", words_for(n), punctured.len())?;
        check_length("shortened mask words", words_for(n), shortened.len())?;
        for mask in [punctured, shortened] {
            if let Some(position) = bits::ones(mask).find(|&i| i >= n) {
                return Err(PatternError::OutOfRange { index: position, position });
            }
        }
        if let Some(position) = bits::ones(punctured).find(|&i| bits::get(shortened, i)) {
            return Err(PatternError::Repeated { index: position, position });
        }
        let (p, s) = (bits::count_ones(punctured), bits::count_ones(shortened));
        if p + s >= n {
            return Err(PatternError::NoPayload);
        }
        Ok(Self { n, p, s, punctured, shortened })
    }

    /// Frame length in bits.
    pub const fn n(&self) -> usize {
        self.n
    }

    /// Number of punctured positions.
    pub const fn p(&self) -> usize {
        self.p
    }

    /// Number of shortened positions.
    pub const fn s(&self) -> usize {
        self.s
    }

    /// Payload bits: n - p - s.
    pub const fn payload(&self) -> usize {
        self.n - self.p - self.s
    }

    /// Mask of the punctured positions.
    pub const fn punctured(&self) -> &'m [u64] {
        self.punctured
    }

    /// Mask of the shortened positions.
    pub const fn shortened(&self) -> &'m [u64] {
        self.shortened
    }

    /// By word, the masks of the payload and of the punctured positions.
    fn masks(&self) -> impl Iterator<Item = (u64, u64)> + use<'m> {
        let n = self.n;
        self.punctured.iter().zip(self.shortened).enumerate().map(move |(word, (punctured, shortened))| {
            let used = n.saturating_sub(word * WORD_BITS);
            let all = if used < WORD_BITS { (1 << used) - 1 } else { u64::MAX };
            (all & !(punctured | shortened), *punctured)
        })
    }

    /// Lays `payload` (packed, ascending positions) and `padding` (packed, for the punctured
    /// positions in ascending order) into `frame`; shortened positions are 0.
    ///
    /// # Errors
    /// [`LengthError`] if a buffer does not have exactly the words its bits need.
    pub fn scatter(&self, payload: &[u64], padding: &[u64], frame: &mut [u64]) -> Result<(), LengthError> {
        check_length("payload words", words_for(self.payload()), payload.len())?;
        check_length("padding words", words_for(self.p), padding.len())?;
        check_length("frame words", words_for(self.n), frame.len())?;
        let (mut payload_at, mut padding_at) = (0, 0);
        for (word, (payload_mask, padding_mask)) in frame.iter_mut().zip(self.masks()) {
            *word = bits::deposit(window(payload, payload_at), payload_mask)
                | bits::deposit(window(padding, padding_at), padding_mask);
            payload_at += payload_mask.count_ones() as usize;
            padding_at += padding_mask.count_ones() as usize;
        }
        Ok(())
    }

    /// Gathers the payload positions of `frame` into `payload`.
    ///
    /// # Errors
    /// [`LengthError`] if a buffer does not have exactly the words its bits need.
    pub fn gather(&self, frame: &[u64], payload: &mut [u64]) -> Result<(), LengthError> {
        check_length("frame words", words_for(self.n), frame.len())?;
        check_length("payload words", words_for(self.payload()), payload.len())?;
        payload.fill(0);
        let mut at = 0;
        for (&word, (mask, _)) in frame.iter().zip(self.masks()) {
            let taken = mask.count_ones() as usize;
            bits::copy(&[bits::extract(word, mask)], 0, payload, at, taken);
            at += taken;
        }
        Ok(())
    }
}

/// The 64 bits from bit `at` on; zero past the end.
fn window(words: &[u64], at: usize) -> u64 {
    let (word, shift) = (at / WORD_BITS, at % WORD_BITS);
    let low = words.get(word).map_or(0, |w| w >> shift);
    let high = words.get(word + 1).copied().unwrap_or(0);
    if shift == 0 { low } else { low | high << (WORD_BITS - shift) }
}

/// Shortened positions that give code rate `rate` at a modulation budget of `d` = p + s positions:
/// s = ceil((R0 - R (1 - d/n)) n), R0 = 1 - m/n (Elkouss, Martinez-Mateo, Martin 2010); p = d - s.
///
/// ```
/// // R0 = .5, n = 4096: with d = 409, rate .5 needs half of them shortened.
/// assert_eq!(caligo_core::puncture::shortened_for(4096, 2048, 409, 0.5), 205);
/// ```
pub fn shortened_for(n: usize, m: usize, d: usize, rate: f64) -> usize {
    let mother = 1.0 - m as f64 / n as f64;
    let exact = (mother - rate * (1.0 - d as f64 / n as f64)) * n as f64;
    // A hair below, so that an exact integer is not pushed up by rounding.
    libm::ceil(exact - 1e-9).max(0.0).min(d as f64) as usize
}

/// Punctured positions for code rate `rate` >= 1 - m/n without shortening, rounded so that the rate
/// is not exceeded.
pub fn punctured_for(n: usize, m: usize, rate: f64) -> usize {
    let (n, m) = (n as f64, m as f64);
    if rate >= 1.0 {
        return m as usize;
    }
    libm::floor(n - (n - m) / rate + 1e-9).max(0.0).min(m) as usize
}

/// Shortened positions for code rate `rate` <= 1 - m/n without puncturing, rounded so that the rate is
/// not exceeded: s = ceil((n - m - rate n) / (1 - rate)).
pub fn shortened_only_for(n: usize, m: usize, rate: f64) -> usize {
    let (n, m) = (n as f64, m as f64);
    if rate >= 1.0 {
        return 0;
    }
    libm::ceil((n - m - rate * n) / (1.0 - rate) - 1e-9).max(0.0).min(n - m) as usize
}

/// Code rate of a pattern, (n - m - s) / (n - p - s).
pub fn rate(n: usize, m: usize, p: usize, s: usize) -> f64 {
    (n as f64 - m as f64 - s as f64) / (n as f64 - p as f64 - s as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_of_the_documents() {
        // pi = sigma + pi at delta = .10: R from (R0 - .1)/(1 - .1) to R0/(1 - .1).
        assert_eq!(punctured_for(4096, 2048, 0.5), 0);
        assert_eq!(punctured_for(4096, 2048, 0.8), 1536);
        assert_eq!(punctured_for(4096, 2048, 0.9), 1820);
        assert!(rate(4096, 2048, 1820, 0) <= 0.9);
        assert!((rate(4096, 2048, 0, 400) - 1648.0 / 3696.0).abs() < 1e-12);
        for r in [0.5, 0.45, 0.4, 0.3, 0.1] {
            let s = shortened_only_for(4096, 2048, r);
            assert!(rate(4096, 2048, 0, s) <= r && (s == 0 || rate(4096, 2048, 0, s - 1) > r));
        }
        for d in [0, 100, 409, 1802] {
            for r in [0.4, 0.5, 0.6] {
                let s = shortened_for(4096, 2048, d, r);
                assert!(s == d || rate(4096, 2048, d - s, s) <= r + 1e-12, "d {d} R {r}");
            }
        }
    }

    #[test]
    fn an_order_is_refused_where_it_is_wrong() {
        let mut seen = [0; 1];
        assert_eq!(
            Order::new(40, &[3, 40], &[], &mut seen),
            Err(PatternError::OutOfRange { index: 1, position: 40 })
        );
        assert_eq!(
            Order::new(40, &[3, 4], &[7, 8, 7], &mut seen),
            Err(PatternError::Repeated { index: 2, position: 7 })
        );
    }

    #[test]
    fn scatter_and_gather_are_inverse_and_ordered() -> Result<(), PatternError> {
        let (mut seen, mut a, mut b) = ([0; 2], [0; 2], [0; 2]);
        let order = Order::new(100, &[0, 63, 64, 99, 5], &[5, 6, 98, 50], &mut seen)?;
        let pattern = order.pattern(4, 3, &mut a, &mut b)?;
        assert_eq!((pattern.payload(), bits::ones(pattern.shortened()).collect_array()), (93, [5, 6, 98]));
        let payload = [0x0123_4567_89ab_cdef, 0x0bad_cafe];
        let mut frame = [0; 2];
        pattern.scatter(&payload, &[0b1011], &mut frame)?;
        let padding: [bool; 4] = [0, 63, 64, 99].map(|i| bits::get(&frame, i));
        assert_eq!(padding, [true, true, false, true]);
        let mut back = [0; 2];
        pattern.gather(&frame, &mut back)?;
        assert_eq!(back, payload);
        Ok(())
    }

    trait Collect<const N: usize> {
        fn collect_array(self) -> [usize; N];
    }
    impl<const N: usize, I: Iterator<Item = usize>> Collect<N> for I {
        fn collect_array(mut self) -> [usize; N] {
            core::array::from_fn(|_| self.next().unwrap_or(usize::MAX))
        }
    }
}
