//! `caligo-run qkd` as its users run it.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod runner;

use std::fs;
use std::path::Path;

use runner::Bench;

/// The example with fewer pairs, and a larger part of them tested.
fn bench() -> Bench {
    let bench = Bench::new();
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/config/qkd.yaml");
    let text = fs::read_to_string(example).unwrap();
    let small =
        text.replace("num_pairs: 1000000", "num_pairs: 60000").replace("fraction: 0.1 ", "fraction: 0.2 ");
    assert_ne!(small, text);
    fs::write(bench.path("q.yaml"), small).unwrap();
    bench
}

#[test]
fn both_parties_files_are_equal_and_private() {
    let bench = bench();
    let report = bench.json("qkd --params q.yaml --seed 3 --alice-out a.key --bob-out b.npy --json");
    let length = report["length"].as_f64().unwrap();
    assert_eq!((&report["runs"], &report["succeeded"], &report["wrong"]), (&1.into(), &1.into(), &0.into()));
    assert!(length > 5000.0);
    let key = fs::read(bench.path("a.key")).unwrap();
    assert_eq!(key.len() as f64, (length / 8.0).ceil());
    let array = fs::read(bench.path("b.npy")).unwrap();
    let bits = &array[array.len() - length as usize..];
    assert!((0..length as usize).all(|i| key[i / 8] >> (7 - i % 8) & 1 == bits[i]));
    #[cfg(unix)]
    for name in ["a.key", "b.npy"] {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(bench.path(name)).unwrap().permissions().mode() & 0o777, 0o600);
    }
    // The same seed gives the same key, another one another.
    bench.ok("qkd --params q.yaml --seed 3 --bob-out again.key");
    assert_eq!(fs::read(bench.path("again.key")).unwrap(), key);
    bench.ok("qkd --params q.yaml --seed 4 --bob-out other.key");
    assert_ne!(fs::read(bench.path("other.key")).unwrap()[..64], key[..64]);
}

#[test]
fn figures_add_up() {
    let bench = bench();
    for strategy in ["baseline", "blind"] {
        let report = bench.json(&format!("qkd --params q.yaml --strategy {strategy} --seed 5 --json"));
        let number = |pointer: &str| report.pointer(pointer).unwrap().as_f64().unwrap();
        assert_eq!(report["strategy"], strategy);
        let kinds = ["syndrome", "reveal", "tag"].map(|kind| number(&format!("/leakage/by_kind/{kind}")));
        assert_eq!(kinds.iter().sum::<f64>(), number("/leakage/charged"));
        assert_eq!(number("/leakage/by_kind/sample"), number("/counts/tested"));
        assert_eq!(number("/counts/tested") + number("/counts/key_bits"), number("/counts/sifted"));
        assert_eq!(number("/counts/verified") + number("/counts/dropped"), number("/counts/key_bits"));
        let close = |a: f64, b: f64| assert!((a / b - 1.0).abs() < 1e-12, "{a} is not {b}");
        close(number("/counts/errors") / number("/counts/tested"), number("/qber_observed"));
        let spent =
            ["dropped", "leak", "hashing", "surplus"].map(|part| number(&format!("/budget/{part}_bits")));
        assert!((spent.iter().sum::<f64>() - number("/budget/min_entropy_bits")).abs() < 1e-6);
        assert_eq!(number("/length"), number("/budget/surplus_bits").floor());
        close(number("/length") / 60_000.0, number("/secret_fraction_per_pair"));
        close(number("/length") / number("/counts/sifted"), number("/secret_fraction_per_sifted"));
        let bound = number("/budget/phase_error_z");
        assert!(bound > number("/tests/x/rate") && bound < 0.2);
        // 99.9 % of all samples are nearer than that.
        let sigma = (number("/qber_expected") / number("/counts/tested")).sqrt();
        assert!((number("/qber_observed") - number("/qber_expected")).abs() < 4.0 * sigma);
        let text = bench.ok(&format!("qkd --params q.yaml --strategy {strategy} --seed 5"));
        assert!(text.contains(&format!("{} bits\n", number("/length"))), "{text}");
    }
}

#[test]
fn many_runs_are_counted() {
    let bench = bench();
    let report = bench.json("qkd --params q.yaml --count 20 --json");
    assert_eq!(
        (&report["runs"], &report["succeeded"], &report["wrong"]),
        (&20.into(), &20.into(), &0.into())
    );
    assert_eq!(report["counts"]["rounds"], 1_200_000);
    let line = "qkd --params q.yaml --count 20 --json";
    let alone = bench.run_with(line, &[("RAYON_NUM_THREADS", "1")]);
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&alone.stdout).unwrap(), report);
    let bounds = ["length_least", "length", "length_most"].map(|key| report[key].as_f64().unwrap());
    assert!(bounds.is_sorted() && bounds[0] > 5000.0);
}

#[test]
fn a_recording_gives_a_key_of_its_own_each_time() {
    let bench = bench();
    let nsm = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/config/nsm.yaml");
    fs::copy(nsm, bench.path("p.yaml")).unwrap();
    bench.ok("pairs --params p.yaml --count 70000 --seed 2 --out r.npy");
    let report = bench.json("qkd --params q.yaml --pairs r.npy --alice-out a.key --bob-out b.key --json");
    assert_eq!(report["counts"]["rounds"], 70_000);
    let key = fs::read(bench.path("a.key")).unwrap();
    assert_eq!(key, fs::read(bench.path("b.key")).unwrap());
    bench.ok("qkd --params q.yaml --pairs r.npy --alice-out again.key");
    assert_ne!(fs::read(bench.path("again.key")).unwrap()[..64], key[..64]);
}

#[test]
fn a_bad_channel_writes_nothing() {
    let bench = bench();
    let nsm = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/config/nsm.yaml");
    let noisy = fs::read_to_string(nsm).unwrap().replace("fidelity: 0.99", "fidelity: 0.85");
    fs::write(bench.path("p.yaml"), noisy).unwrap();
    bench.ok("pairs --params p.yaml --count 60000 --seed 2 --out r.npy");
    let output = bench.run("qkd --params q.yaml --pairs r.npy --alice-out a.key --bob-out b.key --json");
    assert_eq!(output.status.code(), Some(1));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&report["aborts"]["qber_threshold"], &report["length"]),
        (&1.into(), &serde_json::Value::Null)
    );
    let line = String::from_utf8(output.stderr).unwrap();
    assert!(
        line.starts_with("caligo-run: ") && line.contains("QBER: ") && line.lines().count() == 1,
        "{line}"
    );
    assert!(!bench.path("a.key").exists() && !bench.path("b.key").exists());
}

#[test]
fn refusals_are_one_line() {
    let bench = bench();
    let text = fs::read_to_string(bench.path("q.yaml")).unwrap();
    fs::write(bench.path("few.yaml"), text.replace("num_pairs: 60000", "num_pairs: 3000")).unwrap();
    let line = bench.refused("qkd --params few.yaml", 1);
    assert!(
        line.contains("infeasible: f h(Q) < min-entropy rate: ") && line.contains(" fails by "),
        "{line}"
    );
    fs::write(bench.path("far.yaml"), text.replace("num_pairs: 60000", "num_pairs: 1e12")).unwrap();
    assert!(bench.refused("qkd --params far.yaml", 1).contains("num_pairs: expected at most 1073741824"));
    fs::write(bench.path("bad.yaml"), text.replace("epsilon_sec", "epsilon_sek")).unwrap();
    assert!(bench.refused("qkd --params bad.yaml", 1).contains("nearest: `epsilon_sec`"));
    assert!(bench.refused("qkd --params q.yaml --count 2 --bob-out b.key", 2).contains("--bob-out"));
    assert!(
        bench.refused("qkd --params q.yaml --bob-out b.key --alice-out ./b.key", 2).contains("another file")
    );
    assert!(bench.refused("qkd --params q.yaml --pairs q.yaml --count 1", 2).contains("--count"));
    assert!(bench.refused("qkd --params q.yaml --pairs q.yaml", 2).contains("another file"));
    assert!(bench.refused("qkd --params q.yaml --pairs few.yaml", 1).contains("few.yaml: start: expected"));
    assert!(bench.refused("qkd --params q.yaml --bob-out no/b.key", 1).contains("no/b.key"));
    assert!(bench.refused("qkd", 2).contains("--params"));
    assert!(!bench.path("b.key").exists());
}
