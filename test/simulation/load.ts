import type { Chance } from './chance.js';
import type { Layout } from './layout.js';
import { WORLD } from './layout.js';
import type { Message, Recipient } from './ledger.js';

/** Of recipients, the one in ten that makes trouble is enough for a busy world. */
const TEMPERS = { easy: 20, unknown: 2, grey: 2, never: 1, spam: 1 } as const;

const NOTIFY = ['FAILURE', 'NEVER', 'FAILURE,DELAY', 'SUCCESS', 'SUCCESS,FAILURE,DELAY'] as const;

/** What the clients of one run hand in, and when. */
export function drawLoad(chance: Chance, layout: Layout, untilMs: number): Message[] {
  const count = chance.whole(2, 8);
  return Array.from({ length: count }, (_, number) => {
    const isNull = chance.happens(0.07);
    const sender = isNull ? '' : `s${number}${chance.happens(0.05) ? '-gone' : ''}@home.example`;
    const recipients = Array.from(
      { length: chance.happens(0.5) ? 1 : chance.whole(2, 5) },
      (_, at) => drawRecipient(chance, `m${number}r${at}`),
    );
    const isNever = recipients.some(({ temper }) => temper === 'never');
    return {
      number,
      sender,
      recipients,
      bytes: contentOf(
        number,
        chance.happens(0.3) ? chance.whole(450, 1500) : chance.whole(60, 390),
      ),
      entry: chance.pick(layout.entries),
      // In bursts as well as one by one.
      atMs: chance.happens(0.3) ? untilMs / 4 : chance.next() * untilMs,
      ret: chance.pick([null, 'FULL', 'HDRS'] as const),
      // What is never taken has to end some day.
      lifetimeMs: isNever !== chance.happens(0.1) ? chance.whole(60, 7200) * 1000 : null,
      maxAttempts: chance.happens(isNever ? 0.5 : 0.1) ? chance.whole(1, 5) : null,
      delayMs: chance.happens(0.05) ? chance.whole(1, 600) * 1000 : null,
      retryIntervalsSeconds: chance.happens(0.05) ? [5, 30, 120] : null,
      insistent: chance.happens(0.15),
      acknowledged: false,
      mayRepeat: new Set(),
    };
  });
}

function drawRecipient(chance: Chance, name: string): Recipient {
  return {
    address: `${name}@${WORLD}.example`,
    notify: chance.happens(0.75) ? null : chance.pick(NOTIFY),
    temper: chance.weighted(TEMPERS),
  };
}

/** Starts with its number, so that whoever receives it knows which one it is. */
function contentOf(number: number, sizeBytes: number): Buffer {
  const header = `X-Simulation: ${number}\r\nMessage-ID: <m${number}@home.example>\r\n\r\n`;
  const filler = `${String.fromCharCode(97 + (number % 26)).repeat(60)}\r\n`;
  return Buffer.from(header + filler.repeat(Math.ceil(sizeBytes / filler.length))).subarray(
    0,
    Math.max(sizeBytes, header.length),
  );
}
