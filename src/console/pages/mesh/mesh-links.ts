import type { Mesh } from '../../../api/shape/mesh.js';
import { shownWords } from '../../words.js';

export type MeshLink = Mesh['links'][number];
export type MeshNode = Mesh['nodes'][number];
export type LinkTone = 'idle' | 'flows' | 'warn' | 'bad' | 'paused' | 'unknown';

/** A link as it is drawn. `seenAt`: null while its node answers, else when it last did. */
export interface ShownLink {
  key: string;
  link: MeshLink;
  seenAt: number | null;
}

export interface ShownNode {
  name: string;
  /** Null: something that mail goes to and that cannot be asked: a sink, a host, all servers of DNS. */
  node: MeshNode | null;
  kind: MeshLink['kind'];
}

export interface ShownMesh {
  nodes: ShownNode[];
  links: ShownLink[];
}

/** What each node said when it last answered. */
export type Remembered = ReadonlyMap<string, { links: readonly MeshLink[]; at: number }>;

export function keyOfLink({ from, to }: { from: string; to: string }): string {
  return `${from} → ${to}`;
}

/** What is known of each node now, beside what was known of those that do not answer. */
export function remember(before: Remembered, mesh: Mesh): Remembered {
  const at = Date.parse(mesh.asked_at);
  const now = new Map<string, { links: readonly MeshLink[]; at: number }>();
  for (const { node, reachable } of mesh.nodes) {
    const links = reachable ? mesh.links.filter(({ from }) => from === node) : null;
    const known = links === null ? before.get(node) : { links, at };
    if (known !== undefined) {
      now.set(node, known);
    }
  }
  return now;
}

/** Everything to draw. Links of a node that does not answer are those that it last had, marked so. */
export function shownMesh(mesh: Mesh, remembered: Remembered): ShownMesh {
  const silent = mesh.nodes.filter(({ reachable }) => !reachable);
  const links = [
    ...mesh.links.map((link) => ({ key: keyOfLink(link), link, seenAt: null })),
    ...silent.flatMap(({ node }) => {
      const last = remembered.get(node);
      return (last?.links ?? []).map((link) => ({
        key: keyOfLink(link),
        link,
        seenAt: last?.at ?? null,
      }));
    }),
  ];
  const nodes = new Map<string, ShownNode>(
    mesh.nodes.map((node) => [node.node, { name: node.node, node, kind: 'node' }]),
  );
  for (const { link } of links) {
    if (!nodes.has(link.to)) {
      nodes.set(link.to, { name: link.to, node: null, kind: link.kind });
    }
  }
  return { nodes: [...nodes.values()], links };
}

/** Messages that the link still has to carry. */
export function depthOf({ ready, sending, deferred, held }: MeshLink): number {
  return ready + sending + deferred + held;
}

export function toneOf({ link, seenAt }: ShownLink): LinkTone {
  if (seenAt !== null) {
    return 'unknown';
  }
  if (link.state === 'backoff' || link.state === 'probing') {
    return 'bad';
  }
  if (link.state === 'paused') {
    return 'paused';
  }
  if (link.faults_per_minute > 0 || link.deferred > 0) {
    return 'warn';
  }
  return link.delivered_per_minute > 0 ? 'flows' : 'idle';
}

/** Width of the line, px: each tenfold of the rate is as much wider. */
export function widthOf({ link, seenAt }: ShownLink): number {
  return seenAt === null ? 1.5 + 2 * Math.log10(1 + link.delivered_per_minute) : 1.5;
}

/** All that a look at the picture tells, in words. */
export function describeLink(shown: ShownLink): string {
  const { link, seenAt } = shown;
  if (seenAt !== null) {
    return `${keyOfLink(link)}: not known, ${link.from} does not answer`;
  }
  const words = [
    `${link.delivered_per_minute} a minute`,
    `${depthOf(link)} waiting`,
    stateText(link),
    link.faults_per_minute > 0 ? `${link.faults_per_minute} faults a minute` : '',
    TLS_TEXT[link.tls],
    link.login ? 'login' : 'no login',
    link.failover ? 'failover' : '',
  ];
  return `${keyOfLink(link)}: ${words.filter((word) => word !== '').join(', ')}`;
}

export function stateText({ state }: MeshLink): string {
  return state === 'backoff' ? 'waits: the hop is at fault' : state;
}

export const TLS_TEXT: Readonly<Record<MeshLink['tls'], string>> = {
  none: 'no TLS',
  opportunistic: 'TLS if offered',
  required: 'TLS required',
  verified: 'TLS verified',
};

/** What an operator should look at first: hops at fault, silent or full nodes, quarantine. */
export interface Trouble {
  key: string;
  tone: 'bad' | 'warn';
  what: string;
  why: string;
  /** A link to open; else a node's page. */
  link: { from: string; to: string } | null;
  node: string;
}

export function troublesOf(mesh: Mesh): Trouble[] {
  const ofNodes = mesh.nodes.flatMap((node): Trouble[] => {
    const base = { key: node.node, link: null, node: node.node };
    if (!node.reachable) {
      const why = node.reason ?? 'no answer';
      return [{ ...base, tone: 'bad', what: `${node.node} does not answer`, why }];
    }
    const found: Trouble[] = [];
    if (node.ready === false) {
      found.push({ ...base, tone: 'bad', what: `${node.node} takes no mail`, why: '' });
    }
    if ((node.quarantined ?? 0) > 0) {
      const key = `${node.node} quarantine`;
      const what = `${node.quarantined} in quarantine at ${node.node}`;
      found.push({ ...base, key, tone: 'warn', what, why: 'They wait for an operator.' });
    }
    return found;
  });
  const ofLinks = mesh.links.flatMap((link): Trouble[] => {
    if (link.state === 'active') {
      return [];
    }
    const { code, enhanced_code: enhanced, description } = link.last_fault ?? {};
    const words = shownWords(
      [code, enhanced, description].filter((word) => word != null).join(' '),
    );
    return [
      {
        key: keyOfLink(link),
        tone: link.state === 'paused' ? 'warn' : 'bad',
        what: `${keyOfLink(link)}: ${stateText(link)}, ${depthOf(link)} waiting`,
        why: link.state === 'paused' ? 'by an operator' : words,
        link: { from: link.from, to: link.to },
        node: link.from,
      },
    ];
  });
  return [...ofLinks, ...ofNodes];
}
