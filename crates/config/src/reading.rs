//! Owns what is known while a folder is read: findings, names defined and names meant.
//! Does not own how values are decoded (see `decode`).

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;

use model::TenantId;

use crate::fields::NameKind;
use crate::{Diagnostic, Diagnostics, Place, Severity, Sources, syntax};

/// The state of reading one folder.
pub(crate) struct Reading<'s> {
    pub sources: &'s Sources,
    /// Whose file is read now.
    pub tenant: TenantId,
    /// The flow that is read now, for the names of its nodes.
    pub flow: String,
    file: usize,
    found: Vec<(Spot, Diagnostic)>,
    defined: HashMap<(NameKind, String), BTreeMap<String, Spot>>,
    meant: Vec<Meant>,
    /// Trunks that calls go out by, and where that is written.
    calls_out: Vec<(String, Spot)>,
    /// Files that are no TOML. What else they seem to say is not told, nor that names are missing which they
    /// may define.
    broken: HashSet<usize>,
    unsure: HashSet<NameKind>,
}

/// A place by file and bytes; an empty range at 0 is the file as a whole.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Spot {
    pub file: usize,
    pub start: usize,
    pub end: usize,
}

/// A name written where something defined elsewhere is meant.
struct Meant {
    kind: NameKind,
    scope: String,
    name: String,
    spot: Spot,
}

impl<'s> Reading<'s> {
    pub fn new(sources: &'s Sources) -> Reading<'s> {
        Reading {
            sources,
            tenant: TenantId::default(),
            flow: String::new(),
            file: 0,
            found: Vec::new(),
            defined: HashMap::new(),
            meant: Vec::new(),
            calls_out: Vec::new(),
            broken: HashSet::new(),
            unsure: HashSet::new(),
        }
    }

    /// From now on that file is read, which is `tenant`'s.
    pub fn enter(&mut self, file: usize, tenant: &TenantId) {
        self.file = file;
        self.tenant = tenant.clone();
    }

    /// The spot of those bytes in the file that is read now.
    pub fn spot(&self, range: Range<usize>) -> Spot {
        Spot { file: self.file, start: range.start, end: range.end }
    }

    /// The file that is read now, as a whole.
    pub fn whole_file(&self) -> Spot {
        self.spot(0..0)
    }

    /// An error at `spot`.
    pub fn error(&mut self, spot: &Spot, code: &'static str, zh: String, en: String) {
        self.tell(Severity::Error, spot, code, zh, en, None);
    }

    /// A warning at `spot`.
    pub fn warn(&mut self, spot: &Spot, code: &'static str, zh: String, en: String) {
        self.tell(Severity::Warning, spot, code, zh, en, None);
    }

    /// An error about the word `wrong`, with the nearest of the words that would be right.
    pub fn wrong_word<'w>(
        &mut self,
        spot: &Spot,
        code: &'static str,
        texts: (String, String),
        wrong: &str,
        right: impl Iterator<Item = &'w str>,
    ) {
        let suggestion = nearest(wrong, right);
        self.tell(Severity::Error, spot, code, texts.0, texts.1, suggestion);
    }

    /// The file that is read now is no TOML; it may define names of `kind`.
    pub fn broken(&mut self, error: Range<usize>, message: &str, kind: Option<NameKind>) {
        let spot = self.spot(error);
        let (zh, en) =
            (format!("TOML 语法错误: {}", syntax::in_chinese(message)), format!("TOML syntax: {message}"));
        self.error(&spot, SYNTAX, zh, en);
        self.give_up(kind);
    }

    /// The file that is read now is not UTF-8 from byte `at` on; it may define names of `kind`.
    pub fn not_utf8(&mut self, at: usize, kind: Option<NameKind>) {
        // What stands there now is the mark for what cannot be read.
        let spot = self.spot(at..at + char::REPLACEMENT_CHARACTER.len_utf8());
        let zh = "文件不是 UTF-8 编码 (多半是 GBK): 请在编辑器里另存为 UTF-8".to_owned();
        let en = "the file is not UTF-8 (GBK, it seems): save it as UTF-8".to_owned();
        self.error(&spot, "encoding", zh, en);
        self.give_up(kind);
    }

    /// What the file that is read now says cannot be known.
    fn give_up(&mut self, kind: Option<NameKind>) {
        self.broken.insert(self.file);
        self.unsure.extend(kind);
    }

    /// Something is called `name` from here on.
    pub fn define(&mut self, kind: NameKind, name: &str, spot: &Spot) {
        let scope = self.scope(kind);
        let names = self.defined.entry((kind, scope)).or_default();
        if let Some(first) = names.get(name) {
            let first = first.clone();
            let at = self.place(&first);
            let (zh, en) = (kind.zh(), kind.en());
            self.error(
                spot,
                "duplicate",
                format!("{zh} «{name}» 重复, 已在 {}:{} 定义", at.file, at.line.max(1)),
                format!("{en} \"{name}\" is defined already in {}:{}", at.file, at.line.max(1)),
            );
        } else {
            names.insert(name.to_owned(), spot.clone());
        }
    }

    /// `name` means something defined elsewhere.
    pub fn mean(&mut self, kind: NameKind, name: &str, spot: &Spot) {
        let scope = self.scope(kind);
        self.meant.push(Meant { kind, scope, name: name.to_owned(), spot: spot.clone() });
    }

    /// Calls go out by that trunk.
    pub fn call_out(&mut self, trunk: &str, spot: &Spot) {
        self.calls_out.push((trunk.to_owned(), spot.clone()));
    }

    /// The trunks that calls go out by.
    pub fn take_calls_out(&mut self) -> Vec<(String, Spot)> {
        std::mem::take(&mut self.calls_out)
    }

    /// Whether anything keeps the folder from being used.
    pub fn has_errors(&self) -> bool {
        self.found.iter().any(|(_, found)| found.severity == Severity::Error)
    }

    /// A file that must be there is not.
    pub fn missing_file(&mut self, name: &str, suggestion: Option<String>) {
        let place = Place { file: name.to_owned(), width: 1, ..Place::default() };
        let (zh, en) = (format!("缺少 {name}"), format!("{name} is missing"));
        let found = Diagnostic { severity: Severity::Error, code: "missing-file", place, zh, en, suggestion };
        self.found.push((Spot { file: 0, start: 0, end: 0 }, found));
    }

    /// Where `name` of the tenant that is read now is defined.
    pub fn defined_at(&self, kind: NameKind, name: &str) -> Option<&Spot> {
        self.defined.get(&(kind, self.scope(kind)))?.get(name)
    }

    /// Reports every name that means nothing.
    pub fn check_names(&mut self) {
        for meant in std::mem::take(&mut self.meant) {
            if self.unsure.contains(&meant.kind) {
                continue;
            }
            if meant.kind == NameKind::Prompt {
                self.check_prompt(&meant);
                continue;
            }
            let names = self.defined.get(&(meant.kind, meant.scope.clone()));
            if names.is_some_and(|names| names.contains_key(&meant.name)) {
                continue;
            }
            let known: Vec<String> = names.map(|names| names.keys().cloned().collect()).unwrap_or_default();
            self.dangling(&meant, &known);
        }
    }

    fn check_prompt(&mut self, meant: &Meant) {
        let Some(built_in) = &self.sources.built_in_prompts else { return };
        let own = self.sources.own_prompts.iter().filter(|p| p.tenant.as_str() == meant.scope);
        let known: Vec<String> = built_in.iter().cloned().chain(own.map(|p| p.as_str().to_owned())).collect();
        if !known.contains(&meant.name) {
            self.dangling(meant, &known);
        }
    }

    fn dangling(&mut self, meant: &Meant, known: &[String]) {
        let (zh, en, name) = (meant.kind.zh(), meant.kind.en(), &meant.name);
        let texts = (format!("没有名为 «{name}» 的{zh}"), format!("there is no {en} \"{name}\""));
        self.wrong_word(&meant.spot, "dangling", texts, name, known.iter().map(String::as_str));
    }

    /// Everything found, by file and place, each place and text once.
    pub fn finish(mut self) -> Diagnostics {
        self.found.sort_by(|a, b| a.0.cmp(&b.0));
        let mut items: Vec<Diagnostic> = self.found.into_iter().map(|(_, diagnostic)| diagnostic).collect();
        items.dedup();
        Diagnostics { items }
    }

    fn scope(&self, kind: NameKind) -> String {
        match kind {
            NameKind::Node => format!("{}/{}", self.tenant, self.flow),
            _ if kind.is_of_tenant() => self.tenant.to_string(),
            _ => String::new(),
        }
    }

    fn tell(
        &mut self,
        severity: Severity,
        spot: &Spot,
        code: &'static str,
        zh: String,
        en: String,
        suggestion: Option<String>,
    ) {
        if self.broken.contains(&spot.file) && code != SYNTAX {
            return;
        }
        let place = self.place(spot);
        self.found.push((spot.clone(), Diagnostic { severity, code, place, zh, en, suggestion }));
    }

    /// Line, column and text of a spot.
    fn place(&self, spot: &Spot) -> Place {
        let Some(file) = self.sources.files.get(spot.file) else { return Place::default() };
        if spot.start == 0 && spot.end == 0 {
            return Place { file: file.path.clone(), width: 1, ..Place::default() };
        }
        let text = file.text.as_str();
        let start = floor_boundary(text, spot.start);
        let end = floor_boundary(text, spot.end).max(start);
        let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
        let width = text[start..end.min(line_end).max(start)].chars().count().max(1);
        Place {
            file: file.path.clone(),
            line: text[..start].matches('\n').count() + 1,
            column: text[line_start..start].chars().count() + 1,
            width,
            source: text[line_start..line_end].trim_end_matches('\r').to_owned(),
        }
    }
}

fn floor_boundary(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// The code of what is no TOML.
const SYNTAX: &str = "syntax";

/// The word most like `wrong`, when it is like it at all.
pub(crate) fn nearest<'w>(wrong: &str, right: impl Iterator<Item = &'w str>) -> Option<String> {
    const LIKE_ENOUGH: f64 = 0.5;
    right
        .map(|word| (strsim::normalized_damerau_levenshtein(wrong, word), word))
        .filter(|(likeness, _)| *likeness >= LIKE_ENOUGH)
        // Of two that are as like, the one that stands in it whole.
        .max_by(|a, b| a.0.total_cmp(&b.0).then(wrong.contains(a.1).cmp(&wrong.contains(b.1))))
        .map(|(_, word)| word.to_owned())
}
