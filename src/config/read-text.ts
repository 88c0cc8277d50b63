import { isUtf8 } from 'node:buffer';
import { open } from 'node:fs/promises';
import { codeOf } from '../base/errors.js';

/** Of a config file and of what it names. */
export const MAX_TEXT_BYTES = 1_048_576;

export type ReadText =
  | { text: string; readableByOthers: boolean }
  | { ruleId: 'file-too-large' | 'not-utf8' | 'unreadable-file'; problem: string };

/** Reads a text file of at most 1 MiB, without its byte order mark. Never rejects. */
export async function readText(path: string): Promise<ReadText> {
  try {
    const handle = await open(path, 'r');
    try {
      const status = await handle.stat();
      if (status.isDirectory()) return unreadable('it is a folder');
      const buffer = Buffer.alloc(MAX_TEXT_BYTES + 1);
      let length = 0;
      while (length < buffer.length) {
        const { bytesRead } = await handle.read(buffer, length, buffer.length - length);
        if (bytesRead === 0) break;
        length += bytesRead;
      }
      if (length > MAX_TEXT_BYTES) {
        return { ruleId: 'file-too-large', problem: 'it is larger than 1 MiB' };
      }
      const bytes = buffer.subarray(0, length);
      if (!isUtf8(bytes)) return { ruleId: 'not-utf8', problem: 'it is not UTF-8 text' };
      const text = bytes.toString('utf8').replace(/^\uFEFF/, '');
      return { text, readableByOthers: (status.mode & 0o004) !== 0 };
    } finally {
      await handle.close();
    }
  } catch (error) {
    return unreadable(codeOf(error) === 'ENOENT' ? 'there is no such file' : codeOf(error));
  }
}

function unreadable(problem: string): ReadText {
  return { ruleId: 'unreadable-file', problem };
}
