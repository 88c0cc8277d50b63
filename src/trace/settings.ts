import type { Secret } from '../base/secret.js';
import type { AddressForm } from './otlp-privacy.js';

/** Where spans are sent, and what they say. */
export interface OtlpSettings {
  /** URL of the traces of a collector (OTLP/HTTP). */
  endpoint: string;
  headers: Readonly<Record<string, Secret>>;
  addresses: AddressForm;
  /** For one request. */
  timeoutMs: number;
  /** PEM certificates that an `https` endpoint is verified with; absent: those of Node. */
  ca?: readonly string[];
}

export interface TraceSettings {
  /** Folder of the record store. */
  directory: string;
  maxAgeSeconds: number;
  maxRecords: number;
  /** Of records and of the keys that lead to them, before compression. */
  maxBytes: number;
  /** Absent: spans are not exported. */
  otlp?: OtlpSettings;
}
