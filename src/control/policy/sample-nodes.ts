import type { JsonValue } from "@bufbuild/protobuf";
import type { Catalog } from "../model.ts";
import { policyTraits } from "../views/policy-traits.ts";
import type { NodeIdentity } from "../views/view.ts";
import type { MeshPolicy } from "./mesh-policy.ts";

const SIDECAR = { inbound: "127.0.0.1:1", outbound: "127.0.0.1:2", app: "127.0.0.1:3" };

/** One node for each view that a policy has: what there would be to serve, whether or not such a node is connected. */
export function sampleNodes(policy: MeshPolicy, catalog: Catalog): NodeIdentity[] {
  const { byPlace, byCaller } = policyTraits(policy);
  const places = byPlace ? placesOf(policy, catalog) : [{ region: "", zone: "" }];
  const services = byCaller ? [...catalog.keys()] : [[...catalog.keys()][0] ?? "a-service"];
  const sidecars = services.map((service) => ({ view: "sidecar", service, ...SIDECAR }));
  const kinds: Record<string, JsonValue>[] = [
    { view: "edge" },
    ...policy.views
      .filter(({ refuse }) => refuse === undefined)
      .map(({ name, sidecar }) =>
        sidecar === undefined ? { view: name } : { view: name, service: services[0]!, ...SIDECAR },
      ),
    ...sidecars,
    { view: "grpc" },
  ];
  const gateways = Object.keys(policy.regions).map((region) =>
    sample({ view: "gateway" }, { region, zone: "" }),
  );
  return [...kinds.flatMap((weft) => places.map((place) => sample(weft, place))), ...gateways];
}

function placesOf(policy: MeshPolicy, catalog: Catalog): { region: string; zone: string }[] {
  const places = new Map<string, { region: string; zone: string }>();
  const add = (region: string, zone: string) => void places.set(`${region}/${zone}`, { region, zone });
  for (const endpoints of catalog.values()) for (const { region, zone } of endpoints) add(region, zone);
  for (const region of Object.keys(policy.regions)) add(region, "");
  return places.size === 0 ? [{ region: "", zone: "" }] : [...places.values()];
}

function sample(
  weft: Record<string, JsonValue>,
  { region, zone }: { region: string; zone: string },
): NodeIdentity {
  const service = weft["service"];
  const cluster = typeof service === "string" ? service : "sample";
  return { id: "sample", cluster, region, zone, userAgent: "envoy", peer: "", metadata: { weft }, weft };
}
