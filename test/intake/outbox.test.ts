import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { pino } from 'pino';
import { RelayError } from '../../src/base/errors.js';
import type { InjectAnswer, InjectRequest } from '../../src/intake/injection.js';
import { Outbox } from '../../src/intake/outbox.js';
import type { BrokerLink } from '../../src/queue/broker.js';
import type { Delivery } from '../../src/queue/broker-consumer.js';
import type { Publication } from '../../src/queue/broker-publisher.js';
import type { BrokerSession } from '../../src/queue/broker-session.js';
import { ManualClock } from './manual-clock.js';

const FULL: InjectAnswer = { refusal: { status: 503, code: 'QUEUE_FULL', detail: 'full' } };
const UNRESOLVED: InjectAnswer = {
  refusal: { status: 503, code: 'STEERING_UNRESOLVED', detail: 'DNS cannot tell' },
};
const TAKEN: InjectAnswer = { messages: [{ recipient: 'a@x.test', queue_id: 'Q', trace_id: 'T' }] };
const INVALID: InjectAnswer = { refusal: { status: 422, code: 'MESSAGE_INVALID', detail: 'no' } };

/** A turn of the event loop, in which all that is settled goes on. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

class FakeLink {
  readonly address = 'rabbit:5672';
  ended: RelayError | null = null;
  #end: (why: RelayError) => void = () => undefined;
  readonly end = new Promise<RelayError>((resolve) => (this.#end = resolve));
  readonly published: Publication[] = [];
  consumptions = 0;
  stops = 0;
  #take: (delivery: Delivery) => void = () => undefined;

  async consume(_queue: string, _options: object, take: (delivery: Delivery) => void) {
    this.consumptions++;
    this.#take = take;
    return {
      waiting: null,
      stop: async () => void this.stops++,
      settled: async () => undefined,
    };
  }

  async publish(publication: Publication): Promise<void> {
    this.published.push(publication);
  }

  lose(): void {
    this.ended = new RelayError('BROKER_LOST', 'lost', { fault: 'system' });
    this.#end(this.ended);
  }

  /** What became of it is noted as it happens. */
  give(body: string, { redelivered = false, messageId = '' } = {}): { fate: string } {
    const given = { fate: 'held' };
    this.#take({
      body: Buffer.from(body),
      messageId,
      headers: {},
      redelivered,
      deliveryCount: 0,
      acknowledge: () => {
        if (this.ended !== null) return false;
        given.fate = 'acknowledged';
        return true;
      },
      giveBack: () => void (given.fate = 'given back'),
    });
    return given;
  }
}

async function start(t: TestContext) {
  const clock = new ManualClock();
  const requests: InjectRequest[] = [];
  const forgotten: string[] = [];
  const state = { answer: TAKEN as InjectAnswer | Promise<InjectAnswer>, room: true };
  let begin: (link: BrokerLink) => void = () => undefined;
  const session = {
    onLink: (user: (link: BrokerLink) => void) => (begin = user),
    renewFor: () => undefined,
  };
  const outbox = new Outbox({
    queue: 'outbox',
    deadLetters: 'dead',
    prefetch: 10,
    session: session as unknown as BrokerSession,
    injection: {
      fromJson: async (_body, request) => {
        requests.push(request);
        return state.answer;
      },
      forgetKeys: async (keys) => void forgotten.push(...keys),
    },
    hasRoom: () => state.room,
    clock,
    log: pino({ level: 'silent' }),
  });
  const connect = async (): Promise<FakeLink> => {
    const link = new FakeLink();
    begin(link as unknown as BrokerLink);
    await turn();
    return link;
  };
  t.after(() => outbox.stop());
  return { outbox, clock, requests, forgotten, state, connect };
}

test('what is durable is acknowledged, and its note goes once the broker has that', async (t) => {
  const { clock, requests, forgotten, connect, outbox } = await start(t);
  const link = await connect();
  const given = link.give('{}', { messageId: 'id' });
  await turn();
  assert.equal(given.fate, 'acknowledged');
  assert.deepEqual([requests[0]?.mayBeRepeat, requests[0]?.single], [false, true]);
  await turn();
  assert.deepEqual(forgotten, []);
  clock.advance(1000);
  await turn();
  assert.deepEqual(forgotten, [requests[0]?.idempotencyKey]);
  assert.equal(outbox.counts.consumed, 1);
});

test('of twins one at a time has a note, and both are taken', async (t) => {
  const { requests, connect } = await start(t);
  const link = await connect();
  const twins = [link.give('{}'), link.give('{}'), link.give('{}', { messageId: 'own' })];
  await turn();
  assert.deepEqual(
    twins.map(({ fate }) => fate),
    Array(3).fill('acknowledged'),
  );
  const keys = requests.map(({ idempotencyKey }) => idempotencyKey);
  assert.deepEqual(
    keys.map((key) => key !== null),
    [true, false, true],
  );
  assert.notEqual(keys[0], keys[2]);
});

test('what is given again over a new link is asked after, once the old one is done with', async (t) => {
  const { requests, state, connect } = await start(t);
  const first = await connect();
  let answer: (answer: InjectAnswer) => void = () => undefined;
  state.answer = new Promise<InjectAnswer>((resolve) => (answer = resolve));
  const given = first.give('{}');
  await turn();
  first.lose();
  const second = await connect();
  assert.equal(second.consumptions, 0, 'the message of before is still on its way');
  answer(TAKEN);
  await turn();
  await turn();
  assert.equal(given.fate, 'held');
  assert.equal(second.consumptions, 1);
  second.give('{}', { redelivered: true });
  await turn();
  assert.equal(requests[1]?.mayBeRepeat, true);
  assert.equal(requests[1]?.idempotencyKey, requests[0]?.idempotencyKey);
});

test('without room messages wait, and after a minute go back until there is some', async (t) => {
  const { clock, state, connect, outbox } = await start(t);
  const link = await connect();
  state.answer = FULL;
  state.room = false;
  const given = [link.give('1'), link.give('2')];
  await turn();
  for (let second = 0; second < 59; second++) {
    clock.advance(1000);
    await turn();
  }
  assert.deepEqual(
    given.map(({ fate }) => fate),
    ['held', 'held'],
  );
  clock.advance(2000);
  await turn();
  await turn();
  assert.deepEqual(
    given.map(({ fate }) => fate),
    ['given back', 'given back'],
  );
  assert.deepEqual([link.stops, link.consumptions], [1, 1]);
  state.room = true;
  state.answer = TAKEN;
  clock.advance(1000);
  await turn();
  await turn();
  assert.equal(link.consumptions, 2);
  assert.equal(outbox.counts.deadLettered, 0);
  const again = link.give('1');
  await turn();
  assert.equal(again.fate, 'acknowledged');
});

test('with room again within a minute nothing goes back', async (t) => {
  const { clock, state, connect } = await start(t);
  const link = await connect();
  state.answer = FULL;
  const given = link.give('1');
  await turn();
  state.answer = TAKEN;
  clock.advance(1000);
  await turn();
  assert.deepEqual([given.fate, link.stops], ['acknowledged', 0]);
});

test('a smarthost that DNS cannot tell holds up its message alone, and is a dead letter at last', async (t) => {
  const { clock, state, connect, requests } = await start(t);
  const link = await connect();
  state.answer = UNRESOLVED;
  const waiting = link.give('1');
  await turn();
  state.answer = TAKEN;
  const other = link.give('2');
  await turn();
  assert.equal(other.fate, 'acknowledged');
  state.answer = UNRESOLVED;
  for (const seconds of [1, 5, 30, 60]) {
    assert.equal(waiting.fate, 'held');
    clock.advance(seconds * 1000);
    await turn();
  }
  await turn();
  assert.equal(waiting.fate, 'acknowledged');
  assert.equal(requests.length, 6);
  const [{ routingKey, headers, body } = {}] = link.published;
  assert.deepEqual([routingKey, body?.toString()], ['dead', '1']);
  assert.match(headers?.['reason'] ?? '', /STEERING_UNRESOLVED/);
});

test('a dead letter that the broker does not take is tried again, and not lost', async (t) => {
  const { clock, state, connect, outbox } = await start(t);
  const link = await connect();
  const publish = link.publish.bind(link);
  let refusals = 2;
  link.publish = (publication) =>
    refusals-- > 0
      ? Promise.reject(new RelayError('BROKER_BLOCKED', 'no', { fault: 'system' }))
      : publish(publication);
  state.answer = INVALID;
  const given = link.give('1');
  for (let second = 0; second < 2; second++) {
    await turn();
    assert.equal(given.fate, 'held');
    clock.advance(1000);
  }
  await turn();
  await turn();
  assert.deepEqual([given.fate, outbox.counts.deadLettered], ['acknowledged', 1]);
});
