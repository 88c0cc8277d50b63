import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { loadConfig, type Config } from '../../src/config/load.js';
import type { ConfigKey } from '../../src/config/schema.js';
import type { NodeSettings } from '../../src/node-settings.js';
import { loadNodeSettings } from '../../src/topology/node-settings.js';
import type { LoadWarning } from '../../src/topology/prepare-node.js';

/** A folder that is gone after the test, with these files in it. */
export function folderWith(t: TestContext, files: Record<string, string | Buffer>): string {
  const folder = mkdtempSync(join(tmpdir(), 'relaymesh-config-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  for (const [name, content] of Object.entries(files)) {
    writeFileSync(join(folder, name), content, { mode: 0o600 });
  }
  return folder;
}

export interface Given {
  /** Content of the topology; its node is `edge`. */
  topology?: string;
  /** Content of the `--config` file. */
  config?: string;
  environment?: Record<string, string>;
  argv?: Partial<Record<ConfigKey, string>>;
  /** Further files beside them. */
  files?: Record<string, string>;
}

export interface Loaded {
  settings: NodeSettings;
  config: Config;
  warnings: LoadWarning[];
  folder: string;
}

/** Loads a node as `relaymesh node` does. */
export async function loadNode(t: TestContext, given: Given): Promise<Loaded> {
  const { topology, config, environment = {}, argv = {}, files = {} } = given;
  const folder = folderWith(t, {
    ...files,
    ...(topology === undefined ? {} : { 'mesh.yaml': topology }),
    ...(config === undefined ? {} : { 'node.conf': config }),
  });
  const loaded = await loadConfig({
    ...(config === undefined ? {} : { file: join(folder, 'node.conf') }),
    environment,
    argv,
  });
  const warnings: LoadWarning[] = [];
  const settings = await loadNodeSettings({
    ...(topology === undefined ? {} : { file: join(folder, 'mesh.yaml'), node: 'edge' }),
    dataDir: join(folder, 'data'),
    config: loaded,
    env: environment,
    onWarning: (warning) => warnings.push(warning),
  });
  return { settings, config: loaded, warnings, folder };
}

/** The next hop of all mail, where that is a single one. */
export function smarthostOf({ route: { fallback } }: NodeSettings) {
  if (fallback.kind !== 'hop') throw new Error(`the fallback is ${fallback.kind}`);
  return fallback.hop.nextHop;
}

/** Username and password of a login, revealed. */
export function loginOf(hop: { login?: unknown } | null): string | null {
  const login = hop?.login as
    | { username: string; password?: { reveal(): string } | null }
    | undefined;
  return login === undefined ? null : `${login.username}/${login.password?.reveal() ?? '-'}`;
}
