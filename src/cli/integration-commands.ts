// otesse integration: which other systems people and the company can connect, and our client there.
// Invariant: the client secret comes in by standard input or a prompt, never as an argument.
import { type Command, Option } from 'commander'
import type { IntegrationChange } from '../admin/integration-service.ts'
import type { AdminServices } from '../compose/admin-services.ts'
import {
  callbackOf,
  type Integration,
  INTEGRATION_KINDS,
  type IntegrationKind,
  scopeOfIntegration,
} from '../connections/integration.ts'
import type { OwnerKind } from '../connections/connection.ts'
import { Secret } from '../shared/secret.ts'
import type { Does } from './command.ts'
import { facts, table } from './layout.ts'
import {
  conflictRefusal,
  inputRefusal,
  OPERATOR,
  type Outcome,
  parseVersion,
  Refusal,
  type Session,
  usageRefusal,
} from './session.ts'

interface Flags {
  provider?: string
  kind?: IntegrationKind
  name?: string
  clientId?: string
  clientSecret?: boolean
  scope?: string[]
  requiredScope?: string[]
  audience?: string
  parameter?: string[]
  config?: string[]
  owner?: string[]
  trustedApp?: string[]
  returnAddress?: string[]
  proxyHost?: string[]
  proxyMethod?: string[]
  clear?: string[]
  ifVersion?: string
}

/** What `--clear` takes, and what the setting is then. */
const CLEARABLE: Readonly<Record<string, IntegrationChange>> = {
  scope: { scopes: [], requiredScopes: [] },
  'required-scope': { requiredScopes: [] },
  audience: { audience: undefined },
  parameter: { parameters: {} },
  config: { config: {} },
  'trusted-app': { trustedApps: [] },
  'return-address': { returnAddresses: [] },
  'proxy-host': { proxyHosts: [] },
}

const collect = (value: string, before: string[] = []): string[] => [...before, value]

/** Adds `otesse integration …`. */
export function addIntegrationCommands(program: Command, does: Does): void {
  const integration = program
    .command('integration')
    .description('other systems that users and the company can connect to')
  addCreate(integration, does)
  addList(integration, does)
  addShow(integration, does)
  addSet(integration, does)
  addSwitches(integration, does)
  addDelete(integration, does)
}

function addCreate(integration: Command, does: Does): void {
  const create = addFlags(
    integration
      .command('create <handle>')
      .description('enable a provider, with the client that you registered there')
      .requiredOption('--provider <key>', 'see otesse provider list')
      .addOption(
        new Option('--kind <kind>', 'how connections get their credentials').choices(
          INTEGRATION_KINDS,
        ),
      ),
  ).addHelpText(
    'after',
    `
Register the callback address that is printed at the provider. Apps use connections with the scope connections:<handle>,
which is made along. On a terminal the client secret is asked for. Examples:
  $ pass show crm/secret | otesse integration create crm --provider zoho --client-id 1000.X --client-secret --config dc=eu
  $ otesse integration create mail --provider postmark --owner company`,
  )
  does(create, async (session, handle = '') => {
    const flags = create.opts<Flags>()
    const change = await changeOf(session, flags)
    return withConnections(session, async (admin, issuer) => {
      const input = { handle, providerKey: flags.provider ?? '', kind: flags.kind, ...change }
      const outcome = await admin.integrations.create(input, OPERATOR)
      if (outcome.kind === 'refused') throw inputRefusal(outcome.problems)
      return shown(outcome.integration, issuer)
    })
  })
}

function addSet(integration: Command, does: Does): void {
  const set = addFlags(
    integration
      .command('set <handle>')
      .description('change the given settings; lists are replaced'),
  )
    .addOption(
      new Option('--clear <setting>', 'empty a setting; may be repeated')
        .choices(Object.keys(CLEARABLE))
        .argParser(collect),
    )
    .option('--if-version <version>', 'only if nobody has changed it since you looked at it')
    .addHelpText(
      'after',
      `
A misconfigured integration is tried again at once. Example:
  $ pass show crm/secret | otesse integration set crm --client-secret`,
    )
  does(set, async (session, handle = '') => {
    const flags = set.opts<Flags>()
    const unknown = (flags.clear ?? []).find((name) => !Object.hasOwn(CLEARABLE, name))
    if (unknown !== undefined)
      throw usageRefusal(`--clear takes one of: ${Object.keys(CLEARABLE).join(', ')}`)
    const change = {
      ...Object.assign({}, ...(flags.clear ?? []).map((name) => CLEARABLE[name])),
      ...(await changeOf(session, flags)),
    } as IntegrationChange
    if (Object.keys(change).length === 0)
      throw usageRefusal('Name a setting to change: see otesse integration set --help')
    return withConnections(session, async (admin, issuer) => {
      const version =
        parseVersion(flags.ifVersion) ?? (await admin.integrations.get(handle)).version
      const outcome = await admin.integrations.update(handle, version, change, OPERATOR)
      if (outcome.kind === 'refused') throw inputRefusal(outcome.problems)
      if (outcome.kind === 'conflict')
        throw conflictRefusal(outcome.integration.version, `otesse integration show ${handle}`)
      return shown(outcome.integration, issuer)
    })
  })
}

function addList(integration: Command, does: Does): void {
  const list = integration
    .command('list')
    .description('list the integrations')
    .addHelpText('after', '\nExample:\n  $ otesse integration list --json')
  does(list, (session) =>
    withConnections(session, async (admin, issuer) => {
      const all = await admin.integrations.list()
      const rows = all.map((one) => [
        one.handle,
        one.providerKey,
        one.kind,
        one.ownerKinds.join(', '),
        one.statusReason === undefined ? one.status : `${one.status} (${one.statusReason})`,
      ])
      return {
        json: { integrations: all.map((one) => integrationJson(one, issuer)) },
        text: table(['HANDLE', 'PROVIDER', 'KIND', 'OWNERS', 'STATUS'], rows),
      }
    }),
  )
}

function addShow(integration: Command, does: Does): void {
  const show = integration
    .command('show <handle>')
    .description('show an integration, with the callback URL to register at the provider')
    .addHelpText('after', '\nExample:\n  $ otesse integration show crm')
  does(show, (session, handle = '') =>
    withConnections(session, async (admin, issuer) =>
      shown(await admin.integrations.get(handle), issuer),
    ),
  )
}

function addSwitches(integration: Command, does: Does): void {
  const switches = [
    { name: 'disable', description: 'keep everybody from using it and its connections' },
    { name: 'enable', description: 'let it be used again' },
  ] as const
  for (const { name, description } of switches) {
    const command = integration
      .command(`${name} <handle>`)
      .description(description)
      .addHelpText('after', `\nExample:\n  $ otesse integration ${name} crm`)
    does(command, (session, handle = '') =>
      withConnections(session, async (admin, issuer) =>
        shown(await admin.integrations[name](handle, OPERATOR), issuer),
      ),
    )
  }
}

function addDelete(integration: Command, does: Does): void {
  const command = integration
    .command('delete <handle>')
    .description('delete an integration and its scope')
    .option(
      '--with-connections',
      'even if users have connected it: their credentials are deleted too',
    )
    .addHelpText('after', '\nExample:\n  $ otesse integration delete crm --with-connections')
  does(command, (session, handle = '') =>
    withConnections(session, async (admin) => {
      const flags = command.opts<{ withConnections?: boolean }>()
      const isAll = flags.withConnections === true
      const outcome = await admin.integrations.remove(handle, { withConnections: isAll }, OPERATOR)
      const { kind, connections } = outcome
      if (kind === 'in-use')
        throw new Refusal(
          'in_use',
          `Nothing was changed: ${handle} has connections (${connections}). To delete them as well: --with-connections`,
        )
      return {
        json: { integration: { handle }, deleted: true, connections },
        text: `${handle} is no more.\n`,
      }
    }),
  )
}

const addFlags = (command: Command): Command =>
  command
    .option('--name <name>', 'the name that users see; by default the name of the provider')
    .option('--client-id <id>', 'the client ID that the provider gave you')
    .option(
      '--client-secret',
      'ask for the secret of that client; without a terminal it is read from standard input',
    )
    .option('--scope <scope>', 'a scope to request from the provider; may be repeated', collect)
    .option('--required-scope <scope>', 'a scope without which no connection is made', collect)
    .option('--audience <audience>', 'sent to the provider')
    .option('--parameter <name=value>', 'an extra parameter for authorization requests', collect)
    .option('--config <name=value>', 'a value for a placeholder in the provider’s URLs', collect)
    .option('--owner <kind>', 'account or company; may be repeated', collect)
    .option(
      '--trusted-app <client-id>',
      'a machine app that may use the connections of everybody',
      collect,
    )
    .option(
      '--return-address <url>',
      'where users may come back to by links of apps; may be repeated',
      collect,
    )
    .option('--proxy-host <host>', 'a host that proxied calls may reach; may be repeated', collect)
    .option(
      '--proxy-method <method>',
      'a method that proxied calls may use; may be repeated',
      collect,
    )

async function changeOf(session: Session, flags: Flags): Promise<IntegrationChange> {
  const { name, clientId, audience } = flags
  return {
    ...(name !== undefined && { name }),
    ...(clientId !== undefined && { clientId }),
    ...(audience !== undefined && { audience }),
    ...(flags.scope && { scopes: flags.scope }),
    ...(flags.requiredScope && { requiredScopes: flags.requiredScope }),
    ...(flags.parameter && { parameters: pairs('--parameter', flags.parameter) }),
    ...(flags.config && { config: pairs('--config', flags.config) }),
    ...(flags.owner && { ownerKinds: flags.owner as OwnerKind[] }),
    ...(flags.trustedApp && { trustedApps: flags.trustedApp }),
    ...(flags.returnAddress && { returnAddresses: flags.returnAddress }),
    ...(flags.proxyHost && { proxyHosts: flags.proxyHost }),
    ...(flags.proxyMethod && { proxyMethods: flags.proxyMethod }),
    ...(flags.clientSecret === true && { clientSecret: await readClientSecret(session) }),
  }
}

async function readClientSecret(session: Session): Promise<Secret<string>> {
  const text = await session.readSecretText('Client secret: ')
  if (text === '') throw usageRefusal('The client secret is empty.')
  return new Secret(text)
}

const pairs = (flag: string, given: readonly string[]): Record<string, string> =>
  Object.fromEntries(
    given.map((pair) => {
      const at = pair.indexOf('=')
      if (at < 1) throw usageRefusal(`${flag} is a name and a value: ${flag} name=value`)
      return [pair.slice(0, at), pair.slice(at + 1)]
    }),
  )

/** Refuses what needs connections. */
export const connectionsOff = (): Refusal =>
  new Refusal(
    'connections_off',
    'Connections to other systems are off. Set OTESSE_CONNECTIONS=true, for the servers as well.',
  )

/** Does work on connections, where they are on. @throws {Refusal} */
export function withConnections(
  session: Session,
  work: (admin: AdminServices, issuer: string) => Promise<Outcome>,
): Promise<Outcome> {
  const { connections, server } = session.config()
  if (!connections.enabled) throw connectionsOff()
  return session.withAdminServices((admin) => work(admin, server.issuer))
}

const integrationJson = (integration: Integration, issuer: string): object => ({
  ...integration,
  clientId: integration.clientId ?? null,
  audience: integration.audience ?? null,
  statusReason: integration.statusReason ?? null,
  nextProbeAt: integration.nextProbeAt ?? null,
  scope: scopeOfIntegration(integration),
  callback: integration.kind === 'oauth2' ? callbackOf(integration, issuer) : null,
})

const shown = (integration: Integration, issuer: string): Outcome => ({
  json: { integration: integrationJson(integration, issuer) },
  text: `${integration.handle}\n${facts([
    ['Name', integration.name],
    ['Provider', integration.providerKey],
    ['Kind', integration.kind],
    ['Status', integration.status],
    ['Reason', integration.statusReason],
    ['Client id', integration.clientId],
    ['Client secret', integration.hasClientSecret ? 'set' : undefined],
    [
      'Callback address',
      integration.kind === 'oauth2' ? callbackOf(integration, issuer) : undefined,
    ],
    ['Scopes', integration.scopes.join(' ')],
    ['Required scopes', integration.requiredScopes.join(' ')],
    ['Audience', integration.audience],
    ['Parameters', pairText(integration.parameters)],
    ['Config', pairText(integration.config)],
    ['Owners', integration.ownerKinds.join(', ')],
    ['Trusted apps', integration.trustedApps.join(' ')],
    ['Return addresses', integration.returnAddresses.join(' ')],
    ['Proxy hosts', integration.proxyHosts.join(' ')],
    ['Proxy methods', integration.proxyMethods.join(' ')],
    ['Scope for apps', scopeOfIntegration(integration)],
    ['Version', String(integration.version)],
  ])}`,
})

const pairText = (values: Readonly<Record<string, string>>): string =>
  Object.entries(values)
    .map(([name, value]) => `${name}=${value}`)
    .join(' ')
