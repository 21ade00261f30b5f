//! What stands in a page before anything of it can run: byte order mark, white space, comments, document type, `<html>`, `<head>`.
//!
//! Read as browsers do (HTML Standard section 13.2.5), byte by byte and cut anywhere. Where a comment ends is what matters most: `<!-->` is a whole one.

/// Reads the beginning of a page, as far as nothing of it runs.
#[derive(Debug, Default)]
pub(super) struct Prolog {
    state: State,
    /// Bytes read.
    read: usize,
    /// Where the last mark, tag or comment ended.
    end: usize,
    html: bool,
    head: bool,
    /// The name of the tag that is being read, in lower case.
    name: [u8; 4],
}

/// What a part of a page brought.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Step {
    /// It is in an encoding in which ASCII is no text.
    Foreign,
    /// So far, nothing but what may stand there.
    More,
    /// The page begins.
    Over,
}

#[derive(Clone, Copy, Debug, Default)]
enum State {
    /// So many bytes of a byte order mark.
    #[default]
    First,
    Mark(u8, usize),
    /// Between tags.
    Data,
    /// After `<`.
    Open,
    /// After `<!`.
    Declaration,
    /// After `<!-`.
    Dash,
    /// To the next `>`: a document type, or what is taken for a comment.
    Rest,
    Comment(Comment),
    /// So many letters of a tag's name.
    Name(usize),
    Tag(Attribute),
}

/// Inside a comment: which of its end was read.
#[derive(Clone, Copy, Debug)]
enum Comment {
    Start,
    StartDash,
    Inside,
    EndDash,
    End,
    EndBang,
}

/// Inside a tag, behind its name.
#[derive(Clone, Copy, Debug)]
enum Attribute {
    Before,
    Name,
    After,
    Equals,
    Quoted(u8),
    Bare,
}

impl Prolog {
    /// Where the page begins, as far as it is known.
    pub(super) fn end(&self) -> usize {
        self.end
    }

    /// Whether all that came is the beginning of a mark of such an encoding.
    pub(super) fn is_foreign_whole(&self) -> bool {
        matches!(self.state, State::Mark(0xfe | 0xff, _))
    }

    /// Reads the next part.
    pub(super) fn read(&mut self, part: &[u8]) -> Step {
        for byte in part {
            match self.step(*byte) {
                Step::More => {}
                done @ (Step::Foreign | Step::Over) => return done,
            }
            self.read = self.read.saturating_add(1);
            // The step saw the place behind the byte as the one to remember.
            if matches!(self.state, State::Data) && *byte == b'>' {
                self.end = self.read;
                if self.head {
                    return Step::Over;
                }
            }
        }
        Step::More
    }

    fn step(&mut self, byte: u8) -> Step {
        let next = match self.state {
            State::First => match byte {
                0xef | 0xfe | 0xff => Some(State::Mark(byte, 1)),
                _ => data(byte),
            },
            State::Mark(first, read) => return self.mark(first, read, byte),
            State::Data => data(byte),
            State::Open => match byte.to_ascii_lowercase() {
                b'!' => Some(State::Declaration),
                b'?' => Some(State::Rest),
                letter @ b'h' => {
                    self.name = [letter, 0, 0, 0];
                    Some(State::Name(1))
                }
                _ => None,
            },
            State::Declaration => match byte {
                b'-' => Some(State::Dash),
                _ => Some(rest(byte)),
            },
            State::Dash => match byte {
                b'-' => Some(State::Comment(Comment::Start)),
                _ => Some(rest(byte)),
            },
            State::Rest => Some(rest(byte)),
            State::Comment(comment) => Some(comment.next(byte)),
            State::Name(length) => self.name(length, byte),
            State::Tag(attribute) => Some(attribute.next(byte)),
        };
        match next {
            Some(state) => {
                self.state = state;
                Step::More
            }
            None => Step::Over,
        }
    }

    /// The marks of UTF-8 (`EF BB BF`) and UTF-16 (`FE FF`, `FF FE`).
    fn mark(&mut self, first: u8, read: usize, byte: u8) -> Step {
        match (first, read, byte) {
            (0xfe, 1, 0xff) | (0xff, 1, 0xfe) => Step::Foreign,
            (0xef, 1, 0xbb) => {
                self.state = State::Mark(first, 2);
                Step::More
            }
            (0xef, 2, 0xbf) => {
                self.state = State::Data;
                self.end = 3;
                Step::More
            }
            _ => Step::Over,
        }
    }

    /// `html` and `head`, each once and in this order; anything else begins the page.
    fn name(&mut self, length: usize, byte: u8) -> Option<State> {
        if let Some(place) = self.name.get_mut(length)
            && byte.is_ascii_alphabetic()
        {
            *place = byte.to_ascii_lowercase();
            return Some(State::Name(length.saturating_add(1)));
        }
        let whole = length == self.name.len() && (is_blank(byte) || matches!(byte, b'/' | b'>'));
        let known = match &self.name {
            b"html" if whole && !self.html => &mut self.html,
            b"head" if whole => &mut self.head,
            _ => return None,
        };
        *known = true;
        Some(Attribute::Before.next(byte))
    }
}

fn data(byte: u8) -> Option<State> {
    match byte {
        b'<' => Some(State::Open),
        _ if is_blank(byte) => Some(State::Data),
        _ => None,
    }
}

fn rest(byte: u8) -> State {
    match byte {
        b'>' => State::Data,
        _ => State::Rest,
    }
}

impl Comment {
    fn next(self, byte: u8) -> State {
        State::Comment(match (self, byte) {
            (Self::Start | Self::StartDash | Self::End | Self::EndBang, b'>') => {
                return State::Data;
            }
            (Self::Start, b'-') => Self::StartDash,
            (Self::StartDash | Self::End | Self::EndDash, b'-') => Self::End,
            (Self::Inside | Self::EndBang, b'-') => Self::EndDash,
            (Self::End, b'!') => Self::EndBang,
            _ => Self::Inside,
        })
    }
}

impl Attribute {
    fn next(self, byte: u8) -> State {
        State::Tag(match (self, byte) {
            (Self::Quoted(quote), _) if byte == quote => Self::Before,
            (Self::Quoted(quote), _) => Self::Quoted(quote),
            (_, b'>') => return State::Data,
            (Self::Equals, b'"' | b'\'') => Self::Quoted(byte),
            (Self::Name | Self::After, b'=') => Self::Equals,
            (Self::Before | Self::Name | Self::After, b'/') => Self::Before,
            (Self::Equals, _) if is_blank(byte) => Self::Equals,
            (Self::Name | Self::After, _) if is_blank(byte) => Self::After,
            (Self::Before | Self::Bare, _) if is_blank(byte) => Self::Before,
            (Self::Equals | Self::Bare, _) => Self::Bare,
            (Self::Before | Self::Name | Self::After, _) => Self::Name,
        })
    }
}

/// White space between tags: of no meaning before the head.
fn is_blank(byte: u8) -> bool {
    matches!(byte, b'\t' | b'\n' | b'\x0c' | b'\r' | b' ')
}
