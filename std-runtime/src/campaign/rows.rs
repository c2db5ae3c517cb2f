//! What is recorded of a sample: one table of columns, which writers, readers and documents share.

use crate::campaign::space::{DIMENSIONS, Inputs};

/// Version of the table and of what is made of it. Files of another one are refused.
pub const SCHEMA: u64 = 2;

/// How a sample ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Both parties have strings.
    #[default]
    Succeeded,
    /// The protocol ended without: a result like any other.
    Failed,
    /// It was not run: infeasible, or a failure foretold.
    Skipped,
    /// The machinery failed, again and again: no result.
    Infrastructure,
}

impl Outcome {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Succeeded, Self::Failed, Self::Skipped, Self::Infrastructure];

    /// Its name in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::Infrastructure => "infrastructure",
        }
    }
}

/// What is recorded of a sample. Figures that it did not come to are not numbers (NaN).
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Which sample.
    pub index: u64,
    /// Infeasible points passed over for it.
    pub draw: u64,
    /// Its inputs.
    pub inputs: Inputs,
    /// How it ended.
    pub outcome: Outcome,
    /// Whether a string would be secure on average: `feasible`, or the name of the first inequality that fails.
    pub feasibility: String,
    /// Name of the reason if it did not succeed, else empty.
    pub error_code: String,
    /// The reason in words and numbers, else empty.
    pub detail: String,
    /// What the last frame was about.
    pub phase: String,
    /// The margin if it succeeded, else 0.
    pub net_efficiency: f32,
    /// (min-entropy - leak - overheads)/N with its sign, as far as it was measured.
    pub margin: f32,
    /// How far the run was from failing, in bits of each bit of a set; below 0 it failed.
    pub clearance: f32,
    /// The margin on average, before any round: from the parameters alone.
    pub margin_predicted: f32,
    /// Error rate of the sample that was disclosed.
    pub qber_observed: f32,
    /// Error rate by the model.
    pub qber_expected: f32,
    /// Decoding attempts of a block, on average.
    pub rounds: f32,
    /// Wall time, all phases.
    pub duration_s: f32,
    /// Bits of each string.
    pub key_length: u64,
    /// Bits charged to the set that was charged most.
    pub leakage_bits: u64,
    /// Length of the code; 0 if it did not run.
    pub code_bits: u64,
    /// Blocks whose first decoding failed.
    pub frame_errors: u64,
    /// Efficiency of error correction.
    pub f: f32,
    /// Wall time of the source.
    pub source_s: f32,
    /// Wall time up to the sets.
    pub sifting_s: f32,
    /// Wall time of error correction.
    pub reconciliation_s: f32,
    /// Wall time of hashing.
    pub amplification_s: f32,
}

impl Row {
    /// A sample of which nothing is known yet but its inputs.
    pub fn new(index: u64, draw: u64, inputs: Inputs) -> Self {
        let none = f32::NAN;
        Self {
            index,
            draw,
            inputs,
            outcome: Outcome::Failed,
            feasibility: String::new(),
            error_code: String::new(),
            detail: String::new(),
            phase: String::new(),
            net_efficiency: 0.0,
            margin: none,
            clearance: none,
            margin_predicted: none,
            qber_observed: none,
            qber_expected: none,
            rounds: none,
            duration_s: none,
            key_length: 0,
            leakage_bits: 0,
            code_bits: 0,
            frame_errors: 0,
            f: none,
            source_s: none,
            sifting_s: none,
            reconciliation_s: none,
            amplification_s: none,
        }
    }

    /// Whether `other` is the same sample with the same result: all columns but wall times, to the bit.
    pub fn agrees(&self, other: &Self) -> bool {
        let bits = |inputs: &Inputs| inputs.map(f32::to_bits);
        let same = |column: &Column| column.varies || column.cell(self).same(&column.cell(other));
        bits(&self.inputs) == bits(&other.inputs) && COLUMNS.iter().all(same)
    }
}

/// A column's value in one row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cell<'a> {
    /// A whole number.
    Whole(u64),
    /// A figure in single precision.
    Single(f32),
    /// A short text.
    Text(&'a str),
}

impl Cell<'_> {
    fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Single(a), Self::Single(b)) => a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan(),
            _ => self == other,
        }
    }
}

/// How a column's values are kept, and where they stand in a row.
#[derive(Clone, Copy)]
pub enum Field {
    /// Whole numbers: 64 bits.
    Whole(fn(&mut Row) -> &mut u64, fn(&Row) -> u64),
    /// Figures: 32 bits.
    Single(fn(&mut Row) -> &mut f32, fn(&Row) -> f32),
    /// Names of at most [`MAX_NAME`] bytes of ASCII.
    Name(fn(&mut Row) -> &mut String, fn(&Row) -> &str),
    /// Texts of at most [`MAX_TEXT`] bytes.
    Text(fn(&mut Row) -> &mut String, fn(&Row) -> &str),
    /// Names of [`Outcome`].
    Outcome,
}

/// Longest name in bytes.
pub const MAX_NAME: usize = 32;

/// Longest text in bytes.
pub const MAX_TEXT: usize = 1000;

/// A column beside the inputs.
#[derive(Clone, Copy)]
pub struct Column {
    /// Its name in files.
    pub name: &'static str,
    /// Unit; empty for ratios, counts and texts.
    pub unit: &'static str,
    /// What it is.
    pub about: &'static str,
    /// Where it stands.
    pub field: Field,
    /// Whether it differs from run to run of the same sample.
    pub varies: bool,
}

impl std::fmt::Debug for Column {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl Column {
    /// Its value in `row`.
    pub fn cell<'a>(&self, row: &'a Row) -> Cell<'a> {
        match self.field {
            Field::Whole(_, get) => Cell::Whole(get(row)),
            Field::Single(_, get) => Cell::Single(get(row)),
            Field::Name(_, get) | Field::Text(_, get) => Cell::Text(get(row)),
            Field::Outcome => Cell::Text(row.outcome.name()),
        }
    }

    /// Sets its value in `row`; `None` if `cell` is not of its kind.
    pub fn set(&self, row: &mut Row, cell: Cell<'_>) -> Option<()> {
        match (self.field, cell) {
            (Field::Whole(field, _), Cell::Whole(value)) => *field(row) = value,
            (Field::Single(field, _), Cell::Single(value)) => *field(row) = value,
            (Field::Name(field, _) | Field::Text(field, _), Cell::Text(text)) => text.clone_into(field(row)),
            (Field::Outcome, Cell::Text(text)) => {
                row.outcome = Outcome::ALL.into_iter().find(|outcome| outcome.name() == text)?;
            }
            _ => return None,
        }
        Some(())
    }
}

macro_rules! column {
    ($kind:ident $name:ident, $unit:literal, $about:literal) => {
        column!($kind $name, $unit, $about, false)
    };
    (Name $name:ident, $unit:literal, $about:literal, $varies:literal) => {
        column!(@ $name, $unit, $about, $varies, Field::Name(|row| &mut row.$name, |row| &row.$name))
    };
    (Text $name:ident, $unit:literal, $about:literal, $varies:literal) => {
        column!(@ $name, $unit, $about, $varies, Field::Text(|row| &mut row.$name, |row| &row.$name))
    };
    ($kind:ident $name:ident, $unit:literal, $about:literal, $varies:literal) => {
        column!(@ $name, $unit, $about, $varies, Field::$kind(|row| &mut row.$name, |row| row.$name))
    };
    (@ $name:ident, $unit:literal, $about:literal, $varies:literal, $field:expr) => {
        Column { name: stringify!($name), unit: $unit, about: $about, field: $field, varies: $varies }
    };
}

/// All columns beside the inputs, in the order of tables.
pub const COLUMNS: &[Column] = &[
    column!(Whole index, "", "sample, from 0"),
    column!(Whole draw, "", "infeasible points passed over for it"),
    Column {
        name: "outcome",
        unit: "",
        about: "succeeded, failed, skipped (not run) or infrastructure (no result)",
        field: Field::Outcome,
        varies: false,
    },
    column!(Name feasibility, "", "feasible on average, or the first inequality that fails"),
    column!(Name error_code, "", "name of the reason if it did not succeed"),
    column!(Name phase, "", "what the last frame was about"),
    column!(Text detail, "", "the reason in words and numbers"),
    column!(Single net_efficiency, "bits a pair", "margin if it succeeded, else 0"),
    column!(Single margin, "bits a pair", "(min-entropy - leak - overheads)/N with its sign, of what happened"),
    column!(Single clearance, "bits a bit", "how far the run was from failing, in bits of each bit of a set; below 0 it failed"),
    column!(Single margin_predicted, "bits a pair", "the margin from the parameters alone, by averages and the planned f"),
    column!(Single qber_observed, "", "error rate of the bits that were disclosed to estimate it"),
    column!(Single qber_expected, "", "error rate by the model of source and detectors"),
    column!(Single rounds, "", "decoding attempts of a block, on average"),
    column!(Single duration_s, "s", "wall time, all phases", true),
    column!(Whole key_length, "bits", "length of each string"),
    column!(Whole leakage_bits, "bits", "charged to the set that was charged most"),
    column!(Whole code_bits, "bits", "length of the code; 0 if it did not run"),
    column!(Whole frame_errors, "blocks", "blocks whose first decoding failed"),
    column!(Single f, "", "bits sent to correct errors, over n h(Q)"),
    column!(Single source_s, "s", "wall time of the source", true),
    column!(Single sifting_s, "s", "wall time up to the sets", true),
    column!(Single reconciliation_s, "s", "wall time of error correction", true),
    column!(Single amplification_s, "s", "wall time of hashing", true),
];

/// The columns of the documents' `metrics`, by name.
pub const METRICS: [&str; 4] = ["net_efficiency", "qber_observed", "rounds", "duration_s"];

/// The column called `name`.
pub fn column(name: &str) -> Option<&'static Column> {
    COLUMNS.iter().find(|column| column.name == name)
}

/// How many samples ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// All that are recorded.
    pub recorded: u64,
    /// [`Outcome::Succeeded`].
    pub succeeded: u64,
    /// [`Outcome::Failed`].
    pub failed: u64,
    /// [`Outcome::Skipped`].
    pub skipped: u64,
    /// [`Outcome::Infrastructure`].
    pub infrastructure_failures: u64,
}

impl Counts {
    /// Counts one more.
    pub fn add(&mut self, outcome: Outcome) {
        self.recorded += 1;
        *self.of(outcome) += 1;
    }

    /// Counts one less.
    pub(super) fn take(&mut self, outcome: Outcome) {
        self.recorded = self.recorded.saturating_sub(1);
        *self.of(outcome) = self.of(outcome).saturating_sub(1);
    }

    const fn of(&mut self, outcome: Outcome) -> &mut u64 {
        match outcome {
            Outcome::Succeeded => &mut self.succeeded,
            Outcome::Failed => &mut self.failed,
            Outcome::Skipped => &mut self.skipped,
            Outcome::Infrastructure => &mut self.infrastructure_failures,
        }
    }
}

/// Names of the inputs in their order.
pub fn input_names() -> [&'static str; DIMENSIONS] {
    let mut names = [crate::campaign::space::STRATEGY; DIMENSIONS];
    for (name, dimension) in names.iter_mut().zip(&crate::campaign::space::TABLE) {
        *name = dimension.quantity.name();
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_reaches_its_own_field() {
        for column in COLUMNS {
            let mut row = Row::new(0, 0, [0.0; DIMENSIONS]);
            let before: Vec<_> = COLUMNS.iter().map(|c| format!("{:?}", c.cell(&row))).collect();
            let cell = match column.field {
                Field::Whole(..) => Cell::Whole(7),
                Field::Single(..) => Cell::Single(7.0),
                Field::Name(..) | Field::Text(..) => Cell::Text("seven"),
                Field::Outcome => Cell::Text("skipped"),
            };
            assert_eq!(column.set(&mut row, cell), Some(()));
            for (other, before) in COLUMNS.iter().zip(before) {
                let after = format!("{:?}", other.cell(&row));
                assert_eq!(after == before, other.name != column.name, "{column:?} {other:?}");
            }
            let wrong = if matches!(cell, Cell::Whole(_)) { Cell::Single(1.0) } else { Cell::Whole(1) };
            assert_eq!(column.set(&mut row, wrong), None, "{column:?}");
            // Only wall times may differ.
            let agrees = row.agrees(&Row::new(0, 0, [0.0; DIMENSIONS]));
            assert_eq!(agrees, column.name.ends_with("_s"), "{column:?}");
        }
        assert!(METRICS.iter().all(|name| column(name).is_some()));
    }
}
