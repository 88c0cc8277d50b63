import type { Topology } from '../schema.js';
import type { NodePlan } from './plan.js';
import { MARKER, topologyText } from './yaml-text.js';

/** A file of an export. */
export interface OutputFile {
  /** Relative to the folder of the export. */
  path: string;
  text: string;
}

export interface ExportOptions {
  /** Image of the containers. */
  image: string;
  /** Path of relaymesh on the machines of systemd. */
  program: string;
}

/** The topology file of one node, for people too. */
export function sliceText(topology: Topology, { name, slice }: NodePlan): string {
  return topologyText(slice, [
    MARKER,
    `What node ${name} needs of the topology ${topology.name}: change the topology, and export again.`,
  ]);
}

/** The page with the steps; what all targets have to say stands first. */
export function readme(
  topology: Topology,
  plans: readonly NodePlan[],
  how: string,
  lines: readonly string[],
): string {
  const notes = [certificateNotes, relayNotes, programNotes].flatMap((notesOf) => notesOf(plans));
  return `${[
    `<!-- ${MARKER} -->`,
    '',
    `# ${topology.name} ${how}`,
    '',
    `${count(plans.length, 'node')}: ${plans.map(({ name, host }) => `\`${name}\` (${host})`).join(', ')}.`,
    'Each gets only its slice of the topology. No file here holds a secret: they are referred to, and',
    'you put them where the steps say.',
    '',
    ...(notes.length === 0 ? [] : [...notes, '']),
    ...lines,
  ].join('\n')}\n`;
}

/** Which names a certificate has to carry is not in any file. */
function certificateNotes(plans: readonly NodePlan[]): string[] {
  const served = plans.filter(({ files }) => files.some(({ kind }) => kind === 'cert'));
  if (served.length === 0) return [];
  const names = served.map(({ name, host }) => `\`${name}\`: \`${host}\``);
  return [
    'Certificates must carry the name that the other nodes connect to, as a subject alternative name:',
    `${names.join(', ')}.`,
  ];
}

function relayNotes(plans: readonly NodePlan[]): string[] {
  const open = plans.filter(({ relayFromLocal, host, name }) => relayFromLocal && host === name);
  if (open.length === 0) return [];
  const names = open.map(({ name }) => `\`${name}\``).join(', ');
  return [
    '',
    `\`relay-from\` of ${names} names loopback, which in a container is the container alone: name the`,
    'networks of the clients, or give them logins.',
  ];
}

function programNotes(plans: readonly NodePlan[]): string[] {
  const running = plans.filter(({ programs }) => programs.length > 0);
  if (running.length === 0) return [];
  const names = running.map(({ name, programs }) => `\`${name}\`: \`${programs.join(', ')}\``);
  return [
    '',
    `Programs that print access tokens have to be where the node runs: ${names.join('; ')}.`,
  ];
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}
