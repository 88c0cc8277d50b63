import { randomBytes } from 'node:crypto';
import { accessSync, constants } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { connect } from 'node:net';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { writePrivateFile } from '../state.js';
import type { ChildSpec } from './child.js';
import { RunnerError } from './runner-error.js';

/*
 * A RabbitMQ of its own for a run on one machine: one process, which listens on loopback and
 * nowhere else, and keeps all that it writes in one folder. Started again on the same folder, it
 * has the queues and the messages that it had, however it ended.
 *
 * Erlang's distribution is switched off, so that there is neither its port nor `epmd`, a daemon
 * that would outlive the run and that all brokers of a machine share.
 */

/** A first start takes some seconds, on a busy machine many. */
export const BROKER_READY_MS = 60_000;
/** It closes its queues at SIGTERM; what is killed later has lost nothing that was confirmed. */
export const BROKER_STOP_MS = 15_000;

const PROBE_TIMEOUT_MS = 2000;
const PROBE_INTERVAL_MS = 100;
/** AMQP 0-9-1 §4.2.2: what a client sends first. */
const PROTOCOL_HEADER = Buffer.from('AMQP\0\0\x09\x01', 'latin1');
/** AMQP 0-9-1 §4.2.3: type, channel, size; and the octet that ends a frame. */
const FRAME_HEADER_BYTES = 7;
const FRAME_END_BYTES = 1;
const METHOD_FRAME = 1;

/** Before those of PATH: Debian's there changes to another user, who may not write in our folder. */
const LIBRARY_FOLDER = '/usr/lib/rabbitmq/bin';
const PROGRAM = 'rabbitmq-server';

/** The name that the program has for itself; its files carry it, so that it must not change. */
const ERLANG_NODE = 'rabbit@localhost';

/**
 * Ends the broker when its standard input does, and so with its runner, also when that is killed.
 * Without quotes, which the variable that it goes into would need.
 */
const END_WITH_INPUT = [
  'spawn(fun()->',
  'Input=open_port({fd,0,1},[in,eof]),receive{Input,eof}->ok end,',
  `spawn(fun()->receive after ${BROKER_STOP_MS}->halt(1)end end),`,
  'init:stop()end).',
].join('');

const ERLANG_FLAGS = [
  `-sname ${ERLANG_NODE} -start_epmd false -dist_listen false`,
  // the port of its distribution is asked for all the same; with this it is not sought at an epmd
  '-erl_epmd_port 1',
  `-eval '${END_WITH_INPUT}'`,
].join(' ');

/** The memory from which on it takes no more, and the log that is written anew from then on. */
const HIGH_WATERMARK = '1GB';
const WRITE_AHEAD_LOG_BYTES = 64 * 1024 * 1024;
const LEAST_FREE_DISK = '50MB';

export interface LocalBroker {
  name: string;
  /** Loopback. */
  host: string;
  port: number;
  username: string;
  /** Letters and digits. Of the first start in `folder`: later ones go on with it. */
  password: string;
  /** Absolute path of all that it writes. */
  folder: string;
  logFile: string;
  /** A second port, where TLS is spoken from the first byte. */
  tls?: { port: number; caFile: string; certFile: string; keyFile: string };
}

/**
 * How a broker is started; writes its configuration.
 *
 * @param folders Where the program is looked for, the first first.
 * @throws RunnerError BROKER_NOT_INSTALLED; the system's error when the folder cannot be written.
 */
export async function brokerSpec(
  broker: LocalBroker,
  folders: readonly string[] = programFolders(),
): Promise<ChildSpec> {
  const { name, host, port, folder, logFile } = broker;
  const file = brokerProgram(folders);
  if (file === null) throw notInstalled(name);
  // a stranger who was quicker at the port is not taken for the broker
  const clusterName = `relaymesh-${randomBytes(8).toString('hex')}`;
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await writePrivateFile(configFile(folder), configText(broker, clusterName));
  await writePrivateFile(pluginsFile(folder), '[].\n');
  return {
    kind: 'broker',
    name,
    args: [],
    logFile,
    environment: brokerEnvironment(folder),
    program: {
      file,
      whenReady: (signal) => whenAnswering(host, port, clusterName, signal),
      portTaken: /eaddrinuse/,
    },
  };
}

/** Full path of the program, or null where it is not installed. */
export function brokerProgram(folders: readonly string[] = programFolders()): string | null {
  for (const folder of folders) {
    const file = path.join(folder, PROGRAM);
    try {
      accessSync(file, constants.X_OK);
      return file;
    } catch {
      continue;
    }
  }
  return null;
}

function programFolders(): string[] {
  const inPath = (process.env['PATH'] ?? '').split(path.delimiter);
  return [LIBRARY_FOLDER, ...inPath.filter((folder) => folder !== '')];
}

function notInstalled(name: string): RunnerError {
  const what = `broker ${name} needs RabbitMQ, which is not installed here`;
  return new RunnerError('BROKER_NOT_INSTALLED', what, 3, {
    fault: 'operator',
    hint: 'apt-get install rabbitmq-server',
  });
}

const configFile = (folder: string): string => path.join(folder, 'rabbitmq.conf');
const pluginsFile = (folder: string): string => path.join(folder, 'enabled_plugins');

function configText(broker: LocalBroker, clusterName: string): string {
  const { host, port, username, password, tls } = broker;
  const lines = [
    `listeners.tcp.1 = ${host}:${port}`,
    `default_user = ${username}`,
    `default_pass = ${password}`,
    `cluster_name = ${clusterName}`,
    `vm_memory_high_watermark.absolute = ${HIGH_WATERMARK}`,
    `disk_free_limit.absolute = ${LEAST_FREE_DISK}`,
    `raft.wal_max_size_bytes = ${WRITE_AHEAD_LOG_BYTES}`,
  ];
  if (tls !== undefined) {
    lines.push(
      `listeners.ssl.1 = ${host}:${tls.port}`,
      `ssl_options.cacertfile = ${tls.caFile}`,
      `ssl_options.certfile = ${tls.certFile}`,
      `ssl_options.keyfile = ${tls.keyFile}`,
      'ssl_options.verify = verify_none',
      'ssl_options.fail_if_no_peer_cert = false',
    );
  }
  return `${lines.join('\n')}\n`;
}

/** Nothing of ours goes in but where programs are: it needs none of the secrets of the nodes. */
function brokerEnvironment(folder: string): NodeJS.ProcessEnv {
  const inFolder = (name: string): string => path.join(folder, name);
  return {
    PATH: process.env['PATH'] ?? '/usr/bin:/bin',
    LANG: 'C.UTF-8',
    // where Erlang keeps its cookie
    HOME: folder,
    ERL_AFLAGS: ERLANG_FLAGS,
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '+S 1:1',
    // the script becomes the broker, in place of waiting for it
    RUNNING_UNDER_SYSTEMD: 'true',
    RABBITMQ_NODENAME: ERLANG_NODE,
    RABBITMQ_MNESIA_BASE: inFolder('data'),
    RABBITMQ_LOG_BASE: inFolder('log'),
    RABBITMQ_LOGS: '-',
    RABBITMQ_PID_FILE: inFolder('pid'),
    RABBITMQ_CONFIG_FILE: configFile(folder),
    RABBITMQ_ENABLED_PLUGINS_FILE: pluginsFile(folder),
    // those of the machine are not read; these do not exist
    RABBITMQ_ADVANCED_CONFIG_FILE: inFolder('advanced.config'),
    RABBITMQ_CONF_ENV_FILE: inFolder('rabbitmq-env.conf'),
  };
}

/** Resolves when the broker of this name speaks AMQP; rejects when the signal comes first. */
async function whenAnswering(
  host: string,
  port: number,
  clusterName: string,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    signal.throwIfAborted();
    const frame = await firstFrame(host, port);
    if (frame?.[0] === METHOD_FRAME && frame.includes(clusterName)) return;
    await pause(PROBE_INTERVAL_MS, undefined, { signal });
  }
}

/** What a server answers to the header of a client, or null. Takes `PROBE_TIMEOUT_MS` at most. */
function firstFrame(host: string, port: number): Promise<Buffer | null> {
  return new Promise((resolve) => {
    let received = Buffer.alloc(0);
    const socket = connect({ host, port }, () => socket.write(PROTOCOL_HEADER));
    const timer = setTimeout(() => socket.destroy(), PROBE_TIMEOUT_MS);
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk]);
      if (isWhole(received)) socket.destroy();
    });
    // `close` follows
    socket.on('error', () => undefined);
    socket.on('close', () => {
      clearTimeout(timer);
      resolve(isWhole(received) ? received : null);
    });
  });
}

function isWhole(bytes: Buffer): boolean {
  if (bytes.length < FRAME_HEADER_BYTES) return false;
  return bytes.length >= FRAME_HEADER_BYTES + bytes.readUInt32BE(3) + FRAME_END_BYTES;
}
