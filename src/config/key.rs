//! Where something stands in the file: `site.reports.hosts[1]`.

use std::fmt;

/// The way from the root of the file to one value.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub(super) struct KeyPath(Vec<Step>);

/// One step of a [`KeyPath`].
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) enum Step {
    /// Into an array.
    Index(usize),
    /// Into a table.
    Key(Box<str>),
}

impl KeyPath {
    /// The value of a key below.
    pub(super) fn key(&self, key: &str) -> Self {
        self.with(Step::Key(key.into()))
    }

    /// An element below.
    pub(super) fn index(&self, index: usize) -> Self {
        self.with(Step::Index(index))
    }

    /// The steps from the root.
    pub(super) fn steps(&self) -> &[Step] {
        &self.0
    }

    /// The key that holds this value: itself, or the array's where it is an element.
    pub(super) fn holder(&self) -> Self {
        let elements = self
            .0
            .iter()
            .rev()
            .take_while(|step| matches!(step, Step::Index(_)))
            .count();
        Self(
            self.0
                .iter()
                .take(self.0.len().saturating_sub(elements))
                .cloned()
                .collect(),
        )
    }

    /// The same table's entry of another name.
    pub(super) fn sibling(&self, key: &str) -> Self {
        let mut steps = self.0.clone();
        steps.pop();
        Self(steps).key(key)
    }

    /// Whether the other path is this one, or below it.
    pub(super) fn covers(&self, other: &Self) -> bool {
        other.0.starts_with(&self.0)
    }

    fn with(&self, step: Step) -> Self {
        let mut steps = self.0.clone();
        steps.push(step);
        Self(steps)
    }
}

impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, step) in self.0.iter().enumerate() {
            match step {
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Key(key) => {
                    let dot = if position == 0 { "" } else { "." };
                    if is_bare(key) {
                        write!(f, "{dot}{key}")?;
                    } else {
                        write!(f, "{dot}{key:?}")?;
                    }
                }
            }
        }
        Ok(())
    }
}

fn is_bare(key: &str) -> bool {
    !key.is_empty()
        && key
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_like_the_file() {
        let path = KeyPath::default()
            .key("site")
            .key("a b")
            .key("routes")
            .index(2)
            .key("path");
        assert_eq!(path.to_string(), "site.\"a b\".routes[2].path");
    }

    #[test]
    fn an_element_is_held_by_the_key_of_its_array() {
        let hosts = KeyPath::default().key("hosts");
        assert_eq!(hosts.index(3).holder(), hosts);
        assert_eq!(hosts.holder(), hosts);
        assert!(hosts.covers(&hosts.index(3)));
        assert!(!hosts.index(3).covers(&hosts));
    }
}
