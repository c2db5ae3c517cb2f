//! Drives a machine: answers its effects until it has nothing more to do.

use alloc::vec;
use alloc::vec::Vec;

use caligo_core::reconcile::{Aborted, Effect, Event, Finished, Instant, Job, Machine, Released, Step};
use caligo_core::wire::{Hello, MAX_FRAME, frame_length};
use zeroize::Zeroizing;

use super::local::SessionError;

/// Bob's key in the agreed permutation, with the class of each bit.
#[derive(Debug)]
pub struct KeyInput {
    /// Bits.
    pub key: Zeroizing<Vec<u64>>,
    /// Classes, or empty.
    pub classes: Zeroizing<Vec<u8>>,
}

/// Answers a machine's effects.
pub trait Host {
    /// Sends one frame.
    ///
    /// # Errors
    /// If the channel is gone.
    fn send(&mut self, frame: &[u8]) -> Result<(), SessionError>;

    /// Gives entropy.
    ///
    /// # Errors
    /// If there is none.
    fn entropy(&mut self, words: usize) -> Result<Zeroizing<Vec<u64>>, SessionError>;

    /// Gives Bob's key.
    ///
    /// # Errors
    /// If the parameters do not suit.
    fn agreed(&mut self, hello: &Hello) -> Result<KeyInput, SessionError>;

    /// Takes a decoding job; its answer is given to [`drive`] later.
    fn decode(&mut self, slot: usize, job: &Job<'_>);

    /// Hears of the sample.
    fn sampled(&mut self, errors: u32, bits: u32, effective: f64);

    /// Hears of a final block.
    fn released(&mut self, block: Released);
}

/// A machine that has been driven.
#[derive(Debug)]
pub enum Driven<M> {
    /// It waits for a frame, a decision or its deadline.
    Idle(M),
    /// Done; the frame, if not empty, is to be sent once the key is stored.
    Done(Finished, Vec<u8>),
    /// Over; the frame, if not empty, tells the peer.
    Aborted(Aborted, Vec<u8>),
}

/// Gives `event` to `machine` and answers its effects until it is idle or at its end.
///
/// # Errors
/// Those of the host.
pub fn drive<M: Machine>(
    mut machine: M,
    now: Instant,
    event: Event<'_>,
    host: &mut dyn Host,
) -> Result<Driven<M>, SessionError> {
    let mut out = vec![0; MAX_FRAME];
    let mut entropy: Option<Zeroizing<Vec<u64>>> = None;
    let mut input = None;
    let mut step = machine.on(now, event, &mut out);
    loop {
        let effect = match step {
            Step::Next(next, effect) => {
                machine = next;
                effect
            }
            Step::Done(finished) => {
                let frame = out[..finished.send].to_vec();
                return Ok(Driven::Done(finished, frame));
            }
            Step::Abort(aborted) => return Ok(Driven::Aborted(aborted, out[..aborted.send].to_vec())),
        };
        let mut event = Event::Poll;
        match effect {
            Effect::Send(length) => host.send(&out[..length])?,
            Effect::Entropy(words) => {
                event = Event::Entropy(entropy.insert(host.entropy(words)?));
            }
            Effect::Agreed(hello) => {
                let KeyInput { key, classes } = input.insert(host.agreed(&hello)?);
                event = Event::Key { key, classes };
            }
            Effect::Decode(slot) => {
                if let Some(job) = machine.job(slot) {
                    host.decode(slot, &job);
                }
            }
            Effect::Sampled { errors, bits, effective } => host.sampled(errors, bits, effective),
            Effect::Released(block) => host.released(block),
            Effect::Idle => return Ok(Driven::Idle(machine)),
        }
        step = machine.on(now, event, &mut out);
    }
}

/// The first frame of `frames` and what follows it; all of them if they are none, which a machine will say.
pub fn split_frame(frames: &[u8]) -> (&[u8], &[u8]) {
    let length = match frame_length(frames) {
        Ok(Some(length)) => length.min(frames.len()),
        Ok(None) | Err(_) => frames.len(),
    };
    frames.split_at(length)
}
