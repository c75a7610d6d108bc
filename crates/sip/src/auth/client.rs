//! Owns the answering side of digest.

use std::fmt;

use crate::headers::{Algorithm, Challenge, Credentials, Protection, Qop, Stale};
use crate::message::{Request, Response};

use super::{Side, response};

/// A name and password that we have with somebody.
#[derive(Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Login {
    /// The user name.
    pub user: String,
    /// The password.
    pub password: String,
    /// The only realm to answer; any when `None`.
    pub realm: Option<String>,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("user", &self.user).field("realm", &self.realm).finish_non_exhaustive()
    }
}

/// Why a challenge stays without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    #[error("the response is no challenge")]
    NoChallenge,
    #[error("no challenge of the expected realm")]
    OtherRealm,
    #[error("no challenge with MD5, MD5-sess or SHA-256 and qop auth")]
    Unsupported,
    #[error("the credentials were refused")]
    Refused,
}

impl Login {
    /// Puts the answer to the challenge in `challenged` into `request`, in place of an earlier one. `cnonce` is drawn
    /// at random by the caller; `nc` counts the uses of one nonce and starts at 1.
    ///
    /// A second challenge after an answer of ours is [`AnswerError::Refused`] unless it says `stale`: whoever repeats
    /// after this has to stop.
    ///
    /// # Errors
    /// When there is nothing that can be answered.
    pub fn answer(
        &self,
        challenged: &Response,
        request: &mut Request,
        cnonce: &str,
        nc: u32,
    ) -> Result<(), AnswerError> {
        let side = Side::of_status(challenged.status).ok_or(AnswerError::NoChallenge)?;
        let challenge = self.choose(side, challenged)?;
        let answered = request.headers.all(side.credentials_header()).filter_map(Credentials::parse);
        for earlier in answered {
            if earlier.realm == challenge.realm && challenge.stale == Stale::No {
                return Err(AnswerError::Refused);
            }
        }
        let uri = String::from_utf8_lossy(request.uri.as_bytes()).into_owned();
        let credentials =
            self.credentials(&challenge, request, uri, cnonce, nc).ok_or(AnswerError::Unsupported)?;
        // One set of credentials per header name: we answer one realm per call.
        request.headers.set(side.credentials_header(), credentials.to_string());
        Ok(())
    }

    /// The strongest challenge that can be answered; RFC 8760 §2.4 lets the first of equals win.
    fn choose(&self, side: Side, challenged: &Response) -> Result<Challenge, AnswerError> {
        let mut error = AnswerError::NoChallenge;
        let mut best: Option<Challenge> = None;
        for raw in challenged.headers.all(side.challenge_header()) {
            let Some(challenge) = Challenge::parse(raw) else { continue };
            if self.realm.as_ref().is_some_and(|realm| *realm != challenge.realm) {
                error = AnswerError::OtherRealm;
                continue;
            }
            if !challenge.is_answerable() {
                error = AnswerError::Unsupported;
                continue;
            }
            if best.as_ref().is_none_or(|best| strength(challenge.algorithm) > strength(best.algorithm)) {
                best = Some(challenge);
            }
        }
        best.ok_or(error)
    }

    fn credentials(
        &self,
        challenge: &Challenge,
        request: &Request,
        uri: String,
        cnonce: &str,
        nc: u32,
    ) -> Option<Credentials> {
        // RFC 7616 §3.4: MD5-sess hashes a cnonce even where no qop was named; we send one only with qop.
        let protection = match challenge.qop {
            Qop::Auth => Some(Protection {
                qop: "auth".to_owned(),
                cnonce: cnonce.to_owned(),
                nc: format!("{nc:08x}"),
            }),
            Qop::Absent if challenge.algorithm == Algorithm::Md5Sess => return None,
            Qop::Absent => None,
            Qop::Unsupported => return None,
        };
        let mut credentials = Credentials {
            username: self.user.clone(),
            realm: challenge.realm.clone(),
            nonce: challenge.nonce.clone(),
            uri,
            response: String::new(),
            algorithm: challenge.algorithm,
            protection,
            opaque: challenge.opaque.clone(),
        };
        credentials.response = response(&credentials, &self.password, &request.method)?;
        Some(credentials)
    }
}

fn strength(algorithm: Algorithm) -> u8 {
    match algorithm {
        Algorithm::Unknown => 0,
        Algorithm::Md5 => 1,
        Algorithm::Md5Sess => 2,
        Algorithm::Sha256 => 3,
    }
}
