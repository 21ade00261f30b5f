//! Ids of 128 bits, as 32 hex digits: of sessions and of revocations. They name, they do not authorise.

use std::fmt;

use super::request::UnixTime;

/// The id of a session: random, made when the session begins, kept when it is renewed and in the tickets made of it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct SessionId(u128);

/// The id of a revocation: the second in which it was made, then random bits. So ids sort by age, and gateways that share them do not collide.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct RevocationId(u128);

impl SessionId {
    /// A fresh one; `None` where there is no randomness.
    pub(in crate::gate) fn fresh() -> Option<Self> {
        random().map(Self)
    }

    /// Reads 32 hex digits.
    pub fn parse(text: &str) -> Option<Self> {
        read(text).map(Self)
    }

    /// The bytes.
    pub(in crate::gate) fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    /// Of its bytes.
    pub(in crate::gate) fn of_bytes(bytes: [u8; 16]) -> Self {
        Self(u128::from_be_bytes(bytes))
    }

    /// The 32 hex digits, nothing allocated.
    pub fn hex(self) -> [u8; 32] {
        let mut text = [0; 32];
        let mut rest = self.0;
        for digit in text.iter_mut().rev() {
            let [.., low] = rest.to_be_bytes();
            *digit = match low & 0xf {
                nibble @ 0..=9 => b'0'.saturating_add(nibble),
                nibble => b'a'.saturating_add(nibble).saturating_sub(10),
            };
            rest >>= 4;
        }
        text
    }
}

impl RevocationId {
    /// A fresh one; `None` where there is no randomness.
    pub fn fresh(made: UnixTime) -> Option<Self> {
        let seconds = u128::from(u64::try_from(made.0).unwrap_or(0)) & TIME_MASK;
        random().map(|random| Self((seconds << RANDOM_BITS) | (random >> TIME_BITS)))
    }

    /// Reads 32 hex digits.
    pub fn parse(text: &str) -> Option<Self> {
        read(text).map(Self)
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Display for RevocationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

fn random() -> Option<u128> {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).ok()?;
    Some(u128::from_be_bytes(bytes))
}

/// Exactly 32 digits: no sign, no space, no prefix.
fn read(text: &str) -> Option<u128> {
    let digits = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    digits
        .then(|| u128::from_str_radix(text, 16).ok())
        .flatten()
}

/// Seconds until the year 36812.
const TIME_BITS: u32 = 40;
const TIME_MASK: u128 = (1 << TIME_BITS) - 1;
const RANDOM_BITS: u32 = 128 - TIME_BITS;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back_and_nothing_else_does() {
        let id = SessionId::fresh().unwrap();
        assert_eq!(SessionId::parse(&id.to_string()), Some(id));
        assert_eq!(id.to_string().as_bytes(), id.hex());
        assert_eq!(SessionId::of_bytes(id.to_bytes()), id);
        assert_ne!(SessionId::fresh(), Some(id));
        for text in [
            "",
            "0",
            "+0000000000000000000000000000000",
            " 0000000000000000000000000000000",
            "0x000000000000000000000000000000",
            "g0000000000000000000000000000000",
            "000000000000000000000000000000000",
        ] {
            assert_eq!(SessionId::parse(text), None, "{text}");
            assert_eq!(RevocationId::parse(text), None, "{text}");
        }
    }

    #[test]
    fn revocations_sort_by_age() {
        let [first, second] =
            [1_764_000_000, 1_764_000_001].map(|made| RevocationId::fresh(UnixTime(made)).unwrap());
        assert!(first < second, "{first} {second}");
    }
}
