// The configuration of the gateway under test: one Superset at the root of the host, one below /bianalyst as CalabiIQ lives.

import { state } from './lib.mjs';

export function configuration({ port, host, superset, bianalyst }) {
  const site = (name, upstream, prefix) => `
[site.${name}]
hosts           = ["localhost"]
${prefix ? `path_prefix     = "${prefix}"` : ''}
upstream        = "http://127.0.0.1:${upstream}${prefix}"
kind            = "superset"
issuers         = ["app"]
frame_ancestors = ["http://localhost:${host}"]

[site.${name}.params]
tenant_id = { mode = "locked", type = "integer" }

[site.${name}.limits]
viewer    = "3000/min"
in_flight = 16

[site.${name}.superset]
guest_secret   = { env = "EMBEDGATE_TEST_GUEST_SECRET" }
guest_audience = "superset-embed"
rules          = [{ clause = "tenant_id = {tenant_id}", dataset = ${state.datasets.accounts} }]
dashboards     = ["${state.uuids.accounts}", "${state.uuids.second}", "${state.uuids.secrets}"]
referer        = "${state.referer}"
service_key    = { env = "EMBEDGATE_TEST_SERVICE_KEY" }
issuer         = "app"
`;
  const text = `
[listen]
address = "127.0.0.1:${port}"

[issuer.app]
algorithm    = "HS256"
secret       = { env = "EMBEDGATE_TEST_ISSUER_SECRET" }
issuer       = "app"
audience     = "embedgate"
max_lifetime = "10m"
${site('bi', superset, '')}${site('calabi', bianalyst, '/bianalyst')}`;
  return { port, text };
}
