//! Matrix and frames on disk, read by every peer.

use std::fs::{self, File};
use std::io::{BufReader, BufWriter};
use std::path::{Path, PathBuf};

use anyhow::Context;
use caligo_runtime::channel;
use caligo_runtime::matrix::sparse::SparseMatrix;
use caligo_runtime::matrix::{alist, npy, npz};

use crate::ours;
use crate::peer::{Batch, FRAME, SYNDROME};

/// Frames at one error rate.
pub(crate) struct Frames {
    qber: f64,
    sent: Vec<u64>,
    received: Vec<u64>,
    syndromes: Vec<u64>,
}

impl Frames {
    /// Frame i is drawn from (seed, i).
    fn draw(qber: f64, seed: u64, count: u64) -> anyhow::Result<Self> {
        let code = ours::code();
        let mut frames = Self { qber, sent: Vec::new(), received: Vec::new(), syndromes: Vec::new() };
        for index in 0..count {
            let mut rng = channel::stream(seed, index);
            let sent = channel::random_bits(code.n(), &mut rng);
            let mut received = sent.clone();
            channel::flip(&mut received, code.n(), qber, &mut rng);
            let mut syndrome = [0; SYNDROME];
            code.syndrome(&sent, &mut syndrome)?;
            frames.sent.extend(sent);
            frames.received.extend(received);
            frames.syndromes.extend(syndrome);
        }
        Ok(frames)
    }

    pub(crate) fn read(dir: &Path, qber: &str) -> anyhow::Result<Self> {
        let read = |what| {
            let path = path(dir, what, qber);
            let at = || path.display().to_string();
            let bytes =
                npy::read_bytes(BufReader::new(File::open(&path).with_context(at)?)).with_context(at)?;
            let word = |bytes: &[u8; 8]| u64::from_le_bytes(*bytes);
            anyhow::Ok(bytes.as_chunks().0.iter().map(word).collect())
        };
        Ok(Self {
            qber: qber.parse()?,
            sent: read("sent")?,
            received: read("received")?,
            syndromes: read("syndrome")?,
        })
    }

    fn write(&self, dir: &Path) -> anyhow::Result<()> {
        for (what, words) in
            [("sent", &self.sent), ("received", &self.received), ("syndrome", &self.syndromes)]
        {
            let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
            let path = path(dir, what, &self.qber.to_string());
            npy::write_bytes(&bytes, BufWriter::new(File::create(path)?))?;
        }
        Ok(())
    }

    /// `count` frames from the one with index `first`, and what was sent.
    pub(crate) fn batch(&self, first: usize, count: usize) -> anyhow::Result<(Batch<'_>, &[u64])> {
        let (words, bits) =
            (first * FRAME..(first + count) * FRAME, first * SYNDROME..(first + count) * SYNDROME);
        let received = self.received.get(words.clone()).context("not so many frames")?;
        Ok((Batch { qber: self.qber, received, syndromes: &self.syndromes[bits] }, &self.sent[words]))
    }
}

fn path(dir: &Path, what: &str, qber: &str) -> PathBuf {
    dir.join(format!("{what}-{qber}.npy"))
}

/// Where the matrix stands as alist.
pub(crate) fn alist_path(dir: &Path) -> PathBuf {
    dir.join("matrix.alist")
}

/// Writes the matrix, and for each error rate the frames: packed bytes, lowest bit first, 512 a frame and 256 a
/// syndrome.
pub(crate) fn prepare(dir: &Path, seed: u64, count: u64, qbers: &[&str]) -> anyhow::Result<()> {
    fs::create_dir_all(dir)?;
    let matrix = SparseMatrix::from_code(&ours::code());
    alist::write(&matrix, &mut BufWriter::new(File::create(alist_path(dir))?))?;
    npz::write(&matrix, File::create(dir.join("matrix.npz"))?)?;
    for qber in qbers {
        Frames::draw(qber.parse()?, seed, count)?.write(dir)?;
    }
    Ok(())
}
