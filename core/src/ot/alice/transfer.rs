//! From two sets to two strings.

use super::{Alice, Course, Phase, charge, rows_of};
use crate::amplify::Toeplitz;
use crate::bits::{self, words_for};
use crate::ot::blocks::{Shape, TAG, disclosure, padding_words};
use crate::ot::contract::{Amplified, Reconciled};
use crate::ot::{Abort, Correction, GONE};
use crate::verify::tag;
use crate::wire::{self, Bits, Disclosing, Plain, Syndrome, Verify};

impl Alice<'_> {
    /// Sends what `words` of fresh entropy make of the phase: a syndrome, a tag, or part of a seed.
    pub(super) fn transfer(
        &mut self,
        phase: Phase,
        words: &[u64],
        out: &mut [u8],
    ) -> Result<(Phase, usize), Abort> {
        match phase {
            Phase::Blocks { course, number, shape } => self.block(course, number, shape, words, out),
            Phase::Tag { course, set } => self.tag(course, set, words, out),
            Phase::Seed { amplified, set, at } => self.seed(amplified, set, at, words, out),
            _ => Err(GONE),
        }
    }

    fn block(
        &mut self,
        mut course: Course,
        number: u32,
        shape: Shape,
        padding: &[u64],
        out: &mut [u8],
    ) -> Result<(Phase, usize), Abort> {
        let set = (number % 2) as usize;
        let rows = rows_of(self.held.memory.words, self.held.memory.record.rounds, &self.setup)?;
        let pattern = shape.pattern(&self.setup, rows.punctured, rows.shortened)?;
        let payload = &mut rows.payload[..words_for(shape.payload)];
        payload.fill(0);
        bits::copy(rows.strings[set], shape.start, payload, 0, shape.payload);
        let padding = &padding[..words_for(pattern.p())];
        pattern.scatter(payload, padding, rows.frame)?;
        self.setup.code.syndrome(rows.frame, rows.syndrome)?;
        let permit = charge(&mut self.books[set], disclosure(&self.setup, &pattern))?;
        let syndrome = Syndrome {
            block: number,
            punctured: shape.punctured,
            shortened: shape.shortened,
            qber_ppm: shape.qber_ppm,
            request: shape.steps.into(),
            syndrome: Bits::of(rows.syndrome, self.setup.code.m())?,
        };
        let message = match self.terms.correction {
            Correction::OneWay => Disclosing::Syndrome(syndrome),
            Correction::BlindUnder(_) => {
                let at = number as usize * padding_words(&self.setup);
                let kept = self.held.memory.padding.get_mut(at..at + padding.len());
                kept.ok_or(GONE)?.copy_from_slice(padding);
                Disclosing::BlindInit(syndrome)
            }
        };
        let sent = wire::disclose_next(out, &mut self.sent, permit, &message)?;
        let number = number + 1;
        if set == 0 {
            return Ok((Phase::Blocks { course, number, shape }, sent));
        }
        course.blocks += 1;
        course.rounds = course.rounds.max(shape.steps);
        let sifted = &course.sifted;
        if shape.end() == sifted.set_bits {
            return Ok((course.after(0), sent));
        }
        let (correction, qber) = (self.terms.correction, sifted.estimated.qber);
        let (shape, _) =
            Shape::plan(&self.setup, correction, self.planner, qber, shape.end(), sifted.set_bits)?;
        Ok((Phase::Blocks { course, number, shape }, sent))
    }

    fn tag(
        &mut self,
        course: Course,
        set: usize,
        words: &[u64],
        out: &mut [u8],
    ) -> Result<(Phase, usize), Abort> {
        let &[key] = words else { return Err(GONE) };
        let rows = rows_of(self.held.memory.words, self.held.memory.record.rounds, &self.setup)?;
        let value = tag(rows.strings[set], course.sifted.set_bits, key);
        let permit = charge(&mut self.books[set], TAG)?;
        let message = Disclosing::Verify(Verify { from: set as u32, to: 2 * course.blocks, key, tag: value });
        let sent = wire::disclose_next(out, &mut self.sent, permit, &message)?;
        if set == 0 {
            return Ok((Phase::Tag { course, set: 1 }, sent));
        }
        let [Some(first), Some(second)] = [self.books[0].take(), self.books[1].take()] else {
            return Err(Abort::Host("ledger: gone"));
        };
        let receipts = [first.close(), second.close()];
        let Course { sifted, blocks, reveals, .. } = course;
        let reconciled = Reconciled::check(&self.terms, sifted, (blocks, reveals), receipts)?;
        let room = self.held.memory.strings.iter().map(|string| string.len()).min().unwrap_or(0);
        let amplified = Amplified::check(&self.terms, reconciled, room.saturating_mul(64))?;
        Ok((Phase::Seed { amplified, set: 0, at: 0 }, sent))
    }

    fn seed(
        &mut self,
        amplified: Amplified,
        set: usize,
        at: usize,
        words: &[u64],
        out: &mut [u8],
    ) -> Result<(Phase, usize), Abort> {
        let total = amplified.seed_bits;
        let rows = rows_of(self.held.memory.words, self.held.memory.record.rounds, &self.setup)?;
        let bits = (total - at).min(self.terms.chunk_bits);
        let place = rows.seed.get_mut(at / 64..).and_then(|seed| seed.get_mut(..words.len()));
        place.ok_or(GONE)?.copy_from_slice(words);
        let message =
            Plain::ToeplitzSeed { offset: at as u32, total: total as u32, bits: Bits::of(words, bits)? };
        let sent = wire::encode_next(out, &mut self.sent, &message)?;
        let at = at + bits;
        if at < total {
            return Ok((Phase::Seed { amplified, set, at }, sent));
        }
        let hash =
            Toeplitz { input_bits: amplified.reconciled.sifted.set_bits, output_bits: amplified.length };
        // Neither set is needed any more, their bits are.
        let [scratch, _] = rows.sets;
        self.terms.primitives.toeplitz(
            hash,
            &rows.seed[..words_for(total)],
            &rows.strings[set][..words_for(hash.input_bits)],
            &mut self.held.memory.strings[set][..words_for(hash.output_bits)],
            scratch,
        )?;
        if set == 0 {
            return Ok((Phase::Seed { amplified, set: 1, at: 0 }, sent));
        }
        Ok((Phase::Finished { amplified }, sent))
    }
}
