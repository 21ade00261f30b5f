//! JSON that streams through, minus the members that nobody outside may see. Memory is bounded, whatever the length.
//!
//! The text is read strictly (RFC 8259: UTF-8 without BOM, no comments, no single quotes, no raw control characters, no trailing commas): what cannot be
//! read with certainty is an error, so that no member hides in text that another reader understands differently. Everything that is not removed stays byte
//! for byte; with a member goes the comma that would be left over, and the white space around it.

use thiserror::Error;

mod scan;
#[cfg(test)]
mod tests;

use scan::{Number, Utf8};

/// Removes object members by name, at any depth, from a stream of JSON values (one, or several with white space between them, as in NDJSON).
///
/// A name counts as it decodes (`"json\u005fquery"` is `json_query`), and every member of a name goes where it is repeated.
#[derive(Debug)]
pub struct Sieve {
    drop: &'static [&'static str],
    /// The most bytes that a dropped name can take: each of its own may be written as `\u00xx`.
    longest: usize,
    state: State,
    levels: Vec<Level>,
    /// How many levels there were when a member began that is dropped; zero while none is.
    dropping: usize,
    /// Whether a member has begun (with its comma, where one goes before it) of which is not known yet if it stays.
    pending: bool,
    /// What earlier chunks brought of that member.
    held: Vec<u8>,
    /// Its name, as far as it has come, without quotes.
    name: Vec<u8>,
    /// White space since its comma.
    gap: usize,
    utf8: Utf8,
    failed: Option<SieveError>,
}

/// Why a text cannot be sieved.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum SieveError {
    /// More than [`Sieve::DEPTH`] arrays and objects in each other.
    #[error("JSON is nested too deeply")]
    Depth,
    /// More than [`Sieve::GAP`] bytes of white space between a comma and a name.
    #[error("JSON has too much white space between two members")]
    Gap,
    /// Not JSON.
    #[error("JSON is malformed")]
    Malformed,
    /// JSON that ends too early.
    #[error("JSON ends in the middle of a value")]
    Truncated,
}

/// What may come next.
#[derive(Clone, Copy, Debug)]
enum State {
    /// A comma or the end of the array or object.
    After,
    /// White space: a value at top level has ended.
    Apart,
    Colon,
    Escape(Role),
    /// An element or the end of the array.
    FirstElement,
    /// A name or the end of the object.
    FirstName,
    /// A name: there was a comma.
    NextName,
    Number(Number),
    String(Role),
    /// A value at top level, or nothing more.
    Top,
    /// So many hexadecimal digits.
    Unit(Role, u8),
    Value,
    /// The rest of a literal.
    Word(&'static [u8]),
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Role {
    Name,
    Value,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Level {
    Array,
    /// An object of which no member stays so far.
    Bare,
    /// An object of which some member stays: the next one takes its comma along.
    Filled,
}

/// One chunk on its way.
struct Pass<'a> {
    chunk: &'a [u8],
    /// What is read next.
    at: usize,
    /// From where it was not copied yet. Without meaning while a member is dropped.
    from: usize,
    /// Where the pending member begins: at its comma or its name; zero where it began in an earlier chunk.
    mark: usize,
    out: &'a mut Vec<u8>,
}

impl Sieve {
    /// The deepest nesting of arrays and objects.
    pub const DEPTH: usize = 512;
    /// The most white space between a comma and a name, in bytes. It has to wait for the name.
    pub const GAP: usize = 4096;

    /// Drops the members of these names.
    pub fn new(drop: &'static [&'static str]) -> Self {
        let longest = drop.iter().map(|name| name.len()).max().unwrap_or(0);
        Self {
            drop,
            longest: longest.saturating_mul(6),
            state: State::Top,
            levels: Vec::new(),
            dropping: 0,
            pending: false,
            held: Vec::new(),
            name: Vec::new(),
            gap: 0,
            utf8: Utf8::default(),
            failed: None,
        }
    }

    /// Takes the next part of the text, cut anywhere, and appends to `out` what is known to stay.
    ///
    /// # Errors
    /// The text cannot be read with certainty. What was written so far holds no dropped member, but must not be passed off as complete; every later call
    /// fails too.
    pub fn push(&mut self, chunk: &[u8], out: &mut Vec<u8>) -> Result<(), SieveError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        out.reserve(chunk.len().saturating_add(self.held.len()));
        let mut pass = Pass {
            chunk,
            at: 0,
            from: 0,
            mark: 0,
            out,
        };
        while let Some(byte) = pass.peek() {
            self.step(&mut pass, byte)
                .inspect_err(|error| self.failed = Some(*error))?;
        }
        if self.pending {
            pass.copy_to(pass.mark);
            self.held.extend_from_slice(pass.since(pass.mark));
        } else if self.dropping == 0 {
            pass.copy_to(pass.at);
        }
        Ok(())
    }

    /// Ends the text. Nothing is left to write then.
    ///
    /// # Errors
    /// An earlier one, or the text ends in the middle of a value.
    pub fn finish(&mut self) -> Result<(), SieveError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let number = matches!(self.state, State::Number(number) if number.may_end());
        let whole = matches!(self.state, State::Top | State::Apart);
        if !(whole || number && self.levels.is_empty()) {
            self.failed = Some(SieveError::Truncated);
            return Err(SieveError::Truncated);
        }
        self.state = State::Top;
        Ok(())
    }

    /// Reads at least one byte, or changes the state.
    fn step(&mut self, pass: &mut Pass<'_>, byte: u8) -> Result<(), SieveError> {
        match self.state {
            State::String(role) => self.string(pass, role),
            State::Escape(role) => self.escape(pass, role, byte),
            State::Unit(role, left) => self.unit(pass, role, left, byte),
            State::Number(number) => self.number(pass, number),
            State::Word(rest) => self.word(pass, rest, byte),
            _ if matches!(byte, b' ' | b'\t' | b'\n' | b'\r') => self.blank(pass),
            State::After => self.after(pass, byte),
            State::Colon if byte == b':' => {
                pass.skip(1);
                self.state = State::Value;
                Ok(())
            }
            State::FirstElement if byte == b']' => self.close(pass),
            State::FirstName if byte == b'}' => self.close(pass),
            State::FirstName | State::NextName if byte == b'"' => {
                if self.dropping == 0 {
                    self.begin(pass);
                }
                pass.skip(1);
                self.state = State::String(Role::Name);
                Ok(())
            }
            State::FirstElement | State::Top | State::Value => self.value(pass, byte),
            State::Apart | State::Colon | State::FirstName | State::NextName => {
                Err(SieveError::Malformed)
            }
        }
    }

    fn blank(&mut self, pass: &mut Pass<'_>) -> Result<(), SieveError> {
        let blank = scan::blank(pass.rest());
        pass.skip(blank);
        if matches!(self.state, State::Apart) {
            self.state = State::Top;
        }
        if self.pending && matches!(self.state, State::NextName) {
            self.gap = self.gap.saturating_add(blank);
            if self.gap > Self::GAP {
                return Err(SieveError::Gap);
            }
        }
        Ok(())
    }

    fn value(&mut self, pass: &mut Pass<'_>, byte: u8) -> Result<(), SieveError> {
        self.state = match byte {
            b'"' => State::String(Role::Value),
            b'[' => self.open(Level::Array, State::FirstElement)?,
            b'{' => self.open(Level::Bare, State::FirstName)?,
            b'f' => State::Word(b"alse"),
            b'n' => State::Word(b"ull"),
            b't' => State::Word(b"rue"),
            _ => State::Number(Number::start(byte).ok_or(SieveError::Malformed)?),
        };
        pass.skip(1);
        Ok(())
    }

    fn open(&mut self, level: Level, inside: State) -> Result<State, SieveError> {
        if self.levels.len() >= Self::DEPTH {
            return Err(SieveError::Depth);
        }
        self.levels.push(level);
        Ok(inside)
    }

    /// After a value in an array or object: on to the next, or out.
    fn after(&mut self, pass: &mut Pass<'_>, byte: u8) -> Result<(), SieveError> {
        match (self.levels.last(), byte) {
            (Some(Level::Array), b',') => {
                self.state = State::Value;
                pass.skip(1);
                Ok(())
            }
            (Some(Level::Bare | Level::Filled), b',') => {
                self.comma(pass);
                Ok(())
            }
            (Some(Level::Array), b']') | (Some(Level::Bare | Level::Filled), b'}') => {
                self.close(pass)
            }
            _ => Err(SieveError::Malformed),
        }
    }

    /// Between two members: the comma belongs to the second, and is left over where nothing stays before it.
    fn comma(&mut self, pass: &mut Pass<'_>) {
        self.state = State::NextName;
        let filled = self.levels.last() == Some(&Level::Filled);
        if self.dropping == self.levels.len() {
            self.dropping = 0;
            pass.from = pass.at.saturating_add(usize::from(!filled));
        }
        if self.dropping == 0 && filled {
            self.begin(pass);
        }
        pass.skip(1);
    }

    /// A member begins that may have to go, unless its comma began it already.
    fn begin(&mut self, pass: &mut Pass<'_>) {
        if !self.pending {
            self.pending = true;
            self.gap = 0;
            pass.mark = pass.at;
        }
        self.name.clear();
    }

    fn close(&mut self, pass: &mut Pass<'_>) -> Result<(), SieveError> {
        if self.dropping == self.levels.len() {
            self.dropping = 0;
            pass.from = pass.at;
        }
        self.levels.pop().ok_or(SieveError::Malformed)?;
        pass.skip(1);
        self.end_value();
        Ok(())
    }

    fn end_value(&mut self) {
        self.state = if self.levels.is_empty() {
            State::Apart
        } else {
            State::After
        };
    }

    fn string(&mut self, pass: &mut Pass<'_>, role: Role) -> Result<(), SieveError> {
        let (plain, ascii) = scan::plain(pass.rest());
        let run = pass.take(plain);
        let end = pass.peek();
        if !ascii || self.utf8.is_open() {
            self.utf8
                .check(run, end.is_some())
                .ok_or(SieveError::Malformed)?;
        }
        if role == Role::Name {
            self.spell(pass, run);
        }
        match end {
            Some(b'"') => {
                pass.skip(1);
                match role {
                    Role::Name => self.named(pass),
                    Role::Value => self.end_value(),
                }
            }
            Some(b'\\') => self.escaped(pass, role, b'\\', State::Escape(role)),
            Some(_) => return Err(SieveError::Malformed),
            None => {}
        }
        Ok(())
    }

    fn escape(&mut self, pass: &mut Pass<'_>, role: Role, byte: u8) -> Result<(), SieveError> {
        let next = match byte {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => State::String(role),
            b'u' => State::Unit(role, 4),
            _ => return Err(SieveError::Malformed),
        };
        self.escaped(pass, role, byte, next);
        Ok(())
    }

    /// A digit of a UTF-16 unit. Lone surrogates are no error: no reader makes a dropped name of one.
    fn unit(
        &mut self,
        pass: &mut Pass<'_>,
        role: Role,
        left: u8,
        byte: u8,
    ) -> Result<(), SieveError> {
        if !byte.is_ascii_hexdigit() {
            return Err(SieveError::Malformed);
        }
        let next = match left {
            0 | 1 => State::String(role),
            _ => State::Unit(role, left.saturating_sub(1)),
        };
        self.escaped(pass, role, byte, next);
        Ok(())
    }

    fn escaped(&mut self, pass: &mut Pass<'_>, role: Role, byte: u8, next: State) {
        pass.skip(1);
        if role == Role::Name {
            self.spell(pass, &[byte]);
        }
        self.state = next;
    }

    fn number(&mut self, pass: &mut Pass<'_>, number: Number) -> Result<(), SieveError> {
        let (length, number) = number.read(pass.rest());
        pass.skip(length);
        self.state = State::Number(number);
        if pass.peek().is_some() {
            if !number.may_end() {
                return Err(SieveError::Malformed);
            }
            self.end_value();
        }
        Ok(())
    }

    fn word(
        &mut self,
        pass: &mut Pass<'_>,
        rest: &'static [u8],
        byte: u8,
    ) -> Result<(), SieveError> {
        match rest.split_first() {
            Some((first, rest)) if *first == byte => {
                pass.skip(1);
                self.state = State::Word(rest);
                if rest.is_empty() {
                    self.end_value();
                }
                Ok(())
            }
            _ => Err(SieveError::Malformed),
        }
    }

    /// More of the pending member's name; once it is longer than any that is dropped, the member stays.
    fn spell(&mut self, pass: &mut Pass<'_>, part: &[u8]) {
        if !self.pending {
            return;
        }
        if self.name.len().saturating_add(part.len()) > self.longest {
            self.keep(pass);
        } else {
            self.name.extend_from_slice(part);
        }
    }

    /// The name is complete.
    fn named(&mut self, pass: &mut Pass<'_>) {
        self.state = State::Colon;
        if !self.pending {
            return;
        }
        if scan::is_one_of(&self.name, self.drop) {
            pass.copy_to(pass.mark);
            self.held.clear();
            self.pending = false;
            self.dropping = self.levels.len();
        } else {
            self.keep(pass);
        }
    }

    fn keep(&mut self, pass: &mut Pass<'_>) {
        pass.out.append(&mut self.held);
        self.pending = false;
        if let Some(level) = self.levels.last_mut() {
            *level = Level::Filled;
        }
    }
}

impl<'a> Pass<'a> {
    fn peek(&self) -> Option<u8> {
        self.chunk.get(self.at).copied()
    }

    fn rest(&self) -> &'a [u8] {
        self.chunk.get(self.at..).unwrap_or_default()
    }

    fn since(&self, from: usize) -> &'a [u8] {
        self.chunk.get(from..).unwrap_or_default()
    }

    fn skip(&mut self, length: usize) {
        self.at = self.at.saturating_add(length);
    }

    fn take(&mut self, length: usize) -> &'a [u8] {
        let run = self.rest().get(..length).unwrap_or_default();
        self.skip(length);
        run
    }

    fn copy_to(&mut self, to: usize) {
        let run = self.chunk.get(self.from..to).unwrap_or_default();
        self.out.extend_from_slice(run);
        self.from = to;
    }
}
