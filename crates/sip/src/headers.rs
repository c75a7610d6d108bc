//! Owns the header table of a message: fields in their order, as they came, found by name.
//! Does not own what values mean (see the typed headers below, and `typed` for the accessors).

use bytes::Bytes;

use crate::message::Method;
use crate::scan::{Decimal, Elements};

mod cseq;
mod digest;
mod event;
mod media_type;
mod name;
mod name_addr;
mod privacy;
mod reason;
mod replaces;
mod retry_after;
mod room;
mod session_timer;
#[cfg(test)]
mod tests;
mod typed;
mod via;

pub use cseq::{CSeq, RAck};
pub use digest::{Algorithm, Challenge, Credentials, Protection, Qop, Stale};
pub use event::{Event, SubscriptionState};
pub use media_type::MediaType;
pub use name::{HeaderName, Name};
pub use name_addr::{Contacts, NameAddr};
pub use privacy::{Privacy, PrivacyWish};
pub use reason::Reason;
pub use replaces::{ReplaceWhen, Replaces};
pub use retry_after::RetryAfter;
use room::Room;
pub use session_timer::{Refresher, SessionExpires};
pub(crate) use typed::AllContacts;
pub use via::{MAGIC_COOKIE, Rport, Via};

/// Why a header does not say what it should. All are the sender's fault: 400 for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    #[error("no {0} header field")]
    Missing(HeaderName),
    #[error("more than one {0} header field")]
    Repeated(HeaderName),
    #[error("malformed {0} header field")]
    Malformed(HeaderName),
}

/// The header fields of one message. Parsed fields point into the datagram; pushed ones are kept beside it.
#[derive(Clone, Debug, Default)]
pub struct Headers {
    raw: Bytes,
    room: Room,
    names: Names,
    read: Read,
}

/// How many fields each name has at most: most names that are asked for are not there, and most others are there once. A
/// field that was removed may still be counted.
#[derive(Clone, Copy, Debug)]
struct Names([u8; HeaderName::COUNT]);

impl Default for Names {
    fn default() -> Names {
        Names([0; HeaderName::COUNT])
    }
}

impl Names {
    fn note(&mut self, name: HeaderName) {
        let count = &mut self.0[name as usize];
        *count = count.saturating_add(1);
    }

    fn may_have(&self, name: HeaderName) -> bool {
        self.0[name as usize] > 0
    }

    fn may_repeat(&self, name: HeaderName) -> bool {
        self.0[name as usize] > 1
    }
}

/// Where the parts of the fields lie that route each message: each is asked for several times. Nothing where one was not
/// read, or has changed since.
#[derive(Clone, Copy, Debug, Default)]
struct Read {
    via: Option<via::Parts>,
    from: Option<name_addr::Parts>,
    to: Option<name_addr::Parts>,
    /// Of the first Contact.
    contact: Option<name_addr::Parts>,
    call_id: Checked,
}

/// Whether a value is known to be well-formed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Checked {
    #[default]
    No,
    Yes,
}

impl Read {
    fn address(&self, name: HeaderName) -> Option<name_addr::Parts> {
        match name {
            HeaderName::From => self.from,
            HeaderName::To => self.to,
            _ => None,
        }
    }

    fn forget(&mut self, name: HeaderName) {
        match name {
            HeaderName::Via => self.via = None,
            HeaderName::From => self.from = None,
            HeaderName::To => self.to = None,
            HeaderName::Contact => self.contact = None,
            HeaderName::CallId => self.call_id = Checked::No,
            _ => {}
        }
    }
}

/// One header field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// The known name, or [`HeaderName::Other`].
    pub name: HeaderName,
    /// The name as it came, compact or not.
    pub name_text: &'a [u8],
    /// The value as it came, without white space at its ends; folds have become spaces.
    pub value: &'a [u8],
}

/// More than one field is called so.
pub(crate) struct Several;

/// Where name and value lie. Offsets from `ADDED` on count in `added`; a name of length 0 is the usual spelling.
#[derive(Clone, Copy, Debug)]
struct Entry {
    name_at: u32,
    value_at: u32,
    value_len: u32,
    name_len: u16,
    name: HeaderName,
}

const ADDED: u32 = 1 << 31;

impl Headers {
    /// No fields.
    pub fn new() -> Headers {
        Headers::default()
    }

    /// No fields yet, room for `fields` of `bytes` together.
    pub fn with_room(fields: usize, bytes: usize) -> Headers {
        Headers { room: Room::of(fields, bytes), ..Headers::default() }
    }

    /// No fields yet, room for so many beside those that stay in the text of `other`.
    pub(crate) fn beside(other: &Headers, fields: usize, bytes: usize) -> Headers {
        Headers { raw: other.raw.clone(), ..Headers::with_room(fields, bytes) }
    }

    /// No fields yet, room for so many that stay in `raw`.
    pub(crate) fn over(raw: Bytes, fields: usize) -> Headers {
        Headers { raw, ..Headers::with_room(fields, 0) }
    }

    /// Records a parsed field; ranges are of the raw buffer, which is shorter than 2 GiB.
    pub(crate) fn locate(
        &mut self,
        name: HeaderName,
        name_at: std::ops::Range<usize>,
        value_at: std::ops::Range<usize>,
    ) {
        self.append(Entry {
            name_at: name_at.start as u32,
            value_at: value_at.start as u32,
            value_len: value_at.len() as u32,
            name_len: u16::try_from(name_at.len()).unwrap_or(u16::MAX),
            name,
        });
    }

    pub(crate) fn raw(&self) -> &Bytes {
        &self.raw
    }

    /// How many fields there are.
    pub fn len(&self) -> usize {
        self.room.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.room.entries.is_empty()
    }

    /// All fields in their order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Field<'_>> {
        self.room.entries.iter().map(|entry| Field {
            name: entry.name,
            name_text: self.name_text(entry),
            value: self.bytes(entry.value_at, entry.value_len as usize),
        })
    }

    /// How many fields are called `name`; lists on one line count once.
    pub fn count<'n>(&self, name: impl Into<Name<'n>>) -> usize {
        self.matching(name.into()).count()
    }

    /// Whether there is a field called `name`.
    pub fn has<'n>(&self, name: impl Into<Name<'n>>) -> bool {
        self.matching(name.into()).next().is_some()
    }

    /// The value of the first field called `name`.
    pub fn get<'n>(&self, name: impl Into<Name<'n>>) -> Option<&[u8]> {
        let entry = self.matching(name.into()).next()?;
        Some(self.bytes(entry.value_at, entry.value_len as usize))
    }

    /// The value of the first field called `name`, when it is UTF-8.
    pub fn text<'n>(&self, name: impl Into<Name<'n>>) -> Option<&str> {
        std::str::from_utf8(self.get(name)?).ok()
    }

    /// The first value of `name` as shared bytes.
    pub fn value<'n>(&self, name: impl Into<Name<'n>>) -> Option<Bytes> {
        self.get(name).map(|value| self.share(value))
    }

    /// The value of each field called `name`.
    pub fn all<'a>(&'a self, name: impl Into<Name<'a>>) -> impl Iterator<Item = &'a [u8]> {
        self.matching(name.into()).map(|entry| self.bytes(entry.value_at, entry.value_len as usize))
    }

    /// Each element of the comma lists of all fields called `name`, trimmed; empty ones are kept.
    pub fn elements<'a>(&'a self, name: impl Into<Name<'a>>) -> impl Iterator<Item = &'a [u8]> {
        self.all(name).filter(|value| !value.is_empty()).flat_map(Elements::of)
    }

    /// The first element of the comma lists of all fields called `name`, trimmed.
    pub(crate) fn first_element(&self, name: HeaderName) -> Option<&[u8]> {
        let first = self.matching(name.into()).find(|entry| entry.value_len > 0)?;
        Elements::of(self.bytes(first.value_at, first.value_len as usize)).next()
    }

    /// The value of the one field called `name`, which is a known name, when there is one.
    pub(crate) fn single(&self, name: HeaderName) -> Result<Option<&[u8]>, Several> {
        if !self.names.may_have(name) {
            return Ok(None);
        }
        let mut named = self.room.entries.iter().filter(|entry| entry.name == name);
        let found = named.next();
        if self.names.may_repeat(name) && named.next().is_some() {
            return Err(Several);
        }
        Ok(found.map(|entry| self.bytes(entry.value_at, entry.value_len as usize)))
    }

    /// `part`, which lies in this table, as shared bytes; copied when the field was pushed.
    pub(crate) fn share(&self, part: &[u8]) -> Bytes {
        if self.raw.as_ptr_range().contains(&part.as_ptr()) {
            self.raw.slice_ref(part)
        } else {
            Bytes::copy_from_slice(part)
        }
    }

    /// Adds a field at the end. Line ends and NULs in `value` become spaces, so that no value adds a field.
    pub fn push<'n>(&mut self, name: impl Into<Name<'n>>, value: impl AsRef<[u8]>) {
        let entry = self.store(name.into(), value.as_ref());
        self.append(entry);
    }

    /// Adds CSeq.
    pub(crate) fn push_cseq(&mut self, number: u32, method: &Method) {
        let (name_at, value_at) = (ADDED, ADDED + self.room.added.len() as u32);
        self.room.added.extend_from_slice(Decimal::of(number.into()).digits());
        self.room.added.push(b' ');
        self.room.added.extend_from_slice(method.as_str().as_bytes());
        let value_len = ADDED + self.room.added.len() as u32 - value_at;
        self.append(Entry { name_at, value_at, value_len, name_len: 0, name: HeaderName::CSeq });
    }

    /// Adds a field before all others.
    pub fn push_front<'n>(&mut self, name: impl Into<Name<'n>>, value: impl AsRef<[u8]>) {
        let entry = self.store(name.into(), value.as_ref());
        self.insert(0, entry);
    }

    /// Puts one field in place of all called `name`: where the first stood, else at the end.
    pub fn set<'n>(&mut self, name: impl Into<Name<'n>>, value: impl AsRef<[u8]>) {
        let name = name.into();
        let entry = self.store(name, value.as_ref());
        match self.position(name) {
            Some(at) => {
                self.remove(name);
                self.insert(at, entry);
            }
            None => self.append(entry),
        }
    }

    /// Puts the first field called `name` with `more` behind its value in place of it.
    pub(crate) fn extend(&mut self, name: HeaderName, more: &[u8]) {
        self.read.forget(name);
        let Some(at) = self.position(name.into()) else { return };
        let Entry { value_at: from, value_len: length, .. } = self.room.entries[at];
        let value_at = ADDED + self.room.added.len() as u32;
        let mut added = std::mem::take(&mut self.room.added);
        match from.checked_sub(ADDED) {
            Some(from) => added.extend_from_within(from as usize..(from + length) as usize),
            None => added.extend_from_slice(self.bytes(from, length as usize)),
        }
        added.extend_from_slice(more);
        self.room.added = added;
        let value_len = ADDED + self.room.added.len() as u32 - value_at;
        self.room.entries[at] = Entry { value_at, value_len, ..self.room.entries[at] };
    }

    /// Replaces the first field called `name`, or adds it before all others; further ones stay.
    pub fn set_first<'n>(&mut self, name: impl Into<Name<'n>>, value: impl AsRef<[u8]>) {
        let name = name.into();
        let entry = self.store(name, value.as_ref());
        match self.position(name) {
            Some(at) => self.room.entries[at] = entry,
            None => self.insert(0, entry),
        }
    }

    /// Removes all fields called `name`.
    pub fn remove<'n>(&mut self, name: impl Into<Name<'n>>) {
        let name = name.into();
        self.read.forget(name.known);
        if !self.names.may_have(name.known) {
            return;
        }
        let mut entries = std::mem::take(&mut self.room.entries);
        entries.retain(|entry| !self.is_called(entry, name));
        self.room.entries = entries;
    }

    /// Removes the first field called `name`.
    pub fn remove_first<'n>(&mut self, name: impl Into<Name<'n>>) {
        let name = name.into();
        self.read.forget(name.known);
        if let Some(at) = self.position(name) {
            self.room.entries.remove(at);
        }
    }

    /// Adds each field of `other` called `name`, in order, as it came.
    pub fn copy_from<'n>(&mut self, other: &Headers, name: impl Into<Name<'n>>) {
        let name = name.into();
        self.read.forget(name.known);
        let shares = name.known != HeaderName::Other && self.raw.as_ptr_range() == other.raw.as_ptr_range();
        for entry in other.matching(name) {
            if shares && entry.value_at < ADDED {
                // By its usual name: what stands for it may be a letter.
                self.append(Entry { name_len: 0, ..*entry });
                continue;
            }
            let value = other.bytes(entry.value_at, entry.value_len as usize);
            let (name_at, name_len) = self.store_name(name);
            let value_at = ADDED + self.room.added.len() as u32;
            // No table's value holds a line end, so that nothing needs to be replaced.
            self.room.added.extend_from_slice(value);
            let value_len = value.len() as u32;
            self.append(Entry { name_at, value_at, value_len, name_len, name: name.known });
        }
    }

    /// How long the fields but Content-Length are as they are written.
    pub(crate) fn written_len(&self) -> usize {
        let counts = |entry: &&Entry| entry.name != HeaderName::ContentLength;
        let length = |entry: &Entry| self.name_text(entry).len() + entry.value_len as usize + 4;
        self.room.entries.iter().filter(counts).map(length).sum()
    }

    fn append(&mut self, entry: Entry) {
        self.names.note(entry.name);
        self.room.entries.push(entry);
    }

    fn insert(&mut self, at: usize, entry: Entry) {
        self.names.note(entry.name);
        self.room.entries.insert(at, entry);
    }

    fn position(&self, name: Name<'_>) -> Option<usize> {
        if !self.names.may_have(name.known) {
            return None;
        }
        self.room.entries.iter().position(|entry| self.is_called(entry, name))
    }

    fn matching<'a>(&'a self, name: Name<'a>) -> impl Iterator<Item = &'a Entry> {
        let entries = if self.names.may_have(name.known) { &self.room.entries[..] } else { &[] };
        let most = if self.names.may_repeat(name.known) { usize::MAX } else { 1 };
        entries.iter().filter(move |entry| self.is_called(entry, name)).take(most)
    }

    fn is_called(&self, entry: &Entry, name: Name<'_>) -> bool {
        entry.name == name.known
            && (name.known != HeaderName::Other
                || self.name_text(entry).eq_ignore_ascii_case(name.text.as_bytes()))
    }

    fn name_text(&self, entry: &Entry) -> &[u8] {
        match entry.name_len {
            0 => entry.name.as_str().as_bytes(),
            length => self.bytes(entry.name_at, usize::from(length)),
        }
    }

    fn bytes(&self, at: u32, length: usize) -> &[u8] {
        let (buffer, at) = match at.checked_sub(ADDED) {
            Some(at) => (&self.room.added[..], at as usize),
            None => (&self.raw[..], at as usize),
        };
        buffer.get(at..at + length).unwrap_or_default()
    }

    fn store(&mut self, name: Name<'_>, value: &[u8]) -> Entry {
        self.read.forget(name.known);
        let (name_at, name_len) = self.store_name(name);
        let value_at = ADDED + self.room.added.len() as u32;
        self.room.added.extend_from_slice(value);
        if memchr::memchr3(b'\r', b'\n', 0, value).is_some() {
            let stored = (value_at - ADDED) as usize;
            let breaks = |byte: &&mut u8| matches!(**byte, b'\r' | b'\n' | 0);
            self.room.added[stored..].iter_mut().filter(breaks).for_each(|byte| *byte = b' ');
        }
        Entry { name_at, value_at, value_len: value.len() as u32, name_len, name: name.known }
    }

    /// Keeps the text of a name that is not known; where it lies, and its length.
    fn store_name(&mut self, name: Name<'_>) -> (u32, u16) {
        let name_at = ADDED + self.room.added.len() as u32;
        if name.known == HeaderName::Other {
            let text = name.text.bytes().filter(|byte| crate::scan::is_token(*byte)).take(255);
            self.room.added.extend(text);
        }
        (name_at, (ADDED + self.room.added.len() as u32 - name_at) as u16)
    }
}
