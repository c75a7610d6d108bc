//! Owns the equality of URIs as RFC 3261 §19.1.4 defines it. Does not own byte equality (`==`).

use super::{Scheme, Uri, UriParams, unescaped};

impl Uri {
    /// Whether both name the same thing. RFC 3261 §19.1.4, RFC 3966 §5; unknown schemes by their bytes.
    pub fn same_as(&self, other: &Uri) -> bool {
        if self == other {
            return true;
        }
        if self.pieces() > MOST_PIECES || other.pieces() > MOST_PIECES {
            return false;
        }
        // RFC 3261 §19.1.4: "A SIP and SIPS URI are never equivalent."
        if self.parts.scheme != other.parts.scheme {
            return false;
        }
        match self.parts.scheme {
            Scheme::Sip | Scheme::Sips => {
                self.same_userinfo(other)
                    && self.host().eq_ignore_ascii_case(other.host())
                    // "sip:bob@biloxi.com" and "sip:bob@biloxi.com:5060" are not equivalent.
                    && self.parts.port == other.parts.port
                    && same_sip_params(self, other)
                    && same_headers(self.headers(), other.headers())
            }
            Scheme::Tel => {
                self.number() == other.number()
                    && covers(self.params(), other.params())
                    && covers(other.params(), self.params())
            }
            Scheme::Other => false,
        }
    }

    fn pieces(&self) -> usize {
        self.params().count() + self.headers().iter().filter(|byte| **byte == b'&').count()
    }

    /// The user part is case-sensitive; characters and their escapes are equal.
    fn same_userinfo(&self, other: &Uri) -> bool {
        let same = |a: Option<&[u8]>, b: Option<&[u8]>| match (a, b) {
            (Some(a), Some(b)) => unescaped(a).eq(unescaped(b)),
            (None, None) => true,
            _ => false,
        };
        same(self.user_raw(), other.user_raw()) && same(self.password(), other.password())
    }
}

/// Parameters in both must match; `user`, `ttl`, `method`, `maddr` and `transport` in one alone never match,
/// others in one alone are ignored.
fn same_sip_params(a: &Uri, b: &Uri) -> bool {
    let agree = |one: &Uri, two: &Uri| {
        one.params().all(|(name, value)| match find(two.params(), name) {
            Some(other) => same_text(value.unwrap_or_default(), other),
            None => !DECISIVE.iter().any(|known| name.eq_ignore_ascii_case(known)),
        })
    };
    agree(a, b) && agree(b, a)
}

/// Whether each parameter of `a` stands in `b` with the same value.
fn covers(mut a: UriParams<'_>, b: UriParams<'_>) -> bool {
    a.all(|(name, value)| {
        find(b.clone(), name).is_some_and(|other| same_text(value.unwrap_or_default(), other))
    })
}

fn find<'a>(mut params: UriParams<'a>, name: &[u8]) -> Option<&'a [u8]> {
    params.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.unwrap_or_default())
}

fn same_text(a: &[u8], b: &[u8]) -> bool {
    unescaped(a).map(|byte| byte.to_ascii_lowercase()).eq(unescaped(b).map(|byte| byte.to_ascii_lowercase()))
}

/// "Any present header component MUST be present in both URIs and match", in any order.
fn same_headers(a: &[u8], b: &[u8]) -> bool {
    let each_in = |a: &[u8], b: &[u8]| {
        a.split(|byte| *byte == b'&').all(|one| b.split(|byte| *byte == b'&').any(|two| same_text(one, two)))
    };
    each_in(a, b) && each_in(b, a)
}

/// Comparing takes time in the product of both sides' parameters: URIs with more than an address needs are equal by
/// their bytes or not at all.
const MOST_PIECES: usize = 64;

const DECISIVE: [&[u8]; 5] = [b"user", b"ttl", b"method", b"maddr", b"transport"];
