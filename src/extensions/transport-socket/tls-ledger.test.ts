import assert from "node:assert/strict";
import { it } from "node:test";
import { ledgerProblems } from "../../proto/support-table.ts";
import { tlsInspector } from "../listener/tls-inspector.ts";
import { tlsLedger } from "./tls-ledger.ts";

it("ledgers of TLS name only what Envoy's API has", () => {
  assert.deepEqual(ledgerProblems([tlsLedger, tlsInspector.ledger]), []);
});
