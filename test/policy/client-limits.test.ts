import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clientKeyOf } from '../../src/policy/address-class.js';
import { ClientLimits, Visit, type ClientLimitSettings } from '../../src/policy/client-limits.js';
import type { Identity } from '../../src/policy/credentials.js';
import { collectGarbage } from '../base/collect-garbage.js';
import { VirtualClock } from '../base/virtual-clock.js';
import { CLIENT_LIMITS } from './usual-limits.js';

const USER: Identity = {
  username: 'app',
  peer: null,
  mayRelay: true,
  maySteer: false,
  steerTo: [],
};
const PEER: Identity = { ...USER, username: 'link', peer: 'edge' };

function setUp(clients: Partial<ClientLimitSettings> = {}, maxSessions = 1000) {
  const clock = new VirtualClock();
  const limits = new ClientLimits(
    { maxSessions, clients: { ...CLIENT_LIMITS, ...clients } },
    clock,
  );
  const enter = (address: string, mayRelay = false): Visit => {
    const visit = limits.enter(address, mayRelay);
    assert.ok(visit instanceof Visit, JSON.stringify(visit));
    return visit;
  };
  return { clock, limits, enter };
}

test('a client is an address of IPv4, in any form, or a /64 of IPv6', () => {
  const clients: ReadonlyArray<[address: string, client: string]> = [
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8:1:2::1', '2001:db8:1:2::/64'],
    ['2001:DB8:1:2:ffff::', '2001:db8:1:2::/64'],
    ['2001:db8:1:3::1', '2001:db8:1:3::/64'],
    ['::1', '0:0:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['', ''],
  ];
  for (const [address, client] of clients) {
    assert.equal(clientKeyOf(address), client, address);
  }
});

test('sessions of one client are bounded, those of its neighbours in the address space are not', () => {
  const { limits, enter } = setUp({ maxSessionsPerClient: 2 });
  const first = enter('2001:db8::1');
  enter('2001:db8::2');
  assert.equal(limits.enter('2001:db8::3', false), 'sessions-per-client');
  enter('2001:db8:0:1::1');
  first.leave();
  first.leave();
  enter('2001:db8::3');
  assert.equal(limits.enter('2001:db8::4', false), 'sessions-per-client');
  assert.equal(limits.sessions, 3);
});

test('connects of one client are bounded in a minute', () => {
  const { clock, limits, enter } = setUp({ maxConnectsPerClientPerMinute: 3 });
  for (let time = 0; time < 3; time++) enter('192.0.2.1').leave();
  assert.equal(limits.enter('192.0.2.1', false), 'connects-per-client');
  enter('192.0.2.2').leave();
  clock.advance(60_000);
  enter('192.0.2.1').leave();
  assert.equal(limits.sessions, 0);
});

test('who may relay by its network has no limits of its own, but that of all sessions', () => {
  const { limits, enter } = setUp(
    {
      maxSessionsPerClient: 1,
      maxConnectsPerClientPerMinute: 1,
      maxMessagesPerClientPerMinute: 1,
      maxErrorsPerSession: 1,
    },
    3,
  );
  const visits = Array.from({ length: 3 }, () => enter('192.0.2.1', true));
  assert.deepEqual(
    visits.map((visit) => [visit.begins(null), visit.begins(null), visit.erred(true, false)]),
    visits.map(() => [null, null, null]),
  );
  assert.equal(limits.enter('192.0.2.1', true), 'sessions');
});

test('a link peer has none either, once it has logged in, and its address may connect as it likes', () => {
  const { clock, limits, enter } = setUp({
    maxSessionsPerClient: 2,
    maxConnectsPerClientPerMinute: 2,
    maxMessagesPerClientPerMinute: 1,
    maxMessagesPerUserPerMinute: 1,
  });
  enter('192.0.2.1');
  const peer = enter('192.0.2.1');
  assert.equal(limits.enter('192.0.2.1', false), 'connects-per-client');
  peer.loggedIn(PEER);
  const more = Array.from({ length: 20 }, () => enter('192.0.2.1'));
  assert.deepEqual(
    more.map((visit) => [visit.begins(PEER), visit.begins(PEER)]),
    more.map(() => [null, null]),
  );
  clock.advance(3_600_000);
  enter('192.0.2.1');
  assert.equal(
    limits.enter('192.0.2.1', false),
    'sessions-per-client',
    'it was not seen for an hour',
  );
});

test('messages are bounded by client and by user', () => {
  const { clock, enter } = setUp({
    maxMessagesPerClientPerMinute: 3,
    maxMessagesPerUserPerMinute: 2,
  });
  const here = enter('192.0.2.1');
  const there = enter('192.0.2.2');
  const inside = enter('10.0.0.1', true);
  assert.deepEqual([here.begins(USER), there.begins(USER)], [null, null]);
  assert.equal(there.begins(USER), 'messages-per-user');
  assert.equal(inside.begins(USER), 'messages-per-user', 'a network does not make a user another');
  assert.equal(there.begins({ ...USER, username: 'other' }), null);
  assert.equal(there.begins({ ...USER, username: 'third' }), 'messages-per-client');
  clock.advance(60_000);
  assert.deepEqual([here.begins(USER), there.begins(null)], [null, null]);
});

test('errors end a session of a stranger, count anew after a message, and cost a user nothing', () => {
  const { enter } = setUp({ maxErrorsPerSession: 3 });
  const visit = enter('192.0.2.1');
  assert.deepEqual([visit.erred(true, false), visit.erred(true, true)], [null, null]);
  assert.equal(visit.erred(true, false), 'errors-per-session');
  const user = enter('192.0.2.1');
  for (let time = 0; time < 10; time++) assert.equal(user.erred(false, false), null);
  const failing = enter('192.0.2.1', true);
  for (let time = 0; time < 2; time++) failing.erred(true, true);
  failing.messageTaken();
  assert.deepEqual([failing.erred(true, true), failing.erred(true, true)], [null, null]);
  assert.equal(failing.erred(true, true), 'errors-per-session', 'failed logins count for all');
});

test('errors over many sessions of one client keep it out for a minute', () => {
  const { clock, limits, enter } = setUp({ maxErrorsPerClientPerMinute: 5 });
  const reasons = Array.from({ length: 6 }, () => enter('192.0.2.1').erred(true, false));
  assert.deepEqual(reasons, [null, null, null, null, null, 'errors-per-client']);
  assert.equal(limits.enter('192.0.2.1', false), 'errors-per-client');
  enter('192.0.2.2');
  clock.advance(60_000);
  enter('192.0.2.1');
});

test('when all sessions are taken the stranger that was silent longest gives way', () => {
  const { limits, enter } = setUp({}, 4);
  const gone: string[] = [];
  const open = (name: string, mayRelay = false): Visit => {
    const visit = enter(`192.0.2.${name.charCodeAt(0)}`, mayRelay);
    visit.onGiveWay = () => void gone.push(name);
    return visit;
  };
  const [a, b] = [open('a'), open('b')];
  open('c', true);
  open('d').loggedIn(USER);
  a.spoke();
  open('e');
  assert.deepEqual(gone, ['b'], 'a has spoken since');
  b.spoke();
  b.leave();
  open('f');
  assert.deepEqual(gone, ['b', 'a']);
  open('g', true);
  open('h').loggedIn(USER);
  assert.deepEqual(gone, ['b', 'a', 'e', 'f']);
  assert.equal(limits.sessions, 4);
  assert.equal(limits.enter('192.0.2.200', true), 'sessions', 'there is no stranger left');
});

test('a reload changes what holds, also for those who are there', () => {
  const { limits, enter } = setUp({ maxErrorsPerSession: 10 });
  const visit = enter('192.0.2.1');
  const clients = { ...CLIENT_LIMITS, maxErrorsPerSession: 1, maxSessionsPerClient: 1 };
  limits.reload({ maxSessions: 10, clients });
  assert.equal(visit.erred(true, false), 'errors-per-session');
  assert.equal(limits.enter('192.0.2.1', false), 'sessions-per-client');
});

test('300,000 clients that come and go leave nothing behind but what is allowed', () => {
  const { limits } = setUp();
  collectGarbage();
  const [before, usage] = [process.memoryUsage().heapUsed, process.cpuUsage()];
  for (let index = 0; index < 300_000; index++) {
    const visit = limits.enter(`10.${index >> 16}.${(index >> 8) & 255}.${index & 255}`, false);
    assert.ok(visit instanceof Visit);
    visit.erred(true, false);
    visit.begins(null);
    visit.leave();
  }
  // It took half a minute when the oldest key was looked for among those that are gone.
  assert.ok(process.cpuUsage(usage).user < 8_000_000);
  collectGarbage();
  const keptBytes = process.memoryUsage().heapUsed - before;
  assert.ok(keptBytes < 20_000_000, `${keptBytes} bytes`);
  assert.equal(limits.sessions, 0);
});
