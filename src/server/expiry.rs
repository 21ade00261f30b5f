//! When a certificate ends: just enough DER to walk to one field of the operator's own certificates.
//!
//! A general X.509 parser would bring a dozen crates for this one date, and nothing is decided by it: it feeds a metric.

use jiff::tz::TimeZone;

use crate::gate::request::UnixTime;

/// `notAfter` of a DER certificate, if it can be read.
pub(super) fn not_after(certificate: &[u8]) -> Option<UnixTime> {
    let (_, certificate, _) = element(certificate)?;
    let (_, to_be_signed, _) = element(certificate)?;
    // [0] version, serialNumber, signature, issuer, validity: RFC 5280 section 4.1.
    let mut rest = to_be_signed;
    if rest.first() == Some(&0xa0) {
        rest = element(rest)?.2;
    }
    for _ in 0..3 {
        rest = element(rest)?.2;
    }
    let (_, validity, _) = element(rest)?;
    let (_, _, rest) = element(validity)?;
    let (tag, text, _) = element(rest)?;
    time(tag, text)
}

/// Tag, contents, and what follows.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = der.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = if *first < 0x80 {
        (usize::from(*first), rest)
    } else {
        let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
        (big_endian(digits)?, rest)
    };
    let (contents, rest) = rest.split_at_checked(length)?;
    Some((*tag, contents, rest))
}

fn big_endian(digits: &[u8]) -> Option<usize> {
    let value = digits
        .iter()
        .fold(0usize, |sum, digit| (sum << 8) | usize::from(*digit));
    (digits.len() <= 4).then_some(value)
}

/// `UTCTime` (`YYMMDDHHMMSSZ`) or `GeneralizedTime` (`YYYYMMDDHHMMSSZ`).
fn time(tag: u8, text: &[u8]) -> Option<UnixTime> {
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let (year, rest) = match tag {
        0x17 => {
            let (year, rest) = text.split_at_checked(2)?;
            let year: i16 = year.parse().ok()?;
            (if year < 50 { 2000 } else { 1900 } + year, rest)
        }
        0x18 => {
            let (year, rest) = text.split_at_checked(4)?;
            (year.parse().ok()?, rest)
        }
        _ => return None,
    };
    let mut pairs = [0i8; 5];
    for (i, place) in pairs.iter_mut().enumerate() {
        let from = i.checked_mul(2)?;
        *place = rest.get(from..from.checked_add(2)?)?.parse().ok()?;
    }
    let [month, day, hour, minute, second] = pairs;
    if !(1..=12).contains(&month)
        || !(1..=31).contains(&day)
        || hour > 23
        || minute > 59
        || second > 59
    {
        return None;
    }
    let day = jiff::civil::Date::new(year, month, day).ok()?;
    let at = day
        .at(hour, minute, second, 0)
        .to_zoned(TimeZone::UTC)
        .ok()?;
    Some(UnixTime(at.timestamp().as_second()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_rcgen_writes() {
        for (year, wanted) in [(2031, 1_924_992_000), (2061, 2_871_763_200)] {
            let mut params = rcgen::CertificateParams::new(["a.test".to_owned()]).unwrap();
            params.not_after = rcgen::date_time_ymd(year, 1, 1);
            let key = rcgen::KeyPair::generate().unwrap();
            let der = params.self_signed(&key).unwrap();
            assert_eq!(not_after(der.der()), Some(UnixTime(wanted)), "{year}");
        }
    }

    #[test]
    fn junk_has_no_date() {
        for junk in [
            &b""[..],
            b"\x30",
            b"\x30\x82\xff",
            b"\x30\x84\xff\xff\xff\xff\x00",
            b"not der at all",
        ] {
            assert_eq!(not_after(junk), None, "{junk:?}");
        }
        assert_eq!(time(0x17, b"991332000000Z"), None);
        assert_eq!(time(0x17, b"2601010000Z"), None);
        assert_eq!(time(0x18, b"20260101000000+0100"), None);
        assert_eq!(time(0x17, b"260101000000Z"), Some(UnixTime(1_767_225_600)));
    }
}
