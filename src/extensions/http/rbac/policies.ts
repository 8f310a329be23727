import { Cidr, parseIp } from "../../../base/cidr.ts";
import type { HeaderMap } from "../../../http/header-map.ts";
import type { Messages } from "../../../proto/messages.d.ts";
import type { StreamInfo } from "../../../proxy/api.ts";
import { HeaderMatcher } from "../../../proxy/matcher/header-matcher.ts";
import { compileStringMatcher, type TextMatch } from "../../../proxy/matcher/string-matcher.ts";

type Permission = Messages["envoy.config.rbac.v3.Permission"];
type Principal = Messages["envoy.config.rbac.v3.Principal"];
type Rule = (headers: HeaderMap, info: StreamInfo) => boolean;

const DENY = 1;

/** What a set of policies says of a request. */
export interface Decision {
  readonly allowed: boolean;
  /** Name of the policy that matched; "" = none did. */
  readonly policy: string;
}

/** The policies of a config.rbac.v3.RBAC message; the first match in the order of names counts. */
export class Policies {
  readonly #deny: boolean;
  readonly #policies: readonly { readonly name: string; readonly matches: Rule }[];

  constructor(config: Messages["envoy.config.rbac.v3.RBAC"]) {
    this.#deny = (config.action as number) === DENY;
    this.#policies = Object.entries(config.policies)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, { permissions, principals }]) => ({
        name,
        matches: both(any(permissions.map(permission)), any(principals.map(principal))),
      }));
  }

  decide(headers: HeaderMap, info: StreamInfo): Decision {
    const found = this.#policies.find((policy) => policy.matches(headers, info));
    return { allowed: (found === undefined) === this.#deny, policy: found?.name ?? "" };
  }
}

function permission(config: Permission): Rule {
  const { rule } = config;
  switch (rule.case) {
    case "andRules":
      return all(rule.value.rules.map(permission));
    case "orRules":
      return any(rule.value.rules.map(permission));
    case "notRule":
      return not(permission(rule.value));
    case "any":
      return always(rule.value);
    case "header":
      return header(rule.value);
    case "urlPath":
      return urlPath(rule.value);
    case "destinationIp":
      return address(rule.value, (info) => info.connection.localIp);
    case "destinationPort": {
      const port = rule.value;
      return (_headers, info) => info.connection.localPort === port;
    }
    case "destinationPortRange": {
      const { start, end } = rule.value;
      return (_headers, info) => info.connection.localPort >= start && info.connection.localPort < end;
    }
    case "requestedServerName": {
      const fits = compileStringMatcher(rule.value);
      return (_headers, info) => fits(info.connection.requestedServerName);
    }
    default:
      throw new Error(`Permission: ${rule.case ?? "a permission without a rule"} is not supported`);
  }
}

function principal(config: Principal): Rule {
  const { identifier: id } = config;
  switch (id.case) {
    case "andIds":
      return all(id.value.ids.map(principal));
    case "orIds":
      return any(id.value.ids.map(principal));
    case "notId":
      return not(principal(id.value));
    case "any":
      return always(id.value);
    case "header":
      return header(id.value);
    case "urlPath":
      return urlPath(id.value);
    case "sourceIp":
      return address(id.value, (info) => info.connection.remoteIp);
    case "directRemoteIp":
      return address(id.value, (info) => info.connection.directRemoteIp);
    case "remoteIp":
      return address(id.value, (info) => info.downstreamRemoteIp);
    default:
      throw new Error(`Principal: ${id.case ?? "a principal without an identifier"} is not supported`);
  }
}

function all(rules: readonly Rule[]): Rule {
  return (headers, info) => rules.every((rule) => rule(headers, info));
}

function any(rules: readonly Rule[]): Rule {
  return (headers, info) => rules.some((rule) => rule(headers, info));
}

function both(first: Rule, second: Rule): Rule {
  return (headers, info) => first(headers, info) && second(headers, info);
}

function not(rule: Rule): Rule {
  return (headers, info) => !rule(headers, info);
}

function always(value: boolean): Rule {
  return () => value;
}

function header(config: Messages["envoy.config.route.v3.HeaderMatcher"]): Rule {
  const matcher = new HeaderMatcher(config);
  return (headers) => matcher.matches(headers);
}

/** The path without query and fragment. */
function urlPath(config: Messages["envoy.type.matcher.v3.PathMatcher"]): Rule {
  const fits: TextMatch = compileStringMatcher(config.rule.value!);
  return (headers) => fits(/^[^?#]*/.exec(headers.path)![0]);
}

function address(
  range: Messages["envoy.config.core.v3.CidrRange"],
  ipOf: (info: StreamInfo) => string,
): Rule {
  const block = Cidr.of(range.addressPrefix, range.prefixLen ?? 0);
  return (_headers, info) => {
    const ip = parseIp(ipOf(info));
    return ip !== undefined && block.contains(ip);
  };
}
