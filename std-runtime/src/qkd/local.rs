//! All three conversations of a key distribution in one process.
//!
//! In: rounds, randomness. Out: a [`Run`], a function of these alone.

use caligo_core::bits;
use caligo_core::qkd::contract::{Amplified, Estimated, Reconciled};
use caligo_core::qkd::{Abort, Amplifying, Instant, Machine, Role, Sifting};

use super::report;
use super::store::{AmplifyingStore, SiftingStore};
use super::{QkdError, Stage};
use crate::channel::pairs::{Compared, Counts, Rounds};
use crate::channel::stream;
use crate::entropy;
use crate::keyfile::Key;
use crate::matrix::library::LibraryError;
use crate::primitives::Host;
use crate::session::interleave::{permutation, permuted, unpermuted};
use crate::session::local::{Session, SessionError, Source, key_input};
use crate::session::report as session;
use crate::transfer::drive::{Desk, Side as Speaker, ends, talk};

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
            Self::System => entropy::system(),
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
    pub reconciliation: session::Report,
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

/// What becomes of a frame on its way, by who sent it.
pub type Link<'l> = &'l mut dyn FnMut(Role, Vec<u8>) -> Vec<Vec<u8>>;

/// Lets two machines talk over `link` until both are done, or one ends early. `source` is Alice's randomness; Bob's
/// machines need none.
fn converse<A: Machine, B: Machine>(
    alice: A,
    bob: B,
    source: Source,
    link: Link<'_>,
) -> Result<(A::Done, B::Done), Stop> {
    let mut desks = [Desk::new(source, None), Desk::new(entropy::system(), None)];
    let [hers, his] = &mut desks;
    let (mut alice, mut bob) = (Speaker::new(alice, hers), Speaker::new(bob, his));
    talk(&mut alice, &mut bob, |sender, frame, deliver| {
        let sender = if sender == 0 { Role::Alice } else { Role::Bob };
        link(sender, frame.to_vec()).iter().try_for_each(|frame| deliver(frame))
    })?;
    Ok(ends(alice.end, bob.end)?)
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
        *tested = Some(report::tested(&sifted[0].promise));
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
        let alice =
            Sifting::new(Role::Alice, self.terms, hers.memory(rounds.alice.record(rounds.len)), start)?;
        let bob = Sifting::new(Role::Bob, self.terms, his.memory(rounds.bob.record(rounds.len)), start)?;
        let (alice, bob) = converse(alice, bob, randomness.source(Use::Sample), link)?;
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
    ) -> Result<([Side<Reconciled>; 2], session::Report), Stop> {
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
        let verified = |key: &Key, record: &session::Record, estimated, finished| {
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
        let [mut hers, mut his] = [&alice, &bob].map(|side| AmplifyingStore::new(&side.key));
        let memory = hers.memory(&alice.key);
        let now = Instant(0);
        let alice = Amplifying::new(Role::Alice, self.terms, &Host, alice.promise, memory, now)?;
        let memory = his.memory(&bob.key);
        let bob = Amplifying::new(Role::Bob, self.terms, &Host, bob.promise, memory, now)?;
        let (alice, bob) = converse(alice, bob, randomness.source(Use::Seed), link)?;
        let keys = [hers.into_key(alice.amplified.length), his.into_key(bob.amplified.length)];
        Ok((alice.amplified, keys))
    }
}
