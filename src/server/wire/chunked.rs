//! Chunked transfer coding (RFC 9112 section 7.1), read strictly: CRLF only, bounded sizes, extensions and trailers dropped.

use bytes::{Bytes, BytesMut};

use super::FramingError;

/// Decoder of one chunked body.
#[derive(Debug)]
pub struct Chunked {
    state: State,
    /// Bytes of extensions and trailers that may still come; they carry nothing that we pass on.
    overhead: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Broken,
    Data(u64),
    DataEnd,
    Done,
    Size,
    Trailer,
}

/// What one call to [`Chunked::decode`] found.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece {
    /// Bytes of the body.
    Data(Bytes),
    /// The body is complete; what is left in the buffer is not part of it.
    End,
    /// More input is needed.
    More,
}

impl Default for Chunked {
    fn default() -> Self {
        Self {
            state: State::Size,
            overhead: OVERHEAD,
        }
    }
}

impl Chunked {
    /// Takes the next piece out of the buffer.
    ///
    /// # Errors
    ///
    /// The coding is broken; nothing after it can be trusted.
    pub fn decode(&mut self, buffer: &mut BytesMut) -> Result<Piece, FramingError> {
        if !self.settle(buffer)? {
            return Ok(Piece::More);
        }
        let State::Data(left) = self.state else {
            return Ok(Piece::End);
        };
        let Some(data) = take(buffer, left) else {
            return Ok(Piece::More);
        };
        let left = left.saturating_sub(u64::try_from(data.len()).unwrap_or(u64::MAX));
        self.state = if left == 0 {
            State::DataEnd
        } else {
            State::Data(left)
        };
        Ok(Piece::Data(data))
    }

    /// Whether the body is complete with what the buffer holds; takes no data out of it.
    pub fn is_over(&mut self, buffer: &mut BytesMut) -> bool {
        matches!(self.settle(buffer), Ok(true)) && self.state == State::Done
    }

    /// Reads up to the next data or the end; false if more input is needed for that.
    fn settle(&mut self, buffer: &mut BytesMut) -> Result<bool, FramingError> {
        let settled = self.read_lines(buffer);
        if settled.is_err() {
            self.state = State::Broken;
        }
        settled
    }

    fn read_lines(&mut self, buffer: &mut BytesMut) -> Result<bool, FramingError> {
        loop {
            let limit = match self.state {
                State::Broken => return Err(FramingError::Chunk),
                State::Data(_) | State::Done => return Ok(true),
                State::DataEnd => 0,
                State::Size => LINE,
                State::Trailer => TRAILER,
            };
            let Some(line) = line(buffer, limit)? else {
                return Ok(false);
            };
            self.state = self.after(&line)?;
        }
    }

    fn after(&mut self, line: &[u8]) -> Result<State, FramingError> {
        match self.state {
            State::DataEnd => Ok(State::Size),
            State::Size => Ok(match self.size(line)? {
                0 => State::Trailer,
                size => State::Data(size),
            }),
            State::Trailer if line.is_empty() => Ok(State::Done),
            State::Trailer => {
                self.spend(line.len())?;
                Ok(State::Trailer)
            }
            state @ (State::Broken | State::Data(_) | State::Done) => Ok(state),
        }
    }

    fn size(&mut self, line: &[u8]) -> Result<u64, FramingError> {
        let digits = line
            .iter()
            .position(|b| matches!(b, b';' | b' ' | b'\t'))
            .unwrap_or(line.len());
        let (size, extension) = line.split_at(digits);
        if !extension.is_empty() && !extension.trim_ascii_start().starts_with(b";") {
            return Err(FramingError::Chunk);
        }
        self.spend(extension.len())?;
        // 15 hexadecimal digits cannot overflow.
        if size.is_empty() || size.len() > 15 {
            return Err(FramingError::Chunk);
        }
        size.iter().try_fold(0u64, |sum, digit| {
            let digit = char::from(*digit).to_digit(16).ok_or(FramingError::Chunk)?;
            Ok((sum << 4) | u64::from(digit))
        })
    }

    fn spend(&mut self, bytes: usize) -> Result<(), FramingError> {
        self.overhead = self
            .overhead
            .checked_sub(bytes)
            .ok_or(FramingError::Chunk)?;
        Ok(())
    }
}

/// At most `left` bytes, none if the buffer is empty.
pub(super) fn take(buffer: &mut BytesMut, left: u64) -> Option<Bytes> {
    if buffer.is_empty() {
        return None;
    }
    let n = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
    Some(buffer.split_to(n).freeze())
}

/// One line without its CRLF, once it is complete; longer than `limit` is an error.
fn line(buffer: &mut BytesMut, limit: usize) -> Result<Option<BytesMut>, FramingError> {
    let Some(end) = buffer.iter().position(|b| *b == b'\n') else {
        if buffer.len() > limit.saturating_add(1) {
            return Err(FramingError::Chunk);
        }
        return Ok(None);
    };
    let mut line = buffer.split_to(end.saturating_add(1));
    line.truncate(end);
    if line.last() != Some(&b'\r') || line.len() > limit.saturating_add(1) {
        return Err(FramingError::Chunk);
    }
    line.truncate(line.len().saturating_sub(1));
    if line.contains(&b'\r') || line.contains(&0) {
        return Err(FramingError::Chunk);
    }
    Ok(Some(line))
}

const LINE: usize = 1024;
const TRAILER: usize = 8 * 1024;
const OVERHEAD: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A body, and the bytes after it.
    type Split = (Vec<u8>, Vec<u8>);

    /// Feeds the input in pieces of `step` bytes; the body and what is left, or the error.
    fn decode(input: &[u8], step: usize) -> Result<Option<Split>, FramingError> {
        let (mut decoder, mut buffer, mut body) = (Chunked::default(), BytesMut::new(), Vec::new());
        for (i, piece) in input.chunks(step).enumerate() {
            buffer.extend_from_slice(piece);
            loop {
                match decoder.decode(&mut buffer)? {
                    Piece::Data(data) => body.extend_from_slice(&data),
                    Piece::More => break,
                    Piece::End => {
                        buffer.extend_from_slice(&input[((i + 1) * step).min(input.len())..]);
                        return Ok(Some((body, buffer.to_vec())));
                    }
                }
            }
        }
        Ok(None)
    }

    #[test]
    fn reads_what_the_rfc_shows() {
        let table: &[(&str, &str, &str)] = &[
            ("0\r\n\r\n", "", ""),
            ("4\r\nWiki\r\n5\r\npedia\r\n0\r\n\r\n", "Wikipedia", ""),
            ("4;a=b\r\nWiki\r\n0;x\r\n\r\nGET", "Wiki", "GET"),
            (
                "00A\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n",
                "0123456789",
                "",
            ),
            ("1 ; ext\r\nx\r\n0\r\n\r\n", "x", ""),
        ];
        for (input, body, rest) in table {
            for step in 1..=input.len() {
                let read = decode(input.as_bytes(), step).unwrap().unwrap();
                assert_eq!(
                    read,
                    (body.as_bytes().to_vec(), rest.as_bytes().to_vec()),
                    "{input:?} by {step}"
                );
            }
        }
    }

    #[test]
    fn refuses_what_two_parsers_could_read_in_two_ways() {
        let table = [
            "\r\n",
            "x\r\n",
            "-1\r\n",
            "+1\r\nx\r\n",
            "0x1\r\nx\r\n",
            "1\nx\n0\n\n",
            "1\r\nxy\r\n0\r\n\r\n",
            "1\r\nx\n0\r\n\r\n",
            "1 1\r\nx\r\n",
            "1\rx\r\n",
            "ffffffffffffffff\r\n",
            " 1\r\nx\r\n",
            "0\r\na\rb\r\n\r\n",
        ];
        for input in table {
            assert!(decode(input.as_bytes(), input.len()).is_err(), "{input:?}");
        }
    }

    #[test]
    fn overhead_is_bounded() {
        let mut input = Vec::new();
        for _ in 0..100 {
            input.extend_from_slice(format!("1;{}\r\nx\r\n", "e".repeat(1000)).as_bytes());
        }
        assert_eq!(decode(&input, 4096), Err(FramingError::Chunk));
        assert_eq!(decode(&vec![b'1'; 2000], 100), Err(FramingError::Chunk));
    }

    proptest! {
        #[test]
        fn any_split_reads_the_same(input in proptest::collection::vec(prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'1'), Just(b'0'), Just(b';'), any::<u8>()], 0..80), step in 1usize..9) {
            prop_assert_eq!(decode(&input, step), decode(&input, input.len().max(1)));
        }

        #[test]
        fn what_was_encoded_comes_back(pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..50), 0..5), step in 1usize..9) {
            let mut input = Vec::new();
            for piece in &pieces {
                input.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
                input.extend_from_slice(piece);
                input.extend_from_slice(b"\r\n");
            }
            input.extend_from_slice(b"0\r\n\r\nrest");
            prop_assert_eq!(decode(&input, step).unwrap().unwrap(), (pieces.concat(), b"rest".to_vec()));
        }
    }
}
