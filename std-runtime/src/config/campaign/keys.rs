//! The table of a campaign file's keys.

use std::collections::BTreeMap;

use caligo_core::security::parameters::Range;
use caligo_core::security::{Pairs, Proof, Quantity};
use serde_json::{Value, json};

use super::super::yaml::{Raw, Section};
use super::super::{ConfigError, Strategy};
use super::{Acquisition, Campaign, MAX_SAMPLES};
use crate::campaign::design::{Assignment, Infeasible, Method};
use crate::campaign::space::{Axis, MAX_SHAPE, Scale, TABLE};

/// A key, and what stands behind it.
pub(super) struct Key {
    pub(super) name: &'static str,
    /// What it means, for the schema.
    pub(super) about: &'static str,
    pub(super) kind: Kind,
    /// What depends on it.
    pub(super) counts: Counts,
}

/// What depends on a key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Counts {
    /// All samples.
    Samples,
    /// Samples that models choose.
    Choices,
    /// No sample.
    Nothing,
}

/// What a value may be, and where it goes.
pub(super) enum Kind {
    Section(&'static [Key]),
    Text(fn(&mut Campaign) -> &mut String),
    Whole {
        low: u64,
        high: u64,
        field: fn(&mut Campaign) -> &mut u64,
    },
    Number {
        range: Range,
        field: fn(&mut Campaign) -> &mut f64,
    },
    /// One of some words, by its place among them.
    Word {
        of: &'static [&'static str],
        get: fn(&Campaign) -> usize,
        set: fn(&mut Campaign, usize),
    },
    /// Some of some words.
    Words {
        of: &'static [&'static str],
        get: fn(&Campaign) -> Vec<usize>,
        set: fn(&mut Campaign, &[usize]),
    },
    /// Dimension of [`TABLE`].
    Axis(usize),
    /// Understood, without effect: why.
    Ignored(&'static str),
}

const fn key(name: &'static str, kind: Kind, about: &'static str) -> Key {
    Key { name, about, kind, counts: Counts::Samples }
}

/// A key that no sample depends on.
const fn aside(name: &'static str, kind: Kind, about: &'static str) -> Key {
    Key { name, about, kind, counts: Counts::Nothing }
}

/// A key that only the samples depend on that models choose.
const fn choice(name: &'static str, kind: Kind, about: &'static str) -> Key {
    Key { name, about, kind, counts: Counts::Choices }
}

const fn axis(at: usize) -> Key {
    key(TABLE[at].quantity.name(), Kind::Axis(at), TABLE[at].about)
}

const fn number(
    name: &'static str,
    quantity: Quantity,
    field: fn(&mut Campaign) -> &mut f64,
    about: &'static str,
) -> Key {
    key(name, Kind::Number { range: quantity.range(), field }, about)
}

const FOLDER: &str = "ignored: names of files in the output folder are fixed";
const WORKERS: &str = "ignored: workers are a matter of the command line";

pub(super) const ROOT: &[Key] = &[
    aside("campaign", Kind::Section(CAMPAIGN), "What the campaign is called."),
    key("phase1", Kind::Section(PHASE1), "The space-filling design."),
    aside("phase2", Kind::Section(PHASE2), "The models of the margin."),
    aside("phase3", Kind::Section(PHASE3), "Samples that the models choose."),
    key("parameters", Kind::Section(PARAMETERS), "The nine dimensions, and what pairs are."),
    key(
        "security",
        Kind::Section(SECURITY),
        "Failures allowed, and what error correction is planned to cost.",
    ),
    aside("epr_parallel", Kind::Ignored(WORKERS), "Of older files, without effect."),
    aside("harness", Kind::Ignored(WORKERS), "Of older files, without effect."),
];

const CAMPAIGN: &[Key] = &[
    aside("name", Kind::Text(|c| &mut c.name), "Name in reports."),
    aside("output_hdf5", Kind::Ignored(FOLDER), "Of older files, without effect."),
    aside("state_checkpoint", Kind::Ignored(FOLDER), "Of older files, without effect."),
];

const PHASE1: &[Key] = &[
    key(
        "target_samples",
        Kind::Whole { low: 1, high: MAX_SAMPLES, field: |c| &mut c.samples },
        "N: samples of the design.",
    ),
    aside(
        "batch_size",
        Kind::Whole { low: 1, high: 65_536, field: |c| &mut c.batch },
        "Samples of a shard: what a kill can lose, at most.",
    ),
    key("sampler", Kind::Section(SAMPLER), "How points are drawn."),
];

const METHODS: [Method; 2] = [Method::LatinHypercube, Method::Sobol];
const ASSIGNMENTS: [Assignment; 2] = [Assignment::Alternate, Assignment::Stratified];
const INFEASIBLE: [Infeasible; 3] = [Infeasible::Record, Infeasible::Replace, Infeasible::Run];
const PAIRS: [Pairs; 2] = [Pairs::Heralded, Pairs::Emitted];
const STRATEGIES: [Strategy; 2] = [Strategy::Baseline, Strategy::Blind];

const SAMPLER: &[Key] = &[
    key(
        "seed",
        Kind::Whole { low: 0, high: u64::MAX, field: |c| &mut c.seed },
        "Seed of everything that is drawn.",
    ),
    key(
        "method",
        Kind::Word {
            of: &["lhs", "sobol"],
            get: |c| place(&METHODS, &c.method),
            set: |c, at| put(&mut c.method, &METHODS, at),
        },
        "Latin hypercube, or Sobol sequence with Owen's scrambling.",
    ),
    key(
        "strategy",
        Kind::Word {
            of: &["alternate", "stratified"],
            get: |c| place(&ASSIGNMENTS, &c.assignment()),
            set: |c, at| c.given_assignment = ASSIGNMENTS.get(at).copied(),
        },
        "Strategies in turn (default of lhs), or by a ninth coordinate (default of sobol, and all it allows).",
    ),
    key(
        "repeats",
        Kind::Whole { low: 1, high: 1_000_000, field: |c| &mut c.repeats },
        "Samples of each point: consecutive ones have the same inputs and other random numbers.",
    ),
    key(
        "infeasible",
        Kind::Word {
            of: &["record", "replace", "run"],
            get: |c| place(&INFEASIBLE, &c.infeasible),
            set: |c, at| put(&mut c.infeasible, &INFEASIBLE, at),
        },
        "Points that the proof gives no bit for: record them without a run, pass over to the next feasible one, or run \
         them too, until the machines end them.",
    ),
    key(
        "attempts",
        Kind::Whole { low: 1, high: 1_000_000, field: |c| &mut c.attempts },
        "Most points that are passed over for one sample; if all are infeasible, the first is recorded.",
    ),
    key(
        "proof",
        Kind::Word {
            of: &["strong_converse", "max_bound"],
            get: |c| place(&Proof::ALL, &c.proof),
            set: |c, at| put(&mut c.proof, &Proof::ALL, at),
        },
        "By which proof a point is feasible, and lengths are computed.",
    ),
];

const PHASE2: &[Key] = &[
    choice(
        "training_points",
        Kind::Whole { low: 10, high: 10_000, field: |c| &mut c.models.training_points },
        "Samples that hyperparameters are fitted to, at most, for each strategy: time grows with their cube.",
    ),
    choice(
        "exact_points",
        Kind::Whole { low: 10, high: 10_000, field: |c| &mut c.models.exact_points },
        "Samples up to which a model is exact; one of more looks at the nearest ones alone.",
    ),
    choice(
        "neighbours",
        Kind::Whole { low: 16, high: 1024, field: |c| &mut c.models.neighbours },
        "How many those are.",
    ),
];

const ACQUISITIONS: [Acquisition; 3] =
    [Acquisition::Straddle, Acquisition::RandomisedStraddle, Acquisition::UncertaintyReduction];
const SWITCH: [bool; 2] = [true, false];

const PHASE3: &[Key] = &[
    aside(
        "max_iterations",
        Kind::Whole { low: 1, high: 1_000_000, field: |c| &mut c.active.iterations },
        "Iterations at most; more than there were go on where these ended.",
    ),
    choice(
        "batch_size",
        Kind::Whole { low: 1, high: 1024, field: |c| &mut c.active.batch },
        "Samples of an iteration, of both strategies together.",
    ),
    choice(
        "acquisition",
        Kind::Word {
            of: &["straddle", "randomised_straddle", "uncertainty_reduction"],
            get: |c| place(&ACQUISITIONS, &c.active.acquisition),
            set: |c, at| put(&mut c.active.acquisition, &ACQUISITIONS, at),
        },
        "1.96 sigma - |mu|; the same with a factor that is drawn for each sample; or by what is expected to leave least doubt \
         about the sign all over the space.",
    ),
    choice(
        "refit_every",
        Kind::Whole { low: 1, high: 1_000_000, field: |c| &mut c.active.refit_every },
        "Iterations after which hyperparameters and guardrail are fitted anew; in between models only see new samples.",
    ),
    aside(
        "uncertainty",
        Kind::Number { range: Quantity::TestFraction.range(), field: |c| &mut c.active.uncertainty },
        "Ends once the part of the space that the models expect to call wrong is below this; 0: never.",
    ),
    choice(
        "guardrail",
        Kind::Word {
            of: &["on", "off"],
            get: |c| place(&SWITCH, &c.active.guardrail),
            set: |c, at| put(&mut c.active.guardrail, &SWITCH, at),
        },
        "Leave out samples whose failure is foretold.",
    ),
    choice(
        "skip_above",
        Kind::Number { range: Quantity::Epsilon.range(), field: |c| &mut c.active.skip_above },
        "Probability of failure, at least (97.7 %), above which a sample is left out.",
    ),
    choice(
        "audit_fraction",
        Kind::Number { range: Quantity::Epsilon.range(), field: |c| &mut c.active.audit },
        "Part of those that is run all the same, at random.",
    ),
    choice(
        "false_skips",
        Kind::Number { range: Quantity::Epsilon.range(), field: |c| &mut c.active.false_skips },
        "Part of audited samples that may succeed: beyond it, by the lower end of its 95 % interval, the guardrail is off.",
    ),
];

const PARAMETERS: &[Key] = &[
    axis(0),
    axis(1),
    axis(2),
    axis(3),
    axis(4),
    axis(5),
    axis(6),
    axis(7),
    key(
        "strategies",
        Kind::Words {
            of: &["baseline", "blind"],
            get: |c| c.space.strategies.iter().map(|strategy| place(&STRATEGIES, strategy)).collect(),
            set: |c, at| {
                c.space.strategies = at.iter().filter_map(|&at| STRATEGIES.get(at).copied()).collect();
            },
        },
        "How errors are corrected: the ninth dimension.",
    ),
    key(
        "pairs",
        Kind::Word {
            of: &["heralded", "emitted"],
            get: |c| place(&PAIRS, &c.space.pairs),
            set: |c, at| put(&mut c.space.pairs, &PAIRS, at),
        },
        "What num_pairs counts: rounds that Alice has detected, or pairs that left the source.",
    ),
];

const SECURITY: &[Key] = &[
    number("epsilon", Quantity::Epsilon, |c| &mut c.record.epsilon, "Failure of the min-entropy bound."),
    number(
        "epsilon_pa",
        Quantity::Epsilon,
        |c| &mut c.record.epsilon_pa,
        "Distance of the output from uniform.",
    ),
    number(
        "epsilon_ec",
        Quantity::Epsilon,
        |c| &mut c.record.epsilon_ec,
        "Failure of error correction, and of bounds of the error rate.",
    ),
    number(
        Quantity::CodeEfficiency.name(),
        Quantity::CodeEfficiency,
        |c| &mut c.record.efficiency,
        "f: bits sent to correct errors, over n h(Q).",
    ),
    number(
        Quantity::TestFraction.name(),
        Quantity::TestFraction,
        |c| &mut c.record.test_fraction,
        "Part of all rounds disclosed to estimate the error rate.",
    ),
];

fn place<T: PartialEq>(of: &[T], value: &T) -> usize {
    of.iter().position(|x| x == value).unwrap_or(0)
}

fn put<T: Copy>(field: &mut T, of: &[T], at: usize) {
    if let Some(&value) = of.get(at) {
        *field = value;
    }
}

/// Takes all `keys` from `section`.
pub(super) fn read(
    s: &mut Section<'_>,
    keys: &'static [Key],
    campaign: &mut Campaign,
) -> Result<(), ConfigError> {
    for Key { name, kind, .. } in keys {
        match *kind {
            Kind::Section(keys) => s.section(name, |s| read(s, keys, campaign))?,
            Kind::Text(field) => {
                let text = s.value(name, |raw| match raw {
                    Raw::Text(text) if text.len() <= MAX_NAME => Ok(text.clone()),
                    _ => Err(format!("a text of at most {MAX_NAME} bytes (quotes make one of a number)")),
                })?;
                set(field(campaign), text);
            }
            Kind::Whole { low, high, field } => {
                let value = s.value(name, |raw| {
                    whole(raw)
                        .filter(|x| (low..=high).contains(x))
                        .ok_or_else(|| format!("a whole number, {low} to {high}"))
                })?;
                set(field(campaign), value);
            }
            Kind::Number { range, field } => set(field(campaign), s.ranged(name, range)?),
            Kind::Word { of, set, .. } => {
                if let Some(at) = s.value(name, |raw| word(raw, of).ok_or_else(|| one_of(of)))? {
                    set(campaign, at);
                }
            }
            Kind::Words { of, set, .. } => {
                if let Some(at) = s.value(name, |raw| words(raw, of))? {
                    set(campaign, &at);
                }
            }
            Kind::Axis(at) => {
                let (Some(axis), Some(dimension)) = (campaign.space.axes.get_mut(at), TABLE.get(at)) else {
                    continue;
                };
                let (quantity, default) = (dimension.quantity, *axis);
                let short = |raw: &Raw| {
                    let (low, high) = ends(raw).ok_or("a number, [low, high], or range, scale and shape")?;
                    Axis::new(quantity, low, high, if low == high { Scale::Linear } else { default.scale })
                };
                set(axis, s.either(name, short, |s| long(s, quantity, default))?);
            }
            Kind::Ignored(why) => {
                if let Some(node) = s.take(name) {
                    s.warn(name, &node, why);
                }
            }
        }
    }
    Ok(())
}

/// Longest name of a campaign, in bytes.
pub(super) const MAX_NAME: usize = 200;

fn set<T>(field: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *field = value;
    }
}

/// An axis as a section.
fn long(s: &mut Section<'_>, quantity: Quantity, default: Axis) -> Result<Axis, ConfigError> {
    let scale = s.value("scale", |raw| word(raw, &SCALES).ok_or_else(|| one_of(&SCALES)))?;
    let shape = s.value("shape", |raw| {
        let ends =
            ends(raw).filter(|(a, b)| [a, b].iter().all(|x| (1.0..=f64::from(MAX_SHAPE)).contains(*x)));
        let whole = ends.filter(|(a, b)| a.fract() == 0.0 && b.fract() == 0.0);
        whole
            .map(|(a, b)| (a as u8, b as u8))
            .ok_or_else(|| format!("[a, b], whole numbers from 1 to {MAX_SHAPE}"))
    })?;
    let scale = match (scale, shape, default.scale) {
        (Some(0), None, _) | (None, None, Scale::Linear) => Scale::Linear,
        (Some(1), None, _) | (None, None, Scale::Log) => Scale::Log,
        (Some(2), Some((a, b)), _)
        | (None, Some((a, b)), Scale::Beta { .. })
        | (Some(2) | None, None, Scale::Beta { a, b }) => Scale::Beta { a, b },
        (Some(2), None, _) => {
            s.refuse(Some("shape"), &"[a, b], for the scale is beta", "nothing");
            default.scale
        }
        _ => {
            s.refuse(Some("shape"), &"no shape, for the scale is not beta", "one");
            default.scale
        }
    };
    let range = s.value("range", |raw| {
        let (low, high) = ends(raw).ok_or("a number, or [low, high]")?;
        Axis::new(quantity, low, high, scale)
    })?;
    if range.is_none()
        && let Err(expected) = Axis::new(quantity, default.low, default.high, scale)
    {
        s.refuse(Some("range"), &expected, "nothing");
    }
    Ok(range.unwrap_or(Axis { scale, ..default }))
}

pub(super) const SCALES: [&str; 3] = ["linear", "log", "beta"];

fn whole(raw: &Raw) -> Option<u64> {
    match *raw {
        Raw::Integer(value) => u64::try_from(value).ok(),
        // 1e5 is a whole number too; f64 has all of them up to 2^53.
        Raw::Number(value) if value.fract() == 0.0 && (0.0..=9e15).contains(&value) => Some(value as u64),
        _ => None,
    }
}

fn ends(raw: &Raw) -> Option<(f64, f64)> {
    match raw {
        Raw::List(nodes) => match nodes.as_slice() {
            [low, high] => Some((low.value.number()?, high.value.number()?)),
            _ => None,
        },
        _ => raw.number().map(|x| (x, x)),
    }
}

fn word(raw: &Raw, of: &[&str]) -> Option<usize> {
    match raw {
        Raw::Text(text) => of.iter().position(|name| name == text),
        _ => None,
    }
}

fn one_of(of: &[&str]) -> String {
    format!("one of {}", of.join(", "))
}

fn words(raw: &Raw, of: &[&str]) -> Result<Vec<usize>, String> {
    let expected = || format!("a list with some of {}, each once", of.join(", "));
    let Raw::List(nodes) = raw else { return Err(expected()) };
    let mut found = Vec::new();
    for node in nodes {
        let at = word(&node.value, of).filter(|at| !found.contains(at)).ok_or_else(expected)?;
        found.push(at);
    }
    if found.is_empty() { Err(expected()) } else { Ok(found) }
}

/// The value in force of a key that is no section, as JSON; `None` if it has no effect.
pub(super) fn value(kind: &Kind, campaign: &Campaign) -> Option<Value> {
    // Fields are reached through one function, which asks for a campaign that may change.
    let mut campaign = campaign.clone();
    let name = |of: &[&'static str], at: usize| of.get(at).copied().unwrap_or_default();
    Some(match *kind {
        Kind::Section(_) | Kind::Ignored(_) => return None,
        Kind::Text(field) => json!(field(&mut campaign)),
        Kind::Whole { field, .. } => json!(field(&mut campaign)),
        Kind::Number { field, .. } => json!(field(&mut campaign)),
        Kind::Word { of, get, .. } => json!(name(of, get(&campaign))),
        Kind::Words { of, get, .. } => {
            json!(get(&campaign).into_iter().map(|at| name(of, at)).collect::<Vec<_>>())
        }
        Kind::Axis(at) => {
            let axis = campaign.space.axes.get(at)?;
            if axis.low == axis.high {
                return Some(json!(axis.low));
            }
            match axis.scale {
                Scale::Beta { a, b } => {
                    json!({ "range": [axis.low, axis.high], "scale": axis.scale.name(), "shape": [a, b] })
                }
                scale => json!({ "range": [axis.low, axis.high], "scale": scale.name() }),
            }
        }
    })
}

fn walk(keys: &'static [Key], before: &str, visit: &mut impl FnMut(String, &'static Key)) {
    for key in keys {
        let path = if before.is_empty() { key.name.into() } else { format!("{before}.{}", key.name) };
        match key.kind {
            Kind::Section(keys) => walk(keys, &path, visit),
            _ => visit(path, key),
        }
    }
}

/// The paths of all keys that are no sections.
pub fn paths() -> Vec<String> {
    let mut paths = Vec::new();
    walk(ROOT, "", &mut |path, _| paths.push(path));
    paths
}

/// Every key that counts for one of `what`, with its value in force.
pub(super) fn identity(campaign: &Campaign, what: Counts) -> BTreeMap<String, Value> {
    let mut map = BTreeMap::new();
    walk(ROOT, "", &mut |path, key| {
        if key.counts == what
            && let Some(value) = value(&key.kind, campaign)
        {
            map.insert(path, value);
        }
    });
    map
}

/// All `keys` that have an effect, with their values in force.
pub(super) fn document(keys: &'static [Key], campaign: &Campaign) -> Value {
    let of = |key: &'static Key| {
        let value = match key.kind {
            Kind::Section(keys) => Some(document(keys, campaign)),
            _ => value(&key.kind, campaign),
        };
        value.map(|value| (key.name.to_owned(), value))
    };
    Value::Object(keys.iter().filter_map(of).collect())
}
