import assert from 'node:assert/strict';
import { createHash, randomInt } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';

const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/** A password that stands nowhere by chance; a part of it is written differently in URLs. */
export function canary(): string {
  const letters = Array.from({ length: 24 }, () => LETTERS[randomInt(LETTERS.length)]).join('');
  return `${letters.slice(0, 12)}+/${letters.slice(12)}`;
}

/** Fails when a secret stands in a text, in any form in which it could get there. */
export function assertUnseen(secret: string, text: string | Buffer, where: string): void {
  const bytes = typeof text === 'string' ? text : text.toString('latin1');
  const seen = [...formsOf(secret)].filter(([, form]) => bytes.includes(form));
  assert.deepEqual(
    seen.map(([form]) => form),
    [],
    `the secret stands in ${where}`,
  );
}

/** Everything in the files of a folder, in no order. */
export async function filesIn(folder: string): Promise<{ file: string; bytes: Buffer }[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => path.join(parentPath, name));
  return Promise.all(files.map(async (file) => ({ file, bytes: await readFile(file) })));
}

/**
 * Raw, base64 wherever it begins, AUTH PLAIN being one of these, hex, URL-encoded, as escapes, in
 * wide characters, and as the digest that a table would turn back. Each as one byte a character.
 */
export function formsOf(secret: string): Map<string, string> {
  const bytes = Buffer.from(secret);
  const every = [...bytes].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('');
  const escapes = [...bytes].map((byte) => `\\u${byte.toString(16).padStart(4, '0')}`).join('');
  return new Map([
    ['raw', secret],
    ...[0, 1, 2].map((offset): [string, string] => [
      `base64 at offset ${offset}`,
      base64At(bytes, offset),
    ]),
    ...[0, 1, 2].map((offset): [string, string] => [
      `base64url at offset ${offset}`,
      base64At(bytes, offset).replaceAll('+', '-').replaceAll('/', '_'),
    ]),
    ['hex', bytes.toString('hex')],
    ['hex, upper case', bytes.toString('hex').toUpperCase()],
    ['URL', encodeURIComponent(secret)],
    ['URL, all of it', every],
    ['URL, all of it, upper case', every.toUpperCase()],
    ['UTF-16', Buffer.from(secret, 'utf16le').toString('latin1')],
    ['UTF-16, big end first', Buffer.from(secret, 'utf16le').swap16().toString('latin1')],
    ['JSON escapes', escapes],
    ['reversed', secret.split('').toReversed().join('')],
    ['SHA-256', createHash('sha256').update(secret).digest('hex')],
  ]);
}

/** The characters of base64 that do not depend on what stands before and behind. */
function base64At(bytes: Buffer, offset: number): string {
  const encoded = Buffer.concat([Buffer.alloc(offset), bytes]).toString('base64');
  const begin = Math.ceil((offset * 8) / 6);
  const end = Math.floor(((offset + bytes.length) * 8) / 6);
  return encoded.slice(begin, end);
}
