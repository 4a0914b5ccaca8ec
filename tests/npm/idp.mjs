// A certified OpenID provider with three people, for tests.
//
// It listens on a port of its own choosing, prints one JSON line {"issuer": …} and serves until its standard input ends.
// People: alice (admins), bob (users), mallory (no group). The login page is a plain form, which may say other `groups`; consent
// is given by itself.
// PKCE with S256 is demanded; redirects may go to any https host under /oauth2/callback (ports are not known beforehand).
// With IDP_TLS_CERTIFICATE and IDP_TLS_KEY (files) it speaks TLS; IDP_HOST is then the host's name in its issuer.
import { readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import Provider from 'oidc-provider';
import { generateKeyPair, exportJWK } from 'jose';

const PEOPLE = {
  alice: { email: 'alice@example.com', name: 'Alice Appleton', groups: ['admins', 'users'] },
  bob: { email: 'bob@example.com', name: 'Bob Builder', groups: ['users'] },
  mallory: { email: 'mallory@elsewhere.test', name: 'Mallory Marlowe', groups: [] },
};
const ACCESS_TOKEN_SECONDS = Number(process.env.IDP_TOKEN_SECONDS ?? 3600);

const { privateKey } = await generateKeyPair('RS256', { extractable: true });
const jwk = { ...(await exportJWK(privateKey)), use: 'sig', alg: 'RS256', kid: 'test-1' };

const tls = process.env.IDP_TLS_KEY && {
  cert: readFileSync(process.env.IDP_TLS_CERTIFICATE),
  key: readFileSync(process.env.IDP_TLS_KEY),
};
const server = tls ? https.createServer(tls) : http.createServer();
await new Promise((ready) => server.listen(0, '127.0.0.1', ready));
const host = `${process.env.IDP_HOST ?? '127.0.0.1'}:${server.address().port}`;
const issuer = `${tls ? 'https' : 'http'}://${host}`;

const provider = new Provider(issuer, {
  clients: [
    {
      client_id: 'vallum',
      client_secret: 'the-client-secret-of-vallum',
      redirect_uris: ['https://authenticate.example.com/oauth2/callback'],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      post_logout_redirect_uris: [],
    },
  ],
  jwks: { keys: [jwk] },
  cookies: { keys: ['only-for-tests'] },
  claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'], groups: ['groups'] },
  scopes: ['openid', 'offline_access', 'email', 'profile', 'groups'],
  conformIdTokenClaims: false,
  pkce: { required: () => true },
  ttl: { AccessToken: ACCESS_TOKEN_SECONDS, IdToken: 3600, Session: 3600, Grant: 3600, Interaction: 600 },
  features: { devInteractions: { enabled: false }, rpInitiatedLogout: { enabled: true }, userinfo: { enabled: true } },
  interactions: { url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
  async findAccount(_ctx, id) {
    const person = PEOPLE[id];
    return person && { accountId: id, claims: async () => ({ sub: id, email_verified: true, ...person }) };
  },
  async loadExistingGrant(ctx) {
    const grant = new ctx.oidc.provider.Grant({
      clientId: ctx.oidc.client.clientId,
      accountId: ctx.oidc.session.accountId,
    });
    grant.addOIDCScope('openid email profile groups offline_access');
    await grant.save();
    return grant;
  },
});

provider.Client.prototype.redirectUriAllowed = (uri) => {
  const url = new URL(uri);
  return url.protocol === 'https:' && url.pathname === '/oauth2/callback' && !url.hash;
};

const page = (body) => `<!doctype html><html lang="en"><meta charset="utf-8"><title>Test provider</title>${body}</html>`;

const form = (uid) =>
  page(`<h1>Who are you?</h1><form method="post" action="/interaction/${uid}">` +
    Object.keys(PEOPLE).map((who) => `<button name="login" id="${who}" value="${who}">${who}</button>`).join(' ') +
    '</form>');

async function body(request, limit = 4096) {
  let text = '';
  for await (const chunk of request) {
    text += chunk;
    if (text.length > limit) throw new Error('the form is too long');
  }
  return text;
}

async function interact(request, response) {
  const { uid } = await provider.interactionDetails(request, response);
  if (request.method !== 'POST') {
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end(form(uid));
    return;
  }
  const said = new URLSearchParams(await body(request));
  const accountId = said.get('login');
  // What the provider says of this person from now on.
  if (said.has('groups') && PEOPLE[accountId]) PEOPLE[accountId].groups = said.getAll('groups');
  const result = PEOPLE[accountId]
    ? { login: { accountId } }
    : { error: 'access_denied', error_description: 'nobody was chosen' };
  await provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
}

const handle = provider.callback();
server.on('request', (request, response) => {
  if (!request.url.startsWith('/interaction/')) return handle(request, response);
  interact(request, response).catch((error) => {
    response.writeHead(500, { 'content-type': 'text/plain' }).end(String(error));
  });
});
provider.on('server_error', (_ctx, error) => console.error('server_error', error));
for (const name of ['authorization.error', 'grant.error', 'userinfo.error', 'end_session.error']) {
  provider.on(name, (_ctx, error) => console.error(name, error.message, error.error_description ?? ''));
}

console.log(JSON.stringify({ issuer }));
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
