//! Changes to a document: what is cut out, what stands there instead. The rest stays byte for byte.

use crate::adapter::metabase::layout::document::{Member, Shape, View};

/// The changes to one document, by the index of a value (of the name, for a member).
#[derive(Default)]
pub(super) struct Plan {
    changes: Vec<(usize, Change)>,
}

#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Change {
    /// First, so that it wins over another change of the same.
    Cut,
    Put(String),
}

impl Plan {
    /// Takes a member out of its object.
    pub(super) fn cut(&mut self, member: &Member<'_>) {
        self.changes.push((member.index, Change::Cut));
    }

    /// Takes an element out of its array.
    pub(super) fn drop(&mut self, element: View<'_>) {
        self.changes.push((element.index, Change::Cut));
    }

    /// Puts other JSON in the place of a value.
    pub(super) fn put(&mut self, value: View<'_>, json: impl Into<String>) {
        self.changes.push((value.index, Change::Put(json.into())));
    }

    /// The document with all changes made.
    pub(super) fn write(mut self, root: View<'_>) -> Vec<u8> {
        self.changes.sort_unstable();
        self.changes.dedup_by_key(|(index, _)| *index);
        let mut out = String::with_capacity(root.raw().len());
        self.value(root, &mut out);
        out.into_bytes()
    }

    fn value(&self, view: View<'_>, out: &mut String) {
        if let Some(Change::Put(json)) = self.at(view.index) {
            out.push_str(json);
            return;
        }
        if !self.touches(view) {
            out.push_str(view.raw());
            return;
        }
        match view.shape() {
            Shape::Array => {
                out.push('[');
                let kept = view.elements().filter(|element| self.keeps(element.index));
                for (count, element) in kept.enumerate() {
                    out.push_str(if count == 0 { "" } else { "," });
                    self.value(element, out);
                }
                out.push(']');
            }
            Shape::Object => {
                out.push('{');
                let kept = view.members().filter(|member| self.keeps(member.index));
                for (count, member) in kept.enumerate() {
                    out.push_str(if count == 0 { "" } else { "," });
                    out.push_str(member.name_raw);
                    out.push(':');
                    self.value(member.value, out);
                }
                out.push('}');
            }
            Shape::Scalar | Shape::String => out.push_str(view.raw()),
        }
    }

    fn at(&self, index: usize) -> Option<&Change> {
        let found = self.changes.binary_search_by_key(&index, |(at, _)| *at);
        found
            .ok()
            .and_then(|at| self.changes.get(at))
            .map(|(_, change)| change)
    }

    fn keeps(&self, index: usize) -> bool {
        self.at(index) != Some(&Change::Cut)
    }

    /// Whether anything changes inside of a value.
    fn touches(&self, view: View<'_>) -> bool {
        let first = self.changes.partition_point(|(at, _)| *at <= view.index);
        let next = self.changes.get(first);
        next.is_some_and(|(at, _)| *at < view.past())
    }
}
