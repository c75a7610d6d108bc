use std::collections::HashSet;

use clock::WallTime;

use super::*;
use media::command::Language;

/// Conferences in virtual time, and what they said.
struct World {
    conferences: Conferences,
    now: Instant,
    profile: ConferenceProfile,
}

fn name() -> ConferenceName {
    ConferenceName::new(&TenantId::default(), "board")
}

fn world(change: impl FnOnce(&mut ConferenceProfile)) -> World {
    let mut profile = ConferenceProfile {
        name: name(),
        number: Some("600".into()),
        pin: None,
        moderator_pin: None,
        moderators: HashSet::new(),
        max_participants: 20,
        max_duration: Duration::from_secs(3_600),
        record: true,
        tones: JoinTones::Beep,
        mute_on_entry: false,
    };
    change(&mut profile);
    let now = Instant::from_secs(10);
    let anchor = WallAnchor::new(Instant::ZERO, WallTime(1_795_000_000_000_000));
    World { conferences: Conferences::new(IdGen::new(0, 128, 1_795_000_000), anchor), now, profile }
}

fn call(n: u64) -> CallId {
    CallId::from(n)
}

fn leg(n: u64) -> LegId {
    LegId::from(1_000 + n)
}

impl World {
    fn put(&mut self, input: ConferenceInput) -> Vec<ConferenceOutput> {
        self.conferences.handle(self.now, input);
        std::iter::from_fn(|| self.conferences.poll_output()).collect()
    }

    fn join_as(&mut self, n: u64, role: Role) -> Vec<ConferenceOutput> {
        let (profile, who) = (Arc::new(self.profile.clone()), format!("100{n}").into());
        let (call, leg, language) = (call(n), leg(n), Language::Zh);
        self.put(ConferenceInput::Join(Box::new(Joining { profile, call, leg, who, role, language })))
    }

    fn join(&mut self, n: u64) -> Vec<ConferenceOutput> {
        self.join_as(n, Role::Participant)
    }

    fn keys(&mut self, n: u64, keys: &str) -> Vec<ConferenceOutput> {
        let key = |c| Key::from_char(c).expect("a key");
        let put = |c: char| self.put(ConferenceInput::Key { call: call(n), key: key(c) });
        keys.chars().flat_map(put).collect()
    }

    fn wish(&mut self, wish: ConferenceWish) -> Vec<ConferenceOutput> {
        self.put(ConferenceInput::Wish { name: name(), wish })
    }

    fn leave(&mut self, n: u64) -> Vec<ConferenceOutput> {
        self.put(ConferenceInput::Left { call: call(n) })
    }

    fn pass(&mut self, length: Duration) -> Vec<ConferenceOutput> {
        let until = self.now + length;
        let mut out = Vec::new();
        while let Some(due) = self.conferences.poll_timeout().filter(|due| *due <= until) {
            self.now = due;
            self.conferences.handle_timeout(due);
            out.extend(std::iter::from_fn(|| self.conferences.poll_output()));
        }
        self.now = until;
        out
    }
}

/// Who hears whom by the last matrix: `talker>listener`.
fn heard(out: &[ConferenceOutput]) -> Vec<String> {
    let matrix = out.iter().rev().find_map(|output| match output {
        ConferenceOutput::Media(Command::Hear { matrix, .. }) => Some(matrix),
        _ => None,
    });
    let mut pairs: Vec<String> = matrix
        .expect("a matrix")
        .iter()
        .map(|(talker, listener)| format!("{}>{}", talker.raw() - 1_000, listener.raw() - 1_000))
        .collect();
    pairs.sort();
    pairs
}

fn words(out: &[ConferenceOutput]) -> Vec<(u64, &'static str)> {
    let word = |word: &MemberWord| match word {
        MemberWord::In { .. } => "in",
        MemberWord::Over(Parting::Ended) => "ended",
        MemberWord::Over(Parting::WrongPin) => "wrong pin",
        MemberWord::Over(Parting::Locked) => "locked",
        MemberWord::Over(Parting::Full) => "full",
    };
    let told = |output: &ConferenceOutput| match output {
        ConferenceOutput::Tell { call, word: told } => Some((call.raw(), word(told))),
        _ => None,
    };
    out.iter().filter_map(told).collect()
}

fn count(out: &[ConferenceOutput], wanted: impl Fn(&CallFact) -> bool) -> usize {
    let is = |output: &&ConferenceOutput| matches!(output, ConferenceOutput::Event(Event::Call { fact, .. }) if wanted(fact));
    out.iter().filter(is).count()
}

/// Beeps by whom they are played to.
fn beeps(out: &[ConferenceOutput]) -> Vec<(u64, usize)> {
    let beep = |output: &ConferenceOutput| match output {
        ConferenceOutput::Media(Command::Play { port, items, .. })
            if items[0] == SayItem::Tone(Tone::Beep) =>
        {
            Some((port.raw() - 1_000, items.len()))
        }
        _ => None,
    };
    out.iter().filter_map(beep).collect()
}

#[test]
fn everybody_hears_everybody_else_and_tones_say_who_comes_and_goes() {
    let mut w = world(|_| {});
    let out = w.join(1);
    assert_eq!((words(&out), heard(&out)), (vec![(1, "in")], vec![]));
    let out = w.join(2);
    assert_eq!((heard(&out), beeps(&out)), (vec!["1>2".to_owned(), "2>1".into()], vec![(1, 1)]));
    let out = w.join(3);
    assert_eq!(heard(&out).len(), 6);
    assert_eq!(beeps(&out), [(1, 1), (2, 1)]);
    let out = w.leave(2);
    assert_eq!((heard(&out), beeps(&out)), (vec!["1>3".to_owned(), "3>1".into()], vec![(1, 2), (3, 2)]));
    w.leave(1);
    let out = w.leave(3);
    assert_eq!(count(&out, |fact| matches!(fact, CallFact::Ended { .. })), 1);
    assert!(w.conferences.is_empty() && w.conferences.poll_timeout().is_none());
    let mut silent = world(|profile| profile.tones = JoinTones::Off);
    silent.join(1);
    assert!(beeps(&silent.join(2)).is_empty());
}

#[test]
fn the_pin_lets_in_as_what_it_is_the_pin_of_and_three_wrong_ones_do_not() {
    let mut w = world(|profile| {
        profile.pin = Some("1234".into());
        profile.moderator_pin = Some("99".into());
    });
    assert!(words(&w.join(1)).is_empty(), "asked first");
    assert_eq!(words(&w.keys(1, "1234#")), [(1, "in")]);
    w.join(2);
    assert_eq!(words(&w.keys(2, "99#")), [(2, "in")]);
    let roles: Vec<Role> =
        w.conferences.views().flat_map(|view| view.members).map(|member| member.role).collect();
    assert_eq!(roles, [Role::Participant, Role::Moderator]);
    w.join(3);
    assert!(words(&w.keys(3, "1#2#")).is_empty());
    assert_eq!(words(&w.keys(3, "3#")), [(3, "wrong pin")]);
    // Silence counts as a wrong PIN.
    w.join(4);
    assert_eq!(words(&w.pass(Duration::from_secs(61))), [(4, "wrong pin")]);
    assert_eq!(words(&w.join_as(5, Role::Moderator)), [(5, "in")], "an agent who moderates is not asked");
}

#[test]
fn whoever_hangs_up_at_the_door_leaves_nothing_behind() {
    let mut w = world(|profile| profile.pin = Some("1".into()));
    w.join(1);
    w.keys(1, "1");
    let out = w.leave(1);
    assert_eq!(count(&out, |_| true), 0, "there was no conference");
    assert!(w.conferences.is_empty());
    // Who is at the door when the last one leaves comes into a new conference.
    w.join(2);
    w.keys(2, "1#");
    w.join(3);
    assert_eq!(count(&w.leave(2), |fact| matches!(fact, CallFact::Ended { .. })), 1);
    let out = w.keys(3, "1#");
    assert_eq!(
        (words(&out), count(&out, |fact| matches!(fact, CallFact::Began { .. }))),
        (vec![(3, "in")], 1)
    );
}

#[test]
fn mute_by_oneself_by_a_moderator_and_by_an_operator() {
    let mut w = world(|_| {});
    w.join(1);
    w.join_as(2, Role::Moderator);
    w.join(3);
    assert_eq!(heard(&w.keys(1, "1")), ["2>1", "2>3", "3>1", "3>2"]);
    assert_eq!(heard(&w.keys(1, "1")).len(), 6);
    assert!(w.keys(1, "2").is_empty(), "a participant mutes nobody else");
    assert_eq!(heard(&w.keys(2, "2")), ["2>1", "2>3"]);
    assert_eq!(heard(&w.keys(2, "2")).len(), 6);
    assert_eq!(heard(&w.wish(ConferenceWish::Mute(call(3)))), ["1>2", "1>3", "2>1", "2>3"]);
    assert_eq!(heard(&w.wish(ConferenceWish::Unmute(call(3)))).len(), 6);
    let mut quiet = world(|profile| profile.mute_on_entry = true);
    quiet.join_as(1, Role::Moderator);
    assert_eq!(heard(&quiet.join(2)), ["1>2"]);
}

#[test]
fn a_locked_door_and_a_full_room_keep_others_out() {
    let mut w = world(|profile| profile.max_participants = 3);
    w.join_as(1, Role::Moderator);
    w.keys(1, "3");
    assert_eq!(words(&w.join(2)), [(2, "locked")]);
    assert_eq!(words(&w.join_as(3, Role::Moderator)), [(3, "in")]);
    w.keys(1, "3");
    assert_eq!(words(&w.join(4)), [(4, "in")]);
    assert_eq!(words(&w.join(5)), [(5, "full")]);
    w.wish(ConferenceWish::Lock);
    w.leave(4);
    assert_eq!(words(&w.join(6)), [(6, "locked")]);
    w.wish(ConferenceWish::Unlock);
    assert_eq!(words(&w.join(6)), [(6, "in")]);
}

#[test]
fn the_end_sends_every_port_home_before_the_room_closes() {
    let ends: [fn(&mut World) -> Vec<ConferenceOutput>; 3] =
        [|w| w.keys(1, "9"), |w| w.wish(ConferenceWish::End), |w| w.pass(Duration::from_secs(3_600))];
    for end in ends {
        let mut w = world(|_| {});
        w.join_as(1, Role::Moderator);
        w.join(2);
        let out = end(&mut w);
        assert_eq!(words(&out), [(2, "ended"), (1, "ended")]);
        let media = |wanted: &dyn Fn(&Command) -> bool| {
            out.iter()
                .position(|output| matches!(output, ConferenceOutput::Media(command) if wanted(command)))
        };
        let closed = media(&|command| matches!(command, Command::CloseRoom { .. })).expect("the room closes");
        for n in [1, 2] {
            let home = Command::MovePort { port: leg(n), room: call(n) };
            assert!(media(&|command| *command == home).expect("it goes home") < closed);
        }
        assert!(w.conferences.is_empty());
    }
}

#[test]
fn one_who_is_removed_goes_home_and_the_others_go_on() {
    let mut w = world(|_| {});
    w.join(1);
    w.join(2);
    w.join(3);
    let out = w.wish(ConferenceWish::Remove(call(2)));
    assert_eq!((words(&out), heard(&out)), (vec![(2, "ended")], vec!["1>3".to_owned(), "3>1".into()]));
}

#[test]
fn it_is_recorded_from_the_second_on_unless_the_disk_or_a_moderator_says_otherwise() {
    let began = |fact: &CallFact| matches!(fact, CallFact::RecordingBegan { .. });
    let ended = |fact: &CallFact| matches!(fact, CallFact::RecordingEnded { .. });
    let mut w = world(|_| {});
    assert_eq!(count(&w.join_as(1, Role::Moderator), began), 0);
    assert_eq!(count(&w.join(2), began), 1);
    assert_eq!(count(&w.join(3), began), 0);
    assert_eq!(count(&w.keys(1, "4"), ended), 1);
    assert_eq!(count(&w.keys(1, "4"), began), 1);
    let out = w.keys(1, "9");
    assert_eq!(count(&out, ended), 1);
    let mut off = world(|profile| profile.record = false);
    off.join_as(1, Role::Moderator);
    assert_eq!(count(&off.join(2), began), 0);
    assert_eq!(count(&off.keys(1, "4"), began), 1);
    let mut full = world(|_| {});
    full.conferences.set_disk(DiskState::Full);
    full.join(1);
    assert_eq!(count(&full.join(2), |fact| matches!(fact, CallFact::NotRecorded)), 1);
}

#[test]
fn the_largest_room_holds_sixty_four() {
    let mut world = world(|profile| profile.max_participants = 64);
    for n in 1..=64 {
        assert_eq!(words(&world.join(n)), [(n, "in")]);
    }
    assert_eq!(words(&world.join(65)), [(65, "full")]);
    world.leave(1);
    assert_eq!(words(&world.join(65)), [(65, "in")]);
}
