import assert from "node:assert/strict";
import test from "node:test";
import { helpText } from "./option-flags.ts";
import { OptionsError, parseProxyCommand, type ProxyOptions } from "./options.ts";

function options(...argv: string[]): ProxyOptions {
  const command = parseProxyCommand(argv);
  assert.equal(command.kind, "run");
  return (command as { options: ProxyOptions }).options;
}

function problem(...argv: string[]): string {
  try {
    parseProxyCommand(argv);
  } catch (error) {
    assert.ok(error instanceof OptionsError);
    return error.message;
  }
  throw new Error("no error");
}

test("parseProxyCommand() takes both forms of a flag", () => {
  assert.equal(options("-c", "a.yaml").configPath, "a.yaml");
  assert.equal(options("--config-path", "a.yaml").configPath, "a.yaml");
  assert.equal(options("--config-path=a.yaml").configPath, "a.yaml");
  assert.equal(options("-l", "debug").logLevel, "debug");
  assert.equal(options("-l", "warn").logLevel, "warning");
  assert.equal(options("--config-yaml", "node: {id: a=b}").configYaml, "node: {id: a=b}");
});

test("parseProxyCommand() gives Envoy's defaults", () => {
  const o = options();
  assert.equal(o.drainTime, 600_000);
  assert.equal(o.parentShutdownTime, 900_000);
  assert.equal(o.drainStrategy, "gradual");
  assert.equal(o.mode, "serve");
  assert.equal(o.concurrency, undefined);
});

test("parseProxyCommand() refuses what Envoy refuses, in its words", () => {
  assert.match(
    problem("--nosuch"),
    /^PARSE ERROR: Argument: --nosuch\n {13}Couldn't find match for argument\n\nBrief USAGE: /,
  );
  assert.match(problem("extra"), /^PARSE ERROR: Argument: extra\n/);
  assert.match(
    problem("-c"),
    /^PARSE ERROR: Argument: -c \(--config-path\)\n {13}Missing a value for this argument!/,
  );
  assert.match(problem("-c", "a", "--config-path", "b"), /Argument already set!/);
  assert.match(
    problem("--concurrency", "abc"),
    /Argument: \(--concurrency\)\n {13}Couldn't read argument value from string 'abc'/,
  );
  assert.equal(problem("-l", "bad"), "error: invalid log level specified 'bad'");
  assert.equal(problem("--mode", "bad"), "error: unknown mode 'bad'");
  assert.equal(
    problem("--component-log-level", "http"),
    "error: component log level not correctly specified 'http'",
  );
  assert.equal(problem("--local-address-ip-version", "v5"), "error: unknown IP address version 'v5'");
  assert.equal(problem("--stats-tag", "foo"), "error: misformatted stats-tag 'foo'");
});

test("parseProxyCommand() reads levels, tags and switches", () => {
  const o = options(
    "--component-log-level",
    "upstream:debug,config:trace",
    "--stats-tag",
    "a:b",
    "--stats-tag",
    "c:d",
  );
  assert.deepEqual(o.componentLogLevels, { upstream: "debug", config: "trace" });
  assert.deepEqual(o.statsTags, [
    { name: "a", value: "b" },
    { name: "c", value: "d" },
  ]);
  assert.equal(options("--allow-unsupported").allowUnsupported, true);
  assert.match(options("--enable-core-dump").withoutEffect.join(), /--enable-core-dump has no effect/);
  assert.equal(parseProxyCommand(["--version"]).kind, "version");
  assert.equal(parseProxyCommand(["-h"]).kind, "help");
});

test("helpText() names every flag", () => {
  assert.match(helpText("weft proxy"), /--config-path <string>/);
});
