import type { Engine } from './engine.ts';
import { UNAPPLIED_BYTES, UNCOMMITTED_BYTES } from './limits.ts';
import type { LedgerCursor, LogLedger } from './log-ledger.ts';

/** How full the log is: what is not committed, and what the host has not applied. */
export class LogRoom {
  private readonly engine: Engine;
  private readonly committed: LedgerCursor;
  private readonly applied: LedgerCursor;

  constructor(engine: Engine, ledger: LogLedger) {
    this.engine = engine;
    this.committed = ledger.cursor();
    this.applied = ledger.cursor();
  }

  get uncommittedBytes(): number {
    return this.committed.bytesBeyond(this.engine.node.committed);
  }

  /** Committed bytes that the host has not applied. */
  get unappliedBytes(): number {
    return this.applied.bytesBeyond(this.engine.port.appliedIndex()) - this.uncommittedBytes;
  }

  get hostIsBehind(): boolean {
    return this.unappliedBytes >= UNAPPLIED_BYTES;
  }

  /** `openBytes` were proposed, but are not in the ledger yet. */
  hasRoom(openBytes: number): boolean {
    return this.uncommittedBytes + openBytes < UNCOMMITTED_BYTES && !this.hostIsBehind;
  }
}
