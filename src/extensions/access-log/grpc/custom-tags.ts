import type { Ledger } from "../../../proto/ledger.ts";
import type { Messages } from "../../../proto/messages.d.ts";
import { create, type MessageOf } from "../../../proto/registry.ts";
import type { AccessLogContext, StreamInfo } from "../../../proxy/api.ts";

type CustomTag = Messages["envoy.type.tracing.v3.CustomTag"];
type Tagger = (info: StreamInfo) => string;

const FORMAT = "envoy.config.core.v3.SubstitutionFormatString";

/** Fields of tags that are read; `value_type` is for spans. */
export const customTagLedger: Ledger = {
  "envoy.type.tracing.v3.CustomTag": ["tag", "literal", "environment", "request_header", "value"],
  "envoy.type.tracing.v3.CustomTag.Literal": "all",
  "envoy.type.tracing.v3.CustomTag.Environment": "all",
  "envoy.type.tracing.v3.CustomTag.Header": "all",
};

/** What the tags of an access log say of a request; tags without a value are left out. */
export function customTags(
  tags: readonly CustomTag[],
  context: AccessLogContext,
): (info: StreamInfo) => Record<string, string> {
  const taggers = tags.map((tag) => [tag.tag, tagger(tag, context)] as const);
  return (info) => {
    const values: Record<string, string> = {};
    for (const [name, read] of taggers) {
      const value = read(info);
      if (value !== "") values[name] = value;
    }
    return values;
  };
}

function tagger({ type }: CustomTag, context: AccessLogContext): Tagger {
  switch (type.case) {
    case "literal":
      return () => type.value.value;
    case "environment": {
      const value = process.env[type.value.name] ?? type.value.defaultValue;
      return () => value;
    }
    case "requestHeader": {
      const { name, defaultValue } = type.value;
      const lower = name.toLowerCase();
      return ({ requestHeaders }) => requestHeaders?.get(lower) ?? defaultValue;
    }
    case "value":
      return context.format(formatOf(type.value));
    default:
      return () => "";
  }
}

/** What has no value is nothing here, and not "-". */
function formatOf(text: string): MessageOf<typeof FORMAT> {
  const specifier = { case: "inlineString", value: text } as const;
  return create(FORMAT, {
    format: { case: "textFormatSource", value: { specifier } },
    omitEmptyValues: true,
  });
}
