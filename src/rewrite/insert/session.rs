//! The script that attaches a page's session to the page's own requests, and what it is told.

use std::{fmt::Write, sync::LazyLock};

use serde_json::json;

/// Everything that the script is told. No `Debug`: the session is a secret.
#[derive(Clone, Copy)]
pub struct SessionScript<'a> {
    /// The page's session, sealed; `None`: the page learns of one later.
    pub session: Option<&'a str>,
    /// The site's public path prefix.
    pub prefix: &'a str,
    /// Query parameters that leave the page's address.
    pub dropped: &'a [Box<str>],
    /// Where the page leads on to at once, and how many did before it.
    pub next: Option<(&'a str, u8)>,
}

impl SessionScript<'_> {
    /// The `<script>` element, in ASCII. `nonce` is base64.
    pub fn element(&self, nonce: &str) -> Box<str> {
        let (next, hops) = self.next.unzip();
        let told = json!({
            "session": self.session,
            "prefix": self.prefix,
            "dropped": self.dropped,
            "next": next,
            "hops": hops,
        });
        let told = ascii(&told.to_string());
        format!("<script nonce=\"{nonce}\">{}({told});</script>", *SOURCE).into()
    }
}

/// The source, without indentation and comments.
static SOURCE: LazyLock<String> = LazyLock::new(|| {
    let lines = include_str!("session.js").lines().map(str::trim);
    let code = lines.filter(|line| !line.is_empty() && !line.starts_with("//"));
    code.collect::<Vec<_>>().join("\n")
});

/// JSON in ASCII, in which no tag begins: it ends no script and begins no comment.
fn ascii(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for char in json.chars() {
        if char.is_ascii() && !matches!(char, '<' | '>' | '&') {
            text.push(char);
            continue;
        }
        for unit in char.encode_utf16(&mut [0; 2]) {
            // Writing to a String cannot fail.
            let _infallible = write!(text, "\\u{unit:04x}");
        }
    }
    text
}
