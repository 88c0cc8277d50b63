import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VirtualClock } from '../base/virtual-clock.js';
import { until } from '../intake/dialogue.js';
import { startDnsServer } from './dns-server.js';
import { locatorFor, mxHop } from './locating.js';

test('a DNS server that says nothing is given up after ten seconds', async (t) => {
  const clock = new VirtualClock();
  const { refusal, dns } = await locatorFor(t, { 'y.test': 'silence' }, { clock });
  const refused = refusal(mxHop('y.test'));
  await until(() => dns.questions.length > 0, 'a question');
  clock.advance(9999);
  assert.equal(await Promise.race([refused, Promise.resolve('waiting')]), 'waiting');
  clock.advance(1);
  assert.match(await refused, /^deferred null 4\.4\.3 .*no DNS server answered in time$/);
});

test('nobody behind the address of the DNS server: asked again later', async (t) => {
  const gone = await startDnsServer({});
  gone.close();
  const { refusal } = await locatorFor(t, {}, { dnsServers: [gone.address] });
  assert.match(await refusal(mxHop('y.test')), /^deferred null 4\.4\.3 .*no DNS server answer/);
});

test('localhost is the loopback, whatever the DNS says', async (t) => {
  const { hosts, dns } = await locatorFor(t, { localhost: { A: ['192.0.2.1'] } });
  for (const name of ['localhost', 'LOCALHOST', 'x.localhost']) {
    const found = await hosts(mxHop(name, { kind: 'host' }));
    assert.deepEqual(found, [`${name} 127.0.0.1`, `${name} ::1`]);
  }
  assert.deepEqual(dns.questions, []);
});

test('without dns-servers a smarthost is found as the system finds it', async (t) => {
  const { hosts, refusal } = await locatorFor(t, {}, { dnsServers: [] });
  assert.deepEqual(await hosts(mxHop('127.0.0.5', { kind: 'host' })), ['127.0.0.5 127.0.0.5']);
  assert.match(await refusal(mxHop('a\0.test', { kind: 'host' })), /^hop-fault /);
});

test('an answer is kept for a minute, a missing one for 15 seconds', async (t) => {
  const clock = new VirtualClock();
  const { hosts, refusal, dns } = await locatorFor(
    t,
    { 'y.test': { MX: [[10, 'a.test']] }, 'a.test': { A: ['192.0.2.1'] } },
    { clock },
  );
  await hosts(mxHop('y.test'));
  await refusal(mxHop('late.test'));
  const asked = dns.questions.length;
  dns.set({ 'y.test': { A: ['192.0.2.2'] }, 'late.test': { A: ['192.0.2.3'] } });
  clock.advance(14_999);
  assert.match(await refusal(mxHop('late.test')), /does not exist/);
  clock.advance(1);
  assert.deepEqual(await hosts(mxHop('late.test')), ['late.test 192.0.2.3']);
  clock.advance(44_999);
  assert.deepEqual(await hosts(mxHop('y.test')), ['a.test 192.0.2.1']);
  assert.equal(dns.questions.length, asked + 3);
  clock.advance(1);
  assert.deepEqual(await hosts(mxHop('y.test')), ['y.test 192.0.2.2']);
});

test('many who ask the same at once share one lookup', async (t) => {
  const { hosts, dns } = await locatorFor(t, {
    'y.test': { MX: [[10, 'a.test']] },
    'a.test': { A: ['192.0.2.1'] },
  });
  await Promise.all(Array.from({ length: 50 }, () => hosts(mxHop('y.test'))));
  assert.deepEqual([...dns.questions].sort(), ['A a.test', 'AAAA a.test', 'MX y.test']);
});

test('resolveOnce: addresses, none, or an error that says whose fault it is', async (t) => {
  const { locator } = await locatorFor(t, {
    'a.test': { A: ['192.0.2.1'], AAAA: ['2001:db8::1'] },
    'b.test': 'SERVFAIL',
  });
  assert.deepEqual(await locator.resolveOnce('a.test'), ['192.0.2.1', '2001:db8::1']);
  assert.deepEqual(await locator.resolveOnce('192.0.2.7'), ['192.0.2.7']);
  assert.deepEqual(await locator.resolveOnce('localhost'), ['127.0.0.1', '::1']);
  assert.deepEqual(await locator.resolveOnce('no.test'), []);
  await assert.rejects(locator.resolveOnce('b.test'), {
    code: 'NAME_NOT_RESOLVED',
    fault: 'system',
    where: 'b.test',
  });
});
