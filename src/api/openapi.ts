import { z } from 'zod';
import { VERSION } from '../base/version.js';
import { OPERATIONS, type Operation } from './operations.js';
import { eventShapes } from './shape/events.js';
import { problemShape } from './shape/problem.js';

/** OpenAPI 3.1, whose schemas are JSON Schema 2020-12, made of the schemas that validate. */

type Json = Record<string, unknown>;

let made: Json | null = null;

/** The document; made when it is asked for first. */
export function openApi(): Json {
  made ??= {
    openapi: '3.1.0',
    info: {
      title: 'relaymesh',
      version: VERSION,
      description:
        'The HTTP API of a node. Errors are application/problem+json with a stable code.',
    },
    security: [{ token: [] }],
    paths: pathsOf(OPERATIONS),
    components: {
      securitySchemes: { token: { type: 'http', scheme: 'bearer' } },
      schemas: { Problem: schemaOf(problemShape, 'output') },
    },
  };
  return made;
}

function pathsOf(operations: readonly Operation[]): Json {
  const paths = new Map<string, Json>();
  for (const operation of operations) {
    paths.set(operation.path, {
      ...paths.get(operation.path),
      [operation.method]: describe(operation),
    });
  }
  return Object.fromEntries(paths);
}

function describe(operation: Operation): Json {
  const { id, summary, open, body, path, passesOn } = operation;
  const parameters = parametersOf(operation);
  return {
    operationId: id,
    summary,
    ...(open === true ? { security: [] } : {}),
    ...(parameters.length > 0 ? { parameters } : {}),
    ...(body === undefined
      ? {}
      : { requestBody: { required: passesOn !== true, content: contentOf(body, 'input') } }),
    ...(path === '/v1/events' ? { 'x-events': eventSchemas() } : {}),
    responses: responsesOf(operation),
  };
}

function parametersOf({ parameters = {}, query, headers = {} }: Operation): Json[] {
  const of = (where: string, schemas: Readonly<Record<string, z.ZodType>>): Json[] =>
    Object.entries(schemas).map(([name, schema]) => ({
      name,
      in: where,
      required: !schema.safeParse(undefined).success,
      schema: schemaOf(schema, 'input'),
    }));
  const ofQuery = query === undefined ? {} : (query.shape as Record<string, z.ZodType>);
  return [...of('path', parameters), ...of('query', ofQuery), ...of('header', headers)];
}

/** What another node answers, of which its own document tells. */
const PASSED_ON: Json = {
  description: 'What that node answers.',
  content: {
    'application/json': {},
    'text/plain': {},
    'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } },
  },
};

function responsesOf(operation: Operation): Json {
  const { status, answer, passesOn } = operation;
  const done = {
    description: status === 204 ? 'Done.' : 'As asked.',
    ...(answer === undefined ? {} : { content: contentOf(answer, 'output') }),
  };
  return {
    ...(passesOn === true ? { default: PASSED_ON } : { [status]: done }),
    ...Object.fromEntries(
      Object.entries(problemsOf(operation)).map(([code, codes]) => [
        code,
        {
          description: `code: ${codes.join(', ')}`,
          content: {
            'application/problem+json': {
              schema: {
                allOf: [
                  { $ref: '#/components/schemas/Problem' },
                  {
                    properties: {
                      status: { const: Number(code) },
                      // that of the other node may be any of its own
                      code: passesOn === true ? { examples: codes } : { enum: codes },
                    },
                  },
                ],
              },
            },
          },
        },
      ]),
    ),
  };
}

/** By status: those of the route itself, and those that stand before every route. */
function problemsOf({
  problems = {},
  open,
  method,
}: Operation): Readonly<Record<number, readonly string[]>> {
  if (open === true) return { ...problems, 403: ['ORIGIN_REFUSED'] };
  const ofBody = method === 'get' ? [] : ['CONTENT_TYPE_REFUSED'];
  const refused = ['HOST_REFUSED', 'ORIGIN_REFUSED', ...ofBody, ...(problems[403] ?? [])];
  const silent = [...(problems[503] ?? []), 'WORKER_UNREACHABLE'];
  return { ...problems, 401: ['UNAUTHORIZED'], 403: refused, 500: ['INTERNAL'], 503: silent };
}

function contentOf(
  types: Readonly<Record<string, z.ZodType | null>>,
  io: 'input' | 'output',
): Json {
  return Object.fromEntries(
    Object.entries(types).map(([type, schema]) => [
      type,
      schema === null ? {} : { schema: schemaOf(schema, io) },
    ]),
  );
}

function eventSchemas(): Json {
  return Object.fromEntries(
    Object.entries(eventShapes).map(([type, schema]) => [type, schemaOf(schema, 'output')]),
  );
}

/** `$schema` stands once for the document: it is that of OpenAPI 3.1. */
function schemaOf(schema: z.ZodType, io: 'input' | 'output'): Json {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io, target: 'draft-2020-12' });
  return rest;
}
