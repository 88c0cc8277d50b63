/**
 * A message as it is at the broker: version (1), length of its record (4), the record, and behind it
 * the stored states of its recipients, where they differ from those of the record. Both parts carry
 * checksums of their own.
 */
const VERSION = 1;
const PREFIX_BYTES = 5;

export interface SharedMessage {
  record: Buffer;
  progress: Buffer | undefined;
}

export function packMessage({ record, progress }: SharedMessage): Buffer {
  const prefix = Buffer.allocUnsafe(PREFIX_BYTES);
  prefix[0] = VERSION;
  prefix.writeUInt32BE(record.length, 1);
  return Buffer.concat(progress === undefined ? [prefix, record] : [prefix, record, progress]);
}

/** What is of no such form is a record as a whole, so that it is shown as one that cannot be read. */
export function unpackMessage(bytes: Buffer): SharedMessage {
  const recordBytes = bytes.length < PREFIX_BYTES ? Infinity : bytes.readUInt32BE(1);
  const end = PREFIX_BYTES + recordBytes;
  if (bytes[0] !== VERSION || end > bytes.length) {
    return { record: bytes, progress: undefined };
  }
  return {
    record: bytes.subarray(PREFIX_BYTES, end),
    progress: end === bytes.length ? undefined : bytes.subarray(end),
  };
}
