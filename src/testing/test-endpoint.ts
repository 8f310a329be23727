import type { SourcedEndpoint } from "../control/model.ts";

/** An endpoint on 10.0.0.1 from the source "file", with everything at its default that is not given. */
export function testEndpoint(port: number, more: Partial<SourcedEndpoint> = {}): SourcedEndpoint {
  return {
    ip: "10.0.0.1",
    port,
    weight: 1,
    region: "",
    zone: "",
    version: "",
    health: "healthy",
    metadata: {},
    source: "file",
    ...more,
  };
}
