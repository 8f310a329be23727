import assert from "node:assert/strict";
import { test } from "node:test";
import { HeaderMap } from "../../http/header-map.ts";
import { fromJson } from "../../proto/registry.ts";
import type { FilterStream, HttpFilterContext } from "../../proxy/api.ts";
import { StreamInfo } from "../../proxy/stream-info.ts";
import { headerMutation } from "./header-mutation.ts";

/** The lines of `headers` after the request mutations. */
function mutate(mutations: object[], headers: [string, string][]): string {
  const config = fromJson(headerMutation.config, { mutations: { request_mutations: mutations } } as never);
  const context = {
    format: (text: string) => () => `<${text}>`,
  } as Partial<HttpFilterContext> as HttpFilterContext;
  const create = headerMutation.create(config, context);
  const map = HeaderMap.of(headers);
  void create({ info: new StreamInfo() } as FilterStream)!.onRequestHeaders!(map, true);
  return map.toLines();
}

const append = (key: string, value: string, action?: string) => ({
  append: { header: { key, value }, ...(action !== undefined && { append_action: action }) },
});

test("headerMutation removes and adds in the given order", () => {
  assert.equal(
    mutate(
      [{ remove: "X-User-Id" }, append("x-user-id", "nobody")],
      [
        ["x-user-id", "root"],
        ["accept", "*/*"],
      ],
    ),
    "accept: */*\r\nx-user-id: nobody\r\n",
  );
});

test("headerMutation follows each append action", () => {
  const has: [string, string][] = [["x-a", "1"]];
  assert.equal(mutate([append("x-a", "2")], has), "x-a: 1\r\nx-a: 2\r\n");
  assert.equal(mutate([append("x-a", "2", "ADD_IF_ABSENT")], has), "x-a: 1\r\n");
  assert.equal(mutate([append("x-a", "2", "OVERWRITE_IF_EXISTS_OR_ADD")], has), "x-a: 2\r\n");
  assert.equal(mutate([append("x-b", "2", "OVERWRITE_IF_EXISTS")], has), "x-a: 1\r\n");
});

test("headerMutation formats operators and drops empty values", () => {
  assert.equal(mutate([append("x-a", "%PROTOCOL%"), append("x-b", "")], []), "x-a: <%PROTOCOL%>\r\n");
});
