//! Content Security Policy (Level 3): exactly one `frame-ancestors` is in force, and it is ours. Everything else of the upstream's stays.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use smallvec::SmallVec;

mod script;

pub use script::admit;

const ENFORCED: HeaderName = header::CONTENT_SECURITY_POLICY;
const REPORTED: HeaderName = header::CONTENT_SECURITY_POLICY_REPORT_ONLY;

/// Puts `directive` (`frame-ancestors …`) in force.
///
/// It ends the first enforced policy, or is one where there is none. Every other `frame-ancestors`, in whichever field, policy and spelling, goes (browsers
/// would intersect them), from report-only policies too, and `X-Frame-Options` goes. Directives that are not ASCII go: browsers skip
/// them. Nonces, hashes and all other directives stay as they were written.
///
/// For every response, not for HTML alone: it costs next to nothing, and no media type that a browser might render in a frame gets around it.
pub fn enforce(headers: &mut HeaderMap, directive: &HeaderValue) {
    headers.remove(header::X_FRAME_OPTIONS);
    if headers.contains_key(REPORTED) {
        rewrite(headers, &REPORTED, None);
    }
    if headers.contains_key(ENFORCED) {
        rewrite(headers, &ENFORCED, Some(directive));
    } else {
        headers.insert(ENFORCED, directive.clone());
    }
}

fn rewrite(headers: &mut HeaderMap, name: &HeaderName, mut directive: Option<&HeaderValue>) {
    let mut fields: SmallVec<[HeaderValue; 2]> = SmallVec::new();
    for field in headers.get_all(name) {
        let length = field
            .len()
            .saturating_add(directive.map_or(0, HeaderValue::len));
        let mut out = Vec::with_capacity(length.saturating_add(2));
        for policy in field.as_bytes().split(|byte| *byte == b',') {
            let start = out.len();
            push_kept(&mut out, policy);
            if let (true, Some(directive)) = (out.len() > start, directive) {
                out.extend_from_slice(b"; ");
                out.extend_from_slice(directive.as_bytes());
            }
            if out.len() > start {
                directive = None;
            }
        }
        // What is left of a field is ASCII without controls: it is a value.
        match HeaderValue::from_maybe_shared(Bytes::from(out)) {
            Ok(value) if !value.is_empty() => fields.push(value),
            Ok(_) | Err(_) => {}
        }
    }
    headers.remove(name);
    for field in fields.into_iter().chain(directive.cloned()) {
        headers.append(name, field);
    }
}

/// Appends a policy without its `frame-ancestors`, after `, ` where others stand; nothing of one that says nothing else.
fn push_kept(out: &mut Vec<u8>, policy: &[u8]) {
    let mut separator: &[u8] = if out.is_empty() { b"" } else { b", " };
    for directive in policy.split(|byte| *byte == b';').map(<[u8]>::trim_ascii) {
        if !directive.is_empty() && !is_unwanted(directive) {
            out.extend_from_slice(separator);
            out.extend_from_slice(directive);
            separator = b"; ";
        }
    }
}

/// Section 2.2.1: the name ends at the first ASCII blank and is compared without case; a directive that is not ASCII is skipped.
fn is_unwanted(directive: &[u8]) -> bool {
    let name = directive
        .split(u8::is_ascii_whitespace)
        .next()
        .unwrap_or_default();
    name.eq_ignore_ascii_case(b"frame-ancestors") || !directive.is_ascii()
}

#[cfg(test)]
mod tests;
