import assert from 'node:assert/strict';
import { rootCertificates } from 'node:tls';
import { test } from 'node:test';
import { Secret } from '../../src/base/secret.js';
import { VERSION } from '../../src/base/version.js';
import { httpTransport } from '../../src/trace/export-otlp.js';
import type { OtlpSettings } from '../../src/trace/settings.js';
import { makeCertificate } from '../send/certificates.js';
import { Collector } from './collector.js';

function settingsFor(collector: Collector, more: Partial<OtlpSettings> = {}): OtlpSettings {
  return {
    endpoint: `${collector.origin}/v1/traces`,
    headers: { authorization: new Secret('Bearer abc'), 'x-tenant': new Secret('mail') },
    addresses: 'domain',
    timeoutMs: 5000,
    ...more,
  };
}

const BODY = '{"resourceSpans":[]}';

test('a batch is one POST of JSON with the headers of the settings', async (t) => {
  const collector = await Collector.start(t);
  const transport = httpTransport(settingsFor(collector));
  t.after(() => transport.close());
  assert.deepEqual(await transport.post(BODY), {
    status: 200,
    retryAfter: null,
    body: '{"partialSuccess":{}}',
  });
  const [request] = collector.requests;
  assert.ok(request !== undefined);
  assert.deepEqual([request.method, request.url], ['POST', '/v1/traces']);
  assert.deepEqual(request.body, JSON.parse(BODY));
  const { headers } = request;
  assert.deepEqual(
    [headers['content-type'], headers.authorization, headers['x-tenant'], headers['user-agent']],
    ['application/json', 'Bearer abc', 'mail', `relaymesh/${VERSION}`],
  );
});

test('status, Retry-After and words of a refusal are told', async (t) => {
  const collector = await Collector.start(t);
  collector.answer = { status: 503, headers: { 'retry-after': '7' }, body: 'busy' };
  const transport = httpTransport(settingsFor(collector));
  t.after(() => transport.close());
  const told = await transport.post(BODY);
  assert.deepEqual(told, { status: 503, retryAfter: '7', body: 'busy' });
});

test('an answer that is too long counts by its status alone', async (t) => {
  const collector = await Collector.start(t);
  collector.answer = { status: 200, body: 'x'.repeat(1_000_000) };
  const transport = httpTransport(settingsFor(collector));
  t.after(() => transport.close());
  assert.deepEqual(await transport.post(BODY), { status: 200, retryAfter: null, body: '' });
});

test('a redirection is not followed: the headers are for this collector', async (t) => {
  const collector = await Collector.start(t);
  const other = await Collector.start(t);
  collector.answer = { status: 307, headers: { location: `${other.origin}/v1/traces` } };
  const transport = httpTransport(settingsFor(collector));
  t.after(() => transport.close());
  assert.equal((await transport.post(BODY)).status, 307);
  assert.equal(other.requests.length, 0);
});

test('no answer in time, a closed port and a cut are errors, without the headers', async (t) => {
  const collector = await Collector.start(t);
  collector.answer = null;
  const slow = httpTransport(settingsFor(collector, { timeoutMs: 100 }));
  await assert.rejects(slow.post(BODY), { message: 'no answer within 100 ms' });
  const cut = httpTransport(settingsFor(collector));
  const refused = assert.rejects(cut.post(BODY));
  cut.close();
  await refused;
  await collector.goAway();
  const none = httpTransport(settingsFor(collector));
  await assert.rejects(none.post(BODY), (error: Error) => {
    assert.match(error.message, /ECONNREFUSED/);
    assert.doesNotMatch(JSON.stringify(error) + String(error.stack), /abc/);
    return true;
  });
});

test('an https collector is verified, with the CA of the settings beside those of Node', async (t) => {
  const { ca, ...tls } = await makeCertificate('collector');
  const collector = await Collector.start(t, tls);
  const strict = httpTransport(settingsFor(collector));
  await assert.rejects(strict.post(BODY), /certificate/);
  const trusting = httpTransport(settingsFor(collector, { ca: [...rootCertificates, ca] }));
  t.after(() => trusting.close());
  assert.equal((await trusting.post(BODY)).status, 200);
});
