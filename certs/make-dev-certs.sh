#!/usr/bin/env bash
# Makes a development authority and a server certificate beside this script. Arguments: further host names.
set -euo pipefail
cd "$(dirname "$0")"
umask 077
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

names="DNS:localhost,IP:127.0.0.1,IP:::1"
for name in "$@"; do names+=",DNS:$name"; done

if [ ! -f ca.key ]; then
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 365 -subj "/CN=embedgate development authority" \
        -addext "basicConstraints=critical,CA:TRUE,pathlen:0" -addext "keyUsage=critical,keyCertSign,cRLSign" \
        -keyout ca.key -out ca.pem 2>/dev/null
    echo "made ca.pem, ca.key (the authority, 365 days)"
fi

openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=${1:-localhost}" -keyout edge.key -out "$work/edge.csr" 2>/dev/null
printf '%s\n' "basicConstraints=critical,CA:FALSE" "keyUsage=critical,digitalSignature" "extendedKeyUsage=serverAuth" "subjectAltName=$names" >"$work/ext"
openssl x509 -req -in "$work/edge.csr" -CA ca.pem -CAkey ca.key -set_serial "0x$(openssl rand -hex 16)" -days 90 -sha256 -extfile "$work/ext" \
    -out edge.pem 2>/dev/null
echo "made edge.pem, edge.key (90 days) for $names"
