//! The memory tables in the crate's documentation, made anew of the functions that users size their buffers with.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use caligo_core::amplify::Toeplitz;
use caligo_core::code::{Code, QcCode, mother_4096};
use caligo_core::decode::sliced::SlicedLayout;
use caligo_core::decode::sliced::alphabet::{Alphabet, Steady, Sturdy, Swift};
use caligo_core::decode::{Compact, Layout, Packed, Schedule};
use caligo_core::reconcile::{Alice, Bob};

const CODE: QcCode<'static> = mother_4096::CODE;

fn dense(name: &str, schedule: &str, which: Schedule, message: usize, posterior: usize) -> String {
    let layout = Layout::of(&Code::Qc(CODE), which);
    let (m, p, bytes) = (layout.messages, layout.posteriors, layout.bytes(message, posterior));
    format!("| [`decode::{name}`] | {schedule} | {m} × {message} | {p} × {posterior} | {bytes} |")
}

fn sliced<A: Alphabet>(name: &str) -> String {
    let words = SlicedLayout::of::<A>(&CODE).total();
    format!("| [`decode::sliced::alphabet::{name}`] | {words} | {} |", 8 * words)
}

#[test]
fn the_tables_are_what_the_functions_say() {
    let (compact, packed) = (4 * Compact::words(&CODE), 4 * Packed::words(&CODE));
    // Frame, two masks, decision: n bits each; a syndrome.
    let block = 4 * 512 + 256;
    let (alice, bob) = (8 * Alice::words(4096, 2), 8 * Bob::words(4096, 2));
    let hash = Toeplitz { input_bits: 10_000, output_bits: 5000 };
    let rows = [
        dense("Corrected", "layered", Schedule::Layered, 1, 2),
        dense("Corrected", "flooding", Schedule::Flooding, 1, 2),
        dense("SumProduct", "layered", Schedule::Layered, 4, 4),
        dense("SumProduct", "flooding", Schedule::Flooding, 4, 4),
        sliced::<Swift>("Swift"),
        sliced::<Sturdy>("Sturdy"),
        sliced::<Steady>("Steady"),
        format!("| [`decode::Compact`], its state | {compact} |"),
        format!("| [`decode::Packed`], its state | {packed} |"),
        format!("| frame, two masks, syndrome, decision | {block} |"),
        format!("| one block with [`decode::Compact`], all of it | {} |", compact + block),
        format!("| one block with [`decode::Packed`], all of it | {} |", packed + block),
        format!("| [`reconcile::Alice`], two blocks in flight | {alice} |"),
        format!("| [`reconcile::Bob`], two blocks in flight | {bob} |"),
        format!("10000 bits to 5000, {} bytes", 8 * hash.scratch_words()),
    ];
    let documentation = include_str!("../src/lib.rs");
    for row in rows {
        assert!(documentation.contains(&row), "core/src/lib.rs: expected in its documentation: {row}");
    }
    assert!(compact + block <= 16 << 10, "the goal for a block on a small core");
    assert!(packed + block <= 24 << 10, "the most for a block on a small core");
}
