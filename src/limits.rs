//! Every bound of the system, its unit in its name, and what must hold between them.

/// Longest name of a metric, param, tag, run or experiment.
pub const NAME_BYTES_MAX: usize = 512;
/// Longest text: a param or tag value, a note, a captured command line.
pub const TEXT_BYTES_MAX: usize = 1 << 20;
/// Longest path of an artifact inside a run.
pub const ARTIFACT_PATH_BYTES_MAX: usize = 4096;
/// Most metrics in one `Points` record; a wider step is written as several.
pub const RECORD_METRICS_MAX: usize = 16_384;
/// Longest body of a record.
pub const RECORD_BYTES_MAX: usize = 3 << 19; // 1.5 MiB
/// Most numbers in a list that is a param.
pub const LIST_ITEMS_MAX: usize = 65_536;
/// Most places of a tree of runs and files that is told.
pub const LINEAGE_LINKS_MAX: usize = 10_000;
/// Deepest nesting of lists, of a filter's parentheses, of an imported document.
pub const NESTING_MAX: usize = 64;

/// Records start at multiples of this, so that the header is one aligned word.
pub const RECORD_ALIGN_BYTES: usize = 8;
/// First segment of a writer; a short run must not pay for a large one.
pub const SEGMENT_BYTES_MIN: usize = 256 << 10;
/// Segments double up to this.
pub const SEGMENT_BYTES_MAX: usize = 4 << 20;
/// Segments of a run that logs [`WIDE_METRICS`] metrics a step double up to this.
pub const SEGMENT_WIDE_BYTES_MAX: usize = 8 << 20;
/// From so many metrics a step a run is wide.
pub const WIDE_METRICS: usize = 1_000;
/// Largest segment or sealed file that is ever read whole.
pub const SEGMENT_READ_BYTES_MAX: u64 = 64 << 20;

/// Rows of a column chunk: long enough to compress, short enough to be read for one plot.
pub const CHUNK_ROWS_MAX: usize = 4_096;
/// A shape with fewer rows than this in a segment is split into its metrics when sealed.
pub const GROUP_ROWS_MIN: usize = 16;

/// Largest file that is kept in one piece, and largest chunk of a larger one.
pub const PIECE_BYTES_MAX: usize = 4 << 20;

/// Most bytes of rows that wait to be sealed.
pub const SEAL_QUEUE_BYTES_MAX: usize = 64 << 20;
/// Most bytes of rows that are sealed at once, but for one larger segment: each takes about three
/// times its size of memory.
pub const SEALING_BYTES_MAX: usize = SEGMENT_WIDE_BYTES_MAX;
/// The caller yields after so many bytes while the queue is more than half full.
pub const PACE_BYTES: usize = 32 << 10;
/// How often the live segment is synced, unless the caller asks otherwise.
pub const SYNC_INTERVAL_MS: u64 = 1_000;

/// Page cache of redb for one fold or one reader; its default, 1 GiB, would stay beside a training.
pub const INDEX_CACHE_BYTES: usize = 16 << 20;
/// How long a reader waits for redb before it answers without.
pub const INDEX_WAIT_MS: u64 = 50;
/// Values of a column page: what filters and sorts.
pub const PAGE_VALUES: usize = 2_000;

const _: () = {
    assert!(RECORD_BYTES_MAX.is_multiple_of(RECORD_ALIGN_BYTES));
    // The widest step and the longest text with its names fit a record, any record a segment.
    assert!(RECORD_METRICS_MAX * 8 + 64 <= RECORD_BYTES_MAX);
    assert!(TEXT_BYTES_MAX + ARTIFACT_PATH_BYTES_MAX + 8 * NAME_BYTES_MAX <= RECORD_BYTES_MAX);
    assert!(RECORD_BYTES_MAX + 4096 <= SEGMENT_BYTES_MAX);
    assert!(SEGMENT_BYTES_MIN <= SEGMENT_BYTES_MAX);
    assert!(SEGMENT_BYTES_MAX <= SEGMENT_WIDE_BYTES_MAX);
    assert!(SEGMENT_WIDE_BYTES_MAX as u64 <= SEGMENT_READ_BYTES_MAX);
    assert!(2 * SEGMENT_WIDE_BYTES_MAX <= SEAL_QUEUE_BYTES_MAX);
    assert!(PACE_BYTES < SEGMENT_BYTES_MIN);
};
