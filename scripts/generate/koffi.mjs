// Constants, layouts and prototypes for koffi, which reads C declarations.
import { declaration, layouts, typesOf } from './c-types.mjs';
import { enumerations } from './enumerations.mjs';

// Opaque words travel as integers; what a callback writes to is a pointer that it encodes into.
const parameterOf = typesOf('koffi', {
  int: 'int',
  size_t: 'size_t',
  uint64_t: 'uint64_t',
  RAFT_Handle: 'uint64_t',
  'void*': 'void *',
  'const void*': 'const void *',
  'void**': 'void *',
  'void* const*': 'const uintptr_t *',
  'char*': '_Out_ uint8_t *',
  'const char*': 'const char *',
  'uint64_t*': '_Out_ uint64_t *',
  'size_t*': '_Out_ size_t *',
  'RAFT_Handle*': '_Out_ uint64_t *',
  RAFT_Completion: 'RAFT_Completion *',
  RAFT_LogCallback: 'RAFT_LogCallback *',
  // The types of functions come before the structures.
  'const struct RAFT_LogRecord*': 'const void *',
  'struct RAFT_Callbacks': 'RAFT_Callbacks',
  'const struct RAFT_Options*': 'const RAFT_Options *',
  'const struct RAFT_Buffer*': 'const RAFT_Buffer *',
  'const struct RAFT_MemberChange*': 'const RAFT_MemberChange *',
});
const WORDS = ['user', 'context'];

const typeOf = ({ type, name }, isCallback) => {
  if (type === 'void*' && WORDS.includes(name)) return 'uintptr_t';
  return isCallback && type === 'uint64_t*' ? 'void *' : parameterOf(type);
};
const prototype = (result, name, parameters, isCallback) =>
  `${result === 'void' ? 'void' : parameterOf(result)} ${name}(${parameters.map((each) => `${typeOf(each, isCallback)} ${each.name}`).join(', ')})`;
const camel = (name) => name.replace(/(?:^|_)(\w)/g, (_, letter) => letter.toUpperCase());

function enumeration(name, rows, doc) {
  const lines = ['', `/** ${doc} */`, `export const ${name} = Object.freeze({`];
  for (const [value, key, text] of rows) {
    if (text) lines.push(`  /** ${text} */`);
    lines.push(`  ${key}: ${value},`);
  }
  lines.push('});');
  return lines;
}

export function nativeKoffi(definitions, version, note) {
  const lines = [`// ${note}`, '// Constants, layouts and prototypes of polyraft.h.', '', `export const VERSION = '${version}';`];
  lines.push(...enumerations(definitions, enumeration));
  lines.push('', '/** Types of functions that the library calls. */', 'export const CALLBACKS = [');
  const structs = layouts(definitions.structs);
  for (const [name, result, parameters] of definitions.functionTypes) {
    lines.push(`  '${prototype(result, name, parameters.map(declaration), true)}',`);
  }
  for (const { members } of structs) {
    for (const { name, result, parameters } of members) {
      if (result !== undefined) lines.push(`  '${prototype(result, `${camel(name)}Function`, parameters, true)}',`);
    }
  }
  lines.push('];', '', '/** Structures: members, and the size and offsets in bytes that the header has. */', 'export const STRUCTURES = [');
  for (const { name, members, offsets, size } of structs) {
    lines.push('  {', `    name: '${name}',`, `    bytes: ${size},`, '    members: {');
    for (const member of members) {
      const type = member.result === undefined ? typeOf(member, false) : `${camel(member.name)}Function *`;
      lines.push(`      ${member.name}: '${type}',`);
    }
    lines.push('    },', `    offsets: { ${offsets.map(([member, offset]) => `${member}: ${offset}`).join(', ')} },`, '  },');
  }
  lines.push('];', '', '/** Exported functions. */', 'export const FUNCTIONS = {');
  for (const [name, result, parameters] of definitions.functions) {
    lines.push(`  ${name}:`, `    '${prototype(result, name, parameters.map(declaration), false)}',`);
  }
  lines.push('};', '');
  return lines.join('\n');
}
