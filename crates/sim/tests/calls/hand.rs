//! Owns a carrier whose messages a test writes by hand.

use std::net::SocketAddr;

use sip::{HeaderName, Message, Response};

use crate::stage::{Stage, millis};

/// Where it lives: within the trunk's network.
pub(crate) const CARRIER: &str = "198.51.100.98:5060";

/// A carrier whose messages are written by hand.
pub(crate) struct Hand {
    pub at: SocketAddr,
    pub user: &'static str,
    pub call_id: &'static str,
    /// The To header of requests within the dialog.
    pub to: String,
    pub cseq: u32,
    /// The user of From.
    pub from: &'static str,
}

impl Hand {
    pub fn new(address: &str, user: &'static str, call_id: &'static str) -> Hand {
        let at = address.parse().expect("an address");
        Hand { at, user, call_id, to: format!("<sip:{user}@10.0.0.1>"), cseq: 0, from: "13900139000" }
    }

    pub fn send(&mut self, stage: &mut Stage, method: &str, branch: &str, headers: &str, body: &str) {
        let Hand { at, user, call_id, to, cseq, from } = self;
        let length = body.replace('\n', "\r\n").len();
        let text = format!(
            "{method} sip:{user}@10.0.0.1 SIP/2.0\nVia: SIP/2.0/UDP {at};branch=z9hG4bK{call_id}{branch}\nMax-Forwards: 70\n\
             From: <sip:{from}@{at}>;tag=h1\nTo: {to}\nCall-ID: {call_id}\nCSeq: {cseq} {method}\n\
             Contact: <sip:c@{at}>\n{headers}Content-Length: {length}\n\n{body}"
        );
        let switch = stage.world.switch(0);
        stage.world.send_by_hand(*at, switch, &text);
    }

    pub fn invite(&mut self, stage: &mut Stage, body: &str) {
        self.cseq += 1;
        let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\n" };
        self.send(stage, "INVITE", &format!("inv{}", self.cseq), kind, body);
    }

    /// An INVITE without a description, with further headers.
    pub fn invite_with(&mut self, stage: &mut Stage, headers: &str) {
        self.cseq += 1;
        self.send(stage, "INVITE", &format!("inv{}", self.cseq), headers, "");
    }

    /// An INVITE with a description and further headers.
    pub fn invite_sdp_with(&mut self, stage: &mut Stage, headers: &str) {
        self.cseq += 1;
        let headers = format!("Content-Type: application/sdp\n{headers}");
        self.send(stage, "INVITE", &format!("inv{}", self.cseq), &headers, &sdp("8 101"));
    }

    pub fn ack(&mut self, stage: &mut Stage, branch: &str, body: &str) {
        let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\n" };
        self.send(stage, "ACK", branch, kind, body);
    }

    /// What came, parsed; the To header of a response with a tag is kept.
    pub fn read(&mut self, stage: &mut Stage) -> Vec<Message> {
        let came = stage
            .world
            .inbox(self.at)
            .into_iter()
            .map(|bytes| Message::parse_datagram(bytes).expect("valid"));
        let came: Vec<Message> = came.collect();
        for message in &came {
            if let Message::Response(response) = message
                && response.status > 100
                && response.status < 300
            {
                let to = response.headers.get(HeaderName::To).expect("To").to_vec();
                self.to = String::from_utf8(to).expect("ASCII");
            }
        }
        came
    }

    pub fn responses(&mut self, stage: &mut Stage) -> Vec<Response> {
        let only = |message| match message {
            Message::Response(response) => Some(response),
            Message::Request(_) => None,
        };
        self.read(stage).into_iter().filter_map(only).collect()
    }

    pub fn statuses(&mut self, stage: &mut Stage) -> Vec<u16> {
        self.responses(stage).iter().map(|response| response.status).collect()
    }

    /// The ACK of a final refusal has the branch and CSeq of its INVITE (RFC 3261 §17.1.1.3). Its To tag is not judged.
    pub fn send_ack_for_refusal(&mut self, stage: &mut Stage) {
        let branch = format!("inv{}", self.cseq);
        self.ack(stage, &branch, "");
        stage.run(millis(50));
    }
}

pub(crate) fn sdp(codecs: &str) -> String {
    let maps: String = codecs
        .split(' ')
        .map(|code| match code {
            "8" => "a=rtpmap:8 PCMA/8000\n",
            "0" => "a=rtpmap:0 PCMU/8000\n",
            "18" => "a=rtpmap:18 G729/8000\n",
            _ => "a=rtpmap:101 telephone-event/8000\n",
        })
        .collect();
    format!(
        "v=0\no=- 1 1 IN IP4 198.51.100.99\ns=-\nc=IN IP4 198.51.100.99\nt=0 0\nm=audio 40000 RTP/AVP {codecs}\n{maps}"
    )
}
