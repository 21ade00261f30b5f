// Prints a JSON Web Key Set of PEM keys; each file's name, without its ending, is the `kid`. Of private keys it writes the public half only.
//
//   node jwks.mjs 2026-11.pem 2026-05.pem > jwks.json

import { createPublicKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { parse } from 'node:path';

const ALGORITHMS = { 'P-256': 'ES256', 'P-384': 'ES384', Ed25519: 'EdDSA' };

const keys = process.argv.slice(2).map((file) => {
  const jwk = createPublicKey(readFileSync(file)).export({ format: 'jwk' });
  const alg = jwk.kty === 'RSA' ? 'RS256' : ALGORITHMS[jwk.crv];
  if (alg === undefined) throw new Error(`${file}: no algorithm for ${jwk.crv}`);
  return { ...jwk, kid: parse(file).name, alg, use: 'sig' };
});
console.log(JSON.stringify({ keys }, null, 2));
