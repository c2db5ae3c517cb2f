//! `caligo-run ot` as its users run it.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod runner;

use std::fs;

use runner::Bench;
use serde_json::Value;

/// A good device, a small memory, and rounds enough for strings of some hundred bits.
const PARAMS: &str = "\
nsm:
  storage_noise_r: 0.3
  storage_rate_nu: 0.01
  delta_t_ns: 5000000
  channel_fidelity: 0.99
  detection_eff_eta: 0.9
  detector_error: 0.0
  dark_count_prob: 1e-6
  num_pairs: 20000
";

const OUTS: [&str; 3] = ["s0", "s1", "b"];

fn bench() -> Bench {
    let bench = Bench::new();
    fs::write(bench.path("p.yaml"), PARAMS).unwrap();
    bench
}

/// Writes the parameters with one line changed.
fn change(bench: &Bench, name: &str, from: &str, to: &str) {
    let text = PARAMS.replace(from, to);
    assert_ne!(text, PARAMS);
    fs::write(bench.path(name), text).unwrap();
}

fn nothing_written(bench: &Bench) -> bool {
    OUTS.iter().all(|name| !bench.path(name).exists())
}

fn number(report: &Value, path: &str) -> f64 {
    report.pointer(path).and_then(Value::as_f64).unwrap_or_else(|| panic!("{path}: {report}"))
}

const WITH_OUTS: &str = "--alice-out0 s0 --alice-out1 s1 --bob-out b";

#[test]
fn bob_has_the_string_of_his_choice_and_not_the_other() {
    let bench = bench();
    for choice in [0, 1] {
        let line = format!("ot --params p.yaml --seed 3 --choice {choice} {WITH_OUTS} --json");
        let report = bench.json(&line);
        let [first, second, bob] = OUTS.map(|name| fs::read(bench.path(name)).unwrap());
        assert_eq!(bob, if choice == 0 { first.clone() } else { second.clone() });
        assert_ne!(first, second);
        let length = number(&report, "/length");
        assert!(length > 300.0 && first.len() as f64 == (length / 8.0).ceil(), "{length}");
        for (key, value) in [("runs", 1), ("succeeded", 1), ("wrong", 0)] {
            assert_eq!(report[key], value, "{key}");
        }
    }
    let text =
        bench.ok("ot --params p.yaml --seed 3 --choice 1 --format ascii --alice-out1 s1 --bob-out b.npy");
    assert!(text.starts_with("transfers         1, Bob believes his string after 1\n"), "{text}");
    assert!(text.lines().all(|line| line.len() <= 130 && line == line.trim_end()), "{text}");
    assert!(fs::read(bench.path("s1")).unwrap().iter().all(|byte| b"01\n".contains(byte)));
}

#[test]
fn figures_of_one_run_add_up() {
    let bench = bench();
    for flags in ["", "--commit"] {
        let report = bench.json(&format!("ot --params p.yaml --seed 4 --json {flags}"));
        let of = |path: &str| number(&report, path);
        let (min, leak, hashing) =
            (of("/budget/min_entropy_bits"), of("/budget/leak_bits"), of("/budget/hashing_bits"));
        let surplus = of("/budget/surplus_bits");
        assert!((min - leak - hashing - surplus).abs() < 1e-6);
        assert_eq!(of("/length"), (surplus / 2.0).floor());
        assert!((of("/margin") - surplus / 20_000.0).abs() < 1e-12);
        assert_eq!(of("/leakage"), leak);
        let set = |i: usize| of(&format!("/budget/syndrome_bits/{i}")) + of(&format!("/budget/tag_bits/{i}"));
        assert_eq!((set(0), set(1)), (leak, leak));
        assert_eq!(of("/budget/seed_bits"), of("/phases/set_bits") + of("/length") - 1.0);
        let kept = of("/phases/both_detected") - of("/phases/sampled");
        assert_eq!(kept, 2.0 * of("/phases/set_bits") + of("/phases/dropped"));
        assert_eq!(of("/qber_observed"), of("/phases/errors") / of("/phases/tested"));
        assert!(of("/phases/qber_planned") > of("/qber_observed"));
        assert_eq!(of("/timing/delta_t_seconds"), 0.005);
        assert_eq!(of("/timing/simulated_seconds"), 0.005);
        assert_eq!(report["aborts"], serde_json::json!({}));
    }
}

/// No thread, and no instruction, changes a count; only measured seconds differ.
#[test]
fn runs_are_functions_of_seed_and_index() {
    let bench = bench();
    let run = |count: u32, env: &[(&str, &str)]| {
        let line = format!("ot --params p.yaml --count {count} --seed 9 --json");
        let output = bench.run_with(&line, env);
        assert!(output.status.success());
        let mut report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert!(number(&report, "/timing/thread_seconds/mean") > 0.0);
        report["timing"]["thread_seconds"].take();
        report
    };
    let plain = run(40, &[]);
    for env in [("CALIGO_PORTABLE", "1"), ("RAYON_NUM_THREADS", "1"), ("RAYON_NUM_THREADS", "3")] {
        assert_eq!(run(40, &[env]), plain, "{env:?}");
    }
    let fewer = run(39, &[]);
    let last = number(&plain, "/phases/errors/total") - number(&fewer, "/phases/errors/total");
    assert!((0.0..100.0).contains(&last) && fewer != plain);
}

/// Strings, success and what is left of the other string, over many runs. Seeds are fixed: nothing here is a matter of
/// luck.
#[test]
fn many_runs_keep_what_is_promised() {
    let bench = bench();
    let report = bench.json("ot --params p.yaml --count 300 --seed 2 --json");
    let of = |path: &str| number(&report, path);
    assert_eq!((of("/runs"), of("/wrong"), of("/other/equal")), (300.0, 0.0, 0.0));
    assert_eq!(of("/succeeded"), 300.0 * of("/success/frequency"));
    // The interval reaches 1 - epsilon_ec.
    assert_eq!(of("/success/expected"), 0.999);
    assert!(of("/success/high") >= 0.999 && of("/success/low") > 0.98, "{report}");
    // Monobit, runs, serial correlation: sums of as many signs as there are bits.
    let random = &report["randomness"];
    let bits = number(random, "/bits");
    assert!(bits > 2e5 && bits == 2.0 * of("/budget/length/total"), "{bits}");
    let mut sigmas = vec![number(random, "/monobit_sigmas"), number(random, "/runs_sigmas")];
    sigmas.extend((0..4).map(|i| number(random, &format!("/serial/{i}/sigmas"))));
    assert!(sigmas.iter().all(|sigmas| sigmas.abs() < 4.5), "{sigmas:?}");
    // Bob's string and the other one differ in half of their bits.
    assert!((of("/other/distance") - 0.5).abs() < 4.5 * 0.5 / (bits / 2.0).sqrt());
    // The sample tells the error rate of the model.
    let (low, high) = (of("/phases/sample/low"), of("/phases/sample/high"));
    assert!(low < of("/qber_expected") && of("/qber_expected") < high);
    let mean = of("/phases/both_detected/mean");
    assert!((mean - 18_000.0).abs() < 4.5 * (20_000.0f64 * 0.09 / 300.0).sqrt());
    let text = bench.ok("ot --params p.yaml --count 20 --seed 2");
    assert!(text.contains("success           1.0000 (95 %: 0.8316 to 1.0000), expected 0.999\n"), "{text}");
}

#[test]
fn impossible_parameters_name_the_inequality() {
    let bench = bench();
    let worst = PARAMS
        .replace("storage_noise_r: 0.3", "storage_noise_r: 1")
        .replace("storage_rate_nu: 0.01", "storage_rate_nu: 1")
        .replace("channel_fidelity: 0.99", "channel_fidelity: 0.6");
    fs::write(bench.path("worst.yaml"), worst).unwrap();
    change(&bench, "noisy.yaml", "channel_fidelity: 0.99", "channel_fidelity: 0.6");
    change(&bench, "few.yaml", "num_pairs: 20000", "num_pairs: 1000");
    for (name, inequality) in [
        ("worst.yaml", "infeasible: C_N nu N < unknown bits: 20000 < "),
        ("noisy.yaml", "infeasible: f h(Q) < min-entropy rate: "),
        ("few.yaml", "infeasible: leak, hashing and 2 bits < min-entropy: "),
    ] {
        let text = bench.refused(&format!("ot --params {name} {WITH_OUTS}"), 1);
        assert!(text.contains(inequality) && text.contains(" fails by "), "{text}");
        assert!(nothing_written(&bench));
    }
    for (strategy, assume, expected) in [
        ("blind", "", "s.yaml: nsm.strategy: expected baseline, or blind with assume"),
        ("symmetric", "", "s.yaml: nsm.strategy: expected baseline"),
        ("symmetric", "  assume: semi_honest_alice\n", "strategy: expected baseline"),
        ("baseline", "  assume: semi_honest_alice\n", "s.yaml: nsm.assume: expected nothing"),
        ("blind", "  assume: honest_alice\n", "nsm.assume: expected one of semi_honest_alice"),
    ] {
        change(&bench, "s.yaml", "nsm:\n", &format!("nsm:\n  strategy: {strategy}\n{assume}"));
        let text = bench.refused("ot --params s.yaml", 1);
        assert!(text.contains(expected), "{text}");
    }
    change(&bench, "many.yaml", "num_pairs: 20000", "num_pairs: 2000000000");
    let text = bench.refused("ot --params many.yaml", 1);
    assert!(text.contains("num_pairs: expected at most 1073741824 for a transfer"), "{text}");
}

/// A run that ends early is counted by its reason, one line names it, and nothing is written.
fn aborts(bench: &Bench, flags: &str, name: &str, why: &str) -> Value {
    let output = bench.run(&format!("ot --params p.yaml --json {WITH_OUTS} {flags}"));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["aborts"], serde_json::json!({ name: 1 }));
    assert_eq!((&report["succeeded"], &report["length"]), (&Value::from(0), &Value::Null));
    assert!(stderr.lines().count() == 1 && stderr.contains(why), "{stderr}");
    assert!(nothing_written(bench));
    report
}

#[test]
fn what_a_recording_shows_decides() {
    let bench = bench();
    bench.ok("pairs --params p.yaml --count 60000 --seed 5 --out r.npy");
    let report = bench.json(&format!("ot --params p.yaml --pairs r.npy --choice 1 {WITH_OUTS} --json"));
    assert_eq!(report["succeeded"], 1);
    assert_eq!(fs::read(bench.path("b")).unwrap(), fs::read(bench.path("s1")).unwrap());
    // The rounds are the recording's, the parties' randomness is not.
    let again = bench.json("ot --params p.yaml --pairs r.npy --json");
    assert_eq!(again["phases"]["both_detected"], report["phases"]["both_detected"]);
    let three = bench.json("ot --params p.yaml --pairs r.npy --count 3 --json");
    assert_eq!((&three["runs"], &three["succeeded"]), (&Value::from(3), &Value::from(3)));
    let counted = bench.json("pairs --pairs r.npy --json");
    assert_eq!(three["phases"]["both_detected"]["total"], counted["coincidences"]);
    let text = bench.refused("ot --params p.yaml --pairs r.npy --count 4", 1);
    assert!(text.contains("r.npy: expected 80000 rounds, num_pairs for each run, found 60000"), "{text}");

    OUTS.iter().for_each(|name| fs::remove_file(bench.path(name)).unwrap());
    change(&bench, "noisy.yaml", "channel_fidelity: 0.99", "channel_fidelity: 0.8");
    bench.ok("pairs --params noisy.yaml --out noisy.npy");
    aborts(&bench, "--pairs noisy.npy", "qber_threshold", "transfer 0 ended early: QBER: ");
    change(&bench, "dim.yaml", "detection_eff_eta: 0.9", "detection_eff_eta: 0.8");
    bench.ok("pairs --params dim.yaml --out dim.npy");
    aborts(&bench, "--pairs dim.npy", "count", "rounds reported: expected 18000 give or take");
}

#[test]
fn budgets_end_a_run_before_they_are_passed() {
    let bench = bench();
    aborts(&bench, "--budget 1000", "leakage_budget", "expected at most 1000 in all");
    // Whole syndromes cost more than there is; the report still says by how much.
    let report = aborts(
        &bench,
        "--code 4096 --policy syndrome-cap",
        "entropy_depleted",
        "leak, hashing and 2 bits < min-entropy",
    );
    assert!((-0.2..0.0).contains(&number(&report, "/margin")), "{report}");
}

/// Blocks beyond the code's reach: Bob knows that he has nothing, and has it nowhere written.
#[test]
fn a_failure_of_the_decoder_is_bobs_to_know() {
    let bench = bench();
    change(
        &bench,
        "blunt.yaml",
        "  num_pairs: 20000\n",
        "  num_pairs: 20000\nsecurity:\n  test_fraction: 0\n",
    );
    let line = format!("ot --params blunt.yaml --target-fer 0.5 --seed 1 --json {WITH_OUTS}");
    let output = bench.run(&line);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), &report["wrong"]), (Some(1), &Value::from(0)));
    assert_eq!(report["failures"], serde_json::json!({ "decoding_failed": 1 }));
    assert_eq!(report["qber_observed"], Value::Null);
    assert!(nothing_written(&bench) && number(&report, "/length") > 0.0);
}

#[test]
fn bad_arguments_are_refused_in_one_line() {
    let bench = bench();
    bench.ok("pairs --params p.yaml --out r.npy");
    fs::write(bench.path("b.npy"), PARAMS).unwrap();
    for line in [
        "ot",
        "ot --params p.yaml --count 0",
        "ot --params p.yaml --choice 2",
        "ot --params p.yaml --count 2 --bob-out b",
        "ot --params p.yaml --alice-out0 s --alice-out1 ./s",
        "ot --params p.yaml --bob-out p.yaml",
        "ot --params p.yaml --pairs r.npy --bob-out r.npy",
        "ot --params p.yaml --pairs r.npy --seed 2",
        "ot --params p.yaml --target-fer 0.7",
    ] {
        bench.refused(line, 2);
    }
    let text = bench.refused("ot --params p.yaml --count -1", 2);
    assert!(text.contains("'-1' for '--count <K>'"), "{text}");
    let text = bench.refused("ot --params p.yaml --alice-out0 s0 --bob-out no/such", 1);
    assert!(text.contains("no/such: ") && nothing_written(&bench), "{text}");
    assert!(fs::read_to_string(bench.path("p.yaml")).unwrap() == PARAMS);
    bench.refused("ot --params none.yaml", 1);
    let text = bench.refused("ot --params p.yaml --pairs b.npy", 1);
    assert!(text.contains("b.npy: start: expected a NumPy array"), "{text}");
}

/// Blind takes an assumption; the report says so, and what its reveals cost, the same for both sets.
#[test]
fn blind_transfers_say_what_they_assume() {
    let bench = bench();
    change(&bench, "blind.yaml", "nsm:\n", "nsm:\n  strategy: blind\n  assume: semi_honest_alice\n");
    let report = bench.json("ot --params blind.yaml --count 40 --seed 5 --json");
    assert_eq!((&report["strategy"], &report["assume"]), (&"blind".into(), &"semi_honest_alice".into()));
    assert_eq!((&report["wrong"], &report["aborts"]), (&0.into(), &serde_json::json!({})));
    assert!(number(&report, "/succeeded") >= 38.0);
    let of = |what: &str, set: usize| number(&report, &format!("/budget/{what}/{set}/total"));
    for set in [0, 1] {
        let sum = of("syndrome_bits", set) + of("reveal_bits", set) + of("tag_bits", set);
        assert_eq!(sum, number(&report, "/budget/leak_bits/total"));
    }
    assert_eq!(of("reveal_bits", 0) > 0.0, number(&report, "/phases/reveals/total") > 0.0);
    let text = bench.ok("ot --params blind.yaml --count 40 --seed 5");
    assert!(text.contains("assuming semi_honest_alice"), "{text}");
    let plain = bench.json("ot --params p.yaml --seed 5 --json");
    assert_eq!((&plain["strategy"], &plain["assume"]), (&"baseline".into(), &Value::Null));
}
