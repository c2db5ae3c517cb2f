//! Alice's machine.

use core::ffi::c_void;

use caligo_core::bits::words_for;
use caligo_core::reconcile::block::Slot;
use caligo_core::reconcile::plan::TablePlanner;
use caligo_core::reconcile::{Alice, AliceConfig, AliceMemory, Event, Instant};

use crate::codec::CALIGO_FRAME_BITS;
use crate::config::CaligoConfig;
use crate::effect::{CaligoEffect, CaligoLedger};
use crate::host::{Host, scratch_words, setup, status_of};
use crate::memory::{Block, room, slice, wipe};
use crate::status::CaligoStatus;

/// Alice: her key is the reference.
pub struct CaligoAlice {
    host: Host<Alice<'static>>,
}

/// Bytes for Alice's machine, with a key of `key_bits` bits and `window` blocks in flight. 0 for a window below 2.
#[unsafe(no_mangle)]
pub extern "C" fn caligo_alice_size(key_bits: u32, window: u16) -> usize {
    if window < 2 {
        return 0;
    }
    room::<CaligoAlice>(1)
        + room::<TablePlanner<'static>>(1)
        + room::<u64>(words_for(key_bits as usize))
        + room::<Slot>(window.into())
        + room::<u64>(Alice::words(CALIGO_FRAME_BITS, window.into()))
        + room::<u64>(scratch_words(key_bits, window))
}

/// Makes Alice's machine in `memory`, of `size` bytes, any alignment, which is its own until `caligo_alice_end`. `key` has the
/// words that `key_bits` bits need, in the agreed permutation, and is copied. The clock counts microseconds since any moment.
///
/// # Safety
/// `memory` is null or valid for reads and writes of `size` bytes; other pointers are null or valid for as many values.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn caligo_alice_init(
    memory: *mut c_void,
    size: usize,
    config: *const CaligoConfig,
    key: *const u64,
    key_words: usize,
    now_us: u64,
    alice: *mut *mut CaligoAlice,
) -> CaligoStatus {
    // SAFETY: the caller's.
    let (config, key) = unsafe { (config.as_ref(), slice(key, key_words)) };
    let (Some(config), Some(key)) = (config, key) else { return CaligoStatus::Null };
    if memory.is_null() || alice.is_null() {
        return CaligoStatus::Null;
    }
    let checked = match config.checked() {
        Ok(checked) => checked,
        Err(status) => return status,
    };
    if key.len() != words_for(config.key_bits as usize) {
        return CaligoStatus::Length;
    }
    let (memory, window) = (memory.cast::<u8>(), config.window);
    if size < caligo_alice_size(config.key_bits, window) {
        return CaligoStatus::Memory;
    }
    // SAFETY: the caller's.
    let mut block = unsafe { Block::new(memory, size) };
    let made = (|| {
        // SAFETY: written, and for as long as the machine.
        let planner: &'static TablePlanner<'static> = unsafe { &*block.put(checked.planner)? };
        let own = block.fill(0, key.len())?;
        own.copy_from_slice(key);
        let memory_of = AliceMemory {
            key: own,
            slots: block.fill(Slot::default(), window.into())?,
            words: block.fill(0, Alice::words(CALIGO_FRAME_BITS, window.into()))?,
            scratch: block.fill(0, scratch_words(config.key_bits, window))?,
        };
        let config_of = AliceConfig {
            hello: checked.hello,
            planner,
            qber: checked.qber,
            sample_margin: None,
            adapt: config.adapt,
        };
        let machine = Alice::new(setup(config.timeout_us), &config_of, memory_of, Instant(now_us));
        Some(machine)
    })();
    let machine = match made {
        Some(Ok(machine)) => machine,
        Some(Err(abort)) => {
            // SAFETY: nothing refers to it any more.
            unsafe { wipe(memory, size) };
            return status_of(abort);
        }
        None => return CaligoStatus::Memory,
    };
    let host = Host::new(size, memory, machine, checked.hello.policy);
    let Some(made) = block.put(CaligoAlice { host }) else { return CaligoStatus::Memory };
    // SAFETY: the caller's.
    unsafe { alice.write(made) };
    CaligoStatus::Ok
}

/// Nothing new: do what is due, or notice that time is up. `out` has at least `CALIGO_MAX_FRAME` bytes, here and below.
///
/// # Safety
/// `alice` comes from `caligo_alice_init` and has not been ended; other pointers are null or valid; here and below.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn caligo_alice_poll(
    alice: *mut CaligoAlice,
    now_us: u64,
    out: *mut u8,
    out_length: usize,
    effect: *mut CaligoEffect,
) -> CaligoStatus {
    // SAFETY: the caller's.
    unsafe { on_alice(alice, now_us, Event::Poll, out, out_length, effect) }
}

/// One whole frame came from Bob.
///
/// # Safety
/// As for `caligo_alice_poll`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn caligo_alice_received(
    alice: *mut CaligoAlice,
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
    unsafe { on_alice(alice, now_us, Event::Received(frame), out, out_length, effect) }
}

/// The entropy asked for.
///
/// # Safety
/// As for `caligo_alice_poll`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn caligo_alice_entropy(
    alice: *mut CaligoAlice,
    now_us: u64,
    words: *const u64,
    count: usize,
    out: *mut u8,
    out_length: usize,
    effect: *mut CaligoEffect,
) -> CaligoStatus {
    // SAFETY: the caller's.
    let Some(words) = (unsafe { slice(words, count) }) else { return CaligoStatus::Null };
    // SAFETY: the caller's.
    unsafe { on_alice(alice, now_us, Event::Entropy(words), out, out_length, effect) }
}

/// The host gives up.
///
/// # Safety
/// As for `caligo_alice_poll`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn caligo_alice_cancel(
    alice: *mut CaligoAlice,
    now_us: u64,
    out: *mut u8,
    out_length: usize,
    effect: *mut CaligoEffect,
) -> CaligoStatus {
    // SAFETY: the caller's.
    unsafe { on_alice(alice, now_us, Event::Cancel, out, out_length, effect) }
}

/// When Bob's time is up, in microseconds; the greatest number once the machine is over, 0 of null.
///
/// # Safety
/// As for `caligo_alice_poll`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn caligo_alice_deadline(alice: *const CaligoAlice) -> u64 {
    // SAFETY: the caller's.
    unsafe { alice.as_ref() }.map_or(0, |alice| alice.host.deadline())
}

/// What was disclosed so far; all zero of null.
///
/// # Safety
/// As for `caligo_alice_poll`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn caligo_alice_ledger(alice: *const CaligoAlice) -> CaligoLedger {
    // SAFETY: the caller's.
    unsafe { alice.as_ref() }.map_or_else(CaligoLedger::default, |alice| alice.host.ledger)
}

/// Overwrites the machine's memory, which is the caller's again. Null is allowed.
///
/// # Safety
/// As for `caligo_alice_poll`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn caligo_alice_end(alice: *mut CaligoAlice) {
    // SAFETY: the caller's.
    if let Some(found) = unsafe { alice.as_mut() } {
        let (memory, size) = found.host.close();
        // SAFETY: the caller's.
        unsafe { wipe(memory, size) };
    }
}

unsafe fn on_alice(
    alice: *mut CaligoAlice,
    now_us: u64,
    event: Event<'_>,
    out: *mut u8,
    out_length: usize,
    effect: *mut CaligoEffect,
) -> CaligoStatus {
    // SAFETY: the caller's.
    let Some(alice) = (unsafe { alice.as_mut() }) else { return CaligoStatus::Null };
    // SAFETY: the caller's.
    unsafe { alice.host.on(now_us, event, out, out_length, effect) }
}
