// Random messages of the kind bootstraps hold: printing and loading gives the same message back.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { DescField, DescMessage, Message } from "@bufbuild/protobuf";
import { create as createMessage, equals, ScalarType, toBinary } from "@bufbuild/protobuf";
import { isWrapperDesc } from "@bufbuild/protobuf/wkt";
import fc from "fast-check";
import { stringify } from "yaml";
import { loadMessage } from "./load.ts";
import { create, decode, encode, schema, toJson } from "./registry.ts";
import { redact } from "./redact.ts";
import { validateMessage } from "./validate.ts";

const BOOTSTRAP = "envoy.config.bootstrap.v3.Bootstrap";
const TYPED = [
  "envoy.config.core.v3.Address",
  "envoy.extensions.filters.http.router.v3.Router",
  "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
  "envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
] as const;

/** Draws numbers below a bound; a seed of fast-check makes a whole message. */
type Draw = (below: number) => number;

const TEXTS = [
  "",
  "a",
  "5",
  "true",
  "yes",
  "~",
  "null",
  "1.5",
  "0x10",
  "a: b",
  "- x",
  "#c",
  "é\u{1f600}",
  "a\nb",
  " lead",
  "*",
];
const text = (draw: Draw) => TEXTS[draw(TEXTS.length)]!;

function scalar(draw: Draw, type: ScalarType): unknown {
  switch (type) {
    case ScalarType.STRING:
      return text(draw);
    case ScalarType.BOOL:
      return draw(2) === 1;
    case ScalarType.BYTES:
      return new Uint8Array(Buffer.from(text(draw)));
    case ScalarType.DOUBLE:
    case ScalarType.FLOAT:
      return [0, 1.5, -2, 1e10, 0.25][draw(5)];
    case ScalarType.INT64:
    case ScalarType.SINT64:
    case ScalarType.SFIXED64:
      return [0n, -5n, 2n ** 62n][draw(3)];
    case ScalarType.UINT64:
    case ScalarType.FIXED64:
      return [0n, 5n, 2n ** 64n - 1n][draw(3)];
    case ScalarType.UINT32:
    case ScalarType.FIXED32:
      return [0, 7, 2 ** 32 - 1][draw(3)];
    default:
      return [0, -7, 2 ** 31 - 1][draw(3)];
  }
}

function fieldOf(draw: Draw, field: DescField, depth: number): unknown {
  if (field.enum !== undefined) return field.enum.values[draw(field.enum.values.length)]!.number;
  if (field.message === undefined) return scalar(draw, field.scalar!);
  const name = field.message.typeName;
  if (name === "google.protobuf.Struct") return { [text(draw)]: text(draw), list: [1, "1", null, true] };
  if (isWrapperDesc(field.message)) {
    const value = scalar(draw, field.message.fields[0]!.scalar!);
    const bare = field.fieldKind === "message" && field.oneof === undefined;
    return bare ? value : createMessage(field.message, { value });
  }
  return message(draw, field.message, depth + 1);
}

function message(draw: Draw, desc: DescMessage, depth: number): Message {
  switch (desc.typeName) {
    case "google.protobuf.Any": {
      const inner = schema(TYPED[draw(TYPED.length)]!) as DescMessage;
      const value = toBinary(inner, message(draw, inner, depth + 1));
      return createMessage(desc, { typeUrl: `type.googleapis.com/${inner.typeName}`, value });
    }
    case "google.protobuf.Duration":
      return createMessage(desc, { seconds: BigInt(draw(100)), nanos: draw(3) * 250_000_000 });
    case "google.protobuf.Timestamp":
      return createMessage(desc, { seconds: BigInt(draw(1_000_000)) });
    case "google.protobuf.Value":
      return createMessage(desc, { kind: { case: "stringValue", value: text(draw) } });
  }
  const result = createMessage(desc) as Message & Record<string, unknown>;
  if (depth > 6) return result;
  for (const field of desc.fields) {
    if (draw(desc.fields.length) > 3) continue;
    if (field.fieldKind === "list")
      result[field.localName] = [fieldOf(draw, field, depth), fieldOf(draw, field, depth)];
    else if (field.fieldKind === "map") {
      const key = field.mapKey === ScalarType.STRING ? text(draw) : "1";
      result[field.localName] = { [key]: fieldOf(draw, field, depth) };
    } else if (field.oneof !== undefined) {
      result[field.oneof.localName] = { case: field.localName, value: fieldOf(draw, field, depth) };
    } else result[field.localName] = fieldOf(draw, field, depth);
  }
  return result;
}

/** A small generator (mulberry32), so that one number describes a message. */
function drawFrom(seed: number): Draw {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

function bootstrap(seed: number) {
  const desc = schema(BOOTSTRAP);
  return message(drawFrom(seed), desc as DescMessage, 0) as ReturnType<typeof create<typeof BOOTSTRAP>>;
}

test("loadMessage() gives back what toJson() prints, as JSON and as YAML", () => {
  fc.assert(
    fc.property(fc.integer(), (seed) => {
      const original = bootstrap(seed);
      const json = toJson(BOOTSTRAP, original);
      const texts = [
        JSON.stringify(json),
        stringify(json, { version: "1.1" }),
        JSON.stringify(json, null, 2),
      ];
      for (const [i, printed] of texts.entries()) {
        const loaded = loadMessage(BOOTSTRAP, printed, { file: "x", format: i === 0 ? "json" : "yaml" });
        assert.deepEqual(loaded.problems, []);
        assert.ok(equals(schema(BOOTSTRAP), loaded.message!, decodeAgain(original)), printed);
      }
    }),
    { numRuns: 60 },
  );
});

test("loadMessage() never throws, whatever the text", () => {
  const scalars = fc.oneof(
    fc.constantFrom(...TEXTS, null, true, 5, -1, 1.5, 1e300, 99999999999),
    fc.string(),
  );
  const { tree } = fc.letrec((tie) => ({
    tree: fc.oneof({ maxDepth: 4 }, scalars, fc.array(tie("tree"), { maxLength: 3 }), tie("map")),
    map: fc.dictionary(
      fc.constantFrom("node", "admin", "static_resources", "clusters", "name", "@type", "x"),
      tie("tree"),
    ),
  }));
  const texts = fc.oneof(
    fc.string(),
    fc.string({ unit: fc.constantFrom(..."{}[]:,-&*!|>'\"#%\n\t ab5<".split("")) }),
    tree.map((value) => JSON.stringify(value)),
  );
  fc.assert(
    fc.property(texts, fc.constantFrom("yaml", "json"), (printed, format) => {
      const loaded = loadMessage(BOOTSTRAP, printed, { file: "x", format: format as "yaml" | "json" });
      assert.equal(loaded.message === undefined, loaded.problems.length > 0);
      for (const problem of loaded.problems) assert.ok(problem.line >= 1 && problem.column >= 1);
    }),
    { numRuns: 300 },
  );
});

test("validateMessage() and redact() take any message", () => {
  fc.assert(
    fc.property(fc.integer(), (seed) => {
      const original = bootstrap(seed);
      for (const violation of validateMessage(original))
        assert.ok(violation.path.length >= 0 && violation.message !== "");
      redact(original);
      assert.ok(encode(BOOTSTRAP, original).length >= 0);
    }),
    { numRuns: 60 },
  );
});

/** Through bytes, because printing drops what equals a default. */
function decodeAgain(original: ReturnType<typeof bootstrap>) {
  return decode(BOOTSTRAP, encode(BOOTSTRAP, original));
}
