//! Owns the names of header fields: known ones as numbers, compact forms, the usual spelling.

use std::fmt;

/// A header field name. Anything without an entry here is [`HeaderName::Other`] and found by its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[repr(u8)]
pub enum HeaderName {
    Other,
    Accept,
    AcceptEncoding,
    AcceptLanguage,
    AlertInfo,
    Allow,
    AllowEvents,
    AuthenticationInfo,
    Authorization,
    CallId,
    CallInfo,
    Contact,
    ContentDisposition,
    ContentEncoding,
    ContentLanguage,
    ContentLength,
    ContentType,
    CSeq,
    Date,
    Diversion,
    ErrorInfo,
    Event,
    Expires,
    From,
    HistoryInfo,
    InfoPackage,
    Join,
    MaxForwards,
    MimeVersion,
    MinExpires,
    MinSe,
    Organization,
    PAccessNetworkInfo,
    PAssertedIdentity,
    PAssociatedUri,
    PCalledPartyId,
    PPreferredIdentity,
    Path,
    Priority,
    Privacy,
    ProxyAuthenticate,
    ProxyAuthorization,
    ProxyRequire,
    RAck,
    Reason,
    RecordRoute,
    RecvInfo,
    ReferTo,
    ReferredBy,
    RemotePartyId,
    Replaces,
    ReplyTo,
    Require,
    RetryAfter,
    Route,
    RSeq,
    Server,
    ServiceRoute,
    SessionExpires,
    Subject,
    SubscriptionState,
    Supported,
    Timestamp,
    To,
    Unsupported,
    UserAgent,
    Via,
    Warning,
    WwwAuthenticate,
}

impl HeaderName {
    /// The name spelled by `text`, in any case, long or compact.
    pub fn parse(text: &[u8]) -> HeaderName {
        use HeaderName as N;
        // RFC 3261 §7.3.3 and the IANA registry of compact forms.
        if let [letter] = text {
            return match letter.to_ascii_lowercase() {
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
            };
        }
        let Some(first) = text.first() else { return N::Other };
        let candidates: &[HeaderName] = match first | 0x20 {
            b'a' => &[
                N::Allow,
                N::Accept,
                N::Authorization,
                N::AlertInfo,
                N::AllowEvents,
                N::AcceptEncoding,
                N::AcceptLanguage,
                N::AuthenticationInfo,
            ],
            b'c' => &[
                N::CSeq,
                N::CallId,
                N::Contact,
                N::ContentType,
                N::ContentLength,
                N::CallInfo,
                N::ContentDisposition,
                N::ContentEncoding,
                N::ContentLanguage,
            ],
            b'd' => &[N::Date, N::Diversion],
            b'e' => &[N::Expires, N::Event, N::ErrorInfo],
            b'f' => &[N::From],
            b'h' => &[N::HistoryInfo],
            b'i' => &[N::InfoPackage],
            b'j' => &[N::Join],
            b'm' => &[N::MaxForwards, N::MinSe, N::MinExpires, N::MimeVersion],
            b'o' => &[N::Organization],
            b'p' => &[
                N::Path,
                N::Privacy,
                N::Priority,
                N::PAssertedIdentity,
                N::ProxyAuthorization,
                N::ProxyAuthenticate,
                N::ProxyRequire,
                N::PPreferredIdentity,
                N::PCalledPartyId,
                N::PAccessNetworkInfo,
                N::PAssociatedUri,
            ],
            b'r' => &[
                N::Route,
                N::RecordRoute,
                N::Require,
                N::RSeq,
                N::RAck,
                N::Reason,
                N::ReferTo,
                N::ReferredBy,
                N::RetryAfter,
                N::Replaces,
                N::RemotePartyId,
                N::RecvInfo,
                N::ReplyTo,
            ],
            b's' => &[
                N::Supported,
                N::Server,
                N::SessionExpires,
                N::Subject,
                N::SubscriptionState,
                N::ServiceRoute,
            ],
            b't' => &[N::To, N::Timestamp],
            b'u' => &[N::UserAgent, N::Unsupported],
            b'v' => &[N::Via],
            b'w' => &[N::WwwAuthenticate, N::Warning],
            _ => &[],
        };
        let same = |name: &&HeaderName| {
            let known = name.as_str().as_bytes();
            known.len() == text.len() && known.eq_ignore_ascii_case(text)
        };
        candidates.iter().find(same).copied().unwrap_or(N::Other)
    }

    /// The usual spelling; empty for [`HeaderName::Other`].
    pub const fn as_str(self) -> &'static str {
        use HeaderName as N;
        match self {
            N::Other => "",
            N::Accept => "Accept",
            N::AcceptEncoding => "Accept-Encoding",
            N::AcceptLanguage => "Accept-Language",
            N::AlertInfo => "Alert-Info",
            N::Allow => "Allow",
            N::AllowEvents => "Allow-Events",
            N::AuthenticationInfo => "Authentication-Info",
            N::Authorization => "Authorization",
            N::CallId => "Call-ID",
            N::CallInfo => "Call-Info",
            N::Contact => "Contact",
            N::ContentDisposition => "Content-Disposition",
            N::ContentEncoding => "Content-Encoding",
            N::ContentLanguage => "Content-Language",
            N::ContentLength => "Content-Length",
            N::ContentType => "Content-Type",
            N::CSeq => "CSeq",
            N::Date => "Date",
            N::Diversion => "Diversion",
            N::ErrorInfo => "Error-Info",
            N::Event => "Event",
            N::Expires => "Expires",
            N::From => "From",
            N::HistoryInfo => "History-Info",
            N::InfoPackage => "Info-Package",
            N::Join => "Join",
            N::MaxForwards => "Max-Forwards",
            N::MimeVersion => "MIME-Version",
            N::MinExpires => "Min-Expires",
            N::MinSe => "Min-SE",
            N::Organization => "Organization",
            N::PAccessNetworkInfo => "P-Access-Network-Info",
            N::PAssertedIdentity => "P-Asserted-Identity",
            N::PAssociatedUri => "P-Associated-URI",
            N::PCalledPartyId => "P-Called-Party-ID",
            N::PPreferredIdentity => "P-Preferred-Identity",
            N::Path => "Path",
            N::Priority => "Priority",
            N::Privacy => "Privacy",
            N::ProxyAuthenticate => "Proxy-Authenticate",
            N::ProxyAuthorization => "Proxy-Authorization",
            N::ProxyRequire => "Proxy-Require",
            N::RAck => "RAck",
            N::Reason => "Reason",
            N::RecordRoute => "Record-Route",
            N::RecvInfo => "Recv-Info",
            N::ReferTo => "Refer-To",
            N::ReferredBy => "Referred-By",
            N::RemotePartyId => "Remote-Party-ID",
            N::Replaces => "Replaces",
            N::ReplyTo => "Reply-To",
            N::Require => "Require",
            N::RetryAfter => "Retry-After",
            N::Route => "Route",
            N::RSeq => "RSeq",
            N::Server => "Server",
            N::ServiceRoute => "Service-Route",
            N::SessionExpires => "Session-Expires",
            N::Subject => "Subject",
            N::SubscriptionState => "Subscription-State",
            N::Supported => "Supported",
            N::Timestamp => "Timestamp",
            N::To => "To",
            N::Unsupported => "Unsupported",
            N::UserAgent => "User-Agent",
            N::Via => "Via",
            N::Warning => "Warning",
            N::WwwAuthenticate => "WWW-Authenticate",
        }
    }
}

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
