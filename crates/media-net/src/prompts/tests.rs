use std::collections::BTreeSet;

use model::PromptName;

use super::*;

fn voice(language: Language) -> Voice {
    Voice { tenant: TenantId::default(), language }
}

fn prompt(name: &str) -> SayItem {
    SayItem::Prompt(PromptName::new(&TenantId::default(), name))
}

/// The ids of the manifest: the lines `id = "…"`.
fn manifest() -> BTreeSet<String> {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../prompts/manifest.toml"))
        .unwrap();
    text.lines()
        .filter_map(|line| line.strip_prefix("id = \"")?.strip_suffix('"'))
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_prompt_of_the_manifest_is_built_in_and_can_be_said_in_both_languages() {
    let cache = PromptCache::built_in();
    let manifest = manifest();
    assert_eq!(manifest.len(), 96);
    for language in [Language::Zh, Language::En] {
        let names: BTreeSet<String> = PromptCache::built_in_names(language).map(str::to_owned).collect();
        assert_eq!(names, manifest, "{language:?}");
        for name in &names {
            let clips = cache.expand(&[prompt(name)], &voice(language)).unwrap();
            assert!((80..15_000).contains(&clips[0].millis()), "{language:?} {name}: {:?}", clips[0]);
        }
    }
}

#[test]
fn everything_that_can_be_said_has_its_atoms() {
    let cache = PromptCache::built_in();
    let items = [
        SayItem::Digits("0123456789".to_owned()),
        SayItem::Number(-1_234_567_890),
        SayItem::Number(22_222_222_222),
        SayItem::QueuePosition(0),
        SayItem::QueuePosition(2),
        SayItem::ExpectedWait(std::time::Duration::from_secs(30)),
        SayItem::ExpectedWait(std::time::Duration::from_secs(300)),
        SayItem::AgentNumber("8001".to_owned()),
        SayItem::Pause(300),
        SayItem::Tone(Tone::Beep),
        SayItem::Tone(Tone::Busy),
        prompt("default"),
    ];
    for language in [Language::Zh, Language::En] {
        let clips = cache.expand(&items, &voice(language)).unwrap();
        assert_eq!(clips.last().unwrap().millis(), 20_000, "the music is a whole loop");
        assert!(clips.iter().all(|clip| clip.frames() > 0));
    }
}

#[test]
fn a_prompt_is_encoded_once_and_shared() {
    let cache = PromptCache::built_in();
    let say = || cache.expand(&[prompt("welcome"), SayItem::Pause(100)], &voice(Language::Zh)).unwrap();
    let (first, second) = (say(), say());
    assert!(first.iter().zip(&second).all(|(a, b)| Arc::ptr_eq(a, b)));
}

#[test]
fn a_missing_prompt_is_named() {
    let cache = PromptCache::built_in();
    let error = cache.expand(&[prompt("welcome"), prompt("no_such")], &voice(Language::En)).unwrap_err();
    assert_eq!((&*error.name, error.folder), ("no_such", "en"));
    assert!(error.to_string().contains("en/no_such.wav"));
    assert!(!cache.has(&TenantId::default(), Language::En, "no_such"));
    assert!(cache.has(&TenantId::default(), Language::En, "welcome"));
}

#[test]
fn an_upload_replaces_the_built_in_prompt_of_its_tenant_only() {
    let folder = crate::testing::TempFolder::new("prompts");
    let zh = folder.path().join("zh-CN");
    fs::create_dir_all(&zh).unwrap();
    let mut file = wav::stereo_header(wav::Format::Pcm16, 8_000);
    file.resize(file.len() + 8_000 * 4, 0);
    fs::write(zh.join("welcome.wav"), &file).unwrap();
    fs::write(zh.join("own.WAV"), &file).unwrap();
    fs::write(zh.join("broken.wav"), b"ID3").unwrap();
    fs::write(zh.join("notes.txt"), b"").unwrap();

    let mut cache = PromptCache::built_in();
    let errors = cache.add_tenant(&TenantId::new("acme"), folder.path());
    assert_eq!(errors.len(), 1);
    assert!(errors[0].to_string().contains("broken.wav"));

    let acme = Voice { tenant: TenantId::new("acme"), language: Language::Zh };
    let clips = cache.expand(&[prompt("welcome"), prompt("own")], &acme).unwrap();
    assert_eq!((clips[0].millis(), clips[1].millis()), (1_000, 1_000));
    let others = cache.expand(&[prompt("welcome")], &voice(Language::Zh)).unwrap();
    assert_ne!(others[0].millis(), 1_000);
    assert!(cache.expand(&[prompt("own")], &voice(Language::Zh)).is_err());
}
