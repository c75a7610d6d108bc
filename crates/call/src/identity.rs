//! Owns who calls and what was dialled, read from an INVITE. Does not own the number plan (see `routing`).

use std::borrow::Cow;
use std::sync::Arc;

use routing::{CalledHeader, Trunk};
use sip::{HeaderName, NameAddr, Request, Uri};

/// Who calls, as the peer says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    /// As the peer wrote it; empty when withheld, or longer than any number.
    pub raw: Arc<str>,
    from: Option<NameAddr>,
}

impl Caller {
    /// From's user, for telling phones from trunks.
    pub fn user(&self) -> Cow<'_, str> {
        self.from.as_ref().and_then(|from| from.uri().user()).unwrap_or_default()
    }

    /// From's host.
    pub fn host(&self) -> &str {
        self.from.as_ref().map(|from| from.uri().host()).unwrap_or_default()
    }
}

/// The caller: P-Asserted-Identity (RFC 3325 §9.1; of several the one with a number), else Remote-Party-ID, else From.
pub(crate) fn caller(request: &Request) -> Caller {
    let from = request.headers.from().ok();
    let raw = match asserted(request).or_else(|| remote_party(request)?.0) {
        Some(told) => Arc::from(told),
        None => name_or_none(from.as_ref().and_then(|from| number_of(from.uri()))),
    };
    Caller { raw, from }
}

/// The caller as From has it alone, for those whose password says who they are.
pub(crate) fn own(request: &Request) -> Caller {
    let from = request.headers.from().ok();
    let said = Caller { raw: Arc::from(""), from };
    Caller { raw: name_or_none(Some(said.user())), ..said }
}

/// `caller`, who is that of a carrier's INVITE, after the trunk's rules; and apart from it the number, in the form that
/// records keep, of a caller who wishes that nobody is shown it.
pub(crate) fn caller_of_trunk(
    mut caller: Caller,
    request: &Request,
    trunk: &Trunk,
) -> (Caller, Option<Arc<str>>) {
    if !caller.raw.is_empty()
        && let Cow::Owned(read) = trunk.numbers.read_caller(&caller.raw)
    {
        caller.raw = Arc::from(read);
    }
    if !trunk.identity.honour_privacy || !wants_privacy(request) {
        return (caller, None);
    }
    let number = model::numbers::Caller::parse(&caller.raw, trunk.numbers.home_area.as_deref());
    let known = Some(number.normalised).filter(|number| !number.is_empty());
    (Caller { raw: Arc::from("anonymous"), ..caller }, known)
}

/// RFC 3323 §4.2 and RFC 3325 §9.3: the caller's number is for the network alone. Remote-Party-ID says it by itself.
fn wants_privacy(request: &Request) -> bool {
    let hides = |value: &[u8]| {
        value.split(|byte| *byte == b';').any(|word| {
            ["id", "user", "header"]
                .iter()
                .any(|hides| word.trim_ascii().eq_ignore_ascii_case(hides.as_bytes()))
        })
    };
    request.headers.all(HeaderName::Privacy).any(hides)
        || (asserted(request).is_none() && remote_party(request).is_some_and(|(_, privacy)| privacy))
}

/// The first number of P-Asserted-Identity, which may hold a `sip:` and a `tel:` (RFC 3325 §9.1).
fn asserted(request: &Request) -> Option<String> {
    let asserted = numbers_in(request, HeaderName::PAssertedIdentity);
    asserted.into_iter().find(|number| is_name(number))
}

/// The number of Remote-Party-ID's calling party, and whether the caller is to be hidden.
fn remote_party(request: &Request) -> Option<(Option<String>, bool)> {
    let parties = request.headers.addresses(HeaderName::RemotePartyId).ok()?;
    let is_calling =
        |party: &&NameAddr| party.param("party").is_none_or(|word| word.eq_ignore_ascii_case(b"calling"));
    let party = parties.iter().find(is_calling)?;
    let number = number_of(party.uri()).filter(|number| !number.is_empty())?;
    let hidden = party.param("privacy").is_some_and(|word| !word.eq_ignore_ascii_case(b"off"));
    Some((Some(number.into_owned()).filter(|number| is_name(number)), hidden))
}

/// What was said, where it is one; else empty.
fn name_or_none(said: Option<Cow<'_, str>>) -> Arc<str> {
    Arc::from(said.filter(|said| is_name(said)).unwrap_or_default())
}

/// Whether a phone's display, a record and the other leg's From have room for a number or user.
fn is_name(number: &str) -> bool {
    (1..=LONGEST_NAME).contains(&number.len())
}

/// A global number has 15 digits (E.164 §6); users of SIP are longer names, though not books. In bytes.
const LONGEST_NAME: usize = 128;

/// The numbers that an INVITE of `trunk` may have been dialled by, the best first, after the trunk's rules: where the
/// trunk says to look, and last the number that we are registered as. What only names our Contact is no number.
pub(crate) fn called(request: &Request, trunk: &Trunk) -> Vec<String> {
    let register = trunk.register.as_ref();
    let is_contact = |number: &str| {
        register.is_some_and(|ours| *ours.line == *number || ours.contact_user.as_deref() == Some(number))
    };
    let mut numbers: Vec<String> = Vec::with_capacity(2);
    let mut add = |number: &str| {
        if !is_name(number) || is_contact(number) {
            return;
        }
        let read = trunk.numbers.read_called(number);
        if !numbers.iter().any(|known| *known == *read) {
            numbers.push(read.into_owned());
        }
    };
    for place in &trunk.identity.called_from {
        let list = match place {
            CalledHeader::RequestUri => {
                number_of(&request.uri).iter().for_each(|number| add(number));
                continue;
            }
            CalledHeader::CalledParty => HeaderName::PCalledPartyId,
            CalledHeader::To => {
                let to = request.headers.to().ok();
                to.iter().filter_map(|to| number_of(to.uri())).for_each(|number| add(&number));
                continue;
            }
            CalledHeader::Diversion => HeaderName::Diversion,
            CalledHeader::HistoryInfo => HeaderName::HistoryInfo,
        };
        numbers_in(request, list).iter().for_each(|number| add(number));
    }
    register.iter().for_each(|register| add(&register.user));
    numbers
}

fn numbers_in(request: &Request, name: HeaderName) -> Vec<String> {
    if !request.headers.has(name) {
        return Vec::new();
    }
    let addresses = request.headers.addresses(name).unwrap_or_default();
    addresses.iter().filter_map(|address| number_of(address.uri())).map(Cow::into_owned).collect()
}

/// The number or user of a tel: or sip: URI, a global number with its `+` (RFC 3966 §5.1.5: `phone-context` is
/// put before a local number).
fn number_of(uri: &Uri) -> Option<Cow<'_, str>> {
    let number = uri.number()?;
    match uri.param("phone-context") {
        Some(context) if context.starts_with('+') && !number.starts_with('+') => {
            Some(Cow::Owned(format!("{context}{number}")))
        }
        _ => Some(number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use sip::Message;

    fn invite(lines: &str) -> Request {
        let text = format!(
            "INVITE sip:4008001234@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKx\r\nTo: <sip:02865551234@h>\r\n\
             Call-ID: a\r\nCSeq: 1 INVITE\r\nMax-Forwards: 9\r\n{lines}\r\n\r\n"
        );
        match Message::parse_datagram(Bytes::from(text)).unwrap() {
            Message::Request(request) => request,
            Message::Response(_) => unreachable!(),
        }
    }

    fn of_trunk(lines: &str, trunk: &Trunk) -> (Caller, Option<Arc<str>>) {
        let request = invite(lines);
        caller_of_trunk(caller(&request), &request, trunk)
    }

    #[test]
    fn the_asserted_identity_goes_before_from() {
        let request = invite(
            "From: <sip:anonymous@anonymous.invalid>;tag=1\r\n\
             P-Asserted-Identity: <sip:+8613800138000@ims.gd.cn;user=phone>, <tel:+8613800138000>",
        );
        assert_eq!(&*caller(&request).raw, "+8613800138000");
    }

    #[test]
    fn a_tel_identity_is_read_as_a_number() {
        let request = invite("From: \"x\" <sip:1@h>;tag=1\r\nP-Asserted-Identity: tel:+86-755-2878-0808");
        assert_eq!(&*caller(&request).raw, "+8675528780808");
    }

    #[test]
    fn without_an_asserted_identity_from_counts() {
        let request = invite("From: <tel:28780808;phone-context=+86755>;tag=1");
        assert_eq!(&*caller(&request).raw, "+8675528780808");
    }

    #[test]
    fn what_is_longer_than_any_number_is_as_if_it_was_not_said() {
        let (long, longest) = ("1".repeat(129), "1".repeat(128));
        let said = |lines: String| caller(&invite(&lines)).raw;
        assert_eq!(*said(format!("From: <sip:{longest}@h>;tag=1")), *longest);
        assert_eq!(*said(format!("From: <sip:{long}@h>;tag=1")), *"");
        for header in ["P-Asserted-Identity", "Remote-Party-ID"] {
            assert_eq!(*said(format!("From: <sip:2@h>;tag=1\r\n{header}: <sip:{long}@h>")), *"2", "{header}");
        }
        assert_eq!(*own(&invite(&format!("From: <sip:{long}@h>;tag=1"))).raw, *"");
        let hidden = format!("From: <sip:2@h>;tag=1\r\nRemote-Party-ID: <sip:{long}@h>;privacy=full");
        assert_eq!(*of_trunk(&hidden, &Trunk::named("any")).0.raw, *"anonymous");
        let called_so = invite(&format!("From: <sip:2@h>;tag=1\r\nDiversion: <tel:{long}>"));
        let mut trunk = Trunk::named("any");
        trunk.identity.called_from = vec![CalledHeader::Diversion];
        assert_eq!(called(&called_so, &trunk), Vec::<String>::new());
    }

    #[test]
    fn the_request_uri_goes_before_to() {
        let request = invite("From: <sip:1@h>;tag=1");
        assert_eq!(called(&request, &Trunk::named("any")), ["4008001234", "02865551234"]);
    }

    #[test]
    fn remote_party_id_goes_before_from_and_behind_the_asserted_identity() {
        let rpid = "Remote-Party-ID: <sip:110@h>;party=called, <sip:13800138000@h>;party=calling;privacy=off";
        let with = |more: &str| caller(&invite(&format!("From: <sip:1@h>;tag=1\r\n{rpid}{more}"))).raw;
        assert_eq!(&*with(""), "13800138000");
        assert_eq!(&*with("\r\nP-Asserted-Identity: <sip:13900139000@h>"), "13900139000");
    }

    #[test]
    fn the_dialled_number_is_looked_for_where_the_trunk_says_in_that_order() {
        let request = invite(
            "From: <sip:1@h>;tag=1\r\nP-Called-Party-ID: <sip:+861065551234@h>\r\n\
             Diversion: <tel:4008005678>;reason=unconditional\r\n\
             History-Info: <sip:4008009999@h>;index=1, <sip:01065550000@h?Reason=SIP%3Bcause%3D302>;index=1.1",
        );
        let mut trunk = Trunk::named("any");
        let all = called(&request, &trunk);
        let expected =
            ["4008001234", "+861065551234", "02865551234", "4008005678", "4008009999", "01065550000"];
        assert_eq!(all, expected);
        trunk.identity.called_from = vec![CalledHeader::Diversion, CalledHeader::RequestUri];
        assert_eq!(called(&request, &trunk), ["4008005678", "4008001234"]);
        let rule =
            |pattern: &str| routing::Rewrite { pattern: pattern.into(), strip: 0, prepend: "9".into() };
        trunk.numbers.called_in = vec![rule("4008005XXX")];
        assert_eq!(called(&request, &trunk), ["94008005678", "4008001234"]);
    }

    #[test]
    fn a_number_that_is_withheld_is_told_apart_and_not_shown() {
        let mut trunk = Trunk::named("any");
        let table = [
            ("Privacy: id", true),
            ("Privacy: user;critical", true),
            ("Privacy: none", false),
            ("Subject: id", false),
        ];
        for (line, hidden) in table {
            let lines = format!(
                "From: <sip:anonymous@anonymous.invalid>;tag=1\r\nP-Asserted-Identity: <tel:+8613800138000>\r\n{line}"
            );
            let (caller, withheld) = of_trunk(&lines, &trunk);
            let shown = if hidden { "anonymous" } else { "+8613800138000" };
            assert_eq!(
                (&*caller.raw, withheld.as_deref()),
                (shown, hidden.then_some("13800138000")),
                "{line}"
            );
        }
        let rpid = "From: <sip:1@h>;tag=1\r\nRemote-Party-ID: <sip:13800138000@h>;party=calling;privacy=full";
        assert_eq!(&*of_trunk(rpid, &trunk).0.raw, "anonymous");
        trunk.identity.honour_privacy = false;
        assert_eq!(&*of_trunk(rpid, &trunk).0.raw, "13800138000");
    }
}
