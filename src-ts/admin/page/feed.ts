/** What the server says, asked for once a second; slower while nobody looks. */
import { useEffect, useState } from 'preact/hooks';
import type { ClusterView } from '../cluster-view.ts';
import type { Sample } from '../sampler.ts';

const INTERVAL_MS = 1_000;
const HIDDEN_INTERVAL_MS = 10_000;
const ANSWER_MS = 5_000;
/** As many as the server keeps. */
const SAMPLES_KEPT = 600;

export interface Feed {
  /** Null before the first answer. */
  readonly cluster: ClusterView | null;
  readonly samples: readonly Sample[];
  /** When the server was heard of last (performance.now); null never. */
  readonly heardAt: number | null;
  /** Why it does not answer now; null while it does. */
  readonly problem: string | null;
}

interface SamplesAnswer {
  readonly newest: number;
  readonly samples: readonly Sample[];
}

async function ask<T>(path: string): Promise<T> {
  const response = await fetch(path, { cache: 'no-store', signal: AbortSignal.timeout(ANSWER_MS) });
  if (!response.ok) throw new Error(`${path} answered with ${String(response.status)}`);
  return (await response.json()) as T;
}

export function useFeed(): Feed {
  const [feed, setFeed] = useState<Feed>({ cluster: null, samples: [], heardAt: null, problem: null });
  useEffect(() => {
    let samples: readonly Sample[] = [];
    let timer = 0;
    let ended = false;
    const look = async (): Promise<void> => {
      try {
        const last = samples[samples.length - 1]?.sequence ?? 0;
        const [cluster, answer] = await Promise.all([
          ask<ClusterView>('/cluster'),
          ask<SamplesAnswer>(`/samples?after=${String(last)}`),
        ]);
        // The server was started again, and counts anew.
        if (answer.newest < last) samples = [];
        else samples = [...samples, ...answer.samples].slice(-SAMPLES_KEPT);
        setFeed({ cluster, samples, heardAt: performance.now(), problem: null });
      } catch (error) {
        const problem = error instanceof Error ? error.message : String(error);
        setFeed((before) => ({ ...before, problem }));
      }
      if (!ended)
        timer = window.setTimeout(() => void look(), document.hidden ? HIDDEN_INTERVAL_MS : INTERVAL_MS);
    };
    const shown = (): void => {
      if (document.hidden) return;
      window.clearTimeout(timer);
      void look();
    };
    document.addEventListener('visibilitychange', shown);
    void look();
    return () => {
      ended = true;
      window.clearTimeout(timer);
      document.removeEventListener('visibilitychange', shown);
    };
  }, []);
  return feed;
}
