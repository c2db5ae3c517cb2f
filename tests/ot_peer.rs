//! Oblivious transfer between two processes: `caligo-run alice` and `caligo-run bob`, `--protocol ot`.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod hosts;
mod pair_hosts;
mod proxy;

use std::fs;
use std::path::Path;

use hosts::Party;
use pair_hosts::{Bench, Kind, ROLES, report};
use proxy::Proxy;
use serde_json::Value;

/// A good device, a small memory, and a fifth of a second of waiting.
const PARAMS: &str = "\
nsm:
  storage_noise_r: 0.3
  storage_rate_nu: 0.01
  delta_t_ns: 200000000
  channel_fidelity: 0.99
  detection_eff_eta: 0.9
  detector_error: 0.0
  dark_count_prob: 1e-6
  num_pairs: 20000
";

/// With Alice's strings and Bob's.
fn bench() -> Bench {
    Bench::new(Kind { params: PARAMS, outs: &[("alice", "s0"), ("alice", "s1"), ("bob", "s")] })
}

fn strings(bench: &Bench) -> [Option<Vec<u8>>; 3] {
    bench.outs().try_into().unwrap()
}

const ALICE: &str = "--protocol ot --params p.yaml --out0 s0 --out1 s1";
const BOB: &str = "--protocol ot --params p.yaml --out s";

#[test]
fn bob_has_the_string_of_his_choice() {
    let bench = bench();
    let mut sent = Vec::new();
    for (choice, commit) in [(0, ""), (1, ""), (0, "--commit"), (1, "--commit")] {
        let (alice, address) = bench.alice(&format!("{ALICE} --seed 3 {commit}"));
        let proxy = Proxy::new(&address, None);
        let bob = bench.bob(&proxy.address, &format!("{BOB} --choice {choice} {commit}"));
        let [alice, bob] = [alice, bob].map(|party| report(&party.end()));
        let recording = proxy.end();
        let [first, second, string] = strings(&bench).map(Option::unwrap);
        assert!(string == if choice == 0 { first.clone() } else { second.clone() }, "{choice} {commit}");
        // How long they are is up to the errors in a small sample.
        assert!(first != second && first.len() > 4);
        assert_eq!(alice["length"], bob["length"]);
        for key in ["rounds", "bob_detected", "both_detected", "sampled", "errors", "set_bits", "dropped"] {
            assert_eq!(alice["phases"][key], bob["phases"][key], "{key}");
            assert!(alice["phases"][key].is_u64(), "{key}");
        }
        // What only one of them knows.
        assert_eq!((&bob["believes"], &alice["believes"]), (&Value::from(true), &Value::Null));
        assert!(alice["leakage"].is_u64() && bob["leakage"].is_null());
        assert_eq!((&alice["dealt"], &bob["dealt"]), (&Value::from(true), &Value::from(true)));
        assert!(!alice.to_string().contains("believes\":true") && !bob.to_string().contains("choice"));
        for (a, b) in [(&alice, &bob), (&bob, &alice)] {
            assert_eq!(a["traffic"]["bytes_sent"], b["traffic"]["bytes_received"]);
            assert_eq!(a["traffic"]["frames_sent"], b["traffic"]["frames_received"]);
        }
        // Both have really waited.
        assert!(alice["seconds"].as_f64().unwrap() >= 0.2 && bob["seconds"].as_f64().unwrap() >= 0.2);
        let records = recording.records();
        let first = records[1][0].pad;
        let lengths: Vec<_> = records[1].iter().map(|record| (record.start, record.pad - first)).collect();
        sent.push((commit, lengths, recording.bytes[1].len()));
    }
    // With the same pairs, how much Bob sends, and in which records, says nothing about his choice.
    assert_eq!((&sent[0], &sent[2]), (&sent[1], &sent[3]));
    assert_ne!(sent[0].2, sent[2].2);
}

#[test]
fn each_may_bring_its_own_recording() {
    let bench = bench();
    for role in ROLES {
        let status =
            bench.command(role, "pairs --params p.yaml --count 20001 --seed 5 --out r.npy --json").output();
        assert!(status.unwrap().status.success());
    }
    let (alice, bob) = (format!("{ALICE} --pairs r.npy"), format!("{BOB} --choice 1"));
    let both = bench.session(&alice, &format!("{bob} --pairs r.npy"));
    let [hers, his] = [report(&both[0]), report(&both[1])];
    assert_eq!((&hers["dealt"], &his["dealt"]), (&Value::from(false), &Value::from(false)));
    let [_, second, string] = strings(&bench);
    assert!(string.is_some() && string == second);
    // Or Alice deals from hers.
    let dealt = bench.session(&alice, &bob);
    let [hers, his] = [report(&dealt[0]), report(&dealt[1])];
    assert_eq!((&hers["dealt"], &his["dealt"]), (&Value::from(true), &Value::from(true)));
    let [_, second, string] = strings(&bench);
    assert!(string.is_some() && string == second);
}

/// Blocks beyond the code's reach: Bob knows, and nothing tells Alice.
#[test]
fn only_bob_knows_that_he_has_nothing() {
    let bench = bench();
    // The pairs are noisier than both believe, and nobody tests them.
    let noisy = PARAMS.replace("channel_fidelity: 0.99", "channel_fidelity: 0.95");
    bench.params(&noisy, PARAMS);
    assert!(bench.command("alice", "pairs --params p.yaml --out r.npy").output().unwrap().status.success());
    let blunt = format!("{PARAMS}security:\n  test_fraction: 0\n");
    bench.params(&blunt, &blunt);
    let [alice, bob] = bench.session(&format!("{ALICE} --pairs r.npy"), &format!("{BOB} --choice 1"));
    let alice = report(&alice);
    assert!(alice["believes"].is_null() && alice["failure"].is_null());
    assert_eq!(bob.code, Some(1));
    assert_eq!(bob.stderr, "caligo-run: the string could not be decoded, so none is written\n");
    let bob: Value = serde_json::from_str(&bob.stdout).unwrap();
    assert_eq!((&bob["believes"], &bob["failure"]), (&Value::from(false), &Value::from("decoding_failed")));
    let [first, second, string] = strings(&bench);
    assert!(first.is_some() && second.is_some() && string.is_none());
}

#[test]
fn parties_that_disagree_say_so() {
    let bench = bench();
    let bob = format!("{BOB} --choice 0");
    bench.params(PARAMS, &PARAMS.replace("storage_noise_r: 0.3", "storage_noise_r: 0.2"));
    let [_, his] = bench.refused(ALICE, &bob);
    assert!(his.contains("the parties disagree: "), "{his}");
    bench.params(PARAMS, &PARAMS.replace("num_pairs: 20000", "num_pairs: 30000"));
    let messages = bench.refused(ALICE, &bob);
    assert!(messages[1].contains("expected 30000 rounds as in the parameters, found 20000"), "{messages:?}");
    bench.params(PARAMS, PARAMS);
    let messages = bench.refused(ALICE, &format!("{bob} --commit"));
    assert!(messages[1].contains("the parties disagree"), "{messages:?}");
    // Another protocol on the other side.
    for role in ROLES {
        fs::write(bench.path(role, "key"), [0x5a; 1000]).unwrap();
    }
    let messages = bench.refused(ALICE, "--key key");
    assert!(messages[0].contains("does the peer run the same --protocol?"), "{messages:?}");
    let messages = bench.refused("--key key --qber 0.03", &bob);
    assert!(messages[1].contains("does the peer run the same --protocol?"), "{messages:?}");
}

#[test]
fn arguments_belong_to_one_protocol() {
    let bench = bench();
    let (alice, bob) = ("--listen 127.0.0.1:0 --psk psk", "--connect 127.0.0.1:1 --psk psk");
    for (role, line, expected) in [
        ("alice", format!("{alice} --protocol ot"), "--params: expected a parameter file"),
        ("alice", alice.to_owned(), "--key: expected a key file"),
        ("alice", format!("{alice} --params p.yaml"), "--params: expected --protocol ot"),
        ("alice", format!("{alice} --protocol ot --params p.yaml --key k"), "--key"),
        ("alice", format!("{alice} {ALICE} --strategy blind"), "--strategy"),
        ("alice", format!("{alice} {ALICE} --out s"), "--out"),
        ("alice", format!("{alice} {ALICE} --seed 1 --pairs r.npy"), "--seed"),
        ("alice", format!("{alice} --key k --seed 1"), "--seed: expected --protocol ot"),
        (
            "alice",
            format!("{alice} --protocol ot --params p.yaml --out0 s --out1 s"),
            "--out1: expected another",
        ),
        ("alice", format!("{alice} --protocol ot --params p.yaml --out0 psk"), "--out0: expected another"),
        ("bob", format!("{bob} {BOB}"), "--choice: expected 0 or 1"),
        ("bob", format!("{bob} {BOB} --choice 2"), "expected 0 or 1"),
        ("bob", format!("{bob} {BOB} --choice 1 --side-info c"), "--side-info"),
        ("bob", format!("{bob} --key k --choice 1"), "--choice: expected --protocol ot"),
        (
            "bob",
            format!("{bob} --protocol ot --params p.yaml --choice 1 --out p.yaml"),
            "--out: expected another",
        ),
        (
            "bob",
            format!("{bob} --protocol ot --params p.yaml --choice 1 --out psk.used-bob"),
            "--out: expected",
        ),
    ] {
        bench.usage(role, &line, expected);
    }
    // Impossible parameters are found out before anybody listens.
    let params = PARAMS.replace("channel_fidelity: 0.99", "channel_fidelity: 0.6");
    bench.params(&params, &params);
    let error = Party::spawn(&mut bench.command("alice", &format!("alice {alice} {ALICE}"))).end().error();
    assert!(error.contains("infeasible: f h(Q) < min-entropy rate: "), "{error}");
    assert!(!Path::new(&bench.path("alice", "psk.used-alice")).exists());
}
