// The documentation that can be checked: what the README says of settings and redirect URIs is what the tables say. To bring it up to date:
// node -e "import('./src/apps/redirect-uri-table.ts').then((table) => fs.writeFileSync('README.md', table.withRedirectUriTable(fs.readFileSync('README.md', 'utf8'))))"
// node -e "import('./src/config/settings-table.ts').then((table) => fs.writeFileSync('README.md', table.withSettingsTables(fs.readFileSync('README.md', 'utf8'))))"
import { readFileSync } from 'node:fs'
import { withRedirectUriTable } from '../src/apps/redirect-uri-table.ts'
import { withSettingsTables } from '../src/config/settings-table.ts'

const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8')

describe('README.md', () => {
  it('has every setting with its default and its meaning', () => {
    expect(readme).toBe(withSettingsTables(readme))
  })

  it('has every rule of redirect URIs, in their order', () => {
    expect(readme).toBe(withRedirectUriTable(readme))
  })
})
