/** What the setters of the C interface set; read anew whenever it is needed. */
export interface Settings {
  electionTimeoutMs: number;
  heartbeatTimeoutMs: number;
  installSnapshotTimeoutMs: number;
  preVote: boolean;
  maxCatchUpRounds: number;
  maxCatchUpRoundMs: number;
  maxInflightEntries: number;
  seed: number;
}

/** xorshift32: small, and the same everywhere. */
export function makeRandom(seed: number): (bound: number) => number {
  // Zero would stay zero. Neighbouring seeds are spread first.
  let state = Math.imul((seed >>> 0) ^ 0x9e3779b9, 0x85ebca6b) >>> 0 || 1;
  return (bound) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state % bound;
  };
}
