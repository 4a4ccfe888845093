/**
 * The configuration's keys: the one definition from which the schema, the defaults, the types and docs/CONFIGURATION.md
 * come. A default of null makes a key required; `example` then shows how to write it.
 */
export interface IntegerField {
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

export type TextField = {
  readonly kind: 'text';
  readonly choices?: readonly string[];
  readonly meaning: string;
} & DefaultOrExample<string>;

export type IdField = {
  readonly kind: 'id';
  readonly zeroAllowed: boolean;
  readonly meaning: string;
} & DefaultOrExample<bigint>;

export type PeersField = {
  readonly kind: 'peers';
  readonly meaning: string;
  readonly default: null;
  readonly example: string;
};

type DefaultOrExample<T> =
  { readonly default: T } | { readonly default: null; /** As JSON text. */ readonly example: string };

export interface NamesField {
  readonly kind: 'names';
  readonly meaning: string;
  readonly default: readonly string[];
}

export interface TlsField {
  readonly kind: 'tls';
  readonly meaning: string;
  /** Absent: no TLS. */
  readonly default: undefined;
}

export type Field = IntegerField | BooleanField | TextField | IdField | PeersField | TlsField;

const MEBIBYTE = 1024 * 1024;

function integer(
  unit: string,
  minimum: number,
  maximum: number,
  fallback: number,
  meaning: string,
): IntegerField {
  return { kind: 'integer', minimum, maximum, default: fallback, unit, meaning };
}

function flag(fallback: boolean, meaning: string): BooleanField {
  return { kind: 'boolean', default: fallback, meaning };
}

/** Keys that easyraft knows, too, with its names and defaults. */
export const EASYRAFT_FIELDS = {
  id: {
    kind: 'id',
    default: null,
    example: '1',
    zeroAllowed: false,
    meaning: 'This node. Never used again for another node, not even after its removal.',
  },
  cluster_id: {
    kind: 'id',
    default: 0n,
    zeroAllowed: true,
    meaning:
      'The cluster. Nodes of different clusters refuse each other; clusters may share a listening address.',
  },
  waldir: {
    kind: 'text',
    default: null,
    example: '"wal1"',
    meaning: 'Directory of the write-ahead log; created when missing.',
  },
  snapdir: {
    kind: 'text',
    default: null,
    example: '"snap1"',
    meaning:
      'Directory of snapshots and of members.json; created when missing. Neither waldir nor a directory in it.',
  },
  peers: {
    kind: 'peers',
    default: null,
    example: '[{"id": 1, "url": "http://127.0.0.1:9001"}]',
    meaning:
      'All nodes of the cluster at its first start, this one among them, as {"id", "url"}. Ids and URLs differ. Used at ' +
      'the first start; later the members come from the log, and the list tells only where this node listens.',
  },
  join: flag(false, 'Joins a running cluster that has added this node, instead of starting a new one.'),
  tickms: integer('ms', 1, 60_000, 100, 'Length of a tick.'),
  election_tick: integer(
    'ticks',
    2,
    100_000,
    10,
    'Time without a leader before an election. Above heartbeat_tick.',
  ),
  heartbeat_tick: integer('ticks', 1, 10_000, 1, 'Time between heartbeats.'),
  boostrap_timeout: integer(
    's',
    0,
    86_400,
    1,
    'How long the own address may take to be bound. Spelled as in easyraft; `bootstrap_timeout` is accepted, too.',
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
  manual_snap: flag(false, 'Takes snapshots only when RAFT_Snapshot or RAFT_SaveSnapshot asks for one.'),
  max_size_per_msg: integer(
    'bytes',
    0,
    256 * MEBIBYTE,
    MEBIBYTE,
    'Entries in one append message; one always goes.',
  ),
  max_inflight_msgs: integer('messages', 1, 65_536, 256, 'Append messages on their way to one follower.'),
  max_snap_files: integer('files', 0, 1_000_000, 0, 'Snapshot files kept, two at least; 0 keeps all.'),
  max_wal_files: integer(
    'files',
    0,
    1_000_000,
    0,
    'Files of the log kept; 0 keeps all. What is still needed always stays.',
  ),
  purge_file_interval: integer('s', 1, 86_400, 30, 'How often old files are looked for.'),
} as const satisfies Readonly<Record<string, Field>>;

/** Keys that only polyraft has. */
export const POLYRAFT_FIELDS = {
  pre_vote: flag(
    true,
    'Asks before an election whether it could be won, so that a node that comes back disturbs nobody.',
  ),
  check_quorum: flag(true, 'A leader that does not hear from a majority for an election timeout steps down.'),
  lease_reads: flag(
    false,
    'Lets RAFT_ReadIndex with RAFT_READ_LEASE trust the leader’s lease, and so the clocks of all members to run at about ' +
      'the same rate. Needs check_quorum on all of them.',
  ),
  peer_tls: {
    kind: 'tls',
    default: undefined,
    meaning:
      'Certificates for https URLs, the own one and those of peers; see [Certificates](#certificates). The files are read ' +
      'again when they change.',
  },
  max_proposal_bytes: integer('bytes', 1, 256 * MEBIBYTE, 64 * MEBIBYTE, 'Largest proposal, inclusive.'),
  runtime: {
    kind: 'text',
    default: '',
    choices: ['embedded', 'process'],
    meaning:
      'Where the engine runs: in this process or in a child process. Without the key the environment’s POLYRAFT_RUNTIME ' +
      'decides, else it is embedded where that was installed.',
  },
  node_path: {
    kind: 'text',
    default: '',
    meaning:
      'The node executable (18.20 or newer) of the process runtime. Without the key the environment’s POLYRAFT_NODE ' +
      'decides, else the PATH is searched.',
  },
  admin_url: {
    kind: 'text',
    default: '',
    meaning:
      'Where metrics, health, status and a page are served: http://host:port, or, with admin_tls, https://host:port. ' +
      'Without the key nothing is. Each server needs an address of its own.',
  },
  admin_remote: flag(
    false,
    'Lets admin_url be an address that other machines can reach. They can then see what /status shows.',
  ),
  admin_token_file: {
    kind: 'text',
    default: '',
    meaning:
      'File with the secret that changes through admin_url need: 16 to 1024 characters, in one line. It is read for ' +
      'each change, so a new secret needs no restart. Without the key nothing can be changed through admin_url, but by ' +
      'those who show a certificate from ca_file of admin_tls.',
  },
  admin_tls: {
    kind: 'tls',
    default: undefined,
    meaning:
      'Certificates for an https admin_url; see [Certificates](#certificates). Whoever shows one from its ca_file may ' +
      'change something, without the secret of admin_token_file. The files are read again when they change.',
  },
  strict: flag(false, 'Makes unknown keys an error instead of a line in the log.'),
} as const satisfies Readonly<Record<string, Field>>;

/** The members of a value of kind 'tls'. */
export const TLS_FIELDS = {
  cert_file: {
    kind: 'text',
    default: null,
    example: '"node1.crt"',
    meaning:
      'The own certificate, then those between it and the CA; PEM. For serverAuth and clientAuth, with the host of the own ' +
      'URL among its subject alternative names.',
  },
  key_file: {
    kind: 'text',
    default: null,
    example: '"node1.key"',
    meaning: 'Its private key, PEM, without a passphrase.',
  },
  ca_file: {
    kind: 'text',
    default: '',
    meaning:
      'The CAs that certificates of others must come from, PEM. Needed with client_cert_auth; without it the CAs of the ' +
      'system count.',
  },
  client_cert_auth: flag(
    true,
    'Whoever connects must show a certificate from ca_file. When false, only who listens proves who it is, and, of ' +
      'peer_tls, everybody who reaches the port may speak as a member.',
  ),
  allowed_names: {
    kind: 'names',
    default: [],
    meaning:
      'Unless empty, a certificate must bear one of these as common name or subject alternative name, whoever connects.',
  },
} as const satisfies Readonly<Record<string, Field | NamesField>>;

export const FIELDS = { ...EASYRAFT_FIELDS, ...POLYRAFT_FIELDS };

export type FieldName = keyof typeof FIELDS;

/** Other spellings. */
export const ALIASES: Readonly<Record<string, FieldName>> = { bootstrap_timeout: 'boostrap_timeout' };
