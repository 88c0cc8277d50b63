export interface TraceSettings {
  /** Folder of the record store. */
  directory: string;
  maxAgeSeconds: number;
  maxRecords: number;
}
