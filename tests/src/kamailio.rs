//! Owns one Kamailio: an outbound proxy on an address of its own, by `kamailio/proxy.cfg`.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::switch::new_folder;
use crate::{Place, Rtpengine, until};

/// A running Kamailio.
#[derive(Debug)]
pub struct Kamailio {
    /// Where it listens.
    pub at: SocketAddr,
    folder: PathBuf,
    child: Child,
}

impl Kamailio {
    /// A proxy at `at` in front of `switch`; returns when it listens.
    pub fn start(at: SocketAddr, switch: SocketAddr) -> Kamailio {
        Kamailio::start_with(at, switch, None)
    }

    /// The same, with the audio of all calls by this rtpengine.
    pub fn start_with(at: SocketAddr, switch: SocketAddr, media: Option<&Rtpengine>) -> Kamailio {
        let folder = new_folder();
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("kamailio/proxy.cfg");
        let text = std::fs::read_to_string(source).expect("its configuration");
        let text = text.replace("@PROXY@", &at.to_string()).replace("@SWITCH@", &switch.to_string());
        let text = media.iter().fold(text, |text, media| text.replace("@RTPENGINE@", &media.ng.to_string()));
        let defined: &[&str] = if media.is_some() { &["-A", "RTPENGINE"] } else { &[] };
        std::fs::write(folder.join("kamailio.cfg"), text).expect("its configuration");
        let output = File::create(folder.join("output")).expect("a file");
        let child = Command::new("kamailio")
            // In the foreground, with little memory, and everything it writes in its folder.
            .args(["-DD", "-E", "-m", "32", "-M", "4", "-f", "kamailio.cfg", "-Y"])
            .arg(&folder)
            .args(defined)
            .current_dir(&folder)
            .stdin(Stdio::null())
            .stdout(output.try_clone().expect("a file"))
            .stderr(output)
            .spawn()
            .expect("kamailio starts; Debian: kamailio");
        let mut proxy = Kamailio { at, folder, child };
        until("Kamailio listens", Duration::from_secs(20), || {
            let ended = proxy.child.try_wait().expect("its status");
            assert!(ended.is_none(), "Kamailio ends with {ended:?}: {}", proxy.output());
            Place::is_bound(at).then_some(())
        });
        proxy
    }

    fn output(&self) -> String {
        std::fs::read_to_string(self.folder.join("output")).unwrap_or_default()
    }
}

impl Drop for Kamailio {
    fn drop(&mut self) {
        if let Ok(pid) = i32::try_from(self.child.id()) {
            // SAFETY: the child is ours and not yet waited for; by SIGTERM it ends its own processes too.
            unsafe { libc::kill(pid, libc::SIGTERM) };
        }
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("left for inspection: {}", self.folder.display());
        } else {
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}
