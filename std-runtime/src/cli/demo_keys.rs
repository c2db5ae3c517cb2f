//! `caligo-run demo-keys`.

use std::fmt::Write;
use std::path::PathBuf;

use caligo_core::bits;
use clap::{ArgGroup, Args};

use super::{Ending, distinct, parse_probability, parse_qber, print, usage};
use crate::channel::noise::{Class, Noise};
use crate::channel::stream;
use crate::keyfile::{self, Format, Key};
use crate::matrix::npy;
use crate::side_info;

/// Arguments of `demo-keys`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("errors").args(["qber", "class_qber", "error_given"]).required(true))]
pub(super) struct DemoArgs {
    /// Length of the keys in bits.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    bits: u32,
    /// Error rate between the keys.
    #[arg(long, value_name = "Q", allow_negative_numbers = true, value_parser = parse_qber)]
    qber: Option<f64>,
    /// Error rate of each class of positions; the class of a position is drawn.
    #[arg(long, value_name = "Q0,Q1,..", allow_negative_numbers = true, value_delimiter = ',', value_parser = parse_qber)]
    class_qber: Vec<f64>,
    /// How frequent each class is, relative to the others; equally if not given.
    #[arg(long, value_name = "W0,W1,..", conflicts_with_all = ["qber", "error_given"], value_delimiter = ',', value_parser = parse_weight)]
    class_weight: Vec<f64>,
    /// Error rate where Alice's bit is 0, and where it is 1.
    #[arg(long, value_name = "Q0,Q1", value_parser = parse_error_given)]
    error_given: Option<[f64; 2]>,
    /// Probability of a one in Alice's key.
    #[arg(long, value_name = "P", default_value_t = 0.5, value_parser = parse_probability)]
    ones: f64,
    /// Seed; the same seed gives the same files.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where to write Alice's key.
    #[arg(long, value_name = "FILE")]
    alice: PathBuf,
    /// Where to write Bob's key.
    #[arg(long, value_name = "FILE")]
    bob: PathBuf,
    /// Where to write the class of each position, one byte a bit or `.npy`.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["qber", "error_given"])]
    side_info: Option<PathBuf>,
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

fn parse_weight(text: &str) -> Result<f64, String> {
    super::in_range(text, "a weight, a positive number", |w| w > 0.0 && w.is_finite())
}

fn parse_error_given(text: &str) -> Result<[f64; 2], String> {
    let (zero, one) = text.split_once(',').ok_or("expected two error rates with a comma between them")?;
    Ok([parse_qber(zero)?, parse_qber(one)?])
}

impl DemoArgs {
    fn noise(&self) -> anyhow::Result<Noise> {
        let (rates, weights) = (&self.class_qber, &self.class_weight);
        if !weights.is_empty() && weights.len() != rates.len() {
            return Err(usage(format!(
                "--class-weight: expected {} weights, one for each --class-qber, found {}",
                rates.len(),
                weights.len()
            )));
        }
        let classes = match (self.qber, self.error_given) {
            (Some(qber), _) => vec![Class::symmetric(1.0, qber)],
            (_, Some(rate)) => vec![Class { weight: 1.0, rate }],
            _ => {
                let weights = weights.iter().copied().chain(std::iter::repeat(1.0));
                weights.zip(rates).map(|(weight, &qber)| Class::symmetric(weight, qber)).collect()
            }
        };
        let noise = Noise::new(classes)?.with_ones(self.ones)?.with_drift(self.drift)?;
        Ok(noise.with_bursts(self.bursts, self.burst_length))
    }
}

pub(super) fn run(args: &DemoArgs) -> anyhow::Result<Ending> {
    let bits = args.bits as usize;
    let side_info = args.side_info.iter().map(|path| ("--side-info", path.clone()));
    let keys = [("--alice", args.alice.clone()), ("--bob", args.bob.clone())];
    distinct(&keys.into_iter().chain(side_info).collect::<Vec<_>>())?;
    let formats = [&args.alice, &args.bob]
        .map(|path| args.format.unwrap_or(if npy::is_npy(path, &[]) { Format::Npy } else { Format::Bytes }));
    if formats.contains(&Format::Bytes) && !bits.is_multiple_of(8) {
        return Err(usage(format!(
            "--bits: expected a multiple of 8 for packed bytes, found {bits} (or give --format ascii)"
        )));
    }
    let mut draw = args.noise()?.draw(bits, &mut stream(args.seed, 0));
    if !args.class_qber.is_empty() {
        // One class is drawn without saying so.
        draw.classes.resize(bits, 0);
    }
    let mut bob = Key { words: draw.alice.clone(), bits };
    bits::xor_assign(&mut bob.words, &draw.errors);
    let alice = Key { words: draw.alice, bits };
    if let Some(path) = &args.side_info {
        side_info::write(path, &draw.classes)?;
    }
    keyfile::write_all(&[(&args.alice, &alice, formats[0]), (&args.bob, &bob, formats[1])])?;
    let errors = bits::count_ones(&draw.errors);
    let mut text = format!(
        "{} and {}: {bits} bits, {errors} errors, QBER {:.5}\n",
        args.alice.display(),
        args.bob.display(),
        errors as f64 / bits as f64
    );
    let wrong = |i: usize| bits::get(&draw.errors, i);
    if args.error_given.is_some() {
        let values = alice.iter().enumerate().map(|(i, bit)| (usize::from(bit), wrong(i)));
        describe(&mut text, "value", &mut [[0; 2]; 2], values)?;
    } else if !args.class_qber.is_empty() {
        let classes = draw.classes.iter().enumerate().map(|(i, &class)| (usize::from(class), wrong(i)));
        describe(&mut text, "class", &mut vec![[0; 2]; args.class_qber.len()], classes)?;
    }
    print(&text)?;
    Ok(Ending::Success)
}

/// One line for each group of positions: its bits and the rate of those that are wrong.
fn describe(
    text: &mut String,
    name: &str,
    tally: &mut [[u64; 2]],
    positions: impl Iterator<Item = (usize, bool)>,
) -> std::fmt::Result {
    for (group, wrong) in positions {
        tally[group][0] += 1;
        tally[group][1] += u64::from(wrong);
    }
    for (group, &mut [bits, errors]) in tally.iter_mut().enumerate() {
        let qber = errors as f64 / bits.max(1) as f64;
        writeln!(text, "{name} {group}: {bits} bits, {errors} errors, QBER {qber:.5}")?;
    }
    Ok(())
}
