//! The pre-shared key: random bytes that both parties hold, handed out as one-time pads.
//!
//! The file's first half serves what Alice sends, the second what Bob sends. A half is one 8-byte hash key,
//! then 8-byte pads numbered from 0, all big-endian; what does not fill two equal halves of whole words is
//! not used. The hash key stays the same for ever: Wegman-Carter tags do not show it, as long as no pad
//! serves twice.
//!
//! `<file>.used-alice` (`.used-bob`) counts the pads that the role has sent with, as JSON: `role`,
//! `psk_bytes` (length of the key file) and `sent`. A pad is counted on the disk before it is handed out. The
//! count stands for this one copy of the file under this one name, so a role must be played from one copy
//! only, and neither copies, hard links and new names of the key file nor a restored or deleted count may
//! bring used pads back.
//!
//! `<file>.lock-alice` keeps a second process of the role out. It is a file of its own because replacing the
//! count atomically puts another file in its place, which a lock on the old one would not cover. It is never
//! removed, for the same reason.

use std::fmt;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::keyfile::{self, Access};

/// Shortest key file in bytes: three pads a direction.
pub const MIN_BYTES: u64 = 64;

/// Longest key file in bytes.
pub const MAX_BYTES: u64 = 1 << 30;

/// Pads counted on the disk at a time: one record in so many waits for it, and a crash loses no more.
pub const CHUNK: u64 = 64;

const WORD: u64 = size_of::<u64>() as u64;

/// Longest count file that is read; written ones are shorter.
const MAX_STATE_BYTES: u64 = 4096;

/// A party.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Her key is the reference.
    Alice,
    /// Corrects his key to hers.
    Bob,
}

impl Role {
    /// The peer.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Alice => Self::Bob,
            Self::Bob => Self::Alice,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Alice => "alice",
            Self::Bob => "bob",
        })
    }
}

/// Why there is no pad.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PskError {
    /// Reading, writing or locking failed.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What happened.
        source: io::Error,
    },
    /// The key file is not as it has to be.
    #[error("{}: expected {expected}, found {found}", path.display())]
    Key {
        /// The key file.
        path: PathBuf,
        /// What was expected.
        expected: String,
        /// What was found.
        found: String,
    },
    /// The count of used pads is damaged or another key file's. Guessing it could use a pad twice.
    #[error("{}: expected {expected}, found {found}; what pads are used is not known", path.display())]
    State {
        /// The count file.
        path: PathBuf,
        /// What was expected.
        expected: String,
        /// What was found.
        found: String,
    },
    /// Another process, or another value in this one, has the key open in the same role.
    #[error("{}: this pre-shared key is in use as {role} (locked by {})", path.display(), lock.display())]
    InUse {
        /// The key file.
        path: PathBuf,
        /// The role it is in use for.
        role: Role,
        /// The lock file.
        lock: PathBuf,
    },
    /// Every pad is used.
    #[error(
        "{}: all {pads} pads for what {role} sends are used; a new pre-shared key is needed, in a file of \
         another name", path.display()
    )]
    Exhausted {
        /// The key file.
        path: PathBuf,
        /// The sender.
        role: Role,
        /// Pads the file held for one direction.
        pads: u64,
    },
    /// The peer named a pad that the file does not hold.
    #[error("{}: expected a pad number below {pads}, found {number}", path.display())]
    NoPad {
        /// The key file.
        path: PathBuf,
        /// The number asked for.
        number: u64,
        /// Pads the file holds for one direction.
        pads: u64,
    },
}

/// What the count file says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    role: Role,
    psk_bytes: u64,
    sent: u64,
}

/// A pre-shared key, open in one role. Wiped when dropped; its content is never printed.
pub struct PreShared {
    /// Whole halves only.
    secret: Zeroizing<Vec<u8>>,
    path: PathBuf,
    state: PathBuf,
    role: Role,
    psk_bytes: u64,
    /// The next pad to hand out.
    next: u64,
    /// The count on the disk: pads from here on must not be handed out yet.
    reserved: u64,
    /// Holds the lock until after the last count is written.
    #[cfg_attr(not(test), expect(dead_code, reason = "held, not used"))]
    lock: File,
}

impl fmt::Debug for PreShared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PreShared")
            .field("path", &self.path)
            .field("role", &self.role)
            .field("used", &self.next)
            .field("left", &self.left())
            .finish_non_exhaustive()
    }
}

impl Drop for PreShared {
    fn drop(&mut self) {
        // Best effort: if it fails, the rest of the chunk is lost and nothing repeats.
        self.write_back().ok();
    }
}

impl PreShared {
    /// Opens the key file for one role and continues after its last used pad. Without a count file nothing is
    /// used yet, and one is created. Links are followed, so that all of them share one count.
    ///
    /// # Errors
    /// [`PskError`] names the file and what was expected of it: [`MIN_BYTES`] to [`MAX_BYTES`] random bytes,
    /// a count that fits them, no other user in this role.
    pub fn open(path: &Path, role: Role) -> Result<Self, PskError> {
        let path = fs::canonicalize(path).map_err(|source| io_error(path, source))?;
        let (secret, psk_bytes) = read_secret(&path)?;
        let lock = lock(&path, role)?;
        let state = beside(&path, "used", role);
        let pads = pads_in(&secret);
        let sent = if let Some(found) = read_state(&state)? {
            check_state(&state, &found, &State { role, psk_bytes, sent: pads })?
        } else {
            create_state(&state, &State { role, psk_bytes, sent: 0 })
                .map_err(|source| io_error(&state, source))?;
            0
        };
        Ok(Self { secret, path, state, role, psk_bytes, next: sent, reserved: sent, lock })
    }

    /// Whether there is a pad to send with.
    ///
    /// # Errors
    /// [`PskError::Exhausted`] if not.
    pub fn check(&self) -> Result<(), PskError> {
        let (role, pads) = (self.role, self.pads());
        if self.left() > 0 {
            Ok(())
        } else {
            Err(PskError::Exhausted { path: self.path.clone(), role, pads })
        }
    }

    /// The role it was opened for.
    pub fn role(&self) -> Role {
        self.role
    }

    /// Hash key of what this role sends.
    pub fn send_key(&self) -> u64 {
        self.word(self.role, 0)
    }

    /// Hash key of what this role receives.
    pub fn receive_key(&self) -> u64 {
        self.word(self.role.other(), 0)
    }

    /// A pad that was never handed out before, and its number. Numbers increase; a crash leaves a gap.
    ///
    /// # Errors
    /// [`PskError::Exhausted`], or [`PskError::Io`] if the count cannot be written; no pad is used then.
    pub fn next_send_pad(&mut self) -> Result<(u64, u64), PskError> {
        let pads = self.pads();
        if self.next == pads {
            return Err(PskError::Exhausted { path: self.path.clone(), role: self.role, pads });
        }
        if self.next == self.reserved {
            self.write_count(pads.min(self.next + CHUNK))?;
        }
        let number = self.next;
        self.next += 1;
        Ok((number, self.word(self.role, 1 + number)))
    }

    /// The pad that the peer says it used. Nothing here keeps it from being asked for again.
    ///
    /// # Errors
    /// [`PskError::NoPad`] if the file does not hold it.
    pub fn receive_pad(&self, number: u64) -> Result<u64, PskError> {
        let pads = self.pads();
        if number >= pads {
            return Err(PskError::NoPad { path: self.path.clone(), number, pads });
        }
        Ok(self.word(self.role.other(), 1 + number))
    }

    /// Pads of one direction.
    pub fn pads(&self) -> u64 {
        pads_in(&self.secret)
    }

    /// Pads this role cannot send with any more: used ones, and those a crash lost.
    pub fn used(&self) -> u64 {
        self.next
    }

    /// Pads this role can still send with.
    pub fn left(&self) -> u64 {
        self.pads() - self.next
    }

    /// Writes the exact count, so that no pad is lost, and gives up the lock.
    ///
    /// # Errors
    /// [`PskError::Io`] if the count cannot be written; reserved pads are lost then, and none repeats.
    pub fn close(mut self) -> Result<(), PskError> {
        self.write_back()
    }

    fn write_back(&mut self) -> Result<(), PskError> {
        if self.reserved == self.next { Ok(()) } else { self.write_count(self.next) }
    }

    /// Puts `sent` on the disk, and only then takes it for written.
    fn write_count(&mut self, sent: u64) -> Result<(), PskError> {
        let state = State { role: self.role, psk_bytes: self.psk_bytes, sent };
        keyfile::replace_durably(&self.state, Access::Private, |out| write_state(out, &state))
            .map_err(|source| io_error(&self.state, source))?;
        self.reserved = sent;
        Ok(())
    }

    fn word(&self, sender: Role, index: u64) -> u64 {
        word(&self.secret, sender, index)
    }
}

/// Pads in one half: all its words but the hash key.
fn pads_in(secret: &[u8]) -> u64 {
    secret.len() as u64 / (2 * WORD) - 1
}

/// Word `index` of the half of `sender`.
fn word(secret: &[u8], sender: Role, index: u64) -> u64 {
    let words = secret.as_chunks::<8>().0;
    let half = match sender {
        Role::Alice => &words[..words.len() / 2],
        Role::Bob => &words[words.len() / 2..],
    };
    u64::from_be_bytes(half[index as usize])
}

/// The usable part of the key file, and the length of all of it.
fn read_secret(path: &Path) -> Result<(Zeroizing<Vec<u8>>, u64), PskError> {
    let key_error =
        |expected: String, found: String| PskError::Key { path: path.to_owned(), expected, found };
    // Before it is opened: a pipe would wait for its writer, and has no length to count against.
    let meta = fs::metadata(path).map_err(|source| io_error(path, source))?;
    if !meta.is_file() {
        let found = if meta.is_dir() { "a directory" } else { "a pipe or a device" };
        return Err(key_error("a file of random bytes".to_owned(), found.to_owned()));
    }
    let bytes = meta.len();
    if !(MIN_BYTES..=MAX_BYTES).contains(&bytes) {
        let expected = format!("{MIN_BYTES} to {MAX_BYTES} random bytes");
        return Err(key_error(expected, format!("{bytes}")));
    }
    let mut secret = Zeroizing::new(vec![0; (bytes / (2 * WORD) * 2 * WORD) as usize]);
    File::open(path).and_then(|mut f| f.read_exact(&mut secret)).map_err(|source| io_error(path, source))?;
    for role in [Role::Alice, Role::Bob] {
        // Every message has the tag 0 under it; in practice, a file that was never filled.
        if word(&secret, role, 0) == 0 {
            return Err(key_error("random bytes".to_owned(), format!("zeros for the hash key of {role}")));
        }
    }
    Ok((secret, bytes))
}

fn lock(path: &Path, role: Role) -> Result<File, PskError> {
    let lock = beside(path, "lock", role);
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    // Whoever can open the file can hold its lock.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(&lock).map_err(|source| io_error(&lock, source))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(PskError::InUse { path: path.to_owned(), role, lock }),
        Err(TryLockError::Error(source)) => Err(io_error(&lock, source)),
    }
}

/// The count file's content, none if there is no such file.
fn read_state(path: &Path) -> Result<Option<State>, PskError> {
    let mut bytes = Vec::new();
    match File::open(path).and_then(|f| f.take(MAX_STATE_BYTES).read_to_end(&mut bytes)) {
        Ok(_) => {}
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(io_error(path, source)),
    }
    serde_json::from_slice(&bytes).map(Some).map_err(|e| PskError::State {
        path: path.to_owned(),
        expected: "JSON with role, psk_bytes and sent".to_owned(),
        found: format!("{} bytes that are not ({e})", bytes.len()),
    })
}

/// The pads sent, if all is as in `expected`, whose `sent` is the most there can be.
fn check_state(path: &Path, found: &State, expected: &State) -> Result<u64, PskError> {
    let differs =
        |expected: String, found: String| PskError::State { path: path.to_owned(), expected, found };
    if found.role != expected.role {
        return Err(differs(format!("role {}", expected.role), format!("{}", found.role)));
    }
    if found.psk_bytes != expected.psk_bytes {
        return Err(differs(format!("psk_bytes {}", expected.psk_bytes), format!("{}", found.psk_bytes)));
    }
    if found.sent > expected.sent {
        return Err(differs(format!("sent of at most {}", expected.sent), format!("{}", found.sent)));
    }
    Ok(found.sent)
}

/// Creates the count file, whole; fails if there is one after all.
fn create_state(path: &Path, state: &State) -> io::Result<()> {
    let dir = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new().prefix(keyfile::UNFINISHED).tempfile_in(dir)?;
    write_state(&mut file, state)?;
    file.as_file().sync_all()?;
    file.persist_noclobber(path).map_err(|e| e.error)?;
    // A power failure must not bring the old count, and its pads, back.
    keyfile::sync_name(path)
}

fn write_state(out: &mut dyn Write, state: &State) -> io::Result<()> {
    serde_json::to_writer(&mut *out, state)?;
    out.write_all(b"\n")
}

/// The files that belong to the key file `path`, with what each is: nothing else may be written there.
pub fn files(path: &Path) -> Vec<(&'static str, PathBuf)> {
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let mut files = vec![("--psk", path.to_owned())];
    for role in [Role::Alice, Role::Bob] {
        files.push(("the count of --psk", beside(&target, "used", role)));
        files.push(("the lock of --psk", beside(&target, "lock", role)));
    }
    files
}

fn beside(path: &Path, what: &str, role: Role) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{what}-{role}"));
    name.into()
}

fn io_error(path: &Path, source: io::Error) -> PskError {
    PskError::Io { path: path.to_owned(), source }
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::HashSet;

    use super::*;

    /// Bytes without a pattern of words.
    pub(in crate::session) fn bytes(count: usize) -> Vec<u8> {
        let mut x = 0x9e37_79b9_7f4a_7c15u64;
        std::iter::repeat_with(|| {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            (x >> 32) as u8
        })
        .take(count)
        .collect()
    }

    /// A key file of `count` bytes.
    pub(in crate::session) fn file(count: usize) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("psk");
        fs::write(&path, bytes(count)).unwrap();
        (dir, path)
    }

    /// What a killed process leaves: the lock is gone, nothing is written back.
    fn crash(psk: PreShared) {
        psk.lock.unlock().unwrap();
        std::mem::forget(psk);
    }

    fn sent_on_disk(path: &Path, role: Role) -> u64 {
        read_state(&beside(path, "used", role)).unwrap().unwrap().sent
    }

    #[test]
    fn both_parties_see_the_same_words() {
        let (_dir, path) = file(16 * 200 + 15);
        let content = fs::read(&path).unwrap();
        let at = |i: usize| u64::from_be_bytes(content[i * 8..][..8].try_into().unwrap());
        let (mut alice, mut bob) =
            (PreShared::open(&path, Role::Alice).unwrap(), PreShared::open(&path, Role::Bob).unwrap());
        assert_eq!((alice.send_key(), bob.receive_key()), (at(0), at(0)));
        assert_eq!((bob.send_key(), alice.receive_key()), (at(200), at(200)));
        for i in 0..199u64 {
            let (a, b) = (alice.next_send_pad().unwrap(), bob.next_send_pad().unwrap());
            assert_eq!((a, b), ((i, at(1 + i as usize)), (i, at(201 + i as usize))));
            assert_eq!((bob.receive_pad(i).unwrap(), alice.receive_pad(i).unwrap()), (a.1, b.1));
            assert_eq!((alice.used(), alice.left()), (i + 1, 198 - i));
        }
        assert!(matches!(bob.receive_pad(199), Err(PskError::NoPad { number: 199, pads: 199, .. })));
        assert!(matches!(bob.receive_pad(u64::MAX), Err(PskError::NoPad { .. })));
    }

    #[test]
    fn no_pad_repeats_over_close_drop_and_crash() {
        let (_dir, path) = file(16 * 2001);
        let content = fs::read(&path).unwrap();
        let mut seen = HashSet::new();
        let mut lost = 0;
        for (round, count) in [1, 63, 64, 65, 0, 7, 128, 129, 3, 1, 2, 64, 190, 0, 5].into_iter().enumerate()
        {
            let mut psk = PreShared::open(&path, Role::Alice).unwrap();
            let start = psk.used();
            assert_eq!(start, seen.len() as u64 + lost, "round {round}");
            for _ in 0..count {
                let (number, pad) = psk.next_send_pad().unwrap();
                assert!(seen.insert(number), "pad {number} repeats in round {round}");
                assert_eq!(pad.to_be_bytes(), content[8 + number as usize * 8..][..8], "pad {number}");
                assert!(sent_on_disk(&path, Role::Alice) > number, "counted before it is used");
            }
            let exact = start + count;
            match round % 3 {
                0 => psk.close().unwrap(),
                1 => drop(psk),
                _ => {
                    crash(psk);
                    let more = sent_on_disk(&path, Role::Alice) - exact;
                    assert!(more < CHUNK);
                    lost += more;
                    continue;
                }
            }
            assert_eq!(sent_on_disk(&path, Role::Alice), exact, "round {round}");
        }
        assert!(lost > 0);
        assert_eq!(PreShared::open(&path, Role::Bob).unwrap().used(), 0);
    }

    #[test]
    fn one_user_a_role() {
        let (dir, path) = file(256);
        let first = PreShared::open(&path, Role::Alice).unwrap();
        let text = PreShared::open(&path, Role::Alice).unwrap_err().to_string();
        assert!(text.contains("in use as alice") && text.contains("psk"), "{text}");
        let bob = PreShared::open(&path, Role::Bob).unwrap();
        #[cfg(unix)]
        {
            let link = dir.path().join("link");
            std::os::unix::fs::symlink(&path, &link).unwrap();
            assert!(matches!(PreShared::open(&link, Role::Alice), Err(PskError::InUse { .. })));
        }
        first.close().unwrap();
        PreShared::open(&path, Role::Alice).unwrap().close().unwrap();
        assert!(matches!(PreShared::open(&path, Role::Bob), Err(PskError::InUse { role: Role::Bob, .. })));
        drop(bob);
        PreShared::open(&path, Role::Bob).unwrap();
        drop(dir);
    }

    #[test]
    fn an_empty_key_stays_empty() {
        let (_dir, path) = file(64);
        let mut psk = PreShared::open(&path, Role::Bob).unwrap();
        for _ in 0..3 {
            psk.next_send_pad().unwrap();
        }
        for _ in 0..2 {
            let error = psk.next_send_pad().unwrap_err();
            assert!(matches!(error, PskError::Exhausted { pads: 3, role: Role::Bob, .. }));
            let text = error.to_string();
            assert!(text.contains("all 3 pads") && text.contains("new pre-shared key"), "{text}");
        }
        psk.close().unwrap();
        let mut psk = PreShared::open(&path, Role::Bob).unwrap();
        assert_eq!((psk.used(), psk.left()), (3, 0));
        assert!(matches!(psk.next_send_pad(), Err(PskError::Exhausted { .. })));
    }

    #[test]
    fn a_damaged_count_is_refused_and_kept() {
        let (_dir, path) = file(256);
        let state = beside(&path, "used", Role::Alice);
        let mut psk = PreShared::open(&path, Role::Alice).unwrap();
        psk.next_send_pad().unwrap();
        psk.close().unwrap();
        let valid = fs::read_to_string(&state).unwrap();
        assert_eq!(valid, "{\"role\":\"alice\",\"psk_bytes\":256,\"sent\":1}\n");
        let closing = valid.find('}').unwrap();
        let mut damaged: Vec<String> = (0..=closing).map(|end| valid[..end].to_owned()).collect();
        damaged.extend([
            valid.replace("alice", "bob"),
            valid.replace("alice", "Alice"),
            valid.replace("256", "255"),
            valid.replace(":1", ":16"),
            valid.replace(":1", ":-1"),
            valid.replace(":1", ":1.5"),
            valid.replace(":1", ":18446744073709551616"),
            valid.replace(":1", ":\"1\""),
            valid.replace(":1", ":null"),
            valid.replace(":1", ":1,\"sent\":0"),
            valid.replace(":1", ":1,\"more\":0"),
            valid.replace(",\"sent\":1", ""),
            format!("{valid}{valid}"),
            "\0".repeat(valid.len()),
        ]);
        for text in damaged {
            fs::write(&state, &text).unwrap();
            let error = PreShared::open(&path, Role::Alice).unwrap_err();
            assert!(matches!(error, PskError::State { .. }), "{text}");
            assert!(error.to_string().contains("psk.used-alice"), "{error}");
            assert_eq!(fs::read_to_string(&state).unwrap(), text, "left as found");
        }
        fs::write(&state, b"\xff\xfe").unwrap();
        assert!(matches!(PreShared::open(&path, Role::Alice), Err(PskError::State { .. })));
        fs::write(&state, valid.replace(":1", ":15")).unwrap();
        assert_eq!(PreShared::open(&path, Role::Alice).unwrap().left(), 0);
        fs::write(&path, bytes(272)).unwrap();
        let text = PreShared::open(&path, Role::Alice).unwrap_err().to_string();
        assert!(text.contains("expected psk_bytes 272, found 256"), "{text}");
    }

    #[test]
    fn a_count_that_cannot_be_written_costs_no_pad() {
        let (_dir, path) = file(16 * 200);
        let state = beside(&path, "used", Role::Alice);
        let mut psk = PreShared::open(&path, Role::Alice).unwrap();
        for _ in 0..CHUNK {
            psk.next_send_pad().unwrap();
        }
        fs::remove_file(&state).unwrap();
        fs::create_dir(&state).unwrap();
        let error = psk.next_send_pad().unwrap_err();
        assert!(matches!(&error, PskError::Io { path, .. } if *path == psk.state), "{error}");
        assert_eq!(psk.used(), CHUNK);
        fs::remove_dir(&state).unwrap();
        assert_eq!(psk.next_send_pad().unwrap().0, CHUNK);
        assert_eq!(sent_on_disk(&path, Role::Alice), 2 * CHUNK);
        fs::remove_file(&state).unwrap();
        fs::create_dir(&state).unwrap();
        assert!(matches!(psk.close(), Err(PskError::Io { .. })));
    }

    #[test]
    fn a_key_file_of_another_size_or_kind_is_refused() {
        let (dir, path) = file(63);
        for bytes in [0, 63, MAX_BYTES + 1] {
            File::options().write(true).open(&path).unwrap().set_len(bytes).unwrap();
            let text = PreShared::open(&path, Role::Alice).unwrap_err().to_string();
            assert!(text.contains("psk: expected 64 to 1073741824 random bytes"), "{text}");
            assert!(text.ends_with(&format!("found {bytes}")), "{text}");
        }
        for (count, pads) in [(64, 3), (79, 3), (80, 4), (95, 4), (96, 5)] {
            let (_dir, path) = file(count);
            assert_eq!(PreShared::open(&path, Role::Alice).unwrap().left(), pads, "{count} bytes");
        }
        fs::write(&path, [0; 64]).unwrap();
        let text = PreShared::open(&path, Role::Alice).unwrap_err().to_string();
        assert!(text.contains("expected random bytes, found zeros"), "{text}");
        assert!(PreShared::open(dir.path(), Role::Alice).unwrap_err().to_string().contains("a directory"));
        let error = PreShared::open(&dir.path().join("none"), Role::Alice).unwrap_err();
        assert!(matches!(error, PskError::Io { .. }));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "refused files leave nothing beside them");
    }

    #[test]
    fn nothing_secret_is_printed() {
        let (_dir, path) = file(64);
        let psk = PreShared::open(&path, Role::Alice).unwrap();
        let text = format!("{psk:?}");
        assert!(text.ends_with("role: Alice, used: 0, left: 3, .. }"), "{text}");
    }
}
