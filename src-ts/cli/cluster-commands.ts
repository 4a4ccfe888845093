/** The commands that ask a running server, over its admin endpoint. */
import { Option, type Command } from 'commander';
import { AdminClient, type AdminOptions } from './admin-client.ts';
import { listMembers, showStatus } from './cluster-status.ts';
import { ExitCode, type Output } from './output.ts';

interface Shared extends AdminOptions {
  readonly json?: boolean;
}

type Action = (client: AdminClient, asJson: boolean) => Promise<ExitCode>;

/** Longest membership change, transfer or snapshot that is waited for. */
const CHANGE_TIMEOUT_MS = 120_000;

function reading(command: Command): Command {
  return command
    .addOption(new Option('--admin <url>', 'the "admin_url" of a server').env('POLYRAFT_ADMIN'))
    .addOption(
      new Option('--cacert <file>', 'for https: the CA of the server’s certificate').env('POLYRAFT_CACERT'),
    )
    .addOption(
      new Option('--cert <file>', 'for https: an own certificate, where the server asks for one').env(
        'POLYRAFT_CERT',
      ),
    )
    .addOption(new Option('--key <file>', 'the private key of --cert').env('POLYRAFT_KEY'))
    .option('--json', 'prints JSON for programs');
}

function changing(command: Command): Command {
  return reading(command).addOption(
    new Option('--token-file <file>', 'the file with the secret of "admin_token_file"').env(
      'POLYRAFT_TOKEN_FILE',
    ),
  );
}

/** `done` gets the exit code of what has run. */
export function addClusterCommands(program: Command, output: Output, done: (code: ExitCode) => void): void {
  const run = async (options: Shared, action: Action): Promise<void> => {
    done(await action(new AdminClient(options, CHANGE_TIMEOUT_MS), options.json === true));
  };
  const change = (
    options: Shared,
    path: string,
    body: unknown,
    text: (answer: string) => string,
  ): Promise<void> =>
    run(options, async (client, asJson) => {
      output.progress?.('waiting for the cluster');
      const answer = await client.change(path, body).finally(() => output.progress?.(''));
      output.line(asJson ? JSON.stringify(answer) : text(String(answer['index'])));
      return ExitCode.Fine;
    });

  reading(
    program.command('status').description('shows the nodes of a cluster, its elections, and what is wrong'),
  ).action((options: Shared) => run(options, (client, asJson) => showStatus(client, asJson, output)));

  const members = program.command('members').description('who belongs to a cluster');
  reading(members.command('list').description('shows the members')).action((options: Shared) =>
    run(options, (client, asJson) => listMembers(client, asJson, output)),
  );
  changing(
    members
      .command('add')
      .description('adds a member; start its server with "join": true afterwards')
      .argument('<id>', 'its id, never used before')
      .argument('<url>', 'where it will listen for its peers')
      .option('--learner', 'as a learner: it gets the log and has no vote until it is promoted'),
  ).action((id: string, url: string, options: Shared & { readonly learner?: boolean }) => {
    const operation = options.learner === true ? 'add-learner' : 'add';
    return change(
      options,
      '/members',
      { operation, id, url },
      (index) => `member ${id} added at index ${index}`,
    );
  });
  changing(
    members.command('remove').description('removes a member for good').argument('<id>', 'its id'),
  ).action((id: string, options: Shared) =>
    change(
      options,
      '/members',
      { operation: 'remove', id },
      (index) => `member ${id} removed at index ${index}`,
    ),
  );
  changing(
    members.command('promote').description('makes a voter of a learner').argument('<id>', 'its id'),
  ).action((id: string, options: Shared) =>
    change(
      options,
      '/members',
      { operation: 'promote', id },
      (index) => `member ${id} votes from index ${index}`,
    ),
  );
  changing(
    members
      .command('move')
      .description('gives a member another URL')
      .argument('<id>', 'its id')
      .argument('<url>', 'its new URL'),
  ).action((id: string, url: string, options: Shared) =>
    change(
      options,
      '/members',
      { operation: 'update', id, url },
      (index) => `member ${id} moved at index ${index}`,
    ),
  );

  changing(
    program
      .command('transfer')
      .description('hands leadership over')
      .argument('<id>', 'the voter that is to lead'),
  ).action((id: string, options: Shared) =>
    change(options, '/transfer', { to: id }, () => `node ${id} leads`),
  );
  changing(program.command('snapshot').description('has a server take a snapshot now')).action(
    (options: Shared) => change(options, '/snapshot', {}, (index) => `snapshot of index ${index} is on disk`),
  );
}
