import type { Site } from "./contender.ts";
import type { Work } from "./work.ts";

/** HAProxy knows an HTTP/2 client by its preface. */
export function haproxyConfig(port: number, work: Work, { tls, upstream }: Site): string {
  const bind = work.client === "tls" ? `ssl crt ${tls.both} alpn h2,http/1.1` : "";
  const server =
    work.upstream === "h1" ? `127.0.0.1:${upstream.h1Port}` : `127.0.0.1:${upstream.h2cPort} proto h2`;
  return `global
  nbthread 1
  maxconn 8192
  ${work.accessLog ? "log stdout format raw local0" : ""}
defaults
  mode http
  timeout client 300s
  timeout server 60s
  timeout connect 1s
  option http-keep-alive
  http-reuse always
  ${work.accessLog ? "log global\n  option httplog" : ""}
frontend bench
  bind 127.0.0.1:${port} ${bind}
  option forwardfor
  http-request set-header X-Request-Id %[uuid()]
  http-request set-header X-Forwarded-Proto ${work.client === "tls" ? "https" : "http"}
  default_backend up
backend up
  server one ${server}
`;
}
