import type { Reading } from "../model.ts";
import { defineSource } from "../catalog/source.ts";
import { follow, pause } from "./shared/follow.ts";
import { bearer, HttpClient } from "../../base/http-client.ts";
import { tlsOptions } from "./shared/tls-options.ts";
import { kubeTarget } from "./shared/kube-config.ts";
import { KubeMirror, type KubeParse } from "./shared/kube-mirror.ts";
import { readPod } from "./shared/kube-pods.ts";
import { readSlice, SERVICE_LABEL } from "./shared/kube-slices.ts";
import { KubeWatch } from "./shared/kube-watch.ts";
import { Parts } from "./shared/parts.ts";
import { Pulse } from "./shared/pulse.ts";
import { warnOnce } from "./shared/warn-once.ts";

/** Changes within this time become one reading. */
const SETTLE_MS = 20;

/**
 * A Kubernetes cluster: EndpointSlices, or pods with a label as Rotor read them, by list and watch. Several clusters are
 * several sources. It needs `list` and `watch` on endpointslices (discovery.k8s.io) or pods.
 */
export const kubernetesSource = defineSource({
  name: "kubernetes",
  description: "EndpointSlices or labelled pods of a Kubernetes cluster, by watch",
  options: {
    kubeconfig: {
      kind: "path",
      description: "kubeconfig; default: the pod's service account, $KUBECONFIG, ~/.kube/config",
    },
    context: { description: "context of the kubeconfig; default: the current one" },
    url: { kind: "url", description: "address of the API server, in place of a kubeconfig" },
    token: { secret: true, description: "bearer token, with `url`" },
    namespaces: { kind: "list", description: "namespaces; default: all" },
    selector: {
      description:
        "label selector of EndpointSlices (they have their Service's labels) or pods; write \\, for a comma",
    },
    mode: { default: "endpointslices", choices: ["endpointslices", "pods"], description: "what is read" },
    name: {
      description:
        "services' names from {service}, {namespace} and {port}; default: {service} with one namespace, else {service}.{namespace}",
    },
    name_label: {
      description: "label of the Service that names the service instead; those without it are left out",
    },
    ports: {
      kind: "list",
      description: "names of the ports to take; default: the first, or every one if {port} is in `name`",
    },
    cluster_label: { default: "tbn_cluster", description: "mode pods: label that names the service" },
    port_name: {
      default: "http",
      description: "mode pods: name of the container port; empty: the first TCP port",
    },
    region: { description: "region of all endpoints of the cluster" },
    timeout: { kind: "duration", default: "30s", min: 10, description: "longest wait for a list" },
    ...tlsOptions,
  },
  watch(options, context) {
    const warn = warnOnce(context.log);
    const pods = options.mode === "pods";
    const name = options.name || (options.namespaces.length === 1 ? "{service}" : "{service}.{namespace}");
    const parse: KubeParse = pods
      ? (object, note) => readPod(object, options, note)
      : (object, note) => readSlice(object, { ...options, name }, note);
    const selector = [pods ? options.cluster_label : SERVICE_LABEL, options.selector]
      .filter((each) => each !== "")
      .join(",");
    const pulse = new Pulse();
    const parts = new Parts();
    const namespaces = options.namespaces.length === 0 ? [""] : options.namespaces;
    parts.expect(namespaces.map(labelOf));
    // These outlive a failure, so that the watch resumes.
    const watches = namespaces.map((namespace) => {
      const mirror = new KubeMirror(parse, warn, context.note);
      const group = pods ? "/api/v1" : "/apis/discovery.k8s.io/v1";
      const within = namespace === "" ? "" : `/namespaces/${encodeURIComponent(namespace)}`;
      const path = `${group}${within}/${pods ? "pods" : "endpointslices"}`;
      let dirty = true;
      const watch = new KubeWatch(path, selector, options.timeout, {
        onList: (objects) => mirror.replace(objects),
        onPut: (object) => mirror.put(object),
        onDelete: (object) => mirror.delete(object),
        onCurrent() {
          dirty = true;
          pulse.notify();
        },
      });
      const take = () => {
        if (!dirty) return;
        dirty = false;
        parts.set(labelOf(namespace), mirror.reading());
      };
      const undo = (error: unknown) => {
        dirty = false;
        parts.fail(labelOf(namespace), error);
        pulse.notify();
      };
      return { watch, mirror, take, undo };
    });
    const place = options.url || options.context || options.kubeconfig || "cluster";
    return follow(`kubernetes ${place}`, context, async function* (signal): AsyncGenerator<Reading> {
      const target =
        options.url === ""
          ? await kubeTarget(options.kubeconfig, options.context)
          : { url: options.url, tls: options, headers: () => bearer(options.token) };
      const client = new HttpClient(target);
      signal.addEventListener("abort", () => client.close());
      const running = new Set(watches);
      for (const each of watches) void keepRunning(each, client, signal, context.retryMs ?? 500, running);
      while (!signal.aborted) {
        await pulse.wait(signal);
        await pause(SETTLE_MS, signal);
        if (signal.aborted) return;
        for (const each of watches) each.take();
        const deleted = new Set(watches.flatMap(({ mirror }) => [...mirror.deleted]));
        const reading = parts.reading(deleted);
        // All of them failed: that is logged once, and begun anew with other credentials.
        if (reading?.kind === "error" && running.size === 0) throw new Error(reading.error);
        if (reading !== undefined) yield reading;
      }
    });
  },
});

function labelOf(namespace: string): string {
  return namespace === "" ? "all namespaces" : `namespace ${namespace}`;
}

interface Running {
  readonly watch: KubeWatch;
  readonly undo: (error: unknown) => void;
}

/** Runs one namespace's watch again and again; `running` holds those that do not wait after a failure. */
async function keepRunning<T extends Running>(
  each: T,
  client: HttpClient,
  signal: AbortSignal,
  retryMs: number,
  running: Set<T>,
): Promise<void> {
  for (let failures = 0; !signal.aborted; failures++) {
    const begun = performance.now();
    try {
      running.add(each);
      await each.watch.run(client, signal);
    } catch (error) {
      if (signal.aborted) return;
      if (performance.now() - begun > 10_000) failures = 0;
      running.delete(each);
      each.undo(error);
    }
    await pause(Math.min(5000, retryMs * 2 ** Math.min(failures, 6)), signal);
  }
}
