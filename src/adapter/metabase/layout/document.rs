//! JSON text with one reading, indexed once: every value by where it stands, nothing copied. What is not touched can go on byte for byte.

use std::borrow::Cow;

use super::LayoutError;
use crate::rewrite::json;

/// A document and its values in the order of the text; a container stands before what is in it.
pub(in crate::adapter::metabase) struct Document<'a> {
    text: &'a str,
    nodes: Vec<Node>,
}

#[derive(Clone, Copy)]
struct Node {
    start: usize,
    end: usize,
    /// The first node that is not inside of this one.
    next: usize,
}

/// One value of a document.
#[derive(Clone, Copy)]
pub(in crate::adapter::metabase) struct View<'a> {
    document: &'a Document<'a>,
    /// Its position in the document; what is inside of it follows.
    pub(in crate::adapter::metabase) index: usize,
    node: Node,
}

/// What a value is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::adapter::metabase) enum Shape {
    Array,
    Object,
    /// A number, `true`, `false` or `null`.
    Scalar,
    String,
}

/// One member of an object.
#[derive(Clone)]
pub(in crate::adapter::metabase) struct Member<'a> {
    /// Where the member begins: the index of its name.
    pub(in crate::adapter::metabase) index: usize,
    pub(in crate::adapter::metabase) name: Cow<'a, str>,
    /// The name as it was written, quotes included.
    pub(in crate::adapter::metabase) name_raw: &'a str,
    pub(in crate::adapter::metabase) value: View<'a>,
}

impl<'a> Document<'a> {
    /// Reads a whole document.
    ///
    /// # Errors
    /// Where it has no single reading, or is too large.
    pub(in crate::adapter::metabase) fn read(bytes: &'a [u8]) -> Result<Self, LayoutError> {
        if bytes.len() > MAX_BYTES {
            return Err(too_many("bytes", MAX_BYTES));
        }
        let text = json::check(bytes).map_err(|_| LayoutError::NotJson)?;
        let nodes = index(text.as_bytes())?;
        Ok(Self { text, nodes })
    }

    pub(in crate::adapter::metabase) fn root(&'a self) -> Result<View<'a>, LayoutError> {
        self.view(0).ok_or(LayoutError::NotJson)
    }

    fn view(&'a self, index: usize) -> Option<View<'a>> {
        let node = *self.nodes.get(index)?;
        Some(View {
            document: self,
            index,
            node,
        })
    }
}

impl<'a> View<'a> {
    pub(in crate::adapter::metabase) fn shape(self) -> Shape {
        match self.raw().as_bytes().first() {
            Some(b'[') => Shape::Array,
            Some(b'{') => Shape::Object,
            Some(b'"') => Shape::String,
            _ => Shape::Scalar,
        }
    }

    /// The text, as it was written.
    pub(in crate::adapter::metabase) fn raw(self) -> &'a str {
        let Node { start, end, .. } = self.node;
        self.document.text.get(start..end).unwrap_or_default()
    }

    /// The first index that is not inside of this value.
    pub(in crate::adapter::metabase) fn past(self) -> usize {
        self.node.next
    }

    pub(in crate::adapter::metabase) fn is_null(self) -> bool {
        self.raw() == "null"
    }

    /// The content of a string.
    pub(in crate::adapter::metabase) fn text(self) -> Option<Cow<'a, str>> {
        let raw = self.raw();
        let content = raw.strip_prefix('"')?.strip_suffix('"')?;
        if content.contains('\\') {
            serde_json::from_str(raw).ok().map(Cow::Owned)
        } else {
            Some(Cow::Borrowed(content))
        }
    }

    /// Whether it is this very string.
    pub(in crate::adapter::metabase) fn says(self, text: &str) -> bool {
        self.text().is_some_and(|own| own == text)
    }

    /// A number as Metabase numbers things: a positive decimal integer in its one spelling.
    pub(in crate::adapter::metabase) fn id(self) -> Option<u64> {
        let raw = self.raw();
        let canonical = !raw.starts_with('0') && raw.bytes().all(|byte| byte.is_ascii_digit());
        canonical.then(|| raw.parse().ok())?
    }

    /// The members of an object; none of anything else.
    pub(in crate::adapter::metabase) fn members(self) -> impl Iterator<Item = Member<'a>> {
        let mut inside = self.inside(Shape::Object);
        std::iter::from_fn(move || {
            let name = inside.next()?;
            Some(Member {
                index: name.index,
                name: name.text()?,
                name_raw: name.raw(),
                value: inside.next()?,
            })
        })
    }

    /// The elements of an array; none of anything else.
    pub(in crate::adapter::metabase) fn elements(self) -> impl Iterator<Item = Self> {
        self.inside(Shape::Array)
    }

    /// A member of an object, by its exact name; `null` counts as absent.
    pub(in crate::adapter::metabase) fn get(self, name: &str) -> Option<Self> {
        self.members()
            .find(|member| member.name == name)
            .map(|member| member.value)
            .filter(|value| !value.is_null())
    }

    /// What stands directly inside, if the value is of this shape: elements, or names and values by turns.
    fn inside(self, shape: Shape) -> impl Iterator<Item = Self> {
        let end = if self.shape() == shape {
            self.node.next
        } else {
            self.index
        };
        let mut at = self.index.saturating_add(1);
        std::iter::from_fn(move || {
            let view = (at < end).then(|| self.document.view(at))??;
            at = view.node.next;
            Some(view)
        })
    }
}

/// The index of a text that `json::check` has read.
fn index(bytes: &[u8]) -> Result<Vec<Node>, LayoutError> {
    let mut nodes: Vec<Node> = Vec::new();
    let mut open = Vec::new();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let end = match byte {
            b' ' | b'\t' | b'\n' | b'\r' | b',' | b':' => {
                at = at.saturating_add(1);
                continue;
            }
            b'}' | b']' => {
                let next = nodes.len();
                at = at.saturating_add(1);
                if let Some(node) = open.pop().and_then(|index: usize| nodes.get_mut(index)) {
                    node.end = at;
                    node.next = next;
                }
                continue;
            }
            b'{' | b'[' => {
                open.push(nodes.len());
                at.saturating_add(1)
            }
            b'"' => string(bytes, at),
            _ => word(bytes, at),
        };
        if nodes.len() >= MAX_NODES {
            return Err(too_many("values", MAX_NODES));
        }
        nodes.push(Node {
            start: at,
            end,
            next: nodes.len().saturating_add(1),
        });
        at = end;
    }
    Ok(nodes)
}

/// Just past the string that begins here.
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

/// Just past the number or word that begins here.
fn word(bytes: &[u8], from: usize) -> usize {
    let rest = bytes.get(from..).unwrap_or_default();
    let width = rest
        .iter()
        .position(|byte| matches!(byte, b',' | b']' | b'}' | b' ' | b'\t' | b'\n' | b'\r'));
    from.saturating_add(width.unwrap_or(rest.len()))
}

fn too_many(what: &'static str, most: usize) -> LayoutError {
    LayoutError::TooMany { what, most }
}

/// The longest document.
const MAX_BYTES: usize = 16 << 20;
/// The most values, names of members included.
const MAX_NODES: usize = 2_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_where_they_stand() {
        let text = " { \"a\\u0062\" : [ 1.50 , \"x]}\\\"\" , {} ,[]] ,\"c\":null, \"d\":{\"e\":12345678901234567890123} } ";
        let document = Document::read(text.as_bytes()).unwrap();
        let root = document.root().unwrap();
        let members: Vec<_> = root.members().collect();
        let seen: Vec<_> = members
            .iter()
            .map(|member| (&*member.name, member.value.raw()))
            .collect();
        assert_eq!(
            seen,
            [
                ("ab", "[ 1.50 , \"x]}\\\"\" , {} ,[]]"),
                ("c", "null"),
                ("d", "{\"e\":12345678901234567890123}")
            ]
        );
        let list = root.get("ab").unwrap();
        let seen: Vec<_> = list.elements().map(View::raw).collect();
        assert_eq!(seen, ["1.50", "\"x]}\\\"\"", "{}", "[]"]);
        assert!(list.elements().nth(1).unwrap().says("x]}\""));
        assert!(root.get("c").is_none(), "null counts as absent");
        assert!(list.get("ab").is_none() && root.elements().next().is_none());
        assert_eq!(root.past(), document.nodes.len());
    }

    #[test]
    fn an_id_has_one_spelling() {
        let text =
            "[7, 0, -7, 70, 7.0, 7e0, \"7\", null, 18446744073709551615, 18446744073709551616]";
        let document = Document::read(text.as_bytes()).unwrap();
        let ids: Vec<_> = document.root().unwrap().elements().map(View::id).collect();
        assert_eq!(ids[0], Some(7));
        assert_eq!(ids[3], Some(70));
        assert_eq!(ids[8], Some(u64::MAX));
        for none in [1, 2, 4, 5, 6, 7, 9] {
            assert_eq!(ids[none], None, "{none}");
        }
    }

    #[test]
    fn what_has_two_readings_is_refused() {
        for text in [
            "",
            "{} {}",
            r#"{"a":1,"a":2}"#,
            r#"{"a":[{"b":1,"\u0062":2}]}"#,
        ] {
            assert!(
                matches!(Document::read(text.as_bytes()), Err(LayoutError::NotJson)),
                "{text}"
            );
        }
        let large = vec![b' '; MAX_BYTES + 1];
        assert!(matches!(
            Document::read(&large),
            Err(LayoutError::TooMany { .. })
        ));
        let many = format!("[{}0]", "0,".repeat(MAX_NODES));
        assert!(matches!(
            Document::read(many.as_bytes()),
            Err(LayoutError::TooMany { .. })
        ));
    }
}
