//! Owns the JSON Schema of a folder, made from the tables. Does not own the tables (see `tables`).

use serde_json::{Map, Value, json};
use toml::de::DeValue;

use crate::fields::{Choice, Field, Kind, NameKind, Object, Presence};
use crate::tables::{FILES, SAY};

/// The JSON Schema (2020-12) of a folder: an object whose keys are paths and whose values are parsed files.
/// `$defs` holds one schema per kind of file, by its pattern.
pub fn schema() -> Value {
    let mut definitions = Map::new();
    let mut patterns = Map::new();
    for file in &FILES {
        let one = object(file.one);
        let schema = match file.many {
            Some(many) => json!({ "oneOf": [one, object(many)] }),
            None => one,
        };
        definitions.insert(file.pattern.to_owned(), schema);
        let pointer = file.pattern.replace('~', "~0").replace('/', "~1");
        let reference = json!({ "$ref": format!("#/$defs/{pointer}") });
        patterns.insert(path_pattern(file.pattern), reference);
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "hotline 配置目录 / a hotline configuration folder",
        "type": "object",
        "required": ["hotline.toml"],
        "patternProperties": patterns,
        "additionalProperties": false,
        "$defs": definitions,
    })
}

/// What belongs to a tenant may lie below `tenants/NAME/` too.
fn path_pattern(pattern: &str) -> String {
    let inner = pattern.replace('.', "\\.").replace('*', "[^/]+");
    let node_alone =
        pattern == "hotline.toml" || pattern.starts_with("trunks/") || pattern.starts_with("tenants/");
    if node_alone { format!("^{inner}$") } else { format!("^(tenants/[^/]+/)?{inner}$") }
}

fn object(object: &Object) -> Value {
    let properties: Map<String, Value> =
        object.fields.iter().map(|field| (field.key.to_owned(), property(field))).collect();
    let required: Vec<&str> =
        object.fields.iter().filter(|f| matches!(f.presence, Presence::Required)).map(|f| f.key).collect();
    json!({
        "title": format!("{} / {}", object.zh, object.en),
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

fn property(field: &Field) -> Value {
    let mut schema = kind(&field.kind);
    if let Value::Object(map) = &mut schema {
        map.insert("description".into(), json!(format!("{} / {}", field.zh, field.en)));
        if let Presence::Default(text) = field.presence
            && let Ok(value) = DeValue::parse(text)
        {
            map.insert("default".into(), plain(value.get_ref()));
        }
    }
    schema
}

fn kind(kind_: &Kind) -> Value {
    match kind_ {
        Kind::Text => json!({ "type": "string", "minLength": 1 }),
        Kind::Name => json!({ "type": "string", "pattern": "^[^\\s/.][^\\s/]{0,63}$" }),
        Kind::Dialled => json!({ "type": "string", "pattern": DIALLED }),
        Kind::User => json!({ "type": "string", "pattern": "^\\S{1,64}$" }),
        Kind::Bool => json!({ "type": "boolean" }),
        Kind::Integer(low, high) => json!({ "type": "integer", "minimum": low, "maximum": high }),
        Kind::Seconds(low, high) => json!({ "type": "number", "minimum": low, "maximum": high }),
        Kind::Socket | Kind::Target | Kind::Cidr | Kind::Ref(_) => {
            json!({ "type": "string", "minLength": 1 })
        }
        Kind::Ip => json!({ "type": "string", "anyOf": [{ "format": "ipv4" }, { "format": "ipv6" }] }),
        Kind::Ports | Kind::NumberRange => json!({ "type": "string", "pattern": "^[0-9]+-[0-9]+$" }),
        Kind::SipUri => json!({ "type": "string", "pattern": "^sip:" }),
        Kind::Choice(words) => choice(words),
        Kind::RefRange(names) => {
            json!({ "type": "string", "minLength": 1, "examples": [names.en(), "9001-9100"] })
        }
        Kind::List(of) => json!({ "type": "array", "items": kind(of) }),
        Kind::OneOrMore(of) => json!({ "oneOf": [kind(of), { "type": "array", "items": kind(of) }] }),
        Kind::Number => json!({ "type": "string", "pattern": "^[0-9*#+]{1,32}$" }),
        Kind::Pattern => json!({ "type": "string", "pattern": "^[0-9*#+XZN]*\\.?$", "minLength": 1 }),
        Kind::Say => {
            let mut said = object(&SAY);
            if let Value::Object(map) = &mut said {
                map.insert("minProperties".into(), json!(1));
                map.insert("maxProperties".into(), json!(1));
            }
            json!({ "oneOf": [{ "type": "string", "minLength": 1 }, said] })
        }
        Kind::Keys(of) => mapping("^[0-9*#A-Da-d]$", kind(of)),
        Kind::Numbers(of) => mapping(DIALLED, kind(of)),
        Kind::Named(names, objects) => named(*names, objects),
        Kind::Table(of) => object(of),
        Kind::Tables(of) => json!({ "type": "array", "items": object(of) }),
    }
}

fn choice(words: &[Choice]) -> Value {
    let one = |choice: &Choice| json!({ "const": choice.word, "description": format!("{} / {}", choice.zh, choice.en) });
    json!({ "oneOf": words.iter().map(one).collect::<Vec<_>>() })
}

fn mapping(pattern: &str, of: Value) -> Value {
    json!({ "type": "object", "patternProperties": { pattern: of }, "additionalProperties": false })
}

fn named(names: NameKind, objects: &[&Object]) -> Value {
    let any: Vec<Value> = objects.iter().map(|one| object(one)).collect();
    json!({
        "title": format!("{} / {}", names.zh(), names.en()),
        "type": "object",
        "additionalProperties": { "oneOf": any },
    })
}

fn plain(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => json!(text),
        DeValue::Integer(number) => json!(number.as_str().parse::<i64>().ok()),
        DeValue::Float(number) => json!(number.as_str().parse::<f64>().ok()),
        DeValue::Boolean(truth) => json!(truth),
        DeValue::Datetime(time) => json!(time.to_string()),
        DeValue::Array(array) => array.iter().map(|value| plain(value.get_ref())).collect(),
        DeValue::Table(table) => {
            let pair = |(key, value): (&toml::Spanned<_>, &toml::Spanned<DeValue<'_>>)| {
                let key: &std::borrow::Cow<'_, str> = key.get_ref();
                (key.to_string(), plain(value.get_ref()))
            };
            Value::Object(table.iter().map(pair).collect())
        }
    }
}

const DIALLED: &str = "^[0-9*#]{1,32}$";
