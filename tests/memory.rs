//! Memory of a campaign: it does not grow with the number of samples. Every allocation of this process is counted, so the
//! tests stand alone in their file, and run one after the other.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use caligo_runtime::campaign::batch::Sample;
use caligo_runtime::campaign::pipeline::Conduct;
use caligo_runtime::campaign::rows::Row;
use caligo_runtime::campaign::run::{Options, Part, run};
use caligo_runtime::campaign::sample::{Execute, Fault, Runner, libraries};
use caligo_runtime::campaign::state::Begin;
use caligo_runtime::config::campaign::Campaign;

/// The system's allocator, with the bytes that are in use, and the most there were.
struct Counting;

static USED: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

fn took(bytes: usize) {
    let used = USED.fetch_add(bytes, Ordering::Relaxed) + bytes;
    MOST.fetch_max(used, Ordering::Relaxed);
}

// SAFETY: every call goes to the system's allocator as it came; only numbers are kept beside.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        took(layout.size());
        // SAFETY: the caller keeps to the contract, and this is the same one.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        USED.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// One test at a time.
static ALONE: Mutex<()> = Mutex::new(());

/// The most bytes in use while `campaign` runs, above those before.
fn most(campaign: &Campaign, execute: &dyn Execute) -> usize {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { conduct: Conduct::new(2), begin: Begin::Fresh, part: Part::WHOLE };
    let before = USED.load(Ordering::Relaxed);
    MOST.store(before, Ordering::Relaxed);
    let summary =
        run(dir.path(), campaign, 7, execute, options, &AtomicBool::new(false), &mut |_| {}).unwrap();
    assert!(summary.complete);
    MOST.load(Ordering::Relaxed) - before
}

struct Nothing;

impl Execute for Nothing {
    fn execute(&self, sample: &Sample) -> Result<Row, Fault> {
        Ok(Row {
            detail: "so many words as a row has".repeat(4),
            ..Row::new(sample.index, sample.draw, sample.inputs)
        })
    }
}

#[test]
fn samples_take_no_memory() {
    let _alone = ALONE.lock();
    let of = |samples: u64| {
        let text = format!("phase1: {{ target_samples: {samples}, batch_size: 500 }}");
        most(&Campaign::parse(&text, Path::new("c.yaml")).unwrap(), &Nothing)
    };
    // Enough for a whole block of the HDF5 file in either case.
    let (few, many) = (of(10_000), of(60_000));
    // Twenty times less than the rows themselves: a bit a sample, names of shards, and how far shards overlap, which is
    // as it comes.
    assert!(many < few + (1 << 20), "{few} bytes for 10,000 samples, {many} for 60,000");
    assert!(many < 8 << 20, "{many}");
}

/// Samples of a million pairs, on two threads at a time, with every code and both strategies.
#[test]
fn a_large_sample_fits() {
    let _alone = ALONE.lock();
    let text = "phase1: { target_samples: 8 }
parameters:
  storage_noise_r: 0.3
  storage_rate_nu: 1e-3
  channel_fidelity: [0.97, 1]
  detection_eff_eta: [0.5, 1]
  detector_error: 0.001
  num_pairs: 1e6
";
    let campaign = Campaign::parse(text, Path::new("c.yaml")).unwrap();
    let libraries = libraries();
    let runner = Runner::new(&campaign, &libraries).unwrap();
    let found = most(&campaign, &runner);
    assert!(found < 100 << 20, "{found} bytes");
}
