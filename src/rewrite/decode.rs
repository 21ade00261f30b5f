//! Compressed request bodies: decoded within bounds, or refused.

use std::io::Read;

use brotli::{BrotliDecompressStream, BrotliResult, BrotliState, enc::StandardAlloc};
use bytes::Bytes;
use http::{HeaderMap, header};

use crate::gate::refusal::Refusal;

/// The body behind its `Content-Encoding`: none, identity, gzip, deflate (zlib), br or zstd; one layer, whole, nothing after it.
///
/// # Errors
/// `body_too_large` above `limit` bytes; `body_unsupported` for everything else.
pub fn inflate(headers: &HeaderMap, body: Bytes, limit: u64) -> Result<Bytes, Refusal> {
    let decoded = match encoding(headers)? {
        Encoding::Identity => {
            return if exceeds(body.len(), limit) {
                Err(Refusal::BodyTooLarge)
            } else {
                Ok(body)
            };
        }
        Encoding::Brotli => brotli(&body, limit)?,
        Encoding::Deflate => {
            let mut decoder = flate2::bufread::ZlibDecoder::new(&*body);
            let decoded = bounded(&mut decoder, limit)?;
            at_end(decoder.into_inner())?;
            decoded
        }
        Encoding::Gzip => {
            let mut decoder = flate2::bufread::GzDecoder::new(&*body);
            let decoded = bounded(&mut decoder, limit)?;
            at_end(decoder.into_inner())?;
            decoded
        }
        Encoding::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(&*body)
                .map_err(|_| Refusal::BodyUnsupported)?
                .single_frame();
            decoder
                .window_log_max(WINDOW_LOG)
                .map_err(|_| Refusal::BodyUnsupported)?;
            let decoded = bounded(&mut decoder, limit)?;
            at_end(decoder.finish())?;
            decoded
        }
    };
    Ok(Bytes::from(decoded))
}

/// 8 MiB, what RFC 9659 asks of zstd on the web.
const WINDOW_LOG: u32 = 23;

#[derive(Clone, Copy)]
enum Encoding {
    Brotli,
    Deflate,
    Gzip,
    Identity,
    Zstd,
}

fn encoding(headers: &HeaderMap) -> Result<Encoding, Refusal> {
    let mut all = headers.get_all(header::CONTENT_ENCODING).iter();
    let (Some(one), None) = (all.next(), all.next()) else {
        return if headers.contains_key(header::CONTENT_ENCODING) {
            Err(Refusal::BodyUnsupported)
        } else {
            Ok(Encoding::Identity)
        };
    };
    match one.as_bytes().trim_ascii().to_ascii_lowercase().as_slice() {
        b"br" => Ok(Encoding::Brotli),
        b"deflate" => Ok(Encoding::Deflate),
        b"gzip" | b"x-gzip" => Ok(Encoding::Gzip),
        b"identity" => Ok(Encoding::Identity),
        b"zstd" => Ok(Encoding::Zstd),
        _ => Err(Refusal::BodyUnsupported),
    }
}

fn exceeds(length: usize, limit: u64) -> bool {
    u64::try_from(length).is_ok_and(|length| length > limit)
}

fn bounded(decoder: &mut impl Read, limit: u64) -> Result<Vec<u8>, Refusal> {
    let mut out = Vec::new();
    decoder
        .take(limit.saturating_add(1))
        .read_to_end(&mut out)
        .map_err(|_| Refusal::BodyUnsupported)?;
    if exceeds(out.len(), limit) {
        Err(Refusal::BodyTooLarge)
    } else {
        Ok(out)
    }
}

fn at_end(rest: &[u8]) -> Result<(), Refusal> {
    if rest.is_empty() {
        Ok(())
    } else {
        Err(Refusal::BodyUnsupported)
    }
}

/// The stream interface, because the reader does not tell how much of its input it used.
fn brotli(body: &[u8], limit: u64) -> Result<Vec<u8>, Refusal> {
    let alloc = StandardAlloc::default;
    let mut state = BrotliState::new(alloc(), alloc(), alloc());
    let (mut left, mut read, mut total) = (body.len(), 0, 0);
    let mut out = Vec::new();
    let mut chunk = vec![0_u8; 16 * 1024];
    loop {
        let (mut room, mut written) = (chunk.len(), 0);
        let result = BrotliDecompressStream(
            &mut left,
            &mut read,
            body,
            &mut room,
            &mut written,
            &mut chunk,
            &mut total,
            &mut state,
        );
        out.extend_from_slice(chunk.get(..written).unwrap_or_default());
        if exceeds(out.len(), limit) {
            return Err(Refusal::BodyTooLarge);
        }
        match result {
            BrotliResult::NeedsMoreOutput => {}
            BrotliResult::ResultSuccess if left == 0 => return Ok(out),
            BrotliResult::NeedsMoreInput
            | BrotliResult::ResultFailure
            | BrotliResult::ResultSuccess => return Err(Refusal::BodyUnsupported),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use http::HeaderValue;

    use super::*;

    const TEXT: &[u8] = br#"{"filters":[{"field":"region","op":"=","value":"west"}]}"#;

    fn headers(encoding: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(
            header::CONTENT_ENCODING,
            HeaderValue::from_str(encoding).unwrap(),
        );
        headers
    }

    fn encode(encoding: &str, text: &[u8]) -> Vec<u8> {
        match encoding {
            "gzip" => {
                let mut encoder =
                    flate2::write::GzEncoder::new(vec![], flate2::Compression::default());
                encoder.write_all(text).unwrap();
                encoder.finish().unwrap()
            }
            "deflate" => {
                let mut encoder =
                    flate2::write::ZlibEncoder::new(vec![], flate2::Compression::default());
                encoder.write_all(text).unwrap();
                encoder.finish().unwrap()
            }
            "br" => {
                let mut out = vec![];
                brotli::BrotliCompress(
                    &mut &*text,
                    &mut out,
                    &brotli::enc::BrotliEncoderParams::default(),
                )
                .unwrap();
                out
            }
            "zstd" => zstd::encode_all(text, 3).unwrap(),
            _ => text.to_vec(),
        }
    }

    const ALL: [&str; 4] = ["gzip", "deflate", "br", "zstd"];

    #[test]
    fn decodes_each_encoding() {
        for encoding in ALL {
            let body = Bytes::from(encode(encoding, TEXT));
            assert_eq!(
                inflate(&headers(encoding), body, 1024),
                Ok(Bytes::from_static(TEXT)),
                "{encoding}"
            );
        }
        assert_eq!(
            inflate(&headers("Identity"), Bytes::from_static(TEXT), 1024),
            Ok(Bytes::from_static(TEXT))
        );
        assert_eq!(
            inflate(&HeaderMap::new(), Bytes::from_static(TEXT), 1024),
            Ok(Bytes::from_static(TEXT))
        );
    }

    #[test]
    fn output_is_bounded() {
        let bomb = vec![b' '; 1 << 20];
        for encoding in ALL {
            let body = Bytes::from(encode(encoding, &bomb));
            assert_eq!(
                inflate(&headers(encoding), body.clone(), 4096),
                Err(Refusal::BodyTooLarge),
                "{encoding}"
            );
            assert_eq!(
                inflate(&headers(encoding), body, 1 << 20).map(|body| body.len()),
                Ok(1 << 20),
                "{encoding}"
            );
        }
        assert_eq!(
            inflate(&HeaderMap::new(), Bytes::from_static(TEXT), 8),
            Err(Refusal::BodyTooLarge)
        );
    }

    #[test]
    fn refuses_truncated_bodies_and_what_follows_one() {
        for encoding in ALL {
            let whole = encode(encoding, TEXT);
            for cut in [0, 1, whole.len() / 2, whole.len() - 1] {
                let body = Bytes::copy_from_slice(&whole[..cut]);
                assert_eq!(
                    inflate(&headers(encoding), body, 1024),
                    Err(Refusal::BodyUnsupported),
                    "{encoding} cut at {cut}"
                );
            }
            for tail in [&b"\0"[..], &whole] {
                let body = Bytes::from([&whole, tail].concat());
                assert_eq!(
                    inflate(&headers(encoding), body, 1024),
                    Err(Refusal::BodyUnsupported),
                    "{encoding} with a tail"
                );
            }
        }
    }

    #[test]
    fn refuses_unknown_and_layered_encodings() {
        for encoding in [
            "gzip, gzip",
            "gzip,identity",
            "compress",
            "",
            "gzip;q=1",
            "aes128gcm",
        ] {
            assert_eq!(
                inflate(&headers(encoding), Bytes::from_static(TEXT), 1024),
                Err(Refusal::BodyUnsupported),
                "{encoding}"
            );
        }
        let mut twice = headers("identity");
        twice.append(
            header::CONTENT_ENCODING,
            HeaderValue::from_static("identity"),
        );
        assert_eq!(
            inflate(&twice, Bytes::from_static(TEXT), 1024),
            Err(Refusal::BodyUnsupported)
        );
    }
}
