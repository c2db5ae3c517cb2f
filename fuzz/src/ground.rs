//! A code small enough to fuzz with, a planner that does what the program says, and keys. Constants in, tables out.

use std::cell::Cell;
use std::sync::LazyLock;

use caligo_core::bits;
use caligo_core::code::{Code, SparseCode};
use caligo_core::puncture::Order;
use caligo_core::rank::{Basis, columns};
use caligo_core::rate::{RateError, Selection};
use caligo_core::reconcile::plan::{Plan, Planner};
use caligo_core::reconcile::{Masking, Setup};

/// Length of the code.
pub const N: usize = 96;
/// Checks of the code.
pub const M: usize = 48;
/// Length of the puncturing order.
pub const PUNCTURABLE: usize = 40;
/// How long a machine waits.
pub const TIMEOUT_US: u64 = 1000;

/// splitmix64 (Steele, Lea, Flood 2014).
#[derive(Debug)]
pub struct Random(pub u64);

impl Random {
    /// The next word.
    pub fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// A key of `length` bits.
    pub fn key(&mut self, length: usize) -> Vec<u64> {
        let mut key: Vec<u64> = (0..bits::words_for(length)).map(|_| self.word()).collect();
        bits::clear_tail(&mut key, length);
        key
    }

    /// `0..N` in random order.
    fn shuffled(&mut self) -> Vec<u16> {
        let mut order: Vec<u16> = (0..N as u16).collect();
        for i in (1..N).rev() {
            order.swap(i, (self.word() % (i as u64 + 1)) as usize);
        }
        order
    }
}

struct Tables {
    starts: Vec<u32>,
    columns: Vec<u32>,
    puncture: Vec<u16>,
    shorten: Vec<u16>,
    independent: Vec<u64>,
    rank: usize,
}

static TABLES: LazyLock<Tables> = LazyLock::new(|| {
    let mut random = Random(1);
    let mut rows = vec![Vec::new(); M];
    // Three checks for every column, six columns for every check.
    for _ in 0..3 {
        for (i, column) in random.shuffled().into_iter().enumerate() {
            rows[i % M].push(u32::from(column));
        }
    }
    let (mut starts, mut entries) = (vec![0], Vec::new());
    for mut row in rows {
        row.sort_unstable();
        row.dedup();
        entries.extend(row);
        starts.push(entries.len() as u32);
    }
    let mut puncture = random.shuffled();
    puncture.truncate(PUNCTURABLE);
    let code = Code::from(SparseCode::new(N, &starts, &entries).expect("rows ascend"));
    let (columns, mut basis) = (columns(&code), Basis::new(M));
    let mut independent = vec![0; bits::words_for(N)];
    for &position in &puncture {
        let position = usize::from(position);
        bits::set(&mut independent, position, basis.insert(&columns[position]));
    }
    let rank = caligo_core::rank::rank(&code);
    Tables { starts, columns: entries, puncture, shorten: random.shuffled(), independent, rank }
});

/// What both machines stand on.
pub fn setup() -> Setup<'static> {
    let t = &*TABLES;
    let mut seen = vec![0; bits::words_for(N)];
    Setup {
        code: Code::from(SparseCode::new(N, &t.starts, &t.columns).expect("checked before")),
        order: Order::new(N, &t.puncture, &t.shorten, &mut seen).expect("permutations"),
        masking: Masking { rank: t.rank, independent: Some(&t.independent) },
        timeout_us: TIMEOUT_US,
    }
}

/// Plans as the program says, not as would be wise.
#[derive(Debug)]
pub struct Whim {
    /// Punctured positions of the first block, and how many more the next ones have.
    pub punctured: (usize, usize),
    /// Shortened positions, at least.
    pub shortened: usize,
    /// Positions revealed after each failure.
    pub steps: Vec<usize>,
    /// Positions a symmetric request may name.
    pub request: u16,
    /// Whether the blocks are decoded with the error rate known.
    pub told: bool,
    /// Plans so far.
    pub calls: Cell<usize>,
}

impl Planner for Whim {
    fn plan(&self, qber: Option<f64>, left: usize) -> Result<Plan, RateError> {
        let calls = self.calls.replace(self.calls.get() + 1);
        let p = (self.punctured.0 + calls % 64 * self.punctured.1) % (PUNCTURABLE + 1);
        let s = self.shortened.min(N - 1 - p).max((N - p).saturating_sub(left));
        let qber = qber.filter(|_| self.told);
        let mut plan = Plan::new(Selection { p, s }, qber, self.steps.iter().copied());
        plan.request = self.request;
        Ok(plan)
    }
}
