//! Owns the rules that one message breaks by itself.

use super::{Finding, Rule, Seen};
use crate::endpoint::Transport;
use crate::headers::{HeaderName, MAGIC_COOKIE};
use crate::message::{Message, Method};

pub(super) fn check(seen: &[Seen<'_>], findings: &mut Vec<Finding>) {
    for one in seen {
        valid(one, findings);
        content_length(one, findings);
        match &one.message {
            Message::Request(request) => {
                let headers = &request.headers;
                let branch = headers.via().ok().and_then(|via| via.branch().map(str::to_owned));
                if !branch.is_some_and(|branch| branch.starts_with(MAGIC_COOKIE)) {
                    findings.push(one.breach(Rule::MagicCookie, "the branch has no magic cookie"));
                }
                if !headers.has(HeaderName::MaxForwards) {
                    findings.push(one.breach(Rule::MaxForwards, "no Max-Forwards"));
                }
                if one.sender_tag().is_empty() {
                    findings.push(one.breach(Rule::Tags, "no From tag"));
                }
                if request.method == Method::Invite && !has_contact(one) {
                    findings.push(one.breach(Rule::Contact, "no Contact"));
                }
            }
            Message::Response(response) => {
                // A To that cannot be read goes back as it came: there is nowhere to put a tag.
                let readable = response.status != 400 || response.headers.to().is_ok();
                if response.status > 100 && readable && one.receiver_tag().is_empty() {
                    findings.push(one.breach(Rule::Tags, "no To tag"));
                }
                let (_, method) = one.cseq();
                if method == "ACK" {
                    findings.push(one.breach(Rule::AckUnanswered, "ACK is answered"));
                }
                if method == "INVITE" && response.is_success() && !has_contact(one) {
                    findings.push(one.breach(Rule::Contact, "no Contact"));
                }
            }
        }
    }
}

fn valid(one: &Seen<'_>, findings: &mut Vec<Finding>) {
    if let Err(error) = one.message.clone().validate() {
        findings.push(one.breach(Rule::Valid, error));
    }
    let transport = one.message.headers().via().map(|via| via.transport().to_owned());
    let known = [Transport::Udp, Transport::Tcp, Transport::Tls, Transport::Ws, Transport::Wss];
    if let Ok(transport) = transport
        && !known.iter().any(|known| known.via() == transport)
    {
        findings.push(one.breach(Rule::Valid, format_args!("transport {transport}")));
    }
}

fn content_length(one: &Seen<'_>, findings: &mut Vec<Finding>) {
    let length = one.message.headers().text(HeaderName::ContentLength).and_then(|text| text.parse().ok());
    let head = memchr::memmem::find(&one.entry.bytes, b"\r\n\r\n").map_or(0, |at| at + 4);
    if length != Some(one.entry.bytes.len() - head) {
        findings.push(one.breach(Rule::ContentLength, format_args!("Content-Length is {length:?}")));
    }
}

fn has_contact(one: &Seen<'_>) -> bool {
    matches!(one.message.headers().contact(), Ok(Some(_)))
}
