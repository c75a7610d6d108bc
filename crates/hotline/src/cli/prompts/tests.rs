use super::*;

/// A folder with the starter configuration, gone after the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("hotline-prompts-{name}-{}", std::process::id()));
        // Left by a process of the same number, if at all.
        let _ = fs::remove_dir_all(&path);
        for (file, text) in config::starter() {
            let file = path.join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        Folder(path)
    }

    fn run(&self, line: &str) -> anyhow::Result<Answer> {
        let config = self.0.to_str().unwrap();
        let line = format!("hotline prompts {} --json --config {config}", line.replace("@", config));
        let cli = <super::super::Cli as clap::Parser>::try_parse_from(line.split(' ')).unwrap();
        let super::super::Command::Prompts(asked) = cli.command else { panic!("{line}") };
        run(&cli.global, &asked)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_file_of_any_format_is_imported_replaced_and_played() {
    let folder = Folder::new("import");
    let upload = folder.0.join("upload");
    fs::write(&upload, include_bytes!("../../../../media/src/import/tests/tone.mp3")).unwrap();
    assert_eq!(folder.run("import @/upload --name hello").unwrap(), Answer::Yes);
    let made = folder.0.join("prompts/zh-CN/hello.wav");
    let reader = hound::WavReader::open(&made).unwrap();
    assert_eq!((reader.spec().sample_rate, reader.spec().channels), (16_000, 1));

    let again = folder.run("import @/upload --name hello").unwrap_err().to_string();
    assert!(again.contains("--replace"), "{again}");
    fs::rename(&made, folder.0.join("prompts/zh-CN/hello.mp3")).unwrap();
    assert_eq!(folder.run("import @/upload --name hello --replace").unwrap(), Answer::Yes);
    assert!(made.exists() && !folder.0.join("prompts/zh-CN/hello.mp3").exists(), "one file, one prompt");
    assert_eq!(folder.run("import @/upload --name hello --lang en").unwrap(), Answer::Yes);
    assert_eq!(folder.run("import @/upload --music").unwrap(), Answer::Yes);
    assert!(
        folder.0.join("prompts/en/hello.wav").exists() && folder.0.join("prompts/moh/upload.wav").exists()
    );

    assert_eq!(folder.run("list").unwrap(), Answer::Yes);
    assert_eq!(
        folder.run("play hello number:12 money:102.05 tone:beep --out @/out.wav").unwrap(),
        Answer::Yes
    );
    let heard = hound::WavReader::open(folder.0.join("out.wav")).unwrap().duration();
    assert!(heard > 8_000 * 3, "{heard} samples");
    assert_eq!(folder.run("play nobody --out @/out.wav").unwrap(), Answer::No);
    assert!(folder.run("play hello:12 --out @/out.wav").is_err());
}

#[test]
fn what_is_no_prompt_is_refused_and_nothing_is_written() {
    let folder = Folder::new("refuse");
    fs::write(folder.0.join("silent.wav"), media::wav::mono(8_000, &[0; 8_000])).unwrap();
    assert_eq!(folder.run("import @/silent.wav").unwrap(), Answer::No);
    assert!(!folder.0.join("prompts").exists());
    for line in ["import @/none.wav", "import @/silent.wav --name a/b", "import @/silent.wav --name .a"] {
        assert!(folder.run(line).is_err(), "{line}");
    }
}

#[test]
fn missing_prompts_and_unusable_files_are_found_by_language() {
    let folder = Folder::new("check");
    assert_eq!(folder.run("check").unwrap(), Answer::Yes);
    let flow = fs::read_dir(folder.0.join("flows")).unwrap().next().unwrap().unwrap().path();
    let text = fs::read_to_string(&flow).unwrap();
    let bye = "\n[node.promised]\nkind = 'hangup'\nsay = ['promised']\n";
    fs::write(&flow, format!("{text}{bye}")).unwrap();
    assert_eq!(folder.run("check").unwrap(), Answer::No);
    let prompts = folder.0.join("prompts/zh-CN");
    fs::create_dir_all(&prompts).unwrap();
    let ogg = include_bytes!("../../../../media/src/import/tests/tone.ogg");
    fs::write(prompts.join("promised.ogg"), ogg).unwrap();
    assert_eq!(folder.run("check").unwrap(), Answer::Yes, "the node speaks Chinese");
    assert_eq!(folder.run("check --lang en").unwrap(), Answer::No);
    fs::write(prompts.join("broken.mp3"), b"#!AMR\n").unwrap();
    assert_eq!(folder.run("check --lang zh").unwrap(), Answer::No);
}
