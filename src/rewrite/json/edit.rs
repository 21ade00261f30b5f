//! Changes to JSON text by spans: what is not named stays byte for byte.

use std::borrow::Cow;

use super::view::{Kind, View};
use crate::gate::refusal::Refusal;

/// The changes to one document.
pub(super) struct Edits<'a> {
    text: &'a str,
    touched: Vec<Touched<'a>>,
    replaced: Vec<(usize, usize, String)>,
}

/// A container that loses or gains items.
struct Touched<'a> {
    view: View<'a>,
    removed: Vec<usize>,
    added: Vec<(Option<Box<str>>, Made)>,
}

/// Something that was not there before.
enum Made {
    Array(Vec<Self>),
    Object(Vec<(Box<str>, Self)>),
    Text(String),
}

impl<'a> Edits<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self {
            text,
            touched: Vec::new(),
            replaced: Vec::new(),
        }
    }

    /// Takes an item (by where it begins) out of its container.
    pub(super) fn remove(&mut self, from: View<'a>, item: usize) {
        self.touch(from).removed.push(item);
    }

    /// Puts a JSON text at a pointer: a member is set, `-` appends, missing parents are created (as objects; before a `-`, as an array).
    ///
    /// # Errors
    /// `body_unsupported` where something else than a container stands in the way.
    pub(super) fn place(&mut self, pointer: &[Cow<'_, str>], json: String) -> Result<(), Refusal> {
        let mut view = View::root(self.text);
        let mut rest = pointer;
        while let Some((token, further)) = rest.split_first() {
            rest = further;
            let next = match view.kind() {
                Kind::Object if token != "-" => view
                    .members()
                    .find(|member| member.key == *token)
                    .map(|member| member.value),
                Kind::Array if token == "-" && rest.is_empty() => None,
                Kind::Array => Some(element(view, token).ok_or(Refusal::BodyUnsupported)?),
                Kind::Object | Kind::Scalar | Kind::String => return Err(Refusal::BodyUnsupported),
            };
            match next {
                Some(value) if rest.is_empty() => {
                    self.replaced.push((value.start, value.end, json));
                    return Ok(());
                }
                Some(value) => view = value,
                None => return self.touch(view).add(token, rest, json),
            }
        }
        Err(Refusal::BodyUnsupported)
    }

    /// The document with all changes made.
    ///
    /// # Errors
    /// `body_unsupported` where two changes overlap (a lock inside of what another took away).
    pub(super) fn write(self) -> Result<Vec<u8>, Refusal> {
        let mut changes = self.replaced;
        for touched in self.touched {
            touched.changes(&mut changes);
        }
        changes.sort_by_key(|(start, end, _)| (*start, *end));
        let added: usize = changes.iter().map(|(_, _, new)| new.len()).sum();
        let mut out = String::with_capacity(self.text.len().saturating_add(added));
        let mut at = 0;
        for (start, end, new) in changes {
            out.push_str(self.text.get(at..start).ok_or(Refusal::BodyUnsupported)?);
            out.push_str(&new);
            at = end;
        }
        out.push_str(self.text.get(at..).ok_or(Refusal::BodyUnsupported)?);
        Ok(out.into_bytes())
    }

    fn touch(&mut self, view: View<'a>) -> &mut Touched<'a> {
        let found = self
            .touched
            .iter()
            .position(|touched| touched.view.start == view.start);
        let index = found.unwrap_or(self.touched.len());
        if found.is_none() {
            self.touched.push(Touched {
                view,
                removed: Vec::new(),
                added: Vec::new(),
            });
        }
        // `index` is in bounds: found, or just pushed.
        #[expect(
            clippy::indexing_slicing,
            reason = "in bounds by construction, two lines above"
        )]
        &mut self.touched[index]
    }
}

impl Touched<'_> {
    fn add(&mut self, token: &str, rest: &[Cow<'_, str>], json: String) -> Result<(), Refusal> {
        if self.view.kind() == Kind::Array {
            self.added.push((None, Made::Text(json)));
            return Ok(());
        }
        let same = |(key, _): &&mut (Option<Box<str>>, Made)| key.as_deref() == Some(token);
        if let Some((_, made)) = self.added.iter_mut().find(same) {
            return made.put(rest, json);
        }
        self.added.push((Some(token.into()), Made::of(rest, json)?));
        Ok(())
    }

    fn changes(mut self, changes: &mut Vec<(usize, usize, String)>) {
        self.removed.sort_unstable();
        let mut spans = self.view.spans().peekable();
        let (mut kept, mut before) = (None, None);
        while let Some((start, end)) = spans.next() {
            let after = spans.peek().map(|(next, _)| *next);
            match (self.removed.binary_search(&start), kept.and(before)) {
                (Err(_), _) => kept = Some(end),
                (Ok(_), Some(before)) => changes.push((before, end, String::new())),
                (Ok(_), None) => changes.push((start, after.unwrap_or(end), String::new())),
            }
            before = Some(end);
        }
        if self.added.is_empty() {
            return;
        }
        let mut new = String::new();
        for (index, (key, made)) in self.added.iter().enumerate() {
            if index > 0 || kept.is_some() {
                new.push(',');
            }
            if let Some(key) = key {
                push_string(&mut new, key);
                new.push(':');
            }
            made.write(&mut new);
        }
        let at = kept.unwrap_or_else(|| self.view.start.saturating_add(1));
        changes.push((at, at, new));
    }
}

impl Made {
    fn of(rest: &[Cow<'_, str>], json: String) -> Result<Self, Refusal> {
        match rest.first() {
            None => Ok(Self::Text(json)),
            Some(token) => {
                let mut made = if token == "-" {
                    Self::Array(vec![])
                } else {
                    Self::Object(vec![])
                };
                made.put(rest, json)?;
                Ok(made)
            }
        }
    }

    fn put(&mut self, rest: &[Cow<'_, str>], json: String) -> Result<(), Refusal> {
        let (token, rest) = rest.split_first().ok_or(Refusal::BodyUnsupported)?;
        match self {
            Self::Array(items) if token == "-" && rest.is_empty() => items.push(Self::Text(json)),
            Self::Object(members) if token != "-" => {
                match members.iter_mut().find(|(key, _)| **key == **token) {
                    Some((_, made)) => return made.put(rest, json),
                    None => members.push((token.as_ref().into(), Self::of(rest, json)?)),
                }
            }
            Self::Array(_) | Self::Object(_) | Self::Text(_) => {
                return Err(Refusal::BodyUnsupported);
            }
        }
        Ok(())
    }

    fn write(&self, out: &mut String) {
        match self {
            Self::Array(items) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    out.push_str(if index > 0 { "," } else { "" });
                    item.write(out);
                }
                out.push(']');
            }
            Self::Object(members) => {
                out.push('{');
                for (index, (key, made)) in members.iter().enumerate() {
                    out.push_str(if index > 0 { "," } else { "" });
                    push_string(out, key);
                    out.push(':');
                    made.write(out);
                }
                out.push('}');
            }
            Self::Text(text) => out.push_str(text),
        }
    }
}

/// The element of an array at a decimal index without leading zeros (RFC 6901 section 4).
pub(super) fn element<'a>(view: View<'a>, token: &str) -> Option<View<'a>> {
    let canonical = token == "0"
        || (!token.starts_with('0') && token.bytes().all(|byte| byte.is_ascii_digit()));
    let index: usize = canonical.then(|| token.parse().ok())??;
    view.elements().nth(index)
}

/// Appends a JSON string.
pub(super) fn push_string(out: &mut String, text: &str) {
    out.push('"');
    for char in text.chars() {
        match char {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            control if control < ' ' => {
                out.push_str("\\u00");
                out.extend(
                    [u32::from(control) >> 4, u32::from(control) & 15]
                        .map(|nibble| char::from_digit(nibble, 16).unwrap_or('0')),
                );
            }
            other => out.push(other),
        }
    }
    out.push('"');
}
