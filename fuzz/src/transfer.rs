//! One oblivious transfer in the fuzzer's hand: both machines, the channel between them, Bob's decoder and both hosts.
//! Parameters and a program of events in; a panic out if something that must hold does not.
//!
//! What must hold whatever comes: after his sets Bob says nothing, not even why he ends. Alice's books cover what her
//! frames show, and neither set is charged beyond her budget. What a machine held is wiped. If Bob believes his string,
//! it is Alice's, unless a tag or a seed was forged. A transfer that was left alone comes to its end.

mod party;
mod world;

use std::cell::Cell;

use caligo_core::bits::{self, words_for};
use caligo_core::leakage::{LeakBits, Policy};
use caligo_core::ot::{
    Alice, AliceMemory, Block, Bob, BobConfig, BobDone, BobMemory, Correction, Instant, Primitives, Start,
    Terms,
};
use caligo_core::security::{NsmParameters, NsmRecord, Proof, TargetRecord, Targets};
use caligo_core::sift::Record;

use crate::ground::{self, M, N, Random, TIMEOUT_US, Whim};
use crate::program::Program;
use party::Party;
use world::{Touched, World};

/// Blocks that Bob is ready to take.
const BLOCKS: usize = 32;
/// Delta t, a part of the time that a machine waits.
const DELTA_T_US: u64 = TIMEOUT_US / 8;

/// A digest that is quick, and commits to nothing.
struct Mix;

impl Primitives for Mix {
    fn digest(&self, parts: [&[u64]; 2]) -> [u64; 4] {
        let mut mixed = Random(1);
        for word in parts.into_iter().flatten() {
            mixed = Random(mixed.word() ^ word);
        }
        [(); 4].map(|()| mixed.word())
    }
}

/// What one party's detectors recorded.
struct Detectors {
    clicked: Vec<u64>,
    bases: Vec<u64>,
    bits: Vec<u64>,
}

impl Detectors {
    fn new(random: &mut Random, rounds: usize) -> Self {
        let mut ones = vec![u64::MAX; words_for(rounds)];
        bits::clear_tail(&mut ones, rounds);
        Self { clicked: ones, bases: random.key(rounds), bits: random.key(rounds) }
    }

    fn record(&self, rounds: usize) -> Record<'_> {
        Record { rounds, clicked: &self.clicked, bases: &self.bases, bits: &self.bits }
    }
}

/// Terms under which a few hundred rounds give a string.
fn terms(p: &mut Program<'_>, flags: u8, rounds: usize) -> Terms<'static> {
    let targets = TargetRecord {
        epsilon: 0.3,
        epsilon_pa: 0.4,
        epsilon_ec: 0.4,
        efficiency: 1.0,
        test_fraction: if flags & 4 != 0 { 0.1 } else { 0.0 },
    };
    let record = NsmRecord {
        storage_noise_r: Some(0.0),
        storage_rate_nu: 0.0,
        delta_t_ns: DELTA_T_US * 1000,
        channel_fidelity: 1.0,
        detection_eff_eta: 1.0,
        detector_error: 0.0,
        dark_count_prob: 0.0,
        num_pairs: rounds as u64,
        ..NsmRecord::default()
    };
    Terms {
        parameters: NsmParameters::new(record).expect("in range"),
        targets: Targets::new(targets).expect("in range"),
        code: 0,
        start: Start::IfPromising,
        proof: if flags & 8 != 0 { Proof::MaxBound } else { Proof::StrongConverse },
        policy: [Policy::Exact, Policy::SyndromeCap, Policy::Conservative][p.below(3)],
        committed: flags & 2 != 0,
        correction: Correction::OneWay,
        cap: LeakBits(if flags & 16 != 0 { p.short().into() } else { u64::MAX }),
        chunk_bits: 64 * (1 + p.below(8)),
        primitives: &Mix,
    }
}

/// Runs one program.
pub fn run(bytes: &[u8]) {
    let mut program = Program(bytes);
    let p = &mut program;
    let rounds = 400 + p.below(800);
    let flags = p.byte();
    let choice = flags & 1 != 0;
    let planner = Whim {
        punctured: (p.byte().into(), p.below(4)),
        shortened: p.below(N),
        steps: Vec::new(),
        request: 0,
        told: true,
        calls: Cell::new(0),
    };
    let terms = terms(p, flags, rounds);
    let efficiencies = (flags & 32 != 0).then_some([1.0, 0.97]);

    let mut random = Random(u64::from(p.byte()));
    let (alice, mut bob) = (Detectors::new(&mut random, rounds), Detectors::new(&mut random, rounds));
    for w in 0..bob.bits.len() {
        let equal = !(alice.bases[w] ^ bob.bases[w]);
        bob.bits[w] = equal & alice.bits[w] | !equal & bob.bits[w];
    }
    bits::clear_tail(&mut bob.bits, rounds);
    for _ in 0..p.below(12) {
        flip(&mut bob.bits, random.word() as usize % rounds);
        bits::set(&mut bob.clicked, random.word() as usize % rounds, false);
    }

    let setup = ground::setup();
    let (mut alice_words, mut bob_words) = (vec![1; Alice::words(rounds, N)], vec![1; Bob::words(rounds, N)]);
    let [mut first, mut second, mut string] = [(); 3].map(|()| vec![0; words_for(rounds)]);
    let mut blocks = [Block::default(); BLOCKS];
    let mut syndromes = [1; BLOCKS * words_for(M)];
    let (ends, touched) = {
        let memory = AliceMemory {
            record: alice.record(rounds),
            words: &mut alice_words,
            padding: &mut [],
            strings: [&mut first, &mut second],
        };
        let machine = Alice::new(setup, terms, &planner, memory, Instant(0), Instant(0));
        let Ok(machine) = machine else { return };
        let hers = Party::new(machine, Random(random.word()));
        let memory = BobMemory {
            record: bob.record(rounds),
            words: &mut bob_words,
            blocks: &mut blocks,
            syndromes: &mut syndromes,
            string: &mut string,
        };
        let machine = Bob::new(setup, terms, BobConfig { choice, efficiencies }, memory, Instant(0));
        let his = Party::new(machine.expect("Alice's was in range"), Random(random.word()));
        let mut world = World {
            alice: hers,
            bob: his,
            touched: Touched::default(),
            now: 0,
            choice,
            rounds,
            hers: &alice.bits,
            cap: terms.cap.0,
            seen: [0; 2],
            told: 0,
            shown: [0; 2],
            tags: [0; 2],
            waits: 3,
        };
        world.run(p);

        ((world.alice.end.take(), world.bob.end.take()), world.touched)
    };
    let wiped = |words: &[u64]| words.iter().all(|word| *word == 0);
    assert!(wiped(&alice_words) && wiped(&bob_words) && wiped(&syndromes), "not wiped");
    assert!(matches!(ends.0, Some(Ok(_))) || wiped(&first) && wiped(&second), "strings of no transfer");
    assert!(matches!(ends.1, Some(Ok(_))) || wiped(&string), "a string of no transfer");
    if let (Some(Ok(alice)), Some(Ok(bob @ BobDone { failure: None, .. }))) = (&ends.0, &ends.1)
        && !touched.forged
    {
        assert_eq!(bob.length, alice.amplified.length);
        assert!(string == if choice { second } else { first }, "believed, and wrong");
    }
}

fn flip(words: &mut [u64], i: usize) {
    words[i / 64] ^= 1 << (i % 64);
}
