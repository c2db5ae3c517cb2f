//! Bob's machine.

use core::ffi::c_void;

use caligo_core::bits::words_for;
use caligo_core::leakage::Policy;
use caligo_core::reconcile::block::Slot;
use caligo_core::reconcile::estimate::Class;
use caligo_core::reconcile::{Bob, BobMemory, Event, Instant, Terms, fingerprint};

use crate::codec::{CALIGO_FRAME_BITS, CODE, ORDER};
use crate::config::POLICIES;
use crate::decoder::CaligoDecoder;
use crate::effect::{CALIGO_EFFECT_AGREED, CALIGO_EFFECT_DONE, CaligoEffect, CaligoLedger};
use crate::host::{Host, scratch_words, setup, status_of};
use crate::memory::{Block, room, slice, slice_mut, wipe};
use crate::status::CaligoStatus;

/// Bob: he corrects his key.
pub struct CaligoBob {
    host: Host<Bob<'static>>,
    /// Where his key is in the memory, in bytes from its beginning, and its words.
    key: (usize, usize),
    /// Whether he has come to the end, and the key is corrected.
    done: bool,
}

/// Bytes for Bob's machine, with a key of `key_bits` bits, up to `window` blocks in flight, and, if errors differ by the class
/// of a bit, up to `classes` classes (0 otherwise, 256 at most). 0 for a window below 2 or more classes.
#[unsafe(no_mangle)]
pub extern "C" fn caligo_bob_size(key_bits: u32, window: u16, classes: usize) -> usize {
    if window < 2 || classes > 256 {
        return 0;
    }
    let bits = key_bits as usize;
    room::<CaligoBob>(1)
        + room::<u64>(words_for(bits))
        + room::<u8>(if classes > 0 { bits } else { 0 })
        + room::<Class>(classes.max(1))
        + room::<Slot>(window.into())
        + room::<u64>(Bob::words(CALIGO_FRAME_BITS, window.into()))
        + room::<u64>(scratch_words(key_bits, window))
}

/// What Bob insists on.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CaligoTerms {
    /// Bits of his key.
    pub key_bits: u32,
    /// Most blocks in flight: Alice may have fewer.
    pub window: u16,
    /// Classes of his bits, 0 or 1 if there are none.
    pub classes: u16,
    /// Whether verified blocks teach the decoder the error rates of the next ones.
    pub learn: bool,
    /// Most bits that may be charged; the smaller of his and Alice's holds for both.
    pub budget: u64,
    /// Microseconds after which a silent peer is given up.
    pub timeout_us: u64,
}

/// Makes Bob's machine in `memory`, of `size` bytes, any alignment, which is its own until `caligo_bob_end`. He follows Alice's
/// strategy.
///
/// # Safety
/// `memory` is null or valid for reads and writes of `size` bytes, and other pointers are null or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn caligo_bob_init(
    memory: *mut c_void,
    size: usize,
    terms: *const CaligoTerms,
    now_us: u64,
    bob: *mut *mut CaligoBob,
) -> CaligoStatus {
    // SAFETY: the caller's.
    let Some(terms) = (unsafe { terms.as_ref() }) else { return CaligoStatus::Null };
    if memory.is_null() || bob.is_null() {
        return CaligoStatus::Null;
    }
    let CaligoTerms { key_bits, window, classes, learn, budget, timeout_us } = *terms;
    let needed = caligo_bob_size(key_bits, window, classes.into());
    if needed == 0 || key_bits == 0 {
        return CaligoStatus::Range;
    }
    if size < needed {
        return CaligoStatus::Memory;
    }
    let memory = memory.cast::<u8>();
    // SAFETY: the caller's.
    let mut block = unsafe { Block::new(memory, size) };
    let bits = key_bits as usize;
    let made = (|| {
        let key = block.fill(0, words_for(bits))?;
        let place = (key.as_ptr().addr() - memory.addr(), key.len());
        let memory_of = BobMemory {
            key,
            classes: block.fill(0, if classes > 0 { bits } else { 0 })?,
            rates: block.fill(Class::default(), usize::from(classes).max(1))?,
            slots: block.fill(Slot::default(), window.into())?,
            words: block.fill(0, Bob::words(CALIGO_FRAME_BITS, window.into()))?,
            scratch: block.fill(0, scratch_words(key_bits, window))?,
        };
        let terms = Terms { strategy: None, key_bits, code: fingerprint(&CODE, &ORDER), cap: budget, learn };
        Some((Bob::new(setup(timeout_us), terms, memory_of, Instant(now_us)), place))
    })();
    let (machine, key) = match made {
        Some((Ok(machine), key)) => (machine, key),
        Some((Err(abort), _)) => return status_of(abort),
        None => return CaligoStatus::Memory,
    };
    let host = Host::new(size, memory, machine, Policy::Exact);
    let Some(made) = block.put(CaligoBob { host, key, done: false }) else { return CaligoStatus::Memory };
    // SAFETY: the caller's.
    unsafe { bob.write(made) };
    CaligoStatus::Ok
}

/// Nothing new: do what is due, or notice that time is up.
///
/// # Safety
/// `bob` comes from `caligo_bob_init` and has not been ended; other pointers are null or valid; here and below.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn caligo_bob_poll(
    bob: *mut CaligoBob,
    now_us: u64,
    out: *mut u8,
    out_length: usize,
    effect: *mut CaligoEffect,
) -> CaligoStatus {
    // SAFETY: the caller's.
    unsafe { on_bob(bob, now_us, Event::Poll, out, out_length, effect) }
}

/// One whole frame came from Alice.
///
/// # Safety
/// As for `caligo_bob_poll`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn caligo_bob_received(
    bob: *mut CaligoBob,
    now_us: u64,
    frame: *const u8,
    length: usize,
    out: *mut u8,
    out_length: usize,
    effect: *mut CaligoEffect,
) -> CaligoStatus {
    // SAFETY: the caller's.
    let Some(frame) = (unsafe { slice(frame, length) }) else { return CaligoStatus::Null };
    // SAFETY: the caller's.
    unsafe { on_bob(bob, now_us, Event::Received(frame), out, out_length, effect) }
}

/// Bob's key, of the words that its bits need, in the agreed permutation, and, if he has classes, one byte for each bit. Both
/// are copied.
///
/// # Safety
/// As for `caligo_bob_poll`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn caligo_bob_key(
    bob: *mut CaligoBob,
    now_us: u64,
    key: *const u64,
    key_words: usize,
    classes: *const u8,
    classes_length: usize,
    out: *mut u8,
    out_length: usize,
    effect: *mut CaligoEffect,
) -> CaligoStatus {
    // SAFETY: the caller's.
    let (key, classes) = unsafe { (slice(key, key_words), slice(classes, classes_length)) };
    let (Some(key), Some(classes)) = (key, classes) else { return CaligoStatus::Null };
    // SAFETY: the caller's.
    unsafe { on_bob(bob, now_us, Event::Key { key, classes }, out, out_length, effect) }
}

/// Loads the job of `slot` into `decoder`. Nothing of Bob's is borrowed: the decoder may run in any thread.
///
/// # Safety
/// As for `caligo_bob_poll`; `decoder` comes from `caligo_decoder_init`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn caligo_bob_load(
    bob: *mut CaligoBob,
    slot: usize,
    decoder: *mut CaligoDecoder,
) -> CaligoStatus {
    // SAFETY: the caller's.
    let (Some(bob), Some(decoder)) = (unsafe { bob.as_mut() }, unsafe { decoder.as_mut() }) else {
        return CaligoStatus::Null;
    };
    let Some(machine) = &mut bob.host.machine else { return CaligoStatus::State };
    let Some(job) = machine.job(slot) else { return CaligoStatus::State };
    let about = (Some(slot), job.first, job.doubts);
    let loaded = decoder.load(about, &job.pattern, job.frame, job.syndrome, &job.rates);
    loaded.err().unwrap_or(CaligoStatus::Ok)
}

/// What `decoder` made of the job that was loaded and run.
///
/// # Safety
/// As for `caligo_bob_load`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn caligo_bob_decoded(
    bob: *mut CaligoBob,
    now_us: u64,
    decoder: *const CaligoDecoder,
    out: *mut u8,
    out_length: usize,
    effect: *mut CaligoEffect,
) -> CaligoStatus {
    // SAFETY: the caller's.
    let Some(decoder) = (unsafe { decoder.as_ref() }) else { return CaligoStatus::Null };
    let Some((slot, outcome, decision, doubts)) = decoder.answer() else { return CaligoStatus::State };
    let event = Event::Decoded { slot, outcome, decision, doubts };
    // SAFETY: the caller's.
    unsafe { on_bob(bob, now_us, event, out, out_length, effect) }
}

/// The host gives up.
///
/// # Safety
/// As for `caligo_bob_poll`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn caligo_bob_cancel(
    bob: *mut CaligoBob,
    now_us: u64,
    out: *mut u8,
    out_length: usize,
    effect: *mut CaligoEffect,
) -> CaligoStatus {
    // SAFETY: the caller's.
    unsafe { on_bob(bob, now_us, Event::Cancel, out, out_length, effect) }
}

/// The corrected key, after the effect `CALIGO_EFFECT_DONE`, into `key`, of the words that its bits need. Bits of the sample and
/// of blocks that were not verified are in it, and are to be left out.
///
/// # Safety
/// As for `caligo_bob_poll`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn caligo_bob_corrected(
    bob: *const CaligoBob,
    key: *mut u64,
    key_words: usize,
) -> CaligoStatus {
    // SAFETY: the caller's.
    let (Some(bob), Some(key)) = (unsafe { bob.as_ref() }, unsafe { slice_mut(key, key_words) }) else {
        return CaligoStatus::Null;
    };
    let (at, words) = bob.key;
    if !bob.done {
        return CaligoStatus::State;
    }
    if key.len() != words {
        return CaligoStatus::Length;
    }
    // SAFETY: the place of the key, which nothing refers to since the machine is gone.
    key.copy_from_slice(unsafe { core::slice::from_raw_parts(bob.host.memory.add(at).cast(), words) });
    CaligoStatus::Ok
}

/// When Alice's time is up, in microseconds; the greatest number once the machine is over, 0 of null.
///
/// # Safety
/// As for `caligo_bob_poll`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn caligo_bob_deadline(bob: *const CaligoBob) -> u64 {
    // SAFETY: the caller's.
    unsafe { bob.as_ref() }.map_or(0, |bob| bob.host.deadline())
}

/// What was disclosed so far; all zero of null.
///
/// # Safety
/// As for `caligo_bob_poll`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn caligo_bob_ledger(bob: *const CaligoBob) -> CaligoLedger {
    // SAFETY: the caller's.
    unsafe { bob.as_ref() }.map_or_else(CaligoLedger::default, |bob| bob.host.ledger)
}

/// Overwrites the machine's memory, which is the caller's again. Null is allowed.
///
/// # Safety
/// As for `caligo_bob_poll`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn caligo_bob_end(bob: *mut CaligoBob) {
    // SAFETY: the caller's.
    if let Some(found) = unsafe { bob.as_mut() } {
        let (memory, size) = found.host.close();
        // SAFETY: the caller's.
        unsafe { wipe(memory, size) };
    }
}

unsafe fn on_bob(
    bob: *mut CaligoBob,
    now_us: u64,
    event: Event<'_>,
    out: *mut u8,
    out_length: usize,
    effect: *mut CaligoEffect,
) -> CaligoStatus {
    // SAFETY: the caller's.
    let Some(bob) = (unsafe { bob.as_mut() }) else { return CaligoStatus::Null };
    // SAFETY: the caller's.
    let status = unsafe { bob.host.on(now_us, event, out, out_length, effect) };
    if status == CaligoStatus::Ok
        // SAFETY: the caller's.
        && let Some(effect) = unsafe { effect.as_ref() }
    {
        bob.done |= effect.kind == CALIGO_EFFECT_DONE;
        if effect.kind == CALIGO_EFFECT_AGREED {
            bob.host.policy = POLICIES.get(effect.hello.policy as usize).copied().unwrap_or_default();
        }
    }
    status
}
