import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { createInterface } from 'node:readline';
import type { TestContext } from 'node:test';
import { scratchFolder } from '../scenario/programs.js';
import { until } from '../scenario/waiting.js';

/** The socket of a systemd, which Node.js cannot open: each datagram becomes a line of JSON. */
const RECEIVER = `
import json, os, socket, sys
receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
receiver.bind(sys.argv[1])
print(json.dumps("bound"), flush=True)
while True:
    data, handles, _, _ = socket.recv_fds(receiver, 65536, 4)
    for handle in handles:
        os.close(handle)
    print(json.dumps(data.decode()), flush=True)
`;

export interface NotifyReceiver {
  /** Path of the socket. */
  socket: string;
  /** The assignments of each notification, in order; barriers are left out. */
  readonly heard: Array<Record<string, string>>;
  /** The next notification, from `from` on, that has this assignment. */
  next: (assignment: string, from?: number) => Promise<Record<string, string>>;
}

/** Stands in for systemd; needs python3. It ends with the test. */
export async function receiveNotifications(t: TestContext): Promise<NotifyReceiver> {
  const socket = path.join(await scratchFolder(t), 'notify.sock');
  const child = spawn('python3', ['-c', RECEIVER, socket], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(async () => {
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  });
  const heard: Array<Record<string, string>> = [];
  let bound = false;
  createInterface(child.stdout).on('line', (line) => {
    const text = JSON.parse(line) as string;
    if (text === 'bound') bound = true;
    else if (text !== 'BARRIER=1') heard.push(assignmentsOf(text));
  });
  await until('the socket', () => bound);
  return {
    socket,
    heard,
    next: (assignment, from = 0) => {
      const [name = '', value] = assignment.split('=');
      const look = () => heard.slice(from).find((one) => one[name] === value);
      return until(`${assignment} to be notified`, look, { seen: () => heard });
    },
  };
}

function assignmentsOf(text: string): Record<string, string> {
  const lines = text.split('\n').filter((line) => line !== '');
  return Object.fromEntries(
    lines.map((line) => {
      const at = line.indexOf('=');
      return [line.slice(0, at), line.slice(at + 1)];
    }),
  );
}
