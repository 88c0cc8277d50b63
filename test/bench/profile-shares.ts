/** A profile as the inspector hands it over: samples, each of a node of the tree of calls. */
export interface CpuProfile {
  nodes: ReadonlyArray<{ id: number; callFrame: CallFrame }>;
  samples: readonly number[];
  /** From each sample to the one before it, in microseconds. */
  timeDeltas: readonly number[];
}

export interface CallFrame {
  functionName: string;
  url: string;
  /** From 0. */
  lineNumber: number;
}

export interface Share {
  name: string;
  us: number;
}

const IDLE = '(idle)';
const OF_ENGINE: Record<string, string> = {
  '(garbage collector)': 'V8: garbage collector',
  '(program)': 'V8 and Node: native code, system calls of the loop',
  '(root)': 'V8 and Node: native code, system calls of the loop',
};
const SOCKETS = /^node:(internal\/)?(net|tls|_tls|streams?|stream_base|js_stream)/;

/** Self time by whose code it is: the folders of `src`, packages, Node, the engine; the most first. */
export function sharesByOwner(profile: CpuProfile): Share[] {
  return shares(profile, ownerOf);
}

/** Self time by function, with the place where it begins; the most first. */
export function sharesByFunction(profile: CpuProfile): Share[] {
  return shares(profile, ({ functionName, url, lineNumber }) => {
    const file = url.replace(/^.*\/(dist\/src|node_modules)\//, '');
    const name = functionName || '(anonymous)';
    return url === '' ? name : `${name} ${file}:${lineNumber + 1}`;
  });
}

function shares(
  { nodes, samples, timeDeltas }: CpuProfile,
  nameOf: (frame: CallFrame) => string,
): Share[] {
  const names = new Map(
    nodes.map(({ id, callFrame }) => [
      id,
      callFrame.functionName === IDLE ? null : nameOf(callFrame),
    ]),
  );
  const sums = new Map<string, number>();
  samples.forEach((id, at) => {
    const name = names.get(id) ?? null;
    // A clock that was set back would make a negative one.
    const us = Math.max(0, timeDeltas[at] ?? 0);
    if (name !== null) sums.set(name, (sums.get(name) ?? 0) + us);
  });
  return Array.from(sums, ([name, us]) => ({ name, us })).sort((a, b) => b.us - a.us);
}

function ownerOf({ functionName, url }: CallFrame): string {
  const engine = OF_ENGINE[functionName];
  if (engine !== undefined) return engine;
  if (url === '') return `native: ${functionName}`;
  if (url.startsWith('node:'))
    return SOCKETS.test(url) ? 'Node: sockets and streams' : 'Node: rest';
  const inPackage = url.split('/node_modules/').at(-1) ?? '';
  if (url.includes('/node_modules/')) {
    return inPackage.split('/', inPackage.startsWith('@') ? 2 : 1).join('/');
  }
  const [, place = ''] = url.split('/dist/src/');
  return place.includes('/') ? `src/${place.split('/')[0]}` : 'src';
}
