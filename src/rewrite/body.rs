//! Request bodies: what they are, whether they can be read with certainty, and the one way into [`form`] and [`json`].

use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::{Bindings, form, json};
use crate::gate::{
    param::{Lock, Place},
    policy::Denial,
    refusal::Refusal,
};

/// What a body is, by its one `Content-Type`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Media {
    /// `application/x-www-form-urlencoded`, UTF-8.
    Form,
    /// `application/json` or `application/*+json`, UTF-8.
    Json,
    /// `multipart/form-data` with this boundary.
    Multipart(Box<str>),
    /// Anything else, or nothing said.
    Other,
}

/// Reads `Content-Type`.
///
/// # Errors
/// `body_unsupported`: several, unreadable, another charset than UTF-8, no usable boundary.
pub fn media(headers: &HeaderMap) -> Result<Media, Refusal> {
    let mut all = headers.get_all(header::CONTENT_TYPE).iter();
    match (all.next(), all.next()) {
        (None, _) => Ok(Media::Other),
        (Some(one), None) => one
            .to_str()
            .ok()
            .and_then(read)
            .ok_or(Refusal::BodyUnsupported),
        (Some(_), Some(_)) => Err(Refusal::BodyUnsupported),
    }
}

/// Whether a route puts values into bodies: then each body must be read.
pub fn is_bound(locks: &[Lock]) -> bool {
    locks
        .iter()
        .any(|lock| matches!(lock.place, Place::Form(_) | Place::Json { .. }))
}

/// Judges a decoded body and puts the route's values into it; fields that hold tokens (`drop`) leave a form.
///
/// # Errors
/// `body_unsupported` where the media cannot carry every parameter that the route binds to bodies; else as [`form::apply`] and [`json::apply`].
pub fn apply(
    media: &Media,
    body: &[u8],
    bindings: Bindings<'_>,
    drop: &[Box<str>],
) -> Result<Vec<u8>, Denial> {
    if !carries(media, bindings.locks) {
        return Err(Refusal::BodyUnsupported.into());
    }
    match media {
        Media::Form => form::apply(body, bindings, drop),
        Media::Json => json::apply(body, bindings),
        Media::Multipart(_) | Media::Other => Err(Refusal::BodyUnsupported.into()),
    }
}

/// A viewer who may choose the media must not choose one in which a lock has no place.
fn carries(media: &Media, locks: &[Lock]) -> bool {
    let in_body = |place: &Place| matches!(place, Place::Form(_) | Place::Json { .. });
    let fits = |place: &Place| match media {
        Media::Form => matches!(place, Place::Form(_)),
        Media::Json => matches!(place, Place::Json { .. }),
        Media::Multipart(_) | Media::Other => false,
    };
    let bound = locks.iter().filter(|lock| in_body(&lock.place));
    bound.into_iter().all(|lock| {
        locks
            .iter()
            .any(|other| other.param == lock.param && fits(&other.place))
    })
}

/// Makes the header fields tell the truth about a body that was decoded or rewritten: its length, no encoding, no digest of the old one.
pub fn rewritten(headers: &mut HeaderMap, length: usize) {
    for name in [
        header::CONTENT_ENCODING,
        header::TRANSFER_ENCODING,
        header::TRAILER,
    ] {
        headers.remove(name);
    }
    for name in DIGESTS {
        headers.remove(name);
    }
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
}

const DIGESTS: [HeaderName; 4] = [
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("content-md5"),
    HeaderName::from_static("digest"),
    HeaderName::from_static("repr-digest"),
];

fn read(text: &str) -> Option<Media> {
    let (essence, mut rest) = text.split_once(';').unwrap_or((text, ""));
    let essence = essence.trim().to_ascii_lowercase();
    let (kind, subtype) = essence.split_once('/')?;
    if !is_token(kind) || !is_token(subtype) {
        return None;
    }
    let (mut charset, mut boundary) = (None, None);
    while !rest.trim().is_empty() {
        let (name, value, after) = parameter(rest)?;
        let slot = match name.to_ascii_lowercase().as_str() {
            "boundary" => &mut boundary,
            "charset" => &mut charset,
            _ => &mut None,
        };
        if slot.replace(value).is_some() {
            return None;
        }
        rest = after;
    }
    if kind == "multipart" {
        let boundary = boundary.filter(|text| is_boundary(text))?;
        return Some(if subtype == "form-data" {
            Media::Multipart(boundary.into())
        } else {
            Media::Other
        });
    }
    let media = match (kind, subtype) {
        ("application", "x-www-form-urlencoded") => Media::Form,
        ("application", "json") => Media::Json,
        ("application", suffixed) if suffixed.ends_with("+json") => Media::Json,
        _ => return Some(Media::Other),
    };
    let utf8 = charset.is_none_or(|charset| {
        charset.eq_ignore_ascii_case("utf-8") || charset.eq_ignore_ascii_case("utf8")
    });
    utf8.then_some(media)
}

/// One `name=value` or `name="value"` of what follows a `;`, and what follows the next `;`.
fn parameter(text: &str) -> Option<(&str, &str, &str)> {
    let (name, value) = text.trim_start().split_once('=')?;
    let (value, after) = if let Some(quoted) = value.strip_prefix('"') {
        let (value, after) = quoted.split_once('"')?;
        let after = after.trim_start();
        let ended = after.is_empty().then_some(after);
        (value, ended.or_else(|| after.strip_prefix(';'))?)
    } else {
        let (value, after) = value.split_once(';').unwrap_or((value, ""));
        let value = value.trim_end();
        (is_token(value).then_some(value)?, after)
    };
    (is_token(name) && !value.contains('\\')).then_some((name, value, after))
}

fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// RFC 2046 section 5.1.1, without the space.
fn is_boundary(text: &str) -> bool {
    (1..=70).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"'()+_,-./:=?".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<Media, Refusal> {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_str(text).unwrap());
        media(&headers)
    }

    #[test]
    fn knows_what_can_be_read() {
        for (text, expected) in [
            ("application/json", Media::Json),
            ("Application/JSON; Charset=\"UTF-8\"", Media::Json),
            ("application/vnd.api+json;v=1", Media::Json),
            (
                "application/x-www-form-urlencoded;charset=utf-8",
                Media::Form,
            ),
            (
                "multipart/form-data; boundary=----WebKitFormBoundaryA1",
                Media::Multipart("----WebKitFormBoundaryA1".into()),
            ),
            ("multipart/form-data; boundary=\"a b\"", Media::Other),
            ("text/plain", Media::Other),
            ("text/json", Media::Other),
        ] {
            let expected = if text.contains("a b") {
                Err(Refusal::BodyUnsupported)
            } else {
                Ok(expected)
            };
            assert_eq!(of(text), expected, "{text}");
        }
        assert_eq!(media(&HeaderMap::new()), Ok(Media::Other));
    }

    #[test]
    fn refuses_what_can_be_read_in_two_ways() {
        for text in [
            "application/json; charset=utf-16",
            "application/json; charset=utf-8; charset=utf-8",
            "application/json, text/plain",
            "application",
            "",
            "application/json; charset",
            "application/json; charset=",
            "application/json; charset=\"utf-8",
            "application/json; a=\"b\" c",
            "application/x-www-form-urlencoded; charset=latin1",
            "multipart/form-data",
            "multipart/form-data; boundary=a; boundary=b",
        ] {
            assert_eq!(of(text), Err(Refusal::BodyUnsupported), "{text}");
        }
        let mut headers = HeaderMap::new();
        headers.append(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        headers.append(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        assert_eq!(media(&headers), Err(Refusal::BodyUnsupported));
    }

    #[test]
    fn a_rewritten_body_has_its_own_length_and_nothing_of_the_old() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("content-length", "1"),
            ("content-encoding", "gzip"),
            ("content-md5", "x"),
            ("digest", "y"),
            ("content-type", "z"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        rewritten(&mut headers, 42);
        assert_eq!(headers.len(), 2);
        assert_eq!(headers.get("content-length").unwrap(), "42");
    }

    #[test]
    fn the_viewer_cannot_pick_a_media_without_the_lock() {
        let lock = |place| Lock { param: 0, place };
        let json = Place::Json {
            at: "/a".into(),
            template: None,
        };
        let locks = [lock(json.clone())];
        assert!(
            carries(&Media::Json, &locks)
                && !carries(&Media::Form, &locks)
                && !carries(&Media::Other, &locks)
        );
        assert!(carries(
            &Media::Form,
            &[lock(json), lock(Place::Form("a".into()))]
        ));
        assert!(carries(&Media::Other, &[lock(Place::Query("a".into()))]));
    }
}
