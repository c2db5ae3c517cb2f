//! Drives a machine of oblivious transfer or of key distribution: answers its effects until it has nothing more to do.
//!
//! In: a machine, an event, a time. Out: the machine waiting, or its end. What it sends gathers in [`Desk::outbox`].
//! [`talk`] lets two of them meet in one process and in simulated time.

use caligo_core::ot::{Abort, Aborted, Effect, Event, Instant, Job, Machine, Step};
use caligo_core::wire::MAX_FRAME;
use zeroize::Zeroizing;

use crate::session::decoders::{Decision, Decoders};
use crate::session::driver::split_frame;
use crate::session::local::{SessionError, Source};

/// A party's side of the world: randomness, frames to be sent, blocks to be decoded.
#[derive(Debug)]
pub struct Desk<'a> {
    /// Frames sent and not yet taken, one after the other.
    pub outbox: Vec<u8>,
    /// Bob's decoders, with the jobs that wait.
    pub decoders: Option<Decoders<'a>>,
    /// Frames sent so far.
    pub frames: u64,
    /// Decisions so far.
    pub decodings: Decodings,
    source: Source,
    frame: Vec<u8>,
}

/// How often a decoder ran.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Decodings {
    /// All attempts.
    pub attempts: u64,
    /// Blocks.
    pub blocks: u64,
    /// Blocks whose first attempt failed.
    pub failed_first: u64,
}

/// A machine that has been driven.
#[derive(Debug)]
pub enum Driven<M: Machine> {
    /// It waits for a frame, a decision or its deadline.
    Idle(M),
    /// Done.
    Done(M::Done),
    /// Over.
    Aborted(Aborted),
}

impl<'a> Desk<'a> {
    /// A desk with private randomness from `source`; Bob's has decoders.
    pub fn new(source: Source, decoders: Option<Decoders<'a>>) -> Self {
        let decodings = Decodings::default();
        Self { outbox: Vec::new(), decoders, frames: 0, decodings, source, frame: vec![0; MAX_FRAME] }
    }

    /// The desk as it was at first, with randomness from `source`; memory stays.
    pub fn clear(&mut self, source: Source) {
        self.outbox.clear();
        self.frames = 0;
        self.decodings = Decodings::default();
        self.source = source;
    }

    /// Whether blocks wait to be decoded.
    pub fn has_jobs(&self) -> bool {
        self.decoders.as_ref().is_some_and(|decoders| !decoders.is_empty())
    }

    /// Sends the first `length` bytes of what a machine has written last.
    pub fn send(&mut self, length: usize) {
        if length > 0 {
            self.outbox.extend_from_slice(&self.frame[..length]);
            self.frames += 1;
        }
    }

    fn decode(&mut self, block: usize, job: Option<&Job<'_>>) {
        if let (Some(decoders), Some(job)) = (&mut self.decoders, job) {
            decoders.add(block, job);
        }
    }

    /// Gives `event` to `machine` and answers its effects until it is idle or at its end. Jobs are taken, not done.
    ///
    /// # Errors
    /// If there is no entropy.
    pub fn drive<M: Machine>(
        &mut self,
        machine: M,
        now: Instant,
        event: Event<'_>,
    ) -> Result<Driven<M>, SessionError> {
        let mut entropy: Option<Zeroizing<Vec<u64>>> = None;
        let mut step = machine.on(now, event, &mut self.frame);
        loop {
            let (mut machine, effect) = match step {
                Step::Next(machine, effect) => (machine, effect),
                Step::Done(done) => return Ok(Driven::Done(done)),
                Step::Abort(aborted) => {
                    self.send(aborted.send);
                    return Ok(Driven::Aborted(aborted));
                }
            };
            let event = match effect {
                Effect::Send(length) => {
                    self.send(length);
                    Event::Poll
                }
                Effect::Entropy(words) => Event::Entropy(entropy.insert(self.source.words(words)?)),
                Effect::Decode(block) => {
                    self.decode(block, machine.job(block).as_ref());
                    Event::Poll
                }
                Effect::Idle => return Ok(Driven::Idle(machine)),
            };
            step = machine.on(now, event, &mut self.frame);
        }
    }
}

/// A machine with its desk, until it ends.
#[derive(Debug)]
pub struct Side<'d, 'a, M: Machine> {
    machine: Option<M>,
    /// Its end, once it has come.
    pub end: Option<Result<M::Done, Aborted>>,
    /// Bytes of a last frame that waits for [`last_word`](Self::last_word).
    last: usize,
    /// Its desk.
    pub desk: &'d mut Desk<'a>,
}

impl<'d, 'a, M: Machine> Side<'d, 'a, M> {
    /// A machine before its first event.
    pub fn new(machine: M, desk: &'d mut Desk<'a>) -> Self {
        Self { machine: Some(machine), end: None, last: 0, desk }
    }

    /// Gives an event; one that comes after the end is lost.
    ///
    /// # Errors
    /// If there is no entropy.
    pub fn give(&mut self, now: u64, event: Event<'_>) -> Result<(), SessionError> {
        let Some(machine) = self.machine.take() else { return Ok(()) };
        match self.desk.drive(machine, Instant(now), event)? {
            Driven::Idle(machine) => self.machine = Some(machine),
            Driven::Done(done) => {
                self.last = M::last_word(&done);
                self.end = Some(Ok(done));
            }
            Driven::Aborted(aborted) => self.end = Some(Err(aborted)),
        }
        Ok(())
    }

    /// Sends what a machine at its end leaves to be said once its result is stored.
    pub fn last_word(&mut self) {
        self.desk.send(std::mem::take(&mut self.last));
    }

    /// Whether the peer waits for blocks to be decoded.
    pub fn owes(&self) -> bool {
        self.desk.has_jobs() && self.machine.as_ref().is_some_and(Machine::owes)
    }

    /// When to poll at the latest, if it waits for anybody.
    pub fn deadline(&self) -> Option<Instant> {
        self.machine.as_ref()?.deadline()
    }

    /// Takes frames, one after the other.
    ///
    /// # Errors
    /// If there is no entropy.
    pub fn receive(&mut self, now: u64, frames: &[u8]) -> Result<(), SessionError> {
        carry(frames, |frame| self.give(now, Event::Received(frame)))
    }

    /// Puts what is to be sent, a last word included, in the place of what was in `frames`. How many bytes.
    fn hand_over(&mut self, frames: &mut Vec<u8>) -> u64 {
        self.last_word();
        frames.clear();
        std::mem::swap(frames, &mut self.desk.outbox);
        frames.len() as u64
    }

    /// Decodes the blocks that wait, on all threads or on this one.
    ///
    /// # Errors
    /// None for jobs of the machine.
    pub fn decode(&mut self, now: u64, parallel: bool) -> Result<(), SessionError> {
        let Some(decoders) = &mut self.desk.decoders else { return Ok(()) };
        let decisions = if parallel { decoders.run_parallel(usize::MAX)? } else { decoders.run()? };
        for Decision { slot, first, outcome, frame, .. } in &decisions {
            let count = &mut self.desk.decodings;
            count.attempts += 1;
            count.blocks += u64::from(*first);
            count.failed_first += u64::from(*first && !outcome.converged);
            self.give(now, Event::Decoded { block: *slot, outcome: *outcome, decision: frame })?;
        }
        if let Some(decoders) = &mut self.desk.decoders {
            decoders.recycle(decisions);
        }
        Ok(())
    }
}

/// How two machines in one process ended: both done, or why not.
///
/// # Errors
/// The reason of who ended it.
pub fn ends<A, B>(
    alice: Option<Result<A, Aborted>>,
    bob: Option<Result<B, Aborted>>,
) -> Result<(A, B), Abort> {
    match (alice, bob) {
        (Some(Ok(alice)), Some(Ok(bob))) => Ok((alice, bob)),
        // Who ended it knows why.
        (Some(Err(Aborted { reason: Abort::Peer(_), .. }) | Ok(_)), Some(Err(aborted)))
        | (Some(Err(aborted)), _) => Err(aborted.reason),
        _ => Err(Abort::Timeout),
    }
}

/// What a conversation in one process took.
#[derive(Clone, Copy, Debug)]
pub struct Talked {
    /// Simulated time of its end, in microseconds.
    pub us: u64,
    /// Bytes that Alice sent, and Bob.
    pub bytes: [u64; 2],
}

/// Takes a frame at its receiver's.
pub type Deliver<'d> = &'d mut dyn FnMut(&[u8]) -> Result<(), SessionError>;

/// Lets two machines talk in simulated time until they have ended: waiting costs nothing. `link` is given each frame with
/// its sender (0 for Alice) and delivers it.
///
/// # Errors
/// If there is no entropy.
pub fn talk<A: Machine, B: Machine>(
    alice: &mut Side<'_, '_, A>,
    bob: &mut Side<'_, '_, B>,
    mut link: impl FnMut(usize, &[u8], Deliver<'_>) -> Result<(), SessionError>,
) -> Result<Talked, SessionError> {
    let (mut now, mut bytes) = (0, [0, 0]);
    let mut frames = Vec::new();
    alice.give(now, Event::Poll)?;
    bob.give(now, Event::Poll)?;
    loop {
        let hers = alice.hand_over(&mut frames);
        carry(&frames, |frame| link(0, frame, &mut |frame| bob.give(now, Event::Received(frame))))?;
        let his = bob.hand_over(&mut frames);
        carry(&frames, |frame| link(1, frame, &mut |frame| alice.give(now, Event::Received(frame))))?;
        bytes = [bytes[0] + hers, bytes[1] + his];
        if hers + his > 0 {
            continue;
        }
        if bob.desk.has_jobs() {
            bob.decode(now, false)?;
            continue;
        }
        let next = [alice.deadline(), bob.deadline()].into_iter().flatten().min();
        let Some(next) = next else { return Ok(Talked { us: now, bytes }) };
        now = now.max(next.0);
        alice.give(now, Event::Poll)?;
        bob.give(now, Event::Poll)?;
    }
}

/// Frames one by one.
fn carry(
    mut frames: &[u8],
    mut link: impl FnMut(&[u8]) -> Result<(), SessionError>,
) -> Result<(), SessionError> {
    while !frames.is_empty() {
        let (frame, rest) = split_frame(frames);
        link(frame)?;
        frames = rest;
    }
    Ok(())
}
