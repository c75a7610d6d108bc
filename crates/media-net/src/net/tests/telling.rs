use super::*;

#[test]
fn what_rooms_report_in_one_turn_is_told_together() {
    let folder = TempFolder::new("net");
    let clock = SystemClock::start();
    let (batch, batches) = channel();
    let told = move |events: &mut dyn Iterator<Item = Event>| drop(batch.send(events.collect::<Vec<_>>()));
    let at = (67, 20_000..=29_999);
    let (net, _facts) = start_told(Arc::new(Disk), &folder, at, (1, clock), told);
    let mut ids = IdGen::new(0, 1, clock.wall().as_secs());
    let (room, caller, agent) = (ids.mint(), ids.mint(), ids.mint());
    for port in [caller, agent] {
        net.handle(Command::OpenPort { room, port, interface: 0, peer: PHONE });
        let opened = batches.recv_timeout(PATIENCE).unwrap();
        assert!(matches!(opened[..], [Event::PortOpened { .. }]));
    }
    net.handle(Command::CloseRoom { room });
    let closed = batches.recv_timeout(PATIENCE).unwrap();
    assert!(matches!(closed[..], [Event::Quality { .. }, Event::Quality { .. }]), "{closed:?}");
    net.shutdown();
}
