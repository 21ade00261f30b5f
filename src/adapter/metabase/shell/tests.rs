use proptest::prelude::*;
use serde_json::json;

use super::*;

const AROUND: Around<'_> = Around {
    public_url: "https://bi.example.com/reports",
    page: "/embed/dashboard/our.own.token",
    extra: &[],
    geojson: &[],
    inner: &["http://mb.internal:3000", "their.minted.token"],
};

fn rewritten(html: &str) -> Result<String, ShellError> {
    rewrite(html.as_bytes(), &AROUND).map(|out| String::from_utf8(out).unwrap())
}

/// A page in the form of today's.
fn shell(settings: &str) -> String {
    format!(
        r#"<!DOCTYPE html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta name="base-href" content="/" />
    <meta name="uri" content="/embed/dashboard/their.minted.token" />
    <meta name="generator" content="Metabase"><link href="http://mb.internal:3000/api/public/oembed?url=x" rel="alternate" title="Metabase" type="application/json+oembed">
    <title>Metabase</title>
    <base href="/" />
    <script type="application/json" id="_metabaseBootstrap" nonce="a1b2c3d4e5">
      {settings}
    </script>
    <script type="application/json" id="_metabaseUserLocalization">{{"headers":{{"language":"de"}}}}</script>
    <script nonce="a1b2c3d4e5">(function() {{ window.MetabaseBootstrap = JSON.parse(document.getElementById("_metabaseBootstrap").textContent); if (1 < 2 && 3 > 2) {{}} }})();</script>
    <link href="app/dist/app.css?1" rel="stylesheet">
  </head>
  <body><div id='root'></div><noscript>Please &amp; thanks</noscript></body>
</html>
"#
    )
}

#[test]
fn a_page_tells_only_what_it_must() {
    let settings = json!({
        "application-name": "A </script><b>",
        "setup-token": "f2c0",
        "site-url": "http://mb.internal:3000",
        "version": {"tag": "v0.58.28"},
    });
    let theirs = shell(&settings.to_string().replace("</script", "<\\/script"));
    let ours = shell(r#"{"application-name":"A \u003c/script>\u003cb>","site-url":"https://bi.example.com/reports"}"#)
        .replace("\n      {\"app", "{\"app")
        .replace("reports\"}\n    </script>", "reports\"}</script>")
        .replace(
            "<meta name=\"base-href\" content=\"/\" />",
            "<meta content=\"/reports/\" name=\"base-href\">",
        )
        .replace(
            "<meta name=\"uri\" content=\"/embed/dashboard/their.minted.token\" />",
            "<meta content=\"/embed/dashboard/our.own.token\" name=\"uri\">",
        )
        .replace("<base href=\"/\" />", "<base href=\"/reports/\">");
    let (before, rest) = ours.split_once("<meta name=\"generator\"").unwrap();
    let (_, after) = rest.split_once("+oembed\">").unwrap();
    let ours = format!("{before}{after}");
    assert_eq!(rewritten(&theirs).as_deref(), Ok(&*ours));
    assert_eq!(rewritten(&ours).as_deref(), Ok(&*ours), "once is enough");
}

#[test]
fn settings_may_be_assigned() {
    let html = "<script>\n window.MetabaseBootstrap = {\"site-url\": null, \"setup-token\": \"f2c0\", \"site-locale\": \"a}\\u2028\u{2028}\"} ;\n var a = 1 < 2;\n</script>";
    let expected = "<script>\n window.MetabaseBootstrap = {\"site-url\":\"https://bi.example.com/reports\",\"site-locale\":\"a}\\u2028\\u2028\"} ;\n var a = 1 < 2;\n</script>";
    assert_eq!(rewritten(html).as_deref(), Ok(expected));
}

#[test]
fn pages_without_settings_pass() {
    for html in [
        "",
        "<html><body>Metabase is starting…</body></html>",
        "<!doctype html>\r\n<p title=a>1 < 2 &lt; 3\r\n<!-- c --><br/>",
    ] {
        assert_eq!(rewritten(html).as_deref(), Ok(html), "{html}");
    }
}

#[test]
fn tags_that_tell_go() {
    for tag in [
        "<link type=\"text/xml+oembed\" href=\"x\">",
        "<LINK HREF=x TYPE='Application/JSON+oEmbed'/>",
        "<link rel=canonical href=\"https://MB.internal:3000/embed\">",
        "<link rel=canonical href=\"https&#58;//mb&period;internal:3000\">",
        "<meta name=generator content=\"Metabase v0.58\">",
        "<meta NAME=\"metabase-version\" content=58>",
        "<meta property=\"og:url\" content=\"http://mb.internal/embed\">",
    ] {
        let html = format!("<head>{tag}<title>x</title>");
        assert_eq!(
            rewritten(&html).as_deref(),
            Ok("<head><title>x</title>"),
            "{tag}"
        );
    }
}

#[test]
fn nothing_new_arises_where_a_tag_was() {
    for (html, expected) in [
        ("<<link type=x+oembed>script>", "<<!---->script>"),
        ("&am<meta name=generator>p;", "&am<!---->p;"),
        (
            "<p>mb.inter<link type=x+oembed>nal",
            "<p>mb.inter<!---->nal",
        ),
    ] {
        assert_eq!(rewritten(html).as_deref(), Ok(expected), "{html}");
    }
}

#[test]
fn addresses_become_ours() {
    for (tag, expected) in [
        (
            "<base href=/inner/ target=_top>",
            "<base href=\"/reports/\" target=\"_top\">",
        ),
        ("<base target=_top>", "<base target=_top>"),
        (
            "<base href=http://mb.internal:3000/ title='http://mb.internal'>",
            "<base href=\"/reports/\">",
        ),
        ("<meta name=uri>", "<meta name=\"uri\">"),
    ] {
        assert_eq!(rewritten(tag).as_deref(), Ok(expected), "{tag}");
    }
    let root = Around {
        public_url: "https://bi.example.com",
        page: "/public/question/\"&<",
        ..AROUND
    };
    let html = b"<base href=\"/x/\"><meta name=uri content=x>";
    let expected = "<base href=\"/\"><meta content=\"/public/question/&quot;&amp;<\" name=\"uri\">";
    assert_eq!(rewrite(html, &root).as_deref(), Ok(expected.as_bytes()));
}

#[test]
fn what_cannot_be_cleaned_is_refused() {
    let cases: [(&str, ShellError); 15] = [
        (
            "<script id=_metabaseBootstrap>{</script>",
            ShellError::Settings(SettingsError::NotJson),
        ),
        (
            "<script id=_metabaseBootstrap></script>",
            ShellError::Settings(SettingsError::NotJson),
        ),
        (
            "<script id=_metabaseBootstrap>[]</script>",
            ShellError::Settings(SettingsError::NotObject),
        ),
        (
            "<script>window.MetabaseBootstrap={a:1}</script>",
            ShellError::Settings(SettingsError::NotJson),
        ),
        (
            "<script>window.MetabaseBootstrap={\"a\":</script>",
            ShellError::Settings(SettingsError::NotJson),
        ),
        ("<script id=_metabaseBootstrap>{}", ShellError::Markup),
        ("<div id=_metabaseBootstrap>{}</div>", ShellError::Unknown),
        (
            "<script>var a = {\"site-url\":\"x\"}</script>",
            ShellError::Unknown,
        ),
        (
            "<script>window[\"MetabaseBootstrap\"] = {\"setup-token\":1}</script>",
            ShellError::Unknown,
        ),
        (
            "<script>a='setup-token'</script><script id=_metabaseBootstrap>{}</script>",
            ShellError::Unknown,
        ),
        ("<p>http://mb.internal:3000</p>", ShellError::Inner),
        (
            "<p>http&colon;//mb.internal&colon;3000</p>",
            ShellError::Inner,
        ),
        ("<!-- MB.internal:3000 -->", ShellError::Inner),
        ("<img src=\"http://mb.internal/x.png\">", ShellError::Inner),
        ("<p><a href=\"http://mb.internal:3000", ShellError::Inner),
    ];
    for (html, error) in cases {
        assert_eq!(rewritten(html), Err(error), "{html}");
    }
    assert_eq!(rewrite(b"<p>\xff</p>", &AROUND), Err(ShellError::Markup));
}

#[test]
fn where_metabase_believes_to_be_is_not_told_either() {
    let html = |url: &str| {
        format!(
            "<link rel=preconnect href=\"{url}\"><script id=_metabaseBootstrap>{{\"site-url\":\"http://believed.internal/x\"}}</script>"
        )
    };
    let settings =
        "<script id=_metabaseBootstrap>{\"site-url\":\"https://bi.example.com/reports\"}</script>";
    assert_eq!(
        rewritten(&html("//believed.internal")).as_deref(),
        Ok(settings)
    );
    assert!(
        rewritten(&html("//cdn.example.com"))
            .is_ok_and(|out| out.ends_with(settings) && out.len() > settings.len())
    );
}

fn part() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("<title>Metabase</title>\r\n".to_owned()),
        Just("<base href='/'>".to_owned()),
        Just("<meta name=uri content=/embed/their.minted.token>".to_owned()),
        Just("<script nonce=x>if (a<b && \"</p>\") { }</script>".to_owned()),
        Just("<link type=application/json+oembed href=http://mb.internal:3000/x>".to_owned()),
        Just("<style>a > b { }</style><!-- <base href=x> -->".to_owned()),
        "[a-z <>&;\"'=/äé-]{0,20}",
    ]
}

proptest! {
    #[test]
    fn nothing_inner_comes_out_and_a_second_pass_changes_nothing(
        before in prop::collection::vec(part(), 0..6),
        name in prop_oneof![Just("site-url"), Just("version"), Just("application-name"), Just("setup-token"), Just("custom-geojson")],
        value in prop_oneof![Just("http://mb.internal:3000/x".to_owned()), "[a-z<>/\\\\\" -]{0,20}"],
        assigned in any::<bool>(),
        after in prop::collection::vec(part(), 0..6),
    ) {
        let settings = json!({name: value, "loading-message": "x"}).to_string();
        let script = if assigned {
            format!("<script>window.MetabaseBootstrap = {};</script>", settings.replace("</", "<\\/"))
        } else {
            format!("<script id=_metabaseBootstrap>{}</script>", settings.replace("</", "<\\/"))
        };
        let html = format!("{}{script}{}", before.concat(), after.concat());
        if let Ok(out) = rewritten(&html) {
            for inner in ["mb.internal", "their.minted", "setup-token\""] {
                prop_assert!(!out.contains(inner), "{inner} in {out}");
            }
            prop_assert_eq!(rewritten(&out), Ok(out));
        }
    }

    #[test]
    fn what_needs_no_change_stays_byte_for_byte(parts in prop::collection::vec(
        prop_oneof![
            Just("<title>Metabase</title>\r\n".to_owned()),
            Just("<script nonce=x>if (a<b && \"</p>\") { }</script>".to_owned()),
            Just("<style>a > b { }</style>\r".to_owned()),
            "[a-z &;'=/äé\r\n-]{0,20}",
            "<[a-z]{1,5} [a-z]{1,4}=['\"][a-z<>&; ]{0,6}>",
        ], 0..12)) {
        let html = parts.concat();
        if let Ok(out) = rewritten(&html) {
            prop_assert_eq!(out, html);
        }
    }
}
