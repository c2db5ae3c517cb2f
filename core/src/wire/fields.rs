use super::{MAX_BITS, MAX_POSITIONS, WireError};
use crate::bits::{self, words_for};

/// A bit string inside a frame, or one about to be written from words.
#[derive(Clone, Copy, Debug)]
pub struct Bits<'a> {
    len: usize,
    data: Data<'a>,
}

#[derive(Clone, Copy, Debug)]
enum Data<'a> {
    Bytes(&'a [u8]),
    Words(&'a [u64]),
}

impl<'a> Bits<'a> {
    /// The first `len` bits of `words`; what follows them is not looked at.
    ///
    /// # Errors
    /// [`WireError::Field`] if there are more than [`MAX_BITS`] or fewer words than they need.
    pub fn of(words: &'a [u64], len: usize) -> Result<Self, WireError> {
        match words.get(..words_for(len)) {
            Some(words) if len <= MAX_BITS => Ok(Self { len, data: Data::Words(words) }),
            _ => Err(WireError::Field { what: "bits: expected as many as given, and at most a body's" }),
        }
    }

    /// Length in bits.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn byte(&self, i: usize) -> u8 {
        let byte = match self.data {
            Data::Bytes(bytes) => bytes.get(i).copied().unwrap_or(0),
            Data::Words(words) => (words.get(i / 8).copied().unwrap_or(0) >> (i % 8 * 8)) as u8,
        };
        // Bits past the end were not asked for and must not leave.
        let used = self.len.saturating_sub(i * 8);
        if used >= 8 { byte } else { byte & !(0xff << used) as u8 }
    }

    /// Bit `i`; zero past the end.
    pub fn get(&self, i: usize) -> bool {
        i < self.len && self.byte(i / 8) >> (i % 8) & 1 == 1
    }

    /// Copies the bits to `words`: as many words as both hold; the rest of `words` becomes zero.
    pub fn copy_to(&self, words: &mut [u64]) {
        for (w, word) in words.iter_mut().enumerate() {
            *word = (0..8).fold(0, |value, i| value | u64::from(self.byte(w * 8 + i)) << (i * 8));
        }
    }
}

impl PartialEq for Bits<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len && (0..self.len.div_ceil(8)).all(|i| self.byte(i) == other.byte(i))
    }
}

impl Eq for Bits<'_> {}

/// Positions of a frame, inside a message or about to be written.
#[derive(Clone, Copy, Debug)]
pub struct Positions<'a>(Listed<'a>);

#[derive(Clone, Copy, Debug)]
enum Listed<'a> {
    Bytes(&'a [u8]),
    Values(&'a [u16]),
    /// Where a mask has ones.
    Ones(&'a [u64]),
}

impl<'a> Positions<'a> {
    /// These positions.
    ///
    /// # Errors
    /// [`WireError::Field`] if there are more than [`MAX_POSITIONS`].
    pub fn of(values: &'a [u16]) -> Result<Self, WireError> {
        if values.len() > MAX_POSITIONS { Err(TOO_MANY) } else { Ok(Self(Listed::Values(values))) }
    }

    /// The ones of `mask`, ascending.
    ///
    /// # Errors
    /// [`WireError::Field`] if there are more than [`MAX_POSITIONS`], or some above 65535.
    pub fn ones(mask: &'a [u64]) -> Result<Self, WireError> {
        if bits::count_ones(mask) > MAX_POSITIONS || mask.len() > 1 << 10 {
            return Err(TOO_MANY);
        }
        Ok(Self(Listed::Ones(mask)))
    }

    /// How many.
    pub fn len(&self) -> usize {
        match self.0 {
            Listed::Bytes(bytes) => bytes.len() / 2,
            Listed::Values(values) => values.len(),
            Listed::Ones(mask) => bits::count_ones(mask),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The positions.
    pub fn iter(&self) -> impl Iterator<Item = u16> + 'a {
        let (bytes, values, mask): (&[u8], &[u16], &[u64]) = match self.0 {
            Listed::Bytes(bytes) => (bytes, &[], &[]),
            Listed::Values(values) => (&[], values, &[]),
            Listed::Ones(mask) => (&[], &[], mask),
        };
        let pairs = bytes.as_chunks::<2>().0.iter().map(|pair| u16::from_be_bytes(*pair));
        pairs.chain(values.iter().copied()).chain(bits::ones(mask).map(|position| position as u16))
    }
}

impl PartialEq for Positions<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Positions<'_> {}

fn in_ppm(value: u32) -> Result<u32, WireError> {
    const REFUSED: WireError = WireError::Field { what: "error rate: expected at most 500000 millionths" };
    if value > 500_000 { Err(REFUSED) } else { Ok(value) }
}

fn in_parts(part: u8) -> Result<u8, WireError> {
    if part > 1 { Err(WireError::Field { what: "part: expected 0 or 1" }) } else { Ok(part) }
}

const TOO_MANY: WireError = WireError::Field { what: "positions: expected at most 4096" };

/// Writes fields; what does not fit or is out of range is noticed at the end.
pub(super) struct Writer<'a> {
    out: &'a mut [u8],
    at: usize,
    refused: Option<WireError>,
}

impl<'a> Writer<'a> {
    pub(super) fn new(out: &'a mut [u8]) -> Self {
        Self { out, at: 0, refused: None }
    }

    fn bytes(&mut self, bytes: &[u8]) {
        if let Some(to) = self.out.get_mut(self.at..self.at + bytes.len()) {
            to.iter_mut().zip(bytes).for_each(|(to, byte)| *to = *byte);
        }
        self.at += bytes.len();
    }

    pub(super) fn u8(&mut self, value: u8) {
        self.bytes(&[value]);
    }

    pub(super) fn u16(&mut self, value: u16) {
        self.bytes(&value.to_be_bytes());
    }

    pub(super) fn u32(&mut self, value: u32) {
        self.bytes(&value.to_be_bytes());
    }

    pub(super) fn u64(&mut self, value: u64) {
        self.bytes(&value.to_be_bytes());
    }

    pub(super) fn ppm(&mut self, value: u32) {
        self.refused = self.refused.or(in_ppm(value).err());
        self.u32(value);
    }

    pub(super) fn part(&mut self, value: u8) {
        self.refused = self.refused.or(in_parts(value).err());
        self.u8(value);
    }

    pub(super) fn bits(&mut self, bits: &Bits<'_>) {
        self.u32(bits.len as u32);
        for i in 0..bits.len.div_ceil(8) {
            self.u8(bits.byte(i));
        }
    }

    pub(super) fn positions(&mut self, positions: &Positions<'_>) {
        self.u16(positions.len() as u16);
        positions.iter().for_each(|position| self.u16(position));
    }

    /// Bytes written, if all of them fitted and every field was in range.
    pub(super) fn finish(self) -> Result<usize, WireError> {
        match self.refused {
            Some(refused) => Err(refused),
            None if self.at > self.out.len() => Err(WireError::NoRoom),
            None => Ok(self.at),
        }
    }
}

pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(rest: &'a [u8]) -> Self {
        Self { rest }
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], WireError> {
        let (head, rest) = self.rest.split_at_checked(length).ok_or(WireError::Truncated)?;
        self.rest = rest;
        Ok(head)
    }

    fn integer(&mut self, length: usize) -> Result<u64, WireError> {
        Ok(self.take(length)?.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)))
    }

    pub(super) fn u8(&mut self) -> Result<u8, WireError> {
        self.integer(1).map(|v| v as u8)
    }

    pub(super) fn u16(&mut self) -> Result<u16, WireError> {
        self.integer(2).map(|v| v as u16)
    }

    pub(super) fn u32(&mut self) -> Result<u32, WireError> {
        self.integer(4).map(|v| v as u32)
    }

    pub(super) fn u64(&mut self) -> Result<u64, WireError> {
        self.integer(8)
    }

    pub(super) fn ppm(&mut self) -> Result<u32, WireError> {
        self.u32().and_then(in_ppm)
    }

    pub(super) fn part(&mut self) -> Result<u8, WireError> {
        self.u8().and_then(in_parts)
    }

    pub(super) fn flag(&mut self, what: &'static str) -> Result<bool, WireError> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(WireError::Field { what }),
        }
    }

    pub(super) fn bits(&mut self) -> Result<Bits<'a>, WireError> {
        let len = self.u32()? as usize;
        if len > MAX_BITS {
            return Err(WireError::Field { what: "bits: expected at most a body's" });
        }
        let bytes = self.take(len.div_ceil(8))?;
        let unused = if len.is_multiple_of(8) { 0 } else { 0xff << (len % 8) };
        if bytes.last().is_some_and(|last| last & unused as u8 != 0) {
            return Err(WireError::Field { what: "bits: expected unused ones to be zero" });
        }
        Ok(Bits { len, data: Data::Bytes(bytes) })
    }

    pub(super) fn positions(&mut self) -> Result<Positions<'a>, WireError> {
        let count = usize::from(self.u16()?);
        if count > MAX_POSITIONS {
            return Err(TOO_MANY);
        }
        Ok(Positions(Listed::Bytes(self.take(2 * count)?)))
    }

    pub(super) fn end(&self) -> Result<(), WireError> {
        if self.rest.is_empty() { Ok(()) } else { Err(WireError::Oversized) }
    }
}
