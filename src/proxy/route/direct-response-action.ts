import { existsSync, readFileSync } from "node:fs";
import type { Messages } from "../../proto/messages.d.ts";
import type { OperatorDef, StreamInfo } from "../api.ts";
import { compileSubstitutionFormat } from "../formatter/substitution-format.ts";

const DEFAULT_MAX_BODY = 4096;

/** Answers with a configured status and body. */
export class DirectResponseAction {
  readonly kind = "direct";
  readonly status: number;
  /** The body as text. */
  readonly body: string;
  readonly format: ((info: StreamInfo) => string) | undefined;
  /** Of formatted bodies. */
  readonly contentType: string;

  /** `maxBody` in bytes. Throws an Error with Envoy's text for a missing file or too long a body. */
  constructor(
    config: Messages["envoy.config.route.v3.DirectResponseAction"],
    maxBody: number | undefined,
    operators: readonly OperatorDef[],
  ) {
    this.status = config.status;
    this.body = config.body === undefined ? "" : readBody(config.body, maxBody ?? DEFAULT_MAX_BODY);
    this.format =
      config.bodyFormat === undefined ? undefined : compileSubstitutionFormat(config.bodyFormat, operators);
    this.contentType =
      config.bodyFormat?.contentType ||
      (config.bodyFormat?.format.case === "jsonFormat" ? "application/json" : "text/plain");
  }
}

function readBody(source: Messages["envoy.config.core.v3.DataSource"], maxBody: number): string {
  const bytes = readBytes(source);
  if (bytes.length > maxBody)
    throw new Error(`response body size is ${bytes.length} bytes; maximum is ${maxBody}`);
  return bytes.toString("utf8");
}

function readBytes(source: Messages["envoy.config.core.v3.DataSource"]): Buffer {
  const specifier = source.specifier;
  switch (specifier.case) {
    case "inlineString":
      return Buffer.from(specifier.value, "utf8");
    case "inlineBytes":
      return Buffer.from(specifier.value);
    case "filename":
      if (!existsSync(specifier.value)) throw new Error(`file ${specifier.value} does not exist`);
      return readFileSync(specifier.value);
    case "environmentVariable": {
      const value = process.env[specifier.value];
      if (value === undefined) throw new Error(`Environment variable doesn't exist: ${specifier.value}`);
      return Buffer.from(value, "utf8");
    }
    default:
      throw new Error("Unexpected DataSource::specifier_case(): 0");
  }
}
