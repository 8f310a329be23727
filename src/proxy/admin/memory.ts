import { getHeapStatistics } from "node:v8";
import { jsonReply, type AdminEndpoint } from "./endpoint.ts";

/** GET /memory: Envoy's fields as far as V8 knows them, of the whole process or of this thread's heap. */
export const memory: AdminEndpoint = {
  path: "/memory",
  help: "print current allocation/heap usage",
  handle: () => {
    const heap = getHeapStatistics();
    const { rss, external } = process.memoryUsage();
    return jsonReply({
      allocated: String(heap.used_heap_size + external),
      heap_size: String(heap.total_heap_size + external),
      pageheap_unmapped: "0",
      pageheap_free: String(heap.total_heap_size - heap.used_heap_size),
      total_thread_cache: "0",
      total_physical_bytes: String(rss),
    });
  },
};
