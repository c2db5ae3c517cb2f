//! The keys of a campaign file as a JSON schema.

use caligo_core::security::parameters::Range;
use serde_json::{Map, Value, json};

use super::Campaign;
use super::keys::{Key, Kind, MAX_NAME, ROOT, SCALES, value};
use crate::campaign::space::{MAX_SHAPE, TABLE};

/// The JSON schema (draft 2020-12) of a campaign file, for editors and other programs. What it cannot say, such as that
/// the lower end of a range comes first, the parser does.
pub fn schema() -> Value {
    // Without a file, every key has its default.
    let Ok(defaults) = Campaign::parse("", std::path::Path::new("")) else { return Value::Null };
    let mut root = section(ROOT, &defaults);
    if let Some(map) = root.as_object_mut() {
        map.insert("$schema".into(), json!("https://json-schema.org/draft/2020-12/schema"));
        map.insert("title".into(), json!("Caligo campaign"));
    }
    root
}

/// A value may be left empty.
fn section(keys: &[Key], defaults: &Campaign) -> Value {
    let properties: Map<String, Value> =
        keys.iter().map(|key| (key.name.into(), described(key, defaults))).collect();
    json!({ "type": ["object", "null"], "additionalProperties": false, "properties": properties })
}

fn described(key: &Key, defaults: &Campaign) -> Value {
    let mut described = kind(&key.kind, defaults);
    if let Some(map) = described.as_object_mut() {
        map.insert("description".into(), json!(key.about));
        if let Some(default) = value(&key.kind, defaults) {
            map.insert("default".into(), default);
        }
        if matches!(key.kind, Kind::Ignored(_)) {
            map.insert("deprecated".into(), json!(true));
        }
    }
    described
}

fn kind(kind: &Kind, defaults: &Campaign) -> Value {
    match *kind {
        Kind::Section(keys) => section(keys, defaults),
        Kind::Text(_) => json!({ "type": ["string", "null"], "maxLength": MAX_NAME }),
        Kind::Whole { low, high, .. } => {
            json!({ "type": ["integer", "null"], "minimum": low, "maximum": high })
        }
        Kind::Number { range, .. } => or_null(&number(range)),
        Kind::Word { of, .. } => or_null(&json!({ "enum": of })),
        Kind::Words { of, .. } => {
            or_null(&json!({ "type": "array", "items": { "enum": of }, "minItems": 1, "uniqueItems": true }))
        }
        Kind::Axis(at) => {
            let Some(dimension) = TABLE.get(at) else { return json!(false) };
            let value = number(dimension.quantity.range());
            let range = json!({ "type": "array", "items": value, "minItems": 2, "maxItems": 2 });
            let shape = json!({ "type": "integer", "minimum": 1, "maximum": MAX_SHAPE });
            json!({ "anyOf": [
                { "type": "null" },
                value,
                range,
                {
                    "type": "object",
                    "additionalProperties": false,
                    "properties": {
                        "range": { "anyOf": [value, range] },
                        "scale": { "enum": SCALES },
                        "shape": { "type": "array", "items": shape, "minItems": 2, "maxItems": 2 },
                    },
                },
            ]})
        }
        Kind::Ignored(_) => json!({}),
    }
}

fn or_null(schema: &Value) -> Value {
    json!({ "anyOf": [schema, { "type": "null" }] })
}

fn number(range: Range) -> Value {
    let mut map = Map::new();
    map.insert("type".into(), json!(if range.whole { "integer" } else { "number" }));
    map.insert(if range.with_low { "minimum" } else { "exclusiveMinimum" }.into(), json!(range.low));
    map.insert(if range.with_high { "maximum" } else { "exclusiveMaximum" }.into(), json!(range.high));
    map.into()
}
