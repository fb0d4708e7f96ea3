// The documentation that can be checked: what the README says of the settings is what the table says. To bring it up to date:
// node -e "import('./src/config/settings-table.ts').then((table) => fs.writeFileSync('README.md', table.withSettingsTables(fs.readFileSync('README.md', 'utf8'))))"
import { readFileSync } from 'node:fs'
import { withSettingsTables } from '../src/config/settings-table.ts'

const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8')

describe('README.md', () => {
  it('has every setting with its default and its meaning', () => {
    expect(readme).toBe(withSettingsTables(readme))
  })
})
