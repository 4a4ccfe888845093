/** `polyraft snap extract`: the state in a .snap file, for a host program that brings it into another cluster. */
import { basename } from 'node:path';
import { DecodeError } from '../core/raftpb/varint.ts';
import { crc32cPortable } from '../storage/crc32c.ts';
import type { Disk } from '../storage/disk.ts';
import { readBody, readLayout } from '../storage/snapshot/snapshot-file.ts';
import { ExitCode, type Output } from './output.ts';

/** The checksum is known at the end only: what was written of a damaged file is removed again. */
export async function extractSnapshot(
  disk: Disk,
  path: string,
  to: string,
  output: Output,
): Promise<ExitCode> {
  const from = await disk.open(path, 'read');
  try {
    const layout = await readLayout(from);
    const size = layout.dataEnd - layout.dataStart;
    const file = await disk.open(to, 'create-exclusive', 0o600);
    try {
      let at = 0;
      await readBody(from, layout, crc32cPortable, async (bytes) => {
        await file.write(bytes, 0, bytes.length, at, false);
        at += bytes.length;
        output.progress?.(`of ${basename(path)} read`, at / size);
      });
      await file.sync();
    } catch (error) {
      await disk.remove(to);
      throw error;
    } finally {
      output.progress?.('');
      await file.close();
    }
    output.line(`${to}: ${size} bytes, the state after entry ${layout.metadata.index}`);
    return ExitCode.Fine;
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    output.problem(`${path} is damaged: ${error.message}`);
    return ExitCode.Damaged;
  } finally {
    await from.close();
  }
}
