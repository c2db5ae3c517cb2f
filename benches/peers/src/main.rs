//! Runs decoders on frames from a directory, as a driver asks.
//!
//! * `about`: the instruction set of our kernels, and every variant of the peers there are.
//! * `prepare DIR SEED COUNT QBER...`: writes matrix and frames.
//! * `serve DIR SEED`: reads lines `PEER/VARIANT QBER FIRST COUNT` and answers each with CPU seconds, wrong frames,
//!   iterations and bits a frame.

mod coset;
mod frames;
mod labrador;
mod ours;
mod peer;
mod textbook;
mod toolbox;

use std::collections::HashMap;
use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use anyhow::Context;

use coset::Cosets;
use frames::Frames;
use peer::{FRAME, Peer};

/// For every decoder but ours, whose tiers have their own.
const MAX_ITERATIONS: u16 = 100;
/// Frames of the encoder's turn: they stay in the cache, for all encoders.
const ENCODED: usize = 256;

fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        ["about"] => about(),
        ["prepare", dir, seed, count, ref qbers @ ..] => {
            frames::prepare(Path::new(dir), seed.parse()?, count.parse()?, qbers)
        }
        ["serve", dir, seed] => Server::new(dir.into(), seed.parse()?)?.serve(),
        _ => anyhow::bail!("expected: about | prepare DIR SEED COUNT QBER... | serve DIR SEED"),
    }
}

fn about() -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "isa {}", ours::isa())?;
    writeln!(out, "iterations {MAX_ITERATIONS}")?;
    for variant in toolbox::variants() {
        writeln!(out, "variant ldpc-toolbox/{variant}")?;
    }
    for variant in labrador::variants() {
        writeln!(out, "variant labrador-ldpc/{variant}")?;
    }
    Ok(())
}

struct Server {
    dir: PathBuf,
    seed: u64,
    alist: String,
    cosets: Rc<Cosets>,
    frames: HashMap<String, Frames>,
    peers: HashMap<String, Box<dyn Peer>>,
}

struct Answer {
    seconds: f64,
    wrong: usize,
    iterations: u64,
    n: usize,
}

impl Server {
    fn new(dir: PathBuf, seed: u64) -> anyhow::Result<Self> {
        let alist = std::fs::read_to_string(frames::alist_path(&dir))?;
        let cosets = Rc::new(Cosets::new(&ours::code()));
        Ok(Self { dir, seed, alist, cosets, frames: HashMap::new(), peers: HashMap::new() })
    }

    fn serve(&mut self) -> anyhow::Result<()> {
        let mut out = std::io::stdout().lock();
        for line in std::io::stdin().lock().lines() {
            let line = line?;
            let words: Vec<&str> = line.split(' ').collect();
            let [peer, qber, first, count] = words[..] else { anyhow::bail!("not understood: {line}") };
            let Answer { seconds, wrong, iterations, n } =
                self.run(peer, qber, first.parse()?, count.parse()?).with_context(|| line.clone())?;
            writeln!(out, "{seconds} {wrong} {iterations} {n}")?;
            out.flush()?;
        }
        Ok(())
    }

    fn run(&mut self, peer: &str, qber: &str, first: usize, count: usize) -> anyhow::Result<Answer> {
        // Untimed, after whatever another peer has left in the caches.
        let warm = (count / 20).clamp(1, 64);
        if let Some(variant) = peer.strip_prefix("labrador-ldpc/") {
            let run = |count| {
                let frames = first as u64..(first + count) as u64;
                labrador::run(variant, qber.parse()?, frames, self.seed, MAX_ITERATIONS.into())
            };
            run(warm)?;
            let labrador::Counted { spent, wrong, n } = run(count)?;
            return Ok(Answer { seconds: spent.seconds, wrong, iterations: spent.iterations, n });
        }
        if !self.frames.contains_key(qber) {
            self.frames.insert(qber.into(), Frames::read(&self.dir, qber)?);
        }
        if peer == "caligo/encoder" {
            return encode(&self.frames[qber], count);
        }
        if !self.peers.contains_key(peer) {
            self.peers.insert(peer.into(), self.build(peer)?);
        }
        let frames = &self.frames[qber];
        let decoder = self.peers.get_mut(peer).context("no such peer")?;
        // Not zero: the pages are there before the clock starts.
        let mut decisions = vec![1; count * FRAME];
        decoder.decode(frames.batch(first, warm)?.0, &mut decisions)?;
        let (batch, sent) = frames.batch(first, count)?;
        let spent = decoder.decode(batch, &mut decisions)?;
        let pairs = decisions.chunks_exact(FRAME).zip(sent.chunks_exact(FRAME));
        let wrong = pairs.filter(|(decision, sent)| decision != sent).count();
        Ok(Answer { seconds: spent.seconds, wrong, iterations: spent.iterations, n: FRAME * 64 })
    }

    fn build(&self, peer: &str) -> anyhow::Result<Box<dyn Peer>> {
        let max_iterations = usize::from(MAX_ITERATIONS);
        Ok(match peer.split_once('/').context("expected PEER/VARIANT")? {
            ("caligo", tier) => Box::new(ours::Ours::new(tier)?),
            ("textbook", "f64") => Box::new(textbook::Textbook::new(&ours::code(), MAX_ITERATIONS.into())),
            ("ldpc-toolbox", variant) => {
                let cosets = Rc::clone(&self.cosets);
                Box::new(toolbox::Toolbox::new(variant, &self.alist, cosets, max_iterations)?)
            }
            _ => anyhow::bail!("no such peer"),
        })
    }
}

/// `count` encodings, the first of each frame checked.
fn encode(frames: &Frames, count: usize) -> anyhow::Result<Answer> {
    let (batch, sent) = frames.batch(0, ENCODED)?;
    let mut syndromes = vec![0; batch.syndromes.len()];
    ours::encode(sent, &mut syndromes, 1)?;
    let wrong = batch.syndromes.iter().zip(&syndromes).filter(|(a, b)| a != b).count();
    let turns = count.div_ceil(ENCODED);
    let seconds = ours::encode(sent, &mut syndromes, turns as u64)?;
    let seconds = seconds * count as f64 / (turns * ENCODED) as f64;
    Ok(Answer { seconds, wrong, iterations: 0, n: FRAME * 64 })
}
