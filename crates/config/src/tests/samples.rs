use super::*;

#[test]
fn the_bench_sample_is_as_its_readme_says() {
    let bench = loaded("bench");
    assert_eq!(bench.plan.phones.len(), 100);
    assert_eq!(bench.acd[0].agents.len(), 100);
}

#[test]
fn the_starter_sample_has_nothing_to_complain_about() {
    let starter = loaded("starter");
    assert_eq!(starter.warnings.to_string(), "");
}

#[test]
fn what_init_writes_is_what_lies_in_the_starter_folder() {
    let written = Sources::from_files(crate::starter());
    assert_eq!(written.files, sample("starter").files);
    for file in &written.files {
        assert!(file.text.lines().count() <= 60, "{} has more than 60 lines", file.path);
    }
}
