import { Secret } from '../../src/base/secret.js';
import type { NodeSettings } from '../../src/node-settings.js';
import type { NextHop } from '../../src/send/next-hop.js';
import type { CompileInputs } from '../../src/topology/compile-inputs.js';
import { compileNode } from '../../src/topology/compile.js';
import { allotment, parsed } from './topology-files.js';

/** Secrets have the value `value of NAME`, PEM files the text `pem of FILE`. */
export function inputs(more: Partial<CompileInputs> = {}): CompileInputs & { asked: string[] } {
  const asked: string[] = [];
  return {
    asked,
    dataDir: '/data',
    allotment: allotment(),
    resolveSecret(name) {
      asked.push(name);
      return new Secret(`value of ${name}`);
    },
    resolvePath: (file) => `/etc/mesh/${file}`,
    readPem: (file) => `pem of ${file}`,
    ownApiToken: () => new Secret('own-token'),
    locate: (path) => path.join('.'),
    ...more,
  };
}

export function compile(
  text: string,
  node: string,
  more: Partial<CompileInputs> = {},
): NodeSettings {
  return compileNode(parsed(text).topology, node, inputs(more));
}

/** The next hop of all mail that no route takes. */
export function smarthostOf({ route }: NodeSettings): NextHop {
  if (route.fallback.kind !== 'hop') throw new Error(`the fallback is ${route.fallback.kind}`);
  return route.fallback.hop.nextHop;
}

/** Username and password of a hop. */
export function loginOf({ login }: NextHop): [string, string | undefined] | undefined {
  if (login === undefined) return undefined;
  return [login.username, 'password' in login ? login.password?.reveal() : undefined];
}
