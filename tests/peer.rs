//! Two parties as two processes: `caligo-run alice` and `caligo-run bob`.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod hosts;
mod proxy;

use std::collections::HashSet;
use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use caligo_runtime::channel;
use hosts::{Ended, Party};
use proxy::{Flip, Proxy, Recording};
use rand_core::Rng;
use serde_json::Value;

const ROLES: [&str; 2] = ["alice", "bob"];

/// A directory for each party: `key`, `psk`, what belongs to it, `out`.
struct Bench {
    dir: tempfile::TempDir,
}

impl Bench {
    fn new(bits: usize) -> Self {
        let bench = Self { dir: tempfile::tempdir().unwrap() };
        ROLES.iter().for_each(|role| fs::create_dir(bench.path(role, "")).unwrap());
        bench.keys(bits, 1);
        bench.psk(1 << 17, [1, 1]);
        bench
    }

    fn path(&self, role: &str, name: &str) -> PathBuf {
        self.dir.path().join(role).join(name)
    }

    fn keys(&self, bits: usize, seed: u64) {
        let line =
            format!("demo-keys --bits {bits} --qber 0.03 --seed {seed} --alice alice/key --bob bob/key");
        let run = |command: &mut Command| command.stdout(Stdio::null()).status().unwrap();
        assert!(run(self.command(".").args(line.split_whitespace())).success());
    }

    /// Pre-shared keys of `bytes` bytes; the same ones if the seeds are.
    fn psk(&self, bytes: usize, seeds: [u64; 2]) {
        for (role, seed) in ROLES.iter().zip(seeds) {
            let mut psk = vec![0; bytes];
            channel::stream(seed, 0).fill_bytes(&mut psk);
            fs::write(self.path(role, "psk"), psk).unwrap();
        }
    }

    fn command(&self, place: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_caligo-run"));
        command.current_dir(self.dir.path().join(place));
        command
    }

    fn spawn(&self, role: &'static str, line: &str) -> Party {
        let keys = "--key key --psk psk --out out --json";
        let words = keys.split_whitespace().chain(line.split_whitespace());
        Party::spawn(self.command(role).arg(role).args(words))
    }

    /// Alice and the address she listens at.
    fn alice(&self, line: &str) -> (Party, String) {
        let mut alice = self.spawn("alice", &format!("--listen 127.0.0.1:0 {line}"));
        let address = alice.address();
        (alice, address)
    }

    fn bob(&self, address: &str, line: &str) -> Party {
        self.spawn("bob", &format!("--connect {address} {line}"))
    }

    fn session(&self, alice: &str, bob: &str) -> [Ended; 2] {
        let (alice, address) = self.alice(alice);
        let bob = self.bob(&address, bob);
        [alice.end(), bob.end()]
    }

    /// What both say of a session that fails on both sides and leaves no key.
    fn refused(&self, alice: &str, bob: &str) -> [String; 2] {
        let messages = self.session(alice, bob).map(|party| party.error());
        assert!(ROLES.iter().all(|role| self.out(role).is_none()));
        messages
    }

    fn out(&self, role: &str) -> Option<Vec<u8>> {
        fs::read(self.path(role, "out")).ok()
    }

    fn clear(&self) {
        for role in ROLES {
            for name in self.leftovers(role) {
                fs::remove_file(self.path(role, &name)).unwrap();
            }
            fs::remove_file(self.path(role, "out")).ok();
        }
    }

    /// Files that no session should leave behind.
    fn leftovers(&self, role: &str) -> Vec<String> {
        let known = ["key", "psk", "out", &format!("psk.used-{role}"), &format!("psk.lock-{role}")];
        let names = fs::read_dir(self.path(role, "")).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| !known.contains(&name.as_str())).collect()
    }

    /// Pads of the pre-shared key used, by the party's own count.
    fn used(&self, role: &str) -> u64 {
        let Ok(text) = fs::read(self.path(role, &format!("psk.used-{role}"))) else { return 0 };
        serde_json::from_slice::<Value>(&text).unwrap()["sent"].as_u64().unwrap()
    }
}

impl Ended {
    /// Whether the party came to the end of the session. One block in a thousand may have been left out, which
    /// the exit code tells.
    fn done(&self) -> bool {
        let left_out = |line: &str| line.starts_with("caligo-run: block ") && line.contains(" left out: ");
        self.code == Some(0) && self.stderr.is_empty()
            || self.code == Some(1) && !self.stdout.is_empty() && self.stderr.lines().all(left_out)
    }

    fn report(&self) -> Value {
        assert!(self.done(), "{self:?}");
        let report: Value = serde_json::from_str(&self.stdout).unwrap();
        assert_eq!(report["verified"], self.code == Some(0));
        assert_eq!(report["failed"].as_array().unwrap().len(), self.stderr.lines().count());
        report
    }
}

const STRATEGIES: [&str; 3] = [
    "--strategy baseline --qber estimate",
    "--strategy blind --qber none",
    "--strategy symmetric --qber none",
];

#[test]
fn both_sides_come_to_the_same() {
    let bench = Bench::new(100_000);
    for strategy in STRATEGIES {
        let before = ROLES.map(|role| bench.used(role));
        let mut reports = bench.session(strategy, "").map(|party| party.report());
        assert!(bench.out("alice").is_some_and(|key| key.len() > 10_000));
        assert!(bench.out("alice") == bench.out("bob"), "{strategy}");
        let traffic = [0, 1].map(|i| reports[i]["traffic"].clone());
        for (sent, received) in [("frames_sent", "frames_received"), ("bytes_sent", "bytes_received")] {
            assert_eq!(traffic[0][sent], traffic[1][received], "{strategy}");
            assert_eq!(traffic[1][sent], traffic[0][received], "{strategy}");
        }
        for ((role, report), before) in ROLES.iter().zip(&mut reports).zip(before) {
            assert_eq!(report["traffic"]["pads_used"], bench.used(role) - before, "{strategy}");
            assert_eq!(report["role"], *role);
            for key in ["role", "peer", "seconds", "traffic"] {
                assert!(report.as_object_mut().unwrap().remove(key).is_some(), "{key}");
            }
            assert!(bench.leftovers(role).is_empty(), "{:?}", bench.leftovers(role));
        }
        // Only Alice has chosen.
        assert!(reports[0].as_object_mut().unwrap().remove("considered").is_some());
        assert_eq!(reports[0], reports[1], "{strategy}");
        bench.clear();
    }
}

#[test]
fn bob_follows_alices_code() {
    let bench = Bench::new(100_000);
    for code in [8192, 65536] {
        let reports = bench.session(&format!("--qber 0.03 --code {code}"), "").map(|party| party.report());
        assert!(reports.iter().all(|report| report["code"] == code), "{reports:?}");
        assert!(bench.out("alice").is_some() && bench.out("alice") == bench.out("bob"), "{code}");
        bench.clear();
    }
    let messages = bench.refused("--qber 0.03 --code 8192", "--code 4096");
    assert!(messages[1].contains("code"), "{messages:?}");
}

/// The pads of consecutive sessions with one pre-shared key.
#[derive(Default)]
struct Pads {
    seen: [HashSet<u64>; 2],
}

impl Pads {
    /// The pads of a session fit between the counts before and after it, begin at the former, and are new.
    fn check(&mut self, recording: &Recording, before: [u64; 2], after: [u64; 2]) {
        for (i, records) in recording.records().into_iter().enumerate() {
            assert!(before[i] <= after[i]);
            assert!(records.first().is_none_or(|first| first.pad == before[i]));
            for record in records {
                assert!(record.pad < after[i], "{}: pad {} beyond its count", ROLES[i], record.pad);
                assert!(self.seen[i].insert(record.pad), "{}: pad {} twice", ROLES[i], record.pad);
            }
        }
    }
}

#[test]
fn a_killed_peer_leaves_no_key_and_no_pad_repeats() {
    let bench = Bench::new(400_000);
    let mut pads = Pads::default();
    let mut rng = channel::stream(7, 0);
    let mut broken = 0;
    for run in 0..24 {
        let before = ROLES.map(|role| bench.used(role));
        let (alice, address) = bench.alice(&format!("{} --timeout 3 --wait 3", STRATEGIES[run % 3]));
        let proxy = Proxy::new(&address, None);
        let bob = bench.bob(&proxy.address, "--timeout 3 --wait 3");
        let (mut victim, survivor, survivors) = if run % 2 == 0 { (bob, alice, 0) } else { (alice, bob, 1) };
        thread::sleep(Duration::from_millis(if run < 2 { 0 } else { channel::below(&mut rng, 400) }));
        victim.child.kill().unwrap();
        victim.end();
        let survivor = survivor.end();
        let recording = proxy.end();
        pads.check(&recording, before, ROLES.map(|role| bench.used(role)));

        let outs = ROLES.map(|role| bench.out(role));
        if survivor.done() {
            // All was over before the kill, but perhaps for Alice's file.
            assert!(outs[1].is_some() && outs[survivors].is_some(), "run {run}");
        } else {
            broken += 1;
            survivor.error();
            assert!(outs[0].is_none() || survivors == 1, "run {run}");
        }
        // The exception is Bob's key without Alice's, never hers without his.
        assert!(outs[0].is_none() || outs[0] == outs[1], "run {run}: {survivor:?}");
        assert!(bench.leftovers(ROLES[survivors]).is_empty(), "run {run}");
        bench.clear();

        if run % 6 == 5 {
            let before = ROLES.map(|role| bench.used(role));
            let (alice, address) = bench.alice(STRATEGIES[1]);
            let proxy = Proxy::new(&address, None);
            let bob = bench.bob(&proxy.address, "");
            [alice, bob].into_iter().for_each(|party| drop(party.end().report()));
            assert!(bench.out("alice").is_some() && bench.out("alice") == bench.out("bob"));
            pads.check(&proxy.end(), before, ROLES.map(|role| bench.used(role)));
            bench.clear();
        }
    }
    assert!(broken > 0 && pads.seen.iter().all(|seen| !seen.is_empty()));
}

#[test]
fn a_flipped_bit_ends_the_session() {
    let bench = Bench::new(100_000);
    let line = format!("{} --timeout 2 --wait 1", STRATEGIES[1]);
    let run = |flip| {
        let (alice, address) = bench.alice(&line);
        let proxy = Proxy::new(&address, flip);
        let bob = bench.bob(&proxy.address, "--timeout 2 --wait 1");
        ([alice.end(), bob.end()], proxy.end())
    };
    let ([alice, bob], clean) = run(None);
    assert_eq!(alice.report()["payload_bits"], bob.report()["payload_bits"]);
    bench.clear();
    let mut rng = channel::stream(8, 0);
    let mut flipped = 0;
    for round in 0..12u32 {
        let sender = (round % 2) as usize;
        // The first rounds hit the greeting, the header and the beginning of the body.
        let length = [25, 25, 37, 37, 60, 60].get(round as usize).copied();
        let length = length.unwrap_or(clean.bytes[sender].len() as u64 * 7 / 10);
        let position = channel::below(&mut rng, length) as usize;
        let bit = channel::below(&mut rng, 8) as u8;
        let ([alice, bob], recording) = run(Some(Flip { sender, position, bit }));
        let what = format!("round {round}, byte {position} of {}", ROLES[sender]);
        if recording.bytes[sender].len() <= position {
            // How much is sent depends on random padding, and on what happens to share a record.
            assert!(round >= 6 && [alice, bob].iter().all(Ended::done), "{what}");
            assert_eq!(bench.out("alice"), bench.out("bob"), "{what}");
            bench.clear();
            continue;
        }
        flipped += 1;
        for party in [alice, bob] {
            assert_eq!(party.code, Some(1), "{what}: {}", party.stderr);
            party.error();
        }
        assert!(bench.out("alice").is_none(), "{what}");
        // What follows the last whole frame cannot be told from silence by Bob, who has his key by then.
        let last = recording.records()[1].last().map_or(0, |record| record.start);
        assert!(bench.out("bob").is_none() || sender == 1 && position >= last, "{what}");
        bench.clear();
    }
    assert!(flipped >= 9, "{flipped} of 12 bits were flipped");
}

#[test]
fn a_pre_shared_key_that_does_not_serve_is_named() {
    let bench = Bench::new(8000);
    bench.psk(4096, [1, 2]);
    let (alice, address) = bench.alice(&format!("{} --timeout 3 --wait 2", STRATEGIES[1]));
    let message = bench.bob(&address, "--timeout 3").end().error();
    assert!(message.contains("do both have the same pre-shared key?"), "{message}");
    let alice = alice.end();
    assert!(alice.stderr.contains("pre-shared keys differ"), "{alice:?}");
    assert!(alice.error().contains("nobody connected"));
    assert_eq!(bench.used("alice"), 0, "no pad is spent on a stranger");

    bench.psk(4096, [3, 3]);
    fs::write(bench.path("alice", "psk.used-alice"), r#"{"role":"alice","psk_bytes":4096,"sent":255}"#)
        .unwrap();
    let message = bench.spawn("alice", "--listen 127.0.0.1:0").end().error();
    assert!(message.contains("all 255 pads for what alice sends are used"), "{message}");
    assert_eq!(bench.used("alice"), 255);

    bench.psk(63, [1, 1]);
    for (role, line) in [("alice", "--listen 127.0.0.1:0"), ("bob", "--connect 127.0.0.1:1")] {
        let message = bench.spawn(role, line).end().error();
        assert!(message.contains("expected 64 to 1073741824 random bytes, found 63"), "{message}");
    }
}

#[test]
fn parties_that_do_not_agree_say_so() {
    let bench = Bench::new(100_000);
    let messages = bench.refused(STRATEGIES[1], "--strategy symmetric");
    assert!(messages[0].contains("the parties are configured differently"), "{messages:?}");
    assert!(messages[1].contains("disagree") && messages[1].contains("strategy"), "{messages:?}");

    for (alice, bob) in [("--budget 5000", ""), ("", "--budget 5000"), ("--budget 0", "--budget 0")] {
        let messages = bench.refused(&format!("{} {alice}", STRATEGIES[1]), bob);
        // The smaller budget holds for both.
        assert!(messages.iter().all(|m| m.contains("budget")), "{messages:?}");
    }

    let own = fs::read(bench.path("alice", "key")).unwrap();
    bench.keys(80_000, 2);
    fs::write(bench.path("alice", "key"), own).unwrap();
    let messages = bench.refused(STRATEGIES[0], "");
    assert!(messages[0].contains("the parties are configured differently"), "{messages:?}");
    assert!(messages[1].contains("disagree") && messages[1].contains("length"), "{messages:?}");
}

#[test]
fn nobody_there_is_an_error() {
    let bench = Bench::new(8000);
    let (alice, address) = bench.alice("--wait 1");
    assert!(alice.end().error().contains("nobody connected"));
    let message = bench.bob(&address, "--wait 1").end().error();
    assert!(message.contains(&address), "{message}");

    // Whoever does not greet as Bob does not end Alice's wait.
    let (alice, address) = bench.alice(&format!("{} --timeout 2", STRATEGIES[1]));
    drop(std::net::TcpStream::connect(&address).unwrap());
    let bob = bench.bob(&address, "").end();
    let alice = alice.end();
    assert!(bob.done(), "{bob:?}");
    assert!(alice.stderr.lines().next().is_some_and(|line| line.contains("turned away")), "{}", alice.stderr);
    assert!(
        TcpListener::bind(&address).is_ok() && same(&bench.path("alice", "out"), &bench.path("bob", "out"))
    );
}

#[test]
fn strangers_keep_nobody_waiting() {
    let bench = Bench::new(8000);
    let (alice, address) = bench.alice(&format!("{} --wait 20", STRATEGIES[1]));
    let connect = |bytes: &[u8]| {
        let mut stream = std::net::TcpStream::connect(&address).unwrap();
        stream.write_all(bytes).unwrap();
        stream
    };
    // Silent ones, another protocol, a greeting and nothing more, a greeting and a forged record.
    let greeting = [&b"CALIGO\0\x01B"[..], &[7; 16]].concat();
    let forged = [&greeting[..], &[0; 4], &[0; 8], &[9; 8]].concat();
    let long = [&greeting[..], &[0xff; 300]].concat();
    let strangers: Vec<_> =
        [&b""[..], b"", b"SSH-2.0-OpenSSH_9.2", &greeting, &forged, &long].map(connect).into();
    let bob = bench.bob(&address, "");
    let (bob, alice) = (bob.end(), alice.end());
    assert!(bob.done(), "{bob:?}");
    assert!(same(&bench.path("alice", "out"), &bench.path("bob", "out")), "{alice:?}");
    for refusal in ["expected magic", "the tag does not match", "expected a body of at most"] {
        assert!(alice.stderr.contains(refusal), "{refusal}: {}", alice.stderr);
    }
    drop(strangers);
}

#[test]
fn a_result_does_not_take_the_place_of_what_is_needed() {
    let bench = Bench::new(8000);
    let files = ["psk", "./psk", "psk.used-alice", "psk.used-bob", "psk.lock-alice", "psk.lock-bob"];
    let before = fs::read(bench.path("alice", "psk")).unwrap();
    for file in files {
        for line in [
            format!("alice --key key --psk psk --listen 127.0.0.1:0 --out {file}"),
            format!("bob --key key --psk psk --connect 127.0.0.1:1 --out {file}"),
            format!("alice --key {file} --psk psk --listen 127.0.0.1:0"),
        ] {
            if line.contains("--key psk.") {
                continue;
            }
            let output = bench.command("alice").args(line.split_whitespace()).output().unwrap();
            let stderr = String::from_utf8(output.stderr).unwrap();
            assert_eq!((output.status.code(), stderr.lines().count()), (Some(2), 1), "{line}: {stderr}");
            assert!(stderr.contains("expected another file than"), "{line}: {stderr}");
        }
    }
    assert!(before == fs::read(bench.path("alice", "psk")).unwrap());
}

#[test]
fn a_broken_session_says_what_it_disclosed() {
    let bench = Bench::new(100_000);
    let messages = bench.refused(&format!("{} --budget 5000", STRATEGIES[1]), "");
    for message in messages {
        let bits = message.split_once("; ").and_then(|(_, rest)| rest.split_once(" bits about the key"));
        let bits: u64 = bits.and_then(|(bits, _)| bits.parse().ok()).unwrap_or_else(|| panic!("{message}"));
        assert!((3000..=5000).contains(&bits), "{message}");
    }
}

fn same(a: &Path, b: &Path) -> bool {
    fs::read(a).unwrap() == fs::read(b).unwrap()
}

#[test]
fn commands_that_are_not_understood_end_with_2() {
    let bench = Bench::new(8000);
    for line in [
        "alice --key key --listen 127.0.0.1:0",
        "alice --key key --psk psk",
        "alice --key key --psk psk --listen 127.0.0.1:0 --timeout 0",
        "alice --key key --psk psk --listen 127.0.0.1:0 --wait 0",
        "alice --key key --psk psk --listen 127.0.0.1:0 --side-info s",
        "alice --key key --psk psk --listen 127.0.0.1:0 --rounds 0",
        "bob --psk psk --connect 127.0.0.1:1",
        "bob --key key --psk psk",
        "bob --key key --psk psk --connect 127.0.0.1:1 --timeout x",
        "bob --key key --psk psk --connect 127.0.0.1:1 --strategy none",
        "bob --key key --psk psk --connect 127.0.0.1:1 --qber 0.03",
    ] {
        let output = bench.command("alice").args(line.split_whitespace()).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), stderr.lines().count()), (Some(2), 1), "{line}: {stderr}");
        assert!(output.stdout.is_empty() && stderr.starts_with("caligo-run: "), "{line}: {stderr}");
    }
    assert!(bench.leftovers("alice").is_empty() && bench.used("alice") == 0);
}
