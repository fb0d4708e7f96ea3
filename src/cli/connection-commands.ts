// otesse connection: what people and the company have connected, and the key of its credentials.
// Invariant: no command shows a credential.
import { type Command, Option } from 'commander'
import type { ConnectionService, KnownConnection } from '../admin/connection-service.ts'
import {
  type Connection,
  CONNECTION_STATUSES,
  type ConnectionStatus,
} from '../connections/connection.ts'
import type { Does } from './command.ts'
import { facts, table, timeText } from './layout.ts'
import { withConnections } from './integration-commands.ts'
import { OPERATOR, type Outcome, usageRefusal } from './session.ts'

interface ListFlags {
  integration?: string
  status?: ConnectionStatus
  account?: string
  after?: string
  limit: string
}

const MOST = 500

/** Adds `otesse connection …`. */
export function addConnectionCommands(program: Command, does: Does): void {
  const connection = program
    .command('connection')
    .description('what people and the company have connected')
  addList(connection, does)
  addActs(connection, does)
  addReencrypt(connection, does)
}

function addList(connection: Command, does: Does): void {
  const list = connection
    .command('list')
    .description('list connections, newest first')
    .option('--integration <handle>')
    .addOption(new Option('--status <status>').choices(CONNECTION_STATUSES))
    .option('--account <id>', 'those of one person')
    .option('--after <cursor>', 'next of the page before (--json)')
    .option('--limit <count>', `connections on one page, up to ${MOST}`, '50')
    .addHelpText(
      'after',
      '\nExample:\n  $ otesse connection list --integration crm --status expired',
    )
  does(list, (session) => {
    const { integration, status, account, after, limit } = list.opts<ListFlags>()
    const count = Number(limit)
    if (!(Number.isInteger(count) && count >= 1 && count <= MOST))
      throw usageRefusal(`--limit is a number from 1 to ${MOST}`)
    const owners = account === undefined ? undefined : [account]
    const query = { integration, status, owners, cursor: after, limit: count }
    return withConnections(session, async ({ connections }) => {
      const { connections: found, next } = await connections.list(query, OPERATOR)
      const rows = found.map(({ connection: one, integration: { handle } }) => [
        one.id,
        handle,
        ownerText(one),
        one.externalLabel ?? one.externalId ?? '',
        one.statusReason === undefined ? one.status : `${one.status} (${one.statusReason})`,
        timeText(one.lastUsedAt),
      ])
      return {
        json: { connections: found.map((one) => connectionJson(one)), next: next ?? null },
        text: table(['ID', 'INTEGRATION', 'OWNER', 'THERE', 'STATUS', 'LAST USED'], rows),
      }
    })
  })
}

/** Commands about one connection, and what each does. */
const ACTS: readonly {
  name: string
  description: string
  run: (connections: ConnectionService, id: string) => Promise<unknown>
}[] = [
  {
    name: 'show',
    description: 'show one connection',
    run: (connections, id) => connections.get(id, OPERATOR),
  },
  {
    name: 'refresh',
    description: 'renew its access token now',
    run: (connections, id) => connections.refresh(id, OPERATOR),
  },
  {
    name: 'check',
    description: 'try it by the test call of its provider',
    run: (connections, id) => connections.check(id, OPERATOR),
  },
  {
    name: 'disable',
    description: 'keep apps from using it',
    run: (connections, id) => connections.disable(id, OPERATOR),
  },
  {
    name: 'enable',
    description: 'let apps use it again',
    run: (connections, id) => connections.enable(id, OPERATOR),
  },
]

function addActs(connection: Command, does: Does): void {
  for (const { name, description, run } of ACTS) {
    const act = connection
      .command(`${name} <id>`)
      .description(description)
      .addHelpText('after', `\nExample:\n  $ otesse connection ${name} con_…`)
    does(act, (session, id = '') =>
      withConnections(session, async ({ connections }) => {
        await run(connections, id)
        return shown(await connections.get(id, OPERATOR))
      }),
    )
  }
  const remove = connection
    .command('delete <id>')
    .description('remove it with its credentials; the servers tell the provider')
    .addHelpText('after', '\nExample:\n  $ otesse connection delete con_…')
  does(remove, (session, id = '') =>
    withConnections(session, async ({ connections }) => {
      await connections.remove(id, OPERATOR)
      return { json: { connection: { id }, deleted: true }, text: `${id} is no more.\n` }
    }),
  )
}

function addReencrypt(connection: Command, does: Does): void {
  const reencrypt = connection
    .command('reencrypt')
    .description('encrypt all credentials under the first key, so that an older one can go')
    .addHelpText(
      'after',
      `
To rotate OTESSE_CONNECTIONS_KEY, or OTESSE_ENCRYPTION_KEY where that is not set: write "new,old" on every server, restart them,
run this, then write "new" a day later. Servers go on meanwhile, and a run that was cut off is begun again.
  $ otesse connection reencrypt`,
    )
  does(reencrypt, (session) =>
    withConnections(session, async ({ connections }) => {
      const { terminal } = session
      const count = await connections.reencrypt(OPERATOR, (done) => {
        if (terminal.isInteractive && done % 10_000 === 0 && done > 0)
          terminal.warn(`${done} values …\n`)
      })
      return { json: { reencrypted: count }, text: `${count} re-encrypted.\n` }
    }),
  )
}

const ownerText = ({ owner }: Connection): string =>
  owner.kind === 'account' ? owner.id : 'company'

const connectionJson = ({ connection, integration }: KnownConnection): object => ({
  ...connection,
  integration: integration.handle,
})

function shown({ connection, integration }: KnownConnection): Outcome {
  const { id, status, statusReason, statusSince } = connection
  return {
    json: { connection: connectionJson({ connection, integration }) },
    text: `${id}\n${facts([
      ['Integration', integration.handle],
      ['Owner', ownerText(connection)],
      ['Account there', connection.externalLabel ?? connection.externalId],
      ['Status', status],
      ['Reason', statusReason],
      ['Since', timeText(statusSince)],
      ['Scopes', connection.grantedScopes.join(' ')],
      ['Missing scopes', connection.missingScopes.join(' ')],
      ['Token ends', timeText(connection.accessExpiresAt)],
      ['Refreshed', timeText(connection.lastRefreshedAt)],
      ['Last used', timeText(connection.lastUsedAt)],
      ['Checked', timeText(connection.lastCheckedAt)],
      ['Created', timeText(connection.createdAt)],
    ])}`,
  }
}
