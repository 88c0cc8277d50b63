/** What one node passes on to another, and nothing else. `*` is one segment, whatever stands in it. */
export const FORWARDED: Readonly<Record<'GET' | 'POST' | 'DELETE', readonly string[]>> = {
  GET: [
    'trace',
    'trace/*',
    'v1/node',
    'v1/node/config',
    'v1/node/history',
    'v1/queues',
    'v1/queues/*',
    'v1/queues/*/messages',
    'v1/quarantine',
    'v1/quarantine/*',
    'v1/messages/*',
    'v1/messages/*/headers',
  ],
  POST: [
    'v1/inject',
    'v1/route',
    'v1/queues/*/pause',
    'v1/queues/*/resume',
    'v1/queues/*/retry',
    'v1/queues/*/capacity',
    'v1/quarantine/*/retry',
    'v1/messages/*/retry',
    'v1/messages/*/hold',
    'v1/messages/*/release',
  ],
  DELETE: ['v1/quarantine/*', 'v1/messages/*'],
};

/** What a request asks of which node. */
export interface ForwardTarget {
  node: string;
  /** On that node, with its query; made anew of its decoded parts. */
  path: string;
}

const PREFIX = '/v1/nodes/';
const MAX_TARGET_CHARACTERS = 8192;

/**
 * Where a request for another node goes; null for what is not passed on. Each segment is decoded and
 * encoded anew, so that a slash within a Message-ID stays within it, and a path that would mean
 * another one to whoever normalises it is not passed on.
 *
 * @param target of the request line, as it came
 */
export function forwardTarget(method: string, target: string): ForwardTarget | null {
  const shapes = Object.hasOwn(FORWARDED, method)
    ? FORWARDED[method as keyof typeof FORWARDED]
    : [];
  if (!target.startsWith(PREFIX) || target.length > MAX_TARGET_CHARACTERS) {
    return null;
  }
  const [path = '', ...query] = target.slice(PREFIX.length).split('?');
  const [node, ...segments] = path.split('/').map(decoded);
  if (node == null || segments.includes(null)) {
    return null;
  }
  const wanted = segments as string[];
  if (!shapes.some((shape) => fits(shape, wanted))) {
    return null;
  }
  const search = query.length === 0 ? '' : `?${query.join('?')}`;
  return { node, path: `/${wanted.map(encodeURIComponent).join('/')}${search}` };
}

function fits(shape: string, segments: readonly string[]): boolean {
  const parts = shape.split('/');
  return (
    parts.length === segments.length &&
    parts.every((part, index) => part === '*' || part === segments[index])
  );
}

/** Null for a segment that is empty, is not UTF-8, or leads elsewhere. */
function decoded(segment: string): string | null {
  try {
    const text = decodeURIComponent(segment);
    return text === '' || text === '.' || text === '..' ? null : text;
  } catch {
    return null;
  }
}
