import assert from "node:assert/strict";
import { test } from "node:test";
import { operators } from "../../extensions/operator/index.ts";
import { HeaderMap } from "../../http/header-map.ts";
import { StreamInfo } from "../stream-info.ts";
import { DEFAULT_ACCESS_LOG_FORMAT } from "./default-format.ts";
import { compileFormat } from "./format.ts";
import { compileJsonFormat } from "./json-format.ts";

function sample(): StreamInfo {
  const info = new StreamInfo();
  info.connection = {
    id: 7, remoteAddress: "127.0.0.1:4000", remoteIp: "127.0.0.1", directRemoteAddress: "127.0.0.1:4000", directRemoteIp: "127.0.0.1", localAddress: "127.0.0.1:80", localIp: "127.0.0.1",
    localPort: 80, directLocalAddress: "127.0.0.1:80", localRestored: false, requestedServerName: "", tls: false, listenerName: "l", filterChainName: "",
  }; // prettier-ignore
  info.startWall = Date.UTC(2026, 10, 22, 3, 23, 30, 392) + 0.25;
  info.start = 100;
  info.end = 104.9;
  info.firstUpstreamByteReceived = 102.5;
  info.protocol = "HTTP/1.1";
  info.responseCode = 200;
  info.bytesSent = 172;
  info.upstreamHost = "127.0.0.1:19120";
  info.requestHeaders = HeaderMap.of([["user-agent", "ua"], ["x-request-id", "rid"], ["x-two", "b"]]); // prettier-ignore
  info.requestHeaders.method = "GET";
  info.requestHeaders.path = "/ok?a=1&b=2";
  info.requestHeaders.authority = "h";
  info.dynamicMetadata = new Map([["ns", { a: { b: "deep" }, n: 5 }]]);
  return info;
}

test("compileFormat() prints Envoy's default line", () => {
  assert.equal(
    compileFormat(DEFAULT_ACCESS_LOG_FORMAT, operators)(sample()),
    '[2026-11-22T03:23:30.392Z] "GET /ok?a=1&b=2 HTTP/1.1" 200 - 0 172 4 - "-" "ua" "rid" "h" "127.0.0.1:19120"\n',
  );
});

const table: readonly [format: string, expected: string][] = [
  ["100%% %REQ(x-one?X-TWO):1%", "100% b"],
  ["%REQ(:AUTHORITY)%:%REQ_WITHOUT_QUERY(:PATH)%", "h:/ok"],
  ["%START_TIME(%s.%3f %Y/%m/%d %H:%M:%S %6f)%", "1795317810.392 2026/11/22 03:23:30 392250"],
  ["%RESPONSE_DURATION% %COMMON_DURATION(DS_RX_BEG:DS_TX_END:us)%", "2 4900"],
  ["%DYNAMIC_METADATA(ns:a:b)% %DYNAMIC_METADATA(ns:a)% %DYNAMIC_METADATA(no)%", 'deep {"b":"deep"} -'],
  ['%COALESCE({"operators":["REQUESTED_SERVER_NAME",{"command":"REQ","param":":authority"}]})%', "h"],
  ["%CONNECTION_ID% %DOWNSTREAM_LOCAL_PORT% %UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%", "7 80 127.0.0.1"],
  ["%QUERY_PARAM(b)% %PATH(NQ)%", "2 /ok"],
  ["%RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS%", "- -"],
]; // prettier-ignore
for (const [format, expected] of table) {
  test(`compileFormat() prints ${format}`, () =>
    assert.equal(compileFormat(format, operators)(sample()), expected));
}

test("compileFormat() refuses what it does not know, by name", () => {
  assert.throws(() => compileFormat("%NOPE%", operators), /Not supported field in StreamInfo: NOPE/);
  assert.throws(() => compileFormat("a %REQ", operators), /Couldn't find valid command at position 2/);
});

test("compileJsonFormat() sorts keys and keeps types", () => {
  const format = compileJsonFormat(
    {
      z: "%RESPONSE_CODE%",
      a: { m: "x-%RESPONSE_CODE%", k: ["%REQ(NOPE)%", true] },
      n: 1.5,
      f: "%RESPONSE_FLAGS%",
    },
    operators,
  );
  assert.equal(format(sample()), '{"a":{"k":[null,true],"m":"x-200"},"f":"-","n":1.5,"z":200}');
});

test("compileJsonFormat() leaves absent keys out with omit_empty_values", () => {
  const format = compileJsonFormat({ a: "%REQ(NOPE)%", b: "1" }, operators, { omitEmpty: true });
  assert.equal(format(sample()), '{"b":"1"}');
});
