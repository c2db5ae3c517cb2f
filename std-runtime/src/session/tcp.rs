//! One party on its own host: the machine over an authenticated TCP connection.
//!
//! In: a key, a connection. Out: the reconciled key and a report, the same on both sides.
//!
//! The machine runs in the calling thread; one thread reads the socket, decoding uses the thread pool. Two
//! parties and one connection need no more than that.
//!
//! Bob stores his key before he sends the last frame, Alice hers after she has it. So a session that breaks
//! leaves no key on either side, but for what no protocol can avoid: a connection that breaks while that last frame
//! travels, or a disk that fails then, leaves Bob with a key that Alice lacks.

use std::time::{Duration, Instant as Clock};

use caligo_core::reconcile::{
    Abort, Alice, AliceConfig, Bob, Event, Finished, Instant, Job, Machine, Released, Terms,
};
use caligo_core::wire::{self, Hello, Message, Plain};
use zeroize::Zeroizing;

use crate::config::Strategy;
use crate::entropy;
use crate::keyfile::Key;
use crate::matrix::library::Library;
use crate::matrix::mother::Mother;

use super::connection::{Connection, News, Traffic, channel};
use super::decoders::{Decision, Decoders};
use super::driver::{Driven, Host, KeyInput, drive, split_frame};
use super::interleave::{permutation, permuted, unpermuted};
use super::local::{Config, Ground, SessionError, class_count, key_input, permutation_seed};
use super::report::{Facts, Record, Report};
use super::store::{AliceStore, BobStore, window};

/// Blocks decoded at once by each thread.
const BATCH: usize = 16;
/// Bob's answers are sent once he has decoded for so long.
const ANSWER: Duration = Duration::from_millis(100);
/// What came of a session.
#[derive(Debug)]
pub struct Outcome {
    /// The reconciled key, less disclosed bits and failed parts.
    pub key: Key,
    /// What happened.
    pub report: Report,
    /// What it took.
    pub traffic: Traffic,
    /// The machine's end, with the closed books.
    pub finished: Finished,
}

/// A machine's host over a connection.
struct Remote<'a, 'k> {
    connection: &'k mut Connection,
    record: Record,
    decoders: Option<Decoders<'a>>,
    key: Option<(&'k Key, &'k [u8])>,
    hello: Option<Hello>,
    progress: &'k mut dyn FnMut(u64),
    /// What was charged and sampled before the last event.
    books: (u64, u64),
}

impl Host for Remote<'_, '_> {
    fn send(&mut self, frame: &[u8]) -> Result<(), SessionError> {
        self.connection.push(frame)
    }

    fn entropy(&mut self, words: usize) -> Result<Zeroizing<Vec<u64>>, SessionError> {
        entropy::system().words(words)
    }

    fn agreed(&mut self, hello: &Hello) -> Result<KeyInput, SessionError> {
        self.hello = Some(*hello);
        let Some((key, side_info)) = self.key else {
            return Err(SessionError::Channel("key: asked for on the wrong side".to_owned()));
        };
        Ok(key_input(key, side_info, &permutation(key.bits, hello.permutation)))
    }

    fn decode(&mut self, slot: usize, job: &Job<'_>) {
        if let Some(decoders) = &mut self.decoders {
            decoders.add(slot, job);
        }
    }

    fn sampled(&mut self, errors: u32, bits: u32, effective: f64) {
        self.record.sampled = Some((errors, bits, effective));
    }

    fn released(&mut self, block: Released) {
        (self.progress)((block.start + block.payload) as u64);
        self.record.released.push(block);
    }
}

impl Remote<'_, '_> {
    /// Runs `machine` to its end; what is to be sent after the key is stored.
    fn run<M: Machine>(&mut self, machine: M) -> Result<(Finished, Vec<u8>), SessionError> {
        self.until_done(machine).map_err(|source| {
            let (charged, sampled) = self.books;
            if charged + sampled == 0 {
                return source;
            }
            SessionError::Broken { source: Box::new(source), charged, sampled }
        })
    }

    fn until_done<M: Machine>(&mut self, machine: M) -> Result<(Finished, Vec<u8>), SessionError> {
        let started = Clock::now();
        let now = || Instant(started.elapsed().as_micros() as u64);
        let mut machine = self.event(machine, now(), Event::Poll)?;
        loop {
            machine = match machine {
                Ended::Not(running) => {
                    self.connection.flush()?;
                    self.turn(running, &now)?
                }
                Ended::Done(finished, last) => return Ok((finished, last)),
            };
        }
    }

    /// Waits for something and gives it to the machine.
    fn turn<M: Machine>(&mut self, machine: M, now: &impl Fn() -> Instant) -> Result<Ended<M>, SessionError> {
        let working = self.decoders.as_ref().is_some_and(|d| !d.is_empty());
        let patience = (!working).then(|| {
            Duration::from_micros(machine.deadline().0.saturating_sub(now().0)).min(Duration::from_secs(3600))
        });
        match self.connection.wait(patience)? {
            News::Frames(frames) => self.frames(machine, &frames, now),
            News::Closed => Err(self.connection.closed()),
            News::Nothing if working => {
                let begun = Clock::now();
                let mut machine = machine;
                // Alice's time runs while she hears nothing, so answers leave now and then.
                while begun.elapsed() < ANSWER {
                    let decisions = match &mut self.decoders {
                        Some(decoders) => decoders.run_parallel(BATCH * rayon::current_num_threads())?,
                        None => Vec::new(),
                    };
                    if decisions.is_empty() {
                        break;
                    }
                    for Decision { slot, outcome, frame, doubts, .. } in &decisions {
                        let event =
                            Event::Decoded { slot: *slot, outcome: *outcome, decision: frame, doubts };
                        match self.event(machine, now(), event)? {
                            Ended::Not(next) => machine = next,
                            done @ Ended::Done(..) => return Ok(done),
                        }
                    }
                    if let Some(decoders) = &mut self.decoders {
                        decoders.recycle(decisions);
                    }
                }
                Ok(Ended::Not(machine))
            }
            News::Nothing => self.event(machine, now(), Event::Poll),
        }
    }

    /// Cuts a record into frames.
    fn frames<M: Machine>(
        &mut self,
        machine: M,
        mut frames: &[u8],
        now: &impl Fn() -> Instant,
    ) -> Result<Ended<M>, SessionError> {
        let mut machine = Ended::Not(machine);
        while !frames.is_empty() {
            let (frame, rest) = split_frame(frames);
            self.connection.traffic.frames_received += 1;
            let Ended::Not(running) = machine else {
                return Err(channel("receiving", "frame after the end of the session"));
            };
            machine = self.event(running, now(), Event::Received(frame))?;
            frames = rest;
        }
        Ok(machine)
    }

    fn event<M: Machine>(
        &mut self,
        machine: M,
        now: Instant,
        event: Event<'_>,
    ) -> Result<Ended<M>, SessionError> {
        match drive(machine, now, event, self)? {
            Driven::Idle(next) => {
                self.books = (next.spent().0, next.disclosed().sample.0);
                Ok(Ended::Not(next))
            }
            Driven::Done(finished, last) => Ok(Ended::Done(finished, last)),
            Driven::Aborted(aborted, farewell) => {
                // After what is due already, whose sequence numbers come first; it is told if it can be.
                self.books.0 = aborted.spent.0;
                self.connection.pending.extend_from_slice(&farewell);
                self.connection.flush().ok();
                Err(SessionError::of(&aborted, &self.record))
            }
        }
    }
}

enum Ended<M> {
    Not(M),
    Done(Finished, Vec<u8>),
}

/// Alice's session: her key is returned once Bob has stored his. `progress` is told the bits done.
///
/// # Errors
/// [`SessionError`]: there is no key.
pub fn alice(
    connection: &mut Connection,
    key: &Key,
    library: &Library,
    config: &Config,
    timeout: Duration,
    progress: &mut dyn FnMut(u64),
) -> Result<Outcome, SessionError> {
    let ground = Ground::of(library)?;
    let setup = ground.setup(timeout.as_micros() as u64)?;
    let planner = config.planner(library)?;
    let seed = permutation_seed(config.seed)?;
    let n = setup.code.n();
    let window = window(n);
    let hello = config.hello(key.bits, window, ground.fingerprint, seed)?;
    let order = permutation(key.bits, seed);
    let mut store = AliceStore::new(permuted(key, &order), n, window);
    let settings = AliceConfig {
        hello,
        planner: &planner,
        qber: config.known_qber(),
        sample_margin: config.sample_margin,
        adapt: config.adapt,
    };
    let machine = Alice::new(setup, &settings, store.memory(), Instant(0)).map_err(SessionError::Aborted)?;
    let mut remote = Remote {
        connection,
        record: Record::default(),
        decoders: None,
        key: None,
        hello: None,
        progress,
        books: (0, 0),
    };
    let (finished, _) = remote.run(machine)?;
    let facts = Facts { decoder: None, ..config.facts(library, key.bits)? };
    let report = remote.record.report(&facts, &finished);
    let kept = remote.record.kept(key.bits);
    let traffic = remote.connection.traffic;
    Ok(Outcome { key: unpermuted(&permuted(key, &order), &order, &kept), report, traffic, finished })
}

/// The mother code that Alice's first message names; the default one if it names none, which Bob's machine then
/// refuses.
fn proposed(connection: &mut Connection, patience: Duration) -> Result<Library, SessionError> {
    let frames = connection.peek(patience)?.unwrap_or_default();
    let first = wire::frame_length(frames).ok().flatten().and_then(|length| frames.get(..length));
    let Some(Ok(Message::Plain(Plain::Hello(hello)))) = first.map(|frame| wire::decode(frame, 0)) else {
        return Ok(Library::built_in());
    };
    for library in Mother::ALL.map(Library::mother) {
        if Ground::of(&library)?.fingerprint == hello.code {
            return Ok(library);
        }
    }
    Ok(Library::built_in())
}

/// Bob's session, with the mother code that Alice proposes if no `library` is given. `store` keeps his reconciled key
/// before Alice is told that he has it. `side_info` is the class of each of his bits, or empty; `strategy` what he
/// insists on.
///
/// # Errors
/// [`SessionError`]: unless `store` succeeded and only the last frame failed, nothing was stored.
#[expect(clippy::too_many_arguments, reason = "a session's parts")]
pub fn bob(
    connection: &mut Connection,
    key: &Key,
    side_info: &[u8],
    library: Option<&Library>,
    config: &Config,
    strategy: Option<Strategy>,
    timeout: Duration,
    progress: &mut dyn FnMut(u64),
    store: impl FnOnce(&Outcome) -> Result<(), SessionError>,
) -> Result<Outcome, SessionError> {
    let proposed = match library {
        Some(_) => Library::built_in(),
        None => proposed(connection, timeout)?,
    };
    let ground = Ground::of(library.unwrap_or(&proposed))?;
    let setup = ground.setup(timeout.as_micros() as u64)?;
    let n = setup.code.n();
    let terms = Terms {
        strategy: strategy.map(Into::into),
        key_bits: key.bits as u32,
        code: ground.fingerprint,
        cap: config.budget.unwrap_or(u64::MAX),
        learn: config.learn,
    };
    let window = window(n);
    let mut memory = BobStore::new(key.bits, class_count(side_info), n, window);
    let decoders = Decoders::new(setup.code, config.effort, config.restart, window.into());
    let machine = Bob::new(setup, terms, memory.memory(), Instant(0)).map_err(SessionError::Aborted)?;
    let mut remote = Remote {
        connection,
        record: Record::default(),
        decoders: Some(decoders),
        key: Some((key, side_info)),
        hello: None,
        progress,
        books: (0, 0),
    };
    let (finished, last) = remote.run(machine)?;
    let hello = remote.hello.ok_or(SessionError::Aborted(Abort::Host("session parameters: none")))?;
    let facts = Facts {
        strategy: hello.strategy.into(),
        n,
        m: setup.code.m(),
        input_bits: key.bits,
        target_fer: f64::from(hello.target_fer_ppm) / 1e6,
        decoder: None,
    };
    let report = remote.record.report(&facts, &finished);
    let kept = remote.record.kept(key.bits);
    let order = permutation(key.bits, hello.permutation);
    let traffic = remote.connection.traffic;
    let mut outcome = Outcome { key: unpermuted(memory.key(), &order, &kept), report, traffic, finished };
    store(&outcome)?;
    remote.connection.push(&last)?;
    remote.connection.flush()?;
    outcome.traffic = remote.connection.traffic;
    Ok(outcome)
}
