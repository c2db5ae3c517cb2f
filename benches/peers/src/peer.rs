//! What is measured: decoders that take a batch of frames and keep their own clock.

use std::ops::AddAssign;

/// Words of a frame of the mother code.
pub(crate) const FRAME: usize = 64;
/// Words of its syndrome.
pub(crate) const SYNDROME: usize = 32;

/// Frames as received, and the syndromes of those that were sent.
#[derive(Clone, Copy)]
pub(crate) struct Batch<'a> {
    pub(crate) qber: f64,
    pub(crate) received: &'a [u64],
    pub(crate) syndromes: &'a [u64],
}

impl<'a> Batch<'a> {
    /// Frame by frame, each with its syndrome.
    pub(crate) fn iter(self) -> impl Iterator<Item = (&'a [u64], &'a [u64])> {
        self.received.chunks_exact(FRAME).zip(self.syndromes.chunks_exact(SYNDROME))
    }
}

/// What a batch took. Conversion to and from a peer's own types is not counted.
#[derive(Clone, Copy, Default)]
pub(crate) struct Spent {
    pub(crate) seconds: f64,
    pub(crate) iterations: u64,
}

impl AddAssign for Spent {
    fn add_assign(&mut self, other: Self) {
        self.seconds += other.seconds;
        self.iterations += other.iterations;
    }
}

/// A decoder of the mother code.
pub(crate) trait Peer {
    /// Decodes `batch`; the decisions, packed.
    fn decode(&mut self, batch: Batch<'_>, decisions: &mut [u64]) -> anyhow::Result<Spent>;
}

/// ln((1 - Q)/Q) with the sign of each received bit, positive for 0.
pub(crate) fn llrs(received: &[u64], qber: f64, out: &mut [f64]) {
    let strength = ((1.0 - qber) / qber).ln();
    for (i, llr) in out.iter_mut().enumerate() {
        *llr = if received[i / 64] >> (i % 64) & 1 == 1 { -strength } else { strength };
    }
}

/// CPU seconds of this process.
pub(crate) fn cpu_seconds() -> f64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    now.tv_sec as f64 + now.tv_nsec as f64 * 1e-9
}
