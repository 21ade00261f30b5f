// What somebody with a terminal tries: with another tenant's wish, another dashboard, another token, another route.

import { strict as assert } from 'node:assert';

import { ask, chart, check, facts, guest, jwt, now, secrets, state, viewer } from './lib.mjs';

const DATA = '/api/v1/chart/data';
const DIRECT = { 'user-agent': 'embedgate-tests-direct' };

export async function attacks(scene) {
  await rows(scene);
  await tokens(scene);
  await dashboards(scene);
  await routes(scene);
  await exportsAndForms(scene);
  await responses(scene);
  await dropIn(scene);
}

// Asks, expects a refusal, and that Superset heard nothing of it.
async function refused({ port, superset }, code, method, path, options = {}) {
  const before = superset.requests().length;
  const answer = await ask(port, method, path, options);
  const codes = [code].flat();
  assert.ok(codes.includes(answer.json?.code), `${method} ${path}: ${answer.status} ${answer.text.slice(0, 200)}, wanted ${codes}`);
  assert.deepEqual(superset.requests().slice(before), [], `${method} ${path} reached Superset`);
  return answer;
}

const result = (answer) => answer.json?.result?.[0];

async function rows(scene) {
  const { port } = scene;
  const token = viewer(999);
  const data = async (change, options = {}) => ask(port, 'POST', DATA, { token, body: chart(change), ...options });
  await check('rows: 999 gets three, 777 two, each only its own', async () => {
    for (const [tenant, count] of [[999, 3], [777, 2]]) {
      const answer = await ask(port, 'POST', DATA, { token: viewer(tenant), body: chart() });
      assert.equal(answer.status, 200, answer.text);
      assert.equal(result(answer).rowcount, count);
      assert.ok(result(answer).data.every((row) => row.tenant_id === tenant));
    }
  });
  await check('rows: filters and SQL in the body do not widen the lock', async () => {
    const sql = (expression) => ({ expressionType: 'SQL', sqlExpression: expression, label: 'x' });
    for (const query of [
      { filters: [{ col: 'tenant_id', op: 'IN', val: [777, 999] }] },
      { filters: [{ col: 'tenant_id', op: '==', val: 777 }] },
      { extras: { where: 'tenant_id = 777', having: '' } },
      { extras: { where: '1 = 1) OR (1 = 1', having: '' } },
      { extras: { where: "tenant_id = 999 OR tenant_id = 777", having: '' } },
      { columns: ['tenant_id', sql('(select max(tenant_id) from accounts)')] },
      { columns: [], metrics: [sql('group_concat(tenant_id)')] },
      { columns: [], metrics: [sql('count(*)')] },
    ]) {
      const answer = await data({ query });
      const told = answer.status === 200 ? JSON.stringify(result(answer).data) : '';
      assert.ok(!told.includes('777') && !told.includes('"x":5'), `${JSON.stringify(query)}: ${told}`);
    }
  });
  await check('rows: a locked parameter is refused under every alias', async () => {
    for (const name of ['tenant_id', 'tenant%5Fid', 'TENANT_ID', 'tenant_id%5B%5D', 'tenant_id%20', '%EF%BD%94enant_id']) {
      await refused(scene, 'param_locked', 'POST', `${DATA}?${name}=777`, { token, body: chart() });
    }
  });
  await check('rows: url_params do not reach Jinja', async () => {
    await refused(scene, 'request_malformed', 'POST', `${DATA}?form_data=${encodeURIComponent('{"url_params":{"t":"777"}}')}`, { token, body: chart() });
    const before = scene.superset.messages.length;
    assert.equal((await data({ form: { url_params: { smuggled_name: '1' } }, query: { url_params: { smuggled_name: '1' } } })).status, 200);
    const [{ line, body }] = scene.superset.messages.slice(before);
    assert.equal(line, `POST ${DATA}`);
    assert.deepEqual(JSON.parse(body).form_data.url_params, {});
    assert.ok(!scene.superset.text().includes('smuggled_name'));
  });
  await check('rows: a body with two readings is refused', async () => {
    const text = JSON.stringify(chart());
    for (const body of [text.replace('{', '{"datasource":{"id":2,"type":"table"},'), `\uFEFF${text}`, `${text} {}`, text.slice(0, -1)]) {
      await refused(scene, ['body_unsupported', 'request_malformed'], 'POST', DATA, { token, body });
    }
    for (const type of ['text/plain', 'application/vnd.api+json', 'application/json; charset=utf-16']) {
      await refused(scene, 'body_unsupported', 'POST', DATA, { token, body: text, headers: { 'content-type': type } });
    }
    await refused(scene, 'body_unsupported', 'POST', DATA, { token, body: text, headers: { 'content-encoding': 'gzip' } });
  });
  await check('rows: samples, annotations of other charts and huge requests are refused', async () => {
    await refused(scene, 'resource_denied', 'POST', DATA, { token, body: chart({ result_type: 'samples' }) });
    const layers = [{ annotationType: 'EVENT', sourceType: 'NATIVE', name: 'x', value: 1 }];
    await refused(scene, 'resource_denied', 'POST', DATA, { token, body: chart({ query: { annotation_layers: layers } }) });
    await refused(scene, 'request_malformed', 'POST', DATA, { token, body: chart({ query: { row_limit: 1e9 } }) });
    await refused(scene, 'request_malformed', 'POST', DATA, { token, body: chart({ queries: Array(21).fill(chart().queries[0]) }) });
  });
}

async function tokens(scene) {
  const { port } = scene;
  const post = { body: chart() };
  await check('tokens: expired, foreign and unsigned ones are refused', async () => {
    const good = { iss: 'app', aud: 'embedgate', sub: 'v', exp: now() + 300, resources: [{ type: 'dashboard', id: state.uuids.accounts }], params: { tenant_id: 999 } };
    for (const [token, code] of [
      [undefined, 'token_missing'],
      ['', ['token_missing', 'token_invalid']],
      ['garbage', 'token_invalid'],
      [viewer(999, { iat: now() - 120, exp: now() - 60 }), 'token_expired'],
      [viewer(999, { exp: undefined }), 'token_invalid'],
      [viewer(999, { exp: now() + 7200 }), 'token_lifetime'],
      [viewer(999, { iat: now() + 120 }), 'token_not_yet_valid'],
      [viewer(999, { aud: 'other' }), 'token_invalid'],
      [viewer(999, {}, 'another-secret-0123456789abcdef0123456789'), 'token_invalid'],
      [jwt(good, '', { alg: 'none', typ: 'JWT' }), 'token_invalid'],
      [viewer(999, { params: {} }), 'param_missing'],
      [viewer(999, { params: { tenant_id: [] } }), ['param_missing', 'param_invalid']],
      [viewer(999, { params: { tenant_id: '1) OR (1=1' } }), 'param_invalid'],
    ]) {
      await refused(scene, code, 'POST', DATA, { token, ...post });
    }
  });
  await check('tokens: one that Superset itself would accept is worth nothing here', async () => {
    const theirs = guest([{ clause: '1 = 1' }]);
    const bare = await ask(facts.superset.port, 'POST', DATA, { token: theirs, body: chart(), headers: DIRECT });
    assert.equal(result(bare).rowcount, 5, 'Superset accepts it');
    await refused(scene, 'token_invalid', 'POST', DATA, { token: theirs, ...post });
    await refused(scene, 'credential_conflict', 'POST', DATA, { token: viewer(999), ...post, headers: { authorization: `Bearer ${theirs}` } });
    const form = `form_data=${encodeURIComponent(JSON.stringify(chart()))}&guest_token=${theirs}`;
    await refused(scene, 'credential_conflict', 'POST', DATA, { token: viewer(999), body: form, headers: { 'content-type': 'application/x-www-form-urlencoded' } });
  });
  await check('tokens: an administrator’s session and access token do not get through', async () => {
    const [username, password] = state.admin;
    const login = await ask(facts.superset.port, 'POST', '/api/v1/security/login', { body: { username, password, provider: 'db' }, headers: DIRECT });
    const access = login.json.access_token;
    const csrf = await ask(facts.superset.port, 'GET', '/api/v1/security/csrf_token/', { headers: { ...DIRECT, authorization: `Bearer ${access}` } });
    const cookie = csrf.headers['set-cookie'][0].split(';')[0];
    await refused(scene, 'token_invalid', 'POST', DATA, { ...post, headers: { authorization: `Bearer ${access}` } });
    await refused(scene, 'token_missing', 'POST', DATA, { ...post, headers: { cookie } });
    const both = await ask(port, 'POST', DATA, { token: viewer(999), ...post, headers: { cookie } });
    assert.equal(result(both).rowcount, 3, 'the session does not win over the guest token');
  });
  await check('tokens: no header under another spelling names another viewer', async () => {
    const theirs = guest([{ clause: '1 = 1' }]);
    await refused(scene, ['credential_conflict', 'token_invalid'], 'POST', DATA, { ...post, headers: { 'X-GuestToken': [viewer(999), theirs] } });
    for (const name of ['Origin', 'Referer']) await refused(scene, 'origin_denied', 'POST', DATA, { token: viewer(999), ...post, headers: { [name]: 'http://evil.example' } });
    const before = scene.superset.messages.length;
    const headers = { X_GuestToken: theirs, X_Forwarded_For: '10.9.8.7', 'X-Forwarded-For': '10.9.8.7', 'X-Forwarded-Prefix': '/x', 'X-Http-Method-Override': 'GET' };
    const answer = await ask(port, 'POST', DATA, { token: viewer(999), ...post, headers });
    assert.equal(result(answer)?.rowcount, 3, answer.text);
    const [{ head }] = scene.superset.messages.slice(before);
    assert.deepEqual(head.filter((field) => /^[^:]*_|10\.9\.8\.7|evil|prefix|override/i.test(field)), []);
  });
  await check('tokens: an upper-case dashboard uuid is the same dashboard', async () => {
    const token = viewer(999, { resources: [{ type: 'dashboard', id: state.uuids.accounts.toUpperCase() }] });
    assert.equal(result(await ask(port, 'POST', DATA, { token, ...post })).rowcount, 3);
  });
}

async function dashboards(scene) {
  const { port, superset } = scene;
  const token = viewer(999);
  const { second, secrets: uncovered } = state.dashboards;
  await check('dashboards: only the token’s own is there', async () => {
    assert.equal((await ask(port, 'GET', `/api/v1/dashboard/${state.dashboards.accounts}`, { token })).status, 200);
    for (const path of [`${second}`, `${uncovered}/charts`, `${second}/datasets`, '0', 'accounts', state.uuids.accounts, '01']) {
      await refused(scene, 'resource_denied', 'GET', `/api/v1/dashboard/${path}`, { token });
    }
    await refused(scene, 'resource_denied', 'POST', DATA, { token, body: chart({ form: { dashboardId: second } }) });
    await refused(scene, 'resource_denied', 'POST', DATA, { token, body: chart({ form: { dashboardId: undefined } }) });
    await refused(scene, 'resource_denied', 'POST', `${DATA}?dashboard_id=${second}`, { token, body: chart() });
    await refused(scene, 'resource_denied', 'POST', DATA, { token, body: chart({ datasource: { id: state.datasets.secrets, type: 'table' } }) });
    const other = viewer(999, { resources: [{ type: 'dashboard', id: state.uuids.second }] });
    assert.equal((await ask(port, 'GET', `/api/v1/dashboard/${second}`, { token: other })).status, 200);
    await refused(scene, 'resource_denied', 'GET', `/api/v1/dashboard/${state.dashboards.accounts}`, { token: other });
  });
  await check('dashboards: one with a dataset that no rule covers is refused before a token is minted', async () => {
    const before = superset.requests().length;
    const blind = viewer(999, { resources: [{ type: 'dashboard', id: state.uuids.secrets }] });
    const answer = await ask(port, 'GET', '/api/v1/me/roles/', { token: blind });
    assert.equal(answer.json.code, 'resource_denied');
    const asked = superset.requests().slice(before);
    assert.deepEqual(asked, [`GET /embedded/${state.uuids.secrets}`, `GET /api/v1/dashboard/${uncovered}`, `GET /api/v1/dashboard/${uncovered}/datasets`]);
    await refused(scene, 'resource_denied', 'GET', `/api/v1/dashboard/${uncovered}`, { token: blind });
  });
  await check('dashboards: tokens for several, for numbers, for unknown ones are refused', async () => {
    for (const resources of [
      [{ type: 'dashboard', id: state.uuids.accounts }, { type: 'dashboard', id: state.uuids.second }],
      [{ type: 'dashboard', id: '1' }],
      [{ type: 'dashboard', id: 'aaaaaaaa-2222-4333-8444-555555555555' }],
    ]) {
      await refused(scene, 'resource_denied', 'GET', '/api/v1/me/roles/', { token: viewer(999, { resources }) });
    }
    await refused(scene, 'route_denied', 'GET', '/embedded/aaaaaaaa-2222-4333-8444-555555555555');
  });
}

async function routes(scene) {
  const { accounts } = state.dashboards;
  await check('routes: export_as_example gives every tenant’s rows in Superset, and is not there through the gateway', async () => {
    const path = `/api/v1/dashboard/${accounts}/export_as_example/`;
    const bare = await ask(facts.superset.port, 'GET', path, { token: guest([{ clause: 'tenant_id = 999' }]), headers: DIRECT });
    assert.equal(bare.status, 200, 'the hole is real');
    assert.equal(bare.raw.subarray(0, 2).toString(), 'PK');
    for (const way of [path, path.slice(0, -1), `${path}?q=1`]) await refused(scene, 'route_denied', 'GET', way, { token: viewer(999) });
  });
  await check('routes: what is not on the surface does not exist', async () => {
    const token = viewer(999);
    for (const path of [
      '/', '/health', '/login/', '/logout/', '/register/', '/version', '/lang/de', '/swagger/v1', '/superset/welcome/', '/sqllab/', '/users/list/',
      '/dashboard/list/', `/dashboard/${accounts}/embedded`, `/superset/dashboard/${accounts}/`, `/superset/dashboard/p/x/`, '/chart/list/',
      '/api/v1/dashboard/', `/api/v1/dashboard/${accounts}/embedded`, `/api/v1/dashboard/${accounts}/tabs`, `/api/v1/dashboard/${accounts}/filter_state/x`,
      `/api/v1/dashboard/${accounts}/thumbnail/x/`, '/api/v1/dashboard/export/?q=!(1)', '/api/v1/dashboard/permalink/x',
      `/api/v1/embedded_dashboard/${state.uuids.accounts}`, '/api/v1/chart/', '/api/v1/chart/1', '/api/v1/chart/1/data/', '/api/v1/chart/export/?q=!(1)',
      '/api/v1/chart/data/x', '/api/v1/dataset/', '/api/v1/dataset/1', '/api/v1/dataset/1/drill_info/', '/api/v1/database/', '/api/v1/datasource/table/1/column/plan/values/',
      '/api/v1/security/users/', '/api/v1/me/', '/api/v1/log/', '/api/v1/async_event/', '/api/v1/menu/', '/superset/explore_json/', '/explore/', '/datasource/samples',
      '/embedded/', `/embedded/${state.uuids.accounts}/x`, '/api/v1/chart/data/', '/API/v1/me/roles/', '/api/v1/me/roles',
    ]) {
      await refused(scene, 'route_denied', 'GET', path, { token });
    }
    for (const path of [`/api/v1/dashboard/${accounts}/permalink`, `/api/v1/dashboard/${accounts}/filter_state`, '/superset/explore_json/', '/datasource/samples', '/api/v1/sqllab/execute/']) {
      await refused(scene, 'route_denied', 'POST', path, { token, body: chart() });
    }
    for (const [method, path] of [['PUT', `/api/v1/dashboard/${accounts}`], ['DELETE', `/api/v1/dashboard/${accounts}`], ['GET', DATA], ['PATCH', DATA], ['POST', '/api/v1/me/roles/']]) {
      await refused(scene, 'method_denied', method, path, { token });
    }
  });
  await check('routes: a path with two readings is refused', async () => {
    for (const path of [
      '//api/v1/chart/data', '/api/v1//chart/data', '/static/../api/v1/dashboard/', '/static/%2e%2e/api/v1/dashboard/', '/static/..%2fapi/v1/dashboard/',
      '/static/%252e%252e/api/v1/dashboard/', '/api/v1/chart/data;x', '/api/v1/chart%2Fdata', '/api/v1/chart\\data', '/static/%00', '/static/%c0%ae%c0%ae/',
    ]) {
      await refused(scene, 'path_ambiguous', 'POST', path, { token: viewer(999), body: chart() });
    }
  });
  await check('routes: the usage log is answered here', async () => {
    const before = scene.superset.requests().length;
    const answer = await ask(scene.port, 'POST', '/superset/log/?explode=events', { body: 'x', headers: { 'content-type': 'multipart/form-data; boundary=x' } });
    assert.equal(answer.status, 204);
    assert.equal(scene.superset.requests().length, before);
  });
}

async function exportsAndForms(scene) {
  const { port, superset } = scene;
  const form = (token, format, change = {}) => ({
    body: `form_data=${encodeURIComponent(JSON.stringify(chart({ result_format: format, ...change })))}&csrf_token=abc&guest_token=${token}`,
    headers: { 'content-type': 'application/x-www-form-urlencoded', 'sec-fetch-dest': 'document', 'sec-fetch-mode': 'navigate', 'sec-fetch-site': 'same-origin' },
  });
  await check('exports: CSV and Excel need scope download, by script and by form', async () => {
    for (const format of ['csv', 'xlsx']) {
      await refused(scene, 'scope_denied', 'POST', DATA, { token: viewer(999), body: chart({ result_format: format }) });
      await refused(scene, 'scope_denied', 'POST', DATA, form(viewer(999), format));
    }
    const token = viewer(999, { scope: 'view download' });
    for (const options of [{ token, body: chart({ result_format: 'csv' }) }, form(token, 'csv')]) {
      const answer = await ask(port, 'POST', DATA, options);
      assert.equal(answer.status, 200, answer.text);
      const lines = answer.text.replace('\uFEFF', '').trim().split(/\r?\n/);
      assert.equal(lines.length, 4, answer.text);
      assert.ok(lines.slice(1).every((line) => line.startsWith('999,')), answer.text);
    }
    const streamed = form(token, 'csv', { form: { row_limit: 100_000 } });
    const long = await ask(port, 'POST', DATA, streamed);
    assert.equal(long.headers['transfer-encoding'], 'chunked', 'from 100,000 rows on, Superset streams');
    assert.deepEqual(long.text.trim().split(/\r?\n/).map((line) => line.split(',')[0]), ['tenant_id', '999', '999', '999'], long.text);
    await refused(scene, 'scope_denied', 'POST', DATA, form(viewer(999), 'csv', { form: { row_limit: 100_000 } }));
    const excel = await ask(port, 'POST', DATA, { token, body: chart({ result_format: 'xlsx' }) });
    assert.equal(excel.raw.subarray(0, 2).toString(), 'PK');
  });
  await check('exports: the form’s tokens stay here', async () => {
    const token = viewer(777, { scope: 'view download' });
    const before = superset.messages.length;
    await ask(port, 'POST', DATA, form(token, 'csv'));
    const [{ line, body }] = superset.messages.slice(before);
    assert.equal(line, `POST ${DATA}`);
    assert.deepEqual([...new URLSearchParams(body).keys()], ['form_data']);
    assert.ok(!superset.text().includes(token.split('.')[2]));
  });
}

async function responses({ port }) {
  await check('responses: frame-ancestors once, the nonce kept, nothing of Superset’s cookies, X-Frame-Options or CORS', async () => {
    const page = await ask(port, 'GET', `/embedded/${state.uuids.accounts}?uiConfig=0&tenant=777`, { headers: { 'sec-fetch-dest': 'iframe' } });
    assert.equal(page.status, 200, page.text.slice(0, 200));
    const policy = page.headers['content-security-policy'];
    assert.equal(policy.match(/frame-ancestors/g).length, 1, policy);
    const nonce = policy.match(/'nonce-([^']+)'/)[1];
    assert.ok(page.text.includes(`nonce="${nonce}"`), 'the nonce of the header is that of the page');
    const data = await ask(port, 'POST', DATA, { token: viewer(999), body: chart() });
    for (const { headers } of [page, data]) {
      for (const gone of ['set-cookie', 'x-frame-options', 'access-control-allow-origin']) assert.equal(headers[gone], undefined, gone);
      assert.match(headers['cache-control'], /no-store/);
    }
  });
  await check('responses: a refusal is readable by Superset’s front end, and names no inside', async () => {
    const answer = await ask(port, 'GET', '/api/v1/me/roles/', { token: viewer(999, { iat: now() - 120, exp: now() - 60 }) });
    assert.equal(answer.status, 401);
    assert.match(answer.headers['www-authenticate'], /^Bearer error="/);
    assert.ok(answer.json.message.length > 10 && answer.json.request_id);
    assert.ok(!answer.text.includes('127.0.0.1') && !answer.text.includes(state.uuids.accounts));
  });
}

async function dropIn(scene) {
  const { port } = scene;
  const path = '/api/v1/security/guest_token/';
  const key = { authorization: `Bearer ${secrets.service}` };
  const body = { user: { username: 'viewer-7' }, resources: [{ type: 'dashboard', id: state.uuids.accounts }], rls: [], params: { tenant_id: 777 } };
  await check('drop-in: a backend’s call gives a viewer token that works here and nowhere else', async () => {
    const answer = await ask(port, 'POST', path, { body, headers: key });
    assert.equal(answer.status, 200, answer.text);
    const { token } = answer.json;
    assert.equal(result(await ask(port, 'POST', DATA, { token, body: chart() })).rowcount, 2);
    const bare = await ask(facts.superset.port, 'POST', DATA, { token, body: chart(), headers: DIRECT });
    assert.equal(bare.status, 401, 'Superset does not know it');
  });
  await check('drop-in: no key, a wrong key, SQL or a foreign dashboard: refused', async () => {
    await refused(scene, 'token_missing', 'POST', path, { body });
    await refused(scene, 'token_invalid', 'POST', path, { body, headers: { authorization: 'Bearer x' } });
    await refused(scene, 'token_invalid', 'POST', path, { body, headers: { authorization: `Bearer ${viewer(999)}` } });
    const sql = await refused(scene, 'request_malformed', 'POST', path, { body: { ...body, rls: [{ clause: 'tenant_id = 999' }] }, headers: key });
    assert.match(sql.json.message, /params/);
    await refused(scene, 'param_missing', 'POST', path, { body: { ...body, params: {} }, headers: key });
    await refused(scene, 'resource_denied', 'POST', path, { body: { ...body, resources: [{ type: 'dashboard', id: 'aaaaaaaa-2222-4333-8444-555555555555' }] }, headers: key });
    await refused(scene, 'token_invalid', 'POST', '/api/v1/security/login', { body: { username: 'admin', password: 'admin', provider: 'db' } });
  });
}
