//! Patterns, and the tree of their segments in which a path is looked up.
//!
//! One hash lookup per segment and level; no more nodes are visited than the patterns fan out into (`{name}` beside literals), however many routes there
//! are. A radix tree such as `matchit` would do, were it not that it takes `/a/{id}` and `/a/*` for a conflict.

use std::collections::HashMap;

use smallvec::SmallVec;

use crate::gate::path::NormalPath;

/// What a lookup captured.
pub(super) type Values<'p> = SmallVec<[&'p str; 4]>;

/// A pattern, read.
#[derive(Debug)]
pub(super) struct Pattern {
    segments: Vec<Segment>,
}

/// One segment of a pattern.
#[derive(Debug)]
pub(super) enum Segment {
    /// `{name}`: one segment, not empty.
    Capture(Box<str>),
    /// Itself, in canonical spelling.
    Literal(Box<str>),
    /// `*`: any rest, also none.
    Rest,
}

impl Pattern {
    /// Reads a pattern; the error says what is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        let rest = text.strip_prefix('/').ok_or("it must start with `/`")?;
        let mut segments: Vec<Segment> = vec![];
        let mut parts = rest.split('/').peekable();
        while let Some(part) = parts.next() {
            let last = parts.peek().is_none();
            let segment = Segment::parse(part, last)?;
            let twice = matches!(&segment, Segment::Capture(name) if captures(&segments).any(|other| other == &**name));
            if twice {
                return Err("it names a capture twice");
            }
            segments.push(segment);
        }
        Ok(Self { segments })
    }

    /// The names of the captures, in order.
    pub(super) fn captures(&self) -> impl Iterator<Item = &str> {
        captures(&self.segments)
    }

    /// A path of this shape, with one capture replaced by a segment in canonical spelling.
    pub(super) fn replace(&self, path: &str, name: &str, segment: &str) -> Option<String> {
        let place = self
            .segments
            .iter()
            .position(|part| matches!(part, Segment::Capture(own) if &**own == name))?;
        let mut replaced = String::with_capacity(path.len().saturating_add(segment.len()));
        let mut found = false;
        for (index, part) in path.strip_prefix('/')?.split('/').enumerate() {
            found |= index == place;
            replaced.push('/');
            replaced.push_str(if index == place { segment } else { part });
        }
        found.then_some(replaced)
    }
}

fn captures(segments: &[Segment]) -> impl Iterator<Item = &str> {
    segments.iter().filter_map(|segment| match segment {
        Segment::Capture(name) => Some(&**name),
        Segment::Literal(_) | Segment::Rest => None,
    })
}

impl Segment {
    fn parse(part: &str, last: bool) -> Result<Self, &'static str> {
        if part == "*" {
            return if last {
                Ok(Self::Rest)
            } else {
                Err("`*` stands only at its end")
            };
        }
        if let Some(name) = part
            .strip_prefix('{')
            .and_then(|part| part.strip_suffix('}'))
        {
            let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
            let valid = !name.is_empty() && name.bytes().all(word);
            return if valid {
                Ok(Self::Capture(name.into()))
            } else {
                Err("a capture is `{name}`, of letters, digits and `_`")
            };
        }
        if part.contains(['*', '{', '}']) {
            return Err("`*` and `{name}` are whole segments");
        }
        if part.is_empty() && !last {
            return Err("it has an empty segment");
        }
        let path = format!("/{part}");
        let canonical = NormalPath::parse(&path).map_err(|_| "no request path can look like it")?;
        let literal = canonical.as_str().trim_start_matches('/');
        Ok(Self::Literal(literal.into()))
    }
}

/// The routes (by number) of one shape; several where their methods differ.
type Leaf = Vec<usize>;

/// What may follow after some segments.
#[derive(Debug, Default)]
pub(super) struct Node {
    literals: HashMap<Box<str>, Self>,
    capture: Option<Box<Self>>,
    /// Routes whose pattern ends here.
    end: Leaf,
    /// Routes whose pattern goes on with `*`.
    rest: Leaf,
}

impl Node {
    /// The leaf of a pattern, made where it is missing.
    pub(super) fn leaf(&mut self, pattern: &Pattern) -> &mut Leaf {
        let mut node = self;
        for segment in &pattern.segments {
            node = match segment {
                Segment::Capture(_) => node.capture.get_or_insert_default(),
                Segment::Literal(text) => node.literals.entry(text.clone()).or_default(),
                Segment::Rest => return &mut node.rest,
            };
        }
        &mut node.end
    }

    /// The most specific leaf for a path, and what was captured on the way. It backtracks: `/a/b/*` does not hide `/a/{x}/c` from `/a/b`'s siblings, and
    /// a literal that leads nowhere does not hide a capture that does.
    pub(super) fn find<'p>(&self, path: &'p str, values: &mut Values<'p>) -> Option<&[usize]> {
        self.descend(path.strip_prefix('/')?, values)
    }

    fn descend<'p>(&self, rest: &'p str, values: &mut Values<'p>) -> Option<&[usize]> {
        let (segment, tail) = match rest.split_once('/') {
            Some((segment, tail)) => (segment, Some(tail)),
            None => (rest, None),
        };
        let literal = self.literals.get(segment);
        if let Some(leaf) = literal.and_then(|node| node.follow(tail, values)) {
            return Some(leaf);
        }
        if let Some(node) = self.capture.as_ref().filter(|_| !segment.is_empty()) {
            let before = values.len();
            values.push(segment);
            if let Some(leaf) = node.follow(tail, values) {
                return Some(leaf);
            }
            values.truncate(before);
        }
        some(&self.rest)
    }

    /// On to the rest of a path, or to the end of it.
    fn follow<'p>(&self, tail: Option<&'p str>, values: &mut Values<'p>) -> Option<&[usize]> {
        match tail {
            Some(rest) => self.descend(rest, values),
            None => some(&self.end),
        }
    }
}

fn some(leaf: &[usize]) -> Option<&[usize]> {
    (!leaf.is_empty()).then_some(leaf)
}
