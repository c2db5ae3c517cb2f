//! What he says after his sets, if errors are corrected blindly: in each round, which blocks need more.
//!
//! He says so in every round of the plan, and of every block one bit: how often he speaks, and how long, depends on nothing
//! that he decodes. The bits do: see [`SemiHonestAlice`](crate::ot::SemiHonestAlice).

use super::{Asking, Bob, Phase, rows_of};
use crate::bits;
use crate::ot::Abort;
use crate::ot::blocks::State;
use crate::spans::cut;
use crate::wire::{self, Plain, Span};

impl Bob<'_> {
    /// Part of what he asks for in this round, all his decisions being back. After the last he is silent.
    pub(super) fn ask(&mut self, asking: Asking, out: &mut [u8]) -> Result<(Phase, usize), Abort> {
        let Asking { mut silent, round, at } = asking;
        let (blocks, part) = (silent.blocks(), round % 2);
        let rows = rows_of(self.held.memory.words, self.held.memory.record.rounds, &self.setup)?;
        if at == 0 {
            rows.sample.fill(0);
            for (pair, block) in self.held.memory.blocks.iter().take(blocks).enumerate() {
                let failed = block.state == State::Done { converged: false };
                bits::set(rows.sample, pair, failed && round < block.shape.steps);
            }
        }
        let wanted = cut(rows.sample, blocks, at, self.terms.chunk_bits)?;
        let message = Plain::PairsWanted(Span { part, offset: at as u32, bits: wanted });
        let sent = wire::encode_next(out, &mut self.sent, &message)?;
        let at = at + wanted.len();
        if at < blocks {
            return Ok((Phase::Asking(Asking { silent, round, at }), sent));
        }
        silent.pair = bits::next_one(rows.sample, 0).unwrap_or(usize::MAX);
        silent.given = 0;
        let round = round + 1;
        let phase = if round < silent.rounds {
            Phase::Asking(Asking { silent, round, at: 0 })
        } else {
            Phase::Silent(silent)
        };
        Ok((phase, sent))
    }
}
