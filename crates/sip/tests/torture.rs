//! Owns the exam: RFC 4475's messages and those of the field, each with the verdict and the answer it should get.

mod corpus;

use bytes::Bytes;
use sip::Message;

/// How far a message gets: `accept`, `validate` when only the whole is wrong, `reject` when a part is.
fn verdict(raw: Vec<u8>) -> (&'static str, String) {
    let parsed = Message::parse_datagram(Bytes::from(raw)).map_err(|error| ("reject", error));
    let checked = parsed.and_then(|mut message| message.validate().map_err(|error| ("validate", error)));
    match checked {
        Ok(()) => ("accept", "-".to_owned()),
        Err((verdict, error)) => {
            let status = error.answer().map(|answer| answer.status.to_string());
            (verdict, status.unwrap_or_else(|| "discard".to_owned()))
        }
    }
}

#[test]
fn every_message_of_rfc_4475_gets_its_verdict_and_its_answer() {
    let cases = corpus::cases("rfc4475");
    assert_eq!(cases.len(), 49);
    let mut wrong = Vec::new();
    for case in cases {
        let (verdict, answer) = verdict(case.raw());
        let expected = (case.cells[1].as_str(), case.cells[2].as_str());
        if (verdict, answer.as_str()) != expected {
            wrong.push(format!("{}: {verdict} {answer}, expected {expected:?}", case.file));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_message_of_the_field_gets_its_verdict() {
    let cases = corpus::cases("field");
    assert_eq!(cases.len(), 61);
    let mut wrong = Vec::new();
    for case in cases {
        let (verdict, _) = verdict(case.raw());
        let right = match case.cells[0].as_str() {
            "accept" => verdict == "accept",
            "reject" => verdict != "accept",
            _ => true,
        };
        if !right {
            wrong.push(format!("{}: {verdict}, expected {:?}", case.file, case.cells));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// RFC 4475 §3.1.1.4: the address of record and each Contact hold escaped NULs; none of them ends there.
#[test]
fn escaped_nulls_make_two_bindings_of_one_phone() {
    use clock::{Instant, WallTime};
    use sip::auth::{Account, Login};
    use sip::registrar::{Directory, Phone, Registrar, RegistrarConfig};

    struct Nulls(model::TenantId, model::Aor);
    impl Directory for Nulls {
        fn phone(&self, user: &str, _domain: &str) -> Option<Phone<'_>> {
            // A header field holds no NUL: who it is logs in by another name.
            ["null-\0-null", "login"].contains(&user).then_some(Phone {
                tenant: &self.0,
                aor: &self.1,
                account: Account { password: "torture", offer: sip::auth::Offer::Md5 },
                max_contacts: 5,
            })
        }
    }

    let directory = Nulls(model::TenantId::default(), model::Aor::new("null-\0-null", "example.com"));
    let mut registrar = Registrar::new(RegistrarConfig::default());
    let case = corpus::cases("rfc4475").into_iter().find(|case| case.file == "escnull.dat").unwrap();
    let Ok(Message::Request(mut request)) = Message::parse_datagram(Bytes::from(case.raw())) else {
        panic!()
    };
    let flow = sip::endpoint::Flow::udp(0, "192.0.2.4:5060".parse().unwrap());
    let mut register = |request: &sip::Request| {
        let (now, wall) = (Instant::from_secs(1), WallTime(1_000_000));
        registrar.register(now, wall, flow, request, &directory).response
    };
    let challenged = register(&request);
    assert_eq!(challenged.status, 401);
    let login = Login { user: "login".into(), password: "torture".into(), realm: None };
    login.answer(&challenged, &mut request, "cnonce", 1).unwrap();
    let response = register(&request);
    assert_eq!(response.status, 200);
    let contacts = response.headers.addresses(sip::HeaderName::Contact).unwrap();
    let users: Vec<_> = contacts.iter().map(|contact| contact.uri().user_raw().unwrap()).collect();
    assert_eq!(users, [b"%00".as_slice(), b"%00%00"]);
}

/// What a file holds is what the RFC prints: the sums of RFC 4475's own files.
#[test]
fn every_message_of_rfc_4475_is_the_rfcs_byte_for_byte() {
    use sha2::{Digest as _, Sha256};
    let sums = include_str!("rfc4475/sha256.txt");
    let hex = |raw: &[u8]| Sha256::digest(raw).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let mut seen = 0;
    for case in corpus::cases("rfc4475") {
        let sum = format!("{}  {}", hex(&case.raw()), case.file);
        assert!(sums.lines().any(|line| line == sum), "{}", case.file);
        seen += 1;
    }
    assert_eq!((seen, sums.lines().count()), (49, 49));
}

/// What one leg tells the other is copied field by field into a fresh message: none of its bytes change, and neither does
/// the order of what is there more than once.
#[test]
fn what_is_relayed_leaves_byte_for_byte() {
    let mut relayed = 0;
    for case in ["rfc4475", "field"].into_iter().flat_map(corpus::cases) {
        let Ok(message) = Message::parse_datagram(Bytes::from(case.raw())) else { continue };
        let mut fresh = sip::Request::new(sip::Method::Invite, "sip:9001@192.0.2.1".parse().unwrap());
        let mut names: Vec<String> = Vec::new();
        for field in message.headers().iter() {
            let name = String::from_utf8(field.name_text.to_vec()).unwrap();
            let known = sip::HeaderName::parse(name.as_bytes());
            if known != sip::HeaderName::ContentLength
                && !names.iter().any(|other| {
                    other.eq_ignore_ascii_case(&name)
                        || (known != sip::HeaderName::Other
                            && sip::HeaderName::parse(other.as_bytes()) == known)
                })
            {
                fresh.headers.copy_from(message.headers(), name.as_str());
                names.push(name);
            }
        }
        fresh.body = message.body().clone();
        let limits = sip::Limits { head_bytes: 1 << 20, body_bytes: 1 << 20, ..sip::Limits::DEFAULT };
        let Ok(Message::Request(read)) = Message::parse_within(fresh.to_bytes(), &limits) else {
            panic!("{} cannot be read again", case.file);
        };
        for name in &names {
            let values = |headers: &sip::Headers| -> Vec<Vec<u8>> {
                headers.all(name.as_str()).map(<[u8]>::to_vec).collect()
            };
            assert_eq!(values(message.headers()), values(&read.headers), "{} {name}", case.file);
        }
        assert_eq!(message.body(), &read.body, "{}", case.file);
        for address in message.headers().addresses(sip::HeaderName::From).unwrap_or_default() {
            // A name and an address that are taken apart and put together again.
            let again = address.with_uri(address.uri());
            assert_eq!(again.display_raw(), address.display_raw(), "{}", case.file);
            assert_eq!(again.uri().as_bytes(), address.uri().as_bytes(), "{}", case.file);
        }
        relayed += 1;
    }
    assert!(relayed >= 80, "{relayed} messages");
}
