//! One party on its own host: all three conversations over one authenticated connection, in real time.
//!
//! In: a connection, a [`Stage`], a role, what the party's detectors recorded. Out: its key and a [`HostReport`]. Private
//! randomness is the operating system's.
//!
//! Each stores its key before its last word: Bob before Alice is told that he has it, Alice when she has been told. So a
//! run that breaks leaves no key on either side, but for what no protocol can avoid: a connection that breaks while that
//! last word travels leaves Bob with a key that Alice lacks.

use std::time::{Duration, Instant as Clock};

use caligo_core::bits;
use caligo_core::qkd::contract::{Amplified, Estimated, Reconciled};
use caligo_core::qkd::{Amplifying, Instant, Role, Sifting, Terms};
use serde::Serialize;

use super::report::Report;
use super::store::{AmplifyingStore, SiftingStore};
use super::{QkdError, Stage};
use crate::channel::pairs::Party;
use crate::config::Strategy;
use crate::entropy;
use crate::keyfile::Key;
use crate::primitives::Host;
use crate::session::connection::{Connection, Traffic};
use crate::session::local::SessionError;
use crate::session::tcp;
use crate::transfer::drive::{Desk, Side};
use crate::transfer::host::{ended, since, talk};

/// A party of a key distribution.
#[derive(Clone, Copy, Debug)]
pub struct Seat<'a> {
    /// Which.
    pub role: Role,
    /// What its detectors recorded.
    pub rounds: &'a Party,
    /// Bob: the strategy that he insists on; Alice's is followed if there is none.
    pub strategy: Option<Strategy>,
    /// How long to wait for the peer's next message.
    pub timeout: Duration,
}

/// What came of a party's side.
#[derive(Debug)]
pub struct Outcome {
    /// The key.
    pub key: Key,
    /// What happened.
    pub report: HostReport,
}

/// What a party knows of its key distribution. What only the other one knows is null.
#[derive(Debug, Serialize)]
pub struct HostReport {
    /// Figures of this one run.
    #[serde(flatten)]
    pub report: Report,
    /// Whether Alice dealt Bob his rounds.
    pub dealt: bool,
    /// What the connection took.
    pub traffic: Traffic,
}

/// One party's key distribution. `store` keeps its key, at the moment when it may be kept.
///
/// # Errors
/// [`QkdError`]: unless `store` succeeded and only Bob's last word failed, nothing was stored.
pub fn run(
    connection: &mut Connection,
    stage: &Stage<'_>,
    seat: Seat<'_>,
    store: impl FnOnce(&Key) -> Result<(), SessionError>,
) -> Result<Outcome, QkdError> {
    let terms = Terms { timeout_us: seat.timeout.as_micros() as u64, ..stage.terms };
    let (sifted, estimated) = sift(connection, seat, terms)?;
    let tcp::Outcome { key: verified, report: reconciliation, finished, .. } =
        reconcile(connection, stage, seat, &sifted, &estimated)?;
    let reconciled = Reconciled::check(&terms, estimated, verified.bits, finished)?;
    let (key, amplified) = amplify(connection, seat, terms, &verified, reconciled, store)?;
    let clicks = bits::count_ones(&seat.rounds.clicked) as u64;
    let report = Report::of_party(stage, seat.role, clicks, &amplified, &reconciliation);
    let traffic = *connection.traffic();
    Ok(Outcome { key, report: HostReport { report, dealt: false, traffic } })
}

/// The first conversation: the sifted key.
fn sift(connection: &mut Connection, seat: Seat<'_>, terms: Terms) -> Result<(Key, Estimated), QkdError> {
    let rounds = terms.device.record().num_pairs as usize;
    let now = since(Clock::now());
    let mut store = SiftingStore::new(rounds);
    let mut desk = Desk::new(entropy::system(), None);
    let memory = store.memory(seat.rounds.record(rounds));
    let mut side = Side::new(Sifting::new(seat.role, terms, memory, Instant(now()))?, &mut desk);
    talk(connection, &mut side, &now)?;
    let estimated = ended(side)?.estimated;
    Ok((store.key(estimated.key_bits()), estimated))
}

/// The second: verified bits, with the books.
fn reconcile(
    connection: &mut Connection,
    stage: &Stage<'_>,
    seat: Seat<'_>,
    sifted: &Key,
    estimated: &Estimated,
) -> Result<tcp::Outcome, SessionError> {
    let config = stage.session(estimated);
    let (library, quiet): (_, &mut dyn FnMut(u64)) = (stage.library, &mut |_| {});
    match seat.role {
        Role::Alice => tcp::alice(connection, sifted, library, &config, seat.timeout, quiet),
        Role::Bob => {
            let (library, strategy) = (Some(library), seat.strategy);
            // Nothing is kept yet: this key is half of the way.
            let keep = |_: &tcp::Outcome| Ok(());
            tcp::bob(connection, sifted, &[], library, &config, strategy, seat.timeout, quiet, keep)
        }
    }
}

/// The last: the key, stored.
fn amplify(
    connection: &mut Connection,
    seat: Seat<'_>,
    terms: Terms,
    verified: &Key,
    reconciled: Reconciled,
    store: impl FnOnce(&Key) -> Result<(), SessionError>,
) -> Result<(Key, Amplified), QkdError> {
    let now = since(Clock::now());
    let mut memory = AmplifyingStore::new(verified);
    let mut desk = Desk::new(entropy::system(), None);
    let machine =
        Amplifying::new(seat.role, terms, &Host, reconciled, memory.memory(verified), Instant(now()))?;
    let mut side = Side::new(machine, &mut desk);
    talk(connection, &mut side, &now)?;
    let done = ended(side)?;
    let key = memory.into_key(done.amplified.length);
    store(&key)?;
    desk.send(done.send);
    connection.send_frames(&desk.outbox)?;
    Ok((key, done.amplified))
}
