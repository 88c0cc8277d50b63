/**
 * What the sessions of one client send as content of messages, together. One that has several
 * messages under way may send them in turn, and then most of its sessions are silent for a while.
 */
export class ClientContent {
  /** That are open, whatever they do. */
  sessions = 0;
  /** Since the first of them was opened. */
  bytes = 0;
  /** Sessions that wait now until we have taken what they sent. */
  waiting = 0;
}

/** By client; as many as there are clients with a session. */
export class ContentByClient {
  readonly #clients = new Map<string, ClientContent>();

  enter(client: string): ClientContent {
    let content = this.#clients.get(client);
    if (content === undefined) {
      content = new ClientContent();
      this.#clients.set(client, content);
    }
    content.sessions++;
    return content;
  }

  leave(client: string): void {
    const content = this.#clients.get(client);
    if (content !== undefined && --content.sessions === 0) {
      this.#clients.delete(client);
    }
  }
}
