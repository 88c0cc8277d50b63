import { Secret } from '../base/secret.js';
import type { NodeSettings } from '../node-settings.js';

/**
 * Settings on their way to another process over a channel that only the two have. Secrets, which
 * show nothing of themselves to whatever writes them down, are opened here and closed at arrival.
 */
export type PackedSettings = { readonly packed: unknown };

/** No key of the settings has such a name. */
const SECRET = '\u0000secret';

export function packSettings(settings: NodeSettings): PackedSettings {
  return { packed: pack(settings) };
}

export function unpackSettings({ packed }: PackedSettings): NodeSettings {
  return unpack(packed) as NodeSettings;
}

function pack(value: unknown): unknown {
  if (value instanceof Secret) return { [SECRET]: value.reveal() };
  return isTree(value) ? mapped(value, pack) : value;
}

function unpack(value: unknown): unknown {
  if (!isTree(value)) return value;
  const secret: unknown = Array.isArray(value) ? undefined : value[SECRET];
  return typeof secret === 'string' ? new Secret(secret) : mapped(value, unpack);
}

type Tree = unknown[] | Record<string, unknown>;

/** What else there is (regular expressions, dates, bytes) the channel carries as it is. */
function isTree(value: unknown): value is Tree {
  if (Array.isArray(value)) return true;
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

function mapped(tree: Tree, change: (value: unknown) => unknown): Tree {
  return Array.isArray(tree)
    ? tree.map(change)
    : Object.fromEntries(Object.entries(tree).map(([name, value]) => [name, change(value)]));
}
