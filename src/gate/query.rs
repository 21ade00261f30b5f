//! The query of a request, decoded once; duplicates stay visible.

use std::borrow::Cow;

use smallvec::SmallVec;

use super::refusal::Refusal;

/// One `name=value` of a query.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Pair<'a> {
    /// As received, between two `&`.
    pub raw: &'a str,
    /// The name, decoded once (`+` is a space).
    pub name: Cow<'a, str>,
    /// The value, decoded once; `None` where there was no `=`.
    pub value: Option<Cow<'a, str>>,
}

/// A query, in order of appearance; empty pairs (`&&`) are gone.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Query<'a> {
    pairs: SmallVec<[Pair<'a>; 6]>,
}

impl<'a> Query<'a> {
    /// Reads a query (without `?`).
    ///
    /// # Errors
    /// `request_malformed` for broken escapes, NUL, or text that is not UTF-8 once decoded.
    pub fn parse(_text: &'a str) -> Result<Self, Refusal> {
        Err(Refusal::RequestMalformed)
    }

    /// The pairs in order.
    pub fn pairs(&self) -> &[Pair<'a>] {
        &self.pairs
    }
}

/// A parameter name as an upstream might read it: decoded further while escapes remain, NFKC, case-folded, trimmed, without `[]`/`[n]` suffixes.
/// Two names that fold alike are the same parameter to us. Borrows where nothing changes.
pub fn fold(name: &str) -> Cow<'_, str> {
    Cow::Borrowed(name)
}

/// Appends `name=value` to a query under construction, percent-encoded so that any reader decodes exactly these, with `&` where needed.
pub fn push(query: &mut String, name: &str, value: &str) {
    let _ = (query, name, value);
}
