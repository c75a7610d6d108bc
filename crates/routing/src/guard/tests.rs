use super::*;
use crate::fixtures::security;

const T0: Instant = Instant::from_secs(1_000);

fn at(millis: u64) -> Instant {
    T0 + Duration::from_millis(millis)
}

fn from(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// What becomes of requests of `source`, one each `every_millis`.
fn asks(guard: &mut Guard, source: &str, every_millis: u64, count: u64) -> Vec<Pass> {
    let security = security();
    (0..count).map(|n| guard.hear(at(n * every_millis), &security, from(source))).collect()
}

#[test]
fn a_source_that_keeps_to_its_rate_is_always_heard() {
    let mut guard = Guard::default();
    // 50 per second are allowed.
    assert!(asks(&mut guard, "192.0.2.1:5060", 20, 5_000).iter().all(|pass| *pass == Pass::Yes));
}

#[test]
fn a_flood_is_not_heard_then_banned_then_heard_again() {
    let mut guard = Guard::default();
    let passes = asks(&mut guard, "192.0.2.1:5060", 1, 3_000);
    let heard = passes.iter().filter(|pass| **pass == Pass::Yes).count();
    assert!((200..230).contains(&heard), "a burst of four seconds' requests: {heard}");
    let banned = passes.iter().position(|pass| *pass == Pass::BannedNow).unwrap();
    assert!(passes[banned + 1..].iter().all(|pass| *pass == Pass::Banned));
    assert_eq!(guard.bans(at(3_000)).map(|ban| ban.cause).collect::<Vec<_>>(), [BanCause::Flood]);
    // Another port is the same source, another address is not.
    assert_eq!(guard.hear(at(3_000), &security(), from("192.0.2.1:7000")), Pass::Banned);
    assert_eq!(guard.hear(at(3_000), &security(), from("192.0.2.2:5060")), Pass::Yes);
    assert_eq!(guard.hear(at(604_000), &security(), from("192.0.2.1:5060")), Pass::Yes);
    assert_eq!(guard.bans(at(604_000)).count(), 0);
}

#[test]
fn a_phone_behind_the_address_of_an_attacker_keeps_being_heard() {
    let mut guard = Guard::default();
    let (phone, attacker) = (from("192.0.2.1:5060"), from("192.0.2.1:40000"));
    guard.logged_in(T0, phone);
    for n in 0..60_000 {
        let heard = guard.hear(at(n), &security(), attacker);
        assert_ne!(heard, Pass::BannedNow);
        guard.failed(at(n), &security(), attacker, "9001");
        if n % 100 == 0 {
            assert_eq!(guard.hear(at(n), &security(), phone), Pass::Yes);
            assert!(guard.may_try(at(n), &security(), phone, "9001"));
        }
    }
    assert_eq!(guard.hear(at(60_000), &security(), attacker), Pass::TooFast);
    assert!(!guard.may_try(at(60_000), &security(), attacker, "9001"), "a guess each six seconds");
    assert!(guard.may_try(at(60_000), &security(), attacker, "9002"), "other users are not harmed");
    assert!(guard.may_try(at(67_000), &security(), attacker, "9001"));
    assert!(guard.scanned(at(60_000), &security(), attacker).then_some(()).is_none());
    assert_eq!(guard.bans(at(60_000)).count(), 0);
}

#[test]
fn wrong_passwords_ban_a_source_where_no_phone_is() {
    let mut guard = Guard::default();
    let attacker = from("[2001:db8::1]:5060");
    let banned: Vec<bool> =
        (0..11).map(|n| guard.failed(at(n), &security(), attacker, &n.to_string())).collect();
    assert_eq!(banned.iter().position(|banned| *banned), Some(10), "{banned:?}");
    // Its neighbours of the /64 are the same somebody.
    assert_eq!(guard.hear(at(20), &security(), from("[2001:db8::ffff]:1")), Pass::Banned);
    assert!(
        guard.is_banned(at(20), from("[2001:db8::2]:1")) && !guard.is_banned(at(20), from("[2001:db9::]:1"))
    );
    assert!(guard.lift("2001:db8::7".parse().unwrap()) && !guard.lift("2001:db8::7".parse().unwrap()));
    assert_eq!(guard.hear(at(20), &security(), attacker), Pass::Yes);
}

#[test]
fn a_login_lifts_the_ban_of_its_source() {
    let mut guard = Guard::default();
    let phone = from("192.0.2.1:5060");
    assert!(guard.scanned(T0, &security(), from("192.0.2.1:1")));
    assert!(!guard.scanned(T0, &security(), from("192.0.2.1:1")), "it is banned already");
    guard.logged_in(T0, phone);
    assert_eq!(guard.hear(T0, &security(), from("192.0.2.1:1")), Pass::Yes);
    assert!(guard.knows(phone) && !guard.knows(from("192.0.2.1:1")));
}

#[test]
fn bans_are_bounded_and_the_one_that_ends_first_makes_room() {
    let mut guard = Guard::default();
    let security = Security { max_bans: 3, ..security() };
    for n in 1..=5_u8 {
        guard.scanned(at(n.into()), &security, SocketAddr::from(([192, 0, 2, n], 1)));
    }
    let left: Vec<String> = guard.bans(at(10)).map(|ban| ban.source.to_string()).collect();
    assert_eq!(left, ["192.0.2.3", "192.0.2.4", "192.0.2.5"]);
}

#[test]
fn no_ban_time_means_no_ban() {
    let mut guard = Guard::default();
    let security = Security { ban: Duration::ZERO, ..security() };
    assert!(!guard.scanned(T0, &security, from("192.0.2.1:1")));
    assert_eq!(guard.bans(T0).count(), 0);
}
