import { useId, useState, type ReactNode } from 'react';
import type { NodeConfig } from '../../../api/shape/node.js';
import { AsOf } from '../../pieces/as-of.js';
import { Badge } from '../../pieces/badge.js';
import { useLive } from '../../queries.js';
import { matching, SECRET } from './config-search.js';

const EVERY_MS = 30_000;

/** The settings in force, as a tree; secrets are never a part of the answer. */
export function ConfigPanel({ node }: { node: string | null }): ReactNode {
  const config = useLive<NodeConfig>(node, '/v1/node/config', { everyMs: EVERY_MS });
  const [filter, setFilter] = useState('');
  const id = useId();
  const settings = config.value === undefined ? undefined : matching(config.value.settings, filter);
  return (
    <section className="panel" aria-labelledby="settings">
      <div className="toolbar settings-head">
        <h2 id="settings">Settings in force</h2>
        <label htmlFor={id} className="visually-hidden">
          Show only settings with
        </label>
        <input
          id={id}
          type="search"
          placeholder="show only …"
          value={filter}
          onChange={(event) => setFilter(event.target.value)}
        />
        <AsOf of={config} />
      </div>
      {settings !== undefined && Object.keys(settings).length === 0 && (
        <p className="soft">No setting has “{filter}”.</p>
      )}
      {settings !== undefined && <Branch of={settings} />}
    </section>
  );
}

function Branch({ of }: { of: Record<string, unknown> }): ReactNode {
  return (
    <ul className="settings">
      {Object.entries(of).map(([name, value]) => (
        <li key={name}>
          <Entry name={name} value={value} />
        </li>
      ))}
    </ul>
  );
}

function Entry({ name, value }: { name: string; value: unknown }): ReactNode {
  if (isBranch(value) && Object.keys(value).length > 0) {
    return (
      <details open>
        <summary>{name}</summary>
        <Branch of={Array.isArray(value) ? named(value) : value} />
      </details>
    );
  }
  return (
    <span className="setting">
      <span className="setting-name">{name}</span> <Leaf value={value} />
    </span>
  );
}

function Leaf({ value }: { value: unknown }): ReactNode {
  const isSecret = Array.isArray(value) && value.length > 0 && value.every((one) => one === SECRET);
  if (isSecret || value === SECRET) return <Badge tone="idle">secret</Badge>;
  if (value === null || value === undefined) return <span className="soft">none</span>;
  if (typeof value === 'boolean') return <code>{value ? 'yes' : 'no'}</code>;
  if (Array.isArray(value)) {
    return value.length === 0 ? (
      <span className="soft">none</span>
    ) : (
      <code>{value.join(', ')}</code>
    );
  }
  if (value === '') return <span className="soft">empty</span>;
  const isPlain = typeof value === 'string' || typeof value === 'number';
  return isPlain ? <code>{value}</code> : <span className="soft">none</span>;
}

/** An object, or a list that holds objects. */
function isBranch(value: unknown): value is Record<string, unknown> | object[] {
  if (Array.isArray(value)) return value.some((one) => typeof one === 'object' && one !== null);
  return typeof value === 'object' && value !== null;
}

/** Items of a list under their names, or their numbers. */
function named(list: readonly unknown[]): Record<string, unknown> {
  return Object.fromEntries(
    list.map((item, index) => {
      const { name, username } = (item ?? {}) as { name?: unknown; username?: unknown };
      const title = typeof name === 'string' ? name : username;
      return [typeof title === 'string' ? `${index + 1}: ${title}` : String(index + 1), item];
    }),
  );
}
