import type { DiscoverySourceDef } from "../source.ts";
import { execSource } from "./exec.ts";
import { fileSource } from "./file.ts";
import { httpSource } from "./http.ts";
import { registrySource } from "./registry.ts";

/** The sources that ship: one line each. */
export const sources: readonly DiscoverySourceDef[] = [execSource, fileSource, httpSource, registrySource];
