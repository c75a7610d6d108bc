//! RFC 3323 and 3325: privacy and asserted identity as they are read.

use sip::headers::{Privacy, PrivacyWish};
use sip::{HeaderName, Message};

use crate::ua::peers;

fn wishes(lines: &str) -> Privacy {
    match Message::parse_datagram(peers("INVITE", "z9hG4bKp", lines)) {
        Ok(message) => message.headers().privacy(),
        Err(error) => panic!("{error}"),
    }
}

// RFC 3323 §4.2: "Privacy-hdr = "Privacy" HCOLON priv-value *(";" priv-value)"; "header", "session", "user", "none",
// "critical"; RFC 3325 §9.3 adds "id", RFC 7044 §10.1 "history".
#[test]
fn each_wish_is_read() {
    let all = wishes("Privacy: header;session;user;id;critical;history");
    for wish in PrivacyWish::ALL {
        assert_eq!(all.asks(wish), wish != PrivacyWish::None, "{wish:?}");
    }
    assert!(wishes("Privacy: none").asks(PrivacyWish::None));
    assert!(!wishes("").asks(PrivacyWish::Id));
    assert!(wishes("Privacy: ID ; unheard-of").asks(PrivacyWish::Id), "any case, unknown values beside it");
}

// RFC 3325 §7: "If the … Privacy header field with a value "id" … the P-Asserted-Identity … MUST NOT be forwarded" to
// whom is not trusted; RFC 3323 §4.3: "none" forbids privacy to be applied.
#[test]
fn the_callers_number_is_withheld_by_id_header_or_user_and_not_by_none() {
    for (lines, withheld) in [
        ("", false),
        ("Privacy: id", true),
        ("Privacy: user;critical", true),
        ("Privacy: header", true),
        ("Privacy: session", false),
        ("Privacy: none", false),
    ] {
        assert_eq!(wishes(lines).withholds_caller(), withheld, "{lines:?}");
    }
}

// RFC 3325 §9.1: "A P-Asserted-Identity header field value MUST consist of exactly one name-addr or addr-spec. There may be
// one or two P-Asserted-Identity values. If there is one value, it MUST be a sip, sips, or tel URI."
#[test]
fn two_asserted_identities_are_read_from_one_line_or_two() {
    let one = "P-Asserted-Identity: \"Customer\" <sip:+8613800138000@ims.example>, <tel:+8613800138000>";
    let two =
        "P-Asserted-Identity: <sip:+8613800138000@ims.example>\nP-Asserted-Identity: tel:+8613800138000";
    for lines in [one, two] {
        let message = Message::parse_datagram(peers("INVITE", "z9hG4bKp", lines)).expect("valid");
        let found = message.headers().addresses(HeaderName::PAssertedIdentity).expect("addresses");
        assert_eq!(found.len(), 2);
        assert_eq!(found[1].uri().number().as_deref(), Some("+8613800138000"));
    }
}
