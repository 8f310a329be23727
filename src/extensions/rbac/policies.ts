import { Cidr, parseIp } from "../../base/cidr.ts";
import type { HeaderMap } from "../../http/header-map.ts";
import type { Messages } from "../../proto/messages.d.ts";
import type { StreamInfo } from "../../proxy/api.ts";
import { only, type Ledger } from "../../proto/ledger.ts";
import { HeaderMatcher, headerMatcherLedger } from "../../proxy/matcher/header-matcher.ts";
import { compileStringMatcher, type TextMatch } from "../../proxy/matcher/string-matcher.ts";

type Permission = Messages["envoy.config.rbac.v3.Permission"];
type Principal = Messages["envoy.config.rbac.v3.Principal"];
type Rule = (headers: HeaderMap, info: StreamInfo) => boolean;

const DENY = 1;

/** What of the rules is read. */
export const rbacLedger: Ledger = {
  ...headerMatcherLedger,
  "envoy.config.rbac.v3.RBAC": [only("action", "ALLOW", "DENY"), "policies"],
  "envoy.config.rbac.v3.Policy": ["permissions", "principals"],
  "envoy.config.rbac.v3.Permission": [
    "and_rules",
    "or_rules",
    "not_rule",
    "any",
    "header",
    "url_path",
    "destination_ip",
    "destination_port",
    "destination_port_range",
    "requested_server_name",
  ],
  "envoy.config.rbac.v3.Permission.Set": "all",
  "envoy.config.rbac.v3.Principal": [
    "and_ids",
    "or_ids",
    "not_id",
    "any",
    "authenticated",
    "header",
    "url_path",
    "source_ip",
    "direct_remote_ip",
    "remote_ip",
    "filter_state",
  ],
  "envoy.config.rbac.v3.Principal.Set": "all",
  "envoy.config.rbac.v3.Principal.Authenticated": "all",
  "envoy.type.matcher.v3.FilterStateMatcher": ["key", "string_match"],
  "envoy.type.matcher.v3.PathMatcher": "all",
  "envoy.type.v3.Int32Range": "all",
  "envoy.config.core.v3.CidrRange": "all",
};

/** What a set of policies says of a request or connection. */
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
    case "authenticated":
      return authenticated(id.value);
    case "filterState":
      return filterState(id.value);
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

/** A client with a certificate whose URI names, else DNS names, else subject fit. */
function authenticated({ principalName }: Messages["envoy.config.rbac.v3.Principal.Authenticated"]): Rule {
  const fits = principalName === undefined ? undefined : compileStringMatcher(principalName);
  return (_headers, info) => {
    const peer = info.connection.tlsInfo?.peer;
    if (peer === undefined || fits === undefined) return peer !== undefined;
    return peer.namesOf("uri").some(fits) || peer.namesOf("dns").some(fits) || fits(peer.subject);
  };
}

function filterState({ key, matcher }: Messages["envoy.type.matcher.v3.FilterStateMatcher"]): Rule {
  if (matcher.case !== "stringMatch")
    throw new Error(`Principal: filter_state with ${matcher.case ?? "no matcher"} is not supported`);
  const fits = compileStringMatcher(matcher.value);
  return (_headers, info) => {
    const value = info.filterState?.get(key) ?? info.connection.filterState?.get(key);
    return typeof value === "string" && fits(value);
  };
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
