// How the operator of a new server gets the link that creates the first admin. Invariant: the link
// never reaches what is shipped and kept. It is shown on a terminal, is in a file that its owner
// alone can read, or is printed by a command that somebody runs. Called by serve.ts.
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Config } from './config/config.ts'
import type { Services } from './services.ts'
import type { Logger } from './shared/logger.ts'
import { IN_MEMORY } from './storage/database.ts'

// In the data directory: no command can open its database while the server runs.
const SETUP_FILE = 'setup-link'

/**
 * Offers a link with which the first admin is created, where no admin can sign in yet. Each process
 * offers its own; all end once there is an admin.
 *
 * @param terminal standard output where somebody reads it; undefined where it goes to a log
 */
export async function offerSetup(
  config: Config,
  services: Services,
  { logger, terminal }: { logger: Logger; terminal: NodeJS.WritableStream | undefined },
): Promise<void> {
  try {
    const file = setupFile(config)
    if (await services.accounts.hasAdmin()) {
      if (file !== undefined) await rm(file, { force: true })
    } else if (terminal !== undefined) {
      const url = await makeLink(config, services)
      terminal.write(
        `\nThere is no admin yet. Open this link to create the first one; it works once, for 24 hours:\n\n    ${url}\n\n`,
      )
    } else if (file !== undefined) {
      const url = await makeLink(config, services)
      await rm(file, { force: true })
      await writeFile(file, `${url}\n`, { mode: 0o600, flag: 'wx' })
      logger.warn({ file }, 'there is no admin yet: open the link in this file to create one')
    } else {
      const { kind } = config.stores
      const way = kind === 'networked' ? 'run "otesse account setup-link"' : 'start on a terminal'
      logger.warn(`there is no admin yet: ${way} and open the link`)
    }
  } catch (error) {
    // The server serves without an admin; the next start, or "otesse account create", makes one.
    logger.warn({ err: error }, 'the link for the first admin could not be created')
  }
}

function setupFile({ stores }: Config): string | undefined {
  if (stores.kind !== 'embedded' || stores.dataDirectory === IN_MEMORY) return undefined
  return join(stores.dataDirectory, SETUP_FILE)
}

async function makeLink({ server }: Config, { accountLinks }: Services): Promise<string> {
  const link = await accountLinks.makeSetup(server.issuer, { actor: 'serve' })
  // Somebody became an admin in the meantime.
  if (link === undefined) throw new Error('there is an admin now')
  return link.url.reveal()
}
