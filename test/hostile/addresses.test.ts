import assert from 'node:assert/strict';
import type { HopRecord } from '../../src/trace/record.js';
import { Dialogue } from '../intake/dialogue.js';
import { startHop } from './hop.js';
import { startHostileNode } from './node-process.js';
import { hostileTest } from './rows.js';

/** Legal, and each of them text that something on the way could obey or mend. */
const ODD = [
  '"a b"@x.test',
  '"a@b"@x.test',
  '"a\\"b"@x.test',
  '"a\\\\b"@x.test',
  '"a,b;c:d"@x.test',
  '"$(id)"@x.test',
  '"\'; DROP TABLE mail; --"@x.test',
  '-oQ/tmp@x.test',
  '${run{id}}@x.test',
  '`id`|id@x.test',
  '";id;"@x.test',
  '__proto__@x.test',
  'constructor@x.test',
  'toString@constructor',
  'c%d@x.test',
  'd!c@x.test',
  '{{7*7}}@x.test',
  '"../../etc/passwd"@x.test',
  'Smith@x.test',
  'smith@x.test',
  'j@xn--bcher-kva.test',
  'j@XN--BCHER-KVA.test',
  'b@[192.0.2.1]',
  'b@[IPv6:2001:DB8::1]',
];

const CONTENT = 'Subject: odd\r\n\r\nx';

hostileTest('addresses', 'on the wire and in the trace letter by letter', async (t, cases) => {
  const hop = await startHop(t);
  const node = await startHostileNode(t, { hopPort: hop.port });
  const client = await Dialogue.open(node.port);

  // All in one transaction, then each as a sender.
  const accepted = await client.send(CONTENT, ODD);
  const [, queueId = ''] = /queued as (\w+)/.exec(accepted) ?? [];
  assert.match(accepted, /^250 /);
  await hop.untilTaken(ODD);
  assert.deepEqual(wordsOf(hop.commands('RCPT TO:')), ODD.toSorted());
  for (const [index, sender] of ODD.entries()) {
    assert.match(await client.send(CONTENT, [`r${index}@y.test`], sender), /^250 /, sender);
  }
  await hop.untilTaken(ODD.map((_, index) => `r${index}@y.test`));
  assert.deepEqual(
    wordsOf(hop.commands('MAIL FROM:')).filter((sender) => sender !== 'a@x.test'),
    ODD.toSorted(),
  );
  cases.add(2 * ODD.length);

  const settled = (record: HopRecord): boolean => record.finished_at !== null;
  for (const address of ODD) {
    cases.add();
    const record = await node.api.untilRecord(address, settled);
    assert.equal(record.queue_id, queueId, address);
    assert.deepEqual(record.envelope.recipients, ODD);
    assert.deepEqual(
      record.recipients.find((one) => one.address === address)?.action,
      'relayed',
      address,
    );
  }
  assert.ok(node.running);
});

/** What stands between the brackets. */
function wordsOf(commands: readonly string[]): string[] {
  return commands.flatMap((line) => /<(.*)>/.exec(line)?.[1] ?? []).toSorted();
}
