import { DEFAULT_WINDOW } from "../flow-control.ts";
import type { H2Options } from "../options.ts";
import { ownSettings } from "../settings.ts";
import { writeSettings, writeWindowUpdate } from "./control.ts";
import { PREFACE } from "./frame-type.ts";
import type { FrameWriter } from "./frame-writer.ts";

/** Writes what a connection begins with (section 3.4): a client's preface, SETTINGS, and the credit of the connection's window. */
export function writePrologue(writer: FrameWriter, options: H2Options, isServer: boolean): void {
  if (!isServer) writer.payload(PREFACE, 0, PREFACE.length);
  writeSettings(writer, ownSettings(options, isServer));
  const more = options.initialConnectionWindowSize - DEFAULT_WINDOW;
  if (more > 0) writeWindowUpdate(writer, 0, more);
}
