//! Owns whether an INVITE may take a session's place: RFC 3891 §3. Does not own what becomes of the call (see `call`).

use super::{Session, State};
use crate::headers::{HeaderError, HeaderName, ReplaceWhen, Replaces};
use crate::message::Request;

impl Replaces {
    /// The dialog that `request` wants to replace; `None` when it is an INVITE like any other.
    ///
    /// # Errors
    /// RFC 3891 §3: more than one Replaces, or one that cannot be read, or a Join beside it: 400.
    pub fn of(request: &Request) -> Result<Option<Replaces>, HeaderError> {
        let replaces = request.headers.replaces()?;
        if replaces.is_some() && request.headers.has(HeaderName::Join) {
            return Err(HeaderError::Malformed(HeaderName::Replaces));
        }
        Ok(replaces)
    }

    /// What a shard finds the session by: `to-tag` is the receiver's.
    pub fn dialog_key(&self) -> super::DialogKey {
        super::DialogKey { call_id: self.call_id.as_str().into(), local_tag: self.to_tag.as_str().into() }
    }
}

impl Session {
    /// Whether an INVITE with `replaces`, which names this session by Call-ID and our tag, may take its place.
    ///
    /// # Errors
    /// The status to refuse the INVITE with: 481 where the dialog is not meant or is an early one that the peer
    /// began, 486 where it is confirmed and an early one is asked for, 603 where it is over.
    pub fn replaceable(&self, replaces: &Replaces) -> Result<(), u16> {
        let tag = replaces.from_tag.as_str();
        match &self.state {
            // "If the Replaces header field matches an early dialog that was not initiated by this UA, it returns a
            // 481 (Call/Transaction Does Not Exist) response".
            State::Invited(_) => Err(481),
            State::Inviting(_) if self.is_ended() => Err(603),
            State::Inviting(inviting) => inviting.has_fork(tag).then_some(()).ok_or(481),
            // "A UA that does not have the from-tag": RFC 2543 peers have none and are named by 0.
            _ if self.remote_tag().unwrap_or("0") != tag => Err(481),
            State::Established => match replaces.when {
                ReplaceWhen::Any => Ok(()),
                ReplaceWhen::Early => Err(486),
            },
            State::Parting { .. } | State::Over => Err(603),
        }
    }
}
