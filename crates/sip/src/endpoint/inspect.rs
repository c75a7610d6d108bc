//! Owns the checks that RFC 3261 §8.2 makes before a request means anything, in its order.

use super::Endpoint;
use crate::headers::HeaderName;
use crate::message::{Method, Request, Response};
use crate::transaction::ServerTx;
use crate::transaction::key::merge_key_of;

/// What the application understands.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'a> {
    /// Methods that it answers; they go into Allow.
    pub allow: &'a [Method],
    /// Option tags that it understands when a peer requires them (RFC 3261 §8.2.2.3).
    pub understands: &'a [&'a str],
    /// Content types of bodies that it reads, such as `application/sdp`.
    pub accept: &'a [&'a str],
}

impl Rules<'static> {
    /// What sessions of this crate understand.
    pub const SESSION: Rules<'static> = Rules {
        allow: &[
            Method::Invite,
            Method::Ack,
            Method::Cancel,
            Method::Bye,
            Method::Options,
            Method::Prack,
            Method::Update,
            Method::Info,
            Method::Refer,
            Method::Notify,
            Method::Register,
        ],
        understands: &["100rel", "timer", "replaces", "norefersub", "path"],
        accept: &["application/sdp", "application/dtmf-relay", "application/dtmf", "message/sipfrag"],
    };

    /// `Allow` of sessions of this crate.
    pub const ALLOW: &'static str = "INVITE, ACK, CANCEL, BYE, OPTIONS, PRACK, UPDATE, INFO, REFER, NOTIFY";
}

impl Endpoint {
    /// Checks `request` of transaction `tx`. A request within a dialog is not checked for loops and copies.
    ///
    /// # Errors
    /// The refusal to send: 483, 405 or 501, 416, 482, 420 or 415, a To tag on it.
    pub fn inspect(
        &mut self,
        tx: ServerTx,
        request: &Request,
        rules: &Rules<'_>,
    ) -> Result<(), Box<Response>> {
        let Err((status, header)) = self.findings(tx, request, rules) else { return Ok(()) };
        let mut response = Response::to(request, status);
        let tag = self.mint.tag();
        // invariant: To was checked when the request came in.
        let _checked = response.set_to_tag(&tag);
        if let Some((name, value)) = header {
            response.headers.push(name, value);
        }
        Err(Box::new(response))
    }

    fn findings(
        &self,
        tx: ServerTx,
        request: &Request,
        rules: &Rules<'_>,
    ) -> Result<(), (u16, Option<(HeaderName, String)>)> {
        let headers = &request.headers;
        // §8.2.1: 405 with Allow; 501 for a method that nobody knows (§21.5.2).
        if !rules.allow.contains(&request.method) {
            let known = !matches!(request.method, Method::Other(_));
            let allow = rules.allow.iter().map(Method::as_str).collect::<Vec<_>>().join(", ");
            return Err((if known { 405 } else { 501 }, Some((HeaderName::Allow, allow))));
        }
        // §8.2.2.1: 416 for a scheme that is not understood.
        if !request.uri.is_sip() && !matches!(request.uri.scheme(), crate::uri::Scheme::Tel) {
            return Err((416, None));
        }
        let in_dialog = headers.to().is_ok_and(|to| to.tag().is_some());
        // §16.3 item 3: a request with no hop left goes no further than here; OPTIONS is answered (§11.2).
        if !in_dialog && headers.max_forwards() == Ok(Some(0)) && request.method != Method::Options {
            return Err((483, None));
        }
        // §8.2.2.2: the same request by another way.
        if !in_dialog {
            let key = merge_key_of(&self.config.secret, request);
            let first = key.and_then(|key| self.by_merge.get(&key).copied());
            if first.is_some_and(|first| first != tx.0) {
                return Err((482, None));
            }
        }
        // §8.2.2.3: 420 with Unsupported; Require means nothing in CANCEL and ACK, which never get here.
        let unknown: Vec<String> = headers
            .elements(HeaderName::Require)
            .map(|tag| String::from_utf8_lossy(tag).into_owned())
            .filter(|tag| !rules.understands.iter().any(|known| known.eq_ignore_ascii_case(tag)))
            .collect();
        if !unknown.is_empty() {
            return Err((420, Some((HeaderName::Unsupported, unknown.join(", ")))));
        }
        // §8.2.3: 415 with Accept for a body that is not understood and not optional.
        let optional = headers
            .get(HeaderName::ContentDisposition)
            .is_some_and(|value| memchr::memmem::find(value, b"handling=optional").is_some());
        if !request.body.is_empty() && !optional && request.method == Method::Invite {
            let kind = headers.get(HeaderName::ContentType).unwrap_or_default();
            let kind = kind.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
            let multipart = kind.get(..10).is_some_and(|start| start.eq_ignore_ascii_case(b"multipart/"));
            let read = rules.accept.iter().any(|known| known.as_bytes().eq_ignore_ascii_case(kind));
            if !multipart && !read && !kind.is_empty() {
                return Err((415, Some((HeaderName::Accept, rules.accept.join(", ")))));
            }
            // §8.2.3 and §20.12: no encoding is understood.
            let encoding = headers.get(HeaderName::ContentEncoding);
            if encoding.is_some_and(|value| !value.eq_ignore_ascii_case(b"identity")) {
                return Err((415, Some((HeaderName::AcceptEncoding, "identity".to_owned()))));
            }
        }
        Ok(())
    }
}
