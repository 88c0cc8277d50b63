import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Ending } from '../scenario/at-end.js';
import { freePort } from '../scenario/programs.js';
import type { Contender, Running, StartOptions } from './contender.js';
import { startRelaymesh } from './relaymesh-node.js';
import { LOGIN } from './traffic.js';

/*
 * Nodes of a topology: chains of them, and one whose queue holds mail for a hop that is down.
 */

/** Room for a million messages and what comes on top. */
export const BACKLOG_OPTIONS = ['max-queue-messages=2000000'];

/**
 * Several nodes in a row. Each logs in at the next over TLS with a verified certificate, as the
 * ready topologies have it; source and sink are spoken to in clear.
 */
export function chainOf(length: number, nodeOptions: readonly string[], name: string): Contender {
  return {
    name,
    description: 'links with TLS and login',
    start: (owner, options) => startChain(owner, options, length, nodeOptions),
  };
}

async function startChain(
  owner: Ending,
  { hopPort, certificate, folder, wrap }: StartOptions,
  length: number,
  nodeOptions: readonly string[],
): Promise<Running> {
  const names = Array.from({ length }, (_, at) => `hop${at + 1}`);
  const ports: number[] = [];
  for (const { length: count } of [names, names]) {
    for (let at = 0; at < count; at++) ports.push(await freePort());
  }
  for (const [name, text] of Object.entries(certificate)) {
    await writeFile(path.join(folder, `${name}.pem`), String(text), { mode: 0o600 });
  }
  await writeFile(path.join(folder, 'password'), LOGIN.password, { mode: 0o600 });
  const file = path.join(folder, 'chain.yaml');
  await writeFile(file, chainText(names, ports, hopPort));
  const pids: number[] = [];
  // The last one first, so that no node finds its next hop missing.
  for (const [at, name] of [...names.entries()].toReversed()) {
    const own = path.join(folder, name);
    await mkdir(own);
    const args = ['node', '--topology', file, '--name', name, '--data', path.join(own, 'data')];
    const node = { args, port: ports[at] ?? 0, nodeOptions, folder: own, wrap: wrap ?? [] };
    pids.push(...(await startRelaymesh(owner, node)).pids);
  }
  return { port: ports[0] ?? 0, pids };
}

/** @param ports of SMTP of each node, then of the API of each */
function chainText(names: readonly string[], ports: readonly number[], hopPort: number): string {
  const nodes = names.map((name, at) => {
    const tls = at === 0 ? '' : ', tls: required';
    const open = at === 0 ? 'relay-from: [127.0.0.1/32], ' : '';
    const last = `{ hostname: 127.0.0.1, port: ${hopPort}, tls: none }`;
    const next = names[at + 1] ?? last;
    const api = ports[names.length + at] ?? 0;
    return `  ${name}: { ${open}listen: [{ port: ${ports[at]}${tls} }], api: { port: ${api} }, smarthost: ${next} }\n`;
  });
  const links = names.slice(1).map((to, at) => {
    const from = names[at] ?? '';
    return `  - { from: ${from}, to: ${to}, username: ${from}, password: { secret: link }, tls: verified }\n`;
  });
  const secured = `secrets:\n  link: { file: password }\ntls: { ca: ca.pem, cert: cert.pem, key: key.pem }\nlinks:\n${links.join('')}`;
  return `version: 1\nname: chain\n${links.length === 0 ? '' : secured}nodes:\n${nodes.join('')}`;
}

/** A node with two hops: that of the case, and one for `WAITING_RECIPIENT` that nobody can reach. */
export async function startWithBacklog(
  owner: Ending,
  { folder, hopPort, wrap }: StartOptions,
  dataDir: string,
  nodeOptions: readonly string[],
): Promise<Running> {
  const port = await freePort();
  const file = path.join(folder, 'backlog.yaml');
  // Nobody listens there, and nobody else is given the port in this run.
  const waiting = `{ hostname: 127.0.0.1, port: ${await freePort()}, tls: none }`;
  await writeFile(
    file,
    `version: 1
name: backlog
nodes:
  relay:
    listen: [{ port: ${port} }]
    api: { port: ${await freePort()} }
    relay-from: [127.0.0.1/32]
    routes: [{ recipient: "*@waiting.example", smarthost: ${waiting} }]
    smarthost: { hostname: 127.0.0.1, port: ${hopPort}, tls: none }
`,
  );
  const args = ['node', '--topology', file, '--name', 'relay', '--data', dataDir];
  return startRelaymesh(owner, {
    args,
    port,
    nodeOptions: [...BACKLOG_OPTIONS, ...nodeOptions],
    folder,
    wrap: wrap ?? [],
  });
}
