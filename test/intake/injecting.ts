import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import type { InjectAnswer, InjectRequest } from '../../src/intake/injection.js';
import { PLAIN, runSteering, type SteeringIntake } from './steering-client.js';

export const CLIENT = { clientAddress: '192.0.2.9', idempotencyKey: null };
export const MESSAGE = { envelope: 'a@x.test', recipient: 'b@y.test', mime: PLAIN };

export interface Injecting extends SteeringIntake {
  json: (value: unknown, request?: Partial<InjectRequest>) => Promise<InjectAnswer>;
  stream: (
    chunks: Array<string | Error>,
    request?: Partial<InjectRequest>,
  ) => Promise<InjectAnswer>;
}

export async function runInjecting(
  t: TestContext,
  options: Parameters<typeof runSteering>[1] = {},
): Promise<Injecting> {
  const running = await runSteering(t, options);
  const { injection } = running;
  return {
    ...running,
    json: (value, request = {}) =>
      injection.fromJson(Buffer.from(JSON.stringify(value)), { ...CLIENT, ...request }),
    stream: (chunks, request = {}) =>
      injection.fromStream(
        contentOfChunks(chunks),
        { sender: 'a@x.test', recipients: ['b@y.test'] },
        { ...CLIENT, ...request },
      ),
  };
}

export async function* contentOfChunks(chunks: Array<string | Error>): AsyncGenerator<Buffer> {
  for (const chunk of chunks) {
    if (chunk instanceof Error) throw chunk;
    yield Buffer.from(chunk, 'latin1');
  }
}

/** The entries of an answer; fails when the request was refused. */
export function messages(answer: InjectAnswer) {
  assert.ok('messages' in answer, JSON.stringify(answer));
  return answer.messages;
}

/** Status, code and the paths of the faults. */
export function refusal(answer: InjectAnswer): [status: number, code: string, ...paths: string[]] {
  assert.ok('refusal' in answer, 'it was taken');
  const { status, code, faults = [] } = answer.refusal;
  return [status, code, ...faults.map(({ path }) => path)];
}
