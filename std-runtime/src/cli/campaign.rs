//! `caligo-run campaign`.

mod cliff;

use std::io::{BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use clap::{Args, Subcommand};
use serde_json::json;

use super::{Ending, print, progress_bar, usage};
use crate::campaign::cliff::active::suggestions_of;
use crate::campaign::merge::{merge, recorded};
use crate::campaign::pipeline::Conduct;
use crate::campaign::report;
use crate::campaign::rows::Counts;
use crate::campaign::run::{self, Options, Part, Progress};
use crate::campaign::sample::{Runner, libraries};
use crate::campaign::state::{Begin, DATA, Phase, is_in_use, shards_of};
use crate::campaign::store::Store;
use crate::campaign::store::csv;
use crate::config::campaign::{Campaign, schema};
use crate::keyfile::{self, Access};

/// What to do with a campaign.
#[derive(Debug, Subcommand)]
pub(super) enum CampaignCommand {
    /// Run a campaign, or go on with it. The file `stop` in the folder, SIGINT and SIGTERM end it orderly.
    Run(RunArgs),
    /// Fit models of the margin to what was run, and say how good they are.
    Train(cliff::TrainArgs),
    /// Choose samples near the cliff, run them, and learn from them. Ends and goes on as `run` does.
    Learn(cliff::LearnArgs),
    /// Say what models expect of a device: whether a transfer succeeds, and with how many pairs.
    Ask(cliff::AskArgs),
    /// Say how far a campaign is.
    Status(StatusArgs),
    /// Write what was found: one HTML page, and Markdown with its figures.
    Report(ReportArgs),
    /// Write all samples of the design as comma-separated values.
    Export(ExportArgs),
    /// Print the JSON schema of a campaign file.
    Schema,
    /// Join folders of one campaign that was run in parts.
    Merge(MergeArgs),
}

/// Arguments of `campaign run`.
#[derive(Debug, Args)]
pub(super) struct RunArgs {
    /// YAML file of the campaign.
    #[arg(short, long, value_name = "FILE")]
    config: PathBuf,
    /// Folder of the campaign: made if there is none, gone on with if it has this campaign.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Threads [default: one for each processor].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=4096))]
    workers: Option<u16>,
    /// Begin anew: refuse a folder that has anything in it.
    #[arg(long)]
    fresh: bool,
    /// Run only part K of M equal parts of the samples, for `merge`.
    #[arg(long, value_name = "K/M", value_parser = parse_part, default_value = "1/1")]
    part: Part,
}

/// The folder of a campaign.
#[derive(Debug, Args)]
struct FolderArgs {
    /// Folder of the campaign.
    #[arg(value_name = "DIR", required_unless_present = "out")]
    dir: Option<PathBuf>,
    /// The same, as `run` has it.
    #[arg(long, value_name = "DIR", conflicts_with = "dir")]
    out: Option<PathBuf>,
}

impl FolderArgs {
    fn path(&self) -> &Path {
        self.dir.as_deref().or(self.out.as_deref()).unwrap_or(Path::new("."))
    }
}

/// Arguments of `campaign status`.
#[derive(Debug, Args)]
pub(super) struct StatusArgs {
    #[command(flatten)]
    folder: FolderArgs,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Arguments of `campaign report`.
#[derive(Debug, Args)]
pub(super) struct ReportArgs {
    #[command(flatten)]
    folder: FolderArgs,
    /// Folder to write it in [default: the campaign's].
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
}

/// Arguments of `campaign export`.
#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    #[command(flatten)]
    folder: FolderArgs,
    /// File to write, instead of standard output.
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
}

/// Arguments of `campaign merge`.
#[derive(Debug, Args)]
pub(super) struct MergeArgs {
    /// Folder to join them in: made if there is none.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Folders with parts of the campaign.
    #[arg(value_name = "DIR", required = true)]
    from: Vec<PathBuf>,
}

fn parse_part(text: &str) -> Result<Part, String> {
    let numbers = text.split_once('/').and_then(|(k, m)| Some((k.parse().ok()?, m.parse().ok()?)));
    match numbers {
        Some((number, of)) if 1 <= number && number <= of => Ok(Part { number, of }),
        _ => Err("expected K/M, whole numbers with 1 <= K <= M".to_owned()),
    }
}

pub(super) fn run(command: &CampaignCommand) -> anyhow::Result<Ending> {
    match command {
        CampaignCommand::Run(args) => run_campaign(args),
        CampaignCommand::Train(args) => cliff::train(args),
        CampaignCommand::Learn(args) => cliff::learn(args),
        CampaignCommand::Ask(args) => cliff::ask_campaign(args),
        CampaignCommand::Status(args) => status(args),
        CampaignCommand::Report(args) => {
            let dir = args.folder.path();
            let written = report::write(dir, args.to.as_deref().unwrap_or(dir))?;
            let lines: Vec<String> = written.iter().map(|path| path.display().to_string()).collect();
            print(&(lines.join("\n") + "\n"))?;
            Ok(Ending::Success)
        }
        CampaignCommand::Export(args) => export(args),
        CampaignCommand::Schema => {
            print(&(serde_json::to_string_pretty(&schema())? + "\n"))?;
            Ok(Ending::Success)
        }
        CampaignCommand::Merge(args) => {
            if args.from.contains(&args.out) {
                return Err(usage(format!(
                    "--out: expected a folder that is not joined, found {}",
                    args.out.display()
                )));
            }
            let counts = merge(&args.out, &args.from)?;
            print(&format!("{}: {}\n", args.out.display(), describe(&counts)))?;
            Ok(Ending::Success)
        }
    }
}

/// Ends orderly at the first signal, at once at the second: what is recorded is not lost.
fn stop_on_signals() -> anyhow::Result<Arc<AtomicBool>> {
    const SECOND: i32 = 130;
    let stop = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&stop);
    ctrlc::set_handler(move || {
        if told.swap(true, Ordering::Relaxed) {
            std::process::exit(SECOND);
        }
        eprintln!("caligo-run: finishing the samples that run; a second signal ends at once");
    })?;
    Ok(stop)
}

/// Threads: so many, or one for each processor.
fn workers(asked: Option<u16>) -> usize {
    match asked {
        Some(workers) => workers.into(),
        None => std::thread::available_parallelism().map_or(1, usize::from),
    }
}

fn run_campaign(args: &RunArgs) -> anyhow::Result<Ending> {
    let campaign = Campaign::read(&args.config)?;
    campaign.warnings.iter().for_each(|warning| eprintln!("caligo-run: {warning}"));
    let libraries = libraries();
    let runner = Runner::new(&campaign, &libraries)?;
    let options = Options {
        conduct: Conduct::new(workers(args.workers)),
        begin: if args.fresh { Begin::Fresh } else { Begin::Resume },
        part: args.part,
    };
    let stop = stop_on_signals()?;
    let mut display = Display::new();
    let code = runner.code();
    let ended =
        run::run(&args.out, &campaign, code, &runner, options, &stop, &mut |progress| display.show(progress));
    display.clear();
    let summary = ended?;
    let counts = summary.progress.counts;
    let part = match args.part {
        Part::WHOLE => String::new(),
        Part { number, of } => format!(", part {number}/{of}"),
    };
    let data =
        if cfg!(feature = "hdf5") { format!("  {}\n", args.out.join(DATA).display()) } else { String::new() };
    let text = format!(
        "campaign          {}{part}\n  {} samples in {:.1} s, {:.1} a second\n  {}\n{data}",
        if summary.complete { "complete" } else { "stopped; run it again to go on" },
        summary.made,
        summary.seconds,
        summary.progress.rate_per_s,
        describe(&counts),
    );
    print(&text)?;
    Ok(Ending::Success)
}

fn describe(counts: &Counts) -> String {
    let Counts { recorded, succeeded, failed, skipped, infrastructure_failures } = counts;
    format!(
        "{recorded} recorded: {succeeded} succeeded, {failed} failed, {skipped} not run, {infrastructure_failures} \
         failures of the machinery"
    )
}

/// How far a run is: a bar on a terminal, now and then a line elsewhere.
struct Display {
    bar: Option<indicatif::ProgressBar>,
    /// When something was shown, and in how long it is again.
    shown: Instant,
    pause: Duration,
}

/// When the first line comes where there is no terminal.
const FIRST: Duration = Duration::from_secs(5);

impl Display {
    fn new() -> Self {
        let bar = std::io::stderr().is_terminal().then(|| progress_bar(0, "samples"));
        let pause = if bar.is_some() { Duration::ZERO } else { FIRST };
        Self { bar, shown: Instant::now(), pause }
    }

    fn show(&mut self, progress: &Progress) {
        if self.shown.elapsed() < self.pause {
            return;
        }
        self.shown = Instant::now();
        let counts = &progress.counts;
        let run = counts.succeeded + counts.failed;
        let share = if run == 0 { 0.0 } else { 100.0 * counts.succeeded as f64 / run as f64 };
        if let Some(bar) = &self.bar {
            self.pause = Duration::from_millis(200);
            bar.set_length(progress.target);
            bar.set_position(progress.done);
            bar.set_message(format!("{:.0}/s, {share:.1} % of runs succeeded", progress.rate_per_s));
            return;
        }
        // More seldom the longer it takes.
        self.pause = (2 * self.pause).min(Duration::from_secs(60));
        let eta = progress.eta_s.map_or_else(|| "?".to_owned(), |eta| format!("{eta:.0}"));
        eprintln!(
            "caligo-run: {}/{} samples, {:.1} a second, {eta} s left, {share:.1} % of runs succeeded",
            progress.done, progress.target, progress.rate_per_s
        );
    }

    fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn status(args: &StatusArgs) -> anyhow::Result<Ending> {
    let dir = args.folder.path();
    let (state, store) = recorded(dir)?;
    let (counts, running) = (store.counts(), is_in_use(dir)?);
    let chosen = Store::look_whole(&shards_of(dir, Phase::Active), &state.config_hash)?.counts();
    let mut iterations = 0;
    while suggestions_of(dir, iterations).exists() {
        iterations += 1;
    }
    let text = if args.json {
        let value = json!({
            "phase": state.phase,
            "samples": counts.recorded,
            "target": state.target,
            "succeeded": counts.succeeded,
            "failed": counts.failed,
            "skipped": counts.skipped,
            "infrastructure_failures": counts.infrastructure_failures,
            "rate_per_s": state.rate_per_s,
            "cursor": store.cursor(),
            "iterations": iterations,
            "chosen": chosen.recorded,
            "running": running,
            "name": state.name,
            "config_hash": state.config_hash,
        });
        serde_json::to_string_pretty(&value)? + "\n"
    } else {
        let learnt = if iterations == 0 {
            String::new()
        } else {
            format!("chosen            {iterations} iterations\n  {}\n", describe(&chosen))
        };
        format!(
            "campaign          {}\n  {}, {} of {} samples, {:.1} a second in the last run\n  {}\n{learnt}",
            if state.name.is_empty() { "without a name" } else { &state.name },
            if running { "running" } else { "not running" },
            counts.recorded,
            state.target,
            state.rate_per_s,
            describe(&counts)
        )
    };
    print(&text)?;
    Ok(Ending::Success)
}

fn export(args: &ExportArgs) -> anyhow::Result<Ending> {
    let (_, store) = recorded(args.folder.path())?;
    let rows = |out: &mut dyn Write| -> anyhow::Result<()> {
        csv::write_header(out)?;
        for row in store.rows() {
            csv::write_row(&row?, out)?;
        }
        Ok(())
    };
    if let Some(path) = &args.to {
        keyfile::replace(path, Access::Shared, |out| rows(out).map_err(std::io::Error::other))?;
        return Ok(Ending::Success);
    }
    let mut out = BufWriter::new(std::io::stdout().lock());
    match rows(&mut out).and_then(|()| Ok(out.flush()?)) {
        // A reader that has gone away is no error.
        Err(error) if is_broken_pipe(&error) => {}
        other => other?,
    }
    Ok(Ending::Success)
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<std::io::Error>().is_some_and(|e| e.kind() == std::io::ErrorKind::BrokenPipe)
}
