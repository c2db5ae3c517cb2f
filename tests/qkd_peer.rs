//! Key distribution between two processes: `caligo-run alice` and `caligo-run bob`, `--protocol qkd`.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod hosts;
mod pair_hosts;

use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use caligo_core::leakage::Policy;
use caligo_core::qkd::Role;
use caligo_runtime::channel::pairs;
use caligo_runtime::channel::{below, stream};
use caligo_runtime::config::qkd::Parameters;
use caligo_runtime::kernel::Effort;
use caligo_runtime::matrix::library::Library;
use caligo_runtime::qkd::host::{self, Seat};
use caligo_runtime::qkd::{self, Config, Stage};
use caligo_runtime::session::connection::{self, Connection};
use caligo_runtime::session::deal::{self, Purpose};
use caligo_runtime::session::local::SessionError;
use caligo_runtime::session::psk::{self, PreShared};
use hosts::Party;
use pair_hosts::{Bench, Kind, ROLES, report};
use serde_json::Value;

const PARAMS: &str = "\
device:
  channel_fidelity: 0.99
  detection_eff_eta: 0.9
  detector_error: 0.005
  dark_count_prob: 1e-6
  num_pairs: 60000
qkd:
  test_fraction: 0.2
";
const ROUNDS: usize = 60_000;
const PATIENCE: Duration = Duration::from_secs(10);

const ALICE: &str = "--protocol qkd --params p.yaml --out key";
const BOB: &str = ALICE;

fn bench() -> Bench {
    Bench::new(Kind { params: PARAMS, outs: &[("alice", "key"), ("bob", "key")] })
}

/// Both parties' keys.
fn keys(bench: &Bench) -> [Option<Vec<u8>>; 2] {
    bench.outs().try_into().unwrap()
}

/// Records `rounds` pairs of a device of that fidelity at `r.npy`, the same file on both sides.
fn record(bench: &Bench, fidelity: &str, rounds: usize) {
    let nsm = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/config/nsm.yaml");
    let text = fs::read_to_string(nsm).unwrap();
    let changed = text.replace("fidelity: 0.99", &format!("fidelity: {fidelity}"));
    for role in ROLES {
        fs::write(bench.path(role, "n.yaml"), &changed).unwrap();
        let line = format!("pairs --params n.yaml --count {rounds} --seed 5 --out r.npy --json");
        assert!(bench.command(role, &line).output().unwrap().status.success());
    }
}

/// What both reports have to agree on, and what only one of them knows.
fn check(alice: &Value, bob: &Value) {
    let mut shared = 0;
    for (key, hers) in alice.as_object().unwrap() {
        if ["role", "peer", "seconds", "traffic", "decoder", "counts"].contains(&key.as_str()) {
            continue;
        }
        assert_eq!(hers, &bob[key], "{key}");
        shared += 1;
    }
    assert!(shared >= 18, "{shared} keys");
    for (key, hers) in alice["counts"].as_object().unwrap() {
        let his = if key == "alice_detected" { &Value::Null } else { hers };
        assert!(hers.is_u64() && &bob["counts"][key] == his, "{key}");
    }
    assert_eq!((&alice["role"], &bob["role"]), (&"alice".into(), &"bob".into()));
    assert!(alice["decoder"].is_null() && bob["decoder"].is_string() && alice["wrong"].is_null());
    assert_eq!(
        (&alice["runs"], &alice["succeeded"], &alice["aborts"]),
        (&1.into(), &1.into(), &serde_json::json!({}))
    );
    for (a, b) in [(alice, bob), (bob, alice)] {
        assert_eq!(a["traffic"]["bytes_sent"], b["traffic"]["bytes_received"]);
        assert!(
            a["seconds"].as_f64().unwrap() > 0.0 && a["peer"].as_str().unwrap().starts_with("127.0.0.1:")
        );
    }
    let number = |pointer: &str| alice.pointer(pointer).unwrap().as_f64().unwrap();
    assert_eq!(number("/counts/rounds"), ROUNDS as f64);
    assert_eq!(number("/counts/tested") + number("/counts/key_bits"), number("/counts/sifted"));
    assert_eq!(number("/counts/sifted_z") + number("/counts/sifted_x"), number("/counts/sifted"));
    assert_eq!(number("/length"), number("/budget/surplus_bits").floor());
    assert_eq!(number("/leakage/charged"), number("/budget/leak_bits"));
}

#[test]
fn both_have_the_same_key() {
    let bench = bench();
    let mut before: Option<Vec<u8>> = None;
    for strategy in ["baseline", "blind", "symmetric"] {
        // Bob follows, or insists on the same.
        let insist = if strategy == "blind" { "--strategy blind" } else { "" };
        let alice = format!("{ALICE} --seed 3 --strategy {strategy}");
        let [alice, bob] = bench.session(&alice, &format!("{BOB} {insist}")).map(|party| report(&party));
        check(&alice, &bob);
        assert_eq!((&alice["strategy"], &alice["dealt"]), (&strategy.into(), &true.into()));
        let [hers, his] = keys(&bench).map(Option::unwrap);
        assert_eq!(hers, his, "{strategy}");
        let length = alice["length"].as_f64().unwrap();
        assert!(length > 3000.0 && hers.len() == (length / 8.0).ceil() as usize, "{strategy}: {length}");
        // The same pairs, but private randomness is the operating system's.
        assert!(before.is_none_or(|before| before[..64] != hers[..64]));
        before = Some(hers);
        #[cfg(unix)]
        for role in ROLES {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(bench.path(role, "key")).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }
}

#[test]
fn figures_are_those_of_one_process() {
    let bench = bench();
    record(&bench, "0.99", ROUNDS);
    let alone = bench.command("alice", "qkd --params p.yaml --pairs r.npy --seed 1 --json").output().unwrap();
    let alone: Value = serde_json::from_slice(&alone.stdout).unwrap();
    let both = bench.session(&format!("{ALICE} --pairs r.npy"), &format!("{BOB} --pairs r.npy"));
    let [alice, bob] = both.map(|party| report(&party));
    check(&alice, &bob);
    // What follows from the pairs, whoever draws the sample.
    for key in ["rounds", "alice_detected", "bob_detected", "both_detected", "sifted_z", "sifted_x", "tested"]
    {
        assert_eq!(alice["counts"][key], alone["counts"][key], "{key}");
    }
    for key in alone.as_object().unwrap().keys() {
        assert!(alice.get(key).is_some() && bob.get(key).is_some(), "{key}");
    }
    let text = bench.command("alice", "qkd --params p.yaml --pairs r.npy").output().unwrap().stdout;
    assert!(String::from_utf8(text).unwrap().contains("  sifted key      "));
}

#[test]
fn each_may_bring_its_own_recording() {
    let bench = bench();
    record(&bench, "0.99", ROUNDS + 1);
    let alice = format!("{ALICE} --pairs r.npy");
    for (bob, dealt) in [(format!("{BOB} --pairs r.npy"), false), (BOB.to_owned(), true)] {
        let [hers, his] = bench.session(&alice, &bob).map(|party| report(&party));
        check(&hers, &his);
        assert_eq!(hers["dealt"], dealt);
        let [hers, his] = keys(&bench);
        assert!(hers.is_some() && hers == his);
        for role in ROLES {
            fs::remove_file(bench.path(role, "key")).unwrap();
        }
    }
    // Too short a one is refused before anybody listens.
    bench.params(&PARAMS.replace("60000", "70000"), PARAMS);
    let line = format!("alice --listen 127.0.0.1:0 --psk psk {alice}");
    let error = Party::spawn(&mut bench.command("alice", &line)).end().error();
    assert!(error.contains("r.npy: expected 70000 rounds") && error.contains("found 60001"), "{error}");
    assert!(!bench.path("alice", "psk.used-alice").exists() || keys(&bench) == [None, None]);
}

#[test]
fn too_many_errors_end_it_on_both_sides() {
    let bench = bench();
    record(&bench, "0.85", ROUNDS);
    let [hers, his] = bench.refused(&format!("{ALICE} --pairs r.npy"), BOB);
    for message in [&hers, &his] {
        assert!(message.contains("key distribution ended: QBER: "), "{message}");
    }
    assert_eq!(hers, his);
}

#[test]
fn parties_that_disagree_say_so() {
    let bench = bench();
    for (theirs, expected) in [
        (PARAMS.replace("test_fraction: 0.2", "test_fraction: 0.25"), "the parties disagree"),
        (format!("{PARAMS}  epsilon_sec: 1e-9\n"), "the parties disagree"),
        (
            PARAMS.replace("num_pairs: 60000", "num_pairs: 70000"),
            "expected 70000 rounds as in the parameters, found 60000",
        ),
    ] {
        bench.params(PARAMS, &theirs);
        let [_, his] = bench.refused(ALICE, BOB);
        assert!(his.contains(expected), "{his}");
    }
    bench.params(PARAMS, PARAMS);
    let [_, his] = bench.refused(ALICE, &format!("{BOB} --policy conservative"));
    assert!(his.contains("the parties disagree"), "{his}");
    let [_, his] =
        bench.refused(&format!("{ALICE} --strategy blind"), &format!("{BOB} --strategy symmetric"));
    assert!(his.contains("the parties disagree: strategy"), "{his}");
}

#[test]
fn another_protocol_at_the_peer_is_named() {
    const NSM: &str = "nsm:\n  storage_noise_r: 0.3\n  storage_rate_nu: 0.01\n  delta_t_ns: 1000000\n  \
                       channel_fidelity: 0.99\n  detection_eff_eta: 0.9\n  detector_error: 0.0\n  dark_count_prob: 1e-6\n  \
                       num_pairs: 60000\n";
    let bench = bench();
    for role in ROLES {
        fs::write(bench.path(role, "n.yaml"), NSM).unwrap();
        fs::write(bench.path(role, "k"), [0x5a; 1000]).unwrap();
    }
    let messages = bench.refused(ALICE, "--protocol ot --params n.yaml --choice 0");
    assert!(messages[0].contains("expected the peer to run the same --protocol"), "{messages:?}");
    let messages = bench.refused("--protocol ot --params n.yaml", BOB);
    assert!(messages[1].contains("expected the peer to run the same --protocol"), "{messages:?}");
    let messages = bench.refused(ALICE, "--key k");
    assert!(messages[0].contains("does the peer run the same --protocol?"), "{messages:?}");
    let messages = bench.refused("--key k --qber 0.03", BOB);
    assert!(messages[1].contains("does the peer run the same --protocol?"), "{messages:?}");
}

/// Bob by the library: connected, and dealt his rounds.
fn dealt(bench: &Bench, address: &str) -> (Connection, pairs::Party) {
    let psk = PreShared::open(&bench.path("bob", "psk"), psk::Role::Bob).unwrap();
    let mut connection = connection::connect(address, psk, PATIENCE, PATIENCE).unwrap();
    let mut rounds = pairs::Party::silent(ROUNDS);
    deal::take(&mut connection, Purpose::Key, Some(&mut rounds), ROUNDS, PATIENCE).unwrap();
    (connection, rounds)
}

#[test]
fn a_silent_peer_is_given_up() {
    let bench = bench();
    let (alice, address) = bench.alice(&format!("{ALICE} --timeout 0.5"));
    let silent = dealt(&bench, &address);
    let error = alice.end().error();
    assert!(error.contains("nothing came from the peer in time"), "{error}");
    assert_eq!(keys(&bench), [None, None]);
    drop(silent);
}

/// Who cannot keep the key does not say that it is kept.
#[test]
fn alice_keeps_no_key_that_bob_could_not_keep() {
    let bench = bench();
    let (alice, address) = bench.alice(ALICE);
    let (mut connection, rounds) = dealt(&bench, &address);
    let parameters = Parameters::read(&bench.path("bob", "p.yaml")).unwrap();
    let library = Library::mother(qkd::choose(&parameters).unwrap());
    let config = Config { parameters, policy: Policy::default(), effort: Effort::default() };
    let stage = Stage::new(&library, config).unwrap();
    let seat = Seat { role: Role::Bob, rounds: &rounds, strategy: None, timeout: PATIENCE };
    let mut offered = 0;
    let failed = host::run(&mut connection, &stage, seat, |key| {
        offered = key.bits;
        // Alice has said all that she has to say, and has nothing yet.
        thread::sleep(Duration::from_millis(200));
        assert_eq!(keys(&bench), [None, None]);
        Err(SessionError::Channel("no room".to_owned()))
    });
    assert!(failed.unwrap_err().to_string() == "no room" && offered > 3000);
    drop(connection);
    let error = alice.end().error();
    assert!(error.contains("connection closed by the peer before the session was done"), "{error}");
    assert_eq!(keys(&bench), [None, None]);
}

#[test]
fn a_killed_peer_leaves_no_key() {
    let bench = bench();
    let mut rng = stream(9, 0);
    let mut broken = 0;
    for run in 0..12 {
        let strategy = ["baseline", "symmetric"][run / 2 % 2];
        let (alice, address) = bench.alice(&format!("{ALICE} --strategy {strategy}"));
        let bob = bench.bob(&address, BOB);
        let (mut victim, survivor) = if run % 2 == 0 { (bob, alice) } else { (alice, bob) };
        thread::sleep(Duration::from_millis(below(&mut rng, 120)));
        victim.child.kill().unwrap();
        victim.end();
        let survivor = survivor.end();
        let [hers, his] = keys(&bench);
        if survivor.code == Some(0) {
            // All was over before the kill.
            assert!(his.is_some());
        } else {
            survivor.error();
            broken += 1;
        }
        // The exception is Bob's key without Alice's, never hers without his.
        assert!(hers.is_none() || hers == his, "run {run}");
        for role in ROLES {
            fs::remove_file(bench.path(role, "key")).ok();
        }
    }
    assert!(broken > 2, "{broken}");
}

#[test]
fn arguments_belong_to_one_protocol() {
    let bench = bench();
    let (alice, bob) = ("--listen 127.0.0.1:0 --psk psk", "--connect 127.0.0.1:1 --psk psk");
    for (role, line, expected) in [
        (
            "alice",
            format!("{alice} --protocol qkd"),
            "--params: expected a parameter file for --protocol qkd",
        ),
        ("alice", format!("{alice} --key k --pairs r.npy"), "--pairs: expected --protocol ot or qkd with it"),
        (
            "alice",
            format!("{alice} {ALICE} --out0 a"),
            "--out0: expected --protocol ot with it, found --protocol qkd",
        ),
        ("alice", format!("{alice} {ALICE} --commit"), "--commit: expected --protocol ot"),
        ("alice", format!("{alice} {ALICE} --budget 9"), "--budget: expected --protocol key or ot"),
        ("alice", format!("{alice} {ALICE} --target-fer 0.01"), "--target-fer"),
        ("alice", format!("{alice} {ALICE} --qber 0.01"), "--qber"),
        ("alice", format!("{alice} {ALICE} --seed 1 --pairs r.npy"), "--seed"),
        ("bob", format!("{bob} {BOB} --choice 1"), "--choice: expected --protocol ot"),
        ("bob", format!("{bob} {BOB} --side-info c"), "--side-info"),
        ("bob", format!("{bob} --protocol qkd --params p.yaml --out p.yaml"), "--out: expected another"),
        ("bob", format!("{bob} --protocol qkd --params p.yaml --out psk.used-bob"), "--out: expected"),
    ] {
        bench.usage(role, &line, expected);
    }
    // Impossible parameters are found out before anybody listens.
    let params = PARAMS.replace("num_pairs: 60000", "num_pairs: 2000");
    bench.params(&params, &params);
    let error = Party::spawn(&mut bench.command("alice", &format!("alice {alice} {ALICE}"))).end().error();
    assert!(error.contains("infeasible: f h(Q) < min-entropy rate: "), "{error}");
    assert!(!bench.path("alice", "psk.used-alice").exists());
}
