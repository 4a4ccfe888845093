import type { BridgeBinding } from '../storage/native-binding.ts';
import {
  FIRST_SLOT_AT,
  MAX_SERVERS,
  PROTOCOL_VERSION,
  REGION_ENGINE_PARKED_AT,
  REGION_ENGINE_STATE_AT,
  REGION_MAGIC,
  REGION_MAGIC_AT,
  REGION_VERSION_AT,
  SLOT_BYTES,
} from './protocol.generated.ts';

/** The other end broke the protocol: the engine cannot go on. */
export class BridgeError extends Error {
  override readonly name = 'BridgeError';
}

/** Words of REGION_ENGINE_STATE_AT. */
export const EngineState = { Starting: 0, Running: 1, Ended: 2 } as const;

/** The memory that host and engine share, as views of one buffer. Offsets are bytes from its start. */
export class Region {
  readonly bytes: Uint8Array;
  readonly words: Uint32Array;
  readonly view: DataView;
  readonly binding: BridgeBinding;

  constructor(binding: BridgeBinding) {
    const buffer = binding.region();
    if (buffer.byteLength < FIRST_SLOT_AT + MAX_SERVERS * SLOT_BYTES) {
      throw new BridgeError(`the region has ${buffer.byteLength} bytes, too few`);
    }
    this.bytes = new Uint8Array(buffer);
    this.words = new Uint32Array(buffer);
    this.view = new DataView(buffer);
    this.binding = binding;
    const magic = this.words[REGION_MAGIC_AT >>> 2];
    const version = this.words[REGION_VERSION_AT >>> 2];
    if (magic !== REGION_MAGIC) throw new BridgeError('the region is not polyraft memory');
    if (version !== PROTOCOL_VERSION) {
      throw new BridgeError(
        `the host speaks bridge protocol ${version}, this engine ${PROTOCOL_VERSION}: reinstall both`,
      );
    }
  }

  load(at: number): number {
    return Atomics.load(this.words, at >>> 2);
  }

  store(at: number, value: number): void {
    Atomics.store(this.words, at >>> 2, value);
  }

  /** Takes a flag: true when it was set. */
  take(at: number): boolean {
    return Atomics.load(this.words, at >>> 2) !== 0 && Atomics.exchange(this.words, at >>> 2, 0) !== 0;
  }

  u64(at: number): number {
    return this.view.getUint32(at, true) + this.view.getUint32(at + 4, true) * 0x1_0000_0000;
  }

  setU64(at: number, value: number): void {
    this.view.setUint32(at, value >>> 0, true);
    this.view.setUint32(at + 4, Math.floor(value / 0x1_0000_0000), true);
  }

  setEngineState(state: number): void {
    this.store(REGION_ENGINE_STATE_AT, state);
  }

  /** Says that the engine is about to sleep; the caller then looks into all rings once more. */
  park(): void {
    this.store(REGION_ENGINE_PARKED_AT, 1);
  }

  unpark(): void {
    this.store(REGION_ENGINE_PARKED_AT, 0);
  }
}
