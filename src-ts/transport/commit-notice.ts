/**
 * An append without entries tells a follower the commit index, and nothing else. While entries follow each other closely
 * the next append tells it, too: the notice waits a little for one, and a read, a write and an answer are saved at both
 * ends. Losing a message is something that Raft allows; here one that says as much takes its place.
 */
import { MessageType, type Message } from '../core/types.ts';
import type { TransportClock, TransportTimer } from './types.ts';

export interface NoticeTimes {
  /** Longest wait of a notice, in milliseconds. */
  readonly holdMs: number;
  /** A peer that waits for commits itself (it has forwarded a proposal or a read) is told at once for so long. */
  readonly promptMs: number;
}

export class CommitNotice {
  private readonly clock: TransportClock;
  private readonly times: NoticeTimes;
  private readonly send: (message: Message) => void;
  private held: Message | null = null;
  private dueMs = 0;
  private timer: TransportTimer | null = null;
  private promptUntilMs = -1;

  constructor(clock: TransportClock, times: NoticeTimes, send: (message: Message) => void) {
    this.clock = clock;
    this.times = times;
    this.send = send;
  }

  /** Looks at an append on its way out. True: it is kept here, for now. */
  takes(message: Message): boolean {
    const { held } = this;
    if (held !== null && (held.term !== message.term || held.commit > message.commit)) this.release();
    this.held = null;
    if (message.entries.length > 0) return false;
    const now = this.clock.now();
    if (now < this.promptUntilMs) return false;
    this.held = message;
    this.dueMs = now + this.times.holdMs;
    this.timer ??= this.clock.setTimer(this.times.holdMs, this.expire);
    return true;
  }

  /** Looks at what the peer sends. */
  heard(type: MessageType): void {
    if (type !== MessageType.Prop && type !== MessageType.ReadIndex) return;
    this.promptUntilMs = this.clock.now() + this.times.promptMs;
    this.release();
  }

  /** Sends what is held. */
  release(): void {
    const message = this.held;
    this.held = null;
    if (message !== null) this.send(message);
  }

  /** Whatever is held is lost. */
  stop(): void {
    this.held = null;
    this.timer?.cancel();
    this.timer = null;
  }

  // One timer runs on while notices come and go: setting one for each would cost more than it saves.
  private readonly expire = (): void => {
    this.timer = null;
    if (this.held === null) return;
    const leftMs = this.dueMs - this.clock.now();
    if (leftMs >= this.times.holdMs / 2) this.timer = this.clock.setTimer(leftMs, this.expire);
    else this.release();
  };
}
