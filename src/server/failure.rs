//! Why a request got no answer of its upstream, and which refusal that is.

use super::{body::BodyError, upstream::UpstreamError};
use crate::{
    adapter::exchange::ExchangeError,
    gate::{limit::Limited, policy::Denial, refusal::Refusal},
};

/// Everything that ends a request early.
#[derive(Debug)]
pub(super) enum Failure {
    /// The client's body.
    Body(BodyError),
    /// The gate, or a rewrite.
    Denied(Denial),
    /// What had to be learned first could not be.
    Exchange(ExchangeError),
    /// A limit.
    Limited(Limited),
    /// The method is not on this route; these are.
    Method(String),
    /// The upstream.
    Upstream(UpstreamError),
}

impl Failure {
    /// The refusal, with what only the audit trail learns.
    pub(super) fn denial(&self) -> Denial {
        match self {
            Self::Body(error) | Self::Upstream(UpstreamError::Body(error)) => body(*error).into(),
            Self::Denied(denial) => denial.clone(),
            Self::Exchange(error) => Denial::because(error.refusal(), error.to_string()),
            Self::Limited(limited) => Denial::because(limited.refusal, limited.scope.label()),
            Self::Method(_) => Refusal::MethodDenied.into(),
            Self::Upstream(error) => Denial::because(upstream(error), causes(error)),
        }
    }
}

fn body(error: BodyError) -> Refusal {
    match error {
        BodyError::Broken => Refusal::RequestMalformed,
        BodyError::Timeout => Refusal::RequestTimeout,
        BodyError::TooLarge => Refusal::BodyTooLarge,
    }
}

fn upstream(error: &UpstreamError) -> Refusal {
    match error {
        UpstreamError::Body(error) => body(*error),
        UpstreamError::Failed(_) => Refusal::UpstreamFailed,
        UpstreamError::Timeout => Refusal::UpstreamTimeout,
        UpstreamError::Unavailable(_) => Refusal::UpstreamUnavailable,
    }
}

/// An error and what caused it, in one line.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

impl From<BodyError> for Failure {
    fn from(error: BodyError) -> Self {
        Self::Body(error)
    }
}

impl From<Denial> for Failure {
    fn from(denial: Denial) -> Self {
        Self::Denied(denial)
    }
}

impl From<ExchangeError> for Failure {
    fn from(error: ExchangeError) -> Self {
        Self::Exchange(error)
    }
}

impl From<Limited> for Failure {
    fn from(limited: Limited) -> Self {
        Self::Limited(limited)
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Denied(refusal.into())
    }
}

impl From<UpstreamError> for Failure {
    fn from(error: UpstreamError) -> Self {
        Self::Upstream(error)
    }
}
