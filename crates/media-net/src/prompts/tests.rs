use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use media::clip::ClipFrame;
use media::codec::{Codec, Decoder, FRAME};
use media::wav;
use model::PromptName;
use model::say::{CalendarDate, TimeOfDay, Weekday};

use super::*;
use crate::testing::TempFolder;

fn voice(language: Language) -> Voice {
    Voice { tenant: TenantId::default(), language }
}

fn prompt(name: &str) -> SayItem {
    SayItem::Prompt(PromptName::new(&TenantId::default(), name))
}

/// The ids of the manifest that have a text in `language`.
fn manifest(language: &str) -> BTreeSet<String> {
    let text = include_str!("../../../../prompts/manifest.toml");
    let has_text = |block: &&str| block.lines().any(|line| line.starts_with(&format!("{language} = ")));
    let id = |block: &str| {
        let line = block.lines().find_map(|line| line.strip_prefix("id = \"")?.strip_suffix('"'));
        line.unwrap().to_owned()
    };
    text.split("[[prompt]]").skip(1).filter(has_text).map(id).collect()
}

#[test]
fn every_prompt_of_the_manifest_is_built_in_in_the_languages_that_it_has_a_text_in() {
    let cache = PromptCache::built_in();
    for (language, key, count) in [(Language::Zh, "zh", 103), (Language::En, "en", 171)] {
        let names: BTreeSet<String> = PromptCache::built_in_names(language).map(str::to_owned).collect();
        assert_eq!(names, manifest(key), "{language:?}");
        assert_eq!(names.len(), count, "{language:?}");
        for name in &names {
            let clips = cache.expand(&[prompt(name)], &voice(language)).unwrap();
            assert!((80..15_000).contains(&clips[0].millis()), "{language:?} {name}: {:?}", clips[0]);
        }
    }
}

/// Figures that together need every word there is.
fn figures() -> Vec<SayItem> {
    let decimal = |text: &str| text.parse().unwrap();
    let mut items = vec![
        SayItem::Digits("13800138000".to_owned()),
        SayItem::Digits("0123456789".to_owned()),
        SayItem::Number(-1_234_567_890),
        SayItem::Number(22_222_222_222),
        SayItem::Number(i64::MAX),
        SayItem::Ordinal(3),
        SayItem::Decimal(decimal("3.14")),
        SayItem::Percent(decimal("-12.5")),
        SayItem::Money(10_205),
        SayItem::Money(-222),
        SayItem::QueuePosition(0),
        SayItem::QueuePosition(2),
        SayItem::ExpectedWait(Duration::from_secs(30)),
        SayItem::ExpectedWait(Duration::from_secs(300)),
        SayItem::Duration(Duration::from_secs(90_061)),
        SayItem::Duration(Duration::from_secs(180_122)),
        SayItem::AgentNumber("8001".to_owned()),
    ];
    items.extend((0..100).map(SayItem::Number));
    items.extend((1..=7).map(|day| SayItem::Weekday(Weekday::new(day).unwrap())));
    items.extend((0..24).map(|hour| SayItem::Time(TimeOfDay::new(hour, hour * 2).unwrap())));
    items.extend(
        (1..=31).map(|day| SayItem::Date(CalendarDate::new(1_979 + u16::from(day), 1, day).unwrap())),
    );
    items.extend((1..=12).map(|month| SayItem::Date(CalendarDate::new(2_026, month, 2).unwrap())));
    items
}

#[test]
fn everything_that_can_be_said_has_its_atoms() {
    let cache = PromptCache::built_in();
    let mut items = figures();
    items.extend([SayItem::Pause(300), prompt("default")]);
    items.extend(Tone::ALL.map(SayItem::Tone));
    for language in [Language::Zh, Language::En] {
        let clips = cache.expand(&items, &voice(language)).unwrap();
        assert!(clips.iter().any(|clip| clip.millis() == 20_000), "the music is a whole loop");
        assert!(clips.iter().all(|clip| clip.frames() > 0));
    }
}

/// What a caller hears of `items`, as 8 kHz samples, by one decoder from the first clip to the last.
fn heard(clips: &[Arc<Clip>], codec: Codec) -> Vec<i16> {
    let mut decoder = Decoder::new(codec);
    let mut samples = Vec::new();
    for clip in clips {
        clip.prepare(codec);
        for index in 0..clip.frames() {
            let Some(ClipFrame::Payload(payload)) = clip.frame(codec, index) else { panic!("prepared") };
            decoder.decode(payload, &mut samples);
        }
    }
    samples
}

/// Where one word ends and the next begins there is neither a step nor a hole: each word begins and ends in silence,
/// and what is not loud around it (soft consonants included) lasts a third of a second at most, 450 ms between groups of digits.
#[test]
fn words_join_without_clicks_and_gaps() {
    let cache = PromptCache::built_in();
    for language in [Language::Zh, Language::En] {
        for item in figures() {
            let is_grouped = matches!(&item, SayItem::Digits(digits) if digits.len() == 11);
            let clips = cache.expand(std::slice::from_ref(&item), &voice(language)).unwrap();
            let mut joint = 0;
            let samples = heard(&clips, Codec::Pcma);
            for clip in &clips {
                for at in [joint, joint + clip.frames() * FRAME] {
                    let near = &samples[at.saturating_sub(2)..(at + 2).min(samples.len())];
                    let step = near.windows(2).map(|w| (i32::from(w[1]) - i32::from(w[0])).abs()).max();
                    assert!(step.unwrap_or(0) <= 160, "{language:?} {item:?}: a step of {step:?}");
                }
                joint += clip.frames() * FRAME;
            }
            // The silence around each joint; phrases breathe where they were recorded.
            let loud: Vec<usize> =
                (0..samples.len()).filter(|at| samples[*at].unsigned_abs() > 260).collect();
            let mut joint = 0;
            let mut longest = 0;
            for clip in &clips {
                joint += clip.frames() * FRAME;
                let after = loud.partition_point(|at| *at < joint);
                if let (Some(before), Some(next)) = (after.checked_sub(1), loud.get(after)) {
                    longest = longest.max((next - loud[before]) / 8);
                }
            }
            assert!(longest <= if is_grouped { 450 } else { 330 }, "{language:?} {item:?}: {longest} ms");
        }
    }
}

/// In codecs with a state each word was encoded by an encoder of its own: their joints are no louder than silence.
#[test]
fn joints_are_silent_in_every_codec() {
    let cache = PromptCache::built_in();
    let item = [SayItem::AgentNumber("8001".to_owned())];
    for codec in Codec::ALL {
        let clips = cache.expand(&item, &voice(Language::Zh)).unwrap();
        let samples = heard(&clips, codec);
        let mut joint = 0;
        for pair in clips.windows(2) {
            joint += pair[0].frames() * FRAME;
            let near = &samples[joint - 40..joint + 80];
            let peak = near.iter().map(|s| s.unsigned_abs()).max().unwrap();
            assert!(peak < 700, "{codec:?}: {peak} at {joint}");
        }
    }
}

/// Words and phrases of both languages are equally loud.
#[test]
fn built_in_prompts_are_equally_loud() {
    let cache = PromptCache::built_in();
    for prompt in cache.list(&TenantId::default()).iter().filter(|prompt| prompt.folder != MUSIC) {
        let again = import::even(&prompt.clip.samples(), Purpose::Speech).unwrap();
        let found = again.facts.loudness_db;
        assert!((found - import::TARGET_DB).abs() < 1.5, "{} {}: {found}", prompt.folder, prompt.name);
    }
}

#[test]
fn a_prompt_is_encoded_once_and_shared() {
    let cache = PromptCache::built_in();
    let say = |cache: &PromptCache| {
        cache.expand(&[prompt("welcome"), SayItem::Pause(100)], &voice(Language::Zh)).unwrap()
    };
    let (first, second) = (say(&cache), say(&cache));
    assert!(first.iter().zip(&second).all(|(a, b)| Arc::ptr_eq(a, b)));
    let (reloaded, _) = PromptCache::load(PromptRules::default(), &[], Some(&cache));
    assert!(first.iter().zip(say(&reloaded)).all(|(a, b)| Arc::ptr_eq(a, &b)), "over a reload too");
}

#[test]
fn a_missing_prompt_is_named() {
    let cache = PromptCache::built_in();
    let error = cache.expand(&[prompt("welcome"), prompt("no_such")], &voice(Language::En)).unwrap_err();
    assert_eq!((&*error.name, error.folder), ("no_such", "en"));
    assert!(error.to_string().contains("prompts/en/"));
    assert!(!cache.has(&TenantId::default(), Language::En, "no_such"));
    assert!(cache.has(&TenantId::default(), Language::En, "welcome"));
}

/// A second of sound, and how loud its file is.
fn file(level: i16, millis: usize) -> Vec<u8> {
    let samples: Vec<i16> = (0..millis * 8)
        .map(|n| (f64::from(level) * (std::f64::consts::TAU * 0.05 * n as f64).sin()) as i16)
        .collect();
    wav::mono(8_000, &samples)
}

fn load(tenant: &str, folder: &Path, before: Option<&PromptCache>) -> (PromptCache, Vec<PromptError>) {
    let folders = [(TenantId::new(tenant), folder.to_owned())];
    let (cache, faults) = PromptCache::load(PromptRules::default(), &folders, before);
    assert!(faults.iter().all(|(whose, _)| whose.as_str() == tenant));
    (cache, faults.into_iter().map(|(_, fault)| fault).collect())
}

#[test]
fn an_upload_replaces_the_built_in_prompt_of_its_tenant_only() {
    let folder = TempFolder::new("prompts");
    let zh = folder.path().join("zh-CN");
    fs::create_dir_all(&zh).unwrap();
    fs::create_dir_all(folder.path().join("moh")).unwrap();
    let mp3 = include_bytes!("../../../media/src/import/tests/tone.mp3");
    fs::write(zh.join("welcome.wav"), file(9_000, 1_000)).unwrap();
    fs::write(zh.join("own.MP3"), mp3).unwrap();
    fs::write(zh.join("own.wav"), file(9_000, 1_000)).unwrap();
    fs::write(zh.join("broken.wav"), b"RIFF").unwrap();
    fs::write(zh.join("notes.txt"), b"").unwrap();
    fs::write(folder.path().join("thanks_bye.wav"), file(9_000, 2_000)).unwrap();
    fs::write(
        folder.path().join("moh/song.flac"),
        include_bytes!("../../../media/src/import/tests/tone.flac"),
    )
    .unwrap();

    let (cache, errors) = load("acme", folder.path(), None);
    let told: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].contains("broken.wav") && told[0].contains("损坏"), "{told:?}");
    assert!(told[1].contains("own.wav") && told[1].contains("own.MP3"), "{told:?}");

    let acme = |language| Voice { tenant: TenantId::new("acme"), language };
    let clips = cache.expand(&["welcome", "own", "song"].map(prompt), &acme(Language::Zh)).unwrap();
    assert_eq!((clips[0].millis(), clips[2].millis()), (1_000, 600));
    assert!((560..=700).contains(&clips[1].millis()));
    for language in [Language::Zh, Language::En] {
        let clips = cache.expand(&[prompt("thanks_bye")], &acme(language)).unwrap();
        assert_eq!(clips[0].millis(), 2_000, "one file for all languages");
    }
    let others = cache.expand(&[prompt("welcome")], &voice(Language::Zh)).unwrap();
    assert_ne!(others[0].millis(), 1_000);
    assert!(cache.expand(&[prompt("own")], &voice(Language::Zh)).is_err());
    assert!(cache.expand(&[prompt("own")], &acme(Language::En)).is_err());

    let list = cache.list(&TenantId::new("acme"));
    let own: Vec<_> = list.iter().filter(|p| p.file.is_some()).map(|p| (p.folder, &*p.name)).collect();
    assert_eq!(own, [("", "thanks_bye"), ("moh", "song"), ("zh-CN", "own"), ("zh-CN", "welcome")]);
    assert_eq!(list.len(), 4 + 103 + 171 + 1 - 1);
}

#[test]
fn a_reload_reads_what_changed_and_a_playing_keeps_what_it_has() {
    let folder = TempFolder::new("prompts");
    let zh = folder.path().join("zh-CN");
    fs::create_dir_all(&zh).unwrap();
    fs::write(zh.join("stays.wav"), file(9_000, 500)).unwrap();
    fs::write(zh.join("changes.wav"), file(9_000, 500)).unwrap();
    fs::write(zh.join("goes.wav"), file(9_000, 500)).unwrap();
    let (first, _) = load("default", folder.path(), None);
    let say = |cache: &PromptCache, name: &str| cache.expand(&[prompt(name)], &voice(Language::Zh));
    let playing = say(&first, "changes").unwrap();

    fs::write(zh.join("changes.wav"), file(9_000, 700)).unwrap();
    fs::remove_file(zh.join("goes.wav")).unwrap();
    let (second, errors) = load("default", folder.path(), Some(&first));
    assert!(errors.is_empty());
    assert!(Arc::ptr_eq(&say(&first, "stays").unwrap()[0], &say(&second, "stays").unwrap()[0]));
    assert_eq!(say(&second, "changes").unwrap()[0].millis(), 700);
    assert!(say(&second, "goes").is_err());
    drop(first);
    assert_eq!(playing[0].millis(), 500);

    // Other rules make other sounds of the same files.
    let rules = PromptRules { loudness: Loudness::Kept, ..PromptRules::default() };
    let folders = [(TenantId::default(), folder.path().to_owned())];
    let (third, _) = PromptCache::load(rules, &folders, Some(&second));
    assert_ne!(say(&third, "stays").unwrap()[0].samples(), say(&second, "stays").unwrap()[0].samples());
}

#[test]
fn a_file_beyond_the_limits_is_refused_unread() {
    let folder = TempFolder::new("prompts");
    fs::write(folder.path().join("long.wav"), file(9_000, 3_000)).unwrap();
    let refused = |limits: Limits| {
        let rules = PromptRules { limits, ..PromptRules::default() };
        let folders = [(TenantId::default(), folder.path().to_owned())];
        let (_, errors) = PromptCache::load(rules, &folders, None);
        errors.iter().map(|(_, error)| error.to_string()).collect::<String>()
    };
    let longest = Duration::from_secs(600);
    assert!(refused(Limits { bytes: 40_000, longest }).contains("max_megabytes"));
    assert!(refused(Limits { longest: Duration::from_secs(2), ..Limits::default() }).contains("max_seconds"));
    assert_eq!(refused(Limits::default()), "");
}

#[test]
fn one_is_read_as_the_operator_wants_it() {
    let digits = [SayItem::Digits("1".to_owned())];
    for (one, word) in [(DigitOne::Yao, "d1y"), (DigitOne::Yi, "d1")] {
        let (cache, _) = PromptCache::load(PromptRules { one, ..PromptRules::default() }, &[], None);
        let said = cache.expand(&digits, &voice(Language::Zh)).unwrap();
        assert!(Arc::ptr_eq(&said[0], &cache.expand(&[prompt(word)], &voice(Language::Zh)).unwrap()[0]));
    }
}

#[test]
fn clips_are_encoded_in_a_thread_of_their_own_for_whoever_comes_next() {
    let preparer = Preparer::spawn().unwrap();
    let clips = PromptCache::built_in().expand(&[prompt("welcome")], &voice(Language::Zh)).unwrap();
    preparer.ask(&clips, Codec::G722);
    while !clips[0].is_prepared(Codec::G722) {
        std::thread::yield_now();
    }
    assert!(!clips[0].is_prepared(Codec::Opus));
}
