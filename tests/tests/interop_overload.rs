//! More calls than the node takes: those beyond are sent elsewhere, each with its record, and nobody else notices.

use std::time::Duration;

use hotline_tests::{Place, Sipp, Switch, turn, until};

const SOON: Duration = Duration::from_secs(60);

#[test]
fn calls_beyond_the_rate_get_503_and_a_record_and_a_call_that_is_up_stays_up() {
    let _turn = turn();
    let limit = ("hotline.toml", "max_calls = 20000", "max_calls = 20000\nmax_calls_per_second = 50");
    let switch = Switch::start(&[limit]);
    let carrier = Place::mine().carrier;
    let talking = Sipp::at("carrier_hangs_up", carrier, &[]).traced().with(&["-d", "5000"]).call(
        switch.sip,
        "4000000001",
        1,
        1,
    );
    switch.wait_live("calls", 1, SOON);
    Sipp::at("carrier_may_be_refused", carrier, &[])
        .with(&["-d", "200"])
        .call(switch.sip, "4000000001", 600, 600)
        .succeed(SOON);
    talking.succeed(SOON);
    switch.wait_live("calls", 0, SOON);
    // Rows may come later than the calls end.
    let calls = until("601 records", SOON, || {
        let listed = switch.ask(&["calls", "list", "--limit", "1000"]);
        listed.as_array().filter(|calls| calls.len() >= 601).cloned()
    });
    let count = |result: &str| calls.iter().filter(|call| call["result"] == result).count();
    assert_eq!(calls.len(), 601, "one record of each");
    // A second's worth at least; more where the machine is slow to offer them.
    assert!(count("ended_in_menu") > 50 && count("limit") > 100, "{} answered", count("ended_in_menu"));
    assert_eq!(count("ended_in_menu") + count("limit"), 601);
    switch.stop();
}
