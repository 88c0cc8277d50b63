import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureEphemeralTls } from '../../src/topology/ephemeral-tls.js';

export interface TestCertificate {
  /** PEM of the CA that vouches for it. */
  ca: string;
  cert: string;
  key: string;
}

/** A certificate for `name`, localhost and 127.0.0.1 under a CA of its own. */
export async function makeCertificate(name: string, nowMs = Date.now()): Promise<TestCertificate> {
  const folder = mkdtempSync(join(tmpdir(), 'relaymesh-certificate-'));
  try {
    const { caFile, certificates } = await ensureEphemeralTls(folder, [{ name, hosts: [] }], nowMs);
    const { certFile, keyFile } = certificates.get(name) as { certFile: string; keyFile: string };
    const read = (file: string): string => readFileSync(file, 'utf8');
    return { ca: read(caFile), cert: read(certFile), key: read(keyFile) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
