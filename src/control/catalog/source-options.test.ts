import assert from "node:assert/strict";
import { test } from "node:test";
import { optionVariable, parseOptions } from "./source-options.ts";

const table = {
  url: { kind: "url", required: true, description: "where" },
  names: { kind: "list", description: "which" },
  pairs: { kind: "pairs", description: "which=what" },
  every: { kind: "duration", default: "10s", min: 10, max: 60_000, description: "how often" },
  tries: { kind: "number", default: "3", description: "how many" },
  mode: { default: "slow", choices: ["slow", "fast"], description: "how" },
  stale: { kind: "boolean", default: "false", description: "whether" },
  token: { secret: true, description: "who" },
} as const;
const parse = (text: string, env = {}) => parseOptions("consul", table, text, env);

test("parseOptions() fills in defaults and the environment", () => {
  const env = { WEFT_CONSUL_URL: "http://a", WEFT_CONSUL_NAMES: "x, y,", WEFT_CONSUL_TOKEN: "s,t" };
  assert.deepEqual(parse("", env), {
    url: "http://a",
    names: ["x", "y"],
    pairs: [],
    every: 10_000,
    tries: 3,
    mode: "slow",
    stale: false,
    token: "s,t",
  });
  assert.equal(parse("url=http://b", env).url, "http://b");
  assert.equal(optionVariable("lyft", "min-ttl"), "WEFT_LYFT_MIN_TTL");
});

test("parseOptions() reads lists, commas and units", () => {
  const values = parse("url=http://a,names=a,b,names=c,pairs=d=1,e=2,every=500ms,stale=true,token=x\\,y");
  assert.deepEqual(values.names, ["a", "b", "c"]);
  assert.deepEqual(values.pairs, ["d=1", "e=2"]);
  assert.equal(values.every, 500);
  assert.equal(values.stale, true);
  assert.equal(values.token, "x,y");
  assert.equal(parse("url=unix:///run/x,every=1m").every, 60_000);
});

test("parseOptions() refuses what it cannot use and shows no values", () => {
  const cases: [string, RegExp][] = [
    ["", /option "url" is missing \(where\); give url=… or WEFT_CONSUL_URL$/],
    ["url=ftp://x", /option "url" must be a URL/],
    ["url=http://a,tpye=1", /"tpye" is not one of url=…, names=…/],
    ["url=http://a,names=a,tpye=1", /"tpye" is not one of/],
    ["url=http://a,token=secret,word", /a part after "token" is not one of/],
    ["url=http://a,url=http://b", /"url" is given twice/],
    ["url=http://a,every=5", /./],
    ["url=http://a,every=5ms", /"every" must be a time such as .*at least 10 ms and at most 60000 ms/],
    ["url=http://a,every=soon", /"every" must be a time/],
    ["url=http://a,tries=", /"tries" must be a number/],
    ["url=http://a,mode=odd", /"mode" must be one of slow, fast/],
    ["url=http://a,stale=maybe", /"stale" must be true or false/],
    ["url=http://a,toString=1", /"toString" is not one of/],
  ];
  for (const [text, problem] of cases) {
    if (problem.source === ".") assert.doesNotThrow(() => parse(text));
    else assert.throws(() => parse(text), problem, text);
  }
  assert.throws(
    () => parse("url=http://a,token=hush,hush2"),
    (error: Error) => !error.message.includes("hush"),
  );
});
