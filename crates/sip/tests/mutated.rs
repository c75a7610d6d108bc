//! Owns the seeded mutator: 300,000 damaged messages through everything that reads bytes from the network.
//! The test is that nothing panics, that what is accepted can be printed and read again, and that no message takes long.

#[allow(dead_code, reason = "the table's cells belong to the exam")]
mod corpus;

use bytes::Bytes;
use sip::framing::Splitter;
use sip::headers::{Challenge, Credentials};
use sip::message::Request;
use sip::{HeaderName, Limits, Message};

const CASES: u32 = 300_000;

#[test]
fn no_damage_breaks_the_reader() {
    let seeds: Vec<Vec<u8>> =
        ["rfc4475", "field"].into_iter().flat_map(corpus::cases).map(|case| case.raw()).collect();
    // A message of 64 KiB would take most of the time and show nothing that a shorter one does not.
    let seeds: Vec<Vec<u8>> = seeds.into_iter().filter(|seed| (1..4096).contains(&seed.len())).collect();
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let mut accepted = 0;
    for _ in 0..CASES {
        let mut bytes = dice.pick(&seeds).clone();
        for _ in 0..=dice.below(4) {
            damage(&mut bytes, &seeds, &mut dice);
        }
        accepted += u32::from(read_everything(bytes, &mut dice));
    }
    assert!(
        accepted > CASES / 10,
        "only {accepted} were accepted: the damage is too coarse to reach the depths"
    );
    assert!(accepted < CASES * 9 / 10, "{accepted} were accepted: the damage does nothing");
}

/// Reads all that can be read; says whether the message was accepted.
fn read_everything(bytes: Vec<u8>, dice: &mut Dice) -> bool {
    let bytes = Bytes::from(bytes);
    stream(&bytes, dice);
    let message = match Message::parse_datagram(bytes) {
        Ok(message) => message,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            if let Some(answer) = error.answer() {
                assert!(Message::parse_datagram(answer.to_bytes()).is_ok(), "an answer that is no message");
            }
            return false;
        }
    };
    headers(&message);
    if let Err(error) = message.validate() {
        let _ = error.answer().map(|answer| answer.to_bytes());
        return false;
    }
    let again = Message::parse_within(message.to_bytes(), &ROOMY).expect("what was printed is read again");
    assert_eq!(message.body(), again.body());
    let fields = |message: &Message| -> Vec<(Vec<u8>, Vec<u8>)> {
        let fields = message.headers().iter().filter(|field| field.name != HeaderName::ContentLength);
        fields.map(|field| (field.name_text.to_vec(), field.value.to_vec())).collect()
    };
    assert_eq!(fields(&message), fields(&again));
    true
}

/// Printing adds up to two bytes to each line.
const ROOMY: Limits = Limits { head_bytes: 64 * 1024, ..Limits::DEFAULT };

fn headers(message: &Message) {
    let headers = message.headers();
    for via in headers.vias().unwrap_or_default() {
        let _ = (via.branch().map(str::len), via.received(), via.rport(), via.sent_by().len());
        let _ = via.received_from("[2001:db8::1]:5060".parse().unwrap());
    }
    for name in
        [HeaderName::From, HeaderName::To, HeaderName::Contact, HeaderName::Route, HeaderName::ReferTo]
    {
        for address in headers.addresses(name).unwrap_or_default() {
            let _ = (address.display(), address.tag().map(str::len), address.q(), address.expires());
            let _ =
                (address.with_tag("x"), address.without_param("expires"), address.params().iter().count());
            let uri = address.uri();
            let _ = (uri.user(), uri.number(), uri.host_ip(), uri.header("Replaces"), uri.same_as(uri));
            let _ = (uri.address(), uri.without_headers(), uri.with_param("a", "b"), uri.params().count());
            assert!(uri.same_as(uri), "{uri} differs from itself");
        }
    }
    let _ = (headers.call_id(), headers.cseq(), headers.rack(), headers.rseq(), headers.max_forwards());
    let _ = (headers.expires(), headers.min_expires(), headers.min_se(), headers.session_expires());
    let _ = (headers.reasons(), headers.retry_after(), headers.replaces(), headers.event());
    let _ = (headers.subscription_state(), headers.content_type(), headers.lists(HeaderName::Require, "x"));
    for value in headers.all(HeaderName::Authorization) {
        let _ = (Credentials::parse(value), Challenge::parse(value));
    }
    if let Message::Request(Request { uri, .. }) = message {
        let _ = (uri.user(), uri.number(), uri.address(), uri.same_as(uri));
    }
}

fn stream(bytes: &Bytes, dice: &mut Dice) {
    let mut splitter = Splitter::new(Limits::DEFAULT);
    let mut rest = &bytes[..];
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(1 + dice.below(rest.len()));
        rest = after;
        splitter.push(piece);
        loop {
            match splitter.next_frame() {
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(error) => {
                    let _ = error.answer();
                    return;
                }
            }
        }
    }
}

/// One change to `bytes`.
fn damage(bytes: &mut Vec<u8>, seeds: &[Vec<u8>], dice: &mut Dice) {
    if bytes.is_empty() {
        return bytes.extend_from_slice(b"SIP/2.0 200 OK\r\n");
    }
    let at = dice.below(bytes.len());
    match dice.below(8) {
        0 => bytes[at] = dice.below(256) as u8,
        1 => bytes.truncate(at),
        2 => drop(bytes.drain(at..(at + 1 + dice.below(16)).min(bytes.len()))),
        3 => {
            let piece = *dice.pick(PIECES);
            bytes.splice(at..at, piece.iter().copied());
        }
        4 => {
            let piece = *dice.pick(PIECES);
            let end = (at + piece.len()).min(bytes.len());
            bytes.splice(at..end, piece.iter().copied());
        }
        5 => {
            let copy: Vec<u8> = bytes[at..(at + 1 + dice.below(80)).min(bytes.len())].to_vec();
            bytes.splice(at..at, copy);
        }
        6 => {
            let other = dice.pick(seeds);
            let from = dice.below(other.len());
            let line = other[from..].split_inclusive(|byte| *byte == b'\n').nth(1).unwrap_or(b"\r\n");
            let here = bytes[..at].iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
            bytes.splice(here..here, line.iter().copied());
        }
        _ => bytes[at] ^= 1 << dice.below(8),
    }
}

/// What grammars trip over.
const PIECES: &[&[u8]] = &[
    b"\r\n",
    b"\n",
    b"\r",
    b"\r\n ",
    b"\r\n\r\n",
    b"\0",
    b"\"",
    b"\\",
    b"\\\"",
    b"<",
    b">",
    b";",
    b",",
    b":",
    b"@",
    b"?",
    b"=",
    b"%",
    b"%00",
    b"%2",
    b"[",
    b"]",
    b"[::1]",
    b" ",
    b"\t",
    b"*",
    b";;",
    b",,",
    b";tag=",
    b";lr",
    b";rport",
    b"\xff",
    b"\xd5\x5c",
    b"\xe5\xae\xa2",
    b"SIP/2.0",
    b"sip:",
    b"tel:",
    b"99999999999999999999",
    b"-1",
    b"Content-Length: ",
    b"l: 4\r\n",
    b"Via: ",
    b"v: SIP/2.0/UDP h\r\n",
    b"Contact: *\r\n",
    b";received=[::1]",
];

/// SplitMix64: the same numbers on each run.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}
