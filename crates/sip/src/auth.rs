//! Owns digest authentication in both roles: RFC 7616 and RFC 8760, RFC 2617 for those who know no better.
//! Does not own the headers' grammar (see [`crate::headers`]) nor who may do what (see the registrar).

use md5::{Digest as _, Md5};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

use crate::headers::{Algorithm, Credentials, HeaderName, Protection};
use crate::message::Method;

mod client;
mod server;
#[cfg(test)]
mod tests;

pub use client::{AnswerError, Login};
pub use server::{Account, Challenger, Offer, Verdict, secret_of};

/// Who asks: the party that the request is for, or one in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// 401, WWW-Authenticate, Authorization.
    Server,
    /// 407, Proxy-Authenticate, Proxy-Authorization.
    Proxy,
}

impl Side {
    /// The side that a response speaks for; `None` when it is no challenge.
    pub fn of_status(status: u16) -> Option<Side> {
        match status {
            401 => Some(Side::Server),
            407 => Some(Side::Proxy),
            _ => None,
        }
    }

    /// The status of a challenge.
    pub fn status(self) -> u16 {
        match self {
            Side::Server => 401,
            Side::Proxy => 407,
        }
    }

    /// The header that a challenge stands in.
    pub fn challenge_header(self) -> HeaderName {
        match self {
            Side::Server => HeaderName::WwwAuthenticate,
            Side::Proxy => HeaderName::ProxyAuthenticate,
        }
    }

    /// The header that credentials stand in.
    pub fn credentials_header(self) -> HeaderName {
        match self {
            Side::Server => HeaderName::Authorization,
            Side::Proxy => HeaderName::ProxyAuthorization,
        }
    }
}

/// The `response` that `credentials` should hold if `password` were theirs; `None` for an algorithm that is not
/// computed here. RFC 7616 §3.4.1–3.4.3.
fn response(credentials: &Credentials, password: &str, method: &Method) -> Option<String> {
    let algorithm = credentials.algorithm;
    let nonce = credentials.nonce.as_bytes();
    let user = credentials.username.as_bytes();
    let mut ha1 = hash(algorithm, &[user, credentials.realm.as_bytes(), password.as_bytes()])?;
    if algorithm == Algorithm::Md5Sess {
        let cnonce = credentials.protection.as_ref().map_or("", |protection| &protection.cnonce);
        ha1 = hash(algorithm, &[ha1.as_bytes(), nonce, cnonce.as_bytes()])?;
    }
    let ha2 = hash(algorithm, &[method.as_str().as_bytes(), credentials.uri.as_bytes()])?;
    match &credentials.protection {
        Some(Protection { qop, cnonce, nc }) => {
            let (ha1, ha2) = (ha1.as_bytes(), ha2.as_bytes());
            hash(algorithm, &[ha1, nonce, nc.as_bytes(), cnonce.as_bytes(), qop.as_bytes(), ha2])
        }
        // RFC 2617 §3.2.2.1: without qop.
        None => hash(algorithm, &[ha1.as_bytes(), nonce, ha2.as_bytes()]),
    }
}

/// `H(part ":" part ":" …)` in hex.
fn hash(algorithm: Algorithm, parts: &[&[u8]]) -> Option<String> {
    match algorithm {
        Algorithm::Md5 | Algorithm::Md5Sess => {
            let mut digest = Md5::new();
            each(parts, |part| digest.update(part));
            Some(hex(&digest.finalize()))
        }
        Algorithm::Sha256 => {
            let mut digest = Sha256::new();
            each(parts, |part| digest.update(part));
            Some(hex(&digest.finalize()))
        }
        Algorithm::Unknown => None,
    }
}

fn each(parts: &[&[u8]], mut update: impl FnMut(&[u8])) {
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            update(b":");
        }
        update(part);
    }
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

/// Compares without telling by the time taken where two texts differ. The case of hex digits does not count.
fn same(a: &str, b: &str) -> bool {
    let (a, b) = (a.to_ascii_lowercase(), b.to_ascii_lowercase());
    a.as_bytes().ct_eq(b.as_bytes()).into()
}
