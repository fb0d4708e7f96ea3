// otesse provider: the catalogue of foreign systems, the check of a file that describes one, and
// those that are added to the catalogue here. Invariant: what is about the catalogue opens no
// store.
import type { Command } from 'commander'
import type { Provider } from '../providers/provider.ts'
import { readProvider } from '../providers/read-provider.ts'
import { readFlagFile } from './app-flags.ts'
import type { Does } from './command.ts'
import { facts, type ShownProblem, table } from './layout.ts'
import { OPERATOR, type Outcome, Refusal, type Session } from './session.ts'
import { decodeWhole } from '../admin/import/text-file.ts'

/** Adds `otesse provider …`. */
export function addProviderCommands(program: Command, does: Does): void {
  const provider = program
    .command('provider')
    .description('the systems to which users can be connected')

  const list = provider
    .command('list')
    .description('list the providers; each fact of a confirmed one names its source')
    .addHelpText('after', '\nExample:\n  $ otesse provider list --json')
  does(list, async () => listed(await catalogue()))

  addCustom(provider, does)

  const show = provider
    .command('show')
    .description('show a provider and the sources of its facts')
    .argument('<key>')
    .addHelpText('after', '\nExample:\n  $ otesse provider show zoho')
  does(show, async (_session, key = '') => {
    const found = (await catalogue()).find((each) => each.key === key)
    if (found === undefined)
      throw new Refusal('not_found', `No provider "${key}". List them: otesse provider list`)
    return { json: found, text: providerText(found) }
  })

  const check = provider
    .command('check')
    .description('check a file that describes a provider; - reads standard input')
    .argument('<provider.yaml>')
    .addHelpText(
      'after',
      `
The file has the shape that "show --json" prints; status and sources may be left out.
  $ otesse provider check crm.yaml`,
    )
  does(check, async (session, path = '') => {
    const read = await readDescription(session, path)
    return { json: read, text: `${read.name} has no problems.\n${providerText(read)}` }
  })
}

function addCustom(provider: Command, does: Does): void {
  const add = provider
    .command('add')
    .description('add a provider of your own, or replace it; - reads standard input')
    .argument('<provider.yaml>')
    .addHelpText('after', '\nExample:\n  $ otesse provider add crm.yaml')
  does(add, async (session, path = '') => {
    const read = await readDescription(session, path)
    return session.withAdminServices(async (services) => {
      const outcome = await services.providers.save(read, OPERATOR)
      if (outcome.kind === 'refused') throw fileRefusal(outcome.problems)
      return { json: outcome.provider, text: providerText(outcome.provider) }
    })
  })

  const custom = provider
    .command('custom')
    .description('list the providers of your own')
    .addHelpText('after', '\nExample:\n  $ otesse provider custom --json')
  does(custom, (session) =>
    session.withServices(async ({ stores }) => listed(await stores.providers.list())),
  )

  const remove = provider
    .command('remove')
    .description('remove a provider of your own that no integration uses')
    .argument('<key>')
    .addHelpText('after', '\nExample:\n  $ otesse provider remove crm')
  does(remove, (session, key = '') =>
    session.withAdminServices(async (services) => {
      const users = await services.providers.remove(key, OPERATOR)
      if (users.length > 0)
        throw new Refusal('in_use', `Nothing was changed: in use by ${users.join(', ')}.`)
      return { json: { provider: { key }, removed: true }, text: `${key} is no more.\n` }
    }),
  )
}

const listed = (providers: readonly Provider[]): Outcome => ({
  json: { providers },
  text: table(
    ['KEY', 'NAME', 'KIND', 'STATUS'],
    providers.map(({ key, name, kind, status = 'custom' }) => [key, name, kind, status]),
  ),
})

/** @throws {Refusal} with the problems, by line */
async function readDescription(session: Session, path: string): Promise<Provider> {
  const { readYaml } = await import('../admin/apply/yaml-file.ts')
  const { data, problems: broken, lineOf } = readYaml(await textOf(session, path))
  const { provider: read, problems } = readProvider(data)
  if (broken.length > 0) throw fileRefusal(broken.map((each) => ({ ...each, ...SYNTAX })))
  if (read === undefined)
    throw fileRefusal(problems.map((each) => ({ ...each, line: lineOf(each.field.split('.')) })))
  return read
}

// The YAML library is loaded by the commands that read files, and by no other.
const catalogue = async (): Promise<readonly Provider[]> =>
  (await import('../providers/catalogue.ts')).readCatalogue()

const textOf = async ({ terminal }: Session, path: string): Promise<string> =>
  path === '-' ? terminal.readAll() : decodeWhole(await readFlagFile(path, 'file'), path)

const SYNTAX = { field: 'file', rule: 'file-syntax' }

const fileRefusal = (problems: readonly ShownProblem[]): Refusal =>
  new Refusal('input_refused', 'The file has problems.', { problems })

function providerText(provider: Provider): string {
  const { key, name, kind, status = 'custom', docs_url, auth, life, api, check } = provider
  const groups = Object.entries({ auth, life, api, check }).flatMap(([group, members]) =>
    Object.entries(members ?? {}).map(([member, value]): [string, string] => [
      `${group}.${member}`,
      shown(value),
    ]),
  )
  const sources = (provider.sources ?? []).map(({ page, read, facts: paths }) => [
    read,
    paths.join(', '),
    page,
  ])
  return (
    facts([
      ['key', key],
      ['name', name],
      ['kind', kind],
      ['status', status],
      ['docs', docs_url],
      ...groups,
    ]) + (sources.length === 0 ? '' : `\n${table(['READ', 'FACTS', 'PAGE'], sources)}`)
  )
}

const shown = (value: unknown): string =>
  typeof value === 'string' && value.trim() === value && value !== ''
    ? value
    : JSON.stringify(value)
