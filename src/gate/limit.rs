//! Limits: per address before any signature is checked, then per viewer, tenant and site, and requests in flight per viewer.

use std::{num::NonZeroU32, time::Duration};

/// `300/min`: so many in a period, with a burst of the same size.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Quota {
    /// Requests.
    pub count: NonZeroU32,
    /// Period.
    pub period: Duration,
}

/// The limits of one site; `None` is unlimited.
#[derive(Clone, Debug, Default)]
pub struct SiteLimits {
    /// Per client address (IPv6: per /64), before verification.
    pub address: Option<Quota>,
    /// Per viewer.
    pub viewer: Option<Quota>,
    /// Per tenant.
    pub tenant: Option<Quota>,
    /// The site as a whole.
    pub site: Option<Quota>,
    /// Concurrent requests per viewer.
    pub in_flight: Option<NonZeroU32>,
}
