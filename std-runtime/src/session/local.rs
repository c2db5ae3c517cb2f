//! Both parties in one process, with the operating system's entropy.
//!
//! In: two keys, a [`Library`], a [`Config`]. Out: Alice's and Bob's reconciled keys and a [`Report`].

pub use caligo_sim::session::local::*;

use super::interleave::{permutation, permuted, unpermuted};
use super::report::Report;
use crate::entropy;
use crate::keyfile::Key;
use crate::matrix::library::Library;

/// The keys and the report.
#[derive(Debug)]
pub struct Reconciled {
    /// Alice's key, less disclosed bits and failed parts.
    pub alice: Key,
    /// Bob's corrected key, the same positions.
    pub bob: Key,
    /// What happened.
    pub report: Report,
}

/// Reconciles `bob` to `alice`; `side_info` is the class of each of Bob's bits, or empty. `progress` is told the
/// bits done.
///
/// # Errors
/// [`SessionError`] if the keys or the configuration do not allow a session. Blocks that fail are no
/// error; the report names them.
pub fn reconcile(
    alice: &Key,
    bob: &Key,
    side_info: &[u8],
    library: &Library,
    config: &Config,
    progress: impl FnMut(u64),
) -> Result<Reconciled, SessionError> {
    if alice.bits != bob.bits {
        return Err(SessionError::Lengths { alice: alice.bits, bob: bob.bits });
    }
    let seed = permutation_seed(config.seed)?;
    let order = permutation(alice.bits, seed);
    let session = Session { library, config, source: entropy::system(), parallel: true, permutation: seed };
    let input = key_input(bob, side_info, &order);
    let outcome = session.run(permuted(alice, &order), input, class_count(side_info), progress)?;
    let report = outcome.record.report(&config.facts(library, alice.bits)?, &outcome.finished);
    let kept = outcome.record.kept(alice.bits);
    Ok(Reconciled {
        alice: unpermuted(&permuted(alice, &order), &order, &kept),
        bob: unpermuted(&outcome.key, &order, &kept),
        report,
    })
}

/// The seed of the public permutation.
pub(super) fn permutation_seed(seed: Option<u64>) -> Result<u64, SessionError> {
    match seed {
        Some(seed) => Ok(seed),
        None => Ok(entropy::system().words(1)?[0]),
    }
}
