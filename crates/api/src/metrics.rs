//! Owns the recorder behind the `metrics` facade and its Prometheus text. What is counted is the counters' business.

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

/// The process's figures.
#[derive(Clone)]
pub struct Metrics(PrometheusHandle);

/// Why figures cannot be recorded.
#[derive(Debug, thiserror::Error)]
#[error("统计记录器已安装过 / a recorder is installed already: {0}")]
pub struct InstallError(String);

impl Metrics {
    /// Installs the process's one recorder.
    ///
    /// # Errors
    /// When there is one already.
    pub fn install() -> Result<Metrics, InstallError> {
        let handle = PrometheusBuilder::new().install_recorder();
        handle.map(Metrics).map_err(|error| InstallError(error.to_string()))
    }

    /// A recorder of its own that nothing records to but through [`metrics::with_local_recorder`]; for servers beside
    /// the process's one.
    pub fn detached() -> Metrics {
        Metrics(PrometheusBuilder::new().build_recorder().handle())
    }

    /// All figures as Prometheus reads them.
    pub fn text(&self) -> String {
        self.0.run_upkeep();
        self.0.render()
    }
}
