//! The `caligo-run` command line.
//!
//! Exit code 0 when all is done, 1 when something failed, 2 when the command was not understood.

mod block;
mod bounds;
mod campaign;
mod code;
mod demo_keys;
mod efficiency;
mod fer;
mod ot;
mod pairs;
mod peer;
mod qkd;
mod reconcile;
mod session;
mod transfer;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};

use caligo_core::leakage::Policy;

use crate::kernel::{Effort, Tier};
use crate::keyfile::Format;
use crate::matrix::library::{self, Library, LibraryError};
use crate::matrix::mother::Mother;
use crate::matrix::npy;
use crate::session::decoders::Restart;

/// Information reconciliation for quantum cryptography.
#[derive(Debug, Parser)]
#[command(name = "caligo-run", version, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Reconcile two key files in this process and report the leakage.
    Reconcile(reconcile::ReconcileArgs),
    /// Reconcile with Bob on another host: listen for him.
    Alice(peer::AliceArgs),
    /// Reconcile with Alice on another host: connect to her.
    Bob(peer::BobArgs),
    /// Measure the frame error rate and efficiency of a code, pattern and decoder.
    Fer(fer::FerArgs),
    /// Measure what each strategy discloses, over simulated keys.
    Efficiency(efficiency::EfficiencyArgs),
    /// Reconcile one simulated block and show its messages and its decoder's iterations, as the page does.
    Block(block::BlockArgs),
    /// Transfer one of two strings, chosen and not told: both parties in this process.
    Ot(ot::OtArgs),
    /// Distribute a secret key: from photon pairs to both parties' keys, in this process.
    Qkd(qkd::QkdArgs),
    /// Compute security bounds of oblivious transfer in the noisy-storage model.
    Bounds(bounds::BoundsArgs),
    /// Simulate photon pairs, or count recorded ones.
    Pairs(pairs::PairsArgs),
    /// Run many simulated transfers over a space of parameters, and report where they succeed.
    #[command(subcommand)]
    Campaign(campaign::CampaignCommand),
    /// Write a reproducible pair of key files with errors.
    DemoKeys(demo_keys::DemoArgs),
    /// Build, inspect, import and export codes.
    #[command(subcommand)]
    Code(code::CodeCommand),
}

/// A command whose parts are understood but do not go together.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Usage(String);

/// A usage error, for exit code 2.
fn usage(text: impl Into<String>) -> anyhow::Error {
    Usage(text.into()).into()
}

/// Refuses two flags that name the same file.
fn distinct(files: &[(&str, PathBuf)]) -> anyhow::Result<()> {
    // A file that is not there yet is where its directory is.
    let place = |path: &Path| {
        let parent = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let beside = || Some(fs::canonicalize(parent).ok()?.join(path.file_name()?));
        fs::canonicalize(path).ok().or_else(beside)
    };
    for (i, (flag, path)) in files.iter().enumerate() {
        let Some(found) = place(path) else { continue };
        // Devices may serve twice.
        if found.exists() && !found.is_file() {
            continue;
        }
        if let Some((other, _)) = files[..i].iter().find(|(_, other)| place(other).as_ref() == Some(&found)) {
            return Err(usage(format!(
                "{flag}: expected another file than {other}, found {}",
                path.display()
            )));
        }
    }
    Ok(())
}

/// The format to write `path` in: the one asked for, an array if the name says so, or that of the input.
fn out_format(path: &Path, asked: Option<Format>, input: Format) -> Format {
    asked.unwrap_or(if npy::is_npy(path, &[]) { Format::Npy } else { input })
}

/// How a command ended when nothing went wrong on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// All done.
    Success,
    /// Done, but the result is not what was asked for; the report says why.
    Failure,
}

/// Takes -1 for the value of an option, which is told what it expects, and not for an option.
fn with_negative_numbers(command: clap::Command) -> clap::Command {
    let all = command
        .mut_args(|arg| if arg.get_action().takes_values() { arg.allow_negative_numbers(true) } else { arg });
    all.mut_subcommands(with_negative_numbers)
}

impl Cli {
    /// The command line of this process.
    ///
    /// # Errors
    /// What clap has to say of it, help included.
    pub fn of_process() -> Result<Self, clap::Error> {
        let matches = with_negative_numbers(Self::command()).try_get_matches()?;
        Self::from_arg_matches(&matches)
    }

    /// Runs the command.
    ///
    /// # Errors
    /// One line for the user.
    pub fn run(self) -> anyhow::Result<Ending> {
        match self.command {
            Command::Reconcile(args) => reconcile::run(&args),
            Command::Alice(args) => peer::alice(&args),
            Command::Bob(args) => peer::bob(&args),
            Command::Fer(args) => fer::run(&args),
            Command::Efficiency(args) => efficiency::run(&args),
            Command::Block(args) => block::run(&args),
            Command::Ot(args) => ot::run(&args),
            Command::Qkd(args) => qkd::run(&args),
            Command::Bounds(args) => bounds::run(&args),
            Command::Pairs(args) => pairs::run(&args),
            Command::Campaign(command) => campaign::run(&command),
            Command::DemoKeys(args) => demo_keys::run(&args),
            Command::Code(command) => code::run(&command),
        }
    }
}

/// Which code to use.
#[derive(Debug, Args)]
struct CodeArgs {
    /// Built-in mother code, by its length in bits: 4096, 8192, 16384 or 65536, or `auto` for the one that
    /// discloses least [default: auto where keys or strings are made, 4096 otherwise].
    #[arg(long, value_name = "N|auto", conflicts_with = "matrix", value_parser = parse_code)]
    code: Option<CodeChoice>,
    /// Matrix file (.qc, .alist, .npz) instead of the built-in mother code.
    #[arg(long, value_name = "FILE")]
    matrix: Option<PathBuf>,
    /// Order file (.json, .npy) or directory of patterns for --matrix.
    #[arg(long, value_name = "PATH")]
    patterns: Option<PathBuf>,
}

/// What --code says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CodeChoice {
    Auto,
    Mother(Mother),
}

fn parse_code(text: &str) -> Result<CodeChoice, String> {
    if text == "auto" {
        return Ok(CodeChoice::Auto);
    }
    <Mother as clap::ValueEnum>::from_str(text, false)
        .map(CodeChoice::Mother)
        .map_err(|_| "expected 4096, 8192, 16384, 65536 or auto".to_owned())
}

impl CodeArgs {
    /// The code named, or that of 4096 bits.
    fn load(&self) -> Result<Library, LibraryError> {
        Ok(self.load_or(None, None)?.unwrap_or_else(Library::built_in))
    }

    /// The code named, or the mother code that `choose` finds.
    fn load_or_choose<E: From<LibraryError>>(
        &self,
        choose: impl FnOnce() -> Result<Mother, E>,
    ) -> Result<Library, E> {
        match self.load_or(None, None)? {
            Some(library) => Ok(library),
            None => choose().map(Library::mother),
        }
    }

    /// The code named here, or else that of these files; `None` if it is to be chosen by the key. Patterns belong to a
    /// matrix and are not mixed with another's.
    fn load_or(
        &self,
        matrix: Option<&Path>,
        patterns: Option<&Path>,
    ) -> Result<Option<Library>, LibraryError> {
        match (self.code, &self.matrix) {
            (Some(CodeChoice::Mother(mother)), _) if self.patterns.is_none() => {
                Ok(Some(Library::mother(mother)))
            }
            (Some(CodeChoice::Auto), _) if self.patterns.is_none() => Ok(None),
            (_, Some(matrix)) => library::load(Some(matrix), self.patterns.as_deref()).map(Some),
            (_, None) => match (matrix, self.patterns.as_deref().or(patterns)) {
                (None, None) => Ok(None),
                (matrix, patterns) => library::load(matrix, patterns).map(Some),
            },
        }
    }
}

/// Decoding order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum ScheduleArg {
    /// Posteriors updated after every layer.
    Layered,
    /// Posteriors updated once per iteration.
    Flooding,
}

impl From<ScheduleArg> for caligo_core::decode::Schedule {
    fn from(schedule: ScheduleArg) -> Self {
        match schedule {
            ScheduleArg::Layered => Self::Layered,
            ScheduleArg::Flooding => Self::Flooding,
        }
    }
}

/// How to decode.
#[derive(Debug, Args)]
struct EffortArgs {
    /// Decoder [default: balanced].
    #[arg(long, value_enum)]
    decoder: Option<Tier>,
    /// Order of updates [default: layered].
    #[arg(long, value_enum)]
    schedule: Option<ScheduleArg>,
    /// Iterations of the decoder's last stage [default: 40 fast, 100 others].
    #[arg(long, value_name = "I", value_parser = clap::value_parser!(u16).range(1..))]
    max_iterations: Option<u16>,
    /// Positions to guess in turn after a failure [default: 16; fast and balanced guess only
    /// where few checks are left].
    #[arg(long, value_name = "G", value_parser = clap::value_parser!(u16).range(..=1024))]
    guesses: Option<u16>,
    /// Leave out the bit-sliced pass, so that an arithmetic is seen by itself.
    #[arg(long)]
    without_first_pass: bool,
}

impl EffortArgs {
    fn effort(&self) -> Effort {
        self.over(Effort::default())
    }

    /// `otherwise` where no flag says better.
    fn over(&self, otherwise: Effort) -> Effort {
        Effort {
            tier: self.decoder.unwrap_or(otherwise.tier),
            schedule: self.schedule.map_or(otherwise.schedule, Into::into),
            max_iterations: self.max_iterations.or(otherwise.max_iterations),
            guesses: self.guesses.or(otherwise.guesses),
            patient: otherwise.patient,
            without_first_pass: self.without_first_pass || otherwise.without_first_pass,
        }
    }
}

/// How disclosures are charged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum PolicyArg {
    /// Syndrome bits less the padding that masks them, payload reveals, tags.
    Exact,
    /// Whole syndromes, payload reveals, tags.
    SyndromeCap,
    /// Whole syndromes, all reveals, tags.
    Conservative,
}

impl From<PolicyArg> for Policy {
    fn from(policy: PolicyArg) -> Self {
        match policy {
            PolicyArg::Exact => Self::Exact,
            PolicyArg::SyndromeCap => Self::SyndromeCap,
            PolicyArg::Conservative => Self::Conservative,
        }
    }
}

/// What a decoder does after a reveal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum RestartArg {
    /// Begins anew.
    Cold,
    /// Keeps its messages.
    Hot,
}

impl From<RestartArg> for Restart {
    fn from(restart: RestartArg) -> Self {
        match restart {
            RestartArg::Cold => Self::Cold,
            RestartArg::Hot => Self::Hot,
        }
    }
}

/// A QBER a code can be chosen for.
fn parse_qber(text: &str) -> Result<f64, String> {
    in_range(text, "a QBER, a number from 0 to below 0.5", |q| (0.0..0.5).contains(&q))
}

/// An open-interval probability.
fn parse_probability(text: &str) -> Result<f64, String> {
    in_range(text, "a number between 0 and 1", |p| p > 0.0 && p < 1.0)
}

/// A target frame error rate.
fn parse_target(text: &str) -> Result<f64, String> {
    in_range(text, "a frame error rate, a number from 1e-6 to 0.5", |p| (1e-6..=0.5).contains(&p))
}

/// An efficiency.
fn parse_efficiency(text: &str) -> Result<f64, String> {
    in_range(text, "an efficiency, a number from 1 to 10", |f| (1.0..=10.0).contains(&f))
}

fn in_range(text: &str, expected: &str, ok: impl Fn(f64) -> bool) -> Result<f64, String> {
    match text.parse() {
        Ok(value) if ok(value) => Ok(value),
        _ => Err(format!("expected {expected}")),
    }
}

/// A bar on a terminal, nothing elsewhere.
fn progress_bar(length: u64, unit: &'static str) -> indicatif::ProgressBar {
    let bar = indicatif::ProgressBar::new(length);
    let template =
        format!("{{bar:40}} {{human_pos}}/{{human_len}} {unit} {{msg}} [{{elapsed}}, {{eta}} left]");
    if let Ok(style) = indicatif::ProgressStyle::with_template(&template) {
        bar.set_style(style);
    }
    bar
}

/// Prints `text`. A reader that has gone away is no error: the command's own ending stands.
fn print(text: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}
