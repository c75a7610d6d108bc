//! Owns how requests are matched to server transactions: RFC 3261 §17.2.3, for RFC 2543's peers too.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, DefaultHasher, Hash, Hasher};

use crate::headers::{HeaderName, Via};
use crate::message::{Method, Request};

/// Server transactions by key.
pub(crate) type KeyMap = HashMap<u64, u64, BuildHasherDefault<KeyHasher>>;

/// Keys alone.
pub(crate) type KeySet = HashSet<u64, BuildHasherDefault<KeyHasher>>;

/// Makes keys: a keyed hash over length-prefixed parts, so that peers who do not know the secret cannot make keys
/// collide.
#[derive(Clone, Debug)]
pub(crate) struct Keys(DefaultHasher);

impl Keys {
    /// Keys that depend on `secret`.
    pub(crate) fn new(secret: &[u8; 16]) -> Keys {
        let mut hasher = DefaultHasher::new();
        secret.hash(&mut hasher);
        Keys(hasher)
    }

    fn part(&mut self, bytes: &[u8]) {
        self.0.write_usize(bytes.len());
        self.0.write(bytes);
    }

    fn finish(&self) -> u64 {
        self.0.finish()
    }
}

/// What `request` is matched by. ACK and CANCEL have the key of their INVITE: ask for it by `method`. Of 300,000
/// transactions at once, as many as 10,000 new ones a second leave, two share a key once in some 200 years.
pub(crate) fn key_of(keys: &Keys, request: &Request, via: &Via, method: &Method) -> u64 {
    let mut hasher = keys.clone();
    hasher.part(method.as_str().as_bytes());
    match via.rfc3261_branch() {
        // §17.2.3: branch, sent-by, method.
        Some(branch) => {
            hasher.part(branch);
            hasher.part(via.sent_by());
        }
        // §17.2.3 for RFC 2543: Request-URI, From tag, Call-ID, CSeq number and top Via; the To tag need not be
        // compared, since a later request of the dialog has a higher CSeq.
        None => {
            hasher.part(request.uri.as_bytes());
            hasher.part(request.headers.call_id().unwrap_or_default().as_bytes());
            hasher.part(request.headers.tag_raw(HeaderName::From).unwrap_or_default());
            if let Ok(cseq) = request.headers.cseq() {
                hasher.part(&cseq.number.to_be_bytes());
            }
            hasher.part(via.as_bytes());
        }
    }
    hasher.finish()
}

/// What all copies of a request outside a dialog share (RFC 3261 §8.2.2.2); `None` within a dialog.
pub(crate) fn merge_key_of(keys: &Keys, request: &Request) -> Option<u64> {
    if matches!(request.method, Method::Ack | Method::Cancel) {
        return None;
    }
    let headers = &request.headers;
    if headers.tag_raw(HeaderName::To).is_some() {
        return None;
    }
    let (from, cseq) = (headers.tag_raw(HeaderName::From)?, headers.get(HeaderName::CSeq)?);
    let mut hasher = keys.clone();
    hasher.part(b"merge");
    hasher.part(from);
    hasher.part(headers.get(HeaderName::CallId)?);
    hasher.part(cseq);
    Some(hasher.finish().max(1))
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
    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }
}
