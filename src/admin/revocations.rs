//! `/v1/revocations`: who may show the admin token lists them, makes one, takes one back.

use std::{error::Error, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use http_body::Body;
use http_body_util::{BodyExt as _, Limited};

use super::{
    Control, NotRevoked,
    reply::{self, Problem, Reply},
};

/// `GET /v1/revocations?limit=…&after=…`.
pub(super) fn list(control: &impl Control, query: Option<&str>) -> Result<Reply, Problem> {
    let (mut most, mut after) = (PAGE, None);
    for pair in query
        .unwrap_or_default()
        .split('&')
        .filter(|pair| !pair.is_empty())
    {
        match pair.split_once('=') {
            Some(("limit", number)) => {
                let number = number.parse().ok();
                let number = number.filter(|number| (1..=LARGEST_PAGE).contains(number));
                most = number.ok_or_else(|| bad("`limit` is a number from 1 to 10000"))?;
            }
            Some(("after", id)) => after = Some(id),
            _ => return Err(bad("known in the query: `limit`, `after`")),
        }
    }
    let page = control.revocations(after, most);
    let page = page.ok_or_else(|| bad("`after` is not the id of a revocation"))?;
    Ok(reply::json(StatusCode::OK, &page))
}

/// `POST /v1/revocations`.
pub(super) async fn make<B>(control: &impl Control, body: B) -> Result<Reply, Problem>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let body = Limited::new(body, LARGEST_BODY).collect();
    let body = tokio::time::timeout(BODY_TIMEOUT, body).await;
    let body = body.map_err(|_| {
        Problem::new(
            StatusCode::REQUEST_TIMEOUT,
            "request_timeout",
            "The request took too long to arrive.",
        )
    })?;
    let body = body.map_err(|_| {
        Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "body_too_large",
            "The request cannot be read, or is larger than a revocation can be.",
        )
    })?;
    let made = control.revoke(&body.to_bytes()).await.map_err(unmade)?;
    let place = made.get("id").and_then(|id| id.as_str());
    let place = place.and_then(|id| HeaderValue::from_str(&format!("/v1/revocations/{id}")).ok());
    let mut reply = reply::json(StatusCode::CREATED, &made);
    if let Some(place) = place {
        reply.headers_mut().insert(header::LOCATION, place);
    }
    Ok(reply)
}

/// `DELETE /v1/revocations/{id}`.
pub(super) async fn take_back(control: &impl Control, id: &str) -> Result<Reply, Problem> {
    match control.unrevoke(id).await {
        Ok(true) => Ok(reply::empty()),
        Ok(false) => Err(reply::nothing_here()),
        Err(why) => Err(Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "revocation_unwritten",
            "The log cannot be written, or the other gateways cannot be told; the revocation stays in force.",
        )
        .errors(vec![why])),
    }
}

fn unmade(why: NotRevoked) -> Problem {
    match why {
        NotRevoked::Bad(why) => bad(&why),
        NotRevoked::Full(why) => Problem::new(
            StatusCode::INSUFFICIENT_STORAGE,
            "revocations_full",
            "There are as many revocations as there may be; this one is not in force.",
        )
        .errors(vec![why]),
        NotRevoked::Volatile(why) => Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "revocation_unwritten",
            "The revocation is in force, but cannot be written: a restart would forget it.",
        )
        .errors(vec![why]),
    }
}

fn bad(why: &str) -> Problem {
    Problem::new(
        StatusCode::BAD_REQUEST,
        "revocation_invalid",
        "This is not a revocation.",
    )
    .errors(vec![why.to_owned()])
}

/// Entries of a page, unless asked otherwise.
const PAGE: usize = 1000;
const LARGEST_PAGE: usize = 10_000;
/// The largest body, in bytes.
const LARGEST_BODY: usize = 16 * 1024;
/// How long a body may take.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
