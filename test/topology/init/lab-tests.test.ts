import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  chainText,
  meshText,
  outsideServiceText,
} from '../../../src/topology/init/starting-points.js';
import { parsed } from '../topology-files.js';

function testsOf(text: string) {
  return parsed(text).topology.tests;
}

test('mail is handed to the first node, and its way leads over all tiers', () => {
  const [chain] = testsOf(chainText(3));
  assert.equal(chain?.steps[0]?.send?.via, 'edge');
  assert.deepEqual(chain?.expect.path, ['edge', 'core', 'exit', 'mx']);
  const [mesh] = testsOf(meshText(3, 2));
  assert.equal(mesh?.steps[0]?.send?.via, 'edge-a');
  assert.deepEqual(mesh?.expect.path, ['edge-a', 'core-a|core-b', 'exit-a|exit-b', 'mx']);
});

test('TLS and logins are expected wherever there are any', () => {
  const expected = (text: string) => testsOf(text)[0]?.expect['every-hop'];
  assert.equal(expected(chainText(1)), undefined);
  assert.deepEqual(expected(chainText(2)), { tls: true, login: true, except: ['mx'] });
  assert.deepEqual(expected(outsideServiceText()), { tls: true, login: true, except: [] });
});

test('what fails is a node with others beside it, else the one in the middle, never the last', () => {
  const lost = (text: string) => {
    const steps = testsOf(text)[1]?.steps ?? [];
    return [steps.find(({ kill }) => kill)?.kill, steps.find(({ start }) => start)?.start];
  };
  assert.deepEqual(lost(meshText(3, 2)), ['core-a', undefined]);
  assert.deepEqual(lost(meshText(3, 1)), ['core-a', 'core-a']);
  assert.deepEqual(lost(chainText(2)), ['edge', 'edge']);
  assert.deepEqual(lost(chainText(5)), ['core-2', 'core-2']);
  assert.deepEqual(testsOf(meshText(2, 3))[1]?.expect.path, ['edge-a', 'exit-b|exit-c', 'mx']);
});

test('only a node that hands its mail to another one has to send nothing twice', () => {
  const duplicates = (text: string) =>
    testsOf(text).map(({ expect }) => [expect.delivered].flat()[0]?.duplicates);
  assert.deepEqual(duplicates(chainText(2)), [0, 0]);
  assert.deepEqual(duplicates(chainText(1)), [0, undefined]);
});

test('the service is also tried by its own name, for which the sink stands', () => {
  const { sinks, tests } = parsed(outsideServiceText('ses')).topology;
  const [host] = sinks['service']?.['stands-for'] ?? [];
  assert.equal(host, 'email-smtp.eu-central-1.amazonaws.com:587');
  assert.deepEqual(tests[1]?.change, {
    nodes: { exit: { smarthost: { hostname: host?.replace(':587', ''), port: 587 } } },
  });
});
