//! Owns one baresip: a registered phone without a screen, which answers by itself, speaks a file and keeps what it hears.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use crate::switch::new_folder;
use crate::{Namespace, Wav, until, write_tone};

/// A running baresip.
#[derive(Debug)]
pub struct Baresip {
    folder: PathBuf,
    /// Where it takes commands.
    control: SocketAddr,
    child: Child,
}

/// A phone's call by its own account.
pub struct Spoken {
    /// What came out of its speaker.
    pub heard: Wav,
    /// What it sent: on a busy machine it pauses, and what it did not say nobody can record.
    pub said: Wav,
}

impl Baresip {
    /// Registers `user` at the switch and speaks a tone in every call, in plain A-law.
    pub fn start(space: &Namespace, switch: SocketAddr, user: &str, password: &str, hz: f64) -> Baresip {
        Baresip::run(space, switch, (user, password), hz, (None, "audio_codecs=pcma", None))
    }

    /// As [`start`](Baresip::start), and dials `number` at once.
    pub fn start_dialling(
        space: &Namespace,
        switch: SocketAddr,
        login: (&str, &str),
        hz: f64,
        number: &str,
    ) -> Baresip {
        Baresip::run(space, switch, login, hz, (None, "audio_codecs=pcma", Some(number)))
    }

    /// As [`start`](Baresip::start); `parameters` of its account choose codecs and encryption.
    pub fn start_with(
        space: &Namespace,
        switch: SocketAddr,
        login: (&str, &str),
        hz: f64,
        parameters: &str,
    ) -> Baresip {
        Baresip::run(space, switch, login, hz, (None, parameters, None))
    }

    /// As [`start`](Baresip::start), over TLS; the switch must show a certificate that `ca` (PEM) vouches for.
    pub fn start_over_tls(
        space: &Namespace,
        switch: SocketAddr,
        login: (&str, &str),
        hz: f64,
        ca: &Path,
    ) -> Baresip {
        Baresip::run(space, switch, login, hz, (Some(ca), "audio_codecs=pcma", None))
    }

    fn run(
        space: &Namespace,
        switch: SocketAddr,
        (user, password): (&str, &str),
        hz: f64,
        (ca, parameters, dials): (Option<&Path>, &str, Option<&str>),
    ) -> Baresip {
        let folder = new_folder();
        let speech = folder.join("speech.wav");
        // baresip does not resample: the file has the rate and channels of the codec, as in `opus/48000/2`.
        let mut codec = parameters.split(['/', ';']).skip(1).map_while(|number| number.parse::<u32>().ok());
        let rate = codec.next().unwrap_or(8_000);
        let channels = codec.next().and_then(|channels| u16::try_from(channels).ok()).unwrap_or(1);
        write_tone(&speech, hz, 60, (rate, channels));
        // Several phones share one address.
        let place = user.bytes().fold(0, |sum, digit| (sum * 10 + u16::from(digit - b'0')) % 1_000);
        let mut config = config((space.inside, 5_060 + 2 * place), &speech, &folder);
        let control = SocketAddr::from((space.inside, CONTROL + place));
        config.push_str(&format!("module_app ctrl_tcp.so\nctrl_tcp_listen {control}\n"));
        if let Some(ca) = ca {
            config.push_str(&format!("sip_cafile {}\nsip_verify_server yes\n", ca.display()));
        }
        let transport = if ca.is_some() { "tls" } else { "udp" };
        let answers = if parameters.contains("answermode") { "" } else { "answermode=auto;" };
        std::fs::write(folder.join("config"), config).expect("its configuration");
        let account = format!(
            "<sip:{user}@{switch};transport={transport}>;auth_pass={password};{answers}{parameters};regint=300\n"
        );
        std::fs::write(folder.join("accounts"), account).expect("its account");
        std::fs::write(folder.join("contacts"), "").expect("its contacts");
        let output = File::create(folder.join("output")).expect("a file");
        let dials = dials.map(|number| format!("/dial sip:{number}@{switch}"));
        let child = space
            .command("baresip")
            .arg("-f")
            .arg(&folder)
            .args(dials.iter().flat_map(|command| ["-e", command]))
            .stdin(Stdio::null())
            .stdout(output.try_clone().expect("a file"))
            .stderr(output)
            .spawn()
            .expect("baresip starts; Debian: baresip-core");
        Baresip { folder, control, child }
    }

    /// Does what its user asks for: `hold`, `resume`, `hangup`, `transfer` with whom to.
    ///
    /// # Panics
    /// When it does not.
    pub fn say(&self, command: &str, parameters: &str) {
        let request = format!(r#"{{"command":"{command}","params":"{parameters}"}}"#);
        let mut stream = TcpStream::connect(self.control).expect("baresip takes commands");
        stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a limit");
        // Netstrings; what happens meanwhile is told before the answer.
        write!(stream, "{}:{request},", request.len()).expect("asked");
        let mut told = String::new();
        while !(told.contains(r#""response":true"#) && told.ends_with("},")) {
            let mut some = [0; 1_024];
            let read = stream.read(&mut some).expect("an answer");
            assert!(read > 0, "{command}: no answer, but {told}");
            told.push_str(&String::from_utf8_lossy(&some[..read]));
        }
        assert!(told.contains(r#""response":true,"ok":true"#), "{command} {parameters}: {told}");
    }

    /// Waits until it has written `words`.
    pub fn wait_for(&self, words: &str, limit: Duration) {
        until(words, limit, || self.output().contains(words).then_some(()));
    }

    /// Ends it as its user does; it then leaves the registrar.
    ///
    /// # Panics
    /// When it does not end, or not well.
    pub fn stop(mut self) -> Spoken {
        let pid = i32::try_from(self.child.id()).expect("a process id");
        // SAFETY: the child is ours and not yet waited for. `ip netns exec` has become the phone itself.
        assert_eq!(unsafe { libc::kill(pid, libc::SIGTERM) }, 0);
        let status = until("the end of baresip", Duration::from_secs(20), || {
            self.child.try_wait().expect("its status")
        });
        assert!(status.success(), "baresip ends with {status}:\n{}", self.output());
        Spoken { heard: self.dump("-dec.wav"), said: self.dump("-enc.wav") }
    }

    /// What the phone itself wrote down of its one call.
    fn dump(&self, ending: &str) -> Wav {
        let entries =
            std::fs::read_dir(&self.folder).expect("its folder").map(|entry| entry.expect("an entry").path());
        let files: Vec<PathBuf> = entries.filter(|path| path.to_string_lossy().ends_with(ending)).collect();
        assert_eq!(files.len(), 1, "one call, one file {ending}");
        Wav::read(&files[0])
    }

    fn output(&self) -> String {
        std::fs::read_to_string(self.folder.join("output")).unwrap_or_default()
    }
}

impl Drop for Baresip {
    fn drop(&mut self) {
        // Ended already, or ended here: both are fine.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("baresip said:\n{}\nleft for inspection: {}", self.output(), self.folder.display());
        } else {
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}

fn config((inside, port): (Ipv4Addr, u16), speech: &Path, folder: &Path) -> String {
    let modules: String =
        ["g711", "g722", "opus", "srtp", "aufile", "aubridge", "sndfile", "account", "menu"]
            .map(|name| format!("{} {name}.so\n", if name == "menu" { "module_app" } else { "module" }))
            .concat()
            .replace("module account.so", "module_app account.so");
    let (speech, folder) = (speech.display(), folder.display());
    format!(
        "sip_listen {inside}:{port}\n\
         audio_player aubridge,ear\n\
         audio_source aufile,{speech}\n\
         audio_alert aufile,/dev/null\n\
         audio_srate 8000\n\
         audio_channels 1\n\
         ausrc_format s16\n\
         auplay_format s16\n\
         snd_path {folder}\n\
         module_path /usr/lib/baresip/modules\n\
         {modules}"
    )
}

/// The port of commands of the phone 0 of a namespace.
const CONTROL: u16 = 4_000;
