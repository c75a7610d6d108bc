//! What the doctor says of whole folders.

use std::path::Path;

use super::*;
use crate::node::settings;

/// The sample of an office, whose addresses are for documentation alone.
pub(super) fn office() -> Loaded {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/office");
    config::load(&settings::sources(&folder).unwrap()).unwrap()
}

#[test]
fn a_finding_has_a_line_and_its_fix_another() {
    let found = Finding::fault((Check::Trunk, "cmcc"), "没有应答", "does not answer").fix("核对", "check");
    assert_eq!(
        found.lines(),
        ["故障 fault    中继 trunk cmcc: 没有应答 / does not answer", "              → 核对 / check"]
    );
    let json = serde_json::to_value(&found).unwrap();
    assert_eq!(
        json,
        serde_json::json!({
            "check": "trunk", "subject": "cmcc", "verdict": "fault", "zh": "没有应答", "en": "does not answer",
            "fix": { "zh": "核对", "en": "check" },
        })
    );
}

#[test]
fn an_office_on_paper_lacks_its_addresses_and_certificate() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/office");
    let loaded = office();
    let data = std::env::temp_dir().join("hotline-office-without-data");
    let patient = Patient { loaded, origin: Origin::Folder(folder), data, running: None };
    let ports = ports::findings(&patient);
    let missing = ports.iter().filter(|finding| finding.zh == "本机没有这个地址").count();
    assert_eq!(missing, 5, "{ports:#?}");
    let certificates = certificates::findings(&patient);
    assert!(
        certificates.iter().any(|found| found.verdict == Verdict::Fault && found.zh.contains("phones.pem")),
        "{certificates:#?}"
    );
    // What it says can be said.
    assert_eq!(prompts::findings(&patient).iter().map(|found| found.verdict).max(), Some(Verdict::Fine));
}
