//! Oblivious transfer: what the parties end with.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use caligo_core::amplify::Toeplitz;
use caligo_core::bits;
use caligo_core::ot::Failure;
use caligo_core::rank::prefix_ranks;
use caligo_core::security::sampling::clopper_pearson_upper;
use caligo_core::security::{Epsilon, Proof};
use caligo_core::wire::{Disclosing, Kind, Message, Plain, Span};
use caligo_tests::naive_toeplitz;
use caligo_tests::transfer::{Case, Faults, Ground, LATENCY_US, faithful, kind, kinds, message};
use proptest::prelude::{ProptestConfig, any, prop_assert, proptest};

const SMALL: u64 = 20_000;

#[test]
fn a_large_run_gives_bob_the_string_of_his_choice() {
    let mut ground = Ground::default();
    for (choice, proof) in [(false, Proof::StrongConverse), (true, Proof::MaxBound)] {
        let case = Case { proof, ..Case::good(200_000, choice, 1) };
        let ended = ground.run(&case, &mut faithful);
        assert!(case.check(&ended));
        let amplified = &ended.alice.as_ref().unwrap().amplified;
        assert!(amplified.length > 5000, "{amplified:?}");
        // Books and budget add up.
        let budget = amplified.budget;
        let leak = amplified.reconciled.leak().0 as f64;
        assert_eq!(budget.leak_bits, leak);
        assert_eq!(amplified.length as u64, budget.length());
        assert!(2.0 * amplified.length as f64 + leak + budget.hashing_bits <= budget.min_entropy_bits);
        // Half of the strings' bits are ones.
        for string in &ended.strings {
            let ones = bits::count_ones(&string[..bits::words_for(amplified.length)]) as f64;
            let half = amplified.length as f64 / 2.0;
            assert!((ones - half).abs() < 5.0 * (half / 2.0).sqrt(), "{ones} of {}", amplified.length);
        }
    }
}

#[test]
fn transcripts_are_in_order() {
    use Kind::{
        Agreement, BasisReveal, CommitmentOpening, DetectionCommitment, DetectionReport, IndexLists,
        Syndrome, TestBases, TestOutcomes, TestSample, ToeplitzSeed, Verify,
    };
    let mut ground = Ground::default();
    for committed in [false, true] {
        let case = Case { committed, ..Case::good(SMALL, true, 3) };
        let ended = ground.run(&case, &mut faithful);
        case.check(&ended);
        let hers = [Agreement, BasisReveal, TestSample, TestOutcomes, Syndrome, Verify, ToeplitzSeed];
        assert_eq!(kinds(&ended.sent[0]), hers);
        let detections: &[Kind] = if committed {
            &[DetectionCommitment, CommitmentOpening, DetectionReport]
        } else {
            &[DetectionReport]
        };
        let his = [&[Agreement], detections, &[TestBases, TestOutcomes, IndexLists]].concat();
        assert_eq!(kinds(&ended.sent[1]), his);
        // Bases come Delta t after the detections have.
        let first =
            |party: usize, wanted| ended.sent[party].iter().position(|frame| kind(frame) == wanted).unwrap();
        let last =
            |party: usize, wanted| ended.sent[party].iter().rposition(|frame| kind(frame) == wanted).unwrap();
        let fixed = if committed { last(1, DetectionCommitment) } else { last(1, DetectionReport) };
        let told = ended.times[0][first(0, BasisReveal)];
        assert_eq!(told, ended.times[1][fixed] + LATENCY_US + case.device.delta_t_ns / 1000);
    }
}

#[test]
fn without_a_sample_the_parameters_say_what_to_expect() {
    let mut ground = Ground::default();
    let mut case = Case::good(SMALL, false, 4);
    case.targets.test_fraction = 0.0;
    let ended = ground.run(&case, &mut faithful);
    case.check(&ended);
    let sets = &ended.bob.as_ref().unwrap().sifted;
    assert_eq!(sets.estimated.estimate, None);
    assert_eq!(sets.estimated.qber, case.terms().parameters.coincidences().qber);
    assert!(!kinds(&ended.sent[1]).contains(&Kind::TestOutcomes));
}

/// The bits of every frame of `wanted`, one after the other: which string, and what of it.
fn strings(frames: &[Vec<u8>], wanted: Kind) -> [Vec<bool>; 2] {
    let mut strings = [Vec::new(), Vec::new()];
    for frame in frames.iter().filter(|frame| kind(frame) == wanted) {
        let (part, bits) = match message(frame) {
            Message::Plain(Plain::IndexLists(Span { part, bits, .. })) => (usize::from(part), bits),
            // The second seed begins where the first is whole.
            Message::Plain(Plain::ToeplitzSeed { total, bits, .. }) => {
                (usize::from(strings[0].len() == total as usize), bits)
            }
            other => panic!("{:?}", other.kind()),
        };
        strings[part].extend((0..bits.len()).map(|i| bits.get(i)));
    }
    strings
}

/// The hash of his own bits in both sets: he has S_c but for errors, and of the other string nothing.
#[test]
fn what_bob_has_of_the_other_string_is_noise() {
    let mut ground = Ground::default();
    for choice in [false, true] {
        let mut case = Case::good(SMALL, choice, 21);
        // No errors, so that his bits of I_c are Alice's.
        (case.device.channel_fidelity, case.device.dark_count_prob) = (1.0, 0.0);
        let ended = ground.run(&case, &mut faithful);
        case.check(&ended);
        let length = ended.bob.as_ref().unwrap().length;
        let (lists, seeds) =
            (strings(&ended.sent[1], Kind::IndexLists), strings(&ended.sent[0], Kind::ToeplitzSeed));
        let bob = &ended.detectors[1];
        for (set, (list, seed)) in lists.iter().zip(&seeds).enumerate() {
            let pack = |bits: &mut dyn Iterator<Item = bool>| {
                let mut words = Vec::new();
                for (i, bit) in bits.enumerate() {
                    words.resize(i / 64 + 1, 0);
                    bits::set(&mut words, i, bit);
                }
                words
            };
            let own = pack(&mut (0..bob.rounds).filter(|&i| list[i]).map(|i| bits::get(&bob.bits, i)));
            let hash = Toeplitz { input_bits: list.iter().filter(|bit| **bit).count(), output_bits: length };
            let hashed = naive_toeplitz(hash, &pack(&mut seed.iter().copied()), &own);
            let wrong = bits::distance(&hashed, &ended.strings[set]) as f64;
            if (set == 1) == choice {
                assert_eq!(wrong, 0.0);
            } else {
                let half = length as f64 / 2.0;
                assert!((wrong - half).abs() < 4.5 * (half / 2.0).sqrt(), "{wrong} of {length}");
            }
        }
    }
}

/// What the frames disclose, read off their bytes: rank H - rank H_P of each block, and a tag; the same for both sets.
#[test]
fn books_are_what_the_frames_disclose() {
    let mut ground = Ground::default();
    let case = Case::good(SMALL, true, 22);
    let ended = ground.run(&case, &mut faithful);
    case.check(&ended);
    let reconciled = &ended.alice.as_ref().unwrap().amplified.reconciled;
    let (code, order) = (ground.setup().code, ground.setup().order);
    let prefixes = prefix_ranks(&code, order.puncture().iter().copied().map(usize::from));
    let (mut disclosed, mut covered, mut shapes) = ([0, 0], [0, 0], Vec::new());
    for frame in &ended.sent[0] {
        match message(frame) {
            Message::Disclosing(Disclosing::Syndrome(s)) => {
                let set = (s.block % 2) as usize;
                let payload = code.n() - usize::from(s.punctured) - usize::from(s.shortened);
                covered[set] += payload;
                disclosed[set] += (code.m() - prefixes[usize::from(s.punctured)]).min(payload);
                shapes.push((s.block / 2, s.punctured, s.shortened, s.qber_ppm));
            }
            Message::Disclosing(Disclosing::Verify(tag)) => disclosed[tag.from as usize] += 64,
            _ => {}
        }
    }
    assert_eq!(covered, [reconciled.sifted.set_bits; 2]);
    assert!(shapes.chunks(2).all(|pair| pair[0] == pair[1]));
    for (receipt, disclosed) in reconciled.receipts.iter().zip(disclosed) {
        assert_eq!(receipt.total().0, disclosed as u64);
        assert!(receipt.total() <= receipt.cap());
    }
}

/// Few blocks fail by design, and then Bob knows it: his string is random, and the same bits left him.
#[test]
fn bob_knows_when_he_failed() {
    let mut ground = Ground::default();
    let (mut believed, mut failed) = (0, [0; 2]);
    for seed in 0..150 {
        let mut case = Case { target_fer: 0.3, ..Case::good(SMALL, seed % 2 == 1, seed) };
        // Plan by the mean error rate: some blocks are beyond it.
        case.targets.test_fraction = 0.0;
        case.device.detector_error = 0.012;
        let ended = ground.run(&case, &mut faithful);
        if case.check(&ended) {
            believed += 1;
        } else {
            failed[usize::from(ended.bob.unwrap().failure == Some(Failure::HashMismatch))] += 1;
        }
    }
    assert!(believed > 10 && failed[0] > 5, "{believed} {failed:?}");
}

#[test]
fn good_runs_succeed_as_often_as_promised() {
    let mut ground = Ground::default();
    let (runs, mut output) = (200, Vec::new());
    let believed = (0..runs).filter(|&seed| {
        let good = Case::good(SMALL, seed % 2 == 1, 1000 + seed);
        let case = Case { committed: seed % 3 == 0, deferred: seed % 5 == 0, ..good };
        let ended = ground.run(&case, &mut faithful);
        for string in &ended.strings {
            let length = ended.alice.as_ref().unwrap().amplified.length;
            output.extend((0..length).map(|i| bits::get(string, i)));
        }
        case.check(&ended)
    });
    let believed = believed.count() as u64;
    // A run fails if the error rate's bound does, or a block beside its target.
    let targets = Case::good(SMALL, false, 0).targets;
    let expected = 1.0 - targets.epsilon_ec - 4.0 * 1e-3;
    let interval = Epsilon::new(1e-3).unwrap();
    assert!(clopper_pearson_upper(believed, runs, interval).unwrap() >= expected, "{believed} of {runs}");
    // Monobit, runs and serial correlation: each a sum of as many signs.
    let count = output.len() as f64;
    assert!(count > 1e5);
    let sign = |bit: bool| if bit { 1.0 } else { -1.0 };
    let balance: f64 = output.iter().map(|&bit| sign(bit)).sum();
    assert!(balance.abs() < 4.5 * count.sqrt(), "{balance} of {count}");
    for lag in [1, 2, 7, 64] {
        let correlation: f64 = output.iter().zip(&output[lag..]).map(|(&a, &b)| sign(a) * sign(b)).sum();
        assert!(correlation.abs() < 4.5 * count.sqrt(), "lag {lag}: {correlation} of {count}");
    }
}

#[test]
fn machines_show_no_secrets() {
    let mut ground = Ground::default();
    let case = Case::good(SMALL, true, 15);
    let ended = ground.run(&case, &mut faithful);
    let shown = format!("{:?} {:?}", ended.alice, ended.bob);
    for word in ended.strings.iter().chain([&ended.string]).flat_map(|string| &string[..2]) {
        assert!(!shown.contains(&word.to_string()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    /// Whatever is done to a few frames: no panic, both come to an end, and Bob does not believe a wrong string
    /// (seeds are authenticated by the host, and nothing else would notice a change of theirs).
    #[test]
    fn tampering_never_makes_bob_believe_a_wrong_string(
        seed in 0..1000u64,
        choice: bool,
        committed: bool,
        faults in proptest::collection::vec((any::<bool>(), 0..28usize, any::<usize>(), 0..7u8), 0..4),
    ) {
        let case = Case { committed, deferred: seed % 2 == 1, ..Case::good(SMALL, choice, seed) };
        let mut tamper = Faults::new(&faults);
        let ended = Ground::default().run(&case, &mut |from, i, frame| tamper.frame(from, i, frame));
        prop_assert!(ended.wiped);
        if let (Ok(bob), false) = (&ended.bob, tamper.seeds) {
            prop_assert!(!bob.believes() || ended.is(choice));
        }
        if faults.is_empty() {
            case.check(&ended);
        }
    }
}
