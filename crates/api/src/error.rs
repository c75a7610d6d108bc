//! Owns how the server says no: a status and words in two languages.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use model::command::Refused;
use store::StoreError;

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    status: StatusCode,
    zh: String,
    en: String,
}

impl Problem {
    /// `status` with its words.
    pub fn new(status: StatusCode, zh: impl Into<String>, en: impl Into<String>) -> Problem {
        Problem { status, zh: zh.into(), en: en.into() }
    }

    pub(crate) fn not_found(zh: &str, en: &str) -> Problem {
        Problem::new(StatusCode::NOT_FOUND, zh, en)
    }

    pub(crate) fn bad_request(zh: impl Into<String>, en: impl Into<String>) -> Problem {
        Problem::new(StatusCode::BAD_REQUEST, zh, en)
    }

    pub(crate) fn unauthorized() -> Problem {
        Problem::new(StatusCode::UNAUTHORIZED, "令牌缺失或不对", "the token is missing or wrong")
    }

    /// Splits a text «中文 / english» where it has both.
    pub(crate) fn in_words(status: StatusCode, words: &str) -> Problem {
        let (zh, en) = words.split_once(" / ").unwrap_or((words, words));
        Problem::new(status, zh, en)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        ::metrics::counter!("hotline_api_refused_total", "status" => self.status.as_str().to_owned())
            .increment(1);
        let body = serde_json::json!({ "error": { "zh": self.zh, "en": self.en } });
        let mut response = (self.status, Json(body)).into_response();
        if self.status == StatusCode::UNAUTHORIZED {
            let challenge = axum::http::HeaderValue::from_static("Bearer");
            response.headers_mut().insert(axum::http::header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Problem {
        tracing::error!(%error, "api");
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "数据库出错", "the database failed")
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Problem {
        Problem::in_words(StatusCode::CONFLICT, &refused.0)
    }
}
