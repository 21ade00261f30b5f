//! Whatever comes through a tunnel, in whatever pieces: frames end where a plain reading of RFC 6455 says, and a `Close` of ours fits between two of them.
#![no_main]

use embedgate::rewrite::frames::{BadFrame, Frames, Sender, close};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((step, bytes)) = data.split_first() else {
        return;
    };
    for sender in [Sender::Client, Sender::Server] {
        let mut frames = Frames::of(sender);
        let pieces: Result<(), BadFrame> = bytes
            .chunks(usize::from(*step).max(1))
            .try_for_each(|piece| frames.feed(piece));
        let Some((whole, closed)) = plain(sender, bytes) else {
            assert!(pieces.is_err(), "what is no frame was taken for one");
            continue;
        };
        assert_eq!(pieces, Ok(()));
        assert_eq!(frames.is_closed(), closed);
        assert_eq!(frames.is_between(), whole && !closed);
        if frames.is_between() {
            frames.feed(&close(sender, 1008, "token_revoked")).expect("a Close fits in");
            assert!(frames.is_closed());
        }
    }
});

/// Whether bytes end with a frame, and whether that is a `Close`; nothing where they are no frames. Reads a frame at a time, as whole as it is there.
fn plain(sender: Sender, mut bytes: &[u8]) -> Option<(bool, bool)> {
    let (mut open, mut closed) = (false, false);
    while let Some(first) = bytes.first() {
        let (last, opcode) = (first & 0x80 != 0, first & 15);
        let good = match opcode {
            0 => open,
            1 | 2 => !open,
            8..=10 => last,
            _ => false,
        };
        if closed || !good {
            return None;
        }
        if opcode < 3 {
            open = !last;
        }
        let Some(second) = bytes.get(1) else {
            return Some((false, false));
        };
        let masked = second & 0x80 != 0;
        if masked != (sender == Sender::Client) {
            return None;
        }
        let short = usize::from(second & 0x7f);
        let extended = match short {
            127 => 8,
            126 => 2,
            _ => 0,
        };
        if opcode > 7 && extended > 0 {
            return None;
        }
        let header = 2 + extended + if masked { 4 } else { 0 };
        if bytes.len() < header {
            return Some((false, false));
        }
        let length = if extended == 0 {
            short as u64
        } else {
            let digits = &bytes[2..2 + extended];
            digits.iter().fold(0, |sum, digit| sum << 8 | u64::from(*digit))
        };
        if (extended == 2 && length < 126) || (extended == 8 && !(0x1_0000..1 << 63).contains(&length)) {
            return None;
        }
        let end = (header as u64).saturating_add(length);
        if (bytes.len() as u64) < end {
            return Some((false, false));
        }
        bytes = &bytes[end as usize..];
        closed = opcode == 8;
    }
    Some((true, closed))
}
