import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import type { TestContext } from 'node:test';
import type {
  ExportTraceServiceRequest,
  KeyValue,
  ResourceSpans,
  Span,
} from '../../src/trace/otlp-json.js';

export interface CollectorRequest {
  method: string | undefined;
  url: string | undefined;
  headers: IncomingHttpHeaders;
  body: ExportTraceServiceRequest;
}

export interface CollectorAnswer {
  status: number;
  headers?: Record<string, string>;
  body?: string;
}

/** Stands in for an OpenTelemetry collector, on loopback. Can go away and come back. */
export class Collector {
  readonly requests: CollectorRequest[] = [];
  /** Null: none is given. */
  answer: CollectorAnswer | null = { status: 200, body: '{"partialSuccess":{}}' };
  #port = 0;
  #server: Server | null = null;
  readonly #tls: { key: string; cert: string } | undefined;

  private constructor(tls?: { key: string; cert: string }) {
    this.#tls = tls;
  }

  /** Runs until the end of the test. */
  static async start(t: TestContext, tls?: { key: string; cert: string }): Promise<Collector> {
    const collector = new Collector(tls);
    await collector.comeBack();
    t.after(() => collector.goAway());
    return collector;
  }

  get origin(): string {
    return `${this.#tls === undefined ? 'http' : 'https'}://127.0.0.1:${this.#port}`;
  }

  /** All spans so far, each with the node that sent it. */
  get spans(): Array<Span & { node: string }> {
    const resources = this.requests.flatMap(({ body }) => body.resourceSpans);
    return resources.flatMap((resource) =>
      resource.scopeSpans.flatMap(({ spans }) =>
        spans.map((span) => ({ ...span, node: nodeOf(resource) })),
      ),
    );
  }

  async comeBack(): Promise<void> {
    const server = this.#tls === undefined ? createServer() : createSecureServer(this.#tls);
    server.on('request', (request, response) => {
      void text(request).then((body) => {
        const { method, url, headers } = request;
        this.requests.push({
          method,
          url,
          headers,
          body: JSON.parse(body) as ExportTraceServiceRequest,
        });
        const { answer } = this;
        if (answer === null) return;
        response.writeHead(answer.status, {
          'content-type': 'application/json',
          ...answer.headers,
        });
        response.end(answer.body ?? '');
      });
    });
    server.listen(this.#port, '127.0.0.1');
    await once(server, 'listening');
    this.#port = (server.address() as AddressInfo).port;
    this.#server = server;
  }

  /** Closes the port and cuts off who is connected. */
  async goAway(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    if (server === null) return;
    const closed = once(server, 'close');
    server.close();
    server.closeAllConnections();
    await closed;
  }
}

function nodeOf({ resource }: ResourceSpans): string {
  return String(plainAttributes(resource.attributes)['service.instance.id']);
}

/** Attributes as a plain object; 64-bit integers are text. */
export function plainAttributes(attributes: readonly KeyValue[]): Record<string, unknown> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]));
}
