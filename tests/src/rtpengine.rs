//! Owns one rtpengine of Debian, in user space: what a proxy puts into the way of audio.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::switch::{end, new_folder};
use crate::{Place, until};

/// A running rtpengine.
#[derive(Debug)]
pub struct Rtpengine {
    /// Where proxies tell it what to do.
    pub ng: SocketAddr,
    /// Where it takes and sends audio.
    pub host: Ipv4Addr,
    folder: PathBuf,
    child: Child,
}

impl Rtpengine {
    /// Relays at `host`; returns when it can be told what.
    pub fn start(host: Ipv4Addr) -> Rtpengine {
        let folder = new_folder();
        let ng = Place::free(host);
        let output = File::create(folder.join("output")).expect("a file");
        let child = Command::new("rtpengine")
            // Without its kernel module, in the foreground.
            .args(["--table=-1", "--foreground", "--log-stderr", "--log-level=6", "--num-threads=1"])
            .arg(format!("--interface={host}"))
            .arg(format!("--listen-ng={ng}"))
            .args(["--port-min=40000", "--port-max=40999"])
            .arg(format!("--pidfile={}", folder.join("pid").display()))
            .current_dir(&folder)
            .stdin(Stdio::null())
            .stdout(output.try_clone().expect("a file"))
            .stderr(output)
            .spawn()
            .expect("rtpengine starts; Debian: rtpengine-daemon");
        let mut engine = Rtpengine { ng, host, folder, child };
        until("rtpengine listens", Duration::from_secs(20), || {
            let ended = engine.child.try_wait().expect("its status");
            assert!(ended.is_none(), "rtpengine ends with {ended:?}: {}", engine.output());
            Place::is_bound(ng).then_some(())
        });
        engine
    }

    fn output(&self) -> String {
        std::fs::read_to_string(self.folder.join("output")).unwrap_or_default()
    }
}

impl Drop for Rtpengine {
    fn drop(&mut self) {
        end(&mut self.child, &self.folder);
    }
}
