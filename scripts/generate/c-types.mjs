// The C interface of definitions/polyraft.json, taken apart for the writers of other languages.

/** `uint64_t* index` as its type and name. */
export function declaration(text) {
  const [, type, name] = /^(.*[\s*])(\w+)$/.exec(text) ?? [];
  if (type === undefined) throw new Error(`definitions/polyraft.json: '${text}' is no declaration`);
  return { type: type.trim(), name };
}

/** Members of a struct: with a type, or with a function type that is the member's own. */
export function members(list) {
  return list.map((member) => {
    if (typeof member === 'string') return declaration(member);
    const [name, result, parameters] = member;
    return { name, result, parameters: parameters.map(declaration) };
  });
}

/** What a language has for each C type; a type that it has not is an error here, not in the language. */
export function typesOf(language, table) {
  return (type) => {
    const found = table[type];
    if (found === undefined) throw new Error(`${language}: no counterpart of the C type '${type}'`);
    return found;
  };
}

/** Offsets and size of a struct where int has 4 bytes, pointers and size_t 8; sizes of nested structs are given. */
export function layout(list, sizes) {
  let at = 0;
  let alignment = 1;
  const offsets = members(list).map(({ type, name, result }) => {
    const nested = result === undefined ? /^struct (\w+)$/.exec(type)?.[1] : undefined;
    const size = nested === undefined ? (type === 'int' ? 4 : 8) : sizes[nested];
    if (size === undefined) throw new Error(`definitions/polyraft.json: struct ${nested} is used before it is defined`);
    const own = Math.min(size, 8);
    alignment = Math.max(alignment, own);
    at = Math.ceil(at / own) * own;
    const offset = at;
    at += size;
    return [name, offset];
  });
  return { offsets, size: Math.ceil(at / alignment) * alignment };
}

export function layouts(structs) {
  const sizes = {};
  return structs.map(([name, list]) => {
    const found = layout(list, sizes);
    sizes[name] = found.size;
    return { name, members: members(list), ...found };
  });
}
