//! `exploration_data.h5`: rows as the documents want them, for other programs.
//!
//! In: stores. Out: one file, made under another name and put in its place as a whole. It follows from the shards: one
//! that has more than they do, or is not ours, is not replaced.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use hdf5_metno as h5;
use hdf5_metno::types::{FixedAscii, VarLenUnicode};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{Store, StoreError, shard};
use crate::campaign::rows::{
    COLUMNS, Cell, Column, Field, MAX_NAME, METRICS, Row, SCHEMA, column, input_names,
};
use crate::campaign::space::{self, DIMENSIONS, Inputs, TABLE};
use crate::campaign::state::{Identity, hexadecimal};
use crate::config::Strategy;
use crate::keyfile;

/// What the attribute `format` says.
const FORMAT: &str = "caligo exploration";

/// Attribute of `inputs`: SHA-256 of all rows, as shards have them.
const DIGEST: &str = "rows_sha256";

/// Rows of a chunk, and of what is in memory at a time.
const BLOCK: usize = 4096;

/// A short name in the file: padded with zeros, so that a column of them compresses.
type Name = FixedAscii<MAX_NAME>;

/// The first bytes of every HDF5 file that we write.
const SIGNATURE: [u8; 8] = *b"\x89HDF\r\n\x1a\n";

/// What a file is about.
#[derive(Clone, Copy, Debug)]
pub struct About<'a> {
    /// Of the campaign.
    pub identity: &'a Identity,
    /// Its name.
    pub name: &'a str,
    /// Its seed.
    pub seed: u64,
}

/// Makes the file at `path` anew, with a group for each of `stores`. How many rows it has.
///
/// # Errors
/// [`StoreError`] if a shard cannot be read, writing fails, or there is a file at `path` that is not of this campaign or
/// has rows that the stores have not: it is then as it was.
pub fn compact(path: &Path, about: &About<'_>, stores: &[(&str, &Store)]) -> Result<u64, StoreError> {
    check(path, &about.identity.hash(), stores)?;
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    builder.prefix(keyfile::UNFINISHED);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    let temporary = builder.tempfile_in(dir).map_err(StoreError::io(dir))?;
    let rows = write(temporary.path(), about, stores)?;
    // What cannot be read back must not replace what could.
    let mut read = 0;
    let reader = Reader::open(temporary.path())?;
    for &(group, _) in stores {
        read += reader.len(group)?;
    }
    drop(reader);
    if read != rows {
        return Err(StoreError::damaged(temporary.path(), format!("{rows} rows"), read.to_string()));
    }
    temporary.as_file().sync_all().map_err(StoreError::io(path))?;
    temporary.persist(path).map_err(|e| StoreError::io(path)(e.error))?;
    keyfile::sync_name(path).map_err(StoreError::io(path))?;
    Ok(rows)
}

/// Whether the file at `path`, if there is one, may be made anew from `stores`, whose campaign has the hash `hash`.
///
/// # Errors
/// As those of [`compact`].
pub fn check(path: &Path, hash: &str, stores: &[(&str, &Store)]) -> Result<(), StoreError> {
    if !path.try_exists().map_err(StoreError::io(path))? {
        return Ok(());
    }
    let old = Reader::open(path)?;
    if old.config_hash() != hash {
        let (expected, found) = (hash.to_owned(), old.config_hash().to_owned());
        return Err(StoreError::OtherCampaign { path: path.to_owned(), expected, found });
    }
    for group in old.groups()? {
        let rows = old.len(&group)?;
        let recorded =
            stores.iter().find(|(name, _)| *name == group).map_or(0, |(_, store)| store.counts().recorded);
        if rows > recorded {
            let expected = format!("at most the {recorded} rows of {group} that shards have");
            return Err(StoreError::damaged(path, expected, format!("{rows}: it is kept")));
        }
    }
    Ok(())
}

fn failed(path: &Path) -> impl Fn(h5::Error) -> StoreError {
    |error| StoreError::Hdf5 { path: path.to_owned(), message: error.to_string().replace('\n', "; ") }
}

fn text(text: &str) -> h5::Result<VarLenUnicode> {
    text.replace('\0', " ").parse().map_err(|e| h5::Error::from(format!("a text: {e}")))
}

fn name(text: &str) -> h5::Result<Name> {
    Name::from_ascii(text.as_bytes()).map_err(|e| h5::Error::from(format!("a name: {e}")))
}

fn attribute(to: &h5::Location, name: &str, value: &str) -> h5::Result<()> {
    to.new_attr::<VarLenUnicode>().create(name)?.write_scalar(&text(value)?)
}

fn write(path: &Path, about: &About<'_>, stores: &[(&str, &Store)]) -> Result<u64, StoreError> {
    let failed = failed(path);
    let file = h5::File::create(path).map_err(&failed)?;
    head(&file, about).map_err(&failed)?;
    let mut total = 0;
    for (group, store) in stores {
        let mut table = Table::create(&file, group).map_err(&failed)?;
        let mut block = Vec::with_capacity(BLOCK);
        for row in store.rows() {
            block.push(row?);
            if block.len() == BLOCK {
                table.append(&block).map_err(&failed)?;
                block.clear();
            }
        }
        table.append(&block).map_err(&failed)?;
        total += table.len as u64;
        table.close().map_err(&failed)?;
    }
    file.flush().map_err(&failed)?;
    file.close().map_err(&failed)?;
    Ok(total)
}

fn head(file: &h5::File, about: &About<'_>) -> h5::Result<()> {
    attribute(file, "format", FORMAT)?;
    file.new_attr::<u64>().create("schema")?.write_scalar(&SCHEMA)?;
    attribute(file, "version", env!("CARGO_PKG_VERSION"))?;
    attribute(file, "name", about.name)?;
    file.new_attr::<u64>().create("seed")?.write_scalar(&about.seed)?;
    let code = about.identity.map().get("caligo.code").and_then(Value::as_str).unwrap_or_default();
    attribute(file, "code_hash", code)?;
    attribute(file, "config_hash", &about.identity.hash())?;
    attribute(file, "config", &about.identity.json())
}

/// One group, growing.
struct Table {
    inputs: h5::Dataset,
    metrics: h5::Dataset,
    metadata: h5::Dataset,
    columns: Vec<(&'static Column, h5::Dataset)>,
    /// Of all rows so far.
    digest: Sha256,
    len: usize,
}

/// A growing dataset of one value a row.
fn list<T: h5::H5Type>(group: &h5::Group, name: &str) -> h5::Result<h5::Dataset> {
    group.new_dataset::<T>().chunk(BLOCK).shuffle().deflate(4).fletcher32().shape(0..).create(name)
}

/// A growing dataset of `width` single-precision numbers a row, called `columns`.
fn table(group: &h5::Group, name: &str, columns: &[&str], units: &[&str]) -> h5::Result<h5::Dataset> {
    let new = group.new_dataset::<f32>().chunk((BLOCK, columns.len())).shuffle().deflate(4).fletcher32();
    let set = new.shape((0.., columns.len())).create(name)?;
    for (attribute, values) in [("columns", columns), ("units", units)] {
        let values = values.iter().map(|value| text(value)).collect::<h5::Result<Vec<_>>>()?;
        set.new_attr::<VarLenUnicode>().shape(values.len()).create(attribute)?.write(&values)?;
    }
    Ok(set)
}

impl Table {
    fn create(file: &h5::File, name: &str) -> h5::Result<Self> {
        let group = file.create_group(name)?;
        let mut units = [""; DIMENSIONS];
        units.iter_mut().zip(&TABLE).for_each(|(unit, dimension)| *unit = dimension.unit);
        let inputs = table(&group, "inputs", &input_names(), &units)?;
        let codes = [Strategy::Baseline, Strategy::Blind];
        let codes = codes.map(|strategy| format!("{} {strategy}", space::code(strategy))).join(", ");
        attribute(&inputs, "strategy_codes", &codes)?;
        let units = METRICS.map(|name| column(name).map_or("", |column| column.unit));
        let metrics = table(&group, "metrics", &METRICS, &units)?;
        let metadata = list::<VarLenUnicode>(&group, "metadata")?;
        attribute(&metadata, "about", "JSON: strategy, and the columns that are texts")?;
        let mut columns = Vec::new();
        for column in COLUMNS {
            let set = match column.field {
                Field::Whole(..) => list::<u64>(&group, column.name)?,
                Field::Single(..) => list::<f32>(&group, column.name)?,
                Field::Name(..) | Field::Outcome => list::<Name>(&group, column.name)?,
                Field::Text(..) => continue,
            };
            attribute(&set, "unit", column.unit)?;
            attribute(&set, "about", column.about)?;
            columns.push((column, set));
        }
        Ok(Self { inputs, metrics, metadata, columns, digest: Sha256::new(), len: 0 })
    }

    fn append(&mut self, rows: &[Row]) -> h5::Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        let (from, to) = (self.len, self.len + rows.len());
        self.inputs.resize((to, DIMENSIONS))?;
        let inputs: Vec<Inputs> = rows.iter().map(|row| row.inputs).collect();
        self.inputs.write_slice::<_, f32, _, _>(inputs.as_slice(), (from..to, 0..DIMENSIONS))?;
        self.metrics.resize((to, METRICS.len()))?;
        let metrics: Vec<[f32; METRICS.len()]> = rows
            .iter()
            .map(|row| METRICS.map(|name| column(name).map_or(f32::NAN, |c| single(c, row))))
            .collect();
        self.metrics.write_slice::<_, f32, _, _>(metrics.as_slice(), (from..to, 0..METRICS.len()))?;
        let metadata = rows.iter().map(|row| text(&metadata(row))).collect::<h5::Result<Vec<_>>>()?;
        put(&self.metadata, &metadata, from)?;
        for (column, set) in &self.columns {
            match column.field {
                Field::Whole(_, get) => put(set, &rows.iter().map(get).collect::<Vec<_>>(), from)?,
                Field::Single(_, get) => put(set, &rows.iter().map(get).collect::<Vec<_>>(), from)?,
                Field::Name(..) | Field::Outcome | Field::Text(..) => {
                    let names =
                        rows.iter().map(|row| name(texts(column, row))).collect::<h5::Result<Vec<_>>>()?;
                    put(set, &names, from)?;
                }
            }
        }
        rows.iter().for_each(|row| self.digest.update(shard::bytes_of(row)));
        self.len = to;
        Ok(())
    }

    /// Writes the digest: the library's own checksums are of values, not of what leads to them.
    fn close(self) -> h5::Result<()> {
        attribute(&self.inputs, DIGEST, &hexadecimal(&self.digest.finalize()))
    }
}

fn put<T: h5::H5Type>(set: &h5::Dataset, values: &[T], from: usize) -> h5::Result<()> {
    set.resize(from + values.len())?;
    set.write_slice(values, from..from + values.len())
}

fn single(column: &Column, row: &Row) -> f32 {
    match column.cell(row) {
        Cell::Single(value) => value,
        _ => f32::NAN,
    }
}

fn texts<'a>(column: &Column, row: &'a Row) -> &'a str {
    match column.cell(row) {
        Cell::Text(text) => text,
        _ => "",
    }
}

fn metadata(row: &Row) -> String {
    let [.., code] = row.inputs;
    let strategy = space::strategy(code).map(|strategy| strategy.to_string());
    let mut map = serde_json::Map::from_iter([("strategy".into(), json!(strategy))]);
    for column in COLUMNS {
        if let Cell::Text(text) = column.cell(row) {
            map.insert(column.name.into(), json!(text));
        }
    }
    Value::from(map).to_string()
}

/// Reads a file that [`compact`] has made.
#[derive(Debug)]
pub struct Reader<'a> {
    path: &'a Path,
    file: h5::File,
    hash: String,
}

impl<'a> Reader<'a> {
    /// Opens the file at `path`.
    ///
    /// # Errors
    /// [`StoreError`] if it is no HDF5 file, is cut off, has another content, or is of another version.
    pub fn open(path: &'a Path) -> Result<Self, StoreError> {
        let mut first = Vec::new();
        let read =
            File::open(path).and_then(|file| file.take(SIGNATURE.len() as u64).read_to_end(&mut first));
        read.map_err(StoreError::io(path))?;
        if first != SIGNATURE {
            return Err(StoreError::damaged(path, "an HDF5 file", "another kind of file"));
        }
        let file = h5::File::open(path).map_err(failed(path))?;
        let word = |name: &str| -> h5::Result<String> {
            Ok(file.attr(name)?.read_scalar::<VarLenUnicode>()?.as_str().to_owned())
        };
        // An attribute that is missing, or of another type, is what a foreign file looks like.
        if word("format").ok().as_deref() != Some(FORMAT) {
            return Err(StoreError::damaged(
                path,
                format!("a file of format {FORMAT:?}"),
                "another HDF5 file",
            ));
        }
        let schema =
            file.attr("schema").and_then(|schema| schema.read_scalar::<u64>()).map_err(failed(path))?;
        if schema != SCHEMA {
            return Err(StoreError::Schema { path: path.to_owned(), found: schema.to_string() });
        }
        let hash = word("config_hash").map_err(failed(path))?;
        Ok(Self { path, file, hash })
    }

    /// Hash of the campaign's identity.
    pub fn config_hash(&self) -> &str {
        &self.hash
    }

    /// Names of its groups.
    ///
    /// # Errors
    /// [`StoreError::Hdf5`].
    pub fn groups(&self) -> Result<Vec<String>, StoreError> {
        self.file.member_names().map_err(failed(self.path))
    }

    /// How many rows `group` has, the same in every dataset.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] if datasets differ in length; [`StoreError::Hdf5`] if one is missing.
    pub fn len(&self, group: &str) -> Result<u64, StoreError> {
        let rows = |name: &str| -> Result<usize, StoreError> {
            let set = self.file.dataset(&format!("{group}/{name}")).map_err(failed(self.path))?;
            Ok(set.shape().first().copied().unwrap_or(0))
        };
        let len = rows("inputs")?;
        let kept = COLUMNS
            .iter()
            .filter(|column| !matches!(column.field, Field::Text(..)))
            .map(|column| column.name);
        for name in kept.chain(["metrics", "metadata"]) {
            let found = rows(name)?;
            if found != len {
                let expected = format!("{len} rows in {group}/{name}, as inputs has");
                return Err(StoreError::damaged(self.path, expected, found.to_string()));
            }
        }
        Ok(len as u64)
    }

    /// Gives every row of `group` to `each`, in order. They are what was written if this succeeds, and not to be used if it
    /// does not.
    ///
    /// # Errors
    /// [`StoreError`] if a dataset is damaged.
    pub fn rows(&self, group: &str, mut each: impl FnMut(Row)) -> Result<(), StoreError> {
        let len = self.len(group)? as usize;
        let mut digest = Sha256::new();
        for from in (0..len).step_by(BLOCK) {
            let rows = self.block(group, from, (from + BLOCK).min(len)).map_err(failed(self.path))?;
            for row in rows {
                digest.update(shard::bytes_of(&row));
                each(row);
            }
        }
        let found = hexadecimal(&digest.finalize());
        let inputs = self.file.dataset(&format!("{group}/inputs")).map_err(failed(self.path))?;
        let written = inputs.attr(DIGEST).and_then(|attribute| attribute.read_scalar::<VarLenUnicode>());
        let written = written.map_err(failed(self.path))?;
        if written.as_str() != found {
            let expected = format!("rows of {group} with SHA-256 {written}");
            return Err(StoreError::damaged(self.path, expected, found));
        }
        Ok(())
    }

    fn block(&self, group: &str, from: usize, to: usize) -> h5::Result<Vec<Row>> {
        let set = |name: &str| self.file.dataset(&format!("{group}/{name}"));
        let inputs = set("inputs")?.read_slice_2d::<f32, _>((from..to, 0..DIMENSIONS))?;
        let mut rows = Vec::new();
        for values in inputs.outer_iter() {
            let mut inputs = [0.0; DIMENSIONS];
            inputs.iter_mut().zip(values).for_each(|(to, &from)| *to = from);
            rows.push(Row::new(0, 0, inputs));
        }
        let wrong = |name: &str| h5::Error::from(format!("{group}/{name}: a value that it cannot have"));
        for column in COLUMNS {
            match column.field {
                Field::Whole(field, _) => {
                    let values = set(column.name)?.read_slice_1d::<u64, _>(from..to)?;
                    rows.iter_mut().zip(values).for_each(|(row, value)| *field(row) = value);
                }
                Field::Single(field, _) => {
                    let values = set(column.name)?.read_slice_1d::<f32, _>(from..to)?;
                    rows.iter_mut().zip(values).for_each(|(row, value)| *field(row) = value);
                }
                Field::Name(..) | Field::Outcome => {
                    let values = set(column.name)?.read_slice_1d::<Name, _>(from..to)?;
                    for (row, value) in rows.iter_mut().zip(values) {
                        column.set(row, Cell::Text(value.as_str())).ok_or_else(|| wrong(column.name))?;
                    }
                }
                Field::Text(..) => {
                    let values = set("metadata")?.read_slice_1d::<VarLenUnicode, _>(from..to)?;
                    for (row, value) in rows.iter_mut().zip(values) {
                        let map: Value =
                            serde_json::from_str(value.as_str()).map_err(|_| wrong("metadata"))?;
                        let text = map.get(column.name).and_then(Value::as_str).unwrap_or_default();
                        column.set(row, Cell::Text(text)).ok_or_else(|| wrong("metadata"))?;
                    }
                }
            }
        }
        Ok(rows)
    }
}

#[cfg(test)]
mod tests;
