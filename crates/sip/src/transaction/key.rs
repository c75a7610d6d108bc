//! Owns how requests are matched to server transactions: RFC 3261 §17.2.3, for RFC 2543's peers too.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, DefaultHasher, Hash, Hasher};

use crate::headers::{HeaderName, Via};
use crate::message::{Method, Request};

/// Server transactions by key.
pub(crate) type KeyMap = HashMap<u128, u64, BuildHasherDefault<KeyHasher>>;

/// What `request` is matched by. ACK and CANCEL have the key of their INVITE: ask for it by `method`.
pub(crate) fn key_of(secret: &[u8; 16], request: &Request, via: &Via, method: &Method) -> u128 {
    let mut hasher = Hashers::new(secret);
    hasher.part(method.as_str().as_bytes());
    match via.rfc3261_branch() {
        // §17.2.3: branch, sent-by, method.
        Some(branch) => {
            hasher.part(branch.as_bytes());
            hasher.part(via.sent_by());
        }
        // §17.2.3 for RFC 2543: Request-URI, From tag, Call-ID, CSeq number and top Via; the To tag need not be
        // compared, since a later request of the dialog has a higher CSeq.
        None => {
            hasher.part(request.uri.as_bytes());
            hasher.part(request.headers.call_id().unwrap_or_default().as_bytes());
            hasher.part(request.headers.tag(HeaderName::From).unwrap_or_default().as_bytes());
            if let Ok(cseq) = request.headers.cseq() {
                hasher.part(&cseq.number.to_be_bytes());
            }
            hasher.part(via.as_bytes());
        }
    }
    hasher.finish()
}

/// What all copies of a request outside a dialog share (RFC 3261 §8.2.2.2); `None` within a dialog.
pub(crate) fn merge_key_of(secret: &[u8; 16], request: &Request) -> Option<u64> {
    if matches!(request.method, Method::Ack | Method::Cancel) {
        return None;
    }
    let headers = &request.headers;
    if headers.tag(HeaderName::To).is_some() {
        return None;
    }
    let (from, cseq) = (headers.tag(HeaderName::From)?, headers.get(HeaderName::CSeq)?);
    let mut hasher = Hashers::new(secret);
    hasher.part(b"merge");
    hasher.part(from.as_bytes());
    hasher.part(headers.get(HeaderName::CallId)?);
    hasher.part(cseq);
    Some((hasher.finish() as u64).max(1))
}

/// Two keyed hashes over length-prefixed parts: peers who do not know the secret cannot make keys collide.
struct Hashers([DefaultHasher; 2]);

impl Hashers {
    fn new(secret: &[u8; 16]) -> Hashers {
        Hashers([0_u8, 1].map(|label| {
            let mut hasher = DefaultHasher::new();
            secret.hash(&mut hasher);
            hasher.write_u8(label);
            hasher
        }))
    }

    fn part(&mut self, bytes: &[u8]) {
        for hasher in &mut self.0 {
            hasher.write_usize(bytes.len());
            hasher.write(bytes);
        }
    }

    fn finish(&self) -> u128 {
        u128::from(self.0[0].finish()) << 64 | u128::from(self.0[1].finish())
    }
}

/// A key is a hash already.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }
    fn write_u128(&mut self, key: u128) {
        self.0 = key as u64;
    }
}
