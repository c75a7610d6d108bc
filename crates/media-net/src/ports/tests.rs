use super::*;
use crate::testing::own_address;

fn at(millis: u64) -> Instant {
    Instant::from_secs(100) + Duration::from_millis(millis)
}

#[test]
fn only_whole_pairs_of_even_and_odd_are_used() {
    for (range, pairs) in
        [(10_000..=10_003, 2), (10_001..=10_004, 1), (10_000..=10_000, 0), (65_534..=65_535, 1), (0..=3, 1)]
    {
        let mut table = PairTable::new(range.clone());
        assert_eq!(table.pairs(), pairs, "{range:?}");
        while let Some(port) = table.take(at(0)) {
            assert!(port % 2 == 0 && port > 0 && range.contains(&port) && range.contains(&(port + 1)));
        }
    }
}

#[test]
fn a_pair_rests_before_it_is_used_again_and_the_longest_rested_goes_first() {
    let mut table = PairTable::new(10_000..=10_005);
    let (a, b) = (table.take(at(0)).unwrap(), table.take(at(0)).unwrap());
    table.give_back(b, at(10));
    table.give_back(a, at(20));
    assert_eq!(table.take(at(30)), Some(10_004));
    assert_eq!(table.take(at(30)), None, "all others rest");
    let rested = at(10) + COOL_DOWN;
    assert_eq!(table.rested(rested), 1);
    assert_eq!(table.take(rested), Some(b));
    assert_eq!(table.take(rested), None);
    assert_eq!(table.take(rested + Duration::from_millis(10)), Some(a));
}

/// Five pairs that were free a moment ago, on an address of their own.
fn pool(bind: IpAddr) -> Arc<PortPool> {
    let advertise = "192.0.2.1".parse().unwrap();
    let interface = MediaInterface { bind, advertise, ports: 40_000..=40_009 };
    Arc::new(PortPool::new(vec![interface], SystemClock::start()))
}

#[test]
fn when_all_pairs_are_taken_the_next_call_is_told_so() {
    let pool = pool(own_address(101));
    let pairs: Vec<Pair> = (0..5).map(|_| pool.open(0).unwrap()).collect();
    assert_eq!(pairs[0].advertised, "192.0.2.1:40000".parse().unwrap());
    assert!(matches!(pool.open(0), Err(PortError::Exhausted { pairs: 5, .. })));
    assert_eq!(pool.taken(), 5);
    drop(pairs);
    assert!(matches!(pool.open(0), Err(PortError::Exhausted { .. })), "they rest");
}

#[test]
fn a_port_that_another_process_holds_is_passed_over() {
    let pool = pool(own_address(102));
    let _rtp = std::net::UdpSocket::bind((own_address(102), 40_000)).unwrap();
    let _rtcp = std::net::UdpSocket::bind((own_address(102), 40_003)).unwrap();
    let pair = pool.open(0).unwrap();
    assert_eq!(pair.advertised.port(), 40_004);
}

#[test]
fn an_interface_that_is_not_there_is_an_error_in_words() {
    let pool = pool(own_address(103));
    assert!(matches!(pool.open(1), Err(PortError::NoInterface(1))));
    let bind = "192.0.2.77".parse().unwrap();
    let interface = MediaInterface { bind, advertise: bind, ports: 40_000..=40_009 };
    let foreign = Arc::new(PortPool::new(vec![interface], SystemClock::start()));
    let error = foreign.open(0).unwrap_err();
    assert!(matches!(error, PortError::Bind { .. }) && error.to_string().contains("192.0.2.77"), "{error}");
}

#[test]
fn pairs_work_over_ipv6() {
    let Ok(probe) = std::net::UdpSocket::bind("[::1]:0") else { return };
    drop(probe);
    let pool = pool("::1".parse().unwrap());
    assert!(pool.open(0).unwrap().advertised.port() >= 40_000);
}
