//! Owns the 2xx that nobody waits for: another fork's, or one whose session is gone.

use clock::Instant;

use crate::dialog::Dialog;
use crate::endpoint::{Endpoint, Flow};
use crate::headers::HeaderName;
use crate::message::{Method, Response};
use crate::transaction::ClientTx;

/// RFC 3261 §13.2.2.4: a 2xx to INVITE that no session wants is acknowledged and its dialog ended by BYE. Other
/// responses are none of this function's business.
pub fn discard_late_answer(now: Instant, ep: &mut Endpoint, tx: ClientTx, response: &Response) {
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
        // RFC 3261 §12.2.1.1 asks that the numbers rise: what followed the INVITE in a dialog that is gone had the next.
        local_cseq: cseq.number.saturating_add(FOLLOWED),
        remote_cseq: None,
        route: Vec::new(),
    };
    let Ok(mut dialog) = base.formed_by(response) else { return };
    let flow = way(&dialog, flow);
    ep.send_ack(now, flow, dialog.request_numbered(Method::Ack, cseq.number));
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
