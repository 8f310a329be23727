import { jsonReply, type AdminEndpoint } from "../endpoint.ts";

/** GET /init_dump: what initialisation still waits for. */
export const initDump: AdminEndpoint = {
  path: "/init_dump",
  help: "dump current Envoy init manager information (experimental)",
  parameters: [
    {
      name: "mask",
      kind: "text",
      help:
        "The desired component to dump unready targets. The mask is parsed as a Protobuf::FieldMask. For example, get " +
        "the unready targets of all listeners with /init_dump?mask=listener`",
    },
  ],
  handle: ({ host }) => {
    const dumps = host.initTargets().map(({ name, targets }) => ({ name, target_names: targets }));
    return jsonReply(dumps.length === 0 ? {} : { unready_targets_dumps: dumps });
  },
};
