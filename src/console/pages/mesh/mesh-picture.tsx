import { useMemo, type KeyboardEvent, type ReactNode } from 'react';
import { useLocation } from 'wouter';
import { formatCount, formatShortCount } from '../../quantities.js';
import {
  arrowAt,
  LABEL_HEIGHT,
  LABEL_WIDTH,
  layOut,
  NODE_HEIGHT,
  NODE_WIDTH,
  pathThrough,
  type MeshLayout,
  type Point,
} from './mesh-layout.js';
import {
  depthOf,
  describeLink,
  toneOf,
  widthOf,
  type ShownLink,
  type ShownMesh,
  type ShownNode,
} from './mesh-links.js';

/** Characters that a box has room for. */
const NAME_LENGTH = 19;
const FACT_LENGTH = 22;
/** It shrinks so far to fit, then it scrolls. */
const SMALLEST = 0.7;

/** The mesh as a picture. Everything in it can be reached with the keyboard, and says its words. */
export function MeshPicture({
  mesh,
  selected,
  onSelect,
}: {
  mesh: ShownMesh;
  selected: string | null;
  onSelect: (link: ShownLink) => void;
}): ReactNode {
  const placed = useLayout(mesh);
  return (
    <div className="mesh-frame">
      <svg
        className="mesh-picture"
        viewBox={`0 0 ${placed.width} ${placed.height}`}
        width={placed.width}
        height={placed.height}
        style={{ minWidth: placed.width * SMALLEST }}
        role="group"
        aria-label="Nodes and the links between them"
      >
        {mesh.links.map((link) => (
          <Line key={link.key} shown={link} placed={placed} onSelect={() => onSelect(link)} />
        ))}
        {mesh.links.map((link) => (
          <Link
            key={link.key}
            shown={link}
            at={placed.links.get(link.key)?.label}
            isSelected={link.key === selected}
            onSelect={() => onSelect(link)}
          />
        ))}
        {mesh.nodes.map((node) => (
          <Node key={node.name} shown={node} at={placed.nodes.get(node.name)} />
        ))}
      </svg>
    </div>
  );
}

/** Anew only when a node or a link comes or goes: nothing moves while only numbers change. */
function useLayout({ nodes, links }: ShownMesh): MeshLayout {
  const structure = JSON.stringify([
    nodes.map(({ name }) => name),
    links.map(({ key, link }) => ({ key, from: link.from, to: link.to })),
  ]);
  return useMemo(() => {
    const [names, ends] = JSON.parse(structure) as Parameters<typeof layOut>;
    return layOut(names, ends);
  }, [structure]);
}

/** Below all labels, so that none is crossed; whoever cannot point has the label. */
function Line({
  shown,
  placed,
  onSelect,
}: {
  shown: ShownLink;
  placed: MeshLayout;
  onSelect: () => void;
}): ReactNode {
  const { points } = placed.links.get(shown.key) ?? { points: [] };
  const path = pathThrough(points);
  const width = widthOf(shown);
  return (
    <g
      className="mesh-link"
      data-tone={toneOf(shown)}
      data-failover={shown.link.failover}
      aria-hidden="true"
      onClick={onSelect}
    >
      <path className="mesh-reach" d={path} />
      <path className="mesh-line" d={path} strokeWidth={width} />
      <polygon className="mesh-arrow" points={arrowAt(points, 7 + width)} />
    </g>
  );
}

function Link({
  shown,
  at,
  isSelected,
  onSelect,
}: {
  shown: ShownLink;
  at: Point | undefined;
  isSelected: boolean;
  onSelect: () => void;
}): ReactNode {
  return at === undefined ? null : (
    <g
      className="mesh-link"
      data-tone={toneOf(shown)}
      data-selected={isSelected}
      role="button"
      tabIndex={0}
      aria-pressed={isSelected}
      onClick={onSelect}
      onKeyDown={(event) => onEnter(event, onSelect)}
    >
      <title>{describeLink(shown)}</title>
      <LinkLabel shown={shown} at={at} />
    </g>
  );
}

/** What protects the link, its rate, and as a badge how much waits for it. */
function LinkLabel({ shown, at }: { shown: ShownLink; at: Point }): ReactNode {
  const { link, seenAt } = shown;
  const depth = depthOf(link);
  const isKnown = seenAt === null;
  const icons = link.login ? 38 : link.tls === 'none' ? 0 : 20;
  return (
    <g transform={`translate(${at.x - LABEL_WIDTH / 2} ${at.y - LABEL_HEIGHT / 2})`}>
      <rect
        className="mesh-label"
        width={LABEL_WIDTH}
        height={LABEL_HEIGHT}
        rx={LABEL_HEIGHT / 2}
      />
      {link.tls !== 'none' && <Lock isOpen={link.tls === 'opportunistic'} />}
      {link.login && <Key />}
      <text className="mesh-rate" x={(icons + LABEL_WIDTH) / 2} y={17.5}>
        {isKnown ? `${formatShortCount(link.delivered_per_minute)}/min` : '–'}
      </text>
      {isKnown && depth > 0 && (
        <g transform={`translate(${LABEL_WIDTH - 4} -1)`}>
          <Depth text={formatShortCount(depth)} />
        </g>
      )}
    </g>
  );
}

function Depth({ text }: { text: string }): ReactNode {
  const width = 12 + text.length * 7;
  return (
    <>
      <rect className="mesh-depth" x={-width / 2} y={-9} width={width} height={18} rx={9} />
      <text className="mesh-depth-text" y={4}>
        {text}
      </text>
    </>
  );
}

function Lock({ isOpen }: { isOpen: boolean }): ReactNode {
  return (
    <g className="mesh-icon" transform="translate(9 6)">
      <rect x={1} y={6} width={9} height={7} rx={1.5} />
      <path d={isOpen ? 'M3 6 V4 a2.5 2.5 0 0 1 5 -0.6' : 'M3 6 V4 a2.5 2.5 0 0 1 5 0 V6'} />
    </g>
  );
}

function Key(): ReactNode {
  return (
    <g className="mesh-icon mesh-key" transform="translate(24 6)">
      <circle cx={3} cy={10} r={2.5} />
      <path d="M4.8 8.2 L11 2 M9 4 L11 6 M7 6 L8.5 7.5" />
    </g>
  );
}

function Node({ shown, at }: { shown: ShownNode; at: Point | undefined }): ReactNode {
  const [, navigate] = useLocation();
  if (at === undefined) {
    return null;
  }
  const { name, node, kind } = shown;
  const [first, second] = nodeLines(shown);
  const words = `${name}: ${[first, second].filter((line) => line !== '').join(', ')}`;
  const open = (): void => navigate(`/node/${encodeURIComponent(name)}`);
  const isOpen = node !== null;
  return (
    <g
      className="mesh-node"
      data-kind={kind}
      data-state={stateOf(shown)}
      transform={`translate(${at.x - NODE_WIDTH / 2} ${at.y - NODE_HEIGHT / 2})`}
      {...(isOpen
        ? {
            role: 'link',
            tabIndex: 0,
            onClick: open,
            onKeyDown: (event: KeyboardEvent) => onEnter(event, open),
          }
        : { role: 'img' })}
    >
      <title>{words}</title>
      <rect className="mesh-box" width={NODE_WIDTH} height={NODE_HEIGHT} rx={isOpen ? 6 : 24} />
      <text className="mesh-name" x={NODE_WIDTH / 2} y={second === '' ? 30 : 23}>
        {clipped(kind === 'mx' ? 'mail servers by DNS' : name, NAME_LENGTH)}
      </text>
      <text className="mesh-fact" x={NODE_WIDTH / 2} y={second === '' ? 47 : 40}>
        {clipped(first, FACT_LENGTH)}
      </text>
      <text className="mesh-fact" x={NODE_WIDTH / 2} y={56}>
        {clipped(second, FACT_LENGTH)}
      </text>
    </g>
  );
}

function stateOf({ node, kind }: ShownNode): string {
  if (node === null) {
    return kind === 'node' ? 'unknown' : 'outside';
  }
  return node.reachable ? (node.ready === false ? 'closed' : 'ready') : 'silent';
}

const OUTSIDE = {
  node: 'its API is not known',
  sink: 'sink',
  host: 'host',
  mx: 'outside',
} as const;

function nodeLines({ node, kind }: ShownNode): [string, string] {
  if (node === null) {
    return [OUTSIDE[kind], ''];
  }
  if (!node.reachable) {
    return ['does not answer', node.reason?.replace(/^connect /, '') ?? ''];
  }
  const waiting = node.messages === null ? '–' : formatCount(node.messages);
  const taken =
    node.received_per_minute === null ? '–' : formatShortCount(node.received_per_minute);
  const second =
    (node.quarantined ?? 0) > 0 ? `${node.quarantined} in quarantine` : `${taken}/min in`;
  return [`${waiting} queued`, node.ready === false ? 'takes no mail' : second];
}

function clipped(text: string, length: number): string {
  return text.length > length ? `${text.slice(0, length - 1)}…` : text;
}

function onEnter(event: KeyboardEvent, act: () => void): void {
  if (event.key === 'Enter' || event.key === ' ') {
    event.preventDefault();
    act();
  }
}
