//! What functions return, and what it means in words.

use core::ffi::{CStr, c_char};

/// What a function returns: `CALIGO_STATUS_OK`, or why nothing was done.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CaligoStatus {
    /// Done.
    Ok = 0,
    /// A pointer is null that must not be.
    Null = 1,
    /// The memory given is smaller than the size function says.
    Memory = 2,
    /// A buffer has another length than is asked for.
    Length = 3,
    /// A number is out of its range, or is none of the constants.
    Range = 4,
    /// No code rate serves the error rate.
    Rate = 5,
    /// This machine, decoder or slot is not in a state for that: it is over, was never made, or holds no job.
    State = 6,
}

impl CaligoStatus {
    const fn text(self) -> &'static CStr {
        match self {
            Self::Ok => c"done",
            Self::Null => c"null pointer: expected a value",
            Self::Memory => c"memory: expected as many bytes as the size function says",
            Self::Length => c"length: expected that of the buffer asked for",
            Self::Range => c"number out of range",
            Self::Rate => c"no code rate serves this error rate",
            Self::State => c"not in a state for that: over, never made, or without a job",
        }
    }
}

/// `status` in words. The string is static; any other number than a status is named as such.
#[unsafe(no_mangle)]
pub extern "C" fn caligo_status_string(status: i32) -> *const c_char {
    const ALL: [CaligoStatus; 7] = [
        CaligoStatus::Ok,
        CaligoStatus::Null,
        CaligoStatus::Memory,
        CaligoStatus::Length,
        CaligoStatus::Range,
        CaligoStatus::Rate,
        CaligoStatus::State,
    ];
    let found = ALL.iter().find(|known| **known as i32 == status);
    found.map_or(c"no status of Caligo's", |known| known.text()).as_ptr()
}

/// Why a machine ended early, in words: the `reason` of an effect of kind `CALIGO_EFFECT_ABORTED`. The string is static.
#[unsafe(no_mangle)]
pub extern "C" fn caligo_reason_string(reason: u8) -> *const c_char {
    match reason {
        1 => c"a frame was refused: cut, changed, lost or replayed",
        2 => c"a frame of a kind that has no place here",
        3 => c"a frame contradicts the session",
        4 => c"the parties are configured differently",
        5 => c"the leakage budget is used up",
        6 => c"nothing came from the peer in time",
        7 => c"no code rate serves the error rate",
        8 => c"no pattern fits",
        9 => c"the host's answer does not fit the effect, or its memory or parameters do not fit the code",
        10 => c"cancelled",
        _ => c"the peer ended the session",
    }
    .as_ptr()
}
