import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { resolve } from 'node:path';
import { codeOf, RelayError } from '../base/errors.js';
import { Secret } from '../base/secret.js';
import { entryOf } from './hop-plan.js';
import type { Allotment, SecretEntry } from './schema.js';

export interface SecretSources {
  /** Folder that file names are relative to: that of the topology. */
  baseDir: string;
  env: Readonly<Record<string, string | undefined>>;
  /** Values that `topology up` made for `generate: true`. */
  allotment: Allotment | undefined;
  /** Position of the secret, for an error. */
  where: string;
}

/** Longer than any password; a larger file is some other file. */
const MAX_SECRET_FILE_BYTES = 65_536;

/**
 * Fetches the value of one secret from where the topology says it is. Of a file it is the first
 * line, without its line end. The value appears in no error.
 *
 * @throws RelayError SECRET_NOT_SET, SECRET_FILE_UNREADABLE, SECRET_EMPTY or SECRET_NOT_GENERATED.
 */
export function resolveSecret(name: string, entry: SecretEntry, sources: SecretSources): Secret {
  if ('env' in entry) return fromEnvironment(name, entry.env, sources);
  if ('file' in entry) return fromFile(name, entry.file, sources);
  const value = entryOf(sources.allotment?.secrets ?? {}, name);
  if (value === undefined || value === '') {
    throw new RelayError('SECRET_NOT_GENERATED', `secret '${name}' has not been generated`, {
      fault: 'operator',
      where: sources.where,
      hint: 'start the node through `relaymesh topology up`, or give the secret an `env` or a `file`',
    });
  }
  return new Secret(value);
}

function fromEnvironment(name: string, variable: string, sources: SecretSources): Secret {
  const value = entryOf(sources.env, variable);
  if (value === undefined) {
    throw new RelayError(
      'SECRET_NOT_SET',
      `secret '${name}': the environment variable ${variable} is not set`,
      { fault: 'operator', where: sources.where, hint: `set and export ${variable}` },
    );
  }
  if (value === '') throw empty(name, `the environment variable ${variable}`, sources.where);
  return new Secret(value);
}

function fromFile(name: string, file: string, sources: SecretSources): Secret {
  const path = resolve(sources.baseDir, file);
  let text: string;
  try {
    text = readRegularFile(path);
  } catch (cause) {
    throw new RelayError(
      'SECRET_FILE_UNREADABLE',
      `secret '${name}': the file ${path} cannot be read (${codeOf(cause)})`,
      {
        fault: 'operator',
        where: sources.where,
        hint: 'put the value into the first line of that file, readable for the user of the node',
        cause,
      },
    );
  }
  const value = text.split(/\r?\n/, 1)[0] ?? '';
  if (value === '') throw empty(name, `the first line of ${path}`, sources.where);
  return new Secret(value);
}

function readRegularFile(path: string): string {
  const descriptor = openSync(path, 'r');
  try {
    if (!fstatSync(descriptor).isFile()) {
      throw Object.assign(new Error('not a regular file'), { code: 'not a regular file' });
    }
    const buffer = Buffer.alloc(MAX_SECRET_FILE_BYTES);
    let length = 0;
    for (;;) {
      const read = readSync(descriptor, buffer, length, buffer.length - length, null);
      length += read;
      if (read === 0) break;
      if (length === buffer.length) {
        throw Object.assign(new Error('too large'), { code: 'larger than 64 KiB' });
      }
    }
    return buffer.toString('utf8', 0, length);
  } finally {
    closeSync(descriptor);
  }
}

function empty(name: string, source: string, where: string): RelayError {
  return new RelayError('SECRET_EMPTY', `secret '${name}': ${source} is empty`, {
    fault: 'operator',
    where,
    hint: 'an empty password is never used; put the value there',
  });
}
