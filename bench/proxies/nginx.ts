import { join } from "node:path";
import type { Site } from "./contender.ts";
import { lastRoute } from "./work.ts";
import type { Work } from "./work.ts";

/** nginx cannot speak HTTP/2 with upstreams. */
export function nginxConfig(port: number, work: Work, site: Site): string {
  const { folder, tls, upstream } = site;
  const log = work.accessLog ? `${join(folder, "nginx.log")} combined buffer=64k` : "off";
  const flags = { h1: "", h2c: "http2", tls: "ssl http2" }[work.client];
  const certificate =
    work.client === "tls"
      ? `ssl_protocols TLSv1.2 TLSv1.3; ssl_certificate ${tls.cert}; ssl_certificate_key ${tls.key};`
      : "";
  const locations = Array.from({ length: work.routes }, (_, i) => `location ${lastRoute(i + 1)} { ${PASS} }`);
  return `${nginxMain(folder, "nginx")}
  access_log ${log};
  client_max_body_size 16m;
  proxy_request_buffering off;
  upstream up { server 127.0.0.1:${upstream.h1Port}; keepalive 1024; keepalive_requests 1000000000; }
  server { listen 127.0.0.1:${port} ${flags}; ${certificate} ${locations.join("\n")} }
}
`;
}

/** What every nginx here begins with; the caller closes the http block. */
export function nginxMain(folder: string, name: string): string {
  const user = process.getuid?.() === 0 ? "user root;" : "";
  const temp = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (kind) => `${kind}_temp_path ${folder};`,
  );
  return `daemon off; worker_processes 1; ${user} worker_rlimit_nofile 16384;
pid ${join(folder, `${name}.pid`)};
error_log stderr crit;
events { worker_connections 8192; }
http {
  ${temp.join(" ")}
  keepalive_requests 1000000000; keepalive_timeout 300s;`;
}

const PASS = `proxy_pass http://up; proxy_http_version 1.1;
  proxy_set_header Connection ""; proxy_set_header Host $host; proxy_set_header X-Request-Id $request_id;
  proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_set_header X-Forwarded-Proto $scheme;`;
