//! The house's rules that no compiler checks: who may know whom, what a file says it owns, words we do not use.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Who may know whom. A crate that is not named here may know everyone (the binary and the tests).
const MAY_KNOW: &[(&str, &[&str])] = &[
    ("clock", &[]),
    ("model", &["clock"]),
    ("sip", &["model", "clock"]),
    ("sdp", &["model", "clock"]),
    ("ivr", &["model", "clock"]),
    ("acd", &["model", "clock"]),
    ("routing", &["model", "clock"]),
    ("ledger", &["model", "clock"]),
    ("media", &["model", "clock", "sdp"]),
    ("call", &["model", "clock", "sip", "sdp", "media", "ivr", "acd", "routing"]),
    ("config", &["model", "clock", "routing", "acd", "ivr", "sip", "media"]),
    ("sip-net", &["model", "clock", "sip", "call", "routing", "acd", "media"]),
    ("media-net", &["model", "clock", "media", "sdp"]),
    ("store", &["model", "clock", "ledger"]),
    ("hooks", &["model"]),
    ("api", &["model", "clock", "store", "ledger"]),
    ("peers", &["model", "clock", "sip", "sdp", "media"]),
    (
        "sim",
        &[
            "model", "clock", "sip", "sdp", "media", "ivr", "acd", "routing", "call", "ledger", "config",
            "peers",
        ],
    ),
];

/// Crates that decide and never do: no async runtime, no sockets, files, clocks or randomness.
const CORES: &[&str] =
    &["clock", "model", "sip", "sdp", "media", "ivr", "acd", "routing", "call", "ledger", "peers", "sim"];

/// What a core may not depend on.
const SHELL_CRATES: &[&str] = &[
    "tokio",
    "mio",
    "socket2",
    "axum",
    "hyper",
    "sqlx",
    "reqwest",
    "getrandom",
    "rand",
    "notify",
    "async-std",
];

fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().expect("the tests stand in the project's folder").to_owned()
}

/// Every `.rs` file below `crates/`, tests included, with its text.
fn sources() -> Vec<(PathBuf, String)> {
    fn walk(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
        let Ok(entries) = std::fs::read_dir(folder) else { return };
        for entry in entries.flatten() {
            let path = entry.path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push((path.clone(), std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    let mut found = Vec::new();
    walk(&root().join("crates"), &mut found);
    assert!(found.len() > 50, "the walk finds the sources");
    found.sort();
    found
}

/// Whether a file of the project holds tests alone; where the project itself stands does not count.
fn is_test(path: &Path) -> bool {
    let path = path.strip_prefix(root()).unwrap_or(path);
    path.components().any(|part| matches!(part.as_os_str().to_str(), Some("tests" | "tests.rs" | "benches")))
        || path
            .file_name()
            .is_some_and(|name| name == "tests.rs" || name.to_string_lossy().ends_with("_tests.rs"))
}

/// The `[dependencies]` of each crate, development dependencies apart.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let mut all = BTreeMap::new();
    for entry in std::fs::read_dir(root().join("crates")).unwrap().flatten() {
        let Ok(manifest) = std::fs::read_to_string(entry.path().join("Cargo.toml")) else { continue };
        let mut section = String::new();
        let mut names = BTreeSet::new();
        for line in manifest.lines().map(str::trim) {
            if line.starts_with('[') {
                section = line.to_owned();
            } else if section == "[dependencies]" && !line.starts_with('#') {
                let name = line.split(['.', ' ', '=']).next().unwrap_or_default();
                if !name.is_empty() {
                    names.insert(name.to_owned());
                }
            }
        }
        all.insert(entry.file_name().to_string_lossy().into_owned(), names);
    }
    all
}

fn breaches(dependencies: &BTreeMap<String, BTreeSet<String>>) -> Vec<String> {
    let ours: BTreeSet<&str> = dependencies.keys().map(String::as_str).collect();
    let mut found = Vec::new();
    for (name, may_know) in MAY_KNOW {
        let Some(knows) = dependencies.get(*name) else {
            found.push(format!("crate {name} is missing"));
            continue;
        };
        for known in knows.iter().filter(|known| ours.contains(known.as_str())) {
            if !may_know.contains(&known.as_str()) {
                found.push(format!("{name} may not know {known}"));
            }
        }
        for shell in SHELL_CRATES {
            if CORES.contains(name) && knows.contains(*shell) {
                found.push(format!("{name} is a core and may not know {shell}"));
            }
        }
    }
    found
}

#[test]
fn crates_know_only_whom_they_may_know() {
    assert_eq!(breaches(&dependencies()), Vec::<String>::new());
}

#[test]
fn a_breach_of_the_walls_is_found() {
    let mut broken = dependencies();
    broken.get_mut("acd").unwrap().insert("sip".into());
    broken.get_mut("sip").unwrap().insert("tokio".into());
    broken.remove("hooks");
    let found = breaches(&broken);
    for breach in ["acd may not know sip", "sip is a core and may not know tokio", "crate hooks is missing"] {
        assert!(found.iter().any(|known| known == breach), "{breach}: {found:?}");
    }
}

#[test]
fn tests_are_told_from_what_they_test() {
    let (tests, others): (Vec<_>, Vec<_>) = sources().into_iter().partition(|(path, _)| is_test(path));
    assert!(tests.len() > 50 && others.len() > 200, "{} and {}", tests.len(), others.len());
    assert!(
        is_test(&root().join("crates/sip/tests/torture.rs"))
            && !is_test(&root().join("crates/sip/src/lib.rs"))
    );
}

#[test]
fn every_file_says_first_what_it_owns() {
    // Tests own what the file beside them owns.
    let silent: Vec<_> = sources()
        .into_iter()
        .filter(|(path, text)| !is_test(path) && !text.starts_with("//!"))
        .map(|(path, _)| path)
        .collect();
    assert!(silent.is_empty(), "{silent:#?}");
}

#[test]
fn files_stay_small() {
    let large: Vec<_> = sources()
        .into_iter()
        .filter(|(path, _)| !is_test(path))
        .map(|(path, text)| (path, text.lines().take_while(|line| *line != "#[cfg(test)]").count()))
        .filter(|(_, lines)| *lines > 600)
        .collect();
    assert!(large.is_empty(), "{large:#?}");
}

#[test]
fn no_file_is_a_drawer_for_everything() {
    const DRAWERS: &[&str] = &["utils", "util", "helpers", "helper", "common", "misc", "manager"];
    let drawers: Vec<_> = sources()
        .into_iter()
        .map(|(path, _)| path)
        .filter(|path| path.file_stem().is_some_and(|stem| DRAWERS.contains(&stem.to_str().unwrap_or(""))))
        .collect();
    assert!(drawers.is_empty(), "{drawers:#?}");
}

#[test]
fn nothing_is_left_for_later() {
    // In two pieces each, so that this file does not find itself.
    let words = [["TO", "DO"], ["FIX", "ME"], ["XX", "X:"], ["todo", "!("], ["unimplemented", "!("]]
        .map(|w| w.concat());
    let left: Vec<_> = sources()
        .into_iter()
        .flat_map(|(path, text)| {
            let words = words.clone();
            text.lines()
                .enumerate()
                .filter(move |(_, line)| words.iter().any(|word| line.contains(word.as_str())))
                .map(|(at, line)| format!("{}:{}: {}", path.display(), at + 1, line.trim()))
                .collect::<Vec<_>>()
        })
        .collect();
    assert!(left.is_empty(), "{left:#?}");
}

#[test]
fn cores_read_no_clock_and_start_nothing() {
    let words = [
        "Instant::now",
        "SystemTime::now",
        "thread::sleep",
        "thread::spawn",
        "tokio::",
        "std::fs::",
        "UdpSocket",
    ];
    let found: Vec<_> = sources()
        .into_iter()
        .filter(|(path, _)| !is_test(path) && !path.ends_with("clock/src/system.rs"))
        .filter(|(path, _)| {
            CORES.iter().any(|core| path.starts_with(root().join("crates").join(core).join("src")))
        })
        .flat_map(|(path, text)| {
            text.lines()
                .take_while(|line| *line != "#[cfg(test)]")
                .filter(|line| !line.trim_start().starts_with("//"))
                .filter(|line| words.iter().any(|word| line.contains(word)))
                .map(|line| format!("{}: {}", path.display(), line.trim()))
                .collect::<Vec<_>>()
        })
        .collect();
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn nothing_names_the_machine_it_was_made_on() {
    let places = [["/wo", "rk/"], ["/ro", "ot/"]].map(|parts| parts.concat());
    let named: Vec<_> = sources()
        .into_iter()
        .filter(|(_, text)| places.iter().any(|place| text.contains(place.as_str())))
        .map(|(path, _)| path)
        .collect();
    assert!(named.is_empty(), "{named:#?}");
}
