//! Request ids: 128 bits, never repeated by one process, unrelated between processes; and the trace context made of them.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use http::HeaderValue;

/// The id of one request: 32 hex digits in headers, logs and the audit trail. It names, it does not authorise: it may be guessed.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct RequestId(u128);

/// Makes ids: a counter under two random seeds, so that no id costs a call into the random generator.
#[derive(Debug)]
pub struct RequestIds {
    high: u64,
    low: u64,
    next: AtomicU64,
}

/// The operating system gave no random bytes.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the random generator is not available")]
pub struct NoRandom;

impl RequestIds {
    /// With fresh random seeds.
    ///
    /// # Errors
    /// No random bytes are to be had.
    pub fn new() -> Result<Self, NoRandom> {
        let mut seed = [0_u8; 16];
        aws_lc_rs::rand::fill(&mut seed).map_err(|_| NoRandom)?;
        let seed = u128::from_be_bytes(seed);
        Ok(Self::seeded(seed))
    }

    fn seeded(seed: u128) -> Self {
        let (high, low) = halves(seed);
        Self {
            high,
            low,
            next: AtomicU64::new(0),
        }
    }

    /// The next id; safe from any thread.
    pub fn next(&self) -> RequestId {
        let count = self.next.fetch_add(1, Ordering::Relaxed);
        let high = mix(self.high ^ count);
        let low = mix(self.low.wrapping_add(count));
        // W3C trace context forbids the all-zero id; `low` alone is what never repeats.
        RequestId((u128::from(high | 1) << 64) | u128::from(low))
    }
}

impl RequestId {
    /// An id from outside the generator (tests, `explain`).
    pub const fn new(id: u128) -> Self {
        Self(id)
    }

    /// The 32 hex digits.
    pub fn hex(self) -> [u8; 32] {
        let mut text = [0; 32];
        fill(&mut text, self.0);
        text
    }

    /// As a header value (`X-Request-Id`).
    pub fn header(self) -> HeaderValue {
        value(&self.hex())
    }

    /// As W3C trace context, version 00, sampled: the id is the trace, a hash of it the gateway's span.
    pub fn traceparent(self) -> HeaderValue {
        let (high, low) = halves(self.0);
        let mut text = *b"00-00000000000000000000000000000000-0000000000000000-01";
        if let Some(trace) = text.get_mut(3..35) {
            fill(trace, self.0);
        }
        if let Some(span) = text.get_mut(36..52) {
            fill(span, u128::from(mix(high ^ low.rotate_left(32)) | 1));
        }
        value(&text)
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// Writes the low hex digits of a number, right-aligned, over the whole slice.
fn fill(text: &mut [u8], number: u128) {
    let mut rest = number;
    for digit in text.iter_mut().rev() {
        let [.., low] = rest.to_be_bytes();
        *digit = match low & 0xf {
            nibble @ 0..=9 => b'0' + nibble,
            nibble => b'a' + nibble - 10,
        };
        rest >>= 4;
    }
}

fn value(hex: &[u8]) -> HeaderValue {
    HeaderValue::from_bytes(hex).unwrap_or_else(|_| HeaderValue::from_static("0"))
}

fn halves(number: u128) -> (u64, u64) {
    let low = |number: u128| u64::try_from(number & u128::from(u64::MAX)).unwrap_or_default();
    (low(number >> 64), low(number))
}

/// The finaliser of `SplitMix64`: a bijection, so different counts stay different.
fn mix(count: u64) -> u64 {
    let mut z = count.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_do_not_repeat() {
        let ids = RequestIds::new().unwrap();
        let seen: HashSet<RequestId> = (0..10_000).map(|_| ids.next()).collect();
        assert_eq!(seen.len(), 10_000);
    }

    #[test]
    fn two_processes_differ() {
        assert_ne!(
            RequestIds::new().unwrap().next(),
            RequestIds::new().unwrap().next()
        );
    }

    #[test]
    fn hex_keeps_leading_zeros() {
        let id = RequestId::new(0xab_cdef);
        assert_eq!(&id.hex(), b"00000000000000000000000000abcdef");
        assert_eq!(id.to_string().as_bytes(), id.hex());
        assert_eq!(id.header(), id.to_string());
    }

    #[test]
    fn the_trace_context_is_well_formed() {
        let id = RequestIds::seeded(7).next();
        let text = id.traceparent();
        let parts: Vec<&str> = text.to_str().unwrap().split('-').collect();
        assert_eq!(parts.len(), 4);
        assert_eq!((parts[0], parts[3]), ("00", "01"));
        assert_eq!(parts[1], id.to_string());
        assert_eq!(parts[2].len(), 16);
        assert!(parts[2].bytes().any(|byte| byte != b'0'));
    }
}
