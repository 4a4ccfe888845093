// Constants, layouts and prototypes for ctypes.
import { declaration, layouts, typesOf } from './c-types.mjs';
import { enumerations } from './enumerations.mjs';

const typeOf = typesOf('Python', {
  void: 'None',
  int: 'ctypes.c_int',
  size_t: 'ctypes.c_size_t',
  uint64_t: 'ctypes.c_uint64',
  RAFT_Handle: 'ctypes.c_uint64',
  'void*': 'ctypes.c_void_p',
  'const void*': 'ctypes.c_void_p',
  'void**': 'ctypes.POINTER(ctypes.c_void_p)',
  'void* const*': 'ctypes.POINTER(ctypes.c_void_p)',
  'char*': 'ctypes.c_char_p',
  'const char*': 'ctypes.c_char_p',
  'uint64_t*': 'ctypes.POINTER(ctypes.c_uint64)',
  'size_t*': 'ctypes.POINTER(ctypes.c_size_t)',
  'RAFT_Handle*': 'ctypes.POINTER(ctypes.c_uint64)',
  RAFT_Completion: 'Completion',
  RAFT_LogCallback: 'LogCallback',
  'const struct RAFT_LogRecord*': 'ctypes.POINTER(LogRecord)',
  'struct RAFT_Callbacks': 'Callbacks',
  'const struct RAFT_Options*': 'ctypes.POINTER(Options)',
  'const struct RAFT_Buffer*': 'ctypes.POINTER(Buffer)',
  'const struct RAFT_MemberChange*': 'ctypes.POINTER(MemberChangeRecord)',
});

const short = (name) => name.replace(/^RAFT_/, '');
// The enumeration of what a change can be has the short name.
const className = (name) => (name === 'RAFT_MemberChange' ? 'MemberChangeRecord' : short(name));
const camel = (name) => name.replace(/(?:^|_)(\w)/g, (_, letter) => letter.toUpperCase());

function enumeration(name, rows, doc) {
  const lines = ['', '', `class ${name}(enum.IntEnum):`, `    """${doc}"""`, ''];
  for (const [value, key, text] of rows) {
    lines.push(`    ${key} = ${value}`);
    if (text) lines.push(`    """${text}"""`);
  }
  return lines;
}

const functionType = (result, parameters) =>
  `ctypes.CFUNCTYPE(${[typeOf(result), ...parameters.map(({ type }) => typeOf(type))].join(', ')})`;

function structure({ name, members, size }) {
  const own = className(name);
  const lines = [''];
  const fields = members.map((member) => {
    if (member.result === undefined) return `        ("${member.name}", ${typeOf(member.type)}),`;
    const callback = `${camel(member.name)}Function`;
    lines.push(`${callback} = ${functionType(member.result, member.parameters)}`);
    return `        ("${member.name}", ${callback}),`;
  });
  lines.push('', '', `class ${own}(ctypes.Structure):`, `    """struct ${name}: ${size} bytes."""`, '');
  lines.push('    _fields_ = [', ...fields, '    ]', '');
  return lines;
}

export function nativePython(definitions, version, note) {
  const structs = layouts(definitions.structs);
  const lines = [`# ${note}`, '# fmt: off', '# ruff: noqa', '"""Constants, layouts and prototypes of polyraft.h."""', ''];
  lines.push('from __future__ import annotations', '', 'import ctypes', 'import enum', 'from typing import Any, Dict, List, Tuple', '');
  lines.push(`VERSION = "${version}"`);
  lines.push(...enumerations(definitions, enumeration));
  lines.push('', '');
  const functionTypes = (mentionsStruct) => {
    for (const [name, result, parameters] of definitions.functionTypes) {
      if (parameters.some((text) => text.includes('struct ')) !== mentionsStruct) continue;
      lines.push(`${short(name)} = ${functionType(result, parameters.map(declaration))}`);
    }
  };
  functionTypes(false);
  for (const struct of structs) lines.push(...structure(struct));
  functionTypes(true);
  lines.push('', '# Bytes of each structure, as the header has it.', 'STRUCTURE_BYTES: List[Tuple[Any, int]] = [');
  for (const { name, size } of structs) lines.push(`    (${className(name)}, ${size}),`);
  lines.push(']', '', '# Result and parameters of each function.', 'FUNCTIONS: Dict[str, Tuple[Any, List[Any]]] = {');
  for (const [name, result, parameters] of definitions.functions) {
    const types = parameters.map((text) => typeOf(declaration(text).type));
    lines.push(`    "${name}": (${typeOf(result)}, [${types.join(', ')}]),`);
  }
  lines.push('}', '');
  return lines.join('\n');
}
