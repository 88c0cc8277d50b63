import assert from 'node:assert/strict';
import { test } from 'node:test';
import { lint, places, soundBut } from './topology-files.js';

/** The sound topology with these keys for the user of `edge` and for the link. */
function steering(user: string, link = ''): string {
  return soundBut(
    ['password: { secret: app } }', `password: { secret: app }${user} }`],
    ['secret: edge-core } }', `secret: edge-core }${link} }`],
  );
}

test('a user and a link that may steer, and say where to, are in order', () => {
  const text = steering(
    ', may: [relay, steer], steer-to: [core, mx, "esp.example:587", "*.example:25", 192.0.2.1]',
    ', may: [steer], steer-to: [mx]',
  );
  assert.deepEqual(lint(text), []);
});

const CASES: [string, string, string, string[]][] = [
  ['steering without targets', ', may: [relay, steer]', '', ['steering@11:57']],
  ['targets without steering', ', steer-to: [mx]', '', ['steering@11:57']],
  ['the same of links', '', ', may: [steer]', ['steering@18:78']],
  ['targets of a link without steering', '', ', steer-to: [mx]', ['steering@18:78']],
  ['an entry that is no host', ', may: [steer], steer-to: ["*"]', '', ['invalid-value@11:82']],
  [
    'a name of the topology with a port',
    ', may: [steer], steer-to: ["mx:25"]',
    '',
    ['invalid-value@11:82'],
  ],
  ['a name that nothing has', '', ', may: [steer], steer-to: [m]', ['unknown-node@18:103']],
];
for (const [what, user, link, expected] of CASES) {
  test(`${what}: found`, () => {
    assert.deepEqual(places(lint(steering(user, link))), expected);
  });
}

test('an unknown name comes with the one that was meant', () => {
  const text = soundBut(['    smarthost: mx', '    steer-to: [eage]\n    smarthost: mx']);
  const [fault] = lint(text);
  assert.equal(fault?.ruleId, 'unknown-node');
  assert.equal(fault.severity, 'error');
  assert.equal(fault.hint, "did you mean 'edge'?");
});

test('without a login nobody can steer over a link', () => {
  const text = soundBut(
    ['username: edge, password: { secret: edge-core }', 'may: [steer], steer-to: [mx]'],
    ['  edge-core: { generate: true }\n', ''],
    ['    smarthost: mx', '    relay-from: [127.0.0.1]\n    smarthost: mx'],
  );
  assert.deepEqual(places(lint(text)), ['steering@18:29']);
});
