use std::os::unix::fs::PermissionsExt;

use super::*;

/// A file of this test's own, not yet there.
fn scratch(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("hotline-api-token-{}-{name}", std::process::id()));
    let _ = fs::remove_file(&path);
    path
}

#[test]
fn a_token_is_made_once_and_readable_by_its_owner_alone() {
    let path = scratch("made");
    let made = Token::load_or_make(&path).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let again = Token::load_or_make(&path).unwrap();
    assert_eq!((made.expose().len(), made.expose()), (64, again.expose()));
    assert!(made.matches(again.expose()));
    let other = Token::load_or_make(&scratch("other")).unwrap();
    assert!(!made.matches(other.expose()) && !made.matches("") && !made.matches(&made.expose()[..63]));
    assert_eq!(format!("{made:?}"), "Token(…)");
}

#[test]
fn a_token_that_others_can_read_is_refused() {
    let path = scratch("exposed");
    Token::load_or_make(&path).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let refused = Token::load_or_make(&path).unwrap_err();
    assert!(matches!(refused, TokenError::Exposed(_)) && refused.to_string().contains("chmod 600"));
}

#[test]
fn a_file_that_is_no_token_is_refused_and_left_alone() {
    let path = scratch("foreign");
    fs::write(&path, "hello").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    assert!(matches!(Token::load_or_make(&path), Err(TokenError::NotOurs(_))));
    assert_eq!(fs::read_to_string(&path).unwrap(), "hello");
}
