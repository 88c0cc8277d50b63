/** Where the API of one worker process of this node is, as the front knows it. */
export interface WorkerLink {
  /** From 0; the same after a restart. */
  index: number;
  /** Base URL on loopback; '' while it has none yet. */
  url: string;
  /** Made anew at each start of the front, which alone knows it beside the workers. */
  token: string;
  /** False from its end until it is ready again. */
  up: boolean;
  /** It takes no mail, and sends what a worker has left that is no more. Default: it is a worker. */
  drains?: boolean;
}
