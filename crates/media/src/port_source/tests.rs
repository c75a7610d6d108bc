use super::*;

const CARRIER: &str = "10.0.0.1:4000";
const STRANGER: &str = "203.0.113.9:31000";
const ATTACKER: &str = "6.6.6.6:666";

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn phone_at(signals_from: &str) -> Peer {
    Peer::Phone { signals_from: signals_from.parse().unwrap() }
}

struct World {
    source: PortSource,
    now: Instant,
}

impl World {
    fn of(peer: Peer, described: &str) -> World {
        let mut source = PortSource::new(peer);
        let now = Instant::from_secs(100);
        source.describe(now, address(described));
        World { source, now }
    }

    fn phone() -> World {
        World::of(phone_at("203.0.113.9"), "192.168.1.5:5000")
    }

    fn trunk() -> World {
        let media_from = vec![("10.9.0.0".parse().unwrap(), 16)];
        World::of(Peer::Trunk { media_from }, CARRIER)
    }

    /// One packet, 20 ms after the one before it.
    fn packet(&mut self, source: &str, ssrc: u32) -> bool {
        self.now += Duration::from_millis(20);
        self.source.believes(self.now, address(source), ssrc)
    }

    fn packets(&mut self, source: &str, count: usize) -> usize {
        (0..count).filter(|_| self.packet(source, 1)).count()
    }

    fn describe(&mut self, remote: &str) {
        self.source.describe(self.now, address(remote));
    }
}

#[test]
fn a1_a_trunks_first_packet_locks_and_3_others_are_dropped() {
    let mut world = World::trunk();
    assert_eq!(world.packets(ATTACKER, 5), 0);
    assert_eq!(world.source.locked(), None);
    assert!(world.packet("10.0.0.1:9999", 1), "any port");
    assert_eq!(world.source.locked(), Some(address("10.0.0.1:9999")));
    assert_eq!(world.source.target(), Some(address("10.0.0.1:9999")));
    assert!(!world.packet(CARRIER, 1), "then that one alone");
    assert!(world.packet("10.0.0.1:9999", 2), "a new SSRC of it is followed");
}

#[test]
fn a1_a_trunks_networks_are_believed_too() {
    let mut world = World::trunk();
    assert!(!world.packet("10.8.255.255:1", 1));
    assert!(world.packet("10.9.200.3:7000", 1));
}

#[test]
fn a1_a_phone_locks_at_once_from_where_it_said_and_else_with_its_third_packet() {
    let mut world = World::phone();
    assert!(world.packet("192.168.1.5:5000", 1));
    assert!(!world.packet(STRANGER, 1));

    let mut world = World::phone();
    assert!(world.packet(STRANGER, 1) && world.packet(STRANGER, 1));
    assert_eq!(world.source.locked(), None);
    assert_eq!(world.source.target(), Some(address("192.168.1.5:5000")));
    assert!(world.packet(STRANGER, 1));
    assert_eq!(world.source.target(), Some(address(STRANGER)));
    assert_eq!(world.packets(ATTACKER, 100), 0);
}

#[test]
fn a1_a_phone_that_names_the_address_it_signals_from_is_believed_from_there_alone() {
    let mut world = World::of(phone_at("192.168.1.5"), "192.168.1.5:5000");
    assert_eq!(world.packets(ATTACKER, 100), 0, "however soon he is");
    assert_eq!(world.source.target(), Some(address("192.168.1.5:5000")));
    assert_eq!(world.packets("192.168.1.5:7000", 3), 3, "from any port of it");
    assert_eq!(world.source.locked(), Some(address("192.168.1.5:7000")));
    for hold in ["192.168.1.5:5000", "0.0.0.0:5000"] {
        world.describe(hold);
        assert_eq!(world.packets(ATTACKER, 50), 0, "{hold}");
        assert_eq!(world.source.locked(), Some(address("192.168.1.5:7000")), "{hold}");
    }
    // It goes on at another address, of which it is not known whether its packets come from there.
    world.describe("10.1.1.1:9000");
    assert_eq!(world.packets(STRANGER, 3), 1);
    assert_eq!(world.source.locked(), Some(address(STRANGER)));
}

#[test]
fn a1_a_phone_must_keep_to_one_ssrc_and_nobody_pushes_in_between() {
    let mut world = World::phone();
    for ssrc in 0..10 {
        assert!(world.packet(STRANGER, ssrc));
    }
    assert_eq!(world.source.locked(), None);
    assert!(!world.packet(ATTACKER, 1), "the first source goes first");
    assert!(world.packet("192.168.1.5:5000", 1), "but the described one goes before all");
    assert_eq!(world.source.locked(), Some(address("192.168.1.5:5000")));
}

#[test]
fn a_source_that_went_silent_before_the_lock_makes_room() {
    let mut world = World::phone();
    assert!(world.packet(ATTACKER, 1));
    world.now += Duration::from_secs(2);
    assert_eq!(world.packets(STRANGER, 3), 3);
    assert_eq!(world.source.locked(), Some(address(STRANGER)));
}

#[test]
fn a2_the_same_description_again_lets_nobody_in_while_the_old_source_speaks() {
    for mut world in [World::phone(), World::trunk()] {
        let own = world.source.described.unwrap().to_string();
        let other = if own == CARRIER { "10.9.0.1:1" } else { ATTACKER };
        assert!(world.packet(&own, 1));
        world.describe(&own);
        for _ in 0..200 {
            assert!(world.packet(&own, 1));
            assert!(!world.packet(other, 5));
        }
        assert_eq!(world.packets(other, 100), 0, "the moment has passed");
    }
}

#[test]
fn a4_the_same_description_again_lets_another_source_in_when_the_old_one_is_silent() {
    let mut world = World::trunk();
    world.packet(CARRIER, 1);
    world.describe(CARRIER);
    assert_eq!(world.packets("10.9.0.1:1", 10), 8, "with its third packet");
    assert!(!world.packet(CARRIER, 1));
}

#[test]
fn a5_a_silent_source_keeps_its_lock_after_the_moment() {
    let mut world = World::phone();
    world.packet("192.168.1.5:5000", 1);
    world.describe("192.168.1.5:5000");
    world.now += Duration::from_secs(3);
    assert_eq!(world.packets(ATTACKER, 100), 0);
}

#[test]
fn a4_a_moved_trunk_takes_over_with_its_first_packet() {
    let mut world = World::trunk();
    world.packet(CARRIER, 1);
    world.describe("10.0.0.7:7000");
    assert_eq!(world.source.target(), Some(address("10.0.0.7:7000")));
    assert!(world.packet(CARRIER, 1), "what was under way");
    assert!(!world.packet(ATTACKER, 1));
    assert!(world.packet("10.0.0.7:7001", 9));
    assert!(!world.packet(CARRIER, 1));
}

#[test]
fn a4_a_moved_peer_may_take_its_time() {
    let mut world = World::trunk();
    world.packet(CARRIER, 1);
    world.describe("10.0.0.7:7000");
    world.packet(CARRIER, 1);
    world.now += Duration::from_secs(10);
    assert!(world.packet("10.0.0.7:7000", 9));
}

#[test]
fn a4_a_moved_phone_behind_nat_takes_over_with_its_third_packet_and_is_spoken_to_where_it_was() {
    let mut world = World::phone();
    world.packets(STRANGER, 3);
    world.describe("192.168.1.9:5000");
    assert_eq!(world.source.target(), Some(address(STRANGER)));
    assert_eq!(world.packets("203.0.113.9:32000", 3), 1);
    assert_eq!(world.source.target(), Some(address("203.0.113.9:32000")));
}

#[test]
fn a4_a_moved_phone_that_told_the_truth_is_spoken_to_where_it_says() {
    let mut world = World::phone();
    let described = world.source.target().expect("described").to_string();
    world.packets(&described, 3);
    world.describe("192.168.1.9:5000");
    assert_eq!(world.source.target(), Some(address("192.168.1.9:5000")));
    assert!(world.packet("192.168.1.9:5000", 9), "and heard from there at once");
}

#[test]
fn hold_by_the_unspecified_address_does_not_move_the_peer() {
    let mut world = World::trunk();
    world.packet(CARRIER, 1);
    world.describe("0.0.0.0:4000");
    assert!(world.packet(CARRIER, 1));
    assert_eq!(world.source.locked(), Some(address(CARRIER)));
    let nobody = World::of(phone_at("192.168.1.5"), "0.0.0.0:4000");
    assert_eq!(nobody.source.target(), None);
}

#[test]
fn networks_of_every_length_and_version() {
    let within =
        |ip: &str, network: &str, prefix| is_within(ip.parse().unwrap(), network.parse().unwrap(), prefix);
    assert!(within("1.2.3.4", "9.9.9.9", 0));
    assert!(within("10.9.255.1", "10.9.0.0", 16) && !within("10.10.0.1", "10.9.0.0", 16));
    assert!(within("10.9.0.1", "10.9.0.1", 32) && !within("10.9.0.2", "10.9.0.1", 32));
    assert!(within("2001:db8::1", "2001:db8::", 32) && !within("2001:db9::1", "2001:db8::", 32));
    assert!(!within("1.2.3.4", "::", 0), "another version");
    assert!(!within("1.2.3.4", "1.2.3.4", 200), "no such prefix");
}
