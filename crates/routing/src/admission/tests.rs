use super::*;
use crate::TrunkLimits;
use crate::fixtures::{limits, number, trunk};

const T0: Instant = Instant::from_secs(100);

fn limited(limits: TrunkLimits) -> Trunk {
    Trunk { limits, ..trunk("carrier", 0, &[]) }
}

fn cause<T: std::fmt::Debug>(result: Result<T, Refusal>) -> RefuseCause {
    result.unwrap_err().cause
}

#[test]
fn the_full_node_refuses_with_503_and_a_time_to_retry() {
    let mut admission = Admission::default();
    let first = admission.admit(T0, &limits(1, None), None).unwrap();
    let refusal = admission.admit(T0, &limits(1, None), None).unwrap_err();
    assert_eq!((refusal.status, refusal.cause), (503, RefuseCause::NodeCalls));
    assert!(refusal.retry_after.is_some());
    admission.release(first);
    assert!(admission.admit(T0, &limits(1, None), None).is_ok());
}

#[test]
fn a_trunks_and_a_numbers_limit_refuse_with_486_and_count_nothing() {
    let mut admission = Admission::default();
    let carrier = limited(TrunkLimits { calls: Some(1), ..TrunkLimits::default() });
    let hotline = Number { max_calls: Some(1), ..number("default", "4008001234", &[]) };
    let mut first = admission.admit(T0, &limits(9, None), Some(&carrier)).unwrap();
    admission.admit_to(&mut first, &hotline).unwrap();

    let refusal = admission.admit(T0, &limits(9, None), Some(&carrier)).unwrap_err();
    assert_eq!((refusal.status, refusal.retry_after, refusal.cause), (486, None, RefuseCause::TrunkCalls));
    assert_eq!(cause(admission.admit_leg(T0, &carrier)), RefuseCause::TrunkCalls);

    let mut second = admission.admit(T0, &limits(9, None), None).unwrap();
    assert_eq!(cause(admission.admit_to(&mut second, &hotline)), RefuseCause::NumberCalls);
    assert_eq!((admission.calls(), admission.calls_of_number(&hotline.number)), (2, 1));

    admission.release(second);
    admission.release(first);
    assert_eq!(admission, Admission::default(), "nothing is left");
}

#[test]
fn a_leg_out_counts_at_its_trunk_and_not_as_a_call() {
    let mut admission = Admission::default();
    let carrier = trunk("carrier", 0, &[]);
    let leg = admission.admit_leg(T0, &carrier).unwrap();
    assert_eq!((admission.calls(), admission.calls_of_trunk(&carrier.name)), (0, 1));
    admission.release(leg);
    assert_eq!(admission.calls_of_trunk(&carrier.name), 0);
}

#[test]
fn each_way_of_a_trunk_has_its_own_limit_within_the_whole() {
    let limits_of =
        TrunkLimits { calls: Some(3), calls_in: Some(2), calls_out: Some(2), ..TrunkLimits::default() };
    let carrier = limited(limits_of);
    let mut admission = Admission::default();
    let mut tickets = Vec::new();
    for _ in 0..2 {
        tickets.push(admission.admit(T0, &limits(9, None), Some(&carrier)).unwrap());
    }
    assert_eq!(cause(admission.admit(T0, &limits(9, None), Some(&carrier))), RefuseCause::TrunkCalls);
    tickets.push(admission.admit_leg(T0, &carrier).unwrap());
    assert_eq!(cause(admission.admit_leg(T0, &carrier)), RefuseCause::TrunkCalls, "three in all");
    admission.release(tickets.remove(0));
    tickets.push(admission.admit_leg(T0, &carrier).unwrap());
    admission.release(tickets.remove(0));
    assert_eq!(cause(admission.admit_leg(T0, &carrier)), RefuseCause::TrunkCalls, "two out");
    for ticket in tickets {
        admission.release(ticket);
    }
    assert_eq!(admission, Admission::default());
}

#[test]
fn a_trunks_rates_count_each_way_and_outlive_its_calls() {
    let carrier =
        limited(TrunkLimits { per_second_in: Some(1), per_second_out: Some(2), ..TrunkLimits::default() });
    let mut admission = Admission::default();
    let ticket = admission.admit(T0, &limits(9, None), Some(&carrier)).unwrap();
    admission.release(ticket);
    assert_eq!(cause(admission.admit(T0, &limits(9, None), Some(&carrier))), RefuseCause::TrunkRate);
    let ticket = admission.admit_leg(T0, &carrier).unwrap();
    admission.release(ticket);
    assert_eq!(cause(admission.admit_leg(T0, &carrier)), RefuseCause::TrunkRate);
    let later = T0 + Duration::from_millis(500);
    let ticket = admission.admit_leg(later, &carrier).unwrap();
    admission.release(ticket);
    assert_eq!(cause(admission.admit(later, &limits(9, None), Some(&carrier))), RefuseCause::TrunkRate);
    let ticket =
        admission.admit(later + Duration::from_millis(500), &limits(9, None), Some(&carrier)).unwrap();
    admission.release(ticket);
    assert_eq!(admission.calls(), 0);
}

#[test]
fn a_call_that_moves_to_another_number_counts_there_alone() {
    let mut admission = Admission::default();
    let (one, two) = (number("default", "4001", &[]), number("default", "4002", &[]));
    let mut ticket = admission.admit(T0, &limits(9, None), None).unwrap();
    admission.admit_to(&mut ticket, &one).unwrap();
    admission.admit_to(&mut ticket, &two).unwrap();
    assert_eq!(admission.calls_of_number(&one.number), 0);
    assert_eq!(admission.calls_of_number(&two.number), 1);
    admission.release(ticket);
}

/// Calls admitted when `offered` per second come, evenly, for `seconds`.
fn admitted(rate: u32, offered: u64, seconds: u64) -> u64 {
    let mut admission = Admission::default();
    let limits = limits(usize::MAX, Some(rate));
    let mut count = 0;
    for n in 0..offered * seconds {
        let now = T0 + Duration::from_micros(n * 1_000_000 / offered);
        if let Ok(ticket) = admission.admit(now, &limits, None) {
            admission.release(ticket);
            count += 1;
        }
    }
    count
}

#[test]
fn an_overloaded_node_admits_its_rate_and_a_calm_one_everything() {
    let ten_seconds = admitted(500, 5_000, 10);
    assert!((4_990..=5_060).contains(&ten_seconds), "{ten_seconds}");
    assert_eq!(admitted(500, 499, 10), 4_990);
    assert_eq!(admitted(1, 10, 10), 10);
}

#[test]
fn time_that_goes_back_or_leaps_gives_no_more_than_a_burst() {
    let mut admission = Admission::default();
    let limits = limits(usize::MAX, Some(10));
    let mut take = |at| admission.admit(at, &limits, None).map(|ticket| admission.release(ticket)).is_ok();
    assert!(take(T0) && !take(T0) && !take(T0.saturating_sub(Duration::from_secs(50))));
    let late = T0 + Duration::from_secs(1_000_000);
    assert!(take(late) && !take(late));
}

proptest::proptest! {
    #[test]
    fn whatever_is_admitted_and_released_leaves_nothing(steps in proptest::collection::vec(0u8..6, 0..200)) {
        let mut admission = Admission::default();
        let carrier = limited(TrunkLimits { calls: Some(5), ..TrunkLimits::default() });
        let hotline = Number { max_calls: Some(3), ..number("default", "4008001234", &[]) };
        let mut tickets: Vec<Ticket> = Vec::new();
        for step in steps {
            match step {
                0 => tickets.extend(admission.admit(T0, &limits(8, None), Some(&carrier))),
                1 => tickets.extend(admission.admit(T0, &limits(8, None), None)),
                2 => tickets.extend(admission.admit_leg(T0, &carrier)),
                3 => {
                    if let Some(ticket) = tickets.last_mut() {
                        let _limit = admission.admit_to(ticket, &hotline);
                    }
                }
                _ => {
                    if let Some(ticket) = tickets.pop() {
                        admission.release(ticket);
                    }
                }
            }
            proptest::prop_assert!(admission.calls() <= 8);
            proptest::prop_assert!(admission.calls_of_trunk(&carrier.name) <= 5);
            proptest::prop_assert!(admission.calls_of_number(&hotline.number) <= 3);
        }
        for ticket in tickets {
            admission.release(ticket);
        }
        proptest::prop_assert_eq!(admission, Admission::default());
    }
}

#[test]
fn what_would_be_refused_is_refused_and_asking_counts_nothing() {
    let mut admission = Admission::default();
    let limits = limits(1, Some(10));
    assert_eq!(admission.would_refuse(T0, &limits), None);
    let first = admission.admit(T0, &limits, None).unwrap();
    assert_eq!(admission.would_refuse(T0, &limits).map(|r| r.cause), Some(RefuseCause::NodeCalls));
    admission.release(first);
    for _ in 0..5 {
        assert_eq!(admission.would_refuse(T0, &limits).map(|r| r.cause), Some(RefuseCause::NodeRate));
    }
    assert_eq!(admission.would_refuse(T0 + Duration::from_millis(100), &limits), None);
}

#[test]
fn calls_out_are_counted_for_their_holder_at_a_time_in_the_hour_and_in_the_day() {
    use crate::{Barred, ClassOfService, Destination, Holder};
    let mut admission = Admission::default();
    let carrier = trunk("carrier", 0, &[]);
    let class = ClassOfService {
        max_calls: Some(1),
        calls_per_hour: Some(2),
        calls_per_day: Some(3),
        ..ClassOfService::usual()
    };
    let (mine, other) = (Holder::Trunk(TrunkName::new("a")), Holder::Trunk(TrunkName::new("b")));
    let destination = Destination::of_number("13800138000", None);
    let mut call = |holder: &Holder, now: Instant, keep: bool| {
        let mut ticket = admission.admit_leg(now, &carrier).unwrap();
        let out = CallOut { holder, class: &class, destination: &destination, minute_of_week: 0 };
        let result = admission.admit_out(now, &mut ticket, &out);
        if keep { Err(ticket) } else { Ok((admission.release(ticket), result).1) }
    };
    let hour = Duration::from_secs(3_600);
    let Err(_up) = call(&mine, T0, true) else { unreachable!() };
    assert_eq!(call(&mine, T0, false), Ok(Err(Barred::Calls)));
    assert_eq!(call(&other, T0, false), Ok(Ok(())));
    assert_eq!(call(&other, T0, false), Ok(Ok(())));
    assert_eq!(call(&other, T0, false), Ok(Err(Barred::Hourly)));
    assert_eq!(call(&other, T0 + hour, false), Ok(Ok(())));
    assert_eq!(call(&other, T0 + hour, false), Ok(Err(Barred::Daily)));
    assert_eq!(call(&other, T0 + hour * 24, false), Ok(Ok(())));
}
