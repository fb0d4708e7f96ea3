// The contract of grants, on each of the three short-lived stores.
import { describeGrants } from './grants.contract.ts'
import { OPENERS } from './short-lived-stores.ts'

for (const [name, open] of Object.entries(OPENERS)) describeGrants(name, open)
