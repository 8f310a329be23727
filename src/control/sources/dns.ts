import { isIP } from "node:net";
import { Dns } from "../../net/dns.ts";
import { SERVICE_NAME } from "../model.ts";
import { defineSource } from "../catalog/source.ts";
import { follow, pause } from "./shared/follow.ts";
import { Parts } from "./shared/parts.ts";
import { endpointWith, ServiceMap } from "./shared/service-map.ts";
import { SrvClient } from "./shared/srv-client.ts";

/** One name to ask for. */
interface Question {
  readonly service: string;
  readonly name: string;
  /** Of A and AAAA records; 0 for SRV records, which have their own. */
  readonly port: number;
}

interface Settings {
  readonly questions: readonly Question[];
  readonly dns: Dns;
  readonly srv: SrvClient;
  readonly family: string;
  readonly allPriorities: boolean;
}

/** Of what never changes, in seconds. */
const NO_TTL = Number.POSITIVE_INFINITY;
/** Of an empty answer, in seconds. */
const EMPTY_TTL = 5;

/**
 * Names in DNS: A and AAAA records with a port of ours, SRV records with theirs. Each is asked for again when its TTL is
 * over. A question that fails takes nothing away, and neither is an empty answer believed at once – save an SRV record
 * with the target ".", by which a domain says that it has no such service.
 */
export const dnsSource = defineSource({
  name: "dns",
  description: "A, AAAA and SRV records, by their TTL",
  options: {
    names: {
      kind: "pairs",
      required: true,
      description:
        "SERVICE=NAME:PORT for A and AAAA records, SERVICE=_port._proto.NAME for SRV records; several names of one service are joined",
    },
    servers: { kind: "list", description: "DNS servers, IP or IP:PORT; default: those of the system" },
    family: { default: "all", choices: ["all", "v4", "v6"], description: "addresses to take" },
    priorities: {
      default: "best",
      choices: ["best", "all"],
      description:
        "SRV records to take: those of the best priority, or all with `srv_priority` in their metadata",
    },
    min_ttl: { kind: "duration", default: "1s", min: 10, description: "ask no more often than this" },
    max_ttl: { kind: "duration", default: "30s", min: 10, description: "ask at least this often" },
    timeout: { kind: "duration", default: "2s", min: 10, description: "longest wait for one server" },
  },
  check: (options) => void options.names.map(parseQuestion),
  watch(options, context) {
    const { servers, timeout } = options;
    const settings = {
      dns: new Dns({ timeout, tries: 2, ...(servers.length > 0 && { servers }) }),
      srv: new SrvClient(servers, timeout),
      family: options.family,
      allPriorities: options.priorities === "all",
    };
    const parts = new Parts();
    return follow("DNS", context, async function* (signal) {
      const questions = options.names.map(parseQuestion);
      parts.expect(questions.map(keyOf));
      const due = new Map(questions.map((question) => [question, 0]));
      let failed = 0;
      while (!signal.aborted) {
        // Timers may be a moment early.
        const now = performance.now() + 1;
        const asked = questions.filter((question) => due.get(question)! <= now);
        if (asked.length === 0) {
          await pause(1, signal);
          continue;
        }
        let fails = false;
        await Promise.all(
          asked.map(async (question) => {
            try {
              const { services, ttl } = await ask(question, { ...settings, questions });
              parts.set(keyOf(question), services.readings());
              const ms = Math.min(options.max_ttl, Math.max(options.min_ttl, ttl * 1000));
              due.set(question, performance.now() + ms);
            } catch (error) {
              fails = true;
              parts.fail(keyOf(question), error);
              const wait = Math.min(5000, (context.retryMs ?? 500) * 2 ** Math.min(failed, 4));
              due.set(question, performance.now() + wait);
            }
          }),
        );
        failed = fails ? failed + 1 : 0;
        const reading = parts.reading()!;
        if (reading.kind === "error") throw new Error(reading.error);
        yield reading;
        await pause(Math.max(1, Math.min(...due.values()) - performance.now()), signal);
      }
    });
  },
});

/** Reads one item of `names`. Throws an Error that says how it should look. */
function parseQuestion(item: string): Question {
  const equals = item.indexOf("=");
  const rest = item.slice(equals + 1);
  const srv = rest.startsWith("_");
  const colon = rest.lastIndexOf(":");
  const name = srv || colon < 0 ? rest : rest.slice(0, colon).replaceAll(/^\[|\]$/g, "");
  const service = equals < 0 ? name : item.slice(0, equals);
  const port = srv ? 0 : Number(colon < 0 ? Number.NaN : rest.slice(colon + 1));
  if (
    !SERVICE_NAME.test(service) ||
    name === "" ||
    !(srv || (Number.isInteger(port) && port > 0 && port < 65_536))
  )
    throw new Error(`"${item}" in "names" must be SERVICE=NAME:PORT or SERVICE=_port._proto.NAME`);
  return { service, name, port };
}

function keyOf({ service, name, port }: Question): string {
  return `${service}=${name}${port === 0 ? "" : `:${port}`}`;
}

async function ask(
  { service, name, port }: Question,
  settings: Settings,
): Promise<{ services: ServiceMap; ttl: number }> {
  const services = new ServiceMap();
  services.know(service);
  if (port !== 0) {
    const { ips, ttl } = await addressesOf(name, settings);
    for (const ip of ips) services.add(service, endpointWith({ ip, port }));
    return { services, ttl };
  }
  const records = await settings.srv.resolve(name);
  if (records.length === 1 && records[0]!.target === "") services.know(service, true);
  const best = Math.min(...records.map(({ priority }) => priority));
  let least = records.length === 0 ? EMPTY_TTL : Math.min(...records.map(({ ttl }) => ttl));
  const targets = records.filter(
    ({ target, priority }) => target !== "" && (settings.allPriorities || priority === best),
  );
  const found = await Promise.all(targets.map(({ target }) => addressesOf(`${target}.`, settings)));
  for (const [i, { ips, ttl }] of found.entries()) {
    least = Math.min(least, ttl);
    const { weight, port: own, priority, target } = targets[i]!;
    const metadata = { host: target, ...(settings.allPriorities && { srv_priority: priority }) };
    // A target that has no address is known to exist all the same.
    if (ips.length === 0 || own === 0) services.addUnreadable(service);
    else
      for (const ip of ips)
        services.add(service, endpointWith({ ip, port: own, weight: Math.max(1, weight), metadata }));
  }
  return { services, ttl: least };
}

/** All addresses of the families asked for; each family must be answered, or addresses would seem to vanish. */
async function addressesOf(name: string, { dns, family }: Settings): Promise<{ ips: string[]; ttl: number }> {
  if (isIP(name) !== 0) return { ips: [name], ttl: NO_TTL };
  const found = await Promise.all([
    family === "v6" ? [] : dns.resolve(name, "v4-only"),
    family === "v4" ? [] : dns.resolve(name, "v6-only"),
  ]);
  const records = found.flat();
  return {
    ips: records.map(({ address }) => address).sort(),
    ttl: records.length === 0 ? EMPTY_TTL : Math.min(...records.map(({ ttl }) => ttl)),
  };
}
