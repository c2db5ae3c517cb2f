use std::fs;

use super::*;
use crate::config::campaign::Campaign;

fn identity() -> Identity {
    Identity::new(&Campaign::parse("", Path::new("c.yaml")).unwrap(), 7)
}

fn row(index: u64) -> Row {
    let inputs =
        std::array::from_fn(|d| if d == 8 { (index % 2) as f32 } else { index as f32 + d as f32 / 16.0 });
    Row {
        error_code: if index.is_multiple_of(3) { "qber_threshold".into() } else { String::new() },
        detail: "\"ä\"\n, ".repeat(index as usize % 5),
        margin: -0.125 * index as f32,
        net_efficiency: index as f32,
        key_length: u64::MAX - index,
        ..Row::new(index, index % 7, inputs)
    }
}

fn store(dir: &Path, indices: impl IntoIterator<Item = u64>) -> Store {
    let mut store = Store::open(&dir.join("shards"), &identity().hash(), 10_000).unwrap();
    store.append(&mut indices.into_iter().map(row).collect()).unwrap();
    store
}

fn compacted(path: &Path, stores: &[(&str, &Store)]) -> Result<u64, StoreError> {
    compact(path, &About { identity: &identity(), name: "test", seed: 42 }, stores)
}

fn rows(path: &Path) -> Result<Vec<Row>, StoreError> {
    let mut rows = Vec::new();
    Reader::open(path)?.rows("lhs_warmup", |row| rows.push(row))?;
    Ok(rows)
}

#[test]
fn rows_come_back() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("exploration_data.h5");
    let mut store = store(dir.path(), (0..9000).rev().step_by(2));
    for more in [vec![], vec![0, 2], vec![4]] {
        store.append(&mut more.into_iter().map(row).collect()).unwrap();
        let recorded = store.counts().recorded;
        assert_eq!(compacted(&path, &[("lhs_warmup", &store)]).unwrap(), recorded);
        let read = rows(&path).unwrap();
        assert_eq!(read.len() as u64, recorded);
        assert!(read.iter().zip(store.rows()).all(|(read, row)| read.agrees(&row.unwrap())));
    }
    // Temporary files are gone.
    let mut names: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["exploration_data.h5", "shards"]);
}

#[test]
fn the_documents_names_are_there() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("d.h5");
    let store = store(dir.path(), [3, 5]);
    let empty = Store::open(&dir.path().join("active"), &identity().hash(), 10).unwrap();
    compacted(&path, &[("lhs_warmup", &store), ("active_learning", &empty)]).unwrap();
    let file = h5::File::open(&path).unwrap();
    let shape = |name: &str| file.dataset(name).unwrap().shape();
    assert_eq!((shape("lhs_warmup/inputs"), shape("lhs_warmup/metrics")), (vec![2, 9], vec![2, 4]));
    assert_eq!((shape("active_learning/inputs"), shape("active_learning/metadata")), (vec![0, 9], vec![0]));
    for name in ["net_efficiency", "key_length", "metadata", "margin", "error_code"] {
        assert_eq!(shape(&format!("lhs_warmup/{name}")), [2]);
    }
    let inputs = file.dataset("lhs_warmup/inputs").unwrap();
    assert!(inputs.dtype().unwrap().is::<f32>());
    let names = inputs.attr("columns").unwrap().read_1d::<VarLenUnicode>().unwrap();
    assert_eq!(names.iter().map(VarLenUnicode::as_str).collect::<Vec<_>>(), input_names());
    assert_eq!(file.attr("seed").unwrap().read_scalar::<u64>().unwrap(), 42);
    let config = file.attr("config").unwrap().read_scalar::<VarLenUnicode>().unwrap();
    let config: Value = serde_json::from_str(config.as_str()).unwrap();
    assert_eq!(config["phase1.target_samples"], 2000);
    let metadata = file.dataset("lhs_warmup/metadata").unwrap().read_1d::<VarLenUnicode>().unwrap();
    let first: Value = serde_json::from_str(metadata[0].as_str()).unwrap();
    assert_eq!((&first["strategy"], &first["error_code"]), (&json!("blind"), &json!("qber_threshold")));
    let metrics = file.dataset("lhs_warmup/metrics").unwrap().read_2d::<f32>().unwrap();
    assert_eq!((metrics[[1, 0]], metrics[[1, 1]].is_nan()), (5.0, true));
}

#[test]
fn what_is_not_ours_is_named_and_kept() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("d.h5");
    let store = store(dir.path(), [3, 5]);
    let refused = |expected: &str| {
        let before = fs::read(&path).unwrap();
        let refused = compacted(&path, &[("lhs_warmup", &store)]).unwrap_err().to_string();
        assert!(
            refused.contains(expected) && refused.contains("d.h5") && !refused.contains('\n'),
            "{refused}"
        );
        assert_eq!(fs::read(&path).unwrap(), before);
    };
    fs::write(&path, b"my notes").unwrap();
    refused("expected an HDF5 file");
    {
        let foreign = h5::File::create(&path).unwrap();
        foreign.create_group("lhs_warmup").unwrap();
    }
    refused("expected a file of format \"caligo exploration\", found another HDF5 file");
    fs::remove_file(&path).unwrap();
    compacted(&path, &[("lhs_warmup", &store)]).unwrap();
    let whole = fs::read(&path).unwrap();
    for len in [8, 100, whole.len() / 2, whole.len() - 1] {
        fs::write(&path, &whole[..len]).unwrap();
        refused("d.h5: ");
    }
    fs::write(&path, &whole).unwrap();
    h5::File::open_rw(&path).unwrap().attr("schema").unwrap().write_scalar(&3u64).unwrap();
    refused("expected schema version 2, found 3");
    fs::write(&path, &whole).unwrap();
    // More rows than shards: they may be all that is left of them.
    let fewer = Store::open(&dir.path().join("fewer"), &identity().hash(), 10).unwrap();
    let refused = compacted(&path, &[("lhs_warmup", &fewer)]).unwrap_err().to_string();
    assert!(
        refused.contains("expected at most the 0 rows of lhs_warmup that shards have, found 2"),
        "{refused}"
    );
    let about = Identity::new(&Campaign::parse("", Path::new("c.yaml")).unwrap(), 8);
    let other = compact(&path, &About { identity: &about, name: "", seed: 1 }, &[("lhs_warmup", &store)]);
    assert!(matches!(other, Err(StoreError::OtherCampaign { .. })));
    assert_eq!(fs::read(&path).unwrap(), whole);
}

/// Changed bytes are noticed or have changed nothing that is read; no data are invented.
#[test]
fn changed_bytes_do_not_change_rows() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("d.h5");
    let store = store(dir.path(), 0..200);
    compacted(&path, &[("lhs_warmup", &store)]).unwrap();
    let whole = fs::read(&path).unwrap();
    let inputs: Vec<Inputs> = rows(&path).unwrap().iter().map(|row| row.inputs).collect();
    let mut noticed = 0;
    for at in (0..whole.len()).step_by(whole.len() / 400) {
        let mut changed = whole.clone();
        changed[at] ^= 0x10;
        fs::write(&path, &changed).unwrap();
        match rows(&path) {
            Ok(rows) => assert!(rows.iter().map(|row| row.inputs).eq(inputs.iter().copied()), "byte {at}"),
            Err(_) => noticed += 1,
        }
    }
    assert!(noticed > 0);
}
