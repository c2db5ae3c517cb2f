//! Campaign files: every key, every refusal, and the schema.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::path::Path;

use caligo_core::security::{Pairs, Proof};
use caligo_runtime::campaign::design::{Assignment, Infeasible, Method};
use caligo_runtime::campaign::space::{Axis, Scale, Space};
use caligo_runtime::config::campaign::{Campaign, paths, schema};
use caligo_runtime::config::{ConfigError, Strategy};
use serde_json::Value;

fn parse(text: &str) -> Result<Campaign, ConfigError> {
    Campaign::parse(text, Path::new("dir/c.yaml"))
}

fn error(text: &str) -> String {
    parse(text).unwrap_err().to_string()
}

#[test]
fn an_empty_file_is_the_documents_campaign() {
    let campaign = parse("").unwrap();
    assert_eq!(campaign.space, Space::default());
    assert_eq!((campaign.samples, campaign.batch, campaign.seed), (2000, 50, 42));
    assert_eq!(campaign.assignment(), Assignment::Alternate);
    assert!(campaign.warnings.is_empty());
    // The example has the defaults.
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/config/campaign.yaml");
    let example = Campaign::read(&path).unwrap();
    assert_eq!(example.identity(), campaign.identity());
    assert_eq!(example.name, "lhs_warmup_2k");
    let demo = Campaign::read(&path.with_file_name("demo.yaml")).unwrap();
    assert!(demo.name == "demo" && demo.warnings.is_empty());
}

/// Section 11.2 of the original design, as it stands there.
const ORIGINAL: &str = r#"
campaign:
  name: "lhs_warmup_2k"
  output_hdf5: "exploration_data.h5"
  state_checkpoint: "state.pkl"

phase1:
  target_samples: 2000
  batch_size: 50
  sampler:
    seed: 42

epr_parallel:
  enabled: true
  num_workers: 16
  pairs_per_batch: 5000
  shuffle_results: true

harness:
  num_workers: 1  # Sequential for Phase 1 (GIL bottleneck)

parameters:
  storage_noise_r: [0.0, 1.0]
  storage_rate_nu: [1e-4, 1.0]
  delta_t_ns: [1e5, 1e9]
  channel_fidelity: [0.5, 1.0]
  detection_eff_eta: [1e-3, 1.0]
  detector_error: [0.0, 0.1]
  dark_count_prob: [1e-8, 1e-3]
  num_pairs: [1e4, 1e6]
  strategies: ["baseline", "blind"]
"#;

#[test]
fn the_original_file_is_understood() {
    let campaign = parse(ORIGINAL).unwrap();
    assert_eq!(campaign.identity(), parse("").unwrap().identity());
    assert_eq!(campaign.warnings.len(), 4);
    assert!(campaign.warnings[0].starts_with("dir/c.yaml:4: campaign.output_hdf5: ignored"));
}

#[test]
fn every_key_reaches_its_field() {
    let campaign = parse(
        "campaign: { name: x }
phase1:
  target_samples: 1e5
  batch_size: 7
  sampler: { seed: 18446744073709551615, method: sobol, strategy: stratified, infeasible: replace, attempts: 9,
             proof: max_bound }
parameters:
  storage_noise_r: 0.5
  storage_rate_nu: { range: [0, 0.5], scale: linear }
  delta_t_ns: 1e6
  channel_fidelity: { shape: [5, 1] }
  detection_eff_eta: { scale: linear }
  detector_error: { range: [1e-3, 0.2], scale: log }
  dark_count_prob: { range: 1e-6 }
  num_pairs: { range: [1e5, 1e6], scale: beta, shape: [1, 3] }
  strategies: [blind, baseline]
  pairs: emitted
security: { epsilon: 1e-6, epsilon_pa: 1e-7, epsilon_ec: 0.01, efficiency: 1.2, test_fraction: 0.1 }
",
    )
    .unwrap();
    let axis = |low, high, scale| Axis { low, high, scale };
    let expected = [
        axis(0.5, 0.5, Scale::Linear),
        axis(0.0, 0.5, Scale::Linear),
        axis(1e6, 1e6, Scale::Linear),
        axis(0.5, 1.0, Scale::Beta { a: 5, b: 1 }),
        axis(1e-3, 1.0, Scale::Linear),
        axis(1e-3, 0.2, Scale::Log),
        axis(1e-6, 1e-6, Scale::Log),
        axis(1e5, 1e6, Scale::Beta { a: 1, b: 3 }),
    ];
    assert_eq!(campaign.space.axes, expected);
    assert_eq!(campaign.space.strategies, [Strategy::Blind, Strategy::Baseline]);
    assert_eq!(campaign.space.pairs, Pairs::Emitted);
    assert_eq!(
        (campaign.name.as_str(), campaign.samples, campaign.batch, campaign.seed),
        ("x", 100_000, 7, u64::MAX)
    );
    assert_eq!((campaign.method, campaign.assignment()), (Method::Sobol, Assignment::Stratified));
    assert_eq!(
        (campaign.infeasible, campaign.attempts, campaign.proof),
        (Infeasible::Replace, 9, Proof::MaxBound)
    );
    let record = campaign.targets().record();
    assert_eq!((record.epsilon, record.epsilon_pa, record.epsilon_ec), (1e-6, 1e-7, 0.01));
    assert_eq!((record.efficiency, record.test_fraction), (1.2, 0.1));
    assert_eq!(parse("phase1: { sampler: { method: sobol } }").unwrap().assignment(), Assignment::Stratified);
}

#[test]
fn refusals_name_the_key_and_what_was_expected() {
    for (text, expected) in [
        (
            "parameters:\n  storage_noise: 0.5",
            "dir/c.yaml:2: unknown key `parameters.storage_noise` (nearest: `storage_noise_r`)",
        ),
        ("phase_1: {}", "unknown key `phase_1` (nearest: `phase1`)"),
        ("phase1: { sampler: { sed: 1 } }", "unknown key `phase1.sampler.sed` (nearest: `seed`)"),
        (
            "parameters: { channel_fidelity: { rang: 1 } }",
            "unknown key `parameters.channel_fidelity.rang` (nearest: `range`)",
        ),
        (
            "parameters: { channel_fidelity: [0.5] }",
            "expected a number, [low, high], or range, scale and shape, found a list",
        ),
        ("parameters: { channel_fidelity: [1, 0.5] }", "expected the lower end first"),
        ("parameters: { channel_fidelity: [0.1, 0.5] }", "expected a number from 0.25 to 1"),
        ("parameters: { storage_rate_nu: [0, 1] }", "expected a lower end above 0, for the scale is log"),
        (
            "parameters: { storage_noise_r: { scale: log } }",
            "parameters.storage_noise_r.range: expected a lower end above 0",
        ),
        (
            "parameters: { detector_error: { scale: beta } }",
            "detector_error.shape: expected [a, b], for the scale is beta",
        ),
        ("parameters: { detector_error: { shape: [1, 2] } }", "detector_error.shape: expected no shape"),
        (
            "parameters: { channel_fidelity: { shape: [0, 2] } }",
            "expected [a, b], whole numbers from 1 to 16",
        ),
        ("parameters: { num_pairs: [10.5, 100] }", "expected a whole number from 1 to 1000000000000"),
        ("parameters: { strategies: [] }", "a list with some of baseline, blind, each once"),
        ("parameters: { strategies: [blind, blind] }", "each once"),
        ("parameters: { strategies: blind }", "found \"blind\""),
        ("phase1: { target_samples: 0 }", "expected a whole number, 1 to 1000000000, found 0"),
        ("phase1: { target_samples: 1.5 }", "found 1.5"),
        ("phase1: { sampler: { method: random } }", "expected one of lhs, sobol, found \"random\""),
        (
            "phase1: { sampler: { method: sobol, strategy: alternate } }",
            "phase1.sampler.strategy: expected stratified",
        ),
        ("security: { epsilon: 1 }", "security.epsilon: expected a number above 0 and below 1, found 1"),
        ("campaign: { name: 7 }", "campaign.name: expected a text"),
        ("campaign: 7", "campaign: expected `key: value` lines, found 7"),
        ("- 1", "expected `key: value` lines, found a list"),
    ] {
        let found = error(text);
        assert!(found.contains(expected), "{text}: {found}");
        assert!(!found.contains('\n'), "{found}");
    }
}

#[test]
fn identity_leaves_out_what_no_sample_depends_on() {
    let identity = |text: &str| parse(text).unwrap().identity();
    assert_eq!(identity("campaign: { name: a }\nphase1: { batch_size: 9 }"), identity(""));
    for text in [
        "phase1: { target_samples: 2001 }",
        "phase1: { sampler: { seed: 1 } }",
        "phase1: { sampler: { strategy: stratified } }",
        "parameters: { channel_fidelity: { shape: [5, 1] } }",
        "parameters: { pairs: emitted }",
        "security: { efficiency: 1.4 }",
    ] {
        let changed = identity(text);
        let differ = identity("").iter().filter(|(key, value)| changed.get(*key) != Some(value)).count();
        assert_eq!(differ, 1, "{text}");
    }
    // How an axis is written does not matter.
    assert_eq!(identity("parameters: { detector_error: { range: [0, 0.1], scale: linear } }"), identity(""));
    assert_eq!(
        identity("parameters: { num_pairs: { range: [5, 5] } }"),
        identity("parameters: { num_pairs: 5 }")
    );
}

/// Every key of the table is in the schema, with what the parser takes and nothing else.
#[test]
fn the_schema_is_that_of_the_parser() {
    let schema = schema();
    let at = |path: &str| path.split('.').fold(&schema, |at, key| &at["properties"][key]);
    let document = |path: &str, value: &Value| {
        path.rsplit('.').fold(value.clone(), |inner, key| serde_json::json!({ key: inner })).to_string()
    };
    for path in paths() {
        let node = at(&path);
        assert!(node["description"].is_string(), "{path}");
        if node["deprecated"] == true {
            assert_eq!(parse(&document(&path, &7.into())).unwrap().warnings.len(), 1);
            continue;
        }
        // JSON is YAML: the default is taken, and changes nothing.
        let same = parse(&document(&path, &node["default"])).unwrap();
        assert_eq!(same.identity(), parse("").unwrap().identity(), "{path}");
        // Empty is not given.
        assert_eq!(parse(&document(&path, &Value::Null)).unwrap(), parse("").unwrap(), "{path}");
        let kinds = node["anyOf"].as_array().cloned().unwrap_or_else(|| vec![node.clone()]);
        for kind in kinds {
            for (bound, step) in
                [("minimum", -1.0), ("maximum", 1.0), ("exclusiveMinimum", 0.0), ("exclusiveMaximum", 0.0)]
            {
                let Some(value) = kind[bound].as_f64() else { continue };
                let whole = kind["type"] != "number";
                let outside = value + step * if whole { 1.0 } else { 0.125 };
                // No number above the largest one of 64 bits, or below 0, is a whole number here.
                let outside =
                    if outside.abs() < 1e15 { serde_json::json!(outside) } else { serde_json::json!(1e30) };
                assert!(parse(&document(&path, &outside)).is_err(), "{path}: {outside}");
                if step != 0.0 && path != "parameters.storage_rate_nu" {
                    assert!(parse(&document(&path, &kind[bound])).is_ok(), "{path}: {value}");
                }
            }
            for word in kind["enum"].as_array().into_iter().flatten() {
                assert!(parse(&document(&path, word)).is_ok(), "{path}: {word}");
            }
        }
    }
    // The parser's known keys, as its refusals list them, are the schema's.
    let mut sections = vec![(String::new(), &schema)];
    while let Some((path, node)) = sections.pop() {
        let Some(keys) = node["properties"].as_object() else { continue };
        let wrong = if path.is_empty() { "zzz".to_owned() } else { format!("{path}.zzz") };
        let known = error(&document(&wrong, &1.into()));
        let mut known: Vec<&str> = known.rsplit_once("expected one of ").unwrap().1.split(", ").collect();
        known.sort_unstable();
        assert!(keys.keys().map(String::as_str).eq(known), "{path}");
        for (key, node) in keys {
            sections.push((if path.is_empty() { key.clone() } else { format!("{path}.{key}") }, node));
        }
    }
}

/// What a folder keeps says the same as the file that was given.
#[test]
fn documents_say_the_same() {
    let text = "campaign: { name: x }
phase1: { target_samples: 7, sampler: { seed: 18446744073709551615, method: sobol, infeasible: run } }
phase3: { batch_size: 3, audit_fraction: 0.1, acquisition: randomised_straddle }
parameters: { channel_fidelity: { range: [0.9, 1], shape: [5, 1] }, num_pairs: 1e5, strategies: [blind] }
security: { epsilon: 1e-7 }
";
    for text in [text, ""] {
        let campaign = parse(text).unwrap();
        let again = parse(&campaign.document().to_string()).unwrap();
        assert_eq!(again.document(), campaign.document());
        assert_eq!((again.identity(), again.choices()), (campaign.identity(), campaign.choices()));
        assert_eq!(again.name, campaign.name);
    }
}

/// Each key has a row in the table of the formats' page.
#[test]
fn every_key_is_documented() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/formats.md");
    let page = std::fs::read_to_string(path).unwrap();
    for path in paths() {
        assert!(page.contains(&format!("| `{path}` |")), "{path}");
    }
}
