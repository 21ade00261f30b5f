//! Limits, and what goes wrong when a test says so.

use std::{
    io::{BufReader, Read as _, Write as _},
    time::Duration,
};

use serde_json::json;

use super::{
    ALL_APIS, access, bearing,
    client::connect,
    databricks::{BROKER, Fault, SECRET, Standin, Step, store::SALES},
    info, scoped, third, token, tokeninfo,
};

/// Everything that comes on a connection until it closes.
fn raw(standin: &Standin, body: &str) -> String {
    let credentials = super::basic(BROKER, SECRET);
    let mut stream = connect(standin.address);
    let head = format!(
        "POST /oidc/v1/token HTTP/1.1\r\nHost: x\r\nAuthorization: {credentials}\r\nConnection: close\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut all = vec![];
    let _reset = BufReader::new(stream).read_to_end(&mut all);
    String::from_utf8_lossy(&all).into_owned()
}

#[test]
fn twenty_loads_a_second_and_no_more() {
    let standin = Standin::start();
    let body = third(&info(&standin, SALES, "v", "999"));
    let replies: Vec<_> = (0..25).map(|_| token(&standin, &body)).collect();
    let good = replies.iter().filter(|reply| reply.status == 200).count();
    assert_eq!(good, 20);
    let late = replies.last().unwrap();
    assert_eq!((late.status, late.header("retry-after")), (429, Some("1")));
    assert_eq!(late.json()["error_code"], "REQUEST_LIMIT_EXCEEDED");
    assert_eq!(standin.peak(Step::Scoped), 25);
    assert_eq!(token(&standin, ALL_APIS).status, 200, "no load");
    let page = format!("/embed/dashboardsv3/{SALES}?o=1234567890123456");
    let page = super::client::get(standin.address, &page, &[]);
    assert_eq!(page.status, 200, "counted by itself");
    standin.edit(|workspace| workspace.behaviour.counted = vec![Step::Info]);
    assert_eq!(token(&standin, &body).status, 200);
}

#[test]
fn every_fault_is_what_it_says() {
    let standin = Standin::start();
    let next = |fault: Fault| {
        standin.fault(Step::Access, fault, 1);
        raw(&standin, ALL_APIS)
    };
    assert!(next(Fault::Status(502)).starts_with("HTTP/1.1 502"));
    let later = next(Fault::Later(503, "7".into())).to_ascii_lowercase();
    assert!(
        later.starts_with("http/1.1 503") && later.contains("retry-after: 7"),
        "{later}"
    );
    assert!(
        next(Fault::Empty)
            .to_ascii_lowercase()
            .contains("content-length: 0")
    );
    assert!(next(Fault::Garbage).ends_with("\"scope\":}"));
    assert!(next(Fault::Login).contains("<form"));
    assert!(next(Fault::Moved("/login".into())).starts_with("HTTP/1.1 302"));
    assert_eq!(next(Fault::Lost), "");
    let typed = next(Fault::Typed("text/html".into()));
    assert!(
        typed.contains("text/html") && typed.contains("access_token"),
        "{typed}"
    );
    assert!(next(Fault::Huge(1_000_000)).len() > 1_000_000);
    let whole = raw(&standin, ALL_APIS);
    let half = next(Fault::Truncated);
    assert!(
        half.starts_with("HTTP/1.1 200") && half.len() < whole.len(),
        "{half}"
    );
    assert!(
        half.contains("{\"access_token\""),
        "the first half did arrive: {half}"
    );
    let edited = next(Fault::Edited(|body| body["access_token"] = json!(7)));
    assert!(edited.contains("\"access_token\":7"), "{edited}");
    assert!(raw(&standin, ALL_APIS).starts_with("HTTP/1.1 200"), "over");
    let statuses: Vec<_> = standin.calls().iter().map(|call| call.status).collect();
    assert!(
        statuses.contains(&0) && statuses.contains(&502),
        "{statuses:?}"
    );
}

#[test]
fn faults_are_for_a_step_in_turn_and_until_healed() {
    let standin = Standin::start();
    standin.fault(Step::Info, Fault::Status(500), 1);
    standin.fault(Step::Info, Fault::Status(503), usize::MAX);
    let all = access(&standin);
    let target = tokeninfo(SALES, "v", "999");
    let statuses = [(); 3].map(|()| bearing(&standin, &target, &all).status);
    assert_eq!(statuses, [500, 503, 503]);
    standin.heal();
    assert_eq!(bearing(&standin, &target, &all).status, 200);
    assert!(Fault::every().len() > 10);
    for text in [
        "503",
        "429:2",
        "slow:5",
        "hang",
        "huge:9",
        "lost",
        "truncated",
        "typed:a/b",
        "moved:/x",
    ] {
        assert!(Fault::read(text).is_some(), "{text}");
    }
    assert!(Fault::read("nothing").is_none());
}

#[test]
fn slow_answers_come_and_others_do_not_wait_for_them() {
    let standin = Standin::start();
    standin.fault(Step::Access, Fault::Hang, 1);
    let mut hanging = connect(standin.address);
    let head = "POST /oidc/v1/token HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n";
    hanging.write_all(head.as_bytes()).unwrap();
    while standin.count(Step::Access) == 0 {
        std::thread::yield_now();
    }
    standin.fault(Step::Access, Fault::Slow(Duration::from_millis(20)), 1);
    assert_eq!(token(&standin, ALL_APIS).status, 200);
    hanging
        .set_read_timeout(Some(Duration::from_millis(50)))
        .unwrap();
    assert!(hanging.read(&mut [0; 1]).is_err(), "nothing yet");
}

#[test]
fn tokens_end_and_the_host_is_checked_where_that_is_wanted() {
    let standin = Standin::with(|workspace| {
        workspace.behaviour.scoped_ttl = 0;
        workspace.behaviour.host = Some("bi.example.com".into());
    });
    let token = scoped(&standin, SALES, "v", "999");
    let reply = super::query(&standin, &token, SALES, "accounts");
    assert_eq!(reply.status, 401);
    standin.edit(|workspace| workspace.behaviour.host = Some("else.example.com".into()));
    assert_eq!(super::token(&standin, ALL_APIS).status, 421);
}
