//! The file as a tree that knows where everything stands in the text.

use serde_spanned::Spanned;
use toml::de::{DeTable, DeValue};

use super::key::{KeyPath, Step};

/// A parsed file.
pub(super) struct Document<'t> {
    root: Spanned<DeTable<'t>>,
    lines: Lines,
}

/// A line and a column of the file, both from 1.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Position {
    /// The line.
    pub(super) line: usize,
    /// The column, in bytes.
    pub(super) column: usize,
}

/// Text that is no TOML, and where.
pub(super) struct SyntaxError {
    /// Where.
    pub(super) position: Position,
    /// What is wrong.
    pub(super) problem: String,
}

impl<'t> Document<'t> {
    /// Reads the text.
    ///
    /// # Errors
    /// Every syntax error, at most one per line.
    pub(super) fn parse(text: &'t str) -> Result<Self, Vec<SyntaxError>> {
        let lines = Lines::of(text);
        let (root, errors) = DeTable::parse_recoverable(text);
        if errors.is_empty() {
            return Ok(Self { root, lines });
        }
        let mut found: Vec<SyntaxError> = errors
            .iter()
            .map(|error| SyntaxError {
                position: lines.position(error.span().map_or(0, |span| span.start)),
                problem: error.message().to_owned(),
            })
            .collect();
        found.sort_by_key(|error| error.position);
        found.dedup_by_key(|error| error.position.line);
        Err(found)
    }

    /// The root table.
    pub(super) fn root(&self) -> &DeTable<'t> {
        self.root.get_ref()
    }

    /// Where a value stands: its key, or what stands nearest above where the file does not have it.
    pub(super) fn position(&self, path: &KeyPath) -> Position {
        let mut offset = 0;
        let mut inside = Inside::Table(self.root.get_ref());
        for step in path.steps() {
            let Some((start, next)) = inside.descend(step) else {
                break;
            };
            offset = start;
            inside = next;
        }
        self.lines.position(offset)
    }
}

/// What a step can lead into.
#[derive(Clone, Copy)]
enum Inside<'d, 't> {
    Table(&'d DeTable<'t>),
    Value(&'d DeValue<'t>),
}

impl Inside<'_, '_> {
    fn descend(self, step: &Step) -> Option<(usize, Self)> {
        match (self, step) {
            (Self::Table(table) | Self::Value(DeValue::Table(table)), Step::Key(key)) => {
                let (key, value) = table.get_key_value(key.as_ref())?;
                Some((key.span().start, Self::Value(value.get_ref())))
            }
            (Self::Value(DeValue::Array(array)), Step::Index(index)) => {
                let value = array.get(*index)?;
                Some((value.span().start, Self::Value(value.get_ref())))
            }
            _ => None,
        }
    }
}

/// Where the lines begin.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Self {
        Self(
            std::iter::once(0)
                .chain(text.match_indices('\n').map(|(at, _)| at.saturating_add(1)))
                .collect(),
        )
    }

    fn position(&self, offset: usize) -> Position {
        let line = self.0.partition_point(|start| *start <= offset);
        let start = self.0.get(line.saturating_sub(1)).copied().unwrap_or(0);
        Position {
            line,
            column: offset.saturating_sub(start).saturating_add(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
[site.reports]
hosts = [
  \"a\",
  \"b\",
]
limits = { viewer = \"1/s\" }

[[site.reports.routes]]
path = \"/a\"

[[site.reports.routes]]
path = \"/b\"
";

    #[test]
    fn finds_the_line_of_every_kind_of_key() {
        let document = Document::parse(TEXT).ok().unwrap();
        let site = KeyPath::default().key("site").key("reports");
        for (path, line) in [
            (site.clone(), 1),
            (site.key("upstream"), 1),
            (site.key("hosts"), 2),
            (site.key("hosts").index(1), 4),
            (site.key("limits").key("viewer"), 6),
            (site.key("routes").index(0), 8),
            (site.key("routes").index(1).key("lock").index(0), 11),
            (site.key("routes").index(1).key("path"), 12),
        ] {
            assert_eq!(document.position(&path).line, line, "{path}");
        }
    }

    #[test]
    fn reports_several_syntax_errors() {
        let errors = Document::parse("a = \nb = 1\nc = = 2\n").err().unwrap();
        assert_eq!(
            errors
                .iter()
                .map(|error| error.position.line)
                .collect::<Vec<_>>(),
            [1, 3]
        );
    }
}
