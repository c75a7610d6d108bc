use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::scratch::Scratch;

#[test]
fn a_new_folder_gets_its_format_and_shuts_others_out() {
    let scratch = Scratch::new();
    let path = scratch.join("a/data");
    let data = DataDir::own(&path).unwrap();
    assert_eq!(fs::read_to_string(path.join("FORMAT")).unwrap(), "hotline-data 1\n");
    assert!(data.events().is_dir());
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o007, 0);
}

#[test]
fn one_switch_at_a_time_owns_a_folder() {
    let scratch = Scratch::new();
    let first = DataDir::own(&scratch).unwrap();
    let refused = DataDir::own(&scratch).unwrap_err();
    assert!(matches!(refused, DataDirError::Owned(_)) && refused.to_string().contains("另一个 hotline"));
    drop(first);
    assert!(DataDir::own(&scratch).is_ok());
}

#[test]
fn a_newer_folder_is_refused_in_words_and_left_alone() {
    let scratch = Scratch::new();
    fs::write(scratch.join("FORMAT"), "hotline-data 2\n").unwrap();
    let refused = DataDir::own(&scratch).unwrap_err();
    assert!(matches!(refused, DataDirError::Newer { found: 2, known: 1, .. }));
    assert!(refused.to_string().contains("请用更新的 hotline 打开 / "));
    assert_eq!(fs::read_dir(&*scratch).unwrap().count(), 1);
}

#[test]
fn a_format_file_that_is_not_ours_is_refused() {
    let scratch = Scratch::new();
    for text in ["", "postgres 14", "hotline-data", "hotline-data x", "\u{0}"] {
        fs::write(scratch.join("FORMAT"), text).unwrap();
        assert!(matches!(DataDir::own(&scratch), Err(DataDirError::NotOurs(_))), "{text}");
    }
}

#[test]
fn looking_needs_a_database_and_takes_nothing_over() {
    let scratch = Scratch::new();
    assert!(matches!(DataDir::look(&scratch), Err(DataDirError::Missing(_))));
    let _owner = DataDir::own(&scratch).unwrap();
    fs::write(scratch.join("hotline.db"), "").unwrap();
    assert!(DataDir::look(&scratch).is_ok());
}
