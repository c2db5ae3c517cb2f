//! `caligo-run pairs` as its users run it.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod runner;

use std::fs;
use std::path::Path;

use runner::Bench;
use serde_json::Value;

fn bench() -> Bench {
    let bench = Bench::new();
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/config/nsm.yaml");
    fs::copy(example, bench.path("p.yaml")).unwrap();
    bench
}

#[test]
fn a_recording_counts_as_its_simulation() {
    let bench = bench();
    let simulated = bench.json("pairs --params p.yaml --count 200001 --seed 7 --json");
    let written = bench.json("pairs --params p.yaml --count 200001 --seed 7 --out r.npy --json");
    let recorded = bench.json("pairs --params p.yaml --pairs r.npy --json");
    assert_eq!(simulated, written);
    assert_eq!(simulated, recorded);
    assert_eq!(fs::metadata(bench.path("r.npy")).unwrap().len(), 128 + 6 * 200_001);
    let mut alone = bench.json("pairs --pairs r.npy --json");
    assert_eq!(alone["expected"].take(), Value::Null);
    assert_eq!(alone["qber"], simulated["qber"]);
    let other = bench.json("pairs --params p.yaml --count 200001 --seed 8 --json");
    assert_ne!(other, simulated);
    // The seed is 1 and the count that of the file unless others are given.
    let default = bench.json("pairs --params p.yaml --json");
    assert_eq!(default, bench.json("pairs --params p.yaml --count 200000 --seed 1 --json"));
}

#[test]
fn figures_are_those_of_the_counts() {
    let bench = bench();
    let report = bench.json("pairs --params p.yaml --count 3000000 --json");
    let count = |key: &str| report[key].as_u64().unwrap();
    assert_eq!((count("rounds"), count("alice_clicks")), (3_000_000, 3_000_000));
    assert_eq!(count("bob_clicks"), count("coincidences"));
    let errors = |key: &str| {
        let of = |name: &str| report[key][name].as_f64().unwrap();
        assert!((of("rate") - of("errors") / of("bits")).abs() < 1e-15);
        assert!(of("low") < of("rate") && of("rate") < of("high"), "{key}");
        (of("bits") as u64, of("errors") as u64)
    };
    let ([both, z, x], different) = (["qber", "qber_z", "qber_x"].map(errors), errors("different_bases"));
    assert_eq!(both, (z.0 + x.0, z.1 + x.1));
    assert_eq!(both.0, count("sifted"));
    assert_eq!(both.0 + different.0, count("coincidences"));
    for key in ["coincidence", "sifted", "qber"] {
        assert!(report["expected"][format!("{key}_sigmas")].as_f64().unwrap().abs() < 5.0, "{key}");
    }
    let bounds = &bench.json("bounds --params p.yaml --json")["source"];
    for key in ["coincidence_yield", "sifted_rate", "qber"] {
        assert_eq!(report["expected"][key], bounds[key]);
    }
    let text = bench.ok("pairs --params p.yaml --count 3000000");
    for part in ["rounds            3000000\n", "[expected 9.0000e-1, ", "[expected 0.011600, ", " differ\n"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(text.lines().all(|line| line.len() <= 110 && line == line.trim_end()), "{text}");
}

#[test]
fn neither_threads_nor_instructions_change_a_bit() {
    let bench = bench();
    let run = |env: &[(&str, &str)]| {
        let counts = bench.run_with("pairs --params p.yaml --count 400000 --json", env);
        let written = bench.run_with("pairs --params p.yaml --count 100000 --out r.npy", env);
        assert!(counts.status.success() && written.status.success());
        (counts.stdout, written.stdout, fs::read(bench.path("r.npy")).unwrap())
    };
    let plain = run(&[]);
    for env in [("CALIGO_PORTABLE", "1"), ("RAYON_NUM_THREADS", "1"), ("RAYON_NUM_THREADS", "5")] {
        assert!(run(&[env]) == plain, "{env:?}");
    }
}

#[test]
fn what_the_model_cannot_give_is_said() {
    let bench = bench();
    let text = fs::read_to_string(bench.path("p.yaml")).unwrap().replace("pairs: heralded", "pairs: emitted");
    fs::write(bench.path("e.yaml"), text.replace("dark_count_prob: 1e-6", "dark_count_prob: 0")).unwrap();
    bench.ok("pairs --params e.yaml --out r.npy");
    fs::write(bench.path("p.yaml"), text.replace("detection_eff_eta: 0.9", "detection_eff_eta: 1")).unwrap();
    let report = bench.json("pairs --params p.yaml --pairs r.npy --json");
    assert_eq!(report["expected"]["coincidence_yield"], 1.0);
    assert!(report["expected"]["coincidence_sigmas"].is_null());
    assert!(bench.ok("pairs --params p.yaml --pairs r.npy").contains("NOT POSSIBLE by the model"));
}

#[test]
fn bad_arguments_and_files_are_refused_in_one_line() {
    let bench = bench();
    bench.ok("pairs --params p.yaml --count 100 --out r.npy");
    for line in [
        "pairs",
        "pairs --count 5",
        "pairs --pairs r.npy --count 5",
        "pairs --pairs r.npy --seed 5",
        "pairs --pairs r.npy --out s.npy",
        "pairs --params p.yaml --count 0",
        "pairs --params p.yaml --count 1000000000001",
        "pairs --params p.yaml --count many",
        "pairs --params p.yaml --out p.yaml",
    ] {
        bench.refused(line, 2);
    }
    for (line, expected) in [
        ("pairs --params none.yaml", "none.yaml: "),
        ("pairs --pairs none.npy", "none.npy: "),
        ("pairs --pairs p.yaml", "p.yaml: start: expected a NumPy array (.npy), found other bytes"),
        ("pairs --params p.yaml --out no/such.npy", "no/such.npy: "),
    ] {
        let text = bench.refused(line, 1);
        assert!(text.contains(expected), "{text}");
    }
    let mut recording = fs::read(bench.path("r.npy")).unwrap();
    recording[128 + 6 * 42 + 1] = 7;
    fs::write(bench.path("r.npy"), &recording).unwrap();
    let text = bench.refused("pairs --pairs r.npy", 1);
    assert!(text.contains("r.npy: row 42, alice_basis: expected 0 or 1, found 7"), "{text}");
    fs::write(bench.path("r.npy"), &recording[..128 + 6 * 40]).unwrap();
    let text = bench.refused("pairs --pairs r.npy", 1);
    assert!(text.contains("r.npy: data: expected 100 rows, found 40"), "{text}");
}
