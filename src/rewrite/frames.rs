//! Where WebSocket frames begin and end (RFC 6455 section 5.2), followed in one direction of a tunnel without looking into them: so that a `Close` of our own
//! stands between two frames, and a tunnel carries nothing that is not framed.

use smallvec::SmallVec;
use thiserror::Error;

/// Who sends the frames of a direction.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Sender {
    /// The client: its frames are masked.
    Client,
    /// The server: its frames are not.
    Server,
}

/// Bytes that are no frame.
#[derive(Clone, Copy, Debug, Error, Eq, PartialEq)]
pub enum BadFrame {
    /// Something came after a `Close`.
    #[error("bytes after a Close frame")]
    AfterClose,
    /// A control frame that is long or in pieces.
    #[error("a control frame that is long or fragmented")]
    Control,
    /// A message begins before the last one ended, or goes on that never began.
    #[error("fragments out of order")]
    Fragment,
    /// A length that is longer than it need be written, or above 2^63.
    #[error("a frame length that is not in its shortest form")]
    Length,
    /// A client's frame without mask, or a server's with one.
    #[error("a mask where none belongs, or none where one does")]
    Mask,
    /// A frame of a kind that nobody knows.
    #[error("an unknown opcode")]
    Opcode,
}

/// How far the frames of one direction have come. A few words; costs some steps per frame and nothing per byte of payload.
#[derive(Clone, Copy, Debug)]
pub struct Frames {
    sender: Sender,
    state: State,
    /// Whether a message is in progress that further frames continue.
    fragmented: bool,
    /// Whether the frame in progress is a `Close`.
    closing: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    /// A `Close` is over: nothing may follow.
    Closed,
    /// In a header; with nothing seen of it, between two frames.
    Header(Header),
    /// So many bytes of payload are to come.
    Payload(u64),
}

/// What is known of a header.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Header {
    control: bool,
    /// Bytes seen.
    seen: u8,
    /// Bytes of the extended length.
    extended: u8,
    /// Bytes of it all.
    size: u8,
    /// The payload's length, as far as it was seen.
    length: u64,
}

impl Frames {
    /// From the first byte after a handshake.
    pub fn of(sender: Sender) -> Self {
        Self {
            sender,
            state: State::Header(Header::default()),
            fragmented: false,
            closing: false,
        }
    }

    /// Takes the next bytes of the direction.
    ///
    /// # Errors
    /// They are no frames: nothing is known of the direction any more.
    pub fn feed(&mut self, mut bytes: &[u8]) -> Result<(), BadFrame> {
        while !bytes.is_empty() {
            let n = self.step(bytes)?;
            bytes = bytes.get(n..).unwrap_or_default();
        }
        Ok(())
    }

    /// How many of these bytes, the next of the direction, belong to the frame in progress; none between two frames.
    ///
    /// # Errors
    /// They are no frame.
    pub fn rest(mut self, bytes: &[u8]) -> Result<usize, BadFrame> {
        if self.is_between() {
            return Ok(0);
        }
        self.step(bytes)
    }

    /// Whether a frame of ours may stand here: between two frames, and before any `Close`.
    pub fn is_between(&self) -> bool {
        matches!(self.state, State::Header(Header { seen: 0, .. }))
    }

    /// Whether the direction said `Close`.
    pub fn is_closed(&self) -> bool {
        self.state == State::Closed
    }

    /// Takes bytes up to the end of the frame that they begin or go on with; how many those were.
    fn step(&mut self, bytes: &[u8]) -> Result<usize, BadFrame> {
        let mut taken = 0_usize;
        for byte in bytes {
            let State::Header(mut header) = self.state else {
                break;
            };
            if header.seen == 0 {
                header.control = self.begin(*byte)?;
                header.seen = 1;
            } else {
                header.push(*byte, self.sender)?;
            }
            taken = taken.saturating_add(1);
            self.state = match header.payload()? {
                Some(0) => self.over(),
                Some(length) => State::Payload(length),
                None => State::Header(header),
            };
            if !matches!(self.state, State::Header(Header { seen: 1.., .. })) {
                break;
            }
        }
        match self.state {
            State::Closed if taken == 0 => Err(BadFrame::AfterClose),
            State::Closed | State::Header(_) => Ok(taken),
            State::Payload(left) => {
                let here = bytes.len().saturating_sub(taken);
                let n = usize::try_from(left).map_or(here, |left| left.min(here));
                let left = left.saturating_sub(u64::try_from(n).unwrap_or(u64::MAX));
                self.state = if left == 0 {
                    self.over()
                } else {
                    State::Payload(left)
                };
                Ok(taken.saturating_add(n))
            }
        }
    }

    /// The first byte of a frame: whether it is a control frame. (Its reserved bits belong to extensions.)
    fn begin(&mut self, first: u8) -> Result<bool, BadFrame> {
        let last = first & 0x80 != 0;
        let opcode = first & 0x0f;
        match opcode {
            CONTINUATION if !self.fragmented => Err(BadFrame::Fragment),
            TEXT | BINARY if self.fragmented => Err(BadFrame::Fragment),
            CONTINUATION | TEXT | BINARY => {
                self.fragmented = !last;
                Ok(false)
            }
            CLOSE | PING | PONG if last => {
                self.closing = opcode == CLOSE;
                Ok(true)
            }
            CLOSE | PING | PONG => Err(BadFrame::Control),
            _ => Err(BadFrame::Opcode),
        }
    }

    /// After the last byte of a frame.
    fn over(&self) -> State {
        if self.closing {
            return State::Closed;
        }
        State::Header(Header::default())
    }
}

impl Header {
    /// A byte that is not the first.
    fn push(&mut self, byte: u8, sender: Sender) -> Result<(), BadFrame> {
        if self.seen == 1 {
            let masked = byte & 0x80 != 0;
            if masked != (sender == Sender::Client) {
                return Err(BadFrame::Mask);
            }
            let short = byte & 0x7f;
            self.extended = match short {
                127 => 8,
                126 => 2,
                _ => 0,
            };
            if self.control && self.extended > 0 {
                return Err(BadFrame::Control);
            }
            self.length = if self.extended == 0 { short.into() } else { 0 };
            self.size = 2 + self.extended + if masked { 4 } else { 0 };
        } else if self.seen < 2 + self.extended {
            self.length = self.length << 8 | u64::from(byte);
        }
        self.seen = self.seen.saturating_add(1);
        Ok(())
    }

    /// The payload's length, once the header is whole.
    fn payload(&self) -> Result<Option<u64>, BadFrame> {
        if self.seen < 2 || self.seen < self.size {
            return Ok(None);
        }
        let shortest = match self.extended {
            0 => true,
            2 => self.length > 125,
            _ => self.length > 0xffff && self.length >> 63 == 0,
        };
        shortest
            .then_some(Some(self.length))
            .ok_or(BadFrame::Length)
    }
}

/// A `Close` frame with a status code (RFC 6455 section 7.4) and a reason, which is cut off where it is longer than a frame of control may be.
pub fn close(sender: Sender, code: u16, reason: &str) -> SmallVec<[u8; 64]> {
    let end = reason.floor_char_boundary(LONGEST_REASON);
    let reason = reason.get(..end).unwrap_or_default().as_bytes();
    let length = u8::try_from(reason.len()).unwrap_or(0).saturating_add(2);
    let payload = code.to_be_bytes().into_iter().chain(reason.iter().copied());
    let mut frame = SmallVec::new();
    frame.push(0x80 | CLOSE);
    match sender {
        Sender::Server => {
            frame.push(length);
            frame.extend(payload);
        }
        Sender::Client => {
            // A mask need be unpredictable only where somebody else chose the payload (section 10.3).
            frame.push(0x80 | length);
            frame.extend(MASK);
            frame.extend(
                payload
                    .zip(MASK.iter().cycle())
                    .map(|(byte, mask)| byte ^ mask),
            );
        }
    }
    frame
}

const CONTINUATION: u8 = 0x0;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xa;
/// What a control frame holds (125 bytes), without the code.
const LONGEST_REASON: usize = 123;
const MASK: [u8; 4] = [0x3d, 0xa1, 0x77, 0x1c];

#[cfg(test)]
mod tests;
