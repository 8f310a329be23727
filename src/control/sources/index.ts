import type { DiscoverySourceDef } from "../source.ts";
import { fileSource } from "./file.ts";
import { registrySource } from "./registry.ts";

/** The sources that ship: one line each. */
export const sources: readonly DiscoverySourceDef[] = [fileSource, registrySource];
