//! What a parameter name may become on the way to an upstream's code: the one key under which all its aliases are compared.
//!
//! The attack: a parameter is locked, and the viewer sends it under a name that looks like another one to us and like the locked one to the upstream.
//! So folding errs on the side of "the same": a name that folds alike without being read alike is refused where it was harmless, nothing worse.

use std::borrow::Cow;

use unicode_normalization::UnicodeNormalization as _;

use crate::gate::path::unhex;

/// A parameter name as an upstream might read it: decoded further while escapes remain, NFKC, case-folded, without invisible characters, trimmed, without
/// its `[…]` suffixes (`a[]`, `a[0]`, `a[key]` all end up in `a`), and with `.`, space and a lone `[` as `_` (PHP).
/// Two names that fold alike are the same parameter to us. Idempotent; borrows where nothing changes.
pub fn fold(name: &str) -> Cow<'_, str> {
    if name.bytes().all(is_settled) {
        return Cow::Borrowed(name);
    }
    let mut folded = fold_once(name);
    for _ in 0..MAX_ROUNDS {
        if folded.bytes().all(is_settled) {
            break;
        }
        let again = fold_once(&folded);
        if again == folded {
            break;
        }
        folded = again;
    }
    if folded == name {
        return Cow::Borrowed(name);
    }
    Cow::Owned(folded)
}

/// Bytes that no step changes, whatever stands around them.
const fn is_settled(byte: u8) -> bool {
    match byte {
        b'A'..=b'Z' | b'%' | b'+' | b'.' | b'[' | b']' => false,
        _ => byte.is_ascii_graphic(),
    }
}

fn fold_once(name: &str) -> String {
    let decoded = decode_fully(name);
    let text = String::from_utf8_lossy(&decoded);
    let even = even_out(&text).replace('+', " ");
    base(even.trim())
        .trim()
        .replace(|c: char| c == '.' || c == '[' || c.is_whitespace(), "_")
}

/// One form of all that are alike in case and compatibility, without invisible characters.
fn even_out(text: &str) -> String {
    if text.is_ascii() {
        let visible = text.chars().filter(|c| !is_invisible(*c));
        return visible.map(|c| c.to_ascii_lowercase()).collect();
    }
    let visible = text.nfkc().map(dotless).filter(|c| !is_invisible(*c));
    let lower = visible
        .flat_map(char::to_uppercase)
        .flat_map(char::to_lowercase);
    lower.nfkc().collect()
}

/// Percent-decodes until no escape is left, in one pass: an escape that a decoded byte completes is decoded too.
fn decode_fully(name: &str) -> Vec<u8> {
    let mut decoded: Vec<u8> = Vec::with_capacity(name.len());
    for byte in name.bytes() {
        decoded.push(byte);
        while let [head @ .., b'%', high, low] = decoded.as_slice()
            && let Some(byte) = unhex(Some(*high), Some(*low))
        {
            decoded.truncate(head.len());
            decoded.push(byte);
        }
    }
    decoded
}

/// `İ` is `i` to Java, and `i` with a combining dot to Unicode.
const fn dotless(c: char) -> char {
    if c == 'İ' { 'i' } else { c }
}

/// The name of which `a[…]`, `[a]` (Node's qs, Rack) or `a]` is an element or a spelling. A lone `[` stays, to become `_`.
fn base(name: &str) -> &str {
    let name = name.trim_start_matches(['[', ']']);
    match name.split_once('[') {
        Some((base, rest)) if rest.contains(']') => base,
        Some(_) => name,
        None => name.trim_end_matches(']'),
    }
}

/// Controls and what Unicode calls default-ignorable: invisible, and dropped by some that compare text.
const fn is_invisible(c: char) -> bool {
    matches!(c,
        '\0'..='\u{8}' | '\u{e}'..='\u{1f}' | '\u{7f}'..='\u{84}' | '\u{86}'..='\u{9f}' | '\u{ad}' | '\u{34f}' | '\u{61c}'
        | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// Each round undoes one layer of encoding that only normalisation laid bare (`％７４`); hardly any name needs a third.
const MAX_ROUNDS: usize = 16;

#[cfg(test)]
mod tests {
    use percent_encoding::percent_encode_byte;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn aliases_of_a_name_fold_alike() {
        let table = [
            "tenant_id",
            "TENANT_ID",
            "Tenant_Id",
            "tenant%5Fid",
            "tenant%5fid",
            "%74enant_id",
            "%2574enant_id",
            "%252574enant_id",
            "%2%35%374enant_id",
            "tenant_id[]",
            "tenant_id[0]",
            "tenant_id[][]",
            "tenant_id[0][1]",
            "tenant_id[a]",
            "tenant_id[a]b",
            "tenant_id%5B%5D",
            "tenant_id%255b%255d",
            "[tenant_id]",
            "tenant_id]",
            "[]tenant_id",
            "ｔｅｎａｎｔ＿ｉｄ",
            "ＴＥＮＡＮＴ＿ＩＤ",
            "%EF%BD%94enant_id",
            "％７４enant_id",
            "％２５７４enant_id",
            " tenant_id",
            "tenant_id ",
            "tenant_id+",
            "+tenant_id",
            "tenant_id%20",
            "tenant_id%09",
            "tenant_id\u{a0}",
            "\u{3000}tenant_id",
            "tenant_id [0]",
            "tenant_id\u{200b}",
            "\u{feff}tenant_id",
            "ten\u{200d}ant_id",
            "tenant\u{ad}_id",
            "tenant_id%00",
            "tenant_id%2500",
            "tenant_\u{131}d",
            "tenant_\u{130}d",
            "TENANT_\u{130}D",
            "tenant.id",
            "tenant id",
            "tenant+id",
            "tenant[id",
            "tenant_id\u{fe0f}",
            "tenant_id\u{e0041}",
            "𝐭𝐞𝐧𝐚𝐧𝐭_𝐢𝐝",
            "ⓣⓔⓝⓐⓝⓣ_ⓘⓓ",
        ];
        for name in table {
            assert_eq!(fold(name), "tenant_id", "{name:?}");
        }
        assert_eq!(fold("\u{17f}ite"), "site", "long s");
        assert_eq!(fold("\u{212a}ey"), "key", "kelvin sign");
        assert_eq!(fold("STRASSE"), fold("straße"));
    }

    #[test]
    fn other_names_stay_apart() {
        let table = [
            "tenant",
            "tenantid",
            "tenant_id2",
            "xtenant_id",
            "tenant-id",
            "id",
            "_tenant_id",
            "filter[tenant_id]",
            "",
        ];
        for name in table {
            assert_ne!(fold(name), "tenant_id", "{name:?}");
        }
    }

    #[test]
    fn plain_names_are_borrowed() {
        for name in [
            "tenant_id",
            "q",
            "native_filters_key",
            "form-data",
            "a:b",
            "höhe",
        ] {
            assert!(
                matches!(fold(name), Cow::Borrowed(same) if same == name),
                "{name}"
            );
        }
    }

    #[test]
    fn a_long_chain_of_escapes_costs_one_pass() {
        let name = format!("%{}74enant_id", "25".repeat(15_000));
        assert_eq!(fold(&name), "tenant_id");
    }

    fn any_name() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            3 => "[a-zA-Z_]{1,3}",
            2 => "[\\[\\]+. %]",
            2 => "%[0-9a-fA-F]{2}",
            1 => "(％|%25|%)[0-9０-９a-fA-Fａ-ｆ]{2}",
            2 => "\\PC",
            1 => any::<char>().prop_map(String::from),
        ];
        prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn folding_is_idempotent(name in any_name()) {
            let once = fold(&name).into_owned();
            prop_assert_eq!(fold(&once), once.as_str());
        }

        #[test]
        fn case_encoding_and_suffix_do_not_matter(name in "[a-z_]{1,8}", upper: bool, encode: bool, suffix in "(\\[[0-9a-z]{0,2}\\]){0,2} {0,2}") {
            let mut alias = if upper { name.to_uppercase() } else { name.clone() };
            alias.push_str(&suffix);
            if encode {
                alias = alias.bytes().map(percent_encode_byte).collect();
            }
            prop_assert_eq!(fold(&alias), name.as_str());
        }
    }
}
