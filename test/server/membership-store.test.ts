import { describe, expect, test } from 'vitest';
import { LEARNED_PEERS } from '../../src-ts/server/limits.ts';
import { Membership } from '../../src-ts/server/membership.ts';
import { MembershipStore } from '../../src-ts/server/membership-store.ts';
import type { MembersFile } from '../../src-ts/storage/types.ts';

/** Members as a snapshot of another engine names them: without URLs. */
function withoutUrls(index: number, ids: readonly number[]): Membership {
  return new Membership(index, new Map(ids.map((id) => [id, { id, urls: [], learner: false }])), new Set());
}

function store(start: Membership): { readonly members: MembershipStore; readonly saved: MembersFile[] } {
  const saved: MembersFile[] = [];
  const members = new MembershipStore(start, (file) => {
    saved.push(file);
    return Promise.resolve();
  });
  return { members, saved };
}

const urlsOf = ({ members }: MembersFile): unknown[] => members.map(({ id, urls }) => [Number(id), ...urls]);

describe('URLs that peers tell of themselves', () => {
  test('are kept for one that is named as a member later, and saved with it', async () => {
    const { members, saved } = store(Membership.EMPTY);
    expect(members.learnUrls(2, ['http://b:1'])).toBe(true);
    await members.replace(withoutUrls(5, [1, 2]));
    expect(members.current.members.get(2)!.urls).toEqual(['http://b:1']);
    expect(members.current.members.get(1)!.urls).toEqual([]);
    expect(saved.map(urlsOf)).toEqual([[[1], [2, 'http://b:1']]]);
    expect(members.encoded).toContain('http://b:1');
  });

  test('complete a member at once, and are saved, though its index does not change', async () => {
    const { members, saved } = store(withoutUrls(5, [1, 2]));
    members.learnUrls(1, ['http://a:1', 'http://a:2']);
    expect(members.current.members.get(1)!.urls).toEqual(['http://a:1', 'http://a:2']);
    await members.replace(withoutUrls(6, [1, 2, 3]));
    expect(saved.map(({ index }) => index)).toEqual([5, 6]);
    expect(urlsOf(saved[1]!)).toEqual([[1, 'http://a:1', 'http://a:2'], [2], [3]]);
  });

  test('do not replace what an entry said', async () => {
    const { members } = store(Membership.EMPTY);
    members.learnUrls(1, ['http://told:1']);
    await members.replace(Membership.ofPeers(5, [{ id: 1, url: 'http://entry:1' }]));
    expect(members.current.members.get(1)!.urls).toEqual(['http://entry:1']);
  });

  test('are kept of so many strangers and no more, and of every member', () => {
    const { members } = store(withoutUrls(5, [1000]));
    for (let id = 1; id <= LEARNED_PEERS; id++) expect(members.learnUrls(id, ['http://x:1'])).toBe(true);
    expect(members.learnUrls(LEARNED_PEERS + 1, ['http://x:1'])).toBe(false);
    expect(members.learnUrls(1, ['http://x:2'])).toBe(true);
    expect(members.learnUrls(1000, ['http://y:1'])).toBe(true);
    expect(members.current.members.get(1000)!.urls).toEqual(['http://y:1']);
  });
});
