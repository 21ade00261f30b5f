//! The path of a request: one reading or refused.

use std::borrow::Cow;

use super::refusal::Refusal;

/// A path in canonical form: starts with `/`, no empty, `.` or `..` segments, unreserved characters decoded, other escapes upper case.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NormalPath<'a>(Cow<'a, str>);

impl<'a> NormalPath<'a> {
    /// Reads the path of a request target; borrows where it is canonical already.
    ///
    /// # Errors
    /// `path_ambiguous`.
    pub fn parse(_text: &'a str) -> Result<Self, Refusal> {
        Err(Refusal::PathAmbiguous)
    }

    /// The canonical text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What is left below a prefix, on a segment boundary: `/a` leaves `/b` of `/a/b`, `/` of `/a`, nothing of `/ab`. The empty prefix leaves all.
    pub fn below(&self, prefix: &str) -> Option<NormalPath<'_>> {
        let rest = self.0.strip_prefix(prefix)?;
        match rest.as_bytes().first() {
            None => Some(NormalPath(Cow::Borrowed("/"))),
            Some(b'/') => Some(NormalPath(Cow::Borrowed(rest))),
            Some(_) => None,
        }
    }
}
