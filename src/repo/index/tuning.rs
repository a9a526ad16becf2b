//! How RocksDB is set up: memory that does not grow with the index, and look-ups by one block each. docs/SCALING.md has
//! what it was measured to do.

use rocksdb::{
    BlockBasedIndexType, BlockBasedOptions, Cache, DataBlockIndexType, LruCacheOptions, MergeOperands, Options,
};

/// Blocks of data, of filters and of indexes that are kept, bytes.
const BLOCK_CACHE_BYTES: usize = 48 << 20;
/// Parts of the cache that are locked one by one. Few: a part must have room for many of the largest blocks.
const CACHE_SHARD_BITS: i32 = 3;
const WRITE_BUFFER_BYTES: usize = 16 << 20;
/// What a block of a filter or an index is filled to, bytes. Whole filters would be megabytes a file, and the cache would
/// read and drop them at every question.
const METADATA_BLOCK_BYTES: usize = 4096;
const FILTER_BITS: f64 = 10.0;
/// Each snapshot leaves a file, and so many are brought together: by whichever program comes next, a restore too.
const FILES_BEFORE_COMPACTION: i32 = 8;
/// What the filter of a write buffer takes of it: some eight bits a chunk. Most questions of a first snapshot are about
/// chunks that are nowhere.
const WRITE_BUFFER_FILTER_RATIO: f64 = 0.02;
/// Files are as long as this, bytes: a hundred million chunks are some sixteen of them. More than are kept open would be
/// opened again and again.
const FILE_BYTES: u64 = 256 << 20;
const OPEN_FILES: i32 = 256;

/// For the database; a reader beside a writer has `read_only`.
pub(super) fn options(read_only: bool) -> Options {
    let mut cache = LruCacheOptions::default();
    cache.set_capacity(BLOCK_CACHE_BYTES);
    cache.set_num_shard_bits(CACHE_SHARD_BITS);
    let mut table = BlockBasedOptions::default();
    table.set_block_cache(&Cache::new_lru_cache_opts(&cache));
    table.set_ribbon_filter(FILTER_BITS);
    table.set_index_type(BlockBasedIndexType::TwoLevelIndexSearch);
    table.set_partition_filters(true);
    table.set_metadata_block_size(METADATA_BLOCK_BYTES);
    table.set_cache_index_and_filter_blocks(true);
    table.set_cache_index_and_filter_blocks_with_high_priority(true);
    table.set_pin_top_level_index_and_filter(true);
    table.set_data_block_index_type(DataBlockIndexType::BinaryAndHash);
    table.set_format_version(6);
    let mut options = Options::default();
    options.create_if_missing(true);
    options.set_block_based_table_factory(&table);
    options.set_merge_operator_associative("places", all_places);
    options.set_write_buffer_size(WRITE_BUFFER_BYTES);
    options.set_memtable_whole_key_filtering(true);
    options.set_memtable_prefix_bloom_ratio(WRITE_BUFFER_FILTER_RATIO);
    options.set_max_write_buffer_number(2);
    options.set_level_zero_file_num_compaction_trigger(FILES_BEFORE_COMPACTION);
    options.set_target_file_size_base(FILE_BYTES);
    options.set_level_compaction_dynamic_level_bytes(true);
    // A reader beside a writer holds every file open, so that none vanishes under it when the writer compacts.
    options.set_max_open_files(if read_only { -1 } else { OPEN_FILES });
    options.set_skip_stats_update_on_db_open(true);
    options.set_keep_log_file_num(1);
    options.set_max_log_file_size(1 << 20);
    options.set_stats_dump_period_sec(0);
    options.set_max_background_jobs(2);
    options
}

/// The places of a chunk, those that were known and those that were added, one after the other.
#[expect(clippy::unnecessary_wraps, reason = "RocksDB asks for an option")]
fn all_places(_: &[u8], known: Option<&[u8]>, added: &MergeOperands) -> Option<Vec<u8>> {
    let mut all = known.map(<[u8]>::to_vec).unwrap_or_default();
    added.iter().for_each(|places| all.extend_from_slice(places));
    Some(all)
}
