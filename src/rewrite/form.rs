//! Form bodies (`application/x-www-form-urlencoded`): the same judgement as the query, and the field in which a token may stand.

use std::borrow::Cow;

use super::{Bindings, query::QueryPlan};
use crate::gate::{policy::Denial, query::Query, refusal::Refusal};

/// Judges a form and rebuilds it: locked values once, token fields (`drop`) gone.
///
/// # Errors
/// `body_unsupported` where it cannot be read with certainty; else as [`QueryPlan::rebuild`].
pub fn apply(body: &[u8], bindings: Bindings<'_>, drop: &[Box<str>]) -> Result<Vec<u8>, Denial> {
    let form = read(body)?;
    QueryPlan::form(bindings.params, bindings.locks, drop)
        .rebuild(&form, bindings.params, bindings.values)
        .map(String::into_bytes)
}

/// The value of a field; its name must be spelled exactly.
///
/// # Errors
/// `body_unsupported`; `credential_conflict` where the field stands twice.
pub fn field<'a>(body: &'a [u8], name: &str) -> Result<Option<Cow<'a, str>>, Refusal> {
    let form = read(body)?;
    let mut found = form.pairs().iter().filter(|pair| pair.name == name);
    let value = found
        .next()
        .map(|pair| pair.value.clone().unwrap_or_default());
    match found.next() {
        None => Ok(value),
        Some(_) => Err(Refusal::CredentialConflict),
    }
}

fn read(body: &[u8]) -> Result<Query<'_>, Refusal> {
    let text = std::str::from_utf8(body).map_err(|_| Refusal::BodyUnsupported)?;
    if text.bytes().any(|byte| byte <= b' ' || byte >= 0x7f) {
        return Err(Refusal::BodyUnsupported);
    }
    Query::parse(text).map_err(|_| Refusal::BodyUnsupported)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_read_exactly_once() {
        assert_eq!(
            field(b"form_data=%7B%7D&guest_token=a.b%2Ec", "guest_token"),
            Ok(Some(Cow::Borrowed("a.b.c")))
        );
        assert_eq!(field(b"form_data=1", "guest_token"), Ok(None));
        assert_eq!(
            field(b"guest_token=a&guest_token=a", "guest_token"),
            Err(Refusal::CredentialConflict)
        );
        assert_eq!(
            field(b"guest_token", "guest_token"),
            Ok(Some(Cow::Borrowed("")))
        );
    }

    #[test]
    fn refuses_what_is_no_form() {
        let cases: [&[u8]; 6] = [b"a=%zz", b"a=%ff", b"a=\xff", b"a=1\r\n", b"a b=1", b"a=\0"];
        for body in cases {
            assert_eq!(field(body, "a"), Err(Refusal::BodyUnsupported), "{body:?}");
            assert_eq!(
                apply(body, Bindings::NONE, &[]).unwrap_err().refusal,
                Refusal::BodyUnsupported,
                "{body:?}"
            );
        }
    }

    #[test]
    fn the_token_field_is_dropped_and_the_rest_stays() {
        let body = apply(
            b"form_data=%7B%22a%22%3A1%7D&guest_token=secret",
            Bindings::NONE,
            &["guest_token".into()],
        )
        .unwrap();
        let body = String::from_utf8(body).unwrap();
        assert!(!body.contains("secret"), "{body}");
        assert_eq!(
            field(body.as_bytes(), "form_data"),
            Ok(Some(Cow::Borrowed("{\"a\":1}")))
        );
    }
}
