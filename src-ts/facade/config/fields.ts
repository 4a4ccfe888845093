/**
 * The configuration's keys: the one definition from which the schema, the defaults and docs/CONFIGURATION.md come.
 * Names and defaults of the first group are easyraft's.
 */
export interface NumberField {
  readonly kind: 'integer';
  readonly minimum: number;
  readonly maximum: number;
  readonly default: number;
  readonly unit: string;
  readonly meaning: string;
}

export interface BooleanField {
  readonly kind: 'boolean';
  readonly default: boolean;
  readonly meaning: string;
}

export interface TextField {
  readonly kind: 'text' | 'path';
  /** Null: the key is required. */
  readonly default: string | null;
  readonly choices?: readonly string[];
  readonly meaning: string;
}

export interface IdField {
  readonly kind: 'id';
  /** Null: the key is required. */
  readonly default: bigint | null;
  readonly zeroAllowed: boolean;
  readonly meaning: string;
}

export interface PeersField {
  readonly kind: 'peers';
  readonly meaning: string;
}

export type Field = NumberField | BooleanField | TextField | IdField | PeersField;

const MEBIBYTE = 1024 * 1024;

function integer(
  unit: string,
  minimum: number,
  maximum: number,
  fallback: number,
  meaning: string,
): NumberField {
  return { kind: 'integer', minimum, maximum, default: fallback, unit, meaning };
}

function flag(fallback: boolean, meaning: string): BooleanField {
  return { kind: 'boolean', default: fallback, meaning };
}

export const FIELDS = {
  id: {
    kind: 'id',
    default: null,
    zeroAllowed: false,
    meaning: 'This node. Never 0, never used again for another node, not even after removal.',
  },
  cluster_id: {
    kind: 'id',
    default: 0n,
    zeroAllowed: true,
    meaning:
      'The cluster. Nodes of different clusters refuse each other; clusters may share a listening address.',
  },
  waldir: { kind: 'path', default: null, meaning: 'Directory of the write-ahead log; created when missing.' },
  snapdir: {
    kind: 'path',
    default: null,
    meaning: 'Directory of snapshots and of members.json; created when missing.',
  },
  peers: {
    kind: 'peers',
    meaning:
      'All nodes of the cluster at its first start, this one among them, as {"id", "url"}. Read at the first start; ' +
      'afterwards the membership comes from the log, and the list only tells the own listening address.',
  },
  join: flag(false, 'Joins a running cluster that has added this node, instead of starting a new one.'),
  tickms: integer('ms', 1, 60_000, 100, 'Length of a tick.'),
  election_tick: integer(
    'ticks',
    2,
    100_000,
    10,
    'Ticks without a leader before an election; above heartbeat_tick.',
  ),
  heartbeat_tick: integer('ticks', 1, 10_000, 1, 'Ticks between heartbeats.'),
  boostrap_timeout: integer(
    's',
    0,
    86_400,
    1,
    'How long start-up goes on trying to bind its address. `bootstrap_timeout` is accepted too.',
  ),
  snap_count: integer(
    'entries',
    0,
    2 ** 40,
    10_000,
    'Entries applied since the last snapshot that trigger the next; 0 never.',
  ),
  snapshot_entries: integer(
    'entries',
    0,
    2 ** 40,
    1000,
    'Entries kept behind a snapshot, so that a follower that is a little behind needs no snapshot.',
  ),
  manual_snap: flag(false, 'Takes snapshots only when RAFT_Snapshot asks.'),
  max_size_per_msg: integer(
    'bytes',
    0,
    256 * MEBIBYTE,
    MEBIBYTE,
    'Entries in one append message; at least one always goes.',
  ),
  max_inflight_msgs: integer('messages', 1, 65_536, 256, 'Append messages on their way to one follower.'),
  max_snap_files: integer('files', 0, 1_000_000, 0, 'Snapshot files kept; 0 keeps all.'),
  max_wal_files: integer(
    'files',
    0,
    1_000_000,
    0,
    'Segments of the log kept; 0 keeps all. What is still needed always stays.',
  ),
  purge_file_interval: integer('s', 1, 86_400, 30, 'How often old files are looked for.'),
  pre_vote: flag(
    true,
    'Asks before an election whether it could be won, so that a node that comes back disturbs nobody.',
  ),
  check_quorum: flag(true, 'A leader that does not hear from a majority for an election timeout steps down.'),
  max_proposal_bytes: integer('bytes', 1, 256 * MEBIBYTE, 64 * MEBIBYTE, 'Largest proposal, inclusive.'),
  runtime: {
    kind: 'text',
    default: '',
    choices: ['', 'embedded', 'process'],
    meaning:
      'Where the engine runs: inside this process or in a child process. Empty: the environment variable ' +
      'POLYRAFT_RUNTIME, else embedded where it was built, else process.',
  },
  node_path: {
    kind: 'text',
    default: '',
    meaning:
      'The `node` (18.20 or newer) of the process runtime. Empty: POLYRAFT_NODE, else the PATH is searched.',
  },
  strict: flag(false, 'Makes unknown keys an error instead of a warning.'),
} as const satisfies Readonly<Record<string, Field>>;

export type FieldName = keyof typeof FIELDS;

/** Other spellings. */
export const ALIASES: Readonly<Record<string, FieldName>> = { bootstrap_timeout: 'boostrap_timeout' };
