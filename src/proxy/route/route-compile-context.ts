import type { Extensions, FactoryContext } from "../api.ts";

/** What compiling a route configuration needs. */
export interface RouteCompileContext {
  readonly extensions: Extensions;
  readonly factory: FactoryContext;
}
