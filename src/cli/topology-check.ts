import { Command } from 'commander';
import { RelayError } from '../base/errors.js';
import { printableReply } from '../format/reply.js';
import { checkTopology } from '../topology/check.js';
import { describeFault } from '../topology/fault.js';
import {
  checkHops,
  type HopCheck,
  type HopCheckReport,
  type HopFault,
} from '../topology/hop-check/check-hops.js';
import type { LoadedTopology } from '../topology/load.js';
import { didYouMean } from '../topology/suggest.js';
import { findRun } from '../topology/state.js';
import { formatBytes } from '../trace/waterfall-text.js';
import { CommandFault, processSurroundings, tableWidth, type Output } from './api-access.js';
import { writeJson } from './json-output.js';
import { parseSeconds } from './seconds-option.js';
import { renderTable, type Column } from './table.js';

interface CheckOptions {
  node?: string[];
  workdir?: string;
  timeout: number;
  json?: boolean;
}

const DEFAULT_TIMEOUT_SECONDS = 10;

/** Rules about files that only the machine of a node has to have; the sessions show what is true. */
const ELSEWHERE: ReadonlySet<string> = new Set([
  'certificate-name',
  'expired-certificate',
  'invalid-certificate',
  'untrusted-certificate',
]);

const HELP = `
Each session is opened by the code that sends the mail, with the login and the CA that the node
would use, and ends with QUIT after the login: no mail is sent. The secrets have to be on the
machine where this runs; of a topology that leaves ports or secrets to a run, that run is used.

Exit code: 0 all is well, 1 a session failed, 2 bad file or usage, 3 something could not be tested.

Examples:
  $ relaymesh topology check mesh.yaml
  $ relaymesh topology check mesh.yaml --node edge --json`;

const COLUMNS: readonly Column[] = [
  { title: 'FROM', align: 'left', minWidth: 6 },
  { title: 'TO', align: 'left', minWidth: 6 },
  { title: 'ADDRESS', align: 'left', minWidth: 15 },
  { title: 'TLS', align: 'left', minWidth: 14 },
  { title: 'LOGIN', align: 'left', minWidth: 10 },
  { title: 'SIZE', align: 'right', dispensable: 2 },
  { title: 'XMESH', align: 'left', dispensable: 3 },
  { title: 'MS', align: 'right', dispensable: 4 },
  { title: 'RESULT', align: 'left' },
];

/** `relaymesh topology check FILE`: a session with every next hop, up to the login. */
export function topologyCheckCommand(
  setExitCode: (code: number) => void,
  output: Pick<Output, 'write' | 'notice' | 'size' | 'isTerminal'> = processSurroundings().output,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): Command {
  return new Command('check')
    .description('connect to every next hop, secure the session and log in; no mail is sent')
    .argument('<file>', 'topology file')
    .option('--node <node>', 'only the next hops of this node; may be given again', gather)
    .option('--workdir <dir>', 'folder of the run, if `up` was given one')
    .option(
      '--timeout <seconds>',
      'for each answer of a hop',
      parseSeconds,
      DEFAULT_TIMEOUT_SECONDS,
    )
    .option('--json', 'print one JSON object')
    .addHelpText('after', HELP)
    .action(async (file: string, options: CheckOptions) => {
      try {
        const loaded = await loadChecked(file, output, environment);
        const report = await checkHops({
          loaded,
          env: environment,
          nodes: nodesOf(loaded, options.node),
          workdir: (await findRun(file, options.workdir))?.workdir ?? null,
          timeoutMs: options.timeout * 1000,
        });
        if (options.json === true) {
          writeJson(output as Output, { topology: loaded.topology.name, ...report });
        } else {
          print(report, output);
        }
        setExitCode(exitCodeOf(report));
      } catch (error) {
        if (!(error instanceof RelayError) && !(error instanceof CommandFault)) throw error;
        output.notice(error instanceof RelayError ? error.describe() : error.message);
        setExitCode(error instanceof CommandFault ? error.exitCode : 2);
      }
    });
}

async function loadChecked(
  file: string,
  output: Pick<Output, 'notice'>,
  env: Readonly<Record<string, string | undefined>>,
): Promise<LoadedTopology> {
  const { faults, loaded } = await checkTopology(file, { env });
  const fatal = faults.filter(
    ({ severity, ruleId }) => severity === 'error' && !ELSEWHERE.has(ruleId),
  );
  for (const fault of fatal) output.notice(describeFault(fault));
  if (loaded !== undefined && fatal.length === 0) return loaded;
  throw new CommandFault(2, `${file} has faults: nothing was connected to`);
}

function nodesOf({ topology }: LoadedTopology, wanted: readonly string[] | undefined): string[] {
  const names = Object.keys(topology.nodes);
  const unknown = wanted?.find((name) => !names.includes(name));
  if (unknown === undefined) return [...new Set(wanted ?? names)];
  const hint = didYouMean(unknown, names) ?? `it has ${names.join(', ')}`;
  throw new CommandFault(2, `the topology has no node '${unknown}'\n  ${hint}`);
}

function exitCodeOf({ checks }: HopCheckReport): number {
  if (checks.some(({ result }) => result === 'failed')) return 1;
  return checks.some(({ result }) => result === 'untested') ? 3 : 0;
}

function print(
  { checks, by_mx }: HopCheckReport,
  output: Pick<Output, 'write' | 'notice' | 'size' | 'isTerminal'>,
): void {
  const width = tableWidth(output);
  output.write(renderTable(COLUMNS, checks.map(rowOf), width));
  const reasons = checks.flatMap((check) =>
    check.fault === null ? [] : [`${reasonOf(check, check.fault)}\n`],
  );
  if (reasons.length > 0) output.write(`\n${reasons.join('')}`);
  for (const node of by_mx) {
    output.notice(`${node} delivers by MX, which depends on the recipient: not checked`);
  }
  const count = (result: HopCheck['result']): number =>
    checks.filter((check) => check.result === result).length;
  const parts = [`${count('ok')} ok`, `${count('failed')} failed`, `${count('untested')} untested`];
  output.notice(`${checks.length} next hops: ${parts.join(', ')}`);
}

function rowOf(check: HopCheck): string[] {
  const { from, to, address, result, xmesh, duration_ms } = check;
  return [
    from,
    to,
    address,
    tlsText(check),
    loginText(check),
    sizeText(check.size),
    xmesh === null ? '-' : xmesh ? 'yes' : 'no',
    duration_ms === null ? '-' : String(duration_ms),
    result,
  ];
}

function sizeText(size: HopCheck['size']): string {
  if (size === null) return '-';
  if (!size.offered) return 'no';
  return size.limit_bytes === null ? 'any' : formatBytes(size.limit_bytes);
}

function tlsText({ tls, fault, result, tls_mode }: HopCheck): string {
  if (tls === null) {
    if (fault?.stage === 'starttls') return 'failed';
    return result === 'ok' || fault?.stage === 'auth' ? `none (${tls_mode ?? 'none'})` : '-';
  }
  if (tls.verified) return `${tls.protocol} verified`;
  return `${tls.protocol} unverified${tls.reason === null ? '' : ` (${tls.reason})`}`;
}

function loginText({ login, username, fault, result }: HopCheck): string {
  if (login !== null) return `${login.username} ${login.mechanism}`;
  if (username === null) return 'none';
  if (fault?.stage === 'auth') return `${username} refused`;
  return result === 'ok' ? `${username} not asked for` : `${username} not tried`;
}

/** One line: where it broke, the words of the remote or ours, and what to do. */
function reasonOf({ from, to, result }: HopCheck, fault: HopFault): string {
  const { stage, code, enhanced_code, description, error_code, hint } = fault;
  const words = [code, enhanced_code, printableReply(description)].filter((part) => part !== null);
  const mark = error_code === null ? '' : ` [${error_code}]`;
  const advice = hint === null ? '' : `; ${printableReply(hint)}`;
  return `${from} -> ${to}: ${stage ?? result}: ${words.join(' ')}${mark}${advice}`;
}

function gather(text: string, earlier: string[] = []): string[] {
  return [...earlier, text];
}
