//! More of the blocks that Bob could not decode, of both sets alike.
//!
//! Pair k of blocks is block k of either set. Once a round Bob says which pairs he wants more of; the same positions of
//! both blocks are then revealed, padding alone. Each set is charged for both blocks before either is: what is said of one
//! may tell of the other, and unlike syndromes it comes when Bob may have measured his memory.

use super::{Alice, Course, Phase, Reveal, charge, rows_of};
use crate::bits::{self, words_for};
use crate::ot::blocks::{Shape, padding_words, reveal_disclosure, steps};
use crate::ot::{Abort, GONE};
use crate::sift::gather;
use crate::spans::paste_span;
use crate::wire::{self, Bits, Disclosing, Span};

impl Course {
    /// What follows before round `round` of reveals.
    pub(super) fn after(self, round: u8) -> Phase {
        if round < self.rounds {
            Phase::AwaitWanted { course: self, round, at: 0 }
        } else {
            Phase::Tag { course: self, set: 0 }
        }
    }
}

impl Alice<'_> {
    /// Part of what Bob wants in `round`.
    pub(super) fn wanted_pairs(
        &mut self,
        course: Course,
        round: u8,
        at: usize,
        span: &Span<'_>,
    ) -> Result<Phase, Abort> {
        let blocks = course.blocks as usize;
        let rows = rows_of(self.held.memory.words, self.held.memory.record.rounds, &self.setup)?;
        let at = paste_span(span, round % 2, rows.sample, blocks, at)?;
        if at < blocks {
            return Ok(Phase::AwaitWanted { course, round, at });
        }
        let words = words_for(blocks);
        let (Some(last), Some(wanted)) = (rows.common.get_mut(..words), rows.sample.get(..words)) else {
            return Err(GONE);
        };
        if round > 0 && last.iter().zip(wanted).any(|(last, wanted)| wanted & !last != 0) {
            return Err(Abort::Contradiction("pairs: expected some of those wanted in the round before"));
        }
        last.copy_from_slice(wanted);
        self.seek(course, round, 0, 0)
    }

    /// The next pair that Bob wants, out of those from `pair` on, which begins at bit `start` of the sets; or what
    /// follows the round.
    fn seek(&mut self, course: Course, round: u8, pair: usize, start: usize) -> Result<Phase, Abort> {
        let rows = rows_of(self.held.memory.words, self.held.memory.record.rounds, &self.setup)?;
        let blocks = course.blocks as usize;
        let Some(wanted) = bits::next_one(rows.sample, pair).filter(|wanted| *wanted < blocks) else {
            return Ok(course.after(round + 1));
        };
        let (mut at, mut next) = (pair, start);
        loop {
            let (qber, set_bits) = (course.sifted.estimated.qber, course.sifted.set_bits);
            let (shape, plan) =
                Shape::plan(&self.setup, self.terms.correction, self.planner, qber, next, set_bits)?;
            if at < wanted {
                (at, next) = (at + 1, shape.end());
                continue;
            }
            let Some(count) = steps(&plan).nth(round.into()) else {
                return Err(Abort::Contradiction("pairs: expected those that have more to be revealed"));
            };
            let revealed = steps(&plan).take(round.into()).sum();
            let shape = Shape { revealed, ..shape };
            return Ok(Phase::Reveal {
                course,
                reveal: Reveal { round, pair: wanted, shape, count, second: None },
            });
        }
    }

    /// Tells values of one block; before the first of a pair, both are charged.
    pub(super) fn reveal(
        &mut self,
        mut course: Course,
        reveal: Reveal,
        out: &mut [u8],
    ) -> Result<(Phase, usize), Abort> {
        let Reveal { round, pair, shape, count, second } = reveal;
        let rows = rows_of(self.held.memory.words, self.held.memory.record.rounds, &self.setup)?;
        let set = usize::from(second.is_some());
        let (permit, second) = if let Some(permit) = second {
            (permit, None)
        } else {
            let masks = [&mut *rows.punctured, &mut *rows.shortened];
            let disclosure = reveal_disclosure(&self.setup, shape, count, masks)?;
            for book in &mut self.books {
                // For the other set's block; the leave to send it is in its own book.
                let _spent = charge(book, disclosure)?;
            }
            let first = charge(&mut self.books[0], disclosure)?;
            (first, Some(charge(&mut self.books[1], disclosure)?))
        };
        let fresh = Shape { revealed: 0, ..shape };
        let pattern = fresh.pattern(&self.setup, rows.punctured, rows.shortened)?;
        let payload = &mut rows.payload[..words_for(shape.payload)];
        payload.fill(0);
        let at = (2 * pair + set) * padding_words(&self.setup);
        let padding = self.held.memory.padding.get(at..at + words_for(pattern.p())).ok_or(GONE)?;
        pattern.scatter(payload, padding, rows.frame)?;
        shape.mark_next(&self.setup, count, rows.shortened);
        rows.payload.fill(0);
        let values = gather(rows.frame, rows.shortened, rows.payload);
        let message = Disclosing::BlindReveal(wire::Reveal {
            block: (2 * pair + set) as u32,
            values: Bits::of(rows.payload, values)?,
        });
        let sent = wire::disclose_next(out, &mut self.sent, permit, &message)?;
        if second.is_some() {
            let reveal = Reveal { round, pair, shape, count, second };
            return Ok((Phase::Reveal { course, reveal }, sent));
        }
        course.reveals = course.reveals.saturating_add(1);
        Ok((self.seek(course, round, pair + 1, shape.end())?, sent))
    }
}
