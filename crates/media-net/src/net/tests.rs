use std::net::{IpAddr, UdpSocket};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

use clock::SystemClock;
use media::codec::Codec;
use media::command::{Language, Mark, MaskCause, PlayMode, Voice};
use media::g711::{self, Law};
use model::event::{Event as Fact, RecordingFact};
use model::say::SayItem;
use model::{IdGen, PlayId, PromptName, TenantId};
use sdp::{KeyWay, Negotiated};

use super::*;
use crate::MediaInterface;
use crate::testing::{TempFolder, channels, level, own_address, tone};

mod faults;
mod moving;
mod second;
mod secret;
mod sources;
mod telling;
mod waiting;

/// Media on an address of its own, and what it reports.
struct Stand {
    folder: TempFolder,
    net: MediaNet,
    events: Receiver<Event>,
    facts: Receiver<Fact>,
    ids: IdGen,
    clock: SystemClock,
}

const PATIENCE: Duration = Duration::from_secs(20);

fn stand(host: u8, workers: usize) -> Stand {
    stand_of(host, workers, 20_000..=29_999)
}

/// One worker with these ports.
fn stand_with(host: u8, ports: std::ops::RangeInclusive<u16>) -> Stand {
    stand_of(host, 1, ports)
}

fn stand_of(host: u8, workers: usize, ports: std::ops::RangeInclusive<u16>) -> Stand {
    let folder = TempFolder::new("net");
    let clock = SystemClock::start();
    let (net, events, facts) = start_with(&folder, (host, ports), workers, clock);
    let ids = IdGen::new(0, 1, clock.wall().as_secs());
    Stand { folder, net, events, facts, ids, clock }
}

/// A phone behind a NAT.
const PHONE: Peer = Peer::Phone { signals_from: std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST) };

fn start(
    folder: &TempFolder,
    host: u8,
    workers: usize,
    clock: SystemClock,
) -> (MediaNet, Receiver<Event>, Receiver<Fact>) {
    start_with(folder, (host, 20_000..=29_999), workers, clock)
}

fn start_with(
    folder: &TempFolder,
    at: (u8, std::ops::RangeInclusive<u16>),
    workers: usize,
    clock: SystemClock,
) -> (MediaNet, Receiver<Event>, Receiver<Fact>) {
    start_on(Arc::new(Disk), folder, at, workers, clock)
}

fn start_on(
    medium: Arc<dyn Medium>,
    folder: &TempFolder,
    (host, ports): (u8, std::ops::RangeInclusive<u16>),
    workers: usize,
    clock: SystemClock,
) -> (MediaNet, Receiver<Event>, Receiver<Fact>) {
    let (event, events): (Sender<Event>, _) = channel();
    let told = move |events: &mut dyn Iterator<Item = Event>| events.for_each(|e| drop(event.send(e)));
    let (net, facts) = start_told(medium, folder, (host, ports), (workers, clock), told);
    (net, events, facts)
}

fn start_told(
    medium: Arc<dyn Medium>,
    folder: &TempFolder,
    (host, ports): (u8, std::ops::RangeInclusive<u16>),
    (workers, clock): (usize, SystemClock),
    told: impl Fn(&mut dyn Iterator<Item = Event>) + Send + Sync + 'static,
) -> (MediaNet, Receiver<Fact>) {
    let bind = own_address(host);
    let config = MediaConfig {
        interfaces: vec![MediaInterface { bind, advertise: bind, ports }],
        dscp: 46,
        workers,
        data: folder.path().to_owned(),
        limits: crate::RecordingLimits::default(),
        second: None,
        prompts: Arc::new(PromptCache::built_in()),
        clock,
    };
    let (fact, facts): (Sender<Fact>, _) = channel();
    let noted = move |f| drop(fact.send(f));
    let net = MediaNet::start_on(medium, config, Arc::new(told), Arc::new(noted)).unwrap();
    (net, facts)
}

/// A party with its own socket.
struct Party {
    leg: LegId,
    socket: UdpSocket,
    codec: Codec,
    sent: usize,
    heard: Vec<u8>,
}

impl Stand {
    fn party(&mut self, call: CallId, codec: Codec) -> Party {
        let leg = self.ids.mint();
        let peer = Peer::Trunk { media_from: Vec::new() };
        let address = self.net.open_port(call, leg, 0, peer).unwrap();
        let socket = UdpSocket::bind((address.ip(), 0)).unwrap();
        let negotiated = Negotiated {
            dtmf: Some(101),
            receive_dtmf: Some(101),
            keys: KeyWay::Events,
            rtcp_mux: true,
            ..Negotiated::plain(socket.local_addr().unwrap(), codec)
        };
        socket.connect(address).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        self.net.handle(Command::Describe { port: leg, negotiated });
        Party { leg, socket, codec, sent: 0, heard: Vec::new() }
    }

    /// Lets two parties hear each other; returns when the worker has taken it.
    fn join(&mut self, call: CallId, caller: &Party, agent: &Party) {
        let matrix = vec![(caller.leg, agent.leg), (agent.leg, caller.leg)];
        self.net.handle(Command::Hear { room: call, matrix });
        self.settle(caller);
    }

    /// Waits until the worker has taken all commands: they are carried out in order, and a playback is answered.
    fn settle(&mut self, party: &Party) {
        let play = self.ids.mint();
        self.net.handle(Command::Play {
            port: party.leg,
            play,
            items: vec![SayItem::Pause(20)],
            mode: PlayMode::Once,
            voice: Voice { tenant: TenantId::default(), language: Language::Zh },
        });
        self.wait_for(|event| matches!(event, Event::Played { play: ended, .. } if *ended == play));
        // The frame of silence that this took.
        let mut packet = [0; 2_048];
        party.socket.recv(&mut packet).unwrap();
    }

    /// Calls `each` every 20 ms: arrivals are what the channels of a recording are aligned by.
    fn paced(&self, times: u64, mut each: impl FnMut()) {
        let began = self.clock.now();
        for nth in 0..times {
            while self.clock.now() < began + Duration::from_millis(20 * nth) {
                std::thread::yield_now();
            }
            each();
        }
    }

    fn record(&mut self, call: CallId, caller: &Party, agent: &Party) -> RecordingId {
        let recording = self.ids.mint();
        self.net.handle(Command::Record {
            room: call,
            recording,
            tenant: TenantId::default(),
            caller: caller.leg,
            persons: vec![agent.leg],
            started: self.clock.wall(),
        });
        recording
    }

    /// The file of a recording, when it is finished.
    fn file(&self, recording: RecordingId) -> (std::path::PathBuf, u64) {
        loop {
            match self.facts.recv_timeout(PATIENCE).expect("the recording is finished") {
                Fact::Recording {
                    recording: which,
                    fact: RecordingFact::Finished { path, millis, bytes, sha256, .. },
                    ..
                } if which == recording => {
                    let path = self.folder.path().join(&*path);
                    let content = std::fs::read(&path).unwrap();
                    assert_eq!(content.len() as u64, bytes);
                    let mut sum = media::finisher::Checksum::default();
                    sum.update(&content);
                    assert_eq!(sum.hex(), *sha256);
                    return (path, millis);
                }
                _ => {}
            }
        }
    }

    fn wait_for(&self, wanted: impl Fn(&Event) -> bool) -> Event {
        loop {
            let event = self.events.recv_timeout(PATIENCE).expect("the event comes");
            if wanted(&event) {
                return event;
            }
        }
    }

    /// What the system says of the RTP socket of a port.
    fn socket_of(&self, party: &Party) -> String {
        let port = party.socket.peer_addr().unwrap();
        let IpAddr::V4(address) = port.ip() else { panic!("{port}") };
        let local = format!(": {:08X}:{:04X}", u32::from_le_bytes(address.octets()), port.port());
        let end = self.clock.now() + PATIENCE;
        loop {
            // Sockets that come and go while the table is read may hide others.
            let table = std::fs::read_to_string("/proc/self/net/udp").unwrap();
            if let Some(line) = table.lines().find(|line| line.contains(&local)) {
                return line.to_owned();
            }
            assert!(self.clock.now() < end, "{port} has no socket");
        }
    }

    /// Waits until nothing is alive.
    fn wait_until_empty(&self) {
        let end = self.clock.now() + PATIENCE;
        while self.net.live().rooms + self.net.live().recordings > 0 {
            assert!(self.clock.now() < end, "{:?}", self.net.live());
            std::thread::yield_now();
        }
    }
}

impl Party {
    /// Sends the next 20 ms of a tone.
    fn say(&mut self, hz: f64) {
        let mut packet = vec![0x80, self.codec.payload_type()];
        packet.extend_from_slice(&(self.sent as u16).to_be_bytes());
        packet.extend_from_slice(&(self.sent as u32 * 160).to_be_bytes());
        packet.extend_from_slice(&0x1234_5678u32.to_be_bytes());
        packet.extend_from_slice(&tone(hz, self.codec, self.sent));
        self.socket.send(&packet).unwrap();
        self.sent += 1;
    }

    /// Takes one audio packet.
    fn listen(&mut self) {
        let mut packet = [0; 2_048];
        loop {
            let length = self.socket.recv(&mut packet).expect("a packet comes");
            if packet[1] & 0x7f == self.codec.payload_type() && length == 172 {
                self.heard.extend_from_slice(&packet[12..length]);
                return;
            }
        }
    }

    fn heard_level(&self, hz: f64) -> f64 {
        let samples: Vec<i16> =
            self.heard.iter().map(|code| g711::decode(Law::of(self.codec).unwrap(), *code)).collect();
        level(&samples, hz)
    }
}

#[test]
fn two_parties_hear_each_other_and_the_recording_holds_both() {
    for (host, left, right, format) in
        [(1, Codec::Pcma, Codec::Pcma, 6), (2, Codec::Pcmu, Codec::Pcmu, 7), (3, Codec::Pcma, Codec::Pcmu, 1)]
    {
        let mut stand = stand(host, 1);
        let call = stand.ids.mint();
        let (mut caller, mut agent) = (stand.party(call, left), stand.party(call, right));
        stand.join(call, &caller, &agent);
        let recording = stand.record(call, &caller, &agent);
        let began = stand.clock.now();
        stand.paced(60, || {
            caller.say(440.0);
            agent.say(660.0);
            caller.listen();
            agent.listen();
        });
        stand.net.handle(Command::StopRecording { room: call, recording });
        let lasted = stand.clock.now().since(began).as_millis() as u64;
        stand.wait_for(
            |event| matches!(event, Event::RecordingClosed { recording: r, .. } if *r == recording),
        );
        let (path, millis) = stand.file(recording);
        assert!(millis.abs_diff(lasted) < 200, "{millis} of {lasted} ms");

        assert!(caller.heard_level(660.0) > 7_000.0 && caller.heard_level(440.0) < 300.0);
        assert!(agent.heard_level(440.0) > 7_000.0 && agent.heard_level(660.0) < 300.0);
        assert_eq!(std::fs::read(&path).unwrap()[20], format);
        let [left, right] = channels(&path);
        assert_eq!(left.len(), right.len());
        assert_eq!(left.len() as u64 / 8, millis);
        let middle = 800..left.len().min(8_800);
        assert!(level(&left[middle.clone()], 440.0) > 6_500.0);
        assert!(level(&right[middle.clone()], 660.0) > 6_500.0);
        assert!(level(&left[middle.clone()], 660.0) < 300.0 && level(&right[middle], 440.0) < 300.0);

        stand.net.handle(Command::CloseRoom { room: call });
        stand.wait_until_empty();
        stand.net.shutdown();
        let journal = stand.folder.path().join("journal");
        assert_eq!(std::fs::read_dir(journal).unwrap().count(), 0, "a finished journal is empty");
    }
}

#[test]
fn packets_that_come_together_all_get_through_and_one_that_is_too_long_holds_up_none() {
    let mut stand = stand(62, 1);
    let call = stand.ids.mint();
    let (mut caller, mut agent) = (stand.party(call, Codec::Pcma), stand.party(call, Codec::Pcma));
    stand.join(call, &caller, &agent);
    for nth in 0..20 {
        if nth % 4 == 1 {
            caller.socket.send(&[0x80; 4_000]).unwrap();
        }
        caller.say(440.0);
    }
    (0..20).for_each(|_| agent.listen());
    stand.net.shutdown();
}

#[test]
fn a_prompt_is_played_to_its_end_and_music_until_it_is_stopped() {
    let mut stand = stand(4, 1);
    let call = stand.ids.mint();
    let mut caller = stand.party(call, Codec::Pcma);
    let (play, music): (PlayId, PlayId) = (stand.ids.mint(), stand.ids.mint());
    let voice = Voice { tenant: TenantId::default(), language: Language::Zh };
    let port = caller.leg;
    let say = |net: &MediaNet, play, name: &str, mode| {
        let items = vec![SayItem::Prompt(PromptName::new(&TenantId::default(), name))];
        net.handle(Command::Play { port, play, items, mode, voice: voice.clone() });
    };
    say(&stand.net, play, "d8", PlayMode::Once);
    let ended = stand.wait_for(|event| matches!(event, Event::Played { .. }));
    assert_eq!(ended, Event::Played { room: call, port: caller.leg, play, how: PlayEnd::Finished });

    // The prompt is in the socket to its last frame: what comes next is the music.
    caller.socket.set_nonblocking(true).unwrap();
    while caller.socket.recv(&mut [0; 2_048]).is_ok() {}
    caller.socket.set_nonblocking(false).unwrap();

    say(&stand.net, music, "default", PlayMode::Looped);
    for _ in 0..5 {
        caller.listen();
    }
    assert_eq!(stand.net.live().players, 1);
    stand.net.handle(Command::StopPlay { port: caller.leg, play: music });
    let ended = stand.wait_for(|event| matches!(event, Event::Played { .. }));
    assert_eq!(ended, Event::Played { room: call, port: caller.leg, play: music, how: PlayEnd::Stopped });

    let missing: PlayId = stand.ids.mint();
    say(&stand.net, missing, "no_such_prompt", PlayMode::Once);
    let ended = stand.wait_for(|event| matches!(event, Event::Played { .. }));
    assert!(
        matches!(&ended, Event::Played { how: PlayEnd::Failed(why), .. } if why.contains("no_such_prompt"))
    );

    stand.net.handle(Command::ClosePort { port: caller.leg });
    stand.wait_for(|event| matches!(event, Event::Quality { .. }));
    stand.wait_until_empty();
    assert_eq!(stand.net.live().players, 0);
    caller.heard.clear();
}

#[test]
fn what_is_masked_is_not_in_the_file() {
    let mut stand = stand(5, 2);
    let call = stand.ids.mint();
    let (mut caller, mut agent) = (stand.party(call, Codec::Pcma), stand.party(call, Codec::Pcma));
    stand.join(call, &caller, &agent);
    let recording = stand.record(call, &caller, &agent);
    let mut speak = |mark: Option<Mark>, hz| {
        if let Some(mark) = mark {
            stand.net.handle(Command::MarkRecording { recording, mark });
        }
        stand.paced(10, || {
            caller.say(hz);
            agent.listen();
        });
    };
    speak(None, 440.0);
    speak(Some(Mark::Mask(MaskCause::Secret)), 660.0);
    speak(Some(Mark::Unmask(MaskCause::Secret)), 880.0);
    stand.net.handle(Command::CloseRoom { room: call });
    let (path, _) = stand.file(recording);
    let [left, _] = channels(&path);
    assert!(agent.heard_level(660.0) > 1_500.0, "the agent hears what is masked");
    assert!(level(&left, 660.0) < 300.0, "{}", level(&left, 660.0));
    assert!(level(&left, 440.0) > 1_500.0 && level(&left, 880.0) > 1_500.0);
    agent.heard.clear();
}

#[test]
fn what_a_process_left_unfinished_is_finished_by_the_next() {
    let mut stand = stand(6, 1);
    let mut recordings = Vec::new();
    let mut parties = Vec::new();
    for _ in 0..5 {
        let call = stand.ids.mint();
        let (caller, agent) = (stand.party(call, Codec::Pcma), stand.party(call, Codec::Pcma));
        stand.join(call, &caller, &agent);
        recordings.push(stand.record(call, &caller, &agent));
        parties.push((caller, agent));
    }
    let began = stand.clock.now();
    stand.paced(80, || {
        for (caller, agent) in &mut parties {
            caller.say(440.0);
            agent.say(660.0);
            caller.listen();
            agent.listen();
        }
    });
    let lasted = stand.clock.now().since(began).as_millis() as u64;
    // What a kill leaves: the journal as it is on disk, without the process that writes it.
    let left = TempFolder::new("killed");
    std::fs::create_dir_all(left.path().join("journal")).unwrap();
    for segment in std::fs::read_dir(stand.folder.path().join("journal")).unwrap().flatten() {
        std::fs::copy(segment.path(), left.path().join("journal").join(segment.file_name())).unwrap();
    }
    stand.net.shutdown();

    let clock = SystemClock::start();
    let (net, _events, facts) = start(&left, 7, 1, clock);
    for _ in &recordings {
        let Ok(Fact::Recording { recording, fact: RecordingFact::Finished { path, millis, .. }, .. }) =
            facts.recv_timeout(PATIENCE)
        else {
            panic!("a recording is missing")
        };
        assert!(recordings.contains(&recording));
        assert!(millis + 1_000 >= lasted, "{millis} of {lasted} ms");
        let [left, right] = channels(&left.path().join(&*path));
        assert!(level(&left[800..left.len() - 160], 440.0) > 6_000.0);
        assert!(level(&right[800..right.len() - 160], 660.0) > 6_000.0);
    }
    net.shutdown();
    let (net, _events, facts) = start(&left, 7, 1, clock);
    net.shutdown();
    drop(net);
    assert_eq!(facts.recv_timeout(PATIENCE), Err(RecvTimeoutError::Disconnected), "each is told once");
}

#[test]
fn a_hundred_rooms_leave_nothing_behind() {
    let mut stand = stand(8, 2);
    for round in 0..2 {
        for _ in 0..50 {
            let call = stand.ids.mint();
            let (mut caller, mut agent) = (stand.party(call, Codec::Pcma), stand.party(call, Codec::Pcma));
            stand.join(call, &caller, &agent);
            let recording = stand.record(call, &caller, &agent);
            caller.say(440.0);
            agent.listen();
            match round {
                0 => stand.net.handle(Command::CloseRoom { room: call }),
                _ => {
                    stand.net.handle(Command::StopRecording { room: call, recording });
                    stand.net.handle(Command::ClosePort { port: agent.leg });
                    stand.net.handle(Command::ClosePort { port: caller.leg });
                }
            }
        }
        stand.wait_until_empty();
    }
    let mut finished = 0;
    while finished < 100 {
        if let Fact::Recording { fact: RecordingFact::Finished { .. }, .. } =
            stand.facts.recv_timeout(PATIENCE).unwrap()
        {
            finished += 1;
        }
    }
    let live = stand.net.live();
    assert_eq!((live.rooms, live.ports, live.players, live.recordings, live.blocks_dropped), (0, 0, 0, 0, 0));
    let directory = stand.net.shared.directory.lock().unwrap();
    assert!(directory.calls.is_empty() && directory.legs.is_empty() && directory.recordings.is_empty());
    drop(directory);
    // What the calls used rests bound for a moment, then is closed.
    let end = stand.clock.now() + PATIENCE;
    while stand.net.live().sockets > 0 {
        assert!(stand.clock.now() < end);
        std::thread::yield_now();
    }
    // Other tests of this process have sockets too; ours were bound to an address that nobody else uses.
    let ours = std::fs::read_to_string("/proc/self/net/udp").unwrap();
    let IpAddr::V4(address) = own_address(8) else { panic!() };
    let ours_in_hex = format!("{:08X}:", u32::from_le_bytes(address.octets()));
    assert!(!ours.contains(&ours_in_hex), "a socket of {address} is still open");
    let end = stand.clock.now() + PATIENCE;
    while stand.net.pairs_taken() > 0 {
        assert!(stand.clock.now() < end);
        std::thread::yield_now();
    }
}

#[test]
fn a_pair_that_rests_bound_serves_the_next_call_which_hears_nothing_of_the_last() {
    let mut stand = stand_with(11, 20_000..=20_003);
    let (first, second): (CallId, CallId) = (stand.ids.mint(), stand.ids.mint());
    let (mut late, listener) = (stand.party(first, Codec::Pcma), stand.party(first, Codec::Pcma));
    stand.join(first, &late, &listener);
    let sockets = || {
        let ours = std::fs::read_to_string("/proc/self/net/udp").unwrap();
        let IpAddr::V4(address) = own_address(11) else { panic!() };
        let local = format!(": {:08X}:4E2", u32::from_le_bytes(address.octets()));
        let inodes = ours.lines().filter(|line| line.contains(&local));
        inodes.filter_map(|line| line.split_ascii_whitespace().nth(9).map(str::to_owned)).collect::<Vec<_>>()
    };
    let before = sockets();
    assert_eq!(before.len(), 4);
    let old = [late.socket.peer_addr().unwrap(), listener.socket.peer_addr().unwrap()];
    stand.net.handle(Command::CloseRoom { room: first });
    stand.wait_until_empty();
    late.say(440.0);
    // Until the pairs have rested there is nothing to be had.
    let end = stand.clock.now() + PATIENCE;
    while stand.net.pairs_taken() > 0 {
        late.say(440.0);
        assert!(stand.clock.now() < end);
        std::thread::yield_now();
    }
    let (caller, agent) = (stand.party(second, Codec::Pcma), stand.party(second, Codec::Pcma));
    assert_eq!(sockets(), before, "nothing was bound anew");
    let again = [caller.socket.peer_addr().unwrap(), agent.socket.peer_addr().unwrap()];
    assert!(old.iter().all(|address| again.contains(address)));
    stand.join(second, &caller, &agent);
    let heard = |party: &Party| {
        party.socket.set_nonblocking(true).unwrap();
        party.socket.recv(&mut [0; 2_048]).is_ok()
    };
    assert!(!heard(&agent) && !heard(&caller));
}

#[test]
fn commands_for_what_is_gone_do_nothing() {
    let mut stand = stand(9, 1);
    let call: CallId = stand.ids.mint();
    let party = stand.party(call, Codec::Pcma);
    stand.net.handle(Command::CloseRoom { room: call });
    stand.net.handle(Command::CloseRoom { room: call });
    stand.net.handle(Command::ClosePort { port: party.leg });
    stand.net.handle(Command::StopRecording { room: call, recording: stand.ids.mint() });
    stand.net.handle(Command::Hear { room: call, matrix: vec![(party.leg, party.leg)] });
    stand.net.handle(Command::Watch { port: party.leg, rtp_timeout: Some(Duration::from_secs(1)) });
    stand.wait_until_empty();
    stand.net.shutdown();
    stand.net.shutdown();
    assert!(matches!(stand.net.open_port(call, party.leg, 0, PHONE), Err(PortError::Stopped)));
}

#[test]
fn a_port_that_cannot_be_opened_is_an_event() {
    let mut stand = stand(10, 1);
    let (room, port) = (stand.ids.mint(), stand.ids.mint());
    stand.net.handle(Command::OpenPort { room, port, interface: 7, peer: PHONE });
    assert!(matches!(
        stand.events.recv_timeout(PATIENCE),
        Ok(Event::PortFailed { room: r, port: p, cause }) if r == room && p == port && cause.contains('7')
    ));
    stand.net.handle(Command::OpenPort { room, port, interface: 0, peer: PHONE });
    assert!(matches!(
        stand.events.recv_timeout(PATIENCE),
        Ok(Event::PortOpened { address, .. }) if address.port() % 2 == 0
    ));
    stand.net.handle(Command::CloseRoom { room });
    stand.wait_until_empty();
}
