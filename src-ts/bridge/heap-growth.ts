/** How the engine's collector is set: for a small heap beside much memory that is not the heap's. */
import { setFlagsFromString } from 'node:v8';

/**
 * V8 begins a full collection when the old generation and the buffers outside of it have grown by a factor of what was
 * left after the last one. An engine's heap is some 10 MiB, and each 256 KiB of log are a buffer outside: under a deep
 * load that was 20 full collections a second, a quarter of all processor time. Seven times the heap leaves room for
 * more garbage than V8 lets collect outside of the heap anyway (64 MiB).
 */
const HEAP_GROWING_PERCENT = 600;

/** V8 reads the flag at each collection, so it may be set while the isolate runs. */
export function setHeapGrowth(): void {
  setFlagsFromString(`--heap-growing-percent=${HEAP_GROWING_PERCENT}`);
}
