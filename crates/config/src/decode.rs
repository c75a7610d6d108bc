//! Owns how a TOML value becomes a checked value of its kind. Does not own which kinds a key takes (see `tables`).

use std::sync::Arc;
use std::time::Duration;

use model::PromptName;
use model::say::{Decimal, FigureError, Key, SayItem, Tone, Weekday};
use routing::{Cidr, RtpRange, Target, is_pattern};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::fields::{Choice, Field, Kind, NameKind, Object, Presence};
use crate::reading::{Reading, Spot, nearest};
use crate::record::{Entry, Origin, Record, Value};
use crate::tables::SAY;

type Toml<'i> = Spanned<DeValue<'i>>;

impl Reading<'_> {
    /// Checks a table against its object: unknown keys, wrong values, missing keys.
    pub fn read(&mut self, object: &'static Object, table: &DeTable<'_>, spot: &Spot) -> Record {
        let mut record =
            Record { object, spot: spot.clone(), entries: Vec::with_capacity(object.fields.len()) };
        for (key, value) in table {
            match object.field(key.get_ref()) {
                Some(field) => {
                    let spot = self.spot(value.span());
                    if let Some(value) = self.value(&field.kind, value) {
                        record.entries.push((field.key, Entry { value, spot, origin: Origin::Written }));
                    }
                }
                None => self.unknown_key(key, object, table),
            }
        }
        for field in object.fields.iter().filter(|field| !table.contains_key(field.key)) {
            self.absent(field, &mut record);
        }
        record
    }

    fn unknown_key(
        &mut self,
        key: &Spanned<std::borrow::Cow<'_, str>>,
        object: &Object,
        table: &DeTable<'_>,
    ) {
        let name = key.get_ref();
        let spot = self.spot(key.span());
        let texts =
            (format!("{} 没有 «{name}» 这一项", object.zh), format!("{} has no key \"{name}\"", object.en));
        let mut right: Vec<&str> = object.fields.iter().map(|field| field.key).collect();
        // A key that is there already is meant only when nothing else is like it.
        if nearest(name, right.iter().copied().filter(|key| !table.contains_key(*key))).is_some() {
            right.retain(|key| !table.contains_key(*key));
        }
        self.wrong_word(&spot, "unknown-key", texts, name, right.into_iter());
    }

    fn absent(&mut self, field: &'static Field, record: &mut Record) {
        match field.presence {
            Presence::Optional => {}
            Presence::Required => {
                let object = record.object;
                self.error(
                    &record.spot,
                    "missing-key",
                    format!("{} 缺少必填项 «{}» ({})", object.zh, field.key, field.zh),
                    format!("{} needs the key \"{}\" ({})", object.en, field.key, field.en),
                );
            }
            Presence::Default(text) => {
                let spot = record.spot.clone();
                if let Ok(value) = DeValue::parse(text)
                    && let Some(value) = self.default_value(field, &value, &spot)
                {
                    record.entries.push((field.key, Entry { value, spot, origin: Origin::Default }));
                }
            }
        }
    }

    /// A default is right by test; what it names is looked for where the object stands.
    fn default_value(&mut self, field: &'static Field, value: &Toml<'_>, spot: &Spot) -> Option<Value> {
        if let (Kind::Ref(kind), Some(name)) = (&field.kind, value.get_ref().as_str()) {
            self.mean(*kind, name, spot);
            return Some(Value::Text(Arc::from(name)));
        }
        self.value(&field.kind, value)
    }

    /// A value of `kind`; None after its error was told.
    fn value(&mut self, kind: &'static Kind, value: &Toml<'_>) -> Option<Value> {
        let spot = self.spot(value.span());
        match (kind, value.get_ref()) {
            (Kind::Bool, DeValue::Boolean(truth)) => Some(Value::Bool(*truth)),
            (Kind::Integer(low, high), DeValue::Integer(number)) => {
                let number = i64::from_str_radix(number.as_str(), number.radix()).ok();
                let inside = number.filter(|n| (*low..=*high).contains(n));
                self.or_bad(inside.map(Value::Integer), kind, &spot)
            }
            (Kind::Seconds(low, high), DeValue::Integer(_) | DeValue::Float(_)) => {
                let seconds = seconds_of(value.get_ref()).filter(|s| (*low..=*high).contains(&(*s as u32)));
                let duration = seconds.and_then(|s| Duration::try_from_secs_f64(s).ok());
                let inside = duration.filter(|d| *d <= Duration::from_secs(u64::from(*high)));
                self.or_bad(inside.map(Value::Seconds), kind, &spot)
            }
            (Kind::List(of), DeValue::Array(array)) => {
                Some(Value::List(array.iter().filter_map(|value| self.entry(of, value)).collect()))
            }
            (Kind::OneOrMore(of), DeValue::Array(array)) => {
                Some(Value::List(array.iter().filter_map(|value| self.entry(of, value)).collect()))
            }
            (Kind::OneOrMore(of), DeValue::String(_)) => {
                self.entry(of, value).map(|entry| Value::List(vec![entry]))
            }
            (Kind::Tables(object), DeValue::Array(array)) => Some(self.tables(object, array, kind)),
            (Kind::Table(object), DeValue::Table(table)) => {
                Some(Value::Record(self.read(object, table, &spot)))
            }
            (Kind::Keys(of), DeValue::Table(table)) => {
                let is_key = |text: &str| matches!(text.chars().collect::<Vec<_>>()[..], [c] if Key::from_char(c).is_some());
                Some(self.map(
                    of,
                    table,
                    is_key,
                    ("按键 (0-9, *, #, A-D)", "a telephone key (0-9, *, #, A-D)"),
                ))
            }
            (Kind::Numbers(of), DeValue::Table(table)) => {
                Some(self.map(of, table, is_dialled, ("号码 (数字, * 和 #)", "a number (digits, * and #)")))
            }
            (Kind::Named(names, objects), DeValue::Table(table)) => Some(self.named(*names, objects, table)),
            (Kind::Say, DeValue::Table(table)) => self.said(table, &spot),
            (_, DeValue::String(text)) if kind.is_text() => self.text(kind, text, &spot),
            (_, other) => {
                let found = found(other);
                self.error(
                    &spot,
                    "wrong-type",
                    format!("这里应为{}, 写的是{}", kind.zh(), found.0),
                    format!("expected {}, found {}", kind.en(), found.1),
                );
                None
            }
        }
    }

    fn entry(&mut self, kind: &'static Kind, value: &Toml<'_>) -> Option<Entry> {
        let spot = self.spot(value.span());
        self.value(kind, value).map(|value| Entry { value, spot, origin: Origin::Written })
    }

    fn tables(&mut self, object: &'static Object, array: &[Toml<'_>], kind: &'static Kind) -> Value {
        let mut entries = Vec::with_capacity(array.len());
        for value in array {
            let spot = self.spot(value.span());
            match value.get_ref() {
                DeValue::Table(table) => {
                    let value = Value::Record(self.read(object, table, &spot));
                    entries.push(Entry { value, spot, origin: Origin::Written });
                }
                other => {
                    let found = found(other);
                    self.error(
                        &spot,
                        "wrong-type",
                        format!("这里应为{}, 写的是{}", kind.zh(), found.0),
                        format!("expected {}, found {}", kind.en(), found.1),
                    );
                }
            }
        }
        Value::List(entries)
    }

    fn map(
        &mut self,
        of: &'static Kind,
        table: &DeTable<'_>,
        is_key: impl Fn(&str) -> bool,
        expected: (&str, &str),
    ) -> Value {
        let mut entries = Vec::with_capacity(table.len());
        for (key, value) in table {
            let spot = self.spot(key.span());
            let name = key.get_ref();
            if !is_key(name) {
                let (zh, en) = expected;
                self.error(
                    &spot,
                    "bad-value",
                    format!("«{name}» 不是{zh}"),
                    format!("\"{name}\" is not {en}"),
                );
            }
            if let Some(entry) = self.entry(of, value) {
                entries.push((Arc::from(name.as_ref()), spot, entry));
            }
        }
        Value::Map(entries)
    }

    /// Objects by name, each told apart by its key `kind`.
    fn named(&mut self, names: NameKind, objects: &'static [&'static Object], table: &DeTable<'_>) -> Value {
        let mut entries = Vec::with_capacity(table.len());
        for (name, value) in table {
            let key_spot = self.spot(name.span());
            self.define(names, name.get_ref(), &key_spot);
            let spot = self.spot(value.span());
            let DeValue::Table(table) = value.get_ref() else {
                let found = found(value.get_ref());
                self.error(
                    &spot,
                    "wrong-type",
                    format!("这里应为表 [{}.{}], 写的是{}", names.en(), name.get_ref(), found.0),
                    format!("expected a table [{}.{}], found {}", names.en(), name.get_ref(), found.1),
                );
                continue;
            };
            if let Some(object) = self.object_by_kind(objects, table, &key_spot) {
                let value = Value::Record(self.read(object, table, &key_spot));
                let entry = Entry { value, spot, origin: Origin::Written };
                entries.push((Arc::from(name.get_ref().as_ref()), key_spot, entry));
            }
        }
        Value::Map(entries)
    }

    fn object_by_kind(
        &mut self,
        objects: &'static [&'static Object],
        table: &DeTable<'_>,
        spot: &Spot,
    ) -> Option<&'static Object> {
        let words = || objects.iter().map(|object| object.name);
        let list = || words().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", ");
        let Some(kind) = table.get("kind") else {
            for (key, _) in table {
                if !objects.iter().any(|object| object.field(key.get_ref()).is_some()) {
                    let name = key.get_ref();
                    let texts =
                        (format!("节点没有 «{name}» 这一项"), format!("a node has no key \"{name}\""));
                    let spot = self.spot(key.span());
                    let known = objects.iter().flat_map(|object| object.fields).map(|field| field.key);
                    self.wrong_word(&spot, "unknown-key", texts, name, known);
                }
            }
            self.error(
                spot,
                "missing-key",
                format!("缺少必填项 «kind», 以下之一: {}", list()),
                format!("the key \"kind\" is needed, one of {}", list()),
            );
            return None;
        };
        let kind_spot = self.spot(kind.span());
        let Some(word) = kind.get_ref().as_str() else {
            let found = found(kind.get_ref());
            self.error(
                &kind_spot,
                "wrong-type",
                format!("这里应为以下之一: {}, 写的是{}", list(), found.0),
                format!("expected one of {}, found {}", list(), found.1),
            );
            return None;
        };
        let object = objects.iter().find(|object| object.name == word).copied();
        if object.is_none() {
            let texts = (
                format!("没有 «{word}» 这种节点; 以下之一: {}", list()),
                format!("there is no kind \"{word}\"; one of {}", list()),
            );
            self.wrong_word(&kind_spot, "bad-value", texts, word, words());
        }
        object
    }

    /// `{ digits = "8001" }` and its like: exactly one key.
    fn said(&mut self, table: &DeTable<'_>, spot: &Spot) -> Option<Value> {
        let record = self.read(&SAY, table, spot);
        if table.len() != 1 {
            self.error(
                spot,
                "bad-value",
                "这里只能写一项, 如 { digits = \"8001\" }".into(),
                "exactly one key belongs here, e.g. { digits = \"8001\" }".into(),
            );
            return None;
        }
        let item = match record.entries.first()? {
            ("prompt", _) => SayItem::Prompt(PromptName::new(&self.tenant, &record.text("prompt"))),
            ("digits", _) => SayItem::Digits(record.text("digits").to_string()),
            ("number", _) => SayItem::Number(record.integer("number")),
            ("ordinal", _) => SayItem::Ordinal(record.integer("ordinal")),
            ("weekday", _) => SayItem::Weekday(Weekday::new(record.integer("weekday"))?),
            ("duration_seconds", _) => {
                SayItem::Duration(Duration::from_secs(record.integer("duration_seconds")))
            }
            (key @ ("decimal" | "percent" | "money" | "date" | "time"), entry) => {
                let text = record.text(key);
                return match figure(key, &text) {
                    Ok(item) => Some(Value::Say(item)),
                    Err(error) => {
                        let texts = error.to_string();
                        let (zh, en) = texts.split_once(" / ").unwrap_or((&texts, &texts));
                        self.error(&entry.spot, "bad-value", zh.to_owned(), en.to_owned());
                        None
                    }
                };
            }
            ("agent_number", _) => SayItem::AgentNumber(record.text("agent_number").to_string()),
            ("pause", _) => SayItem::Pause(record.integer("pause")),
            _ => SayItem::Tone(record.choice("tone", &Tone::ALL)),
        };
        Some(Value::Say(item))
    }

    fn text(&mut self, kind: &'static Kind, text: &str, spot: &Spot) -> Option<Value> {
        let value = match kind {
            Kind::Text => Some(text).filter(|text| !text.is_empty()).map(|text| Value::Text(Arc::from(text))),
            Kind::Name => Some(text).filter(|text| is_name(text)).map(|text| Value::Text(Arc::from(text))),
            Kind::Dialled => Some(text).filter(|text| is_dialled(text)).map(|t| Value::Text(Arc::from(t))),
            Kind::Target => Target::parse(text).map(|_| Value::Text(Arc::from(text))),
            Kind::Number => Some(text).filter(|t| is_number(t)).map(|t| Value::Text(Arc::from(t))),
            Kind::Pattern => Some(text).filter(|t| is_pattern(t)).map(|t| Value::Text(Arc::from(t))),
            Kind::User => Some(text).filter(|text| is_user(text)).map(|text| Value::Text(Arc::from(text))),
            Kind::Socket => text.parse().ok().map(Value::Socket),
            Kind::Ip => text.parse().ok().map(Value::Ip),
            Kind::Cidr => parse_cidr(text).map(Value::Cidr),
            Kind::Ports => parse_ports(text).map(Value::Ports),
            Kind::SipUri => Some(text).filter(|t| is_sip_uri(t)).map(|text| Value::Text(Arc::from(text))),
            Kind::NumberRange => number_range(text).map(Value::Names),
            Kind::Choice(words) => return self.chosen(words, text, spot),
            Kind::Ref(names) => {
                self.mean(*names, text, spot);
                Some(Value::Text(Arc::from(text)))
            }
            Kind::RefRange(names) => {
                let members = number_range(text).unwrap_or_else(|| vec![Arc::from(text)]);
                for member in &members {
                    self.mean(*names, member, spot);
                }
                Some(Value::Names(members))
            }
            Kind::Say => {
                self.mean(NameKind::Prompt, text, spot);
                Some(Value::Say(SayItem::Prompt(PromptName::new(&self.tenant, text))))
            }
            _ => None,
        };
        self.or_bad(value, kind, spot)
    }

    fn chosen(&mut self, words: &'static [Choice], text: &str, spot: &Spot) -> Option<Value> {
        let place = words.iter().position(|choice| choice.word == text);
        if place.is_none() {
            let list =
                words.iter().map(|c| format!("\"{}\" {}", c.word, c.zh)).collect::<Vec<_>>().join(", ");
            let en = words.iter().map(|c| format!("\"{}\"", c.word)).collect::<Vec<_>>().join(", ");
            let texts = (format!("«{text}» 不在选项中: {list}"), format!("\"{text}\" is none of {en}"));
            self.wrong_word(spot, "bad-value", texts, text, words.iter().map(|choice| choice.word));
        }
        place.map(Value::Choice)
    }

    fn or_bad(&mut self, value: Option<Value>, kind: &Kind, spot: &Spot) -> Option<Value> {
        if value.is_none() {
            self.error(
                spot,
                "bad-value",
                format!("这个值不对, 应为{}", kind.zh()),
                format!("this value does not fit, expected {}", kind.en()),
            );
        }
        value
    }
}

impl Kind {
    /// Whether it is written as a TOML string.
    fn is_text(&self) -> bool {
        matches!(
            self,
            Kind::Text
                | Kind::Name
                | Kind::Dialled
                | Kind::User
                | Kind::Socket
                | Kind::Ip
                | Kind::Cidr
                | Kind::Ports
                | Kind::NumberRange
                | Kind::Target
                | Kind::Number
                | Kind::Pattern
                | Kind::SipUri
                | Kind::Choice(_)
                | Kind::Ref(_)
                | Kind::RefRange(_)
                | Kind::Say
        )
    }
}

/// A figure as people write it.
fn figure(key: &str, text: &str) -> Result<SayItem, FigureError> {
    Ok(match key {
        "decimal" => SayItem::Decimal(text.parse()?),
        "percent" => SayItem::Percent(text.parse()?),
        "date" => SayItem::Date(text.parse()?),
        "time" => SayItem::Time(text.parse()?),
        _ => {
            let amount: Decimal = text.parse()?;
            SayItem::Money(amount.hundredths().ok_or_else(|| FigureError::new(text, "102.05"))?)
        }
    })
}

/// The most members of one range.
const MAX_RANGE: u64 = 10_000;

fn found(value: &DeValue<'_>) -> (&'static str, &'static str) {
    match value {
        DeValue::String(_) => ("文字", "a text"),
        DeValue::Integer(_) => ("整数", "a whole number"),
        DeValue::Float(_) => ("小数", "a number with a fraction"),
        DeValue::Boolean(_) => ("true/false", "true or false"),
        DeValue::Datetime(_) => ("日期时间", "a date or time"),
        DeValue::Array(_) => ("列表", "a list"),
        DeValue::Table(_) => ("表", "a table"),
    }
}

fn seconds_of(value: &DeValue<'_>) -> Option<f64> {
    match value {
        DeValue::Integer(number) => {
            i64::from_str_radix(number.as_str(), number.radix()).ok().filter(|n| *n >= 0).map(|n| n as f64)
        }
        DeValue::Float(number) => number.as_str().parse().ok().filter(|n: &f64| n.is_finite() && *n >= 0.0),
        _ => None,
    }
}

/// Names of tenants, interfaces and files: they become parts of paths and of names on the wire.
pub(crate) fn is_name(text: &str) -> bool {
    let fits = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    !text.is_empty() && text.len() <= 64 && !text.starts_with('.') && text.chars().all(fits)
}

fn is_dialled(text: &str) -> bool {
    !text.is_empty() && text.len() <= 32 && text.bytes().all(|b| b.is_ascii_digit() || b == b'*' || b == b'#')
}

fn is_number(text: &str) -> bool {
    let fits = |b: u8| b.is_ascii_digit() || matches!(b, b'+' | b'*' | b'#');
    !text.is_empty() && text.len() <= 32 && text.bytes().all(fits)
}

fn is_user(text: &str) -> bool {
    !text.is_empty() && text.len() <= 64 && !text.contains(|c: char| c.is_whitespace() || c.is_control())
}

/// `sip:user@host[:port]`, enough to be sent to; `sip` parses it in full.
fn is_sip_uri(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("sip:") else { return false };
    let host = rest.split_once('@').map_or(rest, |(user, host)| if user.is_empty() { "" } else { host });
    let address = host.split([';', '?']).next().unwrap_or_default();
    let (name, port) = match address.rfind(':') {
        Some(at) if !address.ends_with(']') => (&address[..at], Some(&address[at + 1..])),
        _ => (address, None),
    };
    let is_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '[' | ']' | ':' | '_');
    !name.is_empty()
        && name.chars().all(is_host)
        && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0))
        && !rest.contains(|c: char| c.is_whitespace() || c.is_control() || matches!(c, '<' | '>' | '"'))
}

fn parse_cidr(text: &str) -> Option<Cidr> {
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix.parse::<u8>().ok()?)),
        None => (text, None),
    };
    let address: std::net::IpAddr = address.parse().ok()?;
    let bits = if address.is_ipv4() { 32 } else { 128 };
    let prefix = prefix.unwrap_or(bits);
    (prefix <= bits).then_some(Cidr { address, prefix })
}

fn parse_ports(text: &str) -> Option<RtpRange> {
    let (low, high) = text.split_once('-')?;
    let range = RtpRange { low: low.trim().parse().ok()?, high: high.trim().parse().ok()? };
    (range.low >= 1024 && range.high > range.low).then_some(range)
}

/// `9001-9100` written out; both ends of the same length, so that `0001-0100` keeps its zeros.
pub(crate) fn number_range(text: &str) -> Option<Vec<Arc<str>>> {
    let (low, high) = text.split_once('-')?;
    let digits = |t: &str| !t.is_empty() && t.len() <= 18 && t.bytes().all(|b| b.is_ascii_digit());
    if !digits(low) || !digits(high) || low.len() != high.len() {
        return None;
    }
    let (first, last): (u64, u64) = (low.parse().ok()?, high.parse().ok()?);
    if last < first || last - first >= MAX_RANGE {
        return None;
    }
    let width = low.len();
    Some((first..=last).map(|number| Arc::from(format!("{number:0width$}"))).collect())
}
