//! One field of a multipart form (RFC 7578), read strictly: beacons carry their token there. Multipart bodies are read, never rewritten.

use crate::gate::refusal::Refusal;

/// The value of a field, spelled exactly.
///
/// # Errors
/// `body_unsupported` where the body is not plainly multipart (preamble, missing end, transfer encodings, odd part headers);
/// `credential_conflict` where the field stands twice.
pub fn field<'a>(body: &'a [u8], boundary: &str, name: &str) -> Result<Option<&'a str>, Refusal> {
    let mut found = None;
    let delimiter = format!("\r\n--{boundary}");
    let mut rest = body
        .strip_prefix(delimiter.as_bytes().get(2..).unwrap_or_default())
        .ok_or(Refusal::BodyUnsupported)?;
    while let Some(part) = rest.strip_prefix(b"\r\n") {
        let end = find(part, delimiter.as_bytes()).ok_or(Refusal::BodyUnsupported)?;
        let (content, after) = part.split_at(end);
        let (part_name, value) = read(content).ok_or(Refusal::BodyUnsupported)?;
        if part_name == name {
            let text = std::str::from_utf8(value).map_err(|_| Refusal::BodyUnsupported)?;
            if found.replace(text).is_some() {
                return Err(Refusal::CredentialConflict);
            }
        }
        rest = after.get(delimiter.len()..).unwrap_or_default();
    }
    match rest {
        b"--" | b"--\r\n" => Ok(found),
        _ => Err(Refusal::BodyUnsupported),
    }
}

/// A part's name and content.
fn read(part: &[u8]) -> Option<(&str, &[u8])> {
    let end = find(part, b"\r\n\r\n")?;
    let (head, content) = part.split_at(end);
    let mut name = None;
    for line in std::str::from_utf8(head).ok()?.split("\r\n") {
        let (key, value) = line.split_once(':')?;
        match key.to_ascii_lowercase().as_str() {
            "content-disposition" if name.is_none() => name = Some(disposition(value.trim())?),
            "content-type" | "content-length" => {}
            _ => return None,
        }
    }
    Some((name?, content.get(4..)?))
}

/// The `name` of `form-data; name="…"`, and no second one.
fn disposition(value: &str) -> Option<&str> {
    let mut rest = value.strip_prefix("form-data")?;
    let mut name = None;
    while !rest.is_empty() {
        let (key, after) = rest
            .trim_start()
            .strip_prefix(';')?
            .trim_start()
            .split_once('=')?;
        let (value, after) = after.strip_prefix('"')?.split_once('"')?;
        if value.contains(['\\', '\r', '\n']) {
            return None;
        }
        match key {
            "name" if name.is_none() => name = Some(value),
            "filename" => {}
            _ => return None,
        }
        rest = after;
    }
    name
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    let first = *what.first()?;
    let mut from = 0_usize;
    loop {
        let rest = text.get(from..)?;
        let at = from.saturating_add(rest.iter().position(|byte| *byte == first)?);
        if text.get(at..)?.starts_with(what) {
            return Some(at);
        }
        from = at.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEACON: &[u8] = b"--X\r\nContent-Disposition: form-data; name=\"events\"\r\n\r\n[{}]\r\n--X\r\nContent-Disposition: form-data; name=\"guest_token\"\r\n\r\na.b.c\r\n--X--\r\n";

    #[test]
    fn reads_the_token_of_a_beacon() {
        assert_eq!(field(BEACON, "X", "guest_token"), Ok(Some("a.b.c")));
        assert_eq!(field(BEACON, "X", "events"), Ok(Some("[{}]")));
        assert_eq!(field(BEACON, "X", "other"), Ok(None));
    }

    #[test]
    fn a_file_is_a_field_too() {
        let body = b"--X\r\ncontent-disposition: form-data; name=\"f\"; filename=\"a;b.txt\"\r\nContent-Type: text/plain\r\n\r\nhi\r\n--X--";
        assert_eq!(field(body, "X", "f"), Ok(Some("hi")));
    }

    #[test]
    fn refuses_a_second_token() {
        let mut body = BEACON[..BEACON.len() - 4].to_vec();
        body.extend_from_slice(
            b"\r\nContent-Disposition: form-data; name=\"guest_token\"\r\n\r\na.b.c\r\n--X--",
        );
        assert_eq!(
            field(&body, "X", "guest_token"),
            Err(Refusal::CredentialConflict)
        );
    }

    #[test]
    fn refuses_what_is_not_plainly_multipart() {
        let cases: [&[u8]; 9] = [
            b"",
            b"preamble\r\n--X\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--X--",
            b"--X\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--X",
            b"--X\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1",
            b"--X\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--X--\r\nmore",
            b"--X\r\nContent-Disposition: form-data; name=\"a\"; name=\"guest_token\"\r\n\r\n1\r\n--X--",
            b"--X\r\nContent-Disposition: form-data; name*=utf-8''a\r\n\r\n1\r\n--X--",
            b"--X\r\nContent-Disposition: form-data; name=\"a\"\r\nContent-Transfer-Encoding: base64\r\n\r\n1\r\n--X--",
            b"--X\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--X--",
        ];
        for body in cases {
            assert_eq!(
                field(body, "X", "guest_token"),
                Err(Refusal::BodyUnsupported),
                "{}",
                String::from_utf8_lossy(body)
            );
        }
    }
}
