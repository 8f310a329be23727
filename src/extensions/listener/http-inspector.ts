import type { ListenerFilterDef } from "../../proxy/api.ts";

const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");
/** Bytes in which the end of a request line must come. */
const LIMIT = 65_536;
const LF = 10;
const SPACE = 32;
const REQUEST_LINE = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+ [^ ]+(?: HTTP\/(\d\.\d))?\r?$/;

type Found = "h2c" | "http/1.1" | "http/1.0" | "none" | "more";

/** Tells HTTP from other protocols by a connection's first bytes, so that filter chains can be chosen by it. */
export const httpInspector: ListenerFilterDef<"envoy.extensions.filters.listener.http_inspector.v3.HttpInspector"> =
  {
    name: "envoy.filters.listener.http_inspector",
    config: "envoy.extensions.filters.listener.http_inspector.v3.HttpInspector",
    ledger: { "envoy.extensions.filters.listener.http_inspector.v3.HttpInspector": "all" },
    create(_config, context) {
      const scope = context.stats.scope("http_inspector.");
      const counters = {
        h2c: scope.counter("http2_found"),
        "http/1.1": scope.counter("http11_found"),
        "http/1.0": scope.counter("http10_found"),
        none: scope.counter("http_not_found"),
      };
      scope.counter("read_error");
      return {
        onBytes(bytes, facts) {
          // A TLS inspector before this one knows better.
          if (facts.transportProtocol !== "raw_buffer") return "next";
          const found = protocolOf(bytes);
          if (found === "more") return "more";
          counters[found].inc();
          if (found !== "none") facts.applicationProtocols = [found];
          return "next";
        },
      };
    },
  };

function protocolOf(bytes: Buffer): Found {
  const compared = Math.min(bytes.length, PREFACE.length);
  if (bytes.compare(PREFACE, 0, compared, 0, compared) === 0)
    return compared === PREFACE.length ? "h2c" : "more";
  const end = bytes.indexOf(LF);
  if (end < 0) return mayBecomeRequest(bytes) ? "more" : "none";
  const line = REQUEST_LINE.exec(bytes.toString("latin1", 0, end));
  if (line === null) return "none";
  return line[1] === "1.1" ? "http/1.1" : "http/1.0";
}

/** Whether the bytes can be the beginning of a request line: a method, and then what a target may have. */
function mayBecomeRequest(bytes: Buffer): boolean {
  if (bytes.length >= LIMIT) return false;
  const space = bytes.indexOf(SPACE);
  const method = bytes.toString("latin1", 0, Math.min(space < 0 ? bytes.length : space, 64));
  return /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(method);
}
