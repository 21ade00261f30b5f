//! Records as they lie in Redis: sealed (AES-256-GCM), so that whoever reads Redis learns no name, and whoever writes there makes no revocation.

use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};

/// Seals and opens. No `Debug`: it holds a key.
#[derive(Clone)]
pub struct Strongbox(Arc<RandomizedNonceKey>);

impl Strongbox {
    /// With a key of 32 bytes.
    pub(super) fn new(key: &[u8]) -> Option<Self> {
        let key = RandomizedNonceKey::new(&AES_256_GCM, key).ok()?;
        Some(Self(Arc::new(key)))
    }

    /// `nonce | ciphertext and tag`; `place` is where it lies, and it opens nowhere else. `None` where there is no randomness.
    pub fn seal(&self, place: &str, text: &[u8]) -> Option<Vec<u8>> {
        let mut sealed = text.to_vec();
        let nonce = self
            .0
            .seal_in_place_append_tag(Aad::from(place.as_bytes()), &mut sealed)
            .ok()?;
        let mut whole = nonce.as_ref().to_vec();
        whole.extend_from_slice(&sealed);
        Some(whole)
    }

    /// What was sealed; `None` where it was not sealed by one of us, or for another place.
    pub fn open(&self, place: &str, sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, rest) = sealed.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut rest = rest.to_vec();
        let opened = self
            .0
            .open_in_place(nonce, Aad::from(place.as_bytes()), &mut rest);
        Some(opened.ok()?.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_what_it_sealed_at_its_place_and_nothing_else() {
        let (one, other) = (
            Strongbox::new(&[1; 32]).unwrap(),
            Strongbox::new(&[2; 32]).unwrap(),
        );
        let sealed = one.seal("a", b"viewer-7").unwrap();
        assert_eq!(one.open("a", &sealed).as_deref(), Some(&b"viewer-7"[..]));
        assert!(!sealed.windows(8).any(|window| window == b"viewer-7"));
        assert_eq!(one.open("b", &sealed), None);
        assert_eq!(other.open("a", &sealed), None);
        for at in 0..sealed.len() {
            let mut bent = sealed.clone();
            bent[at] ^= 1;
            assert_eq!(one.open("a", &bent), None, "{at}");
            assert_eq!(one.open("a", &sealed[..at]), None, "{at}");
        }
    }
}
