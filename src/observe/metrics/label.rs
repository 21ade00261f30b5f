//! Closed label sets: methods, statuses, limit scopes, token results.

use http::Method;

use crate::gate::{
    limit::{Limited, Scope},
    refusal::Refusal,
};

/// Which limit turned a request away.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum LimitScope {
    /// Per client address.
    Address,
    /// Concurrent requests of one viewer.
    InFlight,
    /// The site as a whole.
    Site,
    /// Per tenant.
    Tenant,
    /// Per viewer.
    Viewer,
}

impl LimitScope {
    /// All of them, in the order of `index`.
    pub const ALL: [Self; 5] = [
        Self::Address,
        Self::InFlight,
        Self::Site,
        Self::Tenant,
        Self::Viewer,
    ];

    /// The label's value.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::InFlight => "in_flight",
            Self::Site => "site",
            Self::Tenant => "tenant",
            Self::Viewer => "viewer",
        }
    }

    /// The rate limit of a scope.
    pub const fn of(scope: Scope) -> Self {
        match scope {
            Scope::Address => Self::Address,
            Scope::Site => Self::Site,
            Scope::Tenant => Self::Tenant,
            Scope::Viewer => Self::Viewer,
        }
    }

    pub(super) const fn index(self) -> usize {
        match self {
            Self::Address => 0,
            Self::InFlight => 1,
            Self::Site => 2,
            Self::Tenant => 3,
            Self::Viewer => 4,
        }
    }
}

impl From<&Limited> for LimitScope {
    fn from(limited: &Limited) -> Self {
        if limited.refusal == Refusal::InFlightLimited {
            return Self::InFlight;
        }
        Self::of(limited.scope)
    }
}

/// A method as a label: the seven that sites use, and `other`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::observe) struct Verb(u8);

pub(super) const VERBS: [&str; 8] = [
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "other",
];

impl Verb {
    pub(in crate::observe) fn of(method: &Method) -> Self {
        Self(match *method {
            Method::GET => 0,
            Method::HEAD => 1,
            Method::POST => 2,
            Method::PUT => 3,
            Method::PATCH => 4,
            Method::DELETE => 5,
            Method::OPTIONS => 6,
            _ => 7,
        })
    }

    pub(super) fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// A request whose client hung up before there was a response (the number that web servers log for it).
pub(in crate::observe) const HUNG_UP: u16 = 499;

/// Registered status codes (and 499), sorted; whatever else an upstream invents is counted by its class.
const STATUSES: [u16; 63] = [
    100, 101, 102, 103, 200, 201, 202, 203, 204, 205, 206, 207, 208, 226, 300, 301, 302, 303, 304,
    305, 307, 308, 400, 401, 402, 403, 404, 405, 406, 407, 408, 409, 410, 411, 412, 413, 414, 415,
    416, 417, 418, 421, 422, 423, 424, 425, 426, 428, 429, 431, 451, HUNG_UP, 500, 501, 502, 503,
    504, 505, 506, 507, 508, 510, 511,
];
const CLASSES: [&str; 6] = ["other", "1xx", "2xx", "3xx", "4xx", "5xx"];
pub(super) const STATUS_SLOTS: usize = STATUSES.len() + CLASSES.len();

/// Where a status is counted.
pub(super) fn status_slot(status: u16) -> usize {
    STATUSES.binary_search(&status).unwrap_or_else(|_| {
        let class = match status {
            100..=599 => usize::from(status / 100),
            _ => 0,
        };
        STATUSES.len() + class
    })
}

/// What a slot is called.
pub(super) fn status_label(slot: usize) -> String {
    match STATUSES.get(slot) {
        Some(status) => status.to_string(),
        None => slot
            .checked_sub(STATUSES.len())
            .and_then(|class| CLASSES.get(class))
            .unwrap_or(&"other")
            .to_string(),
    }
}

/// What became of a token that was shown.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::observe) enum TokenResult {
    Expired,
    Invalid,
    Lifetime,
    NotYetValid,
    Replayed,
    Revoked,
    Valid,
}

impl TokenResult {
    pub(super) const ALL: [Self; 7] = [
        Self::Expired,
        Self::Invalid,
        Self::Lifetime,
        Self::NotYetValid,
        Self::Replayed,
        Self::Revoked,
        Self::Valid,
    ];

    /// The result that a refusal tells of; `None` where it says nothing about a token.
    pub(in crate::observe) fn of(refusal: Refusal) -> Option<Self> {
        match refusal {
            Refusal::TokenExpired => Some(Self::Expired),
            Refusal::TokenInvalid => Some(Self::Invalid),
            Refusal::TokenLifetime => Some(Self::Lifetime),
            Refusal::TokenNotYetValid => Some(Self::NotYetValid),
            Refusal::TokenReplayed => Some(Self::Replayed),
            Refusal::TokenRevoked => Some(Self::Revoked),
            Refusal::BodyTooLarge
            | Refusal::BodyUnsupported
            | Refusal::CredentialConflict
            | Refusal::CsrfDenied
            | Refusal::HeadersTooLarge
            | Refusal::InFlightLimited
            | Refusal::MethodDenied
            | Refusal::OriginDenied
            | Refusal::Overloaded
            | Refusal::ParamDisabled
            | Refusal::ParamInvalid
            | Refusal::ParamLocked
            | Refusal::ParamMissing
            | Refusal::PathAmbiguous
            | Refusal::RateLimited
            | Refusal::RequestMalformed
            | Refusal::RequestTimeout
            | Refusal::ResourceDenied
            | Refusal::RouteDenied
            | Refusal::ScopeDenied
            | Refusal::SessionExpired
            | Refusal::SessionInvalid
            | Refusal::SiteUnknown
            | Refusal::TokenMissing
            | Refusal::TopLevelDenied
            | Refusal::UpstreamFailed
            | Refusal::UpstreamTimeout
            | Refusal::UpstreamUnavailable => None,
        }
    }

    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Invalid => "invalid",
            Self::Lifetime => "lifetime",
            Self::NotYetValid => "not_yet_valid",
            Self::Replayed => "replayed",
            Self::Revoked => "revoked",
            Self::Valid => "valid",
        }
    }

    pub(super) const fn index(self) -> usize {
        match self {
            Self::Expired => 0,
            Self::Invalid => 1,
            Self::Lifetime => 2,
            Self::NotYetValid => 3,
            Self::Replayed => 4,
            Self::Revoked => 5,
            Self::Valid => 6,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_a_slot_and_a_name() {
        assert!(STATUSES.is_sorted());
        for (status, label) in [
            (200, "200"),
            (429, "429"),
            (499, "499"),
            (520, "5xx"),
            (299, "2xx"),
            (999, "other"),
            (0, "other"),
        ] {
            let slot = status_slot(status);
            assert!(slot < STATUS_SLOTS);
            assert_eq!(status_label(slot), label, "{status}");
        }
    }

    #[test]
    fn every_refusal_status_has_a_series_of_its_own() {
        for refusal in Refusal::ALL {
            assert!(STATUSES.contains(&refusal.status().as_u16()), "{refusal:?}");
        }
    }

    #[test]
    fn indexes_follow_the_lists() {
        assert!(
            LimitScope::ALL
                .iter()
                .enumerate()
                .all(|(at, scope)| scope.index() == at)
        );
        assert!(
            TokenResult::ALL
                .iter()
                .enumerate()
                .all(|(at, result)| result.index() == at)
        );
        assert_eq!(VERBS[Verb::of(&Method::DELETE).index()], "DELETE");
        assert_eq!(VERBS[Verb::of(&Method::CONNECT).index()], "other");
    }
}
