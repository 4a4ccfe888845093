/** raftpb as protobufjs sees it: an independent encoder and decoder to compare with. Field numbers are etcd's. */
import protobuf from 'protobufjs';

const SCHEMA = `
syntax = "proto2";
message Entry { optional uint64 Type = 1; optional uint64 Term = 2; optional uint64 Index = 3; optional bytes Data = 4; }
message ConfState {
  repeated uint64 voters = 1; repeated uint64 learners = 2; repeated uint64 voters_outgoing = 3;
  repeated uint64 learners_next = 4; optional bool auto_leave = 5;
}
message SnapshotMetadata { optional ConfState conf_state = 1; optional uint64 index = 2; optional uint64 term = 3; }
message Snapshot { optional bytes data = 1; optional SnapshotMetadata metadata = 2; }
message HardState { optional uint64 term = 1; optional uint64 vote = 2; optional uint64 commit = 3; }
message Message {
  optional uint64 type = 1; optional uint64 to = 2; optional uint64 from = 3; optional uint64 term = 4;
  optional uint64 logTerm = 5; optional uint64 index = 6; repeated Entry entries = 7; optional uint64 commit = 8;
  optional Snapshot snapshot = 9; optional bool reject = 10; optional uint64 rejectHint = 11;
  optional bytes context = 12; optional uint64 vote = 13; repeated Message responses = 14;
}
message ConfChange {
  optional uint64 id = 1; optional uint64 type = 2; optional uint64 node_id = 3; optional bytes context = 4;
}
message ConfChangeSingle { optional uint64 type = 1; optional uint64 node_id = 2; }
message ConfChangeV2 {
  optional uint64 transition = 1; repeated ConfChangeSingle changes = 2; optional bytes context = 3;
}
message WalRecord { optional int64 type = 1; optional uint32 crc = 2; optional bytes data = 3; }
message WalSnapshot { optional uint64 index = 1; optional uint64 term = 2; optional ConfState conf_state = 3; }
message WalMetadata { optional uint64 NodeID = 1; optional uint64 ClusterID = 2; }
`;

const { root } = protobuf.parse(SCHEMA, { keepCase: true });

/** Ids and counters are given as texts, so that nothing is rounded. */
export function oracleEncode(type: string, value: object): Uint8Array {
  const message = root.lookupType(type);
  return message.encode(message.fromObject(value)).finish();
}

/** Numbers come back as texts, bytes as Uint8Array, absent scalars as zero. */
export function oracleDecode(type: string, bytes: Uint8Array): Record<string, unknown> {
  const message = root.lookupType(type);
  return message.toObject(message.decode(bytes), { longs: String, defaults: true, arrays: true }) as Record<
    string,
    unknown
  >;
}
