import type { CliCommand } from "../command.ts";
import { authCommand } from "./auth.ts";
import { bootstrapCommand } from "./bootstrap.ts";
import { controlCommand } from "./control.ts";
import { meshCommands } from "./mesh.ts";
import { registryCommand } from "./registry.ts";
import { rotorCommand } from "./rotor.ts";
import { restartCommand } from "./restart.ts";
import { sidecarCommand } from "./sidecar.ts";
import { upCommand } from "./up.ts";
import { validateCommand } from "./validate.ts";

/** The commands that ship: one line each. `weft proxy` stands apart, see main.ts. */
export const commands: readonly CliCommand[] = [
  authCommand,
  bootstrapCommand,
  controlCommand,
  meshCommands,
  registryCommand,
  rotorCommand,
  restartCommand,
  sidecarCommand,
  upCommand,
  validateCommand,
];
