//! From the sets to his string. Nothing here sends.

use super::{Asking, Bob, BobDone, Phase, Silent, rows_of};
use crate::amplify::Toeplitz;
use crate::bits::{self, words_for};
use crate::decode::Outcome;
use crate::llr::Rates;
use crate::ot::blocks::{Shape, State};
use crate::ot::{Abort, Correction, Failure, GONE, Job, mask_of, select};
use crate::reconcile::plan::MAX_ROUNDS;
use crate::spans::paste;
use crate::verify::{same, tag};
use crate::wire::{Disclosing, Kind, Message, Plain, Reveal, Syndrome, Verify};

impl Bob<'_> {
    /// A frame of Alice's while he may ask for more.
    pub(super) fn listen_asking(&mut self, asking: Asking, message: &Message<'_>) -> Result<Phase, Abort> {
        if !matches!(message.kind(), Kind::BlindInit | Kind::BlindReveal) {
            return Err(Self::misplaced(&Phase::Asking(asking), message.kind()));
        }
        let silent = self.listen(asking.silent, message)?;
        // Nothing can be asked for.
        if silent.is_complete() && silent.rounds == 0 {
            return Ok(Phase::Silent(silent));
        }
        Ok(Phase::Asking(Asking { silent, ..asking }))
    }

    /// A frame of Alice's after the sets: both sets' are looked at in the same way, and kept only of one.
    pub(super) fn listen(&mut self, mut silent: Silent, message: &Message<'_>) -> Result<Silent, Abort> {
        let (complete, revealed) = (silent.is_complete(), silent.is_revealed());
        let (tagged, blind) = (silent.tags[1].is_some(), self.terms.correction != Correction::OneWay);
        match message {
            Message::Disclosing(Disclosing::Syndrome(message)) if !complete && !blind => {
                self.syndrome(&mut silent, message)?;
            }
            Message::Disclosing(Disclosing::BlindInit(message)) if !complete && blind => {
                self.syndrome(&mut silent, message)?;
            }
            Message::Disclosing(Disclosing::BlindReveal(message)) if complete && !revealed => {
                self.reveal(&mut silent, message)?;
            }
            Message::Disclosing(Disclosing::Verify(message)) if revealed && !tagged => {
                let set = usize::from(silent.tags[0].is_some());
                if *message != (Verify { from: set as u32, to: silent.number, ..*message }) {
                    return Err(Abort::Contradiction(
                        "tag: expected one for each set, the first one's first",
                    ));
                }
                silent.tags[set] = Some((message.key, message.tag));
            }
            Message::Plain(Plain::ToeplitzSeed { offset, total, bits }) if tagged && !silent.heard_all() => {
                self.seed(&mut silent, (*offset, *total), bits)?;
            }
            message => {
                return Err(Self::misplaced(&Phase::Silent(silent), message.kind()));
            }
        }
        Ok(silent)
    }

    fn syndrome(&mut self, silent: &mut Silent, message: &Syndrome<'_>) -> Result<(), Abort> {
        let (n, m) = (self.setup.code.n(), self.setup.code.m());
        let set_bits = silent.sifted.set_bits;
        let second = silent.number % 2 == 1;
        let start = if second { silent.shape.start } else { silent.shape.end() };
        let size = (message.punctured, message.shortened);
        let most = if self.terms.correction == Correction::OneWay { 0 } else { MAX_ROUNDS - 1 };
        if usize::from(message.request) > most {
            return Err(Abort::Contradiction("syndrome: expected no more reveals than a plan has"));
        }
        let steps = message.request as u8;
        let shape = Shape::new(n, size, (message.qber_ppm, steps), start, set_bits);
        let shape =
            shape.ok_or(Abort::Contradiction("pattern: expected a payload that the set still has"))?;
        if message.block != silent.number || message.syndrome.len() != m {
            return Err(Abort::Contradiction("syndrome: expected the next block's, one bit for each check"));
        }
        if second && shape != silent.shape {
            return Err(Abort::Contradiction("pattern: expected the same for both sets"));
        }
        let rows = rows_of(self.held.memory.words, self.held.memory.record.rounds, &self.setup)?;
        shape.pattern(&self.setup, rows.punctured, rows.shortened)?;
        let index = silent.blocks();
        let words = words_for(m);
        let place = self.held.memory.syndromes.get_mut(index * words..(index + 1) * words);
        let (Some(place), Some(block)) = (place, self.held.memory.blocks.get_mut(index)) else {
            return Err(Abort::Contradiction("blocks: expected no more than there is memory for"));
        };
        // Both are read; the mask keeps one.
        let mine = mask_of(second == self.held.choice);
        for (w, word) in place.iter_mut().enumerate() {
            let theirs = (0..64).fold(0, |word, i| word | u64::from(message.syndrome.get(w * 64 + i)) << i);
            *word = select(mine, *word, theirs);
        }
        block.shape = shape;
        silent.shape = shape;
        silent.number += 1;
        silent.rounds = silent.rounds.max(steps);
        Ok(())
    }

    /// Values of one block of a pair that he asked for. They are folded into the syndrome: the positions count as zeros
    /// from then on. Both blocks' are worked out, and one is kept.
    fn reveal(&mut self, silent: &mut Silent, message: &Reveal<'_>) -> Result<(), Abort> {
        let (pair, second) = (silent.pair, silent.count.is_some());
        let words = words_for(self.setup.code.m());
        let rows = rows_of(self.held.memory.words, self.held.memory.record.rounds, &self.setup)?;
        let place = self.held.memory.syndromes.get_mut(pair * words..(pair + 1) * words);
        let (Some(place), Some(block)) = (place, self.held.memory.blocks.get_mut(pair)) else {
            return Err(GONE);
        };
        let left = block.shape.punctured - block.shape.revealed;
        let count = u16::try_from(message.values.len()).unwrap_or(u16::MAX);
        let fits = count > 0 && count <= left && silent.count.is_none_or(|first| first == count);
        if message.block as usize != 2 * pair + usize::from(second) || !fits {
            return Err(Abort::Contradiction(
                "reveal: expected as many of both blocks of the next pair wanted",
            ));
        }
        block.shape.mark_next(&self.setup, count, rows.shortened);
        rows.frame.fill(0);
        for (i, position) in bits::ones(rows.shortened).enumerate() {
            bits::set(rows.frame, position, message.values.get(i));
        }
        let share = &mut rows.payload[..words];
        self.setup.code.syndrome(rows.frame, share)?;
        let mine = mask_of(second == self.held.choice);
        place.iter_mut().zip(&*share).for_each(|(word, share)| *word ^= mine & share);
        if !second {
            silent.count = Some(count);
            return Ok(());
        }
        block.shape.revealed += count;
        block.state = State::Due;
        silent.back = silent.back.saturating_sub(1);
        silent.count = None;
        silent.pair = bits::next_one(rows.sample, pair + 1).unwrap_or(usize::MAX);
        Ok(())
    }

    fn seed(
        &mut self,
        silent: &mut Silent,
        (offset, total): (u32, u32),
        bits: &crate::wire::Bits<'_>,
    ) -> Result<(), Abort> {
        let (set, at) = silent.seed;
        let total = total as usize;
        let length = (total + 1).saturating_sub(silent.sifted.set_bits);
        let fits =
            length > 0 && length <= silent.sifted.set_bits && silent.seed_bits.is_none_or(|t| t == total);
        if !fits {
            return Err(Abort::Contradiction(
                "seed: expected as many bits for both sets as a matrix has diagonals",
            ));
        }
        if words_for(length) > self.held.memory.string.len() {
            return Err(Abort::Host("string: expected room for as many bits as Alice's strings have"));
        }
        silent.seed_bits = Some(total);
        let rows = rows_of(self.held.memory.words, self.held.memory.record.rounds, &self.setup)?;
        // The seed of the other set goes where it does no harm.
        let string = if self.held.choice == (set == 1) { rows.hers } else { rows.scratch };
        let at = paste(bits, offset, string, total, at)?;
        silent.seed = if at < total { (set, at) } else { (set + 1, 0) };
        Ok(())
    }

    /// The next block whose syndromes have come, or more of it that was asked for.
    pub(super) fn next_job(&mut self, silent: &mut Silent) -> Option<usize> {
        let ready = silent.blocks().min(silent.pair);
        let blocks = self.held.memory.blocks.get_mut(silent.given..ready)?;
        let found = blocks.iter().position(|block| block.state == State::Due);
        let Some(found) = found else {
            silent.given = ready;
            return None;
        };
        blocks[found].state = State::Waiting;
        silent.given += found + 1;
        Some(silent.given - 1)
    }

    /// The decoding job of `block`, if it is given out and not back.
    pub fn job(&mut self, block: usize) -> Option<Job<'_>> {
        let silent = self.phase.silent()?;
        let found = self.held.memory.blocks.get(block).filter(|found| found.state == State::Waiting)?;
        if block >= silent.given {
            return None;
        }
        let shape = found.shape;
        let rows = rows_of(self.held.memory.words, self.held.memory.record.rounds, &self.setup).ok()?;
        let pattern = shape.pattern(&self.setup, rows.punctured, rows.shortened).ok()?;
        let payload = rows.payload.get_mut(..words_for(shape.payload))?;
        payload.fill(0);
        bits::copy(rows.string, shape.start, payload, 0, shape.payload);
        pattern.scatter(payload, rows.padding.get(..words_for(pattern.p()))?, rows.frame).ok()?;
        let words = words_for(self.setup.code.m());
        Some(Job {
            block: block as u32,
            first: shape.revealed == 0,
            patient: self.terms.correction != Correction::OneWay,
            frame: rows.frame,
            pattern,
            syndrome: self.held.memory.syndromes.get(block * words..(block + 1) * words)?,
            rates: Rates::Uniform(shape.rate()),
            doubts: 0,
        })
    }

    pub(super) fn decoded(&mut self, block: usize, outcome: Outcome, decision: &[u64]) -> Result<(), Abort> {
        const REFUSED: Abort = Abort::Host("decoded: expected the answer to a job");
        let silent = self.phase.silent_mut().ok_or(REFUSED)?;
        let found = self.held.memory.blocks.get_mut(block).ok_or(REFUSED)?;
        if found.state != State::Waiting || decision.len() != words_for(self.setup.code.n()) {
            return Err(REFUSED);
        }
        let shape = found.shape;
        found.state = State::Done { converged: outcome.converged };
        silent.back += 1;
        if !outcome.converged {
            // His own bits are needed again if more is revealed.
            return Ok(());
        }
        let rows = rows_of(self.held.memory.words, self.held.memory.record.rounds, &self.setup)?;
        let pattern = shape.pattern(&self.setup, rows.punctured, rows.shortened)?;
        let payload = &mut rows.payload[..words_for(shape.payload)];
        pattern.gather(decision, payload)?;
        bits::copy(payload, 0, rows.string, shape.start, shape.payload);
        Ok(())
    }

    /// All has come: the string, or if something failed, `random`.
    pub(super) fn finish(&mut self, silent: Silent, random: &[u64]) -> Result<BobDone, Abort> {
        let (length, set_bits) = (silent.length(), silent.sifted.set_bits);
        let rows = rows_of(self.held.memory.words, self.held.memory.record.rounds, &self.setup)?;
        let choice = mask_of(self.held.choice);
        let [first, second] = silent.tags.map(Option::unwrap_or_default);
        let (key, expected) = (select(choice, first.0, second.0), select(choice, first.1, second.1));
        let matched = same(tag(rows.string, set_bits, key), expected);
        let blocks = self.held.memory.blocks.iter().take(silent.back);
        let failed = blocks.filter(|block| block.state == State::Done { converged: false }).count() as u32;
        let hash = Toeplitz { input_bits: set_bits, output_bits: length };
        let output = &mut self.held.memory.string[..words_for(length)];
        self.terms.primitives.toeplitz(
            hash,
            &rows.hers[..words_for(hash.seed_bits())],
            &rows.string[..words_for(set_bits)],
            output,
            rows.scratch,
        )?;
        let failure = match (failed, matched) {
            (0, true) => None,
            (0, false) => Some(Failure::HashMismatch),
            (blocks, _) => Some(Failure::DecodingFailed { blocks }),
        };
        let mask = mask_of(failure.is_some());
        for (word, random) in output.iter_mut().zip(random) {
            *word = select(mask, *word, *random);
        }
        bits::clear_tail(output, length);
        Ok(BobDone { sifted: silent.sifted, length, failure })
    }
}
