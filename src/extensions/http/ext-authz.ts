import type { HttpFilterDef } from "../../proxy/api.ts";
import { ExtAuthzConfig, type RouteSettings } from "./ext-authz/config.ts";
import { ExtAuthzFilter } from "./ext-authz/filter.ts";
import { HttpService } from "./ext-authz/http-service.ts";
import { extAuthzLedger } from "./ext-authz/ledger.ts";

/** Asks an authorisation server about each request, over HTTP. */
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
  createPerRoute(message): RouteSettings {
    if (message.override.case === "disabled") return { disabled: message.override.value };
    if (message.override.case !== "checkSettings")
      throw new Error("ExtAuthzPerRoute: disabled or check_settings must be set");
    const settings = message.override.value;
    if (settings.serviceOverride.case === "grpcService")
      throw new Error("ExtAuthzPerRoute: grpc_service is not supported");
    if (settings.disableRequestBodyBuffering && settings.withRequestBody !== undefined)
      throw new Error(
        "ExtAuthzPerRoute: only one of disable_request_body_buffering and with_request_body may be set",
      );
    return {
      disabled: false,
      noBody: settings.disableRequestBodyBuffering,
      body: settings.withRequestBody,
      service:
        settings.serviceOverride.case === "httpService"
          ? new HttpService(settings.serviceOverride.value, undefined, undefined)
          : undefined,
    };
  },
};
