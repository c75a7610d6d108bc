use std::time::Duration;

use clock::WallTime;

use crate::headers::{Algorithm, Challenge, Credentials, HeaderName, Protection, Qop, Stale};
use crate::message::{Method, Request, Response};

use super::*;

const LIFE: Duration = Duration::from_secs(300);
const NOON: WallTime = WallTime(1_800_000_000_000_000);

fn later(seconds: u64) -> WallTime {
    NOON + Duration::from_secs(seconds)
}

fn challenger() -> Challenger {
    Challenger::new("hotline", [7; 32], LIFE)
}

fn register() -> Request {
    let mut request = Request::new(Method::Register, "sip:%2A21@hotline".parse().unwrap());
    request.headers.push(HeaderName::Via, "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1");
    request
}

fn login(password: &str) -> Login {
    Login { user: "9001".to_owned(), password: password.to_owned(), realm: None }
}

fn challenged(challenger: &mut Challenger, now: WallTime, offer: Offer) -> Response {
    let mut response = Response::to(&register(), 401);
    challenger.challenge(now, Side::Server, offer, Stale::No, &mut response);
    response
}

/// What `challenger` says at `now` to the phone 9001 that answered `challenge` with `password`.
fn attempt(challenger: &mut Challenger, challenge: &Response, password: &str, now: WallTime) -> Verdict {
    let mut request = register();
    login(password).answer(challenge, &mut request, "c0ffee", 1).unwrap();
    judge(challenger, &request, now, Offer::Both)
}

fn judge(challenger: &mut Challenger, request: &Request, now: WallTime, offer: Offer) -> Verdict {
    let credentials = challenger.credentials(Side::Server, &request.headers).unwrap();
    challenger.judge(now, &credentials, &request.method, Some(Account { password: "bench", offer }))
}

#[test]
fn the_figures_of_rfc_2617_and_rfc_7616_come_out() {
    let mut credentials = Credentials {
        username: "Mufasa".to_owned(),
        realm: "testrealm@host.com".to_owned(),
        nonce: "dcd98b7102dd2f0e8b11d0f600bfb0c093".to_owned(),
        uri: "/dir/index.html".to_owned(),
        response: String::new(),
        algorithm: Algorithm::Md5,
        protection: Some(Protection {
            qop: "auth".to_owned(),
            cnonce: "0a4f113b".to_owned(),
            nc: "00000001".to_owned(),
        }),
        opaque: None,
    };
    let get = Method::Other("GET".into());
    let digest = |credentials: &Credentials, password| response(credentials, password, &get);
    assert_eq!(digest(&credentials, "Circle Of Life").as_deref(), Some("6629fae49393a05397450978507c4ef1"));

    credentials.realm = "http-auth@example.org".to_owned();
    credentials.nonce = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v".to_owned();
    let protection = credentials.protection.as_mut().unwrap();
    protection.cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ".to_owned();
    assert_eq!(digest(&credentials, "Circle of Life").as_deref(), Some("8ca523f5e9506fed4657c9700eebdbec"));
    credentials.algorithm = Algorithm::Sha256;
    let sha256 = "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1";
    assert_eq!(digest(&credentials, "Circle of Life").as_deref(), Some(sha256));
}

#[test]
fn the_right_password_is_granted_and_any_other_denied() {
    let mut challenger = challenger();
    for offer in [Offer::Md5, Offer::Sha256, Offer::Both] {
        let challenge = challenged(&mut challenger, NOON, offer);
        assert_eq!(attempt(&mut challenger, &challenge, "wrong", later(1)), Verdict::Denied);
        assert_eq!(attempt(&mut challenger, &challenge, "bench", later(1)), Verdict::Granted);
    }
}

#[test]
fn both_puts_md5_first_and_one_alone_stays_alone() {
    let mut challenger = challenger();
    let algorithms = |response: &Response| -> Vec<Algorithm> {
        let all = response.headers.all(HeaderName::WwwAuthenticate);
        all.map(|raw| Challenge::parse(raw).unwrap().algorithm).collect()
    };
    assert_eq!(algorithms(&challenged(&mut challenger, NOON, Offer::default())), [Algorithm::Md5]);
    assert_eq!(algorithms(&challenged(&mut challenger, NOON, Offer::Sha256)), [Algorithm::Sha256]);
    let both = algorithms(&challenged(&mut challenger, NOON, Offer::Both));
    assert_eq!(both, [Algorithm::Md5, Algorithm::Sha256]);
}

#[test]
fn an_algorithm_that_was_not_offered_is_refused() {
    let mut challenger = challenger();
    for (offered, account) in [(Offer::Md5, Offer::Sha256), (Offer::Sha256, Offer::Md5)] {
        let challenge = challenged(&mut challenger, NOON, offered);
        let mut request = register();
        login("bench").answer(&challenge, &mut request, "c0ffee", 1).unwrap();
        assert_eq!(judge(&mut challenger, &request, later(1), account), Verdict::Denied);
        assert_eq!(judge(&mut challenger, &request, later(1), offered), Verdict::Granted);
    }
}

#[test]
fn an_unknown_user_is_denied_as_a_wrong_password_is() {
    let mut challenger = challenger();
    let challenge = challenged(&mut challenger, NOON, Offer::Md5);
    let mut request = register();
    login("bench").answer(&challenge, &mut request, "c0ffee", 1).unwrap();
    let credentials = challenger.credentials(Side::Server, &request.headers).unwrap();
    assert_eq!(challenger.judge(later(1), &credentials, &request.method, None), Verdict::Denied);
    // Not even with the password that stands in for theirs.
    let dummy = challenger.dummy_for_tests();
    let mut request = register();
    login(&dummy).answer(&challenge, &mut request, "c0ffee", 1).unwrap();
    let credentials = challenger.credentials(Side::Server, &request.headers).unwrap();
    assert_eq!(challenger.judge(later(1), &credentials, &request.method, None), Verdict::Denied);
}

#[test]
fn a_nonce_that_is_old_forged_or_of_another_process_is_stale() {
    let mut challenger = challenger();
    let challenge = challenged(&mut challenger, NOON, Offer::Md5);
    assert_eq!(attempt(&mut challenger, &challenge, "bench", later(301)), Verdict::Stale);
    assert_eq!(attempt(&mut challenger, &challenge, "bench", later(299)), Verdict::Granted);
    let mut other = Challenger::new("hotline", [8; 32], LIFE);
    assert_eq!(attempt(&mut other, &challenge, "bench", later(1)), Verdict::Stale);
    assert_eq!(attempt(&mut other, &challenge, "wrong", later(1)), Verdict::Denied);
    let raw = challenge.headers.text(HeaderName::WwwAuthenticate).unwrap();
    let nonce = Challenge::parse(raw.as_bytes()).unwrap().nonce;
    for forged in
        ["", "00", "zz", &nonce[..40], &format!("{nonce}0"), &"9".repeat(400), "é".repeat(28).as_str()]
    {
        let mut forgery = challenge.clone();
        forgery.headers.set(HeaderName::WwwAuthenticate, raw.replace(&nonce, forged));
        assert_eq!(attempt(&mut challenger, &forgery, "bench", later(2)), Verdict::Stale, "{forged}");
    }
}

#[test]
fn a_nonce_count_must_rise() {
    let mut challenger = challenger();
    let challenge = challenged(&mut challenger, NOON, Offer::Md5);
    let verdicts: Vec<Verdict> = [(1, 1), (1, 2), (2, 3), (9, 4), (5, 5), (10, 290)]
        .into_iter()
        .map(|(count, second)| {
            let mut request = register();
            login("bench").answer(&challenge, &mut request, "c0ffee", count).unwrap();
            judge(&mut challenger, &request, later(second), Offer::Md5)
        })
        .collect();
    use Verdict::{Granted, Stale};
    assert_eq!(verdicts, [Granted, Stale, Granted, Granted, Stale, Granted]);
}

#[test]
fn counts_are_forgotten_when_their_nonces_have_died() {
    let mut challenger = challenger();
    for second in 0..2_000 {
        let challenge = challenged(&mut challenger, later(second), Offer::Md5);
        assert_eq!(attempt(&mut challenger, &challenge, "bench", later(second)), Verdict::Granted);
    }
    assert!(challenger.counts_for_tests() <= 600, "{} counts", challenger.counts_for_tests());
}

#[test]
fn a_client_without_qop_uses_a_nonce_once() {
    let mut challenger = challenger();
    let mut challenge = challenged(&mut challenger, NOON, Offer::Md5);
    let raw = challenge.headers.text(HeaderName::WwwAuthenticate).unwrap().replace(", qop=\"auth\"", "");
    challenge.headers.set(HeaderName::WwwAuthenticate, raw);
    assert_eq!(attempt(&mut challenger, &challenge, "bench", later(1)), Verdict::Granted);
    assert_eq!(attempt(&mut challenger, &challenge, "bench", later(2)), Verdict::Stale);
}

#[test]
fn a_refused_password_is_not_tried_again_but_a_stale_nonce_is_renewed() {
    let mut challenger = challenger();
    let challenge = challenged(&mut challenger, NOON, Offer::Md5);
    let mut request = register();
    login("bench").answer(&challenge, &mut request, "c0ffee", 1).unwrap();
    let again = challenged(&mut challenger, later(1), Offer::Md5);
    assert_eq!(login("bench").answer(&again, &mut request, "c0ffee", 1), Err(AnswerError::Refused));
    let mut stale = Response::to(&request, 401);
    challenger.challenge(later(1), Side::Server, Offer::Md5, Stale::Yes, &mut stale);
    assert_eq!(login("bench").answer(&stale, &mut request, "c0ffee", 1), Ok(()));
    assert_eq!(request.headers.count(HeaderName::Authorization), 1);
    assert_eq!(judge(&mut challenger, &request, later(2), Offer::Md5), Verdict::Granted);
}

#[test]
fn a_client_takes_the_strongest_challenge_of_its_realm_and_no_other() {
    let mut challenge = Response::to(&register(), 407);
    for raw in [
        "Basic realm=\"carrier\"",
        "Digest realm=\"evil\", nonce=\"1\", algorithm=SHA-256, qop=\"auth\"",
        "Digest realm=\"carrier\", nonce=\"2\", algorithm=SHA-512-256, qop=\"auth\"",
        "Digest realm=\"carrier\", nonce=\"3\", algorithm=md5, qop=\"auth,auth-int\"",
        "Digest realm=\"carrier\",nonce=\"4\",algorithm=SHA-256,qop=\"auth-int\"",
        "Digest realm=\"carrier\", nonce=\"5\", algorithm=MD5-sess, qop=\"auth\", opaque=\"a,b\"",
    ] {
        challenge.headers.push(HeaderName::ProxyAuthenticate, raw);
    }
    let ours = Login { realm: Some("carrier".to_owned()), ..login("bench") };
    let mut request = register();
    ours.answer(&challenge, &mut request, "c0ffee", 1).unwrap();
    let credentials =
        Credentials::parse(request.headers.get(HeaderName::ProxyAuthorization).unwrap()).unwrap();
    assert_eq!((credentials.nonce.as_str(), credentials.algorithm), ("5", Algorithm::Md5Sess));
    assert_eq!(credentials.opaque.as_deref(), Some("a,b"));
    assert_eq!(credentials.uri, "sip:%2A21@hotline");
    let elsewhere = Login { realm: Some("other".to_owned()), ..login("bench") };
    assert_eq!(elsewhere.answer(&challenge, &mut register(), "c", 1), Err(AnswerError::OtherRealm));
    let ok = Response::to(&register(), 200);
    assert_eq!(ours.answer(&ok, &mut register(), "c", 1), Err(AnswerError::NoChallenge));
}

#[test]
fn challenges_and_credentials_read_back_as_they_were_written() {
    let challenge = Challenge {
        realm: "a \"quoted\" realm, 客服".to_owned(),
        nonce: "n".to_owned(),
        algorithm: Algorithm::Sha256,
        qop: Qop::Auth,
        opaque: Some("o,p".to_owned()),
        stale: Stale::Yes,
    };
    assert_eq!(Challenge::parse(challenge.to_string().as_bytes()), Some(challenge));
    let mut challenger = challenger();
    let mut request = register();
    login("x").answer(&challenged(&mut challenger, NOON, Offer::Md5), &mut request, "c", 3).unwrap();
    let credentials = challenger.credentials(Side::Server, &request.headers).unwrap();
    assert_eq!(Credentials::parse(credentials.to_string().as_bytes()), Some(credentials));
}

#[test]
fn neither_passwords_nor_responses_are_printed_for_debugging() {
    let login = login("s3cret");
    assert!(!format!("{login:?}").contains("s3cret"));
    let mut challenger = challenger();
    let mut request = register();
    login.answer(&challenged(&mut challenger, NOON, Offer::Md5), &mut request, "c", 1).unwrap();
    let credentials = challenger.credentials(Side::Server, &request.headers).unwrap();
    assert!(!format!("{credentials:?}").contains(&credentials.response));
}

#[test]
fn a_nonce_of_another_minter_of_the_node_is_stale_so_that_no_count_is_granted_twice() {
    let node = [9; 32];
    let mut minters: Vec<Challenger> = ["shard 0", "shard 1", "registrar"]
        .map(|minter| Challenger::new("hotline", secret_of(&node, minter), LIFE))
        .into();
    let challenge = challenged(&mut minters[0], NOON, Offer::Md5);
    let mut request = register();
    login("bench").answer(&challenge, &mut request, "c0ffee", 1).unwrap();
    let verdicts: Vec<Verdict> = [0, 0, 1, 2]
        .into_iter()
        .map(|minter: usize| judge(&mut minters[minter], &request, later(1), Offer::Md5))
        .collect();
    use Verdict::{Granted, Stale};
    assert_eq!(verdicts, [Granted, Stale, Stale, Stale]);
}

#[test]
fn counts_stay_bounded_in_a_storm_and_what_was_forgotten_is_stale_not_fresh() {
    let mut challenger = challenger();
    let first = challenged(&mut challenger, NOON, Offer::Md5);
    let mut replay = register();
    login("bench").answer(&first, &mut replay, "c0ffee", 1).unwrap();
    assert_eq!(judge(&mut challenger, &replay, NOON, Offer::Md5), Verdict::Granted);
    challenger.storm_for_tests(later(1), 600_000);
    assert!(challenger.counts_for_tests() <= 2 * 262_144, "{}", challenger.counts_for_tests());
    assert_eq!(judge(&mut challenger, &replay, later(2), Offer::Md5), Verdict::Stale);
    let fresh = challenged(&mut challenger, later(2), Offer::Md5);
    assert_eq!(attempt(&mut challenger, &fresh, "bench", later(3)), Verdict::Granted);
}

#[test]
fn a_hashed_user_name_is_nobodys_and_one_that_is_said_not_to_be_is_read() {
    let mut challenger = challenger();
    let challenge = challenged(&mut challenger, NOON, Offer::Md5);
    let raw = challenge.headers.text(HeaderName::WwwAuthenticate).unwrap();
    assert!(!raw.contains("userhash"), "RFC 7616 §3.4.4: not offered");
    let mut request = register();
    login("bench").answer(&challenge, &mut request, "c0ffee", 1).unwrap();
    let credentials = request.headers.text(HeaderName::Authorization).unwrap().to_owned();
    request.headers.set(HeaderName::Authorization, format!("{credentials}, userhash=false"));
    assert_eq!(judge(&mut challenger, &request, later(1), Offer::Md5), Verdict::Granted);
    // username* names nobody here: the request is one without credentials.
    request.headers.set(HeaderName::Authorization, credentials.replace("username=", "username*="));
    assert!(challenger.credentials(Side::Server, &request.headers).is_none());
}

#[test]
fn integrity_protection_that_was_not_offered_is_refused() {
    let mut challenger = challenger();
    let challenge = challenged(&mut challenger, NOON, Offer::Md5);
    let mut request = register();
    login("bench").answer(&challenge, &mut request, "c0ffee", 1).unwrap();
    let credentials =
        request.headers.text(HeaderName::Authorization).unwrap().replace("qop=auth", "qop=auth-int");
    request.headers.set(HeaderName::Authorization, credentials);
    assert_eq!(judge(&mut challenger, &request, later(1), Offer::Md5), Verdict::Denied);
}
