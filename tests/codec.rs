//! Encoder and decoders: known answers, naive twins, and that both graph paths are one.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use caligo_core::code::{Code, CodeError, QcCode, SparseCode, mother_4096};
use caligo_core::decode::{
    Arithmetic, Corrected, Decoder, Doubt, Layout, Outcome, Schedule, SumProduct, Workspace,
};
use caligo_core::llr::{Rates, channel_llr, three_state};
use caligo_core::puncture::order_4096;
use caligo_runtime::channel;
use caligo_runtime::kernel::{Effort, Engine, Input, Tier};
use caligo_runtime::matrix::base::BaseMatrix;
use caligo_runtime::matrix::sparse::SparseMatrix;
use caligo_tests::{naive_integer, naive_syndrome, sample, textbook};
use proptest::prelude::*;

fn mother() -> Code<'static> {
    mother_4096::CODE.into()
}

/// A small quasi-cyclic code with circulants of `z`.
fn small(z: usize) -> BaseMatrix {
    let mut rng = channel::stream(5, z as u64);
    let columns = (0..8)
        .map(|c: u16| {
            let mut rows = [0, 1, 2, 3];
            channel::shuffle(&mut rows, &mut rng);
            let mut entries: Vec<(u16, u16)> = rows[..2 + usize::from(c % 3)]
                .iter()
                .map(|&r| (r, channel::below(&mut rng, z as u64) as u16))
                .collect();
            entries.sort_unstable();
            entries
        })
        .collect();
    BaseMatrix { z, rows: 4, columns }
}

struct Decoded<P> {
    outcome: Outcome,
    decision: Vec<u64>,
    posteriors: Vec<P>,
}

fn decode<A: Arithmetic>(
    arithmetic: A,
    code: &Code<'_>,
    schedule: Schedule,
    iterations: u16,
    llr: &[A::Posterior],
    syndrome: &[u64],
) -> Decoded<A::Posterior> {
    let layout = Layout::of(code, schedule);
    let mut work = Workspace::<A, _, _>::new(
        code,
        schedule,
        vec![A::Message::default(); layout.messages],
        vec![A::Posterior::default(); layout.posteriors],
    )
    .unwrap();
    work.load(llr).unwrap();
    let mut decision = vec![0; code.n().div_ceil(64)];
    let outcome =
        Decoder { arithmetic, max_iterations: iterations }.run(syndrome, &mut work, &mut decision).unwrap();
    let mut posteriors = vec![A::Posterior::default(); code.n()];
    work.posteriors(&mut posteriors).unwrap();
    Decoded { outcome, decision, posteriors }
}

fn priors<A: Arithmetic>(
    arithmetic: A,
    received: &[u64],
    n: usize,
    q: f64,
    punctured: &[u16],
) -> Vec<A::Posterior> {
    let level = arithmetic.quantise(channel_llr(q) as f32);
    let mut llr: Vec<A::Posterior> =
        (0..n).map(|i| A::signed(level, received[i / 64] >> (i % 64) & 1 == 1)).collect();
    for &v in punctured {
        llr[usize::from(v)] = A::UNKNOWN;
    }
    llr
}

#[test]
fn encoder_equals_its_definition() {
    for z in [64, 128, 192] {
        let tables = small(z).tables();
        let code = Code::from(tables.code().unwrap());
        let matrix = SparseMatrix::from_code(&code);
        let sparse = Code::from(matrix.code().unwrap());
        for index in 0..8 {
            let frame = channel::random_bits(code.n(), &mut channel::stream(1, index));
            let want = naive_syndrome(&code, &frame);
            for path in [code, sparse] {
                let mut syndrome = vec![u64::MAX; want.len()];
                path.syndrome(&frame, &mut syndrome).unwrap();
                assert_eq!(syndrome, want, "z = {z}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn syndrome_is_linear(a in proptest::array::uniform32(any::<u64>()), b in any::<[u64; 32]>(), half in any::<bool>()) {
        let frame = |words: &[u64; 32]| {
            let mut frame = [0; 64];
            frame[if half { 0 } else { 32 }..][..32].copy_from_slice(words);
            frame
        };
        let syndrome = |frame: &[u64]| {
            let mut s = [0; 32];
            mother().syndrome(frame, &mut s).map(|()| s)
        };
        let sum: Vec<u64> = frame(&a).iter().zip(&frame(&b)).map(|(x, y)| x ^ y).collect();
        let (sa, sb) = (syndrome(&frame(&a))?, syndrome(&frame(&b))?);
        let both: Vec<u64> = sa.iter().zip(&sb).map(|(x, y)| x ^ y).collect();
        prop_assert_eq!(syndrome(&sum)?.to_vec(), both);
    }

    #[test]
    fn no_errors_decode_in_one_iteration(seed in any::<u64>(), flooding in any::<bool>()) {
        let schedule = if flooding { Schedule::Flooding } else { Schedule::Layered };
        let code = mother();
        let s = sample(&code, 0.0, seed);
        let float = decode(SumProduct, &code, schedule, 9, &priors(SumProduct, &s.received, 4096, 0.03, &[]), &s.syndrome);
        prop_assert_eq!(float.outcome, Outcome { converged: true, iterations: 1, unsatisfied: 0 });
        let i8 = Corrected::default();
        let integer = decode(i8, &code, schedule, 9, &priors(i8, &s.received, 4096, 0.03, &[]), &s.syndrome);
        prop_assert_eq!(integer.outcome, float.outcome);
        prop_assert_eq!(&integer.decision, &s.sent);
        prop_assert_eq!(float.decision, s.sent);
    }

    #[test]
    fn any_tables_are_a_code_or_an_error(
        z in prop_oneof![Just(64usize), Just(0), Just(65), 0usize..2000],
        starts in proptest::collection::vec(0u16..9, 0..5),
        entries in proptest::collection::vec((0u16..9, 0u16..70, 0u16..70), 0..9),
        rest in proptest::collection::vec(0u16..70, 0..9),
        columns in proptest::collection::vec(0u32..12, 0..9),
    ) {
        let circulants: Vec<_> = entries
            .iter()
            .map(|&(column, shift, turn)| caligo_core::code::Circulant { column, shift, turn })
            .collect();
        if let Ok(code) = QcCode::new(z, &starts, &circulants, &rest) {
            let code = Code::from(code);
            let mut syndrome = vec![0; code.m().div_ceil(64)];
            code.syndrome(&vec![3; code.n() / 64], &mut syndrome)?;
        }
        let starts: Vec<u32> = starts.iter().map(|&s| s.into()).collect();
        if let Ok(code) = SparseCode::new(rest.len() + 3, &starts, &columns) {
            let code = Code::from(code);
            let mut syndrome = vec![0; code.m().div_ceil(64)];
            code.syndrome(&[7], &mut syndrome)?;
        }
    }
}

#[test]
fn malformed_matrices_are_refused() {
    assert_eq!(SparseCode::new(5, &[0, 2, 4], &[0, 1, 1, 5]), Err(CodeError::OutOfRange { row: 1 }));
    assert_eq!(SparseCode::new(5, &[0, 2, 4], &[0, 1, 3, 3]), Err(CodeError::Unsorted { row: 1 }));
    assert_eq!(SparseCode::new(5, &[0, 3, 2], &[0, 1]), Err(CodeError::RowStart));
    assert_eq!(SparseCode::new(2, &[0, 1, 2], &[0, 1]), Err(CodeError::Shape));
    let many: Vec<u32> = (0..97).collect();
    assert_eq!(SparseCode::new(200, &[0, 97], &many), Err(CodeError::Degree { row: 0 }));
    assert_eq!(QcCode::new(63, &[0, 0], &[], &[0, 0]), Err(CodeError::CirculantSize));
    let mut tables = small(64).tables();
    tables.circulants[3].turn ^= 1;
    assert!(matches!(tables.code(), Err(CodeError::Frames { .. })));
}

#[test]
fn wrong_buffers_are_refused() {
    let code = mother();
    let layout = Layout::of(&code, Schedule::Layered);
    let new = |m, p| {
        Workspace::<Corrected, _, _>::new(&code, Schedule::Layered, vec![0i8; m], vec![0i16; p]).map(|_| ())
    };
    assert!(new(layout.messages, layout.posteriors).is_ok());
    assert!(new(layout.messages - 1, layout.posteriors).is_err());
    assert!(new(layout.messages, layout.posteriors + 1).is_err());
    assert!(code.syndrome(&[0; 63], &mut [0; 32]).is_err());
    assert!(code.syndrome(&[0; 64], &mut [0; 33]).is_err());
    let mut work = Workspace::<Corrected, _, _>::new(
        &code,
        Schedule::Layered,
        vec![0i8; layout.messages],
        vec![0i16; layout.posteriors],
    )
    .unwrap();
    assert!(work.load(&[0; 4095]).is_err());
    assert!(work.reveal(4096, true).is_err());
    let decoder = Decoder { arithmetic: Corrected::default(), max_iterations: 1 };
    assert!(decoder.run(&[0; 31], &mut work, &mut [0; 64]).is_err());
    assert!(decoder.run(&[0; 32], &mut work, &mut [0; 65]).is_err());
}

/// Outcome, decision and every posterior, bit for bit, converged or not.
fn paths_agree<A: Arithmetic>(arithmetic: A, code: &Code<'_>, sparse: &Code<'_>, q: f64, punctured: &[u16])
where
    A::Posterior: PartialEq,
{
    for schedule in [Schedule::Layered, Schedule::Flooding] {
        for index in 0..3 {
            let s = sample(code, q, index);
            let llr = priors(arithmetic, &s.received, code.n(), q, punctured);
            for iterations in [1, 7, 30] {
                let a = decode(arithmetic, code, schedule, iterations, &llr, &s.syndrome);
                let b = decode(arithmetic, sparse, schedule, iterations, &llr, &s.syndrome);
                assert_eq!(a.outcome, b.outcome, "{schedule:?} {index} {iterations}");
                assert_eq!(a.decision, b.decision);
                assert!(a.posteriors == b.posteriors);
            }
        }
    }
}

#[test]
fn quasi_cyclic_and_general_paths_agree_bit_for_bit() {
    let code = mother();
    let matrix = SparseMatrix::from_code(&code);
    let sparse = Code::from(matrix.code().unwrap());
    let punctured = &order_4096::ORDER.puncture()[..1200];
    for (q, punctured) in [(0.06, &[][..]), (0.1, &[]), (0.03, punctured)] {
        paths_agree(Corrected::default(), &code, &sparse, q, punctured);
        paths_agree(SumProduct, &code, &sparse, q, punctured);
    }
    for z in [64, 128, 192] {
        let tables = small(z).tables();
        let code = Code::from(tables.code().unwrap());
        let matrix = SparseMatrix::from_code(&code);
        let sparse = Code::from(matrix.code().unwrap());
        paths_agree(Corrected::default(), &code, &sparse, 0.05, &[3, 70]);
        paths_agree(SumProduct, &code, &sparse, 0.05, &[3, 70]);
    }
}

#[test]
fn integer_decoder_equals_its_naive_twin() {
    let code = mother();
    for (index, iterations) in [(0, 1), (1, 3), (2, 12)] {
        // Too noisy to converge, so that all iterations are done.
        let s = sample(&code, 0.13, index);
        let llr = priors(Corrected::default(), &s.received, 4096, 0.08, &[]);
        let fast = decode(Corrected::default(), &code, Schedule::Layered, iterations, &llr, &s.syndrome);
        assert!(!fast.outcome.converged);
        let rule = (Corrected::default().offset().into(), Corrected::default().limit().into());
        let naive = naive_integer(&code, &llr, &s.syndrome, iterations.into(), rule);
        let fast: Vec<i32> = fast.posteriors.iter().map(|&p| p.into()).collect();
        assert_eq!(fast, naive);
    }
}

#[test]
fn float_decoder_finds_what_the_textbook_finds() {
    let code = mother();
    let mut converged = 0;
    for index in 0..6 {
        let s = sample(&code, 0.075, index);
        let llr = priors(SumProduct, &s.received, 4096, 0.075, &[]);
        let ours = decode(SumProduct, &code, Schedule::Flooding, 60, &llr, &s.syndrome);
        // A belief is e to the -LLR/2.
        let wide: Vec<f64> = llr.iter().map(|&odds| -2.0 * f64::from(odds).ln()).collect();
        let (decision, ok) = textbook(&code, &wide, &s.syndrome, 60);
        assert_eq!(ours.outcome.converged, ok);
        if ok {
            assert_eq!(ours.decision, decision);
            converged += 1;
        }
    }
    assert!(converged >= 5);
}

#[test]
fn a_dirty_workspace_changes_nothing() {
    let code = mother();
    for schedule in [Schedule::Layered, Schedule::Flooding] {
        let layout = Layout::of(&code, schedule);
        let s = sample(&code, 0.07, 3);
        let llr = priors(Corrected::default(), &s.received, 4096, 0.07, &[]);
        let clean = decode(Corrected::default(), &code, schedule, 40, &llr, &s.syndrome);
        let mut work = Workspace::<Corrected, _, _>::new(
            &code,
            schedule,
            vec![0x55i8; layout.messages],
            vec![-12345i16; layout.posteriors],
        )
        .unwrap();
        let decoder = Decoder { arithmetic: Corrected::default(), max_iterations: 40 };
        let mut decision = vec![u64::MAX; 64];
        // A frame that does not converge leaves large messages behind.
        let other = sample(&code, 0.2, 4);
        work.load(&priors(Corrected::default(), &other.received, 4096, 0.01, &[])).unwrap();
        decoder.run(&other.syndrome, &mut work, &mut decision).unwrap();
        work.reveal(5, true).unwrap();
        work.load(&llr).unwrap();
        let again = decoder.run(&s.syndrome, &mut work, &mut decision).unwrap();
        assert_eq!((again, &decision), (clean.outcome, &clean.decision));
    }
}

fn reveals_help<A: Arithmetic>(arithmetic: A, known: impl Fn(A::Posterior) -> bool) {
    let code = mother();
    let punctured = &order_4096::ORDER.puncture()[..1300];
    let layout = Layout::of(&code, Schedule::Layered);
    let s = sample(&code, 0.055, 9);
    let mut work = Workspace::<A, _, _>::new(
        &code,
        Schedule::Layered,
        vec![A::Message::default(); layout.messages],
        vec![A::Posterior::default(); layout.posteriors],
    )
    .unwrap();
    work.load(&priors(arithmetic, &s.received, 4096, 0.055, punctured)).unwrap();
    let decoder = Decoder { arithmetic, max_iterations: 30 };
    let mut decision = vec![0; 64];
    assert!(!decoder.run(&s.syndrome, &mut work, &mut decision).unwrap().converged);
    let mut left = 1300;
    let outcome = loop {
        // Reverse of the order of puncturing, 100 at a time, messages kept.
        for &v in punctured[..left].iter().rev().take(100) {
            let v = usize::from(v);
            work.reveal(v, s.sent[v / 64] >> (v % 64) & 1 == 1).unwrap();
        }
        left -= 100;
        let outcome = decoder.run(&s.syndrome, &mut work, &mut decision).unwrap();
        let mut posteriors = vec![A::Posterior::default(); 4096];
        work.posteriors(&mut posteriors).unwrap();
        for &v in &punctured[left..] {
            let v = usize::from(v);
            assert!(known(posteriors[v]), "a revealed position thaws");
            assert_eq!(decision[v / 64] >> (v % 64) & 1, s.sent[v / 64] >> (v % 64) & 1);
        }
        if outcome.converged || left == 0 {
            break outcome;
        }
    };
    assert!(outcome.converged && decision == s.sent);
    assert!(left > 0, "some padding stays hidden");
}

#[test]
fn hot_starts_with_frozen_bits_converge() {
    reveals_help(Corrected::default(), |p| p.abs() > 10_000);
    reveals_help(SumProduct, |p| p == 0.0 || p == f32::INFINITY);
}

#[test]
fn the_generated_code_is_what_it_says() {
    let code = mother();
    assert_eq!((code.n(), code.m(), code.z(), code.max_degree()), (4096, 2048, 64, 10));
    assert_eq!(caligo_core::rank::rank(&code), 2048);
}

/// The kernels as compiled here for the machine's best instruction set, and as the core has them.
#[test]
fn host_kernels_equal_the_core() {
    let code = mother();
    let (mut a, mut b) = ([0; 64], [0; 64]);
    for (p, s, q) in [(0, 0, 0.08), (0, 0, 0.11), (1170, 0, 0.04), (0, 400, 0.1), (500, 300, 0.09)] {
        let pattern = order_4096::ORDER.pattern(p, s, &mut a, &mut b).unwrap();
        for index in 0..4 {
            let frame = sample(&code, q, index);
            let mut received = frame.received.clone();
            for ((word, &mask), &sent) in received.iter_mut().zip(pattern.shortened()).zip(&frame.sent) {
                *word = *word & !mask | sent & mask;
            }
            let mut decision = vec![0; 64];
            for tier in [Tier::Fast, Tier::Precise] {
                let mut engine = Engine::new(
                    &code,
                    Effort {
                        tier,
                        max_iterations: Some(30),
                        guesses: Some(0),
                        without_first_pass: true,
                        ..Effort::default()
                    },
                )
                .unwrap();
                let host = engine
                    .decode(
                        &Input {
                            pattern: &pattern,
                            frame: &received,
                            rates: &Rates::Uniform(q),
                            syndrome: &frame.syndrome,
                        },
                        &mut decision,
                    )
                    .unwrap();
                let core = if tier == Tier::Fast {
                    let mut llr = vec![0; 4096];
                    three_state(&Corrected::default(), &pattern, &received, q, &mut llr).unwrap();
                    let d = decode(Corrected::default(), &code, Schedule::Layered, 30, &llr, &frame.syndrome);
                    (d.outcome, d.decision)
                } else {
                    let mut llr = vec![0.0; 4096];
                    three_state(&SumProduct, &pattern, &received, q, &mut llr).unwrap();
                    let d = decode(SumProduct, &code, Schedule::Layered, 30, &llr, &frame.syndrome);
                    (d.outcome, d.decision)
                };
                assert_eq!((host, &decision), (core.0, &core.1), "{tier:?} p {p} s {s} frame {index}");
            }
        }
    }
}

#[test]
fn the_balanced_tier_corrects_what_the_fast_one_does_not() {
    let code = mother();
    let (mut a, mut b) = ([0; 64], [0; 64]);
    let pattern = order_4096::ORDER.pattern(0, 0, &mut a, &mut b).unwrap();
    let mut engines = [Tier::Fast, Tier::Balanced]
        .map(|tier| Engine::new(&code, Effort { tier, ..Effort::default() }).unwrap());
    let mut errors = [0; 2];
    let mut decision = vec![0; 64];
    for index in 0..150 {
        let frame = sample(&code, 0.093, index);
        let failed = engines.each_mut().map(|engine| {
            engine
                .decode(
                    &Input {
                        pattern: &pattern,
                        frame: &frame.received,
                        rates: &Rates::Uniform(0.093),
                        syndrome: &frame.syndrome,
                    },
                    &mut decision,
                )
                .unwrap();
            usize::from(decision != frame.sent)
        });
        assert!(failed[1] <= failed[0], "frame {index}");
        errors[0] += failed[0];
        errors[1] += failed[1];
    }
    assert!(errors[1] < errors[0], "{errors:?}");
}

#[test]
fn guesses_correct_what_belief_propagation_leaves() {
    let code = mother();
    let (mut a, mut b) = ([0; 64], [0; 64]);
    let pattern = order_4096::ORDER.pattern(1536, 0, &mut a, &mut b).unwrap();
    let mut engines = [0, 16].map(|guesses| {
        let effort = Effort { tier: Tier::Precise, guesses: Some(guesses), ..Effort::default() };
        Engine::new(&code, effort).unwrap()
    });
    let mut errors = [0; 2];
    let mut decision = vec![0; 64];
    for index in 0..400 {
        let frame = sample(&code, 0.0205, index);
        let failed = engines.each_mut().map(|engine| {
            let outcome = engine
                .decode(
                    &Input {
                        pattern: &pattern,
                        frame: &frame.received,
                        rates: &Rates::Uniform(0.0205),
                        syndrome: &frame.syndrome,
                    },
                    &mut decision,
                )
                .unwrap();
            if outcome.converged {
                assert_eq!(naive_syndrome(&code, &decision), frame.syndrome);
            }
            usize::from(decision != frame.sent)
        });
        assert!(failed[1] <= failed[0], "frame {index}");
        errors[0] += failed[0];
        errors[1] += failed[1];
    }
    // A quarter to a half of the failures near the threshold.
    assert!(errors[0] >= 10 && 6 * errors[1] <= 5 * errors[0], "{errors:?}");
}

#[test]
fn doubts_are_the_least_sure_positions_that_unsatisfied_checks_see() {
    let code = mother();
    let s = sample(&code, 0.12, 1);
    let punctured = &order_4096::ORDER.puncture()[..300];
    let llr = priors(SumProduct, &s.received, 4096, 0.09, punctured);
    let layout = Layout::of(&code, Schedule::Layered);
    let mut work = Workspace::<SumProduct, _, _>::new(
        &code,
        Schedule::Layered,
        vec![0.0; layout.messages],
        vec![0.0; layout.posteriors],
    )
    .unwrap();
    work.load(&llr).unwrap();
    let mut decision = vec![0; 64];
    let decoder = Decoder { arithmetic: SumProduct, max_iterations: 20 };
    assert!(!decoder.run(&s.syndrome, &mut work, &mut decision).unwrap().converged);
    let mut doubts = [Doubt::default(); 40];
    assert_eq!(work.doubts(&s.syndrome, &llr, &decision, &mut doubts).unwrap(), 40);
    let mut posteriors = vec![0.0f32; 4096];
    work.posteriors(&mut posteriors).unwrap();
    let now = naive_syndrome(&code, &decision);
    let mut seen: Vec<(f32, u32)> = caligo_tests::checks(&code)
        .iter()
        .enumerate()
        .filter(|(check, _)| (now[check / 64] ^ s.syndrome[check / 64]) >> (check % 64) & 1 == 1)
        .flat_map(|(_, row)| {
            row.iter().filter(|&&v| llr[v] != 1.0).map(|&v| (SumProduct::magnitude(posteriors[v]), v as u32))
        })
        .collect();
    seen.sort_by(|a, b| a.0.total_cmp(&b.0));
    seen.dedup();
    let found: Vec<f32> = doubts.iter().map(|d| d.magnitude).collect();
    let want: Vec<f32> = seen.iter().take(40).map(|s| s.0).collect();
    assert_eq!(found, want);
    for d in doubts {
        assert_eq!(decision[d.position as usize / 64] >> (d.position % 64) & 1 == 1, d.bit);
    }
    assert_eq!(work.doubts(&s.syndrome, &llr, &decision, &mut []).unwrap(), 0);
}
