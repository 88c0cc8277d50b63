import { isUtf8 } from 'node:buffer';

/** The content of a message as it stands in JSON. */
export interface JsonMime {
  mime: string;
  /** Absent: `mime` is the message itself. `base64`: it is no UTF-8, which JSON could not carry. */
  'mime-encoding'?: 'base64';
}

/** No byte of it is lost, whatever it is. */
export function jsonMime(bytes: Buffer): JsonMime {
  return isUtf8(bytes)
    ? { mime: bytes.toString('utf8') }
    : { mime: bytes.toString('base64'), 'mime-encoding': 'base64' };
}
