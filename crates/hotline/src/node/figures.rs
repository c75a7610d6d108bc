//! Owns the node's gauges and the counters that others keep as plain numbers. Does not own showing them (see `api`).

use std::sync::Arc;
use std::time::Duration;

use media_net::MediaNet;
use metrics::{counter, gauge};
use sip_net::{Boxes, Resolver, Transports};
use store::EventJournal;
use tokio::sync::oneshot;

use super::registrar::Bindings;
use super::rest::{self, Rest};
use super::tenants::Tenants;

/// Whom the figures come from.
pub(crate) struct Sources {
    pub boxes: Boxes<call::Shard>,
    pub transports: Arc<Transports>,
    pub media: MediaNet,
    pub bindings: Bindings,
    pub tenants: Tenants,
    pub journal: EventJournal,
    pub resolver: Resolver,
    pub wide: call::NodeWide,
    pub clock: clock::SystemClock,
}

/// Keeps the figures up to date, for ever.
pub(crate) async fn keep_up(sources: Sources) {
    let mut rest = Rest::default();
    for second in 0u64.. {
        let live = sources.live().await;
        // Before the figures say that nothing is left.
        if rest.begins(sources.clock.now(), &live) {
            rest::give_memory_back();
        }
        sources.signalling(&live);
        sources.queues().await;
        sources.names();
        sources.media();
        // Thousands of descriptors take milliseconds to count.
        if second.is_multiple_of(PROCESS_EVERY) {
            sources.process();
        }
        tokio::time::sleep(EVERY).await;
    }
}

impl Sources {
    /// What all shards hold.
    async fn live(&self) -> call::Live {
        let mut live = call::Live::default();
        for inbox in self.boxes.iter() {
            let (answer, answered) = oneshot::channel();
            // The asker may have been ended meanwhile; then nobody wants the answer.
            inbox.ask(move |shard| {
                let _ = answer.send(shard.live());
            });
            if let Ok(one) = answered.await {
                live.calls += one.calls;
                live.legs += one.legs;
                live.dialogs += one.dialogs;
                live.transactions += one.transactions;
                live.timers += one.timers;
                live.admitted += one.admitted;
                live.unheard += one.unheard;
            }
        }
        live
    }

    fn signalling(&self, live: &call::Live) {
        set("calls", live.admitted);
        set("calls_unheard", live.unheard);
        set("calls_in_memory", live.calls);
        set("legs", live.legs);
        set("dialogs", live.dialogs);
        set("transactions", live.transactions);
        set("timers", live.timers);
        set("phones", self.bindings.phones());
        set("bans", self.wide.guard.lock().bans(self.clock.now()).count());
        let counts = self.transports.counts();
        counter!("hotline_sip_datagrams_total").absolute(counts.udp_received);
        counter!("hotline_sip_dropped_total", "cause" => "truncated").absolute(counts.udp_truncated);
        counter!("hotline_sip_dropped_total", "cause" => "send_buffer_full").absolute(counts.udp_send_full);
        counter!("hotline_sip_dropped_total", "cause" => "send_failed").absolute(counts.send_failed);
        counter!("hotline_sip_dropped_total", "cause" => "inbox_full").absolute(self.boxes.refused());
        let over: u64 = self.boxes.iter().map(sip_net::Inbox::over_reserve).sum();
        counter!("hotline_inbox_over_reserve_total", "inbox" => "shard").absolute(over);
        gauge!("hotline_sip_streams").set(counts.streams_open as f64);
        for end in sip_net::StreamEnd::ALL {
            let count = counts.streams_ended.of(end);
            counter!("hotline_sip_streams_closed_total", "cause" => end.word()).absolute(count);
        }
    }

    fn names(&self) {
        let counts = self.resolver.counts();
        counter!("hotline_dns_questions_total").absolute(counts.asked);
        counter!("hotline_dns_failures_total").absolute(counts.failed);
        counter!("hotline_dns_stale_answers_total").absolute(counts.stale);
    }

    async fn queues(&self) {
        let mut sum = acd::Live::default();
        for tenant in self.tenants.names() {
            if let Some(live) = self.tenants.ask(&tenant, acd::Acd::live).await {
                sum.entries += live.entries;
                sum.offers += live.offers;
                sum.conversations += live.conversations;
                sum.occupied += live.occupied;
            }
        }
        set("queue_entries", sum.entries);
        set("offers", sum.offers);
        set("conversations", sum.conversations);
        set("occupied_agents", sum.occupied);
    }

    fn media(&self) {
        let live = self.media.live();
        set("rooms", live.rooms);
        set("media_ports", live.ports);
        set("media_sockets", live.sockets);
        set("players", live.players);
        set("recordings", live.recordings);
        set("media_pairs_taken", self.media.pairs_taken());
        set("journal_room", self.journal.room());
        counter!("hotline_recording_blocks_dropped_total").absolute(live.blocks_dropped);
        gauge!("hotline_recording_disk_free_bytes").set(live.disk_free as f64);
        gauge!("hotline_recording_disk_full").set(if live.disk_full { 1.0 } else { 0.0 });
        gauge!("hotline_recording_second_behind_bytes").set(live.second_behind as f64);
        gauge!("hotline_recording_second_lag_seconds").set(live.second_lag.as_secs_f64());
        counter!("hotline_recording_second_lost_bytes_total").absolute(live.second_lost);
        counter!("hotline_media_unsent_total").absolute(live.unsent);
    }

    fn process(&self) {
        if let Some((pages, descriptors)) = memory_pages().zip(open_descriptors()) {
            gauge!("hotline_resident_bytes").set((pages * page_size()) as f64);
            set("descriptors", descriptors);
        }
    }
}

fn set(what: &'static str, number: usize) {
    gauge!("hotline_live", "what" => what).set(number as f64);
}

/// Resident pages of this process.
fn memory_pages() -> Option<u64> {
    std::fs::read_to_string("/proc/self/statm").ok()?.split_ascii_whitespace().nth(1)?.parse().ok()
}

fn page_size() -> u64 {
    // SAFETY: a plain query.
    u64::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4_096)
}

fn open_descriptors() -> Option<usize> {
    // Since Linux 6.2 the folder's size is how many there are; to count thousands takes milliseconds.
    match std::fs::metadata(DESCRIPTORS).ok()?.len() {
        // The folder's own descriptor is one of them.
        0 => Some(std::fs::read_dir(DESCRIPTORS).ok()?.count().saturating_sub(1)),
        known => usize::try_from(known).ok(),
    }
}

const DESCRIPTORS: &str = "/proc/self/fd";

const EVERY: Duration = Duration::from_secs(1);
/// Seconds between two looks at the process itself.
const PROCESS_EVERY: u64 = 10;
