#!/bin/sh
# Lets a real Prometheus scrape a running gateway and asks it what it has seen.
#
#   tests/prometheus/check.sh http://127.0.0.1:9901
#
# The gateway must have served at least one request. Needs prometheus, promtool and curl. Ends within a minute, cleans up.
set -eu

admin=${1:?usage: check.sh ADMIN_URL}
admin=${admin%/}
admin=${admin%/metrics}
target=${admin#http://}
here=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
server=

stop() {
    if [ -n "$server" ]; then
        kill "$server" 2>/dev/null || true
        wait "$server" 2>/dev/null || true
    fi
    rm -rf "$work"
}
trap stop EXIT
trap 'exit 1' INT TERM

fail() {
    echo "prometheus check: $1" >&2
    [ ! -s "$work/log" ] || tail -n 20 "$work/log" >&2
    exit 1
}

curl -fsS -m 5 "$admin/metrics" -o "$work/metrics" || fail "no metrics at $admin"
promtool check metrics < "$work/metrics" || fail "promtool finds fault with the metrics"
promtool check rules "$here/deploy/prometheus/alerts.yml" > "$work/rules" 2>&1 || { cat "$work/rules" >&2; fail "the alert rules are not valid"; }

cat > "$work/prometheus.yml" <<YAML
global: { scrape_interval: 1s, scrape_timeout: 1s }
rule_files: ["$here/deploy/prometheus/alerts.yml"]
scrape_configs:
  - job_name: embedgate
    static_configs: [{ targets: ["$target"] }]
YAML
promtool check config "$work/prometheus.yml" > "$work/config" 2>&1 || { cat "$work/config" >&2; fail "the scrape configuration is not valid"; }

prometheus --config.file="$work/prometheus.yml" --storage.tsdb.path="$work/data" --web.listen-address=127.0.0.1:0 \
    --log.format=logfmt > "$work/log" 2>&1 &
server=$!

# The port was free to choose; the log says which one it became.
api=
tries=0
while [ -z "$api" ]; do
    tries=$((tries + 1))
    [ "$tries" -le 100 ] || fail "prometheus does not listen"
    kill -0 "$server" 2>/dev/null || fail "prometheus did not start"
    sleep 0.2
    api=$(sed -n 's/.*msg="Listening on".* address=\(127\.0\.0\.1:[0-9]*\).*/\1/p' "$work/log" | head -n 1)
done

# True once an instant query has a result whose value is the one given (any, without).
sees() {
    curl -fsS -m 5 -G "http://$api/api/v1/query" --data-urlencode "query=$1" -o "$work/answer" 2>/dev/null || return 1
    grep -q '"status":"success"' "$work/answer" && grep -q "\"value\":\[[0-9.]*,\"${2:-[^\"]*}\"\]" "$work/answer"
}

await() {
    tries=0
    until sees "$@"; do
        tries=$((tries + 1))
        [ "$tries" -le 75 ] || fail "prometheus does not see $1"
        sleep 0.2
    done
    echo "prometheus sees: $1"
}

await 'up{job="embedgate"} == 1' 1
await 'sum(embedgate_requests_total) > 0'
await 'embedgate_build_info' 1
# Every alert rule was evaluated without an error.
curl -fsS -m 5 "http://$api/api/v1/rules" -o "$work/answer" || fail "the rules cannot be asked for"
if grep -q '"health":"err"' "$work/answer"; then fail "an alert rule fails: $(cat "$work/answer")"; fi
echo "prometheus check: good"
