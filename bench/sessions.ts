/** All sessions one after the other within the time that there is, with a line for each case. */
import { planNext, plannedSeconds, type Budget, type Plan, type Share } from './budget.ts';
import type { Case, Session } from './cases.ts';
import { measureSession, type CaseResult, type Failure, type Measurement } from './measure.ts';
import type { Subject } from './subject.ts';

/** How quickly the estimate of the pace follows what is seen. */
const PACE_SHARE = 0.3;

export async function measureSessions(
  subjects: readonly Subject[],
  wanted: readonly Session[],
  budget: Budget,
  directory: string,
  tell: (text: string) => void,
): Promise<CaseResult> {
  const measurements: Measurement[] = [];
  const failures: Failure[] = [];
  const until = performance.now() + budget.seconds * 1000;
  const all = wanted.flatMap((session) =>
    session.cases.map((one): Share => {
      const taking = subjects.filter((subject) => subject.takes?.(one, session.nodes) ?? true);
      return { weight: one.weight, subjects: taking.length, isTarget: one.isTarget };
    }),
  );
  let done = 0;
  let pace = 1;
  for (const [i, session] of wanted.entries()) {
    let began = 0;
    let planned: Plan | null = null;
    const plan = (): Plan | null => {
      began = performance.now();
      planned = planNext(budget, all.slice(done), wanted.length - i, (until - began) / 1000, pace);
      return planned;
    };
    const onCase = (one: Case, found: CaseResult): void => {
      const took = (performance.now() - began) / 1000;
      if (planned !== null) {
        const seen = took / plannedSeconds(planned, all[done]!);
        pace = Math.max(1, pace * (1 - PACE_SHARE) + seen * PACE_SHARE);
      }
      done++;
      const rates = found.measurements.map(
        ({ subject, commitsPerSecond }) => `${subject} ${commitsPerSecond.toFixed(0)}`,
      );
      tell(`[${done}/${all.length}] ${one.id}, commits/s: ${rates.join(', ')}`);
      for (const { subject, why } of found.failures) tell(`  ${subject}: ${why.split('\n')[0]!}`);
    };
    const result = await measureSession(subjects, session, directory, { plan, onCase });
    measurements.push(...result.measurements);
    failures.push(...result.failures);
  }
  return { measurements, failures };
}
