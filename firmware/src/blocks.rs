//! Random blocks: a frame, errors, a syndrome, a decision.

use caligo_core::code::{Code, mother_4096};
use caligo_core::decode::{Compact, Outcome};
use caligo_core::puncture::{Pattern, order_4096};

use crate::random::Random;
use crate::{Digest, Host, Line, Work};

/// Blocks of each rate.
pub const COUNT: u64 = 250;
/// Iterations after which a run gives up.
pub const MOST_ITERATIONS: u16 = 50;

const WORDS: usize = Compact::words(&mother_4096::CODE);

/// A frame's memory: the decoder's, the masks, the bits.
pub struct Blocks {
    decoder: [u32; WORDS],
    punctured: [u64; 64],
    shortened: [u64; 64],
    frame: [u64; 64],
    syndrome: [u64; 32],
    /// The last decision.
    pub decision: [u64; 64],
}

impl Blocks {
    pub(crate) const fn new() -> Self {
        Self {
            decoder: [0; WORDS],
            punctured: [0; 64],
            shortened: [0; 64],
            frame: [0; 64],
            syndrome: [0; 32],
            decision: [0; 64],
        }
    }

    /// Decodes one frame.
    pub(crate) fn decode(
        &mut self,
        pattern: &Pattern<'_>,
        frame: &[u64],
        syndrome: &[u64],
    ) -> Option<Outcome> {
        decode(&mut self.decoder, pattern, frame, syndrome, &mut self.decision)
    }

    pub(crate) fn run<H: Host>(&mut self, host: &mut H, rate: u64, punctured: usize, ppm: u32) -> bool {
        let Self { decoder, punctured: holes, shortened, frame, syndrome, decision } = self;
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
            host.begin();
            let Some(outcome) = decode(decoder, &pattern, frame, syndrome, decision) else { return false };
            host.end(Work::Decode, outcome.iterations.into());
            converged += u64::from(outcome.converged);
            iterations += u64::from(outcome.iterations);
            right += u64::from(outcome.converged && *decision == sent);
            digest.add(decision);
            digest.add(&[u64::from(outcome.converged), outcome.iterations.into()]);
        }
        let line =
            Line::new().text("blocks, rate .").number(rate).text(": ").number(COUNT).text(", decoded ");
        let line = line.number(converged).text(", rightly ").number(right).text(", iterations ");
        line.number(iterations).text(", digest ").hex(digest.value()).end(host);
        right == converged
    }
}

fn decode(
    memory: &mut [u32],
    pattern: &Pattern<'_>,
    frame: &[u64],
    syndrome: &[u64],
    decision: &mut [u64],
) -> Option<Outcome> {
    let mut decoder = Compact::new(&mother_4096::CODE, memory).ok()?;
    decoder.run(MOST_ITERATIONS, pattern, frame, syndrome, decision).ok()
}
