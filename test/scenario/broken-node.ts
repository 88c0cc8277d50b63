import net from 'node:net';

/*
 * Loaded into every process of a run by NODE_OPTIONS: two names of nodes stand for builds that are
 * broken. `stillborn` ends before it is ready. `garbler` changes a word of the mail that it passes
 * on, which no setting of a topology can make a node do.
 */

const STATUS = 7;
const name = process.argv[process.argv.indexOf('--name') + 1];

if (name === 'stillborn') process.exit(STATUS);

if (name === 'garbler') {
  const write = Reflect.get(net.Socket.prototype, 'write') as (...args: unknown[]) => boolean;
  net.Socket.prototype.write = function (this: net.Socket, ...args: unknown[]): boolean {
    const [chunk, ...rest] = args;
    return write.call(this, Buffer.isBuffer(chunk) ? garbled(chunk) : chunk, ...rest);
  };
}

/** As long as before. */
function garbled(bytes: Buffer): Buffer {
  return Buffer.from(bytes.toString('latin1').replaceAll('lorem', 'LOREM'), 'latin1');
}
