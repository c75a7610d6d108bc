//! Owns finding the session description in a message's body. Does not own what it says (see `sdp`).

use bytes::Bytes;

use crate::headers::Headers;
use crate::multipart::Content;

/// The session description in a body, if there is one; a copy that does not keep the datagram alive.
pub(super) fn sdp_of(headers: &Headers, body: &Bytes) -> Option<Bytes> {
    Content::of(headers, body).sdp().map(|text| Bytes::copy_from_slice(&text))
}
