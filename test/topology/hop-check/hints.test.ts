import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Secret } from '../../../src/base/secret.js';
import type { NextHop } from '../../../src/send/next-hop.js';
import { SessionFault } from '../../../src/send/session-fault.js';
import { hintFor } from '../../../src/topology/hop-check/hints.js';

const HOP: NextHop = {
  name: 'core',
  kind: 'node',
  host: '10.0.0.7',
  servername: 'core.mail.internal',
  port: 2525,
  tls: 'verified',
  implicitTls: false,
  login: { username: 'edge', password: new Secret('open-sesame-4711') },
  allowInsecureAuth: false,
  trace: 'none',
};

const CASES: ReadonlyArray<
  [
    stage: SessionFault['stage'],
    result: SessionFault['result'],
    words: string,
    code: number | null,
    hint: RegExp,
  ]
> = [
  ['connect', 'lost', 'connect ECONNREFUSED 10.0.0.7:2525', null, /nothing listens.*node 'core'/],
  ['connect', 'timeout', 'no answer within 10 s', null, /firewall/],
  ['connect', 'lost', 'connect EHOSTUNREACH 10.0.0.7:2525', null, /no way to that network/],
  ['connect', 'error', 'the host x does not exist or has no address', null, /DNS/],
  ['greeting', 'timeout', 'no answer within 10 s', null, /implicit-tls/],
  ['greeting', 'error', 'too busy', 421, /refuses this machine/],
  [
    'starttls',
    'error',
    "Host: a. is not in the cert's altnames: b",
    null,
    /carries core\.mail\.internal/,
  ],
  ['starttls', 'error', 'certificate has expired', null, /renew/],
  ['starttls', 'error', 'self-signed certificate in certificate chain', null, /tls: \{ ca \}/],
  ['starttls', 'error', 'unable to get local issuer certificate', null, /tls: \{ ca \}/],
  ['starttls', 'error', 'the server offers no STARTTLS', null, /does node 'core' offer TLS/],
  [
    'auth',
    'error',
    'the hop offers no TLS, and a login is never sent in clear text',
    null,
    /offer TLS/,
  ],
  ['auth', 'error', 'the hop offers no login that we know', null, /mechanisms/],
  ['auth', 'error', 'no access token from /x: its first line is empty', null, /`token`/],
  ['auth', 'error', 'try later', 454, /at the moment/],
  ['auth', 'invalid', 'authentication failed', 535, /secret 'link'.*reloaded/],
];

for (const [stage, result, words, code, hint] of CASES) {
  test(`${stage}: ${code ?? ''} ${words}`, () => {
    const fault = new SessionFault(stage, result, words, code);
    const text = hintFor(fault, HOP, { secret: 'link', ofLink: true });
    assert.match(text, hint);
    assert.ok(!text.includes('open-sesame'));
    assert.ok(!text.includes('\n'));
  });
}

test('a refused login outside of the mesh names the user and the secret', () => {
  const fault = new SessionFault('auth', 'invalid', 'no', 535);
  const hop: NextHop = { ...HOP, kind: 'host', name: 'esp.example:587' };
  const text = hintFor(fault, hop, { secret: 'esp', ofLink: false });
  assert.match(text, /user 'edge' and secret 'esp' with what esp\.example:587 knows/);
});

test('a certificate that is not taken is explained by the log of the other end', () => {
  const certificate = { cert: 'pem', key: new Secret('open-sesame-4711') };
  const hop: NextHop = { ...HOP, login: { username: 'edge', certificate } };
  for (const code of [null, 535]) {
    const fault = new SessionFault('auth', 'error', 'the hop offers no login with it', code);
    const text = hintFor(fault, hop, { secret: undefined, ofLink: true });
    assert.match(text, /log of node 'core'.*certificate-refused/);
  }
});
