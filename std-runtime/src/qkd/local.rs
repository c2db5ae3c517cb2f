//! All three conversations of a key distribution in one process.
//!
//! In: rounds, randomness. Out: a [`Run`], a function of these alone.

use std::collections::VecDeque;

use caligo_core::bits::{self, words_for};
use caligo_core::qkd::contract::{Amplified, Estimated, Reconciled};
use caligo_core::qkd::{
    Abort, Amplifying, AmplifyingMemory, Effect, Event, Instant, KeyDone, Machine, Role, Sifting,
    SiftingMemory, Step,
};
use caligo_core::sift::Record;
use caligo_core::wire::MAX_FRAME;
use zeroize::{Zeroize, Zeroizing};

use super::{QkdError, Stage};
use crate::channel::pairs::{Compared, Counts, Party, Rounds};
use crate::channel::stream;
use crate::keyfile::Key;
use crate::matrix::library::LibraryError;
use crate::primitives::Host;
use crate::session::interleave::{permutation, permuted, unpermuted};
use crate::session::local::{Session, SessionError, Source, key_input};
use crate::session::report;

/// Where the parties' randomness comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Randomness {
    /// The operating system.
    System,
    /// A simulation's seed.
    Seeded(u64),
}

/// What randomness is for. Each use has a stream of its own.
#[derive(Clone, Copy, Debug)]
enum Use {
    Sample,
    Padding,
    Seed,
    Permutation,
}

impl Randomness {
    fn source(self, what: Use) -> Source {
        match self {
            Self::System => Source::System,
            Self::Seeded(seed) => Source::Seeded(Box::new(stream(seed, what as u64))),
        }
    }
}

/// Why a run ended early.
#[derive(Clone, Debug, PartialEq)]
pub struct Ended {
    /// Its name in reports.
    pub name: &'static str,
    /// In a line.
    pub reason: String,
}

impl From<Abort> for Ended {
    fn from(abort: Abort) -> Self {
        Self { name: abort.name(), reason: abort.to_string() }
    }
}

/// What came of one key distribution.
#[derive(Debug)]
pub struct Run {
    /// What the detectors recorded.
    pub counts: Counts,
    /// Rounds tested in bases Z and X, if errors were few enough.
    pub tested: Option<[Compared; 2]>,
    /// Its end, or why it ended early.
    pub end: Result<Completed, Ended>,
}

/// A key distribution that came to its end.
pub struct Completed {
    /// Numbers of every phase, as Alice has them.
    pub amplified: Amplified,
    /// The report of the reconciliation.
    pub reconciliation: report::Report,
    /// Whether the keys are equal.
    pub equal: bool,
    /// Alice's and Bob's.
    pub keys: [Key; 2],
}

impl std::fmt::Debug for Completed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Completed").field("amplified", &self.amplified).finish_non_exhaustive()
    }
}

enum Life<M: Machine> {
    Lives(M),
    Done(M::Done),
}

/// A machine, its randomness, and what it has sent.
struct Speaker<M: Machine> {
    life: Option<Life<M>>,
    outbox: Vec<Vec<u8>>,
}

impl<M: Machine> Speaker<M> {
    const fn new(machine: M) -> Self {
        Self { life: Some(Life::Lives(machine)), outbox: Vec::new() }
    }

    /// Gives `event`, and answers effects until the machine waits or is done.
    fn serve(
        &mut self,
        now: Instant,
        event: Event<'_>,
        source: &mut Source,
        farewell: impl Fn(&M::Done) -> usize,
    ) -> Result<(), Stop> {
        let mut machine = match self.life.take() {
            Some(Life::Lives(machine)) => machine,
            // Nothing comes after a machine's end.
            ended => {
                self.life = ended;
                return Ok(());
            }
        };
        let mut out = vec![0; MAX_FRAME];
        let mut entropy: Option<Zeroizing<Vec<u64>>> = None;
        let mut step = machine.on(now, event, &mut out);
        loop {
            let effect = match step {
                Step::Next(next, effect) => {
                    machine = next;
                    effect
                }
                Step::Done(done) => {
                    let last = farewell(&done);
                    if last > 0 {
                        self.outbox.push(out[..last].to_vec());
                    }
                    self.life = Some(Life::Done(done));
                    return Ok(());
                }
                // The peer would hear of it, and end for the same reason.
                Step::Abort(aborted) => return Err(aborted.reason.into()),
            };
            match effect {
                Effect::Send(length) => self.outbox.push(out[..length].to_vec()),
                Effect::Entropy(words) => entropy = Some(source.words(words)?),
                Effect::Idle => {
                    self.life = Some(Life::Lives(machine));
                    return Ok(());
                }
                // No machine of key distribution decodes; one that did would wait for ever.
                Effect::Decode(_) => {}
            }
            let event = entropy.as_ref().map_or(Event::Poll, |words| Event::Entropy(words));
            step = machine.on(now, event, &mut out);
            entropy = None;
        }
    }
}

/// What becomes of a frame on its way, by who sent it.
pub type Link<'l> = &'l mut dyn FnMut(Role, Vec<u8>) -> Vec<Vec<u8>>;

/// Lets two machines talk over `link` until both are done, or one ends early. `source` is the randomness of both;
/// `farewell` is how many bytes Bob's end leaves to be sent.
fn converse<A: Machine, B: Machine>(
    alice: A,
    bob: B,
    source: &mut Source,
    farewell: impl Fn(&B::Done) -> usize,
    link: Link<'_>,
) -> Result<(A::Done, B::Done), Stop> {
    let (mut alice, mut bob) = (Speaker::new(alice), Speaker::new(bob));
    let mut inboxes: [VecDeque<Vec<u8>>; 2] = Default::default();
    let mut now = Instant(0);
    loop {
        let frames = inboxes.each_mut().map(VecDeque::pop_front);
        let events = frames.each_ref().map(|frame| frame.as_deref().map_or(Event::Poll, Event::Received));
        alice.serve(now, events[0], source, |_| 0)?;
        bob.serve(now, events[1], source, &farewell)?;
        let quiet = frames == [None, None] && alice.outbox.is_empty() && bob.outbox.is_empty();
        inboxes[1].extend(alice.outbox.drain(..).flat_map(|frame| link(Role::Alice, frame)));
        inboxes[0].extend(bob.outbox.drain(..).flat_map(|frame| link(Role::Bob, frame)));
        (alice.life, bob.life) = match (alice.life, bob.life) {
            (Some(Life::Done(alice)), Some(Life::Done(bob))) => return Ok((alice, bob)),
            lives => lives,
        };
        if quiet {
            if now.0 == u64::MAX {
                return Err(Abort::Host("machine: expected an end").into());
            }
            // A frame was lost: time passes until somebody notices.
            now = Instant(u64::MAX);
        }
    }
}

/// A party's memory for sifting, wiped when it is dropped.
struct SiftingStore {
    words: Vec<u64>,
    key: Vec<u64>,
}

impl SiftingStore {
    fn new(rounds: usize) -> Self {
        Self { words: vec![0; Sifting::words(rounds)], key: vec![0; words_for(rounds)] }
    }

    fn memory<'m>(&'m mut self, party: &'m Party, rounds: usize) -> SiftingMemory<'m> {
        let Party { clicked, bases, bits } = party;
        let record = Record { rounds, clicked, bases, bits };
        SiftingMemory { record, words: &mut self.words, key: &mut self.key }
    }

    /// The sifted key.
    fn key(&self, bits: usize) -> Key {
        Key { words: self.key[..words_for(bits)].to_vec(), bits }
    }
}

impl Drop for SiftingStore {
    fn drop(&mut self) {
        self.words.zeroize();
        self.key.zeroize();
    }
}

/// Why a run has no keys.
enum Stop {
    /// It ended early, as protocols do.
    Ended(Ended),
    /// The host's part failed.
    Failed(SessionError),
}

impl From<Abort> for Stop {
    fn from(abort: Abort) -> Self {
        Self::Ended(abort.into())
    }
}

impl From<SessionError> for Stop {
    fn from(error: SessionError) -> Self {
        let code = match &error {
            SessionError::Aborted(abort) => abort.code(),
            SessionError::Rate(error) => return Abort::Rate(*error).into(),
            _ => return Self::Failed(error),
        };
        Self::Ended(Ended { name: Abort::name_of(code), reason: error.to_string() })
    }
}

impl From<LibraryError> for Stop {
    fn from(error: LibraryError) -> Self {
        Self::Failed(error.into())
    }
}

/// The host's hash brings its own scratch.
fn memory<'m>(verified: &'m Key, seed: &'m mut [u64], key: &'m mut Key) -> AmplifyingMemory<'m> {
    AmplifyingMemory { verified: &verified.words, seed, scratch: &mut [], key: &mut key.words }
}

/// A party between two conversations: its key, and what is promised of it.
struct Side<P> {
    key: Key,
    promise: P,
}

impl Stage<'_> {
    /// One key distribution of `rounds`. Frames of its first and last conversation pass `link`; decoders use all threads
    /// if `parallel`.
    ///
    /// # Errors
    /// [`QkdError`] if a host's part fails. A run that ends early is none.
    pub fn run(
        &self,
        rounds: &Rounds,
        randomness: Randomness,
        parallel: bool,
        link: Link<'_>,
    ) -> Result<Run, QkdError> {
        let mut tested = None;
        let end = match self.distribute(rounds, randomness, parallel, link, &mut tested) {
            Ok(completed) => Ok(completed),
            Err(Stop::Ended(ended)) => Err(ended),
            Err(Stop::Failed(error)) => return Err(error.into()),
        };
        Ok(Run { counts: Counts::of(rounds), tested, end })
    }

    fn distribute(
        &self,
        rounds: &Rounds,
        randomness: Randomness,
        parallel: bool,
        link: Link<'_>,
        tested: &mut Option<[Compared; 2]>,
    ) -> Result<Completed, Stop> {
        let sifted = self.sift(rounds, randomness, link)?;
        let bases = sifted[0].promise.bases;
        *tested = Some(bases.map(|basis| Compared { rounds: basis.tested, differ: basis.errors }));
        let (verified, reconciliation) = self.reconcile(sifted, randomness, parallel)?;
        let (amplified, keys) = self.amplify(verified, randomness, link)?;
        let equal = keys[0] == keys[1];
        Ok(Completed { amplified, reconciliation, equal, keys })
    }

    /// The first conversation.
    fn sift(
        &self,
        rounds: &Rounds,
        randomness: Randomness,
        link: Link<'_>,
    ) -> Result<[Side<Estimated>; 2], Stop> {
        let [mut hers, mut his] = [(); 2].map(|()| SiftingStore::new(rounds.len));
        let start = Instant(0);
        let alice = Sifting::new(Role::Alice, self.terms, hers.memory(&rounds.alice, rounds.len), start)?;
        let bob = Sifting::new(Role::Bob, self.terms, his.memory(&rounds.bob, rounds.len), start)?;
        let (alice, bob) = converse(alice, bob, &mut randomness.source(Use::Sample), |_| 0, link)?;
        let side =
            |store: &SiftingStore, promise: Estimated| Side { key: store.key(promise.key_bits()), promise };
        Ok([side(&hers, alice.estimated), side(&his, bob.estimated)])
    }

    /// The second.
    fn reconcile(
        &self,
        [alice, bob]: [Side<Estimated>; 2],
        randomness: Randomness,
        parallel: bool,
    ) -> Result<([Side<Reconciled>; 2], report::Report), Stop> {
        if alice.key.bits != bob.key.bits {
            // Between hosts his machine would say so when it is greeted.
            return Err(Abort::Synchronisation("key lengths").into());
        }
        let config = self.session(&alice.promise);
        let seed = randomness.source(Use::Permutation).words(1)?[0];
        let order = permutation(alice.key.bits, seed);
        let source = randomness.source(Use::Padding);
        let session = Session { library: self.library, config: &config, source, parallel, permutation: seed };
        let key = permuted(&alice.key, &order);
        let outcome = session.run(key.clone(), key_input(&bob.key, &[], &order), 0, |_| {})?;
        let facts = config.facts(self.library, key.bits)?;
        let report = outcome.record.report(&facts, &outcome.finished);
        let verified = |key: &Key, record: &report::Record, estimated, finished| {
            let kept = record.kept(key.bits);
            let promise = Reconciled::check(&self.terms, estimated, bits::count_ones(&kept), finished)?;
            Ok::<_, Abort>(Side { key: unpermuted(key, &order, &kept), promise })
        };
        let hers = verified(&key, &outcome.record, alice.promise, outcome.finished)?;
        let (his_record, his_end) = outcome.his;
        let his = verified(&outcome.key, &his_record, bob.promise, his_end)?;
        Ok(([hers, his], report))
    }

    /// The last.
    fn amplify(
        &self,
        [alice, bob]: [Side<Reconciled>; 2],
        randomness: Randomness,
        link: Link<'_>,
    ) -> Result<(Amplified, [Key; 2]), Stop> {
        // No key is longer than what it is hashed from, and no seed than both.
        let [mut hers, mut his] = [&alice, &bob].map(|side| Key::zeros(side.key.bits));
        let mut seeds = [&alice, &bob].map(|side| vec![0; 2 * side.key.words.len()]);
        let [her_seed, his_seed] = &mut seeds;
        let alice = Amplifying::new(
            Role::Alice,
            self.terms,
            &Host,
            alice.promise,
            memory(&alice.key, her_seed, &mut hers),
            Instant(0),
        )?;
        let bob = Amplifying::new(
            Role::Bob,
            self.terms,
            &Host,
            bob.promise,
            memory(&bob.key, his_seed, &mut his),
            Instant(0),
        )?;
        let farewell = |done: &KeyDone| done.send;
        let (alice, bob) = converse(alice, bob, &mut randomness.source(Use::Seed), farewell, link)?;
        for (key, length) in [(&mut hers, alice.amplified.length), (&mut his, bob.amplified.length)] {
            key.words.truncate(words_for(length));
            key.bits = length;
        }
        Ok((alice.amplified, [hers, his]))
    }
}
