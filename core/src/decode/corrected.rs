//! Corrected min-sum over 8-bit messages.
//!
//! Box-plus of two magnitudes a, b is min(a, b) + c(a + b) - c(|a - b|) with
//! c(x) = ln(1 + exp(-x)), here the line max(0, c(0) - x/4). Integers only: the same bits on every
//! target.
//!
//! The constants are twelve units to the nat and c(0) = 7 units = 0.58 nat. The line nearest to c in
//! real numbers begins at 0.65, but x/4 is rounded down, which lifts the line by 3/8 of a unit on
//! average; a c(0) above 0.65 makes messages grow along punctured chains and the decoder fails.

use super::Arithmetic;
use super::kernel::{Job, Rule};
use crate::code::Layers;
use crate::decode::Outcome;

const LANES: usize = 64;

/// Integer arithmetic: 8-bit messages, 16-bit posteriors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Corrected {
    /// Units per nat of the LLR.
    units: u8,
    /// Correction at zero, in units.
    offset: u8,
    /// Largest magnitude of a message.
    limit: u8,
}

impl Corrected {
    /// Arithmetic with `units` per nat, correction `offset` at zero, and messages of at most `limit`, itself
    /// at most 127.
    pub const fn new(units: u8, offset: u8, limit: u8) -> Self {
        let limit = if limit > 127 { 127 } else { limit };
        Self { units, offset, limit }
    }

    /// The default, in constants.
    pub(super) const STANDARD: Self = Self::new(12, 7, 127);

    /// Correction at zero, in units.
    pub const fn offset(&self) -> u8 {
        self.offset
    }

    /// Largest magnitude of a message.
    pub const fn limit(&self) -> u8 {
        self.limit
    }
}

impl Default for Corrected {
    fn default() -> Self {
        Self::STANDARD
    }
}

impl Arithmetic for Corrected {
    // Above the sum of messages of 157 checks of a column at the largest magnitude.
    const KNOWN: i16 = 20_000;
    const UNKNOWN: i16 = 0;

    fn quantise(&self, nats: f32) -> i16 {
        libm::roundf(nats * f32::from(self.units)).clamp(1.0, 127.0) as i16
    }

    #[inline(always)]
    fn signed(llr: i16, bit: bool) -> i16 {
        if bit { -llr } else { llr }
    }

    #[inline(always)]
    fn magnitude(llr: i16) -> f32 {
        f32::from(llr.unsigned_abs())
    }
}

#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct Slot<const L: usize> {
    magnitude: [u8; L],
    before: [u8; L],
    sign: [u8; L],
}

#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct Running<const L: usize> {
    magnitude: [u8; L],
    sign: [u8; L],
}

impl Rule for Corrected {
    type Message = i8;
    type Posterior = i16;
    type Slot<const L: usize> = Slot<L>;
    type Running<const L: usize> = Running<L>;

    const NOTHING: i8 = 0;

    #[inline(always)]
    fn slot<const L: usize>() -> Slot<L> {
        Slot { magnitude: [0; L], before: [0; L], sign: [0; L] }
    }

    #[inline(always)]
    fn subtract(posterior: i16, message: i8) -> i16 {
        posterior.saturating_sub(i16::from(message))
    }

    #[inline(always)]
    fn add(posterior: i16, message: i8) -> i16 {
        posterior.saturating_add(i16::from(message))
    }

    #[inline(always)]
    fn is_one(posterior: i16) -> u8 {
        (posterior as u16 >> 15) as u8
    }

    #[inline(always)]
    fn begin<const L: usize>(signs: &[u8; L]) -> Running<L> {
        Running { magnitude: [u8::MAX; L], sign: *signs }
    }

    #[inline(always)]
    fn absorb<const L: usize>(
        &self,
        mut running: Running<L>,
        slot: &mut Slot<L>,
        incoming: &[i16; L],
    ) -> Running<L> {
        // One array written per loop, stored whole: what the vectoriser keeps in registers.
        let limit = i16::from(self.limit);
        let (mut value, mut sign, mut magnitude) = ([0i8; L], [0u8; L], [0u8; L]);
        for i in 0..L {
            value[i] = incoming[i].clamp(-limit, limit) as i8;
        }
        for i in 0..L {
            sign[i] = value[i] as u8 & 0x80;
        }
        for i in 0..L {
            magnitude[i] = value[i].unsigned_abs();
        }
        for i in 0..L {
            running.sign[i] ^= sign[i];
        }
        *slot = Slot { magnitude, before: running.magnitude, sign };
        running.magnitude = box_plus(running.magnitude, magnitude, self.offset);
        running
    }

    #[inline(always)]
    fn turn<const L: usize>(running: Running<L>) -> Running<L> {
        Running { magnitude: [u8::MAX; L], ..running }
    }

    #[inline(always)]
    fn emit<const L: usize>(
        &self,
        mut running: Running<L>,
        slot: &Slot<L>,
        incoming: &mut [i16; L],
        outgoing: &mut [i8; L],
    ) -> Running<L> {
        let magnitude = box_plus(slot.before, running.magnitude, self.offset);
        let mut out = [0i8; L];
        for i in 0..L {
            // -1 where negative: (m ^ s) - s negates.
            let s = (slot.sign[i] ^ running.sign[i]) as i8 >> 7;
            out[i] = (magnitude[i].min(self.limit) as i8 ^ s) - s;
        }
        *outgoing = out;
        let mut sum = [0i16; L];
        for i in 0..L {
            sum[i] = Self::add(incoming[i], out[i]);
        }
        *incoming = sum;
        running.magnitude = box_plus(running.magnitude, slot.magnitude, self.offset);
        running
    }

    #[inline(always)]
    fn run_in_lanes<G: Layers>(&self, job: Job<'_, Self, G>) -> Outcome {
        job.iterate_cyclic::<LANES>(self)
    }
}

/// a = a [+] b on magnitudes; 255 is infinity, the neutral element.
#[inline(always)]
fn box_plus<const L: usize>(a: [u8; L], b: [u8; L], offset: u8) -> [u8; L] {
    let mut out = [0; L];
    for i in 0..L {
        let (low, high) = (a[i].min(b[i]), a[i].max(b[i]));
        let sum = offset.saturating_sub(low.saturating_add(high) >> 2);
        let difference = offset.saturating_sub((high - low) >> 2);
        out[i] = low.saturating_add(sum).saturating_sub(difference);
    }
    out
}
