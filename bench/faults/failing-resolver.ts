// Loaded into a server before its own code: looks names of this run up, or fails to, as a file
// says. The system's resolver cannot be made to fail for one process alone.
import dns, { type LookupAddress, type LookupOptions } from 'node:dns'
import { existsSync, readFileSync } from 'node:fs'

type Callback = (
  error: NodeJS.ErrnoException | null,
  address?: string | LookupAddress[],
  family?: number,
) => void

const file = process.env['FAULTS_RESOLVER_FILE'] ?? ''
const lookup = dns.lookup as (name: string, options: LookupOptions, callback: Callback) => void

function lookUpOrFail(name: string, options: LookupOptions, callback: Callback): void {
  if (!name.endsWith('.faults.test')) {
    lookup(name, options, callback)
    return
  }
  const code = existsSync(file) ? readFileSync(file, 'utf8') : ''
  process.nextTick(() => {
    if (code !== '')
      callback(Object.assign(new Error(`getaddrinfo ${code} ${name}`), { code, hostname: name }))
    else if (options.all) callback(null, [{ address: '127.0.0.1', family: 4 }])
    else callback(null, '127.0.0.1', 4)
  })
}

Object.assign(dns, { lookup: lookUpOrFail })
