import type { HttpFilterDef } from "../../proxy/api.ts";
import { ExtAuthzConfig, type RouteSettings } from "./ext-authz/config.ts";
import { ExtAuthzFilter } from "./ext-authz/filter.ts";
import { HttpAuthService } from "./ext-authz/http-service.ts";
import { extAuthzLedger } from "./ext-authz/ledger.ts";

/** Asks an authorisation server about each request, over HTTP or gRPC. */
export const extAuthz: HttpFilterDef<
  "envoy.extensions.filters.http.ext_authz.v3.ExtAuthz",
  "envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute"
> = {
  name: "envoy.filters.http.ext_authz",
  config: "envoy.extensions.filters.http.ext_authz.v3.ExtAuthz",
  perRoute: "envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute",
  ledger: extAuthzLedger,
  create(message, context) {
    const config = new ExtAuthzConfig(message, context);
    return (stream) => new ExtAuthzFilter(config, stream);
  },
  createPerRoute(message, context): RouteSettings {
    if (message.override.case === "disabled") return { disabled: message.override.value };
    if (message.override.case !== "checkSettings")
      throw new Error("ExtAuthzPerRoute: disabled or check_settings must be set");
    const settings = message.override.value;
    if (settings.disableRequestBodyBuffering && settings.withRequestBody !== undefined)
      throw new Error(
        "ExtAuthzPerRoute: only one of disable_request_body_buffering and with_request_body may be set",
      );
    const { serviceOverride: service } = settings;
    // What is wrong with it is said now, not at the first request.
    if (service.case === "httpService") new HttpAuthService(service.value, undefined, undefined, context);
    else if (service.case === "grpcService") context.calls.grpc(service.value, 0);
    return {
      disabled: false,
      noBody: settings.disableRequestBodyBuffering,
      body: settings.withRequestBody,
      service: service.case === undefined ? undefined : service,
      contextExtensions: settings.contextExtensions,
    };
  },
  mergePerRoute(parent, own): RouteSettings {
    const outer = parent as RouteSettings;
    const inner = own as RouteSettings;
    return { ...inner, contextExtensions: { ...outer.contextExtensions, ...inner.contextExtensions } };
  },
};
