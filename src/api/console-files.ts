import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { extname, join, relative, sep } from 'node:path';
import { Hono, type Context } from 'hono';
import { codeOf } from '../base/errors.js';

/** Where the build puts the console: dist/console, beside the dist/src that this file runs in. */
const BUILT = join(import.meta.dirname, '..', '..', 'console');
const INDEX = 'index.html';
/** Their names carry a digest of their content. */
const HASHED = 'assets/';

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};

/** Best first; the build writes each file in these too. */
const ENCODINGS = [
  { name: 'br', suffix: '.br' },
  { name: 'gzip', suffix: '.gz' },
] as const;

/** Nothing but our own files runs or is shown, nothing is sent elsewhere, nobody frames it. */
const HEADERS = {
  'content-security-policy': [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    "font-src 'self'",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; '),
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
} as const;

const NOT_BUILT =
  'The console is not built. `npm run build` in the checkout of this node builds it; then load this page again.\n';

interface ConsoleFile {
  type: string;
  /** Strong, so one for each encoding (RFC 9110 §8.8.3.3). */
  bodies: ReadonlyMap<string, { bytes: Uint8Array<ArrayBuffer>; etag: string }>;
}

type ConsoleFiles = ReadonlyMap<string, ConsoleFile>;

/**
 * The operator's pages, for everybody who reaches the API: they hold nothing of the node, and what
 * they ask needs the token. The files are read once, when the first of them is asked for, and served
 * from memory; a path that is no file is the page's own and gets the index.
 *
 * @param folder the output of the build
 */
export function consoleRoutes(folder: string = BUILT): Hono {
  const app = new Hono();
  let files: ConsoleFiles | null = null;
  const serve = async (context: Context): Promise<Response> => {
    if (context.req.method !== 'GET' && context.req.method !== 'HEAD') {
      return context.text('', 405, { ...HEADERS, allow: 'GET, HEAD' });
    }
    files ??= await readFiles(folder);
    const name = context.req.path.slice('/console/'.length);
    const file = files?.get(name) ?? (name.startsWith(HASHED) ? undefined : files?.get(INDEX));
    if (file === undefined) {
      return files === null
        ? context.text(NOT_BUILT, 503, { ...HEADERS, 'cache-control': 'no-store' })
        : context.text('There is no such file.\n', 404, HEADERS);
    }
    return answer(context, file, name.startsWith(HASHED));
  };
  // All methods: these are no operations of the API, and not in its description.
  app.all('/', (context) => context.redirect('/console/', 302));
  app.all('/console', (context) => context.redirect('/console/', 301));
  app.all('/console/*', serve);
  return app;
}

function answer(context: Context, file: ConsoleFile, isHashed: boolean): Response {
  const accepted = acceptedEncodings(context.req.header('accept-encoding') ?? '');
  const encoding =
    ENCODINGS.find(({ name }) => accepted.has(name) && file.bodies.has(name))?.name ?? '';
  const body = file.bodies.get(encoding);
  if (body === undefined) {
    throw new Error('a file of the console has no plain form');
  }
  const headers = {
    ...HEADERS,
    etag: body.etag,
    vary: 'accept-encoding',
    'cache-control': isHashed ? 'public, max-age=31536000, immutable' : 'no-cache',
  };
  const known = (context.req.header('if-none-match') ?? '').split(',').map((tag) => tag.trim());
  if (known.includes(body.etag) || known.includes(`W/${body.etag}`)) {
    return context.body(null, 304, headers);
  }
  return context.body(body.bytes, 200, {
    ...headers,
    'content-type': file.type,
    ...(encoding === '' ? {} : { 'content-encoding': encoding }),
  });
}

/** Those that are named, with a weight above 0 (RFC 9110 §12.5.3). */
function acceptedEncodings(header: string): ReadonlySet<string> {
  const accepted = new Set<string>();
  for (const entry of header.toLowerCase().split(',')) {
    const [encoding = '', ...parameters] = entry.split(';').map((part) => part.trim());
    if (!parameters.some((parameter) => /^q=0(?:\.0*)?$/.test(parameter))) {
      accepted.add(encoding);
    }
  }
  return accepted;
}

/** Null when the console was not built. */
async function readFiles(folder: string): Promise<ConsoleFiles | null> {
  let entries;
  try {
    entries = await readdir(folder, { recursive: true, withFileTypes: true });
  } catch (error) {
    if (codeOf(error) === 'ENOENT') {
      return null;
    }
    throw error;
  }
  const contents = new Map<string, Uint8Array<ArrayBuffer>>();
  for (const entry of entries.filter((one) => one.isFile())) {
    const path = join(entry.parentPath, entry.name);
    contents.set(relative(folder, path).replaceAll(sep, '/'), new Uint8Array(await readFile(path)));
  }
  const files = new Map<string, ConsoleFile>();
  for (const [name, plain] of contents) {
    const type = TYPES[extname(name)];
    if (type !== undefined) {
      const forms = ENCODINGS.map(
        (encoding) => [encoding.name, contents.get(name + encoding.suffix)] as const,
      );
      const bodies = [['', plain] as const, ...forms].flatMap(([encoding, bytes]) =>
        bytes === undefined ? [] : [[encoding, { bytes, etag: etagOf(bytes) }] as const],
      );
      files.set(name, { type, bodies: new Map(bodies) });
    }
  }
  // A build that is being written has no index yet.
  return files.has(INDEX) ? files : null;
}

function etagOf(bytes: Uint8Array): string {
  return `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 27)}"`;
}
