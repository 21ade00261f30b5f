//! Key material, judged before it becomes a key: shared secrets, PEM blocks, numbers and points.

use aws_lc_rs::rsa;
use base64::{Engine, engine::general_purpose::STANDARD};

use super::key::KeyError;

/// Checks a shared secret. Text that is a public key is refused: whoever can read it could sign (RFC 8725 section 2.1).
pub(super) fn secret<'m>(name: &'static str, material: &'m [u8]) -> Result<&'m [u8], KeyError> {
    let needed = match name {
        "HS384" => 48,
        "HS512" => 64,
        _ => 32,
    };
    let jwk = material.trim_ascii_start().starts_with(b"{") && find(material, b"\"kty\"").is_some();
    if find(material, b"-----BEGIN").is_some() || material.starts_with(b"ssh-") || jwk {
        return Err(unusable(
            name,
            "it is a public or private key, and a shared secret is wanted",
        ));
    }
    if material.len() < needed {
        return Err(KeyError::Short {
            algorithm: name,
            needed,
            found: material.len(),
        });
    }
    Ok(material)
}

/// Checks the size of a modulus: 2048 to 8192 bits.
pub(super) fn sized(name: &'static str, key: &rsa::PublicKey) -> Result<(), KeyError> {
    let modulus = key.modulus();
    let digits = modulus.big_endian_without_leading_zero();
    let unused = digits.first().map_or(0, |first| first.leading_zeros());
    let bits = u32::try_from(digits.len().saturating_mul(8))
        .unwrap_or(u32::MAX)
        .saturating_sub(unused);
    if !(2048..=8192).contains(&bits) {
        let why = format!("the modulus has {bits} bits; 2048 to 8192 are accepted");
        return Err(unusable(name, &why));
    }
    Ok(())
}

/// Refuses a point of small order at the end of an Ed25519 key: everybody can sign for it.
pub(super) fn strong(name: &'static str, bytes: &[u8]) -> Result<(), KeyError> {
    let weak = bytes.last_chunk::<32>().is_none_or(|point| {
        let [start @ .., last] = point;
        SMALL_ORDER
            .iter()
            .any(|[known @ .., end]| known == start && *end == last & 0x7f)
    });
    if weak {
        return Err(unusable(name, "it is a point of small order"));
    }
    Ok(())
}

/// The only PEM block (RFC 7468) of a text, which must have one of these labels.
pub(super) fn pem<'l>(
    name: &'static str,
    material: &[u8],
    labels: &[&'l str],
) -> Result<(&'l str, Vec<u8>), KeyError> {
    let block = || {
        let text = str::from_utf8(material).ok()?;
        let (_, rest) = text.split_once("-----BEGIN ")?;
        let (label, rest) = rest.split_once("-----")?;
        let label = labels.iter().find(|known| **known == label)?;
        let (body, rest) = rest.split_once(&format!("-----END {label}-----"))?;
        (!rest.contains("-----BEGIN")).then_some((*label, body))
    };
    let (label, body) =
        block().ok_or_else(|| unusable(name, "exactly one PEM block `PUBLIC KEY` is wanted"))?;
    let body: String = body.split_ascii_whitespace().collect();
    let der = STANDARD
        .decode(body)
        .map_err(|_| unusable(name, OTHER_KIND))?;
    Ok((label, der))
}

/// Without the zeros that some writers put before a number (RFC 7518 section 2 has none).
pub(super) fn unpadded(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|digit| **digit == 0).count();
    number.get(zeros..).unwrap_or_default()
}

/// An error that says why.
pub(super) fn unusable(algorithm: &'static str, why: &str) -> KeyError {
    KeyError::Material {
        algorithm,
        why: why.to_owned(),
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack
        .windows(needle.len())
        .position(|window| window == needle)
}

/// What stands in a PEM block.
pub(super) const OTHER_KIND: &str = "the PEM block holds another kind of key, or none";

/// The points of order 1, 2, 4 and 8 of edwards25519, in every encoding, without the sign of x (RFC 8032 section 5.1.2).
const SMALL_ORDER: [[u8; 32]; 7] = [
    [
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00,
    ],
    [
        0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00,
    ],
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98,
        0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53,
        0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67,
        0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac,
        0x03, 0x7a,
    ],
    [
        0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0x7f,
    ],
    [
        0xed, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0x7f,
    ],
    [
        0xee, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0x7f,
    ],
];
