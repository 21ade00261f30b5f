//! What a token grants: `dashboard:42`, `question:5`, `report:q3`.

use std::{borrow::Cow, fmt};

use super::{path, refusal::Refusal};

/// One granted thing: a kind and an identifier, compared as text, exactly.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Resource {
    /// `dashboard`, `question`, `report`, …
    pub kind: Box<str>,
    /// The identifier; JSON integers in tokens become their decimal text.
    pub id: Box<str>,
}

impl Resource {
    /// Makes a resource of its two parts.
    pub fn new(kind: &str, id: &str) -> Self {
        Self {
            kind: kind.into(),
            id: id.into(),
        }
    }

    /// Reads `kind:id`; both parts must be present. The identifier may hold further colons.
    pub fn parse(text: &str) -> Option<Self> {
        let (kind, id) = text.split_once(':')?;
        (!kind.is_empty() && !id.is_empty()).then(|| Self::new(kind, id))
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind, self.id)
    }
}

/// The resource that a route asks for: `report:{id}`, with captures of the path filled in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ResourceRule {
    /// The kind, literal.
    pub kind: Box<str>,
    /// The identifier.
    pub id: IdRule,
}

impl ResourceRule {
    /// The identifier that this request asks for, given what the route captured (raw); the token must grant exactly this text.
    ///
    /// # Errors
    /// `path_ambiguous` for a capture that does not decode to plain text; `resource_denied` where the capture is missing.
    pub fn id<'a>(&'a self, captures: &[(&str, &'a str)]) -> Result<Cow<'a, str>, Refusal> {
        match &self.id {
            IdRule::Capture(name) => captures
                .iter()
                .find(|(own, _)| *own == &**name)
                .ok_or(Refusal::ResourceDenied)
                .and_then(|(_, raw)| path::decode(raw)),
            IdRule::Literal(id) => Ok(Cow::Borrowed(id)),
        }
    }
}

/// Where a [`ResourceRule`]'s identifier comes from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum IdRule {
    /// The value of a path capture, by name, percent-decoded.
    Capture(Box<str>),
    /// A literal.
    Literal(Box<str>),
}

/// A set of scopes (`scope`, RFC 8693 section 4.2: space-separated words). Empty text means `view`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Scopes(Box<str>);

impl Scopes {
    /// Reads a space-separated list; blank means the default, `view`.
    pub fn parse(text: &str) -> Self {
        let words: Vec<&str> = text.split_ascii_whitespace().collect();
        Self(if words.is_empty() {
            "view".into()
        } else {
            words.join(" ").into()
        })
    }

    /// Whether this scope was granted.
    pub fn contains(&self, scope: &str) -> bool {
        self.0.split(' ').any(|word| word == scope)
    }

    /// The words, separated by single spaces.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_needs_both_parts() {
        assert_eq!(
            Resource::parse("dashboard:42"),
            Some(Resource::new("dashboard", "42"))
        );
        assert_eq!(
            Resource::parse("urn:a:b"),
            Some(Resource::new("urn", "a:b"))
        );
        for bad in ["", "dashboard", "dashboard:", ":42"] {
            assert_eq!(Resource::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_rule_takes_its_identifier_from_the_path() {
        let rule = |id| ResourceRule {
            kind: "report".into(),
            id,
        };
        let capture = rule(IdRule::Capture("id".into()));
        assert_eq!(
            capture.id(&[("x", "1"), ("id", "q%203")]).as_deref(),
            Ok("q 3")
        );
        assert_eq!(capture.id(&[("x", "1")]), Err(Refusal::ResourceDenied));
        assert_eq!(capture.id(&[("id", "a%2Fb")]), Err(Refusal::PathAmbiguous));
        assert_eq!(
            rule(IdRule::Literal("7".into())).id(&[]).as_deref(),
            Ok("7")
        );
    }

    #[test]
    fn scope_defaults_to_view() {
        assert!(Scopes::parse("  ").contains("view"));
        assert!(!Scopes::parse("download").contains("view"));
        assert!(!Scopes::parse("downloads").contains("download"));
    }
}
