//! Map tiles: small pictures that say in a comment what they would show.

use serde_json::{Map, Value as Json, json};

use super::{
    data,
    http::{Answer, decoded},
    query,
    resolve::{self, Applied},
    store::{Card, Clash},
};

/// The two columns of a tile: `latField` and `lonField` of the query, or, formerly, at the end of the path. `None`: no such route.
pub(super) fn fields(
    rest: &[&str],
    query: &[(String, String)],
    old: bool,
) -> Option<Result<[Json; 2], Answer>> {
    let (number, more) = rest.split_at_checked(3)?;
    if !number.iter().all(|one| one.parse::<i64>().is_ok()) {
        return None;
    }
    let texts = match (old, more) {
        (true, [lat, lon]) => [decoded(lat, false), decoded(lon, false)],
        (false, []) => {
            let value = |name: &str| {
                let found = query.iter().rev().find(|(key, _)| key == name);
                found.map(|(_, value)| value.clone()).unwrap_or_default()
            };
            [value("latField"), value("lonField")]
        }
        _ => return None,
    };
    let read = texts.map(|text| serde_json::from_str(&text).unwrap_or(Json::String(text)));
    if read.iter().any(|one: &Json| {
        one.get(2)
            .is_some_and(|more| !more["source-field"].is_null())
    }) {
        let text = "Fields referenced via implicit joins are not supported.";
        return Some(Err(Answer::text(400, text)));
    }
    Some(Ok(read))
}

/// `parameters` of a tile: a list of objects.
pub(super) fn parameters(query: &[(String, String)]) -> Option<Vec<Map<String, Json>>> {
    let found = query.iter().rev().find(|(key, _)| key == "parameters");
    let Some((_, text)) = found.filter(|(_, text)| !text.is_empty()) else {
        return Some(vec![]);
    };
    resolve::entries(Some(&serde_json::from_str(text).ok()?)).ok()
}

/// A picture, with the values of the two columns for every row in a comment.
pub(super) fn answer(card: &Card, applied: &[Applied], fields: [Json; 2], clash: Clash) -> Answer {
    let Ok(rows) = query::rows(card, applied, clash) else {
        return Answer::text(400, "An error occurred.");
    };
    let columns = fields.map(|field| data::referred(&field));
    let value =
        |row: &data::Row, column: Option<usize>| column.and_then(|one| row.get(one).cloned());
    let points: Json = rows
        .iter()
        .map(|row| json!(columns.map(|column| value(row, column))))
        .collect();
    Answer::of("image/png", png(&points.to_string()))
}

/// A grey pixel with a comment.
fn png(comment: &str) -> Vec<u8> {
    // Zlib: one stored block of two bytes, 0 (no filter) and 0x80 (grey); then their Adler-32.
    const PIXEL: [u8; 13] = [0x78, 1, 1, 2, 0, 0xfd, 0xff, 0, 0x80, 0, 0x82, 0, 0x81];
    const HEAD: [u8; 13] = [0, 0, 0, 1, 0, 0, 0, 1, 8, 0, 0, 0, 0];
    let mut out = b"\x89PNG\r\n\x1a\n".to_vec();
    let comment = [b"Comment\0", comment.as_bytes()].concat();
    let chunks: [(&[u8; 4], &[u8]); 4] = [
        (b"IHDR", &HEAD),
        (b"tEXt", &comment),
        (b"IDAT", &PIXEL),
        (b"IEND", &[]),
    ];
    for (name, data) in chunks {
        let body = [name.as_slice(), data].concat();
        let mut crc = flate2::Crc::new();
        crc.update(&body);
        out.extend(u32::try_from(data.len()).unwrap_or_default().to_be_bytes());
        out.extend(&body);
        out.extend(crc.sum().to_be_bytes());
    }
    out
}
