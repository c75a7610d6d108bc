use std::time::Duration;

use super::*;
use crate::message::Method;
use crate::uri::Uri;

fn address(text: &str) -> NameAddr {
    NameAddr::parse(Bytes::copy_from_slice(text.as_bytes())).unwrap_or_else(|| panic!("{text}"))
}

#[test]
fn compact_forms_are_the_names_they_stand_for() {
    for (compact, name) in [
        ("i", "Call-ID"),
        ("m", "Contact"),
        ("e", "Content-Encoding"),
        ("l", "Content-Length"),
        ("c", "Content-Type"),
        ("f", "From"),
        ("s", "Subject"),
        ("k", "Supported"),
        ("t", "To"),
        ("v", "Via"),
        ("r", "Refer-To"),
        ("b", "Referred-By"),
        ("o", "Event"),
        ("u", "Allow-Events"),
        ("x", "Session-Expires"),
    ] {
        assert_eq!(HeaderName::parse(compact.as_bytes()).as_str(), name);
        assert_eq!(HeaderName::parse(compact.to_ascii_uppercase().as_bytes()).as_str(), name);
    }
}

#[test]
fn fields_are_pushed_replaced_and_removed_in_their_places() {
    let mut headers = Headers::new();
    headers.push(HeaderName::Via, "b");
    headers.push("X-One", "1");
    headers.push(HeaderName::Via, "c");
    headers.push_front(HeaderName::Via, "a");
    headers.push("x-one", "2");
    assert_eq!(headers.all(HeaderName::Via).collect::<Vec<_>>(), [b"a", b"b", b"c"]);
    assert_eq!(headers.all("X-ONE").collect::<Vec<_>>(), [b"1", b"2"]);
    headers.set("X-One", "3");
    headers.set_first("v", "A");
    let all: Vec<_> = headers.iter().map(|field| (field.name_text, field.value)).collect();
    assert_eq!(all, [(&b"Via"[..], &b"A"[..]), (b"Via", b"b"), (b"X-One", b"3"), (b"Via", b"c")]);
    headers.remove_first(HeaderName::Via);
    headers.remove("X-One");
    assert_eq!((headers.len(), headers.count("via"), headers.has("X-One")), (2, 2, false));
}

#[test]
fn a_list_is_split_outside_quotes_and_angle_brackets() {
    let mut headers = Headers::new();
    headers.push(HeaderName::Contact, "\"Wang, \\\"A\\\"\" <sip:a@h?x=1,2>;q=0.5, <sip:b@h;x=y,z>");
    headers.push(HeaderName::Contact, "sip:c@h;expires=60");
    let Ok(Contacts::List(list)) = headers.contacts() else { panic!("a list") };
    let users: Vec<_> = list.iter().map(|one| one.uri().user().unwrap_or_default().into_owned()).collect();
    assert_eq!(users.len(), 3);
    assert_eq!((users[0].as_str(), users[2].as_str()), ("a", "c"));
    assert_eq!((list[0].q(), list[2].expires()), (500, Some(60)));
}

#[test]
fn a_star_stands_alone() {
    let mut headers = Headers::new();
    headers.push(HeaderName::Contact, "*");
    assert_eq!(headers.contacts(), Ok(Contacts::All));
    headers.push(HeaderName::Contact, "<sip:a@h>");
    assert_eq!(headers.contacts(), Err(HeaderError::Malformed(HeaderName::Contact)));
}

#[test]
fn addresses_are_read_in_every_shape_of_the_field() {
    for (text, display, uri, tag) in [
        ("<sip:a@h>;tag=1", None, "sip:a@h", Some("1")),
        ("sip:a@h;tag=1", None, "sip:a@h", Some("1")),
        ("  sip:a@h  ; tag = 1 ", None, "sip:a@h", Some("1")),
        ("\"A \\\"B\\\\\" <sip:a@h;x=y>;z=\"q;tag=9\";tag=1", Some("A \"B\\"), "sip:a@h;x=y", Some("1")),
        ("A. Nonymous<sip:a@h>", Some("A. Nonymous"), "sip:a@h", None),
        ("客服 7 <sip:7@h>;Tag=x", Some("客服 7"), "sip:7@h", Some("x")),
        ("\"<sip:evil@x>\" <sip:a@h>", Some("<sip:evil@x>"), "sip:a@h", None),
        ("tel:+861012345678;tag=1", None, "tel:+861012345678", Some("1")),
        ("< sip:a@h >", None, "sip:a@h", None),
    ] {
        let parsed = address(text);
        let got = (parsed.display(), parsed.uri().to_string(), parsed.tag());
        assert_eq!(got, (display.map(Into::into), uri.to_owned(), tag), "{text}");
        assert_eq!(parsed.as_bytes(), text.as_bytes());
    }
}

#[test]
fn malformed_addresses_are_refused() {
    for text in [
        "",
        "*",
        "\"A <sip:a@h>",
        "\"A\" sip:a@h",
        "<sip:a@h",
        "<sip:a@h> x",
        "<sip:a@h>;",
        "<sip:a@h>;;tag=1",
        "<sip:a@h>;tag=\"1",
        "<sip:a@h>;=1",
        "sip:a@h?Route=x",
        "A \"B\" <sip:a@h>",
        "sip:b@h <sip:a@h>",
    ] {
        assert!(NameAddr::parse(Bytes::copy_from_slice(text.as_bytes())).is_none(), "{text}");
    }
}

#[test]
fn gbk_names_survive_even_when_a_character_ends_in_a_backslash() {
    // 誠 in GBK is D5 5C: its second byte is a backslash before the closing quote.
    let text = b"\"\xd5\x5c\" <sip:a@h>;tag=1".as_slice();
    let parsed = NameAddr::parse(Bytes::from_static(text)).unwrap();
    assert_eq!((parsed.tag(), parsed.display_raw()), (Some("1"), &b"\"\xd5\x5c\""[..]));
    let plain = NameAddr::parse(Bytes::from_static(b"\"\xbf\xcd\xb7\xfe\" <sip:a@h>")).unwrap();
    assert_eq!(plain.with_tag("t").as_bytes(), b"\"\xbf\xcd\xb7\xfe\" <sip:a@h>;tag=t");
}

#[test]
fn built_addresses_quote_what_needs_it() {
    let uri: Uri = "sip:9001@h".parse().unwrap();
    let name = NameAddr::new(Some("客\"服\\\r\nEvil: x"), &uri);
    assert_eq!(name.to_string(), "\"客\\\"服\\\\  Evil: x\" <sip:9001@h>");
    assert_eq!(NameAddr::parse(name.as_bytes().to_vec()).unwrap().display(), name.display());
    let tagged = NameAddr::new(None, &uri).with_param("x", "a b").with_tag("1").with_tag("2");
    assert_eq!(tagged.to_string(), "<sip:9001@h>;x=\"a b\";tag=2");
    assert_eq!(tagged.without_param("x").to_string(), "<sip:9001@h>;tag=2");
    let moved = tagged.with_uri(&"sip:b@h".parse().unwrap());
    assert_eq!(moved.to_string(), "<sip:b@h>;x=\"a b\";tag=2");
}

#[test]
fn contact_parameters_are_read() {
    let contact = address(
        "<sip:a@h>;q=0.75;expires=99999999999;+sip.instance=\"<urn:uuid:1>\";reg-id=2;methods=\"INVITE,BYE\"",
    );
    assert_eq!((contact.q(), contact.expires(), contact.reg_id()), (750, Some(u32::MAX), Some(2)));
    assert_eq!(contact.instance().as_deref(), Some("<urn:uuid:1>"));
    for (q, thousandths) in
        [("1", 1000), ("0", 0), ("0.1", 100), ("1.001", 1000), ("0.0001", 1000), ("x", 1000)]
    {
        assert_eq!(address(&format!("<sip:a@h>;q={q}")).q(), thousandths, "{q}");
    }
}

#[test]
fn a_via_gives_its_parts_and_what_its_receiver_adds() {
    let via =
        Via::parse(&b"SIP / 2.0 / UDP\t[2001:db8::1] : 5061 ; rport ;branch=z9hG4bKa;ttl=3"[..]).unwrap();
    assert_eq!((via.transport(), via.host(), via.port()), ("UDP", "[2001:db8::1]", Some(5061)));
    assert_eq!(
        (via.rfc3261_branch(), via.rport(), via.ttl()),
        (Some(&b"z9hG4bKa"[..]), Rport::Asked, Some(3))
    );
    let kept_of = |via: &Via, source: &str| {
        let completed = via.completed(source.parse().unwrap())?;
        Some(Via::parse(Bytes::copy_from_slice(&completed)).unwrap())
    };
    let kept = kept_of(&via, "[2001:db8::2]:40000").unwrap();
    assert_eq!(kept.received(), Some("2001:db8::2".parse().unwrap()));
    assert_eq!(kept.rport(), Rport::Told(40000));
    assert_eq!(kept.rfc3261_branch(), Some(&b"z9hG4bKa"[..]));

    let old = Via::parse(&b"SIP/2.0/UDP host;branch=z9hG4bK"[..]).unwrap();
    assert_eq!((old.branch(), old.rfc3261_branch(), old.rport()), (Some("z9hG4bK"), None, Rport::Absent));
    let kept = kept_of(&old, "192.0.2.1:9").unwrap();
    assert_eq!(kept.as_bytes(), b"SIP/2.0/UDP host;branch=z9hG4bK;received=192.0.2.1");
    let direct = Via::parse(&b"SIP/2.0/TCP 192.0.2.1;branch=z9hG4bKx"[..]).unwrap();
    assert_eq!(kept_of(&direct, "192.0.2.1:9"), None);
}

#[test]
fn our_via_asks_for_rport_over_udp_alone() {
    let udp = Via::new("UDP", "2001:db8::1", 5060, "z9hG4bKx");
    assert_eq!(udp.as_bytes(), b"SIP/2.0/UDP [2001:db8::1]:5060;rport;branch=z9hG4bKx");
    assert_eq!(Via::new("TCP", "h", 5060, "z9hG4bKx").as_bytes(), b"SIP/2.0/TCP h:5060;branch=z9hG4bKx");
}

#[test]
fn malformed_vias_are_refused() {
    for text in [
        "",
        "SIP/2.0/UDP",
        "SIP/2.0/UDPh",
        "SIP/3.0/UDP h",
        "HTTP/2.0/UDP h",
        "SIP/2.0/ h",
        "SIP/2.0/UDP h:70000",
        "SIP/2.0/UDP h:",
        "SIP/2.0/UDP h;;",
        "SIP/2.0/UDP [::1",
        "SIP/2.0/UDP h x",
    ] {
        assert!(Via::parse(Bytes::copy_from_slice(text.as_bytes())).is_none(), "{text}");
    }
}

#[test]
fn cseq_and_rack_have_bounds() {
    let cseq = CSeq { number: 2_147_483_647, method: Method::Invite };
    assert_eq!(CSeq::parse(b"02147483647 \t INVITE"), Some(cseq));
    for text in ["", "1", "INVITE", "2147483648 INVITE", "1INVITE", "-1 BYE", "1 IN VITE", "+1 BYE"] {
        assert_eq!(CSeq::parse(text.as_bytes()), None, "{text}");
    }
    let rack = RAck::parse(b"776656 1 INVITE").unwrap();
    assert_eq!((rack.rseq, rack.cseq.number, rack.to_string().as_str()), (776_656, 1, "776656 1 INVITE"));
    assert_eq!(RAck::parse(b"1 INVITE"), None);
}

/// Headers with one field each.
fn headers(fields: &[(HeaderName, &str)]) -> Headers {
    let mut headers = Headers::new();
    for (name, value) in fields {
        headers.push(*name, value);
    }
    headers
}

#[test]
fn the_smaller_headers_are_read_and_written() {
    let table = headers(&[
        (HeaderName::SessionExpires, "1800 ; refresher=UAS"),
        (HeaderName::MinSe, "90;x"),
        (HeaderName::Reason, "Q.850;cause=16;text=\"Normal, clearing\", SIP;cause=200"),
        (HeaderName::RetryAfter, "120 (in a meeting);duration=3600"),
        (HeaderName::Replaces, "a@b;from-tag=f;to-tag=t;early-only"),
        (HeaderName::Event, "refer;id=7"),
        (HeaderName::SubscriptionState, "Terminated;reason=noresource"),
        (HeaderName::ContentType, "Multipart/Mixed ; boundary=\"a;b\""),
        (HeaderName::Privacy, "id;user"),
        (HeaderName::Supported, "timer,  100REL"),
        (HeaderName::MaxForwards, "70"),
    ]);
    let timer = table.session_expires().unwrap().unwrap();
    assert_eq!((timer.interval, timer.refresher), (Duration::from_secs(1800), Some(Refresher::Uas)));
    assert_eq!(timer.to_string(), "1800;refresher=uas");
    assert_eq!(table.min_se(), Ok(Some(Duration::from_secs(90))));
    let reasons = table.reasons();
    assert_eq!(reasons[0], Reason::q850(16, "Normal, clearing"));
    assert_eq!(reasons[1].cause, Some(200));
    assert_eq!(Reason::parse(reasons[0].to_string().as_bytes()).as_ref(), Some(&reasons[0]));
    assert_eq!(table.retry_after(), Some(RetryAfter(Duration::from_secs(120))));
    let replaces = table.replaces().unwrap().unwrap();
    assert_eq!((replaces.call_id.as_str(), replaces.when), ("a@b", ReplaceWhen::Early));
    assert_eq!(replaces.to_string(), "a@b;to-tag=t;from-tag=f;early-only");
    assert_eq!(table.event().unwrap().unwrap().to_string(), "refer;id=7");
    let over = SubscriptionState::Terminated { reason: Some("noresource".to_owned()) };
    assert_eq!(table.subscription_state(), Ok(Some(over)));
    let body = table.content_type().unwrap().unwrap();
    assert!(body.is("multipart", "mixed"));
    assert_eq!(body.params.text("boundary").as_deref(), Some("a;b"));
    assert!(table.lists(HeaderName::Supported, "100rel") && !table.lists(HeaderName::Supported, "100"));
    assert!(table.lists(HeaderName::Privacy, "id") && table.lists(HeaderName::Privacy, "user"));
    assert_eq!(table.max_forwards(), Ok(Some(70)));
}

#[test]
fn values_out_of_range_are_malformed_and_repeats_are_told() {
    use HeaderName as N;
    let one = |name, value| headers(&[(name, value)]);
    assert_eq!(one(N::MaxForwards, "256").max_forwards(), Err(HeaderError::Malformed(N::MaxForwards)));
    assert_eq!(one(N::Expires, "1 0").expires(), Err(HeaderError::Malformed(N::Expires)));
    assert_eq!(one(N::Expires, "4294967296").expires(), Ok(Some(u32::MAX)));
    assert_eq!(one(N::SessionExpires, "x").session_expires(), Err(HeaderError::Malformed(N::SessionExpires)));
    assert_eq!(one(N::CallId, "a b").call_id(), Err(HeaderError::Malformed(N::CallId)));
    let twice = headers(&[(N::CallId, "a"), (N::CallId, "a")]);
    assert_eq!(twice.call_id(), Err(HeaderError::Repeated(N::CallId)));
    assert_eq!(Headers::new().from(), Err(HeaderError::Missing(N::From)));
    assert_eq!(Headers::new().via(), Err(HeaderError::Missing(N::Via)));
}

#[test]
fn what_was_read_of_a_field_is_forgotten_when_the_field_changes() {
    let text = "OPTIONS sip:h SIP/2.0\r\nv: SIP/2.0/UDP a:5070;branch=z9hG4bK1, SIP/2.0/TCP b\r\nMax-Forwards: 70\r\n\
                f: \"A\" <sip:a@h>;tag=1\r\nTo: sip:b@h;x=y\r\nCall-ID: c\r\nCSeq: 1 OPTIONS\r\n\
                m: <sip:first@h>;q=1, sip:second@h\r\nm: <sip:third@h>\r\n\r\n";
    let read = || {
        let Ok(crate::Message::Request(mut request)) = crate::Message::parse_datagram(text.into()) else {
            panic!("a request");
        };
        request.validate().expect("a valid one");
        request.headers
    };
    let seen = |headers: &Headers| {
        let (via, from, to) = (headers.via().unwrap(), headers.from().unwrap(), headers.to().unwrap());
        let tags = [HeaderName::From, HeaderName::To].map(|name| headers.tag(name).map(str::to_owned));
        assert_eq!(tags, [from.tag(), to.tag()].map(|tag| tag.map(str::to_owned)));
        (via.host().to_owned(), from.uri().to_string(), to.uri().to_string(), tags)
    };
    let contact = |headers: &Headers| headers.contact().unwrap().map(|one| (one.uri().to_string(), one.q()));
    let first = Some(("sip:first@h".to_owned(), 1_000));
    assert_eq!(contact(&read()), first);
    let tags = |from: &str, to: Option<&str>| [Some(from.to_owned()), to.map(str::to_owned)];
    let whole =
        |via: &str, from: &str, to: &str, tags| (via.to_owned(), from.to_owned(), to.to_owned(), tags);
    assert_eq!(seen(&read()), whole("a", "sip:a@h", "sip:b@h", tags("1", None)));
    let mut changed = read();
    changed.set_first(HeaderName::Via, "SIP/2.0/TLS longer.example:5061;branch=z9hG4bK2");
    changed.set(HeaderName::From, "<sip:somebody.else@h.example>;tag=22");
    changed.extend(HeaderName::To, b";tag=3");
    assert_eq!(contact(&changed), first);
    changed.set(HeaderName::Contact, "<sip:somebody.else@h>;q=0.5");
    assert_eq!(contact(&changed), Some(("sip:somebody.else@h".to_owned(), 500)));
    let expected = whole("longer.example", "sip:somebody.else@h.example", "sip:b@h", tags("22", Some("3")));
    assert_eq!(seen(&changed), expected);
    let mut again = read();
    again.remove_first(HeaderName::Via);
    again.push_front(HeaderName::Via, "SIP/2.0/UDP top;branch=z9hG4bK3");
    again.remove(HeaderName::To);
    again.push(HeaderName::To, "<sip:c@h>;tag=4");
    assert_eq!(seen(&again), whole("top", "sip:a@h", "sip:c@h", tags("1", Some("4"))));
    let mut copied = Headers::new();
    for name in [HeaderName::Via, HeaderName::From, HeaderName::To] {
        copied.copy_from(&changed, name);
    }
    assert_eq!(seen(&copied), expected);
}

#[test]
fn a_parameter_is_found_among_plain_and_quoted_ones() {
    let via = |params: &str| Via::parse(format!("SIP/2.0/UDP h{params}")).unwrap();
    for (params, name, value) in [
        (";branch=z9hG4bKa", "branch", Some("z9hG4bKa")),
        (";rport;received=192.0.2.1;Branch=z9hG4bK/a=b@c", "branch", Some("z9hG4bK/a=b@c")),
        (";branch2=x;branch=y;branch=z", "branch", Some("y")),
        (";rport;branch=y", "rport", Some("")),
        (";x=\";branch=no\";branch=yes", "branch", Some("yes")),
        (";x=1; branch = \"a;b\" ;ttl=3", "branch", Some("\"a;b\"")),
        ("; x = 1 ;ttl=3", "ttl", Some("3")),
        (";branchless=y;b", "branch", None),
        ("", "branch", None),
    ] {
        assert_eq!(via(params).param(name), value.map(str::as_bytes), "{params}");
    }
}
