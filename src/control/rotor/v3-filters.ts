/** Filters and access logs of Envoy's v2 API by name, and what they are called in v3. */
export const V3_FILTERS: Readonly<Record<string, { readonly name: string; readonly type: string }>> = {
  ...network("http_connection_manager", "http_connection_manager.v3.HttpConnectionManager"),
  ...network("tcp_proxy", "tcp_proxy.v3.TcpProxy"),
  ...network("redis_proxy", "redis_proxy.v3.RedisProxy"),
  ...network("mongo_proxy", "mongo_proxy.v3.MongoProxy"),
  ...network("ratelimit", "ratelimit.v3.RateLimit"),
  ...network("ext_authz", "ext_authz.v3.ExtAuthz", "envoy.ext_authz_network"),
  ...network("echo", "echo.v3.Echo"),
  ...http("router", "router.v3.Router"),
  ...http("cors", "cors.v3.Cors"),
  ...http("fault", "fault.v3.HTTPFault"),
  ...http("buffer", "buffer.v3.Buffer"),
  ...http("grpc_web", "grpc_web.v3.GrpcWeb"),
  ...http("grpc_http1_bridge", "grpc_http1_bridge.v3.Config"),
  ...http("health_check", "health_check.v3.HealthCheck"),
  ...http("ext_authz", "ext_authz.v3.ExtAuthz"),
  ...http("lua", "lua.v3.Lua"),
  ...http("ratelimit", "ratelimit.v3.RateLimit", "envoy.rate_limit"),
  ...http("dynamo", "dynamo.v3.Dynamo", "envoy.http_dynamo_filter"),
  ...listener("tls_inspector", "tls_inspector.v3.TlsInspector"),
  ...listener("original_dst", "original_dst.v3.OriginalDst"),
  ...listener("proxy_protocol", "proxy_protocol.v3.ProxyProtocol"),
  ...both(
    "envoy.file_access_log",
    "envoy.access_loggers.file",
    "envoy.extensions.access_loggers.file.v3.FileAccessLog",
  ),
  ...both(
    "envoy.http_grpc_access_log",
    "envoy.access_loggers.http_grpc",
    "envoy.extensions.access_loggers.grpc.v3.HttpGrpcAccessLogConfig",
  ),
};

type Names = Record<string, { name: string; type: string }>;

function network(name: string, type: string, old = `envoy.${name}`): Names {
  return both(old, `envoy.filters.network.${name}`, `envoy.extensions.filters.network.${type}`);
}

function http(name: string, type: string, old = `envoy.${name}`): Names {
  return both(old, `envoy.filters.http.${name}`, `envoy.extensions.filters.http.${type}`);
}

function listener(name: string, type: string): Names {
  const known = both(
    `envoy.listener.${name}`,
    `envoy.filters.listener.${name}`,
    `envoy.extensions.filters.listener.${type}`,
  );
  return { ...known, [`envoy.${name}`]: known[`envoy.listener.${name}`]! };
}

function both(old: string, name: string, type: string): Names {
  return { [old]: { name, type }, [name]: { name, type } };
}
