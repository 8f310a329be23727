import { toJsonSchema } from "./fields.ts";
import type { Field, Fields } from "./fields.ts";
import type { Operation } from "./operation.ts";

/** The OpenAPI 3.1 document of the operations. */
export function openApiDocument(title: string, operations: readonly Operation[]): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const operation of operations) {
    const path = operation.path.replace(/\/:(\w+)/g, "/{$1}");
    (paths[path] ??= {})[operation.method.toLowerCase()] = describe(operation);
  }
  return {
    openapi: "3.1.0",
    info: { title, version: "1" },
    paths,
    components: {
      securitySchemes: { token: { type: "http", scheme: "bearer" } },
      schemas: {
        Error: {
          type: "object",
          required: ["error"],
          properties: {
            error: { type: "string", description: "What is wrong" },
            field: { type: "string", description: "Where" },
            allowed: { type: "string", description: "What is allowed there" },
          },
        },
      },
    },
  };
}

function describe(operation: Operation): object {
  const names = [...operation.path.matchAll(/\/:(\w+)/g)].map((match) => match[1] ?? "");
  const parameters = [
    ...names.map((name) => ({ name, in: "path", required: true, schema: { type: "string" } })),
    ...Object.entries(operation.query ?? {}).map(([name, field]) => queryParameter(name, field)),
  ];
  const content = requestContent(operation.body, operation.form);
  return {
    operationId: operation.id,
    summary: operation.summary,
    ...(parameters.length > 0 && { parameters }),
    ...(content !== undefined && { requestBody: { content } }),
    responses: Object.fromEntries(
      Object.entries(operation.replies).map(([status, text]) => [status, reply(Number(status), text)]),
    ),
    // An empty alternative: without a configured token nobody needs one.
    ...(operation.access !== "open" && { security: [{ token: [] }, {}] }),
  };
}

function queryParameter(name: string, field: Field): object {
  const schema = (toJsonSchema({ [name]: field }) as { properties: Record<string, object> }).properties[name];
  return { name, in: "query", description: field.description, schema };
}

function requestContent(body: Fields | undefined, form: Fields | undefined): object | undefined {
  if (body !== undefined) return { "application/json": { schema: toJsonSchema(body) } };
  return form && { "application/x-www-form-urlencoded": { schema: toJsonSchema(form) } };
}

function reply(status: number, description: string): object {
  if (status < 400) return { description };
  return { description, content: { "application/json": { schema: { $ref: "#/components/schemas/Error" } } } };
}
