import { readFileSync } from 'node:fs';
import { DockerfileParser, type Instruction, type ModifiableInstruction } from 'dockerfile-ast';

export const CONTAINERFILE = 'scripts/deploy/Containerfile';

/** One instruction, with its arguments as the builder takes them. */
export interface Step {
  keyword: string;
  /** Without flags; of a JSON array its members. */
  values: string[];
  flags: Record<string, string>;
}

/** The instructions of the Containerfile, by stage; what stands before the first one is left out. */
export function readStages(): Step[][] {
  const stages: Step[][] = [];
  const file = DockerfileParser.parse(readFileSync(CONTAINERFILE, 'utf8'));
  for (const instruction of file.getInstructions()) {
    if (instruction.getKeyword() === 'FROM') stages.push([]);
    stages.at(-1)?.push(readStep(instruction));
  }
  return stages;
}

function readStep(instruction: Instruction): Step {
  const keyword = instruction.getKeyword();
  const given = (instruction as Partial<ModifiableInstruction>).getFlags?.call(instruction) ?? [];
  const flags = Object.fromEntries(given.map((flag) => [flag.getName(), flag.getValue() ?? '']));
  const text = instruction.getRawArgumentsContent() ?? '';
  const rest = text
    .replaceAll(/\\\r?\n\s*/g, ' ')
    .replace(/^(?:--\S+\s+)+/, '')
    .trim();
  // HEALTHCHECK has its command behind a word.
  const array = /^(?:CMD\s+)?(\[.*\])$/.exec(rest)?.[1];
  const isWhole = keyword === 'RUN' || keyword === 'ENV';
  const values =
    array === undefined ? (isWhole ? [rest] : rest.split(/\s+/)) : (JSON.parse(array) as string[]);
  return { keyword, values, flags };
}

/** The last instruction of a kind in a stage. */
export function lastOf(stage: readonly Step[], keyword: string): Step | undefined {
  return stage.findLast((step) => step.keyword === keyword);
}
