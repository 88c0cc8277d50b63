import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Hono } from 'hono';
import { acceptedType } from '../../src/api/accept.js';

const TYPES = ['application/json', 'text/plain', 'application/xml'] as const;

/** What is chosen for an `Accept` header; null: none of the types. */
async function chosenFor(accept: string | undefined): Promise<string | null> {
  const app = new Hono();
  app.get('/', (context) => context.json({ type: acceptedType(context, TYPES) }));
  const answer = await app.request('/', { headers: accept === undefined ? {} : { accept } });
  return ((await answer.json()) as { type: string | null }).type;
}

const CHOICES: ReadonlyArray<[accept: string | undefined, chosen: string | null]> = [
  // No preference: the first one.
  [undefined, 'application/json'],
  ['', 'application/json'],
  [',', 'application/json'],
  ['*/*', 'application/json'],
  ['application/*', 'application/json'],
  ['text/*', 'text/plain'],
  ['text/html', null],
  ['text/html, */*;q=0.1', 'application/json'],
  ['TEXT/Plain', 'text/plain'],
  ['text/plain, application/json', 'application/json'],
  ['text/plain;q=0.9, application/json;q=0.8', 'text/plain'],
  ['text/plain;q=0.5, */*;q=0.9', 'application/json'],
  ['application/json;q=0.2, application/*;q=0.8', 'application/xml'],
  ['text/plain;q=0.2, text/*;q=0.9, */*;q=0.1', 'text/plain'],
  // Taken out by its own range, whatever a wildcard says.
  ['application/json;q=0, */*', 'text/plain'],
  ['*/*, application/json;q=0, text/plain;q=0.0', 'application/xml'],
  ['application/*;q=0, */*;q=0.1', 'text/plain'],
  ['text/plain;q=0', null],
  ['*/*;q=0', null],
  ['application/json; charset=utf-8', 'application/json'],
  ['text/plain;format=flowed;q=0.3, application/xml;q=0.2', 'text/plain'],
  ['text/plain;format=flowed;q=0, text/plain', 'text/plain'],
  ['text/plain ; q=1 , application/json ; q=0.999', 'text/plain'],
  ['json', null],
  ['text/', null],
  ['text/plain-not', null],
  ['x/y;text/plain', null],
];

for (const [accept, chosen] of CHOICES) {
  test(`Accept ${accept ?? 'not given'}: ${chosen ?? 'nothing'}`, async () => {
    assert.equal(await chosenFor(accept), chosen);
  });
}
