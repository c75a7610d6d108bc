//! Owns the 2xx that nobody waits for: another fork's, or one whose session is gone.

use clock::Instant;

use crate::dialog::Dialog;
use crate::endpoint::{Endpoint, Flow};
use crate::headers::HeaderName;
use crate::message::{Method, Response};
use crate::transaction::ClientTx;

/// RFC 3261 §13.2.2.4: a 2xx to INVITE whose session is gone is acknowledged, each time that it comes, and its dialog ended
/// by one BYE. Other responses are none of this function's business.
pub fn discard_late_answer(now: Instant, ep: &mut Endpoint, tx: ClientTx, response: &Response) {
    // §12.2.1.1 asks that numbers rise: what followed the INVITE in a dialog that is gone had the next ones.
    discard(now, ep, tx, response, FOLLOWED);
}

/// The same for another fork's, in whose dialog nothing was sent.
pub(super) fn discard_fork(now: Instant, ep: &mut Endpoint, tx: ClientTx, response: &Response) {
    discard(now, ep, tx, response, 0);
}

fn discard(now: Instant, ep: &mut Endpoint, tx: ClientTx, response: &Response, followed: u32) {
    let headers = &response.headers;
    let Ok(cseq) = headers.cseq() else { return };
    if cseq.method != Method::Invite || !response.is_success() {
        return;
    }
    let Some(flow) = ep.flow_of(tx) else { return };
    let (Ok(local), Ok(remote), Ok(call_id)) = (headers.from(), headers.to(), headers.call_id()) else {
        return;
    };
    let base = Dialog {
        call_id: call_id.into(),
        target: remote.uri().clone(),
        local,
        remote,
        local_cseq: cseq.number.saturating_add(followed),
        remote_cseq: None,
        route: Vec::new(),
    };
    let Ok(mut dialog) = base.formed_by(response) else { return };
    let flow = way(&dialog, flow);
    ep.send_ack(flow, &dialog.request_numbered(Method::Ack, cseq.number));
    // RFC 3261 §13.3.1.4: a 2xx comes again until its ACK has arrived; its dialog ends once.
    if !ep.ends_once(tx, dialog.remote.tag().unwrap_or_default()) {
        return;
    }
    let mut bye = dialog.request(Method::Bye);
    bye.headers.push(HeaderName::Reason, "SIP;cause=487;text=\"Answered elsewhere\"");
    ep.request(now, flow, bye);
}

/// More requests than follow an INVITE before its 2xx is forgotten.
const FOLLOWED: u32 = 64;

/// The fork's own address where it is a number and may differ from where the INVITE went.
fn way(dialog: &Dialog, flow: Flow) -> Flow {
    match dialog.next_hop().host_ip() {
        Some(ip) if !dialog.route.is_empty() || ip == flow.remote.ip() => {
            let port = dialog.next_hop().port().unwrap_or(flow.transport.default_port());
            let remote = std::net::SocketAddr::new(ip, port);
            if remote == flow.remote { flow } else { Flow { remote, connection: None, ..flow } }
        }
        _ => flow,
    }
}
