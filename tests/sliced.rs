//! The bit-sliced decoder against a twin that computes with integers, one check at a time.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use caligo_core::bits;
use caligo_core::code::{Code, mother_4096};
use caligo_core::decode::sliced::alphabet::{Alphabet, Sturdy, Swift};
use caligo_core::decode::sliced::lanes::{Lanes, Words};
use caligo_core::decode::sliced::{Sliced, SlicedLayout};
use caligo_core::llr::Rates;
use caligo_core::puncture::{Pattern, order_4096};
use caligo_runtime::channel;
use caligo_runtime::kernel::{Effort, Engine, Input, Tier};
use caligo_tests::{Sample, checks, naive_syndrome, sample};

fn mother() -> Code<'static> {
    Code::from(mother_4096::CODE)
}

/// What a decoder of one frame holds: x of each variable, and the signed value of each edge's last message.
struct Twin {
    checks: Vec<Vec<usize>>,
    x: Vec<i32>,
    known: Vec<Option<bool>>,
    messages: Vec<Vec<i32>>,
}

fn negated_if(sign: bool, x: i32) -> i32 {
    if sign { !x } else { x }
}

impl Twin {
    fn new<A: Alphabet>(pattern: &Pattern<'_>, received: &[u64]) -> Self {
        let checks = checks(&mother());
        let largest = (1 << (A::PLANES - 1)) - 1;
        let known: Vec<Option<bool>> =
            (0..4096).map(|v| bits::get(pattern.shortened(), v).then(|| bits::get(received, v))).collect();
        let x = (0..4096)
            .map(|v| {
                if bits::get(pattern.punctured(), v) {
                    return 0;
                }
                let strength = if known[v].is_some() { largest } else { i32::from(A::PRIOR) };
                negated_if(bits::get(received, v), strength)
            })
            .collect();
        let messages = checks.iter().map(|row| vec![0; row.len()]).collect();
        Self { checks, x, known, messages }
    }

    fn iterate<A: Alphabet>(&mut self, syndrome: &[u64]) {
        let largest = (1 << (A::PLANES - 1)) - 1;
        let thresholds = &A::THRESHOLDS[..A::LEVELS];
        for (check, row) in self.checks.iter().enumerate() {
            let inputs: Vec<i32> =
                row.iter().zip(&self.messages[check]).map(|(&v, message)| self.x[v] - message).collect();
            let level = |x: i32| thresholds.iter().filter(|&&t| negated_if(x < 0, x) >= i32::from(t)).count();
            for (i, &v) in row.iter().enumerate() {
                let others = || inputs.iter().enumerate().filter(|(j, _)| *j != i).map(|(_, &x)| x);
                let least = others().map(level).min().unwrap();
                let negative = others().fold(bits::get(syndrome, check), |sign, x| sign ^ (x < 0));
                let value = i32::from(A::VALUES[least]);
                let message = if negative { -value } else { value };
                self.messages[check][i] = message;
                self.x[v] = match self.known[v] {
                    Some(bit) => negated_if(bit, largest),
                    None => (inputs[i] + message).clamp(!largest, largest),
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

/// Known positions hold what was sent; punctured ones anything.
fn received(pattern: &Pattern<'_>, sample: &Sample, index: u64) -> Vec<u64> {
    let noise = channel::random_bits(4096, &mut channel::stream(77, index));
    (0..64)
        .map(|w| {
            let (punctured, shortened) = (pattern.punctured()[w], pattern.shortened()[w]);
            let payload = sample.received[w] & !(punctured | shortened);
            payload | sample.sent[w] & shortened | noise[w] & punctured
        })
        .collect()
}

const PATTERNS: [(usize, usize, f64); 5] =
    [(0, 0, 0.05), (0, 0, 0.13), (600, 0, 0.06), (0, 300, 0.1), (400, 200, 0.08)];

/// Frames enter at different times, so that places are used again beside frames that go on.
fn equals_its_twin<A: Alphabet, const W: usize>() {
    let code = mother_4096::CODE;
    let lanes = Words::<W>;
    // What memory held before has no influence.
    let mut memory = vec![[0x5555_1234_abcd_ef01; W]; SlicedLayout::of::<A>(&code).total()];
    let mut state = Sliced::<A, _>::new(&code, lanes, &mut memory).unwrap();
    let (mut a, mut b) = (vec![vec![0; 64]; PATTERNS.len()], vec![vec![0; 64]; PATTERNS.len()]);
    let masks = a.iter_mut().zip(&mut b);
    let patterns: Vec<Pattern<'_>> = PATTERNS
        .iter()
        .zip(masks)
        .map(|(&(p, s, _), (a, b))| order_4096::ORDER.pattern(p, s, a, b).unwrap())
        .collect();
    let mut twins: Vec<Option<(Twin, Sample)>> = (0..W).map(|_| None).collect();
    let mut decision = vec![0; 64];
    for step in 0..18 {
        for (place, twin) in twins.iter_mut().enumerate() {
            if (step + 5 * place) % 6 == 0 {
                let index = (step * W + place) as u64;
                let which = index as usize % PATTERNS.len();
                let sample = sample(&mother(), PATTERNS[which].2, index);
                let frame = received(&patterns[which], &sample, index);
                state.load(place, &patterns[which], &frame, &sample.syndrome).unwrap();
                *twin = Some((Twin::new::<A>(&patterns[which], &frame), sample));
            }
        }
        state.iterate();
        let satisfied = state.satisfied();
        for (place, twin) in twins.iter_mut().enumerate() {
            let Some((twin, sample)) = twin else { continue };
            twin.iterate::<A>(&sample.syndrome);
            state.decision(place, &mut decision).unwrap();
            assert_eq!(decision, twin.decision(), "place {place} step {step}");
            let meets = naive_syndrome(&mother(), &decision) == sample.syndrome;
            assert_eq!(satisfied >> place & 1 == 1, meets);
        }
    }
}

#[test]
fn planes_equal_integers() {
    equals_its_twin::<Swift, 1>();
    equals_its_twin::<Sturdy, 1>();
    equals_its_twin::<Swift, 3>();
    equals_its_twin::<Sturdy, 2>();
}

#[test]
fn words_that_do_not_fit_are_errors() {
    let code = mother_4096::CODE;
    let total = SlicedLayout::of::<Swift>(&code).total();
    let lanes = Words::<2>;
    assert!(Sliced::<Swift, _>::new(&code, lanes, &mut vec![lanes.splat(0); total - 1]).is_err());
    let mut memory = vec![lanes.splat(0); total];
    let mut state = Sliced::<Swift, _>::new(&code, lanes, &mut memory).unwrap();
    let (mut a, mut b) = ([0; 64], [0; 64]);
    let pattern = order_4096::ORDER.pattern(0, 0, &mut a, &mut b).unwrap();
    assert!(state.load(2, &pattern, &[0; 64], &[0; 32]).is_err());
    assert!(state.load(1, &pattern, &[0; 63], &[0; 32]).is_err());
    assert!(state.load(1, &pattern, &[0; 64], &[0; 33]).is_err());
    assert!(state.decision(2, &mut [0; 64]).is_err());
    assert!(state.decision(1, &mut [0; 65]).is_err());
}

/// Frames of several patterns and error rates, some hopeless.
fn frames() -> Vec<(usize, f64, Sample, Vec<u64>)> {
    let mut out = Vec::new();
    for index in 0..60 {
        let which = index as usize % PATTERNS.len();
        let (p, s, _) = PATTERNS[which];
        let q = [0.02, 0.05, 0.075, 0.09, 0.12][(index / 5) as usize % 5];
        let (mut a, mut b) = ([0; 64], [0; 64]);
        let pattern = order_4096::ORDER.pattern(p, s, &mut a, &mut b).unwrap();
        let sample = sample(&mother(), q, index);
        let frame = received(&pattern, &sample, index);
        out.push((which, q, sample, frame));
    }
    out
}

#[test]
fn company_changes_nothing() {
    let code = mother();
    let mut masks: Vec<([u64; 64], [u64; 64])> = vec![([0; 64], [0; 64]); PATTERNS.len()];
    let patterns: Vec<Pattern<'_>> = masks
        .iter_mut()
        .zip(PATTERNS)
        .map(|((a, b), (p, s, _))| order_4096::ORDER.pattern(p, s, a, b).unwrap())
        .collect();
    let frames = frames();
    let rates: Vec<Rates<'_>> = frames.iter().map(|&(_, q, _, _)| Rates::Uniform(q)).collect();
    let inputs: Vec<Input<'_>> = frames
        .iter()
        .zip(&rates)
        .map(|((which, _, sample, frame), rates)| Input {
            pattern: &patterns[*which],
            frame,
            rates,
            syndrome: &sample.syndrome,
        })
        .collect();
    for tier in [Tier::Fast, Tier::Balanced, Tier::Precise] {
        let mut engine = Engine::new(&code, Effort { tier, ..Effort::default() }).unwrap();
        let alone: Vec<_> = inputs
            .iter()
            .map(|input| {
                let mut decision = vec![0; 64];
                (engine.decode(input, &mut decision).unwrap(), decision)
            })
            .collect();
        for turn in [0, 1, 17] {
            let mut order: Vec<usize> = (0..inputs.len()).collect();
            order.rotate_left(turn);
            let turned: Vec<Input<'_>> = order.iter().map(|&i| inputs[i]).collect();
            let mut decisions = vec![0; 64 * inputs.len()];
            let mut outcomes = vec![alone[0].0; inputs.len()];
            engine.decode_all(&turned, &mut decisions, &mut outcomes).unwrap();
            for ((&i, outcome), decision) in order.iter().zip(outcomes).zip(decisions.chunks_exact(64)) {
                assert_eq!((outcome, decision), (alone[i].0, &alone[i].1[..]), "{tier} frame {i}");
            }
        }
        assert!(engine.decode_all(&inputs, &mut [0; 64], &mut []).is_err());
    }
}

/// The same frames, near and below the threshold: the cascade must not lose what sum-product finds.
#[test]
fn the_cascade_fails_no_more_than_sum_product() {
    let code = mother();
    for (p, q, frames) in [(0, 0.0895, 3000), (0, 0.0875, 3000), (683, 0.0595, 1500), (1170, 0.0385, 1500)] {
        let (mut a, mut b) = ([0; 64], [0; 64]);
        let pattern = order_4096::ORDER.pattern(p, 0, &mut a, &mut b).unwrap();
        let rates = Rates::Uniform(q);
        let samples: Vec<Sample> = (0..frames).map(|index| sample(&code, q, 10_000 + index)).collect();
        let inputs: Vec<Input<'_>> = samples
            .iter()
            .map(|s| Input { pattern: &pattern, frame: &s.received, rates: &rates, syndrome: &s.syndrome })
            .collect();
        let [cascade, exact] = [Tier::Balanced, Tier::Precise].map(|tier| {
            let effort = Effort { tier, guesses: Some(0), ..Effort::default() };
            let mut engine = Engine::new(&code, effort).unwrap();
            let mut decisions = vec![0; 64 * inputs.len()];
            let mut outcomes = vec![engine.decode(&inputs[0], &mut decisions[..64]).unwrap(); inputs.len()];
            engine.decode_all(&inputs, &mut decisions, &mut outcomes).unwrap();
            samples.iter().zip(decisions.chunks_exact(64)).filter(|(s, d)| s.sent != **d).count()
        });
        // Failures of both are the same frames but for a few, some of either kind.
        assert!(exact > 5, "p {p} Q {q}: no test of anything, {exact} failures");
        let slack = 1.0 + 2.0 * (exact as f64).sqrt();
        assert!(
            cascade as f64 <= exact as f64 + slack,
            "p {p} Q {q}: {cascade} failures, sum-product {exact}"
        );
    }
}
