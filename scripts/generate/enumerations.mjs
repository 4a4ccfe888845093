/** What each binding has as enumerations: the key in the definitions, the name, what it is. */
const ENUMERATIONS = [
  ['errors', 'ErrorCode', 'What functions of the library return.'],
  ['events', 'Event', 'What a server reports by event.'],
  ['states', 'Role', 'Roles of a server.'],
  ['logLevels', 'LogLevel', 'Levels of the log.'],
  ['logFormats', 'LogFormat', 'Forms of the log.'],
  ['readKinds', 'ReadKind', 'How a read barrier is made sure of.'],
  ['memberChanges', 'MemberChange', 'Changes of the membership.'],
];

/** Their lines; `write(name, rows, doc)` gives those of one, `names` other names than the usual. */
export function enumerations(definitions, write, names = {}) {
  return ENUMERATIONS.flatMap(([key, name, doc]) => write(names[name] ?? name, definitions[key], doc));
}
