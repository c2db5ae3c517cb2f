//! Which mother code serves a key best.
//!
//! In: the length of the key, settings. Out: for each code what it is expected to disclose, least wins. A longer code
//! is closer to the limit; the key has to be long enough that its last block, filled up with shortened positions, does
//! not cost more than that.

use alloc::vec::Vec;

use caligo_core::limits;
use caligo_core::rate::RateError;
use caligo_core::reconcile::first_group;
use caligo_core::verify::TAG_BITS;

use super::local::{Config, QberSource};
use super::store::window;
use crate::Strategy;
use crate::matrix::library::Library;
use crate::matrix::mother::Mother;

/// Error rate by which codes are compared where none is known.
const TYPICAL_QBER: f64 = 0.03;
/// Frame error rate at which the other strategies than baseline disclose about what they will in the end.
const ADAPTIVE_FER: f64 = 0.1;
/// f of the blocks that an unknown error rate is learnt from, for a QBER of 1 to 6 %.
const LEARNING_F: f64 = 1.45;
/// A longer code has to save this part of what a shorter one discloses, or it is not worth the slower decoding.
const WORTH: f64 = 0.01;

/// A code, and what it would disclose.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Considered {
    /// Length of the code in bits.
    pub code: usize,
    /// Expected disclosure in bits, tags included.
    pub disclosed: f64,
    /// The same over key length times h(Q).
    pub f: f64,
}

/// The code to use, and all that were considered, by length.
///
/// # Errors
/// [`RateError`] if no code can correct so many errors.
pub fn choose(bits: usize, config: &Config) -> Result<(Mother, Vec<Considered>), RateError> {
    choose_planned(bits, |_| *config)
}

/// The same where settings depend on the length of the code.
///
/// # Errors
/// As [`choose`].
pub fn choose_planned(
    bits: usize,
    config: impl Fn(usize) -> Config,
) -> Result<(Mother, Vec<Considered>), RateError> {
    let (best, considered) = choose_among(&Mother::ALL.map(Library::mother), bits, config)?;
    Ok((Mother::ALL.get(best).copied().unwrap_or_default(), considered))
}

/// The same out of `libraries`, by ascending length of the code: the place of the best.
///
/// # Errors
/// As [`choose`].
pub fn choose_among(
    libraries: &[Library],
    bits: usize,
    config: impl Fn(usize) -> Config,
) -> Result<(usize, Vec<Considered>), RateError> {
    let mut considered = Vec::new();
    let mut best: Option<(usize, f64)> = None;
    let mut refused = None;
    for (place, library) in libraries.iter().enumerate() {
        let n = library.code().map_or(0, |code| code.n());
        match disclosed(library, bits, &config(n)) {
            Ok((disclosed, f)) => {
                considered.push(Considered { code: n, disclosed, f });
                if best.is_none_or(|(_, least)| disclosed < (1.0 - WORTH) * least) {
                    best = Some((place, disclosed));
                }
            }
            Err(error) => refused = Some(error),
        }
    }
    match (best, refused) {
        (Some((place, _)), _) => Ok((place, considered)),
        (None, Some(error)) => Err(error),
        (None, None) => Ok((0, considered)),
    }
}

/// Bits that blocks of `library` disclose for a key of `bits` bits, tags included, and f.
fn disclosed(library: &Library, bits: usize, config: &Config) -> Result<(f64, f64), RateError> {
    let qber = match config.qber {
        QberSource::Given(qber) => qber,
        QberSource::Estimate | QberSource::Unknown => TYPICAL_QBER,
    };
    let fer = if config.strategy == Strategy::Baseline { config.target_fer } else { ADAPTIVE_FER };
    let (n, m) = library.code().map_or((0, 0), |code| (code.n(), code.m()));
    let full = library.select(config.effort.tier, qber, fer, config.efficiency)?;
    let payload = n - full.p - full.s;
    let (blocks, rest) = (bits / payload, bits % payload);
    let mut sum = (blocks * (m - full.p)) as f64;
    if rest > 0 {
        let short = library.select_short(full, qber, fer, rest)?;
        sum += (m - short.p) as f64;
    }
    if config.adapt && config.known_qber().is_none() {
        // Blocks of the first group disclose as much whatever the code.
        let learning = bits.min(payload * first_group(n) as usize) as f64;
        sum +=
            learning * (LEARNING_F * limits::entropy(qber) - (m - full.p) as f64 / payload as f64).max(0.0);
    }
    let tags = (blocks + 1).div_ceil(usize::from(window(n)) / 2);
    sum += (TAG_BITS * tags) as f64;
    Ok((sum, sum / (bits as f64 * limits::entropy(qber)).max(f64::MIN_POSITIVE)))
}
