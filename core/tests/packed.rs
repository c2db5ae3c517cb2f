//! The 8-bit decoder for small cores against that of hosts, bit for bit.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use caligo_core::bits;
use caligo_core::code::{Circulant, Code, LengthError, QcCode, mother_4096};
use caligo_core::decode::{Arithmetic, Corrected, Decoder, Layout, Outcome, Packed, Schedule, Workspace};
use caligo_core::llr;
use caligo_core::puncture::{Pattern, order_4096};

const CODE: QcCode<'static> = mother_4096::CODE;
const WORDS: usize = Packed::words(&CODE);

/// splitmix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    fn word(&mut self, q: f64) -> u64 {
        (0..64).fold(0, |word, i| word | u64::from((self.next() as f64) < q * u64::MAX as f64) << i)
    }
}

struct Sample {
    sent: Vec<u64>,
    received: Vec<u64>,
    syndrome: Vec<u64>,
}

/// Known positions hold what was sent, punctured ones anything.
fn sample(code: &QcCode<'_>, pattern: &Pattern<'_>, q: f64, seed: u64) -> Sample {
    let mut random = Random(seed.wrapping_mul(0xd134_2543_de82_ef95));
    let sent: Vec<u64> = (0..code.base_columns()).map(|_| random.next()).collect();
    let received = (sent.iter().zip(pattern.punctured()).zip(pattern.shortened()))
        .map(|((sent, hole), known)| (sent ^ random.word(q) & !known) & !hole | random.next() & hole)
        .collect();
    let mut syndrome = vec![0; code.base_rows()];
    Code::Qc(*code).syndrome(&sent, &mut syndrome).unwrap();
    Sample { sent, received, syndrome }
}

/// What the decoder of hosts says.
fn wide(
    code: &QcCode<'_>,
    iterations: u16,
    pattern: &Pattern<'_>,
    sample: &Sample,
    q: f64,
) -> (Outcome, Vec<u64>) {
    let code = Code::Qc(*code);
    let layout = Layout::of(&code, Schedule::Layered);
    let (messages, posteriors) = (vec![0i8; layout.messages], vec![0i16; layout.posteriors]);
    let mut work = Workspace::new(&code, Schedule::Layered, messages, posteriors).unwrap();
    let decoder = Decoder { arithmetic: Corrected::default(), max_iterations: iterations };
    let mut priors = vec![0; code.n()];
    llr::three_state(&decoder.arithmetic, pattern, &sample.received, q, &mut priors).unwrap();
    work.load(&priors).unwrap();
    let mut decision = vec![0; code.n() / 64];
    let outcome = decoder.run(&sample.syndrome, &mut work, &mut decision).unwrap();
    (outcome, decision)
}

fn small(
    code: &QcCode<'_>,
    memory: &mut [u32],
    iterations: u16,
    pattern: &Pattern<'_>,
    sample: &Sample,
    q: f64,
) -> (Outcome, Vec<u64>) {
    let mut decision = vec![0; code.base_columns()];
    let mut decoder = Packed::new(code, memory).unwrap();
    let (received, syndrome) = (&sample.received, &sample.syndrome);
    let outcome =
        decoder.run(iterations, Packed::channel(q), pattern, received, syndrome, &mut decision).unwrap();
    (outcome, decision)
}

fn with_pattern(p: usize, s: usize, test: impl FnOnce(&Pattern<'_>)) {
    let (mut punctured, mut shortened) = ([0; 64], [0; 64]);
    test(&order_4096::ORDER.pattern(p, s, &mut punctured, &mut shortened).unwrap());
}

/// Error rates of few and of many corrected, of none and of all: priors from 1 to 96 units.
const PATTERNS: [(usize, usize, f64); 10] = [
    (0, 0, 0.05),
    (0, 0, 0.085),
    (0, 0, 0.13),
    (0, 0, 0.47),
    (683, 0, 0.052),
    (1170, 0, 0.028),
    (1536, 0, 0.0),
    (0, 300, 0.1),
    (900, 200, 0.05),
    (1400, 700, 0.000_1),
];

#[test]
fn every_iteration_is_that_of_hosts() {
    let mut memory = vec![0x5555_1234; WORDS];
    for (index, &(p, s, q)) in PATTERNS.iter().enumerate() {
        with_pattern(p, s, |pattern| {
            for iterations in 0..=16 {
                let sample = sample(&CODE, pattern, q, index as u64);
                let expected = wide(&CODE, iterations, pattern, &sample, q);
                let found = small(&CODE, &mut memory, iterations, pattern, &sample, q);
                assert_eq!(found, expected, "p {p} s {s} q {q}, {iterations} iterations");
            }
        });
    }
}

#[test]
fn whole_runs_are_those_of_hosts() {
    let (mut memory, mut random) = (vec![0; WORDS], Random(8));
    let mut converged = 0;
    for index in 0..200 {
        let (p, s) = (random.below(1800), random.below(800));
        // From what is easily corrected to what is not.
        let q = 0.11 * (1.0 - p as f64 / 1900.0).powi(2) * (0.4 + 0.008 * random.below(100) as f64);
        with_pattern(p, s, |pattern| {
            let sample = sample(&CODE, pattern, q, 1000 + index);
            let expected = wide(&CODE, 40, pattern, &sample, q);
            let found = small(&CODE, &mut memory, 40, pattern, &sample, q);
            assert_eq!(found, expected, "p {p} s {s} q {q}");
            converged += u32::from(found.0.converged);
            assert_eq!(found.0.converged, found.1 == sample.sent);
        });
    }
    assert!((60..195).contains(&converged), "{converged} of 200 converged");
}

/// A base matrix with the columns of each row as drawn, its turns as they follow.
fn drawn(rows: &[Vec<u16>], columns: usize, random: &mut Random) -> (Vec<u16>, Vec<Circulant>, Vec<u16>) {
    let (mut start, mut circulants) = (vec![0], vec![]);
    for row in rows {
        for &column in row {
            circulants.push(Circulant { column, shift: random.below(64) as u16, turn: 0 });
        }
        start.push(circulants.len() as u16);
    }
    let mut rest = vec![0; columns];
    circulants.iter().for_each(|c| rest[usize::from(c.column)] = c.shift);
    let mut frame = rest.clone();
    for c in &mut circulants {
        let frame = &mut frame[usize::from(c.column)];
        c.turn = (c.shift + 64 - *frame) % 64;
        *frame = c.shift;
    }
    (start, circulants, rest)
}

#[test]
fn other_codes_decode_alike() {
    let mut random = Random(4);
    for index in 0..40 {
        let (height, columns) = (3 + random.below(12), 20 + random.below(12));
        // Columns of degree 0 up to the number of rows, rows of degree 3 up to all columns.
        let densities: Vec<f64> = (0..columns).map(|_| random.below(100) as f64 / 99.0).collect();
        let rows: Vec<Vec<u16>> = (0..height)
            .map(|row| {
                let chosen = |&c: &usize| match row {
                    0 => c == 3 || c == 5 || c == 9,
                    _ => c < 3 || (random.below(1000) as f64) < 1000.0 * densities[c],
                };
                (0..columns).filter(chosen).map(|c| c as u16).collect()
            })
            .collect();
        let (start, circulants, rest) = drawn(&rows, columns, &mut random);
        let code = QcCode::new(64, &start, &circulants, &rest).unwrap();
        let n = 64 * columns;
        let mut punctured = vec![0; columns];
        let mut shortened = vec![0; columns];
        for _ in 0..random.below(n / 4) {
            bits::set(&mut punctured, random.below(n), true);
        }
        for _ in 0..random.below(n / 3) {
            let at = random.below(n);
            bits::set(&mut shortened, at, !bits::get(&punctured, at));
        }
        let pattern = Pattern::from_masks(n, &punctured, &shortened).unwrap();
        let q = 0.001 * random.below(120) as f64;
        let mut memory = vec![!0; Packed::words(&code)];
        for iterations in [0, 1, 2, 3, 12] {
            let sample = sample(&code, &pattern, q, 5000 + index);
            let expected = wide(&code, iterations, &pattern, &sample, q);
            let found = small(&code, &mut memory, iterations, &pattern, &sample, q);
            assert_eq!(found, expected, "code {index}, {iterations} iterations");
        }
    }
}

#[test]
fn the_channel_is_that_of_hosts() {
    for q in [0.0, 1e-9, 0.001, 0.02, 0.11, 0.3, 0.499, 0.5, 0.7, -1.0, f64::NAN] {
        let expected = Corrected::default().quantise(llr::channel_llr(q) as f32);
        assert_eq!(i16::from(Packed::channel(q)), expected, "{q}");
    }
}

#[test]
fn clearing_overwrites_what_was_decoded() {
    let mut memory = vec![0; WORDS];
    let fresh = {
        Packed::new(&CODE, &mut memory).unwrap().clear();
        memory.clone()
    };
    with_pattern(0, 0, |pattern| {
        let sample = sample(&CODE, pattern, 0.05, 3);
        small(&CODE, &mut memory, 5, pattern, &sample, 0.05);
        assert_ne!(memory, fresh);
        let mut decoder = Packed::new(&CODE, &mut memory).unwrap();
        decoder.clear();
        // A run after it is as before.
        let mut decision = [0; 64];
        let outcome = decoder.run(
            40,
            Packed::channel(0.05),
            pattern,
            &sample.received,
            &sample.syndrome,
            &mut decision,
        );
        assert!(outcome.unwrap().converged);
        assert_eq!(decision[..], sample.sent);
        decoder.clear();
    });
    assert_eq!(memory, fresh);
}

#[test]
fn lengths_that_do_not_fit_are_errors() {
    let mut memory = vec![0; WORDS];
    let error = Packed::new(&CODE, &mut memory[1..]).unwrap_err();
    assert_eq!(error, LengthError { what: "words", expected: WORDS, found: WORDS - 1 });
    // A circulant of 128.
    let circulants = [Circulant { column: 0, shift: 0, turn: 0 }, Circulant { column: 1, shift: 0, turn: 0 }];
    let other = QcCode::new(128, &[0, 2], &circulants, &[0, 0]).unwrap();
    assert_eq!(Packed::new(&other, &mut memory).unwrap_err().what, "circulant size");
    // A column in a hundred rows.
    let rows = vec![vec![0, 1, 2]; 100];
    let (start, circulants, rest) = drawn(&rows, 101, &mut Random(1));
    let tall = QcCode::new(64, &start, &circulants, &rest).unwrap();
    let mut words = vec![0; Packed::words(&tall)];
    let error = Packed::new(&tall, &mut words).unwrap_err();
    assert_eq!(error, LengthError { what: "column degree", expected: 99, found: 100 });
    // A check of two.
    let (start, circulants, rest) = drawn(&[vec![0, 1, 2], vec![3, 4]], 5, &mut Random(1));
    let short = QcCode::new(64, &start, &circulants, &rest).unwrap();
    let mut words = vec![0; Packed::words(&short)];
    let error = Packed::new(&short, &mut words).unwrap_err();
    assert_eq!(error, LengthError { what: "check degree", expected: 3, found: 2 });
    let mut decoder = Packed::new(&CODE, &mut memory).unwrap();
    with_pattern(0, 0, |pattern| {
        let mut run = |a: usize, b: usize, c: usize| {
            let (frame, syndrome, decision) = (&[0; 65][..a], &[0; 33][..b], &mut [0; 65][..c]);
            decoder.run(1, 30, pattern, frame, syndrome, decision).map_err(|e| e.what)
        };
        assert!(run(64, 32, 64).is_ok());
        assert_eq!(run(65, 32, 64), Err("frame words"));
        assert_eq!(run(64, 33, 64), Err("syndrome words"));
        assert_eq!(run(64, 32, 63), Err("decision words"));
    });
}
