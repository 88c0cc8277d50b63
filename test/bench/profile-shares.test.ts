import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sharesByFunction, sharesByOwner, type CpuProfile } from './profile-shares.js';

const CALLS: Array<[functionName: string, url: string, us: number]> = [
  ['(idle)', '', 1000],
  ['(garbage collector)', '', 5],
  ['(program)', '', 7],
  ['writev', '', 3],
  ['send', 'file:///anywhere/dist/src/send/exchange.js', 40],
  ['take', 'file:///anywhere/dist/src/queue/destination.js', 30],
  ['start', 'file:///anywhere/dist/src/node.js', 1],
  ['add', 'file:///anywhere/dist/src/queue/destination.js', 2],
  ['write', 'node:internal/streams/writable', 6],
  ['emit', 'node:events', 4],
  ['log', 'file:///anywhere/node_modules/pino/lib/proto.js', 9],
  ['parse', 'file:///anywhere/node_modules/a/node_modules/@scope/name/index.js', 8],
];
const PROFILE: CpuProfile = {
  nodes: CALLS.map(([functionName, url], id) => ({
    id,
    callFrame: { functionName, url, lineNumber: 41 },
  })),
  samples: [...CALLS.keys(), 4],
  timeDeltas: [...CALLS.map(([, , us]) => us), -3],
};

test('a profile is added up by whose code it is, without idle time', () => {
  assert.deepEqual(
    sharesByOwner(PROFILE).map(({ name, us }) => [name, us]),
    [
      ['src/send', 40],
      ['src/queue', 32],
      ['pino', 9],
      ['@scope/name', 8],
      ['V8 and Node: native code, system calls of the loop', 7],
      ['Node: sockets and streams', 6],
      ['V8: garbage collector', 5],
      ['Node: rest', 4],
      ['native: writev', 3],
      ['src', 1],
    ],
  );
});

test('a profile is added up by function, each with where it begins', () => {
  const [first, second] = sharesByFunction(PROFILE);
  assert.deepEqual(first, { name: 'send send/exchange.js:42', us: 40 });
  assert.deepEqual(second, { name: 'take queue/destination.js:42', us: 30 });
});
