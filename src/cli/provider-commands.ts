// otesse provider: the catalogue of foreign systems, and the check of a file that describes one.
// Invariant: no command of these opens a store.
import type { Command } from 'commander'
import type { Problem } from '../model/problem.ts'
import { readCatalogue } from '../providers/catalogue.ts'
import type { Provider } from '../providers/provider.ts'
import { readProvider } from '../providers/read-provider.ts'
import { readFlagFile } from './app-flags.ts'
import type { Does } from './command.ts'
import { facts, table } from './layout.ts'
import { inputRefusal, Refusal, type Session } from './session.ts'
import { decodeWhole } from './text-file.ts'

/** Adds `otesse provider …`. */
export function addProviderCommands(program: Command, does: Does): void {
  const provider = program
    .command('provider')
    .description('the catalogue of systems that people can be connected to')

  const list = provider
    .command('list')
    .description(
      'list the providers; for a confirmed one each fact has a page on which it was read',
    )
    .addHelpText('after', '\nExample:\n  $ otesse provider list --json')
  does(list, () => {
    const providers = readCatalogue()
    const rows = providers.map(({ key, name, kind, status = 'custom' }) => [
      key,
      name,
      kind,
      status,
    ])
    const text = table(['KEY', 'NAME', 'KIND', 'STATUS'], rows)
    return Promise.resolve({ json: { providers }, text })
  })

  const show = provider
    .command('show')
    .description('show what is known about a provider, and where it was read')
    .argument('<key>')
    .addHelpText('after', '\nExample:\n  $ otesse provider show zoho')
  does(show, (_session, key = '') => {
    const found = readCatalogue().find((each) => each.key === key)
    if (found === undefined)
      throw new Refusal('not_found', `No provider "${key}". List them: otesse provider list`)
    return Promise.resolve({ json: found, text: providerText(found) })
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
    const { provider: read, problems } = readProvider(await dataOf(session, path))
    if (read === undefined) throw inputRefusal(problems)
    return { json: read, text: `${read.name} has no problems.\n${providerText(read)}` }
  })
}

async function dataOf({ terminal }: Session, path: string): Promise<unknown> {
  const text =
    path === '-'
      ? await terminal.readAll()
      : await decodeWhole(await readFlagFile(path, 'file'), path)
  const { parse } = await import('yaml')
  try {
    return parse(text, { prettyErrors: false, maxAliasCount: 100 }) as unknown
  } catch (error) {
    throw inputRefusal([syntaxProblem(error)])
  }
}

const syntaxProblem = (error: unknown): Problem => ({
  field: 'file',
  rule: 'file-syntax',
  sentence: `This is not well-formed YAML or JSON: ${(error as Error).message.slice(0, 200)}.`,
})

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
