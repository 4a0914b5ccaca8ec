// A person with a real browser: node browser.mjs SCENE SETTINGS (JSON). The last line is `REPORT {…}`.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const [scene, text] = process.argv.slice(2);
const settings = JSON.parse(text);
const PATIENCE_MS = 30_000;

const QUIET = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync', '--disable-default-apps', '--disable-dev-shm-usage',
];

// A fresh person: no cookies, any certificate accepted, every name of the test on this machine.
async function person(browser) {
  const context = await browser.newContext({ ignoreHTTPSErrors: true });
  context.setDefaultTimeout(PATIENCE_MS);
  return context.newPage();
}

const shot = (page, name) => page.screenshot({ path: join(settings.screenshots, `${name}.png`), fullPage: true });

// Opens `url`, chooses `who` at the provider and waits until the page behind is there.
async function signIn(page, url, who, choose) {
  await page.goto(url);
  await shot(page, `${scene}-${who}-choice`);
  const host = new URL(url).host;
  const [response] = await Promise.all([
    page.waitForResponse((r) => new URL(r.url()).host === host && r.url() === new URL(url).href && !isRedirect(r)),
    choose(page, who),
  ]);
  await page.waitForLoadState();
  return response;
}

const isRedirect = (response) => response.status() >= 300 && response.status() < 400;

// What a page shows and with which status it came.
async function visit(page, url) {
  const response = await page.goto(url);
  return { status: response.status(), text: await page.innerText('body'), url: page.url() };
}

// Sends `text` through a WebSocket opened by the page and returns what comes back.
const echo = (page, url, text) =>
  page.evaluate(([url, text]) => new Promise((resolve, reject) => {
    const socket = new WebSocket(url);
    socket.onopen = () => socket.send(text);
    socket.onmessage = (message) => { resolve(message.data); socket.close(); };
    socket.onerror = () => reject(new Error(`the WebSocket to ${url} failed`));
  }), [url, text]);

// Fetches `path` of the page's own host `count` times, one after the other, as JSON.
const fetchTimes = (page, path, count) =>
  page.evaluate(async ([path, count]) => {
    const answers = [];
    for (let i = 0; i < count; i += 1) answers.push(await (await fetch(path)).json());
    return answers;
  }, [path, count]);

const scenes = {
  // The whole picture: sign in at the provider, a page, a refusal, a spread, a WebSocket.
  async picture(browser) {
    const page = await person(browser);
    const choose = (page, who) => page.click(`#${who}`);
    const first = await signIn(page, settings.allowed, settings.who, choose);
    await shot(page, 'picture-allowed');
    const allowed = { status: first.status(), text: await page.innerText('body'), url: page.url() };
    const spread = await fetchTimes(page, '/spread', settings.count);
    const echoed = await echo(page, settings.websocket, 'through and back');
    const jwks = await page.evaluate(async () => (await fetch('/.well-known/pomerium/jwks.json')).text());
    const cookies = await page.context().cookies();
    const denied = await visit(page, settings.denied);
    await shot(page, 'picture-denied');
    return { allowed, spread, echoed, jwks, cookies, denied };
  },

  // The built-in demonstration: one person passes, another is refused and told why.
  async dev(browser) {
    const choose = (page, who) => page.locator(`button[value="${who}"], #${who}, a[href*="${who}"]`).first().click();
    const alice = await person(browser);
    const first = await signIn(alice, settings.start, 'alice', choose);
    await shot(alice, 'dev-alice');
    const allowed = { status: first.status(), text: await alice.innerText('body'), url: alice.url() };
    const admins = await visit(alice, settings.admins);
    const mallory = await person(browser);
    const refusal = await signIn(mallory, settings.admins, 'mallory', choose);
    await shot(mallory, 'dev-mallory');
    const denied = { status: refusal.status(), text: await mallory.innerText('body'), url: mallory.url() };
    const open = await visit(await person(browser), settings.public);
    return { allowed, admins, denied, open };
  },
};

const profile = mkdtempSync(join(tmpdir(), 'vallum-browser-'));
const browser = await chromium.launch({
  executablePath: settings.chromium,
  args: [...QUIET, ...(settings.map ? [`--host-resolver-rules=MAP ${settings.map} 127.0.0.1`] : [])],
  env: { ...process.env, HOME: profile },
});
try {
  console.log(`REPORT ${JSON.stringify(await scenes[scene](browser))}`);
} finally {
  await browser.close();
  rmSync(profile, { recursive: true, force: true });
}
