//! Owns the bounds that a message from the network must keep. Does not own rates and bans (see `sip-net`).

/// Bounds on one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of start line and header fields together; more is 513.
    pub head_bytes: usize,
    /// Bytes of the body; more is 413.
    pub body_bytes: usize,
    /// Header fields; more is 513.
    pub header_fields: usize,
    /// Bytes of the Request-URI; more is 414.
    pub uri_bytes: usize,
}

impl Limits {
    /// What the switch allows unless configured: 32 KiB of head, 64 KiB of body, 256 header fields.
    pub const DEFAULT: Limits =
        Limits { head_bytes: 32 * 1024, body_bytes: 64 * 1024, header_fields: 256, uri_bytes: 4096 };
}

impl Default for Limits {
    fn default() -> Limits {
        Limits::DEFAULT
    }
}
