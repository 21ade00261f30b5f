// Signs a viewer token and prints the address of an iframe. The key says which algorithm it is.
//
//   npm install
//   EMBED_KID=2026-11 EMBED_KEY=2026-11.key node sign.mjs             # ES256
//   EMBED_KID=2026-11 EMBED_SECRET=$(cat secret.txt) node sign.mjs    # HS256

import { createPrivateKey, createSecretKey, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { SignJWT } from 'jose';

const { EMBED_KID: kid, EMBED_KEY, EMBED_SECRET } = process.env;
const [alg, key] = EMBED_SECRET
  ? ['HS256', createSecretKey(EMBED_SECRET, 'utf8')]
  : ['ES256', createPrivateKey(readFileSync(EMBED_KEY))];

function viewerToken(viewer, tenant, organizationId) {
  return new SignJWT({
    tenant,
    resource: { report: 'q3' },
    params: { organization_id: organizationId },
  })
    .setProtectedHeader({ alg, kid, typ: 'JWT' })
    .setIssuer('https://app.example.com')
    .setAudience('embedgate')
    .setSubject(viewer)
    .setJti(randomUUID())
    .setIssuedAt()
    .setExpirationTime('2m')
    .sign(key);
}

// All three come from your own session, never from the request.
const token = await viewerToken('viewer-7', 'acme', 99);
console.log(`https://bi.example.com/reports/q3?embed_token=${token}`);
