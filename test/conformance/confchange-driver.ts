/** Executes etcd's configuration change data: simple changes, entering and leaving joint configurations. */
import {
  Changer,
  ConfChangeError,
  type Changed,
  type ConfChangeErrorCode,
} from '../../src-ts/core/confchange/changer.ts';
import { progressStatus } from '../../src-ts/core/raft-status.ts';
import { EMPTY_CONFIGURATION, type Configuration } from '../../src-ts/core/tracker/configuration.ts';
import { ProgressTracker } from '../../src-ts/core/tracker/tracker.ts';
import type { Command } from './data-driven.ts';
import { describeProgress, parseChanges } from './describe.ts';

/** The sentences that the test data have for refusals. */
const REFUSALS: Readonly<Record<ConfChangeErrorCode, string>> = {
  'already-joint': 'config is already joint',
  'no-voters-yet': "can't make a zero-voter config joint",
  'not-joint': "can't leave a non-joint config",
  joint: "can't apply simple config change in joint config",
  'several-voters': 'more than one voter changed without entering joint config',
  'no-voters-left': 'removed all voters',
};

function set(ids: ReadonlySet<number>): string {
  return `(${[...ids]
    .sort((a, b) => a - b)
    .map((id) => id.toString(16))
    .join(' ')})`;
}

function describeConfiguration({
  incoming,
  outgoing,
  learners,
  learnersNext,
  autoLeave,
}: Configuration): string {
  return (
    `voters=${set(incoming)}${outgoing.size > 0 ? `&&${set(outgoing)}` : ''}` +
    (learners.size > 0 ? ` learners=${set(learners)}` : '') +
    (learnersNext.size > 0 ? ` learners_next=${set(learnersNext)}` : '') +
    (autoLeave ? ' autoleave' : '')
  );
}

export class ConfChangeEnvironment {
  private readonly tracker = new ProgressTracker(10, 0);
  private base: Changed = { configuration: EMPTY_CONFIGURATION, progress: new Map() };
  private lastIndex = 0;

  execute(command: Command): string {
    const changer = new Changer(this.tracker, this.lastIndex++, this.base);
    try {
      this.base = this.change(changer, command);
    } catch (error) {
      if (error instanceof ConfChangeError) return `${REFUSALS[error.code]}\n`;
      throw error;
    }
    return `${describeConfiguration(this.base.configuration)}\n${this.describeAll()}`;
  }

  private change(changer: Changer, command: Command): Changed {
    const changes = parseChanges(command.input);
    switch (command.name) {
      case 'simple':
        return changer.simple(changes);
      case 'enter-joint':
        return changer.enterJoint(command.args[0]?.values[0] === 'true', changes);
      case 'leave-joint':
        if (changes.length > 0) throw new Error(`line ${command.line}: leave-joint takes no input`);
        return changer.leaveJoint();
      default:
        throw new Error(`line ${command.line}: unknown command ${command.name}`);
    }
  }

  private describeAll(): string {
    const members = [...this.base.progress].sort(([a], [b]) => a - b);
    return members.map(([id, progress]) => describeProgress(progressStatus(id, progress))).join('');
  }
}
