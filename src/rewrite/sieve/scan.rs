//! The inner loops: runs of plain bytes, numbers, UTF-8 across chunks, and names as they decode.

/// How many bytes of white space come first.
pub(super) fn blank(bytes: &[u8]) -> usize {
    let other = |byte: &u8| !matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
    bytes.iter().position(other).unwrap_or(bytes.len())
}

/// How many bytes come before the next quote, backslash or control character, and whether they are all ASCII. Eight bytes at a time.
pub(super) fn plain(bytes: &[u8]) -> (usize, bool) {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    const CONTROL: u64 = 0x2020_2020_2020_2020;
    const QUOTE: u64 = 0x2222_2222_2222_2222;
    const BACKSLASH: u64 = 0x5c5c_5c5c_5c5c_5c5c;
    let (words, _) = bytes.as_chunks::<8>();
    let mut before = 0_usize;
    let mut seen = 0_u64;
    for word in words {
        let word = u64::from_le_bytes(*word);
        // The lowest flag is exact; those above it may come from a borrow, and are looked at again below.
        let (quote, backslash) = (word ^ QUOTE, word ^ BACKSLASH);
        let flags = (word.wrapping_sub(CONTROL) & !word)
            | (quote.wrapping_sub(ONES) & !quote)
            | (backslash.wrapping_sub(ONES) & !backslash);
        if flags & HIGH != 0 {
            break;
        }
        seen |= word;
        before = before.saturating_add(8);
    }
    let rest = bytes.get(before..).unwrap_or_default();
    let special = |byte: &u8| matches!(byte, 0..=0x1f | b'"' | b'\\');
    let more = rest.iter().position(special).unwrap_or(rest.len());
    let ascii = seen & HIGH == 0 && rest.get(..more).is_some_and(<[u8]>::is_ascii);
    (before.saturating_add(more), ascii)
}

/// Whether a raw name (between its quotes) is one of these when decoded.
pub(super) fn is_one_of(raw: &[u8], names: &[&str]) -> bool {
    if !raw.contains(&b'\\') {
        return names.iter().any(|name| name.as_bytes() == raw);
    }
    let quoted = [b"\"", raw, b"\""].concat();
    serde_json::from_slice::<String>(&quoted).is_ok_and(|name| names.contains(&&*name))
}

/// How far a number has come (RFC 8259, section 6).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Number {
    Exponent,
    ExponentDigits,
    ExponentSign,
    Fraction,
    Integer,
    Minus,
    Point,
    Zero,
}

impl Number {
    pub(super) fn start(byte: u8) -> Option<Self> {
        match byte {
            b'-' => Some(Self::Minus),
            b'0' => Some(Self::Zero),
            b'1'..=b'9' => Some(Self::Integer),
            _ => None,
        }
    }

    /// Whether what came so far is a whole number.
    pub(super) fn may_end(self) -> bool {
        matches!(
            self,
            Self::Zero | Self::Integer | Self::Fraction | Self::ExponentDigits
        )
    }

    /// Reads on: how many bytes belong to the number, and how far it is then.
    pub(super) fn read(mut self, bytes: &[u8]) -> (usize, Self) {
        for (index, byte) in bytes.iter().enumerate() {
            match self.next(*byte) {
                Some(next) => self = next,
                None => return (index, self),
            }
        }
        (bytes.len(), self)
    }

    fn next(self, byte: u8) -> Option<Self> {
        match (self, byte) {
            (Self::Integer, b'0'..=b'9') | (Self::Minus, b'1'..=b'9') => Some(Self::Integer),
            (Self::Minus, b'0') => Some(Self::Zero),
            (Self::Integer | Self::Zero, b'.') => Some(Self::Point),
            (Self::Point | Self::Fraction, b'0'..=b'9') => Some(Self::Fraction),
            (Self::Integer | Self::Zero | Self::Fraction, b'e' | b'E') => Some(Self::Exponent),
            (Self::Exponent, b'+' | b'-') => Some(Self::ExponentSign),
            (Self::Exponent | Self::ExponentSign | Self::ExponentDigits, b'0'..=b'9') => {
                Some(Self::ExponentDigits)
            }
            _ => None,
        }
    }
}

/// UTF-8 across chunks: the first bytes of a character whose rest is still to come.
#[derive(Debug, Default)]
pub(super) struct Utf8 {
    start: [u8; 4],
    length: usize,
}

impl Utf8 {
    pub(super) fn is_open(&self) -> bool {
        self.length > 0
    }

    /// Checks a run of a string; `whole` where the run does not go on in the next chunk.
    pub(super) fn check(&mut self, run: &[u8], whole: bool) -> Option<()> {
        let run = if self.is_open() { self.fill(run)? } else { run };
        if self.is_open() {
            return (!whole).then_some(());
        }
        let Err(error) = std::str::from_utf8(run) else {
            return Some(());
        };
        let start = run.get(error.valid_up_to()..)?;
        if whole || error.error_len().is_some() {
            return None;
        }
        self.start.get_mut(..start.len())?.copy_from_slice(start);
        self.length = start.len();
        Some(())
    }

    /// Takes what the open character still needs, and returns the rest.
    fn fill<'a>(&mut self, run: &'a [u8]) -> Option<&'a [u8]> {
        let [first, ..] = self.start;
        let width: usize = match first {
            ..0xe0 => 2,
            0xe0..0xf0 => 3,
            0xf0.. => 4,
        };
        let missing = width.checked_sub(self.length)?;
        let (more, rest) = run.split_at_checked(missing).unwrap_or((run, &[]));
        let end = self.length.checked_add(more.len())?;
        let room = self.start.get_mut(self.length..end)?;
        room.copy_from_slice(more);
        self.length = end;
        if end == width {
            std::str::from_utf8(self.start.get(..end)?).ok()?;
            self.length = 0;
        }
        Some(rest)
    }
}
