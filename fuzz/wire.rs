//! Whatever an upstream sends, in whatever pieces it arrives: the response reads the same, and its parts are the bytes sent.
#![no_main]

use bytes::BytesMut;
use embedgate::server::wire::chunked::Piece;
use embedgate::server::wire::head::{self, Framing};
use http::Method;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((step, data)) = data.split_first() else {
        return;
    };
    let whole = read(data, data.len().max(1));
    assert_eq!(read(data, usize::from(*step).max(1)), whole);
    if let Some((_, body, rest)) = whole {
        assert!(
            body.len() + rest <= data.len(),
            "more came out than went in"
        );
    }
});

/// Status and fields, body, and how many bytes were left over; nothing if it is incomplete or refused.
fn read(data: &[u8], step: usize) -> Option<(String, Vec<u8>, usize)> {
    let (mut buffer, mut seen, mut found) = (BytesMut::new(), 0, None);
    let mut body = Vec::new();
    let mut left = data.len();
    for piece in data.chunks(step) {
        buffer.extend_from_slice(piece);
        left -= piece.len();
        if found.is_none() {
            let Some(head) = head::read(&mut buffer, &mut seen, &Method::GET).ok()? else {
                continue;
            };
            found = Some((format!("{} {:?}", head.status, head.headers), head.framing));
        }
        if let Some((text, framing)) = &mut found
            && take(framing, &mut buffer, &mut body)?
        {
            return Some((text.clone(), body, buffer.len() + left));
        }
    }
    None
}

/// Moves body bytes; true at the end of the body, nothing if it is broken.
fn take(framing: &mut Framing, buffer: &mut BytesMut, body: &mut Vec<u8>) -> Option<bool> {
    match framing {
        Framing::Chunked(chunked) => loop {
            match chunked.decode(buffer).ok()? {
                Piece::Data(data) => body.extend_from_slice(&data),
                Piece::End => return Some(true),
                Piece::More => return Some(false),
            }
        },
        Framing::Done => Some(true),
        Framing::Length(left) => {
            let n = usize::try_from(*left)
                .unwrap_or(usize::MAX)
                .min(buffer.len());
            body.extend_from_slice(&buffer.split_to(n));
            *left -= n as u64;
            Some(*left == 0)
        }
        Framing::UntilClose => Some(true),
    }
}
