/** Configurations of the servers of one cluster, in the JSON that RAFT_NewRaftServer takes. */

export interface Member {
  readonly id: number;
  readonly raftPort: number;
}

export type ConfigValue = string | number | boolean | Readonly<Record<string, unknown>>;

export function peerUrl(port: number, scheme = 'http'): string {
  return `${scheme}://127.0.0.1:${port}`;
}

/** The configuration of easyraft's page, with other ports. `changes` are put over it; with `peer_tls` URLs are https. */
export function configOf(
  id: number,
  members: readonly Member[],
  changes: Readonly<Record<string, ConfigValue>> = {},
): string {
  const scheme = 'peer_tls' in changes ? 'https' : 'http';
  const config = {
    id,
    cluster_id: 1,
    snap_count: 10000,
    waldir: `wal${id}`,
    snapdir: `snap${id}`,
    tickms: 100,
    election_tick: 10,
    heartbeat_tick: 1,
    boostrap_timeout: 1,
    peers: members.map((member) => ({ id: member.id, url: peerUrl(member.raftPort, scheme) })),
    join: false,
    max_size_per_msg: 1048576,
    max_inflight_msgs: 256,
    snapshot_entries: 1000,
    ...changes,
  };
  return `${JSON.stringify(config, null, 2)}\n`;
}
