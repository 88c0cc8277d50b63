import type { Chance } from './chance.js';
import type { SimulatedNode } from './simulated-node.js';
import type { World } from './world.js';

const DAY_MS = 86_400_000;

/** What may go wrong, each with its weight. */
const FAULTS = {
  kill: 4,
  'kill in the midst': 6,
  outage: 6,
  'kill at a change': 10,
  'power cut': 3,
  'power cut at a change': 5,
  'no space at a change': 3,
  'io error at a change': 2,
  'slow drive': 2,
  'unreadable drive': 2,
  'second process': 1,
  stop: 2,
  reload: 2,
  control: 2,
  quarantine: 1,
  jump: 2,
  damage: 1,
} as const;

/** Plans what goes wrong in one run, at times drawn in advance. */
export function planFaults(world: World, chance: Chance, untilMs: number): void {
  const count = chance.happens(0.1) ? 0 : chance.whole(1, 8);
  for (let index = 0; index < count; index++) {
    const fault = chance.weighted(FAULTS);
    const node = world.node(chance.pick(world.layout.nodes));
    const own = chance.branch(`fault ${index}`);
    world.timeline.after(chance.next() * untilMs, () => strike(world, node, fault, own));
  }
}

function strike(
  world: World,
  node: SimulatedNode,
  fault: keyof typeof FAULTS,
  chance: Chance,
): void {
  const inChanges = Math.round(chance.spread(1, 40));
  const afterwards = chance.happens(0.5);
  switch (fault) {
    case 'kill':
      return node.die(false, 'any time');
    case 'kill in the midst':
      return world.timeline.inTheMidst(inChanges * 2, () => node.die(false, 'in the midst'));
    case 'outage':
      return outage(world, node, chance);
    case 'power cut':
      return node.die(true, 'any time');
    case 'kill at a change':
      return node.drive.arm({ inChanges, kind: 'kill', afterwards });
    case 'power cut at a change':
      return node.drive.arm({ inChanges, kind: 'power-cut', afterwards });
    case 'no space at a change':
      return node.drive.arm({ inChanges, kind: 'no-space', afterwards: false });
    case 'io error at a change':
      return node.drive.arm({ inChanges, kind: 'io-error', afterwards: false });
    case 'slow drive':
      node.drive.slowness = chance.spread(10, 500);
      world.timeline.after(chance.spread(1000, 60_000), () => {
        node.drive.slowness = 1;
      });
      return;
    case 'unreadable drive':
      node.drive.unreadable = chance.whole(1, 6);
      return;
    case 'second process':
      void node.operator.startTwice();
      return;
    case 'stop':
      void node.stop().then(() => node.startAfter(chance.spread(100, 60_000)));
      return;
    case 'reload':
      return node.reload();
    case 'control':
      return node.operator.handleQueue();
    case 'quarantine':
      return node.operator.tidy();
    case 'jump':
      return jump(node, chance);
    case 'damage':
      return damage(world, node, chance);
  }
}

/**
 * Two machines in the middle of what they do with each other: in the midst of the next attempt, its
 * sender dies, and its receiver a little later. Who comes back first finds the other one away.
 */
function outage(world: World, node: SimulatedNode, chance: Chance): void {
  const powerCut = chance.happens(0.2);
  node.onAttempt = (hop) => {
    node.onAttempt = null;
    world.timeline.inTheMidst(chance.whole(3, 30), () => {
      node.die(powerCut, 'an outage');
      const receiver = world.layout.nodes.includes(hop) ? world.node(hop) : null;
      world.timeline.after(chance.spread(1, 500), () => receiver?.die(false, 'an outage'));
    });
  };
}

/** Somebody sets the clock; it is never further off than a day. */
function jump(node: SimulatedNode, chance: Chance): void {
  const target = chance.pick([-1, 1, chance.next() * 2 - 1, 0]) * DAY_MS;
  node.jump(Math.round(target) - node.wall.offsetMs);
}

/** A record or a file goes bad while nobody looks. */
function damage(world: World, node: SimulatedNode, chance: Chance): void {
  node.die(true, 'a drive that goes bad');
  const records = node.medium.surviving();
  const keys = [...records.keys()].filter((key) => key.startsWith('q!'));
  if (keys.length === 0) return;
  const key = chance.pick(keys);
  const [, queueId = ''] = key.split('!');
  const copy = world.ledger.copy(node.name, queueId);
  if (copy === undefined) return;
  copy.damaged = true;
  node.noteReport(copy);
  const path = node.bodyPath(queueId);
  const file = node.files.read(path);
  if (file !== undefined && chance.happens(0.5)) {
    node.files.damage(path, chance.happens(0.3) ? null : spoilt(file, chance));
    world.log.add(node.name, `! the file of ${queueId} goes bad`);
  } else {
    node.medium.damage(key, spoilt(records.get(key) as Buffer, chance));
    world.log.add(node.name, `! the record ${key} goes bad`);
  }
}

/** Flipped, missing or extra bytes. */
function spoilt(bytes: Buffer, chance: Chance): Buffer {
  const at = chance.whole(0, bytes.length - 1);
  switch (chance.pick(['flip', 'cut', 'extend'] as const)) {
    case 'flip': {
      const flipped = Buffer.from(bytes);
      flipped[at] = (flipped[at] as number) ^ (1 << chance.whole(0, 7));
      return flipped;
    }
    case 'cut':
      return bytes.subarray(0, at);
    case 'extend':
      return Buffer.concat([bytes, Buffer.alloc(chance.whole(1, 9), 0x2a)]);
  }
}
