//! Where Redis may be: behind TLS and a password, named by Sentinels, in a Redis Cluster; and where it must not be.

use std::fs;

use crate::{
    redis_server::{Redis, free_port, program},
    support::{Gateway, Upstream, eventually},
    world::{Member, secrets, shown, text},
};

const LIMITS: &str = "[site.reports.limits]\nviewer = \"3/h\"\n";

/// Three requests pass, at two gateways.
fn share(members: &[Member]) {
    let status = |turn: usize| members[turn % 2].ask("ada").status;
    let all: Vec<u16> = (0..5).map(status).collect();
    assert_eq!(all, [200, 200, 200, 429, 429]);
}

/// What a gateway's user may do, as docs/cluster.md says.
fn permitted() -> Vec<String> {
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/cluster.md")).unwrap();
    let line = page
        .lines()
        .find_map(|line| line.trim().strip_prefix("ACL SETUSER "))
        .unwrap();
    line.split(' ').map(ToOwned::to_owned).collect()
}

#[test]
fn a_user_that_may_do_what_the_docs_say_and_no_more() {
    let Some(redis) = Redis::start(&[]) else {
        return;
    };
    let rules = permitted().join(" ").replace("…", "hunter2");
    assert!(
        redis
            .command(&format!("ACL SETUSER {rules}"))
            .starts_with("+OK")
    );
    assert!(redis.command("ACL SETUSER default off").starts_with("+OK"));
    let upstream = Upstream::plain();
    let cluster = format!(
        "redis = \"{}\"\ntimeout = \"5s\"\nusername = {{ env = \"USER\" }}\npassword = {{ env = \"PASSWORD\" }}",
        redis.url()
    );
    share(&Member::several(2, &upstream, "", LIMITS, &cluster));
    let wrong = cluster.replace("\"PASSWORD\"", "\"CLUSTER\"");
    Member::start(&upstream, "", LIMITS, &wrong).noticed();
}

#[test]
fn tls_with_a_certificate_and_a_password() {
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(vec!["redis.test".to_owned()]).unwrap();
    let (certificate, key) = (
        folder.path().join("redis.pem"),
        folder.path().join("redis.key"),
    );
    fs::write(&certificate, made.cert.pem()).unwrap();
    fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let (certificate, key) = (shown(&certificate), shown(&key));
    let port = free_port();
    let tls = [
        "--port",
        "0",
        "--tls-port",
        &port.to_string(),
        "--tls-cert-file",
        &certificate,
        "--tls-key-file",
        &key,
        "--tls-ca-cert-file",
        &certificate,
    ];
    let Some(redis) = Redis::start_at(port, "redis-server", &tls, &["--requirepass", "hunter2"])
    else {
        return;
    };
    let upstream = Upstream::plain();
    let cluster = format!(
        "redis = \"rediss://127.0.0.1:{}\"\ntimeout = \"5s\"\npassword = {{ env = \"PASSWORD\" }}\n\
         tls = {{ ca = \"{certificate}\", certificate = \"{certificate}\", key = \"{key}\", server_name = \"redis.test\" }}",
        redis.port
    );
    share(&Member::several(2, &upstream, "", LIMITS, &cluster));
    // Another name, no certificate of ours, no trust: each is no connection.
    for wrong in [
        cluster.replace("redis.test", "other.test"),
        cluster.replace(
            &format!("certificate = \"{certificate}\", key = \"{key}\", "),
            "",
        ),
        cluster.replace(&format!("ca = \"{certificate}\", "), ""),
    ] {
        Member::start(&upstream, "", LIMITS, &wrong).noticed();
    }
}

#[test]
fn sentinels_say_where_the_master_is_and_a_new_one_is_found() {
    if program("redis-sentinel").is_none() {
        return;
    }
    let Some(mut master) = Redis::start(&[]) else {
        return;
    };
    let of = master.port.to_string();
    let replica = Redis::start(&["--replicaof", "127.0.0.1", &of]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let file = folder.path().join("sentinel.conf");
    let lines = format!(
        "port {port}\nsentinel monitor mymaster 127.0.0.1 {of} 1\nsentinel down-after-milliseconds mymaster 500\n\
         sentinel failover-timeout mymaster 3000\n"
    );
    fs::write(&file, lines).unwrap();
    let file = shown(&file);
    let sentinel = Redis::start_at(port, "redis-server", &[&file, "--sentinel"], &[]).unwrap();
    eventually("the replica follows", || {
        replica
            .command("INFO replication")
            .contains("master_link_status:up")
    });
    eventually("the sentinel knows the replica", || {
        sentinel
            .command("SENTINEL replicas mymaster")
            .contains("slave")
    });
    let upstream = Upstream::plain();
    let cluster = format!(
        "redis = [\"redis://127.0.0.1:{}\", \"redis://127.0.0.1:{port}\"]\nsentinel = \"mymaster\"\ntimeout = \"5s\"",
        free_port()
    );
    let members = Member::several(2, &upstream, "", LIMITS, &cluster);
    share(&members);
    eventually("the replica has it all", || {
        replica.command("DBSIZE") == master.command("DBSIZE")
    });
    master.kill();
    eventually("the replica is promoted", || {
        replica.command("INFO replication").contains("role:master")
    });
    for member in &members {
        member.connected();
        assert_eq!(member.ask("ada").status, 429, "the new master knows");
        assert_eq!(member.ask("bob").status, 200);
    }
}

#[test]
fn a_node_of_a_redis_cluster_says_where_our_keys_are() {
    let enabled = ["--cluster-enabled", "yes"];
    let (Some(one), Some(two)) = (Redis::start(&enabled), Redis::start(&enabled)) else {
        return;
    };
    for (node, slots) in [(&one, "0 8191"), (&two, "8192 16383")] {
        let added = node.command(&format!("CLUSTER ADDSLOTSRANGE {slots}"));
        assert!(added.starts_with("+OK"), "{added}");
    }
    let met = one.command(&format!("CLUSTER MEET 127.0.0.1 {}", two.port));
    assert!(met.starts_with("+OK"), "{met}");
    for node in [&one, &two] {
        eventually("the cluster is whole", || {
            node.command("CLUSTER INFO").contains("cluster_state:ok")
        });
    }
    let upstream = Upstream::plain();
    for prefix in ["a", "b", "c", "d"] {
        let cluster = format!(
            "redis = [\"{}\", \"{}\"]\nprefix = \"{prefix}\"\ntimeout = \"5s\"",
            one.url(),
            two.url()
        );
        share(&Member::several(2, &upstream, "", LIMITS, &cluster));
    }
    let keys = |node: &Redis| node.command("KEYS *").matches("began").count();
    assert_eq!(keys(&one) + keys(&two), 4);
    assert!(keys(&one) > 0 && keys(&two) > 0, "some here, some there");
}

#[test]
fn a_replica_is_passed_over() {
    let Some(master) = Redis::start(&[]) else {
        return;
    };
    let of = master.port.to_string();
    let replica = Redis::start(&["--replicaof", "127.0.0.1", &of]).unwrap();
    eventually("the replica follows", || {
        replica
            .command("INFO replication")
            .contains("master_link_status:up")
    });
    let upstream = Upstream::plain();
    let cluster = format!(
        "redis = [\"{}\", \"{}\"]\ntimeout = \"5s\"",
        replica.url(),
        master.url()
    );
    share(&Member::several(2, &upstream, "", LIMITS, &cluster));
}

#[test]
fn a_gateway_with_another_secret_is_told_so_and_shares_nothing() {
    let Some(redis) = Redis::start(&[]) else {
        return;
    };
    let upstream = Upstream::plain();
    let cluster = format!("redis = \"{}\"\ntimeout = \"5s\"", redis.url());
    let members = Member::several(1, &upstream, "", LIMITS, &cluster);
    let other = text(upstream.address, "", LIMITS, &cluster).replace("\"CLUSTER\"", "\"OTHER\"");
    let other = Member {
        gateway: Gateway::start_with(&other, &secrets),
    };
    other.noticed();
    assert_eq!(
        [members[0].ask("ada").status, other.ask("ada").status],
        [200, 200]
    );
    assert_eq!(redis.command("KEYS *l:v:*").matches("l:v:").count(), 1);
}
