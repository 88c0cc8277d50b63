import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KeyTurns, type Asked } from '../../src/workers/key-turns.js';
import type { KeyQuestion, ToWorker } from '../../src/workers/messages.js';

const QUESTION: KeyQuestion = {
  handedOver: { node: 'up', queueId: 'Q1' },
  recipients: ['a', 'b'],
};

class Worker implements Asked {
  up = true;
  readonly heard: ToWorker[] = [];

  constructor(readonly index: number) {}

  tell(message: ToWorker): void {
    this.heard.push(message);
  }

  /** Numbers of the looks that it was asked for. */
  get looks(): number[] {
    return this.heard.flatMap((message) => (message.type === 'look' ? message.id : []));
  }

  get answers(): unknown[] {
    return this.heard.flatMap((message) => (message.type === 'known' ? [message.known] : []));
  }
}

function three(): { workers: Worker[]; turns: KeyTurns; at: (index: number) => Worker } {
  const workers = [0, 1, 2].map((index) => new Worker(index));
  const at = (index: number): Worker => workers[index] as Worker;
  return { workers, turns: new KeyTurns(() => workers), at };
}

test('all others are asked, and what each has is put together', () => {
  const { turns, at } = three();
  turns.ask(at(0), 7, QUESTION);
  assert.deepEqual(at(0).heard, []);
  turns.looked(at(1).looks[0] as number, [null, 'OWN2']);
  assert.deepEqual(at(0).heard, []);
  turns.looked(at(2).looks[0] as number, ['OWN1', null]);
  assert.deepEqual(at(0).heard, [{ type: 'known', id: 7, known: ['OWN1', 'OWN2'] }]);
  turns.done(at(0), 7);
  assert.equal(turns.size, 0);
});

test('of the same message one has the turn until it is done; of another one nobody waits', () => {
  const { turns, at } = three();
  turns.ask(at(0), 1, QUESTION);
  turns.ask(at(1), 1, QUESTION);
  turns.ask(at(2), 1, { ...QUESTION, handedOver: { node: 'up', queueId: 'Q2' } });
  assert.deepEqual(
    [at(0), at(1), at(2)].map(({ looks }) => looks.length),
    [1, 2, 1],
  );
  for (const worker of [at(1), at(2)]) turns.looked(worker.looks[0] as number, [null, null]);
  assert.deepEqual(at(0).answers, [[null, null]]);
  assert.equal(at(0).looks.length, 1, 'it stores: nobody else has the turn');
  turns.done(at(0), 1);
  assert.equal(at(0).looks.length, 2);
});

test('while one of the others is down or goes, there is no answer but that', () => {
  const { turns, at } = three();
  at(2).up = false;
  turns.ask(at(0), 1, QUESTION);
  assert.deepEqual(at(0).answers, [null]);
  turns.done(at(0), 1);
  at(2).up = true;
  turns.ask(at(0), 2, QUESTION);
  turns.looked(at(1).looks[0] as number, [null, null]);
  turns.gone(at(2));
  assert.deepEqual(at(0).answers, [null, null]);
  turns.looked(at(2).looks[0] as number, [null, null]);
  assert.equal(at(0).answers.length, 2, 'too late');
});

test('one that cannot say is one that cannot be asked', () => {
  const { turns, at } = three();
  turns.ask(at(0), 1, QUESTION);
  turns.looked(at(1).looks[0] as number, null);
  assert.deepEqual(at(0).answers, [null]);
});

test('the turn of a worker that goes is the next one, and nothing of it stays', () => {
  const { turns, at } = three();
  turns.ask(at(0), 1, QUESTION);
  turns.ask(at(1), 1, QUESTION);
  turns.gone(at(0));
  at(0).up = false;
  assert.deepEqual(at(1).answers, []);
  turns.done(at(1), 1);
  assert.equal(turns.size, 0);
});

test('alone it knows already', () => {
  const only = new Worker(0);
  const turns = new KeyTurns(() => [only]);
  turns.ask(only, 1, QUESTION);
  assert.deepEqual(only.answers, [[null, null]]);
});
