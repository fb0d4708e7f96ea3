import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readCatalogue } from '../../../src/providers/catalogue.ts'
import type { Provider } from '../../../src/providers/provider.ts'

const catalogue = readCatalogue()

it('confirms at least 25 providers', () => {
  const confirmed = catalogue.filter(({ status }) => status === 'confirmed')
  expect(confirmed.length).toBeGreaterThanOrEqual(25)
  expect(catalogue.every(({ status }) => status !== undefined && status !== 'custom')).toBe(true)
})

it.each<[string, (provider: Provider) => boolean]>([
  ['scopes with commas', ({ auth }) => auth?.scope_separator === ','],
  ['an error with status 200', ({ auth }) => auth?.errors === 'in_answer'],
  ['form-encoded answers', ({ auth }) => auth?.answer === 'form'],
  ['a header of its own', ({ api }) => (api?.header ?? 'Authorization') !== 'Authorization'],
  ['refresh tokens for one use', ({ life }) => life?.rotates === 'yes'],
  ['no expires_in', ({ life }) => life?.expiry === 'none'],
  ['a host for each customer', ({ auth }) => /\/\/\{/.test(auth?.token_url ?? '')],
])('has a confirmed provider with %s', (_quirk, has) => {
  const confirmed = catalogue.filter(({ status }) => status === 'confirmed')
  expect(confirmed.filter(has).map(({ key }) => key)).not.toEqual([])
})

it('names the file and the member of what is wrong in it', () => {
  const folder = mkdtempSync(join(tmpdir(), 'otesse-providers-'))
  try {
    writeFileSync(join(folder, 'crm.yaml'), 'key: crm\nname: CRM\nkind: keys\n')
    writeFileSync(join(folder, 'other.yaml'), 'key: key\nname: x\n')
    expect(() => readCatalogue(folder)).toThrow(/crm\.yaml: fields: .*\nother\.yaml: kind: /)
  } finally {
    rmSync(folder, { recursive: true })
  }
})
