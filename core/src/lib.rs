//! Information reconciliation for quantum cryptography, without an operating system.
//!
//! Alice and Bob hold strings that differ in a few per cent of their bits. Alice sends the syndrome of
//! hers under a low-density parity-check matrix; Bob finds the string nearest to his that has this
//! syndrome. One rate-1/2 quasi-cyclic mother code of 4096 bits ([`code::mother_4096`]) serves every
//! error rate: puncturing raises its rate, shortening lowers it ([`puncture`]), and both are no more
//! than the initial beliefs of the decoder ([`llr`]).
//!
//! What the two then share is longer than what is secret of it: [`amplify`] hashes it down. How long it may be in
//! oblivious transfer, where one party may be the adversary, is what [`security`] computes; the transfer itself, from
//! what detectors recorded to two strings and a choice, is [`ot`]. Key distribution, where nobody but a third party is, is
//! [`qkd`].
//!
//! Everything here is a pure function of its arguments: no clock, no entropy, no allocation (unless
//! the `alloc` feature is on), no `unsafe`. Buffers are the caller's and their sizes are `const fn`.
//!
//! # A block from end to end
//!
//! ```
//! use caligo_core::code::{Code, mother_4096};
//! use caligo_core::decode::{Decoder, Layout, Schedule, SumProduct, Workspace};
//! use caligo_core::puncture::order_4096;
//! use caligo_core::{llr, rate};
//!
//! let code = Code::from(mother_4096::CODE);
//! // QBER 3 %, frame error rate 1 %: how many positions to puncture and to shorten.
//! let size = rate::table_4096::PRECISE.select(0.03, 0.01)?;
//! let (mut punctured, mut shortened) = ([0; 64], [0; 64]);
//! let pattern = order_4096::ORDER.pattern(size.p, size.s, &mut punctured, &mut shortened)?;
//!
//! // Alice: payload and private padding into a frame, the syndrome out. (Real padding is random.)
//! let mut alice = [0x0123_4567_89ab_cdef; 64];
//! # let words = caligo_core::bits::words_for(pattern.payload());
//! # caligo_core::bits::clear_tail(&mut alice, pattern.payload());
//! let padding = [0xfeed_beef_dead_f00d; 64];
//! let padding = &padding[..caligo_core::bits::words_for(pattern.p())];
//! let (mut frame, mut syndrome) = ([0; 64], [0; 32]);
//! pattern.scatter(&alice[..words], padding, &mut frame)?;
//! code.syndrome(&frame, &mut syndrome)?;
//!
//! // Bob: the same payload with errors, no padding.
//! let mut bob = alice;
//! bob[3] ^= 0x8000_0001_0000_0400;
//! bob[30] ^= 1;
//! pattern.scatter(&bob[..words], &[0; 64][..padding.len()], &mut frame)?;
//! let mut priors = [0.0; 4096];
//! llr::three_state(&SumProduct, &pattern, &frame, 0.03, &mut priors)?;
//! let layout = Layout::of(&code, Schedule::Layered);
//! let mut work = Workspace::new(
//!     &code,
//!     Schedule::Layered,
//!     vec![0.0; layout.messages],
//!     vec![0.0; layout.posteriors],
//! )?;
//! work.load(&priors)?;
//! let outcome = Decoder { arithmetic: SumProduct, max_iterations: 100 }.run(&syndrome, &mut work, &mut frame)?;
//! assert!(outcome.converged);
//! let mut corrected = [0; 64];
//! pattern.gather(&frame, &mut corrected[..words])?;
//! assert_eq!(corrected, alice);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Memory
//!
//! For the 4096-bit mother code, from [`decode::Layout::of`] and [`decode::Layout::bytes`]:
//!
//! | arithmetic | schedule | messages | posteriors | bytes |
//! |---|---|---|---|---|
//! | [`decode::Corrected`] | layered | 18944 × 1 | 8832 × 2 | 36608 |
//! | [`decode::Corrected`] | flooding | 18944 × 1 | 12928 × 2 | 44800 |
//! | [`decode::SumProduct`] | layered | 18944 × 4 | 8832 × 4 | 111104 |
//! | [`decode::SumProduct`] | flooding | 18944 × 4 | 12928 × 4 | 127488 |
//!
//! The bit-sliced decoder needs words of 64 bits, for each frame that it decodes at once ([`decode::sliced::SlicedLayout`]):
//!
//! | alphabet | words | bytes |
//! |---|---|---|
//! | [`decode::sliced::alphabet::Swift`] | 1502 | 12016 |
//! | [`decode::sliced::alphabet::Sturdy`] | 1872 | 14976 |
//! | [`decode::sliced::alphabet::Steady`] | 1872 | 14976 |
//!
//! On a small core ([`decode::Compact::words`], [`decode::Packed::words`], [`reconcile::Alice::words`],
//! [`reconcile::Bob::words`]), bytes:
//!
//! | what | bytes |
//! |---|---|
//! | [`decode::Compact`], its state | 12192 |
//! | [`decode::Packed`], its state | 21824 |
//! | frame, two masks, syndrome, decision | 2304 |
//! | one block with [`decode::Compact`], all of it | 14496 |
//! | one block with [`decode::Packed`], all of it | 24128 |
//! | [`reconcile::Alice`], two blocks in flight | 7168 |
//! | [`reconcile::Bob`], two blocks in flight | 7168 |
//!
//! Beside their words the machines need the key, a slot a block and half a window's payload as scratch.
//! `tests/memory.rs` holds these tables to the functions.
//!
//! On the stack the other quasi-cyclic kernels keep 32 slots of 192 bytes (integer) or 1024 bytes (float) more.
//!
//! ```
//! use caligo_core::code::{Code, mother_4096};
//! use caligo_core::decode::{Layout, Schedule};
//!
//! const CODE: Code<'static> = Code::Qc(mother_4096::CODE);
//! const INTEGER: usize = Layout::of(&CODE, Schedule::Layered).bytes(1, 2);
//! const FLOAT: usize = Layout::of(&CODE, Schedule::Flooding).bytes(4, 4);
//! assert_eq!((INTEGER, FLOAT), (36608, 127488));
//!
//! use caligo_core::decode::sliced::SlicedLayout;
//! use caligo_core::decode::sliced::alphabet::{Sturdy, Swift};
//! assert_eq!(SlicedLayout::of::<Swift>(&mother_4096::CODE).total(), 1502);
//! assert_eq!(SlicedLayout::of::<Sturdy>(&mother_4096::CODE).total(), 1872);
//! ```
//!
//! Scratch of a Toeplitz hash ([`amplify::Toeplitz::scratch_words`]): 10000 bits to 5000, 1264 bytes; less, down
//! to none, only costs time.
//!
//! The machines of an oblivious transfer keep seven and eight strings of a bit a round, and a frame ([`ot::Alice::words`],
//! [`ot::Bob::words`]); Bob a syndrome besides for each block of a set:
//!
//! ```
//! use caligo_core::ot::{Alice, Bob};
//!
//! assert_eq!((8 * Alice::words(200_000, 4096), 8 * Bob::words(200_000, 4096)), (177_560, 202_560));
//! ```
//!
//! Sifting for a key keeps seven strings of a bit a round, for either party ([`qkd::Sifting::words`]).
//!
//! # Features
//!
//! | feature | default | what it brings | what it needs |
//! |---|---|---|---|
//! | `f32` | yes | the sum-product decoder, `decode::SumProduct` | four times the memory of integers |
//! | `large-codes` | no | mother codes of 8192, 16384 and 65536 bits beside that of 4096 | 2 KB of tables each, if used |
//! | `alloc` | no | rank over GF(2), in the module `rank` | an allocator |
//! | `serde` | no | the parameters of [`security`] can be written and read; reading checks them | `serde`, without its standard library |
//!
//! Any combination builds for a target without a standard library (`scripts/no-std.sh` builds all sixteen for
//! `thumbv7em-none-eabihf` and `riscv32imac-unknown-none-elf`). What is not called is not linked: features save compile time and dependencies, not flash.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(feature = "alloc")]
extern crate alloc;

pub mod amplify;
pub mod bits;
mod carryless;
pub mod code;
pub mod decode;
pub mod leakage;
pub mod limits;
pub mod llr;
pub mod ot;
pub mod puncture;
pub mod qber;
pub mod qkd;
#[cfg(feature = "alloc")]
pub mod rank;
pub mod rate;
pub mod reconcile;
pub mod security;
pub mod sift;
mod spans;
mod syndrome;
pub mod verify;
pub mod wire;
