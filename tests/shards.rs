//! What a campaign keeps: shards, state, lock; kills, damage, foreign files.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::path::Path;

use caligo_runtime::campaign::rows::{COLUMNS, Outcome, Row};
use caligo_runtime::campaign::state::{
    Begin, Folder, FolderError, Identity, LOCK, Phase, SHARDS, STATE, State, look,
};
use caligo_runtime::campaign::store::{Store, StoreError};
use caligo_runtime::config::campaign::Campaign;

fn campaign(text: &str) -> Campaign {
    Campaign::parse(text, Path::new("c.yaml")).unwrap()
}

fn row(index: u64) -> Row {
    let outcome = [Outcome::Succeeded, Outcome::Failed, Outcome::Skipped][index as usize % 3];
    Row { outcome, margin: index as f32, key_length: index / 2, ..Row::new(index, 0, [index as f32; 9]) }
}

fn rows(indices: impl IntoIterator<Item = u64>) -> Vec<Row> {
    indices.into_iter().map(row).collect()
}

fn recorded(store: &Store) -> Vec<u64> {
    store.rows().map(|row| row.unwrap().index).collect()
}

/// The files of `dir`, with what is in them.
fn files(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(path).unwrap()))
        .collect();
    files.sort();
    files
}

#[test]
fn rows_come_back_in_order_whatever_the_shards() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path(), "abc", 100).unwrap();
    assert_eq!((store.cursor(), store.missing(0).count()), (0, 100));
    for shard in [vec![5, 3, 90], vec![0, 1, 2], vec![4, 40], (60..75).collect()] {
        let mut rows = rows(shard);
        store.append(&mut rows).unwrap();
        assert!(rows.is_empty());
    }
    let expected: Vec<u64> = (0..6).chain([40]).chain(60..75).chain([90]).collect();
    assert_eq!(recorded(&store), expected);
    assert_eq!((store.cursor(), store.counts().recorded), (6, 23));
    assert!(store.has(40) && !store.has(41) && !store.has(100));
    assert_eq!(store.missing(60).take(2).collect::<Vec<_>>(), [75, 76]);
    for row in store.rows().map(Result::unwrap) {
        assert!(row.agrees(&self::row(row.index)));
    }

    let again = Store::open(dir.path(), "abc", 100).unwrap();
    assert_eq!((recorded(&again), again.counts(), again.cursor()), (expected, store.counts(), 6));
    let mut all = Store::open(dir.path(), "abc", 100).unwrap();
    let missing: Vec<u64> = all.missing(0).collect();
    all.append(&mut rows(missing)).unwrap();
    assert_eq!((all.cursor(), recorded(&all)), (100, (0..100).collect()));
    let counts = all.counts();
    assert_eq!(
        (counts.succeeded, counts.failed, counts.skipped, counts.infrastructure_failures),
        (34, 33, 33, 0)
    );
}

#[test]
fn a_sample_is_recorded_once() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path(), "abc", 10).unwrap();
    store.append(&mut rows([1, 2])).unwrap();
    let before = files(dir.path());
    for wrong in [vec![3, 2], vec![4, 4], vec![10], vec![u64::MAX]] {
        let mut rows = rows(wrong.clone());
        let refused = store.append(&mut rows).unwrap_err();
        assert!(matches!(refused, StoreError::Unexpected { .. }), "{wrong:?}: {refused}");
        assert_eq!((rows.len(), recorded(&store)), (wrong.len(), vec![1, 2]));
    }
    store.append(&mut Vec::new()).unwrap();
    assert_eq!(files(dir.path()), before);
}

/// Two halves from two machines, and what both have made.
#[test]
fn shards_of_other_machines_are_joined() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut a = Store::open(one.path(), "abc", 10).unwrap();
    let crash = Row { outcome: Outcome::Infrastructure, ..row(6) };
    a.append(&mut [rows([0, 1, 5]), vec![crash]].concat()).unwrap();
    let mut b = Store::open(other.path(), "abc", 10).unwrap();
    let slower = Row { duration_s: 9.0, ..row(5) };
    b.append(&mut [rows([2, 3, 6]), vec![slower]].concat()).unwrap();
    let copy = |from: &Path| {
        for (name, bytes) in files(from) {
            fs::write(one.path().join(name), bytes).unwrap();
        }
    };
    copy(other.path());
    let joined = Store::open(one.path(), "abc", 10).unwrap();
    assert_eq!(recorded(&joined), [0, 1, 2, 3, 5, 6]);
    // What has a result counts.
    assert_eq!(joined.counts().infrastructure_failures, 0);

    let third = tempfile::tempdir().unwrap();
    let mut c = Store::open(third.path(), "abc", 10).unwrap();
    c.append(&mut vec![Row { margin: 0.125, ..row(3) }]).unwrap();
    copy(third.path());
    let refused = Store::open(one.path(), "abc", 10).unwrap_err().to_string();
    assert!(refused.contains("sample 3 differs from what another shard has of it"), "{refused}");
}

#[test]
fn damage_is_named_and_nothing_is_touched() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path(), "abc", 10).unwrap();
    store.append(&mut rows([1, 2])).unwrap();
    store.append(&mut rows([7])).unwrap();
    let whole = files(dir.path());
    let (name, bytes) = &whole[0];
    let path = dir.path().join(name);
    let refused = |expected: &str| {
        let before = files(dir.path());
        let refused = Store::open(dir.path(), "abc", 10).unwrap_err().to_string();
        assert!(refused.contains(expected) && refused.contains(&*dir.path().to_string_lossy()), "{refused}");
        assert_eq!(files(dir.path()), before);
    };
    for len in [0, 10, bytes.len() / 2, bytes.len() - 1] {
        fs::write(&path, &bytes[..len]).unwrap();
        refused("expected a shard");
    }
    fs::write(&path, &whole[1].1).unwrap();
    refused("expected samples 1 to 2, found 7 to 7");
    fs::write(&path, bytes).unwrap();
    let foreign = dir.path().join("notes.shard");
    fs::write(&foreign, b"hello").unwrap();
    refused("a name of the form FIRST-LAST-DIGEST.shard");
    fs::remove_file(&foreign).unwrap();
    assert!(matches!(Store::open(dir.path(), "abd", 10), Err(StoreError::OtherCampaign { .. })));
    assert!(matches!(Store::open(dir.path(), "abc", 7), Err(StoreError::Unexpected { index: 7, .. })));
    // What a kill left half-written is removed, other files are not.
    fs::write(dir.path().join(".caligo-1234"), b"half").unwrap();
    fs::write(dir.path().join("readme"), b"mine").unwrap();
    assert_eq!(recorded(&Store::open(dir.path(), "abc", 10).unwrap()), [1, 2, 7]);
    let left = files(dir.path());
    assert_eq!(left.len(), 3);
    assert!(left.iter().any(|(name, _)| name == "readme"));
}

#[test]
fn rows_that_cannot_be_written_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let shards = dir.path().join("shards");
    let mut store = Store::open(&shards, "abc", 10).unwrap();
    store.append(&mut rows([1])).unwrap();
    fs::rename(&shards, dir.path().join("away")).unwrap();
    let mut rows = rows([3, 2]);
    let refused = store.append(&mut rows).unwrap_err();
    assert!(matches!(refused, StoreError::Io { .. }), "{refused}");
    assert_eq!((rows.len(), store.counts().recorded, store.has(2)), (2, 1, false));
    fs::rename(dir.path().join("away"), &shards).unwrap();
    store.append(&mut rows).unwrap();
    assert_eq!(recorded(&Store::open(&shards, "abc", 10).unwrap()), [1, 2, 3]);
}

fn open(dir: &Path, text: &str, begin: Begin) -> Result<Folder, FolderError> {
    Folder::open(dir, &campaign(text), 7, begin)
}

#[test]
fn a_folder_is_begun_and_gone_on_with() {
    let outer = tempfile::tempdir().unwrap();
    let dir = outer.path().join("new/one");
    assert_eq!(look(&outer.path().join("none")).unwrap(), None);
    {
        let mut folder = open(&dir, "", Begin::Resume).unwrap();
        let mut store = folder.store(Phase::Lhs, 2000).unwrap();
        store.append(&mut rows([0, 1, 2, 9])).unwrap();
        folder.checkpoint(Phase::Lhs, &store).unwrap();
    }
    let state = look(&dir).unwrap().unwrap();
    assert_eq!((state.phase, state.cursor, state.target), (Phase::Lhs, 3, 2000));
    assert_eq!((state.counts.recorded, state.counts.succeeded), (4, 2));
    assert_eq!(state.config_hash, Identity::new(&campaign(""), 7).hash());
    // A name and the size of shards may change; the rest is the same.
    let folder = open(&dir, "campaign: { name: other }\nphase1: { batch_size: 9 }", Begin::Resume).unwrap();
    assert_eq!(folder.state(), &State { name: "other".into(), ..state });
    assert_eq!(folder.store(Phase::Lhs, 2000).unwrap().cursor(), 3);
    assert!(dir.join(SHARDS).join("lhs_warmup").is_dir());
    assert_eq!(Phase::Active.group(), "active_learning");
}

#[test]
fn another_configuration_is_refused_with_the_difference() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path(), "", Begin::Fresh).unwrap());
    let before = files(dir.path());
    let changed = "phase1: { sampler: { seed: 43 } }\nparameters: { num_pairs: 1e5 }";
    let refused = open(dir.path(), changed, Begin::Resume).unwrap_err();
    let FolderError::Changed { differences, .. } = &refused else { panic!("{refused}") };
    assert_eq!(differences.len(), 2);
    let text = refused.to_string();
    for part in [
        "begun with another configuration: ",
        "phase1.sampler.seed is 42 in the folder and 43 now",
        r#"parameters.num_pairs is {"range":[10000.0,1000000.0],"scale":"log"} in the folder and 100000.0 now"#,
    ] {
        assert!(text.contains(part), "{text}");
    }
    let code = Folder::open(dir.path(), &campaign(""), 8, Begin::Resume).unwrap_err().to_string();
    assert!(
        code.contains(r#"caligo.code is "0000000000000007" in the folder and "0000000000000008" now"#),
        "{code}"
    );
    assert_eq!(files(dir.path()), before);
}

#[test]
fn folders_that_are_not_ours_are_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("thesis.tex"), b"work").unwrap();
    for begin in [Begin::Resume, Begin::Fresh] {
        let refused = open(dir.path(), "", begin).unwrap_err().to_string();
        assert!(refused.contains("expected an empty folder") && refused.contains("thesis.tex"), "{refused}");
    }
    assert_eq!(files(dir.path()).len(), 1);
    fs::remove_file(dir.path().join("thesis.tex")).unwrap();
    drop(open(dir.path(), "", Begin::Fresh).unwrap());
    let refused = open(dir.path(), "", Begin::Fresh).unwrap_err();
    assert!(matches!(refused, FolderError::NotEmpty { .. }), "{refused}");

    let path = dir.path().join(STATE);
    let whole = fs::read_to_string(&path).unwrap();
    for (text, expected) in [
        (whole.replacen("\"schema\": 2", "\"schema\": 3", 1), "expected schema version 2, found 3"),
        (whole.replacen(": 42", ": 41", 1), "expected config_hash"),
        (whole[..whole.len() / 2].to_owned(), "expected the state of a campaign, JSON, found"),
        (String::new(), "found 0 bytes"),
        (
            whole.replacen("\"cursor\"", "\"curser\"", 1),
            "expected the state of a campaign, found another JSON",
        ),
    ] {
        fs::write(&path, &text).unwrap();
        let refused = open(dir.path(), "", Begin::Resume).unwrap_err().to_string();
        assert!(refused.contains(expected), "{refused}");
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }
    let file = dir.path().join("file");
    fs::write(&file, b"x").unwrap();
    assert!(matches!(open(&file, "", Begin::Resume), Err(FolderError::Io { .. })));
}

#[test]
fn a_folder_has_one_process() {
    let dir = tempfile::tempdir().unwrap();
    let first = open(dir.path(), "", Begin::Resume).unwrap();
    let refused = open(dir.path(), "", Begin::Resume).unwrap_err();
    assert!(matches!(refused, FolderError::InUse { .. }), "{refused}");
    assert!(refused.to_string().contains("in use by another process"));
    // Who only looks does not need the lock.
    assert!(look(dir.path()).unwrap().is_some());
    drop(first);
    drop(open(dir.path(), "", Begin::Resume).unwrap());
    assert!(dir.path().join(LOCK).exists());
}

/// Each column has its row in the table of the formats' page.
#[test]
fn every_column_is_documented() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/formats.md");
    let page = fs::read_to_string(path).unwrap();
    for column in COLUMNS {
        let line = format!("| `{}` | {} | {} |\n", column.name, column.unit, column.about);
        assert!(page.contains(&line), "{line}");
    }
}
