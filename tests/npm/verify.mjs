// Verifies a JWT with a JWKS by `jose`: node verify.mjs JWKS TOKEN AUDIENCE. Prints {"header", "payload"} or fails.
import { createLocalJWKSet, jwtVerify } from 'jose';

const [jwks, token, audience] = process.argv.slice(2);
const { payload, protectedHeader } = await jwtVerify(token, createLocalJWKSet(JSON.parse(jwks)), {
  audience,
  algorithms: ['ES256'],
});
console.log(JSON.stringify({ header: protectedHeader, payload }));
