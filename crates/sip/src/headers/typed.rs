//! Owns the accessors that read a typed header from the table. Does not own the grammars (one file each).

use std::time::Duration;

use crate::scan;

use super::name_addr::seconds;
use super::session_timer::seconds_and_params;
use super::{
    CSeq, Checked, Contacts, Event, HeaderError, HeaderName, Headers, MediaType, NameAddr, Privacy, RAck,
    Read, Reason, Replaces, RetryAfter, SessionExpires, Several, SubscriptionState, Via, name_addr, via,
};

impl Headers {
    /// The topmost hop.
    ///
    /// # Errors
    /// When there is none or it is malformed.
    pub fn via(&self) -> Result<Via, HeaderError> {
        let first = self.first_element(HeaderName::Via).ok_or(HeaderError::Missing(HeaderName::Via))?;
        let raw = self.share(first);
        match self.read.via {
            Some(parts) => Ok(Via::within(raw, parts)),
            None => Via::parse(raw).ok_or(HeaderError::Malformed(HeaderName::Via)),
        }
    }

    /// All hops, topmost first.
    ///
    /// # Errors
    /// When one is malformed.
    pub fn vias(&self) -> Result<Vec<Via>, HeaderError> {
        self.elements(HeaderName::Via)
            .map(|one| Via::parse(self.share(one)).ok_or(HeaderError::Malformed(HeaderName::Via)))
            .collect()
    }

    /// From.
    ///
    /// # Errors
    /// When it is missing, repeated or malformed.
    pub fn from(&self) -> Result<NameAddr, HeaderError> {
        self.address(HeaderName::From)
    }

    /// To.
    ///
    /// # Errors
    /// When it is missing, repeated or malformed.
    pub fn to(&self) -> Result<NameAddr, HeaderError> {
        self.address(HeaderName::To)
    }

    /// The tag of From or To, of a message that was validated; `None` when there is none.
    pub fn tag(&self, name: HeaderName) -> Option<&str> {
        std::str::from_utf8(self.tag_raw(name)?).ok()
    }

    /// As [`Headers::tag`], as it came: to compare it.
    pub(crate) fn tag_raw(&self, name: HeaderName) -> Option<&[u8]> {
        let raw = self.only(name).ok()??;
        match self.read.address(name) {
            Some(parts) => parts.tag_in(raw),
            None => super::name_addr::tag_of(raw),
        }
    }

    /// Call-ID.
    ///
    /// # Errors
    /// When it is missing, repeated, or holds anything but visible characters.
    pub fn call_id(&self) -> Result<&str, HeaderError> {
        let name = HeaderName::CallId;
        let raw = self.only(name)?.ok_or(HeaderError::Missing(name))?;
        if self.read.call_id == Checked::Yes {
            return std::str::from_utf8(raw).map_err(|_| HeaderError::Malformed(name));
        }
        // All bytes are looked at, several at once.
        let visible = raw.iter().fold(!raw.is_empty(), |all, byte| all & (*byte > b' ') & (*byte != 0x7f));
        match std::str::from_utf8(raw) {
            Ok(text) if visible => Ok(text),
            _ => Err(HeaderError::Malformed(name)),
        }
    }

    /// CSeq.
    ///
    /// # Errors
    /// When it is missing, repeated or malformed.
    pub fn cseq(&self) -> Result<CSeq, HeaderError> {
        let name = HeaderName::CSeq;
        let raw = self.only(name)?.ok_or(HeaderError::Missing(name))?;
        CSeq::parse(raw).ok_or(HeaderError::Malformed(name))
    }

    /// RAck.
    ///
    /// # Errors
    /// When it is missing, repeated or malformed.
    pub fn rack(&self) -> Result<RAck, HeaderError> {
        let name = HeaderName::RAck;
        let raw = self.only(name)?.ok_or(HeaderError::Missing(name))?;
        RAck::parse(raw).ok_or(HeaderError::Malformed(name))
    }

    /// RSeq, which is 1 or more.
    ///
    /// # Errors
    /// When it is repeated or not a number of 32 bits.
    pub fn rseq(&self) -> Result<Option<u32>, HeaderError> {
        self.number(HeaderName::RSeq)
    }

    /// Max-Forwards, 0–255.
    ///
    /// # Errors
    /// When it is repeated or out of range.
    pub fn max_forwards(&self) -> Result<Option<u8>, HeaderError> {
        self.number(HeaderName::MaxForwards)
    }

    /// Expires, in seconds; more than 2³²−1 counts as that.
    ///
    /// # Errors
    /// When it is repeated or not a number.
    pub fn expires(&self) -> Result<Option<u32>, HeaderError> {
        self.seconds(HeaderName::Expires)
    }

    /// Min-Expires, in seconds.
    ///
    /// # Errors
    /// When it is repeated or not a number.
    pub fn min_expires(&self) -> Result<Option<u32>, HeaderError> {
        self.seconds(HeaderName::MinExpires)
    }

    /// The Contact addresses, or `*`.
    ///
    /// # Errors
    /// When one is malformed, or `*` stands beside another.
    pub fn contacts(&self) -> Result<Contacts, HeaderError> {
        let mut elements = self.elements(HeaderName::Contact).peekable();
        if elements.peek() == Some(&&b"*"[..]) {
            let alone = elements.nth(1).is_none();
            return if alone { Ok(Contacts::All) } else { Err(HeaderError::Malformed(HeaderName::Contact)) };
        }
        Ok(Contacts::List(self.addresses(HeaderName::Contact)?))
    }

    /// The first Contact address.
    ///
    /// # Errors
    /// When it is malformed or `*`.
    pub fn contact(&self) -> Result<Option<NameAddr>, HeaderError> {
        self.first_address(HeaderName::Contact)
    }

    /// The addresses of a list header: Route, Record-Route, Path, Service-Route, P-Asserted-Identity, Diversion…
    ///
    /// # Errors
    /// When one is malformed.
    pub fn addresses(&self, name: HeaderName) -> Result<Vec<NameAddr>, HeaderError> {
        self.elements(name)
            .map(|one| NameAddr::parse(self.share(one)).ok_or(HeaderError::Malformed(name)))
            .collect()
    }

    /// The first address of a list header.
    ///
    /// # Errors
    /// When it is malformed.
    pub fn first_address(&self, name: HeaderName) -> Result<Option<NameAddr>, HeaderError> {
        let Some(first) = self.first_element(name) else { return Ok(None) };
        let raw = self.share(first);
        match self.read.contact.filter(|_| name == HeaderName::Contact) {
            Some(parts) => Ok(Some(NameAddr::within(raw, parts))),
            None => NameAddr::parse(raw).map(Some).ok_or(HeaderError::Malformed(name)),
        }
    }

    /// Whether a list of tokens (Supported, Require, Allow…) holds `token`, in any case. The list of Privacy has
    /// `;` for a comma (RFC 3323 §4.2).
    pub fn lists(&self, name: HeaderName, token: &str) -> bool {
        let separator = if name == HeaderName::Privacy { b';' } else { b',' };
        self.elements(name)
            .flat_map(|one| one.split(move |byte| *byte == separator))
            .any(|one| scan::trim(one).eq_ignore_ascii_case(token.as_bytes()))
    }

    /// The only value of `name`, when there is one.
    ///
    /// # Errors
    /// When there are several.
    pub fn only(&self, name: HeaderName) -> Result<Option<&[u8]>, HeaderError> {
        self.single(name).map_err(|Several| HeaderError::Repeated(name))
    }

    /// The one address of `name`.
    ///
    /// # Errors
    /// When it is missing, repeated or malformed.
    pub fn address(&self, name: HeaderName) -> Result<NameAddr, HeaderError> {
        let raw = self.share(self.only(name)?.ok_or(HeaderError::Missing(name))?);
        match self.read.address(name) {
            Some(parts) => Ok(NameAddr::within(raw, parts)),
            None => NameAddr::parse(raw).ok_or(HeaderError::Malformed(name)),
        }
    }

    /// Session-Expires.
    ///
    /// # Errors
    /// When it is repeated or malformed.
    pub fn session_expires(&self) -> Result<Option<SessionExpires>, HeaderError> {
        self.optional(HeaderName::SessionExpires, SessionExpires::parse)
    }

    /// Min-SE.
    ///
    /// # Errors
    /// When it is repeated or malformed.
    pub fn min_se(&self) -> Result<Option<Duration>, HeaderError> {
        self.optional(HeaderName::MinSe, |raw| seconds_and_params(raw).map(|(interval, _)| interval))
    }

    /// The values of Reason that are well-formed: a malformed one is no reason to refuse a BYE.
    pub fn reasons(&self) -> Vec<Reason> {
        self.elements(HeaderName::Reason).filter_map(Reason::parse).collect()
    }

    /// Privacy; no wish without one.
    pub fn privacy(&self) -> Privacy {
        Privacy::of(self)
    }

    /// Retry-After, when it is there and well-formed.
    pub fn retry_after(&self) -> Option<RetryAfter> {
        self.get(HeaderName::RetryAfter).and_then(RetryAfter::parse)
    }

    /// Replaces.
    ///
    /// # Errors
    /// When it is repeated (RFC 3891 §3) or malformed.
    pub fn replaces(&self) -> Result<Option<Replaces>, HeaderError> {
        self.optional(HeaderName::Replaces, Replaces::parse)
    }

    /// Event.
    ///
    /// # Errors
    /// When it is repeated or malformed.
    pub fn event(&self) -> Result<Option<Event>, HeaderError> {
        self.optional(HeaderName::Event, Event::parse)
    }

    /// Subscription-State.
    ///
    /// # Errors
    /// When it is repeated or malformed.
    pub fn subscription_state(&self) -> Result<Option<SubscriptionState>, HeaderError> {
        self.optional(HeaderName::SubscriptionState, SubscriptionState::parse)
    }

    /// Content-Type.
    ///
    /// # Errors
    /// When it is repeated or malformed.
    pub fn content_type(&self) -> Result<Option<MediaType>, HeaderError> {
        self.optional(HeaderName::ContentType, MediaType::parse)
    }

    /// Checks that there is a hop and that all are well-formed, and From, To and Call-ID; takes note of where their parts
    /// lie.
    pub(crate) fn read_routing(&mut self) -> Result<(), HeaderError> {
        let via = Some(self.checked_vias()?);
        let from = Some(self.checked_address(HeaderName::From)?);
        let to = Some(self.checked_address(HeaderName::To)?);
        self.call_id()?;
        self.read = Read { via, from, to, contact: self.read.contact, call_id: Checked::Yes };
        Ok(())
    }

    /// The first hop's parts.
    fn checked_vias(&self) -> Result<via::Parts, HeaderError> {
        let malformed = HeaderError::Malformed(HeaderName::Via);
        let mut hops = self.elements(HeaderName::Via).map(|one| via::Parts::of(one).ok_or(malformed));
        let first = hops.next().ok_or(HeaderError::Missing(HeaderName::Via))??;
        hops.try_for_each(|hop| hop.map(drop))?;
        Ok(first)
    }

    fn checked_address(&self, name: HeaderName) -> Result<name_addr::Parts, HeaderError> {
        let raw = self.only(name)?.ok_or(HeaderError::Missing(name))?;
        name_addr::Parts::of(raw).ok_or(HeaderError::Malformed(name))
    }

    /// Whether all addresses of a list header are well-formed.
    pub(crate) fn check_addresses(&self, name: HeaderName) -> Result<(), HeaderError> {
        let wrong = self.elements(name).any(|one| name_addr::Parts::of(one).is_none());
        if wrong { Err(HeaderError::Malformed(name)) } else { Ok(()) }
    }

    /// Checks that the Contact addresses are well-formed, or `*` stands alone; takes note of where the first one's parts
    /// lie.
    ///
    /// # Errors
    /// As [`Headers::contacts`].
    pub(crate) fn check_contacts(&mut self) -> Result<AllContacts, HeaderError> {
        let name = HeaderName::Contact;
        match self.first_element(name) {
            None => return Ok(AllContacts::No),
            Some(b"*") => return self.contacts().map(|_| AllContacts::Yes),
            Some(first) => {
                let parts = name_addr::Parts::of(first).ok_or(HeaderError::Malformed(name))?;
                self.read.contact = Some(parts);
            }
        }
        let wrong = self.elements(name).skip(1).any(|one| name_addr::Parts::of(one).is_none());
        if wrong { Err(HeaderError::Malformed(name)) } else { Ok(AllContacts::No) }
    }

    fn optional<T>(
        &self,
        name: HeaderName,
        parse: impl FnOnce(&[u8]) -> Option<T>,
    ) -> Result<Option<T>, HeaderError> {
        let Some(raw) = self.only(name)? else { return Ok(None) };
        parse(raw).map(Some).ok_or(HeaderError::Malformed(name))
    }

    fn number<N: TryFrom<u64>>(&self, name: HeaderName) -> Result<Option<N>, HeaderError> {
        let Some(raw) = self.only(name)? else { return Ok(None) };
        scan::number(raw).map(Some).ok_or(HeaderError::Malformed(name))
    }

    fn seconds(&self, name: HeaderName) -> Result<Option<u32>, HeaderError> {
        let Some(raw) = self.only(name)? else { return Ok(None) };
        seconds(raw).map(Some).ok_or(HeaderError::Malformed(name))
    }
}

/// Whether Contact means all bindings (RFC 3261 §10.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AllContacts {
    Yes,
    No,
}
