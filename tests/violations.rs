//! Oblivious transfers that end early: budgets, counts, times, frames that were changed, hosts that err.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use caligo_core::bits;
use caligo_core::decode::Outcome;
use caligo_core::leakage::LeakBits;
use caligo_core::ot::{
    Abort, Aborted, Alice, AliceMemory, Bob, BobConfig, BobMemory, Event, Instant, NsmViolation, Start, Step,
    Terms,
};
use caligo_core::security::Inequality;
use caligo_core::wire::{self, HEADER, Kind, Message, Plain, Span, WireError};
use caligo_runtime::channel;
use caligo_tests::transfer::{Case, Detectors, Ended, From, Ground, faithful, kind, kinds, message, source};

const SMALL: u64 = 20_000;

/// Nothing is left in any output of a transfer that failed on `side`.
fn released_nothing(ended: &Ended, alice: bool) {
    let strings: Vec<&Vec<u64>> = if alice { ended.strings.iter().collect() } else { vec![&ended.string] };
    assert!(strings.iter().all(|string| string.iter().all(|word| *word == 0)) && ended.wiped);
}

#[test]
fn budgets_end_a_transfer_before_a_syndrome_leaves() {
    let mut ground = Ground::default();
    let whole = ground.run(&Case::good(SMALL, true, 5), &mut faithful);
    let leak = whole.alice.unwrap().amplified.reconciled.leak().0;
    let run =
        |ground: &mut Ground, cap| ground.run(&Case { cap, ..Case::good(SMALL, true, 5) }, &mut faithful);
    assert!(run(&mut ground, leak).alice.is_ok());
    let ended = run(&mut ground, leak - 1);
    let Err(Aborted { reason: Abort::Budget(budget), spent, .. }) = ended.alice else { panic!("{ended:?}") };
    assert_eq!(
        (budget.attempted, budget.spent, budget.cap),
        (LeakBits(leak), LeakBits(0), LeakBits(leak - 1))
    );
    assert_eq!(spent, [LeakBits(0); 2]);
    assert!(!kinds(&ended.sent[0]).contains(&Kind::Syndrome));
    assert_eq!(ended.bob.as_ref().unwrap_err().reason, Abort::Peer(5));
    released_nothing(&ended, true);
    released_nothing(&ended, false);
    // A memory that keeps so much that the forecast allows a run, but not what this one's sample shows.
    let mut case = Case::good(SMALL, true, 6);
    case.device.storage_rate_nu = 0.28;
    case.targets.test_fraction = 0.02;
    case.targets.efficiency = 1.0;
    let ended = ground.run(&case, &mut faithful);
    let Err(Aborted { reason, .. }) = ended.alice else { panic!("{ended:?}") };
    let (Abort::EntropyDepleted(Inequality::Entropy { .. }) | Abort::QberThreshold(_)) = reason else {
        panic!("{reason}")
    };
    assert!(!kinds(&ended.sent[0]).contains(&Kind::Syndrome));
}

#[test]
fn impossible_parameters_do_not_begin() {
    let mut ground = Ground::default();
    let mut case = Case::good(SMALL, true, 7);
    (case.device.storage_noise_r, case.device.storage_rate_nu) = (Some(1.0), 1.0);
    let ended = ground.run(&case, &mut faithful);
    for reason in [ended.alice.unwrap_err().reason, ended.bob.unwrap_err().reason] {
        let Abort::Infeasible(infeasible) = reason else { panic!("{reason}") };
        assert_eq!(infeasible.0.name(), "storage");
    }
    assert!(ended.sent.iter().all(Vec::is_empty));
}

/// Where no prospects are asked for, what happened decides, and no promise is weaker.
#[test]
fn impossible_parameters_may_begin_and_release_nothing() {
    let mut ground = Ground::default();
    let mut case = Case { start: Start::Anyway, ..Case::good(SMALL, true, 7) };
    case.targets.test_fraction = 0.1;
    for (noise, rate) in [(1.0, 1.0), (0.75, 0.4)] {
        (case.device.storage_noise_r, case.device.storage_rate_nu) = (Some(noise), rate);
        let ended = ground.run(&case, &mut faithful);
        let Err(Aborted { reason, estimate, .. }) = &ended.alice else { panic!("{ended:?}") };
        let (Abort::EntropyDepleted(_) | Abort::QberThreshold(_)) = reason else { panic!("{reason}") };
        assert!(estimate.is_some_and(|sample| sample.tested > 100 && sample.upper < 0.1), "{estimate:?}");
        assert!(!kinds(&ended.sent[0]).contains(&Kind::Syndrome));
        released_nothing(&ended, true);
        released_nothing(&ended, false);
    }
    // Where there are prospects, nothing is different.
    let good = |start| length_of(&Case { start, ..Case::good(SMALL, true, 8) });
    assert!(good(Start::Anyway) == good(Start::IfPromising) && good(Start::Anyway) > 0);
}

fn length_of(case: &Case) -> usize {
    Ground::default().run(case, &mut faithful).alice.unwrap().amplified.length
}

#[test]
fn errors_and_counts_past_what_parameters_say_abort() {
    let mut ground = Ground::default();
    let run = |ground: &mut Ground, seed, change: &dyn Fn(&mut Case)| {
        let case = Case::good(SMALL, false, seed);
        let mut real = case;
        change(&mut real);
        let detectors = source(&real, &mut channel::stream(seed, 0));
        ground.run_with(&case, detectors, [1, 2].map(|i| channel::stream(seed, i)), &mut faithful)
    };
    let noisy = run(&mut ground, 1, &|case| case.device.detector_error = 0.2);
    let Err(Aborted { reason: Abort::QberThreshold(found), .. }) = noisy.alice else { panic!("{noisy:?}") };
    assert!(found.estimate.observed() > 0.15 && found.estimate.upper > found.limit);
    let lossy = run(&mut ground, 2, &|case| case.device.detection_eff_eta = 0.8);
    let Err(Aborted { reason: Abort::Count(count), .. }) = lossy.alice else { panic!("{lossy:?}") };
    assert!(count.found < count.expected - count.tolerance, "{count}");
    let bright = run(&mut ground, 3, &|case| case.device.detection_eff_eta = 0.99);
    assert!(matches!(bright.alice, Err(Aborted { reason: Abort::Count(_), .. })));
    for ended in [&noisy, &lossy, &bright] {
        released_nothing(ended, true);
        released_nothing(ended, false);
        assert!(!kinds(&ended.sent[0]).contains(&Kind::Syndrome));
    }
    assert!(!kinds(&lossy.sent[0]).contains(&Kind::BasisReveal));
}

#[test]
fn parties_that_are_configured_differently_do_not_begin() {
    let mut ground = Ground::default();
    let case = Case::good(SMALL, true, 9);
    for at in [4, 5, 6, 20] {
        let ended = ground.run(&case, &mut |from, i, mut frame| {
            if (from, i) == (From::Alice, 0) {
                frame[HEADER + at] ^= 1;
            }
            vec![frame]
        });
        assert!(matches!(ended.bob, Err(Aborted { reason: Abort::Synchronisation(_), .. })), "{at}");
        assert_eq!(ended.alice.unwrap_err().reason, Abort::Peer(4));
    }
}

/// Frame `number` of a direction, made of `message`.
fn forge(number: usize, message: &Plain<'_>) -> Vec<u8> {
    let mut out = vec![0; wire::MAX_FRAME];
    let length = wire::encode(&mut out, number as u32, message).unwrap();
    out.truncate(length);
    out
}

/// The first frame of `wanted` from `sender` becomes `frames`; how that ends.
fn replace(
    case: &Case,
    sender: From,
    wanted: Kind,
    frames: impl Fn(usize, Vec<u8>) -> Vec<Vec<u8>>,
) -> Ended {
    let mut done = false;
    Ground::default().run(case, &mut |from, i, frame| {
        if from == sender && !done && kind(&frame) == wanted {
            done = true;
            frames(i, frame)
        } else {
            vec![frame]
        }
    })
}

#[test]
fn what_is_told_before_delta_t_or_after_the_bases_violates_the_model() {
    let nonce = [1; 4];
    let words = [5; 128];
    let span = |part, len| Span { part, offset: 0, bits: wire::Bits::of(&words, len).unwrap() };
    let committed = Case { committed: true, ..Case::good(SMALL, true, 10) };
    let plain = Case { committed: false, ..committed };
    let early = |ended: &Ended, kind| {
        assert_eq!(ended.alice.as_ref().unwrap_err().reason, Abort::Nsm(NsmViolation::Early(kind)));
        assert!(!kinds(&ended.sent[0]).contains(&Kind::BasisReveal));
        assert_eq!(ended.bob.as_ref().unwrap_err().reason, Abort::Peer(16));
        released_nothing(ended, true);
        released_nothing(ended, false);
    };
    // The opening right after the commitment; the detections; the sets after the last of the report.
    let opening = |i, frame| vec![frame, forge(i + 1, &Plain::CommitmentOpening { nonce })];
    early(&replace(&committed, From::Bob, Kind::DetectionCommitment, opening), Kind::CommitmentOpening);
    let report = |i, frame| vec![frame, forge(i + 1, &Plain::DetectionReport(span(0, 8192)))];
    early(&replace(&committed, From::Bob, Kind::DetectionCommitment, report), Kind::DetectionReport);
    let sets = |i, _| vec![forge(i, &Plain::IndexLists(span(0, 8192)))];
    early(&replace(&plain, From::Bob, Kind::DetectionReport, sets), Kind::IndexLists);
    let outcomes = |i, _| vec![forge(i, &Plain::TestBases(span(0, 8192)))];
    early(&replace(&plain, From::Bob, Kind::DetectionReport, outcomes), Kind::TestBases);
    // Detections that come when the bases are known.
    let late = replace(&plain, From::Bob, Kind::TestBases, |i, _| {
        vec![forge(i, &Plain::DetectionReport(span(0, 8192)))]
    });
    let violation = Abort::Nsm(NsmViolation::Late(Kind::DetectionReport));
    assert_eq!(late.alice.as_ref().unwrap_err().reason, violation);
    released_nothing(&late, true);
    // Bases before Delta t, by Bob's clock: hers are told at once after the greeting.
    let hasty = replace(&plain, From::Alice, Kind::Agreement, |i, frame| {
        vec![frame, forge(i + 1, &Plain::BasisReveal(span(0, 8192)))]
    });
    let violation = Abort::Nsm(NsmViolation::Early(Kind::BasisReveal));
    assert_eq!(hasty.bob.as_ref().unwrap_err().reason, violation);
    released_nothing(&hasty, false);
}

#[test]
fn a_report_other_than_the_one_committed_to_is_refused() {
    let case = Case { committed: true, ..Case::good(SMALL, true, 11) };
    for (kind, at) in [(Kind::DetectionReport, HEADER + 20), (Kind::CommitmentOpening, HEADER + 3)] {
        let ended = replace(&case, From::Bob, kind, |_, mut frame| {
            frame[at] ^= 1;
            vec![frame]
        });
        let reason = ended.alice.as_ref().unwrap_err().reason;
        assert_eq!(reason.name(), "commitment", "{reason}");
        assert_eq!(ended.bob.as_ref().unwrap_err().reason, Abort::Peer(17));
        released_nothing(&ended, true);
        released_nothing(&ended, false);
    }
}

#[test]
fn sets_that_overlap_or_differ_in_size_are_refused() {
    let case = Case::good(SMALL, true, 12);
    // One more round in the first set.
    let ended = replace(&case, From::Bob, Kind::IndexLists, |_, mut frame| {
        let at = (HEADER + 9..frame.len()).find(|&i| frame[i] != 0xff).unwrap();
        frame[at] |= 1 << (!frame[at]).trailing_zeros();
        vec![frame]
    });
    let reason = ended.alice.as_ref().unwrap_err().reason;
    assert_eq!(reason.name(), "contract", "{reason}");
    assert!(!kinds(&ended.sent[0]).contains(&Kind::Syndrome));
    // He has said his last word, and cannot be heard to fail.
    assert!(ended.bob.is_err() && kinds(&ended.sent[1]).last() == Some(&Kind::IndexLists));
    released_nothing(&ended, true);
}

#[test]
fn bob_is_silent_whatever_comes_after_his_sets() {
    for (wanted, change) in [
        (Kind::Syndrome, 0),
        (Kind::Syndrome, 1),
        (Kind::Syndrome, 2),
        (Kind::Verify, 0),
        (Kind::Verify, 1),
        (Kind::ToeplitzSeed, 0),
        (Kind::ToeplitzSeed, 1),
    ] {
        for choice in [false, true] {
            let case = Case::good(SMALL, choice, 13);
            let ended = replace(&case, From::Alice, wanted, |i, mut frame| match change {
                // Another sequence number, twice the same frame, another pattern for one set.
                0 => {
                    frame[7] ^= 1;
                    vec![frame]
                }
                1 => vec![frame.clone(), frame],
                _ => {
                    let _ = i;
                    frame[HEADER + 5] ^= 1;
                    vec![frame]
                }
            });
            let aborted = ended.bob.as_ref().unwrap_err();
            assert_eq!(aborted.send, 0);
            assert_eq!(kinds(&ended.sent[1]).last(), Some(&Kind::IndexLists));
            let expected = if change == 2 { "contradiction" } else { "wire" };
            assert_eq!(aborted.reason.name(), expected, "{}", aborted.reason);
            released_nothing(&ended, false);
        }
    }
}

#[test]
fn a_frame_that_is_lost_replayed_cut_or_changed_aborts() {
    let case = Case::good(SMALL, true, 14);
    let mut ground = Ground::default();
    let frames = ground.run(&case, &mut faithful).sent.map(|sent| sent.len());
    for (sender, count) in [(From::Alice, frames[0]), (From::Bob, frames[1])] {
        for number in 0..count {
            for fault in 0..4 {
                let ended = ground.run(&case, &mut |from, i, mut frame| {
                    if (from, i) != (sender, number) {
                        return vec![frame];
                    }
                    match fault {
                        0 => return vec![],
                        1 => return vec![frame.clone(), frame],
                        2 => frame.truncate(frame.len() - 1),
                        _ => frame[1] ^= 0x80,
                    }
                    vec![frame]
                });
                let (hit, alice) = if sender == From::Alice {
                    (ended.bob.as_ref().err(), false)
                } else {
                    (ended.alice.as_ref().err(), true)
                };
                // Whose last frame comes twice may have ended already; whose last frame is lost waits in vain.
                let Some(hit) = hit else {
                    assert!(fault == 1 && number + 1 == count, "{sender:?} {number} {fault}");
                    continue;
                };
                match (hit.reason, fault) {
                    (Abort::Timeout | Abort::Peer(6) | Abort::Wire(WireError::Sequence { .. }), 0)
                    | (Abort::Wire(WireError::Sequence { .. }), 1)
                    | (Abort::Wire(WireError::Truncated), 2)
                    | (Abort::Wire(WireError::Unknown { .. }), 3) => {}
                    (reason, _) => panic!("{sender:?} {number} {fault}: {reason}"),
                }
                released_nothing(&ended, alice);
            }
        }
    }
}

/// Answers that a host owes nobody, too short ones, and events of the other party.
#[test]
fn a_host_that_breaks_its_side_of_the_contract_is_told() {
    let case = Case::good(SMALL, true, 16);
    let ground = Ground::default();
    let (setup, terms) = (ground.setup(), case.terms());
    let [alice, bob] = source(&case, &mut channel::stream(16, 0));
    let planner = ground.planner(1e-3);
    let n = setup.code.n();
    let decision = vec![0; bits::words_for(n)];
    let outcome = Outcome { converged: true, ..Outcome::default() };
    let decoded = Event::Decoded { block: 0, outcome, decision: &decision };
    for (event, expected) in [
        (Event::Entropy(&[1, 2, 3]), "host"),
        (decoded, "host"),
        (Event::Cancel, "cancelled"),
        (Event::Received(&[]), "wire"),
        (Event::Received(&[0; 12]), "wire"),
    ] {
        let (mut words, mut first, mut second) = (vec![1; Alice::words(alice.rounds, n)], vec![1], vec![1]);
        let memory = AliceMemory {
            record: alice.record(),
            words: &mut words,
            padding: &mut [],
            strings: [&mut first, &mut second],
        };
        let machine = Alice::new(setup, terms, &planner, memory, Instant(0), Instant(0)).unwrap();
        assert_eq!(format!("{machine:?}"), "Alice { phase: \"greeting\", .. }");
        let mut out = vec![0; wire::MAX_FRAME];
        let Step::Abort(aborted) = machine.on(Instant(1), event, &mut out) else { panic!("{event:?}") };
        assert_eq!(aborted.reason.name(), expected, "{event:?}");
        assert_eq!(
            message(&out[..aborted.send]),
            Message::Plain(Plain::Abort { reason: aborted.reason.code() })
        );
        assert!(words.iter().chain(&first).chain(&second).all(|word| *word == 0));

        let (mut words, mut string) = (vec![1; Bob::words(bob.rounds, n)], vec![1]);
        let memory = BobMemory {
            record: bob.record(),
            words: &mut words,
            blocks: &mut [],
            syndromes: &mut [],
            string: &mut string,
        };
        let config = BobConfig { choice: true, efficiencies: None };
        assert!(!format!("{config:?}").contains("choice"));
        let machine = Bob::new(setup, terms, config, memory, Instant(0)).unwrap();
        let Step::Abort(aborted) = machine.on(Instant(1), event, &mut out) else { panic!("{event:?}") };
        assert_eq!(aborted.reason.name(), expected, "{event:?}");
        assert!(words.iter().chain(&string).all(|word| *word == 0));
    }
    // Memory or strategies that do not fit.
    let refused = |terms: Terms<'_>, change: fn(&mut Detectors), words: usize| {
        let mut alice = alice.clone();
        change(&mut alice);
        let (mut words, mut first, mut second) = (vec![0; words], vec![1], vec![1]);
        let memory = AliceMemory {
            record: alice.record(),
            words: &mut words,
            padding: &mut [],
            strings: [&mut first, &mut second],
        };
        Alice::new(setup, terms, &planner, memory, Instant(0), Instant(0)).map(drop).unwrap_err().name()
    };
    let enough = Alice::words(alice.rounds, n);
    assert_eq!(refused(terms, |_| {}, enough - 1), "host");
    assert_eq!(refused(terms, |alice| alice.bits.truncate(1), enough), "host");
    assert_eq!(refused(terms, |alice| alice.rounds += 1, enough), "host");
    assert_eq!(refused(Terms { chunk_bits: 100, ..terms }, |_| {}, enough), "host");
    let mut blind = case;
    blind.device.strategy = wire::Strategy::Blind;
    assert_eq!(refused(blind.terms(), |_| {}, enough), "host");
}
