//! Owns what we let in: licences that suit us, and no crate that nobody keeps any more.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};

use crate::run;

/// Licences that suit a product under MIT OR Apache-2.0.
const ALLOWED: &[&str] = &[
    "MIT",
    "MIT-0",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "ISC",
    "MPL-2.0",
    "Unlicense",
    "CC0-1.0",
    "Zlib",
    "Unicode-3.0",
];

/// Crates without an SPDX expression, by the licence that stands in their LICENSE file.
const BY_FILE: &[(&str, &str)] = &[("rsip", "MIT"), ("rsip-derives", "MIT")];

/// Crates that are no longer kept, and what we use instead.
const STALE: &[(&str, &str)] = &[
    ("figment", "toml"),
    ("tokio-uring", "io-uring"),
    ("madsim", "sim"),
    ("fred", "redis"),
    ("audiopus", "audio-codec"),
    ("webrtc-vad", "earshot"),
    ("axum-login", "api"),
];

/// Checks every package that any target of the workspace pulls in.
pub fn check() -> Result<()> {
    let metadata = run::metadata()?;
    let packages = metadata["packages"].as_array().context("packages")?;
    let mut findings = Vec::new();
    let mut versions: BTreeMap<&str, usize> = BTreeMap::new();
    for package in packages {
        let name = package["name"].as_str().context("name")?;
        *versions.entry(name).or_default() += 1;
        if let Some((_, instead)) = STALE.iter().find(|(stale, _)| *stale == name) {
            findings.push(format!("{name}: 已无人维护 / nobody keeps it any more; use {instead}"));
        }
        let by_file = BY_FILE.iter().find(|(known, _)| *known == name).map(|(_, licence)| *licence);
        match package["license"].as_str().or(by_file) {
            Some(licence) if is_allowed(licence) => {}
            Some(licence) => findings.push(format!("{name}: 许可证 / licence «{licence}»")),
            None => findings.push(format!("{name}: 没有许可证 / no licence")),
        }
    }
    if !findings.is_empty() {
        bail!("依赖检查 / dependencies:\n  {}", findings.join("\n  "));
    }
    let twice = versions.iter().filter(|(_, count)| **count > 1).count();
    eprintln!(
        "依赖检查通过 / dependencies are fine: {} packages, {twice} in more than one version",
        packages.len()
    );
    Ok(())
}

/// Whether an SPDX expression lets us choose allowed licences alone: `OR` needs one, `AND` all.
fn is_allowed(expression: &str) -> bool {
    let expression = expression.replace('/', " OR ");
    any_of(&expression)
}

fn any_of(expression: &str) -> bool {
    split(expression, " OR ").iter().any(|part| split(part, " AND ").iter().all(|part| one(part)))
}

fn one(part: &str) -> bool {
    let part = part.trim();
    match part.strip_prefix('(').and_then(|part| part.strip_suffix(')')) {
        Some(inner) => any_of(inner),
        None => ALLOWED.contains(&part),
    }
}

/// Splits at `word` outside parentheses.
fn split<'a>(text: &'a str, word: &str) -> Vec<&'a str> {
    let (mut parts, mut depth, mut start) = (Vec::new(), 0usize, 0);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            _ if depth == 0 && at >= start && text[at..].starts_with(word) => {
                parts.push(&text[start..at]);
                start = at + word.len();
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

#[cfg(test)]
mod tests {
    use super::is_allowed;

    #[test]
    fn an_expression_is_allowed_when_one_choice_is() {
        for fine in ["MIT", "MIT/Apache-2.0", "GPL-3.0 OR MIT", "(MIT OR Apache-2.0) AND Unicode-3.0"] {
            assert!(is_allowed(fine), "{fine}");
        }
    }

    #[test]
    fn an_expression_is_refused_when_a_part_is_not_ours_to_take() {
        for bad in ["GPL-3.0", "MIT AND GPL-3.0", "(GPL-3.0 OR AGPL-3.0) AND MIT", "", "Proprietary"] {
            assert!(!is_allowed(bad), "{bad}");
        }
    }
}
