//! Owns finding the session description in a message's body. Does not own what it says (see `sdp`).

use bytes::Bytes;

use crate::headers::Headers;
use crate::multipart::Content;

/// The session description in a body, if there is one. It keeps the datagram alive: who keeps it copies it.
pub(super) fn sdp_of(headers: &Headers, body: &Bytes) -> Option<Bytes> {
    Content::of(headers, body).sdp()
}
