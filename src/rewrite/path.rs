//! A locked value in the path: a capture of the route's pattern, replaced by one percent-encoded segment.

use std::borrow::Cow;

use super::{Bindings, Bound, judge};
use crate::gate::{
    param::{Mode, Place},
    policy::Denial,
    refusal::Refusal,
};

/// What a viewer writes into a URL in place of a locked value that only the token knows: `/reports/-/sales`.
pub const PLACEHOLDER: &str = "-";

/// The upstream's path for a path that matched a pattern.
///
/// A locked capture must say the locked value or [`PLACEHOLDER`]; an enabled one must be of its type; a disabled one may not be there.
///
/// # Errors
/// `param_locked`, `param_disabled`, `param_invalid` (also for values that cannot be one segment: lists, dots, slashes, `%`, `;`),
/// `param_missing`, `path_ambiguous` where path and pattern do not match.
pub fn apply<'p>(
    pattern: &str,
    path: &'p str,
    bindings: Bindings<'_>,
) -> Result<Cow<'p, str>, Denial> {
    if !bindings
        .locks
        .iter()
        .any(|lock| matches!(lock.place, Place::Path(_)))
    {
        return Ok(Cow::Borrowed(path));
    }
    let bounds = bindings.bounds()?;
    let mut out = String::with_capacity(path.len().saturating_add(16));
    let mut segments = path
        .strip_prefix('/')
        .ok_or(Refusal::PathAmbiguous)?
        .split('/');
    for pattern in pattern
        .strip_prefix('/')
        .ok_or(Refusal::PathAmbiguous)?
        .split('/')
    {
        if pattern == "*" {
            break;
        }
        let segment = segments.next().ok_or(Refusal::PathAmbiguous)?;
        let capture = pattern
            .strip_prefix('{')
            .and_then(|pattern| pattern.strip_suffix('}'));
        out.push('/');
        match bounds.iter().find(|bound| matches!((bound.place, capture), (Place::Path(name), Some(capture)) if **name == *capture)) {
            Some(bound) => out.push_str(&replaced(bound, segment)?),
            None => out.push_str(segment),
        }
    }
    for segment in segments {
        out.push('/');
        out.push_str(segment);
    }
    Ok(Cow::Owned(out))
}

fn replaced<'s>(bound: &Bound<'_>, segment: &'s str) -> Result<Cow<'s, str>, Denial> {
    let spec = bound.spec;
    let said = percent_encoding::percent_decode_str(segment)
        .decode_utf8()
        .map_err(|_| Refusal::PathAmbiguous)?;
    match (spec.mode, bound.value) {
        (Mode::Disabled, _) => Err(judge::denied(Refusal::ParamDisabled, spec)),
        (Mode::Enabled, Some(value)) if said == PLACEHOLDER => {
            encoded(bound, &judge::single(spec, value)?.text)
        }
        (Mode::Enabled, _) => encoded(bound, &judge::typed(spec, &said)?),
        (Mode::Locked, None) => Err(judge::denied(Refusal::ParamMissing, spec)),
        (Mode::Locked, Some(value)) => {
            let scalar = judge::single(spec, value)?;
            if said != PLACEHOLDER && !judge::says(spec, scalar, &said) {
                return Err(judge::denied(Refusal::ParamLocked, spec));
            }
            encoded(bound, &scalar.text)
        }
    }
}

/// One segment that every reader takes for one segment: what a second decoding could turn into another path is refused.
fn encoded(bound: &Bound<'_>, text: &str) -> Result<Cow<'static, str>, Denial> {
    let hostile =
        |char: char| matches!(char, '/' | '\\' | '%' | ';' | '?' | '#') || char.is_control();
    if text.is_empty() || text.chars().all(|char| char == '.') || text.contains(hostile) {
        return Err(judge::denied(Refusal::ParamInvalid, bound.spec));
    }
    Ok(Cow::Owned(
        percent_encoding::utf8_percent_encode(text, SEGMENT).to_string(),
    ))
}

/// Everything but RFC 3986 unreserved.
const SEGMENT: &percent_encoding::AsciiSet = &percent_encoding::NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        gate::param::{Lock, Value},
        rewrite::judge::tests::{one, spec},
    };

    fn over(mode: Mode, value: Option<Value>, path: &str) -> Result<String, Refusal> {
        let params = [spec("tenant_id", mode)];
        let locks = [Lock {
            param: 0,
            place: Place::Path("tenant".into()),
        }];
        let bindings = Bindings {
            params: &params,
            values: &[value],
            locks: &locks,
        };
        apply("/t/{tenant}/reports/*", path, bindings)
            .map(Cow::into_owned)
            .map_err(|denial| denial.refusal)
    }

    #[test]
    fn a_locked_capture_is_the_tokens() {
        let locked = |path| over(Mode::Locked, Some(one("a b")), path);
        assert_eq!(
            locked("/t/a%20b/reports/x/y"),
            Ok("/t/a%20b/reports/x/y".into())
        );
        assert_eq!(locked("/t/-/reports/x/"), Ok("/t/a%20b/reports/x/".into()));
        assert_eq!(locked("/t/-/reports"), Ok("/t/a%20b/reports".into()));
        assert_eq!(locked("/t/other/reports/x"), Err(Refusal::ParamLocked));
        assert_eq!(
            over(Mode::Locked, None, "/t/x/reports/x"),
            Err(Refusal::ParamMissing)
        );
        assert_eq!(
            over(Mode::Disabled, None, "/t/x/reports/x"),
            Err(Refusal::ParamDisabled)
        );
        assert_eq!(
            over(Mode::Enabled, None, "/t/x/reports/x"),
            Ok("/t/x/reports/x".into())
        );
    }

    #[test]
    fn a_value_is_one_segment_or_nothing() {
        for text in ["..", ".", "a/b", "a\\b", "%2e%2e", "a;b", "a?b", "a#b"] {
            assert_eq!(
                over(Mode::Locked, Some(one(text)), "/t/-/reports/x"),
                Err(Refusal::ParamInvalid),
                "{text}"
            );
        }
    }
}
