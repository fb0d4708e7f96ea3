// The contract of the short-lived store, on each of its three implementations.
import { describeFamilyStore } from './family-store.contract.ts'
import { OPENERS } from './short-lived-stores.ts'

for (const [name, open] of Object.entries(OPENERS)) describeFamilyStore(name, open)
