use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use routing::{NumberForm, TrunkRegister};

use super::*;

const CUSTOMER: Parties<'static> = Parties {
    customer: "13800138000",
    ours: None,
    withheld: None,
    called: "13900139000",
    forwarded_from: Some("4008001234"),
};

fn trunk() -> Trunk {
    let mut trunk = Trunk::named("out");
    trunk.identity.caller = Some("01065551234".into());
    trunk
}

/// From and the headers, a line each.
fn told(trunk: &Trunk, binding: Option<&TrunkBinding>, parties: &Parties<'_>) -> Vec<String> {
    let told = introduce(trunk, binding, "203.0.113.5", parties).expect("an introduction");
    let headers = told.headers.iter().map(|(name, value)| format!("{name}: {value}"));
    std::iter::once(format!("From: {}", told.from)).chain(headers).collect()
}

#[test]
fn a_phone_of_ours_shows_its_number_only_where_the_trunk_has_it() {
    let mut trunk = trunk();
    let ours = |number| Parties { customer: "", ours: Some(number), forwarded_from: None, ..CUSTOMER };
    let from = |trunk: &Trunk, number| told(trunk, None, &ours(number)).remove(0);
    assert!(from(&trunk, "01065559999").contains("sip:01065551234@"), "R21: a number of that trunk");
    trunk.identity.callers = vec!["+861065559999".into()];
    assert!(from(&trunk, "01065559999").contains("sip:01065559999@"));
    assert!(from(&trunk, "4008001234").contains("sip:01065551234@"), "the 400 only where the trunk has it");
    trunk.identity.show_caller = true;
    assert!(from(&trunk, "4008001234").contains("sip:4008001234@"));
}

#[test]
fn by_default_from_shows_the_trunks_own_number_and_nothing_else_is_said() {
    assert_eq!(told(&trunk(), None, &CUSTOMER), ["From: <sip:01065551234@203.0.113.5>"]);
}

#[test]
fn the_number_is_written_in_the_headers_and_the_form_that_are_set() {
    let mut ims = trunk();
    ims.numbers.caller_form = NumberForm::Plus86;
    ims.identity.from_user = Some("+861065550000".into());
    ims.identity.from_domain = Some("ims.bj.chinamobile.com".into());
    ims.identity.user_phone = true;
    let own = "sip:+861065551234@ims.bj.chinamobile.com;user=phone";
    let account = "From: <sip:+861065550000@ims.bj.chinamobile.com>".to_owned();
    for (header, line) in [
        (CallerHeader::Asserted, format!("P-Asserted-Identity: <{own}>")),
        (CallerHeader::Preferred, format!("P-Preferred-Identity: <{own}>")),
        (CallerHeader::RemoteParty, format!("Remote-Party-ID: <{own}>;party=calling;screen=yes;privacy=off")),
    ] {
        ims.identity.headers = vec![header];
        assert_eq!(told(&ims, None, &CUSTOMER), [account.clone(), line.clone()]);
        ims.identity.headers = vec![CallerHeader::From, header];
        assert_eq!(told(&ims, None, &CUSTOMER), [format!("From: <{own}>"), line]);
    }
    ims.identity.uri = NumberUri::Tel;
    ims.identity.headers = vec![CallerHeader::Asserted];
    assert_eq!(told(&ims, None, &CUSTOMER)[1], "P-Asserted-Identity: <tel:+861065551234>");
    ims.numbers.caller_form = NumberForm::Zero;
    assert_eq!(told(&ims, None, &CUSTOMER)[1], "P-Asserted-Identity: <tel:01065551234;phone-context=+86>");
}

#[test]
fn the_customer_is_shown_where_that_is_allowed_and_known() {
    let mut open = trunk();
    open.identity.show_caller = true;
    assert_eq!(told(&open, None, &CUSTOMER), ["From: <sip:13800138000@203.0.113.5>"]);
    let unknown = Parties { customer: "anonymous", ..CUSTOMER };
    assert_eq!(told(&open, None, &unknown), ["From: <sip:01065551234@203.0.113.5>"]);
}

#[test]
fn a_withheld_number_goes_to_the_carrier_alone() {
    let mut open = trunk();
    open.identity.show_caller = true;
    open.identity.headers = vec![CallerHeader::Asserted, CallerHeader::RemoteParty];
    let withheld = Parties { customer: "anonymous", withheld: Some("13800138000"), ..CUSTOMER };
    let expected = [
        "From: \"Anonymous\" <sip:anonymous@anonymous.invalid>",
        "P-Asserted-Identity: <sip:13800138000@203.0.113.5>",
        "Remote-Party-ID: <sip:13800138000@203.0.113.5>;party=calling;screen=yes;privacy=full",
        "Privacy: id",
    ];
    assert_eq!(told(&open, None, &withheld), expected);
    open.identity.show_caller = false;
    assert_eq!(
        told(&open, None, &withheld)[0],
        "From: <sip:203.0.113.5>".replace("sip:", "sip:01065551234@")
    );
}

#[test]
fn a_trunk_that_withholds_asks_for_it_and_one_without_a_number_has_none_to_show() {
    let mut quiet = trunk();
    quiet.identity.withhold = true;
    quiet.identity.headers = vec![CallerHeader::Asserted];
    let expected = [
        "From: \"Anonymous\" <sip:anonymous@anonymous.invalid>",
        "P-Asserted-Identity: <sip:01065551234@203.0.113.5>",
        "Privacy: id",
    ];
    assert_eq!(told(&quiet, None, &CUSTOMER), expected);
    let bare = Trunk::named("bare");
    let expected = ["From: \"Anonymous\" <sip:anonymous@anonymous.invalid>", "Privacy: id"];
    assert_eq!(told(&bare, None, &CUSTOMER), expected);
}

#[test]
fn a_forwarded_call_says_what_it_was_forwarded_from_as_the_trunk_wants_it() {
    let mut forwarding = trunk();
    forwarding.identity.show_caller = true;
    forwarding.identity.diversion = Diversion::Diversion;
    let told_by = |trunk: &Trunk| told(trunk, None, &CUSTOMER)[1..].to_vec();
    assert_eq!(
        told_by(&forwarding),
        ["Diversion: <sip:01065551234@203.0.113.5>;reason=unconditional;counter=1;privacy=off"]
    );
    forwarding.identity.diversion = Diversion::HistoryInfo;
    assert_eq!(
        told_by(&forwarding),
        [
            "History-Info: <sip:01065551234@203.0.113.5>;index=1",
            "History-Info: <sip:13900139000@203.0.113.5;cause=302>;index=1.1;mp=1",
        ]
    );
    forwarding.identity.caller = None;
    assert_eq!(told_by(&forwarding)[0], "History-Info: <sip:4008001234@203.0.113.5>;index=1");
    let direct = Parties { forwarded_from: None, ..CUSTOMER };
    assert_eq!(told(&forwarding, None, &direct).len(), 1, "a call of our own was forwarded from nowhere");
}

#[test]
fn an_associated_uri_takes_the_place_of_a_number_that_the_carrier_does_not_know() {
    let at: SocketAddr = "10.0.0.1:5060".parse().unwrap();
    let binding = |uris: &[&str]| TrunkBinding {
        at,
        service_route: Vec::new(),
        associated: uris.iter().map(|uri| Arc::from(*uri)).collect(),
    };
    let own = |binding: &TrunkBinding| told(&trunk(), Some(binding), &CUSTOMER)[0].clone();
    let knows = binding(&["sip:+861065550000@ims.example", "tel:+861065551234"]);
    assert_eq!(own(&knows), "From: <sip:01065551234@203.0.113.5>");
    let knows_not = binding(&["sip:+861065550000@ims.example", "tel:+861065550001"]);
    assert_eq!(own(&knows_not), "From: <sip:01065550000@203.0.113.5>");
    assert_eq!(own(&binding(&[])), "From: <sip:01065551234@203.0.113.5>");
}

#[test]
fn a_registered_trunk_names_its_account_and_the_contact_that_was_registered() {
    let mut ims = trunk();
    ims.register = Some(TrunkRegister {
        registrar: "ims.example".into(),
        user: "+861065551234".into(),
        domain: "bj.ims.example".into(),
        contact_user: None,
        line: "0011aabb".into(),
        expires: Duration::from_secs(3_600),
        retry: Duration::from_secs(30),
        retry_max: Duration::from_secs(1_800),
    });
    ims.identity.headers = vec![CallerHeader::Preferred];
    let told = introduce(&ims, None, "203.0.113.5", &CUSTOMER).unwrap();
    assert_eq!(told.from.to_string(), "<sip:+861065551234@bj.ims.example>");
    assert_eq!(told.contact_user, "0011aabb");
}
