/** A commit index that nobody waits for goes out with the next entries, and by itself before long. */
import { beforeEach, describe, expect, it } from 'vitest';
import { encodeEntries, proposalsOf } from '../../src-ts/core/entry-batch.ts';
import { makeMessage, MessageType, type Message } from '../../src-ts/core/types.ts';
import { CommitNotice } from '../../src-ts/transport/commit-notice.ts';
import { VirtualClock } from '../server/virtual-clock.ts';

const TIMES = { holdMs: 2, promptMs: 1_000 };

let clock: VirtualClock;
let sent: Message[];
let notice: CommitNotice;

beforeEach(() => {
  clock = new VirtualClock();
  sent = [];
  notice = new CommitNotice(clock, TIMES, (message) => void sent.push(message));
});

function append(commit: number, count = 0, term = 3): Message {
  const data = Array.from({ length: count }, () => Uint8Array.of(1));
  const entries = count === 0 ? [] : [encodeEntries(8, term, proposalsOf(data))];
  return makeMessage({ type: MessageType.App, from: 1, to: 2, term, index: 7, commit, entries });
}

describe('an append without entries', () => {
  it('gives way to the next one with entries', () => {
    expect(notice.takes(append(4))).toBe(true);
    expect(notice.takes(append(5, 1))).toBe(false);
    clock.advance(100);
    expect(sent).toEqual([]);
  });

  it('goes out by itself, the newest only', () => {
    const newest = append(6);
    notice.takes(append(5));
    notice.takes(newest);
    clock.advance(2 * TIMES.holdMs);
    expect(sent).toEqual([newest]);
    clock.advance(100);
    expect(sent).toHaveLength(1);
  });

  it('waits no longer than it should, however many come', () => {
    for (let commit = 1; commit <= 40; commit++) {
      notice.takes(append(commit));
      clock.advance(0.25);
      expect(notice.takes(append(commit, 1))).toBe(false);
      clock.advance(0.25);
    }
    notice.takes(append(41));
    const { length } = sent;
    clock.advance(TIMES.holdMs);
    expect(sent).toHaveLength(length + 1);
    expect(sent.at(-1)!.commit).toBe(41);
  });

  it('goes ahead of what does not say as much', () => {
    const held = append(6);
    notice.takes(held);
    expect(notice.takes(append(5, 1))).toBe(false);
    expect(sent).toEqual([held]);
    const older = append(6);
    notice.takes(older);
    notice.takes(append(7, 1, 4));
    expect(sent).toEqual([held, older]);
  });

  it.each([MessageType.Prop, MessageType.ReadIndex])('is not kept from a peer that has sent %i', (type) => {
    const held = append(4);
    notice.takes(held);
    notice.heard(type);
    expect(sent).toEqual([held]);
    expect(notice.takes(append(5))).toBe(false);
    clock.advance(TIMES.promptMs);
    expect(notice.takes(append(6))).toBe(true);
  });

  it('is kept from a peer that only answers', () => {
    notice.heard(MessageType.AppResp);
    expect(notice.takes(append(4))).toBe(true);
  });

  it('is lost with its peer', () => {
    notice.takes(append(4));
    notice.stop();
    clock.advance(100);
    expect(sent).toEqual([]);
  });
});
