//! Pairs of the physical model, 1024 at a time.

use caligo_core::bits::clear_tail;
use caligo_core::security::{Device, NsmParameters};
use multiversion::multiversion;

use super::{BATCH, PairSource, Party, Rounds, SourceError};
use crate::channel::errors::{Generators, LANES, digits};
use crate::channel::{mix, stream};
use crate::dispatch;

/// Keeps the seed's pairs apart from whatever else is drawn from the same seed.
const PHASE: u64 = u64::from_be_bytes(*b"pairs   ");

/// Rounds of the model in `caligo_core::security::Coincidences`. A batch is a function of the seed and its index.
///
/// Of a photon with its loss, its errors and the dark counts beside it, only this can be seen, and only this is drawn:
/// * each side clicks by itself, with its own probability;
/// * bases and Alice's values are uniform;
/// * where both have clicked in equal bases, Bob's value differs from hers with the model's error rate Q; everywhere else
///   it is uniform.
///
/// A dark count in a round whose photon is detected goes unnoticed, here as in the formula of Q.
#[derive(Clone, Debug)]
pub struct Simulated {
    model: Model,
    seed: u64,
    len: u64,
    next: u64,
}

/// Digits of the probabilities.
#[derive(Clone, Copy, Debug)]
struct Model {
    /// That Alice clicks, and Bob.
    clicks: [Option<u128>; 2],
    /// Q.
    error: Option<u128>,
}

impl Simulated {
    /// `len` rounds: heralded ones or pairs that left the source, as the parameters say.
    pub fn new(parameters: &NsmParameters, len: u64, seed: u64) -> Self {
        Self::of(&parameters.device(), len, seed)
    }

    /// The same for a device with no adversary's memory beside it.
    pub fn of(device: &Device, len: u64, seed: u64) -> Self {
        let dark = device.record().dark_count_prob;
        let model = Model {
            clicks: device.arms().map(|arm| digits(arm.click_probability(dark))),
            error: digits(device.coincidences().qber),
        };
        Self { model, seed: mix(seed ^ PHASE), len, next: 0 }
    }

    /// How many batches there are.
    pub const fn batches(&self) -> u64 {
        self.len.div_ceil(BATCH as u64)
    }

    /// Batch `index`, whatever was drawn before; without rounds behind the last one.
    pub fn batch(&self, index: u64) -> Rounds {
        let before = index.saturating_mul(BATCH as u64);
        let len = self.len.saturating_sub(before).min(BATCH as u64) as usize;
        let mut rounds = Rounds::silent(len.next_multiple_of(64 * LANES));
        let generators = Generators::new(&mut stream(self.seed, index));
        if dispatch::portable() {
            draw(&mut rounds, self.model, generators);
        } else {
            draw_dispatched(&mut rounds, self.model, generators);
        }
        rounds.len = len;
        for Party { clicked, bases, bits } in [&mut rounds.alice, &mut rounds.bob] {
            for words in [clicked, bases, bits] {
                words.truncate(len.div_ceil(64));
                clear_tail(words, len);
            }
        }
        rounds
    }
}

impl PairSource for Simulated {
    fn rounds(&mut self) -> Result<Option<Rounds>, SourceError> {
        if self.next == self.batches() {
            return Ok(None);
        }
        let rounds = self.batch(self.next);
        self.next += 1;
        Ok(Some(rounds))
    }
}

#[multiversion(targets(
    "x86_64+avx+avx2+avx512f+avx512bw+avx512cd+avx512dq+avx512vl+bmi1+bmi2+fma+lzcnt+popcnt",
    "x86_64+avx+avx2+bmi1+bmi2+fma+lzcnt+popcnt",
))]
fn draw_dispatched(rounds: &mut Rounds, model: Model, generators: Generators) {
    draw(rounds, model, generators);
}

/// Fills whole groups of `64 * LANES` rounds.
#[inline(always)]
fn draw(rounds: &mut Rounds, model: Model, mut generators: Generators) {
    let Rounds { alice, bob, .. } = rounds;
    let alice = groups(&mut alice.clicked).zip(groups(&mut alice.bases)).zip(groups(&mut alice.bits));
    let bob = groups(&mut bob.clicked).zip(groups(&mut bob.bases)).zip(groups(&mut bob.bits));
    for (((clicked_a, bases_a), bits_a), ((clicked_b, bases_b), bits_b)) in alice.zip(bob) {
        *clicked_a = generators.below(model.clicks[0], &[u64::MAX; LANES]);
        *clicked_b = generators.below(model.clicks[1], &[u64::MAX; LANES]);
        let [a, b, value, other] = [(); 4].map(|()| generators.uniform());
        let mut sifted = [0; LANES];
        for lane in 0..LANES {
            bases_a[lane] = clicked_a[lane] & a[lane];
            bases_b[lane] = clicked_b[lane] & b[lane];
            bits_a[lane] = clicked_a[lane] & value[lane];
            sifted[lane] = clicked_a[lane] & clicked_b[lane] & !(a[lane] ^ b[lane]);
        }
        let errors = generators.below(model.error, &sifted);
        for lane in 0..LANES {
            let known = sifted[lane] & (bits_a[lane] ^ errors[lane]);
            bits_b[lane] = known | clicked_b[lane] & !sifted[lane] & other[lane];
        }
    }
}

fn groups(words: &mut [u64]) -> impl Iterator<Item = &mut [u64; LANES]> {
    words.as_chunks_mut().0.iter_mut()
}

#[cfg(test)]
mod tests {
    use caligo_core::security::{NsmRecord, Pairs};

    use super::*;

    fn model(pairs: Pairs, efficiency: f64) -> NsmParameters {
        let record = NsmRecord {
            pairs,
            detection_eff_eta: efficiency,
            dark_count_prob: 0.01,
            channel_fidelity: 0.9,
            ..NsmRecord::default()
        };
        NsmParameters::new(record).unwrap()
    }

    #[test]
    fn dispatch_changes_nothing() {
        for (pairs, efficiency) in [(Pairs::Heralded, 0.3), (Pairs::Emitted, 0.5), (Pairs::Emitted, 1e-3)] {
            let Simulated { model, .. } = Simulated::new(&model(pairs, efficiency), 1, 1);
            let [mut a, mut b] = [(); 2].map(|()| Rounds::silent(64 * LANES * 5));
            draw(&mut a, model, Generators::new(&mut stream(1, 1)));
            draw_dispatched(&mut b, model, Generators::new(&mut stream(1, 1)));
            assert_eq!(a, b);
            assert!(a != Rounds::silent(64 * LANES * 5));
        }
    }

    #[test]
    fn a_batch_is_a_function_of_seed_and_index() {
        let source = |len, seed| Simulated::new(&model(Pairs::Emitted, 0.5), len, seed);
        let long = source(3 * BATCH as u64, 7);
        let backwards: Vec<Rounds> = (0..3).rev().map(|index| long.batch(index)).collect();
        let mut forwards = long.clone();
        for rounds in backwards.iter().rev() {
            assert_eq!(forwards.rounds().unwrap().as_ref(), Some(rounds));
        }
        assert_eq!((forwards.rounds().unwrap(), forwards.rounds().unwrap()), (None, None));
        assert_ne!(long.batch(0), long.batch(1));
        assert_ne!(long.batch(0), source(3 * BATCH as u64, 8).batch(0));
        // Fewer rounds are the first of more.
        for len in [1, 63, 64, 1000, 1024, 5000] {
            let short = source(len as u64, 7);
            assert_eq!(short.batches(), 1);
            let (mut whole, part) = (backwards[2].clone(), short.batch(0));
            whole.len = len;
            for Party { clicked, bases, bits } in [&mut whole.alice, &mut whole.bob] {
                for words in [clicked, bases, bits] {
                    words.truncate(len.div_ceil(64));
                    clear_tail(words, len);
                }
            }
            assert_eq!(part, whole);
        }
        let len = BATCH as u64 + 5;
        assert_eq!([0, 1, 2, u64::MAX].map(|index| source(len, 7).batch(index).len), [BATCH, 5, 0, 0]);
        assert_eq!(source(0, 7).rounds().unwrap(), None);
    }
}
