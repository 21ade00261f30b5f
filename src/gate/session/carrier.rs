//! What carries a session from request to request: a cookie, or a script of ours in the page, where browsers keep no cookie.
//!
//! A script's session stands in [`SESSION_HEADER`]. Browsers let nobody but a page of the site itself send that field: others are asked for by a preflight,
//! which is never answered for it. A page load, which can carry no such field, brings it in a form ([`CARRIED`]).

use http::{HeaderMap, HeaderName};

use super::Jar;
use crate::gate::{policy::HINT, refusal::Refusal, request::RequestView};

/// What carries the sessions of a site.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Carrier {
    /// A cookie. Whatever else says that it is a session is not looked at.
    #[default]
    Cookie,
    /// The page's script, in a header field or a form. Cookies are not looked at.
    Script,
}

/// The field in which a page's script sends its session, and gets a fresh one.
pub static SESSION_HEADER: HeaderName = HeaderName::from_static("x-embedgate-session");

/// The value of [`HINT`] with which a form says that it brings a session, in a field that is called [`HINT`], too, and stands for a page load.
pub const CARRIED: &str = "form";

impl Carrier {
    /// The sessions that a request brings; `form` is that of its form.
    ///
    /// # Errors
    /// `credential_conflict`: two different ones where there can be one; `session_invalid`: one that is not visible ASCII.
    pub fn sessions<'a>(
        self,
        headers: &'a HeaderMap,
        form: Option<&'a str>,
    ) -> Result<Jar<'a>, Refusal> {
        match self {
            Self::Cookie => Jar::read(headers),
            Self::Script => {
                let sent = headers.get_all(&SESSION_HEADER).iter();
                let sent = sent.map(|value| value.as_bytes().trim_ascii());
                Jar::of_page(form.map(str::as_bytes).into_iter().chain(sent))
            }
        }
    }

    /// Whether a request says that it is a page load with its session in a form.
    pub fn is_carried(self, req: &RequestView<'_>) -> bool {
        let named = |(name, value): (&str, Option<&str>)| name == HINT && value == Some(CARRIED);
        self == Self::Script
            && *req.method == http::Method::POST
            && req
                .query
                .pairs()
                .iter()
                .any(|pair| named((&pair.name, pair.value.as_deref())))
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn read(carrier: Carrier, sent: &[&str], form: Option<&str>) -> Result<Vec<String>, Refusal> {
        let mut headers = HeaderMap::new();
        headers.insert(
            "cookie",
            HeaderValue::from_static("__Host-embedgate=cookie"),
        );
        // CGI would take these for ours.
        headers.insert("x_embedgate_session", HeaderValue::from_static("under"));
        headers.insert("x-embedgate_session", HeaderValue::from_static("score"));
        for value in sent {
            let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
            headers.append(&SESSION_HEADER, value);
        }
        let jar = carrier.sessions(&headers, form)?;
        Ok(jar.values().map(str::to_owned).collect())
    }

    #[test]
    fn a_site_looks_at_one_place_alone() {
        let all = |value: &str| Ok(vec![value.to_owned()]);
        assert_eq!(
            read(Carrier::Cookie, &["header"], Some("form")),
            all("cookie")
        );
        assert_eq!(read(Carrier::Script, &["header"], None), all("header"));
        assert_eq!(read(Carrier::Script, &[], Some("form")), all("form"));
        assert_eq!(read(Carrier::Script, &[], None), Ok(vec![]));
        assert_eq!(read(Carrier::Script, &["", " "], Some("")), Ok(vec![]));
        assert_eq!(read(Carrier::Script, &["a", " a "], Some("a")), all("a"));
    }

    #[test]
    fn two_sessions_are_refused_and_so_is_what_is_none() {
        for (sent, form, why) in [
            (&["a", "b"][..], None, Refusal::CredentialConflict),
            (&["a"], Some("b"), Refusal::CredentialConflict),
            (&["a, a"], None, Refusal::SessionInvalid),
            (&["a\u{e9}"], None, Refusal::SessionInvalid),
            (&[], Some("a b"), Refusal::SessionInvalid),
        ] {
            assert_eq!(
                read(Carrier::Script, sent, form),
                Err(why),
                "{sent:?} {form:?}"
            );
        }
    }
}
