import { createHash } from 'node:crypto'
import { lstat, mkdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Longest path of a Unix socket, bytes (sun_path of unix(7), less the final zero). */
const MAX_SOCKET_PATH = 107
const LONGEST_NAME = '/ext-authz-63.sock'

/**
 * A private folder for Unix sockets: `wanted`, or where its path is too long for a socket, one below the system's temporary
 * folder that belongs to `wanted`. Throws when that one is somebody else's.
 */
export async function socketFolder(wanted: string): Promise<string> {
  const hash = createHash('sha256').update(wanted).digest('hex').slice(0, 12)
  const fits = Buffer.byteLength(wanted + LONGEST_NAME) <= MAX_SOCKET_PATH
  const folder = fits ? wanted : join(tmpdir(), `sallyport-${process.getuid?.() ?? 0}-${hash}`)
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const info = await lstat(folder)
  // Anybody may make a folder of that name in /tmp first; who owns it could answer Checks in our place.
  if (!info.isDirectory() || info.uid !== process.getuid?.() || (info.mode & 0o022) !== 0) {
    throw new Error(`${folder}: must be a folder of this user that nobody else may write; remove it`)
  }
  return folder
}
