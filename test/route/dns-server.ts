import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { isIPv4 } from 'node:net';

/** What is said about a name, or about one type of its records. `silence`: nothing, ever. */
type Refusal = 'SERVFAIL' | 'REFUSED' | 'NXDOMAIN' | 'silence';

interface Records {
  A?: readonly string[] | Refusal;
  AAAA?: readonly string[] | Refusal;
  /** `.` is the root, as in a null MX. */
  MX?: ReadonlyArray<readonly [priority: number, exchange: string]> | Refusal;
}

/** By names in lower case; what is not named does not exist. */
export type DnsZone = Readonly<Record<string, Records | Refusal>>;

export interface DnsServer {
  /** `127.0.0.1:PORT`, as `dns-servers` takes it. */
  address: string;
  /** What was asked, as `MX example.test`, in order. */
  questions: string[];
  /** From now on these are the answers. */
  set(zone: DnsZone): void;
  close(): void;
}

const TYPES: Readonly<Record<number, keyof Records>> = { 1: 'A', 15: 'MX', 28: 'AAAA' };
const RCODES = { NOERROR: 0, SERVFAIL: 2, NXDOMAIN: 3, REFUSED: 5 } as const;
const TTL_SECONDS = 1;
const HEADER_BYTES = 12;

/** A DNS server on loopback (RFC 1035, UDP) that knows A, AAAA and MX records. */
export async function startDnsServer(zone: DnsZone): Promise<DnsServer> {
  let known = zone;
  const questions: string[] = [];
  const socket = createSocket('udp4', (query, from) => {
    const reply = replyTo(query, known, questions);
    if (reply !== null) {
      socket.send(reply, from.port, from.address);
    }
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  socket.unref();
  return {
    address: `127.0.0.1:${socket.address().port}`,
    questions,
    set: (next) => (known = next),
    close: () => socket.close(),
  };
}

function replyTo(query: Buffer, zone: DnsZone, questions: string[]): Buffer | null {
  const { name, end } = nameAt(query, HEADER_BYTES);
  const type = TYPES[query.readUInt16BE(end)];
  questions.push(`${type ?? query.readUInt16BE(end)} ${name}`);
  const entry = (Object.hasOwn(zone, name) ? zone[name] : undefined) ?? 'NXDOMAIN';
  const found =
    typeof entry === 'object' ? ((type === undefined ? undefined : entry[type]) ?? []) : entry;
  if (found === 'silence') {
    return null;
  }
  const records = typeof found === 'object' ? found : [];
  const header = Buffer.alloc(HEADER_BYTES);
  query.copy(header, 0, 0, 2);
  // QR, AA, RD, RA, and the code of the reply.
  header.writeUInt16BE(0x8580 | RCODES[typeof found === 'string' ? found : 'NOERROR'], 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(records.length, 6);
  const question = query.subarray(HEADER_BYTES, end + 4);
  const answers = records.map((record) => answerWith(query.readUInt16BE(end), dataOf(record)));
  return Buffer.concat([header, question, ...answers]);
}

function answerWith(type: number, data: Buffer): Buffer {
  const head = Buffer.alloc(HEADER_BYTES);
  // A pointer to the name of the question.
  head.writeUInt16BE(0xc000 | HEADER_BYTES, 0);
  head.writeUInt16BE(type, 2);
  head.writeUInt16BE(1, 4);
  head.writeUInt32BE(TTL_SECONDS, 6);
  head.writeUInt16BE(data.length, 10);
  return Buffer.concat([head, data]);
}

function dataOf(record: string | readonly [number, string]): Buffer {
  if (typeof record === 'string') {
    return isIPv4(record) ? Buffer.from(record.split('.').map(Number)) : ipv6Bytes(record);
  }
  const [priority, exchange] = record;
  const head = Buffer.alloc(2);
  head.writeUInt16BE(priority);
  return Buffer.concat([head, nameBytes(exchange)]);
}

function nameBytes(name: string): Buffer {
  const labels = name.split('.').filter((label) => label !== '');
  return Buffer.concat([
    ...labels.map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label)])),
    Buffer.from([0]),
  ]);
}

function ipv6Bytes(address: string): Buffer {
  const [head = '', tail] = address.split('::');
  const groups = (text: string): number[] =>
    text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16));
  const [front, back] = [groups(head), groups(tail ?? '')];
  const middle = Array<number>(8 - front.length - back.length).fill(0);
  return Buffer.from([...front, ...middle, ...back].flatMap((group) => [group >> 8, group & 255]));
}

function nameAt(query: Buffer, start: number): { name: string; end: number } {
  const labels: string[] = [];
  let at = start;
  for (;;) {
    const length = query[at] ?? 0;
    at++;
    if (length === 0) {
      return { name: labels.join('.').toLowerCase(), end: at };
    }
    labels.push(query.toString('latin1', at, at + length));
    at += length;
  }
}
