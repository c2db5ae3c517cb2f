//! `caligo-run bounds` as its users run it.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod runner;

use std::fs;
use std::path::Path;

use runner::Bench;
use serde_json::Value;

/// The example file, with `changes` of values by key.
fn params(bench: &Bench, changes: &[(&str, &str)]) {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/config/nsm.yaml");
    let mut text = fs::read_to_string(example).unwrap();
    for (key, value) in changes {
        let lines = text.lines().map(|line| {
            if line.trim_start().starts_with(&format!("{key}:")) { format!("  {value}") } else { line.into() }
        });
        text = lines.collect::<Vec<String>>().join("\n") + "\n";
    }
    fs::write(bench.path("p.yaml"), text).unwrap();
}

fn json(bench: &Bench, changes: &[(&str, &str)]) -> Value {
    params(bench, changes);
    bench.json("bounds --params p.yaml --json")
}

fn close(value: &Value, expected: f64, tolerance: f64) {
    let found = value.as_f64().unwrap();
    assert!((found - expected).abs() <= tolerance, "{found} is not {expected}");
}

#[test]
fn the_example_is_feasible_and_has_every_key() {
    let bench = Bench::new();
    let report = json(&bench, &[]);
    for (section, keys) in [
        (
            "nsm",
            "storage_noise_r storage_rate_nu delta_t_ns channel_fidelity detection_eff_eta detector_error \
             dark_count_prob num_pairs",
        ),
        ("security", "epsilon epsilon_pa epsilon_ec efficiency test_fraction"),
        (
            "memory",
            "noise_r rate_nu capacity strong_converse_half collision_rate collision_bound erasure_bound \
             max_bound rational_bound bounded_storage rational_bounded_storage",
        ),
        (
            "source",
            "coincidence_yield sifted_rate qber qber_heuristic entropy varentropy rounds set_bits stored_qubits \
             stored_part",
        ),
        ("estimate", "test_bits errors lower upper mu"),
        ("reconciliation", "f block_bits block_fer f_converse f_achievable f_normal_set"),
        ("capacity", "left right margin"),
    ] {
        for key in keys.split_whitespace() {
            assert!(report[section][key].is_number(), "{section}.{key}: {}", report[section][key]);
        }
    }
    assert!(report["min_entropy_rate"].is_number() && report["qber_limit"].is_number());
    for proof in ["strong_converse", "max_bound"] {
        let proof = &report["proofs"][proof];
        let number = |key: &str| proof[key].as_f64().unwrap();
        let left = number("min_entropy_bits") - number("leak_bits") - number("hashing_bits");
        close(&proof["surplus_bits"], left, 1e-6);
        close(&proof["length"], (left / 2.0).floor(), 0.0);
        assert!(number("length") > 10_000.0 && proof["feasible"] == true);
        let inequalities = proof["inequalities"].as_array().unwrap();
        assert_eq!(inequalities.len(), 4);
        assert!(inequalities.iter().all(|i| i["holds"] == true && i["margin"].as_f64().unwrap() > 0.0));
    }
}

/// r, C_N, h2, Gamma, 1 - r, gamma_r(1/2) of the literature page.
#[test]
fn the_memory_has_the_published_figures() {
    let bench = Bench::new();
    for (r, capacity, collision, bound, erasure, exponent) in [
        ("0.25", 0.04557, 0.75207, 0.75207, 0.75, 0.25916),
        ("0.5", 0.18872, 0.19265, 0.30515, 0.5, 0.08943),
        ("0.75", 0.45644, -0.42626, 0.10114, 0.25, 0.00153),
        ("0.9", 0.71360, -0.77821, 0.02957, 0.1, 0.0),
    ] {
        let memory = &json(&bench, &[("storage_noise_r", &format!("storage_noise_r: {r}"))])["memory"];
        close(&memory["capacity"], capacity, 5e-6);
        close(&memory["collision_rate"], collision, 6e-6);
        close(&memory["collision_bound"], bound, 6e-6);
        close(&memory["erasure_bound"], erasure, 5e-6);
        close(&memory["strong_converse_half"], exponent, 5e-6);
        close(&memory["max_bound"], bound.max(erasure), 6e-6);
    }
    let half = json(&bench, &[("storage_noise_r", "storage_noise_r: 0.779944")]);
    close(&half["memory"]["capacity"], 0.5, 1e-6);
    let markovian = json(&bench, &[("storage_noise_r", "storage_coherence_ns: 2e9")]);
    close(&markovian["memory"]["noise_r"], (-0.5_f64).exp(), 1e-15);
    assert!(markovian["nsm"]["storage_noise_r"].is_null());
}

/// F, e_det, eta, P_dark, heuristic, Q with loss in Bob's arm, Q with loss in both.
#[test]
fn the_source_has_the_published_figures() {
    let bench = Bench::new();
    for (fidelity, error, eta, dark, heuristic, bob, both) in [
        (0.98, 0.01, 0.85, 1e-6, 0.0200, 0.02307, 0.02307),
        (0.98, 0.01, 0.01, 1e-5, 0.0200, 0.02401, 0.02495),
        (0.98, 0.01, 1e-3, 1e-3, 0.0205, 0.34086, 0.44690),
        (0.75, 0.0, 1.0, 0.0, 0.125, 0.16667, 0.16667),
    ] {
        for (pairs, qber) in [("heralded", bob), ("emitted", both)] {
            let source = &json(
                &bench,
                &[
                    ("channel_fidelity", &format!("channel_fidelity: {fidelity}")),
                    ("detector_error", &format!("detector_error: {error}")),
                    ("detection_eff_eta", &format!("detection_eff_eta: {eta}")),
                    ("dark_count_prob", &format!("dark_count_prob: {dark}")),
                    ("pairs", &format!("pairs: {pairs}")),
                ],
            )["source"];
            close(&source["qber"], qber, 5e-6);
            close(&source["qber_heuristic"], heuristic, 1e-5);
        }
    }
}

#[test]
fn impossible_parameters_say_what_fails_and_by_how_much() {
    let bench = Bench::new();
    let changes = [
        ("storage_noise_r", "storage_noise_r: 1"),
        ("storage_rate_nu", "storage_rate_nu: 1"),
        ("channel_fidelity", "channel_fidelity: 0.6"),
    ];
    let report = json(&bench, &changes);
    for (proof, failing) in [
        ("strong_converse", ["storage", "qber_threshold", "entropy"]),
        ("max_bound", ["noise", "qber_threshold", "entropy"]),
    ] {
        let proof = &report["proofs"][proof];
        assert_eq!((&proof["feasible"], &proof["length"]), (&false.into(), &0.into()));
        let failed: Vec<_> = proof["inequalities"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|i| i["holds"] == false)
            .map(|i| {
                let side = |key: &str| i[key].as_f64().unwrap();
                assert!((side("right") - side("left") - side("margin")).abs() < 1e-9);
                i["name"].as_str().unwrap()
            })
            .collect();
        assert_eq!(failed, failing);
    }
    assert_eq!(report["capacity"]["holds"], false);
    let text = bench.ok("bounds --params p.yaml");
    assert!(text.contains("  FAILS  f h(Q) < min-entropy rate: 1.68"), "{text}");
    assert!(text.contains("bit: infeasible"), "{text}");
    assert!(text.lines().all(|line| line.len() <= 110 && line == line.trim_end()), "{text}");
}

#[test]
fn ends_of_the_ranges_are_no_panic() {
    let bench = Bench::new();
    for changes in [
        [("num_pairs", "num_pairs: 1"), ("detection_eff_eta", "detection_eff_eta: 1e-300")],
        [("num_pairs", "num_pairs: 1000000000000"), ("dark_count_prob", "dark_count_prob: 1")],
        [("channel_fidelity", "channel_fidelity: 1"), ("detector_error", "detector_error: 0")],
        [("test_fraction", "test_fraction: 0"), ("storage_rate_nu", "storage_rate_nu: 0")],
        [("epsilon", "epsilon: 1e-300"), ("epsilon_ec", "epsilon_ec: 0.999999")],
        [("epsilon", "epsilon: 0.999999"), ("epsilon_pa", "epsilon_pa: 0.999999")],
    ] {
        let report = json(&bench, &changes);
        assert!(report["proofs"]["max_bound"]["surplus_bits"].is_number(), "{changes:?}");
        bench.ok("bounds --params p.yaml");
    }
    assert!(json(&bench, &[("test_fraction", "test_fraction: 0")])["estimate"].is_null());
}

#[test]
fn the_experiment_of_2014_is_reproduced() {
    let bench = Bench::new();
    let report = bench.json("bounds erven2014 --json");
    close(&report["theorem"]["length"], 1487.3, 0.05);
    close(&report["as_printed"]["length"], 1807.3, 0.05);
    assert_eq!(report["published_length"], 1366);
    close(&report["pairs_for_published"], 8.015e7, 1e4);
    close(&report["sensitivity"][0]["bits"], -484.4, 0.05);
    close(&report["zeta"], 3.0824e-4, 1e-8);
    let text = bench.ok("bounds erven2014");
    for part in ["1487.3          1807.3", "1366", "320 bits more", "121 more than were published"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(text.lines().all(|line| line.len() <= 110 && line == line.trim_end()), "{text}");
}

#[test]
fn bad_files_and_arguments_are_refused_in_one_line() {
    let bench = Bench::new();
    for line in ["bounds", "bounds erven2013", "bounds erven2014 --params p.yaml", "bounds --params"] {
        bench.refused(line, 2);
    }
    assert!(bench.refused("bounds --params none.yaml", 1).contains("none.yaml: "));
    for (key, value, expected) in [
        (
            "channel_fidelity",
            "channel_fidelity: 2",
            "p.yaml:12: nsm.channel_fidelity: expected a number from 0.25 to 1, found 2",
        ),
        ("num_pairs", "num_pair: 5", "p.yaml:17: unknown key `nsm.num_pair` (nearest: `num_pairs`)"),
        (
            "epsilon_pa",
            "epsilon_pa: 0",
            "p.yaml:24: security.epsilon_pa: expected a number above 0 and below 1, found 0",
        ),
    ] {
        params(&bench, &[(key, value)]);
        let text = bench.refused("bounds --params p.yaml", 1);
        assert!(text.contains(expected), "{text}");
    }
}
