//! Each key of each sample renamed, given a wrong type, made to dangle, taken away.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

use super::*;
use crate::fields::{Field, Kind, Object, Presence};
use crate::tables::FILES;
use crate::{Diagnostic, SourceFile};

/// A key or value of a sample that can be broken.
struct Target {
    file: usize,
    field: &'static Field,
    key: Option<Range<usize>>,
    value: Range<usize>,
    kind: &'static Kind,
}

const SAMPLES: [&str; 4] = ["starter", "bench", "office", "trunks-cn"];

fn targets(sources: &Sources) -> Vec<Target> {
    let mut targets = Vec::new();
    for (file, source) in sources.files.iter().enumerate() {
        let (table, errors) = DeTable::parse_recoverable(&source.text);
        assert!(errors.is_empty(), "{}", source.path);
        walk(file, object_of(source, table.get_ref()), table.get_ref(), &mut targets);
    }
    targets
}

fn object_of(file: &SourceFile, table: &DeTable<'_>) -> &'static Object {
    let inner = match file.path.strip_prefix("tenants/").and_then(|rest| rest.split_once('/')) {
        Some((_, "tenant.toml")) => "tenants/*",
        Some((_, inner)) => inner,
        None => &file.path,
    };
    let start = inner.split('/').next().unwrap();
    let kind = FILES.iter().find(|kind| kind.pattern.starts_with(start)).unwrap();
    match kind.many {
        Some(many) if table.contains_key(many.fields[0].key) && table.len() == 1 => many,
        _ => kind.one,
    }
}

fn walk(file: usize, object: &'static Object, table: &DeTable<'_>, targets: &mut Vec<Target>) {
    for (key, value) in table {
        let field = object.field(key.get_ref()).unwrap_or_else(|| panic!("{key:?}"));
        targets.push(Target { file, field, key: Some(key.span()), value: value.span(), kind: &field.kind });
        walk_value(file, field, &field.kind, value.get_ref(), targets);
    }
}

fn walk_value(
    file: usize,
    field: &'static Field,
    kind: &'static Kind,
    value: &DeValue<'_>,
    targets: &mut Vec<Target>,
) {
    match (kind, value) {
        (Kind::List(of) | Kind::OneOrMore(of), DeValue::Array(array)) => {
            for element in array.iter() {
                targets.push(Target { file, field, key: None, value: element.span(), kind: of });
                walk_value(file, field, of, element.get_ref(), targets);
            }
        }
        (Kind::Keys(of) | Kind::Numbers(of), DeValue::Table(table)) => {
            for (_, value) in table {
                targets.push(Target { file, field, key: None, value: value.span(), kind: of });
                walk_value(file, field, of, value.get_ref(), targets);
            }
        }
        (Kind::Named(_, objects), DeValue::Table(table)) => {
            for (_, value) in table {
                let node = value.get_ref().as_table().unwrap();
                let word = node.get("kind").and_then(|kind| kind.get_ref().as_str()).unwrap();
                walk(file, objects.iter().find(|object| object.name == word).unwrap(), node, targets);
            }
        }
        (Kind::Table(object), DeValue::Table(table)) => walk(file, object, table, targets),
        (Kind::Say, DeValue::Table(table)) => walk(file, &crate::tables::SAY, table, targets),
        (Kind::Tables(object), DeValue::Array(array)) => {
            for element in array.iter() {
                walk(file, object, element.get_ref().as_table().unwrap(), targets);
            }
        }
        _ => {}
    }
}

/// What is found after the bytes of `range` in that file were replaced.
fn found_with(sources: &Sources, file: usize, range: Range<usize>, text: &str) -> Vec<Diagnostic> {
    let mut broken = sources.clone();
    broken.files[file].text.replace_range(range, text);
    match load(&broken) {
        Ok(_) => Vec::new(),
        Err(found) => found.items,
    }
}

/// Line and column of a byte, both from 1.
fn at(text: &str, byte: usize) -> (usize, usize) {
    let before = &text[..byte];
    let line = before.rfind('\n').map_or(0, |n| n + 1);
    (before.matches('\n').count() + 1, text[line..byte].chars().count() + 1)
}

/// Whether `key = value` stands there, not a table's header.
fn is_assignment(text: &str, target: &Target) -> bool {
    target
        .key
        .as_ref()
        .is_some_and(|key| key.end <= target.value.start && text[key.end..target.value.start].trim() == "=")
}

/// Runs `check` for each target; it says whether the target was broken.
fn each(mut check: impl FnMut(&Sources, &Target, &str) -> bool, at_least: usize) {
    let mut count = 0;
    for name in SAMPLES {
        let sources = sample(name);
        for target in targets(&sources) {
            count += usize::from(check(&sources, &target, &sources.files[target.file].text));
        }
    }
    assert!(count >= at_least, "only {count} were broken");
}

fn told(found: &[Diagnostic]) -> String {
    Diagnostics { items: found.to_vec() }.to_string()
}

#[test]
fn each_renamed_key_is_unknown_and_the_right_one_suggested() {
    let check = |sources: &Sources, target: &Target, text: &str| {
        let Some(key) = target.key.clone() else { return false };
        let renamed = format!("{}x", &text[key.clone()]);
        let found = found_with(sources, target.file, key.clone(), &renamed);
        let place = at(text, key.start);
        let hit = found.iter().find(|d| {
            d.code == "unknown-key"
                && (d.place.line, d.place.column) == place
                && d.place.width == renamed.len()
        });
        let hit = hit.unwrap_or_else(|| {
            panic!("{} {renamed} at {place:?}: {}", sources.files[target.file].path, told(&found))
        });
        assert_eq!(hit.suggestion.as_deref(), Some(target.field.key), "{renamed}");
        true
    };
    each(check, 250);
}

#[test]
fn each_value_of_a_wrong_type_is_shown_at_its_place() {
    let check = |sources: &Sources, target: &Target, text: &str| {
        if target.key.is_some() && !is_assignment(text, target) {
            return false;
        }
        let wrong = if matches!(target.kind, Kind::Bool) { "3" } else { "false" };
        let found = found_with(sources, target.file, target.value.clone(), wrong);
        let place = at(text, target.value.start);
        let hit = found.iter().any(|d| {
            d.code == "wrong-type" && (d.place.line, d.place.column) == place && d.place.width == wrong.len()
        });
        assert!(
            hit,
            "{} {} at {place:?}: {}",
            sources.files[target.file].path,
            target.field.key,
            told(&found)
        );
        true
    };
    each(check, 300);
}

#[test]
fn each_name_that_means_nothing_is_shown_at_its_place() {
    let check = |sources: &Sources, target: &Target, text: &str| {
        let is_name = matches!(target.kind, Kind::Ref(_) | Kind::RefRange(_) | Kind::Say);
        if !is_name || !text[target.value.clone()].starts_with('"') {
            return false;
        }
        let found = found_with(sources, target.file, target.value.clone(), "\"nobody-is-called-so\"");
        let place = at(text, target.value.start);
        let hit = found.iter().any(|d| d.code == "dangling" && (d.place.line, d.place.column) == place);
        assert!(
            hit,
            "{} {} at {place:?}: {}",
            sources.files[target.file].path,
            target.field.key,
            told(&found)
        );
        true
    };
    each(check, 90);
}

#[test]
fn each_required_key_taken_away_is_named() {
    let check = |sources: &Sources, target: &Target, text: &str| {
        let starts_line =
            target.key.as_ref().is_some_and(|key| text[..key.start].ends_with('\n') || key.start == 0);
        let is_required = matches!(target.field.presence, Presence::Required);
        if !is_required || !starts_line || !is_assignment(text, target) {
            return false;
        }
        let Some(key) = target.key.clone() else { return false };
        let found = found_with(sources, target.file, key.start..target.value.end, "");
        let named = format!("«{}»", target.field.key);
        let hit = found.iter().any(|d| d.code == "missing-key" && d.zh.contains(&named));
        assert!(hit, "{} {}: {}", sources.files[target.file].path, target.field.key, told(&found));
        true
    };
    each(check, 60);
}

#[test]
fn a_file_cut_anywhere_never_panics() {
    let sources = sample("office");
    for file in 0..sources.files.len() {
        let text = sources.files[file].text.clone();
        for (cut, _) in text.char_indices().step_by(7) {
            let mut broken = sources.clone();
            broken.files[file].text.truncate(cut);
            if let Err(found) = load(&broken) {
                assert!(found.has_errors() && !found.render(crate::Color::Ansi).is_empty());
            }
        }
    }
}
