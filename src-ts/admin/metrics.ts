/**
 * Facts about servers in the text form that Prometheus reads. The registry is made for one answer: nothing is kept, and
 * the servers themselves know nothing of it.
 */
import { Counter, Gauge, Registry, type Metric as RegisteredMetric } from 'prom-client';
import type { ServerFigures } from '../server/server-figures.ts';
import type { HistogramFacts } from '../server/time-histogram.ts';
import { METRICS, type Metric } from './metrics-table.ts';

/** Labels of every sample, so that one answer may hold several servers. */
export const SERVER_LABELS = ['cluster', 'node'] as const;

export const METRICS_CONTENT_TYPE = Registry.PROMETHEUS_CONTENT_TYPE;

interface Series {
  readonly labels: Record<string, string>;
  readonly facts: HistogramFacts;
}

/** A histogram whose buckets were counted elsewhere, which the library's own class has no way to take. */
class CountedHistogram {
  readonly name: string;
  readonly help: string;
  readonly type = 'histogram';
  private readonly series: readonly Series[];

  constructor(name: string, help: string, series: readonly Series[]) {
    this.name = name;
    this.help = help;
    this.series = series;
  }

  get() {
    const { name, help, type } = this;
    const values: { labels: Record<string, string | number>; value: number; metricName: string }[] = [];
    for (const { labels, facts } of this.series) {
      let total = 0;
      facts.counts.forEach((count, i) => {
        total += count;
        const le = facts.boundsSeconds[i] ?? '+Inf';
        values.push({ labels: { ...labels, le }, value: total, metricName: `${name}_bucket` });
      });
      values.push({ labels, value: facts.sumSeconds, metricName: `${name}_sum` });
      values.push({ labels, value: total, metricName: `${name}_count` });
    }
    return Promise.resolve({ name, help, type, values, aggregator: 'sum' });
  }
}

function register(registry: Registry, metric: Metric, servers: readonly ServerFigures[]): void {
  const { name, help } = metric;
  if (metric.kind === 'histogram') {
    const series: Series[] = [];
    for (const each of servers) {
      const facts = metric.histogram(each);
      if (facts !== null) series.push({ labels: labelsOf(each), facts });
    }
    registry.registerMetric(new CountedHistogram(name, help, series) as unknown as RegisteredMetric);
    return;
  }
  const labelNames = [...SERVER_LABELS, ...metric.labels];
  const settings = { name, help, labelNames, registers: [registry] };
  const set =
    metric.kind === 'gauge'
      ? ((gauge) => (labels: Record<string, string>, value: number) => {
          gauge.set(labels, value);
        })(new Gauge(settings))
      : ((counter) => (labels: Record<string, string>, value: number) => {
          counter.inc(labels, value);
        })(new Counter(settings));
  for (const facts of servers) {
    for (const { labels, value } of metric.samples(facts)) set({ ...labelsOf(facts), ...labels }, value);
  }
}

function labelsOf(facts: ServerFigures): Record<string, string> {
  return { cluster: facts.clusterId.toString(), node: facts.id.toString() };
}

/** The answer for these servers, in the order of the table. */
export function metricsText(...servers: readonly ServerFigures[]): Promise<string> {
  const registry = new Registry();
  for (const metric of METRICS) register(registry, metric, servers);
  return registry.metrics();
}
