//! Pages that carry their session themselves (`mode = "script"`): what they are given with their markup, and what they bring when they open another one.

use std::borrow::Cow;

use aws_lc_rs::rand;
use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderValue, Method, StatusCode, header, response::Parts};

use super::{body::Body, failure::Failure, reply};
use crate::{
    gate::{
        origin::Embedding,
        policy::{Denial, HINT},
        refusal::Refusal,
        site::Site,
    },
    rewrite::{
        csp, form,
        insert::{Insert, SessionScript},
    },
};

/// What a page is given. No `Debug`: it is a secret.
pub(super) struct Granted {
    /// Its session, sealed; `None`: it learns of one later.
    pub(super) session: Option<String>,
    /// How many pages led on to it at once.
    pub(super) hops: u8,
}

/// The session that a form brings, and how many pages led on to it.
///
/// # Errors
/// `body_unsupported`, `credential_conflict`.
pub(super) fn carried(form: &[u8]) -> Result<Option<(String, u8)>, Refusal> {
    let session = form::field(form, HINT)?.map(Cow::into_owned);
    let hops = form::field(form, "hops")?.map_or(Ok(0), |hops| hops.parse());
    let hops = hops.map_err(|_| Refusal::BodyUnsupported)?;
    Ok(session.map(|session| (session, hops)))
}

/// Puts the script into the page that came back. What is no page of HTML stays as it is, and nobody is given the session.
///
/// # Errors
/// The page has a content coding that nobody asked for, or leads on without end.
pub(super) fn finish(
    granted: &Granted,
    (site, embedding): (&Site, &Embedding),
    method: &Method,
    head: &mut Parts,
    body: Body,
) -> Result<Body, Failure> {
    let location = head.headers.get(header::LOCATION).cloned();
    let script = SessionScript {
        session: granted.session.as_deref(),
        prefix: &site.prefix,
        dropped: &site.dropped,
        next: None,
    };
    if let Some(next) = location.filter(|_| head.status.is_redirection()) {
        if granted.session.is_none() {
            return Ok(body);
        }
        let next = next.to_str().map_err(|_| reply::unreadable("a location"))?;
        let hops = granted.hops.saturating_add(1);
        if hops > MOST_HOPS {
            return Err(reply::unreadable("a page, but leads on and on"));
        }
        let next = Some((next, hops));
        return leading(&SessionScript { next, ..script }, embedding, head);
    }
    if reply::media(&head.headers).as_deref() != Some("text/html") {
        return Ok(body);
    }
    if reply::is_coded(&head.headers) {
        return Err(reply::unreadable("a body without content coding"));
    }
    for name in reply::OF_THE_BODY {
        head.headers.remove(name);
    }
    if *method == Method::HEAD {
        return Ok(Body::empty());
    }
    let nonce = csp::admit(&mut head.headers, &nonce()?);
    let content_type = head.headers.get(header::CONTENT_TYPE);
    let content_type = content_type.and_then(|value| value.to_str().ok());
    let insert = Insert::new(script.element(&nonce), content_type.unwrap_or_default());
    Ok(body.inserted(insert))
}

/// Instead of a redirect, which would lose the session, a page that goes on with it.
fn leading(
    script: &SessionScript<'_>,
    embedding: &Embedding,
    head: &mut Parts,
) -> Result<Body, Failure> {
    let nonce = nonce()?;
    let frames = embedding.directive.to_str().unwrap_or_default();
    let policy = format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; base-uri 'none'; form-action 'self'; {frames}"
    );
    let policy = HeaderValue::try_from(policy).map_err(|_| Refusal::UpstreamFailed)?;
    head.status = StatusCode::OK;
    let headers = &mut head.headers;
    for name in reply::OF_THE_BODY {
        headers.remove(name);
    }
    for name in [header::LOCATION, header::REFRESH, header::LINK] {
        headers.remove(name);
    }
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    headers.remove(header::CONTENT_SECURITY_POLICY_REPORT_ONLY);
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/html; charset=utf-8"),
    );
    let script = script.element(&nonce);
    Ok(Body::full(format!("<!doctype html>{script}")))
}

/// A nonce that nobody can guess.
fn nonce() -> Result<String, Failure> {
    let mut bytes = [0; 16];
    rand::fill(&mut bytes)
        .map_err(|_| Denial::because(Refusal::Overloaded, "no random bytes for a nonce"))?;
    Ok(STANDARD.encode(bytes))
}

/// Redirects that are followed: as many as browsers follow.
const MOST_HOPS: u8 = 20;
