import { readFileSync } from 'node:fs';

/** The version of relaymesh, as its package says it. */
export const VERSION = versionOf(new URL('../../../package.json', import.meta.url));

function versionOf(manifest: URL): string {
  return (JSON.parse(readFileSync(manifest, 'utf8')) as { version: string }).version;
}
