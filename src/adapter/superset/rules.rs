//! Row-level rules: the operator's SQL templates, filled with typed values only.
//!
//! Superset pastes a clause into the query as text, and its Jinja may evaluate it first, so nothing that a token says may ever be read as SQL:
//! a value becomes exactly one literal, or the request is refused.

use crate::gate::{
    param::{Mode, ParamSpec, Scalar, Type, Value},
    policy::Denial,
    refusal::Refusal,
};

/// One rule: a clause, and the dataset that it holds for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Rule {
    pieces: Vec<Piece>,
    dataset: Option<u64>,
}

/// A clause that cannot be a template.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum RuleError {
    /// `{{`, `{%`, `{#` and lone braces: Superset would hand them to Jinja.
    #[error(
        "a clause may hold braces only around the name of a parameter, as in `tenant_id = {{tenant_id}}`"
    )]
    Brace,
    /// Comments, statement ends, escapes: nothing a row-level clause needs.
    #[error("a clause may not hold {0}")]
    Forbidden(&'static str),
    /// A list outside `IN (…)`.
    #[error("`{{{0}}}` may hold a list, so it must stand alone inside `IN ({{{0}}})`")]
    List(Box<str>),
    /// Not declared as locked.
    #[error(
        "`{{{0}}}` must be declared with mode = \"locked\": the viewer could choose its value otherwise"
    )]
    NotLocked(Box<str>),
    /// The placeholder touches something that would join with its value.
    #[error(
        "`{{{0}}}` must stand apart from names, numbers and operators other than `=`, `<`, `>`, `,` and parentheses"
    )]
    Position(Box<str>),
    /// The placeholder stands inside quotes.
    #[error(
        "`{{{0}}}` stands inside quotes; leave them out, text is quoted when the clause is filled"
    )]
    Quoted(Box<str>),
    /// Quotes or parentheses that do not close, or no clause at all.
    #[error("{0}")]
    Shape(&'static str),
    /// Not declared at all.
    #[error("`{{{0}}}` is not one of the site's parameters")]
    Unknown(Box<str>),
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Piece {
    Param { index: usize, name: Box<str> },
    Text(Box<str>),
}

impl Rule {
    /// Reads a clause; placeholders `{name}` are the site's locked parameters. `dataset` is Superset's numeric id; `None` holds for every dataset.
    ///
    /// # Errors
    /// Says what is wrong with the clause.
    pub fn parse(
        clause: &str,
        dataset: Option<u64>,
        params: &[ParamSpec],
    ) -> Result<Self, RuleError> {
        if dataset == Some(0) {
            return Err(RuleError::Shape(
                "dataset ids begin at 1; leave `dataset` out for a rule that holds for every dataset",
            ));
        }
        let pieces = Template {
            clause,
            params,
            pieces: Vec::new(),
            depth: 0,
        }
        .read()?;
        Ok(Self { pieces, dataset })
    }

    /// Whether the rule filters a dataset.
    pub fn covers(&self, dataset: u64) -> bool {
        self.dataset.is_none_or(|own| own == dataset)
    }

    /// The dataset it is limited to.
    pub fn dataset(&self) -> Option<u64> {
        self.dataset
    }

    /// The clause with the values in it, by the index of the site's parameters.
    ///
    /// # Errors
    /// `param_missing`; `param_invalid` where a value cannot become a literal that every dialect reads alike.
    pub fn fill(&self, values: &[Option<Value>]) -> Result<String, Denial> {
        let mut clause = String::with_capacity(64);
        for piece in &self.pieces {
            match piece {
                Piece::Param { index, name } => {
                    let value = values
                        .get(*index)
                        .and_then(Option::as_ref)
                        .ok_or_else(|| denial(Refusal::ParamMissing, name))?;
                    if value.scalars().is_empty() {
                        return Ok(NOTHING.to_owned());
                    }
                    literals(&mut clause, value)
                        .map_err(|()| denial(Refusal::ParamInvalid, name))?;
                }
                Piece::Text(text) => clause.push_str(text),
            }
        }
        Ok(clause)
    }
}

/// The clause that no row meets.
pub const NOTHING: &str = "1 = 0";

/// Most values of a list, and most characters of one.
const MAX_VALUES: usize = 1000;
const MAX_CHARS: usize = 1024;

fn denial(refusal: Refusal, param: &str) -> Denial {
    Denial::because(refusal, param.to_owned())
}

fn literals(clause: &mut String, value: &Value) -> Result<(), ()> {
    let scalars = value.scalars();
    if scalars.len() > MAX_VALUES {
        return Err(());
    }
    for (position, scalar) in scalars.iter().enumerate() {
        if position > 0 {
            clause.push_str(", ");
        }
        literal(clause, scalar)?;
    }
    Ok(())
}

/// Writes one SQL literal. The text was typed where it came in; it is checked again here, because here it becomes SQL.
fn literal(clause: &mut String, scalar: &Scalar) -> Result<(), ()> {
    let text = &*scalar.text;
    if text.is_empty() || text.chars().count() > MAX_CHARS {
        return Err(());
    }
    match scalar.kind {
        Type::Boolean if matches!(text, "true" | "false") => clause.push_str(text),
        Type::Date if shaped(text, "dddd-dd-dd") => quote(clause, text),
        Type::Integer if is_integer(text) => clause.push_str(text),
        Type::Number if is_number(text) => clause.push_str(text),
        Type::String
            if text.chars().all(is_plain)
                && !text.contains("{{")
                && !text.contains("{%")
                && !text.contains("{#") =>
        {
            quote(clause, text);
        }
        Type::Uuid if shaped(text, "hhhhhhhh-hhhh-hhhh-hhhh-hhhhhhhhhhhh") => quote(clause, text),
        Type::Boolean | Type::Date | Type::Integer | Type::Number | Type::String | Type::Uuid => {
            return Err(());
        }
    }
    Ok(())
}

fn quote(clause: &mut String, text: &str) {
    clause.push('\'');
    for character in text.chars() {
        if character == '\'' {
            clause.push('\'');
        }
        clause.push(character);
    }
    clause.push('\'');
}

/// No control characters, no backslash (an escape in some dialects), nor characters that a narrower charset maps to a quote or a backslash.
fn is_plain(character: char) -> bool {
    !character.is_control()
        && !matches!(
            character,
            '\\' | '\u{02BC}' | '\u{2028}' | '\u{2029}' | '\u{FF07}' | '\u{FF3C}'
        )
}

fn is_integer(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_number(text: &str) -> bool {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_integer(whole)
        && fraction.is_none_or(digits)
        && exponent.is_none_or(|text| digits(text.strip_prefix(['+', '-']).unwrap_or(text)))
}

/// Whether a text has a shape: `d` a digit, `h` a hexadecimal digit, else itself.
fn shaped(text: &str, shape: &str) -> bool {
    text.len() == shape.len()
        && text
            .bytes()
            .zip(shape.bytes())
            .all(|(byte, shape)| match shape {
                b'd' => byte.is_ascii_digit(),
                b'h' => byte.is_ascii_hexdigit(),
                other => byte == other,
            })
}

/// Reads a clause once, left to right.
struct Template<'a> {
    clause: &'a str,
    params: &'a [ParamSpec],
    pieces: Vec<Piece>,
    depth: usize,
}

impl Template<'_> {
    fn read(mut self) -> Result<Vec<Piece>, RuleError> {
        if self.clause.trim().is_empty() {
            return Err(RuleError::Shape("a clause may not be empty"));
        }
        let mut text = String::new();
        let mut quote = None;
        let mut rest = self.clause;
        while let Some(character) = rest.chars().next() {
            let after = rest.strip_prefix(character).unwrap_or_default();
            if character == '{' {
                let (name, after) = placeholder(after)?;
                if quote.is_some() {
                    return Err(RuleError::Quoted(name.into()));
                }
                let index = self.place(name, &text, after)?;
                self.pieces
                    .push(Piece::Text(std::mem::take(&mut text).into()));
                self.pieces.push(Piece::Param {
                    index,
                    name: name.into(),
                });
                rest = after;
                continue;
            }
            forbid(character, after, quote)?;
            match quote {
                Some(open) if open == character => quote = None,
                Some(_) => {}
                None => quote = self.outside(character)?,
            }
            text.push(character);
            rest = after;
        }
        if quote.is_some() || self.depth != 0 {
            return Err(RuleError::Shape("a quote or a parenthesis is not closed"));
        }
        self.pieces.push(Piece::Text(text.into()));
        Ok(self.pieces)
    }

    /// One character outside quotes: follows parentheses (Superset wraps the clause in a pair, which a lone `)` would close) and opens quotes.
    fn outside(&mut self, character: char) -> Result<Option<char>, RuleError> {
        match character {
            '(' => self.depth = self.depth.saturating_add(1),
            ')' => {
                self.depth = self.depth.checked_sub(1).ok_or(RuleError::Shape(
                    "a parenthesis is closed that was not opened",
                ))?;
            }
            '\'' | '"' | '`' => return Ok(Some(character)),
            _ => {}
        }
        Ok(None)
    }

    fn place(&self, name: &str, before: &str, after: &str) -> Result<usize, RuleError> {
        let index = self
            .params
            .iter()
            .position(|param| &*param.name == name)
            .ok_or_else(|| RuleError::Unknown(name.into()))?;
        let spec = self
            .params
            .get(index)
            .ok_or_else(|| RuleError::Unknown(name.into()))?;
        if spec.mode != Mode::Locked {
            return Err(RuleError::NotLocked(name.into()));
        }
        let apart = |character: Option<char>| {
            character.is_none_or(|one| one.is_ascii_whitespace() || "()=<>,".contains(one))
        };
        let joined = before.is_empty() && matches!(self.pieces.last(), Some(Piece::Param { .. }));
        if joined || !apart(before.chars().next_back()) || !apart(after.chars().next()) {
            return Err(RuleError::Position(name.into()));
        }
        if spec.list && !in_list(before, after) {
            return Err(RuleError::List(name.into()));
        }
        Ok(index)
    }
}

/// `name}…` after an opening brace.
fn placeholder(after: &str) -> Result<(&str, &str), RuleError> {
    let (name, rest) = after.split_once('}').ok_or(RuleError::Brace)?;
    let named = !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'));
    if named {
        Ok((name, rest))
    } else {
        Err(RuleError::Brace)
    }
}

fn forbid(character: char, after: &str, quote: Option<char>) -> Result<(), RuleError> {
    match character {
        '}' => Err(RuleError::Brace),
        '\\' => Err(RuleError::Forbidden(
            "a backslash, which only some dialects read as an escape",
        )),
        _ if character.is_control() && character != '\n' && character != '\t' => {
            Err(RuleError::Forbidden("control characters"))
        }
        _ if quote.is_some() => Ok(()),
        ';' => Err(RuleError::Forbidden("`;`")),
        '#' | '$' | '[' | ']' => Err(RuleError::Forbidden(
            "`#`, `$`, `[` or `]`, which dialects read as comments or quotes",
        )),
        '-' if after.starts_with('-') => Err(RuleError::Forbidden("comments")),
        '/' if after.starts_with('*') => Err(RuleError::Forbidden("comments")),
        _ => Ok(()),
    }
}

/// Whether a placeholder stands alone in `IN ( … )`.
fn in_list(before: &str, after: &str) -> bool {
    let opened = before
        .trim_end()
        .strip_suffix('(')
        .map(str::trim_end)
        .unwrap_or_default();
    let keyword = opened.to_ascii_lowercase();
    let is_in = keyword
        .strip_suffix("in")
        .is_some_and(|left| left.ends_with(|last: char| !last.is_alphanumeric() && last != '_'));
    is_in && after.trim_start().starts_with(')')
}

#[cfg(test)]
mod tests;
