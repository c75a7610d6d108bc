//! Owns what a request says, field by field: each has its name, its limit, and words in two languages for what is wrong with it.
//! Does not own what is done with it (see [`crate::routes`]).

use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use model::TenantId;
use serde::de::{Deserialize, DeserializeOwned, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::error::Category;

use crate::error::Problem;
use crate::routes::Shared;

/// A field of a body, a key of a query, or a part of a path.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    name: &'static str,
    zh: &'static str,
    /// In characters.
    longest: usize,
    lines: Lines,
}

/// Whether a text may have several lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lines {
    One,
    Many,
}

impl Field {
    /// A name or number, as long as the configuration's may be.
    pub(crate) const fn named(name: &'static str, zh: &'static str) -> Field {
        Field::line(name, zh, LONGEST_NAME)
    }

    /// A text of one line.
    pub(crate) const fn line(name: &'static str, zh: &'static str, longest: usize) -> Field {
        Field { name, zh, longest, lines: Lines::One }
    }

    /// A text that may have several lines.
    pub(crate) const fn lines(name: &'static str, zh: &'static str, longest: usize) -> Field {
        Field { name, zh, longest, lines: Lines::Many }
    }

    /// What is wrong with this field; `zh` follows its Chinese name, `en` its own.
    pub(crate) fn wrong(&self, zh: impl Display, en: impl Display) -> Problem {
        let Field { name, zh: what, .. } = self;
        Problem::bad_request(format!("{what}{zh} ({name})"), format!("`{name}` {en}"))
    }

    /// That this field is not there.
    pub(crate) fn missing(&self) -> Problem {
        let Field { name, zh, .. } = self;
        Problem::bad_request(format!("缺少{zh} ({name})"), format!("`{name}` is missing"))
    }

    /// `text` without the blanks around it.
    ///
    /// # Errors
    /// Where it is empty, too long, or has control characters in it.
    pub(crate) fn checked(&self, text: &str) -> Result<String, Problem> {
        let text = text.trim();
        let is_stray =
            |c: char| c.is_control() && !(self.lines == Lines::Many && matches!(c, '\n' | '\r' | '\t'));
        if text.is_empty() {
            Err(self.wrong("为空", "is empty"))
        } else if text.chars().count() > self.longest {
            let longest = self.longest;
            Err(self.wrong(format!("超过 {longest} 个字符"), format!("has more than {longest} characters")))
        } else if text.chars().any(is_stray) {
            Err(self.wrong("含有控制字符", "has control characters in it"))
        } else if text.contains(char::REPLACEMENT_CHARACTER) {
            Err(self.wrong("不是 UTF-8", "is not UTF-8"))
        } else {
            Ok(text.to_owned())
        }
    }

    /// What is meant by `text`.
    ///
    /// # Errors
    /// Where nothing is.
    pub(crate) fn parse<T: FromStr<Err: Display>>(&self, text: &str) -> Result<T, Problem> {
        self.checked(text)?.parse().map_err(|error: T::Err| self.refused(&error))
    }

    /// What reading this field ended in, «中文 / english» where it has both.
    pub(crate) fn refused(&self, error: &impl Display) -> Problem {
        let words = error.to_string();
        let (zh, en) = words.split_once(" / ").unwrap_or((&words, &words));
        self.wrong(format!("不对: {zh}"), format!("is wrong: {en}"))
    }
}

/// What a body or a query says. Each field is taken once; [`Said::end`] refuses what is left.
#[derive(Debug)]
pub(crate) struct Said {
    fields: BTreeMap<String, Value>,
    known: Vec<&'static str>,
}

impl Said {
    /// What a body says.
    fn in_body(bytes: &[u8]) -> Result<Said, Problem> {
        if bytes.is_empty() {
            return Err(Problem::bad_request(
                "没有正文, 应为 JSON 对象",
                "there is no body; it is a JSON object",
            ));
        }
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let at = error.valid_up_to() + 1;
            Problem::bad_request(
                format!("正文第 {at} 字节不是 UTF-8"),
                format!("byte {at} of the body is not UTF-8"),
            )
        })?;
        let Pairs(pairs) = serde_json::from_str(text).map_err(|error| no_object(&error))?;
        Said::of(pairs)
    }

    /// What a query says.
    fn in_query(uri: &axum::http::Uri) -> Result<Said, Problem> {
        let pairs = Query::<Vec<(String, String)>>::try_from_uri(uri)
            .map_err(|error| Problem::bad_request("查询条件不是 键=值", error.body_text()))?;
        Said::of(pairs.0.into_iter().map(|(key, value)| (key, Value::String(value))))
    }

    fn of(pairs: impl IntoIterator<Item = (String, Value)>) -> Result<Said, Problem> {
        let mut fields = BTreeMap::new();
        for (name, value) in pairs {
            let shown = shown(&name);
            if fields.insert(name, value).is_some() {
                return Err(Problem::bad_request(
                    format!("{shown} 写了不止一次"),
                    format!("{shown} is there more than once"),
                ));
            }
        }
        Ok(Said { fields, known: Vec::new() })
    }

    /// A text, where there is one.
    pub(crate) fn text_if(&mut self, field: &Field) -> Result<Option<String>, Problem> {
        self.known.push(field.name);
        match self.fields.remove(field.name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => field.checked(&text).map(Some),
            Some(other) => {
                let (zh, en) = kind_of(&other);
                Err(field.wrong(format!("应为文字, 不是{zh}"), format!("is a text, not {en}")))
            }
        }
    }

    /// A text.
    pub(crate) fn text(&mut self, field: &Field) -> Result<String, Problem> {
        self.text_if(field)?.ok_or_else(|| field.missing())
    }

    /// What a text means, where there is one.
    pub(crate) fn parsed_if<T: FromStr<Err: Display>>(
        &mut self,
        field: &Field,
    ) -> Result<Option<T>, Problem> {
        self.text_if(field)?.map(|text| field.parse(&text)).transpose()
    }

    /// What a text means.
    pub(crate) fn parsed<T: FromStr<Err: Display>>(&mut self, field: &Field) -> Result<T, Problem> {
        let text = self.text(field)?;
        field.parse(&text)
    }

    /// A number of a query, where there is one.
    pub(crate) fn number_if(
        &mut self,
        field: &Field,
        range: RangeInclusive<u64>,
    ) -> Result<Option<u64>, Problem> {
        let Some(text) = self.text_if(field)? else { return Ok(None) };
        let number = text.parse().ok().filter(|number| range.contains(number));
        let wrong = || {
            let (least, most, shown) = (range.start(), range.end(), shown(&text));
            field.wrong(
                format!("应为 {least} 至 {most} 的整数, 不是 {shown}"),
                format!("is an integer from {least} to {most}, not {shown}"),
            )
        };
        number.map(Some).ok_or_else(wrong)
    }

    /// The place of a word among `words`.
    pub(crate) fn word(&mut self, field: &Field, words: &[&str]) -> Result<usize, Problem> {
        let text = self.text(field)?;
        words.iter().position(|word| *word == text).ok_or_else(|| no_word(field, &text, words))
    }

    /// One of `all`, by the word that it is written with, where there is one.
    pub(crate) fn one_of_if<T: serde::Serialize + Copy>(
        &mut self,
        field: &Field,
        all: &[T],
    ) -> Result<Option<T>, Problem> {
        let Some(text) = self.text_if(field)? else { return Ok(None) };
        // invariant: the choices of a request are unit variants, whose JSON is a word.
        let words: Vec<String> =
            all.iter().filter_map(|one| Some(serde_json::to_value(one).ok()?.as_str()?.to_owned())).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let found = words.iter().zip(all).find(|(word, _)| **word == text);
        found.map(|(_, one)| Some(*one)).ok_or_else(|| no_word(field, &text, &words))
    }

    /// One of `all`, by the word that it is written with.
    pub(crate) fn one_of<T: serde::Serialize + Copy>(
        &mut self,
        field: &Field,
        all: &[T],
    ) -> Result<T, Problem> {
        self.one_of_if(field, all)?.ok_or_else(|| field.missing())
    }

    /// The tenant that is meant.
    pub(crate) fn tenant(&mut self) -> Result<TenantId, Problem> {
        let named = self.text_if(&TENANT)?;
        Ok(named.map_or_else(TenantId::default, |name| TenantId::new(&name)))
    }

    /// Nothing else is said.
    pub(crate) fn end(self) -> Result<(), Problem> {
        let Some(stray) = self.fields.keys().next() else { return Ok(()) };
        let (shown, known) = (shown(stray), self.known.join(", "));
        Err(Problem::bad_request(
            format!("不认识 {shown}, 可用: {known}"),
            format!("{shown} is not known here; these are: {known}"),
        ))
    }
}

/// The body of a request, a JSON object.
pub(crate) struct Body(pub(crate) Said);

impl FromRequest<Shared> for Body {
    type Rejection = Problem;
    async fn from_request(request: Request, shared: &Shared) -> Result<Body, Problem> {
        if !is_json(request.headers()) {
            return Err(Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "正文应为 JSON (Content-Type: application/json)",
                "the body is JSON (Content-Type: application/json)",
            ));
        }
        let limits = shared.limits;
        let read = Bytes::from_request(request, shared);
        let Ok(read) = tokio::time::timeout(limits.body_time, read).await else {
            let seconds = limits.body_time.as_secs_f32();
            return Err(Problem::new(
                StatusCode::REQUEST_TIMEOUT,
                format!("正文 {seconds} 秒内没有传完"),
                format!("the body did not come within {seconds} s"),
            ));
        };
        let bytes = read.map_err(|error| unread(&error, limits.body_bytes))?;
        Said::in_body(&bytes).map(Body)
    }
}

/// The parts of a path that stand for something, as they are written.
pub(crate) struct InPath<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for InPath<T> {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<InPath<T>, Problem> {
        let Path(texts) = Path::<T>::from_request_parts(parts, state)
            .await
            .map_err(|_| Problem::bad_request("地址中有一段不是 UTF-8", "a part of the path is not UTF-8"))?;
        Ok(InPath(texts))
    }
}

/// The query of a request.
pub(crate) struct Asked(pub(crate) Said);

impl<S: Send + Sync> FromRequestParts<S> for Asked {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Asked, Problem> {
        Said::in_query(&parts.uri).map(Asked)
    }
}

/// The pairs of a JSON object, repeated ones too.
struct Pairs(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Pairs, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Pairs;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        from.deserialize_map(Object)
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json")
}

fn unread(error: &BytesRejection, most: usize) -> Problem {
    if error.status() == StatusCode::PAYLOAD_TOO_LARGE {
        let zh = format!("正文超过 {most} 字节");
        return Problem::new(error.status(), zh, format!("the body has more than {most} bytes"));
    }
    Problem::bad_request("正文没有传完", error.body_text())
}

fn no_object(error: &serde_json::Error) -> Problem {
    let (line, column) = (error.line(), error.column());
    let zh = match error.classify() {
        Category::Data => "正文应为 JSON 对象".to_owned(),
        Category::Eof => format!("正文的 JSON 不完整, 到第 {line} 行第 {column} 列为止"),
        Category::Io | Category::Syntax => {
            let deep = error.to_string().starts_with("recursion limit");
            let why = if deep { "嵌套太深" } else { "不是正确的 JSON" };
            format!("正文第 {line} 行第 {column} 列{why}")
        }
    };
    Problem::bad_request(zh, format!("the body is no JSON object: {error}"))
}

fn no_word(field: &Field, text: &str, words: &[&str]) -> Problem {
    let (shown, words) = (shown(text), words.join(", "));
    field.wrong(format!("应为 {words} 之一, 不是 {shown}"), format!("is one of {words}, not {shown}"))
}

/// What a peer wrote, as far as it fits in a sentence.
fn shown(text: &str) -> String {
    let mut cut: String = text.chars().take(LONGEST_SHOWN).flat_map(char::escape_debug).collect();
    if text.chars().nth(LONGEST_SHOWN).is_some() {
        cut.push('…');
    }
    format!("«{cut}»")
}

fn kind_of(value: &Value) -> (&'static str, &'static str) {
    match value {
        Value::Null => ("空", "null"),
        Value::Bool(_) => ("真假值", "a truth value"),
        Value::Number(_) => ("数字", "a number"),
        Value::String(_) => ("文字", "a text"),
        Value::Array(_) => ("列表", "a list"),
        Value::Object(_) => ("对象", "an object"),
    }
}

/// The longest name, in characters: that of the configuration.
const LONGEST_NAME: usize = 64;
/// So much of what a peer wrote is repeated to it, in characters.
const LONGEST_SHOWN: usize = 40;
const TENANT: Field = Field::named("tenant", "租户");
