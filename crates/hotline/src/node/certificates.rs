//! Owns certificates while the switch runs: files that changed are used, and an end that comes near is told. Does not own
//! what TLS makes of them (see `sip_net::Tls`).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use clock::SystemClock;
use config::{Loaded, TlsSettings};
use metrics::{counter, gauge};
use sip_net::{Tls, Transports};

use super::settings::{self, Origin};

/// The certificates in use. Clones share them.
#[derive(Clone)]
pub(crate) struct Certificates {
    shared: Arc<Shared>,
}

struct Shared {
    transports: Arc<Transports>,
    clock: SystemClock,
    now: Mutex<InUse>,
}

struct InUse {
    tls: Arc<Tls>,
    settings: TlsSettings,
    /// Names of the listeners, by place.
    interfaces: Vec<String>,
    /// The day, since 1970, of the last warning.
    warned: Option<i64>,
}

impl Certificates {
    /// Keeps `tls`, which `transports` uses already.
    pub fn new(
        transports: Arc<Transports>,
        tls: Arc<Tls>,
        loaded: &Loaded,
        clock: SystemClock,
    ) -> Certificates {
        let interfaces = loaded.plan.interfaces.iter().map(|interface| interface.name.to_string()).collect();
        let now = InUse { tls, settings: loaded.transports.tls, interfaces, warned: None };
        Certificates { shared: Arc::new(Shared { transports, clock, now: Mutex::new(now) }) }
    }

    /// Takes over a configuration that was read again, and the files that it names, connections' limits and marks. Files that
    /// cannot be used leave those before in use.
    pub fn configure(&self, origin: &Origin, loaded: &Loaded) {
        self.shared.transports.limit_streams(settings::stream_limits(loaded));
        self.shared.transports.mark(loaded.marks.sip);
        let config = settings::tls(origin, loaded);
        let mut now = self.shared.now();
        now.settings = loaded.transports.tls;
        if now.tls.config() != &config || !now.tls.is_current() {
            self.shared.take(&mut now, Tls::load(config));
        }
    }

    /// Looks at the files again and again, and warns of ends that come near; for ever.
    pub async fn keep_up(self) {
        loop {
            let shared = Arc::clone(&self.shared);
            // Files are read away from the tasks that serve connections.
            if let Err(error) = tokio::task::spawn_blocking(move || shared.look()).await {
                tracing::error!(%error, "检查证书时出错 / looking at certificates panicked");
            }
            let pause = self.shared.now().settings.check;
            tokio::time::sleep(pause).await;
        }
    }
}

impl Shared {
    fn now(&self) -> MutexGuard<'_, InUse> {
        // Each change is one assignment, so a poisoned lock still guards sound values.
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn look(&self) {
        let mut now = self.now();
        if !now.tls.is_current() {
            let again = Tls::load(now.tls.config().clone());
            self.take(&mut now, again);
        }
        self.tell_ends(&mut now);
    }

    fn take(&self, now: &mut InUse, tls: Result<Tls, sip_net::TlsError>) {
        match tls {
            Ok(tls) => {
                now.tls = Arc::new(tls);
                now.warned = None;
                self.transports.set_tls(Arc::clone(&now.tls));
                tracing::info!("证书已更新并启用 / certificates were read again and are in use");
            }
            // A file that is being written may be half there: the next look sees it whole.
            Err(error) => {
                counter!("hotline_tls_reload_failures_total").increment(1);
                tracing::error!(%error, "新证书不能用,继续使用原证书 / the certificate before stays in use");
            }
        }
    }

    /// Shows when each certificate ends; warns once a day when that is near.
    fn tell_ends(&self, now: &mut InUse) {
        let seconds = self.clock.wall().as_secs();
        let today = seconds.div_euclid(DAY);
        let warn_now = now.warned != Some(today);
        for expiry in now.tls.expiries() {
            let interface = now.interfaces.get(expiry.interface).cloned().unwrap_or_default();
            gauge!("hotline_tls_certificate_ends_seconds", "interface" => interface.clone())
                .set(expiry.not_after as f64);
            let days = (expiry.not_after - seconds).div_euclid(DAY);
            let certificate = expiry.certificate.display();
            if !warn_now || days > i64::from(now.settings.warn_days) {
                continue;
            }
            if expiry.not_after <= seconds {
                tracing::error!(interface, %certificate, "证书已过期 / the certificate has run out");
            } else {
                tracing::warn!(interface, %certificate, days, "证书即将到期 / the certificate runs out in days");
            }
        }
        now.warned = Some(today);
    }
}

const DAY: i64 = 86_400;
