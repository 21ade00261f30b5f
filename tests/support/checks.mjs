// What checks in a browser stand on: a way to count, to wait, to start and to stop. Nothing here knows what is checked.

import { spawn } from 'node:child_process';
import net from 'node:net';

const outcome = { passed: 0, failed: 0 };

export async function check(name, body) {
  const began = Date.now();
  try {
    const told = await body();
    outcome.passed += 1;
    console.log(`ok    ${name}${typeof told === 'string' ? `: ${told}` : ''} (${((Date.now() - began) / 1000).toFixed(1)} s)`);
  } catch (error) {
    outcome.failed += 1;
    console.log(`FAIL  ${name}\n      ${String(error.stack ?? error).replaceAll('\n', '\n      ')}`);
  }
}

// Whether all is well.
export function summary(what) {
  console.log(`${what}: ${outcome.passed} passed, ${outcome.failed} failed`);
  return outcome.failed === 0 && outcome.passed > 0;
}

export const sleep = (ms) => new Promise((wake) => setTimeout(wake, ms));

// What `probe` finds, once it finds something.
export async function until(what, probe, seconds = 15) {
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    const found = await probe();
    if (found) return found;
    if (Date.now() > deadline) throw new Error(`waited ${seconds} s for ${what}`);
    await sleep(50);
  }
}

// What ends everything that was started, last first.
export const ending = [];

export async function stopAll() {
  for (const end of ending.splice(0).reverse()) await end();
}

// A process that ends with the checks; `ended` is its code or signal, `over` the promise of it.
export function started(command, options, more = {}) {
  const child = spawn(command, options, { stdio: ['ignore', 'pipe', 'pipe'], ...more });
  child.over = new Promise((done) => {
    child.once('exit', (code, signal) => { child.ended = code ?? signal; done(); });
  });
  ending.push(async () => {
    child.kill('SIGTERM');
    const late = setTimeout(() => child.kill('SIGKILL'), 20_000);
    await child.over;
    clearTimeout(late);
  });
  return child;
}

export async function freePort() {
  const server = net.createServer();
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address();
  await new Promise((done) => server.close(done));
  return port;
}
