//! Decoders in memory of the caller's.

use core::ffi::c_void;
use core::mem::size_of;

use caligo_core::code::LengthError;
use caligo_core::decode::{
    Arithmetic, Corrected, Decoder, Doubt, Layout, Outcome, Schedule, SumProduct, Workspace,
};
use caligo_core::llr::{self, Rates};
use caligo_core::puncture::Pattern;
use caligo_core::wire::MAX_POSITIONS;

use crate::codec::{CALIGO_FRAME_BITS, CALIGO_FRAME_WORDS, CALIGO_SYNDROME_WORDS, CODE, CaligoPattern};
use crate::memory::{Block, room, slice, slice_mut, wipe};
use crate::status::CaligoStatus;

/// Arithmetic of a decoder.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CaligoDecoderKind {
    /// 8-bit messages, integers only.
    Integer = 0,
    /// Sum-product over 32-bit floats: fewer frame errors, three times the memory.
    Float = 1,
}

impl CaligoDecoderKind {
    pub(crate) const fn of(kind: u32) -> Option<Self> {
        match kind {
            0 => Some(Self::Integer),
            1 => Some(Self::Float),
            _ => None,
        }
    }
}

/// How decoding ended.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CaligoOutcome {
    /// Whether the decision has the syndrome.
    pub converged: bool,
    /// Iterations done.
    pub iterations: u16,
    /// Checks not satisfied at the end.
    pub unsatisfied: u32,
}

impl From<Outcome> for CaligoOutcome {
    fn from(outcome: Outcome) -> Self {
        let Outcome { converged, iterations, unsatisfied } = outcome;
        Self { converged, iterations, unsatisfied }
    }
}

/// Messages, posteriors, priors.
struct Work<A: Arithmetic>
where
    A::Message: 'static,
    A::Posterior: 'static,
{
    decoder: Decoder<A>,
    space: Workspace<'static, A, &'static mut [A::Message], &'static mut [A::Posterior]>,
    priors: &'static mut [A::Posterior],
}

impl<A: Arithmetic> Work<A>
where
    A::Message: Default + 'static,
    A::Posterior: Default + 'static,
{
    const fn size() -> usize {
        room::<A::Message>(LAYOUT.messages)
            + room::<A::Posterior>(LAYOUT.posteriors)
            + room::<A::Posterior>(CALIGO_FRAME_BITS)
    }

    fn new(arithmetic: A, max_iterations: u16, block: &mut Block) -> Option<Self> {
        let messages = block.fill(A::Message::default(), LAYOUT.messages)?;
        let posteriors = block.fill(A::Posterior::default(), LAYOUT.posteriors)?;
        let priors = block.fill(A::Posterior::default(), CALIGO_FRAME_BITS)?;
        let space = Workspace::new(&CODE, Schedule::Layered, messages, posteriors).ok()?;
        Some(Self { decoder: Decoder { arithmetic, max_iterations }, space, priors })
    }

    /// Whatever is needed of a job, so that it can be decoded later.
    fn load(
        &mut self,
        pattern: &Pattern<'_>,
        frame: &[u64],
        rates: &Rates<'_>,
        hot: bool,
    ) -> Result<(), LengthError> {
        llr::with_rates(&self.decoder.arithmetic, pattern, frame, rates, self.priors)?;
        if hot { self.space.reload(self.priors) } else { self.space.load(self.priors) }
    }
}

enum Kind {
    Integer(Work<Corrected>),
    Float(Work<SumProduct>),
}

const LAYOUT: Layout = Layout::of(&CODE, Schedule::Layered);

/// What was loaded, and what came of it.
pub(crate) struct Loaded {
    /// Slot of Bob's, if it came from there.
    pub(crate) slot: Option<usize>,
    pub(crate) syndrome: [u64; CALIGO_SYNDROME_WORDS],
    pub(crate) known: [u64; CALIGO_FRAME_WORDS],
    /// Positions in doubt that are wanted on failure.
    pub(crate) wanted: usize,
    pub(crate) decision: [u64; CALIGO_FRAME_WORDS],
    /// Once it has run.
    pub(crate) outcome: Option<Outcome>,
    pub(crate) found: usize,
}

/// A decoder. Its memory holds key bits until `caligo_decoder_end`.
pub struct CaligoDecoder {
    size: usize,
    memory: *mut u8,
    kind: Kind,
    /// The slot of the last job that failed, whose messages are still there.
    last: Option<usize>,
    pub(crate) loaded: Option<Loaded>,
    scratch: &'static mut [Doubt],
    doubts: &'static mut [u16],
}

const fn size_of_kind(kind: CaligoDecoderKind) -> usize {
    let work = match kind {
        CaligoDecoderKind::Integer => Work::<Corrected>::size(),
        CaligoDecoderKind::Float => Work::<SumProduct>::size(),
    };
    work + room::<CaligoDecoder>(1)
}

const fn size_for(kind: CaligoDecoderKind, doubts: usize) -> usize {
    size_of_kind(kind) + room::<Doubt>(doubts) + room::<u16>(doubts)
}

/// Bytes for a decoder of `kind` that names up to `doubts` positions for a symmetric request (0 for other strategies,
/// `CALIGO_MAX_POSITIONS` at most). 0 if there is no such decoder.
#[unsafe(no_mangle)]
pub extern "C" fn caligo_decoder_size(kind: u32, doubts: usize) -> usize {
    match CaligoDecoderKind::of(kind) {
        Some(kind) if doubts <= MAX_POSITIONS => size_for(kind, doubts),
        _ => 0,
    }
}

/// Makes a decoder in `memory`, of `size` bytes, any alignment, which is its own until `caligo_decoder_end`.
/// `max_iterations` is at least 1; 40 to 100 are usual.
///
/// # Safety
/// `memory` is null or valid for reads and writes of `size` bytes, and `decoder` null or valid for writes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn caligo_decoder_init(
    memory: *mut c_void,
    size: usize,
    kind: u32,
    doubts: usize,
    max_iterations: u16,
    decoder: *mut *mut CaligoDecoder,
) -> CaligoStatus {
    if memory.is_null() || decoder.is_null() {
        return CaligoStatus::Null;
    }
    let Some(kind) = CaligoDecoderKind::of(kind) else { return CaligoStatus::Range };
    if doubts > MAX_POSITIONS || max_iterations == 0 {
        return CaligoStatus::Range;
    }
    if size < size_for(kind, doubts) {
        return CaligoStatus::Memory;
    }
    let memory = memory.cast::<u8>();
    // SAFETY: the caller gives the memory away.
    let mut block = unsafe { Block::new(memory, size) };
    let made = (|| {
        let kind = match kind {
            CaligoDecoderKind::Integer => {
                Kind::Integer(Work::new(Corrected::default(), max_iterations, &mut block)?)
            }
            CaligoDecoderKind::Float => Kind::Float(Work::new(SumProduct, max_iterations, &mut block)?),
        };
        let (scratch, doubts) = (block.fill(Doubt::default(), doubts)?, block.fill(0, doubts)?);
        let (last, loaded) = (None, None);
        block.put(CaligoDecoder { size, memory, kind, last, loaded, scratch, doubts })
    })();
    let Some(made) = made else { return CaligoStatus::Memory };
    // SAFETY: the caller's.
    unsafe { decoder.write(made) };
    CaligoStatus::Ok
}

/// Overwrites the decoder's memory, which is the caller's again. Null is allowed.
///
/// # Safety
/// `decoder` is null or comes from `caligo_decoder_init` and has not been ended.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn caligo_decoder_end(decoder: *mut CaligoDecoder) {
    // SAFETY: the caller's.
    if let Some(found) = unsafe { decoder.as_ref() } {
        let (memory, size) = (found.memory, found.size);
        // SAFETY: nothing in it needs to be dropped, and nobody refers to it any more.
        unsafe { wipe(memory, size) };
    }
}

impl CaligoDecoder {
    /// Takes a job over; nothing of it is borrowed.
    pub(crate) fn load(
        &mut self,
        (slot, first, wanted): (Option<usize>, bool, usize),
        pattern: &Pattern<'_>,
        frame: &[u64],
        syndrome: &[u64],
        rates: &Rates<'_>,
    ) -> Result<(), CaligoStatus> {
        let hot = !first && slot.is_some() && self.last == slot;
        (self.last, self.loaded) = (None, None);
        if wanted > self.doubts.len() {
            return Err(CaligoStatus::Memory);
        }
        match &mut self.kind {
            Kind::Integer(work) => work.load(pattern, frame, rates, hot),
            Kind::Float(work) => work.load(pattern, frame, rates, hot),
        }
        .map_err(|_| CaligoStatus::Length)?;
        let mut loaded = Loaded {
            slot,
            syndrome: [0; CALIGO_SYNDROME_WORDS],
            known: [0; CALIGO_FRAME_WORDS],
            wanted,
            decision: [0; CALIGO_FRAME_WORDS],
            outcome: None,
            found: 0,
        };
        if syndrome.len() != loaded.syndrome.len() || pattern.shortened().len() != loaded.known.len() {
            return Err(CaligoStatus::Length);
        }
        loaded.syndrome.copy_from_slice(syndrome);
        loaded.known.copy_from_slice(pattern.shortened());
        self.loaded = Some(loaded);
        Ok(())
    }

    fn run(&mut self) -> Result<Outcome, CaligoStatus> {
        let Self { kind, loaded, scratch, doubts, last, .. } = self;
        let loaded = loaded.as_mut().filter(|loaded| loaded.outcome.is_none()).ok_or(CaligoStatus::State)?;
        let Loaded { syndrome, decision, known, wanted, .. } = loaded;
        let scratch = &mut scratch[..*wanted];
        let (outcome, found) = match kind {
            Kind::Integer(work) => decode(work, syndrome, known, decision, scratch),
            Kind::Float(work) => decode(work, syndrome, known, decision, scratch),
        }
        .map_err(|_| CaligoStatus::Length)?;
        for (doubt, position) in scratch[..found].iter().zip(doubts.iter_mut()) {
            *position = doubt.position as u16;
        }
        (loaded.outcome, loaded.found) = (Some(outcome), found);
        *last = if outcome.converged { None } else { loaded.slot };
        Ok(outcome)
    }

    /// Slot, outcome, decision and doubts of a job that has run.
    pub(crate) fn answer(&self) -> Option<(usize, Outcome, &[u64], &[u16])> {
        let loaded = self.loaded.as_ref()?;
        Some((loaded.slot?, loaded.outcome?, &loaded.decision, &self.doubts[..loaded.found]))
    }
}

fn decode<A: Arithmetic>(
    work: &mut Work<A>,
    syndrome: &[u64],
    known: &[u64],
    decision: &mut [u64],
    doubts: &mut [Doubt],
) -> Result<(Outcome, usize), LengthError>
where
    A::Message: 'static,
    A::Posterior: 'static,
{
    let outcome = work.decoder.run(syndrome, &mut work.space, decision)?;
    let found = if outcome.converged { 0 } else { work.space.least_reliable(known, decision, doubts)? };
    Ok((outcome, found))
}

/// Decodes one frame: `frame` as received (`CALIGO_FRAME_WORDS`, shortened positions 0), `syndrome` the other side's
/// (`CALIGO_SYNDROME_WORDS`), `qber` the error rate of the payload, 0 <= `qber` <= 1/2. `decision` (`CALIGO_FRAME_WORDS`)
/// is the frame corrected, if `outcome` says that it converged, else the last try.
///
/// # Safety
/// `decoder` comes from `caligo_decoder_init`; other pointers are null or valid for as many words, and do not overlap.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn caligo_decode(
    decoder: *mut CaligoDecoder,
    pattern: *const CaligoPattern,
    frame: *const u64,
    syndrome: *const u64,
    qber: f64,
    decision: *mut u64,
    outcome: *mut CaligoOutcome,
) -> CaligoStatus {
    // SAFETY: the caller's.
    let (decoder, pattern) = unsafe { (decoder.as_mut(), pattern.as_ref()) };
    // SAFETY: the caller's.
    let (frame, syndrome) =
        unsafe { (slice(frame, CALIGO_FRAME_WORDS), slice(syndrome, CALIGO_SYNDROME_WORDS)) };
    // SAFETY: the caller's.
    let (decision, outcome) = unsafe { (slice_mut(decision, CALIGO_FRAME_WORDS), outcome.as_mut()) };
    let (Some(decoder), Some(pattern), Some(frame), Some(syndrome), Some(decision), Some(outcome)) =
        (decoder, pattern, frame, syndrome, decision, outcome)
    else {
        return CaligoStatus::Null;
    };
    if !(0.0..=0.5).contains(&qber) {
        return CaligoStatus::Range;
    }
    let mut masks = [[0; CALIGO_FRAME_WORDS]; 2];
    let done = pattern
        .masks(&mut masks)
        .and_then(|pattern| decoder.load((None, true, 0), &pattern, frame, syndrome, &Rates::Uniform(qber)))
        .and_then(|()| decoder.run());
    match (done, &decoder.loaded) {
        (Ok(found), Some(loaded)) => {
            decision.copy_from_slice(&loaded.decision);
            *outcome = found.into();
            CaligoStatus::Ok
        }
        (Err(status), _) => status,
        (Ok(_), None) => CaligoStatus::State,
    }
}

/// Runs the job that `caligo_bob_load` loaded. Any thread may do so; Bob's machine may go on meanwhile.
///
/// # Safety
/// `decoder` is null or comes from `caligo_decoder_init`; `outcome` is null, if nobody wants to know, or valid for writes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn caligo_decoder_run(
    decoder: *mut CaligoDecoder,
    outcome: *mut CaligoOutcome,
) -> CaligoStatus {
    // SAFETY: the caller's.
    let Some(decoder) = (unsafe { decoder.as_mut() }) else { return CaligoStatus::Null };
    match decoder.run() {
        Ok(found) => {
            // SAFETY: the caller's.
            if let Some(outcome) = unsafe { outcome.as_mut() } {
                *outcome = found.into();
            }
            CaligoStatus::Ok
        }
        Err(status) => status,
    }
}

const _: () = assert!(!core::mem::needs_drop::<CaligoDecoder>() && size_of::<CaligoDecoder>() > 0);
