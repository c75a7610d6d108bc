//! Owns what a whole message must hold beyond its syntax: mandatory header fields, once and well-formed.
//! Does not own what the element supports (Require, methods, schemes: see the endpoint).

use crate::headers::{AllContacts, HeaderError, HeaderName, Headers};

use super::{Fault, Message, Method, ParseError, Request, Response};

impl Message {
    /// Checks what RFC 3261 §8.1.1 and §20 ask of every message, and the syntax of the headers that route it, which
    /// need not be read again then.
    ///
    /// # Errors
    /// Says what is wrong; [`ParseError::answer`] is the refusal.
    pub fn validate(&mut self) -> Result<(), ParseError> {
        match self {
            Message::Request(request) => request.validate(),
            Message::Response(response) => response.validate(),
        }
    }
}

impl Request {
    /// See [`Message::validate`].
    ///
    /// # Errors
    /// Says what is wrong; [`ParseError::answer`] is the refusal.
    pub fn validate(&mut self) -> Result<(), ParseError> {
        self.faults().map_err(|fault| ParseError {
            fault,
            request: Some(Box::new((self.method.clone(), self.headers.clone()))),
        })
    }

    fn faults(&mut self) -> Result<(), Fault> {
        let cseq = mandatory(&mut self.headers).map_err(Fault::Header)?;
        // RFC 3261 §8.1.1.5: "The method MUST match that of the request."
        if cseq.method != self.method {
            return Err(Fault::MethodMismatch);
        }
        self.headers.max_forwards().map_err(Fault::Header)?;
        routing(&self.headers).map_err(Fault::Header)?;
        let all = self.headers.check_contacts().map_err(Fault::Header)?;
        // RFC 3261 §10.2.2: `*` is for REGISTER alone.
        if all == AllContacts::Yes && self.method != Method::Register {
            return Err(Fault::Header(HeaderError::Malformed(HeaderName::Contact)));
        }
        Ok(())
    }
}

impl Response {
    /// See [`Message::validate`].
    ///
    /// # Errors
    /// Says what is wrong; nothing answers a response.
    pub fn validate(&mut self) -> Result<(), ParseError> {
        let mut faults = || {
            mandatory(&mut self.headers)?;
            routing(&self.headers)?;
            self.headers.check_contacts()
        };
        faults().map(drop).map_err(|error| ParseError { fault: Fault::Header(error), request: None })
    }
}

fn mandatory(headers: &mut Headers) -> Result<crate::headers::CSeq, HeaderError> {
    headers.read_routing()?;
    headers.cseq()
}

fn routing(headers: &Headers) -> Result<(), HeaderError> {
    headers.check_addresses(HeaderName::Route)?;
    headers.check_addresses(HeaderName::RecordRoute)
}
