//! Owns the audit of a wire trace by the rules of RFC 3261, for simulated worlds and for tests: what was sent, judged
//! without knowing what was meant. Does not own whether the call did what it should.
//!
//! A trace holds what was sent, lost packets included, so rules on what must follow let off a side that repeated its
//! message until its timer ran out.

mod exchanges;
mod messages;

use std::net::SocketAddr;

use bytes::Bytes;
use clock::Instant;

use crate::message::Message;

/// One packet as it was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When.
    pub at: Instant,
    /// Who sent it.
    pub from: SocketAddr,
    /// To whom.
    pub to: SocketAddr,
    /// One message.
    pub bytes: Bytes,
}

/// A breach of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which rule.
    pub rule: Rule,
    /// When the packet was sent that breaks it.
    pub at: Instant,
    /// The start line and what is wrong, for people.
    pub detail: String,
}

/// The rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// Every packet is a valid message (§7, §8.1.1, §20).
    Valid,
    /// Content-Length is there and right (§18.3, §20.14).
    ContentLength,
    /// The branch of a request begins with the magic cookie (§8.1.1.7).
    MagicCookie,
    /// A request carries Max-Forwards (§8.1.1.6).
    MaxForwards,
    /// A request carries a From tag (§8.1.1.3), a response other than 100 a To tag (§8.2.6.2).
    Tags,
    /// INVITE and its 2xx carry a Contact (§8.1.1.8, §12.1.1).
    Contact,
    /// A response repeats Via, From, To, Call-ID and CSeq of a request that was sent (§8.2.6.2).
    ResponseFits,
    /// Every request but ACK gets a final response.
    FinalResponse,
    /// A transaction has one final response, and nothing provisional after it (§17.2).
    OneFinal,
    /// ACK is not answered (§17.1.1.3).
    AckUnanswered,
    /// Every final response to INVITE is acknowledged (§13.2.2.4, §17.1.1.3).
    Acknowledged,
    /// Within a dialog each side's CSeq rises (§12.2.1.1).
    CSeqRises,
    /// ACK and CANCEL have the number of their INVITE (§9.1, §13.2.2.4).
    AckAndCancelNumbers,
    /// CANCEL has branch and Request-URI of an INVITE that has a provisional response (§9.1).
    CancelFits,
    /// BYE is sent within a dialog (§15).
    ByeInDialog,
    /// A retransmission is the same bytes (§17).
    RetransmissionsIdentical,
    /// Requests are repeated at T1, doubling; others than INVITE up to T2 (§17.1.1.2, §17.1.2.2).
    Timers,
    /// Each reliable provisional response has its PRACK (RFC 3262 §4).
    Pracked,
}

/// Judges `trace`, which is in order of time. No finding, no breach.
pub fn audit(trace: &[Entry]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut seen = Vec::with_capacity(trace.len());
    for entry in trace {
        match Message::parse_datagram(entry.bytes.clone()) {
            Ok(message) => seen.push(Seen { entry, message }),
            Err(error) => findings.push(Finding {
                rule: Rule::Valid,
                at: entry.at,
                detail: format!("{}: {error}", start_line(&entry.bytes)),
            }),
        }
    }
    messages::check(&seen, &mut findings);
    exchanges::check(&seen, &mut findings);
    findings.sort_by_key(|finding| (finding.at, finding.rule));
    findings
}

/// A packet that can be read.
struct Seen<'a> {
    entry: &'a Entry,
    message: Message,
}

impl Seen<'_> {
    fn breach(&self, rule: Rule, what: impl std::fmt::Display) -> Finding {
        let Entry { at, from, to, bytes } = self.entry;
        Finding { rule, at: *at, detail: format!("{from} → {to} {}: {what}", start_line(bytes)) }
    }

    /// The branch of the top Via; a transaction's name as far as one client goes.
    fn branch(&self) -> String {
        let via = self.message.headers().via().ok();
        let branch = via.as_ref().and_then(|via| via.branch()).unwrap_or_default().to_owned();
        match via {
            Some(via) => format!("{branch}@{}", String::from_utf8_lossy(via.sent_by())),
            None => branch,
        }
    }

    fn cseq(&self) -> (u32, String) {
        let cseq = self.message.headers().cseq();
        cseq.map_or((0, String::new()), |cseq| (cseq.number, cseq.method.as_str().to_owned()))
    }

    fn call_id(&self) -> String {
        self.message.headers().call_id().unwrap_or_default().to_owned()
    }

    fn sender_tag(&self) -> String {
        let from = self.message.headers().from().ok();
        from.and_then(|from| from.tag().map(str::to_owned)).unwrap_or_default()
    }

    fn receiver_tag(&self) -> String {
        let to = self.message.headers().to().ok();
        to.and_then(|to| to.tag().map(str::to_owned)).unwrap_or_default()
    }

    fn is_datagram(&self) -> bool {
        self.message.headers().via().is_ok_and(|via| via.transport().eq_ignore_ascii_case("UDP"))
    }
}

fn start_line(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == b'\r').unwrap_or(bytes.len().min(80));
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

#[cfg(test)]
mod tests;
