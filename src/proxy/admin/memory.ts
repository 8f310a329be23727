import { getHeapSpaceStatistics, getHeapStatistics } from "node:v8";
import { jsonReply, PLAIN, type AdminEndpoint } from "./endpoint.ts";

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

/** GET /memory/tcmalloc: V8's own figures take the place of the allocator's. */
export const memoryTcmalloc: AdminEndpoint = {
  path: "/memory/tcmalloc",
  help: "print TCMalloc stats",
  handle: () => {
    const spaces = getHeapSpaceStatistics().map(
      (space) =>
        `${space.space_name}: used ${space.space_used_size}, available ${space.space_available_size}, ` +
        `physical ${space.physical_space_size}\n`,
    );
    return {
      contentType: PLAIN,
      body: `There is no TCMalloc; heap spaces of V8 in bytes:\n${spaces.join("")}`,
    };
  },
};
