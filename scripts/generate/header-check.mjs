// A C file that compiles only where polyraft.h says what definitions/polyraft.json says.
import { layouts } from './c-types.mjs';

const list = (parameters) => (parameters.length === 0 ? 'void' : parameters.join(', '));

export function headerCheckC(definitions, note) {
  const lines = [`/* ${note} */`, '#include <polyraft.h>', ''];
  const equal = (left, right) => lines.push(`_Static_assert(${left} == ${right}, "${left}");`);
  const same = (left, right) => lines.push(`_Static_assert(__builtin_types_compatible_p(${left}, ${right}), "${left}");`);
  for (const [value, name] of definitions.errors) equal(value === 0 ? 'RAFT_OK' : `RAFT_ERR_${name}`, value);
  for (const [value, name] of definitions.events) equal(`RAFT_EVENT_${name}`, value);
  for (const [value, name] of definitions.states) equal(`STATE_${name}`, value);
  for (const [value, name] of definitions.logLevels) equal(`RAFT_LOG_${name}`, value);
  for (const [value, name] of definitions.logFormats) equal(`RAFT_LOG_${name}`, value);
  for (const [value, name] of definitions.readKinds) equal(`RAFT_READ_${name}`, value);
  for (const [value, name] of definitions.memberChanges) equal(`RAFT_MEMBER_${name}`, value);
  for (const { name, members, offsets, size } of layouts(definitions.structs)) {
    equal(`sizeof(struct ${name})`, size);
    for (const [member, offset] of offsets) equal(`offsetof(struct ${name}, ${member})`, offset);
    for (const member of members) {
      const left = `__typeof__(((struct ${name}*)0)->${member.name})`;
      const parameters = member.parameters?.map(({ type }) => type);
      same(left, member.type ?? `${member.result} (*)(${list(parameters)})`);
    }
  }
  for (const [name, result, parameters] of definitions.functionTypes) {
    const types = parameters.map((text) => text.replace(/\w+$/, '').trim());
    same(name, `${result} (*)(${list(types)})`);
  }
  lines.push('', '/* Another declaration of the same function is an error when it differs. */');
  for (const [name, result, parameters] of definitions.functions) lines.push(`${result} ${name}(${list(parameters)});`);
  lines.push('');
  return lines.join('\n');
}
