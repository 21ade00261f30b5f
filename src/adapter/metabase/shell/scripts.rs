//! Settings inside scripts: JSON on its own, or assigned to the front end's variable.

use serde_json::{Deserializer, value::RawValue};

use super::ShellError;
use crate::adapter::metabase::settings::SettingsError;

/// The variable of Metabase's front end.
const VARIABLE: &str = "MetabaseBootstrap";

/// Settings as they stand in a page.
#[derive(Debug)]
pub(super) struct Block<'a> {
    /// Their text.
    pub(super) json: &'a str,
    /// Where it begins.
    pub(super) from: usize,
}

impl<'a> Block<'a> {
    /// A script that is nothing but settings.
    pub(super) fn island(content: &'a str, from: usize) -> Self {
        Self {
            json: content,
            from,
        }
    }
}

/// Finds objects that a script assigns to the variable. Anything else that it does with it is left alone: current shells parse what stands in a script of
/// its own.
///
/// # Errors
/// What is assigned begins as an object does, but is no JSON.
pub(super) fn assigned<'a>(
    script: &'a str,
    from: usize,
    blocks: &mut Vec<Block<'a>>,
) -> Result<(), ShellError> {
    let mut rest = script;
    while let Some((_, after)) = rest.split_once(VARIABLE) {
        rest = after;
        let value = after.trim_start().strip_prefix('=').map(str::trim_start);
        let Some(value) = value.filter(|value| value.starts_with('{')) else {
            continue;
        };
        let mut values = Deserializer::from_str(value).into_iter::<&RawValue>();
        let Some(Ok(json)) = values.next() else {
            return Err(SettingsError::NotJson.into());
        };
        let json = json.get();
        let at = script.len().saturating_sub(value.len());
        blocks.push(Block {
            json,
            from: from.saturating_add(at),
        });
        rest = value.get(json.len()..).unwrap_or_default();
    }
    Ok(())
}

/// JSON that can stand in a script: nothing in it ends the script, opens a comment or breaks a line.
pub(super) fn escape(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for unit in json.chars() {
        match unit {
            '<' => text.push_str("\\u003c"),
            '\u{2028}' => text.push_str("\\u2028"),
            '\u{2029}' => text.push_str("\\u2029"),
            _ => text.push(unit),
        }
    }
    text
}
