use proptest::prelude::*;

use super::*;

/// One frame as its sender writes it.
fn frame(sender: Sender, first: u8, payload: usize) -> Vec<u8> {
    let mask = if sender == Sender::Client { 0x80 } else { 0 };
    let mut bytes = vec![first];
    match payload {
        0..=125 => bytes.push(mask | u8::try_from(payload).unwrap()),
        126..=0xffff => {
            bytes.push(mask | 0x7e);
            bytes.extend(u16::try_from(payload).unwrap().to_be_bytes());
        }
        _ => {
            bytes.push(mask | 0x7f);
            bytes.extend(u64::try_from(payload).unwrap().to_be_bytes());
        }
    }
    if mask > 0 {
        bytes.extend([0xff, 0x88, 0x81, 0x8a]);
    }
    // What looks like a Close frame, over and over.
    bytes.extend([0x88, 0x02].iter().cycle().take(payload));
    bytes
}

fn fed(sender: Sender, bytes: &[u8]) -> Result<Frames, BadFrame> {
    let mut frames = Frames::of(sender);
    frames.feed(bytes).map(|()| frames)
}

#[test]
fn frames_of_every_length_end_where_they_end() {
    for sender in [Sender::Client, Sender::Server] {
        for length in [0, 1, 125, 126, 127, 0xffff, 0x1_0000, 0x2_0001] {
            let bytes = frame(sender, 0x82, length);
            assert!(fed(sender, &bytes).unwrap().is_between(), "{length}");
            for cut in [1, 2, 3, bytes.len() - 1] {
                if (1..bytes.len()).contains(&cut) {
                    let frames = fed(sender, &bytes[..cut]).unwrap();
                    assert!(!frames.is_between(), "{length} cut at {cut}");
                    let mut rest = bytes[cut..].to_vec();
                    let left = rest.len();
                    rest.extend_from_slice(&frame(sender, 0x89, 3));
                    assert_eq!(frames.rest(&rest), Ok(left), "{length} cut at {cut}");
                }
            }
        }
    }
}

#[test]
fn messages_in_pieces_may_have_control_frames_between_them() {
    let sender = Sender::Server;
    let pieces = [
        (0x01, 3),
        (0x89, 4),
        (0x00, 200),
        (0x8a, 0),
        (0x80, 1),
        (0xc2, 7),
    ];
    let bytes: Vec<u8> = pieces
        .iter()
        .flat_map(|(first, length)| frame(sender, *first, *length))
        .collect();
    let frames = fed(sender, &bytes).unwrap();
    assert!(frames.is_between() && !frames.is_closed());
}

#[test]
fn what_is_no_frame_is_told_apart() {
    use BadFrame::{AfterClose, Control, Fragment, Length, Mask, Opcode};
    for (bytes, wrong) in [
        (&b"GET / HTTP/1.1\r\n"[..], Opcode),
        (b"\x83\x00", Opcode),
        (b"\x8b\x00", Opcode),
        (b"\x80\x00", Fragment),
        (b"\x01\x00\x81\x00", Fragment),
        (b"\x82\x81", Mask),
        (b"\x09\x00", Control),
        (b"\x88\x7e\x00\x7e", Control),
        (b"\x82\x7e\x00\x7d", Length),
        (b"\x82\x7f\x00\x00\x00\x00\x00\x00\xff\xff", Length),
        (b"\x82\x7f\x80\x00\x00\x00\x00\x00\x00\x00", Length),
        (b"\x88\x00\x89\x00", AfterClose),
        (b"\x88\x02\x03\xe8x", AfterClose),
    ] {
        assert_eq!(fed(Sender::Server, bytes).unwrap_err(), wrong, "{bytes:?}");
    }
    assert_eq!(fed(Sender::Client, b"\x82\x01x").unwrap_err(), Mask);
}

#[test]
fn a_close_of_ours_is_a_close_on_either_side() {
    for sender in [Sender::Client, Sender::Server] {
        for reason in ["", "token_revoked", &"ä".repeat(100)] {
            let bytes = close(sender, 1008, reason);
            assert!(fed(sender, &bytes).unwrap().is_closed(), "{reason}");
            let (header, mask) = match sender {
                Sender::Client => (6, bytes[2..6].to_vec()),
                Sender::Server => (2, vec![0]),
            };
            let payload: Vec<u8> = bytes[header..]
                .iter()
                .zip(mask.iter().cycle())
                .map(|(byte, mask)| byte ^ mask)
                .collect();
            assert_eq!(payload[..2], 1008_u16.to_be_bytes());
            let told = std::str::from_utf8(&payload[2..]).unwrap();
            assert!(reason.starts_with(told) && told.len() >= reason.len().min(122));
        }
    }
}

fn any_frames(sender: Sender) -> impl Strategy<Value = Vec<Vec<u8>>> {
    let lengths = prop_oneof![0..5_usize, 120..130_usize, 65_530..65_540_usize];
    let one = (
        prop_oneof![Just(0x81), Just(0x82), Just(0xc1), Just(0x89), Just(0x8a)],
        lengths,
    );
    prop::collection::vec(one, 0..6).prop_map(move |all| {
        let mut out = Vec::new();
        for (first, length) in all {
            let control = first & 0x08 != 0;
            out.push(frame(
                sender,
                first,
                if control { length.min(125) } else { length },
            ));
        }
        out
    })
}

proptest! {
    /// However a stream is cut, frames end where they were written to end.
    #[test]
    fn cuts_do_not_matter(
        all in any_frames(Sender::Client),
        cuts in prop::collection::vec(1..4000_usize, 1..50),
    ) {
        let bytes: Vec<u8> = all.concat();
        let ends: Vec<usize> = all.iter().scan(0, |end, one| { *end += one.len(); Some(*end) }).collect();
        let (mut frames, mut at, mut cuts) = (Frames::of(Sender::Client), 0, cuts.into_iter().cycle());
        while at < bytes.len() {
            let n = cuts.next().unwrap().min(bytes.len() - at);
            let rest = frames.rest(&bytes[at..]).unwrap();
            let next = ends.iter().find(|end| **end > at).unwrap();
            let expected = if at == 0 || ends.contains(&at) { 0 } else { next - at };
            prop_assert_eq!(rest, expected);
            frames.feed(&bytes[at..at + n]).unwrap();
            at += n;
            prop_assert_eq!(frames.is_between(), ends.contains(&at));
        }
    }

    /// Whatever arrives, in whatever pieces, is read the same.
    #[test]
    fn pieces_read_as_the_whole(bytes in prop::collection::vec(any::<u8>(), 0..200), step in 1..20_usize) {
        for sender in [Sender::Client, Sender::Server] {
            let whole = fed(sender, &bytes).map(|frames| (frames.is_between(), frames.is_closed()));
            let mut frames = Frames::of(sender);
            let pieces: Result<(), BadFrame> = bytes.chunks(step).try_for_each(|piece| frames.feed(piece));
            prop_assert_eq!(pieces.map(|()| (frames.is_between(), frames.is_closed())), whole);
        }
    }
}
