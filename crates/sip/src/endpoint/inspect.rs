//! Owns the checks that RFC 3261 §8.2 makes before a request means anything, in its order.

use super::Endpoint;
use crate::headers::{HeaderName, Headers};
use crate::message::{Method, Request, Response};
use crate::multipart::Content;
use crate::transaction::ServerTx;

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

/// Why a request is refused: a status, and a header that goes with it.
type Finding = (u16, Option<(HeaderName, String)>);

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

    /// What a switch understands: sessions, registrations and subscriptions.
    pub const SWITCH: Rules<'static> = Rules { allow: &SWITCH_METHODS, ..Rules::SESSION };

    /// What a switch understands that passes texts on.
    pub const SWITCH_WITH_TEXTS: Rules<'static> =
        Rules { allow: &SWITCH_METHODS_AND_TEXTS, ..Rules::SESSION };

    /// `Allow` of a switch.
    pub const SWITCH_ALLOW: &'static str =
        "INVITE, ACK, CANCEL, BYE, OPTIONS, PRACK, UPDATE, INFO, REFER, NOTIFY, REGISTER, SUBSCRIBE";

    /// `Allow` of sessions of this crate.
    pub const ALLOW: &'static str = "INVITE, ACK, CANCEL, BYE, OPTIONS, PRACK, UPDATE, INFO, REFER, NOTIFY";
}

const SWITCH_METHODS: [Method; 12] = [
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
    Method::Subscribe,
];

const SWITCH_METHODS_AND_TEXTS: [Method; 13] = [
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
    Method::Subscribe,
    Method::Message,
];

impl Endpoint {
    /// Checks `request` of transaction `tx`. A request within a dialog is not checked for loops and copies.
    ///
    /// # Errors
    /// The refusal to send: 405 or 501, 416, 483, 482, 420, 415 or 400, 406; a To tag on it.
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

    fn findings(&self, tx: ServerTx, request: &Request, rules: &Rules<'_>) -> Result<(), Finding> {
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
        let in_dialog = request.is_within_dialog();
        // §16.3 item 3: a request with no hop left goes no further than here; OPTIONS is answered (§11.2).
        if !in_dialog && headers.max_forwards() == Ok(Some(0)) && request.method != Method::Options {
            return Err((483, None));
        }
        // §8.2.2.2: the same request by another way.
        if !in_dialog {
            let key = self.servers.get(tx.0).map(|server| server.merge);
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
        // RFC 3891 §3: Replaces belongs to INVITE.
        if request.method != Method::Invite && headers.get(HeaderName::Replaces).is_some() {
            return Err((400, None));
        }
        // §10.3 item 5: an address of record is a SIP or SIPS URI.
        if request.method == Method::Register && headers.to().is_ok_and(|to| !to.uri().is_sip()) {
            return Err((400, None));
        }
        if request.method == Method::Invite {
            content(request, rules)?;
            // §13.3.1.3 and §21.4.7: what we would answer is a description.
            if !accepts_sdp(headers) {
                return Err((406, None));
            }
        }
        Ok(())
    }
}

/// §8.2.3: 415 with Accept for a body that is not understood and not optional, with Accept-Encoding for one that is
/// packed; 400 for parts that cannot be told apart (RFC 5621 §3).
fn content(request: &Request, rules: &Rules<'_>) -> Result<(), Finding> {
    let headers = &request.headers;
    if request.body.is_empty() {
        return Ok(());
    }
    match Content::of(headers, &request.body) {
        Content::Sdp(_) | Content::Nothing => {}
        Content::NotUnderstood => return Err((415, Some((HeaderName::Accept, rules.accept.join(", "))))),
        Content::Malformed => return Err((400, None)),
    }
    let optional = headers
        .get(HeaderName::ContentDisposition)
        .is_some_and(|value| memchr::memmem::find(value, b"handling=optional").is_some());
    let encoding = headers.get(HeaderName::ContentEncoding);
    if !optional && encoding.is_some_and(|value| !value.eq_ignore_ascii_case(b"identity")) {
        return Err((415, Some((HeaderName::AcceptEncoding, "identity".to_owned()))));
    }
    Ok(())
}

/// §20.1: without Accept, `application/sdp` is accepted. An empty one would accept nothing at all; who sends one with a
/// call has nothing to say, and is taken so.
fn accepts_sdp(headers: &Headers) -> bool {
    let fits = |one: &[u8]| {
        let end = memchr::memchr(b';', one).unwrap_or(one.len());
        let range = one[..end].trim_ascii();
        let known = [&b"application/sdp"[..], b"application/*", b"*/*"];
        let q = crate::params::find(&one[end..], "q").unwrap_or(b"1");
        known.iter().any(|known| known.eq_ignore_ascii_case(range))
            && !q.iter().all(|byte| b"0.".contains(byte))
    };
    let mut ranges = headers.elements(HeaderName::Accept).peekable();
    ranges.peek().is_none() || ranges.any(fits)
}
