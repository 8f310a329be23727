import assert from "node:assert/strict";
import { test } from "node:test";
import { bearerCredentials, issueToken, tokenId, tokenMatches } from "./bearer-token.ts";

test("issueToken() gives a token that is found by its id and matched by its hash", () => {
  const issued = issueToken("wft");
  assert.equal(tokenId(issued.token, "wft"), issued.id);
  assert.equal(tokenMatches(issued.token, issued.hash), true);
  assert.notEqual(issueToken("wft").token, issued.token);
});

test("tokenId() refuses other prefixes and shapes", () => {
  const issued = issueToken("wft");
  for (const bad of [
    "",
    "wft_",
    issued.token.replace("wft", "wrt"),
    `${issued.token}x`,
    "eyJhbGciOiJub25lIn0.e30.",
  ]) {
    assert.equal(tokenId(bad, "wft"), undefined, bad);
  }
});

test("tokenMatches() is false for another token and for an unknown one", () => {
  const issued = issueToken("wft");
  assert.equal(tokenMatches(`${issued.token.slice(0, -1)}!`, issued.hash), false);
  assert.equal(tokenMatches(issued.token, undefined), false);
  assert.equal(tokenMatches(issued.token, Buffer.alloc(5)), false);
});

test("bearerCredentials() takes the scheme in any case and nothing else", () => {
  assert.equal(bearerCredentials("Bearer abc"), "abc");
  assert.equal(bearerCredentials("bEARER  abc "), "abc");
  for (const bad of [undefined, "", "Bearer", "Bearer ", "Basic abc", "Bearerabc"]) {
    assert.equal(bearerCredentials(bad), undefined);
  }
});
