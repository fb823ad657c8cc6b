import type { Command } from 'commander';
import { formatTime } from '../lib/clock.ts';
import type * as ServerModule from '../server/index.ts';
import { serverDataDirectory } from './connect.ts';
import type { Io } from './io.ts';
import { colour, formatTable, type OutputFormat, plain, printJson, printLine } from './output.ts';
import { addOutputOption } from './usage.ts';

export type AccountOptions = { data?: string; account?: string; output: OutputFormat };

export type Server = typeof ServerModule;
export type AccountContext = {
  readonly server: Server;
  readonly admin: ServerModule.Admin;
  readonly account: Awaited<ReturnType<Server['findAccount']>>;
};

/** A group of commands: `larder account key …`. */
export function addGroup(parent: Command, name: string, description: string, help = ''): Command {
  return parent.command(name).description(description).addHelpText('after', help);
}

/** `--data` and `--output`, as every one of these commands has them. */
export function addDataOption(command: Command): Command {
  return addOutputOption(command.option('--data <dir>', "the server's data folder (default: that of the profile)"));
}

/** `--account` as well. */
export function addAccountOptions(command: Command): Command {
  return addDataOption(command.option('--account <id>', 'id or name of the account (default: the only one)'));
}

/** Opens the store beside the server, which may run meanwhile. */
export async function withAdmin<Result>(
  io: Io,
  options: { data?: string },
  use: (context: Omit<AccountContext, 'account'>) => Promise<Result>,
): Promise<Result> {
  const server = await import('../server/index.ts');
  const admin = await server.openAdmin(await serverDataDirectory(io, options.data));
  try {
    return await use({ server, admin });
  } finally {
    await admin.close();
  }
}

/** The same, with the account that `--account` names. */
export function withAccount<Result>(
  io: Io,
  options: AccountOptions,
  use: (context: AccountContext) => Promise<Result>,
): Promise<Result> {
  return withAdmin(io, options, async (context) => {
    const account = await context.server.findAccount(context.admin, options.account);
    return use({ ...context, account });
  });
}

/** An answer in the API's style, for programs; in a line, for people. */
export function report(io: Io, output: OutputFormat, answer: object, line: string): void {
  if (output === 'json') printJson(io, answer);
  else printLine(io, plain(line));
}

export type Item = Readonly<Record<string, Cell>>;
type Cell = string | number | readonly string[] | undefined;

/** A list under its name for programs; as a table, or what to do when it is empty, for people. */
export function reportList(
  io: Io,
  output: OutputFormat,
  list: {
    name: string;
    items: readonly Item[];
    /** Heading → field. */
    columns: Readonly<Record<string, string>>;
    empty: string;
  },
): void {
  const { name, items, columns, empty } = list;
  if (output === 'json') {
    printJson(io, { [name]: items });
  } else if (items.length === 0) {
    printLine(io, empty);
  } else {
    const rows = items.map((item) => Object.values(columns).map((field) => plain(cellText(item[field]))));
    const paint = (cell: string, row: number) => (row === 0 ? colour(io, io.stdout, 'bold', cell) : cell);
    printLine(io, formatTable([Object.keys(columns), ...rows], paint));
  }
}

/** Times are answered as the API does; those that nobody recorded are left out. */
export function dateField<Name extends string>(name: Name, epochMs: number | undefined): { [Key in Name]?: string } {
  const field: { [Key in Name]?: string } = {};
  if (epochMs) field[name] = formatTime(epochMs);
  return field;
}

function cellText(cell: Cell): string {
  const text = typeof cell === 'object' ? cell.join(' ') : String(cell ?? '');
  return text === '' ? '-' : text;
}
