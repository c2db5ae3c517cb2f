//! Hashes that the machines of oblivious transfer ask their host for.

use caligo_core::amplify::Toeplitz;
use caligo_core::code::LengthError;
use caligo_core::ot::Primitives;
use sha2::{Digest as _, Sha256};

use crate::amplify;

/// SHA-256, and [`amplify::apply`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Host;

impl Primitives for Host {
    /// Words are hashed as little-endian bytes; the digest's are big-endian.
    fn digest(&self, parts: [&[u64]; 2]) -> [u64; 4] {
        let mut hash = Sha256::new();
        parts.into_iter().flatten().for_each(|word| hash.update(word.to_le_bytes()));
        let digest = hash.finalize();
        let mut words = [0; 4];
        for (word, bytes) in words.iter_mut().zip(digest.as_chunks::<8>().0) {
            *word = u64::from_be_bytes(*bytes);
        }
        words
    }

    fn toeplitz(
        &self,
        hash: Toeplitz,
        seed: &[u64],
        input: &[u64],
        output: &mut [u64],
        _scratch: &mut [u64],
    ) -> Result<(), LengthError> {
        amplify::apply(hash, seed, input, output)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SHA-256 of "abcdefgh" (coreutils).
    #[test]
    fn digest_is_that_of_the_bytes() {
        let digest = Host.digest([&[u64::from_le_bytes(*b"abcdefgh")], &[]]);
        let expected = [0x9c56cc51b374c3ba, 0x189210d5b6d4bf57, 0x790d351c96c47c02, 0x190ecf1e430635ab];
        assert_eq!(digest, expected);
    }
}
