//! What becomes of the body of a reply: passed on, sieved on its way, or read whole and rewritten.

use http::{HeaderMap, HeaderValue, Method, StatusCode, header, response::Parts};

use super::{app::App, body::Body, failure::Failure};
use crate::{
    adapter::{Replying, metabase::Rewritten},
    gate::{policy::Denial, refusal::Refusal, site::Site},
    rewrite::foreword::Foreword,
};

/// Applies the adapter's plan to a reply. `generation` names what is remembered of it.
///
/// # Errors
/// The upstream sent what cannot be read, or more than we hold; the adapter's own refusals.
pub(super) async fn finish(
    app: &App,
    site: &Site,
    generation: u64,
    replying: Replying,
    asked: &Method,
    head: &mut Parts,
    body: Body,
) -> Result<Body, Failure> {
    let good = head.status.is_success() || head.status == StatusCode::NOT_MODIFIED;
    let replying = match replying {
        Replying::Pass => return Ok(body),
        Replying::File(_) if good => return Ok(body),
        // A client that reads compressed files is not one of whose errors we read.
        Replying::File(_) if is_coded(&head.headers) => {
            head.headers.remove(header::CONTENT_ENCODING);
            head.headers.remove(header::CONTENT_LENGTH);
            return Ok(worded(&mut head.headers));
        }
        Replying::File(names) => Replying::Without(names),
        replying @ (Replying::Instead(..)
        | Replying::Only(_)
        | Replying::Rewrite(..)
        | Replying::Without(_)) => replying,
    };
    let headers = &mut head.headers;
    if head.status == StatusCode::NOT_MODIFIED || head.status == StatusCode::PARTIAL_CONTENT {
        // Nobody asked for these.
        return Err(unreadable("a whole reply"));
    }
    plain(headers)?;
    let media = media(headers).unwrap_or_default();
    let json = is_json(&media);
    for name in [
        header::CONTENT_LENGTH,
        header::ETAG,
        header::LAST_MODIFIED,
        header::ACCEPT_RANGES,
    ] {
        headers.remove(name);
    }
    if *asked == Method::HEAD {
        return Ok(Body::empty());
    }
    match replying {
        Replying::File(_) | Replying::Pass => Ok(body),
        Replying::Without(names) if json => Ok(body.without(names, None)),
        Replying::Instead(names, own) if json => Ok(body.without(names, Some(Foreword::new(own)))),
        Replying::Only(wanted) if head.status.is_success() && media == wanted => Ok(body),
        // An error: in our words, since nobody knows what theirs tell.
        Replying::Instead(_, _)
        | Replying::Only(_)
        | Replying::Without(_)
        | Replying::Rewrite(_, _)
            if !head.status.is_success() =>
        {
            Ok(worded(headers))
        }
        Replying::Only(wanted) => Err(unreadable(wanted)),
        Replying::Instead(_, _) | Replying::Without(_) => Err(unreadable("JSON")),
        Replying::Rewrite(rewriting, limit) => {
            let whole = body
                .collect(limit)
                .await
                .map_err(|error| Denial::because(Refusal::UpstreamFailed, error.to_string()))?;
            let Rewritten { body, learnt } = rewriting.run(&whole);
            if let Some((want, known)) = learnt {
                app.knowledge.remember(site, generation, &want, &known);
            }
            Ok(Body::full(body?))
        }
    }
}

/// A body without content coding.
fn plain(headers: &mut HeaderMap) -> Result<(), Failure> {
    let coded = is_coded(headers);
    headers.remove(header::CONTENT_ENCODING);
    if coded {
        return Err(unreadable("a body without content coding"));
    }
    Ok(())
}

fn is_coded(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(header::CONTENT_ENCODING).iter();
    codings.any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"))
}

/// The media type, without its parameters, in lower case.
fn media(headers: &HeaderMap) -> Option<String> {
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

/// An error of the upstream, without its words.
fn worded(headers: &mut HeaderMap) -> Body {
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    Body::full("An error occurred.")
}

fn unreadable(what: &str) -> Failure {
    Denial::because(
        Refusal::UpstreamFailed,
        format!("the upstream answered something else than {what}"),
    )
    .into()
}
