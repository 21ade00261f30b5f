//! A walk over JSON text that `strict` has read: nothing is copied, nothing is built.

use std::borrow::Cow;

use super::strict;

/// One value, as a span of the text.
#[derive(Clone, Copy, Debug)]
pub(super) struct View<'a> {
    text: &'a str,
    /// Where it begins.
    pub(super) start: usize,
    /// Just past its end.
    pub(super) end: usize,
}

/// What a value is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    Array,
    Object,
    Scalar,
    String,
}

/// One member of an object; `start` is where its key's quote stands.
pub(super) struct Member<'a> {
    pub(super) start: usize,
    pub(super) key: Cow<'a, str>,
    pub(super) value: View<'a>,
}

impl<'a> View<'a> {
    /// The whole document.
    pub(super) fn root(text: &'a str) -> Self {
        Self::at(text, blank(text.as_bytes(), 0))
    }

    fn at(text: &'a str, start: usize) -> Self {
        Self {
            text,
            start,
            end: skip(text.as_bytes(), start),
        }
    }

    pub(super) fn kind(self) -> Kind {
        match self.text.as_bytes().get(self.start) {
            Some(b'[') => Kind::Array,
            Some(b'{') => Kind::Object,
            Some(b'"') => Kind::String,
            _ => Kind::Scalar,
        }
    }

    pub(super) fn is_null(self) -> bool {
        self.raw() == "null"
    }

    /// The text, as written.
    pub(super) fn raw(self) -> &'a str {
        self.text.get(self.start..self.end).unwrap_or_default()
    }

    /// A scalar's text: a string's content, else as written; nothing of `null`, arrays and objects.
    pub(super) fn scalar(self) -> Option<Cow<'a, str>> {
        match self.kind() {
            Kind::String => strict::decoded(
                self.text,
                self.start.saturating_add(1),
                self.end.saturating_sub(1),
            ),
            Kind::Scalar if !self.is_null() => Some(Cow::Borrowed(self.raw())),
            Kind::Array | Kind::Object | Kind::Scalar => None,
        }
    }

    /// The members of an object; none of anything else.
    pub(super) fn members(self) -> impl Iterator<Item = Member<'a>> {
        let mut items = self.items(Kind::Object);
        std::iter::from_fn(move || {
            let start = items.next_start()?;
            let key = View::at(items.text, start);
            let value = View::value(items.text, key);
            items.at = value.end;
            Some(Member {
                start,
                key: key.scalar()?,
                value,
            })
        })
    }

    /// The elements of an array; none of anything else.
    pub(super) fn elements(self) -> impl Iterator<Item = View<'a>> {
        let mut items = self.items(Kind::Array);
        std::iter::from_fn(move || {
            let start = items.next_start()?;
            let value = View::at(items.text, start);
            items.at = value.end;
            Some(value)
        })
    }

    /// The spans of a container's members or elements.
    pub(super) fn spans(self) -> impl Iterator<Item = (usize, usize)> {
        let mut items = self.items(self.kind());
        let keyed = self.kind() == Kind::Object;
        std::iter::from_fn(move || {
            let start = items.next_start()?;
            let first = View::at(items.text, start);
            items.at = if keyed {
                View::value(items.text, first).end
            } else {
                first.end
            };
            Some((start, items.at))
        })
    }

    /// The value that follows a key.
    fn value(text: &'a str, key: Self) -> Self {
        let colon = blank(text.as_bytes(), key.end);
        Self::at(text, blank(text.as_bytes(), colon.saturating_add(1)))
    }

    fn items(self, kind: Kind) -> Items<'a> {
        let at = if self.kind() == kind {
            self.start.saturating_add(1)
        } else {
            self.end
        };
        Items {
            text: self.text,
            at,
            end: self.end,
        }
    }
}

struct Items<'a> {
    text: &'a str,
    at: usize,
    end: usize,
}

impl Items<'_> {
    fn next_start(&mut self) -> Option<usize> {
        let bytes = self.text.as_bytes();
        let mut at = blank(bytes, self.at);
        if bytes.get(at) == Some(&b',') {
            at = blank(bytes, at.saturating_add(1));
        }
        let more = at < self.end && !matches!(bytes.get(at), None | Some(b']' | b'}'));
        more.then_some(at)
    }
}

fn blank(bytes: &[u8], from: usize) -> usize {
    let rest = bytes.get(from..).unwrap_or_default();
    let width = rest
        .iter()
        .position(|byte| !matches!(byte, b' ' | b'\t' | b'\n' | b'\r'))
        .unwrap_or(rest.len());
    from.saturating_add(width)
}

/// Just past the value that begins here.
fn skip(bytes: &[u8], from: usize) -> usize {
    match bytes.get(from) {
        Some(b'"') => string(bytes, from),
        Some(b'[' | b'{') => container(bytes, from),
        _ => {
            let rest = bytes.get(from..).unwrap_or_default();
            let width = rest
                .iter()
                .position(|byte| matches!(byte, b',' | b']' | b'}' | b' ' | b'\t' | b'\n' | b'\r'));
            from.saturating_add(width.unwrap_or(rest.len()))
        }
    }
}

fn string(bytes: &[u8], from: usize) -> usize {
    let mut at = from.saturating_add(1);
    loop {
        let rest = bytes.get(at..).unwrap_or_default();
        match rest.iter().position(|byte| matches!(byte, b'"' | b'\\')) {
            Some(plain) if rest.get(plain) == Some(&b'\\') => {
                at = at.saturating_add(plain).saturating_add(2);
            }
            Some(plain) => return at.saturating_add(plain).saturating_add(1),
            None => return bytes.len(),
        }
    }
}

fn container(bytes: &[u8], from: usize) -> usize {
    let (mut at, mut depth) = (from, 0_usize);
    loop {
        let rest = bytes.get(at..).unwrap_or_default();
        let Some(plain) = rest
            .iter()
            .position(|byte| matches!(byte, b'"' | b'[' | b'{' | b']' | b'}'))
        else {
            return bytes.len();
        };
        at = at.saturating_add(plain);
        match bytes.get(at) {
            Some(b'"') => {
                at = string(bytes, at);
                continue;
            }
            Some(b'[' | b'{') => depth = depth.saturating_add(1),
            _ => depth = depth.saturating_sub(1),
        }
        at = at.saturating_add(1);
        if depth == 0 {
            return at;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn walks_members_and_elements() {
        let root = View::root(" { \"a\\u0062\" : [ 1 , \"x]}\\\"\" , {} ] ,\"c\":null} ");
        let members: Vec<_> = root
            .members()
            .map(|member| (member.key.into_owned(), member.value.raw()))
            .collect();
        assert_eq!(
            members,
            [
                ("ab".to_owned(), "[ 1 , \"x]}\\\"\" , {} ]"),
                ("c".to_owned(), "null")
            ]
        );
        let first = root.members().next().unwrap().value;
        assert_eq!(
            first.elements().map(View::raw).collect::<Vec<_>>(),
            ["1", "\"x]}\\\"\"", "{}"]
        );
        assert_eq!(first.elements().nth(1).unwrap().scalar().unwrap(), "x]}\"");
        assert!(View::root("[]").elements().next().is_none());
        assert!(View::root("7").members().next().is_none());
    }
}
