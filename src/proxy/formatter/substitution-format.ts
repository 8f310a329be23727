import { readFileSync } from "node:fs";
import type { Ledger } from "../../proto/ledger.ts";
import type { Messages } from "../../proto/messages.d.ts";
import type { OperatorDef, StreamInfo } from "../api.ts";
import { compileFormat } from "./format.ts";
import { compileJsonFormat } from "./json-format.ts";

type SubstitutionFormatString = Messages["envoy.config.core.v3.SubstitutionFormatString"];
type DataSource = Messages["envoy.config.core.v3.DataSource"];

/** What of a SubstitutionFormatString is read. */
export const substitutionFormatLedger: Ledger = {
  "envoy.config.core.v3.SubstitutionFormatString": [
    "text_format",
    "json_format",
    "text_format_source",
    "omit_empty_values",
    "content_type",
    { field: "json_format_options", ignored: "properties are always sorted" },
  ],
  "envoy.config.core.v3.DataSource": ["filename", "inline_bytes", "inline_string", "environment_variable"],
};

/** Compiles a format of either kind; JSON formats end in a line feed, as Envoy's do. */
export function compileSubstitutionFormat(
  config: SubstitutionFormatString,
  operators: readonly OperatorDef[],
): (info: StreamInfo) => string {
  const options = { omitEmpty: config.omitEmptyValues };
  switch (config.format.case) {
    case "textFormat":
      return compileFormat(config.format.value, operators, options);
    case "textFormatSource":
      return compileFormat(readDataSource(config.format.value), operators, options);
    case "jsonFormat": {
      const json = compileJsonFormat(config.format.value, operators, options);
      return (info) => json(info) + "\n";
    }
    default:
      throw new Error("SubstitutionFormatString: text_format, json_format or text_format_source must be set");
  }
}

/** The text that a DataSource names. */
export function readDataSource(source: DataSource): string {
  switch (source.specifier.case) {
    case "inlineString":
      return source.specifier.value;
    case "inlineBytes":
      return Buffer.from(source.specifier.value).toString("utf8");
    case "filename":
      try {
        return readFileSync(source.specifier.value, "utf8");
      } catch (error) {
        throw new Error(`Cannot read "${source.specifier.value}"`, { cause: error });
      }
    case "environmentVariable": {
      const value = process.env[source.specifier.value];
      if (value === undefined)
        throw new Error(`Environment variable doesn't exist: ${source.specifier.value}`);
      return value;
    }
    default:
      throw new Error("DataSource: one of filename, inline_bytes, inline_string must be set");
  }
}
