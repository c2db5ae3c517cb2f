//! One session in the fuzzer's hand. Parameters and a program of events in; a panic out if something that must hold
//! does not.
//!
//! A block that Bob releases as verified is Alice's, however the frames were forged, unless a tag was forged or the
//! parties no longer speak of the same blocks. What else must hold is in [`World`] and [`Party`].

use std::cell::Cell;

use caligo_core::bits::{self, words_for};
use caligo_core::leakage::Policy;
use caligo_core::reconcile::block::Slot;
use caligo_core::reconcile::estimate::Class;
use caligo_core::reconcile::plan::MAX_ROUNDS;
use caligo_core::reconcile::{Alice, AliceConfig, AliceMemory, Bob, BobMemory, Instant, Terms};
use caligo_core::wire::{Hello, Strategy};

use crate::ground::{self, N, Random, Whim};
use crate::party::Party;
use crate::program::Program;
use crate::world::{Input, SLOTS, WORDS, World};

/// Longest key in bits.
const MAX_KEY: usize = 600;

/// Runs one program.
pub fn run(bytes: &[u8]) {
    let mut program = Program(bytes);
    let p = &mut program;
    let key_bits = 1 + p.below(MAX_KEY);
    let sample_bits = if p.byte() & 1 != 0 { p.below(key_bits) } else { 0 };
    let classes = p.below(4);
    let cap = if p.byte() & 3 == 1 { p.short().into() } else { u64::MAX };
    let hello = Hello {
        strategy: [Strategy::Baseline, Strategy::Blind, Strategy::Symmetric][p.below(3)],
        policy: [Policy::Exact, Policy::SyndromeCap, Policy::Conservative][p.below(3)],
        rounds: 1 + p.below(MAX_ROUNDS) as u8,
        target_fer_ppm: 1000,
        window: 2 + p.below(SLOTS - 1) as u16,
        key_bits: key_bits as u32,
        sample_bits: sample_bits as u32,
        code: 1,
        permutation: 2,
        cap,
    };
    let flags = p.byte();
    let planner = Whim {
        punctured: (p.byte().into(), p.below(8)),
        shortened: p.below(N),
        steps: (0..p.below(usize::from(hello.rounds).min(8))).map(|_| p.below(N)).collect(),
        request: p.byte().into(),
        told: flags & 1 != 0,
        calls: Cell::new(0),
    };
    let config = AliceConfig {
        hello,
        planner: &planner,
        qber: (flags & 2 != 0).then_some(0.05),
        sample_margin: (flags & 4 != 0).then_some(0.01),
        adapt: flags & 8 != 0,
    };
    let terms = Terms {
        strategy: (flags & 16 != 0).then_some(hello.strategy),
        key_bits: hello.key_bits,
        code: hello.code,
        cap,
        learn: flags & 32 != 0,
    };

    let mut random = Random(u64::from(p.byte()));
    let alice_key = random.key(key_bits);
    let mut received = alice_key.clone();
    for _ in 0..key_bits / 20 {
        let i = random.word() as usize % key_bits;
        let wrong = !bits::get(&received, i);
        bits::set(&mut received, i, wrong);
    }
    let input = Input {
        key: received,
        classes: (0..key_bits * classes.min(1)).map(|i| (i % classes) as u8).collect(),
    };

    let setup = ground::setup();
    let scratch = words_for(key_bits).min(WORDS * usize::from(hello.window / 2));
    let (mut slots, mut words) = ([Slot::default(); SLOTS], [0; Alice::words(N, SLOTS)]);
    let mut tag_words = vec![0; scratch.max(words_for(sample_bits))];
    let memory =
        AliceMemory { key: &alice_key, slots: &mut slots, words: &mut words, scratch: &mut tag_words };
    let alice = Alice::new(setup, &config, memory, Instant(0)).expect("parameters are in range");

    let (mut slots, mut words) = ([Slot::default(); SLOTS], [0; Bob::words(N, SLOTS)]);
    let mut tag_words = vec![0; scratch];
    let (mut bob_key, mut bob_classes) = (vec![0; words_for(key_bits)], vec![0; input.classes.len()]);
    let mut rates = vec![Class::default(); classes.max(1)];
    let memory = BobMemory {
        key: &mut bob_key,
        classes: &mut bob_classes,
        rates: &mut rates,
        slots: &mut slots,
        words: &mut words,
        scratch: &mut tag_words,
    };
    let bob = Bob::new(setup, terms, memory, Instant(0)).expect("parameters are in range");

    let (alice, bob) = (Party::new(alice, hello), Party::new(bob, hello));
    let mut world = World::new(alice, bob, &alice_key, &input, random);
    world.run(p);

    let World { alice, bob, touched, .. } = world;
    if !touched.unbound(&alice.sent) {
        for block in bob.released.iter().filter(|block| block.failure.is_none()) {
            let wrong = (block.start..block.start + block.payload)
                .filter(|&i| bits::get(&alice_key, i) != bits::get(&bob_key, i));
            assert_eq!(wrong.count(), 0, "released as verified, and wrong: {block:?}");
        }
    }
}
