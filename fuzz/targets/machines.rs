//! In: a session's parameters and a program of events for both machines. Out: a panic if something that must
//! hold does not.
#![no_main]

use caligo_fuzz::session;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| session::run(bytes));
