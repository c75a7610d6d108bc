//! Owns dialogs: RFC 3261 §12. Ids, sequence numbers, remote target and route set, and the requests within.
//! Does not own what a request does to a session (see [`crate::session`]).

use std::sync::Arc;

use crate::headers::{HeaderError, HeaderName, Headers, NameAddr};
use crate::message::{Method, Request, Response};
use crate::uri::Uri;

/// One peer's view of a dialog; before the peer's tag is known, what the dialog will be made of.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Dialog {
    /// Call-ID.
    pub(crate) call_id: Arc<str>,
    /// Our From or To value with our tag.
    pub(crate) local: NameAddr,
    /// The peer's, with its tag once that is known; bytes as they came.
    pub(crate) remote: NameAddr,
    /// The number of our last request.
    pub(crate) local_cseq: u32,
    /// The number of the peer's last request.
    pub(crate) remote_cseq: Option<u32>,
    /// Where requests are addressed to.
    pub(crate) target: Uri,
    /// The hops between, first one first.
    pub(crate) route: Vec<NameAddr>,
}

impl Dialog {
    /// RFC 3261 §12.1.1: the dialog of `request`, which we answer with `tag`.
    ///
    /// # Errors
    /// When From, Call-ID, CSeq, Contact or Record-Route do not allow a dialog.
    pub fn of_request(request: &Request, tag: &str) -> Result<Dialog, HeaderError> {
        let headers = &request.headers;
        let target = match headers.contact()? {
            Some(contact) => contact.uri().detached(),
            // RFC 2543 §6.13 leaves Contact to the caller, and requests then go to From. Its peers are known by their
            // Via, whose branch is not RFC 3261's (§8.1.1.7).
            None if headers.via()?.rfc3261_branch().is_none() => headers.from()?.uri().detached(),
            None => return Err(HeaderError::Missing(HeaderName::Contact)),
        };
        Ok(Dialog {
            call_id: headers.call_id()?.into(),
            local: headers.to()?.with_tag(tag),
            remote: headers.from()?.detached(),
            local_cseq: 0,
            remote_cseq: Some(headers.cseq()?.number),
            target,
            route: headers.addresses(HeaderName::RecordRoute)?.iter().map(NameAddr::detached).collect(),
        })
    }

    /// RFC 3261 §12.1.2: the dialog that `response` forms out of what we sent, which was this.
    ///
    /// # Errors
    /// When To or Record-Route are malformed. A response without Contact leaves the target as it was.
    pub fn formed_by(&self, response: &Response) -> Result<Dialog, HeaderError> {
        let headers = &response.headers;
        let remote = match headers.only(HeaderName::To)? {
            // As its last provisional response had it.
            Some(same) if same == self.remote.as_bytes() => self.remote.clone(),
            _ => headers.to()?.detached(),
        };
        Ok(Dialog {
            call_id: self.call_id.clone(),
            local: self.local.clone(),
            remote,
            local_cseq: self.local_cseq,
            remote_cseq: self.remote_cseq,
            target: match headers.contact()? {
                Some(contact) if *contact.uri() != self.target => contact.uri().detached(),
                _ => self.target.clone(),
            },
            // §12.1.2: taken from the response, in reverse order.
            route: headers.addresses(HeaderName::RecordRoute)?.iter().rev().map(NameAddr::detached).collect(),
        })
    }

    /// Our tag.
    pub fn local_tag(&self) -> &str {
        self.local.tag().unwrap_or_default()
    }

    /// The peer's tag, once it is known.
    pub fn remote_tag(&self) -> Option<&str> {
        self.remote.tag()
    }

    /// Whether `name` of a message, From or To, has the peer's tag.
    pub(crate) fn is_of_peer(&self, headers: &Headers, name: HeaderName) -> bool {
        headers.tag_raw(name) == self.remote.tag_raw()
    }

    /// RFC 3261 §12.2.2: takes note of the number of the peer's request.
    ///
    /// # Errors
    /// With the last number, when `number` is not higher: the request is to be refused with 500.
    pub fn advance_remote(&mut self, number: u32) -> Result<(), u32> {
        match self.remote_cseq {
            Some(last) if number <= last => Err(last),
            _ => {
                self.remote_cseq = Some(number);
                Ok(())
            }
        }
    }

    /// RFC 3261 §12.2: a target refresh replaces the remote target.
    pub fn refresh_target(&mut self, contact: Option<&NameAddr>) {
        if let Some(contact) = contact.filter(|contact| contact.uri() != &self.target) {
            self.target = contact.uri().detached();
        }
    }

    /// RFC 3261 §12.2.1.1: a request within the dialog, with the next number.
    pub fn request(&mut self, method: Method) -> Request {
        self.local_cseq += 1;
        self.request_numbered(method, self.local_cseq)
    }

    /// A request with the number of an earlier one: ACK (§13.2.2.4).
    pub fn request_numbered(&self, method: Method, number: u32) -> Request {
        // §12.2.1.1: a first hop that is a strict router of RFC 2543 takes the Request-URI's place.
        let strict = self.route.first().filter(|hop| !hop.uri().is_loose_router());
        let uri = strict.map_or(&self.target, |hop| hop.uri()).without_headers();
        let mut request = Request::new(method, uri);
        for hop in self.route.iter().skip(usize::from(strict.is_some())) {
            request.headers.push(HeaderName::Route, hop);
        }
        if strict.is_some() {
            request.headers.push(HeaderName::Route, NameAddr::new(None, &self.target));
        }
        request.headers.push(HeaderName::MaxForwards, "70");
        request.headers.push(HeaderName::From, &self.local);
        request.headers.push(HeaderName::To, &self.remote);
        request.headers.push(HeaderName::CallId, self.call_id.as_bytes());
        request.headers.push_cseq(number, &request.method);
        request
    }

    /// The URI whose address the next request goes to (RFC 3263): the first hop, else the target.
    pub fn next_hop(&self) -> &Uri {
        self.route.first().map_or(&self.target, |hop| hop.uri())
    }
}
