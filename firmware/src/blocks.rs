//! Random blocks: a frame, errors, a syndrome, a decision.

use caligo_core::code::{Code, mother_4096};
use caligo_core::decode::{Compact, Outcome, Packed};
use caligo_core::puncture::{Pattern, order_4096};

use crate::random::Random;
use crate::{Digest, Host, Line, Work};

/// Blocks of each rate.
pub const COUNT: u64 = 250;
/// Iterations after which [`Compact`] gives up.
const MOST_ITERATIONS: u16 = 50;
/// Iterations after which [`Packed`] gives up: the hosts' 8-bit pass has as many.
const MOST_OF_BYTES: u16 = 40;

/// A frame to be decoded.
#[derive(Clone, Copy)]
pub struct Job<'j> {
    /// Its pattern.
    pub pattern: &'j Pattern<'j>,
    /// As received.
    pub frame: &'j [u64],
    /// The sender's.
    pub syndrome: &'j [u64],
    /// Error rate.
    pub qber: f64,
}

/// A decoder with its memory.
pub trait Decode {
    /// What lines say of it; nothing of [`Compact`].
    fn name(&self) -> &'static str;

    /// What its instructions are counted as.
    fn work(&self) -> Work;

    /// Decodes a frame. `None` if it does not fit the code.
    fn decode(&mut self, job: Job<'_>, decision: &mut [u64]) -> Option<Outcome>;
}

const WORDS: usize = Packed::words(&mother_4096::CODE);
const FEWER: usize = Compact::words(&mother_4096::CODE);

/// Memory of either decoder.
pub struct Decoders([u32; WORDS]);

/// [`Compact`] over this memory.
pub struct Small<'m>(&'m mut Decoders);
/// [`Packed`] over this memory.
pub struct Bytes<'m>(&'m mut Decoders);

impl Decoders {
    #[expect(clippy::large_stack_arrays, reason = "a static's first value")]
    pub(crate) const fn new() -> Self {
        Self([0; WORDS])
    }

    pub(crate) fn small(&mut self) -> Small<'_> {
        Small(self)
    }

    pub(crate) fn bytes(&mut self) -> Bytes<'_> {
        Bytes(self)
    }
}

impl Decode for Small<'_> {
    fn name(&self) -> &'static str {
        ""
    }

    fn work(&self) -> Work {
        Work::Decode
    }

    fn decode(&mut self, job: Job<'_>, decision: &mut [u64]) -> Option<Outcome> {
        decode_compact(self.0.0.first_chunk_mut()?, job, decision)
    }
}

impl Decode for Bytes<'_> {
    fn name(&self) -> &'static str {
        ", 8 bits"
    }

    fn work(&self) -> Work {
        Work::DecodeBytes
    }

    fn decode(&mut self, job: Job<'_>, decision: &mut [u64]) -> Option<Outcome> {
        decode_packed(&mut self.0.0, job, decision)
    }
}

// Functions of their own, so that their sizes are seen.
#[inline(never)]
fn decode_compact(memory: &mut [u32; FEWER], job: Job<'_>, decision: &mut [u64]) -> Option<Outcome> {
    let mut decoder = Compact::new(&mother_4096::CODE, memory).ok()?;
    decoder.run(MOST_ITERATIONS, job.pattern, job.frame, job.syndrome, decision).ok()
}

#[inline(never)]
fn decode_packed(memory: &mut [u32; WORDS], job: Job<'_>, decision: &mut [u64]) -> Option<Outcome> {
    let mut decoder = Packed::new(&mother_4096::CODE, memory).ok()?;
    let channel = Packed::channel(job.qber);
    decoder.run(MOST_OF_BYTES, channel, job.pattern, job.frame, job.syndrome, decision).ok()
}

/// A frame's memory but for the decoder's: the masks, the bits.
pub struct Blocks {
    punctured: [u64; 64],
    shortened: [u64; 64],
    frame: [u64; 64],
    syndrome: [u64; 32],
    /// The last decision.
    pub decision: [u64; 64],
}

impl Blocks {
    pub(crate) const fn new() -> Self {
        Self { punctured: [0; 64], shortened: [0; 64], frame: [0; 64], syndrome: [0; 32], decision: [0; 64] }
    }

    /// Decodes [`COUNT`] blocks and says what came of it. `false` if a decision was wrong.
    pub fn run<H: Host>(
        &mut self,
        host: &mut H,
        decoder: &mut dyn Decode,
        rate: u64,
        punctured: usize,
        ppm: u32,
    ) -> bool {
        let Self { punctured: holes, shortened, frame, syndrome, decision } = self;
        let Ok(pattern) = order_4096::ORDER.pattern(punctured, 0, holes, shortened) else { return false };
        let code = Code::Qc(mother_4096::CODE);
        let (mut converged, mut iterations, mut right, mut digest) = (0, 0, 0, Digest::default());
        for index in 0..COUNT {
            let mut random = Random::new(index << 8 | rate);
            random.fill(frame);
            let sent = *frame;
            host.begin();
            if code.syndrome(frame, syndrome).is_err() {
                return false;
            }
            host.end(Work::Encode, 1);
            for (word, hole) in frame.iter_mut().zip(pattern.punctured()) {
                *word = (*word ^ random.errors(ppm)) & !hole;
            }
            let job = Job { pattern: &pattern, frame, syndrome, qber: f64::from(ppm) / 1e6 };
            host.begin();
            let Some(outcome) = decoder.decode(job, decision) else { return false };
            host.end(decoder.work(), outcome.iterations.into());
            converged += u64::from(outcome.converged);
            iterations += u64::from(outcome.iterations);
            right += u64::from(outcome.converged && *decision == sent);
            digest.add(decision);
            digest.add(&[u64::from(outcome.converged), outcome.iterations.into()]);
        }
        let line = Line::new().text("blocks").text(decoder.name()).text(", rate .").number(rate).text(": ");
        let line = line.number(COUNT).text(", decoded ").number(converged).text(", rightly ").number(right);
        let line = line.text(", iterations ").number(iterations);
        line.text(", digest ").hex(digest.value()).end(host);
        right == converged
    }
}

impl Default for Blocks {
    fn default() -> Self {
        Self::new()
    }
}
