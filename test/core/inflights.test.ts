import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { InvariantError } from '../../src-ts/core/errors.ts';
import { Inflights } from '../../src-ts/core/tracker/inflights.ts';

const action = fc.oneof(
  fc.record({ add: fc.nat(60) }),
  fc.record({ free: fc.integer({ min: -1, max: 12 }) }),
  fc.record({ reset: fc.constant(true) }),
);

describe('Inflights', () => {
  it('is a queue of messages, bounded in number and bytes', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 8 }),
        fc.nat(100),
        fc.array(action, { maxLength: 80 }),
        (size, maxBytes, actions) => {
          const window = new Inflights(size, maxBytes);
          let model: { index: number; bytes: number }[] = [];
          let next = 1;
          for (const step of actions) {
            const bytes = model.reduce((sum, message) => sum + message.bytes, 0);
            const full = model.length === size || (maxBytes !== 0 && bytes >= maxBytes);
            expect(window.full).toBe(full);
            expect(window.count).toBe(model.length);
            if ('add' in step) {
              if (full) {
                expect(() => window.add(next, step.add)).toThrow(InvariantError);
                continue;
              }
              window.add(next, step.add);
              model.push({ index: next, bytes: step.add });
              next += 1 + (step.add % 3);
            } else if ('free' in step) {
              const to = (model[0]?.index ?? next) + step.free;
              window.freeUpTo(to);
              model = model.filter((message) => message.index > to);
            } else {
              window.reset();
              model = [];
            }
          }
        },
      ),
    );
  });
});
