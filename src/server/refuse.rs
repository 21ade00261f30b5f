//! A failure as the client sees it, and the end of every answer; the record learns what only the auditor may.

use bytes::Bytes;
use http::{HeaderValue, Response, header};

use super::{body::Body, failure::Failure, respond::Refused};
use crate::{
    gate::{
        origin::{Ancestors, Origin},
        refusal::Refusal,
    },
    observe::record::Record,
};

/// What of a refused request shapes its answer.
#[derive(Debug)]
pub(super) struct Asker {
    /// A browser is loading a page.
    pub(super) page: bool,
    /// `Origin`.
    pub(super) origin: Option<HeaderValue>,
    /// `Referer`.
    pub(super) referer: Option<HeaderValue>,
}

/// The answer to a request that failed.
pub(super) fn response(failure: &Failure, record: &mut Record, asker: &Asker) -> Response<Body> {
    let denial = failure.denial();
    record.refuse(&denial);
    if let Failure::Limited(limited) = failure {
        record.limited(limited);
    }
    let id = record.id().hex();
    let ancestors = ancestors(record);
    let origin = |value: &Option<HeaderValue>, read: fn(&str) -> Option<Origin>| {
        value
            .as_ref()
            .and_then(|value| value.to_str().ok())
            .and_then(read)
    };
    let cors = origin(&asker.origin, Origin::parse)
        .filter(|origin| ancestors.is_some_and(|list| list.covers(origin)));
    let page = asker.page;
    let tell = if page {
        tell(ancestors, origin(&asker.referer, Origin::of_url))
    } else {
        Vec::new()
    };
    let refused = Refused {
        refusal: denial.refusal,
        told: denial.told.as_deref(),
        request_id: std::str::from_utf8(&id).unwrap_or_default(),
        page,
        directive: ancestors.map(Ancestors::directive),
        cors: cors.and(asker.origin.as_ref()),
        credentials: record
            .known_route()
            .is_some_and(|route| route.from_ancestors),
        tell: &tell,
    };
    let mut response = refused.response();
    let headers = response.headers_mut();
    match failure {
        Failure::Limited(limited) => limited.write(headers),
        Failure::Method(allowed) => {
            if let Ok(allowed) = HeaderValue::from_str(allowed) {
                headers.insert(header::ALLOW, allowed);
            }
        }
        Failure::Body(_) | Failure::Denied(_) | Failure::Exchange(_) | Failure::Upstream(_) => {}
    }
    if must_close(denial.refusal) {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response.map(|body: Bytes| Body::full(body))
}

/// The frame ancestors of the site, as far as the viewer is known; none where the site is not.
fn ancestors(record: &Record) -> Option<&Ancestors> {
    let site = record.known_site()?;
    let tenant = record
        .known_viewer()
        .map(|signed| signed.claims().tenant.as_deref());
    Some(site.frame.ancestors(tenant.is_some(), tenant.flatten()))
}

/// Who may learn the code: the exact entries, and the page that embeds us where a wildcard covers it.
fn tell(ancestors: Option<&Ancestors>, embedder: Option<Origin>) -> Vec<String> {
    let Some(ancestors) = ancestors else {
        return Vec::new();
    };
    if let Some(embedder) = embedder.filter(|origin| ancestors.covers(origin)) {
        return vec![embedder.to_string()];
    }
    ancestors
        .entries()
        .iter()
        .filter_map(|entry| Some(entry.exact()?.to_string()))
        .collect()
}

/// A body that was not read to its end leaves the connection in a state that only closing ends.
fn must_close(refusal: Refusal) -> bool {
    matches!(refusal, Refusal::BodyTooLarge | Refusal::RequestTimeout)
}

/// The record goes with the body, to its last byte or its loss.
pub(super) fn finished(
    mut response: Response<Body>,
    mut record: Record,
    head: bool,
) -> Response<Body> {
    record.status(response.status());
    response
        .headers_mut()
        .insert("x-request-id", record.id().header());
    if head {
        record.finish();
    }
    response.map(|body| body.observed(Box::new(record)))
}
