//! What may stand anywhere in a layout: click behaviours that lead elsewhere, ids of parameters that a viewer knows nothing of, tags in texts.

use std::borrow::Cow;

use super::{names::Names, plan::Plan};
use crate::adapter::metabase::layout::document::{Member, Shape, View};

/// Walks a value that no other rule has read.
///
/// Names and strings that are a hidden id go, with what they name; so do fingerprints of columns, and click behaviours other than [`crossfilter`].
/// `tags` are the template tags of texts whose value the viewer does not get.
pub(super) fn scrub(view: View<'_>, names: &Names, tags: &[Cow<'_, str>], plan: &mut Plan) {
    match view.shape() {
        Shape::Array => {
            for element in view.elements() {
                if element.shape() == Shape::String {
                    if is_gone(element, names, tags, plan) {
                        plan.drop(element);
                    }
                } else {
                    scrub(element, names, tags, plan);
                }
            }
        }
        Shape::Object => {
            for own in view.members() {
                member(&own, names, tags, plan);
            }
        }
        Shape::Scalar | Shape::String => {}
    }
}

/// One member of an object, likewise.
pub(super) fn member(own: &Member<'_>, names: &Names, tags: &[Cow<'_, str>], plan: &mut Plan) {
    let is_string = own.value.shape() == Shape::String;
    if own.name == "click_behavior" {
        if !crossfilter(own.value, names) {
            plan.cut(own);
        }
    } else if own.name == "fingerprint" {
        // Least and greatest values of a column, how many there are: over the rows of everybody.
        plan.cut(own);
    } else if names.is_hidden(&own.name) || (is_string && is_gone(own.value, names, tags, plan)) {
        plan.cut(own);
    } else {
        scrub(own.value, names, tags, plan);
    }
}

/// Whether a string is a hidden id; tags in it are taken out.
fn is_gone(string: View<'_>, names: &Names, tags: &[Cow<'_, str>], plan: &mut Plan) -> bool {
    let Some(text) = string.text() else {
        return true;
    };
    if names.is_hidden(&text) {
        return true;
    }
    if !text.contains("{{") {
        return false;
    }
    let is_hidden = |tag: &str| names.is_hidden_slug(tag) || tags.iter().any(|own| own == tag);
    let Some(short) = without_tags(&text, is_hidden) else {
        return false;
    };
    if names.is_hidden(&short) {
        return true;
    }
    plan.put(string, serde_json::Value::from(short).to_string());
    false
}

/// Whether a click sets parameters of this dashboard that the viewer may set anyway, and does nothing else. Links may lead to other dashboards, and
/// carry along what they are told.
fn crossfilter(behavior: View<'_>, names: &Names) -> bool {
    let is_crossfilter = behavior
        .get("type")
        .is_some_and(|kind| kind.says("crossfilter"));
    let known = behavior
        .members()
        .all(|member| matches!(&*member.name, "parameterMapping" | "type"));
    let mapping = behavior.get("parameterMapping");
    let maps = |mapping: View<'_>| {
        mapping.shape() == Shape::Object
            && mapping
                .members()
                .all(|member| names.is_kept(&member.name) && sets_kept(member.value, names))
    };
    is_crossfilter && known && mapping.is_none_or(maps) && !mentions(behavior, names)
}

/// Whether one entry of a crossfilter takes a column's value, or a kept parameter's, to a kept parameter.
fn sets_kept(entry: View<'_>, names: &Names) -> bool {
    let kept = |view: View<'_>| view.text().is_some_and(|id| names.is_kept(&id));
    let source = entry.get("source").is_none_or(|source| {
        let kind = source.get("type");
        kind.is_some_and(|kind| kind.says("column"))
            || (kind.is_some_and(|kind| kind.says("parameter"))
                && source.get("id").is_some_and(kept))
    });
    let target = entry
        .get("target")
        .is_none_or(|target| target.get("id").is_some_and(kept));
    source && target && entry.get("id").is_none_or(kept)
}

/// Whether a hidden id stands anywhere inside.
fn mentions(view: View<'_>, names: &Names) -> bool {
    match view.shape() {
        Shape::Array => view.elements().any(|element| mentions(element, names)),
        Shape::Object => view
            .members()
            .any(|member| names.is_hidden(&member.name) || mentions(member.value, names)),
        Shape::Scalar => false,
        Shape::String => view.text().is_none_or(|text| names.is_hidden(&text)),
    }
}

/// A text without the `{{tags}}` that are hidden, and without the optional `[[parts]]` around them; `None`: it has none.
///
/// Looked at anew after every character, so that what is taken out does not leave another tag behind.
fn without_tags(text: &str, is_hidden: impl Fn(&str) -> bool) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars();
    let (mut changed, mut part, mut parts_end) = (false, None, true);
    while let Some(char) = rest.next() {
        out.push(char);
        if out.ends_with("[[") {
            part = Some(out.len().saturating_sub(2));
        } else if out.ends_with("]]") {
            part = None;
        }
        let Some(start) = tag_at_end(&out, &is_hidden) else {
            continue;
        };
        out.truncate(start);
        changed = true;
        part = part.filter(|part| *part < start && parts_end);
        if let Some(start) = part.take() {
            match rest.as_str().split_once("]]") {
                Some((_, after)) => {
                    out.truncate(start);
                    rest = after.chars();
                }
                None => parts_end = false,
            }
        }
    }
    changed.then_some(out)
}

/// Where the hidden tag begins that a text ends with.
fn tag_at_end(text: &str, is_hidden: impl Fn(&str) -> bool) -> Option<usize> {
    let before = text.strip_suffix("}}")?;
    let near = before.floor_char_boundary(before.len().saturating_sub(TAG_BYTES));
    let (outside, tag) = before.get(near..)?.rsplit_once("{{")?;
    is_hidden(tag.trim()).then(|| near.saturating_add(outside.len()))
}

/// The longest tag that is looked for, blanks included.
const TAG_BYTES: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_tags_leave_texts() {
        let table = [
            ("for {{org}}.", Some("for .")),
            ("for {{ org }} and {{region}}", Some("for  and {{region}}")),
            ("all[[ of {{org}}]]!", Some("all!")),
            ("[[a]] {{org}} [[b]]", Some("[[a]]  [[b]]")),
            ("[[a {{org}}", Some("[[a ")),
            ("{{{{org}}org}}", Some("")),
            ("{{org{{org}}}}", Some("")),
            ("{{org}{{org}}}", Some("")),
            ("{{Org}} {{organ}} {org} {{org", None),
            ("org", None),
        ];
        for (text, expected) in table {
            let short = without_tags(text, |tag| tag == "org");
            assert_eq!(short.as_deref(), expected, "{text}");
            if let Some(short) = short {
                assert_eq!(without_tags(&short, |tag| tag == "org"), None, "{text}");
            }
        }
    }
}
