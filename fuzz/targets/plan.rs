//! In: what a block is planned by. Out: a panic if the plan cannot be followed.
#![no_main]

use caligo_fuzz::planning;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| planning::check(bytes));
