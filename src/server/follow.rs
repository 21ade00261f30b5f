//! Who follows a response to its last byte, or its loss: the record of the request.

use super::tunnel::Ended;
use crate::observe::record::Record;

/// Follows one response body; dropped when the body is, whatever the reason.
pub trait BodyObserver {
    /// So many bytes were handed to the client's connection.
    fn bytes(&mut self, n: u64);

    /// The upstream broke off in the middle.
    fn broken(&mut self) {}

    /// The body was handed over whole; without this call before the drop, it was lost on the way.
    fn complete(&mut self);

    /// The connection is a tunnel from now on: bytes are those that the client gets through it.
    fn switched(&mut self) {}

    /// The tunnel is over.
    fn over(&mut self, _ended: &Ended) {
        self.complete();
    }
}

impl BodyObserver for Record {
    fn broken(&mut self) {
        Self::broken(self);
    }

    fn bytes(&mut self, n: u64) {
        self.add_bytes(n);
    }

    fn complete(&mut self) {
        self.finish();
    }

    fn over(&mut self, ended: &Ended) {
        if ended.broken {
            Self::broken(self);
        }
        let received = ended.received;
        let why = format!("{}; the client sent {received} bytes", ended.why);
        self.ended(ended.denial.as_ref().map(|denial| denial.refusal), why);
    }

    fn switched(&mut self) {
        Self::switched(self);
    }
}
