//! `caligo-run alice` and `caligo-run bob` with a protocol that begins with pairs.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use caligo_runtime::channel;
use rand_core::Rng;
use serde_json::Value;

use crate::hosts::{Ended, Party};

pub(crate) const ROLES: [&str; 2] = ["alice", "bob"];

/// What the protocols differ in.
pub(crate) struct Kind {
    /// Parameters to begin with.
    pub(crate) params: &'static str,
    /// Results, by role.
    pub(crate) outs: &'static [(&'static str, &'static str)],
}

/// A directory for each party: `p.yaml`, `psk`, what belongs to it, results.
pub(crate) struct Bench {
    dir: tempfile::TempDir,
    kind: Kind,
}

impl Bench {
    pub(crate) fn new(kind: Kind) -> Self {
        let bench = Self { dir: tempfile::tempdir().unwrap(), kind };
        let mut psk = vec![0; 1 << 14];
        channel::stream(1, 0).fill_bytes(&mut psk);
        for role in ROLES {
            fs::create_dir(bench.path(role, "")).unwrap();
            fs::write(bench.path(role, "psk"), &psk).unwrap();
        }
        bench.params(bench.kind.params, bench.kind.params);
        bench
    }

    pub(crate) fn path(&self, role: &str, name: &str) -> PathBuf {
        self.dir.path().join(role).join(name)
    }

    pub(crate) fn params(&self, alice: &str, bob: &str) {
        fs::write(self.path("alice", "p.yaml"), alice).unwrap();
        fs::write(self.path("bob", "p.yaml"), bob).unwrap();
    }

    pub(crate) fn command(&self, role: &str, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_caligo-run"));
        command.current_dir(self.path(role, "")).args(line.split_whitespace());
        command
    }

    pub(crate) fn alice(&self, line: &str) -> (Party, String) {
        let timeout = if line.contains("--timeout") { "" } else { "--timeout 10" };
        let common = format!("--listen 127.0.0.1:0 --psk psk {timeout} --wait 10 --json");
        let mut alice = Party::spawn(&mut self.command("alice", &format!("alice {common} {line}")));
        let address = alice.address();
        (alice, address)
    }

    pub(crate) fn bob(&self, address: &str, line: &str) -> Party {
        let common = format!("--connect {address} --psk psk --timeout 10 --wait 10 --json");
        Party::spawn(&mut self.command("bob", &format!("bob {common} {line}")))
    }

    pub(crate) fn session(&self, alice: &str, bob: &str) -> [Ended; 2] {
        let (alice, address) = self.alice(alice);
        let bob = self.bob(&address, bob);
        [alice.end(), bob.end()]
    }

    /// What is written, in the order of [`Kind::outs`].
    pub(crate) fn outs(&self) -> Vec<Option<Vec<u8>>> {
        self.kind.outs.iter().map(|(role, name)| fs::read(self.path(role, name)).ok()).collect()
    }

    /// What both say of a session that fails on both sides and leaves nothing.
    pub(crate) fn refused(&self, alice: &str, bob: &str) -> [String; 2] {
        let messages = self.session(alice, bob).map(|party| party.error());
        assert!(self.outs().iter().all(Option::is_none));
        messages
    }

    /// One line and exit code 2, before anything is sent.
    pub(crate) fn usage(&self, role: &str, line: &str, expected: &str) {
        let ended = Party::spawn(&mut self.command(role, &format!("{role} {line}"))).end();
        assert_eq!((ended.code, ended.stderr.lines().count()), (Some(2), 1), "{line}: {}", ended.stderr);
        assert!(ended.stderr.contains(expected), "{}", ended.stderr);
    }
}

pub(crate) fn report(party: &Ended) -> Value {
    assert_eq!((party.code, party.stderr.as_str()), (Some(0), ""), "{party:?}");
    serde_json::from_str(&party.stdout).unwrap()
}
