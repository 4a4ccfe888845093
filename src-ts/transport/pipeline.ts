/** `POST /raft`: messages for a peer that has no stream open, each a request of its own. */
import { encodeMessage } from '../core/raftpb/message.ts';
import type { Message } from '../core/types.ts';

export type PostResult = 'sent' | 'failed';

export interface PipelineSettings {
  readonly queueMessagesMax: number;
  readonly queueBytesMax: number;
  readonly connections: number;
  /** Resolves when the peer has answered; must not reject. */
  post(body: Uint8Array): Promise<PostResult>;
  /** A message could not be sent. */
  failed(): void;
}

function roughBytes(message: Message): number {
  let bytes = 128 + (message.context?.length ?? 0);
  for (const batch of message.entries) bytes += batch.encodedSize;
  return bytes;
}

export class Pipeline {
  private readonly settings: PipelineSettings;
  private queue: Message[] = [];
  private queueBytes = 0;
  private running = 0;

  constructor(settings: PipelineSettings) {
    this.settings = settings;
  }

  /** False when the queue is full and the message was dropped. */
  add(message: Message): boolean {
    const { settings } = this;
    if (this.queue.length >= settings.queueMessagesMax || this.queueBytes >= settings.queueBytesMax)
      return false;
    this.queue.push(message);
    this.queueBytes += roughBytes(message);
    if (this.running < settings.connections) void this.run();
    return true;
  }

  stop(): void {
    this.queue = [];
    this.queueBytes = 0;
  }

  private async run(): Promise<void> {
    this.running++;
    // Never during `send`: failures are reported from here.
    await Promise.resolve();
    for (let message = this.queue.shift(); message !== undefined; message = this.queue.shift()) {
      this.queueBytes -= roughBytes(message);
      if ((await this.settings.post(encodeMessage(message))) === 'failed') this.settings.failed();
    }
    this.running--;
  }
}
