//! The tag of a grant: eight digits that tell the sessions of one browser apart. It names a cookie and stands in addresses; it grants nothing.

use std::fmt;

use aws_lc_rs::digest::{Context, SHA256};
use serde_json::Value;

use crate::gate::{
    origin::Origin,
    token::{Claims, Signed},
};

/// Stands for a site and what is granted there: the same for every token that grants the same to the same viewer.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct GrantTag([u8; 4]);

impl GrantTag {
    /// Reads eight hexadecimal digits, in lower case.
    pub fn parse(text: &str) -> Option<Self> {
        let plain = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if text.len() != 8 || !text.bytes().all(plain) {
            return None;
        }
        let bits = u32::from_str_radix(text, 16).ok()?;
        Some(Self(bits.to_be_bytes()))
    }

    /// Of a grant at a site. Whatever makes two grants differ goes in; times and the token's own name do not.
    pub fn of(site: &str, signed: &Signed) -> Self {
        let Claims {
            viewer,
            tenant,
            token_id: _,
            resources,
            params,
            scope,
            origin,
            issued_at: _,
            not_before: _,
            expires: _,
        } = signed.claims();
        let mut hash = Context::new(&SHA256);
        let mut field = |bytes: &[u8]| {
            hash.update(&bytes.len().to_le_bytes());
            hash.update(bytes);
        };
        field(site.as_bytes());
        field(signed.issuer().name.as_bytes());
        field(viewer.as_bytes());
        field(tenant.as_deref().unwrap_or_default().as_bytes());
        field(scope.as_str().as_bytes());
        let origin = origin.as_ref().map(Origin::to_string);
        field(origin.unwrap_or_default().as_bytes());
        for resource in resources {
            field(resource.kind.as_bytes());
            field(resource.id.as_bytes());
        }
        // Backends need not write their parameters in the same order each time.
        let mut named: Vec<(&String, &Value)> = params.iter().collect();
        named.sort_unstable_by_key(|(name, _)| *name);
        for (name, value) in named {
            field(name.as_bytes());
            field(value.to_string().as_bytes());
        }
        let digest = hash.finish();
        Self(digest.as_ref().first_chunk().copied().unwrap_or_default())
    }
}

impl fmt::Display for GrantTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", u32::from_be_bytes(self.0))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::gate::token::{NoCache, RawToken, signed, testing};

    fn tag(site: &str, changes: &Value) -> GrantTag {
        let mut claims = testing::claims();
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        let token = testing::token("HS256", &claims);
        let issuers = [std::sync::Arc::new(testing::issuer("HS256"))];
        GrantTag::of(
            site,
            &signed(RawToken::new(&token), &issuers, &NoCache).unwrap(),
        )
    }

    #[test]
    fn what_grants_the_same_has_the_same_tag() {
        let one = tag("s", &json!({ "params": { "a": 1, "b": 2 } }));
        let other = json!({ "params": { "b": 2, "a": 1 }, "jti": "x", "iat": testing::ISSUED + 5, "exp": testing::ISSUED + 500 });
        assert_eq!(one, tag("s", &other));
    }

    #[test]
    fn what_grants_something_else_has_another() {
        let mut seen = vec![tag("other", &json!({}))];
        for changes in [
            json!({}),
            json!({ "sub": "other" }),
            json!({ "tenant": "other" }),
            json!({ "resource": { "dashboard": 43 } }),
            json!({ "resource": { "dashboar": "d42" } }),
            json!({ "params": { "organization_id": 98 } }),
            json!({ "params": {} }),
            json!({ "scope": "view download" }),
            json!({ "origin": "https://a.example" }),
        ] {
            let tag = tag("s", &changes);
            assert!(!seen.contains(&tag), "{changes}");
            seen.push(tag);
        }
    }

    #[test]
    fn is_written_as_it_is_read() {
        for text in ["00000000", "0badcafe", "ffffffff"] {
            assert_eq!(GrantTag::parse(text).unwrap().to_string(), text);
        }
        for text in [
            "",
            "0badcaf",
            "0badcafe0",
            "0BADCAFE",
            "+badcafe",
            "0badcafg",
            " badcafe",
        ] {
            assert_eq!(GrantTag::parse(text), None, "{text}");
        }
    }
}
