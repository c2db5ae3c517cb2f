//! Files made by `caligo-run code build` and `code patterns`: data, manifest, and the core's tables.
//!
//! Same seed, same bytes.

use std::collections::BTreeMap;
use std::fmt::Write;

use caligo_core::code::{Code, CodeError};
use caligo_core::{puncture, rank};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::base::BaseMatrix;
use super::cycles::{self, Spectrum};
use super::library::EXACT_RANK_CHECKS;
pub use super::patterns::ORDER_SEED;
use super::patterns::{self, Orders};
use super::peg::{self, Design};
use super::qc_file;
use super::words::{self, Limits};

/// Seed of the committed mother code.
pub const MOTHER_SEED: u64 = 1003;

/// The design of the mother code of `n` bits, rate 1/2: circulants of n / 64.
pub fn mother_design(n: usize) -> Design {
    Design {
        z: n / 64,
        rows: 32,
        degrees: vec![(2, 31), (3, 19), (4, 1), (5, 2), (6, 2), (7, 3), (20, 1), (22, 5)],
        passes: 1,
        unwanted: UNWANTED.into(),
    }
}

/// Codewords, and words with two unsatisfied checks, with no level of the path punctured, and with one, two and three.
const UNWANTED: [Limits; 8] = [
    Limits { weight: 3, unsatisfied: 2, variables: 4, hits: 14, merged: 8 },
    Limits { weight: 5, unsatisfied: 2, variables: 4, hits: 14, merged: 4 },
    Limits { weight: 9, unsatisfied: 2, variables: 4, hits: 14, merged: 2 },
    Limits { weight: 16, unsatisfied: 2, variables: 4, hits: 14, merged: 1 },
    Limits { weight: 6, unsatisfied: 0, variables: 4, hits: 14, merged: 8 },
    Limits { weight: 11, unsatisfied: 0, variables: 6, hits: 18, merged: 4 },
    Limits { weight: 20, unsatisfied: 0, variables: 6, hits: 18, merged: 2 },
    Limits { weight: 36, unsatisfied: 0, variables: 6, hits: 18, merged: 1 },
];

/// One file: name and content.
pub type File = (String, String);

/// Builds the mother code of `n` bits and `seed`: `mother_N.qc`, its manifest, and `mother_N.rs`.
///
/// # Errors
/// [`CodeError`] if the construction gave no valid code.
pub fn mother(n: usize, seed: u64) -> Result<(Vec<File>, File), CodeError> {
    let design = mother_design(n);
    let base = peg::build(&design, seed);
    let command = format!("caligo-run code build --code {n} --seed {seed}");
    let data = qc_file::write(&base, &format!("Mother code, {n} bits, rate 1/2.\nMade by: {command}"));
    let hash = sha256(data.as_bytes());
    let tables = base.tables();
    let code = Code::from(tables.code()?);

    let manifest = MotherManifest {
        command: &command,
        seed,
        sha256: [(format!("mother_{n}.qc"), hash.clone())].into(),
        n: code.n(),
        m: code.m(),
        z: base.z,
        circulants: base.circulants(),
        variable_degrees: histogram(base.columns.iter().map(Vec::len), base.z),
        check_degrees: histogram(base.row_degrees().into_iter(), base.z),
        rank: (code.m() <= EXACT_RANK_CHECKS).then(|| rank::rank(&code)),
        structure: Structure::of(&base),
        words: UNWANTED.map(|limits| Words { limits, found: words::all(&base, &limits).len() }).into(),
    };
    let rust = mother_rust(&base, &tables, &command, &hash);
    Ok((
        vec![(format!("mother_{n}.qc"), data), (format!("mother_{n}.json"), pretty(&manifest))],
        (format!("code/mother_{n}.rs"), rust),
    ))
}

/// Builds the orders of `base`, of n bits: `mother_N.order.json`, its manifest, and `order_N.rs`.
///
/// # Errors
/// [`CodeError`] if `base` is no valid code.
pub fn orders(base: &BaseMatrix, seed: u64) -> Result<(Vec<File>, File), CodeError> {
    let orders = patterns::build(base, seed)?;
    let tables = base.tables();
    let code = Code::from(tables.code()?);
    let n = code.n();
    let command = format!("caligo-run code patterns --code {n} --seed {seed}");
    let data = order_json(code.n(), &orders);
    let hash = sha256(data.as_bytes());
    let (n, m) = (code.n(), code.m());
    let rates = (51..=90)
        .map(|percent| {
            let rate = f64::from(percent) / 100.0;
            let p = puncture::punctured_for(n, m, rate);
            (format!("{rate:.2}"), p)
        })
        .collect();
    let manifest = OrderManifest {
        command: &command,
        seed,
        sha256: [(format!("mother_{n}.order.json"), hash.clone())].into(),
        punctured_positions: orders.puncture.len(),
        independent_prefix: patterns::independent_prefix(&code, &orders.puncture),
        untainted_positions: orders.untainted,
        untainted_saturated: orders.saturated,
        untainted_rate: puncture::rate(n, m, orders.untainted, 0),
        highest_rate: puncture::rate(n, m, orders.puncture.len(), 0),
        punctured_at_rate: rates,
    };
    let rust = order_rust(n, &orders, &command, &hash);
    Ok((
        vec![
            (format!("mother_{n}.order.json"), data),
            (format!("mother_{n}.patterns.json"), pretty(&manifest)),
        ],
        (format!("puncture/order_{n}.rs"), rust),
    ))
}

/// Girth and cycle statistics, as the manifest and `code inspect` give them.
#[derive(Debug, Serialize)]
pub struct Structure {
    /// Length of the shortest cycle found, up to 8.
    pub girth: Option<usize>,
    /// Cycles of 4, 6 and 8 edges.
    pub cycles: Vec<Spectrum>,
    /// The cycles of 10 edges of ACE at most 8.
    pub ten: Spectrum,
}

impl Structure {
    /// Statistics of `base`.
    pub fn of(base: &BaseMatrix) -> Self {
        let cycles = cycles::spectrum(base);
        let girth = cycles.iter().find(|s| s.cycles > 0).map(|s| s.length);
        Self { girth, cycles, ten: cycles::count(base, 5, 8) }
    }
}

#[derive(Serialize)]
struct MotherManifest<'a> {
    command: &'a str,
    seed: u64,
    sha256: BTreeMap<String, String>,
    n: usize,
    m: usize,
    z: usize,
    circulants: usize,
    /// Degree to number of variables.
    variable_degrees: BTreeMap<usize, usize>,
    check_degrees: BTreeMap<usize, usize>,
    /// Not computed for more than 8192 checks.
    #[serde(skip_serializing_if = "Option::is_none")]
    rank: Option<usize>,
    #[serde(flatten)]
    structure: Structure,
    words: Vec<Words>,
}

/// A search for words of low weight.
#[derive(Debug, Serialize)]
struct Words {
    #[serde(flatten)]
    limits: Limits,
    /// Words found within them, up to shifts of all lanes.
    found: usize,
}

#[derive(Serialize)]
struct OrderManifest<'a> {
    command: &'a str,
    seed: u64,
    sha256: BTreeMap<String, String>,
    punctured_positions: usize,
    /// Longest prefix whose columns are independent.
    independent_prefix: usize,
    untainted_positions: usize,
    untainted_saturated: bool,
    untainted_rate: f64,
    highest_rate: f64,
    punctured_at_rate: BTreeMap<String, usize>,
}

/// Items of each degree, `copies` for every occurrence.
pub fn histogram(degrees: impl Iterator<Item = usize>, copies: usize) -> BTreeMap<usize, usize> {
    let mut counts = BTreeMap::new();
    for degree in degrees {
        *counts.entry(degree).or_insert(0) += copies;
    }
    counts
}

/// SHA-256 in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn pretty(value: &impl Serialize) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default() + "\n"
}

fn order_json(n: usize, orders: &Orders) -> String {
    let list = |positions: &[u16]| {
        let mut text = String::new();
        for (i, position) in positions.iter().enumerate() {
            let separator = if i == 0 {
                ""
            } else if i % 20 == 0 {
                ",\n    "
            } else {
                ", "
            };
            let _ = write!(text, "{separator}{position}");
        }
        text
    };
    format!(
        "{{\n  \"n\": {n},\n  \"puncture\": [\n    {}\n  ],\n  \"shorten\": [\n    {}\n  ]\n}}\n",
        list(&orders.puncture),
        list(&orders.shorten)
    )
}

fn mother_rust(base: &BaseMatrix, tables: &super::base::QcTables, command: &str, hash: &str) -> String {
    let mut text = format!(
        "//! The mother code of {} bits: {} checks, circulants of {}.\n//!\n\
         //! Generated by `{command}`; do not edit.\n//! SHA-256 of the base matrix: `{hash}`.\n\n\
         use super::{{Circulant, QcCode}};\n\n/// The code.\npub const CODE: QcCode<'static> = \
         match QcCode::new({}, &ROW_START, &CIRCULANTS, &REST) {{\n    Ok(code) => code,\n    \
         Err(_) => panic!(\"the generated tables are a code\"),\n}};\n\n\
         const fn c(column: u16, shift: u16, turn: u16) -> Circulant {{\n    \
         Circulant {{ column, shift, turn }}\n}}\n\n",
        base.columns.len() * base.z,
        base.rows * base.z,
        base.z,
        base.z
    );
    let numbers = |values: &[u16]| wrap(values.iter().map(u16::to_string));
    let circulants =
        wrap(tables.circulants.iter().map(|e| format!("c({}, {}, {})", e.column, e.shift, e.turn)));
    for (name, kind, len, body) in [
        ("ROW_START", "u16", tables.row_start.len(), numbers(&tables.row_start)),
        ("CIRCULANTS", "Circulant", tables.circulants.len(), circulants),
        ("REST", "u16", tables.rest.len(), numbers(&tables.rest)),
    ] {
        let _ = write!(text, "#[rustfmt::skip]\nstatic {name}: [{kind}; {len}] = [\n{body}];\n\n");
    }
    text.truncate(text.len() - 1);
    text
}

fn order_rust(n: usize, orders: &Orders, command: &str, hash: &str) -> String {
    let mut text = format!(
        "//! Puncturing and shortening orders of the mother code.\n//!\n\
         //! Generated by `{command}`; do not edit.\n//! SHA-256 of the order file: `{hash}`.\n\n\
         use super::Order;\n\n/// The orders.\npub const ORDER: Order<'static> = \
         Order::trusted({n}, &PUNCTURE, &SHORTEN);\n\n/// Length of the untainted prefix: no check sees two \
         of its positions.\npub const UNTAINTED: usize = {};\n\n",
        orders.untainted
    );
    for (name, order) in [("PUNCTURE", &orders.puncture), ("SHORTEN", &orders.shorten)] {
        let body = wrap(order.iter().map(u16::to_string));
        let _ = write!(text, "#[rustfmt::skip]\nstatic {name}: [u16; {}] = [\n{body}];\n\n", order.len());
    }
    text.truncate(text.len() - 1);
    text
}

/// Items separated by commas, in lines of at most 100 characters.
pub fn wrap(items: impl Iterator<Item = String>) -> String {
    let mut text = String::new();
    let mut line = String::new();
    for item in items {
        if line.len() + item.len() + 6 > 100 {
            let _ = writeln!(text, "   {line}");
            line.clear();
        }
        let _ = write!(line, " {item},");
    }
    let _ = writeln!(text, "   {line}");
    text
}
