//! In: a transfer's parameters and a program of events for both machines. Out: a panic if something that must hold does
//! not.
#![no_main]

use caligo_fuzz::transfer;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| transfer::run(bytes));
