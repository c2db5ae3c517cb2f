//! In: one frame. Out: a panic if it is read otherwise than it would be written.
#![no_main]

use caligo_fuzz::codec;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| codec::check(bytes));
