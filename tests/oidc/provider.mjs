// An OpenID provider whose signing keys can be changed while it runs: one port, one issuer, one oidc-provider after another behind it.

import { generateKeyPairSync, randomUUID } from 'node:crypto';
import http from 'node:http';
import { once } from 'node:events';
import { Provider } from 'oidc-provider';

// It would say for every key that this is no production set-up.
console.info = () => {};
console.warn = () => {};

const CLIENT = { id: 'backend', secret: 'backend-secret-of-the-tests-0123456789' };

/** A fresh private key as a JWK. */
export function key(alg) {
  const made = alg.startsWith('ES')
    ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
    : generateKeyPairSync('rsa', { modulusLength: 2048 });
  return { ...made.privateKey.export({ format: 'jwk' }), kid: `${alg}-${randomUUID().slice(0, 8)}`, alg, use: 'sig' };
}

export class Identity {
  #server;
  #port;
  #handle;
  asked = { discovery: 0, keys: 0 };

  async start(keys) {
    await this.#listen(0);
    this.rotate(keys);
    return this;
  }

  get issuer() {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** From now on the first key signs and all are published; nobody who asks a moment later sees anything else. */
  rotate(keys) {
    const alg = keys[0].alg;
    const provider = new Provider(this.issuer, {
      jwks: { keys },
      clients: [{
        client_id: CLIENT.id, client_secret: CLIENT.secret, grant_types: ['client_credentials'], redirect_uris: [], response_types: [],
        id_token_signed_response_alg: alg,
      }],
      scopes: ['view', 'download'],
      features: {
        devInteractions: { enabled: false },
        clientCredentials: { enabled: true },
        resourceIndicators: {
          enabled: true,
          getResourceServerInfo: (_, resource) => ({
            scope: 'view download', audience: resource, accessTokenTTL: 300, accessTokenFormat: 'jwt', jwt: { sign: { alg } },
          }),
        },
      },
      extraTokenClaims: () => ({ resource: { report: 'q3' }, params: { tenant_id: 999 } }),
    });
    this.#handle = provider.callback();
  }

  /** Nobody answers there any more. */
  async stop() {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  /** The same place again. */
  async again() {
    await this.#listen(this.#port);
  }

  /** A token for an audience, signed by the key that signs now. */
  async token(audience) {
    const body = new URLSearchParams({ grant_type: 'client_credentials', scope: 'view', resource: audience });
    const authorization = `Basic ${Buffer.from(`${CLIENT.id}:${CLIENT.secret}`).toString('base64')}`;
    const reply = await fetch(`${this.issuer}/token`, { method: 'POST', body, headers: { authorization } });
    const answer = await reply.json();
    if (!answer.access_token) throw new Error(`no token: ${JSON.stringify(answer)}`);
    return answer.access_token;
  }

  async #listen(port) {
    this.#server = http.createServer((request, response) => {
      if (request.url.startsWith('/.well-known/')) this.asked.discovery += 1;
      if (request.url === '/jwks') this.asked.keys += 1;
      this.#handle(request, response);
    });
    this.#server.listen(port, '127.0.0.1');
    await once(this.#server, 'listening');
    this.#port = this.#server.address().port;
  }
}

/** The header of a token. */
export const header = (token) => JSON.parse(Buffer.from(token.split('.')[0], 'base64url'));
/** The payload of a token. */
export const payload = (token) => JSON.parse(Buffer.from(token.split('.')[1], 'base64url'));
