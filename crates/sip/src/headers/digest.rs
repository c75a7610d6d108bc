//! Owns the digest headers: challenges (WWW-Authenticate, Proxy-Authenticate) and credentials (Authorization,
//! Proxy-Authorization). RFC 7616 §3.3, §3.4. Does not own the arithmetic (see [`crate::auth`]).

use std::borrow::Cow;
use std::fmt;

use crate::params;
use crate::scan::{self, Elements};

/// A digest algorithm by its registered name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Algorithm {
    Md5,
    Md5Sess,
    Sha256,
    /// Named, but not computed here.
    Unknown,
}

impl Algorithm {
    /// RFC 7616 §3.3: no algorithm means MD5.
    pub fn parse(text: Option<&str>) -> Algorithm {
        match text {
            None => Algorithm::Md5,
            Some(text) if text.eq_ignore_ascii_case("MD5") => Algorithm::Md5,
            Some(text) if text.eq_ignore_ascii_case("MD5-sess") => Algorithm::Md5Sess,
            Some(text) if text.eq_ignore_ascii_case("SHA-256") => Algorithm::Sha256,
            Some(_) => Algorithm::Unknown,
        }
    }

    /// The registered name; empty for an unknown one.
    pub fn as_str(self) -> &'static str {
        match self {
            Algorithm::Md5 => "MD5",
            Algorithm::Md5Sess => "MD5-sess",
            Algorithm::Sha256 => "SHA-256",
            Algorithm::Unknown => "",
        }
    }
}

/// What a server asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// Whose users are meant.
    pub realm: String,
    /// The server's number, to be repeated.
    pub nonce: String,
    /// The algorithm to use.
    pub algorithm: Algorithm,
    /// What the server offers as protection.
    pub qop: Qop,
    /// To be repeated as it came.
    pub opaque: Option<String>,
    /// Whether only the nonce was too old.
    pub stale: Stale,
}

/// The protection that a challenge offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Qop {
    /// None named: RFC 2069 arithmetic.
    Absent,
    /// `auth` is among them.
    Auth,
    /// Only others, such as `auth-int`.
    Unsupported,
}

/// Why a further challenge came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stale {
    /// The nonce was too old, the password right.
    Yes,
    /// Nothing is said, or the credentials were wrong.
    No,
}

impl Challenge {
    /// Whether it can be answered here: with MD5, MD5-sess or SHA-256, for the whole or no protection but `auth`.
    pub fn is_answerable(&self) -> bool {
        self.algorithm != Algorithm::Unknown && self.qop != Qop::Unsupported
    }

    /// Parses one challenge; `None` when it is malformed or its scheme is not Digest.
    pub fn parse(raw: &[u8]) -> Option<Challenge> {
        let fields = digest_fields(raw)?;
        let qop = match fields.text("qop") {
            None => Qop::Absent,
            Some(list) if list.split(',').any(|one| one.trim().eq_ignore_ascii_case("auth")) => Qop::Auth,
            Some(_) => Qop::Unsupported,
        };
        let stale = fields.text("stale").is_some_and(|text| text.eq_ignore_ascii_case("true"));
        Some(Challenge {
            realm: fields.owned("realm")?,
            nonce: fields.owned("nonce")?,
            algorithm: Algorithm::parse(fields.text("algorithm").as_deref()),
            qop,
            opaque: fields.owned("opaque"),
            stale: if stale { Stale::Yes } else { Stale::No },
        })
    }
}

impl fmt::Display for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest realm={}, nonce={}", Quoted(&self.realm), Quoted(&self.nonce))?;
        if let Some(opaque) = &self.opaque {
            write!(f, ", opaque={}", Quoted(opaque))?;
        }
        if self.stale == Stale::Yes {
            f.write_str(", stale=true")?;
        }
        write!(f, ", algorithm={}", self.algorithm.as_str())?;
        if self.qop == Qop::Auth { f.write_str(", qop=\"auth\"") } else { Ok(()) }
    }
}

/// What a client says for itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Who it claims to be.
    pub username: String,
    /// Whose users are meant.
    pub realm: String,
    /// The server's number.
    pub nonce: String,
    /// The URI that was hashed, as it came.
    pub uri: String,
    /// The digest, in hex.
    pub response: String,
    /// The algorithm used.
    pub algorithm: Algorithm,
    /// The protection used, with the client's number and count; `None` for RFC 2069 arithmetic.
    pub protection: Option<Protection>,
    /// As the challenge had it.
    pub opaque: Option<String>,
}

/// The part of credentials that RFC 2617 added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Protection {
    /// `auth` or another, as it came.
    pub qop: String,
    /// The client's number.
    pub cnonce: String,
    /// How often the nonce has been used, this time included; as it came, 8 hex digits.
    pub nc: String,
}

impl Protection {
    /// The count as a number.
    pub fn count(&self) -> Option<u32> {
        (self.nc.len() <= 8).then(|| u32::from_str_radix(&self.nc, 16).ok())?
    }
}

impl Credentials {
    /// Parses credentials; `None` when they are malformed or their scheme is not Digest.
    pub fn parse(raw: &[u8]) -> Option<Credentials> {
        let fields = digest_fields(raw)?;
        let protection = match fields.owned("qop") {
            None => None,
            Some(qop) => Some(Protection { qop, cnonce: fields.owned("cnonce")?, nc: fields.owned("nc")? }),
        };
        Some(Credentials {
            username: fields.owned("username")?,
            realm: fields.owned("realm")?,
            nonce: fields.owned("nonce")?,
            uri: fields.owned("uri")?,
            response: fields.owned("response")?,
            algorithm: Algorithm::parse(fields.text("algorithm").as_deref()),
            protection,
            opaque: fields.owned("opaque"),
        })
    }
}

impl fmt::Display for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (user, realm) = (Quoted(&self.username), Quoted(&self.realm));
        write!(f, "Digest username={user}, realm={realm}, nonce={}", Quoted(&self.nonce))?;
        write!(f, ", uri={}, response=\"{}\"", Quoted(&self.uri), self.response)?;
        write!(f, ", algorithm={}", self.algorithm.as_str())?;
        if let Some(protection) = &self.protection {
            // RFC 7616 §3.4: qop and nc stand without quotes.
            write!(f, ", cnonce={}, qop={}", Quoted(&protection.cnonce), protection.qop)?;
            write!(f, ", nc={}", protection.nc)?;
        }
        match &self.opaque {
            Some(opaque) => write!(f, ", opaque={}", Quoted(opaque)),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Credentials {
    // The response is what a password cracker starts from.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("username", &self.username)
            .field("realm", &self.realm)
            .finish_non_exhaustive()
    }
}

struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn get(&self, name: &str) -> Option<&'a [u8]> {
        Elements::of(self.0).find_map(|one| {
            let equals = memchr::memchr(b'=', one)?;
            let key = scan::trim(&one[..equals]);
            key.eq_ignore_ascii_case(name.as_bytes()).then(|| scan::trim(&one[equals + 1..]))
        })
    }

    fn text(&self, name: &str) -> Option<Cow<'a, str>> {
        params::unquote(self.get(name)?)
    }

    fn owned(&self, name: &str) -> Option<String> {
        self.text(name).map(Cow::into_owned)
    }
}

fn digest_fields(raw: &[u8]) -> Option<Fields<'_>> {
    let raw = scan::trim(raw);
    let end = raw.iter().position(|byte| scan::is_lws(*byte))?;
    raw[..end].eq_ignore_ascii_case(b"Digest").then(|| Fields(&raw[end..]))
}

struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = Vec::with_capacity(self.0.len() + 2);
        params::quote_into(&mut out, self.0);
        f.write_str(&String::from_utf8_lossy(&out))
    }
}
