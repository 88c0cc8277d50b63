import type { TestContext } from 'node:test';
import { Secret } from '../../src/base/secret.js';
import type { SteerTarget } from '../../src/policy/settings.js';
import type { Item } from '../../src/queue/item.js';
import { Dialogue } from './dialogue.js';
import {
  APP_PASSWORD,
  authPlain,
  contentOf,
  POLICY,
  runIntake,
  type IntakeOptions,
  type RunningIntake,
} from './running-intake.js';

/** Where `app` may steer, and with it the API, unless a test says otherwise. */
export const STEER_TO: readonly SteerTarget[] = [
  { kind: 'name', name: 'core', endpoints: [{ host: '10.1.1.1', port: 2525 }] },
  { kind: 'host', host: 'esp.example', port: 587 },
  { kind: 'host', host: 'esp.example', port: 25 },
  { kind: 'host', host: 'inside.example', port: 25 },
  { kind: 'host', host: '198.51.100.9', port: 25 },
];

export const DNS = { 'esp.example': ['198.51.100.1'], 'inside.example': ['127.0.0.1'] };

export interface SteeringIntake extends RunningIntake {
  /** A session of `app`, who may steer. */
  app: Dialogue;
  /** A session of somebody who did not log in, but may relay. */
  stranger: Dialogue;
  /** The item that was stored last. */
  last: () => Item;
  /** Messages that were stored, and bodies that were left behind. */
  stored: () => [messages: number, leftBehind: number];
  /** Its content without our own lines. */
  lastContent: () => string;
}

export async function runSteering(
  t: TestContext,
  options: IntakeOptions & { steerTo?: readonly SteerTarget[] } = {},
): Promise<SteeringIntake> {
  const steerTo = options.steerTo ?? STEER_TO;
  const app = { username: 'app', password: new Secret(APP_PASSWORD) };
  const running = await runIntake(t, {
    dns: DNS,
    ...options,
    policy: {
      users: [{ ...app, may: ['relay', 'steer'], steerTo }, ...POLICY.users.slice(1)],
      apiSteerTo: steerTo,
      ...options.policy,
    },
  });
  const session = await Dialogue.open(running.port, 'starttls');
  await session.ask(authPlain('app', APP_PASSWORD));
  const taken = (): RunningIntake['spool']['taken'][number] => {
    const message = running.spool.taken.at(-1);
    if (message === undefined) throw new Error('nothing was stored');
    return message;
  };
  return {
    ...running,
    app: session,
    stranger: await Dialogue.open(running.port),
    stored: () => {
      const { taken: messages, openBodies, looseBodies } = running.spool;
      return [messages.length, openBodies.size + looseBodies.size];
    },
    last: () => taken().item,
    lastContent: () => contentOf(taken()),
  };
}

/** A message whose header says these things to its relay. */
export function steered(...fields: string[]): string {
  return `A: 1\r\n${fields.map((field) => `${field}\r\n`).join('')}B: 2\r\n\r\nbody`;
}

/** What is left of it. */
export const PLAIN = 'A: 1\r\nB: 2\r\n\r\nbody\r\n';
