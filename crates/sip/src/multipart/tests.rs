use super::*;

fn headers(kind: &str) -> Headers {
    let mut headers = Headers::new();
    headers.push(HeaderName::ContentType, kind);
    headers
}

fn content(kind: &str, body: &str) -> Content {
    Content::of(&headers(kind), &Bytes::from(body.replace('\n', "\r\n")))
}

fn sdp(text: &str) -> Content {
    Content::Sdp(Bytes::copy_from_slice(text.as_bytes()))
}

const ISUP: &str = "--b\nContent-Type: application/ISUP;version=itu-t92+\n\n\u{1}\u{0}`\u{1}\n";
const OFFER: &str = "--b\nContent-Type: application/sdp\n\nv=0\n";

#[test]
fn the_description_is_found_among_other_parts_without_the_line_end_of_its_delimiter() {
    let body = format!("preamble\n{ISUP}{OFFER}\n--b--\nepilogue");
    assert_eq!(content("multipart/mixed;boundary=b", &body), sdp("v=0\r\n"));
    assert_eq!(content("Multipart/Mixed ; x=1; boundary=\"b\"", &body), sdp("v=0\r\n"));
}

#[test]
fn a_boundary_counts_at_the_start_of_a_line_alone() {
    let body = "--b\nContent-Type: application/sdp\n\nv=0\ns=--b\na=--bc\n--bc\n--b  \n--b--";
    assert_eq!(content("multipart/mixed;boundary=b", body), sdp("v=0\r\ns=--b\r\na=--bc\r\n--bc"));
}

#[test]
fn a_quoted_boundary_may_hold_what_parts_parameters() {
    let body = "--a;b=c\nContent-Type: application/sdp\n\nv=0\n--a;b=c--\n";
    assert_eq!(content("multipart/mixed;boundary=\"a;b=c\"", body), sdp("v=0"));
}

#[test]
fn of_alternatives_the_last_counts_and_of_others_the_first() {
    let two = "--b\nContent-Type: application/sdp\n\none\n--b\nContent-Type: application/sdp\n\ntwo\n--b--";
    assert_eq!(content("multipart/alternative;boundary=b", two), sdp("two"));
    assert_eq!(content("multipart/mixed;boundary=b", two), sdp("one"));
}

#[test]
fn alternatives_within_a_mixed_body_are_looked_into_but_not_without_end() {
    let inner = "--c\nContent-Type: text/plain\n\nx\n--c\nContent-Type: application/sdp\n\nv=0\n--c--";
    let nested = |kind: &str| format!("{ISUP}--b\nContent-Type: {kind}\n\n{inner}\n--b--");
    assert_eq!(
        content("multipart/mixed;boundary=b", &nested("multipart/alternative;boundary=c")),
        sdp("v=0")
    );
    let mut deep = OFFER.to_owned() + "--b--";
    for _ in 0..DEEPEST {
        deep = format!("--b\nContent-Type: multipart/mixed; boundary=b\n\n{deep}");
    }
    // Every level has the same delimiter, so that the outermost one sees them all; what matters is that it ends.
    let _ = content("multipart/mixed;boundary=b", &deep);
    let mut wrapped = "--x0\nContent-Type: application/sdp\n\nv=0\n--x0--".to_owned();
    for level in 0..DEEPEST {
        wrapped = format!(
            "--x{}\nContent-Type: multipart/mixed;boundary=x{level}\n\n{wrapped}\n--x{0}--",
            level + 1,
        );
        let expected = if level + 1 < DEEPEST { sdp("v=0") } else { Content::Nothing };
        let kind = format!("multipart/mixed;boundary=x{}", level + 1);
        assert_eq!(content(&kind, &wrapped), expected, "{} levels", level + 2);
    }
}

#[test]
fn what_is_required_and_unknown_refuses_the_whole() {
    let required = ISUP.replace("\n\n", "\nContent-Disposition: signal;handling=required\n\n");
    let body = format!("{required}{OFFER}\n--b--");
    assert_eq!(content("multipart/mixed;boundary=b", &body), Content::NotUnderstood);
    let optional = body.replace("required", "optional");
    assert_eq!(content("multipart/mixed;boundary=b", &optional), sdp("v=0\r\n"));
    assert_eq!(content("multipart/alternative;boundary=b", &body), sdp("v=0\r\n"));
    assert_eq!(content("multipart/alternative;boundary=b", &format!("{ISUP}--b--")), Content::NotUnderstood);
}

#[test]
fn a_description_for_early_media_or_in_base64_is_not_the_offer() {
    for line in ["Content-Disposition: early-session", "Content-Transfer-Encoding: base64"] {
        let body = format!("{}\n--b--", OFFER.replace("\n\n", &format!("\n{line}\n\n")));
        assert_eq!(content("multipart/mixed;boundary=b", &body), Content::Nothing, "{line}");
    }
}

#[test]
fn header_fields_of_a_part_may_be_folded_and_in_any_case() {
    let body = "--b\nCONTENT-type:\n application/sdp;\n charset=utf-8\nContent-ID: <1>\n\nv=0\n--b--";
    assert_eq!(content("multipart/related;boundary=b", body), sdp("v=0"));
}

#[test]
fn a_missing_end_is_forgiven_and_a_missing_beginning_is_not() {
    assert_eq!(content("multipart/mixed;boundary=b", OFFER), sdp("v=0\r\n"));
    assert_eq!(content("multipart/mixed;boundary=b", "v=0\n"), Content::Malformed);
    assert_eq!(content("multipart/mixed", OFFER), Content::Malformed);
    assert_eq!(content("multipart/mixed;boundary=\"\"", OFFER), Content::Malformed);
    assert_eq!(content("multipart/mixed;boundary=b", "--b--"), Content::Malformed);
}

#[test]
fn a_plain_body_is_what_its_type_says() {
    assert_eq!(content("application/sdp", "v=0"), sdp("v=0"));
    assert_eq!(content("Application/SDP; charset=utf-8", "v=0"), sdp("v=0"));
    assert_eq!(Content::of(&Headers::new(), &Bytes::from_static(b"v=0")), sdp("v=0"), "forgotten");
    assert_eq!(content("text/plain", "hello"), Content::NotUnderstood);
    assert_eq!(content("nonsense", "hello"), Content::NotUnderstood);
    let mut optional = headers("text/plain");
    optional.push(HeaderName::ContentDisposition, "render;handling=optional");
    assert_eq!(Content::of(&optional, &Bytes::from_static(b"hello")), Content::Nothing);
    assert_eq!(Content::of(&headers("application/sdp"), &Bytes::new()), Content::Nothing);
}
