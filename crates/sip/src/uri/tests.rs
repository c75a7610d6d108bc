use super::*;

fn uri(text: &str) -> Uri {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn the_parts_of_a_sip_uri_lie_where_rfc_3261_says() {
    let full =
        uri("sips:alice;x=y:pa%20ss@[2001:db8::1]:5061;transport=tcp;lr;maddr=192.0.2.1?Subject=a%20b&To=x");
    assert_eq!((full.scheme(), full.scheme_text()), (Scheme::Sips, "sips"));
    assert_eq!(full.user().as_deref(), Some("alice;x=y"));
    assert_eq!(full.password(), Some(&b"pa%20ss"[..]));
    assert_eq!((full.host(), full.port()), ("[2001:db8::1]", Some(5061)));
    assert_eq!(full.host_ip(), Some("2001:db8::1".parse().unwrap()));
    assert_eq!((full.transport(), full.param("LR"), full.param("ttl")), (Some("tcp"), Some(""), None));
    assert!(full.is_loose_router());
    assert_eq!(full.headers(), b"Subject=a%20b&To=x");
    assert_eq!(full.header("subject").as_deref(), Some("a b"));
}

#[test]
fn the_user_part_is_unescaped_on_demand_and_kept_as_it_came() {
    let star = uri("sip:%2A21%23;a=b@h");
    assert_eq!(star.user().as_deref(), Some("*21#;a=b"));
    assert_eq!(star.number().as_deref(), Some("*21#"));
    assert_eq!(star.to_string(), "sip:%2A21%23;a=b@h");
    assert_eq!(uri("sip:100%@h").user().as_deref(), Some("100%"));
    assert_eq!(uri("sip:a%zz@h").user().as_deref(), Some("a%zz"));
}

#[test]
fn a_telephone_number_is_a_user_part_without_visual_separators() {
    let tel = uri("tel:+86-10-1234-5678;phone-context=x.cn;isub=1");
    assert_eq!(tel.user().as_deref(), Some("+86-10-1234-5678"));
    assert_eq!(tel.number().as_deref(), Some("+861012345678"));
    assert_eq!((tel.param("phone-context"), tel.host(), tel.port()), (Some("x.cn"), "", None));
    assert_eq!(uri("sip:agent-7.x@h").number().as_deref(), Some("agent-7.x"));
}

#[test]
fn what_is_no_uri_is_refused_with_the_part_that_is_wrong() {
    for (text, error) in [
        ("", UriError::Scheme),
        ("4008001234", UriError::Scheme),
        ("<sip:a@h>", UriError::Scheme),
        ("1ip:a@h", UriError::Scheme),
        ("sip:", UriError::Host),
        ("sip:a@", UriError::Host),
        ("sip:@h", UriError::User),
        ("sip:a@b@c", UriError::Host),
        ("sip:a b@h", UriError::Character),
        ("sip:a@h\r\nX: y", UriError::Character),
        ("sip:a\"@h", UriError::User),
        ("sip:a@h:", UriError::Port),
        ("sip:a@h:65536", UriError::Port),
        ("sip:a@h:5o60", UriError::Host),
        ("sip:a@h;;lr", UriError::Params),
        ("sip:a@h;", UriError::Params),
        ("sip:a@[::g]", UriError::Host),
        ("sip:a@[::1", UriError::Host),
        ("tel:", UriError::User),
    ] {
        assert_eq!(text.parse::<Uri>(), Err(error), "{text}");
    }
    assert_eq!(format!("sip:{}@h", "a".repeat(70_000)).parse::<Uri>(), Err(UriError::TooLong));
}

#[test]
fn unknown_schemes_are_kept_whole() {
    let other = uri("soap.beep://192.0.2.103:3002");
    assert_eq!((other.scheme(), other.user(), other.host()), (Scheme::Other, None, ""));
    assert_eq!(other.to_string(), "soap.beep://192.0.2.103:3002");
}

/// RFC 3261 §19.1.4, its own examples.
#[test]
fn uris_are_equal_as_the_rfc_says() {
    for (a, b) in [
        ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com;security=on"),
        (
            "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
            "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
        ),
        (
            "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
            "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
        ),
        ("tel:+86-10-1", "tel:+86101"),
    ] {
        assert!(uri(a).same_as(&uri(b)) && uri(b).same_as(&uri(a)), "{a} = {b}");
    }
    for (a, b) in [
        ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
        ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
        ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"),
        ("sip:a@h", "sips:a@h"),
        ("sip:null%00null@h", "sip:null@h"),
        ("sip:h", "sip:a@h"),
        ("tel:86101;phone-context=+1", "tel:86101"),
    ] {
        assert!(!uri(a).same_as(&uri(b)) && !uri(b).same_as(&uri(a)), "{a} ≠ {b}");
    }
}

#[test]
fn uris_stuffed_with_parameters_are_compared_by_their_bytes() {
    let stuffed = format!("sip:a@h{}", ";x".repeat(20_000));
    assert!(uri(&stuffed).same_as(&uri(&stuffed)));
    assert!(!uri(&stuffed).same_as(&uri(&format!("{stuffed};y"))));
}

#[test]
fn building_escapes_the_user_and_brackets_ipv6() {
    let built = Uri::sip(Some("*21#客 服@x"), "2001:db8::1", Some(5080)).unwrap();
    assert_eq!(built.to_string(), "sip:*21%23%E5%AE%A2%20%E6%9C%8D%40x@[2001:db8::1]:5080");
    assert_eq!(built.user().as_deref(), Some("*21#客 服@x"));
    assert_eq!(Uri::sip(None, "h", None).unwrap().to_string(), "sip:h");
    assert!(Uri::sip(Some("a"), "h\r\nEvil: x", None).is_err());
    assert_eq!(Uri::tel("+8610").unwrap().to_string(), "tel:+8610");
}

#[test]
fn a_parameter_is_added_before_the_headers() {
    let added = uri("sip:a@h;lr?x=y").with_param("transport", "tcp").unwrap();
    assert_eq!(added.to_string(), "sip:a@h;lr;transport=tcp?x=y");
    assert_eq!(uri("sip:a@h").with_param("ob", "").unwrap().to_string(), "sip:a@h;ob");
    assert!(uri("sip:a@h").with_param("x", "a b").is_err());
}

#[test]
fn a_request_uri_and_an_address_are_cut_from_a_contact() {
    let contact = uri("sip:a:pw@h:5070;method=INVITE;transport=tcp?Subject=x");
    assert_eq!(contact.without_headers().to_string(), "sip:a:pw@h:5070;transport=tcp");
    assert_eq!(contact.address().to_string(), "sip:a@h:5070");
    assert_eq!(uri("tel:1;x=y").address().to_string(), "tel:1");
    assert_eq!(uri("sip:a@h;lr").address().to_string(), "sip:a@h");
}
