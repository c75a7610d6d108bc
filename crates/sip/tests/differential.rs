//! Owns the comparison with rsip, an independent parser: what both accept must read the same, field by field.
//! Where it does not, `docs/differential.md` says who is right and why.

#[allow(dead_code, reason = "the tables' cells belong to the exam")]
mod corpus;

use bytes::Bytes;
use rsip::message::HeadersExt as _;
use rsip::prelude::{ToTypedHeader as _, UntypedHeader as _};
use sip::{HeaderName, Message};

/// A message as a list of what it says; the same list from either parser.
type Reading = Vec<(String, String)>;

#[test]
fn what_both_accept_reads_the_same() {
    let mut agreed = [0, 0];
    let mut divergences = Vec::new();
    for (index, folder) in ["rfc4475", "field"].into_iter().enumerate() {
        for case in corpus::cases(folder) {
            let raw = case.raw();
            let Ok(theirs) = rsip::SipMessage::try_from(&raw[..]) else { continue };
            let Ok(mut ours) = Message::parse_datagram(Bytes::from(raw)) else { continue };
            if ours.validate().is_err() {
                continue;
            }
            match differing(&our_reading(&ours), &their_reading(&theirs)) {
                None => agreed[index] += 1,
                Some(field) => divergences.push(format!("{folder}/{}\t{field}", case.file)),
            }
        }
    }
    let document = include_str!("../../../docs/differential.md");
    let table = document.split("\n## ").find(|section| section.starts_with("rsip")).expect("its section");
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `"));
    let known: Vec<String> = rows
        .map(|row| {
            let mut cells = row.split(" | ");
            let file = cells.next().unwrap().trim_end_matches('`');
            format!("{file}\t{}", cells.next().unwrap())
        })
        .collect();
    assert_eq!(divergences, known, "the list of divergences changed");
    assert!(agreed[0] >= 17 && agreed[1] >= 24, "{agreed:?} messages agreed");
}

/// The first field that the two read differently.
fn differing(ours: &Reading, theirs: &Reading) -> Option<String> {
    if ours == theirs {
        return None;
    }
    let longest = ours.len().max(theirs.len());
    let at = (0..longest).find(|at| ours.get(*at) != theirs.get(*at))?;
    let field = ours.get(at).or(theirs.get(at))?;
    Some(field.0.clone())
}

fn our_reading(message: &Message) -> Reading {
    let mut reading = Reading::new();
    let mut say = |field: &str, text: String| reading.push((field.to_owned(), text));
    match message {
        Message::Request(request) => {
            say("method", request.method.to_string());
            say("uri", request.uri.to_string());
        }
        Message::Response(response) => say("status", response.status.to_string()),
    }
    let headers = message.headers();
    for field in headers.iter() {
        say(&canonical(field.name_text), String::from_utf8_lossy(field.value).into_owned());
    }
    say("body", format!("{:?}", message.body()));
    let tag = |address: sip::NameAddr| address.tag().unwrap_or_default().to_owned();
    say("from tag", headers.from().map(tag).unwrap_or_default());
    say("to tag", headers.to().map(tag).unwrap_or_default());
    say("call-id", headers.call_id().unwrap_or_default().to_owned());
    say("cseq", headers.cseq().map(|cseq| cseq.to_string()).unwrap_or_default());
    say("branch", headers.via().ok().and_then(|via| via.branch().map(str::to_owned)).unwrap_or_default());
    let host = headers.via().map(|via| format!("{}:{}", via.host(), via.port().unwrap_or(0)));
    say("sent-by", host.unwrap_or_default());
    reading
}

fn their_reading(message: &rsip::SipMessage) -> Reading {
    use rsip::prelude::HasHeaders as _;
    let mut reading = Reading::new();
    let mut say = |field: &str, text: String| reading.push((field.to_owned(), text));
    match message {
        rsip::SipMessage::Request(request) => {
            say("method", request.method.to_string());
            say("uri", request.uri.to_string());
        }
        rsip::SipMessage::Response(response) => say("status", response.status_code.code().to_string()),
    }
    for header in message.headers().iter() {
        let text = header.to_string();
        let (name, value) = text.split_once(':').unwrap_or((&text, ""));
        say(&canonical(name.trim().as_bytes()), value.trim().to_owned());
    }
    say("body", format!("{:?}", Bytes::copy_from_slice(message.body())));
    let from = message.from_header().ok().and_then(|from| from.typed().ok());
    say("from tag", from.and_then(|from| from.tag().map(|tag| tag.to_string())).unwrap_or_default());
    let to = message.to_header().ok().and_then(|to| to.typed().ok());
    say("to tag", to.and_then(|to| to.tag().map(|tag| tag.to_string())).unwrap_or_default());
    say("call-id", message.call_id_header().map(|id| id.value().to_owned()).unwrap_or_default());
    let cseq = message.cseq_header().ok().and_then(|cseq| cseq.typed().ok());
    say("cseq", cseq.map(|cseq| format!("{} {}", cseq.seq, cseq.method)).unwrap_or_default());
    let via = message.via_header().ok().and_then(|via| via.typed().ok());
    let branch = via.as_ref().and_then(|via| via.branch().map(|branch| branch.to_string()));
    say("branch", branch.unwrap_or_default());
    let host = via.map(|via| {
        let (host, port) = (&via.uri.host_with_port.host, via.uri.host_with_port.port.as_ref());
        format!("{host}:{}", port.map_or(0, |port| *port.value()))
    });
    say("sent-by", host.unwrap_or_default());
    reading
}

fn canonical(name: &[u8]) -> String {
    match HeaderName::parse(name) {
        HeaderName::Other => String::from_utf8_lossy(name).to_ascii_lowercase(),
        known => known.to_string(),
    }
}
