import type { OperatorDef, StreamInfo } from "../../proxy/api.ts";
import { plain } from "./define.ts";
import { compileStrftime } from "./strftime.ts";

const DEFAULT_TIME = "%Y-%m-%dT%H:%M:%E3SZ";

/** Operators of points in time and of durations in milliseconds. */
export const timeOperators: readonly OperatorDef[] = [
  timeOperator("START_TIME", (info) => info.startWall, false),
  timeOperator("START_TIME_LOCAL", (info) => info.startWall, true),
  timeOperator("EMIT_TIME", emitTime, false),
  timeOperator("EMIT_TIME_LOCAL", emitTime, true),
  plain("DURATION", (info) => span(info.start, info.end)),
  plain("REQUEST_DURATION", (info) => span(info.start, info.lastRequestByte)),
  plain("REQUEST_TX_DURATION", (info) => span(info.start, info.lastUpstreamByteSent)),
  plain("RESPONSE_DURATION", (info) => span(info.start, info.firstUpstreamByteReceived)),
  plain("RESPONSE_TX_DURATION", (info) => span(info.firstUpstreamByteReceived, info.end)),
  commonDuration(),
];

function emitTime(info: StreamInfo): number {
  return info.end === 0 ? Date.now() : info.startWall + (info.end - info.start);
}

function timeOperator(name: string, read: (info: StreamInfo) => number, local: boolean): OperatorDef {
  return {
    name,
    create(format = "") {
      if (/%\d*f\d/.test(format))
        throw new Error(`Invalid header configuration. Format string contains invalid characters: ${format}`);
      const print = compileStrftime(format === "" ? DEFAULT_TIME : format, local);
      return (info) => print(read(info));
    },
  };
}

/** Whole milliseconds between two points; undefined when one did not happen. */
function span(from: number, to: number): number | undefined {
  return from === 0 || to === 0 ? undefined : Math.max(0, Math.trunc(to - from));
}

const POINTS: Readonly<Record<string, (info: StreamInfo) => number>> = {
  DS_RX_BEG: (info) => info.start,
  DS_RX_END: (info) => info.lastRequestByte,
  US_TX_BEG: (info) => info.firstUpstreamByteSent,
  US_TX_END: (info) => info.lastUpstreamByteSent,
  US_RX_BEG: (info) => info.firstUpstreamByteReceived,
  US_RX_END: (info) => info.lastUpstreamByteReceived,
  DS_TX_BEG: (info) => info.firstResponseByte,
  DS_TX_END: (info) => info.end,
};
const UNITS: Readonly<Record<string, number>> = { ms: 1, us: 1000, ns: 1_000_000 };

function commonDuration(): OperatorDef {
  return {
    name: "COMMON_DURATION",
    create(argument = "") {
      const [from = "", to = "", unit = "ms"] = argument.split(":");
      const start = POINTS[from];
      const end = POINTS[to];
      const factor = UNITS[unit];
      if (start === undefined || end === undefined || factor === undefined) {
        throw new Error(
          `Invalid common duration configuration: "${argument}" is not START:END:PRECISION with points ` +
            `${Object.keys(POINTS).join(", ")} and precisions ms, us, ns`,
        );
      }
      return (info) => {
        const a = start(info);
        const b = end(info);
        return a === 0 || b === 0 || b < a ? undefined : Math.trunc((b - a) * factor);
      };
    },
  };
}
