//! What is counted of rounds.

use std::ops::{Add, AddAssign};

use multiversion::multiversion;
use rayon::iter::{IntoParallelIterator, ParallelIterator};

use super::{Party, Rounds, Simulated};
use crate::dispatch;

/// Rounds in which both sides clicked, and in how many of them values differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compared {
    /// How many.
    pub rounds: u64,
    /// In how many values differ.
    pub differ: u64,
}

/// Counts of rounds; those of several batches add up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// All rounds.
    pub rounds: u64,
    /// Those in which Alice clicked.
    pub alice_clicks: u64,
    /// Those in which Bob clicked.
    pub bob_clicks: u64,
    /// Both clicked, both in basis Z.
    pub z: Compared,
    /// Both clicked, both in basis X.
    pub x: Compared,
    /// Both clicked, in different bases.
    pub different: Compared,
}

impl Counts {
    /// Counts `rounds`.
    pub fn of(rounds: &Rounds) -> Self {
        if dispatch::portable() { count(rounds) } else { count_dispatched(rounds) }
    }

    /// Counts all rounds of `source` on the thread pool. `progress` is told how many rounds more are done.
    pub fn of_simulated(source: &Simulated, progress: impl Fn(u64) + Sync) -> Self {
        let batch = |index| {
            let counts = Self::of(&source.batch(index));
            progress(counts.rounds);
            counts
        };
        (0..source.batches()).into_par_iter().map(batch).reduce(Self::default, Add::add)
    }

    /// Rounds in which both clicked in equal bases.
    pub fn sifted(&self) -> Compared {
        self.z + self.x
    }

    /// Rounds in which both clicked.
    pub fn coincidences(&self) -> u64 {
        self.sifted().rounds + self.different.rounds
    }
}

impl Add for Compared {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { rounds: self.rounds + other.rounds, differ: self.differ + other.differ }
    }
}

impl Add for Counts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            rounds: self.rounds + other.rounds,
            alice_clicks: self.alice_clicks + other.alice_clicks,
            bob_clicks: self.bob_clicks + other.bob_clicks,
            z: self.z + other.z,
            x: self.x + other.x,
            different: self.different + other.different,
        }
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

#[multiversion(targets(
    "x86_64+avx+avx2+avx512f+avx512bw+avx512cd+avx512dq+avx512vl+avx512vpopcntdq+bmi1+bmi2+fma+lzcnt+popcnt",
    "x86_64+avx+avx2+bmi1+bmi2+fma+lzcnt+popcnt",
))]
fn count_dispatched(rounds: &Rounds) -> Counts {
    count(rounds)
}

#[inline(always)]
fn count(rounds: &Rounds) -> Counts {
    let ones = |word: u64| u64::from(word.count_ones());
    let compare = |among: u64, differ: u64| Compared { rounds: ones(among), differ: ones(among & differ) };
    let mut counts = Counts { rounds: rounds.len as u64, ..Counts::default() };
    for ((clicked_a, bases_a, bits_a), (clicked_b, bases_b, bits_b)) in
        words(&rounds.alice).zip(words(&rounds.bob))
    {
        let (both, differ) = (clicked_a & clicked_b, bits_a ^ bits_b);
        counts.alice_clicks += ones(clicked_a);
        counts.bob_clicks += ones(clicked_b);
        counts.z = counts.z + compare(both & !bases_a & !bases_b, differ);
        counts.x = counts.x + compare(both & bases_a & bases_b, differ);
        counts.different = counts.different + compare(both & (bases_a ^ bases_b), differ);
    }
    counts
}

#[inline(always)]
fn words(party: &Party) -> impl Iterator<Item = (u64, u64, u64)> {
    let Party { clicked, bases, bits } = party;
    clicked.iter().zip(bases).zip(bits).map(|((&clicked, &bases), &bits)| (clicked, bases, bits))
}
