// Finds the programs of this machine that tests run. A missing one is an error that names its
// Debian package, never a skip.
import { accessSync, constants, readdirSync } from 'node:fs'
import { homedir } from 'node:os'
import { delimiter, join } from 'node:path'

const POSTGRES_HOME = '/usr/lib/postgresql'

/**
 * Returns the path of a program on PATH or in the system's usual folders. @throws {Error} with the
 * Debian package to install
 */
export function getBinary(name: string, debianPackage: string): string {
  return findBinary(name) ?? missing(name, debianPackage)
}

/** The same for a program that a test can do without; `undefined` where it is not there. */
export function findBinary(name: string): string | undefined {
  const folders = [
    ...(process.env['PATH'] ?? '').split(delimiter),
    '/usr/bin',
    '/usr/sbin',
    '/usr/local/bin',
    '/usr/local/go/bin',
  ]
  return firstExecutable(folders, name)
}

/**
 * Returns the path of a PostgreSQL program: of OTESSE_TEST_POSTGRES_HOME (test/versions.sh), else
 * of the highest version that Debian has installed, else from PATH. @throws {Error}
 */
export function getPostgresBinary(name: string): string {
  const home = process.env['OTESSE_TEST_POSTGRES_HOME']
  if (home !== undefined) return join(home, 'bin', name)
  return firstExecutable(postgresFolders(), name) ?? getBinary(name, 'postgresql')
}

/** Where test/install-packages.sh puts the programs that Debian has no package of. */
const PROGRAMS =
  process.env['OTESSE_TEST_PROGRAMS'] ?? join(homedir(), '.cache', 'otesse-test-programs')

/**
 * Answers the path of a program that test/install-packages.sh took from a Python package. @throws
 * {Error}
 */
export function getPythonPackageBinary(name: string): string {
  const found = firstExecutable([PROGRAMS], name)
  if (found === undefined)
    throw new Error(
      `"${name}" is needed by the tests and not on this machine: run test/install-packages.sh`,
    )
  return found
}

function postgresFolders(): string[] {
  try {
    const versions = readdirSync(POSTGRES_HOME).filter((entry) => /^\d+$/.test(entry))
    return versions
      .sort((a, b) => Number(b) - Number(a))
      .map((version) => join(POSTGRES_HOME, version, 'bin'))
  } catch {
    return []
  }
}

function firstExecutable(folders: string[], name: string): string | undefined {
  return folders.map((folder) => join(folder, name)).find(isExecutable)
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

function missing(name: string, debianPackage: string): never {
  throw new Error(
    `"${name}" is needed by the tests and not on this machine: apt-get install ${debianPackage} (or test/install-packages.sh)`,
  )
}
