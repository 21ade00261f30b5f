//! Replies: JSON, text, and problem details (RFC 9457).

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use serde_json::{Value, json};

pub(super) type Reply = Response<Full<Bytes>>;

/// Why a request is not answered as asked.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    code: &'static str,
    message: &'static str,
    errors: Vec<String>,
    field: Option<Box<(HeaderName, HeaderValue)>>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, code: &'static str, message: &'static str) -> Self {
        Self {
            status,
            code,
            message,
            errors: Vec::new(),
            field: None,
        }
    }

    /// With one more header field.
    pub(super) fn with(mut self, name: HeaderName, value: &str) -> Self {
        self.field = HeaderValue::from_str(value)
            .ok()
            .map(|value| Box::new((name, value)));
        self
    }

    /// With everything that is wrong, one by one.
    pub(super) fn errors(mut self, errors: Vec<String>) -> Self {
        self.errors = errors;
        self
    }

    pub(super) fn reply(self) -> Reply {
        let Self {
            status,
            code,
            message,
            errors,
            field,
        } = self;
        let title = status.canonical_reason().unwrap_or("Error");
        let mut body = json!({ "type": "about:blank", "title": title, "status": status.as_u16(), "code": code, "message": message });
        if let (false, Some(members)) = (errors.is_empty(), body.as_object_mut()) {
            members.insert("errors".into(), errors.into());
        }
        let mut reply = with_type(status, "application/problem+json", body.to_string());
        reply.headers_mut().extend(field.map(|field| *field));
        reply
    }
}

/// Nothing is at this address.
pub(super) fn nothing_here() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "not_found", "There is nothing here.")
}

/// Done, and nothing to say.
pub(super) fn empty() -> Reply {
    let mut reply = Response::new(Full::new(Bytes::new()));
    *reply.status_mut() = StatusCode::NO_CONTENT;
    reply
}

pub(super) fn json(status: StatusCode, body: &Value) -> Reply {
    with_type(status, "application/json", body.to_string())
}

pub(super) fn text(kind: &'static str, body: String) -> Reply {
    with_type(StatusCode::OK, kind, body)
}

fn with_type(status: StatusCode, kind: &'static str, body: String) -> Reply {
    let mut reply = Response::new(Full::new(Bytes::from(body)));
    *reply.status_mut() = status;
    let fields = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        ),
    ];
    reply.headers_mut().extend(fields);
    reply
}
