//! Parameter files of the noisy-storage model: every key, every refusal.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::path::Path;

use caligo_core::security::{
    Device, DeviceRecord, KeyForecast, KeyTargetRecord, KeyTargets, NsmParameters, NsmRecord, Pairs,
    TargetRecord, Targets,
};
use caligo_core::wire::Strategy;
use caligo_runtime::config::nsm::Parameters;
use caligo_runtime::config::{self as cli, ConfigError, qkd};

const LEAST: &str = "\
nsm:
  storage_noise_r: 0.3
  storage_rate_nu: 0.01
  delta_t_ns: 1e6
  channel_fidelity: 0.99
  detection_eff_eta: 0.9
  detector_error: 0
  dark_count_prob: 1e-6
  num_pairs: 2e5
";

fn parse(text: &str) -> Result<Parameters, ConfigError> {
    Parameters::parse(text, Path::new("dir/p.yaml"))
}

fn error(text: &str) -> String {
    parse(text).unwrap_err().to_string()
}

/// [`LEAST`] with the line of `key` replaced.
fn with(key: &str, line: &str) -> String {
    let lines = LEAST.lines().map(|l| if l.trim_start().starts_with(key) { line } else { l });
    lines.collect::<Vec<_>>().join("\n") + "\n"
}

#[test]
fn every_key_reaches_its_field() {
    let least = parse(LEAST).unwrap();
    let record = NsmRecord {
        storage_noise_r: Some(0.3),
        storage_coherence_ns: None,
        storage_rate_nu: 0.01,
        delta_t_ns: 1_000_000,
        channel_fidelity: 0.99,
        detection_eff_eta: 0.9,
        detector_error: 0.0,
        dark_count_prob: 1e-6,
        num_pairs: 200_000,
        pairs: Pairs::Heralded,
        strategy: Strategy::Baseline,
    };
    assert_eq!(least.nsm, NsmParameters::new(record).unwrap());
    assert_eq!(least.targets, Targets::new(TargetRecord::default()).unwrap());

    let full = with("storage_noise_r", "  storage_coherence_ns: 5e5")
        + "  pairs: emitted\n  strategy: symmetric\n\
           security: { epsilon: 1e-6, epsilon_pa: 1e-7, epsilon_ec: 1e-2, efficiency: 1.4, \
           test_fraction: 0 }\n";
    let full = parse(&full).unwrap();
    let changed = NsmRecord {
        storage_noise_r: None,
        storage_coherence_ns: Some(5e5),
        pairs: Pairs::Emitted,
        strategy: Strategy::Symmetric,
        ..record
    };
    assert_eq!(full.nsm, NsmParameters::new(changed).unwrap());
    assert!((full.nsm.memory().noise() - (-2.0_f64).exp()).abs() < 1e-15);
    let targets = TargetRecord {
        epsilon: 1e-6,
        epsilon_pa: 1e-7,
        epsilon_ec: 1e-2,
        efficiency: 1.4,
        test_fraction: 0.0,
    };
    assert_eq!(full.targets.record(), targets);
}

#[test]
fn refusals_name_line_key_value_and_range() {
    for (key, value, expected) in [
        (
            "storage_noise_r",
            "1.5",
            "dir/p.yaml:2: nsm.storage_noise_r: expected a number from 0 to 1, found 1.5",
        ),
        (
            "storage_noise_r",
            "much",
            "dir/p.yaml:2: nsm.storage_noise_r: expected a number from 0 to 1, found \"much\"",
        ),
        (
            "storage_rate_nu",
            ".nan",
            "dir/p.yaml:3: nsm.storage_rate_nu: expected a number from 0 to 1, found NaN",
        ),
        (
            "delta_t_ns",
            "1.5",
            "dir/p.yaml:4: nsm.delta_t_ns: expected a whole number from 1 to 1000000000000000, found 1.5",
        ),
        (
            "channel_fidelity",
            "0.2",
            "dir/p.yaml:5: nsm.channel_fidelity: expected a number from 0.25 to 1, found 0.2",
        ),
        (
            "detection_eff_eta",
            "0",
            "dir/p.yaml:6: nsm.detection_eff_eta: expected a number above 0 and at most 1, found 0",
        ),
        (
            "detector_error",
            "0.6",
            "dir/p.yaml:7: nsm.detector_error: expected a number from 0 to 0.5, found 0.6",
        ),
        (
            "dark_count_prob",
            "-1",
            "dir/p.yaml:8: nsm.dark_count_prob: expected a number from 0 to 1, found -1",
        ),
        (
            "num_pairs",
            "0",
            "dir/p.yaml:9: nsm.num_pairs: expected a whole number from 1 to 1000000000000, found 0",
        ),
    ] {
        assert_eq!(error(&with(key, &format!("  {key}: {value}"))), expected);
    }
    for (more, expected) in [
        ("  pairs: both\n", "dir/p.yaml:10: nsm.pairs: expected one of heralded, emitted, found \"both\""),
        (
            "  storage_coherence_ns: 1e6\n",
            "dir/p.yaml:2: nsm: expected storage_noise_r or storage_coherence_ns, found both",
        ),
        (
            "security:\n  epsilon: 1\n",
            "dir/p.yaml:11: security.epsilon: expected a number above 0 and below 1, found 1",
        ),
        (
            "security:\n  test_fraction: 1\n",
            "dir/p.yaml:11: security.test_fraction: expected a number from 0 to below 1, found 1",
        ),
        (
            "security:\n  efficiency: 0.9\n",
            "dir/p.yaml:11: security.efficiency: expected a number from 1 to 10, found 0.9",
        ),
    ] {
        assert_eq!(error(&format!("{LEAST}{more}")), expected);
    }
}

#[test]
fn what_is_missing_or_misspelt_is_named() {
    for key in ["storage_rate_nu", "delta_t_ns", "channel_fidelity", "detection_eff_eta", "detector_error"] {
        let text = error(&with(key, ""));
        assert!(text.starts_with(&format!("dir/p.yaml:2: nsm.{key}: expected a")), "{text}");
        assert!(text.ends_with(", found nothing"), "{text}");
    }
    let text = error(&with("storage_noise_r", ""));
    assert!(text.ends_with("nsm: expected storage_noise_r or storage_coherence_ns, found neither"), "{text}");
    // A slip is not taken for a key that is missing.
    for (key, slip) in [
        ("storage_rate_nu", "storage_rate"),
        ("channel_fidelity", "chanel_fidelity"),
        ("num_pairs", "num_pair"),
    ] {
        let text = error(&with(key, &format!("  {slip}: 0.5")));
        assert!(
            text.contains(&format!(": unknown key `nsm.{slip}` (nearest: `{key}`), expected one of ")),
            "{text}"
        );
    }
    assert!(error("nms:\n  num_pairs: 5\n").contains("unknown key `nms` (nearest: `nsm`)"));
    for empty in ["", "nsm:\n", "security: {}\n"] {
        assert_eq!(
            error(empty),
            "dir/p.yaml: nsm.storage_rate_nu: expected a number from 0 to 1, found nothing"
        );
    }
    assert_eq!(error("nsm: 5\n"), "dir/p.yaml:1: nsm: expected `key: value` lines, found 5");
}

#[test]
fn files_are_read_as_others_are() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/config");
    assert_eq!(Parameters::read(&dir.join("nsm.yaml")).unwrap().nsm.record().num_pairs, 200_000);
    assert!(matches!(Parameters::read(&dir.join("none.yaml")), Err(ConfigError::Io { .. })));
    assert!(matches!(parse(&"#".repeat((1 << 20) + 1)), Err(ConfigError::TooLarge { .. })));
}

const DEVICE: &str = "\
device:
  channel_fidelity: 0.99
  detection_eff_eta: 0.9
  detector_error: 0
  dark_count_prob: 1e-6
  num_pairs: 2e5
";

#[test]
fn a_key_distribution_needs_a_device_and_may_have_targets() {
    let parse = |text: &str| qkd::Parameters::parse(text, Path::new("dir/q.yaml"));
    let least = parse(DEVICE).unwrap();
    let record = DeviceRecord {
        channel_fidelity: 0.99,
        detection_eff_eta: 0.9,
        detector_error: 0.0,
        dark_count_prob: 1e-6,
        num_pairs: 200_000,
        pairs: Pairs::Heralded,
    };
    assert_eq!(least.device, Device::new(record).unwrap());
    assert_eq!(least.targets, KeyTargets::new(KeyTargetRecord::default()).unwrap());
    assert_eq!(least.strategy, cli::Strategy::Baseline);
    let full = format!(
        "{DEVICE}  pairs: emitted\nqkd: {{ strategy: blind, epsilon_sec: 1e-6, epsilon_cor: 1e-7, \
         epsilon_ec: 1e-2, efficiency: 1.4, test_fraction: 0.25 }}\n"
    );
    let full = parse(&full).unwrap();
    assert_eq!(full.device.record().pairs, Pairs::Emitted);
    assert_eq!(full.strategy, cli::Strategy::Blind);
    let targets = KeyTargetRecord {
        epsilon_sec: 1e-6,
        epsilon_cor: 1e-7,
        epsilon_ec: 1e-2,
        efficiency: 1.4,
        test_fraction: 0.25,
    };
    assert_eq!(full.targets.record(), targets);
    let error = |text: &str| parse(text).unwrap_err().to_string();
    for (text, expected) in [
        (String::new(), "channel_fidelity"),
        (format!("{DEVICE}qdk: {{}}\n"), "unknown key `qdk` (nearest: `qkd`)"),
        (format!("{DEVICE}qkd: {{ epsilon_sek: 1 }}\n"), "(nearest: `epsilon_sec`)"),
        (format!("{DEVICE}qkd: {{ epsilon_sec: 1 }}\n"), "dir/q.yaml:7: qkd.epsilon_sec: expected"),
        (format!("{DEVICE}  storage_rate_nu: 0.1\n"), "unknown key `device.storage_rate_nu`"),
        (DEVICE.replace("0.99", "1.5"), "dir/q.yaml:2: device.channel_fidelity: expected"),
    ] {
        assert!(error(&text).contains(expected), "{}", error(&text));
    }
    // The example is read, and gives a key.
    let example = include_str!("../docs/config/qkd.yaml");
    let example = parse(example).unwrap();
    assert!(KeyForecast::of(&example.device, &example.targets).feasible().is_ok());
}
