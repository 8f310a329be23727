import { join } from "node:path";
import type { Work } from "./contender.ts";

// All four do the same work: route any path to one upstream over kept-alive connections, add x-request-id,
// x-forwarded-for and x-forwarded-proto, and write an access log line per request (unless that is turned off).

/** Bootstrap for Envoy and for Weft alike. */
export function envoyBootstrap(name: string, work: Work): object {
  const accessLog = {
    name: "envoy.access_loggers.file",
    typed_config: {
      "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
      path: join(work.folder, `${name}.log`),
    },
  };
  const hcm = {
    "@type":
      "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
    stat_prefix: "bench",
    use_remote_address: true,
    route_config: {
      name: "bench",
      virtual_hosts: [
        { name: "all", domains: ["*"], routes: [{ match: { prefix: "/" }, route: { cluster: "up" } }] },
      ],
    },
    access_log: work.accessLog ? [accessLog] : [],
    http_filters: [
      {
        name: "envoy.filters.http.router",
        typed_config: { "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" },
      },
    ],
  };
  const filter = { name: "envoy.filters.network.http_connection_manager", typed_config: hcm };
  return {
    admin: { address: address(0) },
    static_resources: {
      listeners: [{ name: "bench", address: address(0), filter_chains: [{ filters: [filter] }] }],
      clusters: [
        {
          name: "up",
          type: "STATIC",
          connect_timeout: "1s",
          load_assignment: {
            cluster_name: "up",
            endpoints: [{ lb_endpoints: [{ endpoint: { address: address(work.upstreamPort) } }] }],
          },
        },
      ],
    },
  };
}

export function nginxProxyConfig(port: number, work: Work): string {
  const log = work.accessLog ? `${join(work.folder, "nginx.log")} combined buffer=64k` : "off";
  return `${nginxMain(work.folder, "nginx")}
  access_log ${log};
  upstream up { server 127.0.0.1:${work.upstreamPort}; keepalive 256; keepalive_requests 1000000000; }
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass http://up;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $host;
      proxy_set_header X-Request-Id $request_id;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme;
    }
  }
}
`;
}

export function nginxUpstreamConfig(port: number, folder: string): string {
  return `${nginxMain(folder, "upstream")}
  access_log off;
  server { listen 127.0.0.1:${port}; location / { return 200 "hello, mesh\\n"; } }
}
`;
}

export function haproxyConfig(port: number, work: Work): string {
  return `global
  nbthread 1
  maxconn 4096
  ${work.accessLog ? "log stdout format raw local0" : ""}
defaults
  mode http
  timeout client 60s
  timeout server 60s
  timeout connect 1s
  option http-keep-alive
  http-reuse always
  ${work.accessLog ? "log global\n  option httplog" : ""}
frontend bench
  bind 127.0.0.1:${port}
  option forwardfor
  http-request set-header X-Request-Id %[uuid()]
  http-request set-header X-Forwarded-Proto http
  default_backend up
backend up
  server one 127.0.0.1:${work.upstreamPort}
`;
}

function nginxMain(folder: string, name: string): string {
  const user = process.getuid?.() === 0 ? "user root;" : "";
  const temp = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (kind) => `${kind}_temp_path ${folder};`,
  );
  return `daemon off; worker_processes 1; ${user}
pid ${join(folder, `${name}.pid`)};
error_log stderr crit;
events { worker_connections 4096; }
http {
  ${temp.join(" ")}
  keepalive_requests 1000000000; keepalive_timeout 300s;`;
}

function address(port: number): object {
  return { socket_address: { address: "127.0.0.1", port_value: port } };
}
