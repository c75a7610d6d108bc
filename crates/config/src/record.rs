//! Owns values after they were checked against their table. Does not own the checks (see `decode`).

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use model::say::SayItem;
use routing::{Cidr, RtpRange};

use crate::fields::Object;
use crate::reading::Spot;

/// One object's values. A key whose value was wrong is absent; its error is reported already, so that a
/// placeholder read in its stead is never used.
#[derive(Debug)]
pub(crate) struct Record {
    pub object: &'static Object,
    pub spot: Spot,
    pub entries: Vec<(&'static str, Entry)>,
}

/// A value with its place.
#[derive(Debug)]
pub(crate) struct Entry {
    pub value: Value,
    pub spot: Spot,
    pub origin: Origin,
}

/// Where a value came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The operator wrote it.
    Written,
    /// The table's default.
    Default,
}

/// A checked value.
#[derive(Debug)]
pub(crate) enum Value {
    Text(Arc<str>),
    Bool(bool),
    Integer(i64),
    Seconds(Duration),
    Socket(SocketAddr),
    Ip(IpAddr),
    Cidr(Cidr),
    Ports(RtpRange),
    /// A range, written out.
    Names(Vec<Arc<str>>),
    /// The place of the word in its choice.
    Choice(usize),
    Say(SayItem),
    List(Vec<Entry>),
    Map(Vec<(Arc<str>, Spot, Entry)>),
    Record(Record),
}

impl std::fmt::Debug for Object {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl Record {
    /// What is known of `key`: written, or its default.
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        debug_assert!(self.object.field(key).is_some(), "{} has no key {key}", self.object.name);
        self.entries.iter().find(|(name, _)| *name == key).map(|(_, entry)| entry)
    }

    /// Where `key` is written, else where the object begins.
    pub fn spot_of(&self, key: &str) -> &Spot {
        self.entry(key).map_or(&self.spot, |entry| &entry.spot)
    }

    /// Whether the operator wrote `key`.
    pub fn is_written(&self, key: &str) -> bool {
        self.entry(key).is_some_and(|entry| entry.origin == Origin::Written)
    }

    pub fn text(&self, key: &str) -> Arc<str> {
        self.text_if(key).unwrap_or_else(|| Arc::from(""))
    }

    pub fn text_if(&self, key: &str) -> Option<Arc<str>> {
        match &self.entry(key)?.value {
            Value::Text(text) => Some(text.clone()),
            _ => None,
        }
    }

    pub fn bool(&self, key: &str) -> bool {
        matches!(self.entry(key).map(|e| &e.value), Some(Value::Bool(true)))
    }

    pub fn integer<T: TryFrom<i64> + Default>(&self, key: &str) -> T {
        self.integer_if(key).unwrap_or_default()
    }

    pub fn integer_if<T: TryFrom<i64>>(&self, key: &str) -> Option<T> {
        match self.entry(key)?.value {
            Value::Integer(number) => T::try_from(number).ok(),
            _ => None,
        }
    }

    pub fn seconds(&self, key: &str) -> Duration {
        match self.entry(key).map(|e| &e.value) {
            Some(Value::Seconds(duration)) => *duration,
            _ => Duration::ZERO,
        }
    }

    /// Seconds of a key whose 0 means: never.
    pub fn seconds_unless_zero(&self, key: &str) -> Option<Duration> {
        Some(self.seconds(key)).filter(|duration| !duration.is_zero())
    }

    pub fn socket_if(&self, key: &str) -> Option<SocketAddr> {
        match self.entry(key)?.value {
            Value::Socket(address) => Some(address),
            _ => None,
        }
    }

    pub fn ip_if(&self, key: &str) -> Option<IpAddr> {
        match self.entry(key)?.value {
            Value::Ip(address) => Some(address),
            _ => None,
        }
    }

    pub fn ports(&self, key: &str) -> RtpRange {
        match self.entry(key).map(|e| &e.value) {
            Some(Value::Ports(range)) => *range,
            _ => RtpRange { low: 0, high: 0 },
        }
    }

    /// The element of `meanings` that stands at the place of the word in its choice.
    pub fn choice<T: Copy>(&self, key: &str, meanings: &[T]) -> T {
        match self.entry(key).map(|e| &e.value) {
            Some(Value::Choice(place)) => meanings[*place],
            _ => meanings[0],
        }
    }

    pub fn list(&self, key: &str) -> &[Entry] {
        match self.entry(key).map(|e| &e.value) {
            Some(Value::List(entries)) => entries,
            _ => &[],
        }
    }

    /// Texts of a list; ranges written out.
    pub fn texts(&self, key: &str) -> Vec<Arc<str>> {
        self.list(key).iter().flat_map(Entry::names).collect()
    }

    pub fn cidrs(&self, key: &str) -> Vec<Cidr> {
        let cidr = |entry: &Entry| match entry.value {
            Value::Cidr(cidr) => Some(cidr),
            _ => None,
        };
        self.list(key).iter().filter_map(cidr).collect()
    }

    pub fn say(&self, key: &str) -> Vec<SayItem> {
        let item = |entry: &Entry| match &entry.value {
            Value::Say(item) => Some(item.clone()),
            _ => None,
        };
        self.list(key).iter().filter_map(item).collect()
    }

    pub fn map(&self, key: &str) -> &[(Arc<str>, Spot, Entry)] {
        match self.entry(key).map(|e| &e.value) {
            Some(Value::Map(entries)) => entries,
            _ => &[],
        }
    }

    pub fn record_if(&self, key: &str) -> Option<&Record> {
        self.entry(key)?.record()
    }

    pub fn records(&self, key: &str) -> impl Iterator<Item = &Record> {
        self.list(key).iter().filter_map(Entry::record)
    }

    /// The records of a list, for keeps.
    pub fn into_records(self, key: &str) -> Vec<Record> {
        let entry = self.entries.into_iter().find(|(name, _)| *name == key).map(|(_, entry)| entry.value);
        let Some(Value::List(entries)) = entry else { return Vec::new() };
        let record = |entry: Entry| match entry.value {
            Value::Record(record) => Some(record),
            _ => None,
        };
        entries.into_iter().filter_map(record).collect()
    }

    /// The names that `single` (one) or `range` (several) gives this object.
    pub fn names(&self, single: &str, range: &str) -> Vec<Arc<str>> {
        [single, range].iter().filter_map(|key| self.entry(key)).flat_map(Entry::names).collect()
    }
}

impl Entry {
    pub fn record(&self) -> Option<&Record> {
        match &self.value {
            Value::Record(record) => Some(record),
            _ => None,
        }
    }

    pub fn text(&self) -> Option<&Arc<str>> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub fn names(&self) -> Vec<Arc<str>> {
        match &self.value {
            Value::Text(text) => vec![text.clone()],
            Value::Names(names) => names.clone(),
            _ => Vec::new(),
        }
    }
}
