import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';

/** Ctrl-C. The terminal is as it was. */
export class Interrupted extends Error {}

/** Asks at a terminal for lines that are not shown while they are typed. */
export interface HiddenLines {
  /**
   * The next line without its end; null at Ctrl-D and at the end of the input.
   *
   * @throws Interrupted
   */
  ask(prompt: string): Promise<string | null>;
  /** Gives the terminal back as it was. */
  close(): void;
}

type Answer = string | null | Interrupted;

/** Editing keys work as in a shell, but nothing of the line is written and none is remembered. */
export function hiddenLines(input: NodeJS.ReadStream, prompts: NodeJS.WritableStream): HiddenLines {
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input, output: nowhere, terminal: true, historySize: 0 });
  /** What was typed or pasted before it was asked for; after the end of the input, that. */
  const early: Answer[] = [];
  let waiting: ((answer: Answer) => void) | null = null;
  const answer = (given: Answer): void => {
    if (waiting === null) early.push(given);
    else waiting(given);
    waiting = null;
  };
  lines.on('line', answer);
  lines.on('SIGINT', () => {
    answer(new Interrupted());
    lines.close();
  });
  lines.on('close', () => answer(null));
  return {
    async ask(prompt) {
      prompts.write(prompt);
      const [before] = early.splice(0, 1);
      const given =
        before === undefined ? await new Promise<Answer>((resolve) => (waiting = resolve)) : before;
      prompts.write('\n');
      if (given instanceof Interrupted) throw given;
      return given;
    },
    close: () => lines.close(),
  };
}
