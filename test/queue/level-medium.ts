import assert from 'node:assert/strict';
import { readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { ClassicLevel } from 'classic-level';
import { bytesOf, type Damage, type SpoolMedium } from './spool-medium.js';

/** Changes stored values behind the spool's back; it has to be closed. */
export async function changeStored(
  folder: string,
  key: string,
  change: (value: Buffer) => Buffer,
): Promise<void> {
  const level = new ClassicLevel<string, Buffer>(`${folder}/store`, { valueEncoding: 'buffer' });
  await level.open();
  const value = await level.get(key);
  assert.ok(value !== undefined, `no ${key}`);
  await level.put(key, change(value));
  await level.close();
}

export const DAMAGES: Record<Damage, (value: Buffer) => Buffer> = {
  flip: (value) => {
    const middle = value.length >> 1;
    value[middle] = (value[middle] as number) ^ 1;
    return value;
  },
  cut: (value) => value.subarray(0, -1),
  extend: (value) => Buffer.concat([value, Buffer.from('\r\n')]),
};

/** What happens to the body files of a spool, in its folder. */
export function bodyFilesIn(
  folder: string,
): Pick<
  SpoolMedium,
  'bodyFiles' | 'strayBodyFile' | 'shortenBodyFile' | 'removeBodyFile' | 'flipBodyFile'
> {
  const bodies = `${folder}/bodies`;
  return {
    bodyFiles: () => readdir(bodies),
    strayBodyFile: (id) => writeFile(`${bodies}/${id}`, bytesOf(10)),
    shortenBodyFile: (id) => truncate(`${bodies}/${id}`, 4999),
    removeBodyFile: (id) => rm(`${bodies}/${id}`),
    flipBodyFile: async (id) => {
      const bytes = await readFile(`${bodies}/${id}`);
      bytes[2500] = (bytes[2500] as number) ^ 1;
      await writeFile(`${bodies}/${id}`, bytes);
    },
  };
}
