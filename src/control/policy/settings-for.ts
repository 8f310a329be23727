import type { SourcedEndpoint } from "../model.ts";
import type { MeshPolicy } from "./mesh-policy.ts";
import { matchesGlob } from "./name-glob.ts";
import type { ServiceSettings, Template } from "./service-settings.ts";

/** Patches of all places that speak for a service, the least specific first. */
export interface EnvoyPatches {
  readonly cluster: readonly object[];
  readonly route: readonly object[];
  readonly virtual_host: readonly object[];
}

/** What is in force for one service: what was taken back is not there. */
export type EffectiveSettings = {
  readonly [K in Exclude<keyof ServiceSettings, "envoy">]?: NonNullable<ServiceSettings[K]>;
} & { readonly envoy: EnvoyPatches };

type Endpoints = readonly SourcedEndpoint[];

interface Known {
  readonly templates: string;
  readonly settings: EffectiveSettings;
}

const known = new WeakMap<MeshPolicy, Map<string, Known>>();

/**
 * The settings of a service: `defaults`, then each template that selects it, in order, then its own. What a later one says
 * replaces what an earlier one said, field by field inside the groups; `null` takes back. Equal calls give the same object.
 */
export function settingsFor(policy: MeshPolicy, service: string, endpoints: Endpoints): EffectiveSettings {
  let services = known.get(policy);
  if (services === undefined) known.set(policy, (services = new Map()));
  let entry = services.get(service);
  // A service that lost its instances is still the one it was.
  if (entry !== undefined && endpoints.length === 0) return entry.settings;
  const chosen = policy.templates.filter((each) => selects(each, service, endpoints));
  const key = chosen.map((each) => policy.templates.indexOf(each)).join(",");
  if (entry?.templates !== key) {
    const layers = [policy.defaults, ...chosen.map(({ settings }) => settings)];
    const own = policy.services[service];
    if (own !== undefined) layers.push(own);
    entry = { templates: key, settings: combine(layers) };
    services.set(service, entry);
  }
  return entry.settings;
}

/** `over` on top of `under`: groups field by field, anything else as a whole; `null` takes back. */
export function refine<T extends object>(under: T, over: object): T {
  const result = { ...under } as Record<string, unknown>;
  for (const [key, value] of Object.entries(over)) {
    if (value === undefined) continue;
    const old = result[key];
    if (value === null) delete result[key];
    else
      result[key] =
        isGroup(old) && isGroup(value) && !WHOLE.has(key) ? refine(old, value) : (value as unknown);
  }
  return result as T;
}

/** Maps whose keys are names and not fields: one place says all of it. */
const WHOLE: ReadonlySet<string> = new Set(["split", "subset"]);

function combine(layers: readonly ServiceSettings[]): EffectiveSettings {
  const patches = (kind: keyof EnvoyPatches): object[] =>
    layers.map(({ envoy }) => envoy?.[kind]).filter((patch) => patch !== undefined);
  let settings: object = {};
  for (const { envoy: _, ...layer } of layers) settings = refine(settings, layer);
  return {
    ...(settings as Omit<EffectiveSettings, "envoy">),
    envoy: { cluster: patches("cluster"), route: patches("route"), virtual_host: patches("virtual_host") },
  };
}

function selects({ services, labels }: Template, service: string, endpoints: Endpoints): boolean {
  if (!matchesGlob(services, service)) return false;
  const wanted = Object.entries(labels);
  if (wanted.length === 0) return true;
  return (
    endpoints.length > 0 &&
    endpoints.every(({ metadata }) => wanted.every(([key, value]) => metadata[key] === value))
  );
}

function isGroup(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
