//! JSON (RFC 8259) that can be read in one way only: UTF-8 without BOM, one value and nothing after it, no duplicate keys, no lone surrogates.

use std::borrow::Cow;

use crate::gate::refusal::Refusal;

/// Deepest nesting of arrays and objects.
pub(super) const DEPTH: usize = 64;

/// Reads a whole body; what comes back may be walked without looking twice.
pub(super) fn check(body: &[u8]) -> Result<&str, Refusal> {
    let text = std::str::from_utf8(body).map_err(|_| Refusal::BodyUnsupported)?;
    let mut scanner = Scanner {
        text,
        at: 0,
        keys: Vec::new(),
    };
    scanner.document().ok_or(Refusal::BodyUnsupported)?;
    Ok(text)
}

/// Whether a text is a JSON number.
pub(super) fn is_number(text: &str) -> bool {
    let mut scanner = Scanner {
        text,
        at: 0,
        keys: Vec::new(),
    };
    scanner.number().is_some() && scanner.at == text.len()
}

/// A string's content between its quotes, decoded.
pub(super) fn decoded(text: &str, from: usize, to: usize) -> Option<Cow<'_, str>> {
    let content = text.get(from..to)?;
    if !content.contains('\\') {
        return Some(Cow::Borrowed(content));
    }
    let quoted = text.get(from.checked_sub(1)?..to.checked_add(1)?)?;
    serde_json::from_str(quoted).ok().map(Cow::Owned)
}

struct Scanner<'a> {
    text: &'a str,
    at: usize,
    /// The keys of all open objects, outermost first.
    keys: Vec<Cow<'a, str>>,
}

impl Scanner<'_> {
    fn document(&mut self) -> Option<()> {
        self.blank();
        self.value(0)?;
        self.blank();
        (self.at == self.text.len()).then_some(())
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn step(&mut self) {
        self.at = self.at.saturating_add(1);
    }

    fn eat(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.step())
    }

    fn blank(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.step();
        }
    }

    fn value(&mut self, depth: usize) -> Option<()> {
        match self.peek()? {
            b'{' if depth < DEPTH => self.object(depth.saturating_add(1)),
            b'[' if depth < DEPTH => self.array(depth.saturating_add(1)),
            b'"' => self.string().map(drop),
            b't' => self.word("true"),
            b'f' => self.word("false"),
            b'n' => self.word("null"),
            _ => self.number(),
        }
    }

    fn word(&mut self, word: &str) -> Option<()> {
        let end = self.at.saturating_add(word.len());
        (self.text.get(self.at..end)? == word).then(|| self.at = end)
    }

    fn array(&mut self, depth: usize) -> Option<()> {
        self.step();
        self.blank();
        if self.eat(b']').is_some() {
            return Some(());
        }
        loop {
            self.value(depth)?;
            self.blank();
            if self.eat(b',').is_none() {
                return self.eat(b']');
            }
            self.blank();
        }
    }

    fn object(&mut self, depth: usize) -> Option<()> {
        let outer = self.keys.len();
        self.step();
        self.blank();
        if self.eat(b'}').is_some() {
            return Some(());
        }
        loop {
            let (from, to) = self.string()?;
            let key = decoded(self.text, from, to)?;
            if key.chars().any(char::is_control) {
                return None;
            }
            self.keys.push(key);
            self.blank();
            self.eat(b':')?;
            self.blank();
            self.value(depth)?;
            self.blank();
            if self.eat(b',').is_none() {
                self.eat(b'}')?;
                return self.close(outer);
            }
            self.blank();
        }
    }

    /// Leaves an object whose keys begin at `outer`: all different. Sorting bounds the cost of a hostile million of them.
    fn close(&mut self, outer: usize) -> Option<()> {
        let own = self.keys.get_mut(outer..)?;
        own.sort_unstable();
        let distinct = own.windows(2).all(|two| !matches!(two, [a, b] if a == b));
        self.keys.truncate(outer);
        distinct.then_some(())
    }

    /// The span between the quotes.
    fn string(&mut self) -> Option<(usize, usize)> {
        self.eat(b'"')?;
        let from = self.at;
        loop {
            let rest = self.text.as_bytes().get(self.at..)?;
            let plain = rest
                .iter()
                .position(|byte| matches!(byte, 0..=0x1f | b'"' | b'\\'))?;
            self.at = self.at.saturating_add(plain);
            match self.peek()? {
                b'"' => {
                    let to = self.at;
                    self.step();
                    return Some((from, to));
                }
                b'\\' => self.escape()?,
                _ => return None,
            }
        }
    }

    fn escape(&mut self) -> Option<()> {
        self.step();
        let kind = self.peek()?;
        self.step();
        match kind {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(()),
            b'u' => match self.unit()? {
                0xd800..=0xdbff => {
                    self.eat(b'\\')?;
                    self.eat(b'u')?;
                    matches!(self.unit()?, 0xdc00..=0xdfff).then_some(())
                }
                0xdc00..=0xdfff => None,
                _ => Some(()),
            },
            _ => None,
        }
    }

    fn unit(&mut self) -> Option<u16> {
        let end = self.at.checked_add(4)?;
        let digits = self.text.get(self.at..end)?;
        self.at = end;
        digits
            .bytes()
            .all(|byte| byte.is_ascii_hexdigit())
            .then(|| u16::from_str_radix(digits, 16).ok())?
    }

    fn number(&mut self) -> Option<()> {
        let _ = self.eat(b'-');
        match self.peek()? {
            b'0' => self.step(),
            b'1'..=b'9' => self.digits()?,
            _ => return None,
        }
        if self.eat(b'.').is_some() {
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.step();
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.step();
            }
            self.digits()?;
        }
        Some(())
    }

    fn digits(&mut self) -> Option<()> {
        let from = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.step();
        }
        (self.at > from).then_some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_has_one_reading() {
        for text in [
            "{}",
            " [ ] ",
            "null",
            "-0.5e+10",
            "1e400",
            "123456789012345678901234567890",
            "{\"a\":{\"a\":1},\"b\":[{\"a\":1},{\"a\":2}]}",
            "\"\\ud83d\\ude00\\n\"",
            "{\"\":1}",
            "\"\\u0000\"",
        ] {
            assert!(check(text.as_bytes()).is_ok(), "{text}");
        }
    }

    #[test]
    fn refuses_what_has_two_or_none() {
        let cases: [&[u8]; 31] = [
            b"",
            b" ",
            b"{\"a\":1}x",
            b"{\"a\":1} {}",
            b"{\"a\":1,\"a\":1}",
            b"{\"a\":1,\"\\u0061\":2}",
            b"[{\"b\":{\"c\":1,\"c\":2}}]",
            b"{\"a\":1,}",
            b"[1,]",
            b"[,1]",
            b"{a:1}",
            b"{'a':1}",
            b"[01]",
            b"[+1]",
            b"[.5]",
            b"[1.]",
            b"[1e]",
            b"[NaN]",
            b"[Infinity]",
            b"\xef\xbb\xbf{}",
            b"\xff\xfe{\0}\0",
            b"{\0\"\0",
            b"[\"\xff\"]",
            b"[\"\x01\"]",
            b"[\"\\ud800\"]",
            b"[\"\\udc00\\ud800\"]",
            b"[\"\\x41\"]",
            b"[\"\\u00g0\"]",
            b"[\"a]",
            b"/**/{}",
            b"{\"a\\u0000\":1}",
        ];
        for body in cases {
            assert_eq!(
                check(body),
                Err(Refusal::BodyUnsupported),
                "{}",
                String::from_utf8_lossy(body)
            );
        }
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(check(nested(DEPTH).as_bytes()).is_ok());
        assert!(check(nested(DEPTH + 1).as_bytes()).is_err());
        assert!(check("[".repeat(1_000_000).as_bytes()).is_err());
    }
}
