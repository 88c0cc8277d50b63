import { createServer } from 'node:net';
import { codeOf } from '../base/errors.js';
import { RunnerError } from './runner/runner-error.js';

/*
 * Ports for `port: auto`. They are taken from below the range from which a system picks the local
 * ports of outgoing connections (Linux: 32768 and up, macOS and BSD: 49152 and up). A port from
 * inside that range can be taken, while its node is down, by any connection that happens to leave
 * the machine; a node that is restarted could then not listen where its peers look for it.
 */
const LOWEST = 15_000;
const HIGHEST = 32_767;
const TRIES = 200;

/**
 * Tries to listen on `host:port` and lets go again.
 *
 * @returns null when it could, else the system's code, such as `EADDRINUSE`.
 */
export function portProblem(host: string, port: number): Promise<string | null> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error) => resolve(codeOf(error)));
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(null)));
  });
}

/** What a code of `portProblem` means to a person. */
export function describePortProblem(code: string): string {
  switch (code) {
    case 'EADDRINUSE':
      return 'is in use by another process';
    case 'EACCES':
      return 'may not be opened by this user';
    case 'EADDRNOTAVAIL':
      return 'is not an address of this machine';
    case 'ENOTFOUND':
      return 'has a host name that does not resolve';
    default:
      return `cannot be opened (${code})`;
  }
}

/** Gives out free ports; one allotter never gives the same port twice, whatever the host. */
export class PortAllotter {
  readonly #taken: Set<number>;
  readonly #random: () => number;

  /** @param taken Ports that are spoken for, such as those that the topology names. */
  constructor(taken: Iterable<number> = [], random: () => number = Math.random) {
    this.#taken = new Set(taken);
    this.#random = random;
  }

  /** Marks a port as spoken for. False when it already was. */
  claim(port: number): boolean {
    if (this.#taken.has(port)) return false;
    this.#taken.add(port);
    return true;
  }

  /**
   * A port on which `host` can listen now. Nothing holds it until its user listens there, so that
   * the user must still be ready to find it taken.
   *
   * @param preferred Given back if it is free; for ports of an earlier run.
   * @throws RunnerError NO_FREE_PORT when `host` is no address of this machine, or all is taken.
   */
  async allot(host: string, preferred?: number): Promise<number> {
    if (preferred !== undefined && this.claim(preferred)) {
      if ((await portProblem(host, preferred)) === null) return preferred;
    }
    let problem = 'EADDRINUSE';
    for (let attempt = 0; attempt < TRIES; attempt++) {
      const port = LOWEST + Math.floor(this.#random() * (HIGHEST - LOWEST + 1));
      if (!this.claim(port)) continue;
      problem = (await portProblem(host, port)) ?? '';
      if (problem === '') return port;
      if (problem !== 'EADDRINUSE' && problem !== 'EACCES') break;
    }
    throw new RunnerError(
      'NO_FREE_PORT',
      `no port to listen on: ${host} ${describePortProblem(problem)}`,
      3,
      {
        fault: 'operator',
        hint: 'Give `host` an address of this machine, or `port` a number.',
      },
    );
  }
}
