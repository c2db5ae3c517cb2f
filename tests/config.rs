//! Configuration files: every key, every refusal.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use caligo_core::decode::Schedule;
use caligo_core::leakage::{LeakBits, Policy};
use caligo_runtime::config::*;
use caligo_runtime::kernel::Tier;
use caligo_runtime::session::local::QberSource;
use clap::ValueEnum;

fn parse(text: &str) -> Result<Settings, ConfigError> {
    Settings::parse(text, Path::new("dir/c.yaml"))
}

#[expect(clippy::unwrap_used, reason = "a test")]
fn error(text: &str) -> String {
    parse(text).unwrap_err().to_string()
}

#[test]
fn every_key_reaches_its_field() {
    let settings = parse(
        r"
reconciliation:
  strategy: symmetric
  frame_size: 4096
  mother_rate: 0.5
  mother_matrix_path: codes/m.npz
  pattern_directory: /patterns
  decoder: { tier: precise, schedule: flooding, max_iterations: 60, guesses: 0, convergence_threshold: 1e-6 }
  verification: { hash_bits: 64, hash_algorithm: polynomial }
  leakage: { safety_cap_bits: 1000000, abort_on_exceed: true, policy: syndrome-cap }
  baseline:
    efficiency_target: 1.1
    target_fer: 1e-2
    qber: 0.03
    qber_estimation: { sample_fraction: 0.1, confidence_adjustment: 0.02 }
  blind:
    max_iterations: 3
    modulation_fraction: 0.44
    prior: none
    nsm_gating:
      use_heuristic: true
      heuristic_qber: 0.02
      initial_shortening_fraction: 0
      high_qber_threshold: 0.08
      extended_iterations: 5
  symmetric: { max_iterations: 20, prior: 0.05 }
  timeout_seconds: 1.5
",
    );
    let expected = Settings {
        strategy: Some(Strategy::Symmetric),
        frame_size: Some(4096),
        mother_rate: Some(0.5),
        mother_matrix_path: Some("dir/codes/m.npz".into()),
        pattern_directory: Some("/patterns".into()),
        decoder: DecoderSettings {
            tier: Some(Tier::Precise),
            schedule: Some(Schedule::Flooding),
            max_iterations: Some(60),
            guesses: Some(0),
        },
        leakage: LeakageSettings { safety_cap: Some(LeakBits(1_000_000)), policy: Some(Policy::SyndromeCap) },
        baseline: BaselineSettings {
            efficiency: Some(1.1),
            target_fer: Some(0.01),
            qber: Some(QberSource::Given(0.03)),
            sample_fraction: Some(0.1),
            confidence_adjustment: Some(0.02),
        },
        blind: BlindSettings {
            max_iterations: Some(3),
            modulation_fraction: Some(0.44),
            prior: Some(Prior::Unknown),
            nsm_gating: NsmGating {
                use_heuristic: Some(true),
                heuristic_qber: Some(0.02),
                initial_shortening_fraction: Some(0.0),
                high_qber_threshold: Some(0.08),
                extended_iterations: Some(5),
            },
        },
        symmetric: SymmetricSettings { max_iterations: Some(20), prior: Some(Prior::Given(0.05)) },
        timeout: Some(Duration::from_millis(1500)),
        warnings: vec![
            "dir/c.yaml:8: reconciliation.decoder.convergence_threshold: \
             ignored: decoding ends when the syndrome is met"
                .into(),
        ],
    };
    assert_eq!(settings.unwrap(), expected);
}

#[test]
fn what_is_not_said_is_not_given() {
    for text in
        ["", "# nothing\n", "---\n", "reconciliation:\n", "reconciliation:\n  blind:\n  timeout_seconds: ~"]
    {
        assert_eq!(parse(text).unwrap(), Settings::default(), "{text:?}");
    }
    let settings = parse("reconciliation: { baseline: { qber: estimate } }").unwrap();
    assert_eq!(settings.baseline.qber, Some(QberSource::Estimate));
}

#[test]
fn numbers_have_ranges() {
    // Section, key, what is in range, what is not.
    let table: &[(&str, &str, &[&str], &[&str])] = &[
        ("", "frame_size", &["64", "1048576"], &["63", "1048577", "4096.0", "-1", "1e400", ".inf", "big"]),
        ("", "mother_rate", &["0.01", "0.99"], &["0", "1", "-0.5", ".nan", "half"]),
        ("", "timeout_seconds", &["0.001", "86400"], &["0", "86401", "-1", "\"30\""]),
        ("decoder", "max_iterations", &["1", "65535"], &["0", "65536"]),
        ("decoder", "guesses", &["0", "1024"], &["1025", "-1"]),
        ("leakage", "safety_cap_bits", &["1", "1000000000000"], &["0", "1000000000001", "1.5"]),
        ("baseline", "efficiency_target", &["1", "10"], &["0.99", "10.1"]),
        ("baseline", "target_fer", &["1e-6", "0.5"], &["0", "0.51"]),
        ("baseline", "qber", &["0", "0.4999", "estimate"], &["0.5", "-0.01", "none"]),
        ("baseline.qber_estimation", "sample_fraction", &["0.01", "0.99"], &["0", "1"]),
        ("baseline.qber_estimation", "confidence_adjustment", &["0", "0.49"], &["0.5", "-0.1"]),
        ("blind", "max_iterations", &["1", "64"], &["0", "65"]),
        ("blind", "modulation_fraction", &["0.01", "0.99"], &["0", "1"]),
        ("blind", "prior", &["0", "0.49", "none"], &["0.5", "estimate", "false"]),
        ("blind.nsm_gating", "use_heuristic", &["true", "false"], &["yes", "1"]),
        ("blind.nsm_gating", "heuristic_qber", &["0", "0.49"], &["0.5"]),
        ("blind.nsm_gating", "initial_shortening_fraction", &["0", "0.99"], &["1", "-0.1"]),
        ("blind.nsm_gating", "high_qber_threshold", &["0", "0.49"], &["0.5"]),
        ("blind.nsm_gating", "extended_iterations", &["1", "64"], &["0", "65"]),
        ("symmetric", "max_iterations", &["1", "64"], &["0", "65"]),
        ("symmetric", "prior", &["0", "0.49", "none"], &["0.5"]),
    ];
    for (section, key, good, bad) in table {
        let (mut text, mut indent) = ("reconciliation:\n".to_owned(), 2);
        for part in section.split('.').filter(|part| !part.is_empty()) {
            writeln!(text, "{:indent$}{part}:", "").unwrap();
            indent += 2;
        }
        let line = text.lines().count() + 1;
        let path = ["reconciliation", section, key].into_iter().filter(|part| !part.is_empty());
        let path = path.collect::<Vec<_>>().join(".");
        for value in *good {
            parse(&format!("{text}{:indent$}{key}: {value}\n", "")).unwrap();
        }
        for value in *bad {
            let error = error(&format!("{text}{:indent$}{key}: {value}\n", ""));
            assert!(error.starts_with(&format!("dir/c.yaml:{line}: {path}: expected ")), "{error}");
        }
    }
    assert_eq!(
        error("reconciliation:\n  blind:\n    max_iterations: 0\n"),
        "dir/c.yaml:3: reconciliation.blind.max_iterations: expected 1 to 64, found 0"
    );
}

#[test]
fn what_has_no_meaning_is_refused_by_name() {
    for (text, expected) in [
        ("foo: 1", "dir/c.yaml:1: unknown key `foo`, expected one of reconciliation"),
        (
            "reconciliation:\n  symmetric:\n    prior: 0.1\n    rounds: 3\n",
            "dir/c.yaml:4: unknown key `reconciliation.symmetric.rounds`, expected one of max_iterations, prior",
        ),
        (
            "reconcilliation: {}",
            "dir/c.yaml:1: unknown key `reconcilliation` (nearest: `reconciliation`), expected one of reconciliation",
        ),
        (
            "reconciliation:\n  symmetric:\n    priors: 0.1\n    x: 1\n",
            "dir/c.yaml:3: unknown key `reconciliation.symmetric.priors` (nearest: `prior`), \
             expected one of max_iterations, prior",
        ),
        (
            "reconciliation:\n  strategy: Blind\n",
            "dir/c.yaml:2: reconciliation.strategy: \
             expected one of baseline, blind, symmetric, found \"Blind\"",
        ),
        (
            "reconciliation:\n  verification: { hash_bits: 128 }\n",
            "dir/c.yaml:2: reconciliation.verification.hash_bits: \
             expected 64, the only length supported, found 128",
        ),
        (
            "reconciliation:\n  verification: { hash_algorithm: sha256 }\n",
            "dir/c.yaml:2: reconciliation.verification.hash_algorithm: \
             expected polynomial, the only one supported, found \"sha256\"",
        ),
        (
            "reconciliation:\n  leakage: { abort_on_exceed: false }\n",
            "dir/c.yaml:2: reconciliation.leakage.abort_on_exceed: \
             expected true (the budget always aborts), found false",
        ),
        (
            "reconciliation:\n  pattern_directory: ''\n",
            "dir/c.yaml:2: reconciliation.pattern_directory: \
             expected a path (one that looks like a number needs quotes), found \"\"",
        ),
        (
            "reconciliation:\n  decoder: fast\n",
            "dir/c.yaml:2: reconciliation.decoder: expected `key: value` lines, found \"fast\"",
        ),
        ("[1]", "dir/c.yaml:1: the file: expected `key: value` lines, found a list"),
    ] {
        assert_eq!(error(text), expected);
    }
}

#[test]
fn only_one_plain_document_is_read() {
    for (text, expected) in [
        ("reconciliation: [", "dir/c.yaml:1: unclosed bracket '['"),
        ("reconciliation:\n  blind: {}\n  \"blind\": {}\n", "dir/c.yaml:3: duplicate key `blind`"),
        (
            "reconciliation:\n---\nreconciliation:\n",
            "dir/c.yaml:3: only single YAML document expected but multiple found",
        ),
        ("reconciliation:\n  <<: { frame_size: 4096 }\n", "dir/c.yaml:2: merge key not allowed here"),
    ] {
        assert_eq!(error(text), expected);
    }
    assert!(error("reconciliation: !secret {}\n").starts_with("dir/c.yaml:1: "));
}

#[test]
fn hostile_files_cost_little() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x]\n".to_owned();
    for i in 1..10 {
        writeln!(bomb, "a{i}: &a{i} [*a{0}, *a{0}, *a{0}, *a{0}, *a{0}, *a{0}]", i - 1).unwrap();
    }
    assert!(error(&bomb).contains("too large or too complex"));
    for deep in ["[", "- ", "{a: ", "? "] {
        assert!(matches!(parse(&deep.repeat(100_000)), Err(ConfigError::Yaml { .. })), "{deep}");
    }
    let wide = "a: 1, ".repeat(100_000);
    assert!(matches!(parse(&format!("{{{wide}}}")), Err(ConfigError::Yaml { .. })));
    let text = error(&format!("reconciliation:\n  strategy: {}", "\u{a9}".repeat(400_000)));
    assert!(text.len() < 400, "{} bytes", text.len());
    assert!(error("reconciliation:\n  \"\\e[2J\": 1").contains("`reconciliation.\\u{1b}[2J`"));
}

#[test]
fn files_are_bounded_and_text() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c.yaml");
    assert!(matches!(Settings::read(&path), Err(ConfigError::Io { .. })));
    std::fs::write(&path, vec![b'#'; MAX_BYTES]).unwrap();
    assert_eq!(Settings::read(&path).unwrap(), Settings::default());
    std::fs::write(&path, vec![b'#'; MAX_BYTES + 1]).unwrap();
    assert!(matches!(Settings::read(&path), Err(ConfigError::TooLarge { .. })));
    std::fs::write(&path, b"# \xff\n").unwrap();
    assert!(Settings::read(&path).unwrap_err().to_string().ends_with("expected UTF-8 text"));
    std::fs::write(&path, "\u{feff}reconciliation:\r\n  mother_matrix_path: m.qc\r\n").unwrap();
    assert_eq!(Settings::read(&path).unwrap().mother_matrix_path, Some(dir.path().join("m.qc")));
}

#[test]
fn the_examples_are_valid() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/config");
    for strategy in Strategy::value_variants() {
        let name = strategy.to_possible_value().unwrap();
        let settings = Settings::read(&dir.join(format!("{}.yaml", name.get_name()))).unwrap();
        assert_eq!(settings.strategy, Some(*strategy));
        assert!(settings.warnings.is_empty());
    }
}

#[test]
fn files_of_the_python_implementation_are_understood() {
    let master = parse(
        r#"
reconciliation:
  # Switched at runtime without code changes
  strategy: "baseline"

  frame_size: 4096
  mother_rate: 0.5
  mother_matrix_path: "caligo/configs/ldpc_matrices/ldpc_ace_peg/matrix_4096_R0.5.npz"
  pattern_directory: "caligo/configs/ldpc_matrices/hybrid_patterns/"

  numba:
    cache_dir: ".numba_cache"
    parallel: true
    fastmath: true

  decoder:
    max_iterations: 60
    convergence_threshold: 1e-6

  verification:
    hash_bits: 64
    hash_algorithm: "polynomial"

  leakage:
    safety_cap_bits: 1000000
    abort_on_exceed: true
"#,
    )
    .unwrap();
    assert_eq!((master.strategy, master.decoder.max_iterations), (Some(Strategy::Baseline), Some(60)));
    assert_eq!(master.warnings.len(), 2);
    assert!(master.warnings.contains(&"dir/c.yaml:12: reconciliation.numba: ignored".to_owned()));

    let baseline = parse(
        r#"
reconciliation:
  strategy: "baseline"

  baseline:
    efficiency_target: 1.1  # f in [1.05, 1.2]

    qber_estimation:
      # Source: qber.py::estimate_qber()
      sample_fraction: 0.1
      confidence_adjustment: 0.02  # Conservative uplift
"#,
    )
    .unwrap();
    assert_eq!(baseline.baseline.confidence_adjustment, Some(0.02));

    let blind = parse(
        r#"
reconciliation:
  strategy: "blind"

  blind:
    max_iterations: 3
    modulation_fraction: 0.44

    nsm_gating:
      use_heuristic: true
      initial_shortening_fraction: 0.1
      high_qber_threshold: 0.08
      extended_iterations: 5
"#,
    )
    .unwrap();
    assert_eq!(blind.strategy, Some(Strategy::Blind));
    assert_eq!(blind.blind.nsm_gating.extended_iterations, Some(5));
}
