//! A request turned away, with what the auditor learns.

use std::borrow::Cow;

use crate::gate::{
    refusal::Refusal,
    token::{UnknownKid, Unproven},
};

/// A request turned away: the public code, and a detail for the audit trail alone.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Denial {
    /// What the client learns.
    pub refusal: Refusal,
    /// What the auditor learns too (a parameter's name, a claim's); never a value, never token text.
    pub detail: Option<Cow<'static, str>>,
    /// What the client learns beyond the refusal's own sentence: which of the filters that it sent, and why. Nothing that it did not know before.
    pub told: Option<Box<str>>,
    /// Issuers whose keys are fetched and do not have the key that the token names: with fresher keys the verdict may be another.
    pub unknown_kid: Vec<UnknownKid>,
}

impl Denial {
    /// A refusal with a detail for the auditor.
    pub fn because(refusal: Refusal, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            refusal,
            detail: Some(detail.into()),
            told: None,
            unknown_kid: Vec::new(),
        }
    }

    /// The same, with a sentence for the person in front of the screen.
    #[must_use]
    pub fn telling(mut self, sentence: impl Into<Box<str>>) -> Self {
        self.told = Some(sentence.into());
        self
    }
}

impl From<Refusal> for Denial {
    fn from(refusal: Refusal) -> Self {
        Self {
            refusal,
            detail: None,
            told: None,
            unknown_kid: Vec::new(),
        }
    }
}

impl From<Unproven> for Denial {
    fn from(unproven: Unproven) -> Self {
        let Unproven { unknown_kid } = unproven;
        let detail = unknown_kid.first().map(|UnknownKid { issuer, .. }| {
            format!("the keys of issuer `{issuer}` have none of the token's `kid`").into()
        });
        Self {
            detail,
            unknown_kid,
            ..Refusal::TokenInvalid.into()
        }
    }
}
