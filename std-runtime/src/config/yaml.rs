//! A YAML text as a tree that knows its lines, and sections whose keys are taken one by one.

use std::fmt;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use caligo_core::security::Quantity;
use caligo_core::security::parameters::Range;
use clap::ValueEnum;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{
    DuplicateKeyPolicy, MergeKeyPolicy, MessageFormatter, NonFiniteFloatPolicy, Options, Spanned,
    UserMessageFormatter,
};

use super::{ConfigError, MAX_BYTES, Place, Prior, QBER};

/// What is expected of a number, and the test for it.
pub(super) type Limit = (&'static str, fn(f64) -> bool);

/// The tree of `text`, the content of the file at `path`.
pub(super) fn parse(text: &str, path: &Path) -> Result<Node, ConfigError> {
    if text.len() > MAX_BYTES {
        return Err(ConfigError::TooLarge { path: path.into() });
    }
    serde_saphyr::from_str_with_options(text, options()).map_err(|error| {
        let line = error.location().map(|at| at.line()).filter(|&line| line > 0);
        let message = match &error {
            serde_saphyr::Error::DuplicateMappingKey { key: Some(key), .. } => {
                format!("duplicate key `{}`", shown(key))
            }
            _ => UserMessageFormatter.format_message(&error).into_owned(),
        };
        ConfigError::Yaml { place: Place { path: path.into(), line }, message }
    })
}

/// The parser's own limits are meant for documents of any kind; no configuration comes near these.
fn options() -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: 16,
            flow_nesting_limit: 16,
            max_nodes: 10_000,
            max_events: 40_000,
            max_aliases: 64,
            max_anchors: 64,
        },
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: 10_000 },
        duplicate_keys: DuplicateKeyPolicy::Error,
        // What a merge overrides is easily misread.
        merge_keys: MergeKeyPolicy::Error,
        // `yes` and `off` are words: `prior: off` must not become a truth value.
        strict_booleans: true,
        reject_unsupported_tags: true,
        // The ranges refuse them, and name the key.
        non_finite_float_policy: NonFiniteFloatPolicy::PassThrough,
        with_snippet: false,
    }
}

/// A mapping whose keys are taken one by one; [`finish`](Self::finish) refuses what is left.
pub(super) struct Section<'a> {
    file: &'a Path,
    name: String,
    line: Option<u64>,
    entries: Vec<(Spanned<String>, Node)>,
    known: Vec<&'static str>,
    /// The first complaint that can wait for a key misspelt.
    missing: Option<ConfigError>,
    warnings: &'a mut Vec<String>,
}

impl<'a> Section<'a> {
    pub(super) fn new(
        file: &'a Path,
        name: String,
        node: Node,
        warnings: &'a mut Vec<String>,
    ) -> Result<Self, ConfigError> {
        let line = line(&node);
        let mut section = Self::empty(file, name, line, warnings);
        match node.value {
            Raw::Null => Ok(section),
            Raw::Section(entries) => {
                section.entries = entries;
                Ok(section)
            }
            other => Err(ConfigError::Expected {
                place: section.place(line),
                key: if section.name.is_empty() { "the file".into() } else { section.name },
                expected: "`key: value` lines".into(),
                found: other.to_string(),
            }),
        }
    }

    fn empty(file: &'a Path, name: String, line: Option<u64>, warnings: &'a mut Vec<String>) -> Self {
        Self { file, name, line, entries: Vec::new(), known: Vec::new(), missing: None, warnings }
    }

    pub(super) fn place(&self, line: Option<u64>) -> Place {
        Place { path: self.file.into(), line }
    }

    fn key(&self, key: &str) -> String {
        if self.name.is_empty() { key.into() } else { format!("{}.{key}", self.name) }
    }

    /// An empty value is one not given, as when all of a section's lines are comments.
    pub(super) fn take(&mut self, key: &'static str) -> Option<Node> {
        self.known.push(key);
        let at = self.entries.iter().position(|(name, _)| name.value == key)?;
        let (_, node) = self.entries.swap_remove(at);
        (!matches!(node.value, Raw::Null)).then_some(node)
    }

    pub(super) fn warn(&mut self, key: &str, node: &Node, what: &str) {
        self.warnings.push(format!("{}: {}: {what}", self.place(line(node)), self.key(key)));
    }

    /// `convert` says what it expected if it does not understand the value.
    pub(super) fn value<T>(
        &mut self,
        key: &'static str,
        convert: impl FnOnce(&Raw) -> Result<T, String>,
    ) -> Result<Option<T>, ConfigError> {
        let Some(node) = self.take(key) else { return Ok(None) };
        convert(&node.value).map(Some).map_err(|expected| ConfigError::Expected {
            place: self.place(line(&node)),
            key: self.key(key),
            expected,
            found: node.value.to_string(),
        })
    }

    pub(super) fn section<T: Default>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&mut Section<'_>) -> Result<T, ConfigError>,
    ) -> Result<T, ConfigError> {
        let Some(node) = self.take(key) else { return Ok(T::default()) };
        Section::new(self.file, self.key(key), node, self.warnings)?.wholly(read)
    }

    /// A value or a section, whichever stands there.
    pub(super) fn either<T>(
        &mut self,
        key: &'static str,
        convert: impl FnOnce(&Raw) -> Result<T, String>,
        read: impl FnOnce(&mut Section<'_>) -> Result<T, ConfigError>,
    ) -> Result<Option<T>, ConfigError> {
        let is_section = self
            .entries
            .iter()
            .any(|(name, node)| name.value == key && matches!(node.value, Raw::Section(_)));
        if !is_section {
            return self.value(key, convert);
        }
        let Some(node) = self.take(key) else { return Ok(None) };
        Section::new(self.file, self.key(key), node, self.warnings)?.wholly(read).map(Some)
    }

    /// A section that has to be there: if it is not, what it needs is missing.
    pub(super) fn required<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&mut Section<'_>) -> Result<T, ConfigError>,
    ) -> Result<T, ConfigError> {
        let section = match self.take(key) {
            Some(node) => Section::new(self.file, self.key(key), node, self.warnings)?,
            None => Section::empty(self.file, self.key(key), None, self.warnings),
        };
        section.wholly(read)
    }

    fn wholly<T>(
        mut self,
        read: impl FnOnce(&mut Section<'_>) -> Result<T, ConfigError>,
    ) -> Result<T, ConfigError> {
        let value = read(&mut self)?;
        self.finish()?;
        Ok(value)
    }

    /// Notes that `key` of this section is not as `expected`. [`finish`](Self::finish) says so.
    pub(super) fn refuse(&mut self, key: Option<&str>, expected: &dyn fmt::Display, found: &str) {
        let refused = ConfigError::Expected {
            place: self.place(self.line),
            key: key.map_or_else(|| self.name.clone(), |key| self.key(key)),
            expected: expected.to_string(),
            found: found.into(),
        };
        self.missing.get_or_insert(refused);
    }

    pub(super) fn finish(self) -> Result<(), ConfigError> {
        // `swap_remove` has changed their order.
        let Some((name, _)) = self.entries.iter().min_by_key(|(name, _)| name.referenced.line()) else {
            return self.missing.map_or(Ok(()), Err);
        };
        let found = shown(&name.value);
        Err(ConfigError::UnknownKey {
            place: self.place(line(name)),
            nearest: nearest(&found, &self.known),
            key: self.key(&found),
            known: self.known.join(", "),
        })
    }

    pub(super) fn number(
        &mut self,
        key: &'static str,
        (expected, ok): Limit,
    ) -> Result<Option<f64>, ConfigError> {
        self.value(key, |raw| raw.number().filter(|&x| ok(x)).ok_or_else(|| expected.into()))
    }

    pub(super) fn ranged(&mut self, key: &'static str, range: Range) -> Result<Option<f64>, ConfigError> {
        self.value(key, |raw| raw.number().filter(|&x| range.contains(x)).ok_or_else(|| range.to_string()))
    }

    pub(super) fn quantity(&mut self, quantity: Quantity) -> Result<Option<f64>, ConfigError> {
        self.ranged(quantity.name(), quantity.range())
    }

    /// A quantity that has to be given; the least there is until [`finish`](Self::finish) refuses the
    /// section.
    pub(super) fn needed(&mut self, quantity: Quantity) -> Result<f64, ConfigError> {
        let found = self.quantity(quantity)?;
        if found.is_none() {
            self.refuse(Some(quantity.name()), &quantity.range(), "nothing");
        }
        Ok(found.unwrap_or(quantity.range().low))
    }

    /// A number, or a word instead.
    pub(super) fn number_or<T>(
        &mut self,
        key: &'static str,
        (expected, ok): Limit,
        word: &str,
        given: impl FnOnce(f64) -> T,
        otherwise: T,
    ) -> Result<Option<T>, ConfigError> {
        self.value(key, |raw| match raw {
            Raw::Text(text) if text == word => Ok(otherwise),
            _ => match raw.number().filter(|&x| ok(x)) {
                Some(x) => Ok(given(x)),
                None => Err(format!("{expected}, or `{word}`")),
            },
        })
    }

    pub(super) fn prior(&mut self, key: &'static str) -> Result<Option<Prior>, ConfigError> {
        self.number_or(key, QBER, "none", Prior::Given, Prior::Unknown)
    }

    pub(super) fn integer<T>(
        &mut self,
        key: &'static str,
        range: RangeInclusive<T>,
    ) -> Result<Option<T>, ConfigError>
    where
        T: TryFrom<i128> + PartialOrd + fmt::Display,
    {
        self.value(key, |raw| {
            let Raw::Integer(value) = *raw else {
                return Err(format!("a whole number, {} to {}", range.start(), range.end()));
            };
            T::try_from(value)
                .ok()
                .filter(|value| range.contains(value))
                .ok_or_else(|| format!("{} to {}", range.start(), range.end()))
        })
    }

    pub(super) fn choice<T: Copy>(
        &mut self,
        key: &'static str,
        of: &[(&str, T)],
    ) -> Result<Option<T>, ConfigError> {
        self.value(key, |raw| {
            let found = of.iter().find(|(name, _)| matches!(raw, Raw::Text(text) if text == name));
            found.map(|&(_, value)| value).ok_or_else(|| {
                let names: Vec<_> = of.iter().map(|&(name, _)| name).collect();
                format!("one of {}", names.join(", "))
            })
        })
    }

    /// The names of the command line.
    pub(super) fn value_enum<T: ValueEnum + Copy>(
        &mut self,
        key: &'static str,
    ) -> Result<Option<T>, ConfigError> {
        let names: Vec<_> =
            T::value_variants().iter().filter_map(|v| Some((v.to_possible_value()?, *v))).collect();
        let of: Vec<_> = names.iter().map(|(name, value)| (name.get_name(), *value)).collect();
        self.choice(key, &of)
    }

    pub(super) fn path(&mut self, key: &'static str) -> Result<Option<PathBuf>, ConfigError> {
        let base = self.file.parent().unwrap_or(Path::new(""));
        self.value(key, |raw| match raw {
            Raw::Text(text) if !text.is_empty() => Ok(base.join(text)),
            _ => Err("a path (one that looks like a number needs quotes)".into()),
        })
    }
}

/// The one of `names` that `found` may be a slip of: the nearest, if most of its letters need no change.
fn nearest(found: &str, names: &[&'static str]) -> Option<&'static str> {
    let likeness = |name: &&str| strsim::normalized_damerau_levenshtein(found, name);
    let best = names.iter().copied().max_by(|a, b| likeness(a).total_cmp(&likeness(b)))?;
    (likeness(&best) >= 0.5).then_some(best)
}

/// A value and where it stands.
pub(super) type Node = Spanned<Raw>;

fn line<T>(at: &Spanned<T>) -> Option<u64> {
    // The parser's unknown place has line 0.
    Some(at.referenced.line()).filter(|&line| line > 0)
}

pub(super) enum Raw {
    Null,
    Bool(bool),
    Integer(i128),
    Number(f64),
    Text(String),
    List(Vec<Node>),
    Section(Vec<(Spanned<String>, Node)>),
}

impl Raw {
    pub(super) const fn bool(&self) -> Option<bool> {
        match *self {
            Self::Bool(value) => Some(value),
            _ => None,
        }
    }

    pub(super) const fn number(&self) -> Option<f64> {
        match *self {
            Self::Integer(value) => Some(value as f64),
            Self::Number(value) => Some(value),
            _ => None,
        }
    }
}

impl fmt::Display for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("nothing"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Integer(value) => write!(f, "{value}"),
            Self::Number(value) => write!(f, "{value:?}"),
            Self::Text(text) => write!(f, "\"{}\"", shown(text)),
            Self::List(_) => f.write_str("a list"),
            Self::Section(_) => f.write_str("a section"),
        }
    }
}

/// What a terminal can show of `text` in a line.
fn shown(text: &str) -> String {
    const MOST: usize = 60;
    let more = if text.chars().nth(MOST).is_some() { "..." } else { "" };
    text.chars().take(MOST).flat_map(char::escape_debug).collect::<String>() + more
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: Error>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_none<E: Error>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Raw, D::Error> {
        Raw::deserialize(deserializer)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Raw, E> {
        Ok(Raw::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Raw, E> {
        Ok(Raw::Integer(value.into()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Raw, E> {
        Ok(Raw::Integer(value.into()))
    }

    fn visit_i128<E: Error>(self, value: i128) -> Result<Raw, E> {
        Ok(Raw::Integer(value))
    }

    fn visit_u128<E: Error>(self, value: u128) -> Result<Raw, E> {
        Ok(i128::try_from(value).map_or(Raw::Number(value as f64), Raw::Integer))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Raw, E> {
        Ok(Raw::Number(value))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Raw, E> {
        Ok(Raw::Text(value.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Raw, A::Error> {
        let mut nodes = Vec::new();
        while let Some(node) = seq.next_element()? {
            nodes.push(node);
        }
        Ok(Raw::List(nodes))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Raw, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Raw::Section(entries))
    }
}
