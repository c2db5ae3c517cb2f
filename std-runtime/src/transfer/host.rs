//! One party on its own host: its machine over an authenticated connection, in real time.
//!
//! In: a connection, a [`Stage`], the party's rounds, Bob's choice. Out: Alice's two strings, or Bob's one, and a
//! [`HostReport`]. Private randomness is the operating system's.
//!
//! What Bob must not show, his host does not: it takes all of Alice's frames before a block is decoded, closes the
//! connection after the last of them, and only then decodes. So nothing that leaves him, nor when it does, depends on
//! his choice or on whether his blocks decode; and whether he believes his string is told to him alone. For the same
//! reason nobody tells Alice that her last frames have come: a connection that breaks under them leaves her with two
//! strings and Bob with none.
//!
//! Where errors are corrected blindly, he decodes before that what she waits for, and when he answers depends on how long
//! that takes.

use std::time::{Duration, Instant as Clock};

use caligo_core::bits;
use caligo_core::ot::contract::Sifted;
use caligo_core::ot::{Abort, Alice, AliceDone, Bob, BobConfig, BobDone, Event, Instant, Machine};
use serde::Serialize;

use super::drive::{Desk, Side};
use super::report::{BudgetFigures, CorrectionFigures, Phases, failure_name};
use super::store::{AliceStore, BobStore};
use super::{Stage, TransferError};
use crate::channel::pairs::{Compared, Party};
use crate::entropy;
use crate::keyfile::Key;
use crate::session::connection::{Connection, News, Traffic};
use crate::session::decoders::{Decoders, Restart};
use crate::session::driver::split_frame;
use crate::session::local::SessionError;

/// Microseconds since a moment of a party's own.
pub type Now<'c> = &'c dyn Fn() -> u64;

/// Microseconds since `started`, by a clock that never goes back.
pub fn since(started: Clock) -> impl Fn() -> u64 {
    move || started.elapsed().as_micros() as u64
}

/// What came of Alice's side.
#[derive(Debug)]
pub struct AliceOutcome {
    /// S0 and S1.
    pub strings: [Key; 2],
    /// What happened.
    pub report: HostReport,
}

/// What came of Bob's side.
#[derive(Debug)]
pub struct BobOutcome {
    /// S_c, if he believes it; else he has nothing but noise.
    pub string: Option<Key>,
    /// What happened.
    pub report: HostReport,
}

/// What a party knows of its transfer. What only the other one knows is null.
#[derive(Debug, Serialize)]
pub struct HostReport {
    /// Bob: whether he believes his string.
    pub believes: Option<bool>,
    /// Bob: why not.
    pub failure: Option<&'static str>,
    /// Bits of each string.
    pub length: usize,
    /// Alice: what is left of the min-entropy after leak and hashing, over the pairs.
    pub margin: Option<f64>,
    /// Errors over tested bits. `None` without a sample.
    pub qber_observed: Option<f64>,
    /// By the model of the parameters.
    pub qber_expected: f64,
    /// Alice: bits charged to the set that was charged most.
    pub leakage: Option<u64>,
    /// How errors were corrected.
    #[serde(flatten)]
    pub correction: CorrectionFigures,
    /// Whether Alice dealt Bob his rounds, and so knows them.
    pub dealt: bool,
    /// Counts of each phase.
    pub phases: Phases,
    /// Alice: entropy of one string, term by term.
    pub budget: BudgetFigures,
    /// Delta t in seconds.
    pub delta_t_seconds: f64,
    /// What the connection took.
    pub traffic: Traffic,
}

/// Alice's transfer of what her detectors recorded.
///
/// # Errors
/// [`TransferError`]: there are no strings.
pub fn alice(
    mut connection: Connection,
    stage: &Stage<'_>,
    rounds: &Party,
    timeout: Duration,
    now: Now<'_>,
) -> Result<AliceOutcome, TransferError> {
    let setup = stage.setup(timeout.as_micros() as u64)?;
    let planner = stage.planner()?;
    let mut store = AliceStore::new(&setup, stage.rounds(), stage.config().parameters.correction);
    let mut desk = Desk::new(entropy::system(), None);
    let memory = store.memory(rounds.record(stage.rounds()));
    let begun = Instant(now());
    let machine = Alice::new(setup, stage.terms(), &planner, memory, begun, begun);
    let mut side = Side::new(machine.map_err(TransferError::Aborted)?, &mut desk);
    talk(&mut connection, &mut side, now)?;
    let AliceDone { amplified } = ended(side).map_err(TransferError::Aborted)?;
    let traffic = *connection.traffic();
    let mut report = HostReport::of(stage, &amplified.reconciled.sifted, amplified.length, traffic);
    report.margin = Some(amplified.budget.surplus_bits() / stage.rounds() as f64);
    report.leakage = Some(amplified.reconciled.leak().0);
    report.phases.alice_detected.add(bits::count_ones(&rounds.clicked) as f64);
    report.phases.blocks.add(f64::from(amplified.reconciled.blocks));
    report.phases.reveals.add(f64::from(amplified.reconciled.reveals));
    report.budget.add(&amplified);
    let strings = store.strings(amplified.length).map(|words| key(words, amplified.length));
    Ok(AliceOutcome { strings, report })
}

/// Bob's transfer of what his detectors recorded.
///
/// # Errors
/// [`TransferError`]: there is no string. That he does not believe it is no error.
pub fn bob(
    mut connection: Connection,
    stage: &Stage<'_>,
    rounds: &Party,
    choice: bool,
    timeout: Duration,
    now: Now<'_>,
) -> Result<BobOutcome, TransferError> {
    let setup = stage.setup(timeout.as_micros() as u64)?;
    let mut store = BobStore::new(&setup, stage.rounds());
    // Values revealed are folded into syndromes, so no decoder can go on from where it was.
    let decoders = Decoders::new(setup.code, stage.config().effort, Restart::Cold, 0);
    let mut desk = Desk::new(entropy::system(), Some(decoders));
    let memory = store.memory(rounds.record(stage.rounds()));
    let config = BobConfig { choice, efficiencies: None };
    let machine = Bob::new(setup, stage.terms(), config, memory, Instant(now()));
    let mut side = Side::new(machine.map_err(TransferError::Aborted)?, &mut desk);
    talk(&mut connection, &mut side, now)?;
    // Closed before what is left is decoded: nobody sees how long that takes.
    let traffic = *connection.traffic();
    drop(connection);
    while side.desk.has_jobs() {
        side.decode(now(), true)?;
    }
    let BobDone { sifted, length, failure } = ended(side).map_err(TransferError::Aborted)?;
    let mut report = HostReport::of(stage, &sifted, length, traffic);
    report.believes = Some(failure.is_none());
    report.failure = failure.map(failure_name);
    let string = failure.is_none().then(|| key(store.string(length), length));
    Ok(BobOutcome { string, report })
}

fn key(words: &[u64], bits: usize) -> Key {
    Key { words: words.to_vec(), bits }
}

/// How a machine ended.
pub(crate) fn ended<M: Machine>(side: Side<'_, '_, M>) -> Result<M::Done, Abort> {
    match side.end {
        Some(Ok(done)) => Ok(done),
        Some(Err(aborted)) => Err(aborted.reason),
        None => Err(Abort::Timeout),
    }
}

/// Lets a machine talk over `connection` until it has ended or waits for nobody.
pub(crate) fn talk<M: Machine>(
    connection: &mut Connection,
    side: &mut Side<'_, '_, M>,
    now: Now<'_>,
) -> Result<(), SessionError> {
    side.give(now(), Event::Poll)?;
    loop {
        let sent = connection.send_frames(&side.desk.outbox);
        side.desk.outbox.clear();
        if side.end.as_ref().is_some_and(Result::is_err) {
            // The peer is told if it can be.
            return Ok(());
        }
        sent?;
        if side.owes() {
            side.decode(now(), true)?;
            continue;
        }
        let Some(deadline) = side.deadline() else { return Ok(()) };
        let patience = Duration::from_micros(deadline.0.saturating_sub(now()));
        match connection.wait(Some(patience))? {
            News::Frames(frames) => {
                side.receive(now(), &frames)?;
                connection.traffic().frames_received += count(&frames);
            }
            News::Closed => return Err(connection.closed()),
            News::Nothing => side.give(now(), Event::Poll)?,
        }
    }
}

fn count(mut frames: &[u8]) -> u64 {
    let mut count = 0;
    while !frames.is_empty() {
        frames = split_frame(frames).1;
        count += 1;
    }
    count
}

impl HostReport {
    fn of(stage: &Stage<'_>, sifted: &Sifted, length: usize, traffic: Traffic) -> Self {
        let nsm = &stage.config().parameters.nsm;
        let mut phases = Phases::default();
        phases.add(sifted);
        if let Some(estimate) = &sifted.estimated.estimate {
            phases.sample = Compared { rounds: estimate.tested, differ: estimate.errors }.into();
        }
        Self {
            believes: None,
            failure: None,
            length,
            margin: None,
            qber_observed: phases.sample.rate,
            qber_expected: nsm.coincidences().qber,
            leakage: None,
            correction: CorrectionFigures::of(stage),
            dealt: false,
            phases,
            budget: BudgetFigures::default(),
            delta_t_seconds: nsm.record().delta_t_ns as f64 / 1e9,
            traffic,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::net::TcpListener;
    use std::thread;

    use caligo_core::leakage::Policy;
    use caligo_core::ot::{Correction, NsmViolation, SemiHonestAlice};
    use caligo_core::security::{NsmParameters, NsmRecord, TargetRecord, Targets};
    use caligo_core::wire::{self, Kind, MAX_FRAME, Plain, Strategy};

    use super::*;
    use crate::channel::pairs::{Rounds, Simulated};
    use crate::channel::{random_bits, stream};
    use crate::config::nsm::Parameters;
    use crate::kernel::Effort;
    use crate::matrix::library::Library;
    use crate::session::connection;
    use crate::session::psk::{PreShared, Role};
    use crate::transfer::Config;

    const PATIENCE: Duration = Duration::from_secs(10);
    const DELTA_T_US: u64 = 400_000;

    fn parameters(correction: Correction) -> Parameters {
        let blind = correction != Correction::OneWay;
        let record = NsmRecord {
            storage_noise_r: Some(0.3),
            storage_rate_nu: 0.01,
            channel_fidelity: 0.99,
            detection_eff_eta: 0.9,
            detector_error: 0.0,
            num_pairs: 20_000,
            delta_t_ns: DELTA_T_US * 1000,
            strategy: if blind { Strategy::Blind } else { Strategy::Baseline },
            ..NsmRecord::default()
        };
        let targets = Targets::new(TargetRecord::default()).unwrap();
        Parameters { nsm: NsmParameters::new(record).unwrap(), correction, targets }
    }

    fn config(committed: bool) -> Config {
        Config {
            parameters: parameters(Correction::OneWay),
            policy: Policy::Exact,
            committed,
            budget: None,
            effort: Effort::default(),
            target_fer: None,
        }
    }

    fn rounds() -> Rounds {
        Rounds::first(Simulated::new(&parameters(Correction::OneWay).nsm, 20_000, 1), 20_000).unwrap()
    }

    /// Runs both ends of a connection.
    fn both<A: Send, B>(
        alice: impl FnOnce(Connection) -> A + Send,
        bob: impl FnOnce(Connection) -> B,
    ) -> (A, B) {
        let dir = tempfile::tempdir().unwrap();
        let psk = |role: Role| {
            let path = dir.path().join(role.to_string());
            let key: Vec<u8> =
                random_bits(1 << 15, &mut stream(2, 2)).iter().flat_map(|word| word.to_be_bytes()).collect();
            fs::write(&path, key).unwrap();
            PreShared::open(&path, role).unwrap()
        };
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (hers, his) = (psk(Role::Alice), psk(Role::Bob));
        thread::scope(|scope| {
            let alice = scope.spawn(move || {
                alice(connection::accept(&listener, hers, PATIENCE, PATIENCE, |_, _| {}).unwrap())
            });
            let bob = bob(connection::connect(&address, his, PATIENCE, PATIENCE).unwrap());
            (alice.join().unwrap(), bob)
        })
    }

    /// Both hosts, where Alice's clock runs `fast` times as fast as Bob's.
    fn transfer(
        committed: bool,
        fast: u64,
    ) -> (Result<AliceOutcome, TransferError>, Result<BobOutcome, TransferError>) {
        transfer_by(config(committed), fast)
    }

    fn transfer_by(
        config: Config,
        fast: u64,
    ) -> (Result<AliceOutcome, TransferError>, Result<BobOutcome, TransferError>) {
        let (library, rounds, started) = (Library::built_in(), rounds(), Clock::now());
        let stage = Stage::new(&library, config).unwrap();
        both(
            |connection| {
                let real = since(started);
                let patience = PATIENCE * fast as u32;
                alice(connection, &stage, &rounds.alice, patience, &|| real() * fast)
            },
            |connection| bob(connection, &stage, &rounds.bob, true, PATIENCE, &since(started)),
        )
    }

    #[test]
    fn both_hosts_come_to_their_strings() {
        for committed in [false, true] {
            let started = Clock::now();
            let (alice, bob) = transfer(committed, 1);
            assert!(started.elapsed() >= Duration::from_micros(DELTA_T_US));
            let ([first, second], string) = (alice.unwrap().strings, bob.unwrap().string.unwrap());
            assert!(string == second && string != first && string.bits > 40);
        }
    }

    #[test]
    fn blind_hosts_come_to_their_strings() {
        let parameters = parameters(Correction::BlindUnder(SemiHonestAlice));
        let (alice, bob) = transfer_by(Config { parameters, ..config(false) }, 1);
        let (alice, bob) = (alice.unwrap(), bob.unwrap());
        let ([first, second], string) = (alice.strings, bob.string.unwrap());
        assert!(string == second && string != first && string.bits > 300);
        // He has spoken after his sets.
        assert!(alice.report.traffic.frames_received > 5);
    }

    #[test]
    fn bases_before_delta_t_are_a_violation() {
        for committed in [false, true] {
            // So fast that Delta t is over before she has looked at what Bob fixed.
            let (alice, bob) = transfer(committed, 10_000);
            let early = Abort::Nsm(NsmViolation::Early(Kind::BasisReveal));
            assert!(matches!(bob, Err(TransferError::Aborted(reason)) if reason == early), "{bob:?}");
            assert!(matches!(alice, Err(TransferError::Aborted(Abort::Peer(16)))), "{alice:?}");
        }
    }

    /// Bob opens his commitment at once, and then must not have had time to measure.
    #[test]
    fn an_opening_before_delta_t_is_a_violation() {
        let (library, rounds) = (Library::built_in(), rounds());
        let stage = Stage::new(&library, config(true)).unwrap();
        let now = since(Clock::now());
        let (alice, answer) = both(
            |connection| alice(connection, &stage, &rounds.alice, PATIENCE, &since(Clock::now())),
            |mut connection| {
                let News::Frames(agreement) = connection.wait(Some(PATIENCE)).unwrap() else {
                    panic!("no frames")
                };
                let mut frames = agreement;
                for (i, message) in [
                    Plain::DetectionCommitment { digest: [1; 4] },
                    Plain::CommitmentOpening { nonce: [2; 4] },
                ]
                .iter()
                .enumerate()
                {
                    let mut frame = vec![0; MAX_FRAME];
                    let length = wire::encode(&mut frame, i as u32 + 1, message).unwrap();
                    frames.extend_from_slice(&frame[..length]);
                }
                connection.send_frames(&frames).unwrap();
                connection.wait(Some(PATIENCE)).unwrap()
            },
        );
        let early = Abort::Nsm(NsmViolation::Early(Kind::CommitmentOpening));
        assert!(matches!(alice, Err(TransferError::Aborted(reason)) if reason == early), "{alice:?}");
        assert!(now() < DELTA_T_US);
        // He is told why.
        let News::Frames(answer) = answer else { panic!("no answer") };
        let mut farewell = vec![0; MAX_FRAME];
        let length = wire::encode(&mut farewell, 1, &Plain::Abort { reason: 16 }).unwrap();
        assert_eq!(answer, farewell[..length]);
    }
}
