//! One audit record as one line of JSON, always with the same keys in the same order.

use std::{
    fmt::{self, Write as _},
    net::IpAddr,
    time::Duration,
};

use jiff::{Timestamp, tz::Offset};
use smallvec::SmallVec;

use crate::{
    gate::{
        id::SessionId,
        param::{Mode, ParamSpec},
        refusal::Refusal,
        resource::Resource,
    },
    observe::request_id::RequestId,
};

/// How a request ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// The client hung up before it had the whole response.
    Aborted,
    /// Served.
    Allowed,
    /// Permitted, but the upstream failed.
    Failed,
    /// Turned away.
    Refused,
}

impl Outcome {
    /// The word in the record.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Aborted => "aborted",
            Self::Allowed => "allowed",
            Self::Failed => "failed",
            Self::Refused => "refused",
        }
    }
}

/// What one record says. `None` becomes `null`.
#[derive(Debug)]
pub(in crate::observe) struct Line<'a> {
    /// When the request came, since the Unix epoch.
    pub(in crate::observe) time: Duration,
    pub(in crate::observe) id: RequestId,
    pub(in crate::observe) site: Option<&'a str>,
    pub(in crate::observe) route: Option<&'a str>,
    pub(in crate::observe) viewer: Option<&'a str>,
    pub(in crate::observe) tenant: Option<&'a str>,
    pub(in crate::observe) token_id: Option<&'a str>,
    /// The session that the viewer was recognised by.
    pub(in crate::observe) session: Option<SessionId>,
    /// The resource that was asked for; else those that the viewer holds.
    pub(in crate::observe) resource: Option<&'a str>,
    pub(in crate::observe) granted: &'a [Resource],
    /// The scope that the route asks for.
    pub(in crate::observe) action: Option<&'a str>,
    pub(in crate::observe) outcome: Outcome,
    pub(in crate::observe) refusal: Option<Refusal>,
    pub(in crate::observe) detail: Option<&'a str>,
    pub(in crate::observe) status: Option<u16>,
    pub(in crate::observe) bytes: u64,
    pub(in crate::observe) duration: Duration,
    pub(in crate::observe) client: IpAddr,
    pub(in crate::observe) origin: Option<&'a str>,
    /// The site's parameters, where a viewer is known: the locked ones are named.
    pub(in crate::observe) params: &'a [ParamSpec],
    /// The token's values, where the configuration asks for them.
    pub(in crate::observe) values: Option<&'a serde_json::Map<String, serde_json::Value>>,
}

/// A line on the stack; only the longest ones go to the heap.
pub(in crate::observe) type Buffer = SmallVec<[u8; 1024]>;

impl Line<'_> {
    /// The line, with its line feed.
    pub(in crate::observe) fn write(&self) -> Buffer {
        let mut json = Json(Buffer::new());
        json.raw(b"{\"time\":\"");
        json.time(self.time);
        json.raw(b"\",\"request_id\":\"");
        json.raw(&self.id.hex());
        json.raw(b"\"");
        json.text(b",\"site\":", self.site);
        json.text(b",\"route\":", self.route);
        json.text(b",\"viewer\":", self.viewer);
        json.text(b",\"tenant\":", self.tenant);
        json.text(b",\"token_id\":", self.token_id);
        match self.session {
            None => json.raw(b",\"session\":null"),
            Some(session) => {
                json.raw(b",\"session\":\"");
                json.raw(&session.hex());
                json.raw(b"\"");
            }
        }
        self.write_resource(&mut json);
        json.text(b",\"action\":", self.action);
        json.text(b",\"outcome\":", Some(self.outcome.label()));
        json.text(b",\"code\":", self.refusal.map(Refusal::code));
        json.text(b",\"detail\":", self.detail);
        json.raw(b",\"status\":");
        match self.status {
            Some(status) => json.number(status.into()),
            None => json.raw(b"null"),
        }
        json.raw(b",\"bytes\":");
        json.number(self.bytes);
        json.raw(b",\"duration_ms\":");
        json.milliseconds(self.duration);
        json.raw(b",\"client\":\"");
        json.address(self.client);
        json.raw(b"\"");
        json.text(b",\"origin\":", self.origin);
        self.write_locked(&mut json);
        json.raw(b"}\n");
        json.0
    }

    fn write_resource(&self, json: &mut Json) {
        match (self.resource, self.granted) {
            (Some(asked), _) => json.text(b",\"resource\":", Some(asked)),
            (None, []) => json.text(b",\"resource\":", None),
            (None, granted) => {
                json.raw(b",\"resource\":\"");
                for (at, resource) in granted.iter().enumerate() {
                    json.raw(if at == 0 { b"" } else { b" " });
                    json.escaped(&resource.kind);
                    json.raw(b":");
                    json.escaped(&resource.id);
                }
                json.raw(b"\"");
            }
        }
    }

    fn write_locked(&self, json: &mut Json) {
        let locked = || {
            self.params
                .iter()
                .filter(|param| param.mode == Mode::Locked)
        };
        json.raw(b",\"locked\":[");
        for (at, param) in locked().enumerate() {
            json.raw(if at == 0 { b"\"" } else { b",\"" });
            json.escaped(&param.name);
            json.raw(b"\"");
        }
        json.raw(b"]");
        let Some(values) = self.values else { return };
        json.raw(b",\"values\":{");
        let held =
            locked().filter_map(|param| values.get(&*param.name).map(|value| (param, value)));
        for (at, (param, value)) in held.enumerate() {
            json.raw(if at == 0 { b"\"" } else { b",\"" });
            json.escaped(&param.name);
            json.raw(b"\":");
            json.value(value);
        }
        json.raw(b"}");
    }
}

struct Json(Buffer);

impl Json {
    fn raw(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn text(&mut self, key: &[u8], text: Option<&str>) {
        self.raw(key);
        let Some(text) = text else {
            return self.raw(b"null");
        };
        self.raw(b"\"");
        self.escaped(text);
        self.raw(b"\"");
    }

    /// RFC 8259 section 7. DEL and the C1 controls are escaped too: someone will read the trail in a terminal.
    fn escaped(&mut self, text: &str) {
        if text
            .bytes()
            .all(|byte| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\')
        {
            return self.raw(text.as_bytes());
        }
        for char in text.chars() {
            match char {
                '"' => self.raw(b"\\\""),
                '\\' => self.raw(b"\\\\"),
                '\n' => self.raw(b"\\n"),
                '\r' => self.raw(b"\\r"),
                '\t' => self.raw(b"\\t"),
                control if control.is_control() => {
                    self.formatted(format_args!("\\u{:04x}", u32::from(control)));
                }
                other => self.raw(other.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
    }

    fn value(&mut self, value: &serde_json::Value) {
        let Some(text) = value.as_str() else {
            return self.formatted(format_args!("{value}"));
        };
        self.raw(b"\"");
        self.escaped(text);
        self.raw(b"\"");
    }

    fn number(&mut self, number: u64) {
        let mut digits = [b'0'; 20];
        let mut rest = number;
        let mut used = 0;
        for digit in digits.iter_mut().rev() {
            let [low, ..] = (rest % 10).to_le_bytes();
            *digit += low;
            rest /= 10;
            used += 1;
            if rest == 0 {
                break;
            }
        }
        self.raw(
            digits
                .last_chunk::<20>()
                .and_then(|all| all.get(20 - used..))
                .unwrap_or_default(),
        );
    }

    /// A number of fixed width, zero-padded.
    fn padded(&mut self, number: u32, width: u32) {
        for place in (0..width).rev() {
            let [digit, ..] = (number / 10_u32.pow(place) % 10).to_le_bytes();
            self.0.push(b'0' + digit);
        }
    }

    /// Milliseconds with three decimals.
    fn milliseconds(&mut self, duration: Duration) {
        let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        self.number(millis);
        self.raw(b".");
        self.padded(duration.subsec_micros() % 1000, 3);
    }

    /// RFC 3339, UTC, milliseconds. A clock beyond the year 9999 reads as the epoch.
    fn time(&mut self, since_epoch: Duration) {
        let millis = i64::try_from(since_epoch.as_millis()).ok();
        let stamp = millis
            .and_then(|millis| Timestamp::from_millisecond(millis).ok())
            .unwrap_or(Timestamp::UNIX_EPOCH);
        let utc = Offset::UTC.to_datetime(stamp);
        let part = |number: i8| u32::try_from(number).unwrap_or_default();
        self.padded(u32::try_from(utc.year()).unwrap_or_default(), 4);
        for (before, number) in [
            (b"-", utc.month()),
            (b"-", utc.day()),
            (b"T", utc.hour()),
            (b":", utc.minute()),
            (b":", utc.second()),
        ] {
            self.raw(before);
            self.padded(part(number), 2);
        }
        self.raw(b".");
        self.padded(u32::try_from(utc.millisecond()).unwrap_or_default(), 3);
        self.raw(b"Z");
    }

    fn address(&mut self, address: IpAddr) {
        match address.to_canonical() {
            IpAddr::V4(v4) => {
                for (at, octet) in v4.octets().into_iter().enumerate() {
                    self.raw(if at == 0 { b"" } else { b"." });
                    self.number(octet.into());
                }
            }
            IpAddr::V6(v6) => self.formatted(format_args!("{v6}")),
        }
    }

    fn formatted(&mut self, arguments: fmt::Arguments<'_>) {
        // Writing to memory cannot fail.
        self.write_fmt(arguments).unwrap_or_default();
    }
}

impl fmt::Write for Json {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.raw(text.as_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests;
