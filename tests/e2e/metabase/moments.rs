//! What a dashboard is made of is asked several times at once: the latest question counts, whenever it is answered.

use std::{
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use serde_json::json;

use super::{
    public_links::Links,
    public_setup::{MAIN, board, dashcard, everything},
};
use crate::support::{eventually, gateway, get};

/// A Metabase whose first answer about the layout takes its time; by then the dashboard is another one.
#[derive(Default)]
struct Slow {
    layouts: AtomicUsize,
    rows: AtomicUsize,
    answers: AtomicBool,
}

impl Slow {
    fn start(self: &Arc<Self>) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let this = Arc::clone(self);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let this = Arc::clone(&this);
                std::thread::spawn(move || this.serve(stream));
            }
        });
        address
    }

    fn serve(&self, mut stream: TcpStream) {
        let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
        while let Some(Ok(request)) = lines.next() {
            for line in lines.by_ref() {
                if line.unwrap_or_default().is_empty() {
                    break;
                }
            }
            let body = self.answer(&request);
            let length = body.len();
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
            );
            let _gone = stream.write_all((head + &body).as_bytes());
        }
    }

    fn answer(&self, request: &str) -> String {
        if request.contains("/dashcard/") {
            self.rows.fetch_add(1, SeqCst);
            return json!({"data": {"rows": [["somebody else's"]]}}).to_string();
        }
        let first = self.layouts.fetch_add(1, SeqCst) == 0;
        if first {
            eventually("the test lets it answer", || self.answers.load(SeqCst));
        }
        let mapping = json!({"parameter_id": "a1", "card_id": 201, "target": ["dimension", ["field", 61, null]]});
        let mappings = if first { json!([mapping]) } else { json!([]) };
        json!({
            "id": MAIN,
            "parameters": [{"id": "a1", "slug": "organization_id", "type": "number/="}],
            "dashcards": [{"id": 101, "card_id": 201, "card": {"id": 201}, "parameter_mappings": mappings}],
        })
        .to_string()
    }
}

#[test]
fn an_old_answer_does_not_undo_what_was_seen_since() {
    let slow = Arc::new(Slow::default());
    let links = Links::none().settings("layout_ttl = \"10m\"");
    let gateway = links.dashboard(MAIN, "").gateway(slow.start());
    eventually("the link is looked at", || slow.layouts.load(SeqCst) == 1);
    let token = gateway::token(&json!({
        "resource": null, "resources": everything(), "params": {"organization_id": 999},
    }));
    let bearer = format!("Bearer {token}");
    let ask = |target: &str| get(gateway.address, target, &[("Authorization", &bearer)]);
    // A viewer opens the page: the table is not connected any more.
    let layout = ask(&board(MAIN));
    assert_eq!(layout.json()["dashcards"], json!([]), "{layout:?}");
    let table = dashcard(MAIN, 101, 201);
    assert_eq!(ask(&table).code(), "resource_denied");
    slow.answers.store(true, SeqCst);
    for _ in 0..20 {
        assert_eq!(ask(&table).code(), "resource_denied");
        std::thread::sleep(Duration::from_millis(25));
    }
    assert_eq!(slow.rows.load(SeqCst), 0);
}
