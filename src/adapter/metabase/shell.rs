//! The HTML shell of Metabase's embedded and public pages: its settings filtered, its addresses ours.
//!
//! The rest stays byte for byte, above all other inline scripts: Metabase's `Content-Security-Policy` names them by hash and nonce.

use std::{borrow::Cow, collections::BTreeMap, str};

use html5gum::{DefaultEmitter, HtmlString, Spanned, StartTag, Token, Tokenizer};
use serde_json::{Map, Value};
use thiserror::Error;

use super::settings::{self, Around, Inner, SettingsError};

mod scripts;
#[cfg(test)]
mod tests;

use scripts::Block;

/// Why a shell cannot be passed on.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum ShellError {
    /// It tells an inner name where nothing is known to be done about it.
    #[error("Metabase's page tells an inner name outside of its settings")]
    Inner,
    /// It is no UTF-8, or its tags cannot be told apart with certainty.
    #[error("Metabase's page cannot be read")]
    Markup,
    /// Its settings cannot be filtered.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// It holds settings in a form that is not known.
    #[error("Metabase's page holds settings in an unknown form")]
    Unknown,
}

/// Where its front end looks for the settings.
const SETTINGS: &[u8] = b"_metabaseBootstrap";

/// Names that only unfiltered settings have.
const TELLTALE: [&str; 2] = ["setup-token", "setup_token"];
/// The name that all settings have.
const SITE_URL: [&str; 2] = ["site-url", "site_url"];

type Tag = StartTag<usize>;
type Attributes = BTreeMap<HtmlString, Spanned<HtmlString, usize>>;

/// A part of the page, and what stands there instead.
#[derive(Debug)]
struct Edit {
    from: usize,
    to: usize,
    with: String,
}

/// What was found in a page.
#[derive(Debug, Default)]
struct Page {
    tags: Vec<Tag>,
    /// What stands between tags, decoded; not what stands in scripts.
    texts: Vec<HtmlString>,
    /// Scripts: which tag, and where its content is.
    scripts: Vec<(usize, usize, usize)>,
}

/// Rewrites a shell: the settings in it are filtered ([`settings::filter`]), `<base href>` and what the front end computes it from are the path of our
/// site, and the links and tags go that tell of oEmbed, of the generator and its version, and of inner names.
///
/// # Errors
/// Fails closed where the page cannot be read with certainty, holds settings that cannot be filtered, or tells an inner name all the same.
pub fn rewrite(html: &[u8], around: &Around<'_>) -> Result<Vec<u8>, ShellError> {
    let text = str::from_utf8(html).map_err(|_| ShellError::Markup)?;
    let page = read(text)?;
    let blocks = blocks(text, &page)?;
    let mut inner = Inner::new(around);
    let mut found = Vec::new();
    for block in blocks {
        let settings = settings::parse(block.json.as_bytes())?;
        settings::learn(&settings, &mut inner);
        found.push((block, settings));
    }
    let known = !found.is_empty();
    let mut edits: Vec<Edit> = found
        .into_iter()
        .map(|(block, settings)| replaced(&block, settings, around, &inner))
        .collect();
    for tag in &page.tags {
        let mut edit = change(tag, around, &inner)?;
        if let Some(edit) = edit.as_mut().filter(|edit| edit.with.is_empty()) {
            edit.with.push_str(remnant(text, edit.from));
        }
        edits.extend(edit);
    }
    if page.texts.iter().any(|text| tells(&inner, text)) {
        return Err(ShellError::Inner);
    }
    let out = write(text, edits)?;
    if inner.is_found_in(&out) {
        return Err(ShellError::Inner);
    }
    let holds = |names: &[&str]| names.iter().any(|name| out.contains(name));
    if holds(&TELLTALE) || !known && holds(&SITE_URL) {
        return Err(ShellError::Unknown);
    }
    Ok(out.into_bytes())
}

/// Splits a page into tags and texts, and finds its scripts.
fn read(html: &str) -> Result<Page, ShellError> {
    let mut emitter = DefaultEmitter::new_with_span();
    emitter.naively_switch_states(true);
    let mut page = Page::default();
    let mut script = None;
    for token in Tokenizer::new_with_emitter(html, emitter) {
        let Ok(token) = token;
        match token {
            Token::StartTag(tag) => {
                is_tag(html, tag.span.start, tag.span.end)?;
                if tag.name.as_slice() == b"script" {
                    script = Some((page.tags.len(), tag.span.end));
                }
                page.tags.push(tag);
            }
            Token::EndTag(tag) => {
                is_tag(html, tag.span.start, tag.span.end)?;
                if let Some((index, from)) = script.take() {
                    page.scripts.push((index, from, tag.span.start));
                }
            }
            Token::String(text) if script.is_none() => page.texts.push(text.value),
            Token::Comment(_) | Token::Doctype(_) | Token::Error(_) | Token::String(_) => {}
        }
    }
    match script {
        Some(_) => Err(ShellError::Markup),
        None => Ok(page),
    }
}

/// Whether a tag is where the tokenizer says.
fn is_tag(html: &str, from: usize, to: usize) -> Result<(), ShellError> {
    let tag = html.get(from..to).unwrap_or_default();
    let whole = tag.starts_with('<') && tag.ends_with('>');
    whole.then_some(()).ok_or(ShellError::Markup)
}

/// All settings in a page.
fn blocks<'a>(html: &'a str, page: &Page) -> Result<Vec<Block<'a>>, ShellError> {
    let mut blocks = Vec::new();
    let mut islands = 0_usize;
    for (index, from, to) in &page.scripts {
        let tag = page.tags.get(*index).ok_or(ShellError::Markup)?;
        let content = html.get(*from..*to).ok_or(ShellError::Markup)?;
        if is_settings(tag) {
            islands = islands.saturating_add(1);
            blocks.push(Block::island(content, *from));
        } else {
            scripts::assigned(content, *from, &mut blocks)?;
        }
    }
    let named = page.tags.iter().filter(|tag| is_settings(tag)).count();
    if named == islands {
        Ok(blocks)
    } else {
        Err(ShellError::Unknown)
    }
}

fn is_settings(tag: &Tag) -> bool {
    let id = attribute(tag, b"id");
    id.is_some_and(|id| id.trim_ascii().eq_ignore_ascii_case(SETTINGS))
}

fn replaced(
    block: &Block<'_>,
    settings: Map<String, Value>,
    around: &Around<'_>,
    inner: &Inner,
) -> Edit {
    let sifted = Value::Object(settings::sift(settings, around, inner));
    Edit {
        from: block.from,
        to: block.from.saturating_add(block.json.len()),
        with: scripts::escape(&sifted.to_string()),
    }
}

/// What becomes of a tag.
fn change(tag: &Tag, around: &Around<'_>, inner: &Inner) -> Result<Option<Edit>, ShellError> {
    let told = |attributes: &Attributes| {
        let mut attributes = attributes.iter();
        attributes.any(|(name, value)| tells(inner, name) || tells(inner, value))
    };
    let base = || format!("{}/", around.prefix());
    let gone = |gone: bool| gone.then(|| edit(tag, String::new()));
    let known = attribute(tag, b"name").map(<[u8]>::to_ascii_lowercase);
    Ok(match (tag.name.as_slice(), known.as_deref()) {
        (b"base", _) if tag.attributes.contains_key(&b"href"[..]) => {
            Some(edit(tag, with(tag, b"href", &base(), inner)))
        }
        (b"meta", Some(b"base-href")) => Some(edit(tag, with(tag, b"content", &base(), inner))),
        (b"meta", Some(b"uri")) => Some(edit(tag, with(tag, b"content", around.page, inner))),
        (b"meta", name) => gone(name.is_some_and(is_about_itself) || told(&tag.attributes)),
        (b"link", _) => gone(is_oembed(tag) || told(&tag.attributes)),
        _ if told(&tag.attributes) => return Err(ShellError::Inner),
        _ => None,
    })
}

/// What keeps apart what stood on either side of a tag that goes: `<<link …>script>` must not become a script.
fn remnant(html: &str, at: usize) -> &'static str {
    let before = html.as_bytes().get(..at).and_then(<[u8]>::last);
    match before {
        None | Some(b'>' | b' ' | b'\t' | b'\n' | b'\r') => "",
        Some(_) => "<!---->",
    }
}

/// A `<meta>` that says what made the page, and in which version.
fn is_about_itself(name: &[u8]) -> bool {
    name == b"generator" || name.windows(7).any(|part| part == b"version")
}

fn is_oembed(tag: &Tag) -> bool {
    let media = attribute(tag, b"type").map(<[u8]>::to_ascii_lowercase);
    media.is_some_and(|media| media.windows(6).any(|part| part == b"oembed"))
}

fn attribute<'a>(tag: &'a Tag, name: &[u8]) -> Option<&'a [u8]> {
    tag.attributes.get(name).map(|value| value.as_slice())
}

fn tells(inner: &Inner, text: &[u8]) -> bool {
    inner.is_found_in(&String::from_utf8_lossy(text))
}

fn edit(tag: &Tag, with: String) -> Edit {
    Edit {
        from: tag.span.start,
        to: tag.span.end,
        with,
    }
}

/// The tag with another value of an attribute, and without attributes that tell an inner name.
fn with(tag: &Tag, name: &[u8], value: &str, inner: &Inner) -> String {
    let mut text = format!("<{}", String::from_utf8_lossy(&tag.name));
    for (own, old) in &tag.attributes {
        let own = String::from_utf8_lossy(own);
        let value = if own.as_bytes() == name {
            Cow::Borrowed(value)
        } else {
            String::from_utf8_lossy(old)
        };
        if own.as_bytes() == name || !inner.is_found_in(&value) {
            let value = value.replace('&', "&amp;").replace('"', "&quot;");
            for part in [" ", &*own, "=\"", &*value, "\""] {
                text.push_str(part);
            }
        }
    }
    text.push('>');
    text
}

/// Puts the edits in.
fn write(html: &str, mut edits: Vec<Edit>) -> Result<String, ShellError> {
    edits.sort_unstable_by_key(|edit| edit.from);
    let mut out = String::with_capacity(html.len());
    let mut at = 0;
    for Edit { from, to, with } in edits {
        out.push_str(html.get(at..from).ok_or(ShellError::Markup)?);
        out.push_str(&with);
        at = to;
    }
    out.push_str(html.get(at..).ok_or(ShellError::Markup)?);
    Ok(out)
}
