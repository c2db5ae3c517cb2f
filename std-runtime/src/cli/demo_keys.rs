//! `caligo-run demo-keys`.

use std::path::PathBuf;

use anyhow::ensure;
use caligo_core::bits;
use clap::Args;

use super::{Ending, parse_qber, print};
use crate::channel::{flip, random_bits, stream};
use crate::keyfile::{self, Format, Key};

/// Arguments of `demo-keys`.
#[derive(Debug, Args)]
pub(super) struct DemoArgs {
    /// Length of the keys in bits.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    bits: u32,
    /// Error rate between the keys.
    #[arg(long, value_name = "Q", allow_negative_numbers = true, value_parser = parse_qber)]
    qber: f64,
    /// Seed; the same seed gives the same files.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where to write Alice's key.
    #[arg(long, value_name = "FILE")]
    alice: PathBuf,
    /// Where to write Bob's key.
    #[arg(long, value_name = "FILE")]
    bob: PathBuf,
    /// File format; .npy files are arrays, others packed bytes if not given.
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Bursts in which every second bit is wrong on average.
    #[arg(long, value_name = "COUNT", default_value_t = 0)]
    bursts: u32,
    /// Length of a burst in bits.
    #[arg(long, value_name = "BITS", default_value_t = 1000)]
    burst_length: u32,
    /// Let the error rate drift linearly from Q (1 - D) at the first bit to Q (1 + D) at the last.
    #[arg(long, value_name = "D", default_value_t = 0.0, value_parser = parse_drift)]
    drift: f64,
}

fn parse_drift(text: &str) -> Result<f64, String> {
    super::in_range(text, "a relative drift, a number from 0 to 1", |d| (0.0..=1.0).contains(&d))
}

pub(super) fn run(args: &DemoArgs) -> anyhow::Result<Ending> {
    let bits = args.bits as usize;
    let formats = [&args.alice, &args.bob].map(|path| {
        args.format.unwrap_or(if path.extension().is_some_and(|e| e == "npy") {
            Format::Npy
        } else {
            Format::Bytes
        })
    });
    ensure!(
        !formats.contains(&Format::Bytes) || bits.is_multiple_of(8),
        "--bits: expected a multiple of 8 for packed bytes, found {bits} (or give --format ascii)"
    );
    ensure!(
        args.qber * (1.0 + args.drift) < 0.5,
        "--drift: expected an error rate below 0.5 at the end, found {}",
        args.qber * (1.0 + args.drift)
    );
    let mut rng = stream(args.seed, 0);
    let alice = Key { words: random_bits(bits, &mut rng), bits };
    let mut bob = alice.clone();
    // Drift in steps of one part in 1024 of the key.
    let steps = if args.drift > 0.0 { 1024.min(bits) } else { 1 };
    for step in 0..steps {
        let (from, to) = (bits * step / steps, bits * (step + 1) / steps);
        let middle = (step as f64 + 0.5) / steps as f64;
        let qber = args.qber * (1.0 + args.drift * (2.0 * middle - 1.0));
        let mut errors = vec![0; bits::words_for(to - from)];
        flip(&mut errors, to - from, qber, &mut rng);
        for i in bits::ones(&errors) {
            bob.words[(from + i) / 64] ^= 1 << ((from + i) % 64);
        }
    }
    for _ in 0..args.bursts {
        let length = (args.burst_length as usize).min(bits);
        let start = crate::channel::below(&mut rng, (bits - length) as u64 + 1) as usize;
        let noise = random_bits(length, &mut rng);
        for i in bits::ones(&noise) {
            bob.words[(start + i) / 64] ^= 1 << ((start + i) % 64);
        }
    }
    keyfile::write_all(&[(&args.alice, &alice, formats[0]), (&args.bob, &bob, formats[1])])?;
    let errors = bits::distance(&alice.words, &bob.words);
    print(&format!(
        "{} and {}: {bits} bits, {errors} errors, QBER {:.5}\n",
        args.alice.display(),
        args.bob.display(),
        errors as f64 / bits as f64
    ))?;
    Ok(Ending::Success)
}
