import type { MetadataValue } from "../model.ts";
import { Refusal } from "../refusal.ts";

interface FieldBase {
  /** For the OpenAPI document. */
  readonly description: string;
  readonly required?: boolean;
}

/** What one field of a request may be. From the same table come validation, error texts and the OpenAPI document. */
export type Field =
  | (FieldBase & { readonly type: "text"; readonly max: number })
  | (FieldBase & { readonly type: "integer"; readonly min: number; readonly max: number })
  | (FieldBase & { readonly type: "choice"; readonly of: readonly string[] })
  | (FieldBase & { readonly type: "labels" });

export type Fields = Readonly<Record<string, Field>>;

type ValueOf<F extends Field> = F extends { type: "choice"; of: readonly (infer T)[] }
  ? T
  : F extends { type: "integer" }
    ? number
    : F extends { type: "labels" }
      ? Readonly<Record<string, MetadataValue>>
      : string;

/** What `checkFields` gives for a table. */
export type Checked<F extends Fields> = {
  [K in keyof F as F[K] extends { required: true } ? K : never]: ValueOf<F[K]>;
} & { [K in keyof F as F[K] extends { required: true } ? never : K]?: ValueOf<F[K]> };

const maxLabels = 64;
const maxLabelName = 128;
const maxLabelValue = 1024;

/** Gives the fields that are set. Throws a Refusal (400) that names the first bad one and what is allowed. */
export function checkFields<F extends Fields>(value: unknown, fields: F): Checked<F> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new Refusal(400, "the body must be a JSON object", { allowed: Object.keys(fields).join(", ") });
  }
  const checked: Record<string, unknown> = {};
  for (const [name, content] of Object.entries(value)) {
    const field = Object.hasOwn(fields, name) ? fields[name] : undefined;
    if (field === undefined) {
      throw new Refusal(400, `unknown field "${name}"`, {
        field: name,
        allowed: Object.keys(fields).join(", "),
      });
    }
    checkField(name, content, field);
    checked[name] = content;
  }
  for (const [name, field] of Object.entries(fields)) {
    if (field.required === true && checked[name] === undefined) {
      throw new Refusal(400, `field "${name}" is missing`, { field: name, allowed: describeAllowed(field) });
    }
  }
  return checked as Checked<F>;
}

/** The same for text that stands for a number, as in a query or a form. */
export function parseInteger(name: string, text: string, min: number, max: number): number {
  const value = /^-?\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  checkField(name, value, { type: "integer", min, max, description: "" });
  return value;
}

/** What a field may be, in words. */
function describeAllowed(field: Field): string {
  switch (field.type) {
    case "text":
      return `text of at most ${field.max} printable characters`;
    case "integer":
      return `an integer from ${field.min} to ${field.max}`;
    case "choice":
      return field.of.join(", ");
    case "labels":
      return (
        `an object of at most ${maxLabels} names (up to ${maxLabelName} characters) with texts ` +
        `(up to ${maxLabelValue} characters), numbers or booleans`
      );
  }
}

/** The fields as a JSON Schema object. */
export function toJsonSchema(fields: Fields): object {
  const required = Object.keys(fields).filter((name) => fields[name]?.required === true);
  const properties = Object.fromEntries(
    Object.entries(fields).map(([name, field]) => [name, fieldSchema(field)]),
  );
  return {
    type: "object",
    additionalProperties: false,
    properties,
    ...(required.length > 0 && { required }),
  };
}

function fieldSchema(field: Field): object {
  const { description } = field;
  switch (field.type) {
    case "text":
      return { type: "string", maxLength: field.max, description };
    case "integer":
      return { type: "integer", minimum: field.min, maximum: field.max, description };
    case "choice":
      return { type: "string", enum: field.of, description };
    case "labels":
      return {
        type: "object",
        maxProperties: maxLabels,
        additionalProperties: { type: ["string", "number", "boolean"] },
        description,
      };
  }
}

function checkField(name: string, value: unknown, field: Field): void {
  if (field.type === "labels" && typeof value === "object" && value !== null && !Array.isArray(value)) {
    return checkLabels(name, value as Record<string, unknown>, field);
  }
  if (!isAllowed(value, field)) {
    throw new Refusal(400, `field "${name}" is not ${describeAllowed(field)}`, {
      field: name,
      allowed: describeAllowed(field),
    });
  }
}

function isAllowed(value: unknown, field: Field): boolean {
  switch (field.type) {
    case "text":
      return typeof value === "string" && value.length <= field.max && isPrintable(value);
    case "integer":
      return typeof value === "number" && Number.isInteger(value) && value >= field.min && value <= field.max;
    case "choice":
      return typeof value === "string" && field.of.includes(value);
    case "labels":
      return false;
  }
}

function checkLabels(name: string, labels: Record<string, unknown>, field: Field): void {
  const entries = Object.entries(labels);
  const bad = entries.find(([label, value]) => !isLabel(label, value));
  if (bad === undefined && entries.length <= maxLabels) return;
  const where = bad === undefined ? name : `${name}.${bad[0].slice(0, maxLabelName)}`;
  throw new Refusal(400, `field "${where}" is not allowed`, {
    field: where,
    allowed: describeAllowed(field),
  });
}

function isLabel(name: string, value: unknown): boolean {
  if (name === "" || name.length > maxLabelName || !isPrintable(name)) return false;
  if (typeof value === "string") return value.length <= maxLabelValue && isPrintable(value);
  return typeof value === "boolean" || (typeof value === "number" && Number.isFinite(value));
}

function isPrintable(text: string): boolean {
  return !/\p{Cc}|\p{Cs}/u.test(text);
}
