//! Many samples, on all cores and in constant memory.
//!
//! In: indices, where samples come from, what runs one. Out: rows, as they come. Blocks of indices are taken from one iterator;
//! whoever has taken one makes its inputs, judges them, and runs its samples; who has nothing left takes samples from
//! others' blocks (rayon). A bounded channel carries the rows, so that who runs waits for who writes.

use std::iter;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use rayon::iter::{IndexedParallelIterator, IntoParallelIterator, ParallelBridge, ParallelIterator};
use rayon::{ThreadPoolBuildError, ThreadPoolBuilder};

use crate::campaign::batch::{Batch, Fill, Sample};
use crate::campaign::rows::{Outcome, Row};
use crate::campaign::sample::{Execute, Fault};

/// Samples of a block: their inputs are made and judged together.
const BLOCK: usize = 32;

/// Rows that may wait to be written, for each worker.
const WAITING: usize = 16;

/// How often the collector looks up if no row comes.
const PATIENCE: Duration = Duration::from_millis(100);

/// How a stream runs.
#[derive(Clone, Copy, Debug)]
pub struct Conduct {
    /// Threads.
    pub workers: usize,
    /// Attempts at a sample after the first, if the machinery fails.
    pub retries: u32,
    /// How long to wait before the first of them; four times as long before each other one.
    pub back_off: Duration,
}

impl Conduct {
    /// With `workers` threads.
    pub const fn new(workers: usize) -> Self {
        Self { workers, retries: 2, back_off: Duration::from_millis(50) }
    }
}

/// What the collector is told.
#[derive(Debug)]
pub enum News {
    /// A sample is done.
    Row(Box<Row>),
    /// An attempt at a sample failed, and will be made again.
    Retry {
        /// The sample.
        index: u64,
        /// Why.
        fault: Fault,
    },
    /// Nothing new: time has passed.
    Quiet,
}

/// Runs the samples `indices` and gives what comes of them to `collect`, in this thread. Once `stop` is set no more are
/// begun; it is set if `collect` fails.
///
/// # Errors
/// Those of `collect`, or [`ThreadPoolBuildError`] if there are no threads.
pub fn stream<E: From<ThreadPoolBuildError>>(
    indices: impl Iterator<Item = Range<u64>> + Send,
    source: &dyn Fill,
    execute: &dyn Execute,
    conduct: Conduct,
    stop: &AtomicBool,
    mut collect: impl FnMut(News) -> Result<(), E>,
) -> Result<(), E> {
    let pool = ThreadPoolBuilder::new()
        .num_threads(conduct.workers)
        .thread_name(|worker| format!("sample-{worker}"))
        .build()?;
    let (send, receive) = mpsc::sync_channel(WAITING * conduct.workers);
    let mut blocks = Blocks { ranges: indices, left: 0..0 };
    let blocks = iter::from_fn(move || blocks.next().filter(|_| !stop.load(Ordering::Relaxed)));
    thread::scope(|scope| {
        // Gone before the others are waited for: nobody waits for room in it.
        let receive = receive;
        let pool = &pool;
        scope.spawn(move || {
            let each = |block: Vec<u64>| {
                let mut batch = Batch::default();
                source.make(block, &mut batch);
                let run = |row: usize| {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    let tell = |news| {
                        // Who reads has failed and gone.
                        if send.send(news).is_err() {
                            stop.store(true, Ordering::Relaxed);
                        }
                    };
                    attempt(&batch, row, source, execute, conduct, &tell);
                };
                (0..batch.len()).into_par_iter().with_max_len(1).for_each(run);
            };
            pool.install(|| blocks.par_bridge().for_each(each));
        });
        loop {
            let news = match receive.recv_timeout(PATIENCE) {
                Ok(news) => news,
                Err(RecvTimeoutError::Timeout) => News::Quiet,
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            };
            if let Err(error) = collect(news) {
                stop.store(true, Ordering::Relaxed);
                return Err(error);
            }
        }
    })
}

/// Indices in blocks.
struct Blocks<I> {
    ranges: I,
    left: Range<u64>,
}

impl<I: Iterator<Item = Range<u64>>> Blocks<I> {
    fn next(&mut self) -> Option<Vec<u64>> {
        let mut block = Vec::with_capacity(BLOCK);
        while block.len() < BLOCK {
            match self.left.next() {
                Some(index) => block.push(index),
                None => match self.ranges.next() {
                    Some(range) => self.left = range,
                    None => break,
                },
            }
        }
        (!block.is_empty()).then_some(block)
    }
}

/// Runs the sample in row `row` until it has a result, or there have been attempts enough.
fn attempt(
    batch: &Batch,
    row: usize,
    source: &dyn Fill,
    execute: &dyn Execute,
    conduct: Conduct,
    tell: &dyn Fn(News),
) {
    let (Some(&index), Some(&draw), Some(inputs)) =
        (batch.indices.get(row), batch.draws.get(row), batch.inputs(row))
    else {
        return;
    };
    let mut wait = conduct.back_off;
    for left in (0..=conduct.retries).rev() {
        let fault = match batch.sample(row, source.space()) {
            Some(Ok(sample)) => match caught(execute, &sample) {
                Ok(row) => return tell(News::Row(Box::new(row))),
                Err(fault) => fault,
            },
            Some(Err(error)) => Fault(error.to_string()),
            None => return,
        };
        if left > 0 {
            tell(News::Retry { index, fault });
            thread::sleep(wait);
            wait *= 4;
        } else {
            let row = Row {
                outcome: Outcome::Infrastructure,
                error_code: "infrastructure".into(),
                detail: fault.0,
                ..Row::new(index, draw, inputs)
            };
            tell(News::Row(Box::new(row)));
        }
    }
}

/// A panic is a fault like any other.
fn caught(execute: &dyn Execute, sample: &Sample) -> Result<Row, Fault> {
    catch_unwind(AssertUnwindSafe(|| execute.execute(sample))).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<&str>().copied();
        let text = text.or(panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("of unknown kind");
        Err(Fault(format!("panic: {text}")))
    })
}
