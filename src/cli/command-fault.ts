/** The command cannot go on: what to tell and how to exit. */
export class CommandFault extends Error {
  constructor(
    readonly exitCode: 1 | 2 | 3,
    message: string,
  ) {
    super(message);
    this.name = 'CommandFault';
  }
}
