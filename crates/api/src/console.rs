//! Owns the console: a page for people that shows what the API tells (R54 看板, R9 通话记录). Does not own what is told (see
//! [`crate::routes`]): the page itself says nothing of any tenant and needs no token, what it asks for does.

use axum::http::header::{self, HeaderValue};
use axum::response::{IntoResponse, Response};

/// The paths of the page, which anybody may read.
pub(crate) const PATHS: [&str; 3] = ["/", "/console.css", "/console.js"];

pub(crate) async fn page() -> Response {
    served("text/html; charset=utf-8", include_str!("console/index.html"))
}

pub(crate) async fn style() -> Response {
    served("text/css; charset=utf-8", include_str!("console/console.css"))
}

pub(crate) async fn script() -> Response {
    served("text/javascript; charset=utf-8", include_str!("console/console.js"))
}

fn served(kind: &'static str, text: &'static str) -> Response {
    let mut response = text.into_response();
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, kind),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        // A page of an older version must not meet a newer API.
        (header::CACHE_CONTROL, "no-cache"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Nothing from elsewhere, nothing inline, in nobody's frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; media-src blob:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
