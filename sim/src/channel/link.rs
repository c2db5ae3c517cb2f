//! A simulated link: frames in, frames out later, with faults. No clock, no socket.
//!
//! In: frames and the time in microseconds. Out: frames and when they arrive, a function of (model, seed, index)
//! and of what was sent when. One [`Link`] is one direction.
//!
//! ```
//! use caligo_sim::channel::link::{Link, Model};
//!
//! let mut link = Link::new(Model { latency_us: 500, ..Model::PERFECT }, 1, 0);
//! link.send(1000, b"frame");
//! assert_eq!(link.next_arrival(), Some(1500));
//! assert_eq!(link.receive(1499), None);
//! assert_eq!(link.receive(1500).as_deref(), Some(&b"frame"[..]));
//! ```

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use rand_core::Rng;
use rand_xoshiro::Xoshiro256PlusPlus;

use super::{below, stream, uniform};

/// What a link does to frames. Each probability is of a frame, independent of the others.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Model {
    /// Time from sending to arrival, in microseconds.
    pub latency_us: u64,
    /// Largest addition to it, uniform, in microseconds. Frames stay in order all the same.
    pub jitter_us: u64,
    /// Probability that a frame is lost.
    pub loss: f64,
    /// Probability that a frame arrives twice.
    pub duplication: f64,
    /// Probability that a frame is overtaken: it is late by up to [`Model::late_us`], those after it are not.
    pub reordering: f64,
    /// How late a frame that is overtaken may be, in microseconds.
    pub late_us: u64,
    /// Probability that one to three bits of a frame are flipped.
    pub corruption: f64,
    /// Probability that a frame loses its end, at least one byte.
    pub truncation: f64,
    /// Probability that one to sixteen random bytes follow a frame.
    pub extension: f64,
    /// The link is cut after so many frames.
    pub cut_after: Option<u64>,
    /// What would arrive at this time or later never does.
    pub cut_at_us: Option<u64>,
}

impl Model {
    /// Neither latency nor faults.
    pub const PERFECT: Self = Self {
        latency_us: 0,
        jitter_us: 0,
        loss: 0.0,
        duplication: 0.0,
        reordering: 0.0,
        late_us: 0,
        corruption: 0.0,
        truncation: 0.0,
        extension: 0.0,
        cut_after: None,
        cut_at_us: None,
    };
}

impl Default for Model {
    fn default() -> Self {
        Self::PERFECT
    }
}

/// One direction of a simulated link.
#[derive(Debug)]
pub struct Link {
    model: Model,
    rng: Xoshiro256PlusPlus,
    /// Frames under way by time of arrival, then by order of sending.
    under_way: BTreeMap<(u64, u64), Vec<u8>>,
    sent: u64,
    /// Copies under way so far, so that no two have the same place.
    copies: u64,
    /// Last arrival of a frame that keeps its place.
    last_us: u64,
    faults: u64,
}

impl Link {
    /// Link `index` of a simulation seeded with `seed`.
    pub fn new(model: Model, seed: u64, index: u64) -> Self {
        let rng = stream(seed, index);
        Self { model, rng, under_way: BTreeMap::new(), sent: 0, copies: 0, last_us: 0, faults: 0 }
    }

    /// Takes a frame sent at `now_us`.
    pub fn send(&mut self, now_us: u64, frame: &[u8]) {
        self.sent += 1;
        if self.model.cut_after.is_some_and(|most| self.sent > most) {
            self.faults += 1;
            return;
        }
        // Every frame draws the same numbers, so that one fault does not move the others.
        let model = self.model;
        let mut rng = stream(self.rng.next_u64(), self.sent);
        let [lost, twice, overtaken, corrupt, short, long] = [
            model.loss,
            model.duplication,
            model.reordering,
            model.corruption,
            model.truncation,
            model.extension,
        ]
        .map(|chance| uniform(&mut rng) < chance);
        let jitter = below(&mut rng, model.jitter_us.saturating_add(1));
        let arrival = now_us.saturating_add(model.latency_us).saturating_add(jitter).max(self.last_us);
        if lost {
            self.faults += 1;
            return;
        }
        let mut frame = frame.to_vec();
        if corrupt && !frame.is_empty() {
            self.faults += 1;
            for _ in 0..=below(&mut rng, 3) {
                let bit = below(&mut rng, frame.len() as u64 * 8) as usize;
                frame[bit / 8] ^= 1 << (bit % 8);
            }
        }
        if short && !frame.is_empty() {
            self.faults += 1;
            let length = below(&mut rng, frame.len() as u64) as usize;
            frame.truncate(length);
        }
        if long {
            self.faults += 1;
            for _ in 0..=below(&mut rng, 16) {
                frame.push(rng.next_u64() as u8);
            }
        }
        if twice {
            self.faults += 1;
            self.launch(arrival, frame.clone());
        }
        if overtaken {
            self.faults += 1;
            let late = 1 + below(&mut rng, model.late_us.max(1));
            self.launch(arrival.saturating_add(late), frame);
        } else {
            self.last_us = arrival;
            self.launch(arrival, frame);
        }
    }

    fn launch(&mut self, arrival: u64, frame: Vec<u8>) {
        if self.model.cut_at_us.is_some_and(|cut| arrival >= cut) {
            self.faults += 1;
            return;
        }
        self.copies += 1;
        self.under_way.insert((arrival, self.copies), frame);
    }

    /// When the next frame arrives, in microseconds; `None` if none is under way.
    pub fn next_arrival(&self) -> Option<u64> {
        self.under_way.first_key_value().map(|(&(arrival, _), _)| arrival)
    }

    /// The next frame that has arrived by `now_us`.
    pub fn receive(&mut self, now_us: u64) -> Option<Vec<u8>> {
        let next = self.under_way.first_entry()?;
        (next.key().0 <= now_us).then(|| next.remove())
    }

    /// Faults injected so far. Corruption that undid itself counts; a frame may have several.
    pub const fn faults(&self) -> u64 {
        self.faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAMES: u64 = 4000;

    /// Sends numbered frames 10 microseconds apart; what arrives, and when.
    fn through(model: Model, seed: u64, index: u64) -> (Vec<(u64, Vec<u8>)>, u64) {
        let mut link = Link::new(model, seed, index);
        (0..FRAMES).for_each(|i| link.send(i * 10, &[[i as u8; 8], i.to_be_bytes()].concat()));
        let mut arrived = Vec::new();
        while let Some(at) = link.next_arrival() {
            assert!(at == 0 || link.receive(at - 1).is_none());
            arrived.extend(link.receive(at).map(|frame| (at, frame)));
        }
        (arrived, link.faults())
    }

    fn frame(i: u64) -> Vec<u8> {
        [[i as u8; 8], i.to_be_bytes()].concat()
    }

    #[test]
    fn a_perfect_link_delivers_all_in_order_after_the_latency() {
        let (arrived, faults) = through(Model { latency_us: 300, ..Model::PERFECT }, 1, 1);
        assert_eq!((arrived.len() as u64, faults), (FRAMES, 0));
        assert!(arrived.iter().zip(0..).all(|((at, found), i)| *at == i * 10 + 300 && *found == frame(i)));
        // Jitter delays, within its bound, and keeps the order.
        let (arrived, faults) = through(Model { latency_us: 300, jitter_us: 50, ..Model::PERFECT }, 1, 1);
        assert_eq!(faults, 0);
        assert!(
            arrived
                .iter()
                .zip(0..)
                .all(|((at, found), i)| { (i * 10 + 300..=i * 10 + 350).contains(at) && *found == frame(i) })
        );
        assert!(arrived.iter().zip(0..).any(|((at, _), i)| *at > i * 10 + 300));
    }

    #[test]
    fn each_fault_occurs_at_about_its_rate() {
        let around = |count: usize, what: &str| {
            let sigma = (FRAMES as f64 * 0.1 * 0.9).sqrt();
            assert!((count as f64 - FRAMES as f64 * 0.1).abs() < 5.0 * sigma, "{what}: {count}");
        };
        let (lost, faults) = through(Model { loss: 0.1, ..Model::PERFECT }, 2, 0);
        around(FRAMES as usize - lost.len(), "lost");
        assert_eq!(faults as usize, FRAMES as usize - lost.len());
        let (twice, _) = through(Model { duplication: 0.1, ..Model::PERFECT }, 2, 1);
        around(twice.len() - FRAMES as usize, "duplicated");
        let (late, _) = through(Model { reordering: 0.1, late_us: 1000, ..Model::PERFECT }, 2, 2);
        assert_eq!(late.len() as u64, FRAMES);
        let number = |frame: &Vec<u8>| u64::from_be_bytes(frame[8..].try_into().unwrap_or_default());
        around(late.iter().filter(|(at, frame)| *at != number(frame) * 10).count(), "overtaken");
        assert!(late.windows(2).any(|pair| number(&pair[0].1) > number(&pair[1].1)));
        let (corrupt, _) = through(Model { corruption: 0.1, ..Model::PERFECT }, 2, 3);
        around(corrupt.iter().zip(0..).filter(|((_, found), i)| *found != frame(*i)).count(), "corrupted");
        assert!(corrupt.iter().all(|(_, frame)| frame.len() == 16));
        let (short, _) = through(Model { truncation: 0.1, ..Model::PERFECT }, 2, 4);
        around(short.iter().filter(|(_, frame)| frame.len() < 16).count(), "truncated");
        let (long, _) = through(Model { extension: 0.1, ..Model::PERFECT }, 2, 5);
        around(long.iter().filter(|(_, frame)| frame.len() > 16).count(), "extended");
    }

    #[test]
    fn the_same_seed_and_index_do_the_same() {
        let model = Model {
            latency_us: 100,
            jitter_us: 40,
            loss: 0.05,
            duplication: 0.05,
            reordering: 0.05,
            late_us: 500,
            corruption: 0.05,
            truncation: 0.05,
            extension: 0.05,
            ..Model::PERFECT
        };
        assert_eq!(through(model, 7, 3), through(model, 7, 3));
        assert_ne!(through(model, 7, 3), through(model, 7, 4));
        assert_ne!(through(model, 7, 3), through(model, 8, 3));
    }

    #[test]
    fn nothing_arrives_after_a_cut() {
        let (arrived, faults) = through(Model { cut_after: Some(100), ..Model::PERFECT }, 1, 1);
        assert_eq!((arrived.len(), faults), (100, FRAMES - 100));
        let (arrived, _) = through(Model { latency_us: 50, cut_at_us: Some(1000), ..Model::PERFECT }, 1, 1);
        assert_eq!(arrived.len(), 95);
        assert!(arrived.iter().all(|(at, _)| *at < 1000));
    }
}
