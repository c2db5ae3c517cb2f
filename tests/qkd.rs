//! Key distribution: what the parties end with, and how runs end early.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use caligo_core::bits::{self, get, words_for};
use caligo_core::leakage::{Disclosure, LeakBits, Ledger, Policy};
use caligo_core::ot::contract::Condition;
use caligo_core::qkd::contract::{Estimated, Reconciled};
use caligo_core::qkd::{
    Abort, Amplifying, AmplifyingMemory, Effect, Event, Instant, Machine, Role, Sifting, SiftingMemory, Step,
    Terms,
};
use caligo_core::reconcile::Finished;
use caligo_core::security::{Device, DeviceRecord, Inequality, KeyTargetRecord, KeyTargets};
use caligo_core::sift::Record;
use caligo_core::wire::{Disclosing, HEADER, Kind, MAX_FRAME, Message, Plain, Span};
use caligo_runtime::channel::pairs::{Party, Rounds, Simulated};
use caligo_runtime::channel::{flip, stream};
use caligo_runtime::config::Strategy;
use caligo_runtime::config::qkd::Parameters;
use caligo_runtime::kernel::Effort;
use caligo_runtime::matrix::library::Library;
use caligo_runtime::primitives::Host;
use caligo_runtime::qkd::local::{Completed, Ended, Randomness, Run};
use caligo_runtime::qkd::{Config, QkdError, Stage};
use caligo_tests::transfer::{kind, kinds, message};
use proptest::prelude::{ProptestConfig, any, prop_assert, proptest};
use rand_core::Rng;

const ROUNDS: u64 = 60_000;

fn device(change: impl Fn(&mut DeviceRecord)) -> Device {
    let mut record = DeviceRecord {
        channel_fidelity: 0.99,
        detection_eff_eta: 0.9,
        detector_error: 0.005,
        num_pairs: ROUNDS,
        ..DeviceRecord::default()
    };
    change(&mut record);
    Device::new(record).unwrap()
}

fn config(strategy: Strategy) -> Config {
    let targets = KeyTargetRecord { test_fraction: 0.2, ..KeyTargetRecord::default() };
    let parameters =
        Parameters { device: device(|_| {}), targets: KeyTargets::new(targets).unwrap(), strategy };
    Config { parameters, policy: Policy::Exact, effort: Effort::default() }
}

fn library() -> Library {
    Library::built_in()
}

fn pairs(device: &Device, seed: u64) -> Rounds {
    let rounds = device.record().num_pairs;
    Rounds::first(Simulated::of(device, rounds, seed), rounds as usize).unwrap()
}

fn faithful(_: Role, frame: Vec<u8>) -> Vec<Vec<u8>> {
    vec![frame]
}

fn completed(run: &Run) -> &Completed {
    run.end.as_ref().unwrap()
}

#[test]
fn every_strategy_gives_both_the_same_key() {
    let library = library();
    for strategy in [Strategy::Baseline, Strategy::Blind, Strategy::Symmetric] {
        let stage = Stage::new(&library, config(strategy)).unwrap();
        let count = if strategy == Strategy::Symmetric { 1 } else { 2 };
        let runs: Vec<Run> = (0..count).map(|index| stage.simulate(7, index, false).unwrap()).collect();
        for run in &runs {
            let end = completed(run);
            let amplified = &end.amplified;
            let reconciled = &amplified.reconciled;
            let estimated = &reconciled.estimated;
            let budget = &amplified.budget;
            assert!(end.equal && end.keys[0] == end.keys[1], "{strategy}");
            assert_eq!(end.keys[0].bits, amplified.length);
            assert_eq!(end.keys[0].words.len(), words_for(amplified.length));
            assert!(amplified.length > 5000, "{strategy}: {amplified:?}");
            // Books and budget add up.
            assert_eq!(amplified.length as u64, budget.length());
            let spent = reconciled.receipt.total().0 as f64 + budget.dropped_bits + budget.hashing_bits;
            assert!(amplified.length as f64 + spent <= estimated.min_entropy_bits);
            assert!(amplified.length as f64 + spent > estimated.min_entropy_bits - 1.0);
            assert!(reconciled.receipt.total() <= reconciled.receipt.cap());
            assert_eq!(reconciled.receipt.cap(), estimated.cap());
            assert_eq!(reconciled.receipt.total().0, end.reconciliation.charged);
            // Phases add up.
            let sifted = &estimated.sifted;
            assert_eq!(sifted.detected.common as u64, run.counts.coincidences());
            assert_eq!(sifted.sifted, [run.counts.z.rounds as usize, run.counts.x.rounds as usize]);
            assert_eq!(sifted.tested, sifted.sifted.map(|sifted| (sifted as f64 * 0.2) as usize));
            assert_eq!(
                estimated.key_bits() + sifted.tested.iter().sum::<usize>(),
                sifted.sifted[0] + sifted.sifted[1]
            );
            // Both parties' test errors are those of the source in these rounds.
            let [z, x] = run.tested.unwrap();
            assert!(z.differ <= run.counts.z.differ && x.differ <= run.counts.x.differ);
            // No other error rate was corrected than the source has.
            let all = run.counts.sifted();
            let corrected =
                end.reconciliation.qber_observed.unwrap() * end.reconciliation.payload_bits as f64;
            if budget.dropped_bits == 0.0 {
                assert_eq!(corrected.round() as u64, all.differ - z.differ - x.differ);
            }
            let ones = bits::count_ones(&end.keys[0].words) as f64;
            let half = amplified.length as f64 / 2.0;
            assert!((ones - half).abs() < 5.0 * (half / 2.0).sqrt());
        }
        // Nothing of one run is in another.
        let [first, second] = &runs[..] else { continue };
        let [first, second] = [first, second].map(|run| &completed(run).keys[0]);
        let length = first.bits.min(second.bits) / 64;
        let half = length as f64 * 32.0;
        let differ = bits::distance(&first.words[..length], &second.words[..length]) as f64;
        assert!((differ - half).abs() < 5.0 * (half / 2.0).sqrt());
    }
}

/// The same pairs, other private randomness: another sample, another seed, another key.
#[test]
fn keys_depend_on_private_randomness() {
    let library = library();
    let stage = Stage::new(&library, config(Strategy::Baseline)).unwrap();
    let rounds = pairs(&device(|_| {}), 3);
    let run = |randomness| stage.run(&rounds, randomness, false, &mut faithful).unwrap();
    let [a, b, again, system, other] = [
        Randomness::Seeded(1),
        Randomness::Seeded(2),
        Randomness::Seeded(1),
        Randomness::System,
        Randomness::System,
    ]
    .map(run);
    let key = |run: &Run| completed(run).keys[1].clone();
    assert!(key(&a) == key(&again) && key(&a) != key(&b));
    assert!(key(&system) != key(&other) && completed(&system).equal && completed(&other).equal);
}

#[test]
fn threads_change_nothing() {
    let library = library();
    let stage = Stage::new(&library, config(Strategy::Baseline)).unwrap();
    let report = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let summary = pool.install(|| stage.simulate_all(5, 70, |_| {}, |_| {}).unwrap());
        serde_json::to_string(&summary.report()).unwrap()
    };
    let one = report(1);
    assert_eq!(one, report(3));
    let figures: serde_json::Value = serde_json::from_str(&one).unwrap();
    assert_eq!((figures["runs"].as_u64(), figures["wrong"].as_u64()), (Some(70), Some(0)));
    assert_eq!(figures["succeeded"], 70);
    // One run on all threads is the same run.
    let [alone, together] = [false, true].map(|parallel| stage.simulate(5, 3, parallel).unwrap());
    assert!(completed(&alone).keys == completed(&together).keys);
}

#[test]
fn transcripts_are_in_order_and_tell_no_key_bit() {
    use Kind::{Ack, Agreement, BasisReveal, DetectionReport, TestOutcomes, TestSample, ToeplitzSeed};
    let library = library();
    let stage = Stage::new(&library, config(Strategy::Baseline)).unwrap();
    let rounds = pairs(&device(|_| {}), 4);
    let mut all = Vec::new();
    let run = stage.run(&rounds, Randomness::Seeded(4), false, &mut |role, frame| {
        all.push((role, frame.clone()));
        vec![frame]
    });
    let run = run.unwrap();
    assert!(completed(&run).equal);
    let sent = |role| {
        let frames = all.iter().filter(|(from, _)| *from == role);
        frames.map(|(_, frame)| frame.clone()).collect::<Vec<_>>()
    };
    let (hers, his) = (sent(Role::Alice), sent(Role::Bob));
    assert_eq!(kinds(&hers), [Agreement, BasisReveal, TestSample, TestOutcomes, ToeplitzSeed]);
    assert_eq!(kinds(&his), [Agreement, DetectionReport, BasisReveal, TestOutcomes, Ack]);
    // No basis before his whole report.
    let place = |wanted, role| all.iter().position(|(from, frame)| *from == role && kind(frame) == wanted);
    let last = all.iter().rposition(|(_, frame)| kind(frame) == DetectionReport);
    assert!(last < place(BasisReveal, Role::Alice));
    // What is disclosed are outcomes of the sample, and the sample lies where both detected in equal bases.
    let mut sample = Vec::new();
    let mut outcomes = [Vec::new(), Vec::new()];
    for (role, frame) in &all {
        match message(frame) {
            Message::Plain(Plain::TestSample(Span { bits, .. })) => {
                sample.extend((0..bits.len()).map(|i| bits.get(i)));
            }
            Message::Disclosing(Disclosing::TestOutcomes { bits, .. }) => {
                let party = usize::from(*role == Role::Bob);
                outcomes[party].extend((0..bits.len()).map(|i| bits.get(i)));
            }
            _ => {}
        }
    }
    let sampled: Vec<usize> = (0..rounds.len).filter(|&i| sample[i]).collect();
    for (told, party) in outcomes.iter().zip([&rounds.alice, &rounds.bob]) {
        assert!(told.iter().copied().eq(sampled.iter().map(|&i| get(&party.bits, i))));
    }
    for i in sampled {
        assert!(get(&rounds.alice.clicked, i) && get(&rounds.bob.clicked, i));
        assert_eq!(get(&rounds.alice.bases, i), get(&rounds.bob.bases, i));
    }
}

fn end_of(run: Run) -> Ended {
    run.end.err().unwrap()
}

#[test]
fn too_many_errors_end_a_run() {
    let library = library();
    let stage = Stage::new(&library, config(Strategy::Baseline)).unwrap();
    // A worse device than the parameters say.
    let noisy = pairs(&device(|p| p.channel_fidelity = 0.85), 1);
    let ended = end_of(stage.run(&noisy, Randomness::Seeded(1), false, &mut faithful).unwrap());
    assert_eq!(ended.name, "qber_threshold");
    assert!(
        ended.reason.starts_with("QBER: ") && ended.reason.contains("expected at most"),
        "{}",
        ended.reason
    );
    // Errors in one basis alone: the mean of both would pass, the key bits of the other basis are not secret.
    for basis in [false, true] {
        let mut rounds = pairs(&device(|p| (p.channel_fidelity, p.detector_error) = (1.0, 0.0)), 2);
        let mut errors = vec![0; words_for(rounds.len)];
        flip(&mut errors, rounds.len, 0.08, &mut stream(3, 0));
        let Party { clicked, bases, bits } = &mut rounds.bob;
        for (w, error) in errors.iter().enumerate() {
            bits[w] ^= error & clicked[w] & if basis { bases[w] } else { !bases[w] };
        }
        let ended = end_of(stage.run(&rounds, Randomness::Seeded(1), false, &mut faithful).unwrap());
        assert_eq!(ended.name, "qber_threshold", "{}", ended.reason);
    }
}

#[test]
fn impossible_parameters_name_the_inequality() {
    let library = library();
    for (change, name) in [
        ((|p| p.num_pairs = 20) as fn(&mut DeviceRecord), "0 < test rounds in each basis"),
        (|p| p.num_pairs = 2000, "f h(Q) < min-entropy rate"),
        (|p| p.channel_fidelity = 0.8, "f h(Q) < min-entropy rate"),
    ] {
        let mut config = config(Strategy::Baseline);
        config.parameters.device = device(change);
        let Err(QkdError::Infeasible(infeasible)) = Stage::new(&library, config) else { panic!("{name}") };
        assert_eq!(infeasible.0.statement(), name);
        assert!(infeasible.0.margin() <= 0.0 && infeasible.to_string().contains("fails by"));
    }
    let mut config = config(Strategy::Baseline);
    config.parameters.device = device(|p| p.num_pairs = 1 << 31);
    assert!(matches!(Stage::new(&library, config), Err(QkdError::Rounds(found)) if found == 1 << 31));
}

#[test]
fn a_run_without_detections_ends() {
    let library = library();
    let stage = Stage::new(&library, config(Strategy::Baseline)).unwrap();
    let silent = Rounds::silent(ROUNDS as usize);
    let ended = end_of(stage.run(&silent, Randomness::Seeded(1), false, &mut faithful).unwrap());
    assert_eq!(
        (ended.name, ended.reason.as_str()),
        ("entropy_depleted", "entropy depleted: 0 < test rounds in each basis: 0 < 0 fails by 0",)
    );
    // Other rounds than the parameters say.
    let short = Rounds::silent(1000);
    assert_eq!(end_of(stage.run(&short, Randomness::Seeded(1), false, &mut faithful).unwrap()).name, "host");
}

/// Terms for [`ROUNDS`] rounds.
fn terms(targets: KeyTargetRecord) -> Terms {
    Terms {
        device: device(|_| {}),
        targets: KeyTargets::new(targets).unwrap(),
        policy: Policy::Exact,
        code: 9,
        timeout_us: 1000,
        chunk_bits: 6400,
    }
}

fn record(party: &Party, rounds: usize) -> Record<'_> {
    Record { rounds, clicked: &party.clicked, bases: &party.bases, bits: &party.bits }
}

/// Frames, and the machine or its end.
type Served<M> = (Vec<Vec<u8>>, Result<M, Result<<M as Machine>::Done, Abort>>);

/// Gives events to `machine` until it waits or ends.
fn serve<M: Machine>(machine: M, event: Event<'_>, rng: &mut impl Rng) -> Served<M> {
    let (mut out, mut frames) = (vec![0; MAX_FRAME], Vec::new());
    let mut step = machine.on(Instant(0), event, &mut out);
    loop {
        let (next, effect) = match step {
            Step::Next(next, effect) => (next, effect),
            Step::Done(done) => return (frames, Err(Ok(done))),
            Step::Abort(aborted) => return (frames, Err(Err(aborted.reason))),
        };
        step = match effect {
            Effect::Send(length) => {
                frames.push(out[..length].to_vec());
                next.on(Instant(0), Event::Poll, &mut out)
            }
            Effect::Entropy(words) => {
                let words: Vec<u64> = (0..words).map(|_| rng.next_u64()).collect();
                next.on(Instant(0), Event::Entropy(&words), &mut out)
            }
            Effect::Idle => return (frames, Ok(next)),
            other @ Effect::Decode(_) => panic!("{other:?}"),
        };
    }
}

/// Alice's end of an honest sifting, with her key.
fn estimated(targets: KeyTargetRecord) -> (Estimated, Vec<u64>) {
    let rounds = pairs(&device(|_| {}), 8);
    let terms = terms(targets);
    let mut words = [(); 2].map(|()| vec![!0; Sifting::words(rounds.len)]);
    let mut keys = [(); 2].map(|()| vec![!0; words_for(rounds.len)]);
    let ([a, b], [x, y]) = (&mut words, &mut keys);
    let memory = |party, words, key| SiftingMemory { record: record(party, rounds.len), words, key };
    let mut alice = Ok(Sifting::new(Role::Alice, terms, memory(&rounds.alice, a, x), Instant(0)).unwrap());
    let mut bob = Ok(Sifting::new(Role::Bob, terms, memory(&rounds.bob, b, y), Instant(0)).unwrap());
    let mut rng = stream(1, 1);
    let mut to_alice: Vec<Vec<u8>> = Vec::new();
    let mut begun = false;
    while !begun || alice.is_ok() || bob.is_ok() {
        let mut to_bob = Vec::new();
        if !begun {
            (to_bob, alice) = serve(alice.ok().unwrap(), Event::Poll, &mut rng);
            begun = true;
        }
        for frame in std::mem::take(&mut to_alice) {
            let (frames, next) = serve(alice.ok().unwrap(), Event::Received(&frame), &mut rng);
            (alice, to_bob) = (next, [to_bob, frames].concat());
        }
        for frame in to_bob {
            let (frames, next) = serve(bob.ok().unwrap(), Event::Received(&frame), &mut rng);
            bob = next;
            to_alice.extend(frames);
        }
    }
    let [Err(Ok(hers)), Err(Ok(his))] = [alice, bob] else { panic!("an early end") };
    assert_eq!(hers.estimated, his.estimated);
    assert!(words.iter().flatten().all(|word| *word == 0), "memory is wiped");
    let [mut key, _] = keys;
    key.truncate(words_for(hers.estimated.key_bits()));
    (hers.estimated, key)
}

/// An end of reconciliation that disclosed `leak` bits and one tag.
fn finished(leak: u64, cap: LeakBits, undetected_log2: f64) -> Finished {
    let ledger = Ledger::new(Policy::Exact, cap);
    let (ledger, _unused) = ledger.charge(Disclosure::Syndrome { bits: leak, exact: leak }).unwrap();
    let (ledger, _unused) = ledger.charge(Disclosure::Tag { bits: 64 }).unwrap();
    Finished { receipt: ledger.close(), blocks: 1, tags: 1, undetected_log2, send: 0 }
}

#[test]
fn contracts_hold_what_reconciliation_gives() {
    let targets = KeyTargetRecord { test_fraction: 0.2, ..KeyTargetRecord::default() };
    let terms = terms(targets);
    let (whole, _) = estimated(targets);
    let (cap, bits) = (whole.cap(), whole.key_bits());
    assert!(cap.0 > 5000 && (cap.0 as f64) < whole.min_entropy_bits);
    let check = |bits, finished| Reconciled::check(&terms, estimated(targets).0, bits, finished);
    let unlimited = LeakBits(u64::MAX);
    // All of the budget may be spent, and a bit is left.
    let last = check(bits, finished(cap.0 - 64, cap, -50.0)).unwrap();
    assert_eq!(last.verified_bits, bits);
    assert_eq!(
        check(bits, finished(cap.0 - 63, unlimited, -50.0)).unwrap_err(),
        Abort::Contract(Condition::Leakage)
    );
    assert_eq!(check(bits + 1, finished(64, cap, -50.0)).unwrap_err(), Abort::Contract(Condition::Sizes));
    // eps_cor is 1e-12, 2^-39.9.
    assert!(check(bits, finished(64, cap, -39.9)).is_ok());
    let Abort::Infeasible(infeasible) = check(bits, finished(64, cap, -39.8)).unwrap_err() else { panic!() };
    assert!(matches!(infeasible.0, Inequality::Correctness { .. }), "{infeasible}");
    // A tag stands behind what is verified.
    let none = Finished { receipt: Ledger::new(Policy::Exact, cap).close(), ..finished(0, cap, -50.0) };
    assert_eq!(check(bits, none).unwrap_err(), Abort::Contract(Condition::Tags));
}

/// Hashes with Alice's machine alone; bits of her seed, or why there is none.
fn seed_bits(terms: Terms, reconciled: Reconciled) -> Result<usize, Abort> {
    let words = words_for(reconciled.verified_bits);
    let (verified, mut seed, mut key) = (vec![0; words], vec![0; 2 * words], vec![0; words]);
    let memory = AmplifyingMemory { verified: &verified, seed: &mut seed, scratch: &mut [], key: &mut key };
    let alice = Amplifying::new(Role::Alice, terms, &Host, reconciled, memory, Instant(0))?;
    let (frames, waits) = serve(alice, Event::Poll, &mut stream(1, 2));
    assert!(waits.is_ok());
    let parts: Vec<(usize, usize)> = frames
        .iter()
        .map(|frame| match message(frame) {
            Message::Plain(Plain::ToeplitzSeed { total, bits, .. }) => (total as usize, bits.len()),
            other => panic!("{:?}", other.kind()),
        })
        .collect();
    let total = parts[0].0;
    assert_eq!(parts.iter().map(|part| part.1).sum::<usize>(), total);
    Ok(total)
}

#[test]
fn what_is_left_out_costs_a_bit_each() {
    let targets = KeyTargetRecord { test_fraction: 0.2, ..KeyTargetRecord::default() };
    let terms = terms(targets);
    let length = |dropped| {
        let (estimated, _) = estimated(targets);
        let (bits, cap) = (estimated.key_bits() - dropped, estimated.cap());
        let reconciled = Reconciled::check(&terms, estimated, bits, finished(1000, cap, -50.0)).unwrap();
        // n + l - 1.
        seed_bits(terms, reconciled).map(|seed_bits| seed_bits + 1 - bits)
    };
    let (all, less) = (length(0).unwrap(), length(3000).unwrap());
    assert_eq!(all, less + 3000);
    assert_eq!(length(all - 1), Ok(1));
    let Abort::EntropyDepleted(Inequality::Key { .. }) = length(all).unwrap_err() else { panic!() };
}

#[test]
fn hosts_that_err_end_a_machine() {
    let rounds = pairs(&device(|_| {}), 8);
    let targets = KeyTargetRecord::default();
    let begin = |role, terms: Terms, short: usize| {
        let (mut words, mut key) =
            (vec![0; Sifting::words(rounds.len) - short], vec![!0; words_for(rounds.len)]);
        let memory =
            SiftingMemory { record: record(&rounds.alice, rounds.len), words: &mut words, key: &mut key };
        let machine = Sifting::new(role, terms, memory, Instant(0));
        let ended = machine.map(|machine| {
            let mut out = vec![0; MAX_FRAME];
            let outcome = caligo_core::decode::Outcome::default();
            match machine.on(Instant(0), Event::Decoded { block: 0, outcome, decision: &[] }, &mut out) {
                Step::Abort(aborted) => aborted.reason,
                _ => panic!("it went on"),
            }
        });
        assert!(ended.is_err() || key.iter().all(|word| *word == 0), "the key is wiped");
        ended
    };
    assert!(matches!(begin(Role::Alice, terms(targets), 0), Ok(Abort::Host(_))));
    assert!(matches!(begin(Role::Bob, terms(targets), 1), Err(Abort::Host(_))));
    for chunk_bits in [0, 65, 1 << 30] {
        assert!(matches!(begin(Role::Bob, Terms { chunk_bits, ..terms(targets) }, 0), Err(Abort::Host(_))));
    }
    let few = Terms { device: device(|p| p.num_pairs = 99), ..terms(targets) };
    assert!(matches!(begin(Role::Bob, few, 0), Err(Abort::Host(_))));
    // Time, cancelling, entropy that nobody asked for.
    let end = |event: Event<'_>, now| {
        let (mut words, mut key) = (vec![0; Sifting::words(rounds.len)], vec![0; words_for(rounds.len)]);
        let memory =
            SiftingMemory { record: record(&rounds.bob, rounds.len), words: &mut words, key: &mut key };
        let bob = Sifting::new(Role::Bob, terms(targets), memory, Instant(0)).unwrap();
        let mut out = vec![0; MAX_FRAME];
        match bob.on(Instant(now), event, &mut out) {
            Step::Abort(aborted) => {
                assert_eq!(kind(&out[..aborted.send]), Kind::Abort);
                Some(aborted.reason)
            }
            _ => None,
        }
    };
    assert_eq!((end(Event::Poll, 999), end(Event::Poll, 1000)), (None, Some(Abort::Timeout)));
    assert_eq!(end(Event::Cancel, 0), Some(Abort::Cancelled));
    assert!(matches!(end(Event::Entropy(&[1, 2, 3]), 0), Some(Abort::Host(_))));
}

#[test]
fn other_terms_are_noticed() {
    let targets = KeyTargetRecord::default();
    for other in [
        terms(KeyTargetRecord { epsilon_sec: 1e-9, ..targets }),
        terms(KeyTargetRecord { epsilon_cor: 1e-9, ..targets }),
        terms(KeyTargetRecord { test_fraction: 0.11, ..targets }),
        Terms { policy: Policy::Conservative, ..terms(targets) },
        Terms { code: 10, ..terms(targets) },
    ] {
        let rounds = pairs(&device(|_| {}), 8);
        let mut words = [(); 2].map(|()| vec![0; Sifting::words(rounds.len)]);
        let mut keys = [(); 2].map(|()| vec![0; words_for(rounds.len)]);
        let ([a, b], [x, y]) = (&mut words, &mut keys);
        let memory = |party, words, key| SiftingMemory { record: record(party, rounds.len), words, key };
        let alice = Sifting::new(Role::Alice, terms(targets), memory(&rounds.alice, a, x), Instant(0));
        let bob = Sifting::new(Role::Bob, other, memory(&rounds.bob, b, y), Instant(0));
        let (frames, _) = serve(alice.unwrap(), Event::Poll, &mut stream(1, 1));
        let (_, end) = serve(bob.unwrap(), Event::Received(&frames[0]), &mut stream(1, 1));
        assert!(matches!(end, Err(Err(Abort::Synchronisation(_)))));
    }
}

#[test]
fn machines_show_no_secrets() {
    let targets = KeyTargetRecord { test_fraction: 0.2, ..KeyTargetRecord::default() };
    let (estimated, key) = estimated(targets);
    let library = library();
    let stage = Stage::new(&library, config(Strategy::Baseline)).unwrap();
    let run = stage.simulate(1, 1, false).unwrap();
    let shown = format!("{estimated:?} {run:?} {stage:?}");
    for word in key[..2].iter().chain(&completed(&run).keys[0].words[..2]) {
        assert!(!shown.contains(&word.to_string()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// Whatever is done to a few frames of the first and last conversation: no panic, an end, and no keys that differ
    /// (seeds are authenticated by the host, and nothing else would notice a change of theirs).
    #[test]
    fn tampering_gives_no_wrong_key(
        seed in 0..1000u64,
        faults in proptest::collection::vec((any::<bool>(), 0..12usize, any::<usize>(), 0..7u8), 0..4),
    ) {
        let library = library();
        let stage = Stage::new(&library, config(Strategy::Baseline)).unwrap();
        let rounds = pairs(&device(|_| {}), seed);
        let (mut counts, mut seeds, mut changed) = ([0; 2], false, false);
        let run = stage.run(&rounds, Randomness::Seeded(seed), false, &mut |role, mut frame| {
            let party = usize::from(role == Role::Bob);
            let i = counts[party];
            counts[party] += 1;
            let Some((_, _, at, fault)) =
                faults.iter().find(|(alice, number, ..)| (*alice == (party == 0)) && *number == i)
            else {
                return vec![frame];
            };
            changed = true;
            seeds |= frame[1] == Kind::ToeplitzSeed as u8;
            let change = (at >> 32) as u8 | 1;
            let at = at % frame.len();
            match fault {
                0 => frame[at] ^= change,
                5 => {
                    let at = (HEADER + at % 16).min(frame.len() - 1);
                    frame[at] ^= change;
                }
                6 => frame[1] = change,
                1 => frame.truncate(at),
                2 => return vec![],
                3 => return vec![frame.clone(), frame],
                _ => frame[HEADER.min(at)..].fill(0xff),
            }
            vec![frame]
        });
        let run = run.unwrap();
        match &run.end {
            Ok(end) => prop_assert!(end.equal || seeds),
            Err(ended) => prop_assert!(changed, "{}", ended.reason),
        }
    }
}

/// A bit that Alice did not send changes nothing that is not noticed: here her bases.
#[test]
fn bases_that_were_changed_are_noticed() {
    let library = library();
    let stage = Stage::new(&library, config(Strategy::Baseline)).unwrap();
    let rounds = pairs(&device(|_| {}), 12);
    let run = stage.run(&rounds, Randomness::Seeded(1), false, &mut |role, mut frame| {
        if role == Role::Bob && kind(&frame) == Kind::BasisReveal {
            // A round that both detected.
            let i = (0..rounds.len).find(|&i| get(&rounds.alice.clicked, i) && get(&rounds.bob.clicked, i));
            let i = i.unwrap();
            // Behind part, offset and length.
            frame[HEADER + 9 + i / 8] ^= 1 << (i % 8);
        }
        vec![frame]
    });
    let ended = end_of(run.unwrap());
    assert!(["contract", "synchronisation", "entropy_depleted"].contains(&ended.name), "{}", ended.reason);
}
