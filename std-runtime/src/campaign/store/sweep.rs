//! Rows of many shards in the order of their samples.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::{Shard, StoreError, better, shard};
use crate::campaign::rows::Row;

/// Every row of some shards once, in the order of samples; it ends after the first error.
///
/// Shards are read in the order of their first samples, and a row is given when no shard left can have one before it.
#[derive(Debug)]
pub struct Sweep<'a> {
    shards: std::slice::Iter<'a, Shard>,
    config: &'a str,
    waiting: BTreeMap<u64, Row>,
    failed: bool,
}

impl<'a> Sweep<'a> {
    pub(super) fn new(shards: &'a [Shard], config: &'a str) -> Self {
        Self { shards: shards.iter(), config, waiting: BTreeMap::new(), failed: false }
    }

    fn read(&mut self, of: &Shard) -> Result<(), StoreError> {
        let rows = shard::decode(&of.path, &shard::bytes(&of.path)?, self.config)?;
        let ends = rows.first().zip(rows.last()).map(|(first, last)| (first.index, last.index));
        if ends != Some((of.first, of.last)) {
            let found = ends.map_or_else(|| "none".into(), |(first, last)| format!("{first} to {last}"));
            let expected = format!("samples {} to {}", of.first, of.last);
            return Err(StoreError::damaged(&of.path, expected, found));
        }
        for row in rows {
            match self.waiting.entry(row.index) {
                Entry::Vacant(place) => {
                    place.insert(row);
                }
                Entry::Occupied(mut place) => {
                    let index = row.index;
                    let better = better(place.get().clone(), row);
                    place.insert(better.ok_or(StoreError::Disagree { path: of.path.clone(), index })?);
                }
            }
        }
        Ok(())
    }

    fn row(&mut self) -> Result<Option<Row>, StoreError> {
        while let Some(shard) = self.shards.as_slice().first() {
            if self.waiting.keys().next().is_some_and(|&index| index < shard.first) {
                break;
            }
            self.read(shard)?;
            self.shards.next();
        }
        Ok(self.waiting.pop_first().map(|(_, row)| row))
    }
}

impl Iterator for Sweep<'_> {
    type Item = Result<Row, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let row = self.row();
        self.failed = row.is_err();
        row.transpose()
    }
}
