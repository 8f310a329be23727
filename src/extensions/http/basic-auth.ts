import { hash } from "node:crypto";
import { readFileSync } from "node:fs";
import type { HeaderMap } from "../../http/header-map.ts";
import type { Messages } from "../../proto/messages.d.ts";
import type { Counter } from "../../stats/stat-store.ts";
import type { FilterStream, HttpFilter, HttpFilterDef, Verdict } from "../../proxy/api.ts";

type DataSource = Messages["envoy.config.core.v3.DataSource"];

const PREFIX = "User authentication failed. ";

/** envoy.filters.http.basic_auth: user names and passwords from a list with SHA-1 hashes (RFC 7617). */
export const basicAuth: HttpFilterDef<
  "envoy.extensions.filters.http.basic_auth.v3.BasicAuth",
  "envoy.extensions.filters.http.basic_auth.v3.BasicAuthPerRoute"
> = {
  name: "envoy.filters.http.basic_auth",
  config: "envoy.extensions.filters.http.basic_auth.v3.BasicAuth",
  perRoute: "envoy.extensions.filters.http.basic_auth.v3.BasicAuthPerRoute",
  ledger: {
    "envoy.extensions.filters.http.basic_auth.v3.BasicAuth": [
      "users",
      "forward_username_header",
      "authentication_header",
      "allow_missing",
      "realm",
    ],
    "envoy.extensions.filters.http.basic_auth.v3.BasicAuthPerRoute": "all",
    "envoy.config.core.v3.DataSource": ["filename", "inline_bytes", "inline_string", "environment_variable"],
  },
  create(config, context) {
    const scope = context.scope.scope("basic_auth.");
    const settings: Settings = {
      users: readUsers(config.users),
      realm: config.realm,
      header: (config.authenticationHeader || "authorization").toLowerCase(),
      userHeader: config.forwardUsernameHeader.toLowerCase(),
      allowMissing: config.allowMissing,
      allowed: scope.counter("allowed"),
      denied: scope.counter("denied"),
    };
    return (stream) => new BasicAuthFilter(stream, settings);
  },
  createPerRoute: (config): RouteSettings => ({ users: readUsers(config.users), realm: config.realm }),
};

/** Hashes by user name. */
type Users = ReadonlyMap<string, string>;

interface RouteSettings {
  readonly users: Users;
  readonly realm: string;
}

interface Settings extends RouteSettings {
  readonly header: string;
  readonly userHeader: string;
  readonly allowMissing: boolean;
  readonly allowed: Counter;
  readonly denied: Counter;
}

class BasicAuthFilter implements HttpFilter {
  readonly #stream: FilterStream;
  readonly #settings: Settings;

  constructor(stream: FilterStream, settings: Settings) {
    this.#stream = stream;
    this.#settings = settings;
  }

  onRequestHeaders(headers: HeaderMap): Verdict {
    const settings = this.#settings;
    const route = this.#stream.perRoute() as RouteSettings | undefined;
    const value = headers.get(settings.header);
    if (value === undefined) {
      if (settings.allowMissing) return "continue";
      return this.#deny(route, "Missing username and password.", "no_credential_for_basic_auth");
    }
    if (!value.startsWith("Basic "))
      return this.#deny(route, "Expected 'Basic' authentication scheme.", "invalid_scheme_for_basic_auth");
    const [user, password] = credentials(value.slice(6)) ?? [];
    if (user === undefined || password === undefined)
      return this.#deny(route, "Invalid basic credential format.", "invalid_format_for_basic_auth");
    if ((route ?? settings).users.get(user) !== sha1(password))
      return this.#deny(route, "Invalid username/password combination.", "invalid_credential_for_basic_auth");
    if (settings.userHeader !== "") {
      headers.remove(settings.userHeader);
      headers.add(settings.userHeader, user);
    }
    settings.allowed.inc();
    return "continue";
  }

  #deny(route: RouteSettings | undefined, why: string, details: string): Verdict {
    const { requestHeaders: request } = this.#stream;
    const realm =
      route?.realm || this.#settings.realm || `${request.scheme}://${request.authority}${request.path}`;
    this.#settings.denied.inc();
    this.#stream.sendLocalReply({
      status: 401,
      body: PREFIX + why,
      details,
      headers: [["www-authenticate", `Basic realm="${realm}"`]],
    });
    return "stop";
  }
}

function credentials(text: string): [user: string, password: string] | undefined {
  if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}(?:==)?|[A-Za-z0-9+/]{3}=?)?$/.test(text)) return undefined;
  const decoded = Buffer.from(text, "base64").toString("latin1");
  const colon = decoded.indexOf(":");
  return colon < 0 ? undefined : [decoded.slice(0, colon), decoded.slice(colon + 1)];
}

function sha1(password: string): string {
  return hash("sha1", Buffer.from(password, "latin1"), "base64");
}

/** Reads lines "user:{SHA}hash" as `htpasswd -s` writes them. */
function readUsers(source: DataSource | undefined): Users {
  const users = new Map<string, string>();
  for (const line of textOf(source).split(/\r?\n/)) {
    if (line === "" || line.startsWith("#")) continue;
    const colon = line.indexOf(":");
    if (colon <= 0) throw new Error("basic auth: invalid htpasswd format, username:password is expected");
    const name = line.slice(0, colon);
    const value = line.slice(colon + 1);
    if (value === "") throw new Error("basic auth: empty user name or password");
    if (users.has(name)) throw new Error("basic auth: duplicate users");
    if (!value.startsWith("{SHA}"))
      throw new Error("basic auth: unsupported htpasswd format: please use {SHA}");
    if (value.length !== 33) throw new Error("basic auth: invalid htpasswd format, invalid SHA hash length");
    users.set(name, value.slice(5));
  }
  return users;
}

function textOf(source: DataSource | undefined): string {
  const specifier = source?.specifier;
  switch (specifier?.case) {
    case "filename":
      return readFileSync(specifier.value, "latin1");
    case "inlineBytes":
      return Buffer.from(specifier.value).toString("latin1");
    case "inlineString":
      return Buffer.from(specifier.value, "utf8").toString("latin1");
    case "environmentVariable":
      return process.env[specifier.value] ?? "";
    default:
      throw new Error("BasicAuth: users must be set");
  }
}
