//! The C interface, called as C would: sessions in unaligned memory, and what goes wrong.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::VecDeque;
use std::ptr::{null, null_mut};

use caligo::*;

const KEY_BITS: u32 = 20_000;
const WORDS: usize = (KEY_BITS as usize).div_ceil(64);
const WINDOW: u16 = 4;

/// Numbers that look random.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ *state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}

fn keys(per_mille: u64) -> [Vec<u64>; 2] {
    let mut state = 7;
    let mut alice: Vec<u64> = (0..WORDS).map(|_| next(&mut state)).collect();
    *alice.last_mut().unwrap() &= (1 << (KEY_BITS % 64)) - 1;
    let mut bob = alice.clone();
    for i in 0..KEY_BITS as usize {
        if next(&mut state) % 1000 < per_mille {
            bob[i / 64] ^= 1 << (i % 64);
        }
    }
    [alice, bob]
}

/// Memory that is aligned to nothing, with guards at both ends.
struct Memory {
    bytes: Vec<u8>,
    size: usize,
}

impl Memory {
    const GUARD: usize = 33;

    fn new(size: usize) -> Self {
        Self { bytes: vec![0xa5; size + 2 * Self::GUARD], size }
    }

    fn place(&mut self) -> *mut core::ffi::c_void {
        let skip = (self.bytes.as_ptr().addr() + 1) % 2;
        self.bytes[Self::GUARD - 1 + skip..].as_mut_ptr().cast()
    }

    /// All that was lent is zero, and nothing beside it was touched.
    fn is_wiped(&mut self) -> bool {
        let from = self.place().addr() - self.bytes.as_ptr().addr();
        self.bytes
            .iter()
            .enumerate()
            .all(|(i, &byte)| if (from..from + self.size).contains(&i) { byte == 0 } else { byte == 0xa5 })
    }
}

/// What a session came to: both last effects, both ledgers, and Bob's key.
struct Ended {
    effects: [CaligoEffect; 2],
    key: Vec<u64>,
    blocks: u32,
}

fn session(config: &CaligoConfig, kind: CaligoDecoderKind, keys: &[Vec<u64>; 2], bobs: u64) -> Ended {
    let doubts = if config.strategy == CALIGO_STRATEGY_SYMMETRIC { CALIGO_MAX_POSITIONS } else { 0 };
    let mut memory = Memory::new(caligo_alice_size(KEY_BITS, WINDOW));
    let mut his_memory = Memory::new(caligo_bob_size(KEY_BITS, WINDOW, 1));
    let mut work = Memory::new(caligo_decoder_size(kind as u32, doubts));
    let (mut alice, mut bob, mut decoder) = (null_mut(), null_mut(), null_mut());
    let terms = CaligoTerms {
        key_bits: KEY_BITS,
        window: WINDOW,
        classes: 1,
        learn: true,
        budget: bobs,
        timeout_us: 1000,
    };
    let mut out = vec![0; CALIGO_MAX_FRAME];
    let mut effects = [CaligoEffect::default(); 2];
    let mut queues = [VecDeque::<Vec<u8>>::new(), VecDeque::new()];
    let (mut blocks, mut state, mut corrected) = (0, 99, vec![0; WORDS]);
    let ended = |kind| kind == CALIGO_EFFECT_DONE || kind == CALIGO_EFFECT_ABORTED;
    // SAFETY: memory is as large as was said and outlives the handles, and all pointers are to living values.
    unsafe {
        let made = caligo_alice_init(
            memory.place(),
            memory.size,
            config,
            keys[0].as_ptr(),
            WORDS,
            0,
            &raw mut alice,
        );
        assert_eq!(made, CaligoStatus::Ok);
        let made = caligo_bob_init(his_memory.place(), his_memory.size, &raw const terms, 0, &raw mut bob);
        assert_eq!(made, CaligoStatus::Ok);
        let made = caligo_decoder_init(work.place(), work.size, kind as u32, doubts, 60, &raw mut decoder);
        assert_eq!(made, CaligoStatus::Ok);
        assert_eq!(caligo_bob_corrected(bob, corrected.as_mut_ptr(), WORDS), CaligoStatus::State);
        assert_eq!(caligo_decoder_run(decoder, null_mut()), CaligoStatus::State);
        while !effects.iter().all(|effect| ended(effect.kind)) {
            for party in 0..2 {
                let effect = &raw mut effects[party];
                let (to, length) = (out.as_mut_ptr(), out.len());
                let frame = queues[party].pop_front();
                let status = match ((*effect).kind, frame) {
                    (CALIGO_EFFECT_DONE | CALIGO_EFFECT_ABORTED, _) => continue,
                    (CALIGO_EFFECT_ENTROPY, frame) => {
                        frame.into_iter().for_each(|frame| queues[party].push_front(frame));
                        let words: Vec<u64> = (0..(*effect).words).map(|_| next(&mut state)).collect();
                        caligo_alice_entropy(alice, 0, words.as_ptr(), words.len(), to, length, effect)
                    }
                    (CALIGO_EFFECT_AGREED, frame) => {
                        frame.into_iter().for_each(|frame| queues[party].push_front(frame));
                        assert_eq!((*effect).hello.strategy, config.strategy);
                        let classes = vec![0; KEY_BITS as usize];
                        let (key, count) = (keys[1].as_ptr(), classes.len());
                        caligo_bob_key(bob, 0, key, WORDS, classes.as_ptr(), count, to, length, effect)
                    }
                    (CALIGO_EFFECT_DECODE, frame) => {
                        frame.into_iter().for_each(|frame| queues[party].push_front(frame));
                        assert_eq!(caligo_bob_load(bob, (*effect).slot, decoder), CaligoStatus::Ok);
                        assert_eq!(caligo_decoder_run(decoder, null_mut()), CaligoStatus::Ok);
                        caligo_bob_decoded(bob, 0, decoder, to, length, effect)
                    }
                    (_, Some(frame)) if party == 0 => {
                        caligo_alice_received(alice, 0, frame.as_ptr(), frame.len(), to, length, effect)
                    }
                    (_, Some(frame)) => {
                        caligo_bob_received(bob, 0, frame.as_ptr(), frame.len(), to, length, effect)
                    }
                    (_, None) if party == 0 => caligo_alice_poll(alice, 0, to, length, effect),
                    (_, None) => caligo_bob_poll(bob, 0, to, length, effect),
                };
                assert_eq!(status, CaligoStatus::Ok);
                let effect = effects[party];
                if effect.length > 0 {
                    queues[1 - party].push_back(out[..effect.length].to_vec());
                }
                blocks += u32::from(effect.kind == CALIGO_EFFECT_RELEASED && party == 0);
            }
        }
        let ledgers = [caligo_alice_ledger(alice), caligo_bob_ledger(bob)];
        for (effect, ledger) in effects.iter().zip(ledgers) {
            assert_eq!(effect.ledger.charged, ledger.charged);
        }
        // Who is over is over.
        let (to, length) = (out.as_mut_ptr(), out.len());
        let mut effect = CaligoEffect::default();
        assert_eq!(caligo_alice_poll(alice, 0, to, length, &raw mut effect), CaligoStatus::State);
        assert_eq!(caligo_bob_load(bob, 0, decoder), CaligoStatus::State);
        assert_eq!(caligo_alice_deadline(alice), u64::MAX);
        let found = caligo_bob_corrected(bob, corrected.as_mut_ptr(), WORDS);
        let done = effects[1].kind == CALIGO_EFFECT_DONE;
        assert_eq!(found, if done { CaligoStatus::Ok } else { CaligoStatus::State });
        caligo_alice_end(alice);
        caligo_bob_end(bob);
        caligo_decoder_end(decoder);
    }
    assert!(memory.is_wiped() && his_memory.is_wiped() && work.is_wiped());
    Ended { effects, key: corrected, blocks }
}

fn config(strategy: u32, qber: f64) -> CaligoConfig {
    let mut config = std::mem::MaybeUninit::uninit();
    // SAFETY: written by the call.
    let mut config = unsafe {
        assert_eq!(caligo_config_init(config.as_mut_ptr(), strategy, KEY_BITS, qber), CaligoStatus::Ok);
        config.assume_init()
    };
    config.window = WINDOW;
    config
}

#[test]
fn every_strategy_ends_with_equal_keys_and_equal_books() {
    let keys = keys(30);
    for (strategy, qber) in
        [(CALIGO_STRATEGY_BASELINE, 0.033), (CALIGO_STRATEGY_BLIND, -1.0), (CALIGO_STRATEGY_SYMMETRIC, 0.03)]
    {
        for kind in [CaligoDecoderKind::Integer, CaligoDecoderKind::Float] {
            let mut config = config(strategy, qber);
            config.decoder = kind as u32;
            let Ended { effects: [hers, his], key, blocks } = session(&config, kind, &keys, u64::MAX);
            assert_eq!((hers.kind, his.kind), (CALIGO_EFFECT_DONE, CALIGO_EFFECT_DONE));
            assert!(key == keys[0], "strategy {strategy}");
            assert_eq!(hers.ledger, his.ledger);
            let CaligoLedger { charged, syndrome, padding, payload, tag, sample } = hers.ledger;
            assert_eq!((charged, sample), (syndrome + padding + payload + tag, 0));
            // Between the Shannon limit and twice that.
            assert!((3888..7776).contains(&charged), "strategy {strategy}: {charged}");
            assert!(blocks >= 5 && hers.undetected_log2 < -50.0);
        }
    }
}

#[test]
fn the_smaller_budget_ends_a_session() {
    let keys = keys(30);
    let config = config(CALIGO_STRATEGY_BLIND, -1.0);
    let ended = session(&config, CaligoDecoderKind::Integer, &keys, 2000);
    for effect in ended.effects {
        assert_eq!(effect.kind, CALIGO_EFFECT_ABORTED);
        assert!(effect.ledger.charged <= 2000);
    }
    assert_eq!(ended.effects[0].reason, 5);
}

#[test]
fn what_does_not_fit_is_refused() {
    let mut config = config(CALIGO_STRATEGY_BLIND, -1.0);
    let [key, _] = keys(30);
    let size = caligo_alice_size(KEY_BITS, WINDOW);
    let mut memory = Memory::new(size);
    let mut alice = null_mut();
    let place = memory.place();
    let mut make = |config: *const CaligoConfig, size: usize, words: usize| {
        // SAFETY: memory is as large as is said or larger, and all pointers are null or to living values.
        unsafe { caligo_alice_init(place, size, config, key.as_ptr(), words, 0, &raw mut alice) }
    };
    assert_eq!(make(null(), size, WORDS), CaligoStatus::Null);
    assert_eq!(make(&raw const config, size - 1, WORDS), CaligoStatus::Memory);
    assert_eq!(make(&raw const config, size, WORDS - 1), CaligoStatus::Length);
    let changes: [fn(&mut CaligoConfig); 13] = [
        |config| config.strategy = 3,
        |config| config.policy = 3,
        |config| config.decoder = 2,
        |config| config.rounds = 0,
        |config| config.rounds = 65,
        |config| config.window = 1,
        |config| config.qber = 0.5,
        |config| config.qber = f64::NAN,
        |config| config.target_fer = 0.0,
        |config| config.target_fer = f64::NAN,
        |config| config.key_bits = 0,
        |config| config.sample_bits = KEY_BITS,
        |config| config.strategy = CALIGO_STRATEGY_BASELINE,
    ];
    for change in changes {
        let kept = config;
        change(&mut config);
        let words = (config.key_bits as usize).div_ceil(64);
        assert_eq!(make(&raw const config, size, words), CaligoStatus::Range, "{config:?}");
        config = kept;
    }
    // SAFETY: null is allowed.
    unsafe {
        assert_eq!(caligo_alice_poll(null_mut(), 0, null_mut(), 0, null_mut()), CaligoStatus::Null);
        assert_eq!(
            caligo_decode(null_mut(), null(), null(), null(), 0.1, null_mut(), null_mut()),
            CaligoStatus::Null
        );
        caligo_alice_end(null_mut());
        caligo_bob_end(null_mut());
        caligo_decoder_end(null_mut());
    }
    assert_eq!((caligo_alice_size(1, 1), caligo_bob_size(1, 2, 257), caligo_decoder_size(2, 0)), (0, 0, 0));
    for (status, words) in
        [(0, "done"), (2, "memory: "), (6, "not in a state"), (7, "no status"), (-1, "no status")]
    {
        // SAFETY: static strings.
        let text = unsafe { std::ffi::CStr::from_ptr(caligo_status_string(status)) };
        assert!(text.to_str().unwrap().starts_with(words));
    }
}

#[test]
fn one_block_by_hand() {
    let mut pattern = CaligoPattern::default();
    let mut state = 5;
    let mut memory = Memory::new(caligo_decoder_size(CaligoDecoderKind::Integer as u32, 0));
    let mut decoder = null_mut();
    let mut outcome = CaligoOutcome::default();
    let (mut hers, mut his, mut decision) =
        ([0; CALIGO_FRAME_WORDS], [0; CALIGO_FRAME_WORDS], [0; CALIGO_FRAME_WORDS]);
    let mut syndrome = [0; CALIGO_SYNDROME_WORDS];
    // SAFETY: all pointers are to living values of the lengths said.
    unsafe {
        assert_eq!(caligo_pattern_select(0.02, 0.01, 9, &raw mut pattern), CaligoStatus::Range);
        assert_eq!(caligo_pattern_select(0.6, 0.01, 0, &raw mut pattern), CaligoStatus::Range);
        assert_eq!(caligo_pattern_select(0.02, 0.01, 0, &raw mut pattern), CaligoStatus::Ok);
        let bits = caligo_pattern_payload(&raw const pattern);
        assert_eq!(bits, 4096 - usize::from(pattern.punctured) - usize::from(pattern.shortened));
        let mut payload: Vec<u64> = (0..bits.div_ceil(64)).map(|_| next(&mut state)).collect();
        *payload.last_mut().unwrap() &= u64::MAX >> ((64 - bits % 64) % 64);
        let padding: Vec<u64> =
            (0..usize::from(pattern.punctured).div_ceil(64)).map(|_| next(&mut state)).collect();
        let zeros = vec![0; padding.len()];
        let fill = |payload: &[u64], padding: &[u64], frame: &mut [u64; CALIGO_FRAME_WORDS]| {
            let (n, p) = (payload.len(), padding.len());
            caligo_scatter(&raw const pattern, payload.as_ptr(), n, padding.as_ptr(), p, frame.as_mut_ptr())
        };
        assert_eq!(fill(&payload[1..], &padding, &mut hers), CaligoStatus::Length);
        assert_eq!(fill(&payload, &padding, &mut hers), CaligoStatus::Ok);
        assert_eq!(caligo_encode(hers.as_ptr(), syndrome.as_mut_ptr()), CaligoStatus::Ok);
        let mut noisy = payload.clone();
        for i in 0..bits {
            if next(&mut state) % 100 < 2 {
                noisy[i / 64] ^= 1 << (i % 64);
            }
        }
        assert_ne!(noisy, payload);
        assert_eq!(fill(&noisy, &zeros, &mut his), CaligoStatus::Ok);
        let (place, size) = (memory.place(), memory.size);
        assert_eq!(caligo_decoder_init(place, size, 0, 0, 0, &raw mut decoder), CaligoStatus::Range);
        assert_eq!(caligo_decoder_init(place, size, 0, 0, 60, &raw mut decoder), CaligoStatus::Ok);
        let (frame, checks, to) = (his.as_ptr(), syndrome.as_ptr(), decision.as_mut_ptr());
        let status = caligo_decode(decoder, &raw const pattern, frame, checks, 0.02, to, &raw mut outcome);
        assert_eq!(status, CaligoStatus::Ok);
        assert!(outcome.converged && outcome.iterations > 0 && outcome.unsatisfied == 0);
        let length = noisy.len();
        let status = caligo_gather(&raw const pattern, decision.as_ptr(), noisy.as_mut_ptr(), length);
        assert_eq!(status, CaligoStatus::Ok);
        assert_eq!(noisy, payload);
        caligo_decoder_end(decoder);
    }
    assert!(memory.is_wiped());
}

#[test]
fn a_key_is_hashed_as_the_formula_says() {
    let mut state = 5;
    for (n, l) in [(1usize, 1usize), (64, 64), (65, 3), (1000, 333), (200, 1000)] {
        let seed_bits = caligo_toeplitz_seed_bits(n, l);
        assert_eq!(seed_bits, n + l - 1);
        let seed: Vec<u64> = (0..seed_bits.div_ceil(64)).map(|_| next(&mut state)).collect();
        let input: Vec<u64> = (0..n.div_ceil(64)).map(|_| next(&mut state)).collect();
        let bit = |words: &[u64], i: usize| words[i / 64] >> (i % 64) & 1;
        for scratch_words in [0, 1, caligo_toeplitz_scratch_words(n, l)] {
            let mut output = vec![u64::MAX; l.div_ceil(64)];
            let mut scratch = vec![0; scratch_words];
            let place = if scratch_words == 0 { null_mut() } else { scratch.as_mut_ptr() };
            // SAFETY: as many words as are said.
            let status = unsafe {
                let (seed, words, input) = (seed.as_ptr(), seed.len(), input.as_ptr());
                caligo_toeplitz(seed, words, input, n, output.as_mut_ptr(), l, place, scratch_words)
            };
            assert_eq!(status, CaligoStatus::Ok);
            for j in 0..l {
                let sum = (0..n).fold(0, |sum, i| sum ^ bit(&seed, n - 1 + j - i) & bit(&input, i));
                assert_eq!(bit(&output, j), sum, "{n} to {l}, bit {j}");
            }
            assert!((l..output.len() * 64).all(|i| bit(&output, i) == 0));
        }
    }
}

#[test]
fn a_hash_that_does_not_fit_is_refused() {
    let (words, mut out) = ([0; 4], [7; 2]);
    let to = out.as_mut_ptr();
    let most = CALIGO_MAX_TOEPLITZ_BITS;
    assert_eq!((caligo_toeplitz_seed_bits(most + 1, 1), caligo_toeplitz_scratch_words(1, most + 1)), (0, 0));
    // SAFETY: as many words as are said.
    unsafe {
        let hash = |seed, count, input, n, output, l, scratch, more| {
            caligo_toeplitz(seed, count, input, n, output, l, scratch, more)
        };
        let from = words.as_ptr();
        assert_eq!(hash(from, 3, from, 100, to, 28, null_mut(), 0), CaligoStatus::Length);
        assert_eq!(hash(null(), 2, from, 100, to, 28, null_mut(), 0), CaligoStatus::Null);
        assert_eq!(hash(from, 2, null(), 100, to, 28, null_mut(), 0), CaligoStatus::Null);
        assert_eq!(hash(from, 2, from, 100, null_mut(), 28, null_mut(), 0), CaligoStatus::Null);
        assert_eq!(hash(from, 2, from, 100, to, 28, null_mut(), 1), CaligoStatus::Null);
        assert_eq!(hash(from, 2, from, most + 1, to, 28, null_mut(), 0), CaligoStatus::Range);
    }
    assert_eq!(out, [7; 2]);
}
