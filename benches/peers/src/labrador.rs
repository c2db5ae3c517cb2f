//! Decoders of `labrador-ldpc`: codes of its own, hence frames of its own.

use anyhow::Context;
use caligo_runtime::channel;
use labrador_ldpc::LDPCCode;
use labrador_ldpc::decoder::DecodeFrom;
use rand_core::Rng;

use crate::peer::{Spent, cpu_seconds};

/// Its codes of rate 1/2 next to ours in length.
const CODES: [(&str, LDPCCode); 2] = [("TM2048", LDPCCode::TM2048), ("TM8192", LDPCCode::TM8192)];
/// Min-sum by message type, and bit flipping.
const METHODS: [&str; 6] = ["i8", "i16", "i32", "f32", "f64", "flip"];

/// All pairs of code and method.
pub(crate) fn variants() -> impl Iterator<Item = String> {
    CODES.iter().flat_map(|(code, _)| METHODS.iter().map(move |method| format!("{code}-{method}")))
}

/// What was counted.
pub(crate) struct Counted {
    pub(crate) spent: Spent,
    pub(crate) wrong: usize,
    /// Bits of a frame.
    pub(crate) n: usize,
}

/// Frames `frames` of (`seed`, index): a codeword each, errors at `qber`.
pub(crate) fn run(
    variant: &str,
    qber: f64,
    frames: std::ops::Range<u64>,
    seed: u64,
    max_iterations: usize,
) -> anyhow::Result<Counted> {
    let (code, method) = variant.split_once('-').context("expected CODE-METHOD")?;
    let code = CODES.iter().find(|(name, _)| *name == code).context("no such code")?.1;
    let mut counted = Counted { spent: Spent::default(), wrong: 0, n: code.n() };
    let mut sent = vec![0; code.n() / 8];
    let mut output = vec![0; code.output_len()];
    for index in frames {
        let mut rng = channel::stream(seed, index);
        let mut message = vec![0; code.k() / 8];
        message.fill_with(|| rng.next_u64() as u8);
        code.copy_encode(&message, &mut sent);
        let mut errors = vec![0; code.n() / 64];
        channel::flip(&mut errors, code.n(), qber, &mut rng);
        let errors = errors.iter().flat_map(|word: &u64| word.to_le_bytes());
        let received: Vec<u8> = sent.iter().zip(errors).map(|(bit, error)| bit ^ error).collect();
        counted.spent += match method {
            "i8" => min_sum::<i8>(code, &received, &mut output, max_iterations),
            "i16" => min_sum::<i16>(code, &received, &mut output, max_iterations),
            "i32" => min_sum::<i32>(code, &received, &mut output, max_iterations),
            "f32" => min_sum::<f32>(code, &received, &mut output, max_iterations),
            "f64" => min_sum::<f64>(code, &received, &mut output, max_iterations),
            "flip" => {
                let mut working = vec![0; code.decode_bf_working_len()];
                let start = cpu_seconds();
                let (_, iterations) = code.decode_bf(&received, &mut output, &mut working, max_iterations);
                Spent { seconds: cpu_seconds() - start, iterations: iterations as u64 }
            }
            _ => anyhow::bail!("no such method"),
        };
        counted.wrong += usize::from(output[..sent.len()] != sent);
    }
    Ok(counted)
}

fn min_sum<T: DecodeFrom>(
    code: LDPCCode,
    received: &[u8],
    output: &mut [u8],
    max_iterations: usize,
) -> Spent {
    let mut llrs = vec![T::zero(); code.n()];
    code.hard_to_llrs(received, &mut llrs);
    let mut working = vec![T::zero(); code.decode_ms_working_len()];
    let mut working_u8 = vec![0; code.decode_ms_working_u8_len()];
    let start = cpu_seconds();
    let (_, iterations) = code.decode_ms(&llrs, output, &mut working, &mut working_u8, max_iterations);
    Spent { seconds: cpu_seconds() - start, iterations: iterations as u64 }
}
