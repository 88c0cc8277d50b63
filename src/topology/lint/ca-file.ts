import { resolve } from 'node:path';
import { PemProblem, readCertificates } from '../certificate-files.js';
import type { Path } from '../fault.js';
import type { LintContext } from './context.js';

/** Whether the CA that stands at `path` can be read; that of another node is on another machine. */
export function checkCaFile(context: LintContext, ca: string, path: Path): void {
  const here = context.node === undefined || path[0] === 'defaults' || path[1] === context.node;
  if (!here) return;
  try {
    readCertificates(resolve(context.baseDir, ca));
  } catch (error) {
    if (!(error instanceof PemProblem)) throw error;
    context.report(error.missing ? 'missing-ca' : 'invalid-certificate', path, error.message);
  }
}
