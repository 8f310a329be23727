import { properCase } from "../http/header-case.ts";
import type { CaseOptions } from "../http/h1/options.ts";
import type { Ledger } from "../proto/ledger.ts";
import type { Messages } from "../proto/messages.d.ts";
import { configTypeName, unpackAs } from "../proto/registry.ts";

const PRESERVE_CASE = "envoy.extensions.http.header_formatters.preserve_case.v3.PreserveCaseFormatterConfig";

/** What of a header_key_format is read. */
export const headerKeyFormatLedger: Ledger = {
  "envoy.config.core.v3.Http1ProtocolOptions.HeaderKeyFormat": "all",
  "envoy.config.core.v3.Http1ProtocolOptions.HeaderKeyFormat.ProperCaseWords": "all",
  "envoy.config.core.v3.TypedExtensionConfig": ["name", "typed_config"],
  [PRESERVE_CASE]: ["formatter_type_on_envoy_headers"],
};

/** Reads Http1ProtocolOptions.header_key_format. Refuses formatters that there are not. */
export function compileHeaderKeyFormat(
  config: Messages["envoy.config.core.v3.Http1ProtocolOptions.HeaderKeyFormat"] | undefined,
): CaseOptions {
  const format = config?.headerFormat;
  if (format?.case === "properCaseWords")
    return { keepsCase: false, addedCase: undefined, headerCase: properCase };
  if (format?.case !== "statefulFormatter")
    return { keepsCase: false, addedCase: undefined, headerCase: undefined };
  const { name, typedConfig } = format.value;
  if (typedConfig === undefined || configTypeName(typedConfig) !== PRESERVE_CASE)
    throw new Error(`Didn't find a registered implementation for '${name}'`);
  const proper = unpackAs(typedConfig, PRESERVE_CASE).formatterTypeOnEnvoyHeaders === 1;
  return { keepsCase: true, addedCase: proper ? properCase : undefined, headerCase: undefined };
}
