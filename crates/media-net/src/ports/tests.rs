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
        let mut table = PairTable::new(range.clone(), 1, 100);
        assert_eq!(table.pairs(), pairs, "{range:?}");
        while let Some(port) = table.take(at(0)) {
            assert!(port % 2 == 0 && port > 0 && range.contains(&port) && range.contains(&(port + 1)));
        }
    }
}

#[test]
fn a_pair_rests_before_it_is_used_again_and_the_longest_rested_goes_first() {
    let mut table = PairTable::new(10_000..=10_005, 1, 100);
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
    Arc::new(PortPool::new(vec![interface], 1, 46, SystemClock::start()))
}

#[test]
fn a_pair_marks_its_packets_and_takes_another_mark_with_its_next_call() {
    let loopbacks = [own_address(9), "::1".parse().unwrap()];
    for address in loopbacks {
        let pool = pool(address);
        let (_, mut pair) = bound(&pool);
        let marks = |pair: &Pair| {
            [&pair.rtp, &pair.rtcp].map(|socket| match address {
                IpAddr::V4(_) => SockRef::from(socket).tos_v4().unwrap(),
                IpAddr::V6(_) => SockRef::from(socket).tclass_v6().unwrap(),
            })
        };
        assert_eq!(marks(&pair), [46 << 2; 2], "{address}");
        pool.mark(0);
        assert_eq!(marks(&pair), [46 << 2; 2], "its call keeps its mark");
        pair.mark();
        assert_eq!(marks(&pair), [0; 2], "{address}");
    }
}

/// A pair bound by this call.
fn bound(pool: &Arc<PortPool>) -> (SocketAddr, Pair) {
    match pool.open(0, 0).unwrap() {
        (address, Opened::New(pair)) => (address, pair),
        (_, Opened::Kept(place)) => panic!("a pair that rested at {place}"),
    }
}

#[test]
fn a_pair_that_rests_bound_is_taken_before_another_is_bound_and_only_by_its_worker() {
    let mut table = PairTable::new(10_000..=10_015, 2, 100);
    let port = table.take(at(0)).unwrap();
    assert!(table.keep(1, port, 7, at(0)));
    let rested = at(0) + COOL_DOWN;
    assert_eq!(table.take_kept(1, at(900)), None, "it rests");
    assert_eq!(table.rested(at(900)), 7);
    assert_eq!(table.rested(rested), 8);
    assert_eq!(table.take_kept(0, rested), None, "another worker has it");
    assert_eq!(table.take_kept(1, rested).map(|kept| (kept.port, kept.place)), Some((port, 7)));
    assert!(!table.retire(1, 7), "a call has it");
}

#[test]
fn what_a_worker_closes_is_anybodys_and_several_workers_keep_half_of_the_range_at_most() {
    let mut table = PairTable::new(10_000..=10_015, 2, 100);
    let ports: Vec<u16> = (0..3).map(|_| table.take(at(0)).unwrap()).collect();
    assert!(table.keep(0, ports[0], 0, at(0)) && table.keep(0, ports[1], 1, at(0)));
    assert!(!table.keep(0, ports[2], 2, at(0)), "8 pairs, 2 workers: 2 each");
    assert!(table.retire(0, 0) && !table.retire(0, 0));
    assert!(table.keep(0, ports[2], 2, at(0)));
}

#[test]
fn what_rests_bound_leaves_descriptors_for_calls() {
    let mut table = PairTable::new(10_000..=10_015, 1, 1);
    let ports: Vec<u16> = (0..2).map(|_| table.take(at(0)).unwrap()).collect();
    assert!(table.keep(0, ports[0], 0, at(0)));
    assert!(!table.keep(0, ports[1], 1, at(0)));
}

#[test]
fn when_all_pairs_are_taken_the_next_call_is_told_so() {
    let pool = pool(own_address(101));
    let pairs: Vec<(SocketAddr, Pair)> = (0..5).map(|_| bound(&pool)).collect();
    assert_eq!(pairs[0].0, "192.0.2.1:40000".parse().unwrap());
    assert!(matches!(pool.open(0, 0), Err(PortError::Exhausted { pairs: 5, .. })));
    assert_eq!(pool.taken(), 5);
    drop(pairs);
    assert!(matches!(pool.open(0, 0), Err(PortError::Exhausted { .. })), "they rest");
}

#[test]
fn a_port_that_another_process_holds_is_passed_over() {
    let pool = pool(own_address(102));
    let _rtp = std::net::UdpSocket::bind((own_address(102), 40_000)).unwrap();
    let _rtcp = std::net::UdpSocket::bind((own_address(102), 40_003)).unwrap();
    assert_eq!(bound(&pool).0.port(), 40_004);
}

#[test]
fn an_interface_that_is_not_there_is_an_error_in_words() {
    let pool = pool(own_address(103));
    assert!(matches!(pool.open(1, 0), Err(PortError::NoInterface(1))));
    let bind = "192.0.2.77".parse().unwrap();
    let interface = MediaInterface { bind, advertise: bind, ports: 40_000..=40_009 };
    let foreign = Arc::new(PortPool::new(vec![interface], 1, 46, SystemClock::start()));
    let error = foreign.open(0, 0).unwrap_err();
    assert!(matches!(error, PortError::Bind { .. }) && error.to_string().contains("192.0.2.77"), "{error}");
}

#[test]
fn pairs_work_over_ipv6() {
    let Ok(probe) = std::net::UdpSocket::bind("[::1]:0") else { return };
    drop(probe);
    let pool = pool("::1".parse().unwrap());
    assert!(bound(&pool).0.port() >= 40_000);
}

#[test]
fn calls_never_take_the_descriptors_that_records_and_recordings_need() {
    let bind = own_address(104);
    let interface = MediaInterface { bind, advertise: bind, ports: 40_000..=40_009 };
    let pool = Arc::new(PortPool::within(8, vec![interface], 1, 46, SystemClock::start()));
    let mut pairs = vec![bound(&pool), bound(&pool)];
    let error = pool.open(0, 0).unwrap_err();
    assert!(matches!(error, PortError::Descriptors { pairs: 2 }), "half of so few are for others: {error}");
    pairs.pop();
    pairs.push(bound(&pool));
    assert!(matches!(pool.open(0, 0), Err(PortError::Descriptors { .. })));
}

#[test]
fn what_rests_bound_refuses_no_call() {
    let bind = own_address(105);
    let interface = MediaInterface { bind, advertise: bind, ports: 40_000..=40_009 };
    let pool = Arc::new(PortPool::within(16, vec![interface], 1, 46, SystemClock::start()));
    let mut pairs: Vec<Pair> = (0..4).map(|_| bound(&pool).1).collect();
    let crowded = pairs.pop().unwrap();
    assert!(!crowded.lease.keep(0, 7), "four of four are bound: it is closed");
    drop(crowded);
    let roomy = pairs.pop().unwrap();
    assert!(roomy.lease.keep(0, 8));
}
