//! One block without a protocol: choose a pattern, fill a frame, encode.

use caligo_core::bits::words_for;
use caligo_core::code::{Code, mother_4096};
use caligo_core::puncture::{Order, Pattern, order_4096};
use caligo_core::rate::{RateTable, table_4096};

use crate::decoder::CaligoDecoderKind;
use crate::memory::{slice, slice_mut};
use crate::status::CaligoStatus;

/// Bits of a frame.
pub const CALIGO_FRAME_BITS: usize = 4096;
/// Words of 64 bits of a frame; bit i is bit i % 64 of word i / 64.
pub const CALIGO_FRAME_WORDS: usize = 64;
/// Words of a syndrome, of 2048 bits.
pub const CALIGO_SYNDROME_WORDS: usize = 32;

pub(crate) const CODE: Code<'static> = Code::Qc(mother_4096::CODE);
pub(crate) const ORDER: Order<'static> = order_4096::ORDER;

/// Masks of a pattern's positions.
pub(crate) type Masks = [[u64; CALIGO_FRAME_WORDS]; 2];

pub(crate) const fn table(kind: CaligoDecoderKind) -> RateTable<'static> {
    match kind {
        CaligoDecoderKind::Integer => table_4096::FAST,
        CaligoDecoderKind::Float => table_4096::PRECISE,
    }
}

/// What of a frame carries payload.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CaligoPattern {
    /// Positions that carry private random padding, of which Bob knows nothing.
    pub punctured: u16,
    /// Positions that both know to be 0.
    pub shortened: u16,
}

impl CaligoPattern {
    pub(crate) fn masks(self, [punctured, shortened]: &mut Masks) -> Result<Pattern<'_>, CaligoStatus> {
        let (p, s) = (usize::from(self.punctured), usize::from(self.shortened));
        ORDER.pattern(p, s, punctured, shortened).map_err(|_| CaligoStatus::Range)
    }
}

/// The pattern for an error rate, 0 <= `qber` < 1/2, and a frame error rate from 1e-6 to 0.5 of a decoder of `kind`.
///
/// # Safety
/// `pattern` is null or valid for writes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn caligo_pattern_select(
    qber: f64,
    frame_error_rate: f64,
    kind: u32,
    pattern: *mut CaligoPattern,
) -> CaligoStatus {
    let Some(kind) = CaligoDecoderKind::of(kind) else { return CaligoStatus::Range };
    // SAFETY: the caller's.
    let Some(pattern) = (unsafe { pattern.as_mut() }) else { return CaligoStatus::Null };
    match table(kind).select(qber, frame_error_rate) {
        Ok(size) => {
            *pattern = CaligoPattern { punctured: size.p as u16, shortened: size.s as u16 };
            CaligoStatus::Ok
        }
        Err(caligo_core::rate::RateError::OutOfRange { .. }) => CaligoStatus::Range,
        Err(_) => CaligoStatus::Rate,
    }
}

/// Payload bits of a frame with `pattern`; 0 if there is no such pattern.
///
/// # Safety
/// `pattern` is null or valid for reads.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn caligo_pattern_payload(pattern: *const CaligoPattern) -> usize {
    // SAFETY: the caller's.
    let Some(pattern) = (unsafe { pattern.as_ref() }) else { return 0 };
    let mut masks = [[0; CALIGO_FRAME_WORDS]; 2];
    pattern.masks(&mut masks).map_or(0, |pattern| pattern.payload())
}

/// Fills `frame` (`CALIGO_FRAME_WORDS`): payload bits, padding bits on punctured positions, zeros on shortened ones.
/// `payload_words` and `padding_words` are those that their bits need. Alice's padding is private and random, fresh for
/// every frame; Bob's is zeros.
///
/// # Safety
/// Pointers are null or valid for as many words; `frame` overlaps neither of the others.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn caligo_scatter(
    pattern: *const CaligoPattern,
    payload: *const u64,
    payload_words: usize,
    padding: *const u64,
    padding_words: usize,
    frame: *mut u64,
) -> CaligoStatus {
    // SAFETY: the caller's.
    let Some(pattern) = (unsafe { pattern.as_ref() }) else { return CaligoStatus::Null };
    // SAFETY: the caller's.
    let payload = unsafe { slice(payload, payload_words) };
    // SAFETY: the caller's.
    let padding = unsafe { slice(padding, padding_words) };
    // SAFETY: the caller's.
    let frame = unsafe { slice_mut(frame, CALIGO_FRAME_WORDS) };
    let (Some(payload), Some(padding), Some(frame)) = (payload, padding, frame) else {
        return CaligoStatus::Null;
    };
    let mut masks = [[0; CALIGO_FRAME_WORDS]; 2];
    let pattern = match pattern.masks(&mut masks) {
        Ok(pattern) => pattern,
        Err(status) => return status,
    };
    if payload.len() != words_for(pattern.payload()) || padding.len() != words_for(pattern.p()) {
        return CaligoStatus::Length;
    }
    pattern.scatter(payload, padding, frame).map_or(CaligoStatus::Length, |()| CaligoStatus::Ok)
}

/// The payload bits of `frame`, in order, into `payload`, of the words that they need.
///
/// # Safety
/// Pointers are null or valid for as many words, and do not overlap.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn caligo_gather(
    pattern: *const CaligoPattern,
    frame: *const u64,
    payload: *mut u64,
    payload_words: usize,
) -> CaligoStatus {
    // SAFETY: the caller's.
    let Some(pattern) = (unsafe { pattern.as_ref() }) else { return CaligoStatus::Null };
    // SAFETY: the caller's.
    let frame = unsafe { slice(frame, CALIGO_FRAME_WORDS) };
    // SAFETY: the caller's.
    let payload = unsafe { slice_mut(payload, payload_words) };
    let (Some(frame), Some(payload)) = (frame, payload) else { return CaligoStatus::Null };
    let mut masks = [[0; CALIGO_FRAME_WORDS]; 2];
    let pattern = match pattern.masks(&mut masks) {
        Ok(pattern) => pattern,
        Err(status) => return status,
    };
    if payload.len() != words_for(pattern.payload()) {
        return CaligoStatus::Length;
    }
    pattern.gather(frame, payload).map_or(CaligoStatus::Length, |()| CaligoStatus::Ok)
}

/// The syndrome (`CALIGO_SYNDROME_WORDS`) of `frame` (`CALIGO_FRAME_WORDS`).
///
/// # Safety
/// Pointers are null or valid for as many words, and do not overlap.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn caligo_encode(frame: *const u64, syndrome: *mut u64) -> CaligoStatus {
    // SAFETY: the caller's.
    let frame = unsafe { slice(frame, CALIGO_FRAME_WORDS) };
    // SAFETY: the caller's.
    let syndrome = unsafe { slice_mut(syndrome, CALIGO_SYNDROME_WORDS) };
    let (Some(frame), Some(syndrome)) = (frame, syndrome) else { return CaligoStatus::Null };
    CODE.syndrome(frame, syndrome).map_or(CaligoStatus::Length, |()| CaligoStatus::Ok)
}
