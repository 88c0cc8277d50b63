import assert from 'node:assert/strict';
import { z } from 'zod';
import { rawRequest, type RawAnswer, type RawRequest } from './raw-request.js';

interface Media {
  schema?: Record<string, unknown>;
}

export interface DocumentedOperation {
  operationId: string;
  parameters?: Array<{
    name: string;
    in: string;
    required: boolean;
    schema: Record<string, unknown>;
  }>;
  requestBody?: { content: Record<string, Media> };
  responses: Record<string, { content?: Record<string, Media> }>;
}

export interface OpenApiDocument {
  openapi: string;
  paths: Record<string, Record<string, DocumentedOperation>>;
  components: { schemas: { Problem: Record<string, unknown> } };
}

/** Holds what a server answers against the document that it serves, and remembers what it saw. */
export class ContractCheck {
  readonly document: OpenApiDocument;
  /** `operationId status` and, of problems, ` code`. */
  readonly seen = new Set<string>();

  constructor(document: OpenApiDocument) {
    this.document = document;
  }

  /** Everything that the document says can be answered. */
  get documented(): string[] {
    return Object.values(this.document.paths)
      .flatMap((methods) => Object.values(methods))
      .flatMap((operation) =>
        Object.entries(operation.responses).flatMap(([status, { content }]) => {
          const codes = codesOf(content?.['application/problem+json']);
          const name = `${operation.operationId} ${status}`;
          return codes === null ? [name] : codes.map((code) => `${name} ${code}`);
        }),
      );
  }

  /** @param path as in the document, with `{}` filled in by `values` in order */
  async call(
    port: number,
    method: string,
    path: string,
    values: readonly string[],
    request: Omit<RawRequest, 'path' | 'method'> & { query?: string } = {},
  ): Promise<RawAnswer> {
    const operation = this.document.paths[path]?.[method.toLowerCase()];
    assert.ok(operation !== undefined, `${method} ${path} is not documented`);
    const left = [...values];
    // the path of another node's API is more than one segment
    const target = path.replaceAll(/\{[^}]*\}/g, (name) =>
      encodeURIComponent(left.shift() ?? '').replaceAll('%2F', name === '{path}' ? '/' : '%2F'),
    );
    const { query = '', ...rest } = request;
    const answer = await rawRequest(port, { method, path: target + query, ...rest });
    this.#check(operation, answer);
    return answer;
  }

  #check(operation: DocumentedOperation, answer: RawAnswer): void {
    const name = `${operation.operationId} ${answer.status}`;
    const response = operation.responses[String(answer.status)] ?? operation.responses['default'];
    assert.ok(response !== undefined, `${name} is not documented: ${answer.body}`);
    if (response === operation.responses['default']) {
      this.seen.add(`${operation.operationId} default`);
    }
    if (response.content === undefined || answer.status === 204) {
      assert.equal(answer.body, '', name);
      this.seen.add(name);
      return;
    }
    const [type = ''] = (answer.headers['content-type'] ?? '').split(';');
    const media = response.content[type];
    assert.ok(media !== undefined, `${name}: ${type} is not documented`);
    const codes = codesOf(media);
    if (codes !== null) {
      const { code } = this.#parse(this.document.components.schemas.Problem, answer, name) as {
        code: string;
      };
      const passesOn = 'default' in operation.responses;
      assert.ok(passesOn || codes.includes(code), `${name}: ${code} is not documented`);
      this.seen.add(`${name} ${code}`);
      return;
    }
    if (media.schema !== undefined && type.endsWith('json')) {
      this.#parse(media.schema, answer, name);
    }
    this.seen.add(name);
  }

  /** By the document's own schema, which lets no property through that it does not name. */
  #parse(schema: Record<string, unknown>, { body }: RawAnswer, name: string): unknown {
    const parsed = z.fromJSONSchema(schema).safeParse(JSON.parse(body));
    assert.ok(parsed.success, `${name}: ${parsed.error?.message}\n${body}`);
    return parsed.data;
  }
}

/** The codes of a problem, those of which there may be others too; null for what is none. */
function codesOf(media: Media | undefined): string[] | null {
  const [, own] = (media?.schema?.['allOf'] ?? []) as Array<{
    properties?: { code?: { enum?: string[]; examples?: string[] } };
  }>;
  const code = own?.properties?.code;
  return code?.enum ?? code?.examples ?? null;
}
