//! Owns `hotline load`: carriers and phones in one process that put calls through a SIP switch and measure it. Does not
//! own messages' grammar (see `sip`). It keeps to what every switch understands, so that it measures others too.
//!
//! One thread: what is due is sent in one system call, then it waits for the sockets until the next thing is due. It
//! measures its own lateness by the same clock; a run in which it was late says nothing about the switch.

mod arrivals;
mod callee;
mod caller;
mod floor;
mod lanes;
mod options;
mod phones;
mod post;
mod report;
mod steady;
mod switch;
#[cfg(test)]
mod tests;
mod voice;
mod wire;

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use clock::{Instant, SystemClock};

pub(crate) use options::Options;

use crate::cli::{Answer, Global, output};
use callee::Callee;
use caller::Caller;
use post::Post;
use report::{Report, Spread};
use steady::Watcher;
use switch::Usage;
use voice::Voice;
use wire::Side;

/// Puts the calls through and prints what was measured.
pub(crate) fn run(global: &Global, options: &Options) -> anyhow::Result<Answer> {
    if let Err(error) = crate::node::raise_limit() {
        eprintln!("文件描述符上限无法提高 / cannot raise the limit of open files: {error}");
    }
    if let Some(cpu) = options.cpu {
        switch::keep_to(cpu).with_context(|| format!("不能绑定到 CPU {cpu} / cannot keep to CPU {cpu}"))?;
    }
    if options.realtime
        && let Err(error) = switch::run_first()
    {
        eprintln!("实时优先级被系统拒绝 / real-time priority is refused: {error}");
    }
    let report = if options.floor { floor::run(options)? } else { calls(options)? };
    if global.json {
        output::json(&report)?;
    } else {
        output::lines(report.lines())?;
    }
    Ok(if report.is_fine() { Answer::Yes } else { Answer::No })
}

/// Everything of one run through a switch.
struct Load<'a> {
    options: &'a Options,
    clock: SystemClock,
    carrier: Post,
    phone: Post,
    caller: Caller,
    callee: Callee,
    voice: Option<Voice>,
    /// Since when calls begin.
    began: Instant,
    begun: u32,
    lateness: Spread,
    watcher: Watcher,
}

fn calls(options: &Options) -> anyhow::Result<Report> {
    let clock = SystemClock::start();
    let carrier = Post::bind(options.caller)?;
    let mut phone = Post::bind(options.callee)?;
    phones::register(options, &clock, &mut phone)?;
    let voice = match options.rtp {
        true => Some(Voice::bind(options, clock)?),
        false => None,
    };
    // Without audio of ours, what a switch sends has a place to go all the same: an error of the network would cost it.
    let sinks = [options.caller, options.callee].map(|side| Post::bind(SocketAddr::new(side.ip(), 0)));
    let [carrier_sink, phone_sink] = sinks;
    let (carrier_sink, phone_sink) = (carrier_sink?, phone_sink?);
    let ports = (carrier_sink.local().port(), phone_sink.local().port());
    let (caller_audio, callee_audio) = voice.as_ref().map_or(ports, Voice::ports);
    let mut load = Load {
        options,
        clock,
        caller: Caller::new(
            options,
            Side { local: carrier.local(), audio: caller_audio, ptime: options.ptime },
        ),
        callee: Callee::new(
            options,
            Side { local: phone.local(), audio: callee_audio, ptime: options.ptime },
        ),
        carrier,
        phone,
        voice,
        began: clock.now(),
        begun: 0,
        lateness: Spread::default(),
        watcher: Watcher::new(options.pid),
    };
    let before = Usage::read(options.pid);
    load.began = clock.now();
    let most = load.put_through();
    let lasted = clock.now().since(load.began);
    let usage = before.until_now(most);
    Ok(load.report(lasted, usage))
}

impl Load<'_> {
    /// Puts all calls through. What the switch used of memory while most of them talked.
    fn put_through(&mut self) -> Option<u64> {
        let mut most_talked = 0;
        let mut resident = None;
        loop {
            let now = self.clock.now();
            self.begin_due(now);
            self.caller.tick(now, &mut self.carrier, self.voice.as_mut());
            self.callee.tick(now, &mut self.phone);
            if let Some(voice) = &mut self.voice {
                voice.tick(self.clock.now(), &mut self.lateness);
            }
            self.carrier.flush();
            self.phone.flush();
            self.watch(now);
            let talk = self.caller.talking();
            if talk > most_talked + most_talked / 8 || (most_talked == 0 && talk > 0) {
                most_talked = talk;
                resident = self.options.pid.and_then(switch::resident_kb).or(resident);
            }
            if self.begun == self.options.calls && self.caller.is_done() {
                return resident;
            }
            self.wait_and_read();
        }
    }

    /// Measures audio apart while all calls talk.
    fn watch(&mut self, now: Instant) {
        let Some(voice) = &mut self.voice else { return };
        self.watcher.tick(now);
        if self.begun == self.options.calls && self.caller.all_talk() {
            let stretch = self.watcher.all_talk(now, self.began + self.options.hold);
            stretch.into_iter().for_each(|stretch| voice.measure(stretch));
        }
    }

    fn begin_due(&mut self, now: Instant) {
        while self.begun < self.options.calls && self.due_at(self.begun) <= now {
            self.lateness.add(now.since(self.due_at(self.begun)));
            self.caller.begin(now, self.begun, &mut self.carrier);
            self.begun += 1;
        }
    }

    /// When call `number` begins.
    fn due_at(&self, number: u32) -> Instant {
        self.began + Duration::from_secs_f64(f64::from(number) / self.options.rate)
    }

    fn wait_and_read(&mut self) {
        let next_call = (self.begun < self.options.calls).then(|| self.due_at(self.begun));
        let messages = next_call.into_iter().chain(self.caller.due()).chain(self.callee.due()).min();
        let audio = self.voice.as_ref().and_then(Voice::due);
        let now = self.clock.now();
        let messages = messages.map(|due| due.since(now).max(SHORTEST_WAIT));
        let audio = audio.map(|due| due.since(now));
        let wait = messages.into_iter().chain(audio).min().unwrap_or(LONGEST_WAIT);
        let speaks = self.voice.is_some() && looks_by_itself(self.options);
        if speaks && self.caller.all_talk() {
            // Audio tells when it came; no message is waited for.
            post::wait(&[], wait.min(LONGEST_UNREAD));
        } else if speaks || self.options.rate >= MANY_PER_SECOND {
            post::wait(&[], wait.min(SHORTEST_WAIT));
        } else {
            let mut waits: Vec<&Post> = vec![&self.carrier, &self.phone];
            waits.extend(self.voice.iter().flat_map(Voice::posts));
            post::wait(&waits, wait);
        }
        let now = self.clock.now();
        let Load { carrier, phone, caller, callee, voice, .. } = self;
        carrier.receive(|post, _, bytes| caller.receive(now, bytes, post, voice.as_mut()));
        phone.receive(|post, from, bytes| callee.receive(now, from, bytes, post, voice.as_mut()));
        if let Some(voice) = voice {
            voice.receive();
        }
    }

    fn report(self, lasted: Duration, usage: Option<switch::Used>) -> Report {
        let (calls, setup) = self.caller.into_figures();
        let stretch = self.voice.as_ref().and_then(Voice::stretch);
        let steady = self.watcher.into_steady(calls.answered, stretch);
        Report {
            calls,
            asked_per_second: self.options.rate,
            seconds: lasted.as_secs_f64(),
            setup,
            retransmitted_by_switch: self.callee.repeated(),
            lateness: self.lateness.summary(),
            load_micros_per_call: switch::own_cpu().as_secs_f64() * 1e6
                / f64::from(self.options.calls.max(1)),
            rtp: self.voice.map(Voice::into_figures),
            switch: usage.map(|used| used.per_call(self.options.calls)),
            steady,
        }
    }
}

/// Whether so many calls speak that the sockets of their audio are looked at again and again, as with many calls a
/// second.
fn looks_by_itself(options: &Options) -> bool {
    options.calls >= MANY_SPEAK
}

/// Calls that are due within this are begun together: a wait costs more than a call.
const SHORTEST_WAIT: Duration = Duration::from_micros(200);
/// From so many calls a second on the sockets are looked at after each such wait, whether something came or not: who sends
/// to a process on the same machine pays for waking it, which a network's peers do not ask of a switch.
const MANY_PER_SECOND: f64 = 1_000.0;
/// So many calls speak 10,000 packets a second.
const MANY_SPEAK: u32 = 100;
/// Audio lies so long in its socket at most.
const LONGEST_UNREAD: Duration = Duration::from_millis(1);
/// Without anything due the sockets are looked at so often.
const LONGEST_WAIT: Duration = Duration::from_millis(100);
