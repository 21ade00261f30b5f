//! What a refused client is shown: a small page in a frame, problem details (RFC 9457) everywhere else.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, header};

use crate::gate::refusal::Refusal;

/// Everything that shapes the answer to a refused request.
#[derive(Debug)]
pub(super) struct Refused<'a> {
    /// Why.
    pub(super) refusal: Refusal,
    /// What the client learns beyond the refusal's own sentence.
    pub(super) told: Option<&'a str>,
    /// The id under which the audit trail has it.
    pub(super) request_id: &'a str,
    /// Whether a browser is loading a page (then it gets one).
    pub(super) page: bool,
    /// `frame-ancestors …` of the site; `None` where there is no site.
    pub(super) directive: Option<&'a HeaderValue>,
    /// The origin to answer in CORS.
    pub(super) cors: Option<&'a HeaderValue>,
    /// Whether that origin sends the viewer's cookies here: without our word it could not read even the refusal.
    pub(super) credentials: bool,
    /// The origins that may learn the code by `postMessage`: frame ancestors, spelled exactly.
    pub(super) tell: &'a [String],
}

impl Refused<'_> {
    /// The response, complete but for what the limits add.
    pub(super) fn response(&self) -> Response<Bytes> {
        let (kind, body) = if self.page {
            (HTML, self.html())
        } else {
            (PROBLEM, self.problem())
        };
        let mut response = Response::new(Bytes::from(body));
        *response.status_mut() = self.refusal.status();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        self.guard(headers);
        response
    }

    /// The headers that every response of ours carries, refusals too.
    fn guard(&self, headers: &mut HeaderMap) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        );
        headers.insert(
            header::REFERRER_POLICY,
            HeaderValue::from_static("no-referrer"),
        );
        if let Ok(id) = HeaderValue::from_str(self.request_id) {
            headers.insert(REQUEST_ID, id);
        }
        if let Some(csp) = self.policy() {
            headers.insert(header::CONTENT_SECURITY_POLICY, csp);
        }
        if let Some(origin) = self.cors {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            headers.insert(header::VARY, HeaderValue::from_static("Origin"));
            if self.credentials {
                headers.insert(
                    header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
                    HeaderValue::from_static("true"),
                );
            }
        }
        if let Some(challenge) = self.challenge() {
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
    }

    /// `Bearer error="invalid_token"` (RFC 6750 section 3.1), with our own code as the description.
    fn challenge(&self) -> Option<HeaderValue> {
        let code = self.refusal.code();
        let text = format!("Bearer error=\"invalid_token\", error_description=\"{code}\"");
        HeaderValue::from_str(&text)
            .ok()
            .filter(|_| self.refusal.challenges())
    }

    /// Nothing may load on our page but its own style and the one script.
    fn policy(&self) -> Option<HeaderValue> {
        let frames = self.directive.and_then(|directive| directive.to_str().ok());
        let frames = frames.unwrap_or("frame-ancestors 'none'");
        if !self.page {
            return HeaderValue::from_str(&format!("default-src 'none'; {frames}")).ok();
        }
        let id = self.request_id;
        HeaderValue::from_str(&format!(
            "default-src 'none'; style-src 'unsafe-inline'; script-src 'nonce-{id}'; base-uri 'none'; form-action 'none'; {frames}"
        ))
        .ok()
    }

    fn message(&self) -> &str {
        self.told.unwrap_or_else(|| self.refusal.message())
    }

    fn problem(&self) -> String {
        serde_json::json!({
            "type": "about:blank",
            "title": self.refusal.title(),
            "status": self.refusal.status().as_u16(),
            "code": self.refusal.code(),
            "message": self.message(),
            "request_id": self.request_id,
        })
        .to_string()
    }

    fn html(&self) -> String {
        PAGE.replace("{{title}}", self.refusal.title())
            .replace("{{message}}", &escaped(self.message()))
            .replace("{{code}}", self.refusal.code())
            .replace("{{request_id}}", self.request_id)
            .replace("{{script}}", &self.script())
    }

    /// Tells the embedding page, and nobody else, so that it can fetch a fresh token.
    fn script(&self) -> String {
        if self.tell.is_empty() {
            return String::new();
        }
        let code = self.refusal.code();
        let id = self.request_id;
        let origins = serde_json::json!(self.tell)
            .to_string()
            .replace('<', "\\u003c");
        format!(
            "<script nonce=\"{id}\">if(parent!==self)for(const o of {origins})parent.postMessage({{type:\"embedgate:refused\",code:\"{code}\"}},o);</script>"
        )
    }
}

/// Text as HTML: what is told may name what the client sent.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // The page is filled by replacing `{{…}}`.
            '{' => out.push_str("&#123;"),
            _ => out.push(character),
        }
    }
    out
}

const HTML: &str = "text/html; charset=utf-8";
const PROBLEM: &str = "application/problem+json";
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const PAGE: &str = include_str!("refusal.html");

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(refusal: Refusal, page: bool, tell: &[String]) -> Response<Bytes> {
        let directive = HeaderValue::from_static("frame-ancestors https://app.example");
        Refused {
            refusal,
            told: None,
            request_id: "0123abcd",
            page,
            directive: Some(&directive),
            cors: None,
            credentials: false,
            tell,
        }
        .response()
    }

    #[test]
    fn every_refusal_has_problem_details_with_its_own_status() {
        for &refusal in Refusal::ALL {
            let response = refused(refusal, false, &[]);
            assert_eq!(response.status(), refusal.status());
            assert_eq!(
                response.headers()["content-type"],
                "application/problem+json"
            );
            let body: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
            assert_eq!(body["code"], refusal.code());
            assert_eq!(body["status"], refusal.status().as_u16());
            assert_eq!(body["request_id"], "0123abcd");
            let challenged = response.headers().contains_key("www-authenticate");
            assert_eq!(challenged, refusal.status() == 401, "{}", refusal.code());
        }
    }

    #[test]
    fn what_is_told_is_text_on_the_page() {
        let refused = Refused {
            refusal: Refusal::ParamLocked,
            told: Some("You can only specify a value for <script>{{code}} in the token."),
            request_id: "0123abcd",
            page: true,
            directive: None,
            cors: None,
            credentials: false,
            tell: &[],
        };
        let page = refused.response();
        let page = std::str::from_utf8(page.body()).unwrap();
        assert!(page.contains("&lt;script&gt;&#123;&#123;code}}"), "{page}");
        let problem = Refused {
            page: false,
            ..refused
        };
        let body: serde_json::Value = serde_json::from_slice(problem.response().body()).unwrap();
        assert_eq!(
            body["message"],
            "You can only specify a value for <script>{{code}} in the token."
        );
        assert_eq!(body["code"], "param_locked");
    }

    #[test]
    fn an_origin_that_sends_cookies_may_read_why_they_did_not_do() {
        let origin = HeaderValue::from_static("https://app.example");
        for (cors, credentials, allowed) in [
            (Some(&origin), true, true),
            (Some(&origin), false, false),
            (None, true, false),
        ] {
            let refused = Refused {
                refusal: Refusal::TokenMissing,
                told: None,
                request_id: "0123abcd",
                page: false,
                directive: None,
                cors,
                credentials,
                tell: &[],
            };
            let response = refused.response();
            let name = header::ACCESS_CONTROL_ALLOW_CREDENTIALS;
            assert_eq!(response.headers().contains_key(name), allowed);
        }
    }

    #[test]
    fn the_challenge_says_which_refusal_it_is() {
        let response = refused(Refusal::TokenExpired, false, &[]);
        let challenge = &response.headers()["www-authenticate"];
        assert_eq!(
            challenge,
            "Bearer error=\"invalid_token\", error_description=\"token_expired\""
        );
    }

    #[test]
    fn a_page_tells_the_frame_ancestors_and_nobody_else() {
        let tell = [
            "https://app.example".to_owned(),
            "https://</script>.example".to_owned(),
        ];
        let response = refused(Refusal::TokenExpired, true, &tell);
        let body = std::str::from_utf8(response.body()).unwrap();
        assert!(
            body.contains(r#"{type:"embedgate:refused",code:"token_expired"}"#),
            "{body}"
        );
        assert_eq!(body.matches("</script>").count(), 1);
        assert!(!body.contains("{{"), "{body}");
        let csp = response.headers()["content-security-policy"]
            .to_str()
            .unwrap();
        assert!(csp.contains("script-src 'nonce-0123abcd'"), "{csp}");
        assert!(
            csp.ends_with("frame-ancestors https://app.example"),
            "{csp}"
        );
        let silent = refused(Refusal::OriginDenied, true, &[]);
        assert!(
            !std::str::from_utf8(silent.body())
                .unwrap()
                .contains("<script")
        );
    }
}
