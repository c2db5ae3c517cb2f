//! Batches of a source, cut anew: as many rounds at a time as a protocol's run takes.

use caligo_core::bits::{self, words_for};
use caligo_core::sift::Record;
use zeroize::Zeroize;

use super::{PairSource, Party, Rounds, SourceError};

/// Gives the rounds of a source in portions of any size, one after the other.
#[derive(Debug)]
pub struct Portions<S> {
    source: S,
    batch: Rounds,
    /// Rounds of the batch that are given away.
    given: usize,
}

impl<S: PairSource> Portions<S> {
    /// The portions of `source`.
    pub fn new(source: S) -> Self {
        Self { source, batch: Rounds::default(), given: 0 }
    }

    /// Fills `rounds` up to its length with those that come next. How many there were: fewer only at the source's end.
    ///
    /// # Errors
    /// Those of the source.
    pub fn fill(&mut self, rounds: &mut Rounds) -> Result<usize, SourceError> {
        rounds.wipe();
        let mut at = 0;
        while at < rounds.len {
            if self.given == self.batch.len {
                let Some(next) = self.source.rounds()? else { break };
                self.batch.wipe();
                (self.batch, self.given) = (next, 0);
            }
            let len = (self.batch.len - self.given).min(rounds.len - at);
            for (from, to) in self.batch.columns().into_iter().zip(rounds.columns_mut()) {
                bits::copy(from, self.given, to, at, len);
            }
            at += len;
            self.given += len;
        }
        Ok(at)
    }
}

impl<S> Drop for Portions<S> {
    fn drop(&mut self) {
        self.batch.wipe();
    }
}

impl Rounds {
    /// The first `len` rounds of `source`; all, if it has fewer.
    ///
    /// # Errors
    /// Those of the source.
    pub fn first(source: impl PairSource, len: usize) -> Result<Self, SourceError> {
        let mut rounds = Self::silent(len);
        let found = Portions::new(source).fill(&mut rounds)?;
        rounds.len = found;
        for Party { clicked, bases, bits } in [&mut rounds.alice, &mut rounds.bob] {
            [clicked, bases, bits].into_iter().for_each(|column| column.truncate(words_for(found)));
        }
        Ok(rounds)
    }

    /// As many rounds as `len`. What was recorded is forgotten.
    pub fn resize(&mut self, len: usize) {
        self.wipe();
        self.len = len;
        [&mut self.alice, &mut self.bob].into_iter().for_each(|party| {
            let Party { clicked, bases, bits } = party;
            [clicked, bases, bits].into_iter().for_each(|words| words.resize(words_for(len), 0));
        });
    }

    fn columns(&self) -> [&[u64]; 6] {
        let Self { alice: a, bob: b, .. } = self;
        [&a.clicked, &a.bases, &a.bits, &b.clicked, &b.bases, &b.bits]
    }

    fn columns_mut(&mut self) -> [&mut [u64]; 6] {
        let Self { alice: a, bob: b, .. } = self;
        [&mut a.clicked, &mut a.bases, &mut a.bits, &mut b.clicked, &mut b.bases, &mut b.bits]
    }

    /// Forgets what was recorded; the length stays.
    pub fn wipe(&mut self) {
        self.columns_mut().into_iter().for_each(Zeroize::zeroize);
    }
}

impl Party {
    /// The record of the first `rounds` rounds, which must be all of them, as machines take it.
    pub fn record(&self, rounds: usize) -> Record<'_> {
        debug_assert_eq!(self.clicked.len(), words_for(rounds));
        Record { rounds, clicked: &self.clicked, bases: &self.bases, bits: &self.bits }
    }

    /// Forgets what was recorded.
    pub fn wipe(&mut self) {
        [&mut self.clicked, &mut self.bases, &mut self.bits]
            .into_iter()
            .for_each(|words| words[..].zeroize());
    }
}

#[cfg(test)]
mod tests {
    use caligo_core::security::{NsmParameters, NsmRecord, Pairs};

    use super::super::{BATCH, Simulated};
    use super::*;

    /// Portions of any size are the batches, one after the other.
    #[test]
    fn nothing_is_lost_between_portions() {
        let record = NsmRecord { pairs: Pairs::Emitted, detection_eff_eta: 0.6, ..NsmRecord::default() };
        let len = 2 * BATCH + 77;
        let source = || Simulated::new(&NsmParameters::new(record).unwrap(), len as u64, 3);
        let whole = Rounds::first(source(), len).unwrap();
        assert!(whole.len == len && Rounds::first(source(), 2 * len).unwrap() == whole);
        assert_eq!(whole.columns()[4][..BATCH / 64], source().batch(0).bob.bases);
        for size in [1000, 4097, BATCH, 70_000] {
            let mut portions = Portions::new(source());
            let (mut portion, mut joined, mut at) = (Rounds::silent(size), Rounds::silent(len), 0);
            loop {
                let found = portions.fill(&mut portion).unwrap();
                for (from, to) in portion.columns().into_iter().zip(joined.columns_mut()) {
                    bits::copy(from, 0, to, at, found);
                }
                at += found;
                if found < size {
                    break;
                }
            }
            assert!(at == len && joined == whole, "{size}");
        }
    }
}
