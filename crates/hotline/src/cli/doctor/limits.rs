//! Owns whether open files and RTP ports suffice for the calls that the configuration allows.

use std::fs;
use std::ops::RangeInclusive;

use routing::RtpRange;

use super::Patient;
use super::finding::{Check, Finding};
use super::sockets::{self, Kind};

/// Files and RTP ports.
pub(super) fn findings(patient: &Patient) -> Vec<Finding> {
    let calls = patient.loaded.plan.limits.max_calls;
    let pid = patient.running.as_ref().and_then(|running| running.pid);
    let mut found = vec![files(pid, calls, patient.loaded.transports.streams.max_connections)];
    let interfaces = &patient.loaded.plan.interfaces;
    let ranges: Vec<(&str, RtpRange)> =
        interfaces.iter().map(|interface| (interface.name.as_str(), interface.rtp)).collect();
    found.push(room(&ranges, calls));
    let ours = pid.map(sockets::of_process).unwrap_or_default();
    for interface in interfaces {
        let range = interface.rtp.low..=interface.rtp.high;
        let name = interface.name.as_str();
        let known = patient.running.is_none() || !ours.is_empty();
        let others = sockets::bound(Kind::Udp).into_iter().filter(|socket| {
            let (here, bind) = (socket.address.ip(), interface.bind.ip());
            let clashes = here == bind || here.is_unspecified() || bind.is_unspecified();
            clashes && range.contains(&socket.address.port()) && !ours.contains(&socket.inode)
        });
        // Where the switch's own sockets cannot be told from others', nothing can be said.
        found.extend(taken(name, if known { others.count() } else { 0 }));
        let inside = interface.bind.port();
        if interface.udp && range.contains(&inside) {
            found.push(inside_range(name, inside));
        }
        found.extend(ephemeral(name, &range, &system_ports(), &reserved_ports()));
    }
    found
}

/// A call takes four sockets: two legs, each with RTP and RTCP.
fn files(pid: Option<u32>, calls: usize, connections: usize) -> Finding {
    let limit = pid.and_then(limit_of).or_else(own_limit);
    judge_files(limit, calls, connections)
}

fn judge_files(limit: Option<u64>, calls: usize, connections: usize) -> Finding {
    let of = (Check::Files, "");
    let needed = calls as u64 * FILES_PER_CALL + connections as u64 + OTHER_FILES;
    let Some(limit) = limit else {
        return Finding::warning(of, "打开文件数的上限查不到", "the limit of open files cannot be told");
    };
    if limit >= needed {
        return Finding::fine(
            of,
            format!("上限 {limit}, 满负荷需要 {needed}"),
            format!("limit {limit}, needed at full load {needed}"),
        );
    }
    let carries = limit.saturating_sub(connections as u64 + OTHER_FILES) / FILES_PER_CALL;
    Finding::fault(
        of,
        format!("上限 {limit}, 满负荷 ({calls} 路) 需要 {needed}, 约 {carries} 路后新呼叫失败"),
        format!("limit {limit}, needed for {calls} calls {needed}: calls fail beyond about {carries}"),
    )
    .fix(
        format!("systemd 单元写 LimitNOFILE={needed}, 或把 [limits] max_calls 改为 {carries}"),
        format!("write LimitNOFILE={needed} into the unit, or max_calls = {carries} into [limits]"),
    )
}

/// The hard limit of a running process, which it raises its own to.
fn limit_of(pid: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/limits")).ok()?;
    hard_limit(&text)
}

fn hard_limit(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    match line.split_ascii_whitespace().nth(1)? {
        "unlimited" => Some(u64::MAX),
        number => number.parse().ok(),
    }
}

fn own_limit() -> Option<u64> {
    limit_of(std::process::id())
}

/// Whether the ranges have a pair for each leg.
fn room(ranges: &[(&str, RtpRange)], calls: usize) -> Finding {
    let of = (Check::Rtp, "");
    let pairs: usize = ranges.iter().map(|(_, range)| pairs(*range)).sum();
    let needed = 2 * calls;
    let told: Vec<String> =
        ranges.iter().map(|(name, range)| format!("{name} {}–{}", range.low, range.high)).collect();
    let told = told.join(", ");
    if pairs >= needed {
        return Finding::fine(
            of,
            format!("{pairs} 对 ({told}), 满负荷需要 {needed} 对"),
            format!("{pairs} pairs, needed at full load {needed}"),
        );
    }
    let carries = pairs / 2;
    Finding::fault(
        of,
        format!("{pairs} 对 ({told}), {calls} 路通话每路两对需要 {needed} 对, {carries} 路后新呼叫失败"),
        format!("{pairs} pairs, {calls} calls need {needed}, two each: calls fail beyond {carries}"),
    )
    .fix(
        format!("加宽 [[interface]] 的 rtp, 或把 [limits] max_calls 改为 {carries}"),
        format!("widen rtp of [[interface]], or set max_calls = {carries} in [limits]"),
    )
}

/// Pairs of an even port and the odd one behind it.
fn pairs(range: RtpRange) -> usize {
    let first = u32::from(range.low) + u32::from(range.low) % 2;
    let ports = (u32::from(range.high) + 1).saturating_sub(first);
    usize::try_from(ports / 2).unwrap_or(0)
}

fn taken(interface: &str, others: usize) -> Option<Finding> {
    (others > 0).then(|| {
        Finding::warning(
            (Check::Rtp, interface),
            format!("范围内有 {others} 个端口被其他程序占用"),
            format!("{others} ports of the range are bound by other programs"),
        )
        .fix("用 ss -lunp 找出它们, 或换一个范围", "find them with ss -lunp, or choose another range")
    })
}

fn inside_range(interface: &str, port: u16) -> Finding {
    Finding::warning(
        (Check::Rtp, interface),
        format!("信令端口 {port} 在 RTP 范围之内"),
        format!("the signalling port {port} lies within the RTP range"),
    )
    .fix("让 rtp 避开信令端口", "let rtp keep clear of it")
}

/// Ports that the system hands out to anybody may be gone when a call wants them.
fn ephemeral(
    interface: &str,
    range: &RangeInclusive<u16>,
    system: &Option<RangeInclusive<u16>>,
    reserved: &[RangeInclusive<u16>],
) -> Option<Finding> {
    let system = system.as_ref()?;
    let (low, high) = (*range.start().max(system.start()), *range.end().min(system.end()));
    let is_reserved = reserved.iter().any(|one| *one.start() <= low && high <= *one.end());
    if low > high || is_reserved {
        return None;
    }
    let (system_low, system_high) = (system.start(), system.end());
    let finding = Finding::warning(
        (Check::Rtp, interface),
        format!("{low}–{high} 在系统的临时端口 ({system_low}–{system_high}) 之内, 其他程序可能先占用"),
        format!("{low}–{high} are among the system's ephemeral ports: other programs may take them"),
    );
    let command = format!("sysctl -w net.ipv4.ip_local_reserved_ports={low}-{high}");
    Some(
        finding
            .fix(format!("执行 {command}, 或换一个范围"), format!("run {command}, or choose another range")),
    )
}

fn system_ports() -> Option<RangeInclusive<u16>> {
    let text = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok()?;
    let mut numbers = text.split_ascii_whitespace().filter_map(|number| number.parse().ok());
    Some(numbers.next()?..=numbers.next()?)
}

fn reserved_ports() -> Vec<RangeInclusive<u16>> {
    let text = fs::read_to_string("/proc/sys/net/ipv4/ip_local_reserved_ports").unwrap_or_default();
    port_list(&text)
}

/// `8080,20000-29999`.
fn port_list(text: &str) -> Vec<RangeInclusive<u16>> {
    let range = |part: &str| {
        let (low, high) = part.split_once('-').unwrap_or((part, part));
        Some(low.trim().parse().ok()?..=high.trim().parse().ok()?)
    };
    text.split(',').filter_map(range).collect()
}

const FILES_PER_CALL: u64 = 4;
/// Journals, database, listeners, threads.
const OTHER_FILES: u64 = 256;

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::*;

    #[test]
    fn files_and_port_pairs_must_suffice_for_all_calls() {
        for (limit, verdict) in [(4_999, Verdict::Fault), (5_256, Verdict::Fine)] {
            let found = judge_files(Some(limit), 1_000, 1_000);
            assert_eq!(found.verdict, verdict, "{found:?}");
        }
        let low = judge_files(Some(1_024), 1_000, 100);
        assert!(low.fix.unwrap().en.contains("LimitNOFILE=4356"));
        let range = |low, high| RtpRange { low, high };
        assert_eq!(
            [range(20_000, 29_999), range(20_001, 20_004), range(5, 5), range(65_534, 65_535)].map(pairs),
            [5_000, 1, 0, 1]
        );
        assert_eq!(room(&[("a", range(20_000, 29_999))], 2_500).verdict, Verdict::Fine);
        let short = room(&[("a", range(20_000, 20_009)), ("b", range(30_000, 30_009))], 6);
        assert!(short.verdict == Verdict::Fault && short.fix.unwrap().en.contains("max_calls = 5"));
    }

    #[test]
    fn the_systems_own_ports_are_warned_of_unless_reserved() {
        let system = Some(32_768..=60_999);
        let found = |range, reserved: &str| ephemeral("a", &range, &system, &port_list(reserved));
        assert_eq!(found(20_000..=29_999, ""), None);
        let overlap = found(30_000..=40_000, "").unwrap();
        assert!(overlap.fix.unwrap().en.contains("ip_local_reserved_ports=32768-40000"));
        assert_eq!(found(30_000..=40_000, "8080,32000-40000"), None);
        assert!(found(30_000..=40_000, "32768-39999").is_some());
        assert_eq!(ephemeral("a", &(30_000..=40_000), &None, &[]), None);
    }

    #[test]
    fn a_process_says_its_hard_limit() {
        let text = "Limit   Soft Limit  Hard Limit Units\nMax open files            1024                 524288               files\n";
        assert_eq!(hard_limit(text), Some(524_288));
        assert!(own_limit().is_some());
    }
}
