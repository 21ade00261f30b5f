//! In which encoding a page is: what its header says, or what it says itself in its first bytes (HTML Standard section 13.2.3).

use html5gum::{DefaultEmitter, StartTag, Token, Tokenizer};

/// The byte order mark of UTF-8, which outweighs everything else.
pub(super) const MARK: &[u8] = b"\xef\xbb\xbf";

/// Bytes in which browsers look for what a page says.
pub(super) const LOOKED_AT: usize = 1024;

/// The label of a `Content-Type`, in lower case.
pub(super) fn label(content_type: &str) -> Option<String> {
    let mut parameters = content_type.split(';').skip(1);
    parameters.find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let value = value.trim().trim_matches('"').trim();
        let named = name.trim().eq_ignore_ascii_case("charset");
        (named && is_label(value)).then(|| value.to_ascii_lowercase())
    })
}

/// Whether a label stands for UTF-16 (Encoding Standard section 4.2).
pub(super) fn is_wide(label: &str) -> bool {
    matches!(
        label,
        "csunicode"
            | "iso-10646-ucs-2"
            | "ucs-2"
            | "unicode"
            | "unicodefeff"
            | "unicodefffe"
            | "utf-16"
            | "utf-16be"
            | "utf-16le"
    )
}

/// The label that a page declares by `<meta>`.
pub(super) fn declared(page: &[u8]) -> Option<String> {
    let looked_at = page.get(..LOOKED_AT).unwrap_or(page);
    let text = String::from_utf8_lossy(looked_at);
    let mut emitter = DefaultEmitter::default();
    emitter.naively_switch_states(true);
    let mut tags = Tokenizer::new_with_emitter(&*text, emitter);
    tags.find_map(|token| {
        let Ok(Token::StartTag(tag)) = token else {
            return None;
        };
        (tag.name.as_slice() == b"meta").then(|| of_meta(&tag))?
    })
}

fn of_meta(tag: &StartTag<()>) -> Option<String> {
    let attribute = |name: &[u8]| {
        let value = tag.attributes.get(name)?;
        std::str::from_utf8(value.as_slice()).ok()
    };
    if let Some(label) = attribute(b"charset") {
        let label = label.trim();
        return is_label(label).then(|| label.to_owned());
    }
    let equivalent = attribute(b"http-equiv")?;
    equivalent
        .trim()
        .eq_ignore_ascii_case("content-type")
        .then(|| label(attribute(b"content")?))
        .flatten()
}

/// Nothing that could be anything else in markup.
fn is_label(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:+".contains(&byte);
    (1..=40).contains(&text.len()) && text.bytes().all(plain)
}
