// Constants, layouts and prototypes for Rust's polyraft-sys.
import { declaration, layouts, typesOf } from './c-types.mjs';
import { enumerations } from './enumerations.mjs';

const typeOf = typesOf('Rust', {
  int: 'c_int',
  size_t: 'usize',
  uint64_t: 'u64',
  RAFT_Handle: 'RAFT_Handle',
  'void*': '*mut c_void',
  'const void*': '*const c_void',
  'void**': '*mut *mut c_void',
  'void* const*': '*const *mut c_void',
  'char*': '*mut c_char',
  'const char*': '*const c_char',
  'uint64_t*': '*mut u64',
  'size_t*': '*mut usize',
  'RAFT_Handle*': '*mut RAFT_Handle',
  RAFT_Completion: 'RAFT_Completion',
  RAFT_LogCallback: 'RAFT_LogCallback',
  'const struct RAFT_LogRecord*': '*const RAFT_LogRecord',
  'struct RAFT_Callbacks': 'RAFT_Callbacks',
  'const struct RAFT_Options*': '*const RAFT_Options',
  'const struct RAFT_Buffer*': '*const RAFT_Buffer',
  'const struct RAFT_MemberChange*': '*const RAFT_MemberChange',
});

const camel = (name) => name.toLowerCase().replace(/(?:^|_)(\w)/g, (_, letter) => letter.toUpperCase());
const result = (type) => (type === 'void' ? '' : ` -> ${typeOf(type)}`);
const list = (parameters) => parameters.map(({ type, name }) => `${name}: ${typeOf(type)}`).join(', ');

function enumeration(name, rows, doc) {
  const lines = ['', `/// ${doc}`, '#[repr(i32)]', '#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]', '#[non_exhaustive]', `pub enum ${name} {`];
  for (const [value, key, text] of rows) {
    lines.push(`    /// ${text ?? camel(key)}`, `    ${camel(key)} = ${value},`);
  }
  lines.push('}', '', `impl ${name} {`, '    /// The one with this value, if there is one.', '    pub fn from_value(value: c_int) -> Option<Self> {', '        match value {');
  for (const [value, key] of rows) lines.push(`            ${value} => Some(Self::${camel(key)}),`);
  lines.push('            _ => None,', '        }', '    }', '', '    /// Its name as the C header has it, without prefix.', "    pub fn name(self) -> &'static str {", '        match self {');
  for (const [, key] of rows) lines.push(`            Self::${camel(key)} => "${key}",`);
  lines.push('        }', '    }', '}');
  return lines;
}

function structure({ name, members, offsets, size }) {
  const lines = ['', `/// struct ${name}: ${size} bytes.`, '#[repr(C)]', '#[derive(Clone, Copy)]', `pub struct ${name} {`];
  for (const member of members) {
    const type =
      member.result === undefined
        ? typeOf(member.type)
        : `Option<unsafe extern "C" fn(${list(member.parameters)})${result(member.result)}>`;
    lines.push(`    pub ${member.name}: ${type},`);
  }
  lines.push('}', '', '// As the header has it: what differs does not compile.', 'const _: () = {', `    assert!(std::mem::size_of::<${name}>() == ${size});`);
  for (const [member, offset] of offsets) lines.push(`    assert!(std::mem::offset_of!(${name}, ${member}) == ${offset});`);
  lines.push('};');
  return lines;
}

export function nativeRust(definitions, version, note) {
  const lines = [`// ${note}`, 'use std::os::raw::{c_char, c_int, c_void};', '', '/// The version of the header that this was made from.', `pub const POLYRAFT_VERSION: &str = "${version}";`, ''];
  lines.push('/// A server; never 0.', 'pub type RAFT_Handle = u64;', '');
  lines.push(...enumerations(definitions, enumeration, { MemberChange: 'MemberChangeKind' }), '');
  for (const [name, type, parameters] of definitions.functionTypes) {
    lines.push(`pub type ${name} = Option<unsafe extern "C" fn(${list(parameters.map(declaration))})${result(type)}>;`);
  }
  for (const struct of layouts(definitions.structs)) lines.push(...structure(struct));
  lines.push('', 'extern "C" {');
  for (const [name, type, parameters] of definitions.functions) {
    lines.push(`    pub fn ${name}(${list(parameters.map(declaration))})${result(type)};`);
  }
  lines.push('}', '');
  return lines.join('\n');
}
