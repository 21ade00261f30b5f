//! What a client is told of its quota (draft-ietf-httpapi-ratelimit-headers).

use std::{fmt::Write, num::NonZeroU32, time::Duration};

use http::{
    HeaderName, HeaderValue,
    header::{HeaderMap, RETRY_AFTER},
};

use super::{Limited, Quota, Scope};

/// The state of one quota after a request was charged to it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RateInfo {
    /// The policy's name.
    pub(super) name: &'static str,
    /// `RateLimit-Policy`, ready to send.
    pub(super) policy: HeaderValue,
    /// Requests left now.
    pub(super) remaining: u32,
    /// Until the quota is whole again.
    pub(super) reset: Duration,
}

impl RateInfo {
    /// Requests left now.
    pub fn remaining(&self) -> u32 {
        self.remaining
    }

    /// Sets `RateLimit` (`"viewer";r=299;t=1`) and `RateLimit-Policy` (`"viewer";q=300;w=60`), whatever an upstream said under these names.
    pub fn write(&self, headers: &mut HeaderMap) {
        let mut text = String::with_capacity(40);
        let reset = whole_seconds(self.reset);
        let written = if reset == 0 {
            write!(text, "\"{}\";r={}", self.name, self.remaining)
        } else {
            write!(text, "\"{}\";r={};t={reset}", self.name, self.remaining)
        };
        if let (Ok(()), Ok(value)) = (written, HeaderValue::try_from(text)) {
            headers.insert(RATE_LIMIT, value);
            headers.insert(RATE_LIMIT_POLICY, self.policy.clone());
        }
    }

    pub(super) fn policy_of(scope: Scope, quota: Quota) -> HeaderValue {
        let window = whole_seconds(quota.period).max(1);
        value(&format!(
            "\"{}\";q={};w={window}",
            scope.label(),
            quota.count
        ))
    }

    /// The quota of concurrent requests, used up.
    pub(super) fn in_flight(limit: NonZeroU32) -> Self {
        let policy = value(&format!(
            "\"{IN_FLIGHT}\";q={limit};qu=\"concurrent-requests\""
        ));
        Self {
            name: IN_FLIGHT,
            policy,
            remaining: 0,
            reset: Duration::ZERO,
        }
    }

    /// Fewer requests are left; or as many, for longer.
    pub(super) fn is_tighter_than(&self, other: &Self) -> bool {
        (self.remaining, std::cmp::Reverse(self.reset))
            < (other.remaining, std::cmp::Reverse(other.reset))
    }
}

impl Limited {
    /// Sets `Retry-After`, and where a quota was exhausted `RateLimit` and `RateLimit-Policy`.
    pub fn write(&self, headers: &mut HeaderMap) {
        headers.insert(
            RETRY_AFTER,
            HeaderValue::from(whole_seconds(self.retry_after).max(1)),
        );
        if let Some(rate) = &self.rate {
            rate.write(headers);
        }
    }
}

/// Whole seconds, rounded up: who waits that long is not refused again.
fn whole_seconds(duration: Duration) -> u64 {
    duration
        .as_secs()
        .saturating_add(u64::from(duration.subsec_nanos() > 0))
}

/// Names and numbers only: always a header value.
fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""))
}

const IN_FLIGHT: &str = "in-flight";

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");

const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
