//! Frames for the benchmarks, which live in the targets of this package.

use caligo_core::code::{Code, LengthError, mother_4096};
use caligo_runtime::channel;

/// A frame of the mother code as received, and its syndrome as sent.
#[derive(Clone, Debug)]
pub struct Frame {
    /// As received.
    pub received: [u64; 64],
    /// Of what was sent.
    pub syndrome: [u64; 32],
}

/// `count` frames with errors at rate `qber`; frame i is drawn from (`seed`, i).
///
/// # Errors
/// [`LengthError`] never occurs; it is passed on rather than unwrapped.
pub fn frames(count: u64, qber: f64, seed: u64) -> Result<Vec<Frame>, LengthError> {
    let code = Code::from(mother_4096::CODE);
    (0..count)
        .map(|index| {
            let mut rng = channel::stream(seed, index);
            let mut received = [0; 64];
            received.copy_from_slice(&channel::random_bits(4096, &mut rng));
            let mut syndrome = [0; 32];
            code.syndrome(&received, &mut syndrome)?;
            channel::flip(&mut received, 4096, qber, &mut rng);
            Ok(Frame { received, syndrome })
        })
        .collect()
}
