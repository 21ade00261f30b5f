//! Secrets that adapters hold.

use std::fmt;

use zeroize::Zeroizing;

/// Secret bytes: never printed, wiped when dropped.
#[derive(Clone, Eq, PartialEq)]
pub struct SecretBytes(Zeroizing<Box<[u8]>>);

impl SecretBytes {
    /// Takes the bytes.
    pub fn new(bytes: &[u8]) -> Self {
        Self(Zeroizing::new(bytes.into()))
    }

    /// The bytes.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretBytes(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_printed() {
        assert_eq!(
            format!("{:?}", SecretBytes::new(b"hunter2")),
            "SecretBytes(…)"
        );
    }
}
