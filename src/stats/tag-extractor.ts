import { escapeLabel, metricName } from "./prometheus-names.ts";
import { extractTags } from "./tags.ts";

/** A stat's name without tags, and the tags as Prometheus labels without braces. */
export interface Labelled {
  readonly name: string;
  readonly labels: string;
}

/** What stands in labels before and after the cluster's name. */
interface Ending {
  readonly name: string;
  readonly before: string;
  readonly after: string;
}

/**
 * Extracts tags from the names of one scrape. A hundred names of every cluster end alike, so what the rules make of an
 * ending is worked out once.
 */
export class TagExtractor {
  readonly #fixed: string;
  readonly #endings = new Map<string, Ending>();
  /** Labels of the cluster that was asked for last; its names share one string. */
  #cluster = "";
  #clusterLabels = "";

  constructor(fixedTags: readonly { readonly name: string; readonly value: string }[]) {
    this.#fixed = fixedTags.map(({ name, value }) => label(name, value)).join(",");
  }

  extract(fullName: string): Labelled {
    if (!fullName.startsWith("cluster.") || fullName.includes("http_local_rate_limit"))
      return this.#slow(fullName);
    const dot = fullName.indexOf(".", 8);
    if (dot < 0) return this.#slow(fullName);
    const cluster = fullName.slice(8, dot);
    const ending = fullName.slice(dot + 1);
    let known = this.#endings.get(ending);
    if (known === undefined) {
      const { name, tags } = extractTags(`cluster.x.${ending}`);
      const at = tags.findIndex(([tag]) => tag === "envoy.cluster_name");
      const before = joined(this.#fixed, tags.slice(0, at));
      const after = joined("", tags.slice(at + 1));
      known = { name, before: before === "" ? "" : `${before},`, after: after === "" ? "" : `,${after}` };
      this.#endings.set(ending, known);
    }
    if (cluster !== this.#cluster) {
      this.#cluster = cluster;
      this.#clusterLabels = label("envoy.cluster_name", cluster);
    }
    return { name: known.name, labels: known.before + this.#clusterLabels + known.after };
  }

  #slow(fullName: string): Labelled {
    const { name, tags } = extractTags(fullName);
    return { name, labels: joined(this.#fixed, tags) };
  }
}

function joined(fixed: string, tags: readonly (readonly [string, string])[]): string {
  const labels = tags.map(([tag, value]) => label(tag, value));
  return (fixed === "" ? labels : [fixed, ...labels]).join(",");
}

function label(tag: string, value: string): string {
  return `${metricName(tag)}="${escapeLabel(value)}"`;
}
