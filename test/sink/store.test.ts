import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SinkMessage } from '../../src/sink/message.js';
import { MessageStore } from '../../src/sink/store.js';

function message(id: string, recipients = ['a@x.example']): SinkMessage {
  return {
    id,
    received_at: '2026-01-01T00:00:00.000Z',
    sender: '',
    recipients,
    size_bytes: 10,
    sha256: '',
    body_sha256: '',
    user: null,
    tls: null,
    message_id: null,
    header_names: [],
  };
}

function idsOf(store: MessageStore, limit = 100): string[] {
  return store.list({ limit }).messages.map(({ id }) => id);
}

function wanted({ id }: SinkMessage): boolean {
  return id === '4' || id === '3';
}

test('the newest message comes first and the oldest leaves first', () => {
  const evicted: string[] = [];
  const store = new MessageStore({ maxMessages: 3, maxStoredRecipients: 100 }, (id) =>
    evicted.push(id),
  );
  for (const id of ['1', '2', '3', '4', '5']) store.add(message(id));
  assert.deepEqual(idsOf(store), ['5', '4', '3']);
  assert.deepEqual(evicted, ['1', '2']);
  assert.equal(store.get('1'), undefined);
  assert.equal(store.get('5')?.id, '5');
  assert.deepEqual(store.stats(), { accepted: 5, lost: 0, refused: 0, bytes: 50, connections: 0 });
});

test('long recipient lists make old messages leave earlier', () => {
  const store = new MessageStore({ maxMessages: 10, maxStoredRecipients: 5 });
  store.add(message('1', ['a', 'b']));
  store.add(message('2', ['a', 'b']));
  store.add(message('3', ['a', 'b']));
  assert.deepEqual(idsOf(store), ['3', '2']);
  store.add(message('4', ['a', 'b', 'c', 'd', 'e', 'f']));
  assert.deepEqual(idsOf(store), ['4'], 'the last one always stays');
});

test('pages neither repeat nor skip a message while others arrive', () => {
  const store = new MessageStore({ maxMessages: 10, maxStoredRecipients: 100 });
  for (const id of ['1', '2', '3', '4']) store.add(message(id));
  const first = store.list({ limit: 2 });
  assert.deepEqual(
    first.messages.map(({ id }) => id),
    ['4', '3'],
  );
  store.add(message('5'));
  const second = store.list({ limit: 2, cursor: first.next_cursor as string });
  assert.deepEqual(
    second.messages.map(({ id }) => id),
    ['2', '1'],
  );
  assert.equal(second.next_cursor, null);
});

test('a page says there is more only when another message is wanted', () => {
  const store = new MessageStore({ maxMessages: 10, maxStoredRecipients: 100 });
  for (const id of ['1', '2', '3', '4']) store.add(message(id));
  assert.equal(store.list({ limit: 2, wanted }).next_cursor, null);
  const page = store.list({ limit: 1, wanted });
  assert.notEqual(page.next_cursor, null);
  const rest = store.list({ limit: 1, wanted, cursor: page.next_cursor as string });
  assert.deepEqual(
    rest.messages.map(({ id }) => id),
    ['3'],
  );
});

test('a cleared store is empty, counts from zero and goes on', () => {
  const store = new MessageStore({ maxMessages: 3, maxStoredRecipients: 100 });
  for (const id of ['1', '2', '3', '4']) store.add(message(id));
  store.countRefused();
  store.countConnection();
  store.clear();
  assert.deepEqual(idsOf(store), []);
  assert.deepEqual(store.stats(), { accepted: 0, lost: 0, refused: 0, bytes: 0, connections: 0 });
  for (const id of ['5', '6', '7', '8']) store.add(message(id));
  assert.deepEqual(idsOf(store), ['8', '7', '6']);
});
