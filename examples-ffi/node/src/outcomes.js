/** Proposals whose outcome is due: from submission, over commit, to the moment when this node has applied them. */
import { errorOf, RaftError } from './errors.js';
import { ErrorCode } from './native.generated.js';

export class Outcomes {
  #submitted = new Map();
  #committed = new Map();
  #nextToken = 1;
  #appliedIndex = 0;
  #failure = null;

  /**
   * A token for the library, which the completion brings back, and the promise of the outcome: when the entry has been
   * applied here, if the state machine is given one.
   */
  add(isApplied) {
    const token = this.#nextToken++;
    const promise = new Promise((resolve, reject) => {
      this.#submitted.set(token, { resolve, reject, isApplied });
    });
    return { token, promise };
  }

  /** It was not accepted, so no completion comes. */
  forget(token) {
    this.#submitted.delete(token);
  }

  complete(token, code, index, term) {
    const proposal = this.#submitted.get(token);
    this.#submitted.delete(token);
    if (proposal === undefined) return;
    if (code !== ErrorCode.OK) proposal.reject(errorOf(code));
    else if (!proposal.isApplied || index <= this.#appliedIndex) proposal.resolve({ index, term });
    else if (this.#failure !== null) proposal.reject(this.#failure);
    else this.#committed.set(index, { ...proposal, term });
  }

  /** The state machine holds all entries up to `index`. */
  applied(index) {
    this.#appliedIndex = index;
    for (const [at, { resolve, term }] of this.#committed) {
      // What was committed first was most often put in first; what was not is found the next time.
      if (at > index) break;
      this.#committed.delete(at);
      resolve({ index: at, term });
    }
    const own = this.#committed.get(index);
    if (own === undefined) return;
    this.#committed.delete(index);
    own.resolve({ index, term: own.term });
  }

  /** This node applies nothing more. */
  fail(code, reason, cause) {
    this.#failure ??= new RaftError(code, `the proposal was committed, but not applied here: ${reason}`, {
      cause,
    });
    for (const { reject } of this.#committed.values()) reject(this.#failure);
    this.#committed.clear();
  }
}
