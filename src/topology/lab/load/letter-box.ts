import { parseHostPort } from '../../host-address.js';
import type { SendEntry } from '../../schema-tests.js';
import { sizeRangeBytes, type Range } from '../units.js';
import { RelayError } from '../../../base/errors.js';
import { generateLetter } from './content.js';
import type { Letter } from './door.js';
import { withMessageId } from './eml.js';

const DEFAULT_SIZE = '2kB';
const MAX_SIZE_BYTES = 64 * 1024 * 1024;

export interface LetterBoxOptions {
  entry: SendEntry;
  testName: string;
  seed: number;
  /** Number of the first message, over all steps. */
  firstNumber: number;
  messageIdOf: (number: number) => string;
  /** What the step sends instead of generated mail, in turn; empty: generated. */
  files: readonly Buffer[];
}

/** A message of a step, ready to be handed in. */
export interface NumberedLetter extends Letter {
  number: number;
  recipients: string[];
}

/** Makes the messages of one step, each when it is its turn, so that few are in memory at a time. */
export class LetterBox {
  readonly #options: LetterBoxOptions;
  readonly #size: Range;
  readonly #steering: Buffer;

  /** @throws RelayError LAB_VALUE_INVALID for a size that is none, or too large. */
  constructor(options: LetterBoxOptions) {
    const { size = DEFAULT_SIZE, smarthost } = options.entry;
    this.#options = options;
    this.#size = sizeRangeBytes(size);
    if (this.#size.max > MAX_SIZE_BYTES)
      throw invalid(size, `is more than ${MAX_SIZE_BYTES} bytes`);
    this.#steering = Buffer.from(smarthost === undefined ? '' : steeringHeader(smarthost));
  }

  /** Who and what the message at `index` (from 0) is, without its content. */
  envelope(index: number): Omit<NumberedLetter, 'message'> {
    const { entry, firstNumber, messageIdOf } = this.#options;
    // People number the messages of a step from 1; the number over all steps is for us.
    const numbered = (address: string): string => address.replaceAll('{n}', String(index + 1));
    const number = firstNumber + index;
    return {
      number,
      messageId: messageIdOf(number),
      sender: entry.from === '<>' ? '' : numbered(entry.from),
      recipients: [entry.to].flat().map(numbered),
    };
  }

  letter(index: number, dateMs: number): NumberedLetter {
    const { testName, seed, files } = this.#options;
    const envelope = this.envelope(index);
    const file = files[index % Math.max(1, files.length)];
    const steering = this.#steering;
    const message =
      file === undefined
        ? generateLetter({
            ...envelope,
            seed,
            testName,
            dateMs,
            sizeBytes: {
              min: Math.max(0, this.#size.min - steering.length),
              max: Math.max(0, this.#size.max - steering.length),
            },
          })
        : withMessageId(file, envelope.messageId);
    return { ...envelope, message: Buffer.concat([steering, message]) };
  }
}

/** SMARTHOST: one message, MIME headers. The node judges whether the client may say this. */
function steeringHeader(smarthost: string): string {
  const parsed = parseHostPort(smarthost);
  if (parsed === undefined) throw invalid(smarthost, 'is no host, `host:port` or name');
  const { host, port } = parsed;
  const portField = port === undefined ? '' : `X-MQ-Smarthost-Port: ${port}\r\n`;
  return `X-MQ-Smarthost-Hostname: ${host}\r\n${portField}`;
}

function invalid(value: string, why: string): RelayError {
  return new RelayError('LAB_VALUE_INVALID', `'${value}' ${why}`, { fault: 'operator' });
}
