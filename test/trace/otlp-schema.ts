import assert from 'node:assert/strict';
import root from '@opentelemetry/otlp-transformer/build/src/generated/root.js';

/*
 * The published protobuf schema of OTLP, as the OpenTelemetry project generates it for JavaScript.
 * Its readers are lenient: they pass over what they do not know and turn numbers into text. So
 * what they understood is written back and has to be what was given, to the letter.
 */

type Fields = Record<string, unknown>;

/** The part of the generated class that is used here. */
interface MessageType {
  fromObject: (object: Fields) => object;
  /** What is wrong, or null. */
  verify: (message: object) => string | null;
  encode: (message: object) => { finish: () => Uint8Array };
  decode: (bytes: Uint8Array) => object;
  toObject: (message: object, options: Fields) => Fields;
}

const { opentelemetry } = root as unknown as {
  opentelemetry: {
    proto: { collector: { trace: { v1: { ExportTraceServiceRequest: MessageType } } } };
  };
};
const Request = opentelemetry.proto.collector.trace.v1.ExportTraceServiceRequest;

/** Digits of the fields that are bytes; the JSON mapping of OTLP writes them as lower-case hex. */
const ID_DIGITS: Readonly<Record<string, number>> = { traceId: 32, spanId: 16, parentSpanId: 16 };

/** Throws unless the JSON is an `ExportTraceServiceRequest` and nothing else. */
export function assertIsTraceRequest(json: unknown): void {
  const given = JSON.parse(JSON.stringify(json)) as Fields;
  const message = Request.fromObject(withIds(given, toBytes) as Fields);
  assert.equal(Request.verify(message), null);
  const read = Request.decode(Request.encode(message).finish());
  const understood = Request.toObject(read, { longs: String, bytes: Array });
  const back = withIds(understood, (bytes) => Buffer.from(bytes as number[]).toString('hex'));
  assert.deepEqual(JSON.parse(JSON.stringify(back)), given);
}

function withIds(value: unknown, change: (id: unknown, key: string) => unknown): unknown {
  if (Array.isArray(value)) return value.map((entry) => withIds(entry, change));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, entry]) => [
      key,
      ID_DIGITS[key] === undefined ? withIds(entry, change) : change(entry, key),
    ]),
  );
}

function toBytes(id: unknown, key: string): Buffer {
  assert.match(String(id), new RegExp(`^[0-9a-f]{${ID_DIGITS[key]}}$`), key);
  return Buffer.from(String(id), 'hex');
}
