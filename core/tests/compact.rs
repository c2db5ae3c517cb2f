//! The decoder for small cores, and the bit-sliced one over the same alphabet, against a twin that computes with integers,
//! one check at a time.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use caligo_core::bits;
use caligo_core::code::{Circulant, Code, LengthError, QcCode, mother_4096};
use caligo_core::decode::Compact;
use caligo_core::decode::sliced::alphabet::{Alphabet, Steady};
use caligo_core::decode::sliced::lanes::Words;
use caligo_core::decode::sliced::{Sliced, SlicedLayout};
use caligo_core::puncture::{Pattern, order_4096};

const CODE: QcCode<'static> = mother_4096::CODE;
const WORDS: usize = Compact::words(&CODE);

/// splitmix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
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
fn sample(pattern: &Pattern<'_>, q: f64, seed: u64) -> Sample {
    let mut random = Random(seed.wrapping_mul(0xd134_2543_de82_ef95));
    let sent: Vec<u64> = (0..64).map(|_| random.next()).collect();
    let received = (0..64)
        .map(|w| {
            let noise = random.word(q) & !pattern.shortened()[w];
            (sent[w] ^ noise) & !pattern.punctured()[w] | random.next() & pattern.punctured()[w]
        })
        .collect();
    let mut syndrome = vec![0; 32];
    Code::Qc(CODE).syndrome(&sent, &mut syndrome).unwrap();
    Sample { sent, received, syndrome }
}

fn negated_if(sign: bool, x: i32) -> i32 {
    if sign { !x } else { x }
}

/// x of each variable, and the value of each edge's last message.
struct Twin {
    checks: Vec<Vec<usize>>,
    x: Vec<i32>,
    known: Vec<Option<bool>>,
    messages: Vec<Vec<i32>>,
}

const LARGEST: i32 = (1 << (Steady::PLANES - 1)) - 1;

impl Twin {
    fn new(pattern: &Pattern<'_>, received: &[u64]) -> Self {
        let mut checks = vec![vec![]; 2048];
        for (check, row) in checks.iter_mut().enumerate() {
            Code::Qc(CODE).neighbours(check, |v| row.push(v));
        }
        let known: Vec<Option<bool>> =
            (0..4096).map(|v| bits::get(pattern.shortened(), v).then(|| bits::get(received, v))).collect();
        let x = (0..4096)
            .map(|v| match known[v] {
                _ if bits::get(pattern.punctured(), v) => 0,
                Some(bit) => negated_if(bit, LARGEST),
                None => negated_if(bits::get(received, v), i32::from(Steady::PRIOR)),
            })
            .collect();
        let messages = checks.iter().map(|row: &Vec<usize>| vec![0; row.len()]).collect();
        Self { checks, x, known, messages }
    }

    fn iterate(&mut self, syndrome: &[u64]) {
        for (check, row) in self.checks.iter().enumerate() {
            let inputs: Vec<i32> =
                row.iter().zip(&self.messages[check]).map(|(&v, message)| self.x[v] - message).collect();
            let level = |x: i32| {
                let reaches = |&&t: &&u16| negated_if(x < 0, x) >= i32::from(t);
                Steady::THRESHOLDS[..Steady::LEVELS].iter().filter(reaches).count()
            };
            let mut sorted: Vec<usize> = inputs.iter().map(|&x| level(x)).collect();
            sorted.sort_unstable();
            let values = if sorted[0] == sorted[1] { Steady::TIED.unwrap() } else { Steady::VALUES };
            for (i, &v) in row.iter().enumerate() {
                let others = || inputs.iter().enumerate().filter(|(j, _)| *j != i).map(|(_, &x)| x);
                let value = i32::from(values[others().map(level).min().unwrap()]);
                let negative = others().fold(bits::get(syndrome, check), |sign, x| sign ^ (x < 0));
                let message = if negative { -value } else { value };
                self.messages[check][i] = message;
                self.x[v] = match self.known[v] {
                    Some(bit) => negated_if(bit, LARGEST),
                    None => (inputs[i] + message).clamp(!LARGEST, LARGEST),
                };
            }
        }
    }

    fn decision(&self) -> Vec<u64> {
        let mut decision = vec![0; 64];
        for (v, &x) in self.x.iter().enumerate() {
            bits::set(&mut decision, v, x < 0);
        }
        decision
    }
}

fn with_pattern(p: usize, s: usize, test: impl FnOnce(&Pattern<'_>)) {
    let (mut punctured, mut shortened) = ([0; 64], [0; 64]);
    test(&order_4096::ORDER.pattern(p, s, &mut punctured, &mut shortened).unwrap());
}

const PATTERNS: [(usize, usize, f64); 7] = [
    (0, 0, 0.05),
    (0, 0, 0.13),
    (683, 0, 0.06),
    (1170, 0, 0.033),
    (1536, 0, 0.02),
    (0, 300, 0.1),
    (900, 200, 0.05),
];

#[test]
fn words_equal_integers() {
    let mut memory = [0x5555_1234; WORDS];
    for (index, &(p, s, q)) in PATTERNS.iter().enumerate() {
        with_pattern(p, s, |pattern| {
            let sample = sample(pattern, q, index as u64);
            let mut twin = Twin::new(pattern, &sample.received);
            for iterations in 1..=12 {
                twin.iterate(&sample.syndrome);
                let mut decision = [0; 64];
                // What memory held before has no influence, so that each run begins anew.
                let mut decoder = Compact::new(&CODE, &mut memory).unwrap();
                let (received, syndrome) = (&sample.received, &sample.syndrome);
                let outcome = decoder.run(iterations, pattern, received, syndrome, &mut decision).unwrap();
                let mut found = [0; 32];
                Code::Qc(CODE).syndrome(&decision, &mut found).unwrap();
                assert_eq!(outcome.unsatisfied as usize, bits::distance(&found, syndrome));
                assert_eq!(outcome.converged, outcome.unsatisfied == 0);
                if outcome.iterations < iterations {
                    break;
                }
                assert_eq!(decision[..], twin.decision(), "p {p} s {s}, iteration {iterations}");
            }
        });
    }
}

#[test]
fn the_sliced_decoder_gives_the_same() {
    let mut memory = [0; WORDS];
    let mut planes = vec![[!0; 3]; SlicedLayout::of::<Steady>(&CODE).total()];
    let mut sliced = Sliced::<Steady, _>::new(&CODE, Words::<3>, &mut planes).unwrap();
    for (index, &(p, s, q)) in PATTERNS.iter().enumerate() {
        with_pattern(p, s, |pattern| {
            let samples: Vec<Sample> =
                (0..3).map(|i| sample(pattern, q, 100 + 3 * index as u64 + i)).collect();
            for (place, sample) in samples.iter().enumerate() {
                sliced.load(place, pattern, &sample.received, &sample.syndrome).unwrap();
            }
            let mut open = 0b111;
            for iteration in 1..=40 {
                sliced.iterate();
                let satisfied = sliced.satisfied();
                for (place, sample) in samples.iter().enumerate() {
                    if open >> place & 1 == 0 || (satisfied >> place & 1 == 0 && iteration < 40) {
                        continue;
                    }
                    open &= !(1 << place);
                    let (mut a, mut b) = ([0; 64], [0; 64]);
                    sliced.decision(place, &mut a).unwrap();
                    let mut decoder = Compact::new(&CODE, &mut memory).unwrap();
                    let (received, syndrome) = (&sample.received, &sample.syndrome);
                    let outcome = decoder.run(40, pattern, received, syndrome, &mut b).unwrap();
                    assert_eq!((a, iteration), (b, outcome.iterations));
                    assert_eq!(outcome.converged, satisfied >> place & 1 == 1);
                }
            }
            assert_eq!(open, 0);
        });
    }
}

#[test]
fn errors_are_corrected_at_every_rate() {
    let mut memory = [0; WORDS];
    for (p, q) in [(0, 0.07), (683, 0.042), (1170, 0.023), (1536, 0.009)] {
        with_pattern(p, 0, |pattern| {
            for index in 0..20 {
                let sample = sample(pattern, q, 1000 + index);
                let mut decision = [0; 64];
                let mut decoder = Compact::new(&CODE, &mut memory).unwrap();
                let (received, syndrome) = (&sample.received, &sample.syndrome);
                let outcome = decoder.run(50, pattern, received, syndrome, &mut decision).unwrap();
                assert!(outcome.converged, "p {p}, frame {index}");
                assert_eq!(decision[..], sample.sent);
            }
        });
    }
}

#[test]
fn clearing_overwrites_all() {
    let mut memory = [0xffff_ffff; WORDS];
    Compact::new(&CODE, &mut memory).unwrap().clear();
    assert_eq!(memory, [0; WORDS]);
}

#[test]
fn lengths_that_do_not_fit_are_errors() {
    let mut memory = [0; WORDS];
    let error = Compact::new(&CODE, &mut memory[1..]).unwrap_err();
    assert_eq!(error, LengthError { what: "words", expected: WORDS, found: WORDS - 1 });
    // A circulant of 128.
    let circulants = [Circulant { column: 0, shift: 0, turn: 0 }, Circulant { column: 1, shift: 0, turn: 0 }];
    let other = QcCode::new(128, &[0, 2], &circulants, &[0, 0]).unwrap();
    assert_eq!(Compact::new(&other, &mut memory).unwrap_err().what, "circulant size");
    let mut decoder = Compact::new(&CODE, &mut memory).unwrap();
    with_pattern(0, 0, |pattern| {
        let mut run = |a: usize, b: usize, c: usize| {
            decoder.run(1, pattern, &[0; 65][..a], &[0; 33][..b], &mut [0; 65][..c]).map_err(|e| e.what)
        };
        assert!(run(64, 32, 64).is_ok());
        assert_eq!(run(65, 32, 64), Err("frame words"));
        assert_eq!(run(64, 33, 64), Err("syndrome words"));
        assert_eq!(run(64, 32, 63), Err("decision words"));
    });
}
