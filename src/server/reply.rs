//! What becomes of the body of a reply: passed on, sieved on its way, or read whole and rewritten.

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header, response::Parts};
use tokio::time::Instant;

use super::{app::App, body::Body, failure::Failure};
use crate::{
    adapter::{
        Replying,
        metabase::{Rewritten, failure},
    },
    gate::{policy::Denial, refusal::Refusal, site::Site, websocket},
    rewrite::foreword::Foreword,
};

/// Applies the adapter's plan to the reply to what was asked by a method at a time. `generation` names what is remembered of it.
///
/// # Errors
/// The upstream sent what cannot be read, or more than we hold; the adapter's own refusals.
pub(super) async fn finish(
    app: &App,
    site: &Site,
    generation: u64,
    replying: Replying,
    (method, began): (&Method, Instant),
    head: &mut Parts,
    body: Body,
) -> Result<Body, Failure> {
    if matches!(replying, Replying::Pass) {
        return Ok(body);
    }
    if head.status.is_redirection() || head.status == StatusCode::PARTIAL_CONTENT {
        // Nobody asked for these, and a redirect would tell the address that was asked for.
        return Err(unreadable("a whole reply"));
    }
    let headers = &mut head.headers;
    for name in ADDRESSES {
        headers.remove(name);
    }
    let good = head.status.is_success();
    if good && matches!(replying, Replying::Good) {
        return Ok(body);
    }
    let coded = is_coded(headers);
    if good && coded {
        return Err(unreadable("a body without content coding"));
    }
    let media = media(headers).unwrap_or_default();
    let json = !coded && is_json(&media);
    for name in OF_THE_BODY {
        headers.remove(name);
    }
    if *method == Method::HEAD {
        return Ok(Body::empty());
    }
    if !good {
        let said = json && matches!(replying, Replying::Instead(_, _) | Replying::Without(_));
        return Ok(failed(headers, said.then_some(body)).await);
    }
    match replying {
        Replying::Good | Replying::Pass => Ok(body),
        Replying::Instead(names, own) if json => Ok(body.without(names, Some(Foreword::new(own)))),
        Replying::Only(wanted) if media == wanted => Ok(body),
        Replying::Without(names) if json => Ok(body.without(names, None)),
        Replying::Only(wanted) => Err(unreadable(wanted)),
        Replying::Instead(_, _) | Replying::Without(_) => Err(unreadable("JSON")),
        Replying::Rewrite(rewriting, limit) => {
            let whole = body
                .collect(limit)
                .await
                .map_err(|error| Denial::because(Refusal::UpstreamFailed, error.to_string()))?;
            let Rewritten { body, learnt } = rewriting.run(&whole);
            if let Some((want, known)) = learnt {
                app.knowledge
                    .remember(site, generation, &want, (began, known));
            }
            Ok(Body::full(body?))
        }
    }
}

/// What a 101 that opens a WebSocket says to the client, its other fields being finished.
pub(super) fn switch(headers: &mut HeaderMap) {
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, websocket::PROTOCOL);
}

/// Whether a body has a content coding.
pub(super) fn is_coded(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(header::CONTENT_ENCODING).iter();
    codings.any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"))
}

/// The media type, without its parameters, in lower case.
pub(super) fn media(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let media = text.split(';').next().unwrap_or_default();
    Some(media.trim().to_ascii_lowercase())
}

fn is_json(media: &str) -> bool {
    matches!(
        media,
        "application/json" | "application/x-ndjson" | "application/ndjson"
    ) || media.ends_with("+json")
}

/// A failure of the upstream: what a page needs to know of it, where that can be read; else in our words, since nobody knows what theirs tell.
async fn failed(headers: &mut HeaderMap, body: Option<Body>) -> Body {
    let said = match body {
        Some(body) => body.collect(FAILURE_LIMIT).await.ok(),
        None => None,
    };
    if let Some(said) = said.and_then(|said| failure(&said)) {
        return Body::full(said);
    }
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    Body::full("An error occurred.")
}

pub(super) fn unreadable(what: &str) -> Failure {
    Denial::because(
        Refusal::UpstreamFailed,
        format!("the upstream answered something else than {what}"),
    )
    .into()
}

/// What may repeat the address that was asked for.
const ADDRESSES: [HeaderName; 4] = [
    header::CONTENT_LOCATION,
    header::LINK,
    header::LOCATION,
    header::REFRESH,
];
/// What says something of a body that does not stay as it is.
pub(super) const OF_THE_BODY: [HeaderName; 8] = [
    header::ACCEPT_RANGES,
    HeaderName::from_static("content-digest"),
    header::CONTENT_ENCODING,
    header::CONTENT_LENGTH,
    HeaderName::from_static("digest"),
    header::ETAG,
    header::LAST_MODIFIED,
    HeaderName::from_static("repr-digest"),
];
/// The longest failure that is read, in bytes.
const FAILURE_LIMIT: usize = 64 * 1024;
