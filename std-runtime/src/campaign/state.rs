//! The folder of a campaign: who works in it, how far it is, and whether it is the same campaign.
//!
//! In: a folder, a configuration. Out: the folder, locked, or why it is not to be touched. `state.json` is replaced as a
//! whole; what it counts follows from the shards, so that one from before a kill does no harm.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::campaign::rows::{Counts, SCHEMA};
use crate::campaign::store::{Store, StoreError, remove_unfinished};
use crate::config::campaign::Campaign;
use crate::keyfile::{self, Access};

/// Name of the state's file.
pub const STATE: &str = "state.json";

/// Name of the file whose lock is the folder's.
pub const LOCK: &str = "campaign.lock";

/// Name of the folder of shards, in which each phase has one of its own.
pub const SHARDS: &str = "shards";

/// Name of the log, a line of JSON for each event.
pub const LOG: &str = "campaign.jsonl";

/// Name of a file that ends a run orderly, once somebody makes it.
pub const STOP: &str = "stop";

/// Name of a campaign file that says what was last asked for.
pub const CONFIG: &str = "campaign.json";

/// Name of the HDF5 file.
pub const DATA: &str = "exploration_data.h5";

/// Largest state in bytes.
const MAX_BYTES: u64 = 1 << 20;

/// What a campaign is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// The space-filling design.
    #[default]
    Lhs,
    /// Models are fitted.
    Training,
    /// Samples are chosen by the models.
    Active,
}

impl Phase {
    /// Name of its group of samples in the HDF5 file, and of its folder of shards. Training has none of its own.
    pub const fn group(self) -> &'static str {
        match self {
            Self::Lhs | Self::Training => "lhs_warmup",
            Self::Active => "active_learning",
        }
    }
}

/// What samples depend on: two campaigns with the same identity have the same samples.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Identity(BTreeMap<String, Value>);

impl Identity {
    /// That of `campaign`, run by this version with the mother code whose fingerprint is `code`.
    pub fn new(campaign: &Campaign, code: u64) -> Self {
        let mut map = campaign.identity();
        map.insert("caligo.version".into(), env!("CARGO_PKG_VERSION").into());
        map.insert("caligo.code".into(), format!("{code:016x}").into());
        Self(map)
    }

    /// By what models choose samples of `campaign`.
    pub fn of_choices(campaign: &Campaign) -> Self {
        Self(campaign.choices())
    }

    /// Keys by their paths, with the values in force.
    pub const fn map(&self) -> &BTreeMap<String, Value> {
        &self.0
    }

    /// As JSON.
    pub fn json(&self) -> String {
        // Texts, numbers and lists of them have a JSON form.
        serde_json::to_string(&self.0).unwrap_or_default()
    }

    /// SHA-256 of [`json`](Self::json), in hexadecimal.
    pub fn hash(&self) -> String {
        hexadecimal(&Sha256::digest(self.json()))
    }

    /// What `other` has differently.
    pub fn differences(&self, other: &Self) -> Vec<Difference> {
        let keys = self.0.keys().chain(other.0.keys().filter(|key| !self.0.contains_key(*key)));
        let differs = |key: &String| {
            let (folder, now) = (self.0.get(key), other.0.get(key));
            (folder != now).then(|| Difference {
                key: key.clone(),
                folder: folder.cloned(),
                now: now.cloned(),
            })
        };
        keys.filter_map(differs).collect()
    }
}

/// One key that has changed.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// Its path.
    pub key: String,
    /// Its value where the folder was begun.
    pub folder: Option<Value>,
    /// Its value now.
    pub now: Option<Value>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |value: &Option<Value>| value.as_ref().map_or_else(|| "nothing".into(), Value::to_string);
        write!(f, "{} is {} in the folder and {} now", self.key, shown(&self.folder), shown(&self.now))
    }
}

/// The content of `state.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// Version of this layout.
    pub schema: u64,
    /// The campaign's name.
    pub name: String,
    /// What is being done.
    pub phase: Phase,
    /// All samples before this one are recorded.
    pub cursor: u64,
    /// N.
    pub target: u64,
    /// How many ended how.
    pub counts: Counts,
    /// Samples a second of the last run so far. A measurement.
    pub rate_per_s: f64,
    /// [`Identity::hash`].
    pub config_hash: String,
    /// [`Identity::map`].
    pub config: Identity,
}

impl State {
    /// Of a campaign that has not begun.
    pub fn new(name: String, target: u64, config: Identity) -> Self {
        Self {
            schema: SCHEMA,
            name,
            phase: Phase::Lhs,
            cursor: 0,
            target,
            counts: Counts::default(),
            rate_per_s: 0.0,
            config_hash: config.hash(),
            config,
        }
    }
}

/// Why a folder is not touched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FolderError {
    /// Reading or writing failed.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What happened.
        source: io::Error,
    },
    /// Another process has it.
    #[error("{}: in use by another process, which has locked {LOCK}", dir.display())]
    InUse {
        /// The folder.
        dir: PathBuf,
    },
    /// It has files, and no campaign.
    #[error("{}: expected an empty folder or one with {STATE}, found {found}", dir.display())]
    Foreign {
        /// The folder.
        dir: PathBuf,
        /// One of its files.
        found: String,
    },
    /// A new campaign was asked for.
    #[error("{}: expected an empty folder for a fresh campaign, found {found}", dir.display())]
    NotEmpty {
        /// The folder.
        dir: PathBuf,
        /// One of its files.
        found: String,
    },
    /// The state cannot be read.
    #[error("{}: expected {expected}, found {found}", path.display())]
    State {
        /// The file.
        path: PathBuf,
        /// What was expected.
        expected: String,
        /// What was found.
        found: String,
    },
    /// It was begun with another configuration.
    #[error("{}: begun with another configuration: {}", dir.display(), list(differences))]
    Changed {
        /// The folder.
        dir: PathBuf,
        /// Every key that differs.
        differences: Vec<Difference>,
    },
    /// What was recorded cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn list(differences: &[Difference]) -> String {
    differences.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// `bytes` in hexadecimal.
pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect()
}

/// What to do with a folder that has a campaign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begin {
    /// Go on with it.
    Resume,
    /// Refuse it: a new campaign is wanted.
    Fresh,
}

/// A campaign's folder, locked until it is dropped.
#[derive(Debug)]
pub struct Folder {
    dir: PathBuf,
    state: State,
    _lock: File,
}

impl Folder {
    /// Locks `dir` for `campaign`, whose mother code has the [fingerprint](caligo_core::reconcile::fingerprint) `code`: makes it if there is none, begins
    /// in it if it is empty, and goes on if it was begun with the same identity.
    ///
    /// # Errors
    /// [`FolderError`] says why nothing was touched.
    pub fn open(dir: &Path, campaign: &Campaign, code: u64, begin: Begin) -> Result<Self, FolderError> {
        let config = Identity::new(campaign, code);
        Self::open_as(dir, State::new(campaign.name.clone(), campaign.samples, config), begin)
    }

    /// The same for a campaign of which another folder has the state.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_as(dir: &Path, state: State, begin: Begin) -> Result<Self, FolderError> {
        let io = |path: &Path| {
            let path = path.to_owned();
            move |source| FolderError::Io { path, source }
        };
        fs::create_dir_all(dir).map_err(io(dir))?;
        let path = dir.join(STATE);
        let other = other_file(dir).map_err(io(dir))?;
        let begun = path.try_exists().map_err(io(&path))?;
        match (begin, begun, other) {
            (Begin::Fresh, true, _) => {
                return Err(FolderError::NotEmpty { dir: dir.to_owned(), found: STATE.into() });
            }
            (Begin::Fresh, false, Some(found)) => {
                return Err(FolderError::NotEmpty { dir: dir.to_owned(), found });
            }
            (Begin::Resume, false, Some(found)) => {
                return Err(FolderError::Foreign { dir: dir.to_owned(), found });
            }
            _ => {}
        }
        let lock = lock(dir)?;
        // Another process may have begun since.
        let found = read(&path)?;
        if begin == Begin::Fresh && found.is_some() {
            return Err(FolderError::NotEmpty { dir: dir.to_owned(), found: STATE.into() });
        }
        remove_unfinished(dir).map_err(io(dir))?;
        if let Some(found) = found {
            let differences = found.config.differences(&state.config);
            if !differences.is_empty() {
                return Err(FolderError::Changed { dir: dir.to_owned(), differences });
            }
            // A name may change.
            let state = State { name: state.name, ..found };
            return Ok(Self { dir: dir.to_owned(), state, _lock: lock });
        }
        let folder = Self { dir: dir.to_owned(), state, _lock: lock };
        folder.write()?;
        Ok(folder)
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// How far it is.
    pub const fn state(&self) -> &State {
        &self.state
    }

    /// The HDF5 file's path.
    pub fn data(&self) -> PathBuf {
        self.dir.join(DATA)
    }

    /// The rows of the phase's group: for the design there are as many as samples, else `samples`.
    ///
    /// # Errors
    /// [`StoreError`] names the shard that cannot be read.
    pub fn store(&self, phase: Phase, samples: u64) -> Result<Store, StoreError> {
        Store::open(&shards_of(&self.dir, phase), &self.state.config_hash, samples)
    }

    /// All rows of the phase's group, however many there are.
    ///
    /// # Errors
    /// As [`store`](Self::store).
    pub fn all(&self, phase: Phase) -> Result<Store, StoreError> {
        Store::look_whole(&shards_of(&self.dir, phase), &self.state.config_hash)
    }

    /// Keeps what `campaign` says in the folder, for whoever has the folder alone.
    ///
    /// # Errors
    /// [`FolderError::Io`] if writing fails.
    pub fn keep(&self, campaign: &Campaign) -> Result<(), FolderError> {
        let path = self.dir.join(CONFIG);
        let text = format!("{:#}\n", campaign.document());
        if fs::read(&path).is_ok_and(|kept| kept == text.as_bytes()) {
            return Ok(());
        }
        keyfile::replace(&path, Access::Shared, |out| out.write_all(text.as_bytes()))
            .map_err(|source| FolderError::Io { path, source })
    }

    /// Notes that `phase` has begun.
    ///
    /// # Errors
    /// [`FolderError::Io`] if writing fails; the former state is then still there.
    pub fn enter(&mut self, phase: Phase) -> Result<(), FolderError> {
        self.state.phase = phase;
        self.write()
    }

    /// Notes how fast it goes, for the next [`checkpoint`](Self::checkpoint).
    pub const fn note_rate(&mut self, rate_per_s: f64) {
        self.state.rate_per_s = rate_per_s;
    }

    /// Writes how far `phase` is, as `store` has it.
    ///
    /// # Errors
    /// [`FolderError::Io`] if writing fails; the former state is then still there.
    pub fn checkpoint(&mut self, phase: Phase, store: &Store) -> Result<(), FolderError> {
        self.state.phase = phase;
        self.state.cursor = store.cursor();
        self.state.counts = store.counts();
        self.write()
    }

    fn write(&self) -> Result<(), FolderError> {
        let path = self.dir.join(STATE);
        let write = |out: &mut dyn io::Write| {
            serde_json::to_writer_pretty(&mut *out, &self.state)?;
            out.write_all(b"\n")
        };
        keyfile::replace_durably(&path, Access::Shared, write)
            .map_err(|source| FolderError::Io { path, source })
    }
}

/// Whether a process works in `dir`.
///
/// # Errors
/// [`FolderError::Io`] if the lock's file cannot be opened.
pub fn is_in_use(dir: &Path) -> Result<bool, FolderError> {
    let path = dir.join(LOCK);
    match File::open(&path) {
        // A shared lock, which is gone at once.
        Ok(file) => Ok(matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(source) => Err(FolderError::Io { path, source }),
    }
}

/// The folder of shards of `phase` in `dir`.
pub fn shards_of(dir: &Path, phase: Phase) -> PathBuf {
    dir.join(SHARDS).join(phase.group())
}

/// The state of the campaign in `dir`, for those who only look. `None` if there is no campaign.
///
/// # Errors
/// [`FolderError::State`] if the file is damaged.
pub fn look(dir: &Path) -> Result<Option<State>, FolderError> {
    read(&dir.join(STATE))
}

/// A file in `dir` that does not belong to an empty folder.
fn other_file(dir: &Path) -> io::Result<Option<String>> {
    for entry in fs::read_dir(dir)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name != LOCK && name != STATE && !name.starts_with(keyfile::UNFINISHED) {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

fn lock(dir: &Path) -> Result<File, FolderError> {
    let path = dir.join(LOCK);
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
    let io = |source| FolderError::Io { path: path.clone(), source };
    let file = file.map_err(io)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(FolderError::InUse { dir: dir.to_owned() }),
        Err(TryLockError::Error(source)) => Err(io(source)),
    }
}

fn read(path: &Path) -> Result<Option<State>, FolderError> {
    let io = |source| FolderError::Io { path: path.to_owned(), source };
    let state =
        |expected: String, found: String| FolderError::State { path: path.to_owned(), expected, found };
    match fs::metadata(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(io(e)),
        Ok(meta) if meta.len() > MAX_BYTES => {
            return Err(state(format!("at most {MAX_BYTES} bytes"), meta.len().to_string()));
        }
        Ok(_) => {}
    }
    let bytes = fs::read(path).map_err(io)?;
    let value: Value = serde_json::from_slice(&bytes).map_err(|e| {
        state("the state of a campaign, JSON".into(), format!("{} bytes that are not ({e})", bytes.len()))
    })?;
    match value.get("schema").and_then(Value::as_u64) {
        Some(SCHEMA) => {}
        found => {
            let found = found.map_or_else(|| "none".into(), |schema| schema.to_string());
            return Err(state(format!("schema version {SCHEMA}"), found));
        }
    }
    let found: State = serde_json::from_value(value)
        .map_err(|e| state("the state of a campaign".into(), format!("another JSON ({e})")))?;
    if found.config.hash() == found.config_hash {
        Ok(Some(found))
    } else {
        Err(state(format!("config_hash {}", found.config.hash()), found.config_hash))
    }
}
