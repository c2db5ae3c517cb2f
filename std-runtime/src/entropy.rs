//! The operating system's entropy, for padding and hash keys of real sessions.

use caligo_sim::session::local::Source;
use zeroize::Zeroize;

/// Fills `words` with entropy.
///
/// # Errors
/// If the operating system gives none.
pub fn fill(words: &mut [u64]) -> Result<(), getrandom::Error> {
    let mut bytes = vec![0u8; words.len() * 8];
    getrandom::fill(&mut bytes)?;
    for (word, eight) in words.iter_mut().zip(bytes.as_chunks::<8>().0) {
        *word = u64::from_le_bytes(*eight);
    }
    bytes.zeroize();
    Ok(())
}

/// The operating system, for a session.
pub fn system() -> Source {
    Source::Host(|words| fill(words).map_err(|error| error.to_string()))
}
