import './mesh.css';
import { useRef, useState, type ReactNode } from 'react';
import { Link, useSearchParams } from 'wouter';
import type { Mesh } from '../../../api/shape/mesh.js';
import { useMesh } from '../../mesh-query.js';
import { AsOf } from '../../pieces/as-of.js';
import { Count } from '../../pieces/value.js';
import { LinkPanel } from './link-panel.js';
import { LinkTable } from './link-table.js';
import {
  remember,
  shownMesh,
  troublesOf,
  type Remembered,
  type ShownLink,
  type Trouble,
} from './mesh-links.js';
import { MeshPicture } from './mesh-picture.js';
import { NodeTable } from './node-table.js';

/** Is mail flowing, and where is it stuck: the whole mesh, as it is now. */
export function MeshPage(): ReactNode {
  const live = useMesh();
  const mesh = live.value;
  return (
    <>
      <div className="page-head">
        <h1>Mesh</h1>
        <AsOf of={live} />
        {mesh !== undefined && <Totals mesh={mesh} />}
      </div>
      {mesh !== undefined && <MeshView mesh={mesh} />}
    </>
  );
}

function MeshView({ mesh }: { mesh: Mesh }): ReactNode {
  const remembered = useRemembered(mesh);
  const shown = shownMesh(mesh, remembered);
  const [search, setSearch] = useSearchParams();
  const selected = search.get('link');
  const opened = useRef<Element | null>(null);
  const open = (link: ShownLink): void => {
    opened.current = document.activeElement;
    setSearch({ link: link.key }, { replace: true });
  };
  const close = (): void => {
    setSearch({}, { replace: true });
    if (opened.current instanceof HTMLElement || opened.current instanceof SVGElement) {
      opened.current.focus();
    }
  };
  const link = shown.links.find(({ key }) => key === selected);
  return (
    <div className="mesh" data-open={link !== undefined}>
      <div className="mesh-main">
        <Troubles troubles={troublesOf(mesh)} />
        <section className="panel mesh-panel" aria-label="Picture">
          <MeshPicture mesh={shown} selected={selected} onSelect={open} />
          <Legend />
        </section>
        <section className="panel flush" aria-label="Links">
          <LinkTable links={shown.links} selected={selected} onSelect={open} />
        </section>
        <section className="panel flush" aria-label="Nodes">
          <NodeTable nodes={mesh.nodes} />
        </section>
      </div>
      {link !== undefined && <LinkPanel key={link.key} shown={link} onClose={close} />}
    </div>
  );
}

/** What nodes said before they fell silent, for as long as the page is open. */
function useRemembered(mesh: Mesh): Remembered {
  const [known, setKnown] = useState<{ of: Mesh | null; map: Remembered }>({
    of: null,
    map: new Map(),
  });
  if (known.of === mesh) {
    return known.map;
  }
  const map = remember(known.map, mesh);
  setKnown({ of: mesh, map });
  return map;
}

function Totals({ mesh }: { mesh: Mesh }): ReactNode {
  const silent = mesh.nodes.filter(({ reachable }) => !reachable).length;
  const sum = (of: (node: Mesh['nodes'][number]) => number | null): number =>
    mesh.nodes.reduce((total, node) => total + (of(node) ?? 0), 0);
  // What silent nodes hold is not known, and not nothing.
  const atLeast = silent > 0 ? 'at least ' : '';
  return (
    <ul className="mesh-totals">
      <li>
        <Count value={mesh.nodes.length} /> nodes{silent > 0 && `, ${silent} of them silent`}
      </li>
      <li>
        {atLeast}
        <Count value={sum(({ messages }) => messages)} /> queued
      </li>
      <li>
        {atLeast}
        <Count value={sum((node) => node.received_per_minute)} /> a minute received, at all nodes
        together
      </li>
    </ul>
  );
}

function Troubles({ troubles }: { troubles: readonly Trouble[] }): ReactNode {
  return (
    <section aria-label="What needs attention" className="troubles">
      {troubles.length === 0 ? (
        <p className="trouble" data-tone="ok">
          Every hop takes mail.
        </p>
      ) : (
        <ul>
          {troubles.map(({ key, tone, what, why, link, node }) => (
            <li key={key} className="trouble" data-tone={tone}>
              <Link
                href={
                  link === null
                    ? `/node/${encodeURIComponent(node)}`
                    : `/?link=${encodeURIComponent(`${link.from} → ${link.to}`)}`
                }
              >
                {what}
              </Link>
              {why !== '' && <span> {why}</span>}
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

function Legend(): ReactNode {
  return (
    <ul className="mesh-legend" aria-label="What the lines mean">
      <li data-tone="flows">mail flows; wider is more</li>
      <li data-tone="idle">idle</li>
      <li data-tone="warn">some attempts fail</li>
      <li data-tone="bad">the hop is at fault</li>
      <li data-tone="paused">paused</li>
      <li data-tone="idle" data-failover="true">
        failover
      </li>
      <li data-tone="unknown">not known</li>
    </ul>
  );
}
