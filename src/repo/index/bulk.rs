//! Many packs taken in at once, as when an index is made anew: chunks are spread over files by the beginning of their ids,
//! each file is sorted in memory and becomes a part of the index as it is. One by one they would be written some ten times
//! over before all are in order.

use std::fs::{self, File};
use std::io::{BufWriter, Read, Write};
use std::path::PathBuf;

use rayon::prelude::*;
use rocksdb::{IngestExternalFileOptions, SstFileWriter, WriteBatch};

use crate::error::Result;
use crate::format::encode;
use crate::format::pack::{Footer, PackKind};
use crate::id::{CHUNK_ID_LEN, ChunkId, PackId};

use super::slot::Slot;
use super::{Index, PackInfo, chunk_key, failed, pack_key, place_of, storage_error, tuning, write};

/// Files that chunks are spread over: by the first byte of their ids.
const PARTS: usize = 256;
/// Parts that become one sorted file: few files, because only so many are kept open.
const PARTS_IN_FILE: usize = 16;
const BUFFER_BYTES: usize = 32 << 10;
/// Chunks after which what was gathered becomes part of the index: what bounds memory (a part is sorted by each thread)
/// and the room on disk.
const CHUNKS_AT_ONCE: u64 = 1 << 27;

/// Packs on their way in. Dropping it without [`Bulk::finish`] takes in nothing, or a part of the packs as wholes.
pub struct Bulk<'i> {
    index: &'i Index,
    folder: PathBuf,
    parts: Vec<BufWriter<File>>,
    /// What was gathered since the last time it became part of the index.
    packs: Vec<PackInfo>,
    chunks: u64,
    next: u32,
}

impl Index {
    /// Begins to take in `packs` packs at once. `None` where another process writes the index.
    pub fn bulk(&self, packs: usize) -> Result<Option<Bulk<'_>>> {
        if !self.writable {
            return Ok(None);
        }
        let mut table = write(&self.packs);
        let next = table.next;
        // Chunks come into the index before their packs do. Should that be all that a crash leaves, no other pack may ever
        // have the numbers.
        table.next = next.saturating_add(u32::try_from(packs).unwrap_or(u32::MAX));
        let mut batch = WriteBatch::default();
        batch.put(b"n", table.next.to_le_bytes());
        self.db.write_without_wal(batch).map_err(failed)?;
        drop(table);
        self.flush()?;
        let folder = self.db.path().join("bulk");
        let mut bulk = Bulk { index: self, folder, parts: Vec::new(), packs: Vec::new(), chunks: 0, next };
        bulk.begin()?;
        Ok(Some(bulk))
    }
}

impl Bulk<'_> {
    fn part(&self, number: usize, kind: &str) -> PathBuf {
        self.folder.join(format!("{number:02x}.{kind}"))
    }

    fn begin(&mut self) -> Result<()> {
        Index::remove(&self.folder)?;
        let fail = |error| storage_error("write", &self.folder, error);
        fs::create_dir_all(&self.folder).map_err(fail)?;
        let create = |number| File::create(self.part(number, "chunks")).map_err(fail);
        let parts: Result<Vec<_>> =
            (0..PARTS).map(|number| Ok(BufWriter::with_capacity(BUFFER_BYTES, create(number)?))).collect();
        self.parts = parts?;
        Ok(())
    }

    /// Takes a pack in.
    pub fn add(&mut self, id: PackId, kind: PackKind, size: u64, footer: &Footer) -> Result<()> {
        let number = self.next;
        self.next = self.next.saturating_add(1);
        let mut record = Vec::with_capacity(CHUNK_ID_LEN + 28);
        for (slot, chunk) in (0u32..).zip(&footer.chunks) {
            let [first, ..] = chunk.id.0;
            record.clear();
            record.extend(chunk.id.0);
            place_of(number, slot, chunk).encode_into(&mut record);
            if let Some(part) = self.parts.get_mut(usize::from(first)) {
                part.write_all(&record).map_err(|error| storage_error("write", &self.folder, error))?;
            }
        }
        self.packs.push(PackInfo { number, id, kind, size, chunks: footer.chunks.len() as u32 });
        self.chunks += footer.chunks.len() as u64;
        if self.chunks >= CHUNKS_AT_ONCE {
            self.settle()?;
            self.begin()?;
        }
        Ok(())
    }

    /// Makes what is left part of the index.
    pub fn finish(mut self) -> Result<()> {
        self.settle()
    }

    fn settle(&mut self) -> Result<()> {
        for part in self.parts.drain(..) {
            part.into_inner().map_err(|error| storage_error("write", &self.folder, error.into_error()))?;
        }
        let files: Vec<usize> = (0..PARTS).step_by(PARTS_IN_FILE).collect();
        let sorted: Vec<Option<PathBuf>> =
            files.into_par_iter().map(|first| self.sort(first)).collect::<Result<_>>()?;
        let sorted: Vec<PathBuf> = sorted.into_iter().flatten().collect();
        if !sorted.is_empty() {
            let mut options = IngestExternalFileOptions::default();
            options.set_move_files(true);
            self.index.db.ingest_external_file_opts(&options, sorted).map_err(failed)?;
        }
        let mut batch = WriteBatch::default();
        let mut table = write(&self.index.packs);
        for info in self.packs.drain(..) {
            batch.put(pack_key(&info.id), encode(&info));
            table.by_id.insert(info.id, info.number);
            table.by_number.insert(info.number, info);
        }
        self.chunks = 0;
        self.index.db.write_without_wal(batch).map_err(failed)
    }

    /// Makes one sorted file of the parts from `first` on. `None` where they are empty.
    fn sort(&self, first: usize) -> Result<Option<PathBuf>> {
        let sorted = self.part(first, "sst");
        let options = tuning::options(false);
        let mut writer = SstFileWriter::create(&options);
        writer.open(&sorted).map_err(failed)?;
        let mut is_empty = true;
        for number in first..first + PARTS_IN_FILE {
            let mut chunks = self.take_part(number)?;
            chunks.par_sort_unstable();
            write_sorted(&chunks, &mut writer)?;
            is_empty &= chunks.is_empty();
        }
        if is_empty {
            return Ok(None);
        }
        writer.finish().map_err(failed)?;
        Ok(Some(sorted))
    }

    fn take_part(&self, number: usize) -> Result<Vec<(ChunkId, Slot)>> {
        let from = self.part(number, "chunks");
        let mut bytes = Vec::new();
        let read = File::open(&from).and_then(|mut file| file.read_to_end(&mut bytes));
        read.map_err(|error| storage_error("read", &from, error))?;
        fs::remove_file(&from).map_err(|error| storage_error("remove", &from, error))?;
        Ok(records(&bytes))
    }
}

impl Drop for Bulk<'_> {
    fn drop(&mut self) {
        // What is left behind is removed when the next one begins.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn records(mut bytes: &[u8]) -> Vec<(ChunkId, Slot)> {
    let mut records = Vec::with_capacity(bytes.len() / (CHUNK_ID_LEN + 8));
    while let Some((id, rest)) = bytes.split_first_chunk()
        && let Some((slot, rest)) = Slot::decode_first(rest)
    {
        records.push((ChunkId(*id), slot));
        bytes = rest;
    }
    records
}

fn write_sorted(chunks: &[(ChunkId, Slot)], writer: &mut SstFileWriter<'_>) -> Result<()> {
    let mut places = Vec::new();
    for same in chunks.chunk_by(|(a, _), (b, _)| a == b) {
        places.clear();
        same.iter().for_each(|(_, slot)| slot.encode_into(&mut places));
        if let Some((id, _)) = same.first() {
            writer.merge(chunk_key(id), &places).map_err(failed)?;
        }
    }
    Ok(())
}
