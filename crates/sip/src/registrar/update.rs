//! Owns what a REGISTER's Contacts do to the bindings of one address of record: RFC 3261 §10.3 items 6 and 7, RFC 5626
//! §6. Does not own who may register (see `authenticate`).

use std::time::Duration;

use clock::{Instant, WallTime};
use model::event::PhoneFact;

use super::{Binding, OUT_OF_ORDER, Phone, Refusal, Registrar};
use crate::endpoint::Flow;
use crate::headers::{Contacts, HeaderName, NameAddr};
use crate::message::Request;

/// A REGISTER with when and where it came.
pub(super) struct Arrival<'a> {
    pub now: Instant,
    pub wall: WallTime,
    pub flow: Flow,
    pub request: &'a Request,
}

/// Whether a registration is one of RFC 5626.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outbound {
    /// Its flow is kept: the answer says so.
    Yes,
    /// RFC 3261 alone.
    No,
}

impl Registrar {
    /// §10.3 items 6 and 7: all of it or nothing.
    pub(super) fn update(
        &mut self,
        arrival: &Arrival<'_>,
        phone: &Phone<'_>,
    ) -> Result<(Vec<PhoneFact>, Outbound), Refusal> {
        let headers = &arrival.request.headers;
        let contacts = headers.contacts().map_err(|_| (400, None))?;
        let expires = headers.expires().map_err(|_| (400, None))?.map(u64::from);
        let order =
            (headers.call_id().map_err(|_| (400, None))?, headers.cseq().map_err(|_| (400, None))?.number);
        let mut list = self.bindings.get(phone.aor).cloned().unwrap_or_default();
        let mut facts = Vec::new();
        let outbound = match contacts {
            Contacts::All => {
                // Item 6: `*` only with Expires 0.
                if expires != Some(0) {
                    return Err((400, None));
                }
                if list.iter().any(|binding| binding.is_newer_than(order)) {
                    return Err(OUT_OF_ORDER);
                }
                facts.extend(list.drain(..).map(|binding| binding.unregistered()));
                Outbound::No
            }
            Contacts::List(contacts) => {
                let outbound = self.outbound(arrival, &contacts, expires)?;
                for contact in &contacts {
                    let wanted = self.wanted(contact, expires);
                    self.place(arrival, order, contact, wanted, (&mut list, &mut facts))?;
                }
                outbound
            }
        };
        while list.len() > phone.max_contacts.max(1) {
            let oldest = (0..list.len()).min_by_key(|place| list[*place].registered).unwrap_or(0);
            facts.push(list.remove(oldest).unregistered());
        }
        self.keep(phone.aor, list);
        Ok((facts, outbound))
    }

    /// Adds, refreshes or removes one binding of `list`.
    fn place(
        &self,
        arrival: &Arrival<'_>,
        order: (&str, u32),
        contact: &NameAddr,
        wanted: u64,
        (list, facts): (&mut Vec<Binding>, &mut Vec<PhoneFact>),
    ) -> Result<(), Refusal> {
        let place = list.iter().position(|binding| binding.is_for(contact));
        if place.is_some_and(|place| list[place].is_newer_than(order)) {
            return Err(OUT_OF_ORDER);
        }
        if wanted == 0 {
            facts.extend(place.map(|place| list.remove(place).unregistered()));
            return Ok(());
        }
        // Only what can be called is bound.
        if !contact.uri().is_sip() {
            return Err((400, None));
        }
        // Item 7: 423 with Min-Expires.
        let min = self.config.min_expires.as_secs();
        if wanted < min {
            return Err((423, Some((HeaderName::MinExpires, min.to_string()))));
        }
        let length = Duration::from_secs(wanted.min(self.config.max_expires.as_secs()));
        let (flow, wall) = (arrival.flow, arrival.wall);
        let fresh = Binding::new(contact, flow, arrival.now + length, wall, arrival.request);
        match place {
            Some(place) => {
                // The same phone at another address is a fact, and so is one that is heard of again; a refresh is not.
                if list[place].contact != fresh.contact {
                    facts.push(list[place].unregistered());
                    facts.push(fresh.registered_fact());
                } else if !list[place].is_reachable() {
                    facts.push(PhoneFact::Reachable { contact: fresh.contact_text() });
                }
                list[place] = fresh;
            }
            None => {
                facts.push(fresh.registered_fact());
                list.push(fresh);
            }
        }
        Ok(())
    }

    /// The seconds that a Contact asks for (item 7: its own parameter, then Expires, then our choice).
    fn wanted(&self, contact: &NameAddr, expires: Option<u64>) -> u64 {
        let wanted = contact.expires().map(u64::from).or(expires);
        wanted.unwrap_or(self.config.default_expires.as_secs())
    }

    /// RFC 5626 §6: a phone that asks for outbound, with an instance and a reg-id, gets it where its flow is ours to
    /// keep: straight to us, where STUN and empty lines are answered (§8, §4.4.1), or by an edge proxy that says so (`ob`).
    fn outbound(
        &self,
        arrival: &Arrival<'_>,
        contacts: &[NameAddr],
        expires: Option<u64>,
    ) -> Result<Outbound, Refusal> {
        let headers = &arrival.request.headers;
        let numbered = |contact: &&NameAddr| contact.instance().is_some() && contact.reg_id().is_some();
        if !contacts.iter().any(|contact| numbered(&contact))
            || !headers.lists(HeaderName::Supported, "outbound")
        {
            return Ok(Outbound::No);
        }
        // §6: one flow registers one contact; reg-id counts from 1 (§4.2).
        let lasting = contacts.iter().filter(|contact| self.wanted(contact, expires) > 0).count();
        if lasting > 1 || contacts.iter().any(|contact| contact.reg_id() == Some(0)) {
            return Err((400, None));
        }
        if headers.elements(HeaderName::Via).nth(1).is_none() {
            return Ok(Outbound::Yes);
        }
        // §6: the first hop is the last one in Path, which grows at its top (RFC 3327 §5.2).
        let path = headers.addresses(HeaderName::Path).map_err(|_| (400, None))?;
        match path.last() {
            Some(edge) if edge.uri().param("ob").is_some() => Ok(Outbound::Yes),
            _ => Err((439, None)),
        }
    }
}
