//! Owns one telephone in a browser: JsSIP under Node.js, told what to do line by line.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use serde_json::Value;

use crate::until;

/// A running JsSIP.
#[derive(Debug)]
pub struct Browser {
    child: Child,
    told: mpsc::Receiver<Value>,
}

impl Browser {
    /// Connects to the WebSocket at `url` as `user`; trusts the authority of `ca` (PEM) beside the usual ones.
    ///
    /// # Panics
    /// When Node.js or the package is missing.
    pub fn start(url: &str, (user, password, domain): (&str, &str, &str), ca: &Path) -> Browser {
        let folder = package();
        assert!(folder.join("node_modules/jssip").is_dir(), "run `npm ci` in {}", folder.display());
        let mut child = Command::new("node")
            .args(["phone.js", url, user, password, domain])
            .current_dir(folder)
            .env("NODE_EXTRA_CA_CERTS", ca)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node starts; Debian: nodejs npm");
        let output = child.stdout.take().expect("piped");
        let (sender, told) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let Ok(said) = serde_json::from_str(&line) else { continue };
                if sender.send(said).is_err() {
                    return;
                }
            }
        });
        Browser { child, told }
    }

    /// Has it do something.
    pub fn tell(&mut self, command: &str) {
        let input = self.child.stdin.as_mut().expect("piped");
        writeln!(input, "{command}").expect("it listens");
    }

    /// The next thing of that kind that happens to it; others are passed over.
    ///
    /// # Panics
    /// When it does not happen in time.
    pub fn wait(&self, what: &str) -> Value {
        until(what, PATIENCE, || {
            while let Ok(said) = self.told.try_recv() {
                if said["what"] == what {
                    return Some(said);
                }
            }
            None
        })
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Ended already, or ended here: both are fine.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The folder of the package that `npm ci` installs.
fn package() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("js")
}

const PATIENCE: Duration = Duration::from_secs(30);
