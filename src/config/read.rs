//! From the tree to the structs of [`super::raw`], collecting every fault instead of stopping at the first.
//!
//! serde stops at the first error. So the fault is noted, the key that holds it is left out, and the reading starts again: every
//! field of the raw structs has a default, hence nothing else breaks. A key that was left out is remembered, so that it is not
//! reported as missing later.

use std::{collections::HashSet, fmt};

use serde::{
    de::{
        DeserializeOwned, DeserializeSeed, Deserializer, Error, Expected, IntoDeserializer,
        MapAccess, SeqAccess, Unexpected, Visitor, value::StrDeserializer,
    },
    forward_to_deserialize_any,
};
use serde_spanned::Spanned;
use toml::de::{DeInteger, DeTable, DeValue};

use super::{key::KeyPath, units::MOMENT};

/// What was read, what was wrong, and what was left out because of it.
pub(super) struct Reading<T> {
    /// The struct; where something was wrong, with the default in its place.
    pub(super) value: T,
    /// Every fault.
    pub(super) faults: Vec<(KeyPath, String)>,
    /// The keys that nobody should complain about any more.
    pub(super) left_out: HashSet<KeyPath>,
}

/// Reads a table; gives up after [`MOST_FAULTS`].
pub(super) fn read<T: DeserializeOwned + Default>(root: &DeTable<'_>) -> Reading<T> {
    let mut faults = Vec::new();
    let mut left_out = HashSet::new();
    while left_out.len() < MOST_FAULTS {
        let node = Node {
            value: Held::Table(root),
            path: KeyPath::default(),
            left_out: &left_out,
        };
        let fault = match T::deserialize(node) {
            Ok(value) => {
                return Reading {
                    value,
                    faults,
                    left_out,
                };
            }
            Err(fault) => fault,
        };
        let path = fault.path.unwrap_or_default();
        if let Some(meant) = fault.meant {
            left_out.insert(path.sibling(meant));
        }
        let progress = left_out.insert(path.holder());
        // A table that is incomplete because something in it was left out is no second fault.
        if !faults.iter().any(|(earlier, _)| path.covers(earlier)) {
            faults.push((path, fault.problem));
        }
        if !progress {
            break;
        }
    }
    left_out.insert(KeyPath::default());
    Reading {
        value: T::default(),
        faults,
        left_out,
    }
}

/// Faults after which reading stops.
const MOST_FAULTS: usize = 100;

/// One fault, on its way up.
#[derive(Debug)]
struct Fault {
    path: Option<KeyPath>,
    problem: String,
    meant: Option<&'static str>,
}

impl Fault {
    fn new(problem: String) -> Self {
        Self {
            path: None,
            problem,
            meant: None,
        }
    }

    /// Notes where it happened, unless something deeper did already.
    fn at(mut self, path: &KeyPath) -> Self {
        self.path.get_or_insert_with(|| path.clone());
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem)
    }
}

impl std::error::Error for Fault {}

impl Error for Fault {
    fn custom<T: fmt::Display>(problem: T) -> Self {
        Self::new(problem.to_string())
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(format!(
            "expected {}, found {found}",
            plain(&expected.to_string())
        ))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::invalid_type(found, expected)
    }

    fn unknown_variant(variant: &str, known: &'static [&'static str]) -> Self {
        Self::new(match nearest(variant, known) {
            Some(meant) => format!(
                "`{variant}` is not one of {}; did you mean `{meant}`?",
                listed(known)
            ),
            None => format!("`{variant}` is not one of {}", listed(known)),
        })
    }

    fn unknown_field(field: &str, known: &'static [&'static str]) -> Self {
        let meant = nearest(field, known);
        let problem = match meant {
            Some(meant) => format!("unknown key; did you mean `{meant}`?"),
            None => format!("unknown key; known here: {}", listed(known)),
        };
        Self {
            path: None,
            problem,
            meant,
        }
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(format!("`{field}` is required"))
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::new(format!("`{field}` is given twice"))
    }
}

/// serde's names of types, in the words of an operator.
fn plain(expected: &str) -> &str {
    match expected {
        "a boolean" => "true or false",
        "a sequence" => "an array",
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number, 0 or more",
        _ if expected.starts_with("struct ") || expected == "a map" => "a table",
        _ => expected,
    }
}

fn listed(known: &[&str]) -> String {
    known
        .iter()
        .map(|name| format!("`{name}`"))
        .collect::<Vec<_>>()
        .join(", ")
}

/// The known name that a misspelt one most likely stands for.
fn nearest(name: &str, known: &[&'static str]) -> Option<&'static str> {
    let allowed = (name.len() / 3).clamp(1, 3);
    known
        .iter()
        .map(|candidate| (distance(name, candidate), *candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Levenshtein distance, row by row; `-` and `_` are alike.
fn distance(left: &str, right: &str) -> usize {
    if left.len() > LONGEST_NAME {
        return usize::MAX;
    }
    let same = |a: u8, b: u8| a.eq_ignore_ascii_case(&b) || (a == b'-' && b == b'_');
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (line, a) in left.bytes().enumerate() {
        let mut diagonal = line;
        let mut before = line.saturating_add(1);
        for (cell, b) in row.iter_mut().skip(1).zip(right.bytes()) {
            let replaced = diagonal.saturating_add(usize::from(!same(a, b)));
            diagonal = *cell;
            before = replaced
                .min(diagonal.saturating_add(1))
                .min(before.saturating_add(1));
            *cell = before;
        }
        if let Some(first) = row.first_mut() {
            *first = line.saturating_add(1);
        }
    }
    row.last().copied().unwrap_or(0)
}

/// Names longer than this are not guessed at.
const LONGEST_NAME: usize = 40;

/// A value of the tree, as serde sees it.
struct Node<'d, 't> {
    value: Held<'d, 't>,
    path: KeyPath,
    left_out: &'d HashSet<KeyPath>,
}

/// The root is a table without a value around it.
#[derive(Clone, Copy)]
enum Held<'d, 't> {
    Table(&'d DeTable<'t>),
    Value(&'d DeValue<'t>),
}

impl<'d, 't> Node<'d, 't> {
    fn table(&self, table: &'d DeTable<'t>) -> Entries<'d, 't> {
        let rest = table
            .iter()
            .map(|(key, value)| (key.get_ref().as_ref(), value))
            .collect::<Vec<_>>()
            .into_iter();
        Entries {
            rest,
            next: None,
            path: self.path.clone(),
            left_out: self.left_out,
        }
    }

    fn visit<'de, V: Visitor<'de>>(&self, visitor: V) -> Result<V::Value, Fault> {
        match self.value {
            Held::Table(table) | Held::Value(DeValue::Table(table)) => {
                visitor.visit_map(self.table(table))
            }
            Held::Value(DeValue::Array(array)) => visitor.visit_seq(Elements {
                rest: array.iter().enumerate(),
                path: &self.path,
                left_out: self.left_out,
            }),
            Held::Value(DeValue::Boolean(value)) => visitor.visit_bool(*value),
            Held::Value(DeValue::Datetime(_)) => Err(Fault::invalid_type(
                Unexpected::Other("date-time"),
                &visitor,
            )),
            Held::Value(DeValue::Float(float)) => match float.as_str().parse::<f64>() {
                Ok(value) if value.is_finite() => visitor.visit_f64(value),
                _ => Err(Fault::invalid_type(
                    Unexpected::Other("infinity or not a number"),
                    &visitor,
                )),
            },
            Held::Value(DeValue::Integer(integer)) => match whole(integer) {
                Some(value) => visitor.visit_i64(value),
                None => Err(Fault::invalid_type(
                    Unexpected::Other("number beyond 64 bits"),
                    &visitor,
                )),
            },
            Held::Value(DeValue::String(text)) => visitor.visit_str(text),
        }
    }
}

fn whole(integer: &DeInteger<'_>) -> Option<i64> {
    i64::from_str_radix(integer.as_str(), integer.radix()).ok()
}

impl<'de> Deserializer<'de> for Node<'_, '_> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.visit(visitor).map_err(|fault| fault.at(&self.path))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match self.value {
            // TOML has a form of its own for these, which nothing else may take for text.
            Held::Value(DeValue::Datetime(time)) if name == MOMENT => visitor
                .visit_string(time.to_string())
                .map_err(|fault: Fault| fault.at(&self.path)),
            Held::Table(_) | Held::Value(_) => visitor.visit_newtype_struct(self),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let Held::Value(DeValue::String(text)) = self.value else {
            return self
                .visit(Word)
                .and_then(|()| Err(Fault::new("expected a string".into())))
                .map_err(|fault| fault.at(&self.path));
        };
        visitor
            .visit_enum(text.as_ref().into_deserializer())
            .map_err(|fault: Fault| fault.at(&self.path))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct identifier ignored_any
    }
}

/// Accepts nothing; only says that a string was expected.
struct Word;

impl Visitor<'_> for Word {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }
}

/// The entries of a table that were not left out.
struct Entries<'d, 't> {
    rest: std::vec::IntoIter<(&'d str, &'d Spanned<DeValue<'t>>)>,
    next: Option<(KeyPath, &'d DeValue<'t>)>,
    path: KeyPath,
    left_out: &'d HashSet<KeyPath>,
}

impl<'de> MapAccess<'de> for Entries<'_, '_> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Fault> {
        for (key, value) in self.rest.by_ref() {
            let path = self.path.key(key);
            if self.left_out.contains(&path) {
                continue;
            }
            let text: StrDeserializer<'_, Fault> = key.into_deserializer();
            let read = seed.deserialize(text).map_err(|fault| fault.at(&path))?;
            self.next = Some((path, value.get_ref()));
            return Ok(Some(read));
        }
        Ok(None)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Fault> {
        let Some((path, value)) = self.next.take() else {
            return Err(Fault::new("a value without a key".into()));
        };
        seed.deserialize(Node {
            value: Held::Value(value),
            path,
            left_out: self.left_out,
        })
    }
}

/// The elements of an array.
struct Elements<'d, 't> {
    rest: std::iter::Enumerate<std::slice::Iter<'d, Spanned<DeValue<'t>>>>,
    path: &'d KeyPath,
    left_out: &'d HashSet<KeyPath>,
}

impl<'de> SeqAccess<'de> for Elements<'_, '_> {
    type Error = Fault;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Fault> {
        let Some((index, value)) = self.rest.next() else {
            return Ok(None);
        };
        let node = Node {
            value: Held::Value(value.get_ref()),
            path: self.path.index(index),
            left_out: self.left_out,
        };
        seed.deserialize(node).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_name_is_recognised() {
        const KNOWN: &[&str] = &["frame_ancestors", "hosts", "issuers"];
        for (name, meant) in [
            ("frame_ancestor", Some("frame_ancestors")),
            ("frame-ancestors", Some("frame_ancestors")),
            ("host", Some("hosts")),
            ("isuers", Some("issuers")),
            ("colour", None),
            ("", None),
        ] {
            assert_eq!(nearest(name, KNOWN), meant, "{name}");
        }
    }

    #[test]
    fn distance_counts_edits() {
        for (left, right, edits) in [
            ("", "abc", 3),
            ("abc", "abc", 0),
            ("abc", "axc", 1),
            ("kitten", "sitting", 3),
            ("ab", "b", 1),
        ] {
            assert_eq!(distance(left, right), edits, "{left} {right}");
        }
    }
}
