//! Looking on while a frame is decoded.

/// Which decoder is at work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Bit-sliced min-sum.
    FirstPass,
    /// 8-bit corrected min-sum.
    Integer,
    /// f32 sum-product.
    Float,
    /// A position in doubt was taken for known, with either value.
    Guess,
}

/// What is decided after an iteration; of guesses, after both runs of a position.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'s> {
    /// Which decoder.
    pub stage: Stage,
    /// Its iterations since the last time.
    pub iterations: u16,
    /// The decision, n bits.
    pub decision: &'s [u64],
}

/// Called after every iteration.
pub type Watch<'w> = &'w mut dyn FnMut(&Seen<'_>);

/// The same for a shorter time.
pub(crate) fn lend<'s>(watch: &'s mut Option<Watch<'_>>) -> Option<Watch<'s>> {
    match watch {
        Some(watch) => Some(&mut **watch),
        None => None,
    }
}
