//! Owns the names of header fields: known ones as numbers, compact forms, the usual spelling.

use std::fmt;

macro_rules! names {
    ($($name:ident => $text:literal,)*) => {
        /// A header field name. Anything without an entry here is [`HeaderName::Other`] and found by its text.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
        #[repr(u8)]
        pub enum HeaderName {
            Other,
            $($name,)*
        }

        /// All that have an entry.
        const KNOWN: &[HeaderName] = &[$(HeaderName::$name,)*];

        /// Their usual spellings, each in the place of its number; nothing for [`HeaderName::Other`].
        const TEXTS: &[&str] = &["", $($text,)*];
    };
}

names! {
    Accept => "Accept",
    AcceptEncoding => "Accept-Encoding",
    AcceptLanguage => "Accept-Language",
    AlertInfo => "Alert-Info",
    Allow => "Allow",
    AllowEvents => "Allow-Events",
    AuthenticationInfo => "Authentication-Info",
    Authorization => "Authorization",
    CallId => "Call-ID",
    CallInfo => "Call-Info",
    Contact => "Contact",
    ContentDisposition => "Content-Disposition",
    ContentEncoding => "Content-Encoding",
    ContentLanguage => "Content-Language",
    ContentLength => "Content-Length",
    ContentType => "Content-Type",
    CSeq => "CSeq",
    Date => "Date",
    Diversion => "Diversion",
    ErrorInfo => "Error-Info",
    Event => "Event",
    Expires => "Expires",
    From => "From",
    HistoryInfo => "History-Info",
    InfoPackage => "Info-Package",
    Join => "Join",
    MaxForwards => "Max-Forwards",
    MimeVersion => "MIME-Version",
    MinExpires => "Min-Expires",
    MinSe => "Min-SE",
    Organization => "Organization",
    PAccessNetworkInfo => "P-Access-Network-Info",
    PAssertedIdentity => "P-Asserted-Identity",
    PAssociatedUri => "P-Associated-URI",
    PCalledPartyId => "P-Called-Party-ID",
    PPreferredIdentity => "P-Preferred-Identity",
    Path => "Path",
    Priority => "Priority",
    Privacy => "Privacy",
    ProxyAuthenticate => "Proxy-Authenticate",
    ProxyAuthorization => "Proxy-Authorization",
    ProxyRequire => "Proxy-Require",
    RAck => "RAck",
    Reason => "Reason",
    RecordRoute => "Record-Route",
    RecvInfo => "Recv-Info",
    ReferTo => "Refer-To",
    ReferredBy => "Referred-By",
    RemotePartyId => "Remote-Party-ID",
    Replaces => "Replaces",
    ReplyTo => "Reply-To",
    Require => "Require",
    RetryAfter => "Retry-After",
    Route => "Route",
    RSeq => "RSeq",
    Server => "Server",
    ServiceRoute => "Service-Route",
    SessionExpires => "Session-Expires",
    Subject => "Subject",
    SubscriptionState => "Subscription-State",
    Supported => "Supported",
    Timestamp => "Timestamp",
    To => "To",
    Unsupported => "Unsupported",
    UserAgent => "User-Agent",
    Via => "Via",
    Warning => "Warning",
    WwwAuthenticate => "WWW-Authenticate",
}

impl HeaderName {
    /// How many there are, with [`HeaderName::Other`].
    pub(super) const COUNT: usize = TEXTS.len();

    /// The name spelled by `text`, in any case, long or compact.
    pub fn parse(text: &[u8]) -> HeaderName {
        if let [letter] = text {
            return compact(*letter);
        }
        if text.is_empty() {
            return HeaderName::Other;
        }
        let mut place = place_of(text);
        loop {
            let name = PLACES[place];
            if name as u8 == HeaderName::Other as u8 || is_spelled(name.as_str().as_bytes(), text) {
                return name;
            }
            place = (place + 1) % PLACES.len();
        }
    }

    /// The usual spelling; empty for [`HeaderName::Other`].
    pub const fn as_str(self) -> &'static str {
        TEXTS[self as usize]
    }
}

/// RFC 3261 §7.3.3 and the IANA registry of compact forms.
fn compact(letter: u8) -> HeaderName {
    use HeaderName as N;
    match letter.to_ascii_lowercase() {
        b'a' => N::Other, // Accept-Contact
        b'b' => N::ReferredBy,
        b'c' => N::ContentType,
        b'e' => N::ContentEncoding,
        b'f' => N::From,
        b'i' => N::CallId,
        b'k' => N::Supported,
        b'l' => N::ContentLength,
        b'm' => N::Contact,
        b'o' => N::Event,
        b'r' => N::ReferTo,
        b's' => N::Subject,
        b't' => N::To,
        b'u' => N::AllowEvents,
        b'v' => N::Via,
        b'x' => N::SessionExpires,
        _ => N::Other,
    }
}

/// Nearly everybody writes the usual spelling.
fn is_spelled(known: &[u8], text: &[u8]) -> bool {
    known == text || known.eq_ignore_ascii_case(text)
}

/// Where a name's entry is looked for first, by its length, its ends and its middle. The factors are chosen so that no
/// two names share a place; one that is added and does takes the next free one.
const fn place_of(text: &[u8]) -> usize {
    let length = text.len();
    let (first, middle, last) = (text[0] | 0x20, text[length / 2] | 0x20, text[length - 1] | 0x20);
    (length * 24 + first as usize * 58 + last as usize * 30 + middle as usize * 51) % 256
}

/// The names by their places; [`HeaderName::Other`] where there is none, and there are more of those than of names.
static PLACES: [HeaderName; 256] = {
    let mut places = [HeaderName::Other; 256];
    let mut at = 0;
    while at < KNOWN.len() {
        let mut place = place_of(KNOWN[at].as_str().as_bytes());
        while places[place] as u8 != HeaderName::Other as u8 {
            place = (place + 1) % places.len();
        }
        places[place] = KNOWN[at];
        at += 1;
    }
    places
};

impl fmt::Display for HeaderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a header field is asked for by: a [`HeaderName`], or the text of a name that has none.
#[derive(Clone, Copy, Debug)]
pub struct Name<'a> {
    pub(crate) known: HeaderName,
    pub(crate) text: &'a str,
}

impl<'a> From<HeaderName> for Name<'a> {
    fn from(known: HeaderName) -> Name<'a> {
        Name { known, text: known.as_str() }
    }
}

impl<'a> From<&'a str> for Name<'a> {
    fn from(text: &'a str) -> Name<'a> {
        Name { known: HeaderName::parse(text.as_bytes()), text }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_is_found_by_its_spelling_in_any_case_and_by_nothing_else() {
        assert!(KNOWN.len() * 2 < PLACES.len(), "a full table ends no search");
        for name in KNOWN {
            let text = name.as_str();
            for spelled in [text.to_owned(), text.to_ascii_lowercase(), text.to_ascii_uppercase()] {
                assert_eq!(HeaderName::parse(spelled.as_bytes()), *name, "{spelled}");
            }
            let wrong = [format!("{text}s"), format!("x{text}"), text.replacen(|_: char| true, "q", 1)];
            for other in
                wrong.iter().filter(|other| !KNOWN.iter().any(|known| known.as_str() == other.as_str()))
            {
                assert_eq!(HeaderName::parse(other.as_bytes()), HeaderName::Other, "{other}");
            }
        }
        assert_eq!(HeaderName::parse(b""), HeaderName::Other);
        assert_eq!(HeaderName::parse(b"\xff\xff\xff"), HeaderName::Other);
    }
}
