//! `caligo-run campaign`: kills, signals, folders that are somebody else's or full, and what the commands print.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use caligo_runtime::campaign::merge::recorded;
use caligo_runtime::campaign::rows::{COLUMNS, Row};
use caligo_runtime::channel::{stream, uniform};
use serde_json::Value;
use tempfile::TempDir;

const NEAR: &str = "parameters:
  storage_noise_r: [0, 0.5]
  storage_rate_nu: [1e-4, 1e-2]
  channel_fidelity: [0.95, 1]
  detection_eff_eta: [0.3, 1]
  detector_error: [0, 0.01]
  num_pairs: [1e4, 4e4]
";

/// A folder for a test, with a campaign's file.
struct Bench {
    dir: TempDir,
}

impl Bench {
    fn new(samples: u64, batch: u64) -> Self {
        let bench = Self { dir: tempfile::tempdir().unwrap() };
        bench.write(samples, batch, 42);
        bench
    }

    fn write(&self, samples: u64, batch: u64, seed: u64) {
        let text = format!(
            "phase1:\n  target_samples: {samples}\n  batch_size: {batch}\n  sampler: {{ seed: {seed}, infeasible: run }}\n{NEAR}"
        );
        fs::write(self.path("c.yaml"), text).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn command(&self, out: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_caligo-run"));
        command.args(["campaign", "run", "--workers", "2", "-c"]).arg(self.path("c.yaml"));
        command.arg("--out").arg(self.path(out)).stderr(Stdio::piped()).stdout(Stdio::piped());
        command
    }

    fn run(&self, out: &str) -> Output {
        self.command(out).output().unwrap()
    }

    fn rows(&self, out: &str) -> Vec<Row> {
        recorded(&self.path(out)).unwrap().1.rows().map(Result::unwrap).collect()
    }
}

fn caligo(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_caligo-run")).arg("campaign").args(args).output().unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn line(output: &Output) -> String {
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    let lines: Vec<&str> = text.lines().filter(|line| !line.contains(" a second, ")).collect();
    assert_eq!(lines.len(), 1, "{text}");
    lines[0].to_owned()
}

fn agree(a: &[Row], b: &[Row]) {
    assert_eq!(a.len(), b.len());
    for (a, b) in a.iter().zip(b) {
        assert!(a.agrees(b), "{a:?}\n{b:?}");
    }
}

fn count(bench: &Bench, out: &str) -> usize {
    if bench.path(out).join("state.json").exists() { bench.rows(out).len() } else { 0 }
}

/// Killed at random moments, resumed each time: the data is that of a run that nobody disturbed. `CALIGO_KILLS` says how
/// often, 10 if it is not set.
#[test]
fn kills_change_nothing() {
    let kills: u64 = std::env::var("CALIGO_KILLS").map_or(10, |kills| kills.parse().unwrap());
    let bench = Bench::new(200 * kills, 5);
    let (mut rng, mut killed, mut grew, mut before) = (stream(6, kills), 0, 0, 0);
    while killed < kills {
        let mut child = bench.command("killed").spawn().unwrap();
        sleep(Duration::from_secs_f64(0.01 + 0.15 * uniform(&mut rng)));
        child.kill().unwrap();
        let status = child.wait().unwrap();
        if status.success() {
            // It was complete before. Its shards are taken away, so that there is something to kill.
            fs::remove_dir_all(bench.path("killed")).unwrap();
            before = 0;
            continue;
        }
        killed += 1;
        let now = count(&bench, "killed");
        assert!(now >= before, "{now} of {before}");
        grew += u64::from(now > before);
        before = now;
    }
    assert!(grew > kills / 4, "only {grew} of {kills} runs recorded anything before they were killed");
    assert!(bench.run("killed").status.success());
    // While the HDF5 file is made, too.
    for _ in 0..kills.div_ceil(5) {
        let mut child = bench.command("killed").spawn().unwrap();
        sleep(Duration::from_secs_f64(0.06 * uniform(&mut rng)));
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(count(&bench, "killed") as u64, 200 * kills);
    }
    let output = bench.run("killed");
    assert!(output.status.success(), "{output:?}");
    assert!(bench.run("whole").status.success());
    agree(&bench.rows("killed"), &bench.rows("whole"));
    let unfinished = fs::read_dir(bench.path("killed"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(unfinished.filter(|name| name.starts_with(".caligo-")).count(), 0);
    #[cfg(feature = "hdf5")]
    {
        use caligo_runtime::campaign::store::hdf5::Reader;
        let path = bench.path("killed").join("exploration_data.h5");
        let mut rows = Vec::new();
        Reader::open(&path).unwrap().rows("lhs_warmup", |row| rows.push(row)).unwrap();
        agree(&rows, &bench.rows("whole"));
    }
}

fn signal(child: &Child, name: &str) {
    assert!(Command::new("kill").args(["-s", name, &child.id().to_string()]).status().unwrap().success());
}

fn wait_for_rows(bench: &Bench, out: &str) {
    let begun = Instant::now();
    while count(bench, out) == 0 {
        assert!(begun.elapsed() < Duration::from_secs(60));
        sleep(Duration::from_millis(5));
    }
}

#[test]
fn signals_end_a_run_orderly() {
    let bench = Bench::new(1_000_000, 5);
    for name in ["INT", "TERM"] {
        let child = bench.command("out").spawn().unwrap();
        let before = count(&bench, "out");
        let begun = Instant::now();
        while count(&bench, "out") == before {
            assert!(begun.elapsed() < Duration::from_secs(60));
            sleep(Duration::from_millis(5));
        }
        // Somebody else is turned away meanwhile, and whoever only looks is not.
        let refused = bench.run("out");
        assert_eq!(refused.status.code(), Some(1));
        assert!(line(&refused).contains("in use by another process"), "{refused:?}");
        let status = caligo(&["status", text(&bench.path("out")), "--json"]);
        let status: Value = serde_json::from_slice(&status.stdout).unwrap();
        assert_eq!(status["running"], true);
        signal(&child, name);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stdout).contains("stopped; run it again to go on"));
    }
    let rows = count(&bench, "out");
    let status = caligo(&["status", "--out", text(&bench.path("out")), "--json"]);
    let status: Value = serde_json::from_slice(&status.stdout).unwrap();
    assert_eq!((status["samples"].as_u64(), status["target"].as_u64()), (Some(rows as u64), Some(1_000_000)));
    assert_eq!((status["phase"].as_str(), status["running"].as_bool()), (Some("lhs"), Some(false)));
    assert!(status["rate_per_s"].as_f64().unwrap() > 1.0);
    let sum: u64 = ["succeeded", "failed", "skipped", "infrastructure_failures"]
        .map(|name| status[name].as_u64().unwrap())
        .iter()
        .sum();
    assert_eq!(sum, rows as u64);
}

/// A sample takes long, so that the second signal comes before the first has ended the run.
#[test]
fn a_second_signal_ends_at_once() {
    let bench = Bench::new(1_000_000, 1);
    let file = fs::read_to_string(bench.path("c.yaml")).unwrap();
    fs::write(bench.path("c.yaml"), file.replace("[1e4, 4e4]", "2e8")).unwrap();
    let child = bench.command("out").spawn().unwrap();
    sleep(Duration::from_millis(300));
    signal(&child, "INT");
    sleep(Duration::from_millis(200));
    signal(&child, "INT");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{output:?}");
}

#[test]
fn commands_print_what_is_recorded() {
    let bench = Bench::new(40, 7);
    let output = bench.run("out");
    let stdout = String::from_utf8(output.stdout.clone()).unwrap();
    assert!(output.status.success() && stdout.contains("40 recorded"), "{output:?}");
    let folder = bench.path("out");
    let csv = caligo(&["export", text(&folder)]);
    let csv = String::from_utf8(csv.stdout).unwrap();
    assert_eq!(
        (csv.lines().count(), csv.lines().next().unwrap().split(',').count()),
        (41, 9 + COLUMNS.len())
    );
    let file = bench.path("rows.csv");
    assert!(caligo(&["export", "--out", text(&folder), "--to", text(&file)]).status.success());
    assert_eq!(fs::read_to_string(&file).unwrap(), csv);
    let schema = caligo(&["schema"]);
    let schema: Value = serde_json::from_slice(&schema.stdout).unwrap();
    assert!(schema["properties"]["phase1"].is_object());
    // Parts, merged.
    for part in ["1/2", "2/2"] {
        let mut command = bench.command(&part.replace('/', "_"));
        assert!(command.args(["--part", part]).status().unwrap().success());
    }
    let both = bench.path("both");
    let merged = caligo(&["merge", "--out", text(&both), text(&bench.path("1_2")), text(&bench.path("2_2"))]);
    assert!(merged.status.success(), "{merged:?}");
    agree(&bench.rows("out"), &bench.rows("both"));
}

/// Models from the command line: what they chose is counted, they are judged by other samples than their own, and what lies
/// beyond all samples is never called safe.
#[test]
fn models_learn_and_answer() {
    let bench = Bench::new(80, 20);
    let output = bench.run("out");
    assert!(output.status.success(), "{output:?}");
    let folder = bench.path("out");
    let status =
        || -> Value { serde_json::from_slice(&caligo(&["status", text(&folder), "--json"]).stdout).unwrap() };
    assert_eq!((&status()["iterations"], &status()["chosen"]), (&Value::from(0), &Value::from(0)));
    let learnt = caligo(&["learn", text(&folder), "--iterations", "2"]);
    assert!(learnt.status.success(), "{learnt:?}");
    assert_eq!((&status()["iterations"], &status()["chosen"]), (&Value::from(2), &Value::from(32)));
    let told = caligo(&["status", text(&folder)]);
    assert!(
        String::from_utf8(told.stdout).unwrap().contains("chosen            2 iterations\n  32 recorded")
    );

    let own = caligo(&["train", text(&folder), "--against", text(&bench.path("out/."))]);
    assert_eq!(own.status.code(), Some(2));
    assert!(line(&own).contains("expected another campaign"), "{own:?}");
    bench.write(60, 20, 43);
    assert!(bench.run("other").status.success());
    let trained = caligo(&["train", text(&folder), "--against", text(&bench.path("other")), "--json"]);
    let trained: Value = serde_json::from_slice(&trained.stdout).unwrap();
    for strategy in ["baseline", "blind"] {
        let calls = &trained[strategy]["calls"];
        let [wrong, told] = ["wrong", "told"].map(|name| calls[name].as_f64().unwrap());
        assert_eq!((calls["points"].as_u64(), calls["runs"].as_u64()), (Some(30), Some(30)));
        assert!(wrong < 0.5 && told < 0.5, "{calls}");
    }

    // Four times the pairs that were sampled at most, of a source that is hard to beat.
    let device = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/config/nsm.yaml");
    let answer = caligo(&["ask", text(&folder), "--params", device, "--json"]);
    let answer: Value = serde_json::from_slice(&answer.stdout).unwrap();
    let outside = answer["answer"]["outside"].as_array().unwrap();
    assert!(outside.iter().any(|text| text.as_str().unwrap().contains("num_pairs")), "{answer}");
    assert_ne!(answer["answer"]["verdict"], "safe", "{answer}");
    // A file that is damaged says what can be done about it.
    let suggestions = bench.path("out/suggestions/000001.json");
    fs::write(&suggestions, "{").unwrap();
    let refused = caligo(&["learn", text(&folder), "--iterations", "2"]);
    assert_eq!(refused.status.code(), Some(1));
    let why = String::from_utf8(refused.stderr).unwrap();
    assert!(why.contains("000001.json") && why.contains("without the file they are chosen again"), "{why}");
    fs::remove_file(&suggestions).unwrap();
    assert!(caligo(&["learn", text(&folder), "--iterations", "2"]).status.success());
}

#[test]
fn what_is_wrong_is_said_in_one_line() {
    let bench = Bench::new(40, 7);
    let refused = |output: &Output, code: i32, parts: &[&str]| {
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        let line = line(output);
        assert!(parts.iter().all(|part| line.contains(part)), "{line}");
    };
    for args in [
        &["run", "--out", "x"][..],
        &["run", "-c", "x", "--out", "y", "--part", "3/2"],
        &["run", "-c", "x", "--out", "y", "--workers", "0"],
        &["status"],
        &["merge", "--out", "x"],
        &["merge", "--out", "x", "x"],
    ] {
        refused(&caligo(args), 2, &["caligo-run: "]);
    }
    let none = bench.path("none");
    refused(&caligo(&["run", "-c", text(&none), "--out", "y"]), 1, &["none"]);
    for command in ["status", "export"] {
        refused(
            &caligo(&[command, text(&none)]),
            1,
            &["expected the folder of a campaign, found no state.json"],
        );
    }
    // A folder that cannot be made.
    let mut command = bench.command("out");
    refused(&command.args(["--out", "/proc/caligo"]).output().unwrap(), 2, &["--out"]);
    let mut command = Command::new(env!("CARGO_BIN_EXE_caligo-run"));
    command.args(["campaign", "run", "-c"]).arg(bench.path("c.yaml")).args(["--out", "/proc/caligo"]);
    refused(&command.output().unwrap(), 1, &["/proc/caligo"]);

    assert!(bench.run("out").status.success());
    bench.write(40, 7, 43);
    refused(&bench.run("out"), 1, &["phase1.sampler.seed is 42 in the folder and 43 now"]);
    bench.write(40, 7, 42);
    refused(&bench.command("out").arg("--fresh").output().unwrap(), 1, &["expected an empty folder"]);
    // A foreign HDF5 file is found before anything is run, and left alone.
    let data = bench.path("out").join("exploration_data.h5");
    let whole = fs::read(&data).unwrap();
    fs::write(&data, b"mine").unwrap();
    refused(&bench.run("out"), 1, &["exploration_data.h5: expected an HDF5 file"]);
    assert_eq!(fs::read(&data).unwrap(), b"mine");
    fs::write(&data, &whole[..whole.len() / 2]).unwrap();
    refused(&bench.run("out"), 1, &["exploration_data.h5"]);
    fs::remove_file(&data).unwrap();
    assert!(bench.run("out").status.success() && data.exists());
    // A shard that was cut.
    let shards = bench.path("out").join("shards/lhs_warmup");
    let shard = fs::read_dir(&shards).unwrap().next().unwrap().unwrap().path();
    let bytes = fs::read(&shard).unwrap();
    fs::write(&shard, &bytes[..bytes.len() - 5]).unwrap();
    refused(&bench.run("out"), 1, &[".shard: expected a shard that ends with its SHA-256"]);
    fs::write(&shard, &bytes).unwrap();
    assert!(bench.run("out").status.success());
}

/// Where files cannot grow: the run ends with the system's word, what was recorded stays, and the next one goes on.
#[test]
fn a_full_disk_loses_nothing() {
    let bench = Bench::new(60, 30);
    // Blocks of at most 1024 bytes: a state fits, a shard of 30 rows does not.
    let limited = format!(
        "trap '' XFSZ; ulimit -f 4; exec {} campaign run -c {} --out {}",
        env!("CARGO_BIN_EXE_caligo-run"),
        text(&bench.path("c.yaml")),
        text(&bench.path("full"))
    );
    let output = Command::new("sh").args(["-c", &limited]).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(line(&output).contains("File too large"), "{output:?}");
    assert_eq!(count(&bench, "full"), 0);
    assert!(bench.run("full").status.success() && bench.run("whole").status.success());
    agree(&bench.rows("full"), &bench.rows("whole"));
}

#[test]
fn a_file_ends_a_run() {
    let bench = Bench::new(1_000_000, 5);
    let child = bench.command("out").spawn().unwrap();
    wait_for_rows(&bench, "out");
    fs::write(bench.path("out").join("stop"), b"").unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success() && !bench.path("out").join("stop").exists(), "{output:?}");
}
