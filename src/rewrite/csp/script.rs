//! Lets one inline script of ours run under whatever policies a page has (CSP Level 3 section 6.7), and nothing else.
//!
//! Where a policy names a nonce for scripts, our element bears it and the policy stays. Else a fresh nonce goes into it, which nobody but our element
//! knows. A policy that allows every inline script stays, too: with a nonce in it, browsers would forget that. No other directive is touched.

use http::{HeaderMap, HeaderName, HeaderValue, header};
use smallvec::SmallVec;

/// Enforced ones count; those that only report would report our script.
const FIELDS: [HeaderName; 2] = [
    header::CONTENT_SECURITY_POLICY,
    header::CONTENT_SECURITY_POLICY_REPORT_ONLY,
];

/// What decides on `<script>` elements, the first that is there.
const DECIDING: [&str; 3] = ["script-src-elem", "script-src", "default-src"];

/// The nonce for our script, by which every policy of a response lets it run: one that all of them name, or `fresh`, which then goes into each that needs one.
/// `fresh` is base64 and was never used before.
///
/// To be called after [`super::enforce`], which leaves nothing but ASCII.
pub fn admit(headers: &mut HeaderMap, fresh: &str) -> Box<str> {
    if let Some(shared) = shared(headers, fresh) {
        return shared;
    }
    for name in FIELDS {
        amend(headers, &name, fresh);
    }
    fresh.into()
}

/// A nonce that will do as things are; any will where nobody asks for one.
fn shared(headers: &HeaderMap, any: &str) -> Option<Box<str>> {
    let fields = FIELDS.iter().flat_map(|name| headers.get_all(name));
    let mut wanting = fields
        .flat_map(policies)
        .filter_map(|policy| match judge(policy) {
            Verdict::Open => None,
            Verdict::Wants(list) => Some(list.sources),
        });
    let Some(first) = wanting.next() else {
        return Some(any.into());
    };
    let rest: SmallVec<[&str; 2]> = wanting.collect();
    let mut named = nonces(first);
    let in_all = |nonce: &&str| {
        rest.iter()
            .all(|list| nonces(list).any(|one| one == *nonce))
    };
    named.find(in_all).map(Into::into)
}

fn amend(headers: &mut HeaderMap, name: &HeaderName, nonce: &str) {
    let amended: SmallVec<[HeaderValue; 2]> = headers
        .get_all(name)
        .iter()
        .filter_map(|field| {
            let all: Vec<String> = policies(field)
                .map(|policy| match judge(policy) {
                    Verdict::Open => policy.to_owned(),
                    Verdict::Wants(list) => list.with(policy, nonce),
                })
                .collect();
            // ASCII, and nothing was added that a field could not hold.
            HeaderValue::from_str(&all.join(", ")).ok()
        })
        .collect();
    headers.remove(name);
    for field in amended {
        headers.append(name, field);
    }
}

fn policies(field: &HeaderValue) -> impl Iterator<Item = &str> {
    let text = field.to_str().unwrap_or_default();
    text.split(',').map(|policy| policy.trim_matches(BLANK))
}

/// What a policy says of inline scripts.
enum Verdict<'p> {
    /// They run.
    Open,
    /// Ours runs with a nonce that the list names.
    Wants(List<'p>),
}

/// The sources of a directive that decides on scripts.
#[derive(Clone, Copy)]
struct List<'p> {
    /// The directive, as it stands in the policy.
    directive: &'p str,
    name: &'p str,
    sources: &'p str,
}

fn judge(policy: &str) -> Verdict<'_> {
    let deciding = DECIDING.iter().find_map(|name| directive(policy, name));
    match deciding {
        None => Verdict::Open,
        Some(list) if allows_inline(list.sources) => Verdict::Open,
        Some(list) => Verdict::Wants(list),
    }
}

/// The first directive of a name: browsers skip further ones (section 2.2.1).
fn directive<'p>(policy: &'p str, wanted: &str) -> Option<List<'p>> {
    let mut directives = policy.split(';').map(|text| text.trim_matches(BLANK));
    directives.find_map(|directive| {
        let (name, sources) = directive.split_once(BLANK).unwrap_or((directive, ""));
        name.eq_ignore_ascii_case(wanted).then_some(List {
            directive,
            name,
            sources,
        })
    })
}

/// Whether `'unsafe-inline'` counts: nonces, hashes and `'strict-dynamic'` undo it (section 6.7.3.2).
fn allows_inline(sources: &str) -> bool {
    let undone = |source: &str| {
        is(source, "'strict-dynamic'")
            || nonce(source).is_some()
            || ["'sha256-", "'sha384-", "'sha512-"]
                .iter()
                .any(|hash| quoted(source, hash).is_some())
    };
    let mut all = split(sources);
    all.any(|source| is(source, "'unsafe-inline'")) && !split(sources).any(undone)
}

fn nonces(sources: &str) -> impl Iterator<Item = &str> {
    split(sources).filter_map(nonce)
}

fn nonce(source: &str) -> Option<&str> {
    quoted(source, "'nonce-")
}

/// What stands between a prefix and the closing quote, where that is base64 (section 2.3.1: `base64-value`). The prefix is compared without case.
fn quoted<'s>(source: &'s str, prefix: &str) -> Option<&'s str> {
    let (start, rest) = source.split_at_checked(prefix.len())?;
    let value = rest.strip_suffix('\'')?;
    let digits = value.strip_suffix("==").or_else(|| value.strip_suffix('='));
    let digits = digits.unwrap_or(value);
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"+/-_".contains(&byte);
    let good =
        start.eq_ignore_ascii_case(prefix) && !digits.is_empty() && digits.bytes().all(plain);
    good.then_some(value)
}

impl List<'_> {
    /// The policy with a nonce in this list. `default-src` speaks of much more than scripts: they get a directive of their own.
    fn with(self, policy: &str, nonce: &str) -> String {
        let mut list: Vec<&str> = split(self.sources)
            .filter(|source| !is(source, "'none'"))
            .collect();
        let nonce = format!("'nonce-{nonce}'");
        list.push(&nonce);
        let list = list.join(" ");
        if self.name.eq_ignore_ascii_case("default-src") {
            return format!("{policy}; script-src {list}");
        }
        let replaced = format!("{} {list}", self.name);
        let same = |text: &str| std::ptr::eq(text.trim_matches(BLANK), self.directive);
        let all: Vec<&str> = policy
            .split(';')
            .map(|text| {
                if same(text) {
                    &*replaced
                } else {
                    text.trim_matches(BLANK)
                }
            })
            .collect();
        all.join("; ")
    }
}

fn split(sources: &str) -> impl Iterator<Item = &str> {
    sources.split(BLANK).filter(|source| !source.is_empty())
}

fn is(source: &str, keyword: &str) -> bool {
    source.eq_ignore_ascii_case(keyword)
}

/// ASCII white space of the Infra Standard, as far as a field can hold it.
const BLANK: [char; 2] = [' ', '\t'];

#[cfg(test)]
mod tests;
