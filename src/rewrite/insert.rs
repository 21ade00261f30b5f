//! An element of ours as the first of an HTML page that streams through: before any script of the page, and before a policy in its markup.
//!
//! It goes where browsers put it into the head without anything else being changed by it: behind the `<head>` tag, or behind what may come before that
//! (the prolog). Everything else stays byte for byte. Only so much is held back as it takes to find the place.

mod charset;
mod prolog;
mod session;

pub use session::SessionScript;

use self::prolog::{Prolog, Step};

/// Writes an element into a page.
#[derive(Debug)]
pub struct Insert {
    element: Box<str>,
    /// Whether `Content-Type` names the encoding: then what the page says of it does not matter.
    encoded: bool,
    place: Place,
}

#[derive(Debug)]
enum Place {
    /// It is written, or there is none for it.
    Past,
    /// It was not found yet in what came so far.
    Sought(Prolog, Vec<u8>),
    /// It was found; what came so far does not tell the encoding yet.
    Found(usize, Vec<u8>),
}

impl Insert {
    /// Of an element in ASCII. `content_type` is that of the page.
    pub fn new(element: Box<str>, content_type: &str) -> Self {
        let label = charset::label(content_type);
        // Two bytes make a character there: an element in ASCII would be two hundred others.
        let foreign = label.as_deref().is_some_and(charset::is_wide);
        Self {
            element,
            encoded: label.is_some(),
            place: if foreign {
                Place::Past
            } else {
                Place::Sought(Prolog::default(), Vec::new())
            },
        }
    }

    /// Takes the next part of the page, cut anywhere, and appends what may go on.
    pub fn push(&mut self, part: &[u8], out: &mut Vec<u8>) {
        match std::mem::replace(&mut self.place, Place::Past) {
            Place::Past => out.extend_from_slice(part),
            Place::Sought(mut prolog, mut held) => {
                held.extend_from_slice(part);
                let step = prolog.read(part);
                self.place = match step {
                    Step::Foreign => {
                        out.append(&mut held);
                        Place::Past
                    }
                    Step::More if held.len() < LONGEST_PROLOG => Place::Sought(prolog, held),
                    Step::More | Step::Over => Place::Found(prolog.end(), held),
                };
                self.write(out, false);
            }
            Place::Found(at, mut held) => {
                held.extend_from_slice(part);
                self.place = Place::Found(at, held);
                self.write(out, false);
            }
        }
    }

    /// What was held back, when the page has ended.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        if let Place::Sought(prolog, held) = &mut self.place {
            if prolog.is_foreign_whole() {
                out.append(held);
                self.place = Place::Past;
                return;
            }
            self.place = Place::Found(prolog.end(), std::mem::take(held));
        }
        self.write(out, true);
    }

    /// Writes the element, once its place is known and what stands around it.
    fn write(&mut self, out: &mut Vec<u8>, ended: bool) {
        let Place::Found(at, held) = &mut self.place else {
            return;
        };
        let marked = held.starts_with(charset::MARK);
        let told = self.encoded || marked;
        if !told && !ended && held.len() < charset::LOOKED_AT {
            return;
        }
        let (before, after) = held.split_at_checked(*at).unwrap_or((held, &[]));
        out.extend_from_slice(before);
        if !told && let Some(label) = charset::declared(held) {
            // Browsers look for it in the first bytes alone, where the element is now.
            out.extend_from_slice(format!("<meta charset=\"{label}\">").as_bytes());
        }
        out.extend_from_slice(self.element.as_bytes());
        out.extend_from_slice(after);
        self.place = Place::Past;
    }
}

/// How far the head is looked for, in bytes: after that, the element goes where the last tag or comment ended.
const LONGEST_PROLOG: usize = 64 * 1024;

#[cfg(test)]
mod tests;
