//! The tables themselves: defaults, effect of every key, schema, reference.

use std::collections::BTreeSet;

use super::*;
use crate::fields::{Kind, Object, Presence};
use crate::tables::{FILES, SAY};
use crate::{Lang, reference, schema};

/// Every object of the tables, once.
fn objects() -> Vec<&'static Object> {
    fn collect(object: &'static Object, all: &mut Vec<&'static Object>) {
        if all.iter().any(|known| std::ptr::eq(*known, object)) {
            return;
        }
        all.push(object);
        for field in object.fields {
            collect_kind(&field.kind, all);
        }
    }
    fn collect_kind(kind: &'static Kind, all: &mut Vec<&'static Object>) {
        match kind {
            Kind::Table(object) | Kind::Tables(object) => collect(object, all),
            Kind::List(of) | Kind::OneOrMore(of) | Kind::Keys(of) | Kind::Numbers(of) => {
                collect_kind(of, all)
            }
            Kind::Named(_, objects) => objects.iter().for_each(|object| collect(object, all)),
            _ => {}
        }
    }
    let mut all = Vec::new();
    for file in &FILES {
        collect(file.one, &mut all);
        file.many.into_iter().for_each(|many| collect(many, &mut all));
    }
    collect(&SAY, &mut all);
    all
}

#[test]
fn every_default_is_a_value_of_its_kind() {
    for object in objects() {
        for field in object.fields {
            let Presence::Default(text) = field.presence else { continue };
            let value = toml::de::DeValue::parse(text);
            assert!(value.is_ok(), "{} {}: {text}", object.name, field.key);
        }
    }
    // Defaults that would not decode would be told as errors of these folders, which write almost nothing.
    let bare = [
        ("hotline.toml", "interface = [{ name = \"a\", bind = \"127.0.0.1:0\" }]"),
        ("trunks/t.toml", "to = \"127.0.0.1:5060\""),
        ("queues/q.toml", ""),
        ("agents/a.toml", "id = \"1\"\nuri = \"sip:a@b\""),
        ("phones/p.toml", "user = \"2\"\npassword = \"x\""),
        (
            "flows/f.toml",
            "start = \"m\"\nnode.m = { kind = \"menu\", say = [], keys = { 1 = \"e\", 2 = \"s\", 3 = \"h\" } }\n\
             node.e.kind = \"extension\"\nnode.s.kind = \"survey\"\nnode.h.kind = \"hangup\"",
        ),
    ];
    let prompts = prompts();
    let sources = Sources::from_files(bare).with_prompts(prompts.iter().map(String::as_str));
    let loaded = load(&sources).unwrap_or_else(|found| panic!("{found}"));
    assert_eq!(loaded.plan.limits.max_calls, 1000);
    assert_eq!(loaded.plan.session_expires, Some(std::time::Duration::from_secs(1800)));
    assert_eq!(&*loaded.acd[0].agents[0].name, "1");
}

/// The folder in which every key is written with something else than its default.
fn everything() -> Sources {
    let prompts = prompts();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/tests/everything");
    Sources::read_dir(&folder).unwrap().with_prompts(prompts.iter().map(String::as_str))
}

#[test]
fn every_key_has_an_effect() {
    let sources = everything();
    let whole = load(&sources).unwrap_or_else(|found| panic!("{found}"));
    let mut seen: BTreeSet<(String, String)> = BTreeSet::new();
    for (index, file) in sources.files.iter().enumerate() {
        for (number, line) in file.text.lines().enumerate() {
            let Some((key, _)) = line.split_once(" = ") else { continue };
            seen.insert((file.path.clone(), key.trim().to_owned()));
            let mut without = sources.clone();
            let kept = file.text.lines().enumerate().filter(|(n, _)| *n != number);
            without.files[index].text = kept.map(|(_, line)| format!("{line}\n")).collect();
            match load(&without) {
                Ok(loaded) => assert_ne!(
                    (
                        loaded.node,
                        loaded.plan,
                        loaded.flows,
                        loaded.acd,
                        loaded.recordings,
                        loaded.prompts,
                        loaded.hooks,
                        loaded.transports,
                        loaded.marks,
                        loaded.trace
                    ),
                    (
                        whole.node.clone(),
                        whole.plan.clone(),
                        whole.flows.clone(),
                        whole.acd.clone(),
                        whole.recordings.clone(),
                        whole.prompts,
                        whole.hooks.clone(),
                        whole.transports.clone(),
                        whole.marks,
                        whole.trace
                    ),
                    "{} {key} changes nothing",
                    file.path
                ),
                Err(found) => assert!(found.has_errors()),
            }
        }
    }
    let written: BTreeSet<&str> = seen.iter().map(|(_, key)| key.as_str()).collect();
    for object in objects() {
        for field in
            object.fields.iter().filter(|field| !matches!(field.kind, Kind::Tables(_) | Kind::Table(_)))
        {
            let is_header = matches!(field.kind, Kind::Named(..));
            let inline = sources.files.iter().any(|file| file.text.contains(&format!("{{ {} = ", field.key)));
            assert!(
                is_header || inline || written.contains(field.key),
                "{} {} is nowhere",
                object.name,
                field.key
            );
        }
    }
}

#[test]
fn schema_and_reference_have_every_key() {
    let (schema, zh, en) = (schema().to_string(), reference(Lang::Zh), reference(Lang::En));
    for object in objects() {
        for field in object.fields {
            let (key, row) = (format!("\"{}\":", field.key), format!("| `{}` |", field.key));
            assert!(schema.contains(&key), "schema: {} {}", object.name, field.key);
            if FILES.iter().any(|file| file.many.is_some_and(|many| std::ptr::eq(many, object))) {
                assert!(zh.contains(&format!("`[[{}]]`", field.key)));
                continue;
            }
            assert!(zh.contains(&row) && zh.contains(field.zh), "reference: {} {}", object.name, field.key);
            assert!(en.contains(&row) && en.contains(field.en), "reference: {} {}", object.name, field.key);
        }
    }
}

#[test]
fn the_schema_refers_to_definitions_that_are_there() {
    let schema = schema();
    let patterns = schema["patternProperties"].as_object().unwrap();
    assert_eq!(patterns.len(), FILES.len());
    for reference in patterns.values() {
        let pointer = reference["$ref"].as_str().unwrap().trim_start_matches('#');
        assert!(schema.pointer(pointer).is_some(), "{pointer}");
    }
    let ring = &schema["$defs"]["queues/*.toml"]["properties"]["ring_seconds"];
    assert_eq!((ring["type"].as_str(), ring["default"].as_i64()), (Some("number"), Some(20)));
}
